/*
 * Rules that an attacker could make slow are refused when they are loaded, not when it happens: each regex is
 * run by PCRE2's interpreter, whose steps can be limited exactly (no clock), over floods made from its own
 * sets. A regex whose steps grow faster than the text does not get through. The budgets of a scan remain the
 * guarantee; this is the explanation.
 */
#include "pipelock/scan/rule_compile.h"

#include <stdio.h>
#include <stdlib.h>

#define FLOOD_SIZE 4096
#define STEPS_AN_OCTET 50
#define MAX_RUNS 12
#define MAX_ANCHORS 4
#define SHORT_SLICE 256
#define STEPS_A_UNIT 4

struct flood {
	char octets[FLOOD_SIZE];
	size_t n, size;
	char samples[MAX_ANCHORS][REGEX_ANCHOR_MAX]; /* a text for each of the rule's first anchors */
	size_t lengths[MAX_ANCHORS];
};

/* An octet of the set, a letter or digit when there is one. */
static char sample_of(const struct byte_set *set)
{
	for (const char *p = "aAx0_-+/ \n."; *p; p++) {
		if (byte_set_has(set, (unsigned char)*p))
			return *p;
	}
	for (unsigned c = 0; c < 256; c++) {
		if (byte_set_has(set, c))
			return (char)c;
	}
	return 'a';
}

static void sample_anchors(struct flood *flood, const struct compiled_rule *rule)
{
	for (size_t a = 0; a < rule->anchor_count && a < MAX_ANCHORS; a++) {
		const struct regex_anchor *anchor = &rule->anchors[a];
		flood->lengths[a] = anchor->length - anchor->context - anchor->next;
		for (size_t i = 0; i < flood->lengths[a]; i++)
			flood->samples[a][i] = sample_of(&anchor->sets[i + anchor->context]);
	}
}

static void add_anchor(struct flood *flood, size_t a)
{
	size_t room = flood->size - flood->n, n = flood->lengths[a] < room ? flood->lengths[a] : room;
	memcpy(flood->octets + flood->n, flood->samples[a], n);
	flood->n += n;
}

static void fill(struct flood *flood, char octet)
{
	memset(flood->octets + flood->n, octet, flood->size - flood->n);
	flood->n = flood->size;
}

static bool passes(const struct compiled_rule *rule, const struct flood *flood, pcre2_match_context *context,
	pcre2_match_data *data)
{
	int rc = pcre2_match(rule->code, (PCRE2_SPTR)flood->octets, flood->n, 0,
		PCRE2_NO_JIT | PCRE2_NOTEMPTY, data, context);
	return rc != PCRE2_ERROR_MATCHLIMIT && rc != PCRE2_ERROR_DEPTHLIMIT && rc != PCRE2_ERROR_HEAPLIMIT;
}

/* The samples of the regex's long runs. */
static size_t collect_runs(const struct regex *regex, char out[MAX_RUNS])
{
	size_t count = 0;
	for (uint32_t i = 0; i < regex->count && count < MAX_RUNS; i++) {
		const struct regex_node *node = &regex->nodes[i];
		if (node->kind != REGEX_REPEAT || node->max_width < 64)
			continue;
		for (uint32_t at = node->child; at != REGEX_NONE; at = regex->nodes[at].child) {
			if (regex->nodes[at].kind != REGEX_CLASS)
				continue;
			char c = sample_of(&regex->nodes[at].set);
			if (!memchr(out, c, count))
				out[count++] = c;
			break;
		}
	}
	return count;
}

static bool passes_all(const struct compiled_rule *rule, const char *runs, size_t run_count,
	struct flood *flood, pcre2_match_context *context, pcre2_match_data *data)
{
	size_t anchors = rule->anchor_count < MAX_ANCHORS ? rule->anchor_count : MAX_ANCHORS;
	for (size_t r = 0; r < run_count; r++) {
		for (size_t a = 0; a < anchors || a == 0; a++) {
			flood->n = 0;
			if (rule->anchor_count)
				add_anchor(flood, a);
			fill(flood, runs[r]);
			/* With and without something that ends the run. */
			if (!passes(rule, flood, context, data))
				return false;
			flood->octets[flood->size - 1] = '\1';
			if (!passes(rule, flood, context, data))
				return false;
		}
	}
	for (size_t a = 0; a < anchors; a++) {
		flood->n = 0;
		while (flood->n < flood->size && flood->lengths[a] > 0)
			add_anchor(flood, a);
		if (!passes(rule, flood, context, data))
			return false;
	}
	return true;
}

/* How many of the interpreter's steps the worst flood of a short slice takes, to the next power of four. */
static uint32_t measure_work(const struct compiled_rule *rule, const char *runs, size_t run_count,
	struct flood *flood, pcre2_match_context *context, pcre2_match_data *data)
{
	uint32_t steps = 16;
	flood->size = SHORT_SLICE;
	for (; steps < SHORT_SLICE * STEPS_AN_OCTET; steps *= 4) {
		pcre2_set_match_limit(context, steps);
		if (passes_all(rule, runs, run_count, flood, context, data))
			break;
	}
	return SCAN_WORK_CALL + steps / STEPS_A_UNIT;
}

bool rule_lint(struct compiled_rule *rule, const struct regex *regex, struct regex_problem *out)
{
	char runs[MAX_RUNS + 8];
	size_t run_count = collect_runs(regex, runs);
	if (rule->anchor_count == 0) {
		memcpy(runs + run_count, "a0A \n-", 6);
		run_count += 6;
	}
	struct flood *flood = malloc(sizeof(*flood));
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	bool ok = flood && context && data;
	if (!ok) {
		snprintf(out->text, sizeof(out->text), "out of memory");
	} else {
		/* What the engine would ask in one call: a candidate's starts, or every start for a rule
		 * without anchors. */
		flood->size = FLOOD_SIZE;
		sample_anchors(flood, rule);
		pcre2_set_match_limit(context, FLOOD_SIZE * STEPS_AN_OCTET);
		pcre2_set_offset_limit(context, rule->fixed ? 0 : rule->anchor_count ? 63 : FLOOD_SIZE - 1);
		ok = passes_all(rule, runs, run_count, flood, context, data);
		if (ok)
			rule->call_work = measure_work(rule, runs, run_count, flood, context, data);
		else
			snprintf(out->text, sizeof(out->text),
				"the regex can take quadratic time or worse; begin it with a literal or \\b "
				"and a bounded run, "
				"and bound its repeats {n,m}");
	}
	out->offset = SIZE_MAX;
	free(flood);
	pcre2_match_context_free(context);
	pcre2_match_data_free(data);
	return ok;
}
