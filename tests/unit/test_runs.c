/*
 * Encoded runs: what each way to write a secret gives, glued to what is around it at every alignment; the
 * bounds of what a run is; and every text whole, in pieces of every size, cut at every place and with the
 * promise of runs_lag(), against an oracle that has the whole text at hand.
 */
#include "tests/unit/runs_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char secret[] = "AKIAIOSFODNN7EXAMPLE";
/* 24 octets: its base64 has no padding. */
static const char unpadded[] = "ghp_0123456789abcdefWXYZ";

static uint32_t seed = 1;

static unsigned roll(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* ---- a text under construction */

struct text {
	char p[ORACLE_ROOM];
	size_t n;
};

static void add(struct text *text, const char *string, size_t n)
{
	assert_true(n <= sizeof(text->p) - text->n);
	memcpy(text->p + text->n, string, n);
	text->n += n;
}

static void add_string(struct text *text, const char *string)
{
	add(text, string, strlen(string));
}

static void clear(struct text *text)
{
	text->n = 0;
}

static void encode(struct text *text, const char *alphabet, unsigned bits, const char *p, size_t n)
{
	for (size_t bit = 0; bit < n * 8; bit += bits) {
		unsigned value = 0;
		for (size_t i = bit; i < bit + bits; i++)
			value = value << 1 | (i < n * 8 && (unsigned char)p[i / 8] >> (7 - i % 8) & 1);
		add(text, alphabet + value, 1);
	}
}

#define BASE64 UPPER LOWER DIGITS "+/"
#define BASE64URL UPPER LOWER DIGITS "-_"
#define BASE32 UPPER "234567"
#define BASE32_LOWER LOWER "234567"
#define HEX DIGITS "abcdef"
#define HEX_UPPER DIGITS "ABCDEF"
#define BASE32HEX DIGITS "ABCDEFGHIJKLMNOPQRSTUV"

static void pad(struct text *text, size_t from, size_t group)
{
	while ((text->n - from) % group)
		add_string(text, "=");
}

static void add_base64(struct text *text, const char *p, size_t n)
{
	size_t from = text->n;
	encode(text, BASE64, 6, p, n);
	pad(text, from, 4);
}

/* What was added from `from` on gets `end` after every `width` octets. */
static void wrap(struct text *text, size_t from, size_t width, const char *end)
{
	static struct text flat;
	clear(&flat);
	add(&flat, text->p + from, text->n - from);
	text->n = from;
	for (size_t i = 0; i < flat.n; i += width) {
		if (i > 0)
			add_string(text, end);
		add(text, flat.p + i, flat.n - i < width ? flat.n - i : width);
	}
}

static struct span text_span(const struct text *text)
{
	return (struct span){text->p, text->n};
}

/* ---- every way */

static struct runs view;

static void feed_copy(struct span piece, bool last, size_t *fed, struct oracle_tracks *out)
{
	char *copy = malloc(piece.n + (piece.n == 0));
	assert_non_null(copy);
	if (piece.n > 0)
		memcpy(copy, piece.p, piece.n);
	runs_feed(&view, (struct span){copy, piece.n}, last, oracle_collect, out);
	free(copy);
	*fed += piece.n;
	assert_true(runs_lag(&view) <= RUNS_MAX_LAG && runs_lag(&view) <= *fed);
}

static void feed_in_pieces(struct span in, size_t size, bool simd, struct oracle_tracks *out)
{
	size_t fed = 0;
	oracle_clear(out);
	runs_init(&view);
	view.simd = simd;
	for (; in.n > size; in.p += size, in.n -= size)
		feed_copy((struct span){in.p, size}, false, &fed, out);
	feed_copy(in, true, &fed, out);
	assert_int_equal(runs_lag(&view), 0);
}

static void feed_two(struct span first, struct span second, struct oracle_tracks *out)
{
	size_t fed = 0;
	oracle_clear(out);
	runs_init(&view);
	feed_copy(first, false, &fed, out);
	feed_copy(second, true, &fed, out);
}

static void check_same(struct span in, const struct oracle_tracks *expected, const struct oracle_tracks *out)
{
	for (int i = 0; i < RUNS_TRACKS; i++) {
		const struct oracle_out *a = &expected->of[i], *b = &out->of[i];
		if (a->n != b->n || memcmp(a->p, b->p, a->n) != 0)
			fail_msg("track %d of %.*s: [%.*s], not [%.*s]", i, SPAN_ARG(in), (int)b->n, b->p,
				(int)a->n, a->p);
	}
}

static const char *const tails[] = {" ", "=", "\n\n", "A", "4", "x", "\nQ", " 4b",
	"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "41414141414141414141414141414141",
	"\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "\t\"", "KRUGKIDROVUWG2ZAMJZG653OEBTG", "2",
	",\n42424242424242424242424242424242", "0x"};
#define TAILS (sizeof(tails) / sizeof(tails[0]))

static size_t common(const struct oracle_out *a, const struct oracle_out *b)
{
	size_t n = 0;
	while (n < a->n && n < b->n && a->p[n] == b->p[n])
		n++;
	return n;
}

/*
 * After a prefix nothing has come out that could change; and what comes out for all tails alike when the last
 * `lag` octets are replaced has come out already.
 */
static void check_lag(struct span in, size_t n)
{
	static struct oracle_tracks prefix, settled, other;
	size_t fed = 0;
	oracle_clear(&prefix);
	runs_init(&view);
	feed_copy((struct span){in.p, n}, false, &fed, &prefix);
	size_t lag = runs_lag(&view);
	for (size_t t = 0; t < TAILS; t++) {
		feed_two((struct span){in.p, n}, span_of(tails[t]), &other);
		for (int i = 0; i < RUNS_TRACKS; i++)
			assert_int_equal(common(&prefix.of[i], &other.of[i]), prefix.of[i].n);
		feed_two((struct span){in.p, n - lag}, span_of(tails[t]), t ? &other : &settled);
		for (int i = 0; t > 0 && i < RUNS_TRACKS; i++)
			settled.of[i].n = common(&settled.of[i], &other.of[i]);
	}
	for (int i = 0; i < RUNS_TRACKS; i++) {
		if (settled.of[i].n > prefix.of[i].n)
			fail_msg("track %d: %zu of %zu octets came out after %zu, lag %zu, of %.*s", i,
				prefix.of[i].n, settled.of[i].n, n, lag, SPAN_ARG(in));
	}
}

/* Whole, by both ways to skip; the answer is in *out. */
static void run(struct span in, struct oracle_tracks *out)
{
	static struct oracle_tracks expected;
	oracle_runs(in, &expected);
	for (int simd = 0; simd < 2; simd++) {
		feed_in_pieces(in, in.n + 1, simd, out);
		check_same(in, &expected, out);
	}
}

static void run_every_way(struct span in, struct oracle_tracks *out)
{
	static struct oracle_tracks again;
	run(in, out);
	for (size_t size = 1; size <= in.n; size++) {
		feed_in_pieces(in, size, size & 1, &again);
		check_same(in, out, &again);
	}
	for (size_t n = 0; n <= in.n; n++) {
		feed_two((struct span){in.p, n}, (struct span){in.p + n, in.n - n}, &again);
		check_same(in, out, &again);
		check_lag(in, n);
	}
}

/* ---- what is expected */

static bool holds(const struct oracle_out *out, const char *p, size_t n)
{
	return memmem(out->p, out->n, p, n) != NULL;
}

/* Does it stand there with no letter or digit on either side, as rules mostly want it? */
static bool holds_word(const struct oracle_out *out, const char *word)
{
	size_t n = strlen(word);
	for (size_t i = 0; i + n <= out->n; i++) {
		bool left = i > 0 && memchr(BASE64URL, out->p[i - 1], 64);
		bool right = i + n < out->n && memchr(BASE64URL, out->p[i + n], 64);
		if (memcmp(out->p + i, word, n) == 0 && !left && !right)
			return true;
	}
	return false;
}

static void expect(const struct text *text, enum runs_track track, const char *word)
{
	static struct oracle_tracks out;
	run_every_way(text_span(text), &out);
	if (!holds(&out.of[track], word, strlen(word)))
		fail_msg("track %d of %.*s has no %s", track, SPAN_ARG(text_span(text)), word);
}

static void expect_word(const struct text *text, enum runs_track track, const char *word)
{
	static struct oracle_tracks out;
	run(text_span(text), &out);
	if (!holds_word(&out.of[track], word))
		fail_msg("track %d of %.*s has no word %s", track, SPAN_ARG(text_span(text)), word);
}

static void expect_nothing(struct span in)
{
	static struct oracle_tracks out;
	run_every_way(in, &out);
	for (int i = 0; i < RUNS_TRACKS; i++)
		assert_int_equal(out.of[i].n, 0);
}

static void expect_output(struct span in, enum runs_track track, struct span octets)
{
	static struct oracle_tracks out;
	run(in, &out);
	assert_int_equal(out.of[track].n, octets.n);
	assert_memory_equal(out.of[track].p, octets.p, octets.n);
}

static struct text text;

/* ---- base64 */

static void test_base64_alignments(void **state)
{
	(void)state;
	for (size_t glue = 0; glue < 9; glue++) {
		clear(&text);
		add(&text, "keyTOKEN/", glue);
		add_base64(&text, secret, strlen(secret));
		add(&text, "tail-more", glue);
		expect(&text, RUNS_BASE64_0 + glue % 4, secret);
	}
	for (const char *mark = "-_/+"; *mark; mark++) {
		clear(&text);
		add_string(&text, "see the_key");
		add(&text, mark, 1);
		encode(&text, BASE64, 6, secret, strlen(secret));
		expect_word(&text, RUNS_BASE64_0, secret);
	}
}

static void test_base64_around(void **state)
{
	(void)state;
	static const char *const around[][2] = {{"\"", "\""}, {"{\"data\":\"", "\",\"n\":1}"}, {"(", ")"},
		{"<a>", "</a>"}, {"data:text/plain;base64,", ""}, {"url(data:;base64,", ")"},
		{"token=", "&x=1"}, {"a.", ".b"}, {"\\\"", "\\\""}, {"\xff", "\x80"}, {"key: ", "\r\n"},
		{"!", "?"}, {"%", "%"}, {"x\n\n", "\n\ny"}, {"Zg==", "Zg=="}, {",", ","}};
	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
		clear(&text);
		add_string(&text, around[i][0]);
		add_base64(&text, secret, strlen(secret));
		add_string(&text, around[i][1]);
		expect(&text, RUNS_BASE64_0, secret);
		expect_word(&text, RUNS_BASE64_0, secret);
	}
}

