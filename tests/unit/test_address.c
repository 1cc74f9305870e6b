/*
 * Addresses: strict literals, legacy spellings, canonical text, and the kind of each special-purpose block at
 * its first and last address and just outside of it.
 */
#include "common/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>

/* From a block of the exact size, so that the sanitizer sees a look past its end. */
static bool parse(bool (*fn)(struct span, struct address *), const char *text, size_t n, struct address *out)
{
	char *copy = malloc(n + (n == 0));
	bool result;

	assert_non_null(copy);
	memcpy(copy, text, n);
	result = fn((struct span){copy, n}, out);
	free(copy);
	return result;
}

static struct address address_of(const char *text)
{
	struct address address;

	if (!parse(address_parse_v4, text, strlen(text), &address) &&
		!parse(address_parse_v6, text, strlen(text), &address))
		fail_msg("%s", text);
	return address;
}

static void test_v4_is_strict(void **state)
{
	static const char *const good[] = {"0.0.0.0", "1.2.3.4", "255.255.255.255", "10.20.30.40"};
	static const char *const bad[] = {"", ".", "1", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5",
		"256.1.1.1", "1.2.3.256", "01.2.3.4", "1.2.3.04", "00.0.0.0", "1..3.4", "1.2.3.4 ",
		" 1.2.3.4", "1.2.3.a", "+1.2.3.4", "-1.2.3.4", "0x1.2.3.4", "1.2.3.1000", "1,2,3,4", "::1"};
	char text[ADDRESS_TEXT_SIZE];
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(parse(address_parse_v4, good[i], strlen(good[i]), &address));
		assert_int_equal(address.family, AF_INET);
		assert_string_equal(address_format(&address, text), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(address_parse_v4, bad[i], strlen(bad[i]), &address))
			fail_msg("%s", bad[i]);
	assert_false(parse(address_parse_v4, "1.2.3.4\0", 8, &address));
}

static void test_v6_is_strict(void **state)
{
	static const char *const bad[] = {"", ":", ":::", "1", "1::2::3", "1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9", "g::", "12345::", "::1%eth0", "::1%25eth0", "[::1]", "::1 ", " ::1",
		"::1.2.3", "::256.1.1.1", "::1.2.3.04", "1.2.3.4", "::1.2.3.4:5", "1:2:3:4:5:6:7::8:9",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(address_parse_v6, bad[i], strlen(bad[i]), &address))
			fail_msg("%s", bad[i]);
	assert_false(parse(address_parse_v6, "::1\0", 4, &address));
	assert_false(parse(address_parse_v6, "::\0001", 4, &address));
}

