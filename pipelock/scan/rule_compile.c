/*
 * From a regex to a compiled rule. Bytes mode, never UTF (half the speed, and bodies are not always text).
 * JIT or nothing: the interpreter would be several times slower than the budgets think.
 */
#include "pipelock/scan/rule_compile.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_PATTERN 32768
#define MAX_NESTING 100
/* Anchors that ordinary traffic holds more often than this an octet save nothing. */
#define WEAK_RATE 0.2

static bool problem(struct regex_problem *out, size_t offset, const char *text)
{
	snprintf(out->text, sizeof(out->text), "%s", text);
	out->offset = offset;
	return false;
}

static pcre2_code *compile_pattern(
	const char *pattern, size_t size, uint32_t options, int *error, PCRE2_SIZE *offset)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	if (!context) {
		*error = PCRE2_ERROR_HEAP_FAILED;
		return NULL;
	}
	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	pcre2_set_max_pattern_length(context, MAX_PATTERN);
	pcre2_set_parens_nest_limit(context, MAX_NESTING);
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, size,
		options | PCRE2_USE_OFFSET_LIMIT | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP, error, offset, context);
	pcre2_compile_context_free(context);
	return code;
}

/* Every call has its own small range of starts: PCRE2's search for a required octet far ahead would cost more
 * than it saves. */
static bool compile_code(struct compiled_rule *rule, struct regex_problem *out)
{
	int error;
	PCRE2_SIZE offset = 0;
	size_t size = strlen(rule->shown.regex);
	if (size > MAX_PATTERN)
		return problem(out, SIZE_MAX, "the regex is too long; 32768 octets are the most");
	rule->code = compile_pattern(rule->shown.regex, size, PCRE2_NO_START_OPTIMIZE, &error, &offset);
	if (!rule->code) {
		PCRE2_UCHAR text[200];
		pcre2_get_error_message(error, text, sizeof(text));
		snprintf(out->text, sizeof(out->text), "bad regex: %s", (const char *)text);
		out->offset = offset;
		return false;
	}
	uint32_t empty = 1;
	pcre2_pattern_info(rule->code, PCRE2_INFO_MATCHEMPTY, &empty);
	pcre2_pattern_info(rule->code, PCRE2_INFO_MAXLOOKBEHIND, &rule->lookbehind);
	if (empty)
		return problem(out, SIZE_MAX, "the regex matches the empty string");
	if (rule->lookbehind > SCAN_MAX_LOOKBEHIND)
		return problem(out, SIZE_MAX, "the regex looks behind further than 255 octets");
	if (pcre2_jit_compile(rule->code, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD) != 0)
		return problem(out, SIZE_MAX,
			"PCRE2 can't compile the regex to machine code (no JIT, or no memory for it)");
	int group = pcre2_substring_number_from_name(rule->code, (PCRE2_SPTR) "secret");
	if (group == PCRE2_ERROR_NOUNIQUESUBSTRING)
		return problem(out, SIZE_MAX, "the group `secret` stands twice in the regex");
	rule->secret_group = group > 0 ? group : 0;
	return true;
}

/* The part before the first unbounded run, compiled alone. A rule without one has no use for it: no error. */
static void compile_prefix(struct compiled_rule *rule, const struct regex *regex)
{
	char pattern[MAX_PATTERN + MAX_NESTING + 1];
	if (!regex_first_run(regex, &rule->run) || rule->run.open_groups > MAX_NESTING)
		return;
	memcpy(pattern, regex->source.p, rule->run.prefix_end);
	memset(pattern + rule->run.prefix_end, ')', rule->run.open_groups);
	int error;
	PCRE2_SIZE offset;
	rule->prefix = compile_pattern(pattern, rule->run.prefix_end + rule->run.open_groups,
		PCRE2_NO_START_OPTIMIZE, &error, &offset);
	if (rule->prefix && pcre2_jit_compile(rule->prefix, PCRE2_JIT_COMPLETE) != 0) {
		pcre2_code_free(rule->prefix);
		rule->prefix = NULL;
	}
}

/* ---- anchors */

