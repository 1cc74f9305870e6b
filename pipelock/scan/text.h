/*
 * A text that is there as a whole, for what else is made into one (joined.c): its raw octets against the
 * rules, and its views.
 */
#ifndef PIPELOCK_SCAN_TEXT_H
#define PIPELOCK_SCAN_TEXT_H

#include "pipelock/scan/findings.h"
#include "pipelock/scan/views.h"

/* The rules of a part against the raw octets. `found` gets positions; *position is that of the first octet.
 * NULL, or why it was not scanned whole. */
const char *text_search(struct scanner *scanner, enum scan_part part, struct span text, match_fn *found,
	void *arg, uint64_t *position);
void text_find_known(const struct known_set *known, struct span text, known_found *found, void *arg);

/* `kind` without is_line and step. Findings are added to *out; *added says whether there are any. NULL, or
 * why it was not scanned whole. */
const char *text_scan_views(struct scanner *scanner, const struct views_text *kind, struct span octets,
	struct findings *out, bool *added);

#endif
