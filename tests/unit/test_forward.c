/*
 * Heads as pipelock writes them, towards egress and towards the agent: from parsed octets to written octets,
 * compared whole. Each is written again into blocks of every smaller size, so that the address sanitizer sees
 * an octet past the room.
 */
#include "pipelock/proxy/forward.h"

#include "tests/unit/every_way.h"

#include <stdio.h>

#define CAPABILITY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID "r-0001"
#define HOP "Proxy-Authorization: Bearer " CAPABILITY "\r\nPipelock-Request: " ID "\r\n"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One of the writers with what it reads, so that all are held to the same promise. */
struct writing {
	const struct http1_head *head;
	const struct target *target;	    /* a request */
	const struct authority *authority;  /* a CONNECT */
	const struct forward_response *how; /* a response; none of the three: trailers */
};

static size_t write_once(const struct writing *writing, char *out, size_t room)
{
	if (writing->target)
		return forward_request(writing->head, writing->target, CAPABILITY, ID, out, room);
	if (writing->authority)
		return forward_connect(writing->authority, CAPABILITY, ID, out, room);
	if (writing->how)
		return forward_response(writing->head, writing->how, out, room);
	return forward_trailers(writing->head, out, room);
}

/* Too little room is no head, never a part of one; exact room is enough. Free the result. */
static char *write_every_way(const struct writing *writing, size_t *size)
{
	size_t room = HTTP1_HOP_MAX_HEAD + 1;
	char *whole = malloc(room);
	assert_non_null(whole);
	*size = write_once(writing, whole, room);
	assert_int_not_equal(*size, 0);
	assert_true(*size < room);
	whole[*size] = '\0';
	for (size_t n = *size > 4096 ? *size - 300 : 0; n <= *size + 1; n++) {
		char *out = malloc(n);
		size_t written = write_once(writing, out, n);
		assert_int_equal(written, n < *size ? 0 : *size);
		if (written)
			assert_memory_equal(out, whole, written);
		free(out);
	}
	return whole;
}

static void check_writing(const struct writing *writing, const char *expected)
{
	size_t size;
	char *out = write_every_way(writing, &size);
	assert_string_equal(out, expected);
	free(out);
}

/* ---- requests */

static void parse_request(struct span text, struct http1_head *head)
{
	enum http1_error error = HTTP1_OK;
	if (http1_parse_request(text.p, text.n, 0, head, &error) != HTTP1_DONE)
		fail_msg("%s: %.*s", http1_error_text(error), SPAN_ARG(text));
}

static void parse_hop_request(struct span text, struct http1_head *head)
{
	enum http1_error error = HTTP1_OK;
	if (http1_parse_hop_request(text.p, text.n, 0, head, &error) != HTTP1_DONE)
		fail_msg("%s: %.*s", http1_error_text(error), SPAN_ARG(text));
	assert_int_equal(head->size, text.n);
}

static void resolve(const struct http1_head *head, const char *tunnel, struct target *target)
{
	struct authority authority;
	struct refusal refusal;
	if (tunnel)
		assert_true(authority_parse(span_of(tunnel), 0, &authority));
	assert_int_equal(target_resolve(head, tunnel ? &authority : NULL, target, &refusal), REFUSAL_NONE);
}

/* tunnel NULL: on the listener. */
static void check_request(const char *tunnel, struct span text, const char *expected)
{
	struct http1_head head;
	struct target target;
	parse_request(text, &head);
	resolve(&head, tunnel, &target);
	check_writing(&(struct writing){.head = &head, .target = &target}, expected);
}

#define REQUEST(text, expected) check_request(NULL, SPAN(text), expected)

static void test_requests_are_written_anew(void **state)
{
	(void)state;
	REQUEST("GET http://A.example:80/p?q HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET http://a.example/p?q HTTP/1.1\r\nHost: a.example\r\n" HOP "\r\n");
	REQUEST("GET http://a.example HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n" HOP "\r\n");
	REQUEST("GET https://a.example:80/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET https://a.example:80/ HTTP/1.1\r\nHost: a.example:80\r\n" HOP "\r\n");
	REQUEST("PROPFIND http://[2001:DB8::0:1]:8080/%41 HTTP/1.0\r\n\r\n",
		"PROPFIND http://[2001:db8::1]:8080/%41 HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n" HOP "\r\n");
	check_request("a.example:443", SPAN("GET /p HTTP/1.1\r\nHost: A.Example.\r\nX: y\r\n\r\n"),
		"GET https://a.example/p HTTP/1.1\r\nHost: a.example\r\n" HOP "X: y\r\n\r\n");
	check_request("a.example:8443", SPAN("GET /p HTTP/1.1\r\nHost: a.example\r\n\r\n"),
		"GET https://a.example:8443/p HTTP/1.1\r\nHost: a.example:8443\r\n" HOP "\r\n");
}

