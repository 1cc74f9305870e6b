/*
 * Heads are parsed every way they can arrive: whole, every prefix of them, octet by octet, cut in two at
 * every place, with another message behind them. The answer must be the same each time. The bytes lie in a
 * block of their exact size, so that the address sanitizer sees a look past their end.
 */
#ifndef TESTS_UNIT_EVERY_WAY_H
#define TESTS_UNIT_EVERY_WAY_H

#include "common/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* A parser of heads, with what it needs besides the bytes. */
typedef enum http1_result every_way_fn(
	const char *buf, size_t n, size_t seen, struct http1_head *head, enum http1_error *error);

struct answer {
	enum http1_result result;
	enum http1_error error;
};

static inline struct answer parse_copy(
	every_way_fn *parse, struct span bytes, size_t n, size_t seen, struct http1_head *head)
{
	char *copy = malloc(n + (n == 0));
	struct answer answer;

	assert_non_null(copy);
	memcpy(copy, bytes.p, n);
	answer.result = parse(copy, n, seen, head, &answer.error);
	free(copy);
	if (answer.result == HTTP1_BAD)
		assert_int_not_equal(answer.error, HTTP1_OK);
	else
		assert_int_equal(answer.error, HTTP1_OK);
	return answer;
}

/* What may be known of a message from its beginning: nothing, or that it is bad and why. */
static inline void check_prefix(struct answer prefix, struct answer whole)
{
	if (prefix.result == HTTP1_MORE)
		return;
	assert_int_equal(prefix.result, HTTP1_BAD);
	assert_int_equal(whole.result, HTTP1_BAD);
	assert_int_equal(prefix.error, whole.error);
}

/*
 * After more and more octets the answer must be that for all of them at once. An error in a line that has not
 * ended may show later when the octets trickle, but must show when the line ends.
 */
static inline void check_agrees(
	every_way_fn *parse, struct span bytes, struct answer late, struct answer whole)
{
	struct http1_head head;
	char *ended;

	if (late.result == HTTP1_MORE && whole.result == HTTP1_BAD) {
		ended = malloc(bytes.n + 2);
		assert_non_null(ended);
		memcpy(ended, bytes.p, bytes.n);
		memcpy(ended + bytes.n, "\r\n", 2);
		late = parse_copy(parse, (struct span){ended, bytes.n + 2}, bytes.n + 2, bytes.n, &head);
		free(ended);
	}
	assert_int_equal(late.result, whole.result);
	assert_int_equal(late.error, whole.error);
}

/* Octet by octet, as a caller does it: the answer may come early, but it must come. */
static inline void check_trickle(every_way_fn *parse, struct span bytes, struct answer whole)
{
	struct http1_head head;
	struct answer answer = {HTTP1_MORE, HTTP1_OK};
	size_t n = 0;

	while (answer.result == HTTP1_MORE && n < bytes.n) {
		answer = parse_copy(parse, bytes, n + 1, n, &head);
		n++;
	}
	check_agrees(parse, bytes, answer, whole);
	if (answer.result == HTTP1_DONE)
		assert_int_equal(head.size, n);
}

static inline struct answer parse_every_way(every_way_fn *parse, struct span bytes)
{
	struct http1_head head;
	struct answer whole = parse_copy(parse, bytes, bytes.n, 0, &head);
	size_t end = whole.result == HTTP1_DONE ? head.size : bytes.n;

	assert_true(end <= bytes.n);
	for (size_t cut = 0; cut < end; cut++) {
		struct answer prefix = parse_copy(parse, bytes, cut, 0, &head), rest;

		check_prefix(prefix, whole);
		if (prefix.result != HTTP1_MORE)
			continue;
		rest = parse_copy(parse, bytes, bytes.n, cut, &head);
		check_agrees(parse, bytes, rest, whole);
	}
	check_trickle(parse, (struct span){bytes.p, end}, whole);
	return whole;
}

/* A small generator with a seed, so that a failure comes again. */
static inline uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Change, drop, double or insert a few octets, mostly those that mean something. */
static inline size_t mutate(uint32_t *state, struct span from, char *out, size_t room)
{
	static const char alphabet[] = "\r\n\0 \t:,;=\x7f\x01\x80xAa0-+\"\\/#%[]";
	size_t n = from.n, edits = 1 + next_random(state) % 3;

	memcpy(out, from.p, n);
	while (edits-- > 0 && n > 1 && n + 1 < room) {
		size_t at = next_random(state) % n;
		char octet = alphabet[next_random(state) % (sizeof(alphabet) - 1)];

		switch (next_random(state) % 3) {
		case 0:
			out[at] = octet;
			break;
		case 1:
			memmove(out + at, out + at + 1, n - at - 1);
			n--;
			break;
		default:
			memmove(out + at + 1, out + at, n - at);
			out[at] = octet;
			n++;
		}
	}
	return n;
}

#define BYTES(literal)                                                                                       \
	{                                                                                                    \
		(literal), sizeof(literal) - 1                                                               \
	}

#endif
