/*
 * The view `plain`: every escape, alone and in one another, and what is none; what looks like ASCII, and what
 * doesn't. Each text in every way it can be fed.
 */
#include "pipelock/scan/plain.h"
#include "pipelock/scan/unicode/table.h"
#include "tests/unit/transducer.h"

#include <stdio.h>

static struct plain v;
static unsigned flags;

static void init(void)
{
	plain_init(&v, flags);
}

static void feed(struct span in, bool last, view_emit *emit, void *arg)
{
	plain_feed(&v, in, last, emit, arg);
}

static size_t lag(void)
{
	return plain_lag(&v);
}

static bool changed(void)
{
	return plain_changed(&v);
}

static const struct span tails[] = {{"41;", 3}, {";", 1}, {"}", 1}, {"0041", 4}, {"\xa0", 1}, {"x", 1},
	{" ", 1}, {"\\udc00", 6}, {"%34%31", 6}, {"\\", 1}, {"\xff", 1}, {"\xfe", 1}, {"\xf3\xa0\x81\x81", 4},
	{NULL, 0}};

static const struct transducer view = {
	.init = init,
	.feed = feed,
	.lag = lag,
	.malformed = changed, /* the other property that must not hang on where the input is cut */
	.max_lag = PLAIN_LAG_MAX,
	.tails = tails,
};

static void check(struct span in, struct span out)
{
	check_view(&view, in, out, !span_equals(in, out));
}

#define BECOMES(in, out) check(SPAN(in), SPAN(out))
#define STAYS(in) check(SPAN(in), SPAN(in))

static void test_hands_through_what_is_no_escape(void **state)
{
	(void)state;
	STAYS("");
	STAYS("plain text, with\ttabs\r\nand lines~");
	STAYS("100%");
	STAYS("100% sure, 5%g %g4 %4g %");
	STAYS("%%% %4%zz");
	STAYS("\\d \\1 \\0 \\101 \\q\\");
	STAYS("\\x4 \\xg1 \\u \\u12g4 \\u123 \\U0001F60 \\u{} \\u{41 \\u{g} \\x{");
	STAYS("\\U00110000 \\u{110000} \\u{0000000000000000000000041}");
	STAYS("a & b &; && &1; &#; &#x; &#a; &#xg; & amp;");
	STAYS("&bogus; &am p; &Amp; &ampx; &aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;");
	STAYS("&#1114112; &#99999999999; &#x110000; &#00000000000000000000000065;");
	STAYS("?a=1&b=2&section=3&copy=4");
	STAYS("+1 a+b");
}

static void test_undoes_percent(void **state)
{
	(void)state;
	BECOMES("%41", "A");
	BECOMES("%41%42c%43", "ABcC");
	BECOMES("%5a%5A%7e", "ZZ~");
	BECOMES("%2541", "A");
	BECOMES("%25252525252541", "A");
	BECOMES("%%34%31", "A");
	BECOMES("%4%31 %%341", "A A");
	BECOMES("%25%34%31", "A");
	BECOMES("%2%35%%%33%34%%33%31", "%A");
	BECOMES("%%%47%48", "%%GH");
	BECOMES("%0a%09%0D%00%07", "\n\t\r");
	BECOMES("%e4%b8%ad%E2%80%8B", "\xe4\xb8\xad");
	BECOMES("%e4%b8x%b8", "\xe4\xb8x\xb8");
	BECOMES("%zz%4%41", "%zzJ");
}

