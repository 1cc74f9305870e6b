/*
 * Known values from the configuration to the proxy: what may stand in the file, what overrides do, where
 * values are read from and who else may read there, and that the policy carries the set and not the values.
 */
#include "pipelock/known_values.h"
#include "pipelock/policy.h"
#include "pipelock/scan/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SECRET "q7Rk2Lw9Zt4Vx8Bn3Mc6Hd1Jf5Gs0PyTeUaWoIi"
#define CANARY "hny_Zk3v9Qw7Lr2Tn8Xc"

static char folder[] = "/tmp/pipelock-known-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static const char *in_folder(const char *name)
{
	static char path[256];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int remove_folder(void **state)
{
	(void)state;
	remove(in_folder("secret"));
	return rmdir(folder);
}

static void write_secret(const char *text, size_t size, mode_t mode)
{
	remove(in_folder("secret"));
	FILE *file = fopen(in_folder("secret"), "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fchmod(fileno(file), mode), 0);
	assert_int_equal(fclose(file), 0);
}

/* `text` follows "version: 1". NULL with *error. */
static struct config *try_load(const char *text, struct load_error *error)
{
	static const struct config_overrides none;
	char whole[2048];
	snprintf(whole, sizeof(whole), "version: 1\n%s", text);
	memset(error, 0, sizeof(*error));
	return config_load("f", folder, span_of(whole), &none, error);
}

static struct config *load(const char *text)
{
	struct load_error error;
	struct config *config = try_load(text, &error);
	if (!config)
		fail_msg("%s", error.text);
	return config;
}

static struct known_set *read_values(const char *text)
{
	struct load_error error = {0};
	struct known_set *set = NULL;
	struct config *config = load(text);
	if (!known_values_load(config, &set, &error))
		fail_msg("%s", error.text);
	config_free(config);
	return set;
}

static void assert_unreadable(const char *text, const char *expected)
{
	struct load_error error = {0};
	struct known_set *set = NULL;
	struct config *config = load(text);
	assert_false(known_values_load(config, &set, &error));
	assert_null(set);
	if (!strstr(error.text, expected))
		fail_msg("'%s' does not say '%s'", error.text, expected);
	assert_null(strstr(error.text, "hunter"));
	config_free(config);
}

static void on_found(void *arg, const struct known_match *match)
{
	*(unsigned *)arg |= 1u << match->value;
}

/* Bit n: value n was found. */
static unsigned found_in(const struct known_set *set, struct span text)
{
	unsigned found = 0;
	struct known_matcher m;
	known_begin(&m, set);
	known_feed(&m, text, on_found, &found);
	return found;
}

/* ---- the configuration */

static void test_keys(void **state)
{
	(void)state;
	struct config *c = load("known_values:\n"
				"  - {name: a, env: A_TOKEN, hosts: [api.example, '*.svc.example']}\n"
				"  - {name: B.c_d-1, file: secret}\n"
				"canaries:\n"
				"  - {name: a, value: " CANARY "}\n"
				"  - {name: e, env: E}\n");
	assert_int_equal(c->known_count, 4);
	const struct config_known *k = c->known;
	assert_true(k[0].tier == TIER_KNOWN && k[1].tier == TIER_KNOWN);
	assert_true(k[2].tier == TIER_CANARY && k[3].tier == TIER_CANARY);
	assert_string_equal(k[0].name, "a");
	assert_string_equal(k[0].env, "A_TOKEN");
	assert_string_equal(k[0].hosts[0], "api.example");
	assert_string_equal(k[0].hosts[1], "*.svc.example");
	assert_null(k[0].hosts[2]);
	assert_int_equal(k[0].line, 3);
	assert_string_equal(k[1].file, in_folder("secret"));
	assert_null(k[1].env);
	assert_null(k[1].hosts);
	assert_string_equal(k[2].value, CANARY);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(k[i].action, VERDICT_BLOCK);
	assert_true(known_values_are_named(c));
	config_free(c);
	c = load("mode: audit");
	assert_int_equal(c->known_count, 0);
	assert_false(known_values_are_named(c));
	config_free(c);
}

static void test_wrong_keys(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} cases[] = {{"known_values: {}", "f:2:15"}, {"known_values: [x]", "f:2:16"},
		{"known_values: [{env: A}]", "name of 1 to 64"},
		{"known_values: [{name: '', env: A}]", "name of 1 to 64"},
		{"known_values: [{name: 'a b', env: A}]", "f:2:23: expected a name"},
		{"known_values: [{name: 'a:b', env: A}]", "expected a name"},
		{"known_values: [{name: a}]", "from env or from file, one of them"},
		{"known_values: [{name: a, env: A, file: b}]", "from env or from file, one of them"},
		{"known_values: [{name: a, value: hunter2hunter2}]", "unknown key 'value'"},
		{"known_values: [{name: a, env: ''}]", "name of a variable"},
		{"known_values: [{name: a, env: A=B}]", "name of a variable"},
		{"known_values: [{name: a, file: ''}]", "expected a path"},
		{"known_values: [{name: a, env: A, hosts: []}]", "1 to 256 hosts"},
		{"known_values: [{name: a, env: A, hosts: ['*']}]", "can't belong everywhere"},
		{"known_values: [{name: a, env: A, hosts: [A.example]}]", "f:2:42: expected a host in lower"},
		{"known_values: [{name: a, env: A, hosts: ['a.example:1']}]", "expected a host"},
		{"known_values: [{name: a, env: A}, {name: a, env: B}]", "'a' stands twice; first on line 2"},
		{"canaries: [{name: a}]", "value or env, one of them"},
		{"canaries: [{name: a, value: abcdefgh, env: A}]", "value or env, one of them"},
		{"canaries: [{name: a, file: b}]", "unknown key 'file'"},
		{"canaries: [{name: a, value: abcdefgh, hosts: [a.example]}]", "unknown key 'hosts'"},
		{"overrides: [{rule: 'known:a', action: warn}]", "f:2:13: no known value and no canary"},
		{"known_values: [{name: a, env: A}]\noverrides: [{rule: 'canary:*', action: warn}]",
			"no known value and no canary"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct load_error error;
		struct config *config = try_load(cases[i].text, &error);
		if (config)
			fail_msg("accepted: %s", cases[i].text);
		if (!strstr(error.text, cases[i].expected))
			fail_msg("%s\n'%s' does not say '%s'", cases[i].text, error.text, cases[i].expected);
		assert_null(strstr(error.text, "hunter"));
	}
}

static void test_overrides(void **state)
{
	(void)state;
	static const struct rule_source rules = {
		"r", SPAN("version: 1\nrules: [{id: some-rule, regex: 'abc[0-9]{3}'}]\n")};
	struct load_error error = {0};
	struct config *c = load("known_values: [{name: a, env: A}, {name: b, env: B}]\n"
				"canaries: [{name: a, value: " CANARY "}]\n"
				"overrides:\n"
				"  - {rule: 'known:*', action: warn}\n"
				"  - {rule: 'known:b', action: allow}\n"
				"  - {rule: 'some-*', action: warn}\n");
	assert_int_equal(c->known[0].action, VERDICT_WARN);
	assert_int_equal(c->known[1].action, VERDICT_ALLOW);
	assert_int_equal(c->known[2].action, VERDICT_BLOCK);
	/* The rules have their part of the same list. */
	struct ruleset *set = ruleset_load(&rules, 1, c->overrides, c->override_count, &error);
	assert_non_null(set);
	assert_int_equal(ruleset_rule(set, 0)->action, VERDICT_WARN);
	ruleset_put(set);
	config_free(c);
	/* What is off is not even read. */
	c = load("known_values: [{name: a, env: NOT_SET_AT_ALL}]\noverrides: [{rule: '*', action: allow}]\n");
	struct known_set *known = NULL;
	assert_false(known_values_are_named(c));
	assert_true(known_values_load(c, &known, &error));
	assert_null(known);
	config_free(c);
}

/* ---- reading */

static void test_environment(void **state)
{
	(void)state;
	assert_int_equal(setenv("KNOWN_TEST", SECRET, 1), 0);
	struct known_set *set = read_values(
		"known_values: [{name: a, env: KNOWN_TEST}]\ncanaries: [{name: c, value: " CANARY "}]\n");
	assert_int_equal(known_set_count(set), 2);
	assert_int_equal(found_in(set, SPAN("x" SECRET)), 1);
	assert_int_equal(found_in(set, SPAN(CANARY)), 2);
	const struct rule *rule = &known_set_rule(set, 1)->shown;
	assert_string_equal(rule->id, "canary:c");
	assert_string_equal(rule->file, "f");
	assert_int_equal(rule->line, 3);
	known_set_free(set);
	assert_int_equal(setenv("KNOWN_TEST", "hunter2", 1), 0);
	assert_unreadable(
		"known_values: [{name: a, env: KNOWN_TEST}]", "f:2:16: known:a: it is shorter than 8 octets");
	assert_int_equal(setenv("KNOWN_TEST", "", 1), 0);
	assert_unreadable("canaries: [{name: a, env: KNOWN_TEST}]", "canary:a: it is shorter than 8 octets");
	assert_int_equal(unsetenv("KNOWN_TEST"), 0);
	assert_unreadable("known_values: [{name: a, env: KNOWN_TEST}]", "known:a: its variable is not set");
	assert_unreadable("canaries: [{name: a, value: hunter2}]", "canary:a: it is shorter than 8 octets");
}

static void test_files(void **state)
{
	(void)state;
	static const char *const text = "known_values: [{name: a, file: secret}]";
	static const struct {
		const char *text;
		size_t size;
	} forms[] = {{SECRET, sizeof(SECRET) - 1}, {SECRET "\n", sizeof(SECRET)},
		{SECRET "\r\n", sizeof(SECRET) + 1}};
	for (size_t i = 0; i < 3; i++) {
		write_secret(forms[i].text, forms[i].size, 0600);
		struct known_set *set = read_values(text);
		assert_int_equal(found_in(set, SPAN(SECRET)), 1);
		assert_int_equal(found_in(set, SPAN("y"
						    "TeUaWoIi\r\nand more of it")),
			0);
		known_set_free(set);
	}
	/* Any octets. */
	write_secret("\0\1\2\3\xff\xfe\xfd\xfc key", 12, 0640);
	struct known_set *set = read_values(text);
	assert_int_equal(found_in(set, (struct span){"\0\1\2\3\xff\xfe\xfd\xfc key", 12}), 1);
	known_set_free(set);
	write_secret(SECRET, sizeof(SECRET) - 1, 0644);
	assert_unreadable(text, "everybody may read it (mode 0644); 'chmod o-rwx' mends it");
	write_secret(SECRET, sizeof(SECRET) - 1, 0620);
	assert_unreadable(text, "others than its owner may write it (mode 0620)");
	write_secret("\n", 1, 0600);
	assert_unreadable(text, "known:a: it is shorter than 8 octets");
	remove(in_folder("secret"));
	assert_unreadable(text, "secret: No such file");
}

static void test_the_same_value_twice(void **state)
{
	(void)state;
	assert_int_equal(setenv("KNOWN_TEST", CANARY, 1), 0);
	assert_unreadable("known_values: [{name: a, env: KNOWN_TEST}]\ncanaries: [{name: c, value: " CANARY
			  "}]\n",
		"f:3:12: canary:c: an earlier one has the same value");
}

/* ---- to the proxy */

static void test_policy(void **state)
{
	(void)state;
	assert_int_equal(setenv("KNOWN_TEST", SECRET, 1), 0);
	struct known_set *set = read_values("known_values: [{name: a, env: KNOWN_TEST}]");
	struct policy policy = {.file = "f",
			      .config_text = SPAN("version: 1\n"),
			      .known = known_set_octets(set)},
		      read;
	int fd = policy_write(&policy);
	assert_true(fd >= 0);
	assert_true(policy_read(fd, &read));
	assert_true(span_equals(read.known, policy.known));
	assert_null(memmem(read.memory, read.memory_size, SECRET + 8, 8));
	struct known_set *got = known_set_read(read.known);
	assert_int_equal(found_in(got, SPAN(SECRET)), 1);
	known_set_free(got);
	policy_release(&read);
	close(fd);
	known_set_free(set);
	/* None are named. */
	policy.known = (struct span){NULL, 0};
	fd = policy_write(&policy);
	assert_true(policy_read(fd, &read));
	assert_int_equal(read.known.n, 0);
	policy_release(&read);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_wrong_keys),
		cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_the_same_value_twice),
		cmocka_unit_test(test_policy),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
