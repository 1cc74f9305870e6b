/*
 * What the joined views stand on. A joined view takes the pieces of a structured text (values, names,
 * segments) and puts them together in document order with nothing in between, so that a secret that was split
 * over them is whole again. Several texts (tracks) come out of one input, each in order; how two tracks
 * interleave says nothing. Otherwise as in view.h: pure, linear, no allocation, the same output however the
 * input was cut.
 *
 * The structs of these views hold parts of secrets: their owner wipes them.
 */
#ifndef PIPELOCK_SCAN_JOIN_H
#define PIPELOCK_SCAN_JOIN_H

#include "pipelock/scan/values.h"

#include <endian.h>

/* Takes a piece of one track. The octets are borrowed for the call. */
typedef void join_emit(void *arg, unsigned track, struct span octets);

#define JOIN_TRACKS 3
/* Of a value that follows its name on a line no more than this is shown there: a rule that needs the name
 * looks no further, and the track of values has all of it. */
#define JOIN_PAIR_VALUE 1024u

/* A line of a track of pairs: "name: value" VIEW_BREAK; without a value "name" VIEW_BREAK. */
enum join_line { JOIN_LINE_NONE = 0, JOIN_LINE_NAME, JOIN_LINE_VALUE };

/* Gathers short pieces to reasonable ones; long ones are handed through. Zeroed is ready. */
struct join_sink {
	join_emit *emit; /* of the call in progress */
	void *arg;
	enum join_line line;
	size_t line_value; /* octets of the value on this line */
	size_t used[JOIN_TRACKS];
	char gathered[JOIN_TRACKS][1024];
};

/* What does not fit behind the rest. */
void join_put_long(struct join_sink *sink, unsigned track, struct span octets);

static inline void join_put(struct join_sink *sink, unsigned track, struct span octets)
{
	size_t used = sink->used[track];
	if (octets.n > sizeof(sink->gathered[track]) - used) {
		join_put_long(sink, track, octets);
	} else if (octets.n > 0) {
		memcpy(sink->gathered[track] + used, octets.p, octets.n);
		sink->used[track] = used + octets.n;
	}
}

/* At the end of each feed: nothing that was put stays behind. */
void join_flush(struct join_sink *sink);

/* A piece of a name, which begins a line. */
void join_put_name(struct join_sink *sink, unsigned track, struct span octets);
/* A piece of a value, behind the name where the line has one. */
void join_put_value(struct join_sink *sink, unsigned track, struct span octets);
void join_end_line(struct join_sink *sink, unsigned track);

/* How many octets of p[0..n) come before the first `a` or `b`. */
size_t join_span_until(const char *p, size_t n, char a, char b);

#define JOIN_EACH(octet) (UINT64_C(0x0101010101010101) * (unsigned char)(octet))

/* Eight octets, the first one lowest. */
static inline uint64_t join_load(const char *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof(word));
	return le64toh(word);
}

/* The top bit of each octet that is `octet` is set, and perhaps of some behind it. */
static inline uint64_t join_find_octet(uint64_t word, char octet)
{
	uint64_t x = word ^ JOIN_EACH(octet);
	return (x - JOIN_EACH(1)) & ~x & JOIN_EACH(0x80);
}

/* Which octet the lowest bit of what was found, not 0, stands for. */
static inline size_t join_found_at(uint64_t found)
{
	return (size_t)__builtin_ctzll(found) / 8;
}

#endif