static void test_v6_text_is_canonical(void **state)
{
	static const char *const cases[][2] = {
		{"::", "::"},
		{"::1", "::1"},
		{"0:0:0:0:0:0:0:1", "::1"},
		{"2001:DB8::A", "2001:db8::a"},
		{"2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
		{"::FFFF:0102:0304", "::ffff:1.2.3.4"},
		{"fe80::1", "fe80::1"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	char text[ADDRESS_TEXT_SIZE];
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(parse(address_parse_v6, cases[i][0], strlen(cases[i][0]), &address));
		assert_string_equal(address_format(&address, text), cases[i][1]);
	}
}

static void test_legacy_spellings(void **state)
{
	static const char *const cases[][2] = {
		{"1.2.3.4", "1.2.3.4"},
		{"127.1", "127.0.0.1"},
		{"127.0.1", "127.0.0.1"},
		{"2130706433", "127.0.0.1"},
		{"0x7f000001", "127.0.0.1"},
		{"0X7F.1", "127.0.0.1"},
		{"0177.0.0.01", "127.0.0.1"},
		{"017700000001", "127.0.0.1"},
		{"127.0.0.1.", "127.0.0.1"},
		{"0x", "0.0.0.0"},
		{"0", "0.0.0.0"},
		{"00", "0.0.0.0"},
		{"1.0x", "1.0.0.0"},
		{"10.65535", "10.0.255.255"},
		{"255.255.1", "255.255.0.1"},
		{"1.2.65535", "1.2.255.255"},
		{"1.16777215", "1.255.255.255"},
		{"4294967295", "255.255.255.255"},
		{"0xA9.0376.0xa9fe", "169.254.169.254"},
	};
	static const char *const bad[] = {"", ".", "..", "1..", ".1", "1..2", "08", "1.09", "0x1g",
		"4294967296", "256.1", "1.256.1", "1.2.256.1", "1.2.3.256", "1.2.65536", "1.16777216",
		"1.2.3.4.5", "1.2.3.4.5.", "a", "1.a", "0xffffffffffffffffffffff", "99999999999999999999",
		"-1", "+1", "1 ", "0x-1", "1e3", "0b1"};
	char text[ADDRESS_TEXT_SIZE];
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!parse(address_parse_legacy_v4, cases[i][0], strlen(cases[i][0]), &address))
			fail_msg("%s", cases[i][0]);
		assert_string_equal(address_format(&address, text), cases[i][1]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(address_parse_legacy_v4, bad[i], strlen(bad[i]), &address))
			fail_msg("%s", bad[i]);
}

/* What the C library takes for an IPv4 address must not pass here as anything else. */
static void test_legacy_agrees_with_inet_aton(void **state)
{
	static const char alphabet[] = "0125789.xXaf";
	uint32_t random = 7;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct address address;
		struct in_addr theirs;
		char text[16];
		size_t n = 0, size;

		random = random * 1664525u + 1013904223u;
		size = 1 + (random >> 16) % 14;
		while (n < size) {
			random = random * 1664525u + 1013904223u;
			text[n++] = alphabet[(random >> 16) % (sizeof(alphabet) - 1)];
		}
		text[n] = '\0';
		if (inet_aton(text, &theirs) == 0)
			continue;
		if (!address_parse_legacy_v4((struct span){text, n}, &address))
			fail_msg("%s", text);
		assert_int_equal(address.v4.s_addr, theirs.s_addr);
	}
}

struct kind_case {
	const char *text;
	enum address_kind kind;
};

static void check_kinds(const struct kind_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct address address = address_of(cases[i].text);
		enum address_kind kind = address_classify(&address);

		if (kind != cases[i].kind)
			fail_msg("%s is %s, not %s", cases[i].text, address_kind_text(kind),
				address_kind_text(cases[i].kind));
	}
}

