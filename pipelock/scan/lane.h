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
	size_t dirty;	/* octets of the window's memory that hold text */
	uint64_t first; /* position of the text's first octet */
	uint64_t base;	/* of text[0] */
	uint64_t next;	/* where the prefilter goes on */
	bool last;
};

/* false: out of memory. Release it either way. */
bool lane_init(struct lane *lane, const struct scanner *scanner, match_fn *on_match, void *arg);
void lane_release(struct lane *lane);

/* A text of this part begins. Positions go on from the text before, so that what was learned of it is far to
 * the left. */
void lane_begin(struct lane *lane, const struct scanner *scanner, enum scan_part part);
/* Leave nothing of the text in memory. */
void lane_wipe(struct lane *lane);

/* Search these octets, which follow those before, within lane->search.budget. false: lane->search.failure. */
bool lane_feed(struct lane *lane, struct span octets, bool last);

/* Octets of memory that it has. */
size_t lane_memory(const struct lane *lane, const struct scanner *scanner);

/* How many octets from the start no rule can reach back to any more. */
uint64_t lane_safe(struct lane *lane);

static inline uint64_t lane_fed(const struct lane *lane)
{
	return lane->base + lane->n - lane->first;
}

#endif