static bool anchors_from_literals(struct compiled_rule *rule, const struct span *literals, size_t count)
{
	rule->anchors = calloc(count, sizeof(*rule->anchors));
	if (!rule->anchors)
		return false;
	rule->anchor_count = count;
	for (size_t i = 0; i < count; i++) {
		struct regex_anchor *anchor = &rule->anchors[i];
		anchor->max_distance = REGEX_MAX_DISTANCE;
		for (size_t k = 0; k < literals[i].n && k < REGEX_ANCHOR_MAX; k++) {
			unsigned char c = (unsigned char)literals[i].p[k];
			byte_set_add(&anchor->sets[k], c);
			if ((c | 32) >= 'a' && (c | 32) <= 'z')
				byte_set_add(&anchor->sets[k], c ^ 32);
			anchor->length++;
		}
	}
	return true;
}

static bool anchors_from_regex(struct compiled_rule *rule, const struct regex *regex)
{
	double rate;
	if (!regex_find_anchors(regex, &rule->anchors, &rule->anchor_count, &rate))
		return false;
	if (rate > WEAK_RATE) {
		free(rule->anchors);
		rule->anchors = NULL;
		rule->anchor_count = 0;
	}
	return true;
}

static void merge_equal_anchors(struct compiled_rule *rule)
{
	size_t kept = 0;
	for (size_t i = 0; i < rule->anchor_count; i++) {
		bool known = false;
		for (size_t k = 0; k < kept && !known; k++)
			known = memcmp(&rule->anchors[i], &rule->anchors[k], sizeof(rule->anchors[i])) == 0;
		if (!known)
			rule->anchors[kept++] = rule->anchors[i];
	}
	rule->anchor_count = kept;
}

static void measure_anchors(struct compiled_rule *rule)
{
	rule->fixed = rule->anchor_count > 0;
	for (size_t i = 0; i < rule->anchor_count; i++) {
		const struct regex_anchor *anchor = &rule->anchors[i];
		int back_max = (int)anchor->window - anchor->context + (int)anchor->max_distance;
		rule->fixed &= anchor->min_distance == anchor->max_distance &&
			       (i == 0 || back_max == rule->back_max);
		if (i == 0 || back_max > rule->back_max)
			rule->back_max = back_max;
	}
	rule->reach = rule->back_max > 0 ? (uint32_t)rule->back_max : 0;
}

/* Where no anchor bounds the starts, each start must be bounded: "\\w+@" would run to the end of a text from
 * each octet. */
static bool check_bounded(
	const struct compiled_rule *rule, const struct regex *regex, struct regex_problem *out)
{
	if (rule->anchor_count > 0 ||
		(!regex->opaque && regex->nodes[regex->root].max_width <= REGEX_MAX_DISTANCE))
		return true;
	return problem(out, SIZE_MAX,
		regex->opaque
			? "nothing could be read from the regex that every match holds; give it `literals:`"
			: "the regex can take quadratic time: before anything that is rare in a text stands "
			  "a repeat "
			  "without a bound; begin it with a literal, or \\b and a bounded repeat {n,m}");
}

bool rule_compile(struct compiled_rule *rule, const struct span *literals, size_t literal_count,
	struct regex_problem *out)
{
	struct regex regex = {0};
	if (!compile_code(rule, out))
		return false;
	bool ok = regex_parse(span_of(rule->shown.regex), &regex);
	if (ok)
		ok = literal_count ? anchors_from_literals(rule, literals, literal_count)
				   : anchors_from_regex(rule, &regex);
	if (!ok)
		problem(out, SIZE_MAX, "out of memory");
	if (ok) {
		merge_equal_anchors(rule);
		measure_anchors(rule);
		regex_first_bytes(&regex, &rule->first);
		compile_prefix(rule, &regex);
		ok = check_bounded(rule, &regex, out) && rule_lint(rule, &regex, out);
	}
	regex_release(&regex);
	return ok;
}

void rule_release(struct compiled_rule *rule)
{
	pcre2_code_free(rule->code);
	pcre2_code_free(rule->prefix);
	free(rule->anchors);
	free(rule->validators);
	for (size_t i = 0; rule->allow && rule->allow[i]; i++)
		free((void *)(uintptr_t)rule->allow[i]);
	free(rule->allow);
	free(rule->belongs_to);
	memset(rule, 0, sizeof(*rule));
}
