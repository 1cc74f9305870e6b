/*
 * quoted-printable: what RFC 2045 6.7 lets an encoder write, and what it doesn't, in every way it can be fed.
 */
#include "pipelock/scan/quoted_printable.h"
#include "tests/unit/transducer.h"

static struct quoted_printable v;

static void init(void)
{
	quoted_printable_init(&v);
}

static void feed(struct span in, bool last, view_emit *emit, void *arg)
{
	quoted_printable_feed(&v, in, last, emit, arg);
}

static size_t lag(void)
{
	return quoted_printable_lag(&v);
}

static bool malformed(void)
{
	return v.malformed;
}

static const struct span tails[] = {
	{"4x", 2}, {"\r\nx", 3}, {"\nx", 2}, {"\tx", 2}, {"=41", 3}, {"x", 1}, {"0", 1}, {NULL, 0}};

static const struct transducer view = {
	.init = init,
	.feed = feed,
	.lag = lag,
	.malformed = malformed,
	.max_lag = QUOTED_PRINTABLE_MAX_LAG,
	.tails = tails,
};

#define GOOD(in, out) check_view(&view, SPAN(in), SPAN(out), false)
#define MALFORMED(in, out) check_view(&view, SPAN(in), SPAN(out), true)

static void test_decodes(void **state)
{
	(void)state;
	GOOD("", "");
	GOOD("plain text", "plain text");
	GOOD("=41", "A");
	GOOD("=3D", "=");
	GOOD("=3D41", "=41");
	GOOD("a=41b=42=43c", "aAbBCc");
	GOOD("=c3=a9=C3=A9", "\xc3\xa9\xc3\xa9");
	GOOD("=00=FF", "\0\xff");
	GOOD("\0\x01\x80\xff", "\0\x01\x80\xff");
}

static void test_keeps_hard_line_breaks(void **state)
{
	(void)state;
	GOOD("a\r\nb\nc\rd", "a\r\nb\nc\rd");
	GOOD("a \t\r\nb", "a \t\r\nb");
	GOOD("a=20\r\nb", "a \r\nb");
	GOOD("\r\n\r\n", "\r\n\r\n");
}

static void test_joins_soft_line_breaks(void **state)
{
	(void)state;
	GOOD("AKIA=\r\nABCD=\r\nEFGH", "AKIAABCDEFGH");
	GOOD("AKIA=\nABCD", "AKIAABCD");
	GOOD("AKIA= \t \r\nABCD", "AKIAABCD");
	GOOD("AKIA=\t\nABCD", "AKIAABCD");
	GOOD("=\r\n=\r\n=41=\r\n", "A");
	/* The line end belongs to the boundary that follows, or was never written. */
	GOOD("abc=", "abc");
	GOOD("abc= \t", "abc");
}

static void test_hands_malformed_through(void **state)
{
	(void)state;
	MALFORMED("=X", "=X");
	MALFORMED("=4", "=4");
	MALFORMED("=4X", "=4X");
	MALFORMED("=4=41", "=4A");
	MALFORMED("==41", "=A");
	MALFORMED("==", "=");
	MALFORMED("= 41", "= 41");
	MALFORMED("= \t=41", "= \tA");
	MALFORMED("=\rA", "=\rA");
	MALFORMED("=\r", "=\r");
	MALFORMED("=\r\r\n", "=\r\r\n");
	MALFORMED("= \r=\r\n", "= \r");
	MALFORMED("=\0", "=\0");
	MALFORMED("=4\r\n", "=4\r\n");
	MALFORMED("a=b", "a=b");
	MALFORMED("key=value", "key=value");
	MALFORMED("=G1", "=G1");
	MALFORMED("=\xc3", "=\xc3");
}

/* White space behind a "=", and what comes after: as long as the lag allows, and one octet longer. */
static void check_padding(size_t blanks, const char *after, bool is_soft)
{
	char in[QUOTED_PRINTABLE_MAX_LAG + 16] = "a=", out[sizeof(in)];
	struct span text = {in, 2 + blanks}, expected = {out, 1};

	memset(in + 2, ' ', blanks);
	memcpy(in + text.n, after, strlen(after) + 1);
	text.n += strlen(after);
	memcpy(out, in, sizeof(out));
	if (!is_soft)
		expected.n = text.n;
	check_view(&view, text, expected, !is_soft);
}

static void test_bounds_padding(void **state)
{
	size_t most = QUOTED_PRINTABLE_MAX_LAG - 1;

	(void)state;
	check_padding(most, "\n", true);
	check_padding(most - 1, "\r\n", true);
	check_padding(most, "\r\n", false);
	check_padding(most + 1, "\n", false);
	check_padding(most, "", true);
	check_padding(most + 1, "", false);
	check_padding(most, "x", false);
}

/* Pieces larger than the buffer go out as they are, smaller ones together. */
static void test_emits_in_order(void **state)
{
	static char in[3 * QUOTED_PRINTABLE_OUT * 3], out[sizeof(in)];
	static struct output output;
	size_t in_n = 0, out_n = 0;

	(void)state;
	for (size_t run = 1; run < QUOTED_PRINTABLE_OUT * 2; run = run * 3 + 1) {
		memset(in + in_n, 'a' + (int)(run % 26), run);
		memset(out + out_n, 'a' + (int)(run % 26), run);
		memcpy(in + in_n + run, "=7E", 3);
		out[out_n + run] = '~';
		in_n += run + 3;
		out_n += run + 1;
	}
	for (size_t size = 1; size <= in_n; size = size * 2 + 1) {
		feed_in_pieces(&view, (struct span){in, in_n}, size, &output);
		assert_int_equal(output.n, out_n);
		assert_memory_equal(output.p, out, out_n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decodes),
		cmocka_unit_test(test_keeps_hard_line_breaks),
		cmocka_unit_test(test_joins_soft_line_breaks),
		cmocka_unit_test(test_hands_malformed_through),
		cmocka_unit_test(test_bounds_padding),
		cmocka_unit_test(test_emits_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
