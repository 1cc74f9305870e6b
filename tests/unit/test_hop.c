/*
 * The words of the hop: every failure has a name of its own, and the name leads back to it.
 */
#include "common/hop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_names_lead_back(void **state)
{
	(void)state;
	for (int i = HOP_FAILURE_NONE + 1; i <= HOP_AUDIT_UNAVAILABLE; i++) {
		const char *name = hop_failure_name((enum hop_failure)i);

		assert_non_null(name);
		assert_int_equal(hop_failure_from_name(span_of(name)), i);
	}
}

static void test_unknown_is_none(void **state)
{
	(void)state;
	assert_null(hop_failure_name(HOP_FAILURE_NONE));
	assert_null(hop_failure_name((enum hop_failure)(HOP_AUDIT_UNAVAILABLE + 1)));
	assert_null(hop_failure_name((enum hop_failure) - 1));
	assert_int_equal(hop_failure_from_name(SPAN("")), HOP_FAILURE_NONE);
	assert_int_equal(hop_failure_from_name(SPAN("DNS_FAILED")), HOP_FAILURE_NONE);
	assert_int_equal(hop_failure_from_name(SPAN("dns_failed2")), HOP_FAILURE_NONE);
	assert_int_equal(hop_failure_from_name(SPAN("dns_faile")), HOP_FAILURE_NONE);
}

static void test_statuses(void **state)
{
	static const struct {
		enum hop_failure failure;
		unsigned status;
	} cases[] = {
		{HOP_UNAUTHORIZED, 407},
		{HOP_BAD_REQUEST, 400},
		{HOP_DESTINATION_REFUSED, 403},
		{HOP_DNS_NOT_FOUND, 502},
		{HOP_DNS_FAILED, 502},
		{HOP_DNS_TIMEOUT, 504},
		{HOP_CONNECT_REFUSED, 502},
		{HOP_CONNECT_UNREACHABLE, 502},
		{HOP_CONNECT_TIMEOUT, 504},
		{HOP_TLS_UNTRUSTED, 502},
		{HOP_TLS_FAILED, 502},
		{HOP_TLS_TIMEOUT, 504},
		{HOP_ORIGIN_CLOSED, 502},
		{HOP_ORIGIN_TIMEOUT, 504},
		{HOP_ORIGIN_MALFORMED, 502},
		{HOP_OVERLOADED, 503},
		{HOP_FAILURE_NONE, 500},
		{(enum hop_failure)1000, 500},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(hop_failure_status(cases[i].failure), cases[i].status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_lead_back),
		cmocka_unit_test(test_unknown_is_none),
		cmocka_unit_test(test_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
