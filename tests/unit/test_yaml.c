/*
 * The strict YAML reader: what it takes, where its errors point, and what it must refuse because two readers
 * could read it differently or because it would grow.
 */
#include "common/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct yaml *parse(const char *text, struct load_error *error)
{
	*error = (struct load_error){0};
	return yaml_parse("f.yaml", span_of(text), error);
}

static struct yaml *parse_good(const char *text)
{
	struct load_error error;
	struct yaml *yaml = parse(text, &error);
	if (!yaml)
		fail_msg("%s", error.text);
	assert_false(error.set);
	return yaml;
}

static void assert_refused(const char *text, const char *expected)
{
	struct load_error error;
	struct yaml *yaml = parse(text, &error);
	if (yaml)
		fail_msg("accepted: %s", text);
	assert_true(error.set);
	if (!strstr(error.text, expected))
		fail_msg("'%s' does not say '%s'", error.text, expected);
}

static void test_tree_with_places(void **state)
{
	(void)state;
	struct yaml *yaml = parse_good("# c\na: 1\nlist:\n  - x\n  - {k: 'v'}\nempty:\n");
	struct yaml_node *root = yaml_root(yaml);
	assert_int_equal(root->kind, YAML_MAPPING);
	assert_int_equal(root->count, 3);
	assert_string_equal(root->keys[1]->scalar.p, "list");
	assert_int_equal(root->keys[1]->line, 3);
	struct yaml_node *list = yaml_get(root, "list");
	assert_int_equal(list->kind, YAML_SEQUENCE);
	assert_int_equal(list->count, 2);
	assert_int_equal(list->items[0]->line, 4);
	assert_int_equal(list->items[0]->column, 5);
	assert_string_equal(list->items[0]->file, "f.yaml");
	struct yaml_node *v = yaml_get(list->items[1], "k");
	assert_string_equal(v->scalar.p, "v");
	assert_true(v->quoted);
	assert_false(yaml_get(root, "a")->quoted);
	assert_int_equal(yaml_get(root, "empty")->kind, YAML_NULL);
	assert_null(yaml_get(root, "absent"));
	yaml_tree_free(yaml);
}

static void test_nothing_is_a_null_root(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "\n\n", "# only a comment\n", "---\n", "~", "null\n"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct yaml *yaml = parse_good(texts[i]);
		assert_int_equal(yaml_root(yaml)->kind, YAML_NULL);
		yaml_tree_free(yaml);
	}
	struct load_error error = {0};
	struct yaml *yaml = yaml_parse("f", (struct span){NULL, 0}, &error);
	assert_non_null(yaml);
	yaml_tree_free(yaml);
	yaml_tree_free(NULL);
}

static void test_quoted_null_is_text(void **state)
{
	(void)state;
	struct yaml *yaml = parse_good("['', \"~\", 'null', ~, null, ]");
	struct yaml_node *root = yaml_root(yaml);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(root->items[i]->kind, YAML_SCALAR);
	assert_int_equal(root->items[3]->kind, YAML_NULL);
	assert_int_equal(root->items[4]->kind, YAML_NULL);
	yaml_tree_free(yaml);
}

static void test_refuses_what_reads_two_ways(void **state)
{
	(void)state;
	assert_refused("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key 'a' stands twice; first on line 1");
	assert_refused("x: {k: 1, 'k': 2}\n", "f.yaml:1:11: the key 'k' stands twice");
	assert_refused("a: &x 1\n", "f.yaml:1:4: anchors");
	assert_refused("a: &x [1]\n", "anchors");
	assert_refused("a: &x {b: 1}\n", "anchors");
	assert_refused("&k a: 1\n", "anchors");
	assert_refused("a: *x\n", "f.yaml:1:4: aliases");
	assert_refused("a: !!str 1\n", "f.yaml:1:4: tags");
	assert_refused("a: ! 1\n", "tags");
	assert_refused("a: !x [1]\n", "tags");
	assert_refused("a: !x {b: 1}\n", "tags");
	assert_refused("a:\n  <<: {b: 1}\n", "f.yaml:2:3: merge keys");
	assert_refused("%YAML 1.1\n---\na: 1\n", "directives");
	assert_refused("%TAG ! tag:x,2000:\n---\na: 1\n", "directives");
	assert_refused("a: 1\n---\nb: 2\n", "f.yaml:2:1: more than one document");
	assert_refused("? [a]\n: 1\n", "f.yaml:1:3: a key must be text");
	assert_refused("? {a: b}\n: 1\n", "a key must be text");
	assert_refused("~: 1\n", "f.yaml:1:1: a key must be text");
	assert_refused("\"a\\0b\": 1\n", "a key must not hold a NUL");
}

