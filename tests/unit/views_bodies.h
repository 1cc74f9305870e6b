/*
 * Bodies with a secret in them that doesn't look like itself, or with a harmless value of the same size in
 * the same place; and how they are fed to a stream. Shared by the tests of the tree of views.
 */
#ifndef TESTS_UNIT_VIEWS_BODIES_H
#define TESTS_UNIT_VIEWS_BODIES_H

#include "tests/unit/encode.h"

#include "pipelock/scan/findings.h"
#include "pipelock/scan/scanner.h"

#include <setjmp.h>

#include <cmocka.h>

static const uint8_t views_key[SCAN_FINGERPRINT_KEY_SIZE] = {9};

static struct scanner *scanner;

static int set_up_scanner(void **state)
{
	(void)state;
	size_t count;
	struct load_error error = {0};
	const struct rule_source *sources = ruleset_builtin_sources(&count);
	struct ruleset *set = ruleset_load(sources, count, NULL, 0, &error);
	assert_non_null(set);
	scanner = scanner_new(set, views_key);
	ruleset_put(set);
	return scanner ? 0 : -1;
}

static int tear_down_scanner(void **state)
{
	(void)state;
	scanner_free(scanner);
	return 0;
}

/* ---- secrets, other ones in each place, the same in each run */

static inline uint32_t views_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static inline void add_random(struct blob *out, const char *alphabet, size_t n, uint32_t *seed)
{
	for (size_t i = 0; i < n; i++)
		blob_add(out, &alphabet[views_random(seed) % strlen(alphabet)], 1);
}

static inline void make_secret(struct blob *out, uint32_t seed)
{
	unsigned kind = seed % 3;
	seed = (seed + 1) * 2654435761u;
	out->n = 0;
	if (kind == 0) {
		blob_add_text(out, "AK"
				   "IA");
		add_random(out, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, &seed);
	} else if (kind == 1) {
		blob_add_text(out, "gh"
				   "p_");
		add_random(out, ALPHANUMERIC, 36, &seed);
	} else {
		blob_add_text(out, "sk-"
				   "ant-api03-");
		add_random(out, ALPHANUMERIC "-_", 93, &seed);
		blob_add_text(out, "AA");
	}
}

/* Words of as many octets. */
static inline void make_harmless(struct blob *out, size_t n)
{
	static const char words[] = "just-some-words-of-a-letter-";
	out->n = 0;
	for (size_t i = 0; i < n; i++)
		blob_add(out, &words[i % (sizeof(words) - 1)], 1);
}

/* ---- one scan of a body */

struct body {
	const struct blob *text;
	struct span content_type;
	enum coding codings[2];
	size_t coding_count;
};

struct outcome {
	struct findings findings;
	uint64_t safe; /* when it was found, or at the end */
};

/* In pieces of this size; stops when something was found. */
static inline void scan_body(const struct body *body, size_t piece, struct outcome *out)
{
	memset(out, 0, sizeof(*out));
	struct scan_stream *stream = scan_stream_new(scanner, SCAN_BODY, NULL, body->codings,
		body->coding_count, body->content_type, &out->findings);
	assert_non_null(stream);
	enum scan_result result = SCAN_CLEAN;
	for (size_t at = 0; result == SCAN_CLEAN && at < body->text->n; at += piece) {
		size_t n = body->text->n - at < piece ? body->text->n - at : piece;
		char *copy = malloc(n);
		assert_non_null(copy);
		memcpy(copy, body->text->p + at, n);
		uint64_t safe = scan_stream_safe(stream);
		assert_true(safe >= out->safe && safe <= at);
		out->safe = safe;
		result = scan_stream_feed(
			stream, (struct span){copy, n}, at + n == body->text->n, &out->findings);
		free(copy);
	}
	if (out->findings.blocked || out->findings.unscannable)
		assert_int_equal(scan_stream_safe(stream), out->safe);
	else if (body->text->n > 0)
		out->safe = scan_stream_safe(stream);
	scan_stream_free(stream);
}

/* The finding of this secret; NULL: there is none. */
static inline const struct finding *find_secret(const struct findings *findings, const struct blob *secret)
{
	struct findings alone = {0};
	assert_int_equal(scan_text(scanner, SCAN_BODY, NULL, blob_span(secret), &alone), SCAN_FOUND);
	for (size_t i = 0; i < findings->count; i++)
		if (memcmp(findings->items[i].fingerprint, alone.items[0].fingerprint,
			    SCAN_FINGERPRINT_SIZE) == 0)
			return &findings->items[i];
	return NULL;
}

#endif
