/*
 * Rule files: what is refused, with the place, and what a rule may say. Fake tokens are put together from
 * pieces.
 */
#include "pipelock/scan/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct ruleset *load(const char *text, struct load_error *error)
{
	struct rule_source source = {"r.yaml", span_of(text)};
	memset(error, 0, sizeof(*error));
	return ruleset_load(&source, 1, NULL, 0, error);
}

#define HEAD "version: 1\nrules:\n"
#define RULE HEAD "- id: a\n  regex: 'QZXK[0-9]{4}'\n"

struct refused {
	const char *text, *error; /* what the error begins with, or holds */
};

static const struct refused refused[] = {
	{"", "r.yaml:1:1"},
	{"rules: []\n", "version and rules"},
	{"version: 2\nrules: []\n", "r.yaml:1:10"},
	{"version: 1\nrules: {}\n", "r.yaml:2:8"},
	{"version: 1\nrules: []\nmore: 1\n", "r.yaml:3:1"},
	{HEAD "- 5\n", "r.yaml:3:3"},
	{HEAD "- regex: QZXK\n", "no id"},
	{HEAD "- id: a\n", "no regex"},
	{HEAD "- id: A\n  regex: QZXK\n", "r.yaml:3:7"},
	{HEAD "- {id: a, regex: QZXK}\n- {id: a, regex: QZXK}\n", "already at r.yaml:3"},
	{RULE "  colour: red\n", "r.yaml:5:3"},
	{RULE "  id: b\n", "r.yaml:5"},
	{RULE "  action: redact\n", "not carried out by this version"},
	{RULE "  action: hold\n", "not carried out by this version"},
	{RULE "  action: stop\n", "r.yaml:5:11"},
	{RULE "  severity: huge\n", "r.yaml:5:13"},
	{RULE "  in: []\n", "empty"},
	{RULE "  in: [url, url]\n", "twice"},
	{RULE "  in: body\n", "r.yaml:5:7"},
	{RULE "  validate: [lun]\n", "no such validator"},
	{RULE "  belongs_to: ['*']\n", "r.yaml:5:16"},
	{RULE "  belongs_to: [A.example]\n", "lower case"},
	{RULE "  literals: [ab]\n", "three octets"},
	{RULE "  examples: {match: [QZXK]}\n", "r.yaml:5:22: rule a does not match"},
	{RULE "  examples: {ignore: [[QZXK, '1234']]}\n", "must not match"},
	{RULE "  examples: {other: []}\n", "r.yaml:5:14"},
	{HEAD "- {id: a, regex: 'ab(c'}\n", "r.yaml:3:23: bad regex"},
	{HEAD "- {id: a, regex: 'x*'}\n", "empty string"},
	{HEAD "- {id: a, regex: '(?:a|b?)'}\n", "empty string"},
	{HEAD "- {id: a, regex: '(a+)+$'}\n", "quadratic"},
	{HEAD "- {id: a, regex: '\\w+@example'}\n", "quadratic"},
	{HEAD "- {id: a, regex: '\\s*password'}\n", "quadratic"},
	{HEAD "- {id: a, regex: 'QZXK\\w+\\w+\\w+;'}\n", "quadratic"},
	{HEAD "- {id: a, regex: '(*UTF)QZXK'}\n", "bad regex"},
	{HEAD "- {id: a, regex: '(?<secret>QZ)|(?J)(?<secret>XK)'}\n", "twice"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct load_error error;
		struct ruleset *set = load(refused[i].text, &error);
		if (set || !error.set || !strstr(error.text, refused[i].error))
			fail_msg("%s\n--- gave: %s", refused[i].text, set ? "a set" : error.text);
	}
}