static void test_base64_alphabets(void **state)
{
	(void)state;
	char octets[] = "~~>>~?>~?\xfb\xff\xbf\xfe\xef";
	static const char *const alphabets[] = {
		BASE64, BASE64URL, UPPER LOWER DIGITS "-/", UPPER LOWER DIGITS "+_"};
	for (size_t i = 0; i < 4; i++) {
		for (int padded = 0; padded < 2; padded++) {
			clear(&text);
			add_string(&text, "'");
			encode(&text, alphabets[i], 6, octets, strlen(octets));
			if (padded)
				pad(&text, 1, 4);
			add_string(&text, "'");
			expect(&text, RUNS_BASE64_0, octets);
		}
	}
}

static void test_base64_ends(void **state)
{
	(void)state;
	/* Octets in groups that aren't whole, and the break. */
	expect_output(SPAN("QUJDREVGR0hJSktM"), RUNS_BASE64_0, SPAN("ABCDEFGHIJKL\n\n"));
	expect_output(SPAN("QUJDREVGR0hJSktMT"), RUNS_BASE64_0, SPAN("ABCDEFGHIJKL\n\n"));
	expect_output(SPAN("QUJDREVGR0hJSktMTQ"), RUNS_BASE64_0, SPAN("ABCDEFGHIJKLM\n\n"));
	expect_output(SPAN("QUJDREVGR0hJSktMTU4"), RUNS_BASE64_0, SPAN("ABCDEFGHIJKLMN\n\n"));
	expect_output(SPAN("xQUJDREVGR0hJSktMTU4="), RUNS_BASE64_1, SPAN("ABCDEFGHIJKLMN\n\n"));
	/* Too short. */
	expect_nothing(SPAN("QUJDREVGR0hJSkt"));
	expect_nothing(SPAN(" QUJDREVGR0h=SktMTU4 "));
	/* Two runs don't touch. */
	expect_output(SPAN("QUJDREVGR0hJSktMTQ==QUJDREVGR0hJSktMTU4="), RUNS_BASE64_0,
		SPAN("ABCDEFGHIJKLM\n\nABCDEFGHIJKLMN\n\n"));
	expect_output(SPAN("QUJDREVGR0hJSktM QUJDREVGR0hJSktM"), RUNS_BASE64_0,
		SPAN("ABCDEFGHIJKL\n\nABCDEFGHIJKL\n\n"));
}

