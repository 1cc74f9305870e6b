/*
 * The chunked coding and its trailers: each body whole, octet by octet, cut at every place, and every prefix
 * of it.
 */
#include "tests/unit/every_way.h"

#include <stdio.h>

struct decoded {
	enum http1_chunk_event last;
	enum http1_error error;
	char body[4096];
	size_t n;
	size_t used; /* octets up to the trailer section, or to the octet that is bad */
};

/* Feed one piece, from a block of its exact size. */
static void feed(struct http1_chunked *c, struct decoded *d, struct span piece)
{
	char *copy = malloc(piece.n + (piece.n == 0));
	size_t at = 0;

	assert_non_null(copy);
	memcpy(copy, piece.p, piece.n);
	do {
		struct span data;
		size_t used;

		d->last = http1_chunked_next(c, copy + at, piece.n - at, &used, &data, &d->error);
		assert_true(used <= piece.n - at);
		if (d->last == HTTP1_CHUNK_DATA) {
			assert_true(data.n > 0 && data.p >= copy + at && data.p + data.n == copy + at + used);
			assert_true(d->n + data.n <= sizeof(d->body));
			memcpy(d->body + d->n, data.p, data.n);
			d->n += data.n;
		}
		at += used;
		d->used += used;
	} while (d->last == HTTP1_CHUNK_DATA);
	if (d->last == HTTP1_CHUNK_MORE)
		assert_int_equal(at, piece.n);
	free(copy);
}

static void decode_in_pieces(struct decoded *d, struct span bytes, size_t size)
{
	struct http1_chunked c = {0};

	*d = (struct decoded){.last = HTTP1_CHUNK_MORE};
	for (size_t at = 0; at < bytes.n && d->last == HTTP1_CHUNK_MORE; at += size)
		feed(&c, d, (struct span){bytes.p + at, bytes.n - at < size ? bytes.n - at : size});
}

static void assert_same(const struct decoded *a, const struct decoded *b)
{
	assert_int_equal(a->last, b->last);
	assert_int_equal(a->error, b->error);
	assert_int_equal(a->used, b->used);
	assert_int_equal(a->n, b->n);
	assert_memory_equal(a->body, b->body, a->n);
}

/* Whole, and in pieces of each size: the same body and the same end. A prefix never ends well before the
 * whole does. */
static void decode(struct decoded *d, struct span bytes)
{
	static struct decoded other;

	decode_in_pieces(d, bytes, bytes.n + 1);
	for (size_t size = 1; size <= bytes.n; size++) {
		decode_in_pieces(&other, bytes, size);
		assert_same(d, &other);
	}
	for (size_t n = 0; n < bytes.n && n < d->used; n++) {
		decode_in_pieces(&other, (struct span){bytes.p, n}, n + 1);
		assert_int_equal(other.last, HTTP1_CHUNK_MORE);
		assert_true(other.n <= d->n);
	}
}

static struct decoded d;

static void check_good(struct span bytes, const char *body, const char *rest)
{
	decode(&d, bytes);
	if (d.last != HTTP1_CHUNK_TRAILERS)
		fail_msg("%.*s: event %d", SPAN_ARG(bytes), d.last);
	assert_int_equal(d.n, strlen(body));
	assert_memory_equal(d.body, body, d.n);
	assert_int_equal(bytes.n - d.used, strlen(rest));
	assert_memory_equal(bytes.p + d.used, rest, bytes.n - d.used);
}

static void check_bad(struct span bytes, size_t used)
{
	decode(&d, bytes);
	if (d.last != HTTP1_CHUNK_BAD || d.used != used)
		fail_msg("%.*s: event %d after %zu", SPAN_ARG(bytes), d.last, d.used);
	assert_int_equal(d.error, HTTP1_BAD_CHUNK);
}

#define GOOD(text, body, rest) check_good(SPAN(text), body, rest)
/* Bad at the last octet of `text`, and not before. */
#define BAD(text) check_bad(SPAN(text), sizeof(text) - 1)

static void test_decodes(void **state)
{
	(void)state;
	GOOD("5\r\nhello\r\n0\r\n\r\n", "hello", "\r\n");
	GOOD("5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX: y\r\n\r\nGET", "hello world", "X: y\r\n\r\nGET");
	GOOD("0\r\n\r\n", "", "\r\n");
	GOOD("000\r\n\r\n", "", "\r\n");
	GOOD("0000000000000005\r\nhello\r\n0\r\n", "hello", "");
	GOOD("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n", "01234567890123456789", "");
	GOOD("2\r\n\r\n\r\n0\r\n", "\r\n", "");
	GOOD("7\r\n5\r\nhel\n\r\n0\r\n", "5\r\nhel\n", "");
}

static void test_drops_extensions(void **state)
{
	(void)state;
	GOOD("5;a\r\nhello\r\n0;b\r\n", "hello", "");
	GOOD("5;a=b;c;d=\"e\"\r\nhello\r\n0\r\n", "hello", "");
	GOOD("5;a=\"; \\\" \\\\ \t\x80 5\"\r\nhello\r\n0;z=\"\"\r\n", "hello", "");
}