static void test_syntax_errors_have_a_place(void **state)
{
	(void)state;
	assert_refused("a: [1, 2\nb: 3\n", "f.yaml:2:");
	assert_refused("a: 'x\n", "f.yaml:2:1: ");
	assert_refused("a: b: c\n", "f.yaml:1:5: ");
	assert_refused("a:\n\t- 1\n", "f.yaml:2:1: ");
	assert_refused("k: \xc3\xa4\nb: \x01\n", "f.yaml:2:4: control characters");
	assert_refused("k: \xff\n", "f.yaml:1:4: invalid leading UTF-8 octet");
	assert_refused("k: \xed\xa0\x80\n", "f.yaml:1:4: ");
	assert_refused("\xff\xfe"
		       "a\0",
		"f.yaml:1:1: ");
}

static void test_an_error_is_one_clean_line(void **state)
{
	(void)state;
	struct load_error error;
	assert_null(parse("\"a\\e[31m\\n\\x7f\": 1\n\"a\\e[31m\\n\\x7f\": 1\n", &error));
	for (const char *c = error.text; *c; c++)
		assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
	char name[1000];
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = 0;
	struct load_error longer = {0};
	assert_null(yaml_parse(name, SPAN("a: *x"), &longer));
	assert_true(strlen(longer.text) < sizeof(longer.text));
	assert_non_null(strstr(longer.text, "aliases"));
}

static void test_first_error_stays(void **state)
{
	(void)state;
	struct load_error error = {0};
	load_error_set(&error, "%s", "first");
	struct yaml *yaml = parse_good("a: 1");
	yaml_error(yaml_root(yaml), &error, "second");
	assert_string_equal(error.text, "first");
	assert_null(yaml_parse("f", SPAN("["), &error));
	assert_string_equal(error.text, "first");
	struct load_error own = {0};
	yaml_error(yaml_root(yaml)->items[0], &own, "%d!", 7);
	assert_string_equal(own.text, "f.yaml:1:4: 7!");
	yaml_tree_free(yaml);
}

/* ---- bounds */

static void fill(char *out, const char *piece, size_t times)
{
	size_t n = strlen(piece);
	for (size_t i = 0; i < times; i++)
		memcpy(out + i * n, piece, n);
	out[times * n] = 0;
}

static void test_depth_is_bounded(void **state)
{
	(void)state;
	char text[200000];
	fill(text, "[", YAML_MAX_DEPTH);
	fill(text + YAML_MAX_DEPTH, "]", YAML_MAX_DEPTH);
	yaml_tree_free(parse_good(text));
	fill(text, "[", YAML_MAX_DEPTH + 1);
	fill(text + YAML_MAX_DEPTH + 1, "]", YAML_MAX_DEPTH + 1);
	assert_refused(text, "f.yaml:1:33: nested deeper than 32");
	fill(text, "[", 199999);
	assert_refused(text, "nested deeper");
	fill(text, "{a: ", 40000);
	assert_refused(text, "nested deeper");
	fill(text, "- ", 90000);
	assert_refused(text, "nested deeper");
	fill(text, "? ", 90000);
	assert_refused(text, "nested deeper");
}

static void test_keys_are_bounded(void **state)
{
	(void)state;
	char text[8192];
	size_t n = 0;
	for (unsigned i = 0; i < YAML_MAX_KEYS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "k%u: 1\n", i);
	yaml_tree_free(parse_good(text));
	snprintf(text + n, sizeof(text) - n, "more: 1\n");
	assert_refused(text, "f.yaml:257:1: more than 256 keys");
}

static void test_values_and_octets_are_bounded(void **state)
{
	(void)state;
	size_t room = (size_t)YAML_MAX_BYTES + 2;
	char *text = malloc(room);
	assert_non_null(text);
	fill(text, "- 1\n", YAML_MAX_NODES);
	assert_refused(text, "more than 1000000 values");
	memset(text, '#', room - 1);
	text[room - 1] = 0;
	assert_refused(text, "larger than 16777216 octets");
	text[room - 2] = 0;
	yaml_tree_free(parse_good(text));
	free(text);
}

