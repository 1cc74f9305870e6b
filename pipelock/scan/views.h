/*
 * Every view of one text, as a tree: the text is a node, what a view makes of it is another node, which has
 * views of its own, to a bounded depth and number. Rules are held against each node that is not the same
 * text as another's. A node costs nothing until its first octet comes.
 *
 * With hold-back: an octet of the text is safe when it is so in the text itself and in all that was made of
 * it (marks.h). Work is charged to one budget for the whole tree.
 */
#ifndef PIPELOCK_SCAN_VIEWS_H
#define PIPELOCK_SCAN_VIEWS_H

#include "pipelock/scan/decode.h"
#include "pipelock/scan/scanner.h"

/* The tree of one text at a time; kept for the next one, with the memory that it has grown to. */
struct views;

/* NULL: out of memory. */
struct views *views_new(const struct scanner *scanner);
void views_free(struct views *views);

/* What kind of text it is. */
struct views_text {
	enum scan_part part;
	const struct scan_target *target; /* borrowed until the next text; may be NULL */
	const enum coding *codings;	  /* body: the chain of content codings; borrowed for the call */
	size_t coding_count;
	struct span content_type; /* body: for the call only; may be empty */
	bool is_line;		  /* no body: a URL, a field line; its raw text was searched already */
	bool is_joined;		  /* pieces that stood apart, put together */
	uint64_t step;		  /* extents are told to so many octets */
};

/* false: views_failure(). */
bool views_begin(struct views *views, const struct views_text *text);
/* The text is over, or is given up: what memory has of it is wiped. */
void views_end(struct views *views);
/* The next octets. Findings go to *out. false: something can't be scanned as a whole, views_failure() says
 * why, and nothing more is to be fed. */
bool views_feed(struct views *views, struct span octets, bool last, struct findings *out);
const char *views_failure(const struct views *views);
/* The last feed added something to the findings. */
bool views_added(const struct views *views);

/* Look for matches, but only say whether there are any; nothing is added. */
void views_only_ask(struct views *views, bool on);
bool views_would_add(const struct views *views);

/* How many of the octets fed no rule can reach back to any more, in any view. `prompt`: in the text as it is,
 * its content and with its escapes undone; what may be encoded in its last octets, or be put together with
 * what follows, does not count. */
uint64_t views_safe(struct views *views, bool prompt);
/* Octets of memory that the tree has; the scanner is told of each change (scanner_hold()). */
size_t views_memory(const struct views *views);
/* Octets of content (content codings taken off) that were held against the rules. */
uint64_t views_scanned(const struct views *views);

#endif