static void test_refuses_bad_sizes(void **state)
{
	(void)state;
	BAD("\r");
	BAD("\n");
	BAD(";");
	BAD(" ");
	BAD("+");
	BAD("-");
	BAD("0x");
	BAD("5 ");
	BAD("5\t");
	BAD("5,");
	BAD("g");
	BAD("5\n");
	BAD("5\r\r");
	BAD("5\rh");
	BAD("5_");
	BAD("5\0");
	BAD("5\xc2");
	BAD("8000000000000000");
	BAD("7fffffffffffffff0");
	BAD("00000000000000000");
	BAD("ffffffffffffffff");
}

static void test_refuses_bad_extensions(void **state)
{
	(void)state;
	BAD("5;\r");
	BAD("5;;");
	BAD("5; ");
	BAD("5;a ");
	BAD("5;a\n");
	BAD("5;=");
	BAD("5;a=\r");
	BAD("5;a= ");
	BAD("5;a=;");
	BAD("5;a=b=");
	BAD("5;a=b\n");
	BAD("5;a=\"\r");
	BAD("5;a=\"\n");
	BAD("5;a=\"\\\n");
	BAD("5;a=\"\\\r");
	BAD("5;a=\"b\"c");
	BAD("5;a=\"b\" ");
	BAD("5;a\0");
	BAD("5;a\x01");
	BAD("5;a=\"\x01");
	BAD("5;a=\"\x7f");
	BAD("5;\x80");
}

static void test_refuses_octets_between_chunks(void **state)
{
	(void)state;
	BAD("5\r\nhello!");
	BAD("5\r\nhello\n");
	BAD("5\r\nhello\r!");
	BAD("5\r\nhello\r\r");
	BAD("5\r\nhello\r\n\r");
	BAD("5\r\nhello\r\n ");
	BAD("5\r\nhello0");
}

static void test_the_largest_size_is_taken(void **state)
{
	struct http1_chunked c = {0};

	(void)state;
	d = (struct decoded){.last = HTTP1_CHUNK_MORE};
	feed(&c, &d, SPAN("7fffffffffffffff\r\nab"));
	assert_int_equal(d.last, HTTP1_CHUNK_MORE);
	assert_int_equal(d.n, 2);
	assert_true(c.left == INT64_MAX - 2);
}

static void test_line_limit(void **state)
{
	static char text[HTTP1_MAX_CHUNK_LINE + 16];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "5;", 2);
	memcpy(text + HTTP1_MAX_CHUNK_LINE - 2, "\r\n", 2);
	decode_in_pieces(&d, (struct span){text, HTTP1_MAX_CHUNK_LINE}, 7);
	assert_int_equal(d.last, HTTP1_CHUNK_MORE);
	memset(text + HTTP1_MAX_CHUNK_LINE - 2, 'x', 18);
	decode_in_pieces(&d, (struct span){text, sizeof(text)}, 7);
	assert_int_equal(d.last, HTTP1_CHUNK_BAD);
	assert_int_equal(d.used, HTTP1_MAX_CHUNK_LINE + 1);
}

static void test_lines_are_counted_one_by_one(void **state)
{
	struct http1_chunked c = {0};

	(void)state;
	for (int i = 0; i < HTTP1_MAX_CHUNK_LINE; i++) {
		d = (struct decoded){.last = HTTP1_CHUNK_MORE};
		feed(&c, &d, SPAN("1\r\na\r\n"));
		assert_int_equal(d.last, HTTP1_CHUNK_MORE);
	}
}

static void test_failed_and_ended_stay_so(void **state)
{
	struct http1_chunked c = {0};

	(void)state;
	d = (struct decoded){.last = HTTP1_CHUNK_MORE};
	feed(&c, &d, SPAN("x"));
	feed(&c, &d, SPAN("5\r\nhello\r\n0\r\n"));
	assert_int_equal(d.last, HTTP1_CHUNK_BAD);
	assert_int_equal(d.used, 1);
	c = (struct http1_chunked){0};
	d = (struct decoded){.last = HTTP1_CHUNK_MORE};
	feed(&c, &d, SPAN("0\r\n"));
	feed(&c, &d, SPAN("5\r\nhello\r\n"));
	assert_int_equal(d.last, HTTP1_CHUNK_TRAILERS);
	assert_int_equal(d.n, 0);
	assert_int_equal(d.used, 3);
}

static void test_mutations_answer_the_same_every_way(void **state)
{
	static const struct span seeds[] = {
		BYTES("5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n"),
		BYTES("3;a=\"q\\\"\"\r\nabc\r\n00f\r\n0123456789abcde\r\n0\r\nX: y\r\n\r\n"),
	};
	uint32_t random = 3;
	char bytes[256];

	(void)state;
	for (int i = 0; i < 4000; i++) {
		size_t n = mutate(&random, seeds[i % 2], bytes, sizeof(bytes));

		decode(&d, (struct span){bytes, n});
	}
}

