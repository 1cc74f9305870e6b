/*
 * Between prefilter.c (the scan), prefilter_build.c and prefilter_buckets.c (its tables) and
 * prefilter_avx2.c.
 *
 * Narrow windows, which few texts of four octets fit, are written out: a bitmap of hashes says "no" to nearly
 * every position in a few instructions, and the table of texts behind it is exact but for case. Wide windows
 * (classes) share eight buckets of octet sets, which AVX2 looks up for 32 positions at once, by nibbles.
 */
#ifndef PIPELOCK_SCAN_PREFILTER_INTERNAL_H
#define PIPELOCK_SCAN_PREFILTER_INTERNAL_H

#include "pipelock/scan/prefilter.h"

#include <string.h>

#define PREFILTER_BITMAP_WORDS_LOG2                                                                          \
	14		     /* of 32 bits: 64 KB, of which a text touches the part that it needs            \
			      */
#define PREFILTER_BUCKETS 8  /* of a set */
#define PREFILTER_WIDE_SET 4 /* the sets before it are for narrow windows */
#define PREFILTER_BLOCK 64   /* positions that are looked at together */

/* Windows by a small number: first[k] up to first[k + 1] of `windows`. */
struct prefilter_lists {
	uint32_t first[257];
	uint32_t *windows;
};

/* One text that narrow windows fit. */
struct prefilter_slot {
	uint32_t key;
	uint32_t list; /* where its windows stand in `narrow`, their count first; 0: the slot is free */
};

struct prefilter {
	uint32_t bitmap[1u << PREFILTER_BITMAP_WORDS_LOG2];
	struct prefilter_slot *slots;
	unsigned slots_log2;
	uint32_t *narrow; /* begins with the empty list */

	bool use_avx2, has_wide;
	uint8_t wide[REGEX_WINDOW][256]; /* a bit for each bucket whose set j holds the octet */
	/* The buckets by the low and the high nibble of octet j, which is coarser. */
	uint8_t nibbles[REGEX_WINDOW][PREFILTER_WIDE_SET + 1][2][16];
	struct prefilter_lists buckets;

	struct prefilter_lists begun, begun_before; /* by octet */
};

/* Four octets without the case of letters: most words that rules look for are of any case, and would
 * otherwise be 16 texts each. */
static inline uint32_t prefilter_key(const unsigned char *octets)
{
	uint32_t key;
	memcpy(&key, octets, sizeof(key));
	return key | 0x20202020u;
}

static inline uint32_t prefilter_hash(uint32_t key)
{
	return key * 0x9e3779b1u;
}

/* May a narrow window fit here? The high bits of the hash choose the word and the low ones the bit: one
 * instruction less than bits of their own. */
static inline uint32_t prefilter_bitmap_word(uint32_t hash)
{
	return hash >> (32 - PREFILTER_BITMAP_WORDS_LOG2);
}

static inline uint64_t prefilter_may_be_narrow(const struct prefilter *prefilter, const unsigned char *p)
{
	uint32_t hash = prefilter_hash(prefilter_key(p));
	return prefilter->bitmap[prefilter_bitmap_word(hash)] >> (hash & 31) & 1;
}

static inline uint8_t prefilter_wide_buckets(const struct prefilter *prefilter, const unsigned char *p)
{
	return prefilter->wide[0][p[0]] & prefilter->wide[1][p[1]] & prefilter->wide[2][p[2]] &
	       prefilter->wide[3][p[3]];
}

/* Fills `wide` and `nibbles`. bucket[i] of a narrow window is PREFILTER_BUCKETS; that of a wide one becomes
 * the bucket it was put in. false: out of memory. */
bool prefilter_fill_buckets(
	struct prefilter *prefilter, const struct prefilter_window *windows, size_t count, uint8_t *bucket);

/* A bit for each position of a block at which some window may fit. */
struct prefilter_masks {
	uint64_t narrow, wide;
};

bool prefilter_avx2_available(void);
/* p[0 .. PREFILTER_BLOCK + 3) is readable. */
struct prefilter_masks prefilter_masks_avx2(const struct prefilter *prefilter, const unsigned char *p);

#endif
