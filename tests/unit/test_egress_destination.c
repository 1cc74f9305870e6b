/*
 * Who may be dialled: each kind of address with and without deny_private, the bundle's own, the hop, and what
 * the operator named; which element of connect_to is followed; the hosts file; the order of dialling.
 */
#include "egress/destination.h"
#include "egress/dial.h"
#include "egress/hosts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct address address_of(const char *text)
{
	struct address address;

	if (!address_parse_v4(span_of(text), &address) && !address_parse_v6(span_of(text), &address))
		fail_msg("no address: %s", text);
	return address;
}

struct world {
	struct egress_settings settings;
	struct destination_policy policy;
	struct address own[2];
	struct connect_to rules[8];
};

/* The hop listens on 127.0.0.1:9099. */
static struct world *world(bool deny_private)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	w.own[0] = address_of("198.41.0.4");
	w.own[1] = address_of("2001:503:ba3e::2:30");
	w.settings.own = w.own;
	w.settings.own_count = 2;
	w.settings.deny_private = deny_private;
	w.settings.connect_to = w.rules;
	w.policy.settings = &w.settings;
	w.policy.listener = address_of("127.0.0.1");
	w.policy.listener_port = 9099;
	return &w;
}

static bool permits(struct world *w, const char *text, uint16_t port, bool by_operator)
{
	struct destination destination = {.port = port, .by_operator = by_operator};
	struct address address = address_of(text);
	char refusal[DESTINATION_REFUSAL_SIZE];
	bool permitted = destination_permits(&w->policy, &destination, &address, refusal);

	assert_int_equal(permitted, refusal[0] == '\0');
	assert_true(strlen(refusal) < DESTINATION_REFUSAL_SIZE);
	return permitted;
}

static const char *const global[] = {"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111"};
static const char *const private[] = {
	"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12::1"};
static const char *const never[] = {"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "169.254.1.1",
	"169.254.169.254", "168.63.129.16", "100.100.100.200", "224.0.0.1", "239.1.1.1", "240.0.0.1",
	"255.255.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.1", "::", "::1", "fe80::1",
	"fd00:ec2::254", "ff02::1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::8.8.8.8", "2002:808:808::1",
	"64:ff9b::808:808", "2001::1", "2001:db8::1", "100::1", "fec0::1", "4000::1"};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void kinds_are_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(global); i++) {
		assert_true(permits(world(true), global[i], 80, false));
		assert_true(permits(world(false), global[i], 80, false));
	}
	for (size_t i = 0; i < COUNT(private); i++) {
		assert_false(permits(world(true), private[i], 80, false));
		assert_true(permits(world(false), private[i], 80, false));
	}
	for (size_t i = 0; i < COUNT(never); i++) {
		if (permits(world(true), never[i], 80, false) || permits(world(false), never[i], 80, false))
			fail_msg("permitted: %s", never[i]);
	}
}

static void own_addresses_are_refused(void **state)
{
	(void)state;
	assert_false(permits(world(true), "198.41.0.4", 80, false));
	assert_false(permits(world(false), "2001:503:ba3e::2:30", 80, false));
	assert_true(permits(world(true), "198.41.0.5", 80, false));
}

static void the_operator_may_name_any_but_the_hop(void **state)
{
	(void)state;
	assert_true(permits(world(true), "127.0.0.1", 80, true));
	assert_true(permits(world(true), "10.0.0.1", 80, true));
	assert_true(permits(world(true), "198.41.0.4", 80, true));
	assert_false(permits(world(true), "127.0.0.1", 9099, true));
	assert_false(permits(world(true), "0.0.0.0", 9099, true));
	assert_false(permits(world(true), "::", 9099, true));
	assert_true(permits(world(true), "::1", 9099, true));
}

static void a_zeroed_address_is_refused(void **state)
{
	struct world *w = world(false);
	struct destination destination = {.port = 80};
	struct address address = {0};
	char refusal[DESTINATION_REFUSAL_SIZE];

	(void)state;
	assert_false(destination_permits(&w->policy, &destination, &address, refusal));
}

static struct destination lead(struct world *w, const char *text)
{
	struct authority authority;
	struct destination destination;

	assert_true(authority_parse(span_of(text), 80, &authority));
	assert_true(destination_for(&w->policy, &authority, &destination));
	return destination;
}

static void check_lead(struct world *w, const char *text, const char *host, uint16_t port, bool by_operator)
{
	struct destination destination = lead(w, text);

	assert_string_equal(destination.host.text, host);
	assert_int_equal(destination.port, port);
	assert_int_equal(destination.by_operator, by_operator);
}

static void add_rule(struct world *w, const char *text)
{
	assert_true(connect_to_parse(span_of(text), &w->rules[w->settings.connect_to_count++]));
}

static void the_first_match_leads(void **state)
{
	struct world *w = world(true);

	(void)state;
	check_lead(w, "a.example", "a.example", 80, false);
	add_rule(w, "a.example:80:b.example:81");
	add_rule(w, "a.example::127.0.0.1:");
	add_rule(w, ":443:[::1]:8443");
	add_rule(w, ":81::8081");
	check_lead(w, "a.example", "b.example", 81, true);
	check_lead(w, "A.EXAMPLE.:80", "b.example", 81, true);
	check_lead(w, "a.example:99", "127.0.0.1", 99, true);
	check_lead(w, "c.example:443", "::1", 8443, true);
	check_lead(w, "c.example:81", "c.example", 8081, false);
	check_lead(w, "c.example:82", "c.example", 82, false);
	/* only once: b.example is not looked up in the table again */
	add_rule(w, "b.example::c.example:");
	check_lead(w, "a.example", "b.example", 81, true);
	assert_int_equal(lead(w, "c.example:443").host.form, HOST_IPV6);
	assert_int_equal(lead(w, "a.example:99").host.form, HOST_IPV4);
}

