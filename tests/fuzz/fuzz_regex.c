/*
 * What our reader claims about a regex against what PCRE2 matches: each match must hold one of the anchors at
 * a distance it names and go on behind it as the anchor's tail says, begin with one of the first octets and
 * have the width. The input is a regex, a NUL, and a text.
 */
#include "pipelock/scan/rule_compile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool tail_follows(const struct regex_tail *tail, const uint8_t *text, size_t n, size_t at)
{
	for (unsigned i = 0; at < n; i++, at++) {
		if (byte_set_has(&tail->end, text[at]))
			return true;
		if (!byte_set_has(&tail->run, text[at]) || (i >= tail->max && tail->max <= REGEX_TAIL_MAX))
			return false;
	}
	return false;
}

static bool anchor_at(const struct regex_anchor *anchor, const uint8_t *text, size_t n, size_t start)
{
	for (size_t d = anchor->min_distance; d <= anchor->max_distance; d++) {
		bool fits = true;
		for (unsigned i = 0; fits && i < anchor->length; i++) {
			size_t at = start + d + i;
			if (anchor->context && at == 0)
				continue;
			at -= anchor->context;
			fits = at < n && byte_set_has(&anchor->sets[i], text[at]);
		}
		size_t behind = start + d + anchor->tail.at - anchor->context;
		if (fits && (!anchor->tail.known || tail_follows(&anchor->tail, text, n, behind)))
			return true;
	}
	return false;
}

static void check_match(const struct regex *regex, const struct regex_anchor *anchors, size_t count,
	const uint8_t *text, size_t n, const PCRE2_SIZE *ovector)
{
	struct byte_set first;
	const struct regex_node *root = &regex->nodes[regex->root];
	size_t width = ovector[1] - ovector[0];
	regex_first_bytes(regex, &first);
	if (width > 0 && !byte_set_has(&first, text[ovector[0]]))
		abort();
	if (width < root->min_width || width > root->max_width)
		abort();
	for (size_t i = 0; i < count; i++) {
		if (anchor_at(&anchors[i], text, n, ovector[0]))
			return;
	}
	if (count > 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, 0, size);
	if (!end || end - data > 200)
		return 0;
	struct span source = {(const char *)data, (size_t)(end - data)};
	const uint8_t *text = end + 1;
	size_t n = size - source.n - 1, count;
	int error;
	PCRE2_SIZE offset;
	pcre2_code *code = pcre2_compile(
		(PCRE2_SPTR)source.p, source.n, PCRE2_NEVER_UTF | PCRE2_NEVER_UCP, &error, &offset, NULL);
	struct regex regex;
	struct regex_anchor *anchors = NULL;
	double rate;
	if (!regex_parse(source, &regex) || !regex_find_anchors(&regex, &anchors, &count, &rate))
		abort();
	if (code && !regex.opaque) {
		pcre2_match_data *match = pcre2_match_data_create(1, NULL);
		pcre2_match_context *context = pcre2_match_context_create(NULL);
		pcre2_set_match_limit(context, 20000);
		for (size_t at = 0; at <= n; at++) {
			if (pcre2_match(code, text, n, at, PCRE2_ANCHORED, match, context) >= 0)
				check_match(
					&regex, anchors, count, text, n, pcre2_get_ovector_pointer(match));
		}
		pcre2_match_context_free(context);
		pcre2_match_data_free(match);
	}
	pcre2_code_free(code);
	free(anchors);
	regex_release(&regex);
	return 0;
}
