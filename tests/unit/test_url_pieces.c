/*
 * The pieces of a URL: which come out of each list, where they stand, and that no room is too small to be
 * safe.
 */
#include "pipelock/scan/url_pieces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PIECES 64

/* Writes them with a blank behind each, after some checks of their own. */
static void write_pieces(struct span url, const struct scan_piece *pieces, size_t count, char *out)
{
	uint64_t at = 0;
	for (size_t i = 0; i < count; i++) {
		const struct scan_piece *piece = &pieces[i];
		assert_true(piece->text.n > 0 && piece->begin >= at && piece->end <= url.n);
		assert_ptr_equal(piece->text.p, url.p + piece->begin);
		assert_int_equal(piece->text.n, piece->end - piece->begin);
		assert_int_equal(piece->field.n, 0);
		at = piece->end;
		out += sprintf(out, "%.*s ", SPAN_ARG(piece->text));
	}
	*out = '\0';
}

/* In a block of the exact size, with each room up to what suffices. */
static void check(enum url_list list, struct span text, const char *want)
{
	struct scan_piece most[PIECES];
	char written[1024], *copy = malloc(text.n + (text.n == 0));
	assert_non_null(copy);
	memcpy(copy, text.p, text.n);
	struct span url = {copy, text.n};
	size_t count = url_pieces(url, list, most, PIECES);
	assert_true(count <= PIECES);
	write_pieces(url, most, count, written);
	assert_string_equal(written, want);
	for (size_t room = 0; room < count; room++) {
		struct scan_piece *few = malloc((room + (room == 0)) * sizeof(*few));
		assert_non_null(few);
		assert_int_equal(url_pieces(url, list, few, room), count);
		for (size_t i = 0; i < room; i++)
			assert_true(few[i].begin == most[i].begin && few[i].end == most[i].end);
		free(few);
	}
	free(copy);
}

#define CHECK(list, text, want) check(list, SPAN(text), want)

static void test_labels(void **state)
{
	(void)state;
	CHECK(URL_LABELS, "", "");
	CHECK(URL_LABELS, "https://gh.p_.abc.example.net:8080/a.b?c.d", "gh p_ abc example net ");
	CHECK(URL_LABELS, "https://a.b?c=d", "a b ");
	CHECK(URL_LABELS, "a.example.net:443", "a example net ");
	CHECK(URL_LABELS, "http://a..b./", "a b ");
	CHECK(URL_LABELS, "https://[2001:db8::1]:80/", "");
	CHECK(URL_LABELS, "http://localhost", "localhost ");
	CHECK(URL_LABELS, "http://10.0.0.1/", "10 0 0 1 ");
	CHECK(URL_LABELS, "http://", "");
}

static void test_segments(void **state)
{
	(void)state;
	CHECK(URL_SEGMENTS, "http://h", "");
	CHECK(URL_SEGMENTS, "http://h/", "");
	CHECK(URL_SEGMENTS, "http://h/gh//p_/abc/", "gh p_ abc ");
	CHECK(URL_SEGMENTS, "http://h/g%2Fh/../x;y", "g%2Fh .. x;y ");
	CHECK(URL_SEGMENTS, "http://h/a?b/c", "a ");
	CHECK(URL_SEGMENTS, "http://h?a/b", "");
}

static void test_query(void **state)
{
	(void)state;
	CHECK(URL_VALUES, "http://h/?a=gh&b=p_&c=abc", "gh p_ abc ");
	CHECK(URL_VALUES, "http://h/?a=gh&flag&b=&=p_&&c=abc&", "gh p_ abc ");
	CHECK(URL_VALUES, "http://h?a=g=h?/&&&===", "g=h?/ == ");
	CHECK(URL_VALUES, "http://h/a=b", "");
	CHECK(URL_NAMES, "http://h/?gh=1&p_=&abc=x=y&=z&flag", "gh p_ abc flag ");
	CHECK(URL_PAIRS, "http://h/?gh=1&p_=&abc=x=y&=z&flag", "gh 1 p_ abc x=y z flag ");
	CHECK(URL_PAIRS, "http://h/?", "");
}

/* However much of it has come. */
static void test_every_prefix(void **state)
{
	(void)state;
	static const char text[] = "https://ab.cd.example:81/e/f//g?h=i&j&=k&l=m=n";
	struct scan_piece pieces[PIECES];
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n + 1), written[256];
		assert_non_null(copy);
		memcpy(copy, text, n);
		struct span url = {copy, n};
		for (enum url_list list = 0; list < URL_LISTS; list++)
			write_pieces(url, pieces, url_pieces(url, list, pieces, PIECES), written);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_every_prefix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
