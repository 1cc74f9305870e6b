/*
 * JSON joined: each document every way it can be cut; documents made together with what must come out; what
 * is broken, nested or large; and the promise of json_join_lag().
 */
#include "pipelock/scan/json_join.h"
#include "tests/unit/join_ways.h"

static struct json_join v;
static struct joined out;

static void init(void *view)
{
	/* What an earlier text left behind must not show. */
	memset(view, 0x5a, sizeof(v));
	json_join_init(view);
}

static void feed(void *view, struct span in, bool last, join_emit *emit, void *arg)
{
	json_join_feed(view, in, last, emit, arg);
	assert_true(json_join_lag(view) <= JSON_JOIN_LAG);
}

static const struct join_view view = {&v, JSON_JOIN_TRACKS, init, feed};

static void check(struct span text, struct span values, struct span keys, struct span pairs)
{
	join_every_way(&view, text, &out);
	assert_track(&out, JSON_VALUES, text, values);
	assert_track(&out, JSON_KEYS, text, keys);
	assert_track(&out, JSON_PAIRS, text, pairs);
}

#define CHECK(text, values, keys, pairs) check(SPAN(text), SPAN(values), SPAN(keys), SPAN(pairs))

static void test_joins_in_document_order(void **state)
{
	(void)state;
	CHECK("", "", "", "");
	CHECK("[\"gh\",\"p_\",\"abc\"]", "ghp_abc", "", "gh\np_\nabc\n");
	CHECK("{\"a\":\"gh\",\"b\":\"p_\",\"c\":\"abc\"}", "ghp_abc", "abc", "a: gh\nb: p_\nc: abc\n");
	CHECK("{\"gh\":1,\"p_\":2,\"abc\":3}", "123", "ghp_abc", "gh: 1\np_: 2\nabc: 3\n");
	CHECK("{\"a\":{\"b\":[\"gh\",{\"c\":\"p_\"}]},\"d\":\"abc\"}", "ghp_abc", "abcd",
		"a\nb: gh\nc: p_\nd: abc\n");
	CHECK("[[\"gh\"],[[\"p_\"]],[\"abc\"]]", "ghp_abc", "", "gh\np_\nabc\n");
	CHECK("[4111,1111, 1111 ,1111]", "4111111111111111", "", "");
	CHECK("{\"a\":-1.5e+3,\"b\":[1,2,\"x\"]}", "-1.5e+312x", "ab", "a: -1.5e+3\nb: 1\nx\n");
}

/* A record separator behind each value and each key, of an array and an object alike. */
static void test_tells_where_values_end(void **state)
{
	(void)state;
	out.with_ends = true;
	CHECK("{\"a\":\"gh\",\"b\":[\"p_\",12]}",
		"gh\x1ep_\x1e"
		"12\x1e",
		"a\x1e"
		"b\x1e",
		"a: gh\nb: p_\n");
	CHECK("{\"a\":\"\",\"b\":\"x\"}", "\x1ex\x1e",
		"a\x1e"
		"b\x1e",
		"a\nb: x\n");
	out.with_ends = false;
}

static void test_reads_white_space(void **state)
{
	(void)state;
	CHECK("{\r\n\t\"a\" : \"gh\" ,\n\t\"b\"\n:\n\"p_\"\n}\n", "ghp_", "ab", "a: gh\nb: p_\n");
	CHECK("[ \"a\" , 1 , \"b\" ]", "a1b", "", "a\nb\n");
}

