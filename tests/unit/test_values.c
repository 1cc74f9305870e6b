/*
 * Values put together, every way they can be fed, and against a plain reading of the whole.
 */
#include "pipelock/scan/values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROOM (1u << 18)
#define E VALUES_END

static struct values v;

struct texts {
	size_t n[VALUES_TRACKS];
	char p[VALUES_TRACKS][ROOM];
};

static void put(struct texts *out, enum values_track track, const void *p, size_t n)
{
	assert_true(n <= ROOM - out->n[track]);
	memcpy(out->p[track] + out->n[track], p, n);
	out->n[track] += n;
}

static void take(void *arg, enum values_track track, struct span octets)
{
	assert_true(octets.n > 0);
	put(arg, track, octets.p, octets.n);
}

static void feed_copy(struct span piece, bool last, struct texts *out)
{
	char *copy = malloc(piece.n + (piece.n == 0));
	assert_non_null(copy);
	if (piece.n > 0)
		memcpy(copy, piece.p, piece.n);
	values_feed(&v, (struct span){copy, piece.n}, last, take, out);
	free(copy);
}

static void feed_in_pieces(struct span in, size_t first, size_t size, struct texts *out)
{
	memset(out->n, 0, sizeof(out->n));
	memset(&v, 0x5a, sizeof(v));
	values_init(&v);
	size_t n = first < in.n ? first : in.n;
	for (size_t at = 0; at < in.n; at += n, n = in.n - at < size ? in.n - at : size)
		feed_copy((struct span){in.p + at, n}, at + n == in.n && size % 2, out);
	if (in.n == 0 || size % 2 == 0)
		feed_copy(SPAN(""), true, out);
}

static void assert_text(const struct texts *out, enum values_track track, struct span want)
{
	struct span have = {out->p[track], out->n[track]};
	if (!span_equals(have, want))
		fail_msg("track %d: '%.*s', not '%.*s'", track, SPAN_ARG(have), SPAN_ARG(want));
}

static void assert_same(const struct texts *a, const struct texts *b)
{
	for (int track = 0; track < VALUES_TRACKS; track++)
		assert_text(a, track, (struct span){b->p[track], b->n[track]});
}

static void check(struct span in, struct span joined, struct span fragments)
{
	static struct texts whole, other;
	feed_in_pieces(in, in.n, 1, &whole);
	assert_text(&whole, VALUES_JOINED, joined);
	assert_text(&whole, VALUES_FRAGMENTS, fragments);
	for (size_t size = 1; size <= in.n + 2; size++) {
		feed_in_pieces(in, size, size, &other);
		assert_same(&other, &whole);
		feed_in_pieces(in, size, in.n + 1, &other);
		assert_same(&other, &whole);
	}
}

#define CHECK(in, joined, fragments) check(SPAN(in), SPAN(joined), SPAN(fragments))

static void test_values_stand_behind_one_another(void **state)
{
	(void)state;
	CHECK("", "", "");
	CHECK("one", "one", "");
	CHECK(E E E, "", "");
	CHECK("one" E "two" E, "onetwo", "");
	CHECK("any words" E "\xc3\xa9\n\0x" E "last", "any words\xc3\xa9\n\0xlast", "");
}

static void test_pieces_of_a_token(void **state)
{
	(void)state;
	CHECK("Abcdefgh" E "Ijklmnop" E, "AbcdefghIjklmnop", "AbcdefghIjklmnop\n");
	CHECK("Abcdefgh" E "Ijklmno", "AbcdefghIjklmno", "");
	CHECK("Ab12Ab12" E "Cd34" E "Ef56" E "Gh78", "Ab12Ab12Cd34Ef56Gh78",
		"Ab12Ab12Cd34Ef56\nAb12Ab12Cd34Ef56Gh78\n");
}

/* A row has four pieces at most, and goes on with the last ones. */
static void test_a_row_moves_on(void **state)
{
	(void)state;
	CHECK("AAAA0000" E "BBBB1111" E "CCCC2222" E "DDDD3333" E "EEEE4444",
		"AAAA0000BBBB1111CCCC2222DDDD3333EEEE4444",
		"AAAA0000BBBB1111\n"
		"AAAA0000BBBB1111CCCC2222\nBBBB1111CCCC2222\n"
		"AAAA0000BBBB1111CCCC2222DDDD3333\nBBBB1111CCCC2222DDDD3333\nCCCC2222DDDD3333\n"
		"BBBB1111CCCC2222DDDD3333EEEE4444\nCCCC2222DDDD3333EEEE4444\nDDDD3333EEEE4444\n");
}

