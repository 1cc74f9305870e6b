/*
 * What could be text in any octets, in every way it can be fed, and against a plain reading of the whole.
 */
#include "pipelock/scan/strings.h"
#include "tests/unit/transducer.h"

static struct strings v;

static void init(void)
{
	memset(&v, 0x5a, sizeof(v));
	strings_init(&v);
}

static void feed(struct span in, bool last, view_emit *emit, void *arg)
{
	strings_feed(&v, in, last, emit, arg);
}

static size_t lag(void)
{
	return strings_lag(&v);
}

static bool malformed(void)
{
	return false;
}

static const struct span tails[] = {{"abcdefghijklmnop", 16}, {"\xff", 1}, {"\x80", 1}, {"\xc3\xa9", 2},
	{"\xc3", 1}, {"x", 1}, {NULL, 0}};

static const struct transducer view = {
	.init = init,
	.feed = feed,
	.lag = lag,
	.malformed = malformed,
	.max_lag = STRINGS_LAG_MAX,
	.tails = tails,
};

#define CHECK(in, out) check_view(&view, SPAN(in), SPAN(out), false)

static void test_text_passes(void **state)
{
	(void)state;
	CHECK("", "");
	CHECK("twelve octet", "twelve octet\n");
	CHECK("some words that are text\nin two lines\n", "some words that are text\nin two lines\n\n");
	CHECK("\x01\x02\t\0 controls \x7f count, too", "\x01\x02\t\0 controls \x7f count, too\n");
	CHECK("u\0t\0f\0-\0001\0006\0 \0", "u\0t\0f\0-\0001\0006\0 \0\n");
}

static void test_short_stretches_are_left_out(void **state)
{
	(void)state;
	CHECK("eleven octe", "");
	CHECK("a\xff"
	      "b\xff"
	      "c",
		"");
	CHECK("\xffshort\xfflong enough at last\xffshort", "long enough at last\n");
	CHECK("the first one is text\xff\xfe\xff"
	      "and so is another",
		"the first one is text\nand so is another\n");
}

static void test_utf8_is_text(void **state)
{
	(void)state;
	CHECK("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xc3\xa9\xc3\xa9",
		"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xc3\xa9\xc3\xa9\n");
	CHECK("eleven octe\xf0\x9f\x98\x80", "eleven octe\xf0\x9f\x98\x80\n");
	CHECK("eleven octe\xf0\x9f\x98 and so on", "");
	CHECK("eleven octe\xf0\x9f\x98 and so on and on", " and so on and on\n");
}

/* What breaks a stretch may begin the next one. */
static void test_broken_utf8_ends_a_stretch(void **state)
{
	(void)state;
	CHECK("some words of text\x80some more words", "some words of text\nsome more words\n");
	CHECK("some words of text\xc3some more words", "some words of text\xc3\nsome more words\n");
	CHECK("some words of text\xc3\xc3\xa9some more words",
		"some words of text\xc3\n\xc3\xa9some more words\n");
	CHECK("some words of text\xc0\xaf\xf5some more words", "some words of text\nsome more words\n");
}

static void test_says_whether_it_differs(void **state)
{
	(void)state;
	static struct output output;
	size_t fed = 0;
	init();
	output.n = 0;
	feed_copy(&view, SPAN("some words of text\xc3"), false, &fed, &output);
	assert_false(v.differs);
	feed_copy(&view, SPAN("\xa9 and more"), false, &fed, &output);
	assert_false(v.differs);
	assert_int_equal(output.n, fed);
	feed_copy(&view, SPAN("\xff"), false, &fed, &output);
	assert_true(v.differs);
}

/* ---- any octets */

static unsigned tails_of(unsigned char c)
{
	return c < 0xc2 || c > 0xf4 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
}

/* How many octets a stretch has that begins here; *broken: a sequence that is not whole ends it. */
static size_t stretch(struct span in, size_t at, size_t *whole)
{
	size_t begin = at;
	*whole = 0;
	while (at < in.n) {
		unsigned char c = (unsigned char)in.p[at];
		unsigned tail = tails_of(c);
		if (c >= 0x80 && tail == 0)
			break;
		at++;
		for (; tail > 0 && at < in.n && ((unsigned char)in.p[at] & 0xc0) == 0x80; tail--)
			at++;
		if (tail > 0)
			break;
		*whole = at - begin;
	}
	return at - begin;
}

static size_t read_plainly(struct span in, char *out)
{
	size_t n = 0;
	for (size_t at = 0; at < in.n;) {
		size_t whole, size = stretch(in, at, &whole);
		/* What has come out is out, whatever breaks it; what waits has to be whole. */
		if (whole >= STRINGS_SHORTEST) {
			memcpy(out + n, in.p + at, size);
			n += size;
			out[n++] = '\n';
		}
		at += size + (size == 0);
	}
	return n;
}

static void test_noise(void **state)
{
	(void)state;
	static const unsigned char alphabet[] = {'a', 'a', 'a', 'b', 0, '\n', 0x7f, 0x80, 0xbf, 0xc0, 0xc2,
		0xc3, 0xe2, 0xef, 0xf0, 0xf4, 0xf5, 0xff, 'x', 'y', 'z', 'a', 'b', 'c', 'd', 'e', 'f', 'g'};
	static struct output output;
	char noise[200], want[400];
	for (unsigned seed = 1; seed < 3000; seed++) {
		srand(seed);
		size_t n = (size_t)rand() % sizeof(noise);
		for (size_t i = 0; i < n; i++)
			noise[i] = (char)(rand() % (1 + (int)(seed % 12))
						  ? 'a' + rand() % 20
						  : alphabet[(size_t)rand() % sizeof(alphabet)]);
		struct span in = {noise, n};
		size_t size = read_plainly(in, want);
		for (size_t piece = 1; piece <= n + 1; piece = piece * 3 + 1) {
			feed_in_pieces(&view, in, piece, &output);
			if (output.n != size || memcmp(output.p, want, size) != 0)
				fail_msg("seed %u in pieces of %zu: %zu octets, not %zu", seed, piece,
					output.n, size);
		}
	}
}

static void test_long_texts(void **state)
{
	(void)state;
	static struct output output;
	static char text[20000];
	memset(text, 'w', sizeof(text));
	for (size_t at = 0; at < 9000; at = at * 2 + 13) {
		text[at] = '\xff';
		size_t size = 0;
		for (size_t piece = 1; piece <= sizeof(text); piece = piece * 7 + 1) {
			feed_in_pieces(&view, (struct span){text, sizeof(text)}, piece, &output);
			if (size > 0)
				assert_int_equal(output.n, size);
			size = output.n;
		}
		assert_true(size > 19000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_passes),
		cmocka_unit_test(test_short_stretches_are_left_out),
		cmocka_unit_test(test_utf8_is_text),
		cmocka_unit_test(test_broken_utf8_ends_a_stretch),
		cmocka_unit_test(test_says_whether_it_differs),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_long_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