static void test_reads_many_documents(void **state)
{
	(void)state;
	CHECK("{\"a\":\"gh\"}\n{\"a\":\"p_\"}\r\n[\"abc\"]\n\"def\"\n", "ghp_abcdef", "aa",
		"a: gh\na: p_\nabc\ndef\n");
	CHECK("{\"a\":\"gh\"}{\"a\":\"p_\"}\"abc\"[\"def\"]", "ghp_abcdef", "aa", "a: gh\na: p_\nabc\ndef\n");
	CHECK("id: 17\nevent: x\ndata: {\"a\":\"gh\"}\n\nid: 18\ndata: {\"a\":\"p_\"}\n\n", "ghp_", "aa",
		"a: gh\na: p_\n");
	CHECK("\xef\xbb\xbf{\"a\":\"b\"}", "b", "a", "a: b\n");
	CHECK("for(;;);{\"a\":\"b\"}", "b", "a", "a: b\n");
}

static void test_words_are_no_values(void **state)
{
	(void)state;
	CHECK("[true,\"gh\",false,null,\"p_\"]", "ghp_", "", "gh\np_\n");
	CHECK("{\"password\":null,\"user\":\"bob\"}", "bob", "passworduser", "password\nuser: bob\n");
	CHECK("{\"password\":\"\",\"user\":\"bob\"}", "bob", "passworduser", "password\nuser: bob\n");
	CHECK("{\"password\":[],\"user\":\"bob\"}", "bob", "passworduser", "password\nuser: bob\n");
	CHECK("{\"password\":{},\"user\":\"bob\"}", "bob", "passworduser", "password\nuser: bob\n");
	CHECK("[{\"password\":[]},\"bob\"]", "bob", "password", "password\nbob\n");
	CHECK("{\"a\":[\"\",\"b\"]}", "b", "a", "a\nb\n");
	CHECK("{\"\":\"b\"}", "b", "", "b\n");
	CHECK("{\"mistral\":{\"api_key\":\"x\"}}", "x", "mistralapi_key", "mistral\napi_key: x\n");
}

static void test_unescapes(void **state)
{
	(void)state;
	CHECK("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "\"\\/\b\f\n\r\t", "", "\"\\/\b\f\n\r\t\n");
	CHECK("[\"\\u0067\\u0068p\\u005f\"]", "ghp_", "", "ghp_\n");
	CHECK("[\"\\u00e9\\u20AC\\u0000\"]", "\xc3\xa9\xe2\x82\xac\0", "", "\xc3\xa9\xe2\x82\xac\0\n");
	CHECK("[\"\\ud83d\\uDE00!\"]", "\xf0\x9f\x98\x80!", "", "\xf0\x9f\x98\x80!\n");
	CHECK("[\"\\ud800\\udc00\\udbff\\udfff\"]", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "",
		"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\n");
	CHECK("{\"\\u0061pi\\u005Fkey\":\"\\u0078\"}", "x", "api_key", "api_key: x\n");
	CHECK("{\"a\\\"b\":\"c\\\"d\"}", "c\"d", "a\"b", "a\"b: c\"d\n");
	CHECK("[\"\xc3\xa9\xff\x01\t\"]", "\xc3\xa9\xff\x01\t", "", "\xc3\xa9\xff\x01\t\n");
}

#define FFFD "\xef\xbf\xbd"

static void test_keeps_what_is_broken(void **state)
{
	(void)state;
	CHECK("[\"\\ud83dx\"]", FFFD "x", "", FFFD "x\n");
	CHECK("[\"\\ude00x\"]", FFFD "x", "", FFFD "x\n");
	CHECK("[\"\\ud83d\"]", FFFD, "", FFFD "\n");
	CHECK("[\"\\ud83d\\n\"]", FFFD "\n", "", FFFD "\n\n");
	CHECK("[\"\\ud83d\\ud83d\\ude00\"]", FFFD "\xf0\x9f\x98\x80", "", FFFD "\xf0\x9f\x98\x80\n");
	CHECK("[\"\\ud83d\\u0041\"]", FFFD "A", "", FFFD "A\n");
	CHECK("[\"\\ud83d\\u00\"]", FFFD "\\u00", "", FFFD "\\u00\n");
	CHECK("[\"\\ud83d\\u00\\n\"]", FFFD "\\u00\n", "", FFFD "\\u00\n\n");
	CHECK("[\"\\u12g4\\u\"]", "\\u12g4\\u", "", "\\u12g4\\u\n");
	CHECK("[\"\\u\\u0041\"]", "\\uA", "", "\\uA\n");
	CHECK("[\"\\x\\'\"]", "x'", "", "x'\n");
	CHECK("[\"a\\u00", "a\\u00", "", "a\\u00\n");
	CHECK("[\"a\\ud83d\\u", "a" FFFD "\\u", "", "a" FFFD "\\u\n");
	CHECK("[\"a\\ud83d\\", "a" FFFD, "", "a" FFFD "\n");
	CHECK("[\"a\\", "a", "", "a\n");
}