static void test_undoes_backslashes(void **state)
{
	(void)state;
	BECOMES("\\\"a\\\" \\/ \\' \\n\\r\\t.", "\"a\" / ' \n\r\t.");
	BECOMES("a\\b\\fc", "ac");
	BECOMES("sk\\_live\\-x \\[\\]", "sk_live-x []");
	BECOMES("\\\\", "\\");
	BECOMES("\\\\\\\\n", "\n");
	BECOMES("\\u0041\\u004a\\u004A", "AJJ");
	BECOMES("\\x41\\x4a", "AJ");
	BECOMES("\\u{41}\\u{000041}\\x{4a}", "AAJ");
	BECOMES("\\U00000041\\U0001d400", "AA");
	BECOMES("\\u4e2d\\u00e9", "\xe4\xb8\xad"
				  "e");
	BECOMES("\\xe4\\xb8\\xad", "\xe4\xb8\xad");
	BECOMES("\\\\u005cu0041", "A");
	BECOMES("\\u00\\u0034\\x31", "A");
	BECOMES("\\u0000\\u0007a", "a");
	/* The backslash that begins an escape is no part of the one that was decoded before it. */
	BECOMES("\\u005c\\u0075"
		"0041",
		"A");
	BECOMES("\\\\\\x75"
		"0041",
		"A");
	BECOMES("%5cx5c%5cx75"
		"0041",
		"A");
}

static void test_joins_surrogates(void **state)
{
	(void)state;
	BECOMES("\\ud83d\\ude00", "\xf0\x9f\x98\x80");
	BECOMES("\\ud835\\udc00", "A");
	BECOMES("\\\\ud835%5cudc00", "A");
	BECOMES("&#xd835;\\u{dc00}", "A");
	BECOMES("\xed\xa0\xb5\xed\xb0\x80", "A");
	STAYS("\\ud83d");
	STAYS("\\ud83d x\\ude00 \\ud83d\\ud83d");
	BECOMES("\\ud83d\\u0041", "\\ud83dA");
	BECOMES("\\ud835\\ud835\\udc00", "\\ud835A");
	STAYS("\xed\xa0\xb5 \xed\xb0\x80");
}

static void test_undoes_references(void **state)
{
	(void)state;
	BECOMES("&#65;&#x41;&#X4a;&#x4A;", "AAJJ");
	BECOMES("&#0000000065;&#x000000041;", "AA");
	BECOMES("&#65 &#x41g &#65", "A Ag A");
	BECOMES("&#65&#66&#x41&#x42&#x43;", "ABABC");
	BECOMES("&#37;41 &#38;#65; &#38#65", "A A A");
	BECOMES("%26%2365%3B", "A");
	BECOMES("&amp;#65&#59;&#38;#65&#59;", "AA");
	BECOMES("&#6%35;", "A");
	BECOMES("&#%36%35%3b", "A");
	BECOMES("&#0;&#1;a&#x200b;", "a");
	BECOMES("&#150;&#147;&#x92;", "-\"'");
	BECOMES("&#20013;", "\xe4\xb8\xad");
	BECOMES("&#55357;", "&#55357;");
	BECOMES("a&#55357b", "ab");
}

static void test_undoes_names(void **state)
{
	(void)state;
	BECOMES("&amp;&lt;&gt;&quot;&apos;", "&<>\"'");
	BECOMES("&nbsp;&hyphen;&dash;&lowbar;&period;&sol;&bsol;", " --_./\\");
	BECOMES("&colon;&equals;&plus;&num;&percnt;&commat;&comma;&semi;", ":=+#%@,;");
	BECOMES("&excl;&ast;&lpar;&rpar;&lsqb;&rsqb;&lcub;&rcub;", "!*()[]{}");
	BECOMES("&vert;&grave;&Tab;&NewLine;&ZeroWidthSpace;&shy;&zwj;&zwnj;", "|`\t\n");
	BECOMES("&amp;amp;amp;lt;", "<");
	BECOMES("&AMP;&LT;&eacute;&half;&mdash;&DiacriticalDoubleAcute;", "&<e1/2-\"");
	BECOMES("&lt &amp&lt&amp;#65;", "< &<A");
	BECOMES("&percnt;41&bsol;u0041", "AA");
	BECOMES("&lt%3b%26gt;", "<>");
	STAYS("&lta; &commat &zwj");
}

