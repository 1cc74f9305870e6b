/*
 * The prefilter: both ways hit where the definition says, for random windows on random texts of every
 * alignment.
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
	uint64_t buckets[TEXT];
	size_t last, count;
};

static bool on_hit(void *arg, size_t position, uint64_t buckets)
{
	struct seen *seen = arg;
	assert_true(seen->count == 0 || position > seen->last);
	seen->buckets[position] = buckets;
	seen->last = position;
	seen->count++;
	return true;
}

static bool on_first(void *arg, size_t position, uint64_t buckets)
{
	(void)position, (void)buckets;
	++*(int *)arg;
	return false;
}

static void make_windows(struct prefilter_window windows[WINDOWS])
{
	memset(windows, 0, WINDOWS * sizeof(*windows));
	for (int i = 0; i < WINDOWS; i++) {
		for (int j = 0; j < REGEX_WINDOW; j++) {
			for (unsigned k = 1 + roll(3); k > 0; k--)
				byte_set_add(&windows[i].sets[j], roll(10) ? 'a' + roll(12) : roll(256));
		}
	}
}

static bool window_fits(const struct prefilter_window *window, const unsigned char *p)
{
	for (int j = 0; j < REGEX_WINDOW; j++) {
		if (!byte_set_has(&window->sets[j], p[j]))
			return false;
	}
	return true;
}

static void check(bool simd)
{
	struct prefilter_window windows[WINDOWS];
	unsigned char text[TEXT + REGEX_WINDOW];
	make_windows(windows);
	struct prefilter *prefilter = prefilter_new(windows, WINDOWS, simd);
	assert_non_null(prefilter);
	for (int round = 0; round < 40; round++) {
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (unsigned char)(roll(9) ? 'a' + roll(12) : roll(256));
		size_t from = roll(70), to = from + roll(TEXT - 70);
		struct seen seen = {.count = 0};
		assert_true(prefilter_scan(prefilter, text, from, to, on_hit, &seen));
		for (size_t i = 0; i < TEXT; i++) {
			uint64_t exact = prefilter_match(prefilter, text + i, REGEX_WINDOW);
			bool inside = i >= from && i < to, fits = false;
			for (int k = 0; k < WINDOWS; k++) {
				if (!window_fits(&windows[k], text + i))
					continue;
				fits = true;
				assert_true(exact >> prefilter_bucket(prefilter, (size_t)k) & 1);
			}
			/* Where no window fits, the buckets' unions may; the coarse tables may then know
			 * better. */
			if ((inside && (fits || !simd)) || !inside)
				assert_true(seen.buckets[i] == (inside ? exact : 0));
			else
				assert_true(seen.buckets[i] == exact || seen.buckets[i] == 0);
		}
	}
	prefilter_free(prefilter);
}

static void test_portable(void **state)
{
	(void)state;
	check(false);
}

static void test_simd(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		check(true);
}

static void test_stops(void **state)
{
	(void)state;
	struct prefilter_window window;
	unsigned char text[200] = {0};
	memset(&window, 0xff, sizeof(window));
	for (int simd = 0; simd < 2; simd++) {
		int calls = 0;
		struct prefilter *prefilter = prefilter_new(&window, 1, simd);
		assert_false(prefilter_scan(prefilter, text, 0, 100, on_first, &calls));
		assert_int_equal(calls, 1);
		prefilter_free(prefilter);
	}
}

/* Octets that are not there yet rule nothing out. */
static void test_partial_windows(void **state)
{
	(void)state;
	struct prefilter_window window = {{{{0}}}};
	const unsigned char *word = (const unsigned char *)"abcd";
	for (int j = 0; j < REGEX_WINDOW; j++)
		byte_set_add(&window.sets[j], word[j]);
	struct prefilter *prefilter = prefilter_new(&window, 1, true);
	for (size_t n = 1; n <= 4; n++) {
		assert_true(prefilter_match(prefilter, word, n));
		assert_false(prefilter_match(prefilter, (const unsigned char *)"bbcd", n));
	}
	assert_true(prefilter_match_start(prefilter, word + 1, 3));
	assert_false(prefilter_match_start(prefilter, word, 3));
	prefilter_free(prefilter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_portable), cmocka_unit_test(test_simd),
		cmocka_unit_test(test_stops), cmocka_unit_test(test_partial_windows)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
