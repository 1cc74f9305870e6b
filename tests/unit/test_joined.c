/*
 * Pieces put together: a secret that was split is found however it was cut and encoded, where its pieces
 * stand; and what is no matter of joining is left to others.
 */
#include "tests/unit/scan_oracle.h"
#include "tests/unit/views_bodies.h"

#define PIECES 600
#define BETWEEN 10 /* octets between two pieces in what they are told of */

static const char rules[] = "version: 1\nrules:\n"
			    "- {id: token, regex: '\\bkk-[a-z0-9]{12,64}\\b', belongs_to: [home.example]}\n"
			    "- {id: mild, regex: 'ww-[a-z0-9]{14}', action: warn}\n"
			    "- {id: named, regex: 'api_key[=:]{0,1}(?<secret>[A-Z][a-z0-9]{15})'}\n"
			    "- {id: digits, regex: '[0-9]{4}-?[0-9]{4}-?[0-9]{4}-?[0-9]{4}'}\n"
			    "- {id: open, regex: 'vv-[a-z0-9]{14}(?![+])'}\n"
			    "- {id: lines, regex: 'zz-[a-z0-9]{4}\\s+qq-[a-z0-9]{12}'}\n";

static struct scanner *own;
static struct scan_piece pieces[PIECES];
static size_t count;
static char *texts[PIECES];
static uint64_t place;

/* ---- pieces, each in a block of its own */

static void clear(void)
{
	while (count > 0)
		free(texts[--count]);
	place = 100;
}

static void add_of(struct span text, const char *field)
{
	assert_true(count < PIECES);
	char *copy = texts[count] = malloc(text.n + (text.n == 0));
	assert_non_null(copy);
	if (text.n > 0)
		memcpy(copy, text.p, text.n);
	pieces[count++] = (struct scan_piece){{copy, text.n}, place, place + text.n, span_of(field)};
	place += text.n + BETWEEN;
}

static void add(const char *text)
{
	add_of(span_of(text), "");
}

static enum scan_result scan(
	struct scanner *with, enum scan_part part, const char *host, unsigned how, struct findings *out)
{
	struct scan_target target = {.host = span_of(host)};
	return scan_joined(with, part, &target, pieces, count, how, out);
}

/* Of pieces `first` to `last` of a URL, under the rules of this file. */
static void expect_of(
	const struct findings *found, const char *rule, enum scan_view view, size_t first, size_t last)
{
	assert_int_equal(found->count, 1);
	const struct finding *item = &found->items[0];
	assert_string_equal(item->rule->id, rule);
	assert_int_equal(item->view, view);
	assert_int_equal(item->count, 1);
	assert_int_equal(item->offset, pieces[first].begin);
	assert_int_equal(item->offset + item->length, pieces[last].end);
}

static void expect(const char *rule, size_t first, size_t last)
{
	struct findings found = {0};
	assert_int_equal(scan(own, SCAN_URL, "", SCAN_JOIN_ALL, &found), SCAN_FOUND);
	assert_true(found.blocked);
	expect_of(&found, rule, VIEW_JOINED, first, last);
}

static void expect_nothing(void)
{
	struct findings found = {0};
	enum scan_result result = scan(own, SCAN_URL, "", SCAN_JOIN_ALL, &found);
	if (result != SCAN_CLEAN || found.count > 0)
		fail_msg("found %s", found.count ? found.items[0].rule->id : "something");
}

/* ---- secrets */

static struct blob secret, code;

/* n pieces, cut anywhere. */
static void add_cut(const struct blob *value, size_t n, uint32_t *seed, encoder *encode)
{
	static struct blob piece, written;
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		size_t most = value->n - at - (n - i - 1);
		size_t size = i + 1 == n ? most : 1 + views_random(seed) % most;
		blob_set(&piece, (struct span){value->p + at, size});
		if (encode)
			encode(&piece, &written);
		add_of(blob_span(encode ? &written : &piece), "");
		at += size;
	}
}

