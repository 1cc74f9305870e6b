/*
 * The prefilter's tables and its portable scan. Windows are put in buckets greedily, dearest first, where
 * they add least to the expected rate of hits: similar windows share a bucket, and a rare one is not spoiled
 * by a common one.
 */
#include "pipelock/scan/prefilter_internal.h"

#include <stdlib.h>

struct bucket {
	struct byte_set sets[REGEX_WINDOW];
	double rate;
	size_t count;
};

struct order {
	size_t index;
	double rate;
};

static double window_rate(const struct byte_set sets[REGEX_WINDOW])
{
	double product = 1;
	for (int j = 0; j < REGEX_WINDOW; j++)
		product *= byte_set_rate(&sets[j]);
	return product;
}

static int compare_order(const void *a, const void *b)
{
	const struct order *x = a, *y = b;
	if (x->rate != y->rate)
		return x->rate < y->rate ? 1 : -1;
	return x->index < y->index ? -1 : 1;
}

static struct bucket united(const struct bucket *bucket, const struct prefilter_window *window)
{
	struct bucket out = *bucket;
	for (int j = 0; j < REGEX_WINDOW; j++) {
		for (int i = 0; i < 4; i++)
			out.sets[j].w[i] |= window->sets[j].w[i];
	}
	out.count++;
	out.rate = window_rate(out.sets);
	return out;
}

/* Fill `to` (which bucket each window went to) for this many buckets. */
static void distribute(const struct prefilter_window *windows, const struct order *order, size_t count,
	struct bucket *buckets, size_t bucket_count, uint8_t *to)
{
	memset(buckets, 0, bucket_count * sizeof(*buckets));
	for (size_t k = 0; k < count; k++) {
		const struct prefilter_window *window = &windows[order[k].index];
		size_t best = 0;
		double least = 1e9;
		for (size_t b = 0; b < bucket_count; b++) {
			struct bucket with = united(&buckets[b], window);
			double grown = with.rate - buckets[b].rate + 1e-7 * (double)buckets[b].count;
			if (grown < least) {
				least = grown;
				best = b;
			}
		}
		buckets[best] = united(&buckets[best], window);
		to[order[k].index] = (uint8_t)best;
	}
}

static void fill_exact(struct prefilter *prefilter, const struct bucket *buckets)
{
	for (int j = 0; j < REGEX_WINDOW; j++) {
		for (unsigned c = 0; c < 256; c++) {
			for (unsigned b = 0; b < PREFILTER_BUCKETS; b++) {
				if (byte_set_has(&buckets[b].sets[j], c))
					prefilter->exact[j][c] |= 1ull << b;
			}
		}
	}
}

static void fill_nibbles(struct prefilter *prefilter, const struct bucket *buckets)
{
	for (unsigned b = 0; b < TEDDY_SETS * 8; b++) {
		for (int j = 0; j < REGEX_WINDOW; j++) {
			for (unsigned c = 0; c < 256; c++) {
				if (!byte_set_has(&buckets[b].sets[j], c))
					continue;
				prefilter->nibbles[b / 8][j][0][c & 15] |= (uint8_t)(1u << (b % 8));
				prefilter->nibbles[b / 8][j][1][c >> 4] |= (uint8_t)(1u << (b % 8));
			}
		}
	}
}

struct prefilter *prefilter_new(const struct prefilter_window *windows, size_t count, bool simd)
{
	struct prefilter *prefilter = calloc(1, sizeof(*prefilter) + count);
	struct order *order = calloc(count + 1, sizeof(*order));
	struct bucket *buckets = calloc(PREFILTER_BUCKETS, sizeof(*buckets));
	uint8_t *coarse = calloc(count + 1, 1);
	if (!prefilter || !order || !buckets || !coarse) {
		free(prefilter);
		prefilter = NULL;
		goto out;
	}
	prefilter->count = count;
	prefilter->use_avx2 = simd && prefilter_avx2_available();
	for (size_t i = 0; i < count; i++)
		order[i] = (struct order){i, window_rate(windows[i].sets)};
	qsort(order, count, sizeof(*order), compare_order);
	distribute(windows, order, count, buckets, PREFILTER_BUCKETS, prefilter->bucket);
	fill_exact(prefilter, buckets);
	distribute(windows, order, count, buckets, (size_t)TEDDY_SETS * 8, coarse);
	fill_nibbles(prefilter, buckets);
out:
	free(order);
	free(buckets);
	free(coarse);
	return prefilter;
}

void prefilter_free(struct prefilter *prefilter)
{
	free(prefilter);
}

unsigned prefilter_bucket(const struct prefilter *prefilter, size_t i)
{
	return prefilter->bucket[i];
}

bool prefilter_scan(const struct prefilter *prefilter, const unsigned char *text, size_t from, size_t to,
	prefilter_hit_fn *on_hit, void *arg)
{
	size_t at = from;
	if (prefilter->use_avx2 && !prefilter_scan_avx2(prefilter, text, from, to, on_hit, arg, &at))
		return false;
	for (; at < to; at++) {
		uint64_t buckets = prefilter_exact(prefilter, text + at);
		if (buckets && !on_hit(arg, at, buckets))
			return false;
	}
	return true;
}

uint64_t prefilter_match(const struct prefilter *prefilter, const unsigned char *octets, size_t n)
{
	uint64_t buckets = UINT64_MAX;
	for (size_t j = 0; j < n && j < REGEX_WINDOW; j++)
		buckets &= prefilter->exact[j][octets[j]];
	return prefilter->count ? buckets : 0;
}

uint64_t prefilter_match_start(const struct prefilter *prefilter, const unsigned char *octets, size_t n)
{
	uint64_t buckets = UINT64_MAX;
	for (size_t j = 1; j <= n && j < REGEX_WINDOW; j++)
		buckets &= prefilter->exact[j][octets[j - 1]];
	return prefilter->count ? buckets : 0;
}