static void test_request_framing_is_ours(void **state)
{
	(void)state;
	REQUEST("POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\nX:y\r\n\r\n",
		"POST http://a/ HTTP/1.1\r\nHost: a\r\n" HOP "X: y\r\nContent-Length: 7\r\n\r\n");
	REQUEST("POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
		"POST http://a/ HTTP/1.1\r\nHost: a\r\n" HOP "Content-Length: 0\r\n\r\n");
	REQUEST("PUT http://a/ HTTP/1.1\r\nHost: a\r\ncontent-length: 9223372036854775807\r\n\r\n",
		"PUT http://a/ HTTP/1.1\r\nHost: a\r\n" HOP "Content-Length: 9223372036854775807\r\n\r\n");
	REQUEST("POST http://a/ HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\nX:y\r\n\r\n",
		"POST http://a/ HTTP/1.1\r\nHost: a\r\n" HOP "X: y\r\nTransfer-Encoding: chunked\r\n\r\n");
	REQUEST("POST http://a/ HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: "
		"5\r\n\r\n",
		"POST http://a/ HTTP/1.1\r\nHost: a\r\n" HOP "Content-Length: 5\r\n\r\n");
}

/* End-to-end fields: order, spelling, repetitions, octets over 0x7F, white space within. */
static void test_request_fields_are_kept(void **state)
{
	(void)state;
	REQUEST("GET http://a/ HTTP/1.1\r\nx-lOWer: 1\r\nHost: a\r\nCookie: b=2; a=1\r\ncookie: c\r\n"
		"Authorization: Bearer  two  spaces\r\nX-Empty:\r\nX-Octets: \xff\x80 \"\t\\\r\n"
		"X-LOWER: 0\r\nTE-x: 1\r\nVia: 1.0 b\r\nForwarded: for=x\r\nX-Forwarded-For: x\r\n"
		"Sec-WebSocket-Extensions: e\r\nProxy: p\r\nPipelock: p\r\nExpected: e\r\nHosts: "
		"h\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\n" HOP "x-lOWer: 1\r\nCookie: b=2; a=1\r\ncookie: c\r\n"
		"Authorization: Bearer  two  spaces\r\nX-Empty: \r\nX-Octets: \xff\x80 \"\t\\\r\n"
		"X-LOWER: 0\r\nTE-x: 1\r\nVia: 1.0 b\r\nForwarded: for=x\r\nX-Forwarded-For: x\r\n"
		"Sec-WebSocket-Extensions: e\r\nProxy: p\r\nPipelock: p\r\nExpected: e\r\nHosts: "
		"h\r\n\r\n");
}

static void test_what_ends_here_is_dropped(void **state)
{
	static const char *const dropped[] = {"Proxy-Authorization: Bearer s", "PROXY-AUTHORIZATION: x",
		"Proxy-Connection: keep-alive", "proxy-anything: x", "Proxy-: x", "Pipelock-Request: forged",
		"pipelock-Code: x", "PIPELOCK-: x", "Pipelock-Failure: dns_failed", "Expect: 100-continue",
		"expect: x", "HTTP2-Settings: AAMAAABk", "http2-settings: x", "Connection: close",
		"Connection: keep-alive", "Keep-Alive: timeout=5", "TE: trailers", "Trailer: X-T",
		"Upgrade: h2c", "upgrade: websocket", "Connection: Upgrade, HTTP2-Settings"};
	(void)state;
	for (size_t i = 0; i < COUNT(dropped); i++) {
		char text[512];
		int n = snprintf(text, sizeof(text),
			"GET http://a/ HTTP/1.1\r\nHost: a\r\nA: 1\r\n%s\r\nB: 2\r\n\r\n", dropped[i]);
		check_request(NULL, (struct span){text, (size_t)n},
			"GET http://a/ HTTP/1.1\r\nHost: a\r\n" HOP "A: 1\r\nB: 2\r\n\r\n");
	}
}

