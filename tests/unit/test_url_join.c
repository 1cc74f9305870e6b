/*
 * The parts of a URL joined: what comes out, and that no room is too small to be safe.
 */
#include "pipelock/scan/url_join.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

typedef size_t join_fn(struct span text, char *out, size_t room);

static join_fn *const all[] = {
	url_join_query, url_join_names, url_join_pairs, url_join_path, url_join_labels};
#define ALL (sizeof(all) / sizeof(all[0]))

/* With each room up to what suffices, in blocks of the exact size. */
static void check(join_fn *join, struct span text, struct span want)
{
	char *copy = malloc(text.n + (text.n == 0));
	size_t most = URL_JOIN_ROOM(text.n);

	assert_non_null(copy);
	memcpy(copy, text.p, text.n);
	assert_true(want.n <= most);
	for (size_t room = 0; room <= most; room++) {
		char *out = malloc(room + (room == 0));
		size_t written = want.n < room ? want.n : room;

		assert_non_null(out);
		memset(out, '#', room);
		if (join((struct span){copy, text.n}, out, room) != want.n ||
			memcmp(out, want.p, written) != 0)
			fail_msg("%.*s: '%.*s'", SPAN_ARG(text), (int)written, out);
		for (size_t i = written; i < room; i++)
			assert_int_equal(out[i], '#');
		free(out);
	}
	free(copy);
}

#define CHECK(join, text, want) check(join, SPAN(text), SPAN(want))

static void test_query(void **state)
{
	(void)state;
	CHECK(url_join_query, "", "");
	CHECK(url_join_query, "a=gh&b=p_&c=abc", "ghp_abc");
	CHECK(url_join_query, "a=gh&flag&b=&=p_&&c=abc&", "ghp_abc");
	CHECK(url_join_query, "a=g=h", "g=h");
	CHECK(url_join_query, "a=%67h&b=p%5f+", "%67hp%5f+");
	CHECK(url_join_query, "a=x\0y&b=z", "x\0yz");
	CHECK(url_join_query, "&&&===", "==");
	CHECK(url_join_query, "a=b=&c", "b=");
}

static void test_names(void **state)
{
	(void)state;
	CHECK(url_join_names, "", "");
	CHECK(url_join_names, "gh&p_&abc", "ghp_abc");
	CHECK(url_join_names, "gh=1&p_=&abc=x=y&=z", "ghp_abc");
	CHECK(url_join_names, "&=&", "");
}

static void test_pairs(void **state)
{
	(void)state;
	CHECK(url_join_pairs, "", "");
	CHECK(url_join_pairs, "api_key=x&b=y", "api_key: x\nb: y\n");
	CHECK(url_join_pairs, "flag&a=&=v&=&&c=d", "flag\na\nv\nc: d\n");
	CHECK(url_join_pairs, "a=b", "a: b\n");
	CHECK(url_join_pairs, "a=b&a=b&a=b&a=b&a=b", "a: b\na: b\na: b\na: b\na: b\n");
	CHECK(url_join_pairs, "a=b=c", "a: b=c\n");
}

static void test_path(void **state)
{
	(void)state;
	CHECK(url_join_path, "", "");
	CHECK(url_join_path, "/", "");
	CHECK(url_join_path, "/gh/p_/abc", "ghp_abc");
	CHECK(url_join_path, "gh//p_/abc/", "ghp_abc");
	CHECK(url_join_path, "/g%2Fh/../x;y", "g%2Fh..x;y");
}

static void test_labels(void **state)
{
	(void)state;
	CHECK(url_join_labels, "", "");
	CHECK(url_join_labels, "gh.p_.abc.example.net", "ghp_abcexamplenet");
	CHECK(url_join_labels, "gh.p_.", "ghp_");
	CHECK(url_join_labels, "localhost", "localhost");
}

/* Any text: the room that the header names suffices. */
static void test_noise(void **state)
{
	static const char alphabet[] = "a=&./";
	uint32_t random = 7;
	char text[40], out[URL_JOIN_ROOM(40)];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = (random = random * 1664525u + 1013904223u) >> 16;

		n %= sizeof(text) + 1;
		for (size_t i = 0; i < n; i++)
			text[i] = alphabet[((random = random * 1664525u + 1013904223u) >> 16) % 5];
		for (size_t i = 0; i < ALL; i++) {
			size_t length = all[i]((struct span){text, n}, out, URL_JOIN_ROOM(n));

			assert_true(length <= URL_JOIN_ROOM(n));
			assert_true(all[i] == url_join_pairs || length <= n);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
