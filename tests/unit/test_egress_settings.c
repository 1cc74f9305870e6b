/*
 * The settings message, there and back, with every prefix and every octet of it changed; and the notation of
 * connect_to.
 */
#include "common/egress_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CAPABILITY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void check_rule(
	const char *text, const char *host, uint16_t port, const char *to_host, uint16_t to_port)
{
	struct connect_to rule;

	memset(&rule, 0xaa, sizeof(rule));
	assert_true(connect_to_parse(span_of(text), &rule));
	assert_string_equal(rule.host, host);
	assert_int_equal(rule.port, port);
	assert_string_equal(rule.to_host, to_host);
	assert_int_equal(rule.to_port, to_port);
}

static void connect_to_is_read(void **state)
{
	(void)state;
	check_rule("a.example:80:b.example:81", "a.example", 80, "b.example", 81);
	check_rule("A.Example.:80:B.example:81", "a.example", 80, "b.example", 81);
	check_rule(":::", "", 0, "", 0);
	check_rule(":443:127.0.0.1:8443", "", 443, "127.0.0.1", 8443);
	check_rule("a.example::[::1]:", "a.example", 0, "::1", 0);
	check_rule("::[2001:DB8:0:0::1]:65535", "", 0, "2001:db8::1", 65535);
	check_rule("a.example:1::", "a.example", 1, "", 0);
	check_rule("a:00001:b:00002", "a", 1, "b", 2);
}

static void malformed_connect_to_is_refused(void **state)
{
	static const char *const malformed[] = {"", "a", "a:1", "a:1:b", "a:1:b:2:", "a:1:b:2:3", "a:0:b:2",
		"a:1:b:0", "a:65536:b:1", "a:1:b:65536", "a:99999999999:b:1", "a:-1:b:1", "a:+1:b:1",
		"a: 1:b:1", "a:1:b:1 ", " a:1:b:1", "a:x:b:1", "127.0.0.1:1:b:2", "[::1]:1:b:2", "1:1:b:2",
		"a:1:0x7f.1:2", "a:1:2130706433:2", "a:1:::1:2", "a:1:[::1:2", "a:1:[]:2", "a:1:[::1]x:2",
		"a:1:b..c:2", "a:1:-b:2x", "*.a:1:b:2", "a:1:[fe80::1%25eth0]:2", "a:1:user@b:2",
		"http://a:1:b:2"};
	struct connect_to rule;

	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		if (connect_to_parse(span_of(malformed[i]), &rule))
			fail_msg("taken: %s", malformed[i]);
	}
	assert_false(connect_to_parse((struct span){"a:1:b:2\0", 8}, &rule));
}

static void long_hosts_are_bounded(void **state)
{
	char text[HOST_MAX + 64];
	struct connect_to rule;
	size_t n = 0;

	(void)state;
	while (n < HOST_MAX + 8)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "aaaaaaa.");
	memcpy(text + n, "a:1:b:2", 8);
	assert_false(connect_to_parse((struct span){text, n + 7}, &rule));
	assert_true(connect_to_parse((struct span){text + 16, n + 7 - 16}, &rule));
}

/* ---- the message */

static struct egress_settings example(struct connect_to rules[2], struct address own[2])
{
	struct egress_settings settings = {.ca_file = (char *)"/etc/ca.pem",
		.connect_to = rules,
		.connect_to_count = 2,
		.deny_private = true,
		.threads = 3,
		.connect_timeout_ms = 1,
		.tls_timeout_ms = 2,
		.dns_timeout_ms = 3,
		.response_timeout_ms = 4,
		.idle_timeout_ms = 5,
		.pool_idle_ms = 6,
		.own = own,
		.own_count = 2};

	memcpy(settings.capability, CAPABILITY, sizeof(settings.capability));
	assert_true(connect_to_parse(SPAN("a.example:80:[::1]:81"), &rules[0]));
	assert_true(connect_to_parse(SPAN(":::"), &rules[1]));
	assert_true(address_parse_v4(SPAN("192.0.2.1"), &own[0]));
	assert_true(address_parse_v6(SPAN("2001:db8::1"), &own[1]));
	return settings;
}