static void test_undoes_mixtures(void **state)
{
	(void)state;
	BECOMES("%5Cu0041", "A");
	BECOMES("%255Cu%30041", "A");
	BECOMES("&#92;x41", "A");
	BECOMES("\\u0025\\u0034\\u0031", "A");
	BECOMES("\\x26#\\u{36}5;", "A");
	BECOMES("%26amp%3Bamp%3B%2523x41%3b", "A");
	BECOMES("\\%41", "\\A");
	BECOMES("\\%6e", "\n");
	BECOMES("&a%6dp;\\&quot;", "&\"");
	BECOMES("&#92\\n", "\\\n");
	BECOMES("\xef\xbc\x85\xef\xbc\x94\xef\xbc\x91", "A"); /* in full width */
	BECOMES("%\xe2\x80\x8b"
		"4\xcc\x81"
		"1",
		"A");
	BECOMES("%4\n1", "%4\n1");
	/* What ends one of them ends those below it, and nothing is lost. */
	BECOMES("%4&#49%zz", "A%zz");
	BECOMES("%4\\u00&#x\xe4\xb8!", "%4\\u00&#x\xe4\xb8!");
	BECOMES("\\u00%4&#x34 ", "\\u00D ");
}

static void test_drops_what_is_not_seen(void **state)
{
	(void)state;
	BECOMES("A\0K\x01I\x1b\x7f"
		"A",
		"AKIA");
	BECOMES("A\xe2\x80\x8bK\xe2\x80\x8dI\xe2\x81\xa0"
		"A\xef\xbb\xbf",
		"AKIA");
	BECOMES("A\xc2\xadK\xe2\x80\xaeI\xe2\x81\xa6"
		"A\xef\xb8\x8f",
		"AKIA");
	BECOMES("A\xcc\x81K\xcd\x8fI\xe2\x83\xa3"
		"A\xe3\x85\xa4",
		"AKIA");
	BECOMES("A\xc2\x80\xf3\xa0\x80\x81K\xf3\xa0\x84\x80", "AK");
}

static void test_knows_utf16(void **state)
{
	(void)state;
	BECOMES("\xff\xfe"
		"A\0K\0I\0A\0",
		"AKIA");
	BECOMES("\xfe\xff\0A\0K\0I\0A", "AKIA");
	BECOMES("A\0%\0"
		"4\0"
		"1\0",
		"AA");
	STAYS("\xff");
	STAYS("\xff\xff\xfe");
	STAYS("A\xff\xfe");
	STAYS("\xfe.");
}

static void test_knows_look_alikes(void **state)
{
	(void)state;
	BECOMES("\xd0\x90\xce\x9a\xd0\x86\xd0\x90", "AKIA"); /* Cyrillic, Greek */
	BECOMES("\xef\xbc\xa1\xef\xbc\x8d\xf0\x9d\x9f\x8e\xe2\x93\x90",
		"A-0a");						  /* full width, bold, in a ring */
	BECOMES("\xc3\xa9\xe1\xbb\x87\xc5\x82\xc3\xb8\xc5\xbf", "eelos"); /* with marks */
	BECOMES("\xe1\xb4\x80\xca\x80\xe1\x8e\xaa\xea\x93\xb3", "arAO");  /* small capitals, Cherokee, Lisu */
	BECOMES("\xc2\xb2\xe2\x82\x83\xe2\x9d\xbc\xe2\x91\xa9\xe2\x85\xa7", "23710VIII");
	BECOMES("\xd9\xa3\xe0\xa5\xa9\xef\xbc\x93\xe0\xb9\x93", "3333");
	BECOMES("\xe2\x80\x90\xe2\x80\x93\xe2\x88\x92\xe2\x80\x95\xef\xb9\xa3", "-----");
	BECOMES("\xe2\x80\x98\xe2\x80\x9d\xe2\x88\x95\xe2\x88\x96 \xe3\x80\x82\xef\xbc\xbf\xe2\x88\xb6",
		"'\"/\\ ._:");
	BECOMES("\xc2\xa0\xe2\x80\x83\xe3\x80\x80\xe1\x9a\x80\xe2\x80\xa8", "    \n");
	BECOMES("\xe3\x8e\xaf\xef\xac\x83\xc3\x9f\xf0\x9f\x87\xba", "rad/s2ffissU");
	BECOMES("\xe2\x93\x90\xe2\x92\x9c\xf0\x9f\x85\xb0\xf0\x9f\x84\xb0", "aaAA");
}

