/*
 * PCRE2 JIT at candidate positions. Its cost is what an attacker aims at, so every call has a bounded slice
 * that grows only while the match can still go on (partial matching says so), bounded starts and a match
 * limit; and a start whose unbounded run led nowhere rules out the other starts in that run, which makes the
 * floods of a run linear.
 */
#include "pipelock/scan/search.h"

#define SLICE_FIRST 256u
#define STEPS_FIRST 16u
#define STEPS_GROW 4u
#define WORK_STEP 16u
#define RUN_WORTH_LEARNING 24u

static int match_slice(struct search *search, const struct compiled_rule *rule, uint64_t first,
	uint64_t limit, uint64_t end, bool partial)
{
	const struct window *window = search->window;
	uint32_t options =
		PCRE2_NOTEMPTY | (partial ? PCRE2_PARTIAL_HARD : 0) | (window->start ? 0 : PCRE2_NOTBOL);
	search->work += rule->call_work + (end - first > 2 * SLICE_FIRST ? 2 * (end - first) : 0);
	pcre2_set_offset_limit(search->match_context, limit - window->base);
	for (uint32_t steps = STEPS_FIRST;; steps *= STEPS_GROW) {
		bool most = steps >= SCAN_MATCH_LIMIT;
		pcre2_set_match_limit(search->match_context, most ? SCAN_MATCH_LIMIT : steps);
		int rc = pcre2_jit_match(rule->code, window->p, end - window->base, first - window->base,
			options, search->match_data, search->match_context);
		if (rc != PCRE2_ERROR_MATCHLIMIT || most)
			return rc;
		search->work += steps * WORK_STEP;
	}
}

static void take_match(const struct search *search, const struct compiled_rule *rule, struct match *match)
{
	const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(search->match_data);
	uint64_t base = search->window->base;
	match->begin = base + ovector[0];
	match->end = base + ovector[1];
	match->secret = match->begin;
	match->secret_end = match->end;
	PCRE2_SIZE from = ovector[2 * rule->secret_group], to = ovector[2 * rule->secret_group + 1];
	if (from != PCRE2_UNSET && to > from && to <= search->window->n) {
		match->secret = base + from;
		match->secret_end = base + to;
	}
}

enum confirm_result confirm(struct search *search, const struct compiled_rule *rule, uint64_t *first,
	uint64_t *limit, struct match *match, uint64_t *slice_end)
{
	const struct window *window = search->window;
	uint64_t text_end = window->base + window->n;
	for (uint64_t size = SLICE_FIRST;; size *= 4) {
		uint64_t end = text_end - *limit - 1 <= size ? text_end : *limit + 1 + size;
		bool final = end == text_end ? window->last : size >= SCAN_SLICE_MAX;
		int rc = match_slice(search, rule, *first, *limit, end, !final);
		*slice_end = end;
		if (rc >= 0) {
			take_match(search, rule, match);
			return CONFIRM_MATCH;
		}
		if (rc == PCRE2_ERROR_NOMATCH)
			return CONFIRM_NOTHING;
		if (rc != PCRE2_ERROR_PARTIAL) {
			search->failure = rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_JIT_STACKLIMIT
						  ? "a rule needed more steps than a match may take"
						  : "the matcher failed";
			return CONFIRM_FAILED;
		}
		*first = *limit = window->base + pcre2_get_ovector_pointer(search->match_data)[0];
		if (end == text_end)
			return CONFIRM_PENDING;
	}
}

void confirm_learn_run(struct search *search, const struct compiled_rule *rule, struct rule_state *state,
	uint64_t start, uint64_t slice_end)
{
	const struct window *window = search->window;
	const unsigned char *p = window->p;
	size_t end = slice_end - window->base, at = start - window->base + rule->run.prefix_min;
	if (at + RUN_WORTH_LEARNING > end)
		return;
	for (size_t i = at + rule->run.prefix_max - rule->run.prefix_min; i < at + RUN_WORTH_LEARNING; i++) {
		if (!byte_set_has(&rule->run.set, p[i]))
			return;
	}
	search->work += SCAN_WORK_CALL;
	pcre2_set_offset_limit(search->match_context, start - window->base);
	uint32_t options = window->start ? 0 : PCRE2_NOTBOL;
	if (pcre2_jit_match(rule->prefix, p, end, start - window->base, options, search->match_data,
		    search->match_context) < 0)
		return;
	/* All that follows the run was tried from here on to the run's end, and failed: so it fails for each
	 * later start whose run begins between. */
	size_t run = pcre2_get_ovector_pointer(search->match_data)[1], run_end = run;
	while (run_end < end && byte_set_has(&rule->run.set, p[run_end]))
		run_end++;
	search->work += (run_end - run) / 2;
	uint64_t skip_end = window->base + run_end;
	bool cut = run_end == end && !(window->last && end == window->n);
	if (cut) {
		/* Later starts see further than this one did, up to where its own slice was twice as long as
		 * a match. */
		uint64_t seen = slice_end > SCAN_MATCH_MAX ? slice_end - SCAN_MATCH_MAX : 0;
		skip_end = skip_end < seen ? skip_end : seen;
	}
	if (skip_end < rule->run.prefix_max)
		return;
	state->skip = window->base + run - rule->run.prefix_min;
	state->skip_end = skip_end - rule->run.prefix_max;
}