static void test_many_children_grow_the_stack(void **state)
{
	(void)state;
	char text[60000];
	fill(text, "- [a, {b: c}]\n", 4000);
	struct yaml *yaml = parse_good(text);
	assert_int_equal(yaml_root(yaml)->count, 4000);
	struct yaml_node *last = yaml_root(yaml)->items[3999];
	assert_int_equal(last->count, 2);
	assert_string_equal(yaml_get(last->items[1], "b")->scalar.p, "c");
	yaml_tree_free(yaml);
}

static void test_every_prefix_is_safe(void **state)
{
	(void)state;
	static const char text[] =
		"a: [1, \"x\\n\", 'y']\nb:\n  - {c: |\n      block\n   }\n  - >-\n    folded\nd: *x\n";
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n ? n : 1); /* exact, so that a read beyond it is seen */
		assert_non_null(copy);
		memcpy(copy, text, n);
		struct load_error error = {0};
		struct yaml *yaml = yaml_parse("f", (struct span){copy, n}, &error);
		assert_true((yaml != NULL) == !error.set);
		yaml_tree_free(yaml);
		free(copy);
	}
}

/* ---- keys */

static void test_unknown_keys(void **state)
{
	(void)state;
	struct load_error error = {0};
	struct yaml *yaml = parse_good("listen: 1\nmode: 2\nstats: 3\n");
	struct yaml_node *root = yaml_root(yaml);
	static const char *const keys[] = {"listen", "mode", "version", "rules", "overrides", "routes",
		"hold", "hold_time", "memory", "state"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		yaml_get(root, keys[i]);
	yaml_reject_unknown(root, &error);
	assert_string_equal(error.text, "f.yaml:3:1: unknown key 'stats'; did you mean 'state'?");
	yaml_tree_free(yaml);

	yaml = parse_good("zzzzzzzz: 1\n");
	error = (struct load_error){0};
	yaml_get(yaml_root(yaml), "listen");
	yaml_reject_unknown(yaml_root(yaml), &error);
	assert_string_equal(error.text, "f.yaml:1:1: unknown key 'zzzzzzzz'");
	yaml_tree_free(yaml);

	yaml = parse_good("listen: 1\n");
	error = (struct load_error){0};
	yaml_get(yaml_root(yaml), "listen");
	yaml_reject_unknown(yaml_root(yaml), &error);
	assert_false(error.set);
	yaml_reject_unknown(NULL, &error);
	assert_null(yaml_get(NULL, "x"));
	assert_null(yaml_get(yaml_root(yaml)->items[0], "x"));
	yaml_reject_unknown(yaml_root(yaml)->items[0], &error);
	assert_false(error.set);
	yaml_tree_free(yaml);
}

static void test_nearest(void **state)
{
	(void)state;
	static const char *const names[] = {"listen", "mode", "hold_time", "hold"};
	assert_string_equal(yaml_nearest("lisen", names, 4), "listen");
	assert_string_equal(yaml_nearest("lsiten", names, 4), "listen");
	assert_string_equal(yaml_nearest("moed", names, 4), "mode");
	assert_string_equal(yaml_nearest("holdtime", names, 4), "hold_time");
	assert_null(yaml_nearest("ab", names, 4));
	assert_null(yaml_nearest("", names, 4));
	assert_null(yaml_nearest("mxyz", names, 4));
	assert_null(yaml_nearest("listen", names, 0));
	assert_null(yaml_nearest("listenlistenlistenlistenlistenlistenlistenlistenlisten", names, 4));
}

/* ---- typed reading */

static struct yaml *value_of(const char *text, struct yaml_node **node)
{
	char document[256];
	snprintf(document, sizeof(document), "k: %s\n", text);
	struct yaml *yaml = parse_good(document);
	*node = yaml_get(yaml_root(yaml), "k");
	return yaml;
}

static void test_strings(void **state)
{
	(void)state;
	static const struct {
		const char *text, *value;
	} good[] = {{"abc", "abc"}, {"'a''b'", "a'b"}, {"\"\\u00e4\"", "\xc3\xa4"}, {"12", "12"},
		{"127.0.0.1:8888", "127.0.0.1:8888"}, {"''", ""}};
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct yaml_node *node;
		struct yaml *yaml = value_of(good[i].text, &node);
		struct load_error error = {0};
		const char *value = NULL;
		assert_true(yaml_read_string(node, &value, &error));
		assert_string_equal(value, good[i].value);
		yaml_tree_free(yaml);
	}
	static const struct {
		const char *text, *error;
	} bad[] = {{"[a]", "f.yaml:1:4: expected text, found a list"},
		{"{a: b}", "expected text, found a mapping"}, {"~", "expected text, found nothing"},
		{"\"a\\0b\"", "must not hold a NUL"}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct yaml_node *node;
		struct yaml *yaml = value_of(bad[i].text, &node);
		struct load_error error = {0};
		const char *value = "kept";
		assert_false(yaml_read_string(node, &value, &error));
		assert_non_null(strstr(error.text, bad[i].error));
		assert_string_equal(value, "kept");
		yaml_tree_free(yaml);
	}
}

