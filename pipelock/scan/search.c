/*
 * From the prefilter's hits to matches: check the whole anchor, find which starts it speaks for, leave out
 * those that were searched before or can't match, and have PCRE2 confirm the rest. Each rule's matches come
 * out in order and don't overlap.
 */
#include "pipelock/scan/search.h"

#define ALWAYS_STEP 4096u /* starts a call for a rule without anchors */
#define RANGE_STEP 64u
#define WORK_HIT 6u
#define WORK_FINDING 2500u /* its fingerprint */
#define WORK_REFUSED 200u  /* what validators cost, beside an octet's */

enum anchor_result { ANCHOR_NO, ANCHOR_YES, ANCHOR_MAYBE };

bool anchor_starts(const struct window *window, const struct anchor *anchor, int64_t at, uint64_t *first,
	uint64_t *limit)
{
	int64_t lo = at - anchor->back_max, hi = at - anchor->back_min;
	if (lo < 0)
		lo = 0;
	if (hi < lo || lo >= (int64_t)window->n)
		return false;
	*first = window->base + (uint64_t)lo;
	*limit = window->base + (uint64_t)(hi < (int64_t)window->n ? hi : (int64_t)window->n - 1);
	return true;
}

static bool sets_fit(
	const struct window *window, const struct anchor *anchor, int64_t at, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (!byte_set_has(&anchor->sets[i], window->p[at + (int64_t)i]))
			return false;
	}
	return true;
}

/* Does the anchor stand at this start of it (index in the window, may be -1)? MAYBE: as far as the text goes.
 */
static enum anchor_result anchor_at(const struct window *window, const struct anchor *anchor, int64_t at)
{
	size_t i = 0, n = anchor->length;
	if (at < 0) {
		if (at < -1 || !window->start || !anchor->context)
			return ANCHOR_NO;
		i = 1;
	}
	bool cut = at + (int64_t)n > (int64_t)window->n;
	if (cut)
		n = at < (int64_t)window->n ? (size_t)((int64_t)window->n - at) : 0;
	/* The prefilter has seen to its window, mostly: what stands around that decides sooner. */
	size_t begin = anchor->window > i ? anchor->window : i, end = anchor->window + REGEX_WINDOW;
	begin = begin < n ? begin : n;
	end = end < n ? end : n;
	if (!sets_fit(window, anchor, at, end, n) || !sets_fit(window, anchor, at, i, begin) ||
		!sets_fit(window, anchor, at, begin, end))
		return ANCHOR_NO;
	if (cut)
		return window->last ? ANCHOR_NO : ANCHOR_MAYBE;
	return ANCHOR_YES;
}

/* May the text go on as the regex does behind an anchor that stands at `at`? This is cheaper than to ask
 * PCRE2. */
static bool tail_may_follow(struct search *search, const struct regex_tail *tail, int64_t at)
{
	const struct window *window = search->window;
	const unsigned char *p = window->p + at + tail->at, *end = window->p + window->n;
	for (unsigned i = 0; p < end && !byte_set_has(&tail->end, *p); i++, p++) {
		if (i >= REGEX_TAIL_MAX)
			return true;
		if (i >= tail->max || !byte_set_has(&tail->run, *p))
			return false;
		search->work++;
	}
	return p < end || !window->last;
}

/* ---- starts of one rule */

static void set_pending(struct search *search, uint32_t rule, uint64_t lo, uint64_t hi)
{
	struct rule_state *state = &search->states[rule];
	if (state->is_pending) {
		state->pending = lo < state->pending ? lo : state->pending;
		state->pending_end = hi > state->pending_end ? hi : state->pending_end;
		return;
	}
	state->is_pending = true;
	state->pending = lo;
	state->pending_end = hi;
	search->pending[search->pending_count++] = rule;
}

static void mark_searched(struct rule_state *state, uint64_t from, uint64_t end)
{
	if (from > state->searched_end || from < state->searched)
		state->searched = from;
	state->searched_end = end;
}

