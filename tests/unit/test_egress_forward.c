/*
 * What a hop request says, and how heads are written for the other side: from parsed octets to written
 * octets, compared whole. Failure answers are parsed back by the codec that pipelock reads them with.
 */
#include "egress/failure.h"
#include "egress/forward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CAPABILITY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void parse_request(const char *text, struct http1_head *head)
{
	enum http1_error error = HTTP1_OK;

	if (http1_parse_request(text, strlen(text), 0, head, &error) != HTTP1_DONE)
		fail_msg("%s: %s", http1_error_text(error), text);
}

static void parse_response(const char *text, const char *method, struct http1_head *head)
{
	enum http1_error error = HTTP1_OK;

	if (http1_parse_response(text, strlen(text), 0, span_of(method), head, &error) != HTTP1_DONE)
		fail_msg("%s: %s", http1_error_text(error), text);
}

/* ---- requests */

static bool is_authorized(const char *fields)
{
	char text[1024];
	struct http1_head head;

	snprintf(text, sizeof(text), "GET http://a/ HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
	parse_request(text, &head);
	return request_is_authorized(&head, CAPABILITY);
}

static void one_capability_is_needed(void **state)
{
	(void)state;
	assert_true(is_authorized("Proxy-Authorization: Bearer " CAPABILITY "\r\n"));
	assert_true(is_authorized("proxy-authorization:Bearer " CAPABILITY " \r\n"));
	assert_false(is_authorized(""));
	assert_false(is_authorized("Proxy-Authorization: \r\n"));
	assert_false(is_authorized("Proxy-Authorization: Bearer\r\n"));
	assert_false(is_authorized("Proxy-Authorization: " CAPABILITY "\r\n"));
	assert_false(is_authorized("Proxy-Authorization: Basic " CAPABILITY "\r\n"));
	assert_false(is_authorized("Proxy-Authorization: Bearer " CAPABILITY "0\r\n"));
	assert_false(is_authorized("Authorization: Bearer " CAPABILITY "\r\n"));
	assert_false(is_authorized("Proxy-Authorization: Bearer "
				   "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n"));
	assert_false(is_authorized("Proxy-Authorization: Bearer "
				   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeF\r\n"));
	assert_false(is_authorized("Proxy-Authorization: Bearer " CAPABILITY
				   "\r\nProxy-Authorization: Bearer " CAPABILITY "\r\n"));
}

static const char *read_request(const char *text, struct request *request, struct span *target)
{
	struct http1_head head;

	parse_request(text, &head);
	return request_read(&head, request, target);
}

static void requests_are_read(void **state)
{
	struct request request;
	struct span target;

	(void)state;
	assert_null(read_request(
		"GET https://A.Example./x?y HTTP/1.1\r\nHost: other\r\nPipelock-Request: id-7\r\n\r\n",
		&request, &target));
	assert_string_equal(request.method, "GET");
	assert_string_equal(request.id, "id-7");
	assert_string_equal(request.key, "https://a.example:443");
	assert_true(span_equals(target, SPAN("/x?y")));
	assert_true(request.repeatable);
	assert_false(request.connect);
	assert_int_equal(request.scheme, URL_HTTPS);

	assert_null(read_request("POST http://[::1]:81 HTTP/1.1\r\nHost: a\r\n\r\n", &request, &target));
	assert_string_equal(request.key, "http://::1:81");
	assert_int_equal(target.n, 0);
	assert_false(request.repeatable);
	assert_string_equal(request.id, "");

	assert_null(read_request("CONNECT a.example:444 HTTP/1.1\r\nHost: a\r\n\r\n", &request, &target));
	assert_true(request.connect);
	assert_int_equal(request.scheme, URL_NONE);
	assert_int_equal(request.authority.port, 444);
	assert_false(request.repeatable);
}

static bool is_repeatable(const char *method, const char *fields)
{
	char text[512];
	struct request request;
	struct span target;

	snprintf(text, sizeof(text), "%s http://a/ HTTP/1.1\r\nHost: a\r\n%s\r\n", method, fields);
	assert_null(read_request(text, &request, &target));
	return request.repeatable;
}

static void only_harmless_requests_are_repeatable(void **state)
{
	(void)state;
	assert_true(is_repeatable("GET", ""));
	assert_true(is_repeatable("HEAD", ""));
	assert_true(is_repeatable("OPTIONS", ""));
	assert_false(is_repeatable("get", ""));
	assert_false(is_repeatable("POST", ""));
	assert_false(is_repeatable("PUT", ""));
	assert_false(is_repeatable("DELETE", ""));
	assert_false(is_repeatable("GET", "Content-Length: 1\r\n"));
	assert_false(is_repeatable("GET", "Transfer-Encoding: chunked\r\n"));
	assert_false(is_repeatable("GET", "Connection: upgrade\r\nUpgrade: websocket\r\n"));
}

static void what_pipelock_never_writes_is_refused(void **state)
{
	static const char *const refused[] = {
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET ws://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET wss://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://a/ HTTP/1.0\r\nHost: a\r\n\r\n",
		"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\nPipelock-Request: a\r\nPipelock-Request: b\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\nPipelock-Request: a b\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\nPipelock-Request: a\xc3\xa9\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\nPipelock-Request: "
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n",
	};
	struct request request;
	struct span target;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (!read_request(refused[i], &request, &target))
			fail_msg("taken: %s", refused[i]);
	}
}

/* ---- writing */

static void check_request(const char *text, const char *expected)
{
	struct http1_head head;
	struct request request;
	struct span target;

	parse_request(text, &head);
	assert_null(request_read(&head, &request, &target));
	size_t bound = forward_bound(&head), n;
	char *out = malloc(bound + 1);

	n = forward_write_request(&head, &request, target, out, bound);
	assert_int_not_equal(n, 0);
	out[n] = '\0';
	assert_string_equal(out, expected);
	/* too little room is no head, never a part of one */
	for (size_t room = 0; room < n; room++)
		assert_int_equal(forward_write_request(&head, &request, target, out, room), 0);
	assert_int_equal(forward_write_request(&head, &request, target, out, n), n);
	free(out);
}

static void requests_are_written_anew(void **state)
{
	(void)state;
	check_request("GET http://A.example:80/p?q HTTP/1.1\r\nHost: evil\r\n\r\n",
		"GET /p?q HTTP/1.1\r\nHost: a.example\r\n\r\n");
	check_request("GET https://a.example:80 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a.example:80\r\n\r\n");
	check_request("GET https://[2001:db8::1]:444/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: [2001:db8::1]:444\r\n\r\n");
	check_request(
		"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
	check_request(
		"OPTIONS http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n");
	check_request("POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\nX:y\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nX: y\r\nContent-Length: 7\r\n\r\n");
	check_request("POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTE: "
		      "trailers\r\nTrailer: "
		      "X\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	check_request(
		"GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-drop\r\nX-Drop: "
		"1\r\nKeep-Alive: "
		"1\r\nProxy-Connection: x\r\nProxy-Authorization: Bearer s\r\nPROXY-ANY: 1\r\npipelock-any: "
		"1\r\nPipelock-Request: 7\r\nExpect: 100-continue\r\nHTTP2-Settings: x\r\nUpgrade: "
		"h2c\r\nKept: "
		"\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nKept: \r\n\r\n");
	check_request("GET http://a/ HTTP/1.1\r\nHost: a\r\nconnection: Upgrade\r\nupgrade: "
		      "WebSocket\r\nSec-WebSocket-Key: k\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: "
		"websocket\r\n\r\n");
}

static void check_response(const char *method, bool close, const char *text, const char *expected)
{
	struct http1_head head;
	struct request request = {0};
	char *out;
	size_t bound, n;

	snprintf(request.method, sizeof(request.method), "%s", method);
	parse_response(text, method, &head);
	bound = forward_bound(&head);
	out = malloc(bound + 1);
	n = forward_write_response(&head, &request, close, out, bound);
	assert_int_not_equal(n, 0);
	out[n] = '\0';
	assert_string_equal(out, expected);
	assert_int_equal(forward_write_response(&head, &request, close, out, n - 1), 0);
	free(out);
}

static void responses_are_written_anew(void **state)
{
	(void)state;
	check_response("GET", false, "HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nX: y\r\n\r\n",
		"HTTP/1.1 200 Fine\r\nX: y\r\nContent-Length: 3\r\n\r\n");
	check_response("GET", true,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
	check_response("GET", false, "HTTP/1.0 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	check_response("GET", false,
		"HTTP/1.1 200 OK\r\nAlt-Svc: h3\r\nPipelock-Failure: x\r\nPipelock-Code: x\r\nConnection: "
		"close, "
		"x\r\nX: 1\r\nKeep-Alive: 1\r\nUpgrade: h2c\r\nProxy-Authenticate: x\r\nProxy-Status: "
		"kept\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nProxy-Status: kept\r\nContent-Length: 0\r\n\r\n");
	check_response("HEAD", false, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
	check_response("HEAD", false, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n");
	check_response("GET", false, "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n");
	check_response("GET", false, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n");
	check_response("GET", false, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
	check_response("GET", false,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
		"Upgrade\r\nSec-WebSocket-Accept: "
		"x\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: "
		"Upgrade\r\nUpgrade: "
		"websocket\r\n\r\n");
}

/* The largest head the codec takes fits into the bound. */
static void the_bound_holds(void **state)
{
	char *text = malloc(HTTP1_MAX_HEAD);
	size_t n = (size_t)sprintf(text, "GET http://a/ HTTP/1.1\r\nHost:a\r\n");

	(void)state;
	for (int i = 1; i < HTTP1_MAX_FIELDS; i++)
		n += (size_t)sprintf(text + n, "X:y\r\n");
	strcpy(text + n, "\r\n");
	struct http1_head head;
	struct request request;
	struct span target;

	parse_request(text, &head);
	assert_int_equal(head.field_count, HTTP1_MAX_FIELDS);
	assert_null(request_read(&head, &request, &target));
	size_t bound = forward_bound(&head);
	char *out = malloc(bound);

	assert_int_not_equal(forward_write_request(&head, &request, target, out, bound), 0);
	free(out);
	free(text);
}

static void trailers_are_written_anew(void **state)
{
	static const char text[] = "X-A: 1\r\nAlt-Svc: x\r\nPipelock-Code: x\r\nX-B:2\r\n\r\n";
	struct http1_head head;
	enum http1_error error;
	char out[256];
	size_t n;

	(void)state;
	assert_int_equal(http1_parse_trailers(text, sizeof(text) - 1, 0, &head, &error), HTTP1_DONE);
	n = forward_write_trailers(&head, out, sizeof(out));
	assert_true(span_equals((struct span){out, n}, SPAN("X-A: 1\r\nX-B: 2\r\n\r\n")));
	assert_int_equal(forward_write_trailers(&head, out, n - 1), 0);
}

/* ---- failures */

static void check_failure(
	enum hop_failure failure, const char *detail, bool close, const char *expected_detail)
{
	struct evbuffer *buffer = evbuffer_new();
	struct http1_head head;
	enum http1_error error;
	const struct http1_field *field;
	size_t n;
	const char *p;

	assert_true(failure_write(buffer, failure, detail, close));
	n = evbuffer_get_length(buffer);
	p = (const char *)evbuffer_pullup(buffer, -1);
	assert_int_equal(http1_parse_response(p, n, 0, SPAN("GET"), &head, &error), HTTP1_DONE);
	assert_int_equal(head.size, n);
	assert_int_equal(head.status, hop_failure_status(failure));
	assert_int_equal(head.keep_alive, !close);
	assert_int_equal(head.length, 0);
	field = http1_find(&head, SPAN(HOP_FAILURE_FIELD), NULL);
	assert_non_null(field);
	assert_int_equal(hop_failure_from_name(field->value), failure);
	field = http1_find(&head, SPAN(HOP_DETAIL_FIELD), NULL);
	if (expected_detail)
		assert_true(field && span_equals(field->value, span_of(expected_detail)));
	else
		assert_null(field);
	assert_int_equal(
		http1_find(&head, SPAN("Proxy-Authenticate"), NULL) != NULL, failure == HOP_UNAUTHORIZED);
	evbuffer_free(buffer);
}

static void failures_are_answers(void **state)
{
	(void)state;
	for (enum hop_failure failure = HOP_UNAUTHORIZED; failure <= HOP_AUDIT_UNAVAILABLE; failure++)
		check_failure(failure, "a detail", failure % 2, "a detail");
	check_failure(HOP_DNS_FAILED, NULL, false, NULL);
	check_failure(HOP_DNS_FAILED, "", false, NULL);
	check_failure(HOP_TLS_FAILED, "a\r\nX: y\tz\x1b[0m\xc3\xa9", false, "aX: yz[0m");
	char detail[1000], expected[201];

	memset(detail, 'x', sizeof(detail));
	detail[sizeof(detail) - 1] = '\0';
	memset(expected, 'x', sizeof(expected));
	expected[200] = '\0';
	check_failure(HOP_TLS_FAILED, detail, false, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_capability_is_needed),
		cmocka_unit_test(requests_are_read),
		cmocka_unit_test(only_harmless_requests_are_repeatable),
		cmocka_unit_test(what_pipelock_never_writes_is_refused),
		cmocka_unit_test(requests_are_written_anew),
		cmocka_unit_test(responses_are_written_anew),
		cmocka_unit_test(the_bound_holds),
		cmocka_unit_test(trailers_are_written_anew),
		cmocka_unit_test(failures_are_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
