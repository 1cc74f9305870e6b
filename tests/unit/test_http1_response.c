/*
 * Response heads: the status line, and which body a response has by its status, its fields and the request it
 * answers.
 */
#include "tests/unit/every_way.h"

#include <stdio.h>

static struct http1_head head;
static enum http1_error error;
static struct span method = BYTES("GET");

static enum http1_result parse_for_method(
	const char *buf, size_t n, size_t seen, struct http1_head *out, enum http1_error *why)
{
	return http1_parse_response(buf, n, seen, method, out, why);
}

static void check_good(struct span bytes)
{
	struct answer answer = parse_every_way(parse_for_method, bytes);

	if (answer.result != HTTP1_DONE)
		fail_msg("%.*s: result %d, error %d", SPAN_ARG(bytes), answer.result, answer.error);
	assert_int_equal(parse_for_method(bytes.p, bytes.n, 0, &head, &error), HTTP1_DONE);
}

static void check_bad(struct span bytes, enum http1_error expected)
{
	struct answer answer = parse_every_way(parse_for_method, bytes);

	if (answer.result != HTTP1_BAD || answer.error != expected)
		fail_msg("%.*s: result %d, error %d instead of %d", SPAN_ARG(bytes), answer.result,
			answer.error, expected);
}

static void assert_span(struct span span, const char *text)
{
	assert_int_equal(span.n, strlen(text));
	assert_memory_equal(span.p, text, span.n);
}

#define GOOD(text) check_good(SPAN(text))
#define BAD(text, expected) check_bad(SPAN(text), expected)
#define OK_LINE "HTTP/1.1 200 OK\r\n"

static void test_reads_a_plain_response(void **state)
{
	(void)state;
	GOOD("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello");
	assert_int_equal(head.status, 200);
	assert_span(head.reason, "OK");
	assert_int_equal(head.minor, 1);
	assert_int_equal(head.framing, HTTP1_LENGTH);
	assert_int_equal(head.length, 5);
	assert_true(head.keep_alive);
	assert_int_equal(head.field_count, 2);
	assert_int_equal(head.method.n, 0);
}

static void test_reason_may_be_odd_or_missing(void **state)
{
	(void)state;
	GOOD("HTTP/1.1 404 \r\n\r\n");
	assert_span(head.reason, "");
	GOOD("HTTP/1.1 404\r\n\r\n");
	assert_span(head.reason, "");
	GOOD("HTTP/1.1 404 caf\xc3\xa9 \t(x)\r\n\r\n");
	assert_span(head.reason, "caf\xc3\xa9 \t(x)");
	GOOD("HTTP/1.1 200  OK\r\n\r\n");
	assert_span(head.reason, " OK");
}

static void test_refuses_bad_status_lines(void **state)
{
	(void)state;
	BAD("HTTP/1.1 000 OK\r\n\r\n", HTTP1_BAD_STATUS);
	BAD("HTTP/1.1 099 OK\r\n\r\n", HTTP1_BAD_STATUS);
	BAD("HTTP/1.1 99 OK\r\n\r\n", HTTP1_BAD_STATUS);
	BAD("HTTP/1.1 600 OK\r\n\r\n", HTTP1_BAD_STATUS);
	BAD("HTTP/1.1 999 OK\r\n\r\n", HTTP1_BAD_STATUS);
	BAD("HTTP/1.1 20 OK\r\n\r\n", HTTP1_BAD_STATUS);
	BAD("HTTP/1.1 2000 OK\r\n\r\n", HTTP1_BAD_STATUS);
	BAD("HTTP/1.1 200OK\r\n\r\n", HTTP1_BAD_STATUS);
	BAD("HTTP/1.1 +20 OK\r\n\r\n", HTTP1_BAD_STATUS);
	BAD("HTTP/1.1 2x0 OK\r\n\r\n", HTTP1_BAD_STATUS);
	BAD("HTTP/1.1 \r\n\r\n", HTTP1_BAD_STATUS);
	BAD("HTTP/1.1  200 OK\r\n\r\n", HTTP1_BAD_STATUS);
	BAD("HTTP/1.1\t200 OK\r\n\r\n", HTTP1_BAD_VERSION);
	BAD("HTTP/1.1\r\n\r\n", HTTP1_BAD_VERSION);
	BAD("HTTP/1.12 200 OK\r\n\r\n", HTTP1_BAD_VERSION);
	BAD("HTTP/2.0 200 OK\r\n\r\n", HTTP1_BAD_VERSION);
	BAD("HTTP/2 200\r\n\r\n", HTTP1_BAD_VERSION);
	BAD("http/1.1 200 OK\r\n\r\n", HTTP1_BAD_VERSION);
	BAD("ICY 200 OK\r\n\r\n", HTTP1_BAD_VERSION);
	BAD("\r\nHTTP/1.1 200 OK\r\n\r\n", HTTP1_BAD_VERSION);
	BAD("HTTP/1.1 200 O\x01K\r\n\r\n", HTTP1_BAD_CONTROL);
	BAD("HTTP/1.1 200 O\0K\r\n\r\n", HTTP1_BAD_CONTROL);
	BAD("HTTP/1.1 200 OK\n\n", HTTP1_BAD_LINE_END);
	BAD("HTTP/1.1 200\n\n", HTTP1_BAD_LINE_END);
	BAD("HTTP/1.1 200 O\rK\r\n\r\n", HTTP1_BAD_LINE_END);
	BAD("<html>", HTTP1_BAD_VERSION);
	BAD("\x15\x03\x01", HTTP1_BAD_VERSION);
}