static void make_long(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + i % 26);
	memcpy(p + n - 30, secret, strlen(secret));
	memcpy(p + 40, secret, strlen(secret));
}

static void test_base64_wrapped(void **state)
{
	(void)state;
	static const char *const ends[] = {"\n", "\r\n", "\r\n ", "\n\t", "\n        ", "\r", "\n \t \r"};
	static const size_t widths[] = {1, 5, 19, 60, 64, 70, 76};
	char long_text[200];
	make_long(long_text, sizeof(long_text));
	for (size_t e = 0; e < sizeof(ends) / sizeof(ends[0]); e++) {
		for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
			static struct oracle_tracks out;
			clear(&text);
			add_string(&text, "\"");
			add_base64(&text, long_text, sizeof(long_text));
			wrap(&text, 1, widths[w], ends[e]);
			add_string(&text, "\"");
			run(text_span(&text), &out);
			assert_true(holds(&out.of[RUNS_BASE64_0], long_text, sizeof(long_text)));
			for (size_t size = 1; size < 80; size++) {
				static struct oracle_tracks again;
				feed_in_pieces(text_span(&text), size, true, &again);
				check_same(text_span(&text), &out, &again);
			}
		}
	}
}

static void test_gaps(void **state)
{
	(void)state;
	static struct oracle_tracks out;
	for (size_t gap = 60; gap < 70; gap++) {
		clear(&text);
		add_string(&text, "QUJDREVGR0hJSktM\n");
		for (size_t i = 1; i < gap; i++)
			add_string(&text, " ");
		add_string(&text, "QUJDREVGR0hJSktM");
		run_every_way(text_span(&text), &out);
		assert_int_equal(out.of[RUNS_BASE64_0].n, gap <= RUNS_GAP ? 26 : 28);
		assert_int_equal(out.of[RUNS_BASE64_PIECE].n, gap <= RUNS_GAP ? 28 : 0);
	}
	/* A blank line ends a run, however it looks. */
	static const char *const blank[] = {"\n\n", "\r\n\r\n", "\n \n", "\n\t\r\n"};
	for (size_t i = 0; i < sizeof(blank) / sizeof(blank[0]); i++) {
		clear(&text);
		add_string(&text, "QUJDREVGR0hJSktM");
		add_string(&text, blank[i]);
		add_string(&text, "QUJDREVGR0hJSktM");
		expect_output(text_span(&text), RUNS_BASE64_0, SPAN("ABCDEFGHIJKL\n\nABCDEFGHIJKL\n\n"));
		expect_output(text_span(&text), RUNS_BASE64_PIECE, SPAN(""));
	}
	/* Blanks do without a line end. */
	expect_nothing(SPAN("QUJDREVG R0hJSktM"));
	expect_nothing(SPAN("QUJDREVG  \nR0hJSktM"));
}