/* The finding of its rule: with the first pieces alone, or with what follows, it may be found, too. */
static const struct finding *find_rule(const struct findings *found)
{
	struct findings alone = {0};
	assert_int_equal(scan_text(scanner, SCAN_BODY, NULL, blob_span(&secret), &alone), SCAN_FOUND);
	for (size_t i = 0; i < found->count; i++)
		if (found->items[i].rule == alone.items[0].rule)
			return &found->items[i];
	return NULL;
}

/* Among other pieces. A piece of more than 128 octets is in no row, so it is not cut like that. */
static void check_cut(const struct blob *value, size_t n, uint32_t seed, encoder *encode)
{
	struct findings found = {0};
	clear();
	add("users");
	add("two words");
	size_t first = count;
	add_cut(value, n, &seed, encode);
	size_t last = count - 1;
	add("and more");
	add("1");
	enum scan_result result = scan(scanner, SCAN_URL, "", SCAN_JOIN_ALL, &found);
	const struct finding *item = find_rule(&found);
	if (result != SCAN_FOUND || !found.blocked || !item)
		fail_msg("%zu pieces of %.*s", n, SPAN_ARG(blob_span(value)));
	if (item->view == VIEW_JOINED && item->offset != pieces[first].begin)
		fail_msg("%.*s at %lu", SPAN_ARG(blob_span(value)), (unsigned long)item->offset);
	assert_true(item->offset <= pieces[first].begin);
	assert_true(item->offset + item->length >= pieces[last].end);
	assert_int_equal(item->count, 1);
}

static void test_secrets_are_found_however_they_are_cut(void **state)
{
	(void)state;
	for (uint32_t seed = 0; seed < 60; seed++) {
		make_secret(&secret, seed);
		check_cut(&secret, 2 + seed / 3 % 3, seed, NULL);
		check_cut(&secret, 2 + seed / 3 % 3, seed, encode_percent);
	}
}

static void test_encoded_secrets_are_found(void **state)
{
	(void)state;
	static encoder *const encoders[] = {encode_base64, encode_base64url, encode_hex, encode_hex_upper,
		encode_base32, encode_base32_lower};
	for (size_t i = 0; i < sizeof(encoders) / sizeof(encoders[0]); i++) {
		for (uint32_t seed = 0; seed < 24; seed++) {
			make_secret(&secret, seed);
			encoders[i](&secret, &code);
			/* Rows have at most 256 octets. */
			if (code.n <= 128)
				check_cut(&code, 2 + seed / 3 % 3, seed, NULL);
		}
	}
}

static void test_many_pieces_are_found_together(void **state)
{
	(void)state;
	for (size_t size = 1; size < 6; size++) {
		clear();
		static const char text[] = "kk-abcdefgh12345678";
		for (size_t at = 0; at + 1 < sizeof(text); at += size)
			add_of((struct span){text + at, strnlen(text + at, size)}, "");
		expect("token", 0, count - 1);
	}
}

static void test_harmless_pieces_pass(void **state)
{
	(void)state;
	static const char *const words[] = {"v1", "chat", "completions", "application/json", "gzip, deflate",
		"*/*", "2023-06-01", "keep-alive", "python-requests/2.31.0", "3.11.4", "CPython", "true",
		"550e8400-e29b-41d4-a716-446655440000", "W/\"5e8-18a2\"", "Linux", "x64", "",
		"en-GB,en;q=0.9", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "1700000000",
		"session=abc; id=7"};
	struct findings found = {0};
	uint32_t seed = 1;
	for (int turn = 0; turn < 200; turn++) {
		clear();
		for (int i = 0; i < 12; i++)
			add(words[views_random(&seed) % (sizeof(words) / sizeof(words[0]))]);
		for (enum scan_part part = SCAN_URL; part <= SCAN_HEADER; part++)
			assert_int_equal(scan(scanner, part, "", SCAN_JOIN_ALL, &found), SCAN_CLEAN);
	}
	assert_int_equal(found.count, 0);
}

/* ---- what is no matter of joining */