static void test_never_fails(void **state)
{
	(void)state;
	CHECK("{\"a\":\"b", "b", "a", "a: b\n");
	CHECK("{\"a\"", "a", "", "a\n");
	CHECK("{\"a\":", "", "a", "a\n");
	CHECK("{\"a\":1", "1", "a", "a: 1\n");
	CHECK("]]}}{\"a\":\"b\"}", "b", "a", "a: b\n");
	CHECK("{{{[[[\"a\":\"b\"", "ab", "", "a\nb\n");
	CHECK("{\"a\" \"b\" \"c\":\"d\"", "abd", "c", "a\nb\nc: d\n");
	CHECK("{\"a\"::\"b\"}", "b", "a", "a: b\n");
	CHECK("{\"a\":\"b\":\"c\"}", "bc", "a", "a: b\nc\n");
	CHECK("{\"a\":\"b\"\"c\":\"d\"}", "bd", "ac", "a: b\nc: d\n");
	CHECK(",:,\"a\",:", "a", "", "a\n");
	CHECK("{\"a\":\"b\",}", "b", "a", "a: b\n");
	CHECK("{\"a\":tr\"b\"}", "b", "a", "a: b\n");
	CHECK("{\"a\":null \"b\":\"c\"}", "c", "ab", "a\nb: c\n");
	CHECK("{\"a\" tr:\"b\"}", "ab", "", "a\nb\n");
}

/* One odd quote spoils one line. */
static void test_starts_anew_with_a_line(void **state)
{
	(void)state;
	CHECK("he said \"no\n{\"a\":\"gh\",\"b\":\"p_\"}", "noghp_", "ab", "no\na: gh\nb: p_\n");
	CHECK("{\"a\":\"x\r\n{\"a\":\"gh\"}\n", "xgh", "aa", "a: x\na: gh\n");
	CHECK("[\"x\\\n\"y\"]", "xy", "", "x\ny\n");
	CHECK("[\"x\\\r\"y\"]", "xy", "", "x\ny\n");
	CHECK("[\"x\\ud83d\\\r\"y\"]", "x" FFFD "y", "", "x" FFFD "\ny\n");
	CHECK("{\"a\n:\"b\"}", "ab", "", "a\nb\n");
}

static void test_numbers_outside_of_brackets(void **state)
{
	(void)state;
	CHECK("12 \"gh\" 13 \"p_\" -1", "ghp_", "", "gh\np_\n");
	CHECK("]] 12 {\"a\":1}} 13", "1", "a", "a: 1\n");
	CHECK("2024-01-02T03:04:05 {\"a\":1} 6", "1", "a", "a: 1\n");
}

/* ---- long strings, deep brackets */

static char text[3 * JOIN_OUT_MAX];
static size_t text_n;

static void add(const char *piece)
{
	size_t n = strlen(piece);

	assert_true(n < sizeof(text) - text_n);
	memcpy(text + text_n, piece, n);
	text_n += n;
}

static void add_many(const char *piece, size_t count)
{
	while (count-- > 0)
		add(piece);
}