/* What stands above or below a line of its own doesn't hide it. */
static void test_pieces(void **state)
{
	(void)state;
	for (size_t glue = 1; glue < 9; glue++) {
		clear(&text);
		add(&text, "swordsword", glue);
		add_string(&text, "\r\n");
		encode(&text, BASE64, 6, unpadded, strlen(unpadded));
		add_string(&text, "\nmore");
		expect_word(&text, RUNS_BASE64_PIECE, unpadded);
	}
	/* A list: all entries, also the first one. */
	clear(&text);
	for (int i = 0; i < 3; i++) {
		encode(&text, BASE64, 6, unpadded, strlen(unpadded));
		add_string(&text, "\n");
	}
	expect(&text, RUNS_BASE64_0, unpadded);
	expect_output(text_span(&text), RUNS_BASE64_PIECE,
		SPAN("ghp_0123456789abcdefWXYZ\n\nghp_0123456789abcdefWXYZ\n\nghp_0123456789abcdefWXYZ\n\n"));
	clear(&text);
	for (int i = 0; i < 3; i++) {
		encode(&text, BASE32_LOWER, 5, secret, strlen(secret));
		add_string(&text, "7\n");
	}
	expect_word(&text, RUNS_BASE32_PIECE, secret);
	/* A first piece that is too long to be kept. */
	for (size_t n = RUNS_FIRST - 1; n < RUNS_FIRST + 2; n++) {
		static struct oracle_tracks out;
		clear(&text);
		for (size_t i = 0; i < n; i++)
			add_string(&text, "Q");
		add_string(&text, "\nQ");
		run_every_way(text_span(&text), &out);
		assert_int_equal(out.of[RUNS_BASE64_PIECE].n, n <= RUNS_FIRST ? n * 6 / 8 + 2 : 0);
	}
}