/* The next start in [lo, hi] at which some anchor of a fixed rule stands; past hi when none does. */
static uint64_t next_fixed_start(const struct search *search, uint32_t rule, uint64_t lo, uint64_t hi)
{
	const struct engine *engine = search->engine;
	const struct window *window = search->window;
	for (; lo <= hi; lo++) {
		for (uint32_t k = engine->anchor_first[rule]; k < engine->anchor_first[rule + 1]; k++) {
			const struct anchor *anchor = &engine->anchors[k];
			int64_t at = (int64_t)(lo - window->base) + anchor->back_min - anchor->window;
			if (anchor_at(window, anchor, at) != ANCHOR_NO)
				return lo;
		}
	}
	return lo;
}

/* The next start in [lo, hi] with an octet that a match can begin with; past hi when there is none. */
static uint64_t next_possible_start(
	const struct window *window, const struct compiled_rule *rule, uint64_t lo, uint64_t hi)
{
	while (lo <= hi && !byte_set_has(&rule->first, window->p[lo - window->base]))
		lo++;
	return lo;
}

static uint64_t step_limit(const struct compiled_rule *rule, uint64_t lo, uint64_t hi)
{
	if (rule->fixed)
		return lo;
	uint64_t step = rule->anchor_count ? RANGE_STEP : ALWAYS_STEP;
	return hi - lo < step ? hi : lo + step - 1;
}

static bool over_budget(struct search *search)
{
	if (search->work <= search->budget)
		return false;
	search->failure = "the budget for scanning ran out";
	return true;
}

/* Where to go on after a match. */
static uint64_t report(struct search *search, const struct compiled_rule *rule, const struct match *match)
{
	bool is_finding = search->on_match(search->arg, rule, search->window, match);
	search->work += is_finding ? WORK_FINDING : WORK_REFUSED + (match->secret_end - match->secret);
	return is_finding && match->end > match->begin ? match->end : match->begin + 1;
}

/* Search the starts [lo, hi] of a rule, which is not pending. false: search->failure. */
static bool search_starts(struct search *search, uint32_t index, uint64_t lo, uint64_t hi)
{
	const struct compiled_rule *rule = &search->set->rules[index];
	struct rule_state *state = &search->states[index];
	bool many = rule->fixed && hi > lo;
	for (uint64_t begun = lo; lo <= hi; mark_searched(state, begun, lo)) {
		if (lo >= state->skip && lo < state->skip_end) {
			lo = state->skip_end;
			continue;
		}
		if (many)
			lo = next_fixed_start(search, index, lo, hi);
		else if (!rule->fixed)
			lo = next_possible_start(search->window, rule, lo, hi);
		if (lo > hi)
			continue;
		struct match match;
		uint64_t limit = step_limit(rule, lo, hi), slice_end, first = lo;
		switch (confirm(search, rule, &first, &limit, &match, &slice_end)) {
		case CONFIRM_MATCH:
			lo = report(search, rule, &match);
			break;
		case CONFIRM_NOTHING:
			if (rule->prefix && first == limit)
				confirm_learn_run(search, rule, state, limit, slice_end);
			lo = limit + 1;
			break;
		case CONFIRM_PENDING:
			mark_searched(state, begun, first);
			set_pending(search, index, first, hi > first ? hi : first);
			return !over_budget(search);
		case CONFIRM_FAILED:
			return false;
		}
		if (over_budget(search))
			return false;
	}
	return true;
}

struct starts {
	uint64_t lo, hi;
};

/* Leave out what was searched before or can't match. false: nothing is left. */
static bool drop_known(const struct rule_state *state, struct starts *starts)
{
	if (starts->lo >= state->searched && starts->lo < state->searched_end)
		starts->lo = state->searched_end;
	if (starts->lo >= state->skip && starts->lo < state->skip_end)
		starts->lo = state->skip_end;
	return starts->lo <= starts->hi;
}