static void join_few_ways(void)
{
	static struct joined other;
	static const size_t sizes[] = {1, 2, 7, 255, 256, 257, 1000};
	struct span whole = {text, text_n};

	join_in_pieces(&view, whole, text_n, text_n, false, &out);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		join_in_pieces(&view, whole, sizes[i], sizes[i], i & 1, &other);
		assert_joined_same(&out, &other, whole);
	}
}

static size_t count_in(unsigned track, char c)
{
	size_t count = 0;

	for (size_t i = 0; i < out.n[track]; i++)
		count += out.text[track][i] == c;
	return count;
}

static struct span track_of(unsigned track)
{
	return (struct span){out.text[track], out.n[track]};
}

static void assert_has(unsigned track, const char *part)
{
	if (!memmem(out.text[track], out.n[track], part, strlen(part)))
		fail_msg("track %u has no '%s': %.*s", track, part, SPAN_ARG(track_of(track)));
}

/* A key of each length around the bound, first and later in its object, between the pieces of a secret. */
static void check_long_key(const char *unit, size_t count)
{
	text_n = 0;
	add("{\"");
	add_many(unit, count);
	add("\":\"gh\", \"x\":[\"p_\"], \"");
	add_many(unit, count);
	add("\" : \"abc\"}");
	join_few_ways();
	assert_true(span_equals(track_of(JSON_VALUES), SPAN("ghp_abc")));
	assert_int_equal(count_in(JSON_KEYS, 'K'), 2 * count);
	assert_int_equal(out.n[JSON_KEYS], 2 * count + 1);
	assert_int_equal(count_in(JSON_PAIRS, 'K'), 2 * count);
	assert_has(JSON_PAIRS, "K: gh\nx: p_\nK");
	assert_has(JSON_PAIRS, "K: abc\n");
}

static void test_long_keys(void **state)
{
	(void)state;
	for (size_t count = JSON_JOIN_WAIT - 2; count < JSON_JOIN_WAIT + 3; count++) {
		check_long_key("K", count);
		check_long_key("\\u004b", count);
	}
	check_long_key("K", 3000);
	check_long_key("\\u004b", 3000);
}

/* Where no bracket says what it is, a long string is a value until a colon has been seen. */
static void test_long_keys_without_brackets(void **state)
{
	(void)state;
	for (size_t count = JSON_JOIN_WAIT; count < JSON_JOIN_WAIT + 2; count++) {
		text_n = 0;
		add("\"");
		add_many("K", count);
		add("\":\"gh\",\"a\":1,\"");
		add_many("L", 300);
		add("\":\"p_\"");
		join_few_ways();
		assert_int_equal(count_in(JSON_KEYS, 'K'), count == JSON_JOIN_WAIT ? count : 0);
		assert_int_equal(count_in(JSON_KEYS, 'L'), 300);
		assert_has(JSON_VALUES, "ghp_");
	}
}

static void check_long_value(const char *before, size_t count, const char *after)
{
	text_n = 0;
	add(before);
	add_many("V", count);
	add(after);
	join_few_ways();
	assert_int_equal(count_in(JSON_VALUES, 'V'), count);
	assert_int_equal(count_in(JSON_KEYS, 'V'), 0);
	assert_int_equal(count_in(JSON_PAIRS, 'V'), count < JOIN_PAIR_VALUE ? count : JOIN_PAIR_VALUE);
	assert_has(JSON_VALUES, "ghV");
	assert_has(JSON_VALUES, "Vp_");
}

static void test_long_values(void **state)
{
	static const size_t counts[] = {255, 256, 257, 511, 512, 1023, 1024, 1025, 5000};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		check_long_value("[\"gh\",\"", counts[i], "\",\"p_\"]");
		check_long_value("{\"a\":\"gh\",\"b\":\"", counts[i], "\",\"c\":\"p_\"}");
		check_long_value("\"gh\"\n\"", counts[i], "\"\n\"p_\"");
		check_long_value("{\"x\":[{\"a\":1},\"gh\",\"", counts[i], "\",\"p_\"]}");
	}
}

