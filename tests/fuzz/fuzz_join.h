/*
 * A joined view against any octets: the first one says the size of the pieces. Whole, in pieces and octet by
 * octet each track is the same, and no longer than the view's header allows.
 */
#ifndef TESTS_FUZZ_FUZZ_JOIN_H
#define TESTS_FUZZ_FUZZ_JOIN_H

#include "pipelock/scan/join.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                                                   \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

struct fuzz_joined {
	size_t n[JOIN_TRACKS];
	uint64_t sum[JOIN_TRACKS]; /* of the octets, with their places */
};

/* Feeds its view from the beginning, in pieces of this size. */
typedef void fuzz_join_fn(struct span in, size_t step, struct fuzz_joined *out);

static inline void fuzz_take(void *arg, unsigned track, struct span octets)
{
	struct fuzz_joined *out = arg;

	REQUIRE(track < JOIN_TRACKS && octets.n > 0);
	for (size_t i = 0; i < octets.n; i++)
		out->sum[track] = out->sum[track] * 31 + (unsigned char)octets.p[i];
	out->n[track] += octets.n;
}

/* The piece at the front of *rest, taken from it. */
static inline struct span fuzz_next_piece(struct span *rest, size_t step)
{
	struct span piece = {rest->p, rest->n < step ? rest->n : step};

	rest->p += piece.n;
	rest->n -= piece.n;
	return piece;
}

static inline struct fuzz_joined fuzz_check_join(fuzz_join_fn *join, const uint8_t *data, size_t size)
{
	struct span in = {(const char *)data + 1, size - 1};
	struct fuzz_joined whole = {{0}, {0}}, pieces = {{0}, {0}}, octets = {{0}, {0}};

	join(in, in.n, &whole);
	join(in, (size_t)data[0] + 2, &pieces);
	join(in, 1, &octets);
	REQUIRE(memcmp(&whole, &pieces, sizeof(whole)) == 0);
	REQUIRE(memcmp(&whole, &octets, sizeof(whole)) == 0);
	return whole;
}

#endif