static void test_a_match_in_one_piece_is_none(void **state)
{
	(void)state;
	static const char *const others[] = {"", "one", "two words", "123"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		clear();
		add(others[i]);
		add("kk-abcdefgh12345678");
		add(" ww-abcdefgh123456 ");
		add(others[i]);
		/* The rule goes on where a word does. */
		if (others[i][0] == '\0' || others[i][0] == 't')
			expect_nothing();
	}
	clear();
	add("kk-abcdefgh12345678");
	expect_nothing();
	clear();
	expect_nothing();
}

/* What makes a rule look is not the secret: that has to be split. */
static void test_only_the_secret_counts(void **state)
{
	(void)state;
	clear();
	add("api_key");
	add("Abcdefgh12345678");
	expect_nothing();
	clear();
	add("api_key");
	add("Abcdefgh");
	add("12345678");
	expect("named", 1, 2);
}

static void test_rows_are_texts_of_their_own(void **state)
{
	(void)state;
	clear();
	add("qq-abcdefgh1");
	add("2345zz-abcd");
	add("1");
	expect_nothing();
}

static void test_digits_alone_are_numbers_that_nobody_wrote(void **state)
{
	(void)state;
	clear();
	add("4111111111");
	add("111111");
	expect_nothing();
}

static void test_short_pieces_are_nothing(void **state)
{
	(void)state;
	clear();
	add("ww-");
	add("a1");
	add("");
	expect_nothing();
	clear();
	for (int i = 0; i < 500; i++)
		add("");
	expect_nothing();
}

static void test_a_locale_begins_no_token(void **state)
{
	(void)state;
	struct findings found = {0};
	static const char *const values[] = {"sk-SK", "sk_SK", "sk-Sk"};
	for (size_t i = 0; i < 3; i++) {
		clear();
		add(values[i]);
		add("5f2b8a1c9d3e4f6071829304");
		enum scan_result result = scan(scanner, SCAN_URL, "", SCAN_JOIN_ALL, &found);
		assert_int_equal(result, i == 2 ? SCAN_FOUND : SCAN_CLEAN);
	}
}

/* ---- what findings say */

static void test_a_key_at_home_is_none(void **state)
{
	(void)state;
	struct findings found = {0};
	clear();
	add_of(SPAN("application"), "Accept");
	add_of(SPAN("kk-abcdefgh12345678"), "X-Api-Key");
	add_of(SPAN("keepalive"), "Connection"); /* the rule reads on into it */
	assert_int_equal(scan(own, SCAN_HEADER, "home.example", SCAN_JOIN_ALL, &found), SCAN_CLEAN);
	assert_int_equal(found.count, 0);
	assert_int_equal(scan(own, SCAN_HEADER, "other.example", SCAN_JOIN_ALL, &found), SCAN_FOUND);
	assert_true(found.blocked);
}

static void test_a_rule_tells_of_a_head_once(void **state)
{
	(void)state;
	struct findings found = {0};
	struct scan_target target = {.host = SPAN("other.example")};
	clear();
	add_of(SPAN("kk-abcdefgh12345678"), "X-A");
	add_of(SPAN("keepalive"), "Connection");
	scan_text(own, SCAN_HEADER, &target, SPAN("X-A: kk-abcdefgh12345678"), &found);
	assert_int_equal(scan(own, SCAN_HEADER, "other.example", SCAN_JOIN_ALL, &found), SCAN_CLEAN);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.items[0].view, VIEW_RAW);
	assert_int_equal(found.items[0].count, 1);
}

/* In a URL all places are told, for the log masks them. */
static void test_a_url_tells_of_each_place(void **state)
{
	(void)state;
	struct findings found = {0};
	clear();
	add("kk-abcdefgh");
	add("12345678");
	add("two words");
	add("kk-hgfedcba");
	add("87654321");
	assert_int_equal(scan(own, SCAN_URL, "", SCAN_JOIN_ALL, &found), SCAN_FOUND);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.items[1].offset, pieces[3].begin);
	assert_int_equal(found.items[1].offset + found.items[1].length, pieces[4].end);
	/* The same value again: all between. */
	clear();
	for (int i = 0; i < 2; i++) {
		add("two words");
		add("kk-abcdefgh");
		add("12345678");
	}
	expect("token", 1, 5);
}

