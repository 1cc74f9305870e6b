/*
 * Content codings (RFC 9110 8.4.1): gzip (RFC 1952, also several members), deflate (zlib RFC 1950, and the
 * raw RFC 1951 that some clients send), br (RFC 7932), zstd (RFC 8878), and chains of them, streaming, under
 * budgets of size and ratio. Pure. Octets after the end of the coded stream are bad: they would reach the
 * origin unread.
 */
#ifndef PIPELOCK_SCAN_DECODE_H
#define PIPELOCK_SCAN_DECODE_H

#include "common/span.h"

#include <stdint.h>

enum coding { CODING_UNKNOWN = 0, CODING_IDENTITY, CODING_GZIP, CODING_DEFLATE, CODING_BR, CODING_ZSTD };

#define DECODE_MAX_CHAIN 4

/* A Content-Encoding value (list syntax, ASCII case ignored, x-gzip is gzip) appended to codings[*count],
 * identity left out. false: unknown coding, malformed list, or a chain that is too long. */
bool decode_parse_codings(struct span value, enum coding codings[DECODE_MAX_CHAIN], size_t *count);

enum decode_result {
	DECODE_BAD = -1, /* malformed, truncated (with `last`), trailing octets, out of memory */
	DECODE_OVER_BUDGET = -2,
	DECODE_MORE_INPUT = 0, /* all input used, all output that it gives was given */
	DECODE_MORE_ROOM = 1,  /* the output is full: call again */
	DECODE_END = 2,	       /* with `last`: the stream ended as it should */
};

struct decoder;

/* count >= 1. NULL: out of memory. */
struct decoder *decoder_new(const enum coding *codings, size_t count);
void decoder_free(struct decoder *decoder);

/* Decode from *in (advanced past what was used) into out[0..room), room > 0; *produced octets were written.
 * `last`: no input comes after *in; an empty body is one that ended well. Once it failed it says so again.
 * Budgets: output of each stage <= 64 MiB + 1100 x octets off the wire (deflate's own maximum is 1032),
 * windows of br and zstd <= 8 MiB, in a chain together; over it DECODE_OVER_BUDGET. A decoder takes less than
 * 9 MiB, of gzip 50 KiB.
 *
 * What reaches the origin beside the content is shown too, or refused: extra field, name and comment of a
 * gzip header come out as lines before the content (at most 64 KiB, in later members bad); zstd skippable
 * frames and dictionaries are bad. A br metadata block is bad when it holds 16 octets in a row of a token's
 * letters; the library can't tell of others, so spaces or binary in metadata go unseen. */
enum decode_result decoder_run(
	struct decoder *decoder, struct span *in, bool last, char *out, size_t room, size_t *produced);

/*
 * How many of the last octets used may still hold content that was not produced: a decoder may keep a piece
 * of a block (zstd: up to a whole one). With hold-back, an octet leaves only when it lies further back than
 * this and what was produced up to there is safe. gzip, deflate, br: a few octets; in a chain all of them, so
 * it is safe at its end only.
 */
uint64_t decoder_lag(const struct decoder *decoder);

/* Octets of memory that it has now, near enough. */
size_t decoder_memory(const struct decoder *decoder);

#endif
