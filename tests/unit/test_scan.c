/*
 * scan_text(): the engine against the plain loop on made-up texts, the percent view, where a secret is at
 * home, bounds.
 */
#include "tests/unit/scan_oracle.h"

#include <setjmp.h>
#include <stdarg.h>

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
	uint32_t seed = 42;
	for (int round = 0; round < 3000; round++) {
		uint8_t data[120];
		for (size_t i = 0; i < sizeof(data); i++) {
			seed = seed * 1664525u + 1013904223u;
			data[i] = (uint8_t)(seed >> 24);
			if (data[i] < 90)
				data[i] = (uint8_t)(data[i] | 128);
		}
		struct span body = {text, oracle_text(data, round % sizeof(data), text, sizeof(text))};
		struct findings plain = {0}, engine = {0};
		if (memchr(text, '%', body.n))
			continue;
		oracle_scan(scanner_rules(scanner), SCAN_BODY, body, &plain);
		scan_text(scanner, SCAN_BODY, NULL, body, &engine);
		if (!oracle_equal(&plain, &engine))
			fail_msg("%.*s", SPAN_ARG(body));
	}
}

struct percent_case {
	const char *text;
	uint64_t offset, length;
	enum scan_view view;
};

static void test_percent(void **state)
{
	(void)state;
	static const struct percent_case cases[] = {
		{"/q?k=AKIAIOSFODNN7EXAMPLE", 5, 20, VIEW_RAW},
		{"/q?k=%41KIAIOSFODNN7EXAMPLE", 5, 22, VIEW_PLAIN},
		{"/q?k=%2541KIAIOSFODNN7EXAMPL%45&", 5, 26, VIEW_PLAIN},
		{"/q?k=%252541KIAIOSFODNN7EXAMPLE", 5, 26, VIEW_PLAIN},
		{"/q?k=x%20AKIAIOSFODNN7EXAMPLE%zz%", 9, 20, VIEW_PLAIN},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct findings found = {0};
		assert_int_equal(
			scan_text(scanner, SCAN_URL, NULL, span_of(cases[i].text), &found), SCAN_FOUND);
		assert_int_equal(found.count, 1);
		assert_int_equal(found.items[0].count, 1);
		assert_int_equal(found.items[0].view, cases[i].view);
		assert_int_equal(found.items[0].offset, cases[i].offset);
		assert_int_equal(found.items[0].length, cases[i].length);
		assert_true(found.blocked);
	}
	struct findings found = {0};
	assert_int_equal(
		scan_text(scanner, SCAN_URL, NULL, SPAN("%25252541KIAIOSFODNN7EXAMPL"), &found), SCAN_CLEAN);
}

static void test_counts(void **state)
{
	(void)state;
	struct findings found = {0};
	scan_text(scanner, SCAN_BODY, NULL, SPAN("warn-1234 warn-1234 warn-5678 "), &found);
	scan_text(scanner, SCAN_HEADER, NULL, SPAN("x: warn-1234"), &found);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.items[0].count, 3);
	assert_int_equal(found.items[0].part, SCAN_BODY);
	assert_true(found.warned && !found.blocked);
}

static void test_table_runs_over(void **state)
{
	(void)state;
	struct findings found = {0};
	char text[16];
	for (int i = 0; i < SCAN_MAX_FINDINGS + 3; i++) {
		snprintf(text, sizeof(text), "warn-%04d", i);
		assert_int_equal(scan_text(scanner, SCAN_BODY, NULL, span_of(text), &found), SCAN_FOUND);
	}
	assert_int_equal(found.count, SCAN_MAX_FINDINGS);
	assert_int_equal(found.dropped, 3);
	assert_int_equal(scan_text(scanner, SCAN_BODY, NULL, SPAN("ghp_abcdefgh1"), &found), SCAN_FOUND);
	assert_true(found.blocked);
}

