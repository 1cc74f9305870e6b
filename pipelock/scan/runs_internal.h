/*
 * Between the parts of the view of encoded runs: runs.c finds runs, runs_skip.c and runs_avx2.c skip what is
 * none, runs_decode.c turns runs into octets.
 */
#ifndef PIPELOCK_SCAN_RUNS_INTERNAL_H
#define PIPELOCK_SCAN_RUNS_INTERNAL_H

#include "pipelock/scan/runs.h"

/* What an octet may be. Each alphabet has a bit for its characters, one for what may begin a gap between them
 * and one for what may go on with it. */
enum runs_class {
	RUNS_CLASS_BASE64 = 1,
	RUNS_CLASS_LINE = 2,  /* CR, LF */
	RUNS_CLASS_SPACE = 4, /* these, space, tab */
	RUNS_CLASS_HEX = 8,
	RUNS_CLASS_MARK = 16, /* what may stand between hex digits */
	RUNS_CLASS_BASE32 = 32,
	RUNS_CLASS_BASE32_UPPER = 64,
	RUNS_CLASS_BASE32HEX = 128,
};

extern const unsigned char runs_classes[256];

/*
 * The same for 32 octets at once. Octets are classified by their halves: table[0] has the bits of the low
 * four, table[1] those of the high four, and an octet is in a set when both have one of its bits.
 */
struct runs_halves {
	unsigned char table[2][16];
	unsigned char core, start, fill; /* bits */
};

struct runs_alphabet {
	unsigned char core, start, fill; /* classes; 0: nothing is in the set */
	bool has_prefix;		 /* 0x */
	unsigned shortest;
	const struct runs_halves *halves;
};

extern const struct runs_alphabet runs_base64, runs_base32, runs_base32_upper, runs_base32hex, runs_hex;

/* ---- skipping */

/* Where the first run begins that may be long enough, or that the end cuts; n: nowhere. A run that isn't long
 * enough for its gaps may be named, too. */
size_t runs_skip(const struct runs_alphabet *alphabet, const unsigned char *p, size_t n, bool simd);

bool runs_avx2_available(void);
size_t runs_skip_avx2(const struct runs_alphabet *alphabet, const unsigned char *p, size_t n);

#define RUNS_BLOCK 64u

/* A bit for each octet of a block, the lowest for the first one. */
struct runs_block {
	uint64_t core, start, fill;
};

/* What may be the beginning of a run at the end of the blocks before: octets with the gaps, and without. */
struct runs_tail {
	size_t octets, characters;
	bool in_gap;
};

/* The start of each series of `shortest` ones. */
static inline uint64_t runs_series(uint64_t ones, unsigned shortest)
{
	uint64_t eight, sixteen;
	ones &= ones >> 1;
	ones &= ones >> 2;
	eight = ones & ones >> 4;
	sixteen = eight & eight >> 8;
	return shortest == 16 ? sixteen : sixteen & eight >> 16;
}

static inline unsigned runs_count(uint64_t bits)
{
	return (unsigned)__builtin_popcountll(bits);
}

/* Ones from the lowest bit on; at most 64. */
static inline unsigned runs_lead(uint64_t bits)
{
	return ~bits ? (unsigned)__builtin_ctzll(~bits) : RUNS_BLOCK;
}

/* The low n bits. */
static inline uint64_t runs_low(unsigned n)
{
	return n < RUNS_BLOCK ? ((uint64_t)1 << n) - 1 : UINT64_MAX;
}

/*
 * Go over a block that begins at `at` and of which n octets count, n > 0 (the bits of others are 0). Is there
 * a run that is long enough, and ends here or is long enough already? It begins at *start. One that touches
 * the end of the block may also become the tail.
 */
static inline __attribute__((always_inline)) bool runs_find_in_block(struct runs_tail *t,
	const struct runs_block *block, size_t at, unsigned n, unsigned shortest, size_t *start)
{
	/* A gap starts behind a character; adding ripples through all that fills it. */
	uint64_t gaps = block->core << 1 & block->start;
	if (t->octets > 0)
		gaps |= (t->in_gap ? block->fill : block->start) & 1;
	gaps = block->fill & ~(block->fill + gaps);
	uint64_t run = block->core | gaps;
	unsigned lead = runs_lead(run);
	t->in_gap = gaps >> (n - 1) & 1;
	if (t->octets + lead >= shortest) {
		size_t characters = t->characters + runs_count(block->core & runs_low(lead));
		*start = at - t->octets;
		if (characters >= shortest)
			return true;
	}
	if (lead >= n) {
		t->octets += n;
		t->characters += runs_count(block->core);
		return false;
	}
	for (uint64_t series = runs_series(run & ~runs_low(lead), shortest); series;) {
		unsigned from = (unsigned)__builtin_ctzll(series), ones = runs_lead(run >> from);
		*start = at + from;
		if (runs_count(block->core >> from & runs_low(ones)) >= shortest)
			return true;
		series &= ~runs_low(from + ones);
	}
	/* The last octets: there is a 0 above the lead. */
	unsigned ones = (unsigned)__builtin_clzll(~(run << (RUNS_BLOCK - n)));
	t->octets = ones;
	t->characters = ones ? runs_count(block->core >> (n - ones)) : 0;
	return false;
}

/* ---- decoding */

_Static_assert(RUNS_BASE64_SHORTEST == 16 && RUNS_HEX_SHORTEST == 24, "runs_series() knows 16 and 24");

/* Take characters of the alphabet that follow those before; the first one stands at `at`. The end of a run
 * lets out what is left, then a break. */
void runs_four_take(struct runs *v, const unsigned char *p, size_t n, uint64_t at);
void runs_four_end(struct runs *v);
void runs_two_take(struct runs *v, const unsigned char *p, size_t n, uint64_t at);
void runs_two_end(struct runs *v);
/* Any octets: what is not of the track's alphabet, or too short, is passed over. `track` has a decoder.
 * `ends`: a call of runs_code_end() comes next. */
void runs_code_take(
	struct runs *v, enum runs_track track, const unsigned char *p, size_t n, uint64_t at, bool ends);
void runs_code_end_run(struct runs *v, enum runs_track track);

static inline void runs_code_end(struct runs *v, enum runs_track track)
{
	const struct runs_code *code = &v->codes[track - RUNS_BASE32];
	if (code->decided || code->held > 0)
		runs_code_end_run(v, track);
}

/* Hand out all that is there. */
void runs_flush(struct runs *v);

#endif