static void test_base64_long(void **state)
{
	(void)state;
	static struct oracle_tracks out;
	static char octets[20000];
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (char)roll(256);
	clear(&text);
	add_string(&text, "{\"image\": \"");
	add_base64(&text, octets, sizeof(octets));
	add_string(&text, "\"}");
	run(text_span(&text), &out);
	assert_true(holds(&out.of[RUNS_BASE64_0], octets, sizeof(octets)));
	clear(&text);
	for (size_t i = 0; i < sizeof(octets); i++) {
		char hex[3];
		snprintf(hex, sizeof(hex), "%02x", (unsigned char)octets[i]);
		add_string(&text, hex);
	}
	run(text_span(&text), &out);
	assert_true(holds(&out.of[RUNS_HEX_0], octets, sizeof(octets)));
}

/* ---- base32 */

static void test_base32(void **state)
{
	(void)state;
	static const char *const alphabets[] = {BASE32, BASE32_LOWER, "AbCdEfGhIjKlMnOpQrStUvWxYz234567"};
	static const char *const around[][2] = {
		{"", ""}, {"\"", "\""}, {"otp-", "-x"}, {"v1", "=="}, {"a_", "_b"}, {"=", "/"}};
	for (size_t a = 0; a < 3; a++) {
		for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
			clear(&text);
			add_string(&text, around[i][0]);
			encode(&text, alphabets[a], 5, secret, strlen(secret));
			add_string(&text, around[i][1]);
			expect(&text, RUNS_BASE32, secret);
			expect_word(&text, RUNS_BASE32, secret);
		}
	}
}

static void test_base32_glued(void **state)
{
	(void)state;
	static const char *const words[] = {"token", "secretKey", "v2", "word\n", "x7", "sentences\r\n"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		clear(&text);
		add_string(&text, words[i]);
		encode(&text, BASE32, 5, secret, strlen(secret));
		/* The second word ends in lower case, too: what is upper case in it doesn't matter. */
		expect(&text, RUNS_BASE32_UPPER, secret);
		expect_word(&text, RUNS_BASE32_UPPER, secret);
	}
}

static void test_base32_hex(void **state)
{
	(void)state;
	clear(&text);
	add_string(&text, "x:");
	encode(&text, BASE32HEX, 5, secret, strlen(secret));
	expect(&text, RUNS_BASE32HEX, secret);
	clear(&text);
	encode(&text, DIGITS "abcdefghijklmnopqrstuv", 5, secret, strlen(secret));
	expect(&text, RUNS_BASE32HEX, secret);
}

static void test_base32_wrapped(void **state)
{
	(void)state;
	char long_text[200];
	make_long(long_text, sizeof(long_text));
	for (size_t width = 60; width < 80; width += 4) {
		static struct oracle_tracks out;
		clear(&text);
		encode(&text, BASE32, 5, long_text, sizeof(long_text));
		pad(&text, 0, 8);
		wrap(&text, 0, width, "\n");
		run(text_span(&text), &out);
		assert_true(holds(&out.of[RUNS_BASE32], long_text, sizeof(long_text)));
	}
}

static void test_base32_ends(void **state)
{
	(void)state;
	expect_output(SPAN("IFBEGRCFIZDUQSKKJNGE2TSP"), RUNS_BASE32, SPAN("ABCDEFGHIJKLMNO\n\n"));
	expect_output(SPAN("IFBEGRCFIZDUQSKKJNGE2TS"), RUNS_BASE32, SPAN(""));
	expect_output(SPAN("IFBEGRCFIZDUQSKKJNGE2TSPKA"), RUNS_BASE32, SPAN("ABCDEFGHIJKLMNOP\n\n"));
	expect_output(SPAN("IFBEGRCFIZDUQSKKJNGE2TSPKBIQ===="), RUNS_BASE32, SPAN("ABCDEFGHIJKLMNOPQ\n\n"));
	expect_output(SPAN("1IFBEGRCFIZDUQSKKJNGE2TSP0IFBEGRCFIZDUQSKKJNGE2TSP8"), RUNS_BASE32,
		SPAN("ABCDEFGHIJKLMNO\n\nABCDEFGHIJKLMNO\n\n"));
}

