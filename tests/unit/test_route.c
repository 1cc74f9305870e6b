/*
 * Route lookup: which route wins, and that no spelling of a path leads round a denial. Routes are written as
 * they stand in a configuration, since that is what their author sees.
 */
#include "pipelock/route.h"

#include "common/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct config *load(const char *mode, const char *routes)
{
	static const struct config_overrides none;
	char text[4096];
	struct load_error error = {0};
	snprintf(text, sizeof(text), "version: 1\nmode: %s\nroutes:\n%s", mode, routes);
	struct config *config = config_load("f", "/etc", span_of(text), &none, &error);
	if (!config)
		fail_msg("%s", error.text);
	return config;
}

struct route_case {
	const char *host, *method, *path;
	const char *name; /* NULL: no route */
};

static void check(const struct config *config, const struct route_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct route *route = route_find(
			config, span_of(cases[i].host), span_of(cases[i].method), span_of(cases[i].path));
		const char *found = route ? route->name : "none",
			   *expected = cases[i].name ? cases[i].name : "none";
		if (strcmp(found, expected) != 0)
			fail_msg("%s %s %s: %s, not %s", cases[i].method, cases[i].host, cases[i].path, found,
				expected);
	}
}

#define CHECK(config, ...)                                                                                   \
	do {                                                                                                 \
		static const struct route_case cases[] = {__VA_ARGS__};                                      \
		check(config, cases, sizeof(cases) / sizeof(*cases));                                        \
	} while (0)

static void test_no_routes(void **state)
{
	(void)state;
	static const struct config_overrides none;
	struct load_error error = {0};
	struct config *config = config_load(NULL, NULL, SPAN(""), &none, &error);
	CHECK(config, {"a.example", "GET", "/", NULL}, {"a.example", "GET", "/%2e%2e//", NULL});
	assert_null(route_find_connect(config, SPAN("a.example")));
	assert_false(route_covers_host(config, SPAN("a.example")));
	assert_false(route_names_host(config, SPAN("a.example")));
	config_free(config);
}

static void test_hosts_by_specificity(void **state)
{
	(void)state;
	struct config *config =
		load("balanced", "  - {name: every, on_match: block}\n"
				 "  - {name: wide, hosts: ['*.example']}\n"
				 "  - {name: narrow, hosts: ['*.a.example']}\n"
				 "  - {name: exact, hosts: [x.a.example, '[2001:DB8:0::1]', 192.0.2.1]}\n");
	CHECK(config, {"x.a.example", "GET", "/", "exact"}, {"y.a.example", "GET", "/", "narrow"},
		{"z.y.a.example", "GET", "/", "narrow"}, {"a.example", "GET", "/", "wide"},
		{"example", "GET", "/", "every"}, {"other", "GET", "/", "every"},
		{"notexample", "GET", "/", "every"}, {"2001:db8::1", "GET", "/", "exact"},
		{"192.0.2.1", "GET", "/", "exact"}, {"192.0.2.10", "GET", "/", "every"});
	config_free(config);
}

static void test_host_patterns_are_canonical(void **state)
{
	(void)state;
	struct config *config = load("balanced", "  - {name: a, hosts: [API.Example., '*.B.Example']}\n");
	CHECK(config, {"api.example", "GET", "/", "a"}, {"x.b.example", "GET", "/", "a"},
		{"b.example", "GET", "/", NULL});
	config_free(config);
}

static void test_paths_by_specificity(void **state)
{
	(void)state;
	struct config *config = load("balanced",
		"  - {name: host, hosts: [h]}\n"
		"  - {name: short, hosts: [h], paths: [{prefix: /a}]}\n"
		"  - {name: long, hosts: [h], paths: [{prefix: /a/b/}]}\n"
		"  - {name: exact, hosts: [h], paths: [{exact: /a/b/c}]}\n"
		"  - {name: push, hosts: [h], paths: [{prefix: /, suffix: /git-receive-pack}]}\n"
		"  - {name: ends, hosts: [h], paths: [{suffix: .key}]}\n"
		"  - {name: both, hosts: [h], paths: [{prefix: /g, suffix: /git-receive-pack}]}\n");
	CHECK(config, {"h", "GET", "/", "host"}, {"h", "GET", "/a", "short"}, {"h", "GET", "/a/", "short"},
		{"h", "GET", "/ab", "host"}, {"h", "GET", "/a/x", "short"}, {"h", "GET", "/a/b", "long"},
		{"h", "GET", "/a/b/c", "exact"}, {"h", "GET", "/a/b/c/", "long"},
		{"h", "GET", "/a/b/c?d=/e", "exact"}, {"h", "GET", "/a?/b", "short"},
		{"h", "POST", "/me/x.git/git-receive-pack", "push"},
		{"h", "POST", "/me/x.git/git-receive-pack?x", "push"},
		{"h", "POST", "/g/x/git-receive-pack", "both"}, {"h", "POST", "/x.key", "ends"},
		{"h", "POST", "/?/git-receive-pack", "host"}, {"h", "OPTIONS", "*", "host"});
	config_free(config);
}

