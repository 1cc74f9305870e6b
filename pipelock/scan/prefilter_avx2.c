/*
 * The prefilter with AVX2, chosen at run time: Teddy (Langdale, in Hyperscan) over windows of four. For each
 * of 32 positions two shuffles a window octet look its nibbles up in tables of eight buckets; what survives
 * the four ANDs is looked up exactly. It may name too many positions to look at, never too few.
 */
#include "pipelock/scan/prefilter_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define STEP 32

bool prefilter_avx2_available(void)
{
	return __builtin_cpu_supports("avx2");
}

struct tables {
	__m256i low[TEDDY_SETS][REGEX_WINDOW], high[TEDDY_SETS][REGEX_WINDOW];
};

AVX2 static inline __m256i load_table(const uint8_t *nibbles)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)nibbles));
}

AVX2 static inline void load_tables(const struct prefilter *prefilter, struct tables *t)
{
	for (int set = 0; set < TEDDY_SETS; set++) {
		for (int j = 0; j < REGEX_WINDOW; j++) {
			t->low[set][j] = load_table(prefilter->nibbles[set][j][0]);
			t->high[set][j] = load_table(prefilter->nibbles[set][j][1]);
		}
	}
}

/* A bit for each of the 32 positions from p on where some bucket may fit. */
AVX2 static inline uint32_t may_fit(const struct tables *t, const unsigned char *p)
{
	const __m256i mask = _mm256_set1_epi8(15);
	__m256i fits[TEDDY_SETS];
	for (int j = 0; j < REGEX_WINDOW; j++) {
		__m256i octets = _mm256_loadu_si256((const __m256i *)(const void *)(p + j));
		__m256i low = _mm256_and_si256(octets, mask);
		__m256i high = _mm256_and_si256(_mm256_srli_epi16(octets, 4), mask);
		for (int set = 0; set < TEDDY_SETS; set++) {
			__m256i one = _mm256_and_si256(_mm256_shuffle_epi8(t->low[set][j], low),
				_mm256_shuffle_epi8(t->high[set][j], high));
			fits[set] = j ? _mm256_and_si256(fits[set], one) : one;
		}
	}
	__m256i any = _mm256_or_si256(fits[0], fits[1]);
	return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(any, _mm256_setzero_si256()));
}

AVX2 bool prefilter_scan_avx2(const struct prefilter *prefilter, const unsigned char *text, size_t from,
	size_t to, prefilter_hit_fn *on_hit, void *arg, size_t *at)
{
	struct tables t;
	*at = from;
	if (to - from < STEP)
		return true;
	load_tables(prefilter, &t);
	for (; to - *at >= STEP; *at += STEP) {
		for (uint32_t left = may_fit(&t, text + *at); left; left &= left - 1) {
			size_t position = *at + (unsigned)__builtin_ctz(left);
			uint64_t buckets = prefilter_exact(prefilter, text + position);
			if (buckets && !on_hit(arg, position, buckets))
				return false;
		}
	}
	return true;
}

#else

bool prefilter_avx2_available(void)
{
	return false;
}

bool prefilter_scan_avx2(const struct prefilter *prefilter, const unsigned char *text, size_t from, size_t to,
	prefilter_hit_fn *on_hit, void *arg, size_t *at)
{
	(void)prefilter, (void)text, (void)to, (void)on_hit, (void)arg;
	*at = from;
	return true;
}

#endif
