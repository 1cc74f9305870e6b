/*
 * Between prefilter.c and its AVX2 half. The tables: exact[j][octet] has a bit for each of the 64 buckets
 * whose set j holds the octet; the nibble tables are coarser (16 buckets, low and high nibble apart) and only
 * say where to look exactly.
 */
#ifndef PIPELOCK_SCAN_PREFILTER_INTERNAL_H
#define PIPELOCK_SCAN_PREFILTER_INTERNAL_H

#include "pipelock/scan/prefilter.h"

#define TEDDY_SETS 2 /* of eight buckets */

struct prefilter {
	uint64_t exact[REGEX_WINDOW][256];
	/* [set][window position][low, high nibble][nibble] */
	uint8_t nibbles[TEDDY_SETS][REGEX_WINDOW][2][16];
	bool use_avx2;
	size_t count;
	uint8_t bucket[];
};

static inline uint64_t prefilter_exact(const struct prefilter *prefilter, const unsigned char *p)
{
	return prefilter->exact[0][p[0]] & prefilter->exact[1][p[1]] & prefilter->exact[2][p[2]] &
	       prefilter->exact[3][p[3]];
}

bool prefilter_avx2_available(void);
/* As prefilter_scan() for [from, *at), where *at is to or a little less: the rest is the portable way's. */
bool prefilter_scan_avx2(const struct prefilter *prefilter, const unsigned char *text, size_t from, size_t to,
	prefilter_hit_fn *on_hit, void *arg, size_t *at);

#endif
