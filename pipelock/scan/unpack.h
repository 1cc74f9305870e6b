/*
 * Compressed data that no label announces: gzip (RFC 1952), zstd (RFC 8878) and the deflated entries of zip
 * archives wherever they begin, zlib (RFC 1950) where the octets begin, or a line of them, as a text behind
 * VIEW_BREAK does; unpacked as far as they are sound. What only looks so and is not ends without a word; data
 * that unpacks to more than decode.h's budgets does not. VIEW_BREAK behind each. Entries that are stored
 * stand in the octets as they are; encrypted ones can't be read.
 */
#ifndef PIPELOCK_SCAN_UNPACK_H
#define PIPELOCK_SCAN_UNPACK_H

#include "pipelock/scan/decode.h"
#include "pipelock/scan/view.h"

#define UNPACK_ZIP_HEAD 30u
/* What only looked packed is searched again, at most so many octets back: the real thing may begin there. */
#define UNPACK_AGAIN 32u

/* What comes out at a time. */
#define UNPACK_OUT (16u * 1024)

struct unpack {
	struct decoder *decoder; /* NULL: looking for a signature */
	bool line_begins;	 /* with the next octet, or all does: zlib is looked for only there */
	bool head_begins_line;
	unsigned char head[UNPACK_ZIP_HEAD]; /* a signature's octets, of zip a whole local header */
	size_t head_n;
	uint64_t skip; /* of a zip entry's name and extra field */
	bool zip;
	uint64_t work; /* that decoders cost before they decode, in units of about a nanosecond */
	unsigned char again[UNPACK_AGAIN];
	size_t again_n; /* octets that the decoder took last, but the first one of all */
	char *out; /* UNPACK_OUT octets beside a decoder; between calls they hold nothing, and are wiped */
};

void unpack_init(struct unpack *v);
/* What the decoder took. */
void unpack_release(struct unpack *v);
/* false: over a budget, or out of memory; nothing more is to be fed. */
bool unpack_feed(struct unpack *v, struct span in, bool last, view_emit *emit, void *arg);
uint64_t unpack_lag(const struct unpack *v);

#endif
