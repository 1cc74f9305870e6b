/*
 * From the prefilter's hits to matches: check the whole anchor, find which starts it speaks for, leave out
 * those that were searched before or can't match, and have PCRE2 confirm the rest. Each rule's matches come
 * out in order and don't overlap.
 */
#include "pipelock/scan/search.h"

#define ALWAYS_STEP 4096u /* starts a call for a rule without anchors */
#define RANGE_STEP 64u
#define WORK_HIT 6u

enum anchor_result { ANCHOR_NO, ANCHOR_YES, ANCHOR_MAYBE };

/* Does the anchor stand at this start of it (index in the window, may be -1)? MAYBE: as far as the text goes.
 */
static enum anchor_result anchor_at(const struct window *window, const struct anchor *anchor, int64_t at)
{
	size_t i = 0;
	if (at < 0) {
		if (at < -1 || !window->start || !anchor->context)
			return ANCHOR_NO;
		i = 1;
	}
	for (; i < anchor->length; i++) {
		size_t where = (size_t)(at + (int64_t)i);
		if (where >= window->n)
			return window->last ? ANCHOR_NO : ANCHOR_MAYBE;
		if (!byte_set_has(&anchor->sets[i], window->p[where]))
			return ANCHOR_NO;
	}
	return ANCHOR_YES;
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
			const struct anchor *anchor = &engine->anchors[engine->by_rule[k]];
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
			lo = search->on_match(search->arg, rule, search->window, &match) &&
					     match.end > match.begin
				     ? match.end
				     : match.begin + 1;
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

/* A candidate: some match may start in [lo, hi]. */
static bool add_candidate(struct search *search, uint32_t rule, uint64_t lo, uint64_t hi)
{
	struct rule_state *state = &search->states[rule];
	if (lo >= state->searched && lo < state->searched_end)
		lo = state->searched_end;
	if (lo >= state->skip && lo < state->skip_end)
		lo = state->skip_end;
	if (lo > hi)
		return true;
	if (state->is_pending) {
		set_pending(search, rule, lo, hi);
		return true;
	}
	return search_starts(search, rule, lo, hi);
}

/* ---- hits */

struct starts {
	uint64_t lo, hi;
};

/* The starts that an anchor whose window is at this index speaks for; false: there are none in the text. */
static bool anchor_starts(
	const struct window *window, const struct anchor *anchor, int64_t at, struct starts *out)
{
	int64_t lo = at - anchor->back_max, hi = at - anchor->back_min;
	if (lo < 0)
		lo = 0;
	if (hi < lo || lo >= (int64_t)window->n)
		return false;
	out->lo = window->base + (uint64_t)lo;
	out->hi = window->base + (uint64_t)(hi < (int64_t)window->n ? hi : (int64_t)window->n - 1);
	return true;
}

/* A bucket is the union of its windows: most of its anchors are not meant, and their second or third octet
 * tells. */
static bool window_may_fit(const struct window *window, const struct anchor *anchor, int64_t at)
{
	for (unsigned i = 1; i < REGEX_WINDOW && (size_t)anchor->window + i < anchor->length; i++) {
		size_t where = (size_t)(at + (int64_t)i);
		if (where < window->n && !byte_set_has(&anchor->sets[anchor->window + i], window->p[where]))
			return false;
	}
	return true;
}

static bool hit(struct search *search, int64_t at, uint64_t buckets)
{
	const struct engine *engine = search->engine;
	for (; buckets; buckets &= buckets - 1) {
		unsigned bucket = (unsigned)__builtin_ctzll(buckets);
		for (uint32_t i = engine->bucket_first[bucket]; i < engine->bucket_first[bucket + 1]; i++) {
			const struct anchor *anchor = &engine->anchors[i];
			struct starts starts;
			search->work += WORK_HIT;
			if (!window_may_fit(search->window, anchor, at))
				continue;
			enum anchor_result result = anchor_at(search->window, anchor, at - anchor->window);
			if (result == ANCHOR_NO || !anchor_starts(search->window, anchor, at, &starts))
				continue;
			if (!add_candidate(search, anchor->rule, starts.lo, starts.hi))
				return false;
		}
	}
	return !over_budget(search);
}

static bool on_hit(void *arg, size_t position, uint64_t buckets)
{
	return hit(arg, (int64_t)position, buckets);
}

/* Windows that are not whole: the one that begins with the octet before the text, and at the text's end. */
static bool search_start_edge(struct search *search)
{
	const struct window *window = search->window;
	uint64_t buckets = prefilter_match_start(search->engine->prefilter, window->p, window->n);
	return hit(search, -1, buckets & search->engine->context_buckets);
}

static bool search_end_edge(struct search *search, size_t from)
{
	const struct window *window = search->window;
	for (size_t at = from; at < window->n; at++) {
		uint64_t buckets = prefilter_match(search->engine->prefilter, window->p + at, window->n - at);
		if (window->n - at < REGEX_WINDOW)
			buckets &= search->engine->short_buckets[window->n - at];
		if (!hit(search, (int64_t)at, buckets))
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
		if (!add_candidate(search, search->engine->always[i], from, window->base + window->n - 1))
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