static void test_keeps_what_looks_like_nothing(void **state)
{
	(void)state;
	STAYS("\xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80 \xd0\x96\xe2\x82\xac \xea\xb0\x80 \xf0\xa0\x80\x80");
	STAYS("\x80 \xc0\xaf \xc1\x81 \xe0\x80\xaf \xf0\x80\x80\xaf \xf4\x90\x80\x80 \xf5\x80 \xfe\xff");
	STAYS("\xe4 \xe4\xb8 \xf0\x9f\x98 \xe4\xe4\xb8\xad \xc3\xc3(");
	BECOMES("\xe2\xe2\x80\x8b\x80\x90", "\xe2\x80\x90");
	BECOMES("\xe4%41\xb8&#65;\xf0\x9f\\n", "\xe4"
					       "A\xb8"
					       "A\xf0\x9f\n");
}

#define TAG(c) "\xf3\xa0\x80" c	 /* U+E0020 to U+E003F, by its last octet */
#define TAG_(c) "\xf3\xa0\x81" c /* U+E0040 to U+E007E */

static void test_gives_hidden_text_apart(void **state)
{
	(void)state;
	BECOMES("Hi!" TAG_("\x81") TAG_("\x8b") TAG_("\x89") " there", "Hi!\nAKI\n there");
	BECOMES("A" TAG("\xa1") "K" TAG("\xb1") TAG("\xb2") "I" TAG("\xb3") "A", "AKIA\n!123");
	BECOMES(TAG_("\x81") TAG_("\x82"), "\nAB");
	BECOMES("\xf3\xa0\x84\xb1\xf3\xa0\x84\xb2 x", "\nAB\n x"); /* selectors that stand for octets */
	BECOMES("\\u{e0041}%f3%a0%81%82&#xe0043;\n", "\nABC\n\n");
	BECOMES("\xf3\xa0\x80\x81\xf3\xa0\x81\xbf ", " ");
}

static void test_gives_hidden_text_whole(void **state)
{
	static char in[2048], out[2048], *p = in;
	size_t n = 0;

	(void)state;
	*p++ = 'x';
	out[n++] = 'x';
	out[n++] = '\n';
	for (unsigned i = 0; i < 3 * PLAIN_HIDDEN; i++) {
		p += sprintf(p, TAG("%c"), (int)(0xa1 + i % 20));
		out[n++] = (char)('!' + i % 20);
	}
	*p++ = 'y';
	out[n++] = '\n';
	out[n++] = 'y';
	check_view(&view, (struct span){in, (size_t)(p - in)}, (struct span){out, n}, true);
}

/* A word that doesn't end holds it no longer than the lag. */
static void test_gives_hidden_text_in_time(void **state)
{
	static char in[3 * PLAIN_LAG_MAX];
	static struct output output;
	size_t fed = 0;

	(void)state;
	memset(in, 'a', sizeof(in));
	memcpy(in, TAG_("\x81"), 4);
	init();
	output.n = 0;
	for (size_t i = 0; i < sizeof(in); i++) {
		feed_copy(&view, (struct span){in + i, 1}, false, &fed, &output);
		assert_int_equal(output.n, i < 4 ? 0 : i < PLAIN_LAG_MAX ? i - 3 : i);
	}
	assert_memory_equal(output.p + PLAIN_LAG_MAX - 4, "\nA\na", 4);
}

