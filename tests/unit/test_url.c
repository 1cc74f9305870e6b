/*
 * Hosts, authorities and URLs: one canonical form, and nothing that two parsers could read as two hosts.
 */
#include "common/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* From a block of the exact size, so that the sanitizer sees a look past its end. */
static bool parse_host(const char *text, size_t n, struct host *out)
{
	char *copy = malloc(n + (n == 0));
	bool result;

	assert_non_null(copy);
	memcpy(copy, text, n);
	result = host_parse((struct span){copy, n}, out);
	free(copy);
	assert_int_equal(result, out->form != HOST_INVALID);
	assert_int_equal(out->length, strlen(out->text));
	return result;
}

static void check_host(const char *text, enum host_form form, const char *canonical)
{
	struct host host;

	parse_host(text, strlen(text), &host);
	if (host.form != form || strcmp(host.text, canonical) != 0)
		fail_msg("%s: form %d, %s", text, host.form, host.text);
}

static void test_names(void **state)
{
	(void)state;
	check_host("a", HOST_NAME, "a");
	check_host("a.example", HOST_NAME, "a.example");
	check_host("A.EXAMPLE", HOST_NAME, "a.example");
	check_host("a.example.", HOST_NAME, "a.example");
	check_host("_sip._tcp.a-b.example", HOST_NAME, "_sip._tcp.a-b.example");
	check_host("xn--bcher-kva.example", HOST_NAME, "xn--bcher-kva.example");
	check_host("1.2.3.4.example", HOST_NAME, "1.2.3.4.example");
	check_host("r1---sn-4g5e.a", HOST_NAME, "r1---sn-4g5e.a");
	check_host("0x1g", HOST_NAME, "0x1g");
	check_host("x0x1", HOST_NAME, "x0x1");
	check_host("1e3", HOST_NAME, "1e3");
}

static void test_bad_names(void **state)
{
	static const char *const bad[] = {"", ".", "..", ".a", "a..b", "a..", "-a", "a-", "a.-b", "a-.b",
		"a b", "a/b", "a:80", "u@a", "a%2e", "%61", "a\\b", "a?b", "a#b", "a,b", "a;b", "a*b", "*",
		"a|b", "\xc3\xa9", "a\x80", "a\t", " a", "a\x7f", "a\r\n", "[a]", "a[", "a]", "a=b", "a\"b",
		"<a>", "\xef\xbc\x8e"};
	struct host host;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse_host(bad[i], strlen(bad[i]), &host))
			fail_msg("%s", bad[i]);
	assert_false(parse_host("a\0b", 3, &host));
	assert_false(parse_host("a\0", 2, &host));
}

static void test_name_lengths(void **state)
{
	char text[300];
	struct host host;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_true(parse_host(text, 63, &host));
	assert_false(parse_host(text, 64, &host));
	for (size_t i = 50; i < sizeof(text); i += 51)
		text[i] = '.';
	assert_true(parse_host(text, HOST_MAX, &host));
	assert_int_equal(host.length, HOST_MAX);
	assert_false(parse_host(text, HOST_MAX + 1, &host));
	text[HOST_MAX] = '.';
	assert_true(parse_host(text, HOST_MAX + 1, &host));
	assert_int_equal(host.length, HOST_MAX);
	text[HOST_MAX + 1] = '.';
	assert_false(parse_host(text, HOST_MAX + 2, &host));
}

static void test_addresses(void **state)
{
	(void)state;
	check_host("1.2.3.4", HOST_IPV4, "1.2.3.4");
	check_host("[::1]", HOST_IPV6, "::1");
	check_host("[2001:DB8:0:0::A]", HOST_IPV6, "2001:db8::a");
	check_host("[::ffff:127.0.0.1]", HOST_IPV6, "::ffff:127.0.0.1");
	check_host("127.1", HOST_IPV4_LEGACY, "127.0.0.1");
	check_host("127.0.0.1.", HOST_IPV4_LEGACY, "127.0.0.1");
	check_host("2130706433", HOST_IPV4_LEGACY, "127.0.0.1");
	check_host("0X7F.0.0.1", HOST_IPV4_LEGACY, "127.0.0.1");
	check_host("0177.0.0.1", HOST_IPV4_LEGACY, "127.0.0.1");
	check_host("010.0.0.1", HOST_IPV4_LEGACY, "8.0.0.1");
	check_host("0xa9fea9fe", HOST_IPV4_LEGACY, "169.254.169.254");
	check_host("0", HOST_IPV4_LEGACY, "0.0.0.0");
}

/* A last label that is a number makes an IPv4 address or nothing: a resolver might still make something of
 * it. */
static void test_numbers_are_never_names(void **state)
{
	static const char *const bad[] = {"1.2.3.4.5", "256.256.256.256", "1.2.3.256", "a.1", "a.example.0x1",
		"a.0x", "4294967296", "08", "1.2.3.09", "1.2..3", "1.2.3.4..", "99999999999999999999",
		"a.123.", "_.5"};
	struct host host;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse_host(bad[i], strlen(bad[i]), &host))
			fail_msg("%s", bad[i]);
}