static void test_what_is_no_piece_parts_a_row(void **state)
{
	(void)state;
	CHECK("Abcdefgh" E "two words" E "Ijklmnop", "Abcdefghtwo wordsIjklmnop", "");
	CHECK("Abcdefgh" E "" E "Ijklmnop" E, "AbcdefghIjklmnop", "AbcdefghIjklmnop\n");
	CHECK("Abcdefgh" E "\xc3\xa9" E "Ijklmnop", "Abcdefgh\xc3\xa9Ijklmnop", "");
	CHECK("Abcdefgh" E "sk-SK" E "Ijklmnop" E "sk_SK", "Abcdefghsk-SK\nIjklmnopsk_SK\n", "");
	CHECK("Abcdefghi" E "hp_WX" E "J", "Abcdefghihp_WXJ", "");
	CHECK("Abcdefghijk" E "hp_WX", "Abcdefghijkhp_WX", "Abcdefghijkhp_WX\n");
	CHECK("A_b-c.d+" E "e/f=g~h:i%", "A_b-c.d+e/f=g~h:i%", "A_b-c.d+e/f=g~h:i%\n");
}

/* Words and numbers are no secret, alone. */
static void test_words_and_numbers(void **state)
{
	(void)state;
	CHECK("justwords" E "andmore" E, "justwordsandmore", "");
	CHECK("12345678" E "9012345678", "123456789012345678", "");
	CHECK("justwords" E "Andmore" E, "justwordsAndmore", "justwordsAndmore\n");
	CHECK("justwords" E "1234567" E, "justwords1234567", "");
	CHECK("justwords" E "a1234567" E, "justwordsa1234567", "justwordsa1234567\n");
}

/* ---- lengths */

/* Values of these sizes, each of its own letter; of a long one its ends are left. */
static void check_sizes(size_t a, size_t b)
{
	static struct texts out, other, want;
	static char text[3000];
	size_t sizes[] = {a, b}, n = 0;
	memset(want.n, 0, sizeof(want.n));
	for (int i = 0; i < 2; i++) {
		char value[1500];
		memset(value, 'A' + i, sizes[i]);
		memset(value + sizes[i] / 2, '0' + i, sizes[i] - sizes[i] / 2);
		memcpy(text + n, value, sizes[i]);
		n += sizes[i];
		text[n++] = E[0];
		if (sizes[i] <= 2 * VALUES_EDGE) {
			put(&want, VALUES_JOINED, value, sizes[i]);
			continue;
		}
		put(&want, VALUES_JOINED, value, VALUES_EDGE);
		put(&want, VALUES_JOINED, VIEW_BREAK, 1);
		put(&want, VALUES_JOINED, value + sizes[i] - VALUES_EDGE, VALUES_EDGE);
	}
	if (a > 0 && a <= VALUES_FRAGMENT && b > 0 && b <= VALUES_FRAGMENT && a + b >= VALUES_SHORTEST) {
		put(&want, VALUES_FRAGMENTS, text, a);
		put(&want, VALUES_FRAGMENTS, text + a + 1, b);
		put(&want, VALUES_FRAGMENTS, VIEW_BREAK, 1);
	}
	feed_in_pieces((struct span){text, n}, n, 1, &out);
	assert_same(&out, &want);
	for (size_t size = 1; size < 1500; size = size * 3 + 1) {
		feed_in_pieces((struct span){text, n}, size, size, &other);
		assert_same(&other, &want);
	}
}

static void test_long_values(void **state)
{
	(void)state;
	static const size_t sizes[] = {
		0, 1, 15, 16, 127, 128, 129, 255, 256, 257, 300, 511, 512, 513, 700, 1499};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
			check_sizes(sizes[i], sizes[k]);
}

/* A line of pieces has VALUES_LONGEST octets at most. */
static void test_long_rows(void **state)
{
	(void)state;
	static struct texts out;
	static char text[4 * (VALUES_FRAGMENT + 1)];
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (i + 1) % (VALUES_FRAGMENT + 1) == 0 ? E[0] : (char)('A' + i % 26);
	feed_in_pieces((struct span){text, sizeof(text)}, 7, 7, &out);
	assert_int_equal(out.n[VALUES_FRAGMENTS], 3 * (VALUES_LONGEST + 1));
	assert_int_equal(out.n[VALUES_JOINED], 4 * VALUES_FRAGMENT);
}

