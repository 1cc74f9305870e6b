/*
 * Buckets: windows that are looked up together. They are put there greedily, dearest first, where they add
 * least to the expected rate of what AVX2 takes for a hit: similar windows share a bucket, and a rare one is
 * not spoiled by a common one.
 */
#include "pipelock/scan/prefilter_internal.h"

#include <stdlib.h>

/* How often an octet stands in ordinary traffic, summed for all sets of eight neighbours. */
struct rates {
	float sums[256 / 8][256];
};

static void fill_rates(struct rates *rates)
{
	for (unsigned eight = 0; eight < 256 / 8; eight++) {
		rates->sums[eight][0] = 0;
		for (unsigned mask = 1; mask < 256; mask++) {
			struct byte_set lowest = {{0}};
			byte_set_add(&lowest, eight * 8 + (unsigned)__builtin_ctz(mask));
			rates->sums[eight][mask] =
				rates->sums[eight][mask & (mask - 1)] + (float)byte_set_rate(&lowest);
		}
	}
}

/* The nibbles that octet j of a bucket's windows may have. */
struct nibble_sets {
	uint16_t low[REGEX_WINDOW], high[REGEX_WINDOW];
};

struct bucket {
	struct nibble_sets sets;
	float octet_rates[REGEX_WINDOW];
	float rate; /* of what AVX2 takes for a hit */
	unsigned count;
};

static struct nibble_sets nibbles_of(const struct prefilter_window *window)
{
	struct nibble_sets out = {{0}, {0}};
	for (int j = 0; j < REGEX_WINDOW; j++) {
		for (unsigned high = 0; high < 16; high++) {
			uint16_t low = (uint16_t)(window->sets[j].w[high / 4] >> (high % 4 * 16));
			out.low[j] |= low;
			out.high[j] |= (uint16_t)(low ? 1u << high : 0);
		}
	}
	return out;
}

static float rate_of_octet(const struct rates *rates, uint16_t low, uint16_t high)
{
	float sum = 0;
	for (unsigned left = high; left; left &= left - 1) {
		unsigned nibble = (unsigned)__builtin_ctz(left);
		sum += rates->sums[2 * nibble][low & 255] + rates->sums[2 * nibble + 1][low >> 8];
	}
	return sum;
}

static struct bucket united(
	const struct rates *rates, const struct bucket *bucket, const struct nibble_sets *more)
{
	struct bucket out = *bucket;
	out.rate = 1;
	out.count++;
	for (int j = 0; j < REGEX_WINDOW; j++) {
		out.sets.low[j] |= more->low[j];
		out.sets.high[j] |= more->high[j];
		if (out.sets.low[j] != bucket->sets.low[j] || out.sets.high[j] != bucket->sets.high[j])
			out.octet_rates[j] = rate_of_octet(rates, out.sets.low[j], out.sets.high[j]);
		out.rate *= out.octet_rates[j];
	}
	return out;
}

/* Which of the buckets grows least with this window. */
static unsigned put_in_bucket(const struct rates *rates, struct bucket *buckets, unsigned count,
	const struct prefilter_window *window)
{
	struct nibble_sets sets = nibbles_of(window);
	struct bucket best = {.rate = 0};
	unsigned which = 0;
	float least = 1e9f;
	for (unsigned b = 0; b < count; b++) {
		struct bucket with = united(rates, &buckets[b], &sets);
		float grown = with.rate - buckets[b].rate + 1e-7f * (float)buckets[b].count;
		if (grown < least) {
			least = grown;
			best = with;
			which = b;
		}
		if (buckets[b].count == 0)
			break; /* one empty bucket is like another */
	}
	buckets[which] = best;
	return which;
}

static void fill_nibbles(struct prefilter *prefilter, unsigned set, const struct bucket *buckets)
{
	for (unsigned b = 0; b < PREFILTER_BUCKETS; b++) {
		for (int j = 0; j < REGEX_WINDOW; j++) {
			for (unsigned nibble = 0; nibble < 16; nibble++) {
				unsigned low = buckets[b].sets.low[j] >> nibble & 1;
				unsigned high = buckets[b].sets.high[j] >> nibble & 1;
				prefilter->nibbles[j][set][0][nibble] |= (uint8_t)(low << b);
				prefilter->nibbles[j][set][1][nibble] |= (uint8_t)(high << b);
			}
		}
	}
}

static void add_wide(struct prefilter *prefilter, const struct prefilter_window *window, unsigned bucket)
{
	prefilter->has_wide = true;
	for (int j = 0; j < REGEX_WINDOW; j++) {
		for (unsigned c = 0; c < 256; c++) {
			if (byte_set_has(&window->sets[j], c))
				prefilter->wide[j][c] |= (uint8_t)(1u << bucket);
		}
	}
}

/* Dearest first: the others find their place between them. */
struct dear {
	float rate;
	uint32_t window;
};

static int compare_dear(const void *a, const void *b)
{
	const struct dear *x = a, *y = b;
	if (x->rate > y->rate || x->rate < y->rate)
		return x->rate > y->rate ? -1 : 1;
	return x->window < y->window ? -1 : x->window > y->window;
}

static void order_by_rate(
	const struct rates *rates, const struct prefilter_window *windows, size_t count, struct dear *out)
{
	for (size_t i = 0; i < count; i++) {
		struct nibble_sets sets = nibbles_of(&windows[i]);
		struct bucket alone = united(rates, &(struct bucket){.count = 0}, &sets);
		out[i] = (struct dear){alone.rate, (uint32_t)i};
	}
	qsort(out, count, sizeof(*out), compare_dear);
}

static void distribute(struct prefilter *prefilter, const struct rates *rates, const struct dear *order,
	const struct prefilter_window *windows, size_t count, uint8_t *bucket)
{
	struct bucket narrow[PREFILTER_BUCKETS * PREFILTER_WIDE_SET] = {{.rate = 0}};
	struct bucket wide[PREFILTER_BUCKETS] = {{.rate = 0}};
	for (size_t k = 0; k < count; k++) {
		uint32_t i = order[k].window;
		if (bucket[i] == PREFILTER_BUCKETS) {
			put_in_bucket(rates, narrow, PREFILTER_BUCKETS * PREFILTER_WIDE_SET, &windows[i]);
		} else {
			bucket[i] = (uint8_t)put_in_bucket(rates, wide, PREFILTER_BUCKETS, &windows[i]);
			add_wide(prefilter, &windows[i], bucket[i]);
		}
	}
	for (unsigned set = 0; set < PREFILTER_WIDE_SET; set++)
		fill_nibbles(prefilter, set, &narrow[set * PREFILTER_BUCKETS]);
	fill_nibbles(prefilter, PREFILTER_WIDE_SET, wide);
}

bool prefilter_fill_buckets(
	struct prefilter *prefilter, const struct prefilter_window *windows, size_t count, uint8_t *bucket)
{
	struct rates *rates = malloc(sizeof(*rates));
	struct dear *order = calloc(count + 1, sizeof(*order));
	bool ok = rates && order;
	if (ok) {
		fill_rates(rates);
		order_by_rate(rates, windows, count, order);
		distribute(prefilter, rates, order, windows, count, bucket);
	}
	free(rates);
	free(order);
	return ok;
}