static void test_methods_and_order(void **state)
{
	(void)state;
	struct config *config = load("balanced", "  - {name: any, hosts: [h]}\n"
						 "  - {name: read, hosts: [h], methods: [GET, HEAD]}\n"
						 "  - {name: head, hosts: [h], methods: [HEAD, PUT]}\n"
						 "  - {name: deep, hosts: [h], paths: [{prefix: /p}]}\n"
						 "  - {name: nowhere, methods: [DELETE], action: deny}\n");
	CHECK(config, {"h", "GET", "/", "read"}, {"h", "HEAD", "/", "read"}, {"h", "PUT", "/", "head"},
		{"h", "POST", "/", "any"}, {"h", "get", "/", "any"}, {"h", "GET", "/p", "deep"},
		{"h", "DELETE", "/", "any"}, {"o", "DELETE", "/", "nowhere"}, {"o", "GET", "/", NULL});
	config_free(config);
}

/* Each of these is /private/key to some origin. */
static const char *const spellings[] = {"/private/key", "/private/key?x", "/%70rivate/key",
	"/%2570rivate/key", "/%252570rivate/key", "//private/key", "/./private/key", "/x/../private/key",
	"/x/%2e%2e/private/key", "/x/%2E./private//key", "/private%2fkey", "/private\\key", "/\\private/key",
	"/private/%2e/key", "/..//private/key", "/a/b/../../private/key", "/x/..\\private/key",
	"/x%2f..%2fprivate%2fkey", "/x%5c..%5cprivate%5ckey"};

static void test_no_spelling_leads_round_a_denial(void **state)
{
	(void)state;
	struct config *denied =
		load("balanced", "  - {name: host, hosts: [h], on_match: allow}\n"
				 "  - {name: no, hosts: [h], paths: [{prefix: /private}], action: deny}\n");
	struct config *exact = load(
		"balanced", "  - {name: no, hosts: [h], paths: [{exact: /private/key}], action: deny}\n");
	for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++) {
		struct route_case c = {"h", "GET", spellings[i], "no"};
		check(denied, &c, 1);
		check(exact, &c, 1);
	}
	CHECK(denied, {"h", "GET", "/x/private", "host"}, {"h", "GET", "/private2/../x", "host"},
		{"h", "GET", "/priv%20ate", "host"}, {"h", "GET", "/.well-known/x", "host"});
	config_free(denied);
	config_free(exact);
}

static void test_no_spelling_widens_a_permission(void **state)
{
	(void)state;
	static const char *const routes =
		"  - {name: in, hosts: [h], paths: [{prefix: /in}], on_match: warn}\n"
		"  - {name: w, hosts: [w], paths: [{prefix: /in}], on_match: block}\n"
		"  - {name: lax, hosts: [w], on_match: allow}\n";
	struct config *config = load("balanced", routes);
	CHECK(config, {"h", "GET", "/in/x", "in"}, {"h", "GET", "/in/%41%20b", "in"},
		{"h", "GET", "/in/../out", NULL}, {"h", "GET", "/in/%2e%2e/out", NULL},
		{"h", "GET", "/in/..%252fout", NULL}, {"h", "GET", "/in\\..\\out", NULL},
		{"w", "GET", "/x/../in", "w"}, {"w", "GET", "/in/../x", "w"}, {"w", "GET", "/x//y", "lax"});
	config_free(config);
	config = load("strict", routes);
	CHECK(config, {"h", "GET", "/in/../out", NULL}, {"o", "GET", "/", NULL});
	config_free(config);
}

/* The readings are made in memory of the stack: every short path of the octets that matter, in exact memory.
 */