static void literals_are_never_led_elsewhere(void **state)
{
	struct world *w = world(true);

	(void)state;
	add_rule(w, "::127.0.0.1:1");
	check_lead(w, "8.8.8.8", "8.8.8.8", 80, false);
	check_lead(w, "[2606::1]:81", "2606::1", 81, false);
	check_lead(w, "0x8080808", "8.8.8.8", 80, false);
	check_lead(w, "a.example", "127.0.0.1", 1, true);
}

/* ---- hosts */

static void check_hosts(struct hosts *hosts, const char *name, const char *expected)
{
	struct address found[4];
	size_t count = hosts_find(hosts, span_of(name), found, 4);
	char text[256] = "", one[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < count; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, address_format(&found[i], one));
	}
	assert_string_equal(text, expected);
}

static void hosts_are_found(void **state)
{
	struct hosts *hosts = hosts_parse(SPAN("# comment\n"
					       "192.0.2.1 Foo.Example foo  # 192.0.2.9 bar\r\n"
					       "\t2001:db8::1\tfoo.example.\n"
					       "192.0.2.2 foobar foo.example\n"
					       "0x7f.1 legacy\n"
					       "nonsense\n"
					       "192.0.2.3\n"
					       "192.0.2.4 bad_* ok 10.0.0.1\n"
					       "192.0.2.5 localhost\n"
					       "192.0.2.6 last"));

	(void)state;
	assert_non_null(hosts);
	check_hosts(hosts, "foo.example", "192.0.2.1 2001:db8::1 192.0.2.2");
	check_hosts(hosts, "foo", "192.0.2.1");
	check_hosts(hosts, "foobar", "192.0.2.2");
	check_hosts(hosts, "fo", "");
	check_hosts(hosts, "bar", "");
	check_hosts(hosts, "legacy", "");
	check_hosts(hosts, "ok", "192.0.2.4");
	check_hosts(hosts, "10.0.0.1", "");
	check_hosts(hosts, "last", "192.0.2.6");
	check_hosts(hosts, "zzz", "");
	check_hosts(hosts, "", "");
	check_hosts(hosts, "localhost", "::1 127.0.0.1");
	check_hosts(hosts, "a.localhost", "::1 127.0.0.1");
	check_hosts(hosts, "notlocalhost", "");
	hosts_free(hosts);
}

static void no_hosts_are_none(void **state)
{
	struct hosts *hosts = hosts_load("/nonexistent/hosts");
	struct address found[1];

	(void)state;
	assert_non_null(hosts);
	assert_int_equal(hosts_find(hosts, SPAN("a"), found, 1), 0);
	assert_int_equal(hosts_find(hosts, SPAN("localhost"), found, 1), 1);
	hosts_free(hosts);
}

/* ---- dialling */

static void check_order(const char *before, const char *after)
{
	struct address addresses[8];
	size_t count = strlen(before);

	/* '4' and '6' for the families, numbered by their place */
	for (size_t i = 0; i < count; i++) {
		addresses[i] = address_of(before[i] == '4' ? "192.0.2.0" : "2001:db8::");
		if (before[i] == '4')
			addresses[i].v4.s_addr |= htonl((uint32_t)i);
		else
			addresses[i].v6.s6_addr[15] = (unsigned char)i;
	}
	dial_order(addresses, count);
	unsigned last[2] = {0, 0};

	for (size_t i = 0; i < count; i++) {
		bool six = addresses[i].family == AF_INET6;
		unsigned number = six ? addresses[i].v6.s6_addr[15] : ntohl(addresses[i].v4.s_addr) & 0xff;

		assert_int_equal(six ? '6' : '4', after[i]);
		assert_true(i < 2 || number >= last[six]);
		last[six] = number;
	}
}

static void families_take_turns(void **state)
{
	(void)state;
	check_order("", "");
	check_order("4", "4");
	check_order("46", "64");
	check_order("4466", "6464");
	check_order("446666", "646466");
	check_order("4444", "4444");
	check_order("66644", "64646");
	check_order("444446", "644444");
}

static void errors_have_names(void **state)
{
	(void)state;
	assert_int_equal(dial_failure_of_errno(ECONNREFUSED), HOP_CONNECT_REFUSED);
	assert_int_equal(dial_failure_of_errno(ENETUNREACH), HOP_CONNECT_UNREACHABLE);
	assert_int_equal(dial_failure_of_errno(EHOSTUNREACH), HOP_CONNECT_UNREACHABLE);
	assert_int_equal(dial_failure_of_errno(ETIMEDOUT), HOP_CONNECT_TIMEOUT);
	assert_int_equal(dial_failure_of_errno(EMFILE), HOP_OVERLOADED);
	assert_int_equal(dial_failure_of_errno(0), HOP_CONNECT_UNREACHABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_judged),
		cmocka_unit_test(own_addresses_are_refused),
		cmocka_unit_test(the_operator_may_name_any_but_the_hop),
		cmocka_unit_test(a_zeroed_address_is_refused),
		cmocka_unit_test(the_first_match_leads),
		cmocka_unit_test(literals_are_never_led_elsewhere),
		cmocka_unit_test(hosts_are_found),
		cmocka_unit_test(no_hosts_are_none),
		cmocka_unit_test(families_take_turns),
		cmocka_unit_test(errors_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
