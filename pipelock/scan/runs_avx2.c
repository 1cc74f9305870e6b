/*
 * Skipping with AVX2, chosen at run time: 32 octets are looked up by their halves in two shuffles. It gives
 * the same bits as the portable way.
 */
#include "pipelock/scan/runs_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,popcnt,bmi")))
#define HALF (RUNS_BLOCK / 2)

bool runs_avx2_available(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") &&
	       __builtin_cpu_supports("bmi");
}

struct tables {
	__m256i low, high, core, start, fill;
};

AVX2 static inline __m256i load_table(const unsigned char *table)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table));
}

AVX2 static inline __m256i look_up(const struct tables *t, const unsigned char *p)
{
	const __m256i mask = _mm256_set1_epi8(15);
	__m256i octets = _mm256_loadu_si256((const __m256i *)(const void *)p);
	__m256i low = _mm256_and_si256(octets, mask);
	__m256i high = _mm256_and_si256(_mm256_srli_epi16(octets, 4), mask);
	return _mm256_and_si256(_mm256_shuffle_epi8(t->low, low), _mm256_shuffle_epi8(t->high, high));
}

AVX2 static inline uint64_t bits_of(__m256i first, __m256i second, __m256i class)
{
	const __m256i none = _mm256_setzero_si256();
	__m256i a = _mm256_cmpeq_epi8(_mm256_and_si256(first, class), none);
	__m256i b = _mm256_cmpeq_epi8(_mm256_and_si256(second, class), none);
	return ~((uint64_t)(uint32_t)_mm256_movemask_epi8(b) << HALF |
		 (uint64_t)(uint32_t)_mm256_movemask_epi8(a));
}

AVX2 static inline struct runs_block classify(const struct tables *t, const unsigned char *p)
{
	__m256i first = look_up(t, p), second = look_up(t, p + HALF);
	return (struct runs_block){bits_of(first, second, t->core), bits_of(first, second, t->start),
		bits_of(first, second, t->fill)};
}

AVX2 size_t runs_skip_avx2(const struct runs_alphabet *alphabet, const unsigned char *p, size_t n)
{
	const struct runs_halves *halves = alphabet->halves;
	const struct tables t = {load_table(halves->table[0]), load_table(halves->table[1]),
		_mm256_set1_epi8((char)halves->core), _mm256_set1_epi8((char)halves->start),
		_mm256_set1_epi8((char)halves->fill)};
	struct runs_tail tail = {0, 0, false};
	struct runs_block block;
	size_t at = 0, start;
	for (; n - at >= RUNS_BLOCK; at += RUNS_BLOCK) {
		block = classify(&t, p + at);
		if (runs_find_in_block(&tail, &block, at, RUNS_BLOCK, alphabet->shortest, &start))
			return start;
	}
	if (at < n) {
		/* NUL is in no class. */
		unsigned char end[RUNS_BLOCK] = {0};
		memcpy(end, p + at, n - at);
		block = classify(&t, end);
		if (runs_find_in_block(&tail, &block, at, (unsigned)(n - at), alphabet->shortest, &start))
			return start;
	}
	return n - tail.octets;
}

#else

bool runs_avx2_available(void)
{
	return false;
}

size_t runs_skip_avx2(const struct runs_alphabet *alphabet, const unsigned char *p, size_t n)
{
	return runs_skip(alphabet, p, n, false);
}

#endif