/* A candidate: some match may start there. */
static bool add_candidate(struct search *search, uint32_t rule, const struct starts *starts)
{
	if (search->states[rule].is_pending) {
		set_pending(search, rule, starts->lo, starts->hi);
		return true;
	}
	return search_starts(search, rule, starts->lo, starts->hi);
}

/* ---- hits */

/* The window of this anchor may stand at `at`. false: search->failure. */
static bool try_anchor(struct search *search, const struct anchor *anchor, int64_t at)
{
	struct starts starts;
	search->work += WORK_HIT;
	enum anchor_result result = anchor_at(search->window, anchor, at - anchor->window);
	if (result == ANCHOR_NO || !anchor_starts(search->window, anchor, at, &starts.lo, &starts.hi) ||
		!drop_known(&search->states[anchor->rule], &starts))
		return true;
	if (result == ANCHOR_YES && anchor->tail &&
		!tail_may_follow(search, anchor->tail, at - anchor->window))
		return true;
	return add_candidate(search, anchor->rule, &starts);
}

static bool hit(struct search *search, int64_t at, struct prefilter_list list)
{
	for (size_t i = 0; i < list.count; i++) {
		if (!try_anchor(search, &search->engine->anchors[list.windows[i]], at))
			return false;
	}
	return !over_budget(search);
}

static bool on_hit(void *arg, size_t position, struct prefilter_list list)
{
	return hit(arg, (int64_t)position, list);
}

/* Windows that are not whole: the one that begins with the octet before the text, and at the text's end. */
static bool search_start_edge(struct search *search)
{
	const struct window *window = search->window;
	return window->n == 0 ||
	       hit(search, -1, prefilter_begun_before(search->engine->prefilter, window->p[0]));
}

static bool search_end_edge(struct search *search, size_t from)
{
	const struct engine *engine = search->engine;
	struct prefilter_list list = {engine->short_anchors, engine->short_count};
	for (size_t at = from; at < search->window->n; at++) {
		if (!hit(search, (int64_t)at, list))
			return false;
	}
	return true;
}

static bool retry_pending(struct search *search)
{
	size_t count = search->pending_count;
	search->pending_count = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t rule = search->pending[i];
		struct rule_state *state = &search->states[rule];
		state->is_pending = false;
		if (!search_starts(search, rule, state->pending, state->pending_end))
			return false;
	}
	return true;
}

static bool search_always(struct search *search, uint64_t from)
{
	const struct window *window = search->window;
	for (size_t i = 0; i < search->engine->always_count && window->n > 0; i++) {
		uint32_t rule = search->engine->always[i];
		struct starts starts = {from, window->base + window->n - 1};
		if (drop_known(&search->states[rule], &starts) && !add_candidate(search, rule, &starts))
			return false;
	}
	return true;
}

void search_begin(struct search *search, uint64_t position)
{
	(void)position;
	search->pending_count = 0;
	search->work = 0;
	search->failure = NULL;
}

bool search_run(struct search *search, const struct window *window, uint64_t from, uint64_t *next)
{
	size_t begin = from - window->base, end = window->n;
	search->window = window;
	*next = from;
	if (!retry_pending(search) || !search_always(search, from))
		return false;
	if (search->engine->prefilter == NULL) {
		*next = window->base + window->n;
		return true;
	}
	/* Windows that the next octets are part of wait for them. */
	if (!window->last && window->n < REGEX_WINDOW)
		return true;
	if (window->start && begin == 0 && !search_start_edge(search))
		return false;
	size_t to = end >= REGEX_WINDOW ? end - (REGEX_WINDOW - 1) : 0; /* the rest has no whole window */
	if (to > begin) {
		if (!prefilter_scan(search->engine->prefilter, window->p, begin, to, on_hit, search))
			return false;
		begin = to;
	}
	if (window->last) {
		if (!search_end_edge(search, begin))
			return false;
		begin = end;
	}
	*next = window->base + begin;
	return true;
}