static void test_where_something_stands_already_it_grows(void **state)
{
	(void)state;
	struct findings found = {0};
	clear();
	add("kk-abcdefgh12345678");
	add("abcd");
	found.items[0] = (struct finding){.rule = &scanner_rules(own)->rules[0].shown,
		.part = SCAN_URL,
		.view = VIEW_RAW,
		.count = 1,
		.offset = pieces[0].begin,
		.length = 19};
	found.count = 1;
	assert_int_equal(scan(own, SCAN_URL, "", SCAN_JOIN_ALL, &found), SCAN_CLEAN);
	expect_of(&found, "token", VIEW_RAW, 0, 1);
}

static void test_policy_decides(void **state)
{
	(void)state;
	static const enum findings_policy all[] = {
		FINDINGS_BY_RULE, FINDINGS_BLOCK_ALL, FINDINGS_REPORT_ONLY};
	for (size_t i = 0; i < 3; i++) {
		struct findings mild = {.policy = all[i]}, found = {.policy = all[i]};
		clear();
		add("ww-abcdefgh");
		add("123456");
		assert_int_equal(scan(own, SCAN_URL, "", SCAN_JOIN_ALL, &mild), SCAN_FOUND);
		assert_true(mild.warned);
		assert_int_equal(mild.blocked, all[i] == FINDINGS_BLOCK_ALL);
		clear();
		add("kk-abcdefgh");
		add("123456");
		assert_int_equal(scan(own, SCAN_URL, "", SCAN_JOIN_ALL, &found), SCAN_FOUND);
		assert_int_equal(found.blocked, all[i] != FINDINGS_REPORT_ONLY);
	}
}

static void test_more_than_the_table_has_still_block(void **state)
{
	(void)state;
	struct findings found = {0};
	char text[32];
	clear();
	for (int i = 0; i < 60; i++) {
		snprintf(text, sizeof(text), "kk-abcdefgh%02d", i);
		add(text);
		add("123456");
		add("two words");
	}
	assert_int_equal(scan(own, SCAN_URL, "", SCAN_JOIN_ALL, &found), SCAN_FOUND);
	assert_int_equal(found.count, SCAN_MAX_FINDINGS);
	assert_true(found.dropped >= 60 - SCAN_MAX_FINDINGS && found.blocked);
}

/* ---- how */

static void test_a_plus_may_be_a_space(void **state)
{
	(void)state;
	struct findings found = {0};
	clear();
	add("vv-abcdefgh1");
	add("23456+and+more");
	expect_nothing();
	assert_int_equal(scan(own, SCAN_URL, "", SCAN_JOIN_FORM, &found), SCAN_FOUND);
	expect_of(&found, "open", VIEW_JOINED, 0, 1);
	/* In base64 it is one of the alphabet: both are read. */
	memset(&found, 0, sizeof(found));
	clear();
	add("a2stPj4+a2stYWJjZGVm");
	add("Z2hpamtsbW5vcA==");
	assert_int_equal(scan(own, SCAN_URL, "", SCAN_JOIN_FORM, &found), SCAN_FOUND);
	expect_of(&found, "token", VIEW_BASE64, 0, 1);
}

static void test_rows_alone(void **state)
{
	(void)state;
	struct findings found = {0};
	static const char text[] = "kk-abcdefgh12345678";
	clear();
	for (size_t at = 0; at + 1 < sizeof(text); at += 3)
		add_of((struct span){text + at, strnlen(text + at, 3)}, "");
	assert_int_equal(scan(own, SCAN_URL, "", SCAN_JOIN_ROWS, &found), SCAN_CLEAN);
	clear();
	add("name");
	add("kk-abcdefgh");
	add("12345678");
	assert_int_equal(scan(own, SCAN_URL, "", SCAN_JOIN_ROWS, &found), SCAN_FOUND);
	expect_of(&found, "token", VIEW_JOINED, 1, 2);
}

/* ---- values that were named */

