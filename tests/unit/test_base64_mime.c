/*
 * base64 of MIME parts: every alphabet octet, lines, padding, what can't stand where it stands, in every way
 * it can be fed. The expected octets come from an encoder of the test's own.
 */
#include "pipelock/scan/base64_mime.h"
#include "tests/unit/transducer.h"

#include <stdio.h>

static struct base64_mime v;

static void init(void)
{
	base64_mime_init(&v);
}

static void feed(struct span in, bool last, view_emit *emit, void *arg)
{
	base64_mime_feed(&v, in, last, emit, arg);
}

static size_t lag(void)
{
	return base64_mime_lag(&v);
}

static bool malformed(void)
{
	return v.malformed;
}

static const struct span tails[] = {
	{"AAAA", 4}, {"////", 4}, {"=", 1}, {"==", 2}, {"\r\nAAAAAA", 8}, {"//", 2}, {NULL, 0}};

static const struct transducer view = {
	.init = init,
	.feed = feed,
	.lag = lag,
	.malformed = malformed,
	.max_lag = BASE64_MIME_MAX_LAG,
	.tails = tails,
};

#define GOOD(in, out) check_view(&view, SPAN(in), SPAN(out), false)
#define MALFORMED(in, out) check_view(&view, SPAN(in), SPAN(out), true)

static void test_decodes(void **state)
{
	(void)state;
	GOOD("", "");
	GOOD("\r\n", "");
	GOOD("QQ==", "A");
	GOOD("QUI=", "AB");
	GOOD("QUJD", "ABC");
	GOOD("QUJDRA==", "ABCD");
	GOOD("////", "\xff\xff\xff");
	GOOD("++++", "\xfb\xef\xbe");
	GOOD("AAAA", "\0\0\0");
	/* The bits that no octet takes are not looked at. */
	GOOD("QR==", "A");
}

static void test_passes_over_white_space(void **state)
{
	(void)state;
	GOOD("QUJD\r\nREVG\r\n", "ABCDEF");
	GOOD("QUJD\nREVG\n", "ABCDEF");
	GOOD("Q\r\nU\tJ D", "ABC");
	GOOD("QQ=\r\n=\r\n", "A");
	GOOD(" QQ == ", "A");
	GOOD("QUI\r\n=\r\n\r\n", "AB");
}

static void test_notes_what_cannot_stand(void **state)
{
	(void)state;
	MALFORMED("QU-JD", "ABC");
	MALFORMED("QUJD-_", "ABC");
	MALFORMED("Q\0UJD", "ABC");
	MALFORMED("QUJD\v", "ABC");
	MALFORMED("\xc3\xa9QUJD", "ABC");
	MALFORMED("QUJD.REVG", "ABCDEF");
	MALFORMED("Q%55JD", "\x43\x9e\x49");
}

static void test_notes_bad_padding(void **state)
{
	(void)state;
	MALFORMED("Q", "");
	MALFORMED("QQ", "A");
	MALFORMED("QQ=", "A");
	MALFORMED("QUI", "AB");
	MALFORMED("=", "");
	MALFORMED("Q===", "");
	MALFORMED("QUJD=", "ABC");
	MALFORMED("QQ===", "A");
	MALFORMED("QUI==", "AB");
	MALFORMED("QQ=A", "A\0");
	MALFORMED("QQ=AA", "A\0\0");
	/* What lies behind padding is content for some, and so is what some take for its end. */
	MALFORMED("QQ==QUJD", "AABC");
	MALFORMED("QQ==\r\nQg==", "AB");
	MALFORMED("QUI=QQ==QQ==", "ABAA");
}

static void check_gap(size_t blanks, bool is_malformed)
{
	static char in[BASE64_MIME_MAX_LAG + 64];
	static struct output output;
	size_t n = blanks + 8;

	memset(in, '\n', n);
	memcpy(in, "QUJDQ", 5);
	memcpy(in + n - 3, "kFB", 3);
	for (size_t size = 1; size <= n + 1; size += n / 3) {
		feed_in_pieces(&view, (struct span){in, n}, size, &output);
		assert_int_equal(output.n, 6);
		assert_memory_equal(output.p, "ABCBAA", 6);
		assert_int_equal(v.malformed, is_malformed);
	}
}

/* Four letters and what lies between them, as long as the lag allows, and one octet longer. */
static void test_bounds_white_space(void **state)
{
	(void)state;
	check_gap(0, false);
	check_gap(BASE64_MIME_MAX_LAG - 4, false);
	check_gap(BASE64_MIME_MAX_LAG - 3, true);
	check_gap(BASE64_MIME_MAX_LAG + 9, true);
}

/* Slow and plain. `width` letters a line. */
static size_t encode(struct span in, size_t width, char *out)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0, letters = 0;

	for (size_t bit = 0; bit < in.n * 8; bit += 6) {
		unsigned value = 0;

		for (size_t i = bit; i < bit + 6; i++) {
			unsigned octet = i / 8 < in.n ? (unsigned char)in.p[i / 8] : 0;

			value = value << 1 | (octet >> (7 - i % 8) & 1);
		}
		out[n++] = alphabet[value];
		letters++;
		if (letters % width == 0)
			n += (size_t)sprintf(out + n, "\r\n");
	}
	for (; letters % 4 != 0; letters++)
		out[n++] = '=';
	return n;
}

static void test_inverts_encoding(void **state)
{
	static char plain[4 * BASE64_MIME_OUT], coded[2 * sizeof(plain)];
	static struct output output;
	static const size_t sizes[] = {1, 2, 3, 4, 5, 255, 256, 257, 3071, 3072, 3073, sizeof(plain)};

	(void)state;
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (char)(i * 167 + i / 256);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct span in = {plain, sizes[i]};
		struct span text = {coded, encode(in, i % 2 != 0 ? 76 : 19, coded)};

		for (size_t size = 1; size <= 2 * text.n; size = size * 2 + 1) {
			feed_in_pieces(&view, text, size, &output);
			assert_int_equal(output.n, in.n);
			assert_memory_equal(output.p, in.p, in.n);
			assert_false(v.malformed);
		}
	}
}

static void check_lag_after(struct span in, size_t expected)
{
	static struct output output = {.n = 0};
	size_t fed = 0;

	init();
	feed_copy(&view, in, false, &fed, &output);
	assert_int_equal(lag(), expected);
}

static void test_says_what_it_keeps(void **state)
{
	(void)state;
	check_lag_after(SPAN(" \n"), 0);
	check_lag_after(SPAN(" Q"), 1);
	check_lag_after(SPAN("QU \nJ\n"), 6);
	check_lag_after(SPAN("QUJD\n"), 0);
	check_lag_after(SPAN("QU\nJDREV"), 3);
	check_lag_after(SPAN("QQ="), 3);
	check_lag_after(SPAN("QQ==\n"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decodes),
		cmocka_unit_test(test_passes_over_white_space),
		cmocka_unit_test(test_notes_what_cannot_stand),
		cmocka_unit_test(test_notes_bad_padding),
		cmocka_unit_test(test_bounds_white_space),
		cmocka_unit_test(test_inverts_encoding),
		cmocka_unit_test(test_says_what_it_keeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
