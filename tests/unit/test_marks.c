/*
 * Marks against a made-up view whose every octet of output is known to come from these octets of input: what
 * is called safe never holds what is to come, an extent always covers what it is asked for.
 */
#include "pipelock/scan/marks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_extent(
	const struct marks *marks, uint64_t used, uint64_t begin, uint64_t end, uint64_t from, uint64_t to)
{
	marks_extent(marks, used, &begin, &end);
	assert_int_equal(begin, from);
	assert_int_equal(end, to);
}

static void test_nothing_is_known_at_first(void **state)
{
	(void)state;
	struct marks marks = {.count = 0};
	assert_int_equal(marks_safe(&marks, 100), 0);
	assert_extent(&marks, 50, 3, 7, 0, 50);
}

static void test_answers_between_marks(void **state)
{
	(void)state;
	struct marks marks = {.count = 0};
	marks_add(&marks, 10, 0, 0, 0);
	marks_add(&marks, 20, 0, 100, 0);
	marks_add(&marks, 30, 4, 200, 0);
	assert_int_equal(marks_safe(&marks, 0), 10);
	assert_int_equal(marks_safe(&marks, 99), 10);
	assert_int_equal(marks_safe(&marks, 100), 20);
	assert_int_equal(marks_safe(&marks, 199), 20);
	assert_int_equal(marks_safe(&marks, 200), 26);
	assert_int_equal(marks_safe(&marks, 900), 26);
	assert_extent(&marks, 33, 0, 100, 10, 20);
	assert_extent(&marks, 33, 99, 101, 10, 30);
	assert_extent(&marks, 33, 150, 200, 20, 30);
	assert_extent(&marks, 33, 200, 201, 26, 33);
}

/* What was undecided turns out to be nothing: more is safe, though nothing came out. */
static void test_nothing_comes_out(void **state)
{
	(void)state;
	struct marks marks = {.count = 0};
	marks_add(&marks, 10, 10, 5, 0);
	assert_int_equal(marks_safe(&marks, 5), 0);
	marks_add(&marks, 20, 0, 5, 0);
	assert_int_equal(marks.count, 1);
	assert_int_equal(marks_safe(&marks, 5), 20);
	/* What came out was there when ten octets were used. */
	assert_extent(&marks, 40, 0, 5, 0, 10);
	assert_extent(&marks, 40, 5, 6, 20, 40);
}

static void test_lag_of_more_than_was_used(void **state)
{
	(void)state;
	struct marks marks = {.count = 0};
	marks_add(&marks, 10, 100, 5, 0);
	assert_int_equal(marks_safe(&marks, 5), 0);
	assert_extent(&marks, 10, 5, 6, 0, 10);
}

static void test_a_full_table_forgets_what_nobody_needs(void **state)
{
	(void)state;
	struct marks marks = {.count = 0};
	for (uint64_t i = 0; i <= MARKS_MAX; i++)
		marks_add(&marks, i, 0, 10 * i, 10 * (i > 4 ? i - 4 : 0));
	assert_true(marks.count <= MARKS_MAX);
	for (uint64_t i = MARKS_MAX - 3; i <= MARKS_MAX; i++) {
		assert_int_equal(marks_safe(&marks, 10 * i), i);
		assert_int_equal(marks_safe(&marks, 10 * i + 9), i);
	}
}

/* When all are needed, they get coarser the older they are; the first one and the last one stay. */
static void test_a_full_table_gets_coarser(void **state)
{
	(void)state;
	struct marks marks = {.count = 0};
	for (uint64_t i = 0; i <= 1000; i++) {
		marks_add(&marks, 7 + i, 0, 10 * i, 0);
		assert_true(marks.count <= MARKS_MAX);
		assert_int_equal(marks_safe(&marks, 0), 7);
		assert_int_equal(marks_safe(&marks, 10 * i), 7 + i);
	}
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t safe = marks_safe(&marks, 10 * i), age = 1000 - i;
		assert_true(safe <= 7 + i);
		assert_true(age > MARKS_MAX || safe + age / 4 >= 7 + i);
	}
}

/* ---- a made-up view */

#define OUTPUTS 3000u

struct made {
	uint64_t from[OUTPUTS], to[OUTPUTS]; /* of the input, octet by octet of the output */
	uint64_t inputs;
	struct marks marks;
};

/* The origins go forward, but overlap: an octet comes out of the last few. */
static void make(struct made *made)
{
	uint64_t at = 0, to = 0;
	for (unsigned i = 0; i < OUTPUTS; i++) {
		if (rand() % 3 == 0)
			at += (uint64_t)rand() % 40;
		made->from[i] = at;
		to = to > at + 1 ? to : at + 1;
		to += (uint64_t)rand() % 3;
		made->to[i] = to;
	}
	made->inputs = to + 20;
}

static void check_answers(const struct made *made, uint64_t used, uint64_t produced, uint64_t floor)
{
	for (uint64_t p = floor; p <= produced && p < OUTPUTS; p++) {
		uint64_t safe = marks_safe(&made->marks, p);
		if (safe > made->from[p] || safe > used)
			fail_msg("%lu of %lu safe with %lu out, which come from %lu", (unsigned long)safe,
				(unsigned long)used, (unsigned long)p, (unsigned long)made->from[p]);
	}
	for (int i = 0; i < 20 && produced > 0; i++) {
		uint64_t begin = (uint64_t)rand() % produced;
		uint64_t end = begin + 1 + (uint64_t)rand() % (produced - begin), from = begin, to = end;
		marks_extent(&made->marks, used, &from, &to);
		assert_true(from <= made->from[begin]);
		assert_true(to >= made->to[end - 1] && to <= used);
	}
}

static void test_against_what_is_known(void **state)
{
	(void)state;
	static struct made made;
	for (unsigned seed = 1; seed <= 40; seed++) {
		srand(seed);
		make(&made);
		made.marks.count = 0;
		uint64_t used = 0, produced = 0, floor = 0, most = 1 + (uint64_t)rand() % 60;
		marks_add(&made.marks, 0, 0, 0, 0);
		while (used < made.inputs) {
			used += 1 + (uint64_t)rand() % most;
			used = used < made.inputs ? used : made.inputs;
			while (produced < OUTPUTS && made.to[produced] <= used)
				produced++;
			uint64_t complete = produced < OUTPUTS ? made.from[produced] : used;
			complete = complete < used ? complete : used;
			marks_add(&made.marks, used, used - complete, produced, floor);
			check_answers(&made, used, produced, floor);
			if (rand() % 4 == 0)
				floor += (uint64_t)rand() % (produced - floor + 1);
		}
		assert_int_equal(marks_safe(&made.marks, OUTPUTS), used);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_known_at_first),
		cmocka_unit_test(test_answers_between_marks),
		cmocka_unit_test(test_nothing_comes_out),
		cmocka_unit_test(test_lag_of_more_than_was_used),
		cmocka_unit_test(test_a_full_table_forgets_what_nobody_needs),
		cmocka_unit_test(test_a_full_table_gets_coarser),
		cmocka_unit_test(test_against_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
