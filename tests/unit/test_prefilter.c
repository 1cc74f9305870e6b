/*
 * The prefilter: both ways name every window that fits, for random windows on random texts of every
 * alignment, in order, and little else.
 */
#include "pipelock/scan/prefilter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define WINDOWS 90
#define TEXT 700

static uint32_t seed = 1;

static unsigned roll(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

struct seen {
	bool named[TEXT][WINDOWS];
	size_t last, count;
};

static bool on_hit(void *arg, size_t position, struct prefilter_list list)
{
	struct seen *seen = arg;
	assert_true(seen->count == 0 || position >= seen->last);
	assert_true(list.count > 0);
	for (size_t i = 0; i < list.count; i++) {
		assert_true(list.windows[i] < WINDOWS);
		assert_false(seen->named[position][list.windows[i]]);
		seen->named[position][list.windows[i]] = true;
	}
	seen->last = position;
	seen->count++;
	return true;
}

static bool on_first(void *arg, size_t position, struct prefilter_list list)
{
	(void)position, (void)list;
	++*(int *)arg;
	return false;
}

static void add_class(struct byte_set *set)
{
	unsigned from = roll(200), to = from + 20 + roll(56);
	for (unsigned c = from; c < to; c++)
		byte_set_add(set, c);
}

/* Words, words of any case, and every eighth a row of classes. */
static void make_windows(struct prefilter_window windows[WINDOWS])
{
	memset(windows, 0, WINDOWS * sizeof(*windows));
	for (int i = 0; i < WINDOWS; i++) {
		windows[i].at_start = roll(3) == 0;
		for (int j = 0; j < REGEX_WINDOW; j++) {
			struct byte_set *set = &windows[i].sets[j];
			if (i % 8 == 0 && roll(3)) {
				add_class(set);
				continue;
			}
			for (unsigned k = 1 + roll(3); k > 0; k--) {
				unsigned c = roll(10) ? 'a' + roll(12) : roll(256);
				byte_set_add(set, c);
				if (roll(2))
					byte_set_add(set, c ^ 32);
			}
		}
	}
}

static bool fits(const struct prefilter_window *window, const unsigned char *p, int from, int to)
{
	for (int j = from; j < to; j++) {
		if (!byte_set_has(&window->sets[j], p[j - from]))
			return false;
	}
	return true;
}

static bool is_named(struct prefilter_list list, size_t window)
{
	for (size_t i = 0; i < list.count; i++) {
		if (list.windows[i] == window)
			return true;
	}
	return false;
}

static void check_edges(const struct prefilter *prefilter, const struct prefilter_window windows[WINDOWS])
{
	for (unsigned c = 0; c < 256; c++) {
		unsigned char octet = (unsigned char)c;
		struct prefilter_list begun = prefilter_begun(prefilter, octet),
				      before = prefilter_begun_before(prefilter, octet);
		for (size_t k = 0; k < WINDOWS; k++) {
			assert_int_equal(is_named(begun, k), fits(&windows[k], &octet, 0, 1));
			assert_int_equal(
				is_named(before, k), windows[k].at_start && fits(&windows[k], &octet, 1, 2));
		}
	}
}

static unsigned char any_of(const struct byte_set *set)
{
	unsigned c = roll(256);
	while (!byte_set_has(set, c))
		c = (c + 1) % 256;
	return (unsigned char)c;
}

/* Letters or anything, and now and then what a window asks for. */
static void make_text(const struct prefilter_window windows[WINDOWS], unsigned char *text, size_t n)
{
	unsigned kind = roll(3);
	for (size_t i = 0; i < n;) {
		unsigned letter = (roll(4) ? 'a' : 'A') + roll(12), k = roll(WINDOWS);
		bool plant = roll(12) == 0;
		text[i++] = (unsigned char)(kind && roll(9) ? letter : roll(256));
		for (int j = 0; plant && i < n && j < REGEX_WINDOW; j++)
			text[i++] = any_of(&windows[k].sets[j]);
	}
}

static void check(bool simd)
{
	struct prefilter_window windows[WINDOWS];
	unsigned char text[TEXT + REGEX_WINDOW];
	size_t named = 0, fitting = 0;
	make_windows(windows);
	struct prefilter *prefilter = prefilter_new(windows, WINDOWS, simd);
	struct seen *seen = malloc(sizeof(*seen));
	assert_non_null(prefilter);
	assert_non_null(seen);
	check_edges(prefilter, windows);
	for (int round = 0; round < 60; round++) {
		make_text(windows, text, sizeof(text));
		size_t from = roll(70), to = from + roll(round % 2 ? 140 : TEXT - 70);
		memset(seen, 0, sizeof(*seen));
		assert_true(prefilter_scan(prefilter, text, from, to, on_hit, seen));
		for (size_t i = 0; i < TEXT; i++) {
			bool inside = i >= from && i < to;
			for (size_t k = 0; k < WINDOWS; k++) {
				bool fit = fits(&windows[k], text + i, 0, REGEX_WINDOW);
				assert_true(seen->named[i][k] ? inside : !(inside && fit));
				named += seen->named[i][k];
				fitting += inside && fit;
			}
		}
	}
	assert_true(fitting > 500 && named < 5 * fitting);
	free(seen);
	prefilter_free(prefilter);
}

static void test_portable(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		check(false);
}

static void test_simd(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		check(true);
}

/* A text that ends where its memory does: nothing behind `to + 3` is read. */
static void test_end_of_memory(void **state)
{
	(void)state;
	struct prefilter_window windows[WINDOWS];
	struct seen *seen = malloc(sizeof(*seen));
	make_windows(windows);
	struct prefilter *prefilter = prefilter_new(windows, WINDOWS, true);
	for (size_t to = 0; to < 200; to++) {
		unsigned char *text = malloc(to + REGEX_WINDOW - 1);
		make_text(windows, text, to + REGEX_WINDOW - 1);
		memset(seen, 0, sizeof(*seen));
		assert_true(prefilter_scan(prefilter, text, 0, to, on_hit, seen));
		free(text);
	}
	prefilter_free(prefilter);
	free(seen);
}

static void test_stops(void **state)
{
	(void)state;
	struct prefilter_window windows[1];
	unsigned char text[200] = {0};
	memset(windows, 0, sizeof(windows));
	for (int wide = 0; wide < 2; wide++) {
		for (int j = 0; j < REGEX_WINDOW; j++) {
			byte_set_add(&windows[0].sets[j], 0);
			if (wide)
				memset(&windows[0].sets[j], 0xff, sizeof(windows[0].sets[j]));
		}
		for (int simd = 0; simd < 2; simd++) {
			int calls = 0;
			struct prefilter *prefilter = prefilter_new(windows, 1, simd);
			assert_false(prefilter_scan(prefilter, text, 0, 100, on_first, &calls));
			assert_int_equal(calls, 1);
			prefilter_free(prefilter);
		}
	}
}

/* More words than are written out: the rest is still found. */
static void test_many(void **state)
{
	(void)state;
	enum { MANY = 400 };
	struct prefilter_window *windows = calloc(MANY, sizeof(*windows));
	unsigned char text[REGEX_WINDOW];
	for (unsigned i = 0; i < MANY; i++) {
		for (unsigned c = 0; c < 22; c++)
			byte_set_add(&windows[i].sets[3], 'a' + c);
		byte_set_add(&windows[i].sets[0], 'a' + i % 20);
		byte_set_add(&windows[i].sets[1], 'a' + i / 20);
		for (unsigned c = 0; c < 20; c++)
			byte_set_add(&windows[i].sets[2], 0x80 + c);
	}
	for (int simd = 0; simd < 2; simd++) {
		struct prefilter *prefilter = prefilter_new(windows, MANY, simd);
		for (unsigned i = 0; i < MANY; i++) {
			text[0] = (unsigned char)('a' + i % 20);
			text[1] = (unsigned char)('a' + i / 20);
			text[2] = (unsigned char)(0x80 + roll(20));
			text[3] = 'u';
			int calls = 0;
			prefilter_scan(prefilter, text, 0, 1, on_first, &calls);
			assert_int_equal(calls, 1);
		}
		prefilter_free(prefilter);
	}
	free(windows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_portable), cmocka_unit_test(test_simd),
		cmocka_unit_test(test_end_of_memory), cmocka_unit_test(test_stops),
		cmocka_unit_test(test_many)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
