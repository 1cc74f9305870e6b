/*
 * What has to hold of a parsed head whatever the bytes were, and that it answers the same when they trickle.
 * A head that was taken, written anew from its parts, must read the same again: that is what both programs
 * forward.
 */
#ifndef TESTS_FUZZ_FUZZ_HTTP1_H
#define TESTS_FUZZ_FUZZ_HTTP1_H

#include "common/http1.h"

#include <stdio.h>
#include <stdlib.h>

typedef enum http1_result fuzz_parse_fn(
	const char *buf, size_t n, size_t seen, struct http1_head *head, enum http1_error *error);

#define REQUIRE(condition)                                                                                   \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

static inline bool fuzz_is_inside(struct span part, const char *buf, size_t n)
{
	return part.n == 0 || (part.p >= buf && part.p + part.n <= buf + n);
}

static inline void fuzz_check_fields(const struct http1_head *head, const char *buf)
{
	REQUIRE(head->field_count <= HTTP1_MAX_FIELDS);
	for (size_t i = 0; i < head->field_count; i++) {
		const struct http1_field *field = &head->fields[i];

		REQUIRE(field->name.n > 0);
		REQUIRE(fuzz_is_inside(field->name, buf, head->size));
		REQUIRE(fuzz_is_inside(field->value, buf, head->size));
		for (size_t j = 0; j < field->name.n; j++)
			REQUIRE(field->name.p[j] > ' ' && field->name.p[j] < 0x7f && field->name.p[j] != ':');
		for (size_t j = 0; j < field->value.n; j++) {
			unsigned char octet = (unsigned char)field->value.p[j];

			REQUIRE((octet >= ' ' && octet != 0x7f) || octet == '\t');
		}
		http1_is_hop_by_hop(head, field);
	}
}

/* An error in a line that has not ended may show later when the octets trickle, but must show when the line
 * ends. */
static inline enum http1_result fuzz_end_line(
	fuzz_parse_fn *parse, const char *buf, size_t n, struct http1_head *head, enum http1_error *error)
{
	char *ended = malloc(n + 2);
	enum http1_result result;

	REQUIRE(ended != NULL);
	memcpy(ended, buf, n);
	memcpy(ended + n, "\r\n", 2);
	result = parse(ended, n + 2, n, head, error);
	free(ended);
	return result;
}

/* Steps of `step` octets, as a caller makes them. */
static inline void fuzz_check_trickle(fuzz_parse_fn *parse, const char *buf, size_t n, size_t step,
	enum http1_result result, enum http1_error error)
{
	static struct http1_head head;
	enum http1_result answer = HTTP1_MORE;
	enum http1_error why = HTTP1_OK;
	size_t seen = 0;

	while (answer == HTTP1_MORE && seen < n) {
		size_t next = n - seen < step ? n : seen + step;

		answer = parse(buf, next, seen, &head, &why);
		seen = next;
	}
	if (answer == HTTP1_MORE && result == HTTP1_BAD)
		answer = fuzz_end_line(parse, buf, n, &head, &why);
	REQUIRE(answer == result && why == error);
}

static inline size_t fuzz_append(char *out, size_t at, struct span text)
{
	if (text.n > 0)
		memcpy(out + at, text.p, text.n);
	return at + text.n;
}

/* Write it anew behind `start_line`, read it again, compare. */
static inline void fuzz_check_rewritten(
	fuzz_parse_fn *parse, const struct http1_head *head, struct span start_line)
{
	static char out[HTTP1_MAX_HEAD + 4096];
	static struct http1_head again;
	enum http1_error error;
	size_t n = fuzz_append(out, 0, start_line);

	for (size_t i = 0; i < head->field_count; i++) {
		n = fuzz_append(out, n, head->fields[i].name);
		n = fuzz_append(out, n, SPAN(":"));
		n = fuzz_append(out, n, head->fields[i].value);
		n = fuzz_append(out, n, SPAN("\r\n"));
	}
	n = fuzz_append(out, n, SPAN("\r\n"));
	REQUIRE(parse(out, n, 0, &again, &error) == HTTP1_DONE);
	REQUIRE(again.size == n && again.field_count == head->field_count);
	REQUIRE(again.framing == head->framing && again.length == head->length);
	REQUIRE(again.keep_alive == head->keep_alive && again.expect_continue == head->expect_continue);
	REQUIRE(again.upgrade_websocket == head->upgrade_websocket &&
		again.names_fields == head->names_fields);
	REQUIRE(span_equals(again.host, head->host));
	for (size_t i = 0; i < head->field_count; i++) {
		REQUIRE(span_equals(again.fields[i].name, head->fields[i].name));
		REQUIRE(span_equals(again.fields[i].value, head->fields[i].value));
	}
}

/* All of the above but the rewriting. True: the head is good. */
static inline bool fuzz_check_parse(fuzz_parse_fn *parse, const char *buf, size_t n, struct http1_head *head)
{
	enum http1_error error;
	enum http1_result result = parse(buf, n, 0, head, &error);

	REQUIRE((result == HTTP1_BAD) == (error != HTTP1_OK));
	fuzz_check_trickle(parse, buf, n, 1, result, error);
	fuzz_check_trickle(parse, buf, n, 7, result, error);
	if (result != HTTP1_DONE)
		return false;
	REQUIRE(head->size >= 4 || parse == http1_parse_trailers);
	REQUIRE(head->size <= n && head->size <= HTTP1_MAX_HEAD);
	REQUIRE(memcmp(buf + head->size - 2, "\r\n", 2) == 0);
	fuzz_check_fields(head, buf);
	return true;
}

#endif
