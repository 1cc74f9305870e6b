/*
 * The reader of regexes: what it claims about matches, and that it claims nothing about what it does not
 * know.
 */
#include "pipelock/scan/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct case_of {
	const char *regex;
	size_t anchors;	   /* 0: none */
	const char *first; /* a text that the first anchor fits, or NULL */
	uint32_t min_distance, max_distance;
	bool context;
};

static const struct case_of cases[] = {
	{"AKIA[0-9]{4}", 1, "AKIA1234", 0, 0, false},
	{"\\bAKIA", 1, " AKIA", 0, 0, true},
	{"(?<![a-z])sk-x", 1, "Zsk-x", 0, 0, true},
	{"(?i)abcd", 1, "aBcD", 0, 0, false},
	{"(?i:ab)cd", 1, "ABcd", 0, 0, false},
	{"(?:AKIA|ASIA)[A-Z]", 2, "AKIAZ", 0, 0, false},
	{"\\b(?<secret>ghp_[0-9]{4,})\\b", 1, "-ghp_1234", 0, 0, true},
	{"[a-z]{2,5}@QQZZ", 1, "ab@QQZZ", 0, 3, false},
	{"api[_-]?QZXK", 2, "apiQZXK", 0, 0, false},
	{"\\x41\\x{42}CD", 1, "ABCD", 0, 0, false},
	{"a{2}b{3}", 1, "aabbb", 0, 0, false},
	{"[]x]Q\\]\\^", 1, "]Q]^", 0, 0, false},
	{"(?x) Q Z # comment\n X K", 1, "QZXK", 0, 0, false},
	{"(?=QZXK)[A-Z]{1,9}1", 1, "QZXK", 0, 0, false},
	{"(?<![a-z])(?=QZXK)[A-Z]{1,9}1", 1, " QZXK", 0, 0, true},
	{"ab(?=QZXK)\\w{1,9}1", 1, "QZXK", 2, 2, false},
	{"(?=(?:QZXK|XQJZ)1)\\w{1,9}a", 2, "QZXK1", 0, 0, false},
	{"\\w{0,3}(?=QZXK)\\w{1,9}1", 1, "QZXK", 0, 3, false},
	{"(?:(?=QZXK))?\\w{1,9}", 2, "a", 0, 0, false},
	{"(?!QZXK)\\w{0,9}", 0, NULL, 0, 0, false},
	{"x*", 0, NULL, 0, 0, false},
	{"(?:abcd|)", 0, NULL, 0, 0, false},
	{"\\w+QZXK", 1, "a", 0, 0, false},
	{"(a)\\1bcd", 0, NULL, 0, 0, false},
	{"(?(1)a|b)QZXK", 0, NULL, 0, 0, false},
	{"\\Qab\\E", 0, NULL, 0, 0, false},
	{"(*SKIP)QZXK", 0, NULL, 0, 0, false},
	{"a\\Kbcd", 0, NULL, 0, 0, false},
	{"\\p{L}bcd", 0, NULL, 0, 0, false},
	{"ab{,3}cd", 0, NULL, 0, 0, false},
	{"(?R)?QZXK", 0, NULL, 0, 0, false},
};

static void test_anchors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct case_of *c = &cases[i];
		struct regex regex;
		struct regex_anchor *anchors;
		size_t count;
		double rate;
		assert_true(regex_parse(span_of(c->regex), &regex));
		assert_true(regex_find_anchors(&regex, &anchors, &count, &rate));
		if (count != c->anchors)
			fail_msg("%s: %zu anchors", c->regex, count);
		if (count > 0) {
			assert_int_equal(anchors[0].min_distance, c->min_distance);
			assert_int_equal(anchors[0].max_distance, c->max_distance);
			assert_int_equal(anchors[0].context, c->context);
			assert_true(
				anchors[0].length >= strlen(c->first) || c->min_distance != c->max_distance);
			for (size_t k = 0; k < strlen(c->first) && c->min_distance == c->max_distance; k++)
				assert_true(byte_set_has(&anchors[0].sets[k], (unsigned char)c->first[k]));
		}
		free(anchors);
		regex_release(&regex);
	}
}

/* What the optional braces of newer versions could mean is not guessed. */
static void test_opaque(void **state)
{
	(void)state;
	static const char *const opaque[] = {"\\1", "\\g{1}", "\\012", "\\cA", "(?i-)\\K", "[[:^alpha:]]",
		"a{,2}", "a{ 1}", "\\R", "\\X", "[\\d-z]", "(?^:a)", "(?xx)a", "[a-\\d]", "\\N{U+41}",
		"\\o{101}"};
	for (size_t i = 0; i < sizeof(opaque) / sizeof(opaque[0]); i++) {
		struct regex regex;
		assert_true(regex_parse(span_of(opaque[i]), &regex));
		if (!regex.opaque)
			fail_msg("%s is not opaque", opaque[i]);
		regex_release(&regex);
	}
}

static void test_runs(void **state)
{
	(void)state;
	struct regex regex;
	struct regex_run run;
	assert_true(regex_parse(SPAN("\\b(?<s>ey[A-Z]{2,3}[a-z]{4,}\\.x)"), &regex));
	assert_true(regex_first_run(&regex, &run));
	assert_int_equal(run.open_groups, 1);
	assert_int_equal(run.prefix_min, 4);
	assert_int_equal(run.prefix_max, 5);
	assert_int_equal(run.prefix_end, strlen("\\b(?<s>ey[A-Z]{2,3}"));
	assert_true(byte_set_has(&run.set, 'q') && !byte_set_has(&run.set, 'Q'));
	regex_release(&regex);
	assert_true(regex_parse(SPAN("a|b+"), &regex));
	assert_false(regex_first_run(&regex, &run));
	regex_release(&regex);
}

/* No text is too odd to read: each prefix of odd ones ends. */
static void test_prefixes(void **state)
{
	(void)state;
	static const char odd[] =
		"(?i)\\b(?<secret>[]^-z[:alpha:]\\x{4}]{2,}+(?<!a)|(?#x)(?>a|b)*?)\\Z{3}{,4}(?x) # \n$";
	for (size_t n = 0; n < sizeof(odd); n++) {
		struct regex regex;
		struct byte_set first;
		assert_true(regex_parse((struct span){odd, n}, &regex));
		regex_first_bytes(&regex, &first);
		regex_release(&regex);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_anchors), cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_runs), cmocka_unit_test(test_prefixes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