static void test_absent_keeps_the_default(void **state)
{
	(void)state;
	struct load_error error = {0};
	const char *s = "d";
	bool b = true;
	uint64_t u = 5;
	unsigned c = 2;
	static const char *const names[] = {"x"};
	assert_true(yaml_read_string(NULL, &s, &error) && yaml_read_bool(NULL, &b, &error));
	assert_true(yaml_read_integer(NULL, 0, 1, &u, &error) && yaml_read_bytes(NULL, 0, 1, &u, &error));
	assert_true(
		yaml_read_duration(NULL, 0, 1, &u, &error) && yaml_read_choice(NULL, names, 1, &c, &error));
	assert_true(yaml_expect(NULL, YAML_MAPPING, &error));
	assert_true(b && u == 5 && c == 2 && !error.set && strcmp(s, "d") == 0);
}

static void test_bools(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int value; /* -1: refused */
		const char *error;
	} cases[] = {{"true", 1, NULL}, {"false", 0, NULL}, {"yes", -1, "did you mean true"},
		{"Off", -1, "did you mean false"}, {"True", -1, "did you mean true"},
		{"'true'", -1, "without quotes"}, {"1", -1, "expected true or false"},
		{"~", -1, "found nothing"}, {"[]", -1, "found a list"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct yaml_node *node;
		struct yaml *yaml = value_of(cases[i].text, &node);
		struct load_error error = {0};
		bool value = cases[i].value != 1;
		assert_int_equal(yaml_read_bool(node, &value, &error), cases[i].value >= 0);
		if (cases[i].value >= 0)
			assert_int_equal(value, cases[i].value);
		else
			assert_non_null(strstr(error.text, cases[i].error));
		yaml_tree_free(yaml);
	}
}

#define REFUSED UINT64_MAX

struct number_case {
	const char *text;
	uint64_t value;
};

static void check_numbers(
	bool (*read)(struct yaml_node *, uint64_t, uint64_t, uint64_t *, struct load_error *), uint64_t min,
	uint64_t max, const struct number_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct yaml_node *node;
		struct yaml *yaml = value_of(cases[i].text, &node);
		struct load_error error = {0};
		uint64_t value = 77;
		bool ok = read(node, min, max, &value, &error);
		if (ok != (cases[i].value != REFUSED))
			fail_msg("%s: %s", cases[i].text, ok ? "accepted" : error.text);
		assert_int_equal(value, ok ? cases[i].value : 77);
		assert_int_equal(error.set, !ok);
		yaml_tree_free(yaml);
	}
}

static void test_integers(void **state)
{
	(void)state;
	static const struct number_case cases[] = {{"0", REFUSED}, {"1", 1}, {"65535", 65535},
		{"65536", REFUSED}, {"-1", REFUSED}, {"+1", REFUSED}, {"0x10", REFUSED}, {"010", REFUSED},
		{"1.0", REFUSED}, {"1e3", REFUSED}, {"1_000", REFUSED}, {"'5'", REFUSED}, {"five", REFUSED},
		{"~", REFUSED}, {"[1]", REFUSED}, {"18446744073709551616", REFUSED},
		{"99999999999999999999999999", REFUSED}, {"\"5\\0\"", REFUSED}};
	check_numbers(yaml_read_integer, 1, 65535, cases, sizeof(cases) / sizeof(*cases));
	static const struct number_case wide[] = {{"0", 0}, {"18446744073709551614", UINT64_MAX - 1},
		{"18446744073709551616", REFUSED}, {"18446744073709551621", REFUSED}};
	check_numbers(yaml_read_integer, 0, UINT64_MAX, wide, sizeof(wide) / sizeof(*wide));
}

