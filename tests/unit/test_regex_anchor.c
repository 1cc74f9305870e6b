/*
 * What an anchor says of the text behind it, how rows are cut, and that the windows which are chosen are the
 * rare ones.
 */
#include "pipelock/scan/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct anchors {
	struct regex regex;
	struct regex_anchor *all;
	size_t count;
};

static struct anchors anchors_of(const char *source)
{
	struct anchors out;
	double rate;
	assert_true(regex_parse(span_of(source), &out.regex));
	assert_true(regex_find_anchors(&out.regex, &out.all, &out.count, &rate));
	return out;
}

static void release(struct anchors *anchors)
{
	free(anchors->all);
	regex_release(&anchors->regex);
}

static void assert_set(const struct byte_set *set, const char *octets, const char *source)
{
	for (unsigned c = 1; c < 256; c++) {
		if (byte_set_has(set, c) != (strchr(octets, (int)c) != NULL))
			fail_msg("%s: 0x%02x", source, c);
	}
}

struct next_case {
	const char *regex;
	const char *next; /* NULL: nothing is known */
};

/* The octet behind the rows: known when every match goes on. */
static void test_next(void **state)
{
	(void)state;
	static const struct next_case cases[] = {
		{"QZXK[ab]*c", "abc"},
		{"QZXK[ab]{0,3}(?:c|de)", "abcd"},
		{"QZXK[ab]*", NULL},
		{"QZXK[ab]{0,3}c?", NULL},
		{"QZXK(?=[0-9])[ab]*c", "abc"},
		{"(?:QZXK|KXZQ)(?:a{0,9}b{0,9})c", "abc"},
		{"(?:QZXK[ab]*|KXZQ[cd]*)e", "abe"},
		{"(?:(?:QZXK[ab]*))e", "abe"},
		{"(?:(?:QZXK[ab]*)|x)", NULL},
		{"(?:QZXK[ab]{0,9}){2}c", NULL},
		{"QZXK[ab]{2,9}", NULL},
		{"QZXK[ab]{2,9}c", "abc"},
		{"QZXK(?:ab?){3,9}c", "ac"},
		{"QZXK\\b[ab]*$", NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct anchors anchors = anchors_of(cases[i].regex);
		if (anchors.count == 0) {
			assert_null(cases[i].next);
		} else if (anchors.all[0].next != (cases[i].next != NULL)) {
			fail_msg("%s: next %d", cases[i].regex, anchors.all[0].next);
		} else if (cases[i].next) {
			const struct regex_anchor *anchor = &anchors.all[0];
			assert_set(&anchor->sets[anchor->length - 1], cases[i].next, cases[i].regex);
		}
		release(&anchors);
	}
}

struct tail_case {
	const char *regex;
	unsigned at, max; /* max 0: no tail */
	const char *run, *end;
};

static void test_tails(void **state)
{
	(void)state;
	static const struct tail_case cases[] = {
		{"QZXK[ab]{0,9}c", 4, 9, "ab", "c"},
		{"QZXK[ab]{0,9}(?:cd|e)", 4, 9, "ab", "ce"},
		{"QZXK[ab]*c", 4, REGEX_TAIL_MAX + 1, "ab", "c"},
		{"QZXK[ab]{0,300}c", 4, REGEX_TAIL_MAX + 1, "ab", "c"},
		{"QZXK[ab]{2,9}c", 6, 7, "ab", "c"},
		{"\\bQZXK[ab]{0,9}c", 5, 9, "ab", "c"},
		{"(?:QZXK)[ab]{0,9}c{0,2}d", 4, 9, "ab", "cd"},
		{"(?:QZXK|KXZQ(?:u{0,3}v))[ab]{0,9}c", 4, 9, "ab", "c"},
		{"QZXK[ab]{0,9}", 0, 0, "", ""},
		{"QZXK[ab]{0,9}c?", 0, 0, "", ""},
		{"QZXK(?:ab){0,9}c", 0, 0, "", ""},
		{"(?:QZXK[ab]{0,9}){2}c", 0, 0, "", ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct anchors anchors = anchors_of(cases[i].regex);
		assert_true(anchors.count > 0);
		const struct regex_tail *tail = &anchors.all[0].tail;
		if (tail->known != (cases[i].max > 0))
			fail_msg("%s: tail %d", cases[i].regex, tail->known);
		if (tail->known) {
			assert_int_equal(tail->at, cases[i].at);
			assert_int_equal(tail->max, cases[i].max);
			assert_set(&tail->run, cases[i].run, cases[i].regex);
			assert_set(&tail->end, cases[i].end, cases[i].regex);
		}
		release(&anchors);
	}
}

/* A row that is too long is cut, and then nothing is said of what comes behind it. */
static void test_cut_rows(void **state)
{
	(void)state;
	struct anchors anchors = anchors_of("QZXK[0-9]{38}[ab]{0,9}c");
	assert_int_equal(anchors.count, 1);
	assert_int_equal(anchors.all[0].length, REGEX_ANCHOR_MAX);
	assert_true(byte_set_has(&anchors.all[0].sets[REGEX_ANCHOR_MAX - 1], '5'));
	assert_false(anchors.all[0].next || anchors.all[0].tail.known);
	release(&anchors);
	anchors = anchors_of("\\bQZXK[0-9]{36}[ab]{0,9}c");
	assert_int_equal(anchors.all[0].length, REGEX_ANCHOR_MAX);
	assert_false(anchors.all[0].next || anchors.all[0].tail.known);
	release(&anchors);
}

/* What is learned from a run holds only where the run gives back what it took. */
static void test_runs(void **state)
{
	(void)state;
	static const char *const with[] = {"QZ\\w+x", "(?:QZ\\w+x)y", "((?>QZ)\\w+x)y", "(?>QZ{1,3})\\w+x"};
	static const char *const without[] = {"(?>QZ\\w+x)y", "(?:Q(?>Z\\w+x)y)z", "(?>Q(?:Z\\w+x)y)z"};
	for (size_t i = 0; i < 7; i++) {
		const char *source = i < 4 ? with[i] : without[i - 4];
		struct regex regex;
		struct regex_run run;
		assert_true(regex_parse(span_of(source), &regex));
		if (regex_first_run(&regex, &run) != (i < 4))
			fail_msg("%s", source);
		regex_release(&regex);
	}
}

static unsigned window_of(const char *source)
{
	struct anchors anchors = anchors_of(source);
	assert_true(anchors.count > 0);
	unsigned window = anchors.all[0].window;
	release(&anchors);
	return window;
}

/* Rare octets, no classes when there is something better, and none of the words of every text. */
static void test_windows(void **state)
{
	(void)state;
	assert_int_equal(window_of("[a-z][a-z][a-z][a-z]QZXK"), 4);
	assert_int_equal(window_of("QZXK[a-z]{4}"), 0);
	assert_true(window_of("tokenQZXK") > 0);
	/* Digits come in rows: each octet of a long number would be a hit. */
	assert_int_equal(window_of("(?<![0-9A-Za-z])[2-6][0-9]{14}"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_next), cmocka_unit_test(test_tails),
		cmocka_unit_test(test_cut_rows), cmocka_unit_test(test_windows), cmocka_unit_test(test_runs)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