/* ---- hex */

struct hex_style {
	const char *before, *between, *after;
	const char *digits;
	unsigned octets; /* in a group */
};

static void add_hex(struct text *to, const struct hex_style *style, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned octet = (unsigned char)p[i];
		if (i % style->octets == 0)
			add_string(to, i ? style->between : style->before);
		add(to, style->digits + octet / 16, 1);
		add(to, style->digits + octet % 16, 1);
	}
	add_string(to, style->after);
}

static void test_hex_styles(void **state)
{
	(void)state;
	static const struct hex_style styles[] = {{"", "", "", HEX, 1}, {"", "", "", HEX_UPPER, 1},
		{"", ":", "", HEX_UPPER, 1}, {"", "-", "", HEX, 1}, {"", " ", "", HEX, 1},
		{"", ",", "", HEX, 1}, {"", "_", "", HEX, 1}, {"", ".", "", HEX, 1},
		{"\\x", "\\x", "", HEX, 1}, {"\\\\x", "\\\\x", "", HEX, 1}, {"0x", ", 0x", "", HEX_UPPER, 1},
		{"{0x", ",0x", "}", HEX, 1}, {"0X", ",\n\t0X", "", HEX, 1}, {"%", "%", "", HEX_UPPER, 1},
		{"&#x", ";&#x", ";", HEX, 1}, {"0x", "", "", HEX, 1}, {"x'", "", "'", HEX_UPPER, 1},
		{"=", "=", "", HEX_UPPER, 1}, {"|", " ", "|", HEX, 1}, {"", " ", "", HEX, 2},
		{"", "  ", "\n", HEX, 4}, {"", "\r\n", "", HEX, 10}, {"", "; ", "", HEX, 1},
		{"", "/", "", HEX, 1}};
	static const char *const around[][2] = {
		{"", ""}, {"\"", "\""}, {"zeroes:", "!"}, {"(", ")"}, {"<", ">"}, {"\x90", "\xff"}};
	for (size_t s = 0; s < sizeof(styles) / sizeof(styles[0]); s++) {
		for (size_t a = 0; a < sizeof(around) / sizeof(around[0]); a++) {
			clear(&text);
			add_string(&text, around[a][0]);
			add_hex(&text, &styles[s], secret, strlen(secret));
			add_string(&text, around[a][1]);
			expect(&text, RUNS_HEX_0, secret);
			expect_word(&text, RUNS_HEX_0, secret);
		}
	}
}

static void test_hex_alignments(void **state)
{
	(void)state;
	static const struct hex_style plain = {"", "", "", HEX, 1}, colons = {"", ":", "", HEX, 1};
	for (size_t glue = 0; glue < 5; glue++) {
		clear(&text);
		add(&text, "facade", glue);
		add_hex(&text, &plain, secret, strlen(secret));
		add_string(&text, "bad");
		expect(&text, RUNS_HEX_0 + glue % 2, secret);
		clear(&text);
		add(&text, "facade", glue);
		add_string(&text, glue ? ": " : "");
		add_hex(&text, &colons, secret, strlen(secret));
		expect(&text, RUNS_HEX_0 + glue % 2, secret);
	}
}