static void test_every_short_path_is_safe(void **state)
{
	(void)state;
	static const char octets[] = "/.%2\\?a";
	struct config *config =
		load("balanced", "  - {name: a, hosts: [h], paths: [{prefix: /a}, {suffix: a}]}\n");
	size_t count = 1;
	for (size_t length = 0; length <= 6; length++, count *= sizeof(octets) - 1) {
		char *path = malloc(length ? length : 1);
		assert_non_null(path);
		for (size_t i = 0; i < count; i++) {
			for (size_t k = 0, rest = i; k < length; k++, rest /= sizeof(octets) - 1)
				path[k] = octets[rest % (sizeof(octets) - 1)];
			route_find(config, SPAN("h"), SPAN("GET"), (struct span){path, length});
		}
		free(path);
	}
	config_free(config);
}

static void test_long_paths(void **state)
{
	(void)state;
	struct config *config =
		load("balanced", "  - {name: no, hosts: [h], paths: [{prefix: /private}], action: deny}\n");
	size_t n = HTTP1_MAX_TARGET + 1;
	char *path = malloc(n);
	assert_non_null(path);
	memset(path, 'x', n);
	memcpy(path, "/..", 3);
	const struct route *route = route_find(config, SPAN("h"), SPAN("GET"), (struct span){path, n});
	assert_non_null(route);
	assert_int_equal(route->action, ROUTE_DENY);
	assert_null(route_find(config, SPAN("h"), SPAN("GET"), (struct span){path, n - 1}));
	for (size_t i = 0; i < n; i++)
		path[i] = i % 2 ? '.' : '/';
	assert_null(route_find(config, SPAN("h"), SPAN("GET"), (struct span){path, n - 1}));
	memset(path, '%', n);
	path[0] = '/';
	assert_null(route_find(config, SPAN("h"), SPAN("GET"), (struct span){path, n - 1}));
	free(path);
	config_free(config);
}

static void assert_connect(const struct config *config, const char *host, const char *name)
{
	const struct route *route = route_find_connect(config, span_of(host));
	const char *found = route ? route->name : "none";
	if (strcmp(found, name) != 0)
		fail_msg("%s: %s, not %s", host, found, name);
}

static void test_connect(void **state)
{
	(void)state;
	struct config *config =
		load("balanced", "  - {name: pinned, hosts: ['*.pinned', p], tls: splice}\n"
				 "  - {name: seen, hosts: [x.pinned], paths: [{prefix: /x}]}\n"
				 "  - {name: opened, hosts: [o.pinned]}\n"
				 "  - {name: no, hosts: [no, mixed], action: deny, paths: [{prefix: /}]}\n"
				 "  - {name: yes, hosts: [mixed], paths: [{exact: /ok}]}\n"
				 "  - {name: read, methods: [POST], action: deny}\n"
				 "  - {name: part, hosts: [part], methods: [POST], action: deny}\n");
	assert_connect(config, "a.pinned", "pinned");
	assert_connect(config, "p", "pinned");
	assert_connect(config, "x.pinned", "none");
	assert_connect(config, "o.pinned", "none");
	assert_connect(config, "no", "no");
	assert_connect(config, "mixed", "none");
	assert_connect(config, "part", "none");
	assert_connect(config, "other", "none");
	assert_true(route_covers_host(config, SPAN("other")));
	assert_false(route_names_host(config, SPAN("other")));
	assert_true(route_names_host(config, SPAN("a.pinned")));
	config_free(config);
	config = load(
		"strict", "  - {name: a, hosts: [a, '*']}\n  - {name: d, hosts: ['*.d'], action: deny}\n");
	assert_true(route_names_host(config, SPAN("a")) && !route_names_host(config, SPAN("b")));
	assert_true(route_covers_host(config, SPAN("b")));
	assert_connect(config, "x.d", "d");
	config_free(config);
}

static void test_equal_paths(void **state)
{
	(void)state;
	struct route_path a = {"", "/a", ""}, slash = {"", "/a/", ""}, root = {"", "/", ""},
			  none = {"", "", ""}, exact = {"/a", "", ""}, suffix = {"", "/a", "b"};
	assert_true(route_path_equals(&a, &slash) && route_path_equals(&root, &none));
	assert_false(route_path_equals(&a, &exact) || route_path_equals(&a, &suffix) ||
		     route_path_equals(&a, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_routes),
		cmocka_unit_test(test_hosts_by_specificity),
		cmocka_unit_test(test_host_patterns_are_canonical),
		cmocka_unit_test(test_paths_by_specificity),
		cmocka_unit_test(test_methods_and_order),
		cmocka_unit_test(test_no_spelling_leads_round_a_denial),
		cmocka_unit_test(test_no_spelling_widens_a_permission),
		cmocka_unit_test(test_every_short_path_is_safe),
		cmocka_unit_test(test_long_paths),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_equal_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
