/*
 * The prefilter with AVX2, chosen at run time: Teddy (Langdale, in Hyperscan) over windows of four. For each
 * position two shuffles a window octet look its nibbles up in tables of eight buckets; what survives the four
 * ANDs may fit. It may name too many positions, never too few.
 */
#include "pipelock/scan/prefilter_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi,bmi2")))
#define AVX2_INLINE __attribute__((target("avx2,bmi,bmi2"), always_inline)) static inline
#define STEP 32

bool prefilter_avx2_available(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("bmi2");
}

/* The nibbles of 2 * STEP octets. */
struct nibbles {
	__m256i low[2], high[2];
};

AVX2_INLINE struct nibbles load_nibbles(const unsigned char *p)
{
	const __m256i mask = _mm256_set1_epi8(15);
	struct nibbles out;
	for (int i = 0; i < 2; i++) {
		__m256i octets = _mm256_loadu_si256((const __m256i *)(const void *)(p + i * STEP));
		out.low[i] = _mm256_and_si256(octets, mask);
		out.high[i] = _mm256_and_si256(_mm256_srli_epi16(octets, 4), mask);
	}
	return out;
}

AVX2_INLINE __m256i load_table(const uint8_t *table)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table));
}

/* The buckets of one set that fit, for 2 * STEP positions. */
struct fits {
	__m256i buckets[2];
};

AVX2_INLINE struct fits look_up(const uint8_t tables[2][16], const struct nibbles *nibbles)
{
	__m256i low = load_table(tables[0]), high = load_table(tables[1]);
	struct fits out;
	for (int i = 0; i < 2; i++)
		out.buckets[i] = _mm256_and_si256(_mm256_shuffle_epi8(low, nibbles->low[i]),
			_mm256_shuffle_epi8(high, nibbles->high[i]));
	return out;
}

AVX2_INLINE void narrow_down(struct fits *fits, const uint8_t tables[2][16], const struct nibbles *nibbles)
{
	struct fits more = look_up(tables, nibbles);
	for (int i = 0; i < 2; i++)
		fits->buckets[i] = _mm256_and_si256(fits->buckets[i], more.buckets[i]);
}

AVX2_INLINE uint64_t positions_of(__m256i first, __m256i second)
{
	const __m256i zero = _mm256_setzero_si256();
	uint32_t low = ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(first, zero));
	uint32_t high = ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(second, zero));
	return (uint64_t)high << STEP | low;
}

/* Written out for the sets that there are, so that all of it stays in registers. */
AVX2_INLINE struct prefilter_masks coarse_masks(const struct prefilter *prefilter, const unsigned char *p)
{
	struct nibbles nibbles = load_nibbles(p);
	struct fits a = look_up(prefilter->nibbles[0][0], &nibbles);
	struct fits b = look_up(prefilter->nibbles[0][1], &nibbles);
	struct fits c = look_up(prefilter->nibbles[0][2], &nibbles);
	struct fits d = look_up(prefilter->nibbles[0][3], &nibbles);
	struct fits wide = look_up(prefilter->nibbles[0][PREFILTER_WIDE_SET], &nibbles);
	for (int j = 1; j < REGEX_WINDOW; j++) {
		nibbles = load_nibbles(p + j);
		narrow_down(&a, prefilter->nibbles[j][0], &nibbles);
		narrow_down(&b, prefilter->nibbles[j][1], &nibbles);
		narrow_down(&c, prefilter->nibbles[j][2], &nibbles);
		narrow_down(&d, prefilter->nibbles[j][3], &nibbles);
		narrow_down(&wide, prefilter->nibbles[j][PREFILTER_WIDE_SET], &nibbles);
	}
	__m256i narrow[2];
	for (int i = 0; i < 2; i++)
		narrow[i] = _mm256_or_si256(_mm256_or_si256(a.buckets[i], b.buckets[i]),
			_mm256_or_si256(c.buckets[i], d.buckets[i]));
	return (struct prefilter_masks){
		positions_of(narrow[0], narrow[1]), positions_of(wide.buckets[0], wide.buckets[1])};
}

/* Of what the nibbles let through, what the bitmap and the octets do too. Without a branch on that: it would
 * be guessed wrong more often than it saves. */
AVX2 struct prefilter_masks prefilter_masks_avx2(const struct prefilter *prefilter, const unsigned char *p)
{
	struct prefilter_masks coarse = coarse_masks(prefilter, p), masks = {0, 0};
	for (uint64_t left = coarse.narrow; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		masks.narrow |= prefilter_may_be_narrow(prefilter, p + i) << i;
	}
	for (uint64_t left = coarse.wide; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		masks.wide |= (uint64_t)(prefilter_wide_buckets(prefilter, p + i) != 0) << i;
	}
	return masks;
}

#else

bool prefilter_avx2_available(void)
{
	return false;
}

struct prefilter_masks prefilter_masks_avx2(const struct prefilter *prefilter, const unsigned char *p)
{
	(void)prefilter, (void)p;
	return (struct prefilter_masks){UINT64_MAX, UINT64_MAX};
}

#endif