/* ---- trailers */

static struct http1_head head;
static enum http1_error error;

static void check_trailers(struct span bytes, enum http1_result result, enum http1_error expected)
{
	struct answer answer = parse_every_way(http1_parse_trailers, bytes);

	if (answer.result != result || answer.error != expected)
		fail_msg("%.*s: result %d, error %d", SPAN_ARG(bytes), answer.result, answer.error);
	http1_parse_trailers(bytes.p, bytes.n, 0, &head, &error);
}

static void test_reads_trailers(void **state)
{
	(void)state;
	check_trailers(SPAN("\r\nGET / HTTP/1.1\r\n"), HTTP1_DONE, HTTP1_OK);
	assert_int_equal(head.field_count, 0);
	assert_int_equal(head.size, 2);
	check_trailers(SPAN("X-Checksum: abc \r\nServer-Timing: db;dur=5\r\n\r\n"), HTTP1_DONE, HTTP1_OK);
	assert_int_equal(head.field_count, 2);
	assert_true(span_equals(head.fields[0].value, SPAN("abc")));
	check_trailers(SPAN("X: y\r\n"), HTTP1_MORE, HTTP1_OK);
	check_trailers(SPAN(""), HTTP1_MORE, HTTP1_OK);
}

static void test_refuses_malformed_trailers(void **state)
{
	(void)state;
	check_trailers(SPAN("\n"), HTTP1_BAD, HTTP1_BAD_LINE_END);
	check_trailers(SPAN("X: y\n\r\n"), HTTP1_BAD, HTTP1_BAD_LINE_END);
	check_trailers(SPAN("X : y\r\n\r\n"), HTTP1_BAD, HTTP1_BAD_FIELD_NAME);
	check_trailers(SPAN(" X: y\r\n\r\n"), HTTP1_BAD, HTTP1_BAD_FOLD);
	check_trailers(SPAN("X: y\r\n z\r\n\r\n"), HTTP1_BAD, HTTP1_BAD_FOLD);
	check_trailers(SPAN("X: \0\r\n\r\n"), HTTP1_BAD, HTTP1_BAD_CONTROL);
	check_trailers(SPAN("0\r\n\r\n"), HTTP1_BAD, HTTP1_BAD_FIELD_NAME);
}

static void test_refuses_fields_that_come_too_late(void **state)
{
	static const char *const names[] = {"Transfer-Encoding", "content-length", "HOST", "Content-Encoding",
		"Content-Type", "Content-Range", "Trailer", "Authorization", "Proxy-Authorization",
		"proxy-anything", "Cookie", "Set-Cookie", "Connection", "Keep-Alive", "TE", "Upgrade",
		"Expect"};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int n = snprintf(text, sizeof(text), "X: y\r\n%s: z\r\n\r\n", names[i]);

		check_trailers((struct span){text, (size_t)n}, HTTP1_BAD, HTTP1_BAD_TRAILER);
	}
}

static void test_trailer_limits(void **state)
{
	static char text[HTTP1_MAX_TRAILERS + 1];
	size_t n = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "X: ", 3);
	memcpy(text + HTTP1_MAX_TRAILERS - 4, "\r\n\r\n", 4);
	assert_int_equal(http1_parse_trailers(text, HTTP1_MAX_TRAILERS, 0, &head, &error), HTTP1_DONE);
	memset(text + HTTP1_MAX_TRAILERS - 4, 'x', 4);
	assert_int_equal(http1_parse_trailers(text, HTTP1_MAX_TRAILERS - 1, 0, &head, &error), HTTP1_MORE);
	assert_int_equal(http1_parse_trailers(text, HTTP1_MAX_TRAILERS, 500, &head, &error), HTTP1_BAD);
	assert_int_equal(error, HTTP1_HEAD_TOO_LARGE);
	for (int i = 0; i <= HTTP1_MAX_FIELDS; i++)
		n += (size_t)sprintf(text + n, "X: y\r\n");
	assert_int_equal(http1_parse_trailers(text, n, 0, &head, &error), HTTP1_BAD);
	assert_int_equal(error, HTTP1_TOO_MANY_FIELDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decodes),
		cmocka_unit_test(test_drops_extensions),
		cmocka_unit_test(test_refuses_bad_sizes),
		cmocka_unit_test(test_refuses_bad_extensions),
		cmocka_unit_test(test_refuses_octets_between_chunks),
		cmocka_unit_test(test_the_largest_size_is_taken),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_lines_are_counted_one_by_one),
		cmocka_unit_test(test_failed_and_ended_stay_so),
		cmocka_unit_test(test_mutations_answer_the_same_every_way),
		cmocka_unit_test(test_reads_trailers),
		cmocka_unit_test(test_refuses_malformed_trailers),
		cmocka_unit_test(test_refuses_fields_that_come_too_late),
		cmocka_unit_test(test_trailer_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