static void test_white_space_behind_a_string(void **state)
{
	static const size_t counts[] = {300, JSON_JOIN_LAG - 6, JSON_JOIN_LAG - 5, JSON_JOIN_LAG, 9000};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		text_n = 0;
		add("[\"gh\",{\"key\"");
		add_many(" ", counts[i]);
		add(":\"p_\"},\"abc\"");
		add_many("\n", counts[i]);
		add(",\"d\"]");
		join_few_ways();
		assert_true(span_equals(track_of(JSON_VALUES), SPAN("ghp_abcd")));
		assert_true(span_equals(track_of(JSON_KEYS), SPAN("key")));
		assert_true(span_equals(track_of(JSON_PAIRS), SPAN("gh\nkey: p_\nabc\nd\n")));
	}
}

/* Long keys and long elements are told apart behind brackets of any depth, as far as it is kept. */
static void check_depth(size_t depth, bool known)
{
	text_n = 0;
	add("{\"k\":\"gh\",\"n\":");
	add_many("[", depth);
	add_many("]", depth);
	add(",\"");
	add_many("K", 300);
	add("\":\"p_\"}");
	join_few_ways();
	assert_int_equal(count_in(JSON_KEYS, 'K'), known ? 300 : 0);
	assert_int_equal(count_in(JSON_VALUES, 'K'), known ? 0 : 300);
	assert_has(JSON_PAIRS, "k: gh\nn\nK");
}

static void check_depth_of_objects(size_t depth)
{
	text_n = 0;
	add("[\"gh\",");
	add_many("{\"a\":", depth);
	add_many("}", depth);
	add(",\"");
	add_many("V", 300);
	add("\",\"p_\"]\"");
	add_many("W", 300);
	add("\"");
	join_few_ways();
	assert_int_equal(count_in(JSON_VALUES, 'V'), 300);
	assert_int_equal(count_in(JSON_VALUES, 'W'), 300);
	assert_int_equal(count_in(JSON_KEYS, 'a'), depth);
	assert_has(JSON_VALUES, "ghV");
	assert_has(JSON_VALUES, "Vp_");
}

static void test_depth(void **state)
{
	(void)state;
	for (size_t depth = JSON_JOIN_LEVELS - 2; depth < JSON_JOIN_LEVELS + 3; depth++)
		check_depth_of_objects(depth);
	check_depth_of_objects(2 * JSON_JOIN_LEVELS);
	check_depth(1, true);
	check_depth(63, true);
	check_depth(64, true);
	check_depth(JSON_JOIN_LEVELS - 1, true);
	check_depth(JSON_JOIN_LEVELS, false);
	check_depth(10000, false);
	text_n = 0;
	add_many("{\"a\":[", 10000);
	add("\"gh\",\"p_\"");
	add_many("]}", 10000);
	add("{\"b\":\"abc\"}");
	join_few_ways();
	assert_true(span_equals(track_of(JSON_VALUES), SPAN("ghp_abc")));
	assert_int_equal(count_in(JSON_KEYS, 'a'), 10000);
	assert_has(JSON_PAIRS, "a: gh\np_\nb: abc\n");
}

/* ---- documents made together with what must come out */

struct made {
	size_t n[JSON_JOIN_TRACKS];
	char p[JSON_JOIN_TRACKS][8192];
	uint32_t random;
	bool named; /* the line has a name and no value yet */
};

static struct made made;

static unsigned pick(unsigned below)
{
	return join_random(&made.random) % below;
}

static void expect(unsigned track, struct span octets)
{
	assert_true(octets.n <= sizeof(made.p[track]) - made.n[track]);
	memcpy(made.p[track] + made.n[track], octets.p, octets.n);
	made.n[track] += octets.n;
}

static void add_space(void)
{
	static const char *const spaces[] = {"", "", "", " ", "\n", "\t \r\n"};

	add(spaces[pick(6)]);
}