static void test_hex_ends(void **state)
{
	(void)state;
	expect_output(SPAN("4142434445464748494a4b4c"), RUNS_HEX_0, SPAN("ABCDEFGHIJKL\n\n"));
	expect_output(SPAN("4142434445464748494a4b4c5"), RUNS_HEX_0, SPAN("ABCDEFGHIJKL\n\n"));
	expect_output(SPAN("54142434445464748494a4b4c"), RUNS_HEX_1, SPAN("ABCDEFGHIJKL\n\n"));
	expect_output(SPAN("4142434445464748494a4b4"), RUNS_HEX_0, SPAN(""));
	/* The 0 of 0x isn't counted, at whatever end it stands, but one that ends the text is. */
	expect_output(SPAN("0x4142434445464748494a4b4"), RUNS_HEX_0, SPAN(""));
	expect_output(SPAN("4142434445464748494a4b40x"), RUNS_HEX_0, SPAN(""));
	expect_output(SPAN("4142434445464748494a4b40"), RUNS_HEX_0, SPAN("ABCDEFGHIJK@\n\n"));
	expect_output(SPAN("4142434445464748494a4b 0"), RUNS_HEX_0, SPAN(""));
	expect_output(SPAN("4142434445464748494a4b 30"), RUNS_HEX_0, SPAN("ABCDEFGHIJK0\n\n"));
	/* Two runs, and two pieces of one. */
	expect_output(SPAN("4142434445464748494a4b4cg4142434445464748494a4b4c"), RUNS_HEX_0,
		SPAN("ABCDEFGHIJKL\n\nABCDEFGHIJKL\n\n"));
	expect_output(SPAN("45,4142434445464748494a4b4c,4142434445464748494a4b4c"), RUNS_HEX_0,
		SPAN("EABCDEFGHIJKLABCDEFGHIJKL\n\n"));
	expect_output(SPAN("45,4142434445464748494a4b4c,4142434445464748494a4b4c"), RUNS_HEX_PIECE,
		SPAN("ABCDEFGHIJKL\n\nABCDEFGHIJKL\n\n"));
	expect_nothing(SPAN("41 42 43 44 45 \n\n 46 47 48 49 4a 4b 4c"));
}

static void test_hex_zero_in_gap(void **state)
{
	(void)state;
	/* Where the 0 of 0x is the last octet that a gap may have, and one too many. */
	for (size_t gap = 58; gap < 68; gap++) {
		static struct oracle_tracks out;
		clear(&text);
		add_string(&text, "4142434445464748494a4b4c");
		for (size_t i = 0; i < gap; i++)
			add_string(&text, " ");
		add_string(&text, "0x4142434445464748494a4b4c");
		run_every_way(text_span(&text), &out);
		assert_int_equal(out.of[RUNS_HEX_0].n, gap + 2 <= RUNS_GAP ? 26 : 28);
	}
}

/* ---- all together */

static void test_prose(void **state)
{
	(void)state;
	static struct oracle_tracks out;
	static const char *const prose[] = {
		"The quick brown fox jumps over the lazy dog, and nothing that it says is a run.\n",
		"static int f(const char *p, size_t n)\n{\n\tif (n == 0)\n\t\treturn -1;\n\treturn p[0] + "
		"1;\n}\n",
		"{\"model\": \"m-1\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello\\n\"}], "
		"\"n\": 1}",
		"<p class=\"x y\">Some <b>bold</b> text &amp; more</p>\n"};
	for (size_t i = 0; i < sizeof(prose) / sizeof(prose[0]); i++) {
		size_t fed = 0;
		expect_nothing(span_of(prose[i]));
		oracle_clear(&out);
		runs_init(&view);
		feed_copy(span_of(prose[i]), false, &fed, &out);
		/* And nothing of it has to wait for what comes next. */
		assert_true(runs_lag(&view) <= 2);
	}
	expect_nothing(SPAN(""));
}

static void add_times(size_t times, const char *string)
{
	while (times-- > 0)
		add_string(&text, string);
}

static void expect_lag(size_t times, const char *string, const char *end, size_t lag)
{
	static struct oracle_tracks out;
	size_t fed = 0;
	clear(&text);
	add_string(&text, "!");
	add_times(times, string);
	add_string(&text, end);
	oracle_clear(&out);
	runs_init(&view);
	feed_copy(text_span(&text), false, &fed, &out);
	assert_int_equal(runs_lag(&view), lag);
}

