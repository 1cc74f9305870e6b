/*
 * Texts that are there as a whole, mostly short lines: the raw text is searched with memory that the scanner
 * has at hand; views are made only of a text that could hold something, first coarsely, and once more in
 * small steps when something was found, so that its extent can be told.
 */
#include "pipelock/scan/text.h"

#include <stdlib.h>

#define COARSE_STEP 4096u
#define FINE_STEPS 48u
#define RUN_OF_INTEREST 16u    /* characters of base64 in a row */
#define DIGITS_OF_INTEREST 24u /* of hex, with marks between them */

/* The raw text. */
struct raw_text {
	const struct scanner *scanner;
	struct findings *out;
	struct found found; /* what all findings have in common */
	uint64_t position;
	bool added;
};

static bool on_match(
	void *arg, const struct compiled_rule *rule, const struct window *window, const struct match *match)
{
	struct raw_text *text = arg;
	struct found found = text->found;
	found.secret.p = (const char *)window->p + (match->secret - window->base);
	found.secret.n = match->secret_end - match->secret;
	found.offset = match->begin - text->position;
	found.length = match->end - match->begin;
	bool added;
	bool is_finding = findings_add(text->out, rule, &found, text->scanner->key, &added);
	text->added |= added;
	return is_finding;
}

static void on_known(void *arg, const struct known_match *match)
{
	struct raw_text *text = arg;
	const struct scanner *scanner = text->scanner;
	struct found found = text->found;
	found.secret = match->secret;
	found.offset = match->begin;
	found.length = match->end - match->begin;
	bool added;
	findings_add(text->out, known_set_rule(scanner->known, match->value), &found, scanner->key, &added);
	text->added |= added;
}

void text_find_known(const struct known_set *known, struct span text, known_found *found, void *arg)
{
	struct known_matcher matcher;
	known_begin(&matcher, known);
	known_feed(&matcher, text, found, arg);
	explicit_bzero(&matcher, sizeof(matcher));
}

const char *text_search(struct scanner *scanner, enum scan_part part, struct span text, match_fn *found,
	void *arg, uint64_t *position)
{
	struct search search;
	scanner_prepare(scanner, part, &search);
	search.states = scanner->states;
	search.pending = scanner->pending;
	search.on_match = found;
	search.arg = arg;
	search.budget = SCAN_BUDGET_BASE + SCAN_BUDGET_OCTET * (uint64_t)text.n;
	struct window window = {(const unsigned char *)text.p, text.n, scanner->position, true, true};
	*position = scanner->position;
	/* The gap keeps what was learned of this text away from the next one. */
	scanner->position += text.n + 2 * SCAN_SLICE_MAX;
	uint64_t next;
	return search_run(&search, &window, window.base, &next) ? NULL : search.failure;
}

/* ---- views */

static bool is_escape_or_odd(unsigned char c)
{
	return c == '%' || c == '\\' || c == '&' || c < 0x20 || c >= 0x7f;
}

static bool is_code_octet(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '+' || c == '/' ||
	       c == '-' || c == '_' || c == '=' || c == ':' || c == '.';
}

static bool is_hex_digit(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* What may stand between digits of hex, beside escapes (runs.h). */
static bool is_hex_mark(unsigned char c)
{
	return c == ' ' || (c != '\0' && strchr(",:;-_.#=/|xX", c));
}

/* Could a view show anything? Escapes, what is no plain ASCII, enough characters of a code in a row, or
 * digits of hex with blanks and the like between. */
static bool has_views(struct span text)
{
	size_t word = 0, digits = 0;
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (is_escape_or_odd(c))
			return true;
		word = is_code_octet(c) ? word + 1 : 0;
		if (is_hex_digit(c))
			digits++;
		else if (!is_hex_mark(c))
			digits = 0;
		if (word >= RUN_OF_INTEREST || digits >= DIGITS_OF_INTEREST)
			return true;
	}
	return false;
}

static bool run_views(struct views *views, const struct views_text *text, struct span octets, bool only_ask,
	struct findings *out)
{
	if (!views_begin(views, text))
		return false;
	views_only_ask(views, only_ask);
	return views_feed(views, octets, true, out);
}

const char *text_scan_views(struct scanner *scanner, const struct views_text *kind, struct span octets,
	struct findings *out, bool *added)
{
	struct views *views = scanner_take_views(scanner);
	struct views_text text = *kind;
	text.is_line = true;
	text.step = COARSE_STEP;
	if (!views)
		return "there was no memory to scan it";
	bool ok = run_views(views, &text, octets, true, out);
	if (ok && views_would_add(views)) {
		text.step = octets.n / FINE_STEPS + 1;
		ok = run_views(views, &text, octets, false, out);
		*added |= views_added(views);
	}
	const char *failure = ok ? NULL : views_failure(views);
	scanner_give_views(scanner, views);
	return failure;
}

enum scan_result scan_text(struct scanner *scanner, enum scan_part part, const struct scan_target *target,
	struct span text, struct findings *out)
{
	struct raw_text raw = {
		.scanner = scanner, .out = out, .found = {.part = part, .view = VIEW_RAW, .target = target}};
	const char *unscannable = out->unscannable;
	if (text.n == 0 || scanner_is_idle(scanner, part))
		return SCAN_CLEAN;
	const struct known_set *known = scanner_known(scanner, part);
	struct views_text views = {.part = part, .target = target};
	if (known)
		text_find_known(known, text, on_known, &raw);
	const char *failure = text_search(scanner, part, text, on_match, &raw, &raw.position);
	if (!failure && has_views(text))
		failure = text_scan_views(scanner, &views, text, out, &raw.added);
	if (failure)
		findings_set_unscannable(out, part, failure);
	/* A finding whose fingerprint failed is also not whole. */
	if (out->unscannable != unscannable)
		return SCAN_UNSCANNABLE;
	return raw.added ? SCAN_FOUND : SCAN_CLEAN;
}
