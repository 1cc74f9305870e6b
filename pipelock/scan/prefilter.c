/*
 * The prefilter's scan: block by block, first a mask of the positions that may be hits, then what they hit.
 */
#include "pipelock/scan/prefilter_internal.h"

/* The portable way, which looks at every position. */
static struct prefilter_masks portable_masks(const struct prefilter *prefilter, const unsigned char *p)
{
	struct prefilter_masks masks = {0, 0};
	for (unsigned i = 0; i < PREFILTER_BLOCK; i++) {
		if (__builtin_expect(prefilter_may_be_narrow(prefilter, p + i), 0))
			masks.narrow |= 1ull << i;
	}
	for (unsigned i = 0; prefilter->has_wide && i < PREFILTER_BLOCK; i++)
		masks.wide |= (uint64_t)(prefilter_wide_buckets(prefilter, p + i) != 0) << i;
	return masks;
}

static struct prefilter_list narrow_at(const struct prefilter *prefilter, const unsigned char *p)
{
	uint32_t key = prefilter_key(p), at = prefilter_hash(key) >> (32 - prefilter->slots_log2);
	uint32_t last = (1u << prefilter->slots_log2) - 1;
	while (prefilter->slots[at].list > 0 && prefilter->slots[at].key != key)
		at = (at + 1) & last;
	const uint32_t *list = prefilter->narrow + prefilter->slots[at].list;
	return (struct prefilter_list){list + 1, list[0]};
}

static struct prefilter_list list_of(const struct prefilter_lists *lists, unsigned which)
{
	uint32_t first = lists->first[which];
	return (struct prefilter_list){lists->windows + first, lists->first[which + 1] - first};
}

struct hits {
	const struct prefilter *prefilter;
	prefilter_hit_fn *on_hit;
	void *arg;
};

static bool hit_narrow(const struct hits *hits, const unsigned char *p, size_t position)
{
	struct prefilter_list list = narrow_at(hits->prefilter, p);
	return list.count == 0 || hits->on_hit(hits->arg, position, list);
}

static bool hit_wide(const struct hits *hits, const unsigned char *p, size_t position)
{
	for (unsigned left = prefilter_wide_buckets(hits->prefilter, p); left; left &= left - 1) {
		struct prefilter_list list =
			list_of(&hits->prefilter->buckets, (unsigned)__builtin_ctz(left));
		if (!hits->on_hit(hits->arg, position, list))
			return false;
	}
	return true;
}

/* The first n positions of the block p, which stands at `at` in the text. */
static bool scan_block(const struct hits *hits, const unsigned char *p, size_t n, size_t at)
{
	struct prefilter_masks masks = hits->prefilter->use_avx2 ? prefilter_masks_avx2(hits->prefilter, p)
								 : portable_masks(hits->prefilter, p);
	uint64_t left = (masks.narrow | masks.wide) & UINT64_MAX >> (PREFILTER_BLOCK - n);
	for (; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		if (masks.narrow >> i & 1 && !hit_narrow(hits, p + i, at + i))
			return false;
		if (masks.wide >> i & 1 && !hit_wide(hits, p + i, at + i))
			return false;
	}
	return true;
}

bool prefilter_scan(const struct prefilter *prefilter, const unsigned char *text, size_t from, size_t to,
	prefilter_hit_fn *on_hit, void *arg)
{
	struct hits hits = {prefilter, on_hit, arg};
	size_t at = from;
	for (; to - at >= PREFILTER_BLOCK; at += PREFILTER_BLOCK) {
		if (!scan_block(&hits, text + at, PREFILTER_BLOCK, at))
			return false;
	}
	size_t n = to - at;
	if (n == 0)
		return true;
	unsigned char rest[PREFILTER_BLOCK + REGEX_WINDOW - 1] = {0};
	memcpy(rest, text + at, n + REGEX_WINDOW - 1);
	return scan_block(&hits, rest, n, at);
}

struct prefilter_list prefilter_begun(const struct prefilter *prefilter, unsigned char octet)
{
	return list_of(&prefilter->begun, octet);
}

struct prefilter_list prefilter_begun_before(const struct prefilter *prefilter, unsigned char octet)
{
	return list_of(&prefilter->begun_before, octet);
}
