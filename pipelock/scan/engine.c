/*
 * An engine: the anchors of all rules that look at one part of a message, behind one prefilter.
 */
#include "pipelock/scan/engine.h"

#include <stdlib.h>

static bool takes_part(const struct compiled_rule *rule, enum scan_part part)
{
	return rule->shown.action != VERDICT_ALLOW && (rule->shown.in & SCAN_BIT(part));
}

bool engine_parts_equal(const struct ruleset *set, enum scan_part a, enum scan_part b)
{
	for (size_t i = 0; i < set->count; i++) {
		if (takes_part(&set->rules[i], a) != takes_part(&set->rules[i], b))
			return false;
	}
	return true;
}

/* All anchors of a rule look back as far as the furthest does: then starts are searched in order, and what is
 * found is what a search from left to right finds. */
static void make_anchor(
	const struct compiled_rule *rule, const struct regex_anchor *from, uint32_t index, struct anchor *out)
{
	out->sets = from->sets;
	out->rule = index;
	out->length = (uint16_t)from->length;
	out->context = from->context;
	out->tail = from->tail.known ? &from->tail : NULL;
	out->window = (uint16_t)from->window;
	out->back_min = (int)from->window - from->context + (int)from->min_distance;
	out->back_max = rule->back_max;
}

static void make_window(const struct anchor *anchor, struct prefilter_window *out)
{
	for (unsigned j = 0; j < REGEX_WINDOW; j++) {
		if (anchor->window + j < anchor->length)
			out->sets[j] = anchor->sets[anchor->window + j];
		else
			memset(&out->sets[j], 0xff, sizeof(out->sets[j]));
	}
	out->at_start = anchor->context && anchor->window == 0;
}

/* false: out of memory. */
static bool list_short_anchors(struct engine *engine)
{
	engine->short_anchors = calloc(engine->anchor_count + 1, sizeof(*engine->short_anchors));
	if (!engine->short_anchors)
		return false;
	for (size_t i = 0; i < engine->anchor_count; i++) {
		if (engine->anchors[i].length < engine->anchors[i].window + REGEX_WINDOW)
			engine->short_anchors[engine->short_count++] = (uint32_t)i;
	}
	return true;
}

/* The rules themselves; *anchor_count is how many anchors they have together. */
static bool list_rules(
	struct engine *engine, const struct ruleset *set, enum scan_part part, size_t *anchor_count)
{
	engine->rules = calloc(set->count + 1, sizeof(*engine->rules));
	engine->always = calloc(set->count + 1, sizeof(*engine->always));
	engine->reaching = calloc(set->count + 1, sizeof(*engine->reaching));
	if (!engine->rules || !engine->always || !engine->reaching)
		return false;
	*anchor_count = 0;
	for (uint32_t i = 0; i < set->count; i++) {
		const struct compiled_rule *rule = &set->rules[i];
		if (!takes_part(rule, part))
			continue;
		engine->rules[engine->rule_count++] = i;
		if (rule->anchor_count == 0)
			engine->always[engine->always_count++] = i;
		if (rule->reach > 0)
			engine->reaching[engine->reaching_count++] = i;
		*anchor_count += rule->anchor_count;
	}
	return true;
}

/* All anchors, rule after rule, and their windows. false: out of memory. */
static bool make_anchors(struct engine *engine, const struct ruleset *set, size_t count, bool simd)
{
	struct prefilter_window *windows = calloc(count + 1, sizeof(*windows));
	engine->anchors = calloc(count + 1, sizeof(*engine->anchors));
	engine->anchor_first = calloc(set->count + 1, sizeof(*engine->anchor_first));
	bool ok = windows && engine->anchors && engine->anchor_first;
	for (uint32_t i = 0, listed = 0; ok && i < set->count; i++) {
		const struct compiled_rule *rule = &set->rules[i];
		bool mine = listed < engine->rule_count && engine->rules[listed] == i;
		for (size_t k = 0; mine && k < rule->anchor_count; k++) {
			struct anchor *anchor = &engine->anchors[engine->anchor_count];
			make_anchor(rule, &rule->anchors[k], i, anchor);
			make_window(anchor, &windows[engine->anchor_count++]);
		}
		listed += mine;
		engine->anchor_first[i + 1] = (uint32_t)engine->anchor_count;
	}
	if (ok && count > 0) {
		engine->prefilter = prefilter_new(windows, count, simd);
		ok = engine->prefilter && list_short_anchors(engine);
	}
	free(windows);
	return ok;
}

struct engine *engine_new(const struct ruleset *set, enum scan_part part, bool simd)
{
	size_t anchor_count;
	struct engine *engine = calloc(1, sizeof(*engine));
	if (!engine)
		return NULL;
	if (!list_rules(engine, set, part, &anchor_count) || !make_anchors(engine, set, anchor_count, simd)) {
		engine_free(engine);
		return NULL;
	}
	return engine;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	prefilter_free(engine->prefilter);
	free(engine->anchors);
	free(engine->short_anchors);
	free(engine->rules);
	free(engine->always);
	free(engine->reaching);
	free(engine->anchor_first);
	free(engine);
}
