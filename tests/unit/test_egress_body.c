/*
 * Bodies, moved from buffer to buffer: each input whole, octet by octet and cut in two at every place, with
 * little room and with much; the same octets must come out, and what stands behind the body must stay.
 */
#include "egress/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct outcome {
	enum body_result result;
	size_t left;	/* octets that stayed in the input */
	char data[512]; /* of the body, out of its new framing */
	char trailers[128];
};

static struct http1_head head_of(enum http1_framing framing, uint64_t length)
{
	struct http1_head head;

	memset(&head, 0, sizeof(head));
	head.framing = framing;
	head.length = length;
	return head;
}

/* Take the chunked coding off what was written, with the codec. */
static void decode(const char *p, size_t n, struct outcome *outcome)
{
	struct http1_chunked chunked = {0};
	enum http1_chunk_event event = HTTP1_CHUNK_DATA;
	enum http1_error error;
	size_t at = 0, length = 0;

	while (event == HTTP1_CHUNK_DATA) {
		struct span data = {NULL, 0};
		size_t used = 0;

		event = http1_chunked_next(&chunked, p + at, n - at, &used, &data, &error);
		at += used;
		if (event == HTTP1_CHUNK_DATA) {
			assert_true(length + data.n < sizeof(outcome->data));
			memcpy(outcome->data + length, data.p, data.n);
			length += data.n;
		}
	}
	assert_int_not_equal(event, HTTP1_CHUNK_BAD);
	if (outcome->result == BODY_DONE) {
		assert_int_equal(event, HTTP1_CHUNK_TRAILERS);
		assert_true(n - at < sizeof(outcome->trailers));
		memcpy(outcome->trailers, p + at, n - at);
	} else {
		assert_int_equal(event, HTTP1_CHUNK_MORE);
	}
}

/* Feed in[0..cut), then the rest in steps, moving each time as far as it goes. */
static struct outcome run(enum http1_framing framing, uint64_t length, struct span in, size_t cut,
	size_t step, size_t room, bool ends)
{
	struct http1_head head = head_of(framing, length);
	struct outcome outcome = {.result = BODY_MORE};
	struct evbuffer *from = evbuffer_new(), *to = evbuffer_new();
	enum http1_error error = HTTP1_OK;
	struct body body;
	size_t fed = 0;

	body_start(&body, &head);
	while (outcome.result == BODY_MORE && (fed < in.n || fed == 0)) {
		size_t n = fed == 0 && cut > 0 ? cut : step;
		size_t before;

		n = n < in.n - fed ? n : in.n - fed;
		evbuffer_add(from, in.p + fed, n);
		fed += n;
		do {
			before = evbuffer_get_length(from);
			outcome.result = body_move(&body, from, to, room, &error);
		} while (outcome.result == BODY_MORE && evbuffer_get_length(from) < before);
		if (n == 0)
			break;
	}
	if (ends && outcome.result == BODY_MORE)
		outcome.result = body_end(&body, to);
	assert_int_equal(outcome.result == BODY_BAD && !ends, error != HTTP1_OK);
	assert_int_equal(body.done, outcome.result == BODY_DONE);
	outcome.left = evbuffer_get_length(from) + (in.n - fed);
	size_t n = evbuffer_get_length(to);
	const char *p = n ? (const char *)evbuffer_pullup(to, -1) : "";

	if (framing == HTTP1_LENGTH) {
		assert_true(n < sizeof(outcome.data));
		memcpy(outcome.data, p, n);
	} else if (framing != HTTP1_NO_BODY && outcome.result != BODY_BAD) {
		decode(p, n, &outcome);
	}
	evbuffer_free(from);
	evbuffer_free(to);
	return outcome;
}

struct expected {
	enum body_result result;
	size_t left;
	const char *data, *trailers;
};

static void check_one(struct outcome got, struct expected expected)
{
	assert_int_equal(got.result, expected.result);
	if (expected.result == BODY_BAD)
		return;
	assert_int_equal(got.left, expected.left);
	assert_string_equal(got.data, expected.data);
	assert_string_equal(got.trailers, expected.trailers);
}

static void check(
	enum http1_framing framing, uint64_t length, const char *in, bool ends, struct expected expected)
{
	static const size_t rooms[] = {1, 2, 7, 65536};
	struct span bytes = span_of(in);

	for (size_t r = 0; r < sizeof(rooms) / sizeof(rooms[0]); r++) {
		check_one(run(framing, length, bytes, bytes.n, 1, rooms[r], ends), expected);
		check_one(run(framing, length, bytes, 0, 1, rooms[r], ends), expected);
		for (size_t cut = 1; cut < bytes.n; cut++)
			check_one(run(framing, length, bytes, cut, bytes.n, rooms[r], ends), expected);
	}
}

static void sized_bodies(void **state)
{
	(void)state;
	check(HTTP1_LENGTH, 5, "hello", false, (struct expected){BODY_DONE, 0, "hello", ""});
	check(HTTP1_LENGTH, 5, "hello GET /", false, (struct expected){BODY_DONE, 6, "hello", ""});
	check(HTTP1_LENGTH, 9, "hello", false, (struct expected){BODY_MORE, 0, "hello", ""});
	check(HTTP1_LENGTH, 9, "hello", true, (struct expected){BODY_BAD, 0, "", ""});
	check(HTTP1_LENGTH, 0, "GET", false, (struct expected){BODY_DONE, 3, "", ""});
	check(HTTP1_LENGTH, UINT64_C(0x7fffffffffffffff), "hello", false,
		(struct expected){BODY_MORE, 0, "hello", ""});
	check(HTTP1_NO_BODY, 0, "GET", false, (struct expected){BODY_DONE, 3, "", ""});
}

