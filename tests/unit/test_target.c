/*
 * Where a request goes: one place or none. What the parser takes goes through it first, as on the wire; what
 * it refuses is also put past it, since the target's judge must not lean on it.
 */
#include "pipelock/proxy/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct target_case {
	const char *tunnel; /* the authority of CONNECT; NULL: on the listener */
	const char *request;
	enum refusal_code code;
	const char *url; /* canonical; NULL where it is refused */
	bool host_rewritten;
};

/* The URL as it is written when nothing was named. */
static char *url_of(const struct target *target)
{
	struct target canonical = *target;
	canonical.named = (struct span){NULL, 0};
	size_t n = target_url(&canonical, NULL, 0);
	char *url = malloc(n + 1);
	assert_int_equal(target_url(&canonical, url, n), n);
	url[n] = '\0';
	return url;
}

/* Rules and log see the authority as it was sent: in lower case a token is none any more. */
static void test_what_is_named_stays_as_it_was_sent(void **state)
{
	static const struct {
		const char *target, *url;
	} cases[] = {
		{"http://TOKEN.a.example/x", "http://TOKEN.a.example/x"},
		{"http://TOKEN.a.example:80/x", "http://TOKEN.a.example:80/x"},
		{"https://TOKEN.a.example.", "https://TOKEN.a.example./"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http1_head head = {.method = SPAN("GET"), .target = span_of(cases[i].target)};
		struct target target;
		struct refusal refusal;
		char url[64];
		assert_int_equal(target_resolve(&head, NULL, &target, &refusal), REFUSAL_NONE);
		size_t n = target_url(&target, url, sizeof(url));
		assert_int_equal(n, strlen(cases[i].url));
		assert_memory_equal(url, cases[i].url, n);
	}
	assert_true(
		span_equals(target_named_by_connect(SPAN("TOKEN.a.example:443")), SPAN("TOKEN.a.example")));
	assert_true(span_equals(target_named_by_connect(SPAN("a.example:8443")), SPAN("a.example:8443")));
}

/* A refusal may name nothing that the request said. */
static void check_refusal(const struct refusal *refusal, enum refusal_code code)
{
	assert_int_equal(refusal->code, code);
	assert_int_equal(refusal->http1_error, HTTP1_OK);
	assert_int_equal(refusal->note[0], '\0');
	if (refusal->detail)
		assert_null(strstr(refusal->detail, "xyzzy"));
}

static void check_resolved(const struct http1_head *head, const struct target_case *c)
{
	struct authority tunnel;
	struct target target;
	struct refusal refusal;
	if (c->tunnel)
		assert_true(authority_parse(span_of(c->tunnel), 0, &tunnel));
	enum refusal_code code = target_resolve(head, c->tunnel ? &tunnel : NULL, &target, &refusal);
	if (code != c->code)
		fail_msg("%d, not %d: %s", code, c->code, c->request);
	if (code != REFUSAL_NONE) {
		check_refusal(&refusal, code);
		return;
	}
	char *url = url_of(&target);
	assert_string_equal(url, c->url);
	free(url);
	assert_int_equal(target.tls, strncmp(c->url, "https:", 6) == 0);
	/* Host only has to agree: the authority is that of CONNECT */
	if (c->tunnel)
		assert_int_equal(target.authority.host.form, tunnel.host.form);
	if (target.host_rewritten != c->host_rewritten)
		fail_msg("host_rewritten is %d: %s", target.host_rewritten, c->request);
}

static void check(const struct target_case *c)
{
	struct http1_head head;
	enum http1_error error = HTTP1_OK;
	if (http1_parse_request(c->request, strlen(c->request), 0, &head, &error) != HTTP1_DONE)
		fail_msg("%s: %s", http1_error_text(error), c->request);
	check_resolved(&head, c);
}

#define CHECK(...)                                                                                           \
	do {                                                                                                 \
		static const struct target_case cases[] = {__VA_ARGS__};                                     \
		for (size_t i = 0; i < COUNT(cases); i++)                                                    \
			check(&cases[i]);                                                                    \
	} while (0)

/* ---- on the listener */

static void test_absolute_form(void **state)
{
	(void)state;
	CHECK({NULL, "GET http://a.example/p?q HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_NONE,
		      "http://a.example/p?q", false},
		{NULL, "GET HTTPS://A.Example.:443/%41 HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_NONE,
			"https://a.example/%41", false},
		{NULL, "GET http://a.example HTTP/1.1\r\nHost: a.example:80\r\n\r\n", REFUSAL_NONE,
			"http://a.example/", false},
		{NULL, "GET https://a.example:80/ HTTP/1.1\r\nHost: a.example:80\r\n\r\n", REFUSAL_NONE,
			"https://a.example:80/", false},
		{NULL, "GET http://[2001:DB8::0]:8080/ HTTP/1.1\r\nHost: [2001:db8::]:8080\r\n\r\n",
			REFUSAL_NONE, "http://[2001:db8::]:8080/", false},
		{NULL, "GET http://a/../b/./c//d\\e HTTP/1.1\r\nHost: a\r\n\r\n", REFUSAL_NONE,
			"http://a/../b/./c//d\\e", false});
}

/* RFC 9112 3.2.2: the URI counts, whatever Host says. */
static void test_the_uri_counts_over_host(void **state)
{
	(void)state;
	CHECK({NULL, "GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n", REFUSAL_NONE,
		      "http://a.example/", true},
		{NULL, "GET http://a.example/ HTTP/1.1\r\nHost: a.example:81\r\n\r\n", REFUSAL_NONE,
			"http://a.example/", true},
		{NULL, "GET https://a.example/ HTTP/1.1\r\nHost: a.example:80\r\n\r\n", REFUSAL_NONE,
			"https://a.example/", true},
		{NULL, "GET http://a.example:8080/ HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_NONE,
			"http://a.example:8080/", true},
		{NULL, "GET http://1.1.1.1/ HTTP/1.1\r\nHost: one.example\r\n\r\n", REFUSAL_NONE,
			"http://1.1.1.1/", true},
		{NULL, "GET http://a.example/ HTTP/1.1\r\nHost: A.EXAMPLE.\r\n\r\n", REFUSAL_NONE,
			"http://a.example/", false});
}

/* HTTP/1.0 knows no Host. */
static void test_http10_without_host(void **state)
{
	(void)state;
	CHECK({NULL, "GET http://a.example/ HTTP/1.0\r\n\r\n", REFUSAL_NONE, "http://a.example/", false},
		{NULL, "GET https://a.example:8443 HTTP/1.0\r\n\r\n", REFUSAL_NONE, "https://a.example:8443/",
			false},
		{NULL, "GET http://a.example/ HTTP/1.0\r\nHost: b.example\r\n\r\n", REFUSAL_NONE,
			"http://a.example/", true});
}

static void test_what_the_listener_refuses(void **state)
{
	(void)state;
	CHECK({NULL, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_NOT_PROXY_REQUEST, NULL, false},
		{NULL, "GET //a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_NOT_PROXY_REQUEST,
			NULL, false},
		{NULL, "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_BAD_REQUEST, NULL, false},
		{NULL, "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_BAD_REQUEST, NULL,
			false},
		{NULL, "GET ws://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_BAD_REQUEST, NULL,
			false},
		{NULL, "GET wss://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_BAD_REQUEST, NULL,
			false});
}

/* ---- in a tunnel */

static void test_origin_form_in_a_tunnel(void **state)
{
	(void)state;
	CHECK({"a.example:443", "GET /p?q HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_NONE,
		      "https://a.example/p?q", false},
		{"A.Example.:443", "GET / HTTP/1.1\r\nHost: a.example:443\r\n\r\n", REFUSAL_NONE,
			"https://a.example/", false},
		{"a.example:8443", "GET / HTTP/1.1\r\nHost: a.example:8443\r\n\r\n", REFUSAL_NONE,
			"https://a.example:8443/", false},
		{"a.example:8443", "GET / HTTP/1.1\r\nHost: A.EXAMPLE\r\n\r\n", REFUSAL_NONE,
			"https://a.example:8443/", false},
		{"[2001:db8::1]:443", "GET / HTTP/1.1\r\nHost: [2001:DB8:0::1]\r\n\r\n", REFUSAL_NONE,
			"https://[2001:db8::1]/", false},
		{"1.1.1.1:443", "GET / HTTP/1.1\r\nHost: 1.1.1.1\r\n\r\n", REFUSAL_NONE, "https://1.1.1.1/",
			false},
		{"1.1.1.1:443", "GET / HTTP/1.1\r\nHost: 0x1.0x10101\r\n\r\n", REFUSAL_NONE,
			"https://1.1.1.1/", false},
		{"a.example:443", "GET //b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_NONE,
			"https://a.example//b.example/", false},
		{"a.example:443", "GET /http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_NONE,
			"https://a.example/http://b.example/", false});
}

/* One tunnel, one place, on each request. */
static void test_host_has_to_repeat_connect(void **state)
{
	(void)state;
	CHECK({"a.example:443", "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n", REFUSAL_HOST_MISMATCH, NULL,
		      false},
		{"a.example:443", "GET / HTTP/1.1\r\nHost: xyzzy.a.example\r\n\r\n", REFUSAL_HOST_MISMATCH,
			NULL, false},
		{"x.a.example:443", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_HOST_MISMATCH, NULL,
			false},
		{"a.example:443", "GET / HTTP/1.1\r\nHost: a.example:444\r\n\r\n", REFUSAL_HOST_MISMATCH,
			NULL, false},
		{"a.example:8443", "GET / HTTP/1.1\r\nHost: a.example:443\r\n\r\n", REFUSAL_HOST_MISMATCH,
			NULL, false},
		{"a.example:443", "GET / HTTP/1.1\r\nHost: a.example:80\r\n\r\n", REFUSAL_HOST_MISMATCH, NULL,
			false},
		{"1.1.1.1:443", "GET / HTTP/1.1\r\nHost: 1.1.1.2\r\n\r\n", REFUSAL_HOST_MISMATCH, NULL,
			false},
		{"[2001:db8::1]:443", "GET / HTTP/1.1\r\nHost: 1.1.1.1\r\n\r\n", REFUSAL_HOST_MISMATCH, NULL,
			false});
}

static void test_what_a_tunnel_refuses(void **state)
{
	(void)state;
	CHECK({"a.example:443", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n",
		      REFUSAL_NESTED_CONNECT, NULL, false},
		{"a.example:443", "CONNECT b.example:443 HTTP/1.0\r\n\r\n", REFUSAL_NESTED_CONNECT, NULL,
			false},
		{"a.example:443", "GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
			REFUSAL_ABSOLUTE_IN_TUNNEL, NULL, false},
		{"a.example:443", "GET http://b.example HTTP/1.1\r\nHost: a.example\r\n\r\n",
			REFUSAL_ABSOLUTE_IN_TUNNEL, NULL, false},
		{"a.example:443", "GET wss://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
			REFUSAL_ABSOLUTE_IN_TUNNEL, NULL, false},
		{"a.example:443", "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", REFUSAL_BAD_REQUEST, NULL,
			false});
}

/* ---- what the parser refuses, put past it */

struct raw_case {
	const char *tunnel, *method, *target, *host;
	enum refusal_code code;
};

static void check_raw(const struct raw_case *c)
{
	struct http1_head head = {.method = span_of(c->method),
		.target = span_of(c->target),
		.host = c->host ? span_of(c->host) : (struct span){NULL, 0}};
	check_resolved(
		&head, &(struct target_case){.tunnel = c->tunnel, .request = c->target, .code = c->code});
}

static void test_malformed_targets(void **state)
{
	static const char *const targets[] = {"", "a.example", "a.example/", "a.example:80/", "*",
		"http:", "http:/a", "http://", "http:///p", "http://a b/", "http://a/ b", "http://a/\r\n",
		"http://a/#f", "http://a#f", "http://a?q", "http://a?/q", "http://a\\b/", "http://a/\x7f",
		"http://a/\x01", "http://xyzzy@a/", "http://xyzzy:b@a/", "http://@a/", "http://a@/",
		"http://a%40b/", "http://a%2eb/", "http://a:/", "http://a:0/", "http://a:65536/",
		"http://a:080/", "http://a:+1/", "http://a:b/", "http://[::1/", "http://::1/",
		"http://[::1%251]/", "http://[::1]x/", "http://[]/", "http://a..b/", "http://.a/",
		"http://-a/", "http://a,b/", "http://a/\xff#", "http://\xc3\xa4/", "ftp://a/", "file:///etc",
		"javascript:x", "httpx://a/", "//a/"};
	(void)state;
	for (size_t i = 0; i < COUNT(targets); i++) {
		bool origin = targets[i][0] == '/';
		struct raw_case c = {NULL, "GET", targets[i], "a",
			origin ? REFUSAL_NOT_PROXY_REQUEST : REFUSAL_BAD_REQUEST};
		check_raw(&c);
		c.tunnel = "b:443";
		c.code = origin ? REFUSAL_HOST_MISMATCH : REFUSAL_BAD_REQUEST;
		check_raw(&c);
	}
}

static void test_malformed_paths_and_hosts(void **state)
{
	static const struct raw_case cases[] = {
		{"a:443", "GET", "/ b", "a", REFUSAL_BAD_REQUEST},
		{"a:443", "GET", "/#f", "a", REFUSAL_BAD_REQUEST},
		{"a:443", "GET", "/\r\nX: y", "a", REFUSAL_BAD_REQUEST},
		{"a:443", "GET", "/", "", REFUSAL_BAD_REQUEST},
		{"a:443", "GET", "/", NULL, REFUSAL_BAD_REQUEST},
		{"a:443", "GET", "/", "a,a", REFUSAL_BAD_REQUEST},
		{"a:443", "GET", "/", "xyzzy@a", REFUSAL_BAD_REQUEST},
		{"a:443", "GET", "/", "a:", REFUSAL_BAD_REQUEST},
		{"a:443", "GET", "/", "a:0443", REFUSAL_BAD_REQUEST},
		{"a:443", "GET", "/", "https://a", REFUSAL_BAD_REQUEST},
		{"a:443", "connect", "a:443", "a", REFUSAL_BAD_REQUEST},
		{NULL, "GET", "http://a/", "a/", REFUSAL_BAD_REQUEST},
		{NULL, "GET", "http://a/", "a:x", REFUSAL_BAD_REQUEST},
		{NULL, "GET", "http://a/", "xyzzy@a", REFUSAL_BAD_REQUEST},
		{NULL, "GET", "http://a/", "a b", REFUSAL_BAD_REQUEST},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_raw(&cases[i]);
}

/* ---- addresses: the one spelling that is judged and dialled, and how it was spelled */

static void test_spellings_of_addresses(void **state)
{
	static const struct {
		const char *target, *url;
		enum host_form form;
	} cases[] = {
		{"http://127.0.0.1/", "http://127.0.0.1/", HOST_IPV4},
		{"http://0177.0.0.1/", "http://127.0.0.1/", HOST_IPV4_LEGACY},
		{"http://0x7f000001/", "http://127.0.0.1/", HOST_IPV4_LEGACY},
		{"http://0X7F.1:81/", "http://127.0.0.1:81/", HOST_IPV4_LEGACY},
		{"http://2130706433/", "http://127.0.0.1/", HOST_IPV4_LEGACY},
		{"http://127.1/", "http://127.0.0.1/", HOST_IPV4_LEGACY},
		{"http://127.0.0.1./", "http://127.0.0.1/", HOST_IPV4_LEGACY},
		{"http://0/", "http://0.0.0.0/", HOST_IPV4_LEGACY},
		{"http://[::ffff:7f00:1]/", "http://[::ffff:127.0.0.1]/", HOST_IPV6},
		{"http://0x7f.example/", "http://0x7f.example/", HOST_NAME},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http1_head head = {.method = SPAN("GET"), .target = span_of(cases[i].target)};
		struct target target;
		struct refusal refusal;
		assert_int_equal(target_resolve(&head, NULL, &target, &refusal), REFUSAL_NONE);
		assert_int_equal(target.authority.host.form, cases[i].form);
		char *url = url_of(&target);
		assert_string_equal(url, cases[i].url);
		free(url);
	}
}

/* ---- the URL of it */

/* Room is exact, so that the address sanitizer sees an octet past it. */
static void test_url_is_whole_or_not_at_all(void **state)
{
	static const char *const targets[] = {
		"http://a/", "https://a.example:8443/p?q=1", "http://[2001:db8::1]:8080/%20", "https://a"};
	(void)state;
	for (size_t i = 0; i < COUNT(targets); i++) {
		struct http1_head head = {.method = SPAN("GET"), .target = span_of(targets[i])};
		struct target target;
		struct refusal refusal;
		assert_int_equal(target_resolve(&head, NULL, &target, &refusal), REFUSAL_NONE);
		target.named = (struct span){NULL, 0};
		char *whole = url_of(&target);
		size_t n = strlen(whole);
		for (size_t room = 0; room <= n + 1; room++) {
			char *out = malloc(room);
			memset(out, '#', room);
			assert_int_equal(target_url(&target, out, room), n);
			for (size_t k = 0; k < room; k++)
				assert_int_equal(out[k], room < n || k >= n ? '#' : whole[k]);
			free(out);
		}
		free(whole);
	}
}

static void test_long_targets(void **state)
{
	char *text = malloc(HTTP1_MAX_TARGET), name[HOST_MAX + 1];
	struct http1_head head = {.method = SPAN("GET"), .target = {text, HTTP1_MAX_TARGET}};
	struct target target;
	struct refusal refusal;
	(void)state;
	memset(name, 'h', HOST_MAX);
	for (size_t i = 63; i < HOST_MAX; i += 64)
		name[i] = '.';
	name[HOST_MAX] = '\0';
	memset(text, 'p', HTTP1_MAX_TARGET);
	text[sprintf(text, "http://%s:65535/", name)] = 'p';
	assert_int_equal(target_resolve(&head, NULL, &target, &refusal), REFUSAL_NONE);
	assert_int_equal(target_url(&target, NULL, 0), HTTP1_MAX_TARGET);
	char *out = malloc(HTTP1_MAX_TARGET);
	assert_int_equal(target_url(&target, out, HTTP1_MAX_TARGET), HTTP1_MAX_TARGET);
	assert_memory_equal(out, text, HTTP1_MAX_TARGET);
	free(out);
	text[7 + HOST_MAX] = 'h'; /* the name is an octet too long */
	assert_int_equal(target_resolve(&head, NULL, &target, &refusal), REFUSAL_BAD_REQUEST);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_named_stays_as_it_was_sent),
		cmocka_unit_test(test_absolute_form),
		cmocka_unit_test(test_the_uri_counts_over_host),
		cmocka_unit_test(test_http10_without_host),
		cmocka_unit_test(test_what_the_listener_refuses),
		cmocka_unit_test(test_origin_form_in_a_tunnel),
		cmocka_unit_test(test_host_has_to_repeat_connect),
		cmocka_unit_test(test_what_a_tunnel_refuses),
		cmocka_unit_test(test_malformed_targets),
		cmocka_unit_test(test_malformed_paths_and_hosts),
		cmocka_unit_test(test_spellings_of_addresses),
		cmocka_unit_test(test_url_is_whole_or_not_at_all),
		cmocka_unit_test(test_long_targets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