/* Writes a string in one of its spellings; what it means stands in `meaning` (of 1024 octets). */
static struct span add_string(char *meaning)
{
	static const char *const spelled[] = {"a", "ghp_", "\\n", "\\u0041", "\\ud83d\\ude00", "\\\"", ":",
		",{[", "\\\\", "\xc3\xa9", "0123456789", "\\/"};
	static const char *const means[] = {"a", "ghp_", "\n", "A", "\xf0\x9f\x98\x80", "\"", ":", ",{[",
		"\\", "\xc3\xa9", "0123456789", "/"};
	size_t n = 0, count = pick(8) == 0 ? pick(80) : pick(5);

	add("\"");
	while (count-- > 0) {
		unsigned i = pick(12);

		add(spelled[i]);
		memcpy(meaning + n, means[i], strlen(means[i]));
		n += strlen(means[i]);
	}
	add("\"");
	return (struct span){meaning, n};
}

static void expect_line(struct span value)
{
	if (made.named)
		expect(JSON_PAIRS, SPAN(": "));
	expect(JSON_PAIRS, value);
	expect(JSON_PAIRS, SPAN("\n"));
	made.named = false;
}

static void end_named(void)
{
	if (made.named)
		expect(JSON_PAIRS, SPAN("\n"));
	made.named = false;
}

static void make_value(unsigned depth);

static void make_scalar(void)
{
	char meaning[1024];
	struct span value;

	switch (pick(4)) {
	case 0:
		add("-12.5");
		expect(JSON_VALUES, SPAN("-12.5"));
		if (made.named)
			expect_line(SPAN("-12.5"));
		break;
	case 1:
		add(pick(2) ? "null" : "true");
		break;
	default:
		value = add_string(meaning);
		expect(JSON_VALUES, value);
		if (value.n > 0)
			expect_line(value);
	}
}

static void make_member(unsigned depth)
{
	char meaning[1024];
	struct span key = add_string(meaning);

	expect(JSON_KEYS, key);
	expect(JSON_PAIRS, key);
	made.named = key.n > 0;
	add_space();
	add(":");
	make_value(depth);
}

static void make_container(unsigned depth, bool is_object)
{
	unsigned count = pick(4);

	add(is_object ? "{" : "[");
	if (is_object)
		end_named();
	for (unsigned i = 0; i < count; i++) {
		if (i > 0) {
			add(",");
			end_named();
		}
		add_space();
		if (is_object)
			make_member(depth + 1);
		else
			make_value(depth + 1);
	}
	add_space();
	end_named();
	add(is_object ? "}" : "]");
}

static void make_value(unsigned depth)
{
	add_space();
	if (depth == 0 || (depth < 6 && pick(3) == 0))
		make_container(depth, pick(2));
	else
		make_scalar();
	add_space();
}

static void test_made_documents(void **state)
{
	(void)state;
	for (uint32_t seed = 0; seed < 400; seed++) {
		made = (struct made){.random = seed};
		text_n = 0;
		for (unsigned documents = 1 + pick(3); documents > 0; documents--)
			make_value(0);
		if (text_n > 400 && seed % 20 != 0)
			join_few_ways();
		else
			join_every_way(&view, (struct span){text, text_n}, &out);
		for (unsigned track = 0; track < JSON_JOIN_TRACKS; track++)
			assert_track(&out, track, (struct span){text, text_n},
				(struct span){made.p[track], made.n[track]});
	}
}

/* ---- the lag */

