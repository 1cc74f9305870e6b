/*
 * Hold-back: from which octet on could a rule still match, given what comes next? Asked only when somebody
 * wants to let octets go, so a body that waits whole never pays for it. What may leave too late only waits;
 * what leaves too early is a leak: every doubt holds.
 */
#include "pipelock/scan/search.h"

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Does the text agree with the anchor as far as it goes, from this start of it? */
static bool may_be_anchor(const struct window *window, const struct anchor *anchor, int64_t at)
{
	for (size_t i = 0; i < anchor->length; i++) {
		int64_t where = at + (int64_t)i;
		if (where >= (int64_t)window->n)
			return true;
		if (where < 0) {
			if (!window->start || i > 0 || where != -1 || !anchor->context)
				return false;
			continue;
		}
		if (!byte_set_has(&anchor->sets[i], window->p[where]))
			return false;
	}
	return true;
}

/* Of these starts, the first at which the text may be the beginning of a match: PCRE2 knows what stands
 * around the window, and before it. `hold` when there is none. */
static uint64_t hold_for_starts(
	struct search *search, const struct compiled_rule *rule, uint64_t lo, uint64_t hi, uint64_t hold)
{
	while (lo <= hi && lo < hold) {
		struct match match;
		uint64_t first = lo, limit = hi, slice_end;
		if (confirm(search, rule, &first, &limit, &match, &slice_end) != CONFIRM_NOTHING)
			return earlier(hold, first);
		lo = limit + 1;
	}
	return hold;
}

/* Windows that have begun but are not whole. */
static uint64_t hold_for_windows(
	struct search *search, const struct window *window, size_t from, uint64_t hold)
{
	const struct engine *engine = search->engine;
	for (size_t at = from; at < window->n; at++) {
		struct prefilter_list list = prefilter_begun(engine->prefilter, window->p[at]);
		for (size_t i = 0; i < list.count; i++) {
			const struct anchor *anchor = &engine->anchors[list.windows[i]];
			uint64_t lo, hi;
			if (may_be_anchor(window, anchor, (int64_t)at - anchor->window) &&
				anchor_starts(window, anchor, (int64_t)at, &lo, &hi))
				hold = hold_for_starts(
					search, &search->set->rules[anchor->rule], lo, hi, hold);
		}
	}
	return hold;
}

/* Rules whose matches begin before their first window: ask PCRE2 whether the tail may be such a beginning. */
static uint64_t hold_for_left_part(
	struct search *search, const struct window *window, const struct compiled_rule *rule, uint64_t hold)
{
	uint64_t end = window->base + window->n;
	uint64_t start = window->n > rule->reach ? end - rule->reach : window->base;
	for (; start < hold; start++) {
		if (!byte_set_has(&rule->first, window->p[start - window->base]))
			continue;
		struct match match;
		uint64_t first = start, limit = end - 1, slice_end;
		if (confirm(search, rule, &first, &limit, &match, &slice_end) == CONFIRM_NOTHING)
			return hold;
		return earlier(hold, first);
	}
	return hold;
}

uint64_t search_hold(struct search *search, const struct window *window, uint64_t next)
{
	const struct engine *engine = search->engine;
	uint64_t hold = window->base + window->n;
	search->window = window;
	if (search->failure)
		return window->base;
	for (size_t i = 0; i < search->pending_count; i++)
		hold = earlier(hold, search->states[search->pending[i]].pending);
	if (window->last || !engine->prefilter)
		return hold;
	if (window->start && window->n < REGEX_WINDOW)
		return window->base; /* not searched yet */
	hold = hold_for_windows(search, window, next - window->base, hold);
	for (size_t i = 0; i < engine->reaching_count && hold > window->base; i++)
		hold = hold_for_left_part(search, window, &search->set->rules[engine->reaching[i]], hold);
	return hold;
}