/* ---- any octets */

static bool is_piece(const char *p, size_t n)
{
	static const char marks[] = "_-.+/=~:%";
	for (size_t i = 0; i < n; i++) {
		bool letter = (p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z');
		if (!letter && !(p[i] >= '0' && p[i] <= '9') && !(p[i] && strchr(marks, p[i])))
			return false;
	}
	return n > 0 && n <= VALUES_FRAGMENT;
}

static bool is_plain(const char *p, size_t n)
{
	size_t lower = 0, digits = 0;
	for (size_t i = 0; i < n; i++) {
		lower += p[i] >= 'a' && p[i] <= 'z';
		digits += p[i] >= '0' && p[i] <= '9';
	}
	return lower == n || digits == n;
}

/* The lines that end with value `last` of those before. */
static void put_lines(struct texts *want, const struct span *values, size_t last)
{
	size_t first = last;
	while (first > 0 && last - first + 1 < VALUES_IN_ROW &&
		is_piece(values[first - 1].p, values[first - 1].n))
		first--;
	for (; first < last && is_piece(values[last].p, values[last].n); first++) {
		char line[VALUES_IN_ROW * VALUES_FRAGMENT];
		size_t n = 0;
		bool plain = true;
		for (size_t i = first; i <= last; i++) {
			memcpy(line + n, values[i].p, values[i].n);
			n += values[i].n;
			plain = plain && is_plain(values[i].p, values[i].n);
		}
		if (n < VALUES_SHORTEST || n > VALUES_LONGEST || plain)
			continue;
		put(want, VALUES_FRAGMENTS, line, n);
		put(want, VALUES_FRAGMENTS, VIEW_BREAK, 1);
	}
}

static void test_noise(void **state)
{
	(void)state;
	static struct texts out, want;
	static const char alphabet[] = "abcABC019 _\n";
	char noise[700];
	for (unsigned seed = 1; seed < 2000; seed++) {
		struct span values[700];
		size_t n = 0, count = 0, most;
		srand(seed);
		memset(want.n, 0, sizeof(want.n));
		most = seed % 5 == 0 ? 140 : 12;
		while (n + most + 1 < sizeof(noise)) {
			size_t size = (size_t)rand() % (most + 1),
			       kinds = rand() % 3 ? 9 : sizeof(alphabet) - 1;
			values[count] = (struct span){noise + n, size};
			for (size_t i = 0; i < size; i++)
				noise[n++] = alphabet[(size_t)rand() % kinds];
			noise[n++] = E[0];
			put(&want, VALUES_JOINED, values[count].p, size);
			if (size > 0)
				put_lines(&want, values, count++);
		}
		feed_in_pieces((struct span){noise, n}, 1 + seed % 9, 1 + seed % 50, &out);
		assert_same(&out, &want);
	}
}

/* Where what may still come out began. */
static void test_reach(void **state)
{
	(void)state;
	static struct texts out;
	memset(out.n, 0, sizeof(out.n));
	values_init(&v);
	assert_int_equal(values_since(&v, 77), 77);
	for (v.at = 0; v.at < 5; v.at++)
		values_feed(&v, SPAN("Ab"), false, take, &out);
	assert_int_equal(values_since(&v, 77), 0);
	values_feed(&v, SPAN(E), false, take, &out);
	/* The last three pieces may begin another row. */
	for (v.at = 10; v.at < 16; v.at++) {
		values_feed(&v, SPAN("Cd" E), false, take, &out);
		assert_int_equal(values_since(&v, 77), v.at < 12 ? 0 : v.at == 12 ? 10 : v.at - 2);
	}
	values_feed(&v, SPAN("no piece" E), false, take, &out);
	assert_int_equal(values_since(&v, 77), 77);
	v.at = 20;
	values_feed(&v, SPAN("no piece"), false, take, &out);
	v.at = 21;
	values_feed(&v, SPAN(", and on"), false, take, &out);
	assert_int_equal(values_since(&v, 77), 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_stand_behind_one_another),
		cmocka_unit_test(test_pieces_of_a_token),
		cmocka_unit_test(test_a_row_moves_on),
		cmocka_unit_test(test_what_is_no_piece_parts_a_row),
		cmocka_unit_test(test_words_and_numbers),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_long_rows),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_reach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
