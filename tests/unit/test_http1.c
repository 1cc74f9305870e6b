/*
 * Request heads: what is good and what is read from it, what is bad and why, and that the answer never
 * depends on how the bytes arrive. Response heads are in test_http1_response.c.
 */
#include "tests/unit/every_way.h"

#include <stdio.h>
#include <time.h>

static struct http1_head head;
static enum http1_error error;

static struct answer request(struct span bytes)
{
	struct answer answer = parse_every_way(http1_parse_request, bytes);

	if (answer.result == HTTP1_DONE)
		assert_int_equal(http1_parse_request(bytes.p, bytes.n, 0, &head, &error), HTTP1_DONE);
	return answer;
}

static void check_good(const char *name, struct span bytes)
{
	struct answer answer = request(bytes);

	if (answer.result != HTTP1_DONE)
		fail_msg("%s: result %d, error %d", name, answer.result, answer.error);
}

static void check_bad(const char *name, struct span bytes, enum http1_error expected)
{
	struct answer answer = request(bytes);

	if (answer.result != HTTP1_BAD || answer.error != expected)
		fail_msg(
			"%s: result %d, error %d instead of %d", name, answer.result, answer.error, expected);
}

static void assert_span(struct span span, const char *text)
{
	assert_int_equal(span.n, strlen(text));
	assert_memory_equal(span.p, text, span.n);
}

#define GOOD(text) check_good(text, SPAN(text))
#define BAD(text, expected) check_bad(text, SPAN(text), expected)
#define LINE "GET / HTTP/1.1\r\n"
#define HOST "Host: a.example\r\n"
#define FIELD(text) LINE HOST text "\r\n\r\n"

/* ---- good ones */

static void test_reads_a_plain_request(void **state)
{
	(void)state;
	GOOD("GET /a?b=c HTTP/1.1\r\nHost: a.example:8080\r\nX-Empty:\r\nX-Padded: \t v w \t\r\n\r\n");
	assert_span(head.method, "GET");
	assert_span(head.target, "/a?b=c");
	assert_int_equal(head.minor, 1);
	assert_int_equal(head.field_count, 3);
	assert_span(head.fields[0].name, "Host");
	assert_span(head.fields[1].value, "");
	assert_span(head.fields[2].value, "v w");
	assert_span(head.host, "a.example:8080");
	assert_int_equal(head.framing, HTTP1_NO_BODY);
	assert_true(head.keep_alive);
	assert_false(head.expect_continue);
	assert_false(head.upgrade_websocket);
	assert_false(head.names_fields);
}

static void test_leaves_what_follows_alone(void **state)
{
	static const char bytes[] = LINE HOST "\r\n" LINE "Host: b.example\r\n\r\n";

	(void)state;
	GOOD(LINE HOST "\r\n" LINE "Host: b.example\r\n\r\n");
	assert_span(head.host, "a.example");
	assert_memory_equal(bytes + head.size, "GET", 3);
}