static void test_reads_forms(void **state)
{
	(void)state;
	flags = PLAIN_PLUS_IS_SPACE;
	BECOMES("a+b+", "a b ");
	BECOMES("a%2Bb%252b&#43;\\u002b", "a+b+++");
	BECOMES("%+41 \\+ &+;", "% 41 \\  & ;");
	BECOMES("0123456789abcdef+0123456789abcdef+", "0123456789abcdef 0123456789abcdef ");
	flags = 0;
	STAYS("0123456789abcdef+0123456789abcdef+");
}

/* One that goes on for ever is still one, and its lag has a bound. */
static void test_bounds_chains(void **state)
{
	static char in[4 * PLAIN_LAG_MAX + 3];
	static struct output output;
	size_t fed = 0;

	(void)state;
	in[0] = '%';
	for (size_t i = 1; i + 2 < sizeof(in); i += 2)
		memcpy(in + i, "25", 2);
	memcpy(in + sizeof(in) - 2, "41", 2);
	init();
	output.n = 0;
	for (size_t i = 0; i < sizeof(in); i++) {
		assert_int_equal(plain_lag(&v), i < PLAIN_LAG_MAX ? i : PLAIN_LAG_MAX);
		feed_copy(&view, (struct span){in + i, 1}, false, &fed, &output);
	}
	assert_int_equal(output.n, 1);
	assert_int_equal(output.p[0], 'A');
	assert_int_equal(plain_lag(&v), 0);
}

/* Too many within one another: the outer ones are none, the inner ones are. */
static void test_bounds_depth(void **state)
{
	static char in[PLAIN_DEPTH * 3 + 8], out[sizeof(in)];
	size_t n = PLAIN_DEPTH + 1;

	(void)state;
	memset(in, '%', n);
	memset(out, '%', n);
	memcpy(in + n, "41", 2);
	out[n - 1] = 'A';
	check((struct span){in, n + 2}, (struct span){out, n});
	memset(in, '%', PLAIN_DEPTH);
	memset(in + PLAIN_DEPTH, '3', PLAIN_DEPTH + 1);
	check((struct span){in, 2 * PLAIN_DEPTH + 1}, SPAN("3"));
}

static void test_bounds_what_is_held(void **state)
{
	static char in[PLAIN_HELD * 2], *p = in;

	(void)state;
	while (p < in + sizeof(in) - 16)
		p += sprintf(p, "&abcdefghijk%c", 'a' + (int)((p - in) / 12 % 26));
	check((struct span){in, (size_t)(p - in)}, (struct span){in, (size_t)(p - in)});
}

static size_t pieces, pieces_inside;
static struct span inside;

static void count(void *arg, struct span octets)
{
	pieces++;
	pieces_inside += octets.p >= inside.p && octets.p + octets.n <= inside.p + inside.n;
	collect(arg, octets);
}

static void test_copies_no_long_runs(void **state)
{
	static char in[OUTPUT_ROOM];
	static struct output output;

	(void)state;
	memset(in, 'a', sizeof(in));
	in[sizeof(in) / 2] = in[sizeof(in) - 1000] = '\\';
	inside = (struct span){in, sizeof(in)};
	init();
	plain_feed(&v, inside, true, count, &output);
	assert_int_equal(pieces, 5);
	assert_int_equal(pieces_inside, 3);
	assert_int_equal(output.n, sizeof(in));
	assert_memory_equal(output.p, in, sizeof(in));
	assert_false(plain_changed(&v));
}