static enum http1_framing framing_for(const char *request_method, struct span bytes)
{
	method = span_of(request_method);
	check_good(bytes);
	method = SPAN("GET");
	return head.framing;
}

static void test_framing_by_fields(void **state)
{
	(void)state;
	assert_int_equal(framing_for("GET", SPAN(OK_LINE "\r\n")), HTTP1_UNTIL_CLOSE);
	assert_false(head.keep_alive);
	assert_int_equal(
		framing_for("GET", SPAN(OK_LINE "Transfer-Encoding: chunked\r\n\r\n")), HTTP1_CHUNKED);
	assert_true(head.keep_alive);
	assert_int_equal(framing_for("GET", SPAN(OK_LINE "Content-Length: 0\r\n\r\n")), HTTP1_LENGTH);
	assert_int_equal(framing_for("GET", SPAN("HTTP/1.0 200 OK\r\n\r\n")), HTTP1_UNTIL_CLOSE);
	assert_int_equal(
		framing_for("GET", SPAN("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n")), HTTP1_LENGTH);
	assert_false(head.keep_alive);
	assert_int_equal(
		framing_for("GET",
			SPAN("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n")),
		HTTP1_LENGTH);
	assert_true(head.keep_alive);
	assert_int_equal(framing_for("GET", SPAN("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n")),
		HTTP1_UNTIL_CLOSE);
	assert_false(head.keep_alive);
}

static void test_framing_by_method_and_status(void **state)
{
	(void)state;
	assert_int_equal(framing_for("HEAD", SPAN(OK_LINE "Content-Length: 9\r\n\r\n")), HTTP1_NO_BODY);
	assert_true(head.keep_alive);
	assert_int_equal(
		framing_for("HEAD", SPAN(OK_LINE "Transfer-Encoding: chunked\r\n\r\n")), HTTP1_NO_BODY);
	assert_int_equal(framing_for("HEAD", SPAN(OK_LINE "\r\n")), HTTP1_NO_BODY);
	assert_true(head.keep_alive);
	assert_int_equal(framing_for("head", SPAN(OK_LINE "Content-Length: 9\r\n\r\n")), HTTP1_LENGTH);
	assert_int_equal(framing_for("CONNECT", SPAN(OK_LINE "Content-Length: 9\r\n\r\n")), HTTP1_NO_BODY);
	assert_int_equal(
		framing_for("CONNECT", SPAN("HTTP/1.1 407 X\r\nContent-Length: 9\r\n\r\n")), HTTP1_LENGTH);
	assert_int_equal(
		framing_for("CONNECT", SPAN("HTTP/1.1 300 X\r\nContent-Length: 9\r\n\r\n")), HTTP1_LENGTH);
	assert_int_equal(framing_for("GET", SPAN("HTTP/1.1 204 X\r\n\r\n")), HTTP1_NO_BODY);
	assert_int_equal(
		framing_for("GET", SPAN("HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n")), HTTP1_NO_BODY);
	assert_int_equal(
		framing_for("GET", SPAN("HTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n")), HTTP1_NO_BODY);
	assert_int_equal(framing_for("GET", SPAN("HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n")),
		HTTP1_NO_BODY);
	assert_int_equal(framing_for("GET", SPAN("HTTP/1.1 100 Continue\r\n\r\n")), HTTP1_NO_BODY);
	assert_int_equal(
		framing_for("GET", SPAN("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")), HTTP1_NO_BODY);
	assert_int_equal(
		framing_for("GET", SPAN("HTTP/1.1 205 X\r\nContent-Length: 0\r\n\r\n")), HTTP1_LENGTH);
}