static void test_bad_brackets(void **state)
{
	static const char *const bad[] = {"[", "]", "[]", "[::1", "::1]", "::1", "[[::1]]", "[1.2.3.4]",
		"[::1]x", "[fe80::1%1]", "[fe80::1%25eth0]", "[v1.x]", "[::1].", "[::1]:80"};
	struct host host;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse_host(bad[i], strlen(bad[i]), &host))
			fail_msg("%s", bad[i]);
}

static void check_authority(const char *text, uint16_t default_port, const char *canonical, unsigned port)
{
	char out[AUTHORITY_TEXT_SIZE];
	struct authority authority;
	size_t n;

	if (!authority_parse(span_of(text), default_port, &authority))
		fail_msg("%s", text);
	n = authority_format(&authority, default_port, out);
	assert_int_equal(n, strlen(out));
	assert_string_equal(out, canonical);
	assert_int_equal(authority.port, port);
}

static void test_authorities(void **state)
{
	struct authority authority;

	(void)state;
	check_authority("a.example", 80, "a.example", 80);
	check_authority("A.example.:80", 80, "a.example", 80);
	check_authority("a.example:443", 80, "a.example:443", 443);
	check_authority("a.example:1", 0, "a.example:1", 1);
	check_authority("a.example:65535", 443, "a.example:65535", 65535);
	check_authority("[::1]", 80, "[::1]", 80);
	check_authority("[0::1]:8080", 80, "[::1]:8080", 8080);
	check_authority("127.1:80", 443, "127.0.0.1:80", 80);
	assert_true(authority_parse(SPAN("a:80"), 80, &authority) && authority.port_given);
	assert_true(authority_parse(SPAN("a"), 80, &authority) && !authority.port_given);
}

static void test_bad_authorities(void **state)
{
	static const char *const bad[] = {"", ":", ":80", "a:", "a:0", "a:00080", "a:080", "a:65536",
		"a:99999", "a:100000", "a:4294967376", "a:18446744073709551696", "a:-1", "a:+1", "a: 80",
		"a:80 ", "a:8o", "a:0x50", "a:80:80", "u@a:80", "u:p@a", "a/", "a:80/", "[::1]80",
		"[::1]:", "[::1", "::1", "[::1]:80:80", "a,b", "a:http"};
	struct authority authority;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (authority_parse(span_of(bad[i]), 80, &authority))
			fail_msg("%s", bad[i]);
	assert_false(authority_parse(SPAN("a.example"), 0, &authority));
	assert_false(authority_parse(SPAN("a:80\0"), 0, &authority));
}

static void test_longest_authority_has_room(void **state)
{
	char text[HOST_MAX + 8], out[AUTHORITY_TEXT_SIZE];
	struct authority authority;

	(void)state;
	memset(text, 'a', sizeof(text));
	for (size_t i = 50; i < HOST_MAX; i += 51)
		text[i] = '.';
	memcpy(text + HOST_MAX, ":65535", 7);
	assert_true(authority_parse(span_of(text), 80, &authority));
	assert_int_equal(authority_format(&authority, 80, out), HOST_MAX + 6);
	assert_string_equal(out, text);
}

static bool same_authority(const char *a, const char *b)
{
	struct authority left, right;

	assert_true(authority_parse(span_of(a), 80, &left) && authority_parse(span_of(b), 80, &right));
	return authority_equals(&left, &right);
}

static void test_authority_equality(void **state)
{
	struct authority none = {.port = 80};

	(void)state;
	assert_true(same_authority("a.example", "A.EXAMPLE.:80"));
	assert_true(same_authority("127.0.0.1", "0x7f.1"));
	assert_true(same_authority("[::1]", "[0:0::1]:80"));
	assert_false(same_authority("a.example", "a.example:81"));
	assert_false(same_authority("a.example", "b.example"));
	assert_false(authority_equals(&none, &none));
}

static void test_absolute_urls(void **state)
{
	struct url url;

	(void)state;
	assert_true(url_parse_absolute(SPAN("http://a.example"), &url));
	assert_int_equal(url.scheme, URL_HTTP);
	assert_int_equal(url.authority.port, 80);
	assert_int_equal(url.target.n, 0);
	assert_true(url_parse_absolute(SPAN("HTTPS://A.Example/x/../y?z=http://b/@"), &url));
	assert_int_equal(url.scheme, URL_HTTPS);
	assert_int_equal(url.authority.port, 443);
	assert_string_equal(url.authority.host.text, "a.example");
	assert_true(span_equals(url.target, SPAN("/x/../y?z=http://b/@")));
	assert_true(url_parse_absolute(SPAN("ws://a.example:8/"), &url));
	assert_int_equal(url.scheme, URL_WS);
	assert_int_equal(url.authority.port, 8);
	assert_true(url_parse_absolute(SPAN("wss://[::1]/"), &url));
	assert_int_equal(url.scheme, URL_WSS);
	assert_int_equal(url.authority.port, 443);
}

