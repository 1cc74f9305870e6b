/*
 * Our own reading of a PCRE2 regex: enough of its syntax to say what every match must contain and where. It
 * never matches anything: PCRE2 does. What the parser does not know makes the whole regex opaque, which is
 * always safe: then nothing is claimed about it. A wrong claim would be a silent miss, so every rule here
 * errs to "unknown".
 */
#ifndef PIPELOCK_SCAN_REGEX_H
#define PIPELOCK_SCAN_REGEX_H

#include "common/span.h"

#include <stdint.h>

#define REGEX_UNBOUNDED UINT32_MAX
#define REGEX_NONE UINT32_MAX

/* A set of octets. */
struct byte_set {
	uint64_t w[4];
};

static inline void byte_set_add(struct byte_set *set, unsigned byte)
{
	set->w[byte >> 6 & 3] |= 1ull << (byte & 63);
}

static inline bool byte_set_has(const struct byte_set *set, unsigned byte)
{
	return set->w[byte >> 6 & 3] >> (byte & 63) & 1;
}

static inline bool byte_set_equals(const struct byte_set *a, const struct byte_set *b)
{
	return a->w[0] == b->w[0] && a->w[1] == b->w[1] && a->w[2] == b->w[2] && a->w[3] == b->w[3];
}

static inline bool byte_set_within(const struct byte_set *a, const struct byte_set *b)
{
	return !(a->w[0] & ~b->w[0] || a->w[1] & ~b->w[1] || a->w[2] & ~b->w[2] || a->w[3] & ~b->w[3]);
}

void byte_set_word(struct byte_set *out); /* \w in bytes mode */
void byte_set_invert(struct byte_set *set);
/* How often an octet of the set stands in ordinary traffic (JSON, source, base64), 0 to 1. */
double byte_set_rate(const struct byte_set *set);

enum regex_node_kind {
	REGEX_EMPTY,
	REGEX_CLASS,	  /* one octet of the set */
	REGEX_CAT,	  /* children in order */
	REGEX_ALT,	  /* one of the children */
	REGEX_GROUP,	  /* capturing or not, atomic or not: its only child */
	REGEX_REPEAT,	  /* its only child, min to max times */
	REGEX_WORD_EDGE,  /* \b */
	REGEX_NOT_BEHIND, /* (?<!x) with x one octet: the set is what must not stand before */
	REGEX_AHEAD,	  /* (?=x): its only child stands here, and has no width */
	REGEX_ASSERT,	  /* any other thing of no width */
};

struct regex_node {
	enum regex_node_kind kind;
	uint32_t min, max;	       /* REPEAT */
	uint32_t child, next;	       /* first child, next sibling, or REGEX_NONE */
	uint32_t begin, end;	       /* extent in the source text */
	uint32_t min_width, max_width; /* octets it can match, saturating at REGEX_UNBOUNDED */
	struct byte_set set;
};

struct regex {
	struct span source;
	struct regex_node *nodes;
	uint32_t count, capacity;
	uint32_t root;
	bool opaque; /* something we do not know: claim nothing */
};

/* Parse a regex that PCRE2 has compiled without options in bytes mode. false: out of memory. Release it
 * either way. */
bool regex_parse(struct span source, struct regex *out);
void regex_release(struct regex *regex);

/*
 * An anchor: a row of octet sets that stands in the text at a known distance after the start of the match.
 * With `context` its first set is the octet before a word edge or a negative look-behind, which may also be
 * the start of the text.
 */
#define REGEX_ANCHOR_MAX 40
#define REGEX_TAIL_MAX 32
#define REGEX_MAX_DISTANCE 512
/*
 * What stands behind an anchor when the regex goes on with C{n,m}: at most `max` octets of `run`, then one of
 * `end`.
 */
struct regex_tail {
	bool known;
	uint16_t at;  /* where it begins, from the anchor's start */
	uint16_t max; /* more than REGEX_TAIL_MAX: any number */
	struct byte_set run, end;
};

struct regex_anchor {
	struct byte_set sets[REGEX_ANCHOR_MAX];
	unsigned length;
	bool context;
	bool next; /* its last set is what the variable part behind it begins with */
	struct regex_tail tail;
	unsigned window; /* where its window of four begins; sets past its end are "any" */
	uint32_t min_distance,
		max_distance; /* from the start of the match to the first set after the context */
};

/*
 * The cheapest set of anchors of which every match holds at least one; *rate is how often the best windows of
 * four in them are expected per octet of traffic. count 0: there is none. false: out of memory. Free *out.
 */
#define REGEX_WINDOW 4
#define REGEX_NARROW_TEXTS 512 /* a window that no more texts fit, case apart, is cheap to look for */
#define REGEX_MAX_ANCHORS 256
bool regex_find_anchors(const struct regex *regex, struct regex_anchor **out, size_t *count, double *rate);

/*
 * The first unbounded run of one octet set on the regex's main line: A C{n,} REST. What stands before it, A,
 * is the source up to `prefix_end` with `open_groups` closing parentheses added. false: there is none.
 */
struct regex_run {
	uint32_t prefix_end;
	unsigned open_groups;
	uint32_t prefix_min, prefix_max; /* width of A */
	struct byte_set set;
};
bool regex_first_run(const struct regex *regex, struct regex_run *out);

/* Octets that a match can begin with. All of them when that is not known. */
void regex_first_bytes(const struct regex *regex, struct byte_set *out);

#endif