/* What may still come out, or come out once more, is what the lag counts. */
static void test_lag(void **state)
{
	(void)state;
	expect_lag(0, "", "nothing, ", 0);
	expect_lag(0, "", "abc", 3);
	expect_lag(0, "", "abc\n ", 5);
	expect_lag(1, "-", "", 1);
	expect_lag(15, "-", "", 15);
	/* Long enough, but the first piece of two, maybe. */
	expect_lag(16, "-", "", 16);
	expect_lag(RUNS_FIRST, "-", "\n \r", RUNS_FIRST + 3);
	expect_lag(RUNS_FIRST, "-", "\n-", 4);
	/* Groups that aren't whole: three characters of base64, seven of base32. */
	expect_lag(RUNS_FIRST + 1, "-", "", 3);
	expect_lag(RUNS_FIRST + 1, "-", "\n \r", 6);
	expect_lag(RUNS_FIRST + 1, "-", "\n \r-", 6);
	expect_lag(RUNS_FIRST + 7, "Q", "", 7);
	expect_lag(RUNS_FIRST + 8, "Q", "", 3);
	expect_lag(RUNS_FIRST + 8, "Q", "=", 0);
	/* base32 that may be too short. */
	expect_lag(RUNS_FIRST, "-", "ABCDEFGHIJKLMNOPQRSTUVW", 23);
	expect_lag(RUNS_FIRST, "-", "ABCDEFGHIJKLMNOPQRSTUVWX", 3);
	/* Hex: too short, the first piece, and a pair that isn't whole. */
	expect_lag(11, "41:", "4", 34);
	expect_lag(13, "41:", "", 2);
	expect_lag(13, "41:", " ", 3);
	expect_lag(13, "41:", "4", 1);
	expect_lag(13, "41:", "0", 3);
	expect_lag(13, "41:", "!", 0);
	expect_lag(12, "41", ":", 25);
	expect_lag(12, "41", ":4", 1);
}

/* Texts of pieces that mean something, against the oracle. */
static void test_random(void **state)
{
	(void)state;
	static struct oracle_tracks out;
	static const char *const parts[] = {"QUtJQUlPU0ZP", "RE5ON0VYQU1QTEU", "414b4941494f5346",
		"4f444e4e374558414d504c45", "IFFUSQKJJ5JUMT2E", "JZHDORKYIFGVATCF", "ifaq2345", "\n", "\r\n",
		" ", "\t", "=", "0x", "x", "0", "-", "_", "/", "+", ":", ", ", "\\x", "%", "word", "A", "7",
		"4", "b", "g", "\"", "\n\n", "                    ", "\xe9", "zz"};
	for (int round = 0; round < 3000; round++) {
		clear(&text);
		unsigned some = 1 + roll(sizeof(parts) / sizeof(parts[0]));
		while (text.n < 400)
			add_string(
				&text, parts[(round * 7 + roll(some)) % (sizeof(parts) / sizeof(parts[0]))]);
		run(text_span(&text), &out);
		static struct oracle_tracks again;
		feed_in_pieces(text_span(&text), 1 + roll(90), round & 1, &again);
		check_same(text_span(&text), &out, &again);
		if (round % 100 == 0)
			check_lag(text_span(&text), roll(400));
	}
}

/* Every octet after every class of octet: both ways to skip take it for the same. */
static void test_octets(void **state)
{
	(void)state;
	static struct oracle_tracks out;
	static const char *const runs[] = {
		"QUJDREVGR0hJSktM", "4142434445464748494a4b4c", "IFBEGRCFIZDUQSKKJNGE2TSP"};
	for (size_t r = 0; r < 3; r++) {
		for (int c = 0; c < 256; c++) {
			char octet = (char)c;
			for (size_t at = 0; at < 3; at++) {
				clear(&text);
				add(&text, "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
					(size_t)roll(60));
				add(&text, runs[r], at * 8);
				add(&text, &octet, 1);
				add_string(&text, runs[r]);
				run(text_span(&text), &out);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_base64_alignments),
		cmocka_unit_test(test_base64_around), cmocka_unit_test(test_base64_alphabets),
		cmocka_unit_test(test_base64_ends), cmocka_unit_test(test_base64_wrapped),
		cmocka_unit_test(test_base64_long), cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_pieces), cmocka_unit_test(test_base32),
		cmocka_unit_test(test_base32_glued), cmocka_unit_test(test_base32_hex),
		cmocka_unit_test(test_base32_wrapped), cmocka_unit_test(test_base32_ends),
		cmocka_unit_test(test_hex_styles), cmocka_unit_test(test_hex_alignments),
		cmocka_unit_test(test_hex_ends), cmocka_unit_test(test_hex_zero_in_gap),
		cmocka_unit_test(test_prose), cmocka_unit_test(test_lag), cmocka_unit_test(test_random),
		cmocka_unit_test(test_octets)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