static void test_connection_names_fields(void **state)
{
	(void)state;
	REQUEST("GET http://a/ HTTP/1.1\r\nX-A: 1\r\nHost: a\r\nConnection: x-a , close\r\nX-B: 2\r\n"
		"connection: X-c\r\nx-C: 3\r\nX-C: 4\r\nX-Ab: 5\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\n" HOP "X-B: 2\r\nX-Ab: 5\r\n\r\n");
	/* What the next hop decides by can't be named away. */
	REQUEST("GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: authorization, cookie, content-type, host, "
		"content-encoding\r\nAuthorization: s\r\nCookie: c\r\nContent-Type: t\r\nContent-Encoding: "
		"gzip\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\n" HOP "Authorization: s\r\nCookie: c\r\nContent-Type: "
		"t\r\nContent-Encoding: gzip\r\n\r\n");
	/* Nor can it name away what we add. */
	REQUEST("GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: proxy-authorization, "
		"pipelock-request\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\n" HOP "\r\n");
}

/* Frames have to stay readable: no extension is offered on. */
static void test_websocket(void **state)
{
	(void)state;
	REQUEST("GET http://a/ws HTTP/1.1\r\nHost: a\r\nupgrade: WebSocket\r\nconnection: keep-alive, "
		"Upgrade\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: k\r\n"
		"sec-websocket-extensions: x\r\nSec-WebSocket-Protocol: p\r\nSec-WebSocket-Version: "
		"13\r\n\r\n",
		"GET http://a/ws HTTP/1.1\r\nHost: a\r\n" HOP "Sec-WebSocket-Key: k\r\n"
		"Sec-WebSocket-Protocol: p\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\nUpgrade: "
		"websocket\r\n\r\n");
}

static void test_connect(void **state)
{
	struct authority authority;
	(void)state;
	assert_true(authority_parse(SPAN("A.Example.:443"), 0, &authority));
	check_writing(&(struct writing){.authority = &authority},
		"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n" HOP "\r\n");
	assert_true(authority_parse(SPAN("[2001:db8::1]:80"), 0, &authority));
	check_writing(&(struct writing){.authority = &authority},
		"CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n" HOP "\r\n");
}

/* ---- requests of any kind */

static void make_long_authority(char out[HOST_MAX + 7])
{
	memset(out, 'h', HOST_MAX);
	for (size_t i = 63; i < HOST_MAX; i += 64)
		out[i] = '.';
	strcpy(out + HOST_MAX, ":65535");
}

/* The largest head that an agent may send, in a tunnel to the longest name: it still fits the hop. */
static void test_the_largest_request_fits(void **state)
{
	char *text = malloc(HTTP1_MAX_HEAD), name[HOST_MAX + 7];
	size_t size = HTTP1_MAX_HEAD;
	(void)state;
	make_long_authority(name);
	size_t n = (size_t)sprintf(text, "POST ");
	memset(text + n, '/', HTTP1_MAX_TARGET);
	n += HTTP1_MAX_TARGET;
	n += (size_t)sprintf(text + n, " HTTP/1.1\r\nHost:%s\r\nTransfer-Encoding:chunked\r\n", name);
	for (int i = 3; i < HTTP1_MAX_FIELDS; i++)
		n += (size_t)sprintf(text + n, "X:y\r\n");
	n += (size_t)sprintf(text + n, "Y:");
	memset(text + n, 'z', size - n);
	memcpy(text + size - 4, "\r\n\r\n", 4);

	struct http1_head head, hop;
	struct target target;
	parse_request((struct span){text, size}, &head);
	assert_int_equal(head.field_count, HTTP1_MAX_FIELDS);
	resolve(&head, name, &target);
	size_t written;
	char *out = write_every_way(&(struct writing){.head = &head, .target = &target}, &written);
	parse_hop_request((struct span){out, written}, &hop);
	assert_int_equal(hop.framing, HTTP1_CHUNKED);
	assert_int_equal(hop.fields[hop.field_count - 2].value.n, head.fields[127].value.n);
	free(out);
	free(text);
}