/* Letters stand for themselves: one that lies before the lag has come out in the track it belongs to. */
static void check_lag(struct span in, const char *letters)
{
	static const char names[] = "KLMN"; /* in keys */

	join_begin(&view, &out);
	for (size_t n = 1; n <= in.n; n++) {
		join_feed_copy(&view, (struct span){in.p + n - 1, 1}, false, &out);
		size_t lag = json_join_lag(&v);
		assert_true(lag <= n);
		for (size_t i = 0; i < n - lag; i++) {
			if (!memchr(letters, in.p[i], strlen(letters)))
				continue;
			unsigned track = memchr(names, in.p[i], sizeof(names) - 1) ? JSON_KEYS : JSON_VALUES;
			assert_non_null(memchr(out.text[track], in.p[i], out.n[track]));
			assert_non_null(memchr(out.text[JSON_PAIRS], in.p[i], out.n[JSON_PAIRS]));
		}
	}
	join_feed_copy(&view, SPAN(""), true, &out);
	assert_int_equal(json_join_lag(&v), 0);
}

static void test_lag(void **state)
{
	(void)state;
	check_lag(SPAN("{\"K\":\"ABC\",\"LM\" : [\"DE\", \"FG\"],\"N\":{}}"), "KLMNABCDEFG");
	check_lag(SPAN("\"A\" \"B\\u00e9C\\ud83d\\ude00D\" \"E\\\"F\""), "ABCDEF");
	check_lag(SPAN("[\"A\\ud83dB\\uC\\u12D\\"), "ABCD");
	text_n = 0;
	add("[\"");
	add_many("\\u0061", JSON_JOIN_WAIT + 10);
	add("A\", \"");
	add_many("\\u0061", JSON_JOIN_WAIT - 1);
	add("B\"");
	add_many(" ", JSON_JOIN_LAG + 10);
	add(",{\"");
	add_many("a", JSON_JOIN_WAIT + 10);
	add("K\":1}]");
	check_lag((struct span){text, text_n}, "ABK");
}

/* A value behind a colon, or the first of an array, is out as it comes. */
static void test_values_do_not_wait(void **state)
{
	(void)state;
	join_begin(&view, &out);
	join_feed_copy(&view, SPAN("{\"a\":[\"gh"), false, &out);
	assert_int_equal(json_join_lag(&v), 0);
	assert_true(span_equals(track_of(JSON_VALUES), SPAN("gh")));
	assert_true(span_equals(track_of(JSON_PAIRS), SPAN("a: gh")));
	join_feed_copy(&view, SPAN("p_\",\"abc\" "), false, &out);
	assert_int_equal(json_join_lag(&v), sizeof("\"abc\" ") - 1);
	assert_true(span_equals(track_of(JSON_VALUES), SPAN("ghp_")));
}

/* Any octets: the same every way, and no more comes out than the header says. */
static void test_noise(void **state)
{
	static const char alphabet[] = "\"\"\"\\\\u00d8dc:,{}[] \n1-at";
	uint32_t random = 1;
	char noise[60];

	(void)state;
	for (int round = 0; round < 2000; round++) {
		size_t n = join_random(&random) % sizeof(noise);

		for (size_t i = 0; i < n; i++)
			noise[i] = alphabet[join_random(&random) % (sizeof(alphabet) - 1)];
		join_every_way(&view, (struct span){noise, n}, &out);
		for (unsigned track = 0; track < JSON_JOIN_TRACKS; track++)
			assert_true(out.n[track] <= n + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joins_in_document_order),
		cmocka_unit_test(test_tells_where_values_end),
		cmocka_unit_test(test_reads_white_space),
		cmocka_unit_test(test_reads_many_documents),
		cmocka_unit_test(test_words_are_no_values),
		cmocka_unit_test(test_unescapes),
		cmocka_unit_test(test_keeps_what_is_broken),
		cmocka_unit_test(test_never_fails),
		cmocka_unit_test(test_starts_anew_with_a_line),
		cmocka_unit_test(test_numbers_outside_of_brackets),
		cmocka_unit_test(test_long_keys),
		cmocka_unit_test(test_long_keys_without_brackets),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_white_space_behind_a_string),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_made_documents),
		cmocka_unit_test(test_lag),
		cmocka_unit_test(test_values_do_not_wait),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
