/*
 * A scanner's inside, shared by text.c and stream.c.
 */
#ifndef PIPELOCK_SCAN_SCANNER_H
#define PIPELOCK_SCAN_SCANNER_H

#include "pipelock/scan/search.h"

/* Work that any text may cost, in units of about a nanosecond, and what each octet and each feed adds: 1 MB
 * in 50 ms. */
#define SCAN_BUDGET_BASE 1000000u
#define SCAN_BUDGET_OCTET 36u
#define SCAN_BUDGET_FEED 20000u

#define SCANNER_VIEWS 2 /* that are kept */

struct views;

struct scanner {
	struct ruleset *set;
	const struct known_set *known; /* NULL: none */
	uint8_t key[SCAN_FINGERPRINT_KEY_SIZE];
	pcre2_match_context *match_context;
	pcre2_match_data *match_data;
	pcre2_jit_stack *jit_stack;
	/* scan_text() */
	struct rule_state *states;
	uint32_t *pending;
	uint64_t position;     /* of the next text: grows for ever */
	scanner_hold_fn *hold; /* NULL: nobody counts */
	void *hold_arg;
	/* trees of views that nobody uses now */
	struct views *views[SCANNER_VIEWS];
	size_t views_count;
};

/* A tree of views, to be given back. NULL: out of memory. */
struct views *scanner_take_views(struct scanner *scanner);
void scanner_give_views(struct scanner *scanner, struct views *views);

/* A text in progress takes more memory, or gives it back (negative). */
void scanner_hold(const struct scanner *scanner, int64_t octets);

/* The values to look for in a part; NULL: none. */
const struct known_set *scanner_known(const struct scanner *scanner, enum scan_part part);

/* A search with the scanner's PCRE2 state for the rules of a part. */
void scanner_prepare(const struct scanner *scanner, enum scan_part part, struct search *search);

#endif
