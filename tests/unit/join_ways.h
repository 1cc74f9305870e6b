/*
 * A joined view is fed every way its input can arrive: whole, cut in two at every place, in pieces of each
 * size, the end told with the last octets or after them. Each track must be the same each time. Pieces lie in
 * a block of their exact size, so that the address sanitizer sees a look past their end.
 */
#ifndef TESTS_UNIT_JOIN_WAYS_H
#define TESTS_UNIT_JOIN_WAYS_H

#include "pipelock/scan/join.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define JOIN_OUT_MAX (1u << 16)

/* The view under test, its struct behind `v`. */
struct join_view {
	void *v;
	unsigned tracks;
	void (*init)(void *v);
	void (*feed)(void *v, struct span in, bool last, join_emit *emit, void *arg);
};

struct joined {
	size_t n[JOIN_TRACKS];
	char text[JOIN_TRACKS][JOIN_OUT_MAX];
	unsigned tracks;
	bool with_ends;
};

static inline void take_joined(void *arg, unsigned track, struct span octets)
{
	struct joined *out = arg;

	assert_true(track < out->tracks);
	assert_true(octets.n > 0 && octets.n <= JOIN_OUT_MAX - out->n[track]);
	/* Where values end is looked at apart (join_ends()). */
	for (size_t i = 0; i < octets.n; i++)
		if (out->with_ends || octets.p[i] != VALUES_END[0])
			out->text[track][out->n[track]++] = octets.p[i];
}

static inline void join_begin(const struct join_view *view, struct joined *out)
{
	memset(out->n, 0, sizeof(out->n));
	out->tracks = view->tracks;
	view->init(view->v);
}

static inline void join_feed_copy(
	const struct join_view *view, struct span piece, bool last, struct joined *out)
{
	char *copy = malloc(piece.n + (piece.n == 0));

	assert_non_null(copy);
	if (piece.n > 0)
		memcpy(copy, piece.p, piece.n);
	view->feed(view->v, (struct span){copy, piece.n}, last, take_joined, out);
	free(copy);
}

/* The first octets as one piece, then pieces of this size. */
static inline void join_in_pieces(const struct join_view *view, struct span text, size_t first, size_t size,
	bool end_apart, struct joined *out)
{
	size_t n = first < text.n ? first : text.n;

	join_begin(view, out);
	for (size_t at = 0; at < text.n || at == 0; at += n, n = text.n - at < size ? text.n - at : size) {
		join_feed_copy(view, (struct span){text.p + at, n}, !end_apart && at + n == text.n, out);
		if (at + n == text.n)
			break;
	}
	if (end_apart)
		join_feed_copy(view, SPAN(""), true, out);
}

static inline void assert_joined_same(const struct joined *a, const struct joined *b, struct span text)
{
	for (unsigned track = 0; track < a->tracks; track++) {
		struct span x = {a->text[track], a->n[track]}, y = {b->text[track], b->n[track]};

		if (!span_equals(x, y))
			fail_msg("%.*s: track %u: '%.*s' and '%.*s'", SPAN_ARG(text), track, SPAN_ARG(x),
				SPAN_ARG(y));
	}
}

static inline void join_every_way(const struct join_view *view, struct span text, struct joined *whole)
{
	static struct joined other;

	other.with_ends = whole->with_ends;

	join_in_pieces(view, text, text.n, text.n, false, whole);
	for (size_t cut = 1; cut < text.n; cut++) {
		join_in_pieces(view, text, cut, text.n, cut & 1, &other);
		assert_joined_same(whole, &other, text);
	}
	for (size_t size = 1; size < text.n; size = size < 16 ? size + 1 : size * 2) {
		join_in_pieces(view, text, size, size, size & 1, &other);
		assert_joined_same(whole, &other, text);
	}
	join_in_pieces(view, text, text.n, text.n, true, &other);
	assert_joined_same(whole, &other, text);
}

static inline void assert_track(const struct joined *out, unsigned track, struct span text, struct span want)
{
	struct span have = {out->text[track], out->n[track]};

	if (!span_equals(have, want))
		fail_msg("%.*s: track %u is '%.*s', not '%.*s'", SPAN_ARG(text), track, SPAN_ARG(have),
			SPAN_ARG(want));
}

/* A small generator with a seed, so that a failure comes again. */
static inline uint32_t join_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

#endif