static void test_kinds_of_v4(void **state)
{
	static const struct kind_case cases[] = {
		{"0.0.0.0", ADDRESS_UNSPECIFIED},
		{"0.0.0.1", ADDRESS_RESERVED},
		{"0.255.255.255", ADDRESS_RESERVED},
		{"1.0.0.0", ADDRESS_GLOBAL},
		{"9.255.255.255", ADDRESS_GLOBAL},
		{"10.0.0.0", ADDRESS_PRIVATE},
		{"10.255.255.255", ADDRESS_PRIVATE},
		{"11.0.0.0", ADDRESS_GLOBAL},
		{"100.63.255.255", ADDRESS_GLOBAL},
		{"100.64.0.0", ADDRESS_SHARED},
		{"100.100.100.199", ADDRESS_SHARED},
		{"100.100.100.200", ADDRESS_METADATA},
		{"100.127.255.255", ADDRESS_SHARED},
		{"100.128.0.0", ADDRESS_GLOBAL},
		{"126.255.255.255", ADDRESS_GLOBAL},
		{"127.0.0.0", ADDRESS_LOOPBACK},
		{"127.0.0.1", ADDRESS_LOOPBACK},
		{"127.255.255.255", ADDRESS_LOOPBACK},
		{"128.0.0.0", ADDRESS_GLOBAL},
		{"168.63.129.15", ADDRESS_GLOBAL},
		{"168.63.129.16", ADDRESS_METADATA},
		{"169.253.255.255", ADDRESS_GLOBAL},
		{"169.254.0.0", ADDRESS_LINK_LOCAL},
		{"169.254.0.23", ADDRESS_METADATA},
		{"169.254.42.42", ADDRESS_METADATA},
		{"169.254.169.253", ADDRESS_LINK_LOCAL},
		{"169.254.169.254", ADDRESS_METADATA},
		{"169.254.170.2", ADDRESS_METADATA},
		{"169.254.170.23", ADDRESS_METADATA},
		{"169.254.255.255", ADDRESS_LINK_LOCAL},
		{"169.255.0.0", ADDRESS_GLOBAL},
		{"172.15.255.255", ADDRESS_GLOBAL},
		{"172.16.0.0", ADDRESS_PRIVATE},
		{"172.31.255.255", ADDRESS_PRIVATE},
		{"172.32.0.0", ADDRESS_GLOBAL},
		{"191.255.255.255", ADDRESS_GLOBAL},
		{"192.0.0.0", ADDRESS_RESERVED},
		{"192.0.0.9", ADDRESS_RESERVED},
		{"192.0.0.192", ADDRESS_METADATA},
		{"192.0.0.255", ADDRESS_RESERVED},
		{"192.0.1.0", ADDRESS_GLOBAL},
		{"192.0.2.0", ADDRESS_RESERVED},
		{"192.0.2.255", ADDRESS_RESERVED},
		{"192.0.3.0", ADDRESS_GLOBAL},
		{"192.88.98.255", ADDRESS_GLOBAL},
		{"192.88.99.1", ADDRESS_RESERVED},
		{"192.88.100.0", ADDRESS_GLOBAL},
		{"192.167.255.255", ADDRESS_GLOBAL},
		{"192.168.0.0", ADDRESS_PRIVATE},
		{"192.168.255.255", ADDRESS_PRIVATE},
		{"192.169.0.0", ADDRESS_GLOBAL},
		{"198.17.255.255", ADDRESS_GLOBAL},
		{"198.18.0.0", ADDRESS_RESERVED},
		{"198.19.255.255", ADDRESS_RESERVED},
		{"198.20.0.0", ADDRESS_GLOBAL},
		{"198.51.100.7", ADDRESS_RESERVED},
		{"198.51.101.0", ADDRESS_GLOBAL},
		{"203.0.113.0", ADDRESS_RESERVED},
		{"203.0.114.0", ADDRESS_GLOBAL},
		{"223.255.255.255", ADDRESS_GLOBAL},
		{"224.0.0.0", ADDRESS_MULTICAST},
		{"239.255.255.255", ADDRESS_MULTICAST},
		{"240.0.0.0", ADDRESS_RESERVED},
		{"255.255.255.254", ADDRESS_RESERVED},
		{"255.255.255.255", ADDRESS_RESERVED},
	};

	(void)state;
	check_kinds(cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_kinds_of_v6(void **state)
{
	static const struct kind_case cases[] = {
		{"::", ADDRESS_UNSPECIFIED},
		{"::1", ADDRESS_LOOPBACK},
		{"::2", ADDRESS_TRANSLATED},
		{"::8.8.8.8", ADDRESS_TRANSLATED},
		{"::1:0:0", ADDRESS_UNKNOWN},
		{"::ffff:8.8.8.8", ADDRESS_TRANSLATED},
		{"::ffff:127.0.0.1", ADDRESS_TRANSLATED},
		{"::ffff:0:8.8.8.8", ADDRESS_TRANSLATED},
		{"::fffe:8.8.8.8", ADDRESS_UNKNOWN},
		{"64:ff9b::8.8.8.8", ADDRESS_TRANSLATED},
		{"64:ff9b::1:0:0", ADDRESS_UNKNOWN},
		{"64:ff9b:1::1", ADDRESS_TRANSLATED},
		{"64:ff9b:1:ffff::1", ADDRESS_TRANSLATED},
		{"64:ff9b:2::1", ADDRESS_UNKNOWN},
		{"100::1", ADDRESS_RESERVED},
		{"100:0:0:1::1", ADDRESS_RESERVED},
		{"100:0:0:2::1", ADDRESS_UNKNOWN},
		{"1fff:ffff::", ADDRESS_UNKNOWN},
		{"2001::1", ADDRESS_TRANSLATED},
		{"2001:0:ffff::1", ADDRESS_TRANSLATED},
		{"2001:1::1", ADDRESS_RESERVED},
		{"2001:2::1", ADDRESS_RESERVED},
		{"2001:10::1", ADDRESS_RESERVED},
		{"2001:20::1", ADDRESS_RESERVED},
		{"2001:1ff:ffff::1", ADDRESS_RESERVED},
		{"2001:200::1", ADDRESS_GLOBAL},
		{"2001:db7::1", ADDRESS_GLOBAL},
		{"2001:db8::1", ADDRESS_RESERVED},
		{"2001:db8:ffff::1", ADDRESS_RESERVED},
		{"2001:db9::1", ADDRESS_GLOBAL},
		{"2001:4860:4860::8888", ADDRESS_GLOBAL},
		{"2002::1", ADDRESS_TRANSLATED},
		{"2002:7f00:1::1", ADDRESS_TRANSLATED},
		{"2003::1", ADDRESS_GLOBAL},
		{"2606:4700::1111", ADDRESS_GLOBAL},
		{"2620:4f:8000::1", ADDRESS_GLOBAL},
		{"3ffd:ffff::1", ADDRESS_GLOBAL},
		{"3ffe::1", ADDRESS_RESERVED},
		{"3fff::1", ADDRESS_RESERVED},
		{"3fff:fff::1", ADDRESS_RESERVED},
		{"3fff:1000::1", ADDRESS_GLOBAL},
		{"4000::1", ADDRESS_UNKNOWN},
		{"5f00::1", ADDRESS_RESERVED},
		{"5f01::1", ADDRESS_UNKNOWN},
		{"fbff::1", ADDRESS_UNKNOWN},
		{"fc00::1", ADDRESS_PRIVATE},
		{"fd00:ec2::254", ADDRESS_METADATA},
		{"fd00:ec2::23", ADDRESS_METADATA},
		{"fd00:ec2::255", ADDRESS_PRIVATE},
		{"fd20:ce::254", ADDRESS_METADATA},
		{"fd00:42::42", ADDRESS_METADATA},
		{"fd00:c1::a9fe:a9fe", ADDRESS_METADATA},
		{"fdff:ffff::1", ADDRESS_PRIVATE},
		{"fe00::1", ADDRESS_UNKNOWN},
		{"fe80::1", ADDRESS_LINK_LOCAL},
		{"fe80::a9fe:a9fe", ADDRESS_METADATA},
		{"febf:ffff::1", ADDRESS_LINK_LOCAL},
		{"fec0::1", ADDRESS_RESERVED},
		{"feff::1", ADDRESS_RESERVED},
		{"ff00::1", ADDRESS_MULTICAST},
		{"ff02::1", ADDRESS_MULTICAST},
		{"2606:4700::5efe:7f00:1", ADDRESS_TRANSLATED},
		{"2606:4700::200:5efe:10.0.0.1", ADDRESS_TRANSLATED},
		{"fe80::5efe:10.0.0.1", ADDRESS_TRANSLATED},
		{"2606:4700::100:5efe:10.0.0.1", ADDRESS_GLOBAL},
	};
	struct address none = {.family = 0};

	(void)state;
	check_kinds(cases, sizeof(cases) / sizeof(cases[0]));
	assert_int_equal(address_classify(&none), ADDRESS_UNKNOWN);
}

static void test_embedded_v4(void **state)
{
	static const char *const cases[][2] = {
		{"::ffff:127.0.0.1", "127.0.0.1"},
		{"::127.0.0.1", "127.0.0.1"},
		{"::ffff:0:127.0.0.1", "127.0.0.1"},
		{"64:ff9b::169.254.169.254", "169.254.169.254"},
		{"64:ff9b:1:a9fe:a9:fe00::", "169.254.169.254"},
		{"2002:7f00:1::", "127.0.0.1"},
		{"2001:0:4136:e378:8000:63bf:f5ff:fffe", "10.0.0.1"},
		{"2606:4700::5efe:10.0.0.1", "10.0.0.1"},
	};
	static const char *const none[] = {"::", "::1", "2606:4700::1", "fe80::1", "8.8.8.8"};
	char text[ADDRESS_TEXT_SIZE];
	struct address inner;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address outer = address_of(cases[i][0]);

		assert_true(address_embedded_v4(&outer, &inner));
		assert_string_equal(address_format(&inner, text), cases[i][1]);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		struct address outer = address_of(none[i]);

		assert_false(address_embedded_v4(&outer, &inner));
	}
}

static void test_sockaddr_and_back(void **state)
{
	static const char *const texts[] = {"1.2.3.4", "2001:db8::1"};
	struct sockaddr_storage storage;
	struct address back;
	uint16_t port;
	struct address none = {.family = 0};
	struct sockaddr unix_address = {.sa_family = AF_UNIX};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct address address = address_of(texts[i]);

		assert_int_equal(address_to_sockaddr(&address, 8888, &storage),
			i == 0 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		address_from_sockaddr((struct sockaddr *)&storage, &back, &port);
		assert_true(address_equals(&address, &back));
		assert_int_equal(port, 8888);
	}
	assert_int_equal(address_to_sockaddr(&none, 1, &storage), 0);
	address_from_sockaddr(&unix_address, &back, &port);
	assert_int_equal(back.family, 0);
	assert_int_equal(port, 0);
}

static void test_equality(void **state)
{
	struct address a = address_of("1.2.3.4"), b = address_of("1.2.3.5"), c = address_of("::1"),
		       d = address_of("::2");
	struct address none = {.family = 0};

	(void)state;
	assert_true(address_equals(&a, &a));
	assert_false(address_equals(&a, &b));
	assert_true(address_equals(&c, &c));
	assert_false(address_equals(&c, &d));
	assert_false(address_equals(&a, &c));
	assert_false(address_equals(&none, &none));
}

static void test_listen(void **state)
{
	static const char *const bad[] = {"", ":", "8888", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536",
		"1.2.3.4:+1", "1.2.3.4:08", "localhost:80", "::1:80", "[::1]", "[::1]80", "[::1:80",
		"::1]:80", "[]:80", "[1.2.3.4]:80", "1.2.3.4: 80", "0x7f.1:80", "[fe80::1%1]:80", "*:80"};
	char text[ADDRESS_TEXT_SIZE];
	struct address address;
	uint16_t port;

	(void)state;
	assert_true(address_parse_listen(SPAN("127.0.0.1:8888"), &address, &port));
	assert_string_equal(address_format(&address, text), "127.0.0.1");
	assert_int_equal(port, 8888);
	assert_true(address_parse_listen(SPAN("[::1]:65535"), &address, &port));
	assert_string_equal(address_format(&address, text), "::1");
	assert_int_equal(port, 65535);
	assert_true(address_parse_listen(SPAN(":0"), &address, &port));
	assert_string_equal(address_format(&address, text), "::");
	assert_int_equal(port, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (address_parse_listen(span_of(bad[i]), &address, &port))
			fail_msg("%s", bad[i]);
}

static void test_formats_no_address_as_nothing(void **state)
{
	struct address none = {.family = 0};
	char text[ADDRESS_TEXT_SIZE] = "x";

	(void)state;
	assert_string_equal(address_format(&none, text), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v4_is_strict),
		cmocka_unit_test(test_v6_is_strict),
		cmocka_unit_test(test_v6_text_is_canonical),
		cmocka_unit_test(test_legacy_spellings),
		cmocka_unit_test(test_legacy_agrees_with_inet_aton),
		cmocka_unit_test(test_kinds_of_v4),
		cmocka_unit_test(test_kinds_of_v6),
		cmocka_unit_test(test_embedded_v4),
		cmocka_unit_test(test_sockaddr_and_back),
		cmocka_unit_test(test_equality),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_formats_no_address_as_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
