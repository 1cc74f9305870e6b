/*
 * One view of a stream: a sliding window over its text and the search that goes along with it.
 */
#ifndef PIPELOCK_SCAN_LANE_H
#define PIPELOCK_SCAN_LANE_H

#include "pipelock/scan/scanner.h"

struct lane {
	struct search search;
	unsigned char *text; /* the window */
	size_t n, capacity;
	uint64_t base; /* position of text[0] */
	uint64_t next; /* where the prefilter goes on */
	bool last;
};

/* Positions of a lane begin here: zeroed state lies before all of them. */
#define LANE_FIRST 1u

/* false: out of memory. Release it either way. */
bool lane_init(
	struct lane *lane, const struct scanner *scanner, enum scan_part part, match_fn *on_match, void *arg);
void lane_release(struct lane *lane);

/* Search these octets, which follow those before. false: lane->search.failure. */
bool lane_feed(struct lane *lane, struct span octets, bool last);

/* How many octets from the start no rule can reach back to any more. */
uint64_t lane_safe(struct lane *lane);

static inline uint64_t lane_fed(const struct lane *lane)
{
	return lane->base + lane->n - LANE_FIRST;
}

#endif