static void chunked_bodies(void **state)
{
	(void)state;
	check(HTTP1_CHUNKED, 0, "5\r\nhello\r\n0\r\n\r\n", false,
		(struct expected){BODY_DONE, 0, "hello", "\r\n"});
	check(HTTP1_CHUNKED, 0, "0\r\n\r\nGET /", false, (struct expected){BODY_DONE, 5, "", "\r\n"});
	check(HTTP1_CHUNKED, 0,
		"5;a=b\r\nhello\r\n06\r\n world\r\n000\r\nX-T: 1\r\nPipelock-X: 1\r\n\r\nrest", false,
		(struct expected){BODY_DONE, 4, "hello world", "X-T: 1\r\n\r\n"});
	check(HTTP1_CHUNKED, 0, "5\r\nhello\r\n", false, (struct expected){BODY_MORE, 0, "hello", ""});
	check(HTTP1_CHUNKED, 0, "5\r\nhello\r\n", true, (struct expected){BODY_BAD, 0, "", ""});
}

static void broken_chunks(void **state)
{
	static const char *const broken[] = {"x\r\n", "5\r\nhelloX", "5\nhello", "-1\r\n",
		"5 \r\nhello\r\n0\r\n\r\n", "0x5\r\nhello", "5\r\nhello\r\n\r\n", "fffffffffffffffff\r\n",
		"0\r\nBad Name: x\r\n\r\n", "0\r\nContent-Length: 1\r\n\r\n", "0\r\nX: y\n\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		check(HTTP1_CHUNKED, 0, broken[i], false, (struct expected){BODY_BAD, 0, "", ""});
}

static void endless_trailers(void **state)
{
	char *text = malloc(HTTP1_MAX_TRAILERS * 2 + 8);
	size_t n = (size_t)sprintf(text, "0\r\nX: ");
	struct outcome outcome;

	(void)state;
	memset(text + n, 'y', HTTP1_MAX_TRAILERS * 2);
	n += HTTP1_MAX_TRAILERS * 2;
	outcome = run(HTTP1_CHUNKED, 0, (struct span){text, n}, 0, 1000, 65536, false);
	assert_int_equal(outcome.result, BODY_BAD);
	free(text);
}

static void bodies_until_close(void **state)
{
	(void)state;
	check(HTTP1_UNTIL_CLOSE, 0, "hello", true, (struct expected){BODY_DONE, 0, "hello", "\r\n"});
	check(HTTP1_UNTIL_CLOSE, 0, "", true, (struct expected){BODY_DONE, 0, "", "\r\n"});
	check(HTTP1_UNTIL_CLOSE, 0, "hello", false, (struct expected){BODY_MORE, 0, "hello", ""});
}

static bool skips(enum http1_framing framing, uint64_t length, const char *in, size_t left)
{
	struct http1_head head = head_of(framing, length);
	struct evbuffer *from = evbuffer_new();
	struct body body;
	bool whole;

	body_start(&body, &head);
	evbuffer_add(from, in, strlen(in));
	whole = body_skip(&body, from);
	if (whole)
		assert_int_equal(evbuffer_get_length(from), left);
	evbuffer_free(from);
	return whole;
}

static void bodies_are_skipped(void **state)
{
	(void)state;
	assert_true(skips(HTTP1_NO_BODY, 0, "GET", 3));
	assert_true(skips(HTTP1_LENGTH, 5, "helloGET", 3));
	assert_false(skips(HTTP1_LENGTH, 6, "hello", 0));
	assert_true(skips(HTTP1_CHUNKED, 0, "5\r\nhello\r\n0\r\nX: y\r\n\r\nGET", 3));
	assert_false(skips(HTTP1_CHUNKED, 0, "5\r\nhello\r\n0\r\nX: y\r\n", 0));
	assert_false(skips(HTTP1_CHUNKED, 0, "zz\r\n", 0));
	assert_false(skips(HTTP1_CHUNKED, 0, "", 0));
}

/* All that comes in one go leaves as one chunk, however finely it was cut. */
static void chunks_are_joined(void **state)
{
	static const char in[] = "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n";
	struct http1_head head = head_of(HTTP1_CHUNKED, 0);
	struct evbuffer *from = evbuffer_new(), *to = evbuffer_new();
	enum http1_error error;
	struct body body;

	(void)state;
	body_start(&body, &head);
	evbuffer_add(from, in, sizeof(in) - 1);
	assert_int_equal(body_move(&body, from, to, 65536, &error), BODY_DONE);
	size_t n = evbuffer_get_length(to);

	assert_true(span_equals(
		(struct span){(char *)evbuffer_pullup(to, -1), n}, SPAN("3\r\nabc\r\n0\r\n\r\n")));
	evbuffer_free(from);
	evbuffer_free(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sized_bodies),
		cmocka_unit_test(chunked_bodies),
		cmocka_unit_test(broken_chunks),
		cmocka_unit_test(endless_trailers),
		cmocka_unit_test(bodies_until_close),
		cmocka_unit_test(bodies_are_skipped),
		cmocka_unit_test(chunks_are_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