static void test_belongs_to(void **state)
{
	(void)state;
	struct ruleset *set =
		oracle_ruleset("version: 1\nrules:\n- {id: a, regex: 'QZXK-[0-9]{4}', "
			       "belongs_to: [\"*.home.example\"], allow: [QZXK-0000], in: [header, body]}\n");
	struct scanner *own = scanner_new(set, oracle_key);
	struct span line = SPAN("Authorization: QZXK-1234");
	struct scan_target home = {SPAN("api.home.example"), SPAN("authorization")}, away = home,
			   cookie = home;
	away.host = SPAN("home.example.org");
	cookie.field = SPAN("Cookie");
	struct findings found = {0};
	assert_int_equal(scan_text(own, SCAN_HEADER, &home, line, &found), SCAN_CLEAN);
	assert_int_equal(found.count, 0);
	assert_int_equal(scan_text(own, SCAN_BODY, &home, line, &found), SCAN_FOUND);
	assert_int_equal(scan_text(own, SCAN_HEADER, &away, line, &found), SCAN_FOUND);
	assert_int_equal(scan_text(own, SCAN_HEADER, &cookie, line, &found), SCAN_FOUND);
	assert_int_equal(scan_text(own, SCAN_HEADER, NULL, line, &found), SCAN_FOUND);
	assert_int_equal(scan_text(own, SCAN_URL, NULL, line, &found), SCAN_CLEAN);
	assert_int_equal(scan_text(own, SCAN_BODY, NULL, SPAN("QZXK-0000"), &found), SCAN_CLEAN);
	scanner_free(own);
	ruleset_put(set);
}

/* A megabyte of what makes a rule slow ends within the budget: clean, found or unscannable, the work is
 * bounded. */
static void test_floods(void **state)
{
	(void)state;
	static const char *const pieces[] = {"ey", "eyJ", "sk-", "MTI", "\n", "1", "0x", "AKIA", "ghp_",
		"-----BEGIN KEY-----", "a", "token ", "token=", "bc", "q{", "x-1", "Zq", "ab", "1-tok"};
	enum { SIZE = 1 << 20 };
	char *text = malloc(SIZE);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		for (size_t k = 0; k < SIZE; k++)
			text[k] = pieces[i][k % strlen(pieces[i])];
		text[SIZE - 1] = '.';
		struct findings found = {0};
		int result = scan_text(scanner, SCAN_BODY, NULL, (struct span){text, SIZE}, &found);
		assert_true((result == SCAN_UNSCANNABLE) == (found.unscannable != NULL));
	}
	free(text);
}

/* A run without an end is one search, not one for each start in it. */
static void test_runs_are_linear(void **state)
{
	(void)state;
	struct ruleset *set = oracle_ruleset(
		"version: 1\nrules:\n- {id: a, regex: 'ey[a-zA-Z0-9_-]{10,}\\.ey[a-z]{4,}'}\n");
	struct scanner *own = scanner_new(set, oracle_key);
	enum { SIZE = 1 << 20 };
	char *text = malloc(SIZE);
	struct findings found = {0};
	for (size_t k = 0; k < SIZE; k++)
		text[k] = "ey"[k % 2];
	if (scan_text(own, SCAN_BODY, NULL, (struct span){text, SIZE}, &found) != SCAN_CLEAN)
		fail_msg("%s", found.unscannable);
	memcpy(text + SIZE - 100, ".eyab", 5);
	assert_int_equal(scan_text(own, SCAN_BODY, NULL, (struct span){text, SIZE}, &found), SCAN_FOUND);
	free(text);
	scanner_free(own);
	ruleset_put(set);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(verdict_name(VERDICT_BLOCK), "block");
	assert_string_equal(verdict_name(VERDICT_ALLOW), "allow");
	assert_string_equal(scan_part_name(SCAN_RESPONSE), "response");
	assert_string_equal(scan_view_name(VIEW_CONTENT), "content");
	assert_string_equal(severity_name(SEVERITY_CRITICAL), "critical");
	assert_string_equal(severity_name(SEVERITIES), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_like_the_plain_loop),
		cmocka_unit_test(test_percent), cmocka_unit_test(test_counts),
		cmocka_unit_test(test_table_runs_over), cmocka_unit_test(test_belongs_to),
		cmocka_unit_test(test_floods), cmocka_unit_test(test_runs_are_linear),
		cmocka_unit_test(test_names)};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