static void test_counts_what_waits(void **state)
{
	static char in[2 * PLAIN_LAG_MAX];
	static struct output output;
	size_t fed = 0;

	(void)state;
	memset(in, 'a', sizeof(in));
	init();
	feed_copy(&view, (struct span){in, sizeof(in)}, false, &fed, &output);
	assert_int_equal(plain_lag(&v), 0);
	feed_copy(&view, SPAN("%2"), false, &fed, &output);
	assert_int_equal(plain_lag(&v), 2);
	feed_copy(&view, SPAN("54"), false, &fed, &output);
	assert_int_equal(plain_lag(&v), 4);
	feed_copy(&view, SPAN("&amp"), false, &fed, &output);
	assert_int_equal(plain_lag(&v), 8);
	feed_copy(&view, SPAN(" \\u"), false, &fed, &output);
	assert_int_equal(plain_lag(&v), 2);
	feed_copy(&view, SPAN(""), true, &fed, &output);
	assert_int_equal(plain_lag(&v), 0);
}

static void test_says_when_it_has_changed(void **state)
{
	static struct output output;
	size_t fed = 0;

	(void)state;
	init();
	feed_copy(&view, SPAN("a\xe4\xb8\xad% &x; \\d%4"), false, &fed, &output);
	assert_false(plain_changed(&v));
	feed_copy(&view, SPAN("1"), false, &fed, &output);
	assert_true(plain_changed(&v));
	feed_copy(&view, SPAN("a"), true, &fed, &output);
	assert_true(plain_changed(&v));
}

/* Every code point comes to ASCII in which no escape begins but as a whole, or stays; and so does every name.
 */
static void test_table_is_sound(void **state)
{
	size_t mapped = 0;

	(void)state;
	for (uint32_t code = 0x80; code < UNICODE_TABLE_END; code++) {
		uint16_t entry = unicode_entry(code);

		mapped += entry != UNICODE_KEEP;
		if (entry < UNICODE_FIRST_TEXT) {
			assert_true(entry <= UNICODE_DROP || entry == '\n' || (entry >= ' ' && entry <= '~'));
			continue;
		}
		struct span text = unicode_entry_text(entry);
		assert_true(text.n > 1 && text.n <= UNICODE_TEXT_MAX);
		for (size_t i = 0; i < text.n; i++)
			assert_true(text.p[i] >= ' ' && text.p[i] <= '~' && !strchr("%&\\", text.p[i]));
	}
	assert_true(mapped > 6000 && mapped < 12000);
	for (size_t i = 0; i < unicode_entity_count; i++) {
		const struct unicode_entity *entity = &unicode_entities[i];
		struct span name = {unicode_entity_names + entity->name, entity->name_length};

		assert_true(name.n <= UNICODE_ENTITY_MAX && entity->n <= sizeof(entity->text));
		assert_ptr_equal(unicode_find_entity(name), entity);
		assert_true(entity->n < name.n + 1);
	}
	assert_null(unicode_find_entity(SPAN("")));
	assert_null(unicode_find_entity(SPAN("zzzz")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hands_through_what_is_no_escape),
		cmocka_unit_test(test_undoes_percent),
		cmocka_unit_test(test_undoes_backslashes),
		cmocka_unit_test(test_joins_surrogates),
		cmocka_unit_test(test_undoes_references),
		cmocka_unit_test(test_undoes_names),
		cmocka_unit_test(test_undoes_mixtures),
		cmocka_unit_test(test_drops_what_is_not_seen),
		cmocka_unit_test(test_knows_utf16),
		cmocka_unit_test(test_knows_look_alikes),
		cmocka_unit_test(test_keeps_what_looks_like_nothing),
		cmocka_unit_test(test_gives_hidden_text_apart),
		cmocka_unit_test(test_gives_hidden_text_whole),
		cmocka_unit_test(test_gives_hidden_text_in_time),
		cmocka_unit_test(test_reads_forms),
		cmocka_unit_test(test_bounds_chains),
		cmocka_unit_test(test_bounds_depth),
		cmocka_unit_test(test_bounds_what_is_held),
		cmocka_unit_test(test_copies_no_long_runs),
		cmocka_unit_test(test_counts_what_waits),
		cmocka_unit_test(test_says_when_it_has_changed),
		cmocka_unit_test(test_table_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