static size_t count_fields(const struct http1_head *head, struct span name)
{
	size_t count;
	http1_find(head, name, &count);
	return count;
}

static bool is_named_by_connection(const struct http1_head *head, struct span name)
{
	for (size_t i = 0; i < head->field_count; i++)
		if (span_equals_nocase(head->fields[i].name, SPAN("Connection")) &&
			http1_list_has(head->fields[i].value, name))
			return true;
	return false;
}

static bool ends_here(const struct http1_head *head, struct span name)
{
	static const char *const names[] = {"Host", "HTTP2-Settings", "Content-Length", "Expect",
		"Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade"};
	for (size_t i = 0; i < COUNT(names); i++)
		if (span_equals_nocase(name, span_of(names[i])))
			return true;
	return (name.n >= 6 && strncasecmp(name.p, "Proxy-", 6) == 0) ||
	       (name.n >= 9 && strncasecmp(name.p, "Pipelock-", 9) == 0) ||
	       (head->upgrade_websocket && span_equals_nocase(name, SPAN("Sec-WebSocket-Extensions")));
}

/* Between what we write first and last stand the agent's fields, in their order, less what ends here. */
static void check_hop_fields(const struct http1_head *head, const struct http1_head *hop)
{
	size_t ours = (head->framing != HTTP1_NO_BODY) + 2 * (size_t)head->upgrade_websocket;
	size_t at = 3, end = hop->field_count - ours;
	for (size_t i = 0; i < head->field_count; i++) {
		const struct http1_field *sent = &head->fields[i], *kept = &hop->fields[at];
		if (at < end && span_equals(sent->name, kept->name) && span_equals(sent->value, kept->value))
			at += !ends_here(head, sent->name);
		else if (!ends_here(head, sent->name) && !is_named_by_connection(head, sent->name))
			fail_msg("%.*s is gone", SPAN_ARG(sent->name));
	}
	assert_int_equal(at, end);
}

/* false: the parser or the target's judge does not take it. */
static bool check_any_request(struct span text)
{
	struct http1_head head, hop;
	struct target target;
	struct refusal refusal;
	enum http1_error error;
	char out[4096];
	if (http1_parse_request(text.p, text.n, 0, &head, &error) != HTTP1_DONE ||
		target_resolve(&head, NULL, &target, &refusal) != REFUSAL_NONE)
		return false;
	size_t n = forward_request(&head, &target, CAPABILITY, ID, out, sizeof(out));
	assert_int_not_equal(n, 0);
	parse_hop_request((struct span){out, n}, &hop);
	assert_true(span_equals(hop.method, head.method));
	assert_int_equal(hop.framing, head.framing);
	assert_true(hop.length == head.length);
	assert_int_equal(hop.upgrade_websocket, head.upgrade_websocket);
	assert_false(hop.expect_continue);
	assert_int_equal(count_fields(&hop, SPAN("Proxy-Authorization")), 1);
	assert_int_equal(count_fields(&hop, SPAN("Pipelock-Request")), 1);
	check_hop_fields(&head, &hop);
	return true;
}

/* Whatever the parser takes, egress reads as the same message. */
static void test_any_request_is_read_alike(void **state)
{
	static const struct span seeds[] = {
		BYTES("POST http://a.example/p?q HTTP/1.1\r\nHost: a.example\r\nContent-Length: 12\r\nX-A: "
		      "1\r\nProxy-A: 2\r\nConnection: x-a\r\nExpect: 100-continue\r\nCookie: c\r\n\r\n"),
		BYTES("POST https://a.example:44 HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: "
		      "chunked\r\nPipelock-A: 1\r\nTE: trailers\r\nTrailer: x\r\nX:y\r\n\r\n"),
		BYTES("GET http://1.2.3.4/ HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: "
		      "Upgrade\r\nSec-WebSocket-Extensions: e\r\nHTTP2-Settings: 1\r\n\r\n"),
		BYTES("GET http://[::1]:8/ HTTP/1.0\r\nKeep-Alive: 1\r\nX: \xff\r\nX: \"\r\n\r\n"),
	};
	uint32_t seed = 7;
	int taken = 0;
	(void)state;
	for (size_t i = 0; i < COUNT(seeds); i++)
		assert_true(check_any_request(seeds[i]));
	for (int round = 0; round < 20000; round++) {
		char text[512];
		struct span from = seeds[next_random(&seed) % COUNT(seeds)];
		size_t n = mutate(&seed, from, text, sizeof(text));
		taken += check_any_request((struct span){text, n});
	}
	assert_true(taken > 2000);
}

