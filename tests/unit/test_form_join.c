/*
 * Forms joined: each body every way it can be cut, long values, and any octets.
 */
#include "pipelock/scan/form_join.h"
#include "tests/unit/join_ways.h"

static struct form_join v;
static struct joined out;

static void init(void *view)
{
	/* What an earlier text left behind must not show. */
	memset(view, 0x5a, sizeof(v));
	form_join_init(view);
}

static void feed(void *view, struct span in, bool last, join_emit *emit, void *arg)
{
	form_join_feed(view, in, last, emit, arg);
}

static const struct join_view view = {&v, FORM_JOIN_TRACKS, init, feed};

static void check(struct span text, struct span values, struct span names, struct span pairs)
{
	join_every_way(&view, text, &out);
	assert_track(&out, FORM_VALUES, text, values);
	assert_track(&out, FORM_NAMES, text, names);
	assert_track(&out, FORM_PAIRS, text, pairs);
}

#define CHECK(text, values, names, pairs) check(SPAN(text), SPAN(values), SPAN(names), SPAN(pairs))

static void test_joins(void **state)
{
	(void)state;
	CHECK("", "", "", "");
	CHECK("a=gh&b=p_&c=abc", "ghp_abc", "abc", "a: gh\nb: p_\nc: abc\n");
	CHECK("gh=1&p_=2&abc=3", "123", "ghp_abc", "gh: 1\np_: 2\nabc: 3\n");
	CHECK("gh&p_&abc", "", "ghp_abc", "gh\np_\nabc\n");
	CHECK("api_key=x%20y&z", "x%20y", "api_keyz", "api_key: x%20y\nz\n");
	CHECK("a=b=c&d==", "b=c=", "ad", "a: b=c\nd: =\n");
}

static void test_empty_parts(void **state)
{
	(void)state;
	CHECK("&&", "", "", "");
	CHECK("=&=", "", "", "");
	CHECK("password=&user=bob", "bob", "passworduser", "password\nuser: bob\n");
	CHECK("=gh&=p_", "ghp_", "", "gh\np_\n");
	CHECK("a=b&", "b", "a", "a: b\n");
}

static void test_plus_is_a_space(void **state)
{
	(void)state;
	CHECK("+", "", " ", " \n");
	CHECK("a+b=c++d&e=%2B", "c  d%2B", "a be", "a b: c  d\ne: %2B\n");
	CHECK("a=0123456789+0123456789+", "0123456789 0123456789 ", "a", "a: 0123456789 0123456789 \n");
}

static void test_other_octets_stay(void **state)
{
	(void)state;
	CHECK("a=\0\r\n;\xff&b;c", "\0\r\n;\xff", "ab;c", "a: \0\r\n;\xff\nb;c\n");
}

static void check_long(size_t name, size_t value)
{
	static struct joined other;
	static char text[20000];
	struct span whole = {text, name + 1 + value + sizeof("&b=p_") - 1};

	memset(text, 'N', name);
	text[name] = '=';
	for (size_t i = 0; i < value; i++)
		text[name + 1 + i] = i % 100 == 99 ? '+' : 'V';
	memcpy(text + name + 1 + value, "&b=p_", 5);
	join_in_pieces(&view, whole, whole.n, whole.n, false, &out);
	for (size_t size = 1; size < 3000; size = size * 3 + 1) {
		join_in_pieces(&view, whole, size, size, false, &other);
		assert_joined_same(&out, &other, whole);
	}
	size_t shown = value < JOIN_PAIR_VALUE ? value : JOIN_PAIR_VALUE;
	assert_int_equal(out.n[FORM_VALUES], value + 2);
	assert_memory_equal(out.text[FORM_VALUES] + value, "p_", 2);
	assert_null(memchr(out.text[FORM_VALUES], '+', value));
	assert_int_equal(out.n[FORM_NAMES], name + 1);
	assert_int_equal(out.n[FORM_PAIRS], name + 2 + shown + 1 + sizeof("b: p_\n") - 1);
	assert_memory_equal(out.text[FORM_PAIRS] + name, ": V", 3);
	assert_memory_equal(out.text[FORM_PAIRS] + name + 2 + shown, "\nb: p_\n", 7);
}

static void test_long_parts(void **state)
{
	static const size_t sizes[] = {1, 511, 512, 1023, 1024, 1025, 2048, 9000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		check_long(1, sizes[i]);
		check_long(sizes[i], 1);
		check_long(sizes[i], sizes[i]);
	}
}

/* Nothing waits. */
static void test_comes_out_at_once(void **state)
{
	(void)state;
	join_begin(&view, &out);
	join_feed_copy(&view, SPAN("ab=c"), false, &out);
	assert_track(&out, FORM_VALUES, SPAN("ab=c"), SPAN("c"));
	assert_track(&out, FORM_NAMES, SPAN("ab=c"), SPAN("ab"));
	assert_track(&out, FORM_PAIRS, SPAN("ab=c"), SPAN("ab: c"));
}

static void test_noise(void **state)
{
	static const char alphabet[] = "ab=&+%";
	uint32_t random = 1;
	char noise[50];

	(void)state;
	for (int round = 0; round < 2000; round++) {
		size_t n = join_random(&random) % sizeof(noise);

		for (size_t i = 0; i < n; i++)
			noise[i] = alphabet[join_random(&random) % (sizeof(alphabet) - 1)];
		join_every_way(&view, (struct span){noise, n}, &out);
		assert_true(out.n[FORM_VALUES] + out.n[FORM_NAMES] <= n);
		assert_true(out.n[FORM_PAIRS] <= n + n / 4 + 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joins),
		cmocka_unit_test(test_empty_parts),
		cmocka_unit_test(test_plus_is_a_space),
		cmocka_unit_test(test_other_octets_stay),
		cmocka_unit_test(test_long_parts),
		cmocka_unit_test(test_comes_out_at_once),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
