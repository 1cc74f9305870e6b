/*
 * What is refused before anybody looks a name up: hosts as they are written in a URL, and the answer.
 */
#include "pipelock/proxy/destination.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static enum refusal_code judge(const char *text, bool tls, bool named_by_route)
{
	struct host host;
	if (!host_parse(span_of(text), &host))
		fail_msg("no host: %s", text);
	return destination_judge(&host, tls, named_by_route);
}

/* In clear and over TLS, named by a route or not. */
static void check(const char *text, enum refusal_code clear, enum refusal_code clear_named,
	enum refusal_code tls, enum refusal_code tls_named)
{
	enum refusal_code is[] = {judge(text, false, false), judge(text, false, true),
		judge(text, true, false), judge(text, true, true)};
	enum refusal_code expected[] = {clear, clear_named, tls, tls_named};
	for (size_t i = 0; i < COUNT(is); i++)
		if (is[i] != expected[i])
			fail_msg("%s, %s%s: %d, not %d", text, i < 2 ? "in clear" : "over TLS",
				i % 2 ? ", named by a route" : "", is[i], expected[i]);
}

static void check_always(const char *text, enum refusal_code code)
{
	check(text, code, code, code, code);
}

/* ---- names */

static void test_public_names_pass(void **state)
{
	static const char *const names[] = {"example", "a.example", "API.Example.", "xn--bcher-kva.example",
		"a_b.example", "10.0.0.1.example", "0x7f.example", "localhost.example", "notlocalhost",
		"my-localhost", "localhosts", "metadata.example", "xmetadata", "x.metadata.goog.example",
		"a.goog", "google.internal", "instance-data.example", "ec2.internal.example",
		"xec2.internal"};
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		check_always(names[i], REFUSAL_NONE);
}

static void test_inward_names_are_refused(void **state)
{
	static const char *const names[] = {"localhost", "LOCALHOST", "localhost.", "LocalHost.",
		"a.localhost", "a.b.Localhost.", "localhost.localhost", "localhost.localdomain",
		"ip6-localhost", "ip6-loopback", "metadata.google.internal", "Metadata.Google.Internal.",
		"metadata.goog", "metadata", "METADATA.", "instance-data", "instance-data.ec2.internal",
		"ip-10-0-0-1.ec2.internal", "a.b.ec2.internal.", "metadata.azure.internal",
		"metadata.packet.net", "metadata.platformequinix.com"};
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		check_always(names[i], REFUSAL_DESTINATION);
}

/* ---- addresses */

/* In clear a public address may be asked for. TLS has no name to hold it to, unless a route means it. */
static void test_public_literals(void **state)
{
	static const char *const literals[] = {"1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.255.255",
		"172.32.0.0", "192.167.255.255", "100.63.255.255", "100.128.0.0", "223.255.255.255",
		"[2606:4700::1111]", "[2A00::1]"};
	(void)state;
	for (size_t i = 0; i < COUNT(literals); i++)
		check(literals[i], REFUSAL_NONE, REFUSAL_NONE, REFUSAL_ADDRESS_LITERAL, REFUSAL_NONE);
}

/* No route makes them reachable: a route names what policy holds for, not what the machine may be told of. */
static void test_literals_that_are_not_public(void **state)
{
	static const char *const literals[] = {"127.0.0.1", "127.255.255.255", "0.0.0.0", "0.1.2.3",
		"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1", "169.254.169.254",
		"169.254.170.2", "100.100.100.200", "168.63.129.16", "100.64.0.1", "192.0.0.1", "192.0.2.1",
		"198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"[::]", "[::1]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]",
		"[2001:db8::1]", "[100::1]", "[4000::1]", "[::ffff:1.1.1.1]", "[::ffff:127.0.0.1]",
		"[::ffff:7f00:1]", "[::1.1.1.1]", "[::ffff:0:1.1.1.1]", "[64:ff9b::1.1.1.1]",
		"[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:101:101::1]",
		"[2001:0:1:2::3]", "[2606:4700::5efe:a9fe:a9fe]", "[2606:4700::200:5efe:1.1.1.1]"};
	(void)state;
	for (size_t i = 0; i < COUNT(literals); i++)
		check_always(literals[i], REFUSAL_DESTINATION);
}

/* Another spelling of an address: a client that means it well does not write so. */
static void test_legacy_spellings(void **state)
{
	static const char *const public[] = {"1.1.1.1.", "01.1.1.1", "1.1.257", "1.0x10101", "16843009",
		"0x1010101", "0X01.1.1.1", "0100200401", "1.1.1.0x1", "1.1.1.01."};
	static const char *const inward[] = {"127.1", "127.0.0.1.", "0177.0.0.1", "0x7f.0.0.1", "2130706433",
		"0x7F000001", "017700000001", "0", "0x0", "0x", "00", "10.1", "0xa.0.0.1", "192.168.257",
		"0xa9fea9fe", "2852039166", "169.254.43518", "0251.0376.0251.0376", "4294967295"};
	(void)state;
	for (size_t i = 0; i < COUNT(public); i++)
		check_always(public[i], REFUSAL_ADDRESS_LITERAL);
	for (size_t i = 0; i < COUNT(inward); i++)
		check_always(inward[i], REFUSAL_DESTINATION);
}

/* What was never filled, or has a form that says nothing, is refused. */
static void test_unfilled_hosts_are_refused(void **state)
{
	static const enum host_form forms[] = {HOST_INVALID, HOST_IPV4, HOST_IPV6, HOST_IPV4_LEGACY};
	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		struct host host = {.form = forms[i]};
		assert_int_equal(destination_judge(&host, false, true), REFUSAL_DESTINATION);
		assert_int_equal(destination_judge(&host, true, true), REFUSAL_DESTINATION);
	}
	struct host host;
	assert_true(host_parse(SPAN("1.1.1.1"), &host));
	host.form = HOST_INVALID;
	assert_int_equal(destination_judge(&host, false, true), REFUSAL_DESTINATION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_public_names_pass),
		cmocka_unit_test(test_inward_names_are_refused),
		cmocka_unit_test(test_public_literals),
		cmocka_unit_test(test_literals_that_are_not_public),
		cmocka_unit_test(test_legacy_spellings),
		cmocka_unit_test(test_unfilled_hosts_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
