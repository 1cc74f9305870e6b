/*
 * The window slides: in front of what is new stay the octets that something pending or a look-behind may
 * still need, never more than a slice and the left context. So memory is bounded by LANE_STEP and these,
 * whatever the stream does.
 */
#include "pipelock/scan/lane.h"

#include <stdlib.h>

#define LANE_STEP (32u * 1024)
#define LANE_SMALLEST 2048u

bool lane_init(struct lane *lane, const struct scanner *scanner, match_fn *on_match, void *arg)
{
	memset(lane, 0, sizeof(*lane));
	lane->search.on_match = on_match;
	lane->search.arg = arg;
	lane->search.states = calloc(scanner->set->count + 1, sizeof(*lane->search.states));
	lane->search.pending = calloc(scanner->set->count + 1, sizeof(*lane->search.pending));
	return lane->search.states && lane->search.pending;
}

void lane_wipe(struct lane *lane)
{
	if (lane->text)
		explicit_bzero(lane->text, lane->dirty);
	lane->dirty = 0;
}

void lane_release(struct lane *lane)
{
	lane_wipe(lane);
	free(lane->text);
	free(lane->search.states);
	free(lane->search.pending);
	memset(lane, 0, sizeof(*lane));
}

size_t lane_memory(const struct lane *lane, const struct scanner *scanner)
{
	size_t each = sizeof(*lane->search.states) + sizeof(*lane->search.pending);
	return lane->search.states ? lane->capacity + (scanner->set->count + 1) * each : 0;
}

void lane_begin(struct lane *lane, const struct scanner *scanner, enum scan_part part)
{
	struct search before = lane->search;
	for (size_t i = 0; i < before.pending_count; i++)
		before.states[before.pending[i]].is_pending = false;
	lane_wipe(lane);
	scanner_prepare(scanner, part, &lane->search);
	lane->search.states = before.states;
	lane->search.pending = before.pending;
	lane->search.on_match = before.on_match;
	lane->search.arg = before.arg;
	/* Zeroed state lies before all positions. */
	lane->first = lane->base + lane->n + 2 * SCAN_SLICE_MAX;
	lane->base = lane->next = lane->first;
	lane->n = 0;
	lane->last = false;
}

static bool reserve(struct lane *lane, size_t more)
{
	size_t capacity = lane->capacity ? lane->capacity : LANE_SMALLEST;
	while (capacity < lane->n + more)
		capacity *= 2;
	if (capacity == lane->capacity)
		return true;
	unsigned char *text = malloc(capacity);
	if (!text)
		return false;
	if (lane->text) {
		memcpy(text, lane->text, lane->n);
		explicit_bzero(lane->text, lane->dirty);
	}
	free(lane->text);
	lane->text = text;
	lane->capacity = capacity;
	return true;
}

/* Let go what nothing can need again, when that is worth a move. */
static void slide(struct lane *lane)
{
	uint64_t keep = lane->next;
	for (size_t i = 0; i < lane->search.pending_count; i++) {
		uint64_t pending = lane->search.states[lane->search.pending[i]].pending;
		keep = pending < keep ? pending : keep;
	}
	if (keep < lane->base + SCAN_LEFT_CONTEXT)
		return;
	size_t drop = keep - SCAN_LEFT_CONTEXT - lane->base;
	if (drop < LANE_SMALLEST)
		return;
	memmove(lane->text, lane->text + drop, lane->n - drop);
	lane->n -= drop;
	lane->base += drop;
}

static bool feed_step(struct lane *lane, struct span octets, bool last)
{
	slide(lane);
	if (!reserve(lane, octets.n + 1)) {
		lane->search.failure = "there was no memory to scan it";
		return false;
	}
	if (octets.n)
		memcpy(lane->text + lane->n, octets.p, octets.n);
	lane->n += octets.n;
	lane->dirty = lane->n > lane->dirty ? lane->n : lane->dirty;
	lane->last = last;
	struct window window = {lane->text, lane->n, lane->base, lane->base == lane->first, last};
	return search_run(&lane->search, &window, lane->next, &lane->next);
}

bool lane_feed(struct lane *lane, struct span octets, bool last)
{
	if (lane->search.failure)
		return false;
	do {
		struct span step = {octets.p, octets.n < LANE_STEP ? octets.n : LANE_STEP};
		octets.p += step.n;
		octets.n -= step.n;
		if (!feed_step(lane, step, last && octets.n == 0))
			return false;
	} while (octets.n > 0);
	return true;
}

uint64_t lane_safe(struct lane *lane)
{
	struct window window = {lane->text, lane->n, lane->base, lane->base == lane->first, lane->last};
	if (lane->n == 0)
		return 0;
	return search_hold(&lane->search, &window, lane->next) - lane->first;
}