static void test_reads_the_framing(void **state)
{
	(void)state;
	GOOD("POST / HTTP/1.1\r\n" HOST "Content-Length: 17\r\n\r\n");
	assert_int_equal(head.framing, HTTP1_LENGTH);
	assert_int_equal(head.length, 17);
	GOOD("POST / HTTP/1.1\r\n" HOST "cOnTeNt-LeNgTh:\t007 \r\n\r\n");
	assert_int_equal(head.length, 7);
	GOOD("POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775807\r\n\r\n");
	assert_true(head.length == INT64_MAX);
	GOOD("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
	assert_int_equal(head.framing, HTTP1_LENGTH);
	GOOD("POST / HTTP/1.1\r\n" HOST "transfer-encoding:\tCHUNKED\t\r\n\r\n");
	assert_int_equal(head.framing, HTTP1_CHUNKED);
	assert_int_equal(head.length, 0);
	GOOD("GET / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n");
	assert_int_equal(head.framing, HTTP1_LENGTH);
	GOOD("POST / HTTP/1.0\r\n" HOST "Content-Length: 3\r\n\r\n");
	assert_int_equal(head.framing, HTTP1_LENGTH);
}

static bool keeps_alive(struct span bytes)
{
	check_good("keep-alive", bytes);
	return head.keep_alive;
}

static void test_persistence_by_version_and_connection(void **state)
{
	(void)state;
	assert_true(keeps_alive(SPAN(LINE HOST "\r\n")));
	assert_false(keeps_alive(SPAN(LINE HOST "Connection: close\r\n\r\n")));
	assert_false(keeps_alive(SPAN(LINE HOST "connection: x , CLOSE\r\n\r\n")));
	assert_false(keeps_alive(SPAN(LINE HOST "Connection: keep-alive\r\nConnection: close\r\n\r\n")));
	assert_true(keeps_alive(SPAN(LINE HOST "Connection: closed, not-close\r\n\r\n")));
	assert_false(keeps_alive(SPAN("GET / HTTP/1.0\r\n" HOST "\r\n")));
	assert_true(keeps_alive(SPAN("GET / HTTP/1.0\r\n" HOST "Connection: Keep-Alive\r\n\r\n")));
	assert_false(keeps_alive(SPAN("GET / HTTP/1.0\r\n" HOST "Connection: keep-alive, close\r\n\r\n")));
	assert_false(keeps_alive(SPAN("GET / HTTP/1.0\r\n" HOST "Proxy-Connection: keep-alive\r\n\r\n")));
}

static bool expects(struct span bytes)
{
	check_good("expect", bytes);
	return head.expect_continue;
}

static void test_expect_needs_a_body_and_1_1(void **state)
{
	(void)state;
	assert_true(expects(SPAN(LINE HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n")));
	assert_true(expects(SPAN(LINE HOST "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")));
	assert_false(expects(SPAN(LINE HOST "Expect: 100-continue\r\n\r\n")));
	assert_false(expects(SPAN(LINE HOST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n")));
	assert_false(expects(SPAN(LINE HOST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n")));
	assert_false(
		expects(SPAN("GET / HTTP/1.0\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")));
}

static bool upgrades(struct span bytes)
{
	check_good("upgrade", bytes);
	return head.upgrade_websocket;
}

#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static void test_upgrade_is_websocket_alone(void **state)
{
	(void)state;
	assert_true(upgrades(SPAN(LINE HOST UPGRADE "\r\n")));
	assert_true(
		upgrades(SPAN(LINE HOST "Connection: keep-alive, upgrade\r\nupgrade: WebSocket\r\n\r\n")));
	assert_false(upgrades(SPAN(LINE HOST "Upgrade: websocket\r\n\r\n")));
	assert_false(upgrades(SPAN(LINE HOST "Connection: upgrade\r\n\r\n")));
	assert_false(upgrades(SPAN(LINE HOST "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n")));
	assert_false(upgrades(SPAN(LINE HOST "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n\r\n")));
	assert_false(upgrades(SPAN(LINE HOST UPGRADE "Upgrade: h2c\r\n\r\n")));
	assert_false(upgrades(SPAN(LINE HOST "Upgrade: h2c\r\n" UPGRADE "\r\n")));
	assert_false(upgrades(SPAN("GET / HTTP/1.0\r\n" HOST UPGRADE "\r\n")));
	assert_false(upgrades(SPAN("POST / HTTP/1.1\r\n" HOST UPGRADE "\r\n")));
	assert_false(upgrades(SPAN(LINE HOST UPGRADE "Content-Length: 1\r\n\r\n")));
	assert_false(upgrades(SPAN(LINE HOST UPGRADE "Transfer-Encoding: chunked\r\n\r\n")));
}

static void test_takes_each_form_of_target(void **state)
{
	(void)state;
	GOOD("GET http://a.example/x?y HTTP/1.1\r\n" HOST "\r\n");
	GOOD("GET HTTPS://a.example HTTP/1.1\r\n" HOST "\r\n");
	GOOD("GET ws://[::1]:8/ HTTP/1.1\r\nHost: [::1]:8\r\n\r\n");
	GOOD("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n");
	GOOD("CONNECT [2606:4700::1]:443 HTTP/1.1\r\nHost: [2606:4700::1]:443\r\n\r\n");
	GOOD("OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
	GOOD("get //x HTTP/1.1\r\n" HOST "\r\n");
	GOOD("GET /%zz|[]{}\"^`<>\\\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n");
	GOOD("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n" HOST "\r\n");
}

static void test_1_0_may_leave_host_out_when_the_target_names_it(void **state)
{
	(void)state;
	GOOD("CONNECT a.example:443 HTTP/1.0\r\n\r\n");
	assert_int_equal(head.host.n, 0);
	assert_int_equal(head.field_count, 0);
	GOOD("GET http://a.example/ HTTP/1.0\r\n\r\n");
	BAD("GET / HTTP/1.0\r\n\r\n", HTTP1_BAD_HOST);
	BAD("OPTIONS * HTTP/1.0\r\n\r\n", HTTP1_BAD_HOST);
	BAD("GET http://a.example/ HTTP/1.0\r\n" HOST HOST "\r\n", HTTP1_BAD_HOST);
	BAD("GET http://a.example/ HTTP/1.0\r\nHost:\r\n\r\n", HTTP1_BAD_HOST);
}

static void test_values_may_hold_obs_text(void **state)
{
	(void)state;
	GOOD(FIELD("X: \x80\xff\xc3\xa9 caf\xe9"));
	assert_span(head.fields[1].value, "\x80\xff\xc3\xa9 caf\xe9");
	GOOD(FIELD("X: a\tb"));
	assert_span(head.fields[1].value, "a\tb");
	GOOD(FIELD("X: :::"));
	GOOD(FIELD("!#$%&'*+-.^_`|~: v"));
}

/* ---- bad ones */

struct bad_case {
	struct span bytes;
	enum http1_error error;
};

static void check_all(const struct bad_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char name[64];

		snprintf(name, sizeof(name), "case %zu", i);
		check_bad(name, cases[i].bytes, cases[i].error);
	}
}

#define CHECK_ALL(cases) check_all(cases, sizeof(cases) / sizeof(cases[0]))

static void test_refuses_bad_start_lines(void **state)
{
	static const struct bad_case cases[] = {
		{BYTES("\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_START_LINE},
		{BYTES("\nGET / HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_START_LINE},
		{BYTES(" GET / HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_METHOD},
		{BYTES("GET\t/ HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_METHOD},
		{BYTES("G:T / HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_METHOD},
		{BYTES("G\0T / HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_METHOD},
		{BYTES("G\xc3\x89T / HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_METHOD},
		{BYTES("GET\r\n\r\n"), HTTP1_BAD_METHOD},
		{BYTES("GET /\r\n"), HTTP1_BAD_START_LINE},
		{BYTES("GET /\n"), HTTP1_BAD_START_LINE},
		{BYTES("GET  / HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET /\tHTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET /\x01 HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_CONTROL},
		{BYTES("GET /\x7f HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_CONTROL},
		{BYTES("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_CONTROL},
		{BYTES("GET /#f HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET / a HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_VERSION},
		{BYTES("GET /  HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_VERSION},
		{BYTES("GET / HTTP/1.1 \r\n" HOST "\r\n"), HTTP1_BAD_VERSION},
		{BYTES("GET / HTTP/1.1\t\r\n" HOST "\r\n"), HTTP1_BAD_VERSION},
		{BYTES("GET / http/1.1\r\n" HOST "\r\n"), HTTP1_BAD_VERSION},
		{BYTES("GET / HTTP/1.10\r\n" HOST "\r\n"), HTTP1_BAD_VERSION},
		{BYTES("GET / HTTP/1.2\r\n" HOST "\r\n"), HTTP1_BAD_VERSION},
		{BYTES("GET / HTTP/01.1\r\n" HOST "\r\n"), HTTP1_BAD_VERSION},
		{BYTES("GET / HTTP/2.0\r\n" HOST "\r\n"), HTTP1_BAD_VERSION},
		{BYTES("GET / HTTP/0.9\r\n" HOST "\r\n"), HTTP1_BAD_VERSION},
		{BYTES("GET / HTTP/9999999999.1\r\n" HOST "\r\n"), HTTP1_BAD_VERSION},
		{BYTES("GET / HTTP/1\r\n" HOST "\r\n"), HTTP1_BAD_VERSION},
		{BYTES("GET / HTTP/-1.1\r\n" HOST "\r\n"), HTTP1_BAD_VERSION},
		{BYTES("GET / HTTP/1.1\n" HOST "\r\n"), HTTP1_BAD_LINE_END},
		{BYTES("GET / HTTP/1.1\r" HOST "\r\n"), HTTP1_BAD_LINE_END},
		{BYTES("GET / HTTP/1.1\r\r\n" HOST "\r\n"), HTTP1_BAD_LINE_END},
	};

	(void)state;
	CHECK_ALL(cases);
}

static void test_refuses_targets_that_do_not_fit_the_method(void **state)
{
	static const struct bad_case cases[] = {
		{BYTES("GET * HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET a.example HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET a.example:443 HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET ?x HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET ftp://a.example/ HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET file:///etc/passwd HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET http:/a.example/ HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET http:\\\\a.example/ HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET http:///x HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET http://u:p@a.example/ HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET http://a.example?x HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("GET http://a.example/#f HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("CONNECT a.example HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("CONNECT a.example: HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("CONNECT a.example:0 HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("CONNECT a.example:65536 HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("CONNECT :443 HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("CONNECT / HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("CONNECT https://a.example:443/ HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("CONNECT u@a.example:443 HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("connect a.example:443 HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
		{BYTES("options * HTTP/1.1\r\n" HOST "\r\n"), HTTP1_BAD_TARGET},
	};

	(void)state;
	CHECK_ALL(cases);
}

static void test_refuses_bad_field_lines(void **state)
{
	static const struct bad_case cases[] = {
		{BYTES(FIELD(": v")), HTTP1_BAD_FIELD_NAME},
		{BYTES(FIELD("X : v")), HTTP1_BAD_FIELD_NAME},
		{BYTES(FIELD("X\t: v")), HTTP1_BAD_FIELD_NAME},
		{BYTES(FIELD("X")), HTTP1_BAD_FIELD_NAME},
		{BYTES(FIELD("X v")), HTTP1_BAD_FIELD_NAME},
		{BYTES(FIELD("X\0: v")), HTTP1_BAD_FIELD_NAME},
		{BYTES(FIELD("X(: v")), HTTP1_BAD_FIELD_NAME},
		{BYTES(FIELD("X\x80: v")), HTTP1_BAD_FIELD_NAME},
		{BYTES(FIELD("X: a\r\n b")), HTTP1_BAD_FOLD},
		{BYTES(FIELD("X: a\r\n\tb: c")), HTTP1_BAD_FOLD},
		{BYTES(FIELD("X: a\r\n ")), HTTP1_BAD_FOLD},
		{BYTES(LINE " " HOST "\r\n"), HTTP1_BAD_FOLD},
		{BYTES(FIELD("X: a\nY: b")), HTTP1_BAD_LINE_END},
		{BYTES(FIELD("X: a\rY: b")), HTTP1_BAD_LINE_END},
		{BYTES(FIELD("X: a\r")), HTTP1_BAD_LINE_END},
		{BYTES(LINE HOST "X: a\n\n"), HTTP1_BAD_LINE_END},
		{BYTES(LINE HOST "\n"), HTTP1_BAD_LINE_END},
		{BYTES(LINE HOST "\r\r\n"), HTTP1_BAD_LINE_END},
		{BYTES(LINE HOST "\rX: a\r\n\r\n"), HTTP1_BAD_LINE_END},
		{BYTES(FIELD("X: a\0b")), HTTP1_BAD_CONTROL},
		{BYTES(FIELD("X: 1234567\x01"
			     "9abcdef")),
			HTTP1_BAD_CONTROL},
		{BYTES(FIELD("X: 12345678\x7f"
			     "abcdefgh")),
			HTTP1_BAD_CONTROL},
		{BYTES(FIELD("X: \x0b"
			     "chunked")),
			HTTP1_BAD_CONTROL},
		{BYTES(FIELD("X: a\x0c")), HTTP1_BAD_CONTROL},
		{BYTES(FIELD("X: \x1b[31m")), HTTP1_BAD_CONTROL},
	};

	(void)state;
	CHECK_ALL(cases);
}

static void test_refuses_bad_lengths(void **state)
{
	static const char *const values[] = {"", "+5", "-5", "0x5", "5 5", "5, 5", "5,", ",5", "5;", "5.0",
		"5e1", "\"5\"", "5\t5", "five", "9223372036854775808", "18446744073709551616",
		"18446744073709551621", "99999999999999999999999999999999999999", "\xd9\xa5"};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char text[256];
		int n = snprintf(text, sizeof(text), FIELD("Content-Length: %s"), values[i]);

		check_bad(values[i], (struct span){text, (size_t)n}, HTTP1_BAD_LENGTH);
	}
	BAD(FIELD("Content-Length: 5\r\nContent-Length: 5"), HTTP1_BAD_LENGTH);
	BAD(FIELD("Content-Length: 5\r\nContent-Length: 6"), HTTP1_BAD_LENGTH);
	BAD(FIELD("Content-Length: 5\r\nX: y\r\ncontent-length: 5"), HTTP1_BAD_LENGTH);
}

static void test_refuses_bad_codings(void **state)
{
	static const char *const values[] = {"", "xchunked", "chunked, chunked", "gzip, chunked",
		"chunked, gzip", "identity", "chunked, identity", "chunked;q=1", "chunked,", ", chunked",
		"\"chunked\"", "chun\tked", "chunked chunked", "gzip", "chunke", "chunkedd"};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char text[256];
		int n = snprintf(text, sizeof(text), FIELD("Transfer-Encoding: %s"), values[i]);

		check_bad(values[i], (struct span){text, (size_t)n}, HTTP1_BAD_CODING);
	}
	BAD(FIELD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), HTTP1_BAD_CODING);
	BAD(FIELD("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), HTTP1_BAD_CODING);
	BAD("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", HTTP1_BAD_CODING);
	BAD(FIELD("Transfer-Encoding: chunked\r\nContent-Length: 5"), HTTP1_LENGTH_AND_CODING);
	BAD(FIELD("Content-Length: 5\r\nTransfer-Encoding: chunked"), HTTP1_LENGTH_AND_CODING);
	BAD(FIELD("Content-Length: 0\r\nTransfer-Encoding: xchunked"), HTTP1_LENGTH_AND_CODING);
}

static void test_refuses_bad_hosts(void **state)
{
	static const char *const values[] = {"", "a.example, b.example", "u@a.example", "a.example/",
		"a.example?", "a.example:", "a.example:0", "a.example:99999", "a.example:80:80", "a b",
		"[::1", "::1", "[fe80::1%25eth0]", "a..example", ".", "-a.example", "a%2eexample",
		"a.example\\b", "http://a.example", "\xc3\xa9.example", "1.2.3.4.5", "256.1.1.1"};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char text[256];
		int n = snprintf(text, sizeof(text), LINE "Host: %s\r\n\r\n", values[i]);

		check_bad(values[i], (struct span){text, (size_t)n}, HTTP1_BAD_HOST);
	}
	BAD(LINE "\r\n", HTTP1_BAD_HOST);
	BAD(LINE "X: y\r\n\r\n", HTTP1_BAD_HOST);
	BAD(LINE HOST HOST "\r\n", HTTP1_BAD_HOST);
	BAD(LINE HOST "host: b.example\r\n\r\n", HTTP1_BAD_HOST);
}

/* ---- what is no HTTP/1 shows at once */

static enum http1_result parse(struct span bytes)
{
	return http1_parse_request(bytes.p, bytes.n, 0, &head, &error);
}

static void test_other_protocols_are_bad_at_once(void **state)
{
	(void)state;
	assert_int_equal(parse(SPAN("\x16\x03\x01")), HTTP1_BAD);
	assert_int_equal(error, HTTP1_BAD_METHOD);
	assert_int_equal(parse(SPAN("\x80\x2e")), HTTP1_BAD);
	assert_int_equal(parse(SPAN("PRI * HTTP/2")), HTTP1_BAD);
	assert_int_equal(error, HTTP1_BAD_VERSION);
	assert_int_equal(parse(SPAN("SSH-2.0-OpenSSH_9.2\r\n")), HTTP1_BAD);
	assert_int_equal(parse(SPAN("\0")), HTTP1_BAD);
	assert_int_equal(parse(SPAN("{\"a\"")), HTTP1_BAD);
	assert_int_equal(parse(SPAN("")), HTTP1_MORE);
}

/* A control octet in an unfinished line is reported as it comes, also when the head trickles. */
static void test_controls_show_before_their_line_ends(void **state)
{
	static const char text[] = LINE HOST "X: "
					     "012345678901234567890123456789012345678901234567890123456789012"
					     "3456789012345678901234567890123456789"
					     "\0 and so on";
	size_t n = strlen(text), seen = 0;

	(void)state;
	for (; seen < n; seen++)
		assert_int_equal(http1_parse_request(text, seen + 1, seen, &head, &error), HTTP1_MORE);
	assert_int_equal(http1_parse_request(text, n + 1, n, &head, &error), HTTP1_BAD);
	assert_int_equal(error, HTTP1_BAD_CONTROL);
}

/* So are an octet after a lone CR and one that would fold a line: both are behind a line that was looked at
 * before. */
static void test_lone_cr_and_fold_show_at_once(void **state)
{
	static const struct {
		const char *behind;
		enum http1_error error;
	} cases[] = {{"\rx", HTTP1_BAD_LINE_END}, {"\r\n x", HTTP1_BAD_FOLD}};
	char text[256];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t n = (size_t)sprintf(text, LINE HOST "X: %0120d%s", 0, cases[i].behind), seen = 0;
		enum http1_result result = HTTP1_MORE;

		while (result == HTTP1_MORE && seen < n) {
			result = http1_parse_request(text, seen + 1, seen, &head, &error);
			seen++;
		}
		assert_int_equal(result, HTTP1_BAD);
		assert_int_equal(error, cases[i].error);
		assert_int_equal(seen, i == 0 ? n : n - 1);
	}
}

/* ---- limits */

/* Octet by octet in place, from the octet at `from` on. Returns how many were there at the answer. */
static size_t trickle(const char *buf, size_t n, size_t from, enum http1_result *result)
{
	size_t seen = from;

	*result = HTTP1_MORE;
	while (*result == HTTP1_MORE && seen < n) {
		*result = http1_parse_request(buf, seen + 1, seen, &head, &error);
		seen++;
	}
	return seen;
}

static void test_method_limit(void **state)
{
	char text[256];
	int n;

	(void)state;
	n = snprintf(text, sizeof(text), "%0*d / HTTP/1.1\r\n" HOST "\r\n", HTTP1_MAX_METHOD, 0);
	check_good("longest", (struct span){text, (size_t)n});
	n = snprintf(text, sizeof(text), "%0*d", HTTP1_MAX_METHOD + 1, 0);
	assert_int_equal(parse((struct span){text, (size_t)n}), HTTP1_BAD);
	assert_int_equal(error, HTTP1_BAD_METHOD);
	assert_int_equal(parse((struct span){text, (size_t)n - 1}), HTTP1_MORE);
}

/* "METHOD /xxx", the target of `size` octets. Returns the octets written. */
static size_t make_target(char *buf, const char *method, size_t size)
{
	size_t n = strlen(method);

	memcpy(buf, method, n);
	buf[n++] = ' ';
	memset(buf + n, 'x', size);
	buf[n] = '/';
	return n + size;
}

static void test_target_limit_shows_at_once(void **state)
{
	static const char *const methods[] = {"G", "GET", "0123456789012345678901234567890"};
	static char buf[HTTP1_MAX_HEAD];
	enum http1_result result;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		size_t n = make_target(buf, methods[i], HTTP1_MAX_TARGET + 1);

		assert_int_equal(trickle(buf, n, 0, &result), n);
		assert_int_equal(result, HTTP1_BAD);
		assert_int_equal(error, HTTP1_TARGET_TOO_LONG);
		assert_int_equal(http1_parse_request(buf, n, 0, &head, &error), HTTP1_BAD);
		assert_int_equal(error, HTTP1_TARGET_TOO_LONG);
		assert_int_equal(http1_parse_request(buf, n + 500, n - 1, &head, &error), HTTP1_BAD);
		assert_int_equal(error, HTTP1_TARGET_TOO_LONG);

		n = make_target(buf, methods[i], HTTP1_MAX_TARGET);
		n += (size_t)sprintf(buf + n, " HTTP/1.1\r\n" HOST "\r\n");
		assert_int_equal(trickle(buf, n, 0, &result), n);
		assert_int_equal(result, HTTP1_DONE);
		assert_int_equal(head.target.n, HTTP1_MAX_TARGET);
	}
}

/* A head of `size` octets: one long field. */
static void make_head(char *buf, size_t size)
{
	size_t n = (size_t)sprintf(buf, LINE HOST "X: ");

	memset(buf + n, 'y', size - n - 4);
	memcpy(buf + size - 4, "\r\n\r\n", 4);
}

static void test_head_limit(void **state)
{
	static char buf[HTTP1_MAX_HEAD + 64];
	enum http1_result result;

	(void)state;
	make_head(buf, HTTP1_MAX_HEAD);
	assert_int_equal(trickle(buf, HTTP1_MAX_HEAD, 0, &result), HTTP1_MAX_HEAD);
	assert_int_equal(result, HTTP1_DONE);
	assert_int_equal(http1_parse_request(buf, HTTP1_MAX_HEAD + 9, 0, &head, &error), HTTP1_DONE);
	assert_int_equal(head.size, HTTP1_MAX_HEAD);
	make_head(buf, HTTP1_MAX_HEAD + 1);
	assert_int_equal(http1_parse_request(buf, HTTP1_MAX_HEAD + 1, 0, &head, &error), HTTP1_BAD);
	assert_int_equal(error, HTTP1_HEAD_TOO_LARGE);
	assert_int_equal(trickle(buf, HTTP1_MAX_HEAD + 1, 0, &result), HTTP1_MAX_HEAD);
	assert_int_equal(result, HTTP1_BAD);
	assert_int_equal(error, HTTP1_HEAD_TOO_LARGE);
}

static void test_field_limit(void **state)
{
	static char buf[HTTP1_MAX_HEAD];
	size_t n = (size_t)sprintf(buf, LINE HOST), end;

	(void)state;
	for (int i = 1; i < HTTP1_MAX_FIELDS; i++)
		n += (size_t)sprintf(buf + n, "X%d: y\r\n", i);
	end = n + (size_t)sprintf(buf + n, "\r\n");
	check_good("128", (struct span){buf, end});
	assert_int_equal(head.field_count, HTTP1_MAX_FIELDS);
	end = n + (size_t)sprintf(buf + n, "Z: y\r\n\r\n");
	check_bad("129", (struct span){buf, end}, HTTP1_TOO_MANY_FIELDS);
}

/* Whatever an agent may send fits on the hop with what is added there. */
static void test_hop_limits_are_wider(void **state)
{
	static char buf[HTTP1_HOP_MAX_HEAD + 1];
	size_t n;

	(void)state;
	make_head(buf, HTTP1_HOP_MAX_HEAD);
	assert_int_equal(http1_parse_request(buf, HTTP1_HOP_MAX_HEAD, 0, &head, &error), HTTP1_BAD);
	assert_int_equal(http1_parse_hop_request(buf, HTTP1_HOP_MAX_HEAD, 0, &head, &error), HTTP1_DONE);
	make_head(buf, HTTP1_HOP_MAX_HEAD + 1);
	assert_int_equal(http1_parse_hop_request(buf, HTTP1_HOP_MAX_HEAD + 1, 0, &head, &error), HTTP1_BAD);
	assert_int_equal(error, HTTP1_HEAD_TOO_LARGE);
	n = make_target(buf, "GET", HTTP1_MAX_TARGET + HTTP1_HOP_OCTETS + 1);
	assert_int_equal(http1_parse_hop_request(buf, n - 1, 0, &head, &error), HTTP1_MORE);
	assert_int_equal(http1_parse_hop_request(buf, n, n - 1, &head, &error), HTTP1_BAD);
	assert_int_equal(error, HTTP1_TARGET_TOO_LONG);
	n = (size_t)sprintf(buf, LINE HOST);
	for (int i = 1; i < HTTP1_MAX_FIELDS + HTTP1_HOP_FIELDS; i++)
		n += (size_t)sprintf(buf + n, "X: y\r\n");
	memcpy(buf + n, "\r\n", 2);
	assert_int_equal(http1_parse_hop_request(buf, n + 2, 0, &head, &error), HTTP1_DONE);
	assert_int_equal(head.field_count, HTTP1_MAX_FIELDS + HTTP1_HOP_FIELDS);
	memcpy(buf + n, "X:", 2);
	assert_int_equal(http1_parse_hop_request(buf, n + 2, 0, &head, &error), HTTP1_BAD);
	assert_int_equal(error, HTTP1_TOO_MANY_FIELDS);
}

/* A head that trickles must not cost the square of its size: 64 Ki calls on it are cheap next to their
 * packets. */
static void test_trickle_is_not_quadratic(void **state)
{
	static char buf[HTTP1_MAX_HEAD];
	struct timespec before, after;
	enum http1_result result;
	double seconds;

	(void)state;
	make_head(buf, sizeof(buf));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	trickle(buf, sizeof(buf), 0, &result);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	seconds = (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
	assert_int_equal(result, HTTP1_DONE);
	assert_true(seconds < 1);
}

/* ---- the same answer, whatever the bytes */

static void test_mutations_answer_the_same_every_way(void **state)
{
	static const struct span seeds[] = {
		BYTES("POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nConnection: "
		      "close\r\n\r\nhello"),
		BYTES("PUT http://a.example/ HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: "
		      "chunked\r\n\r\n0\r\n\r\n"),
		BYTES("CONNECT a.example:443 HTTP/1.0\r\nX: 0123456789abcdef\r\n\r\n"),
		BYTES(LINE HOST
			"X: 0123456789012345678901234567890123456789012345678901234567890123456789012345\r\n"
			"Y: a\r\nContent-Length: 9"),
		BYTES(LINE HOST UPGRADE "\r\n"),
	};
	uint32_t random = 1;
	char bytes[512];

	(void)state;
	for (int i = 0; i < 4000; i++) {
		size_t n = mutate(&random, seeds[i % 5], bytes, sizeof(bytes));

		parse_every_way(http1_parse_request, (struct span){bytes, n});
	}
}

/* ---- questions to a parsed head */

static void test_find(void **state)
{
	size_t count;

	(void)state;
	GOOD(FIELD("X: 1\r\nY: 2\r\nx: 3"));
	assert_span(http1_find(&head, SPAN("x"), &count)->value, "1");
	assert_int_equal(count, 2);
	assert_span(http1_find(&head, SPAN("Y"), NULL)->value, "2");
	assert_null(http1_find(&head, SPAN("Z"), &count));
	assert_int_equal(count, 0);
	assert_null(http1_find(&head, SPAN(""), NULL));
}

static void test_list_has(void **state)
{
	(void)state;
	assert_true(http1_list_has(SPAN("a"), SPAN("A")));
	assert_true(http1_list_has(SPAN(" ,\t, b ,a\t,,"), SPAN("a")));
	assert_false(http1_list_has(SPAN("ab, b a"), SPAN("a")));
	assert_false(http1_list_has(SPAN(""), SPAN("a")));
	assert_false(http1_list_has(SPAN(",,,"), SPAN("")));
	assert_false(http1_list_has((struct span){NULL, 0}, SPAN("a")));
}

static bool is_hop(const char *name)
{
	const struct http1_field *field = http1_find(&head, span_of(name), NULL);

	assert_non_null(field);
	return http1_is_hop_by_hop(&head, field);
}

static void test_hop_by_hop(void **state)
{
	(void)state;
	GOOD(FIELD("Connection: close\r\nKeep-Alive: 5\r\nproxy-connection: x\r\nProxy-Authenticate: x\r\n"
		   "Proxy-Authorization: x\r\nProxy-Authentication-Info: x\r\nTE: trailers\r\nTrailer: X\r\n"
		   "Upgrade: x\r\nTransfer-Encoding: chunked\r\nX-Other: y\r\nTEA: y"));
	for (size_t i = 1; i < 11; i++)
		assert_true(http1_is_hop_by_hop(&head, &head.fields[i]));
	assert_false(is_hop("Host"));
	assert_false(is_hop("X-Other"));
	assert_false(is_hop("TEA"));
	assert_false(head.names_fields);
}

static void test_connection_names_fields(void **state)
{
	(void)state;
	GOOD(FIELD(
		"Connection: close, X-One\r\nX-One: 1\r\nX-Two: 2\r\nconnection: x-two,Host\r\nX-Three: 3"));
	assert_true(head.names_fields);
	assert_true(is_hop("X-One"));
	assert_true(is_hop("X-Two"));
	assert_false(is_hop("X-Three"));
}

/* Naming it must not take from the next hop what it decides by. */
static void test_connection_cannot_name_critical_fields(void **state)
{
	static const char *const names[] = {"Host", "Content-Length", "Authorization", "Cookie",
		"Content-Type", "Content-Encoding", "Cache-Control"};

	(void)state;
	GOOD(FIELD("Connection: Host, Content-Length, Authorization, Cookie, Content-Type, Content-Encoding, "
		   "Cache-Control\r\nContent-Length: 3\r\nAuthorization: x\r\nCookie: a=b\r\nContent-Type: "
		   "t/t\r\n"
		   "Content-Encoding: gzip\r\nCache-Control: no-store"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_false(is_hop(names[i]));
	assert_int_equal(head.length, 3);
}

static void test_every_error_has_a_text_and_a_status(void **state)
{
	(void)state;
	for (int i = HTTP1_OK; i <= HTTP1_TOO_MANY_FIELDS; i++) {
		assert_non_null(http1_error_text((enum http1_error)i));
		for (int j = HTTP1_OK; j < i; j++)
			assert_string_not_equal(
				http1_error_text((enum http1_error)i), http1_error_text((enum http1_error)j));
	}
	assert_non_null(http1_error_text((enum http1_error)999));
	assert_int_equal(http1_error_status(HTTP1_BAD_FOLD), 400);
	assert_int_equal(http1_error_status(HTTP1_TARGET_TOO_LONG), 414);
	assert_int_equal(http1_error_status(HTTP1_HEAD_TOO_LARGE), 431);
	assert_int_equal(http1_error_status(HTTP1_TOO_MANY_FIELDS), 431);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_a_plain_request),
		cmocka_unit_test(test_leaves_what_follows_alone),
		cmocka_unit_test(test_reads_the_framing),
		cmocka_unit_test(test_persistence_by_version_and_connection),
		cmocka_unit_test(test_expect_needs_a_body_and_1_1),
		cmocka_unit_test(test_upgrade_is_websocket_alone),
		cmocka_unit_test(test_takes_each_form_of_target),
		cmocka_unit_test(test_1_0_may_leave_host_out_when_the_target_names_it),
		cmocka_unit_test(test_values_may_hold_obs_text),
		cmocka_unit_test(test_refuses_bad_start_lines),
		cmocka_unit_test(test_refuses_targets_that_do_not_fit_the_method),
		cmocka_unit_test(test_refuses_bad_field_lines),
		cmocka_unit_test(test_refuses_bad_lengths),
		cmocka_unit_test(test_refuses_bad_codings),
		cmocka_unit_test(test_refuses_bad_hosts),
		cmocka_unit_test(test_other_protocols_are_bad_at_once),
		cmocka_unit_test(test_controls_show_before_their_line_ends),
		cmocka_unit_test(test_lone_cr_and_fold_show_at_once),
		cmocka_unit_test(test_method_limit),
		cmocka_unit_test(test_target_limit_shows_at_once),
		cmocka_unit_test(test_head_limit),
		cmocka_unit_test(test_field_limit),
		cmocka_unit_test(test_hop_limits_are_wider),
		cmocka_unit_test(test_trickle_is_not_quadratic),
		cmocka_unit_test(test_mutations_answer_the_same_every_way),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_list_has),
		cmocka_unit_test(test_hop_by_hop),
		cmocka_unit_test(test_connection_names_fields),
		cmocka_unit_test(test_connection_cannot_name_critical_fields),
		cmocka_unit_test(test_every_error_has_a_text_and_a_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