/* One recipient goes by the field, the other by the status: the next response would be whatever the origin
 * put there. */
static void test_refuses_a_body_where_none_can_be(void **state)
{
	(void)state;
	BAD("HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_BAD_CODING);
	BAD("HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n", HTTP1_BAD_LENGTH);
	BAD("HTTP/1.1 100 X\r\nContent-Length: 5\r\n\r\n", HTTP1_BAD_LENGTH);
	BAD("HTTP/1.1 101 X\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_BAD_CODING);
}

static void test_refuses_doubtful_framing(void **state)
{
	(void)state;
	BAD(OK_LINE "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_LENGTH_AND_CODING);
	BAD(OK_LINE "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", HTTP1_LENGTH_AND_CODING);
	BAD(OK_LINE "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", HTTP1_BAD_LENGTH);
	BAD(OK_LINE "Content-Length: 5, 5\r\n\r\n", HTTP1_BAD_LENGTH);
	BAD(OK_LINE "Content-Length: -1\r\n\r\n", HTTP1_BAD_LENGTH);
	BAD(OK_LINE "Transfer-Encoding: gzip, chunked\r\n\r\n", HTTP1_BAD_CODING);
	BAD(OK_LINE "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_BAD_CODING);
	BAD("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_BAD_CODING);
	BAD(OK_LINE "X: a\r\n b\r\n\r\n", HTTP1_BAD_FOLD);
	BAD(OK_LINE "X : a\r\n\r\n", HTTP1_BAD_FIELD_NAME);
	BAD(OK_LINE "X: a\nY: b\r\n\r\n", HTTP1_BAD_LINE_END);
}

static void test_websocket_needs_101_and_its_fields(void **state)
{
	(void)state;
	GOOD("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00");
	assert_true(head.upgrade_websocket);
	GOOD("HTTP/1.1 200 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n");
	assert_false(head.upgrade_websocket);
	GOOD("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
	assert_false(head.upgrade_websocket);
	GOOD("HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n");
	assert_false(head.upgrade_websocket);
}

/* Host means nothing in a response: no reason to fail it. */
static void test_host_is_ignored(void **state)
{
	(void)state;
	GOOD(OK_LINE "Host: !\r\nHost: !\r\n\r\n");
	assert_int_equal(head.host.n, 0);
}

static void test_head_limit(void **state)
{
	static char buf[HTTP1_MAX_HEAD + 1];
	size_t n = (size_t)sprintf(buf, OK_LINE "X: ");

	(void)state;
	memset(buf + n, 'y', sizeof(buf) - n);
	assert_int_equal(parse_for_method(buf, HTTP1_MAX_HEAD - 1, 0, &head, &error), HTTP1_MORE);
	assert_int_equal(parse_for_method(buf, HTTP1_MAX_HEAD, HTTP1_MAX_HEAD - 1, &head, &error), HTTP1_BAD);
	assert_int_equal(error, HTTP1_HEAD_TOO_LARGE);
	assert_int_equal(
		http1_parse_hop_response(buf, HTTP1_MAX_HEAD + 1, 0, SPAN("GET"), &head, &error), HTTP1_MORE);
	assert_int_equal(parse_for_method(NULL, 0, 0, &head, &error), HTTP1_MORE);
}

static void test_mutations_answer_the_same_every_way(void **state)
{
	static const struct span seeds[] = {
		BYTES("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"),
		BYTES("HTTP/1.1 204\r\nX: 0123456789abcdef\r\n\r\n"),
		BYTES("HTTP/1.0 301 \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		BYTES("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
	};
	uint32_t random = 2;
	char bytes[512];

	(void)state;
	for (int i = 0; i < 4000; i++) {
		size_t n = mutate(&random, seeds[i % 4], bytes, sizeof(bytes));

		parse_every_way(parse_for_method, (struct span){bytes, n});
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_a_plain_response),
		cmocka_unit_test(test_reason_may_be_odd_or_missing),
		cmocka_unit_test(test_refuses_bad_status_lines),
		cmocka_unit_test(test_framing_by_fields),
		cmocka_unit_test(test_framing_by_method_and_status),
		cmocka_unit_test(test_refuses_a_body_where_none_can_be),
		cmocka_unit_test(test_refuses_doubtful_framing),
		cmocka_unit_test(test_websocket_needs_101_and_its_fields),
		cmocka_unit_test(test_host_is_ignored),
		cmocka_unit_test(test_head_limit),
		cmocka_unit_test(test_mutations_answer_the_same_every_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