static struct ipc_writer written(void)
{
	struct connect_to rules[2];
	struct address own[2];
	struct egress_settings settings = example(rules, own);
	struct ipc_writer writer;

	ipc_writer_init(&writer, 1);
	egress_settings_put(&writer, &settings);
	assert_false(writer.failed);
	return writer;
}

static bool read_back(const char *p, size_t n, struct egress_settings *settings)
{
	struct ipc_reader reader = {.p = p, .n = n};

	ipc_get_u8(&reader);
	return egress_settings_get(&reader, settings);
}

static void settings_come_back(void **state)
{
	struct ipc_writer writer = written();
	struct egress_settings got;
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	assert_true(read_back(writer.p, writer.n, &got));
	assert_string_equal(got.capability, CAPABILITY);
	assert_string_equal(got.ca_file, "/etc/ca.pem");
	assert_true(got.deny_private);
	assert_int_equal(got.threads, 3);
	assert_int_equal(got.connect_timeout_ms, 1);
	assert_int_equal(got.tls_timeout_ms, 2);
	assert_int_equal(got.dns_timeout_ms, 3);
	assert_int_equal(got.response_timeout_ms, 4);
	assert_int_equal(got.idle_timeout_ms, 5);
	assert_int_equal(got.pool_idle_ms, 6);
	assert_int_equal(got.connect_to_count, 2);
	assert_string_equal(got.connect_to[0].host, "a.example");
	assert_string_equal(got.connect_to[0].to_host, "::1");
	assert_int_equal(got.connect_to[0].port, 80);
	assert_int_equal(got.connect_to[0].to_port, 81);
	assert_string_equal(got.connect_to[1].host, "");
	assert_int_equal(got.own_count, 2);
	assert_string_equal(address_format(&got.own[0], text), "192.0.2.1");
	assert_string_equal(address_format(&got.own[1], text), "2001:db8::1");
	egress_settings_release(&got);
	assert_null(got.ca_file);
	assert_int_equal(got.capability[0], 0);
	ipc_writer_release(&writer);
}

static void no_prefix_is_a_message(void **state)
{
	struct ipc_writer writer = written();
	struct egress_settings got;

	(void)state;
	for (size_t n = 0; n < writer.n; n++) {
		char *copy = malloc(n + 1);

		memcpy(copy, writer.p, n);
		assert_false(read_back(copy, n, &got));
		egress_settings_release(&got);
		free(copy);
	}
	ipc_writer_release(&writer);
}

/* Whatever an octet is changed to: read or refused, never out of bounds, never leaked. The sanitizers watch.
 */
static void changed_messages_do_no_harm(void **state)
{
	struct ipc_writer writer = written();
	struct egress_settings got;

	(void)state;
	for (size_t i = 0; i < writer.n; i++) {
		static const char changes[] = {1, 2, 64, (char)0x80, (char)0xff};
		char kept = writer.p[i];

		for (size_t k = 0; k < sizeof(changes); k++) {
			writer.p[i] = (char)(kept ^ changes[k]);
			if (read_back(writer.p, writer.n, &got)) {
				assert_int_equal(strlen(got.capability), 64);
				assert_in_range(got.threads, 1, 256);
			}
			egress_settings_release(&got);
		}
		writer.p[i] = kept;
	}
	ipc_writer_release(&writer);
}

static void no_ca_file_is_none(void **state)
{
	struct egress_settings settings = {.threads = 1, .capability = CAPABILITY}, got;
	struct ipc_writer writer;

	(void)state;
	ipc_writer_init(&writer, 1);
	egress_settings_put(&writer, &settings);
	assert_true(read_back(writer.p, writer.n, &got));
	assert_null(got.ca_file);
	assert_false(got.deny_private);
	assert_int_equal(got.own_count, 0);
	assert_int_equal(got.connect_to_count, 0);
	egress_settings_release(&got);
	ipc_writer_release(&writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect_to_is_read),
		cmocka_unit_test(malformed_connect_to_is_refused),
		cmocka_unit_test(long_hosts_are_bounded),
		cmocka_unit_test(settings_come_back),
		cmocka_unit_test(no_prefix_is_a_message),
		cmocka_unit_test(changed_messages_do_no_harm),
		cmocka_unit_test(no_ca_file_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