static void test_known_values(void **state)
{
	(void)state;
	static const uint8_t key[KNOWN_KEY_SIZE] = {9};
	const struct known_value values[] = {
		{.tier = TIER_KNOWN, .name = "words", .value = SPAN("correcthorsebatterystaple")},
		{.tier = TIER_CANARY, .name = "brief", .value = SPAN("fZ7!qR2x")}};
	size_t which;
	const char *why;
	struct known_set *known = known_set_build(values, 2, "c.yaml", key, &which, &why);
	assert_non_null(known);
	scanner_set_known(own, known);
	clear();
	add("some");
	add("correcthorse");
	add("batterystaple");
	add("words");
	struct findings found = {0};
	assert_int_equal(scan(own, SCAN_URL, "", SCAN_JOIN_ALL, &found), SCAN_FOUND);
	assert_string_equal(found.items[0].rule->id, "known:words");
	assert_int_equal(found.items[0].offset, pieces[1].begin);
	assert_true(found.items[0].offset + found.items[0].length >= pieces[2].end);
	clear();
	add("fZ7!");
	add("qR2x");
	expect("canary:brief", 0, 1);
	clear();
	add("fZ7!qR2x");
	add("qR2x");
	expect_nothing();
	scanner_set_known(own, NULL);
	known_set_free(known);
}

/* ---- any pieces */

static void test_any_pieces_are_safe(void **state)
{
	(void)state;
	uint32_t seed = 7;
	char text[2200];
	for (int turn = 0; turn < 400; turn++) {
		struct findings found = {0};
		clear();
		for (size_t n = views_random(&seed) % 40; n > 0; n--) {
			size_t size = 0;
			uint8_t data[20];
			for (size_t i = 0; i < sizeof(data); i++)
				data[i] = (uint8_t)views_random(&seed);
			size = oracle_text(data, views_random(&seed) % sizeof(data), text, sizeof(text));
			if (views_random(&seed) % 20 == 0)
				memset(text, 'a' + (int)(views_random(&seed) % 3), size = sizeof(text));
			add_of((struct span){text, size}, turn % 2 ? "X-Api-Key" : "X-A");
		}
		scan(turn % 3 ? scanner : own, turn % 2 ? SCAN_HEADER : SCAN_URL, "home.example",
			views_random(&seed) % 4, &found);
		for (size_t i = 0; i < found.count; i++)
			assert_true(found.items[i].offset >= pieces[0].begin &&
				    found.items[i].offset + found.items[i].length <= pieces[count - 1].end);
	}
}

static int set_up(void **state)
{
	struct ruleset *set = oracle_ruleset(rules);
	own = scanner_new(set, oracle_key);
	ruleset_put(set);
	return own ? set_up_scanner(state) : -1;
}

static int tear_down(void **state)
{
	clear();
	scanner_free(own);
	return tear_down_scanner(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secrets_are_found_however_they_are_cut),
		cmocka_unit_test(test_encoded_secrets_are_found),
		cmocka_unit_test(test_many_pieces_are_found_together),
		cmocka_unit_test(test_harmless_pieces_pass),
		cmocka_unit_test(test_a_match_in_one_piece_is_none),
		cmocka_unit_test(test_only_the_secret_counts),
		cmocka_unit_test(test_rows_are_texts_of_their_own),
		cmocka_unit_test(test_digits_alone_are_numbers_that_nobody_wrote),
		cmocka_unit_test(test_short_pieces_are_nothing),
		cmocka_unit_test(test_a_locale_begins_no_token),
		cmocka_unit_test(test_a_key_at_home_is_none),
		cmocka_unit_test(test_a_rule_tells_of_a_head_once),
		cmocka_unit_test(test_a_url_tells_of_each_place),
		cmocka_unit_test(test_where_something_stands_already_it_grows),
		cmocka_unit_test(test_policy_decides),
		cmocka_unit_test(test_more_than_the_table_has_still_block),
		cmocka_unit_test(test_a_plus_may_be_a_space),
		cmocka_unit_test(test_rows_alone),
		cmocka_unit_test(test_known_values),
		cmocka_unit_test(test_any_pieces_are_safe),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
