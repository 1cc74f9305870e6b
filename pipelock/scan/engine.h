/*
 * Inside of a rule set: compiled rules and, for each set of rules that a part of a message is held against,
 * one engine (prefilter and anchors). Only files of scan/ include it. Immutable after the load.
 */
#ifndef PIPELOCK_SCAN_ENGINE_H
#define PIPELOCK_SCAN_ENGINE_H

#define PCRE2_CODE_UNIT_WIDTH 8

#include "pipelock/scan/prefilter.h"
#include "pipelock/scan/scan.h"
#include "pipelock/scan/validate.h"

#include <pcre2.h>
#include <stdatomic.h>

/* No match is followed further than this after its start (a longer one is found cut off at it). Starts of an
 * attack's long runs are skipped in steps of SCAN_MATCH_MAX, so a slice is twice that. */
#define SCAN_MATCH_MAX 8192u
#define SCAN_SLICE_MAX (2 * SCAN_MATCH_MAX)
/* Octets that are kept in front of what is still open: anchors, starts and look-behinds reach no further
 * back. */
#define SCAN_LEFT_CONTEXT 1024u
#define SCAN_MAX_LOOKBEHIND 255u
#define SCAN_MATCH_LIMIT 100000u
#define SCAN_MAX_RULES 10000u
#define SCAN_WORK_CALL 96u

struct anchor {
	const struct byte_set *sets;
	uint32_t rule; /* index in the rule set */
	uint16_t length;
	uint16_t window;	       /* where the prefilter's window begins in it */
	int back_min, back_max;	       /* a match starts this far before the window's position */
	bool context;		       /* sets[0] may also be the start of the text */
	const struct regex_tail *tail; /* NULL: nothing is known of what stands behind */
};

struct compiled_rule {
	struct rule shown;
	pcre2_code *code;
	pcre2_code *prefix; /* of what stands before `run`; NULL: no run */
	struct regex_run run;
	struct byte_set first;	      /* octets a match can begin with */
	struct regex_anchor *anchors; /* none: every position is tried */
	size_t anchor_count;
	int secret_group; /* (?<secret>...), or 0 */
	uint32_t lookbehind;
	bool fixed;	    /* every window stands at one distance from the start of a match */
	int back_max;	    /* a match starts at most this far before a window that speaks for it */
	uint32_t call_work; /* units that one call of PCRE2 on a short slice is charged */
	uint32_t reach;	    /* a match may start so many octets before the first window that speaks for it */
	struct validator *validators;
	size_t validator_count;
	const char **allow; /* exact texts that are never a match, NULL-terminated */
	const char **belongs_to;
};

struct engine {
	struct prefilter *prefilter;
	struct anchor *anchors; /* by the index of their window in the prefilter; those of a rule together */
	size_t anchor_count;
	uint32_t *short_anchors; /* those that end before their window does */
	size_t short_count;
	uint32_t *rules; /* of this engine, by index in the rule set */
	size_t rule_count;
	uint32_t *always; /* those without anchors */
	size_t always_count;
	uint32_t *reaching; /* those whose reach is not 0 */
	size_t reaching_count;
	uint32_t *anchor_first; /* by rule: its anchors up to those of the next */
};

struct ruleset {
	atomic_uint references;
	struct compiled_rule *rules;
	size_t count;
	struct engine *engines[SCAN_PARTS]; /* parts with the same rules share one */
	struct yaml **documents;	    /* own the strings of the rules */
	char **names;
	size_t document_count;
	uint32_t max_captures;
};

/* NULL: out of memory. For the rules of `set` that look at `part` and are not off. */
struct engine *engine_new(const struct ruleset *set, enum scan_part part, bool simd);
void engine_free(struct engine *engine);
/* Do the rules of an engine for one part equal those for another? */
bool engine_parts_equal(const struct ruleset *set, enum scan_part a, enum scan_part b);

#endif
