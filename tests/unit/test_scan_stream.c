/*
 * Streams: the same findings as the plain loop whatever the pieces are, and nothing of a match ever safe.
 */
#include "tests/unit/scan_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <zlib.h>

#include <cmocka.h>

static struct scanner *scanner;

static int set_up(void **state)
{
	(void)state;
	struct ruleset *set = oracle_ruleset(oracle_rules);
	scanner = scanner_new(set, oracle_key);
	ruleset_put(set);
	return scanner ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	scanner_free(scanner);
	return 0;
}

static void test_like_the_plain_loop(void **state)
{
	(void)state;
	static char text[4096];
	uint32_t seed = 7;
	for (uint32_t round = 0; round < 2000; round++) {
		uint8_t data[100];
		for (size_t i = 0; i < sizeof(data); i++) {
			seed = seed * 1664525u + 1013904223u;
			data[i] = (uint8_t)(seed >> 24);
			if (data[i] < 90)
				data[i] = (uint8_t)(data[i] | 128);
		}
		struct span body = {text, oracle_text(data, round % sizeof(data), text, sizeof(text))};
		struct findings plain = {0}, pieces = {0};
		oracle_scan(scanner_rules(scanner), SCAN_BODY, body, &plain);
		if (!oracle_stream(scanner, body, round, round % 3 ? 1 + round % 90 : 1, &pieces) ||
			!oracle_equal(&plain, &pieces))
			fail_msg("round %u: %.*s", round, SPAN_ARG(body));
	}
}

/* Every place to cut a body in two. */
static void test_every_cut(void **state)
{
	(void)state;
	struct span body =
		SPAN("x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0.abcdef, AKIAIOSFODNN7EXAMPLE 123-45-6789.");
	struct findings plain = {0};
	oracle_scan(scanner_rules(scanner), SCAN_BODY, body, &plain);
	assert_int_equal(plain.count, 3);
	for (size_t cut = 0; cut <= body.n; cut++) {
		struct findings found = {0};
		struct scan_stream *stream =
			scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, (struct span){NULL, 0}, &found);
		scan_stream_feed(stream, (struct span){body.p, cut}, false, &found);
		if (found.count == 0)
			assert_true(scan_stream_safe(stream) <= 2);
		scan_stream_feed(stream, (struct span){body.p + cut, body.n - cut}, true, &found);
		assert_true(oracle_equal(&plain, &found));
		assert_true(scan_stream_safe(stream) <= 2);
		assert_int_equal(scan_stream_scanned(stream), body.n);
		scan_stream_free(stream);
	}
}

/* Tokens of an event stream leave at once. */
static void test_prompt(void **state)
{
	(void)state;
	struct findings found = {0};
	struct scan_stream *stream =
		scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, (struct span){NULL, 0}, &found);
	uint64_t fed = 0;
	for (int i = 0; i < 1000; i++) {
		struct span event = SPAN("data: {\"text\":\" hello\"}\n\n");
		assert_int_equal(scan_stream_feed(stream, event, false, &found), SCAN_CLEAN);
		fed += event.n;
		assert_int_equal(scan_stream_safe(stream), fed);
	}
	scan_stream_free(stream);
}

static void test_no_rules_for_the_part(void **state)
{
	(void)state;
	struct findings found = {0};
	enum coding unknown = CODING_UNKNOWN;
	struct scan_stream *stream =
		scan_stream_new(scanner, SCAN_RESPONSE, NULL, &unknown, 1, (struct span){NULL, 0}, &found);
	assert_non_null(stream);
	assert_int_equal(scan_stream_feed(stream, SPAN("AKIAIOSFODNN7EXAMPLE"), false, &found), SCAN_CLEAN);
	assert_int_equal(scan_stream_safe(stream), 20);
	scan_stream_free(stream);
	assert_null(scan_stream_new(scanner, SCAN_BODY, NULL, &unknown, 1, (struct span){NULL, 0}, &found));
	assert_non_null(found.unscannable);
}

/* Where the policy lets a match go on, its octets leave once it was found. */
static void test_report_only(void **state)
{
	(void)state;
	for (int report_only = 0; report_only < 2; report_only++) {
		struct findings found = {0};
		struct scan_stream *stream =
			scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, (struct span){NULL, 0}, &found);
		if (report_only)
			scan_stream_report_only(stream);
		assert_int_equal(scan_stream_feed(stream, SPAN("k AKIAIOSFODNN7EXAMPLE \n"), false, &found),
			SCAN_FOUND);
		assert_int_equal(scan_stream_feed(stream, SPAN("and on"), true, &found), SCAN_CLEAN);
		assert_int_equal(scan_stream_safe(stream), report_only ? 30 : 0);
		scan_stream_free(stream);
	}
}

static size_t compress_gzip(struct span text, unsigned char *out, size_t room)
{
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)text.p;
	z.avail_in = (unsigned)text.n;
	z.next_out = out;
	z.avail_out = (unsigned)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t n = room - z.avail_out;
	deflateEnd(&z);
	return n;
}

static void test_gzip(void **state)
{
	(void)state;
	enum coding gzip = CODING_GZIP;
	static char text[40000];
	static unsigned char coded[40000];
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('A' + (i * i + i / 7) % 23);
	for (int planted = 0; planted < 2; planted++) {
		if (planted)
			memcpy(text + 30000, " AKIAIOSFODNN7EXAMPLE ", 22);
		size_t n = compress_gzip((struct span){text, sizeof(text)}, coded, sizeof(coded));
		for (size_t step = 1; step < 5000; step = step * 7 + 1) {
			struct findings found = {0};
			struct scan_stream *stream = scan_stream_new(
				scanner, SCAN_BODY, NULL, &gzip, 1, (struct span){NULL, 0}, &found);
			uint64_t safe = 0;
			for (size_t at = 0; at < n && !found.blocked; at += step) {
				size_t size = n - at < step ? n - at : step;
				safe = scan_stream_safe(stream);
				scan_stream_feed(stream, (struct span){(char *)coded + at, size},
					at + size == n, &found);
			}
			assert_int_equal(found.blocked, planted);
			if (planted) {
				assert_int_equal(found.items[0].view, VIEW_CONTENT);
				assert_true(safe <= found.items[0].offset + found.items[0].length);
				assert_true(scan_stream_safe(stream) <= safe);
			} else {
				assert_int_equal(scan_stream_safe(stream), n);
				assert_int_equal(scan_stream_scanned(stream), sizeof(text));
			}
			scan_stream_free(stream);
		}
	}
}

static void test_bad_gzip(void **state)
{
	(void)state;
	enum coding gzip = CODING_GZIP;
	struct findings found = {0};
	struct scan_stream *stream =
		scan_stream_new(scanner, SCAN_BODY, NULL, &gzip, 1, (struct span){NULL, 0}, &found);
	assert_int_equal(scan_stream_feed(stream, SPAN("this is no gzip"), false, &found), SCAN_UNSCANNABLE);
	assert_int_equal(scan_stream_safe(stream), 0);
	assert_int_equal(scan_stream_feed(stream, SPAN("more"), true, &found), SCAN_UNSCANNABLE);
	assert_int_equal(found.unscannable_part, SCAN_BODY);
	scan_stream_free(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_like_the_plain_loop),
		cmocka_unit_test(test_every_cut), cmocka_unit_test(test_prompt),
		cmocka_unit_test(test_no_rules_for_the_part), cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_bad_gzip), cmocka_unit_test(test_report_only)};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