static void test_bad_urls(void **state)
{
	static const char *const bad[] = {"", "/", "http:", "http:/", "http://", "http:///", "http:///x",
		"http:a.example", "http:\\\\a.example/", "http:/\\a.example/", "http://a.example\\b",
		"http://a.example\\@b/", "ftp://a.example/", "file:///x", "javascript:x", "//a.example/",
		"a.example", "http//a.example", "http://u@a.example/", "http://u:p@a.example/",
		"http://a.example@b.example/", "http://a.example:x/", "http://a.example:/",
		"http://a.example?x", "http://a.example#f", "http://a.example/#f", "http://a.example/ b",
		"http://a.example/\x01", "http://a.example/\x7f", "http://a.example/\t", "http://a b/",
		"http://a%2eb/", "http://[::1/", "http://[::1%25lo]/", "http://*/", " http://a.example/",
		"http://a.example:80:90/", "http://1.2.3/4.5/", "httpss://a.example/"};
	struct url url;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bool legacy = strncmp(bad[i], "http://1.2.3/", 13) == 0;

		if (url_parse_absolute(span_of(bad[i]), &url) != legacy)
			fail_msg("%s", bad[i]);
	}
	assert_false(url_parse_absolute(SPAN("http://a.example/\0"), &url));
	assert_false(url_parse_absolute((struct span){NULL, 0}, &url));
}

static void test_origin_form(void **state)
{
	(void)state;
	assert_true(url_is_origin_form(SPAN("/")));
	assert_true(url_is_origin_form(SPAN("//a")));
	assert_true(url_is_origin_form(SPAN("/a?b=%zz&c=[]{}|\"^`<>\\\xc3\xa9")));
	assert_false(url_is_origin_form(SPAN("")));
	assert_false(url_is_origin_form(SPAN("a")));
	assert_false(url_is_origin_form(SPAN("*")));
	assert_false(url_is_origin_form(SPAN("?a")));
	for (int c = 0; c < 256; c++) {
		char text[2] = {'/', (char)c};
		bool bad = c <= ' ' || c == 0x7f || c == '#';

		assert_int_equal(url_is_origin_form((struct span){text, 2}), !bad);
	}
}

static void check_decoded(struct span text, struct span expected)
{
	char *out = malloc(text.n + (text.n == 0));

	assert_non_null(out);
	assert_int_equal(percent_decode(text, out), expected.n);
	assert_memory_equal(out, expected.p, expected.n);
	free(out);
}

static void test_percent_decode(void **state)
{
	(void)state;
	check_decoded(SPAN(""), SPAN(""));
	check_decoded(SPAN("abc"), SPAN("abc"));
	check_decoded(SPAN("%41%7a%7A%00"), SPAN("Azz\0"));
	check_decoded(SPAN("%2541"), SPAN("%41"));
	check_decoded(SPAN("%"), SPAN("%"));
	check_decoded(SPAN("%4"), SPAN("%4"));
	check_decoded(SPAN("%4g%zz%%41"), SPAN("%4g%zz%A"));
	check_decoded(SPAN("a+b"), SPAN("a+b"));
	check_decoded(SPAN("%ff%C3%a9"), SPAN("\xff\xc3\xa9"));
}

static void test_host_patterns(void **state)
{
	(void)state;
	assert_true(host_matches(SPAN("*"), SPAN("a.example")));
	assert_true(host_matches(SPAN("a.example"), SPAN("a.example")));
	assert_false(host_matches(SPAN("a.example"), SPAN("b.a.example")));
	assert_false(host_matches(SPAN("a.example"), SPAN("a.example.net")));
	assert_true(host_matches(SPAN("*.example"), SPAN("a.example")));
	assert_true(host_matches(SPAN("*.example"), SPAN("b.a.example")));
	assert_false(host_matches(SPAN("*.example"), SPAN("example")));
	assert_false(host_matches(SPAN("*.example"), SPAN(".example")));
	assert_false(host_matches(SPAN("*.example"), SPAN("notexample")));
	assert_false(host_matches(SPAN("*.example"), SPAN("a.example.net")));
	assert_false(host_matches(SPAN("*example"), SPAN("a.example")));
	assert_false(host_matches(SPAN("a.*"), SPAN("a.example")));
	assert_false(host_matches(SPAN(""), SPAN("a")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_name_lengths),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_numbers_are_never_names),
		cmocka_unit_test(test_bad_brackets),
		cmocka_unit_test(test_authorities),
		cmocka_unit_test(test_bad_authorities),
		cmocka_unit_test(test_longest_authority_has_room),
		cmocka_unit_test(test_authority_equality),
		cmocka_unit_test(test_absolute_urls),
		cmocka_unit_test(test_bad_urls),
		cmocka_unit_test(test_origin_form),
		cmocka_unit_test(test_percent_decode),
		cmocka_unit_test(test_host_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
