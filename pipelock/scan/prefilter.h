/*
 * One pass over a text for all rules: at which positions do the next four octets fit some rule's window? Each
 * window is four octet sets; windows share 64 buckets, and a hit names the buckets that fit. A hit may be
 * false (a bucket is the union of its windows), a miss never is. Immutable after it is made, shared by
 * threads, no allocation in a scan.
 */
#ifndef PIPELOCK_SCAN_PREFILTER_H
#define PIPELOCK_SCAN_PREFILTER_H

#include "pipelock/scan/regex.h"

#define PREFILTER_BUCKETS 64

struct prefilter_window {
	struct byte_set sets[REGEX_WINDOW];
};

struct prefilter;

/* NULL: out of memory. `simd` false: the portable way always (for tests). */
struct prefilter *prefilter_new(const struct prefilter_window *windows, size_t count, bool simd);
void prefilter_free(struct prefilter *prefilter);
/* The bucket that windows[i] was put in. */
unsigned prefilter_bucket(const struct prefilter *prefilter, size_t i);

typedef bool prefilter_hit_fn(void *arg, size_t position, uint64_t buckets);

/* Calls on_hit in order for each hit position in [from, to); text[0 .. to + 3) must be readable. false:
 * on_hit said so. */
bool prefilter_scan(const struct prefilter *prefilter, const unsigned char *text, size_t from, size_t to,
	prefilter_hit_fn *on_hit, void *arg);

/* The buckets that four octets fit; with `n` under four those whose first n sets fit (and the rest is not
 * known). */
uint64_t prefilter_match(const struct prefilter *prefilter, const unsigned char *octets, size_t n);
/* The same for the window whose first octet stands before the text: any octet. */
uint64_t prefilter_match_start(const struct prefilter *prefilter, const unsigned char *octets, size_t n);

#endif
