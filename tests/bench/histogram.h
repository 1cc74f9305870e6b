/*
 * Latencies in buckets of 3 %: one power of two in 32 steps. Fixed in size, so that a long run costs no
 * memory.
 */
#ifndef TESTS_BENCH_HISTOGRAM_H
#define TESTS_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 32
#define HISTOGRAM_BUCKETS (40 * HISTOGRAM_STEPS)

struct histogram {
	uint64_t count, buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t value)
{
	unsigned log = value < HISTOGRAM_STEPS ? 0 : 63u - (unsigned)__builtin_clzll(value) - 5;
	uint64_t bucket = (uint64_t)log * HISTOGRAM_STEPS + (value >> log);

	return bucket < HISTOGRAM_BUCKETS ? (unsigned)bucket : HISTOGRAM_BUCKETS - 1;
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->buckets[histogram_bucket(value)]++;
	histogram->count++;
}

/* The lower end of the bucket that holds the given part (0 to 1) of all values. */
static inline uint64_t histogram_quantile(const struct histogram *histogram, double part)
{
	uint64_t wanted = (uint64_t)(part * (double)histogram->count), seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		unsigned log = i < 2 * HISTOGRAM_STEPS ? 0 : i / HISTOGRAM_STEPS - 1;

		seen += histogram->buckets[i];
		if (seen > wanted)
			return ((uint64_t)i - (uint64_t)log * HISTOGRAM_STEPS) << log;
	}
	return 0;
}

#endif
