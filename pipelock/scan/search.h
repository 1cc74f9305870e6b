/*
 * The search: one view of one text (or the window of a stream) against one engine. Positions are absolute:
 * they count on over all texts of a scanner, so that state of an earlier text is simply far to the left and
 * never has to be cleared.
 *
 * What can't be decided because the text goes on is pending: a range of starts for each rule. Searching more
 * starts than needed only finds true matches, so ranges of one rule may always be merged, and memory stays
 * bounded.
 */
#ifndef PIPELOCK_SCAN_SEARCH_H
#define PIPELOCK_SCAN_SEARCH_H

#include "pipelock/scan/engine.h"

/* What of the text is at hand. */
struct window {
	const unsigned char *p;
	size_t n;
	uint64_t base; /* position of p[0] */
	bool start;    /* nothing stands before p[0] */
	bool last;     /* nothing comes after p[n - 1] */
};

struct rule_state {
	uint64_t searched, searched_end; /* starts that need no second look */
	uint64_t skip, skip_end;	 /* starts that can't match: inside a run that led nowhere */
	uint64_t pending, pending_end;	 /* starts that wait for more text, when is_pending */
	bool is_pending;
};

/* A match, in positions. */
struct match {
	uint64_t begin, end;	     /* of the whole */
	uint64_t secret, secret_end; /* of its group `secret`, else the whole */
};

/* false: it is no finding (a validator refused it), so the search goes on right after its start. */
typedef bool match_fn(
	void *arg, const struct compiled_rule *rule, const struct window *window, const struct match *match);

struct search {
	const struct ruleset *set;
	const struct engine *engine;
	struct rule_state *states; /* one for each rule of the set */
	uint32_t *pending;	   /* rules that are pending; room for all */
	size_t pending_count;
	pcre2_match_context *match_context;
	pcre2_match_data *match_data;
	match_fn *on_match;
	void *arg;
	uint64_t work, budget; /* units of about a nanosecond; over the budget nothing more is scanned */
	const char *failure;   /* why the search can't say what is there; static */
	/* of the call in progress */
	const struct window *window;
};

/* Begin a text at this position. */
void search_begin(struct search *search, uint64_t position);

/* Search the window, whose positions below `from` were searched before. *next: where to go on. false:
 * search->failure. */
bool search_run(struct search *search, const struct window *window, uint64_t from, uint64_t *next);

/* The first position that has to wait: from it on a rule could still match. The window's end when none can.
 */
uint64_t search_hold(struct search *search, const struct window *window, uint64_t next);

/* The starts [*first, *limit] that an anchor speaks for whose window is at this index; false: the text has
 * none of them. */
bool anchor_starts(const struct window *window, const struct anchor *anchor, int64_t at, uint64_t *first,
	uint64_t *limit);

/* ---- confirm.c: PCRE2 on a bounded slice */

enum confirm_result { CONFIRM_FAILED = -1, CONFIRM_NOTHING, CONFIRM_MATCH, CONFIRM_PENDING };

/*
 * The first match of the rule that starts in [*first, *limit]. PENDING: *first is the first start that needs
 * more text than the window has; those before it can't match. NOTHING: *limit, which may be less than it was,
 * is the last start that was looked at, *first the first with *slice_end the end of the text seen. FAILED:
 * search->failure.
 */
enum confirm_result confirm(struct search *search, const struct compiled_rule *rule, uint64_t *first,
	uint64_t *limit, struct match *match, uint64_t *slice_end);

/* After NOTHING for the one start: which later starts can't match either, by the rule's unbounded run. */
void confirm_learn_run(struct search *search, const struct compiled_rule *rule, struct rule_state *state,
	uint64_t start, uint64_t slice_end);

#endif
