/*
 * The prefilter's tables. Which windows are narrow is decided by how many texts fit them, fewest first, until
 * the bitmap would become dense.
 */
#include "pipelock/scan/prefilter_internal.h"

#include <stdlib.h>

#define NARROW_TOTAL 40000u /* texts of all windows: a tenth of the bitmap */

/* ---- lists */

static size_t list_octets(const struct byte_set *set, unsigned char out[256])
{
	size_t n = 0;
	for (unsigned i = 0; i < 4; i++) {
		for (uint64_t left = set->w[i]; left; left &= left - 1)
			out[n++] = (unsigned char)(i * 64 + (unsigned)__builtin_ctzll(left));
	}
	return n;
}

static void lists_release(struct prefilter_lists *lists)
{
	free(lists->windows);
	lists->windows = NULL;
}

/* The numbers of the lists that a window belongs to. */
typedef struct byte_set numbers_fn(const void *arg, size_t window);

/* For each number the windows that belong to it, in order. false: out of memory. */
static bool lists_fill(struct prefilter_lists *lists, size_t windows, numbers_fn *numbers, const void *arg)
{
	uint32_t at[257] = {0};
	for (size_t i = 0; i < windows; i++) {
		unsigned char members[256];
		struct byte_set set = numbers(arg, i);
		for (size_t k = 0, n = list_octets(&set, members); k < n; k++)
			at[members[k] + 1]++;
	}
	for (unsigned number = 0; number < 256; number++)
		at[number + 1] += at[number];
	memcpy(lists->first, at, sizeof(at));
	lists->windows = calloc(at[256] + 1, sizeof(*lists->windows));
	for (size_t i = 0; lists->windows && i < windows; i++) {
		unsigned char members[256];
		struct byte_set set = numbers(arg, i);
		for (size_t k = 0, n = list_octets(&set, members); k < n; k++)
			lists->windows[at[members[k]]++] = (uint32_t)i;
	}
	return lists->windows != NULL;
}

static struct byte_set first_octets(const void *arg, size_t window)
{
	const struct prefilter_window *windows = arg;
	return windows[window].sets[0];
}

static struct byte_set second_octets_at_start(const void *arg, size_t window)
{
	const struct prefilter_window *windows = arg;
	return windows[window].at_start ? windows[window].sets[1] : (struct byte_set){{0}};
}

/* ---- which are narrow */

/* A window and how many texts of four octets fit it, case apart. */
struct ranked {
	uint32_t texts, window;
};

struct plan {
	const struct prefilter_window *windows;
	size_t count;
	struct ranked *order; /* fewest texts first */
	uint8_t *bucket;      /* by window; PREFILTER_BUCKETS: it is narrow */
	size_t narrow_texts;
};

static void plan_release(struct plan *plan)
{
	free(plan->order);
	free(plan->bucket);
}

/* Octets with bit 5 set, as prefilter_key() has them: the upper halves of the words. */
static struct byte_set without_case(const struct byte_set *set)
{
	struct byte_set out;
	for (int i = 0; i < 4; i++)
		out.w[i] = (set->w[i] | set->w[i] << 32) & 0xffffffff00000000u;
	return out;
}

static uint32_t count_texts(const struct prefilter_window *window)
{
	uint32_t product = 1;
	for (int j = 0; j < REGEX_WINDOW; j++) {
		struct byte_set set = without_case(&window->sets[j]);
		uint32_t octets = 0; /* at most 128 */
		for (int i = 0; i < 4; i++)
			octets += (uint32_t)__builtin_popcountll(set.w[i]);
		product *= octets;
	}
	return product;
}

static int compare_ranks(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->texts != y->texts)
		return x->texts < y->texts ? -1 : 1;
	return x->window < y->window ? -1 : x->window > y->window;
}

static bool plan_windows(struct plan *plan, const struct prefilter_window *windows, size_t count)
{
	plan->windows = windows;
	plan->count = count;
	plan->order = calloc(count + 1, sizeof(*plan->order));
	plan->bucket = calloc(count + 1, sizeof(*plan->bucket));
	if (!plan->order || !plan->bucket)
		return false;
	for (size_t i = 0; i < count; i++)
		plan->order[i] = (struct ranked){count_texts(&windows[i]), (uint32_t)i};
	qsort(plan->order, count, sizeof(*plan->order), compare_ranks);
	for (size_t k = 0; k < count; k++) {
		struct ranked next = plan->order[k];
		if (next.texts > REGEX_NARROW_TEXTS || plan->narrow_texts + next.texts > NARROW_TOTAL)
			break;
		plan->narrow_texts += next.texts;
		plan->bucket[next.window] = PREFILTER_BUCKETS;
	}
	return true;
}