/* Each prefix of a good file loads or is refused; nothing else. */
static void test_prefixes(void **state)
{
	(void)state;
	static const char text[] = HEAD "- id: a\n  regex: 'QZXK[0-9]{4}'\n  in: [body]\n  validate: [luhn]\n"
					"  examples: {match: [[QZ, 'XK0000']]}\n";
	for (size_t n = 0; n < sizeof(text); n++) {
		struct rule_source source = {"r.yaml", {text, n}};
		struct load_error error = {0};
		struct ruleset *set = ruleset_load(&source, 1, NULL, 0, &error);
		assert_true(set != NULL || error.set);
		ruleset_put(set);
	}
}

static void test_long_and_many(void **state)
{
	(void)state;
	struct load_error error;
	size_t n = 1 << 20;
	char *text = malloc(n + 100);
	int head = sprintf(text, HEAD "- {id: a, regex: '");
	memset(text + head, 'a', n);
	strcpy(text + head + n, "'}\n");
	assert_null(load(text, &error));
	assert_true(error.set);
	size_t at = (size_t)sprintf(text, HEAD);
	while (at < n)
		at += (size_t)sprintf(text + at, "- {id: a}\n");
	assert_null(load(text, &error));
	assert_true(error.set);
	free(text);
}

static const struct rule_override off = {"q*", VERDICT_ALLOW, "c.yaml", 3, 5};

static void test_overrides(void **state)
{
	(void)state;
	struct rule_source sources[] = {{"a.yaml", SPAN(HEAD "- {id: qa, regex: QZXKA}\n")},
		{"b.yaml", SPAN(HEAD "- {id: b, regex: QZXKB, examples: {match: [QZXKB]}}\n")}};
	struct rule_override later[] = {off, {"qa", VERDICT_WARN, "c.yaml", 4, 5}},
			     none = {"z*", VERDICT_WARN, "c.yaml", 9, 7};
	struct load_error error = {0};
	uint8_t key[SCAN_FINGERPRINT_KEY_SIZE] = {0};
	for (size_t count = 0; count <= 2; count++) {
		struct ruleset *set = ruleset_load(sources, 2, later, count, &error);
		assert_non_null(set);
		assert_int_equal(ruleset_count(set), 2);
		assert_int_equal(ruleset_rule(set, 0)->action,
			count == 0 ? VERDICT_BLOCK : (count == 1 ? VERDICT_ALLOW : VERDICT_WARN));
		struct scanner *scanner = scanner_new(set, key);
		struct findings found = {0};
		assert_int_equal(scan_text(scanner, SCAN_BODY, NULL, SPAN("QZXKA"), &found),
			count == 1 ? SCAN_CLEAN : SCAN_FOUND);
		assert_int_equal(found.blocked, count == 0);
		assert_int_equal(found.warned, count == 2);
		scanner_free(scanner);
		ruleset_put(set);
	}
	assert_null(ruleset_load(sources, 2, &none, 1, &error));
	assert_non_null(strstr(error.text, "c.yaml:9:7"));
}

static void test_duplicate_across_files(void **state)
{
	(void)state;
	struct rule_source sources[] = {{"a.yaml", SPAN(HEAD "- {id: a, regex: QZXKA}\n")},
		{"b.yaml", SPAN(HEAD "- {id: a, regex: QZXKB}\n")}};
	struct load_error error = {0};
	assert_null(ruleset_load(sources, 2, NULL, 0, &error));
	assert_non_null(strstr(error.text, "b.yaml:3"));
}

static void test_builtin(void **state)
{
	(void)state;
	size_t count;
	const struct rule_source *sources = ruleset_builtin_sources(&count);
	struct load_error error = {0};
	struct ruleset *set = ruleset_load(sources, count, NULL, 0, &error);
	if (!set)
		fail_msg("%s", error.text);
	assert_true(ruleset_count(set) >= 60);
	assert_null(ruleset_rule(set, ruleset_count(set)));
	struct ruleset *other = ruleset_get(set);
	ruleset_put(set);
	assert_true(ruleset_count(other) >= 60);
	ruleset_put(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused), cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_long_and_many), cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_duplicate_across_files), cmocka_unit_test(test_builtin)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
