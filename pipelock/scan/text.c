/*
 * Texts that are there as a whole: raw, and percent-decoded again and again as long as that changes
 * something. Extents of what is found in a decoded view are mapped back to the raw text.
 */
#include "pipelock/scan/findings.h"
#include "pipelock/scan/scanner.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define PERCENT_DEPTH 3

/* One view of a text. */
struct text_view {
	const struct scanner *scanner;
	struct findings *out;
	struct found found;	 /* what all findings of this view have in common */
	const uint32_t *origins; /* NULL: the raw text */
	uint64_t position;
	bool added;
};

static bool on_match(
	void *arg, const struct compiled_rule *rule, const struct window *window, const struct match *match)
{
	struct text_view *view = arg;
	size_t begin = match->begin - view->position, end = match->end - view->position;
	struct found found = view->found;
	found.secret.p = (const char *)window->p + (match->secret - window->base);
	found.secret.n = match->secret_end - match->secret;
	found.offset = view->origins ? view->origins[begin] : begin;
	found.length = (view->origins ? view->origins[end] : end) - found.offset;
	bool added;
	bool is_finding = findings_add(view->out, rule, &found, view->scanner->key, &added);
	view->added |= added;
	return is_finding;
}

/* false: search->failure says why it was not scanned whole. */
static bool scan_view(struct scanner *scanner, struct text_view *view, struct span text, uint64_t *work,
	const char **failure)
{
	struct search search;
	scanner_prepare(scanner, view->found.part, &search);
	search.states = scanner->states;
	search.pending = scanner->pending;
	search.on_match = on_match;
	search.arg = view;
	search.work = *work;
	search.budget = SCAN_BUDGET_BASE + SCAN_BUDGET_OCTET * (uint64_t)text.n;
	struct window window = {(const unsigned char *)text.p, text.n, scanner->position, true, true};
	view->position = scanner->position;
	/* The gap keeps what was learned of this text away from the next one. */
	scanner->position += text.n + 2 * SCAN_SLICE_MAX;
	uint64_t next;
	bool ok = search_run(&search, &window, window.base, &next);
	*work = search.work;
	*failure = search.failure;
	return ok;
}

static bool reserve(struct scanner *scanner, size_t n)
{
	if (n + 1 <= scanner->decoded_capacity)
		return true;
	for (int i = 0; i < 2; i++) {
		char *decoded = malloc(n + 1);
		uint32_t *origins = calloc(n + 1, sizeof(*origins));
		if (!decoded || !origins) {
			free(decoded);
			free(origins);
			return false;
		}
		if (scanner->decoded[i])
			OPENSSL_cleanse(scanner->decoded[i], scanner->decoded_capacity);
		free(scanner->decoded[i]);
		free(scanner->origins[i]);
		scanner->decoded[i] = decoded;
		scanner->origins[i] = origins;
	}
	scanner->decoded_capacity = n + 1;
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	char lower = (char)(c | 32);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Decode %XX once into out; origins[i] is where octet i stands in the raw text, by `from` (NULL: text is
 * raw). */
static size_t decode(struct span text, const uint32_t *from, char *out, uint32_t *origins, bool *changed)
{
	size_t n = 0;
	*changed = false;
	for (size_t i = 0; i < text.n; n++) {
		origins[n] = from ? from[i] : (uint32_t)i;
		int high = -1, low = -1;
		if (text.p[i] == '%' && text.n - i > 2) {
			high = hex_value(text.p[i + 1]);
			low = hex_value(text.p[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			out[n] = (char)(high * 16 + low);
			*changed = true;
			i += 3;
		} else {
			out[n] = text.p[i++];
		}
	}
	origins[n] = from ? from[text.n] : (uint32_t)text.n;
	return n;
}

static enum scan_result scan_views(struct scanner *scanner, struct text_view *view, struct span text)
{
	uint64_t work = 0;
	const char *failure = NULL;
	bool ok = scan_view(scanner, view, text, &work, &failure);
	view->found.view = VIEW_PERCENT;
	for (int depth = 0; ok && depth < PERCENT_DEPTH && text.n > 0 && memchr(text.p, '%', text.n);
		depth++) {
		bool changed;
		if (text.n > UINT32_MAX || (depth == 0 && !reserve(scanner, text.n))) {
			failure = "there was no memory to decode it";
			ok = false;
			break;
		}
		char *to = scanner->decoded[depth & 1];
		text.n = decode(text, view->origins, to, scanner->origins[depth & 1], &changed);
		text.p = to;
		view->origins = scanner->origins[depth & 1];
		if (!changed)
			break;
		ok = scan_view(scanner, view, text, &work, &failure);
	}
	if (!ok) {
		findings_set_unscannable(view->out, view->found.part, failure);
		return SCAN_UNSCANNABLE;
	}
	return view->added ? SCAN_FOUND : SCAN_CLEAN;
}

enum scan_result scan_text(struct scanner *scanner, enum scan_part part, const struct scan_target *target,
	struct span text, struct findings *out)
{
	struct text_view view = {
		.scanner = scanner, .out = out, .found = {.part = part, .view = VIEW_RAW, .target = target}};
	const char *unscannable = out->unscannable;
	if (text.n == 0)
		return SCAN_CLEAN;
	enum scan_result result = scan_views(scanner, &view, text);
	/* A finding whose fingerprint failed is also not whole. */
	return out->unscannable != unscannable ? SCAN_UNSCANNABLE : result;
}