/* ---- narrow */

struct entry {
	uint32_t key, window;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->window < y->window ? -1 : x->window > y->window;
}

/* All texts of a narrow window. */
static size_t write_out(const struct prefilter_window *window, uint32_t index, struct entry *out)
{
	unsigned char octets[REGEX_WINDOW][256], text[REGEX_WINDOW];
	size_t n[REGEX_WINDOW], total = 1;
	for (int j = 0; j < REGEX_WINDOW; j++) {
		struct byte_set set = without_case(&window->sets[j]);
		n[j] = list_octets(&set, octets[j]);
		total *= n[j];
	}
	for (size_t k = 0; k < total; k++) {
		size_t left = k;
		for (int j = 0; j < REGEX_WINDOW; j++) {
			text[j] = octets[j][left % n[j]];
			left /= n[j];
		}
		out[k] = (struct entry){prefilter_key(text), index};
	}
	return total;
}

static void add_key(struct prefilter *prefilter, uint32_t key, uint32_t list)
{
	uint32_t hash = prefilter_hash(key), last = (1u << prefilter->slots_log2) - 1;
	uint32_t at = hash >> (32 - prefilter->slots_log2);
	prefilter->bitmap[prefilter_bitmap_word(hash)] |= 1u << (hash & 31);
	while (prefilter->slots[at].list > 0)
		at = (at + 1) & last;
	prefilter->slots[at] = (struct prefilter_slot){key, list};
}

/* A list for each text, of the windows that it fits. */
static void fill_slots(struct prefilter *prefilter, const struct entry *entries, size_t count)
{
	uint32_t *list = prefilter->narrow + 1;
	for (size_t i = 0; i < count; list += list[0] + 1) {
		uint32_t key = entries[i].key;
		for (list[0] = 0; i < count && entries[i].key == key; i++)
			list[++list[0]] = entries[i].window;
		add_key(prefilter, key, (uint32_t)(list - prefilter->narrow));
	}
}

static bool fill_narrow(struct prefilter *prefilter, const struct plan *plan)
{
	struct entry *entries = calloc(plan->narrow_texts + 1, sizeof(*entries));
	prefilter->narrow = calloc(2 * plan->narrow_texts + 1, sizeof(*prefilter->narrow));
	prefilter->slots_log2 = 4;
	while ((size_t)1 << prefilter->slots_log2 < 2 * plan->narrow_texts)
		prefilter->slots_log2++;
	prefilter->slots = calloc((size_t)1 << prefilter->slots_log2, sizeof(*prefilter->slots));
	bool ok = entries && prefilter->narrow && prefilter->slots;
	size_t count = 0;
	for (size_t i = 0; ok && i < plan->count; i++) {
		if (plan->bucket[i] == PREFILTER_BUCKETS)
			count += write_out(&plan->windows[i], (uint32_t)i, entries + count);
	}
	if (ok) {
		qsort(entries, count, sizeof(*entries), compare_entries);
		fill_slots(prefilter, entries, count);
	}
	free(entries);
	return ok;
}

/* ---- all of it */

static struct byte_set bucket_of(const void *arg, size_t window)
{
	const struct plan *plan = arg;
	struct byte_set out = {{0}};
	if (plan->bucket[window] < PREFILTER_BUCKETS)
		byte_set_add(&out, plan->bucket[window]);
	return out;
}

struct prefilter *prefilter_new(const struct prefilter_window *windows, size_t count, bool simd)
{
	struct plan plan = {0};
	struct prefilter *prefilter = calloc(1, sizeof(*prefilter));
	bool ok = prefilter && plan_windows(&plan, windows, count) && fill_narrow(prefilter, &plan) &&
		  prefilter_fill_buckets(prefilter, windows, count, plan.bucket) &&
		  lists_fill(&prefilter->buckets, count, bucket_of, &plan) &&
		  lists_fill(&prefilter->begun, count, first_octets, windows) &&
		  lists_fill(&prefilter->begun_before, count, second_octets_at_start, windows);
	plan_release(&plan);
	if (!ok) {
		prefilter_free(prefilter);
		return NULL;
	}
	prefilter->use_avx2 = simd && prefilter_avx2_available();
	return prefilter;
}

void prefilter_free(struct prefilter *prefilter)
{
	if (!prefilter)
		return;
	free(prefilter->slots);
	free(prefilter->narrow);
	lists_release(&prefilter->buckets);
	lists_release(&prefilter->begun);
	lists_release(&prefilter->begun_before);
	free(prefilter);
}
