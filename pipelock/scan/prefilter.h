/*
 * One pass over a text for all rules: at which positions do the next four octets fit some rule's window? Each
 * window is four octet sets. A hit names windows of which some may not fit; a window that fits is always
 * named. Immutable after it is made, shared by threads, no allocation in a scan.
 */
#ifndef PIPELOCK_SCAN_PREFILTER_H
#define PIPELOCK_SCAN_PREFILTER_H

#include "pipelock/scan/regex.h"

struct prefilter_window {
	struct byte_set sets[REGEX_WINDOW];
	bool at_start; /* its first octet may also be missing: the start of the text */
};

/* Windows by their index, borrowed from the prefilter. */
struct prefilter_list {
	const uint32_t *windows;
	size_t count;
};

struct prefilter;

/* NULL: out of memory. `simd` false: the portable way always (for tests). */
struct prefilter *prefilter_new(const struct prefilter_window *windows, size_t count, bool simd);
void prefilter_free(struct prefilter *prefilter);

typedef bool prefilter_hit_fn(void *arg, size_t position, struct prefilter_list list);

/* Calls on_hit for each hit in [from, to), positions in order, the lists of one position one after another;
 * text[from .. to + 3) must be readable. false: on_hit said so. */
bool prefilter_scan(const struct prefilter *prefilter, const unsigned char *text, size_t from, size_t to,
	prefilter_hit_fn *on_hit, void *arg);

/* Where fewer than four octets are there: the windows that may begin with this octet; and those that may
 * begin before the start of a text of which this is the first octet. */
struct prefilter_list prefilter_begun(const struct prefilter *prefilter, unsigned char octet);
struct prefilter_list prefilter_begun_before(const struct prefilter *prefilter, unsigned char octet);

#endif