static void test_bytes(void **state)
{
	(void)state;
	static const struct number_case cases[] = {{"0", 0}, {"512", 512}, {"512B", 512}, {"64 KiB", 65536},
		{"64KB", 64000}, {"1MiB", 1 << 20}, {"512 MB", 512000000}, {"1GiB", 1 << 30},
		{"2GB", 2000000000}, {"'1 MiB'", 1 << 20}, {"1mib", REFUSED}, {"1 M", REFUSED},
		{"1.5MiB", REFUSED}, {"MiB", REFUSED}, {"3GiB", REFUSED}, {"99999999999999GiB", REFUSED},
		{"-1", REFUSED}, {"1MiB ; x", REFUSED}, {"~", REFUSED}};
	check_numbers(yaml_read_bytes, 0, 2ull << 30, cases, sizeof(cases) / sizeof(*cases));
}

static void test_durations(void **state)
{
	(void)state;
	static const struct number_case cases[] = {{"250ms", 250}, {"2s", 2000}, {"10m", 600000},
		{"1h", 3600000}, {"2 s", REFUSED}, {"2", REFUSED}, {"1d", REFUSED}, {"2h", REFUSED},
		{"1ms", REFUSED}, {"1h30m", REFUSED}, {"5124095576030431h", REFUSED}, {"s", REFUSED},
		{"[]", REFUSED}};
	check_numbers(yaml_read_duration, 100, 3600000, cases, sizeof(cases) / sizeof(*cases));
	struct yaml_node *node;
	struct yaml *yaml = value_of("2h", &node);
	struct load_error error = {0};
	uint64_t value;
	assert_false(yaml_read_duration(node, 100, 3600000, &value, &error));
	assert_string_equal(error.text, "f.yaml:1:4: must be from 100ms to 1h");
	yaml_tree_free(yaml);
}

static void test_choices(void **state)
{
	(void)state;
	static const char *const names[] = {"strict", "balanced", "audit"};
	struct yaml_node *node;
	struct load_error error = {0};
	unsigned choice = 9;
	struct yaml *yaml = value_of("audit", &node);
	assert_true(yaml_read_choice(node, names, 3, &choice, &error));
	assert_int_equal(choice, 2);
	yaml_tree_free(yaml);
	yaml = value_of("balancd", &node);
	assert_false(yaml_read_choice(node, names, 3, &choice, &error));
	assert_string_equal(
		error.text, "f.yaml:1:4: expected strict, balanced or audit; did you mean 'balanced'?");
	yaml_tree_free(yaml);
	yaml = value_of("[audit]", &node);
	error = (struct load_error){0};
	assert_false(yaml_read_choice(node, names, 3, &choice, &error));
	assert_string_equal(error.text, "f.yaml:1:4: expected strict, balanced or audit, found a list");
	yaml_tree_free(yaml);
}

/* Somebody who pastes a token where a number belongs must not find it in a log. */
static void test_values_are_not_in_errors(void **state)
{
	(void)state;
	struct yaml_node *node;
	struct yaml *yaml = value_of("hunter2hunter2", &node);
	static const char *const names[] = {"a", "b"};
	bool b;
	uint64_t u;
	unsigned c;
	struct load_error errors[5] = {0};
	yaml_read_bool(node, &b, &errors[0]);
	yaml_read_integer(node, 0, 1, &u, &errors[1]);
	yaml_read_bytes(node, 0, 1, &u, &errors[2]);
	yaml_read_duration(node, 0, 1, &u, &errors[3]);
	yaml_read_choice(node, names, 2, &c, &errors[4]);
	for (size_t i = 0; i < 5; i++) {
		assert_true(errors[i].set);
		assert_null(strstr(errors[i].text, "hunter2"));
	}
	yaml_tree_free(yaml);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree_with_places),
		cmocka_unit_test(test_nothing_is_a_null_root),
		cmocka_unit_test(test_quoted_null_is_text),
		cmocka_unit_test(test_refuses_what_reads_two_ways),
		cmocka_unit_test(test_syntax_errors_have_a_place),
		cmocka_unit_test(test_an_error_is_one_clean_line),
		cmocka_unit_test(test_first_error_stays),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_keys_are_bounded),
		cmocka_unit_test(test_values_and_octets_are_bounded),
		cmocka_unit_test(test_many_children_grow_the_stack),
		cmocka_unit_test(test_every_prefix_is_safe),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_absent_keeps_the_default),
		cmocka_unit_test(test_bools),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_choices),
		cmocka_unit_test(test_values_are_not_in_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