/* ---- responses */

static void parse_response(const char *text, struct span method, struct http1_head *head)
{
	enum http1_error error = HTTP1_OK;
	if (http1_parse_hop_response(text, strlen(text), 0, method, head, &error) != HTTP1_DONE)
		fail_msg("%s: %s", http1_error_text(error), text);
}

static void check_response(
	const struct forward_response *how, const char *method, const char *text, const char *expected)
{
	struct http1_head head;
	parse_response(text, span_of(method), &head);
	check_writing(&(struct writing){.head = &head, .how = how}, expected);
}

static const struct forward_response sized = {.framing = HTTP1_LENGTH, .length = 3, .keep_alive = true};
static const struct forward_response chunked = {.framing = HTTP1_CHUNKED, .keep_alive = true};
static const struct forward_response bodyless = {.framing = HTTP1_NO_BODY, .keep_alive = true};

static void test_responses_are_written_anew(void **state)
{
	(void)state;
	check_response(&sized, "GET", "HTTP/1.1 200 Fine \xe9\r\nContent-Length: 003\r\nX:y\r\n\r\n",
		"HTTP/1.1 200 Fine \xe9\r\nX: y\r\nContent-Length: 3\r\n\r\n");
	check_response(&chunked, "GET", "HTTP/1.1 404\r\nTransfer-Encoding: Chunked\r\nX:y\r\n\r\n",
		"HTTP/1.1 404 \r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n");
	check_response(&sized, "GET", "HTTP/1.0 500 Oh\r\nContent-Length: 3\r\n\r\n",
		"HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\n");
	/* the framing is what the caller says, never what the head says */
	check_response(&chunked, "GET", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	check_response(&sized, "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
}

static void test_persistence_is_ours(void **state)
{
	struct forward_response how = sized;
	static const char from[] =
		"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\nKeep-Alive: x\r\n\r\n";
	(void)state;
	how.keep_alive = false;
	check_response(
		&how, "GET", from, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
	how.http10 = true;
	check_response(
		&how, "GET", from, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
	how.keep_alive = true;
	check_response(
		&how, "GET", from, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n");
	how = (struct forward_response){.framing = HTTP1_UNTIL_CLOSE, .http10 = true};
	check_response(&how, "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	check_response(&sized, "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
}

/* HEAD and 304 tell of the body that there would have been (RFC 9110 8.6). */
static void test_length_without_a_body(void **state)
{
	(void)state;
	check_response(&bodyless, "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nX:y\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nX: y\r\n\r\n");
	check_response(&bodyless, "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n");
	check_response(&bodyless, "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n");
	check_response(&bodyless, "GET", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n");
}

static void test_what_is_not_for_the_agent_is_dropped(void **state)
{
	static const char *const dropped[] = {"Alt-Svc: h3=\":443\"", "ALT-SVC: clear", "Pipelock-Code: x",
		"pipelock-request: x", "PIPELOCK-DETAIL: x", "Proxy-Authenticate: Basic",
		"Proxy-Authentication-Info: x", "proxy-connection: x", "Proxy-: x",
		"Sec-WebSocket-Extensions: permessage-deflate", "Connection: x", "Keep-Alive: 1", "TE: x",
		"Trailer: X", "Upgrade: h2c", "Connection: A-B"};
	(void)state;
	for (size_t i = 0; i < COUNT(dropped); i++) {
		char text[512];
		snprintf(text, sizeof(text),
			"HTTP/1.1 200 OK\r\nA: 1\r\n%s\r\nB: 2\r\nContent-Length: 3\r\n\r\n", dropped[i]);
		check_response(
			&sized, "GET", text, "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nContent-Length: 3\r\n\r\n");
	}
}

static void test_response_fields_are_kept(void **state)
{
	(void)state;
	check_response(&sized, "GET",
		"HTTP/1.1 401 No\r\nset-cookie: b\r\nContent-Length: 3\r\nSet-Cookie: a\r\nWWW-Authenticate: "
		"x\r\nLocation: /\xff\r\nX-Gone: 1\r\nConnection: x-gone, set-cookie\r\nContent-Encoding: "
		"gzip\r\nServer:\r\nVia: 1.1 x\r\nStrict-Transport-Security: max-age=1\r\nAlt-Svc2: "
		"y\r\nDate: d\r\n\r\n",
		"HTTP/1.1 401 No\r\nset-cookie: b\r\nSet-Cookie: a\r\nWWW-Authenticate: x\r\nLocation: "
		"/\xff\r\nContent-Encoding: gzip\r\nServer: \r\nVia: 1.1 x\r\nStrict-Transport-Security: "
		"max-age=1\r\nAlt-Svc2: y\r\nDate: d\r\nContent-Length: 3\r\n\r\n");
}

static void test_interim_responses(void **state)
{
	struct forward_response how = {.framing = HTTP1_NO_BODY, .keep_alive = true};
	(void)state;
	check_response(&how, "GET",
		"HTTP/1.1 103 Early Hints\r\nLink: x\r\nAlt-Svc: h3\r\nConnection: x\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
	how.keep_alive = false; /* the final answer says it */
	how.http10 = true;
	check_response(&how, "GET", "HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n");
	how = (struct forward_response){.framing = HTTP1_NO_BODY, .keep_alive = true, .upgrade = true};
	check_response(&how, "GET",
		"HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: "
		"Upgrade\r\nSec-WebSocket-Accept: "
		"x\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
		"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: "
		"websocket\r\n\r\n");
}

static void test_the_largest_response_fits(void **state)
{
	char *text = malloc(HTTP1_MAX_HEAD + 1);
	size_t size = HTTP1_MAX_HEAD;
	struct http1_head head, agent;
	enum http1_error error;
	(void)state;
	size_t n = (size_t)sprintf(text, "HTTP/1.1 200\r\nTransfer-Encoding:chunked\r\n");
	for (int i = 2; i < HTTP1_MAX_FIELDS; i++)
		n += (size_t)sprintf(text + n, "X:\r\n");
	n += (size_t)sprintf(text + n, "Y:");
	memset(text + n, 'z', size - n);
	memcpy(text + size - 4, "\r\n\r\n", 5);
	parse_response(text, SPAN("GET"), &head);
	size_t written;
	char *out = write_every_way(&(struct writing){.head = &head, .how = &chunked}, &written);
	assert_int_equal(http1_parse_hop_response(out, written, 0, SPAN("GET"), &agent, &error), HTTP1_DONE);
	assert_int_equal(agent.size, written);
	assert_int_equal(agent.framing, HTTP1_CHUNKED);
	assert_int_equal(agent.field_count, head.field_count);
	free(out);
	free(text);
}

/* ---- trailers */

static void check_trailers(struct span text, const char *expected)
{
	struct http1_head head;
	enum http1_error error;
	assert_int_equal(http1_parse_trailers(text.p, text.n, 0, &head, &error), HTTP1_DONE);
	check_writing(&(struct writing){.head = &head}, expected);
}

static void test_trailers_are_written_anew(void **state)
{
	(void)state;
	check_trailers(SPAN("\r\n"), "\r\n");
	check_trailers(SPAN("x-B:2\r\nPipelock-Code: x\r\nX-A: \xff\r\npipelock-: y\r\nX-Empty:\r\n\r\n"),
		"x-B: 2\r\nX-A: \xff\r\nX-Empty: \r\n\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_are_written_anew),
		cmocka_unit_test(test_request_framing_is_ours),
		cmocka_unit_test(test_request_fields_are_kept),
		cmocka_unit_test(test_what_ends_here_is_dropped),
		cmocka_unit_test(test_connection_names_fields),
		cmocka_unit_test(test_websocket),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_the_largest_request_fits),
		cmocka_unit_test(test_any_request_is_read_alike),
		cmocka_unit_test(test_responses_are_written_anew),
		cmocka_unit_test(test_persistence_is_ours),
		cmocka_unit_test(test_length_without_a_body),
		cmocka_unit_test(test_what_is_not_for_the_agent_is_dropped),
		cmocka_unit_test(test_response_fields_are_kept),
		cmocka_unit_test(test_interim_responses),
		cmocka_unit_test(test_the_largest_response_fits),
		cmocka_unit_test(test_trailers_are_written_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
