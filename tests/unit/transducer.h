/*
 * A view (pipelock/scan/view.h) in every way it can be fed: whole, octet by octet, in pieces of every size,
 * cut in two at every place, and every prefix. The pieces lie in blocks of their exact size, so that the
 * address sanitizer sees a look past their end.
 */
#ifndef TESTS_UNIT_TRANSDUCER_H
#define TESTS_UNIT_TRANSDUCER_H

#include "pipelock/scan/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OUTPUT_ROOM 65536

/* The view under test, of which there is one. */
struct transducer {
	void (*init)(void);
	void (*feed)(struct span in, bool last, view_emit *emit, void *arg);
	size_t (*lag)(void);
	bool (*malformed)(void);
	bool stops; /* when malformed, and then promises nothing more */
	size_t max_lag;
	/* Octets that differ in what they mean, wherever they stand; ends with one that is empty. */
	const struct span *tails;
};

struct output {
	char p[OUTPUT_ROOM];
	size_t n;
};

static inline void collect(void *arg, struct span octets)
{
	struct output *output = arg;

	assert_true(octets.n > 0);
	assert_true(octets.n <= sizeof(output->p) - output->n);
	memcpy(output->p + output->n, octets.p, octets.n);
	output->n += octets.n;
}

static inline void feed_copy(
	const struct transducer *t, struct span piece, bool last, size_t *fed, struct output *output)
{
	char *copy = malloc(piece.n + (piece.n == 0));

	assert_non_null(copy);
	if (piece.n > 0)
		memcpy(copy, piece.p, piece.n);
	t->feed((struct span){copy, piece.n}, last, collect, output);
	free(copy);
	*fed += piece.n;
	assert_true(t->lag() <= t->max_lag && t->lag() <= *fed);
}

static inline void feed_in_pieces(
	const struct transducer *t, struct span in, size_t size, struct output *output)
{
	size_t fed = 0;

	t->init();
	output->n = 0;
	while (in.n > size) {
		feed_copy(t, (struct span){in.p, size}, false, &fed, output);
		in.p += size;
		in.n -= size;
	}
	feed_copy(t, in, true, &fed, output);
}

static inline void feed_two(
	const struct transducer *t, struct span first, struct span second, struct output *output)
{
	size_t fed = 0;

	t->init();
	output->n = 0;
	feed_copy(t, first, false, &fed, output);
	feed_copy(t, second, true, &fed, output);
}

static inline size_t common_prefix(const struct output *a, const struct output *b)
{
	size_t n = 0;

	while (n < a->n && n < b->n && a->p[n] == b->p[n])
		n++;
	return n;
}

/*
 * What has come out after a prefix is what will come out whatever follows; and all that depends on nothing
 * but the octets before those that the lag counts has come out. The latter is what the output has in common
 * for tails that mean different things.
 */
static inline void check_lag(const struct transducer *t, struct span in, size_t n)
{
	static struct output prefix, settled, other;
	size_t fed = 0, lag;

	t->init();
	prefix.n = 0;
	feed_copy(t, (struct span){in.p, n}, false, &fed, &prefix);
	if (t->stops && t->malformed())
		return;
	lag = t->lag();
	feed_two(t, (struct span){in.p, n - lag}, t->tails[0], &settled);
	for (const struct span *tail = t->tails; tail->n > 0; tail++) {
		feed_two(t, (struct span){in.p, n}, *tail, &other);
		assert_int_equal(common_prefix(&other, &prefix), prefix.n);
		feed_two(t, (struct span){in.p, n - lag}, *tail, &other);
		settled.n = common_prefix(&other, &settled);
	}
	if (settled.n > prefix.n)
		fail_msg("%zu of %zu octets came out after %zu", prefix.n, settled.n, n);
}

/* Whole, then every other way: the same comes out. */
static inline void check_view(
	const struct transducer *t, struct span in, struct span expected, bool malformed)
{
	static struct output output;

	for (size_t size = in.n + 1; size > 0; size--) {
		feed_in_pieces(t, in, size, &output);
		if (output.n != expected.n || memcmp(output.p, expected.p, expected.n) != 0)
			fail_msg("%.*s in pieces of %zu gives %.*s", SPAN_ARG(in), size, (int)output.n,
				output.p);
		assert_int_equal(t->malformed(), malformed);
	}
	for (size_t n = 0; n <= in.n; n++) {
		feed_two(t, (struct span){in.p, n}, (struct span){in.p + n, in.n - n}, &output);
		assert_int_equal(output.n, expected.n);
		assert_memory_equal(output.p, expected.p, expected.n);
		assert_int_equal(t->malformed(), malformed);
		check_lag(t, in, n);
	}
}

#endif
