/*
 * The configuration: defaults, every key, what the environment overrides, what is refused and where the error
 * points, files that others may write, and that docs/configuration.md says what the table says.
 */
#include "pipelock/config.h"
#include "pipelock/config_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct config_overrides none;

static struct config *load_with(const char *text, const struct config_overrides *overrides)
{
	struct load_error error = {0};
	struct config *config = config_load("f", "/conf", span_of(text), overrides, &error);
	if (!config)
		fail_msg("%s", error.text);
	assert_false(error.set);
	return config;
}

static struct config *load(const char *text)
{
	return load_with(text, &none);
}

static void assert_refused_with(
	const char *text, const struct config_overrides *overrides, const char *expected)
{
	struct load_error error = {0};
	struct config *config = config_load("f", "/conf", span_of(text), overrides, &error);
	if (config)
		fail_msg("accepted: %s", text);
	if (!error.set || !strstr(error.text, expected))
		fail_msg("%s\n'%s' does not say '%s'", text, error.text, expected);
}

/* `text` follows "version: 1". */
static void assert_refused(const char *text, const char *expected)
{
	char whole[1024];
	snprintf(whole, sizeof(whole), "version: 1\n%s", text);
	assert_refused_with(whole, &none, expected);
}

static void assert_address(const struct address *address, const char *expected)
{
	char text[ADDRESS_TEXT_SIZE];
	assert_string_equal(address_format(address, text), expected);
}

static void test_embedded_defaults(void **state)
{
	(void)state;
	struct load_error error = {0};
	struct config *c = config_load(NULL, NULL, SPAN(""), &none, &error);
	assert_non_null(c);
	assert_null(c->file);
	assert_address(&c->listen, "127.0.0.1");
	assert_int_equal(c->listen_port, 8888);
	assert_address(&c->egress_listen, "127.0.0.1");
	assert_int_equal(c->egress_port, 9099);
	assert_int_equal(c->mode, MODE_BALANCED);
	assert_string_equal(c->state, "/var/lib/pipelock");
	assert_string_equal(c->audit_file, "/var/lib/pipelock/audit.jsonl");
	assert_int_equal(c->rule_path_count + c->override_count + c->route_count + c->connect_to_count, 0);
	assert_int_equal(c->hold_bytes, 1 << 20);
	assert_int_equal(c->hold_time_ms, 2000);
	assert_int_equal(c->memory_bytes, 512000000);
	assert_int_equal(c->max_connections, 10000);
	assert_int_equal(c->threads, 0);
	assert_int_equal(c->timeouts.head_ms, 30000);
	assert_int_equal(c->timeouts.idle_ms, 120000);
	assert_int_equal(c->timeouts.body_ms, 60000);
	assert_int_equal(c->timeouts.tls_ms, 15000);
	assert_int_equal(c->timeouts.connect_ms, 10000);
	assert_int_equal(c->timeouts.dns_ms, 10000);
	assert_int_equal(c->timeouts.response_ms, 600000);
	assert_int_equal(c->timeouts.tunnel_ms, 3600000);
	assert_int_equal(c->timeouts.drain_ms, 10000);
	assert_true(c->deny_private);
	assert_null(c->ca_file);
	config_free(c);
	config_free(NULL);
}

static void test_every_key(void **state)
{
	(void)state;
	struct config *c =
		load("version: 1\n"
		     "listen: '[2001:db8::1]:8080'\n"
		     "mode: strict\n"
		     "state: /var/lib/p/\n"
		     "rules: [rules/, ./own.yaml, /abs/x.yaml, builtin]\n"
		     "overrides: [{rule: 'entropy-*', action: warn}, {rule: x, action: allow}]\n"
		     "routes:\n"
		     "  - name: r\n"
		     "    hosts: [a.example]\n"
		     "    methods: [GET]\n"
		     "    paths: [{prefix: /a, suffix: .b}, {exact: /c}]\n"
		     "    action: allow\n"
		     "    tls: open\n"
		     "    on_match: warn\n"
		     "hold: 64KiB\nhold_time: 250ms\nmemory: 1GiB\nthreads: 3\n"
		     "limits: {connections: 5}\n"
		     "timeouts: {head: 1s, idle: 2s, body: 3s, tls: 4s, connect: 5s, dns: 6s, response: 7s,\n"
		     "  tunnel: 8s, drain: 9s}\n"
		     "egress: {listen: '127.1.2.3:99', ca_file: ca.pem, connect_to: "
		     "['a.example:443:127.0.0.1:8443', '::b:'],\n"
		     "  deny_private: false}\n"
		     "audit: {file: log/a.jsonl, on_failure: block}\n");
	assert_address(&c->listen, "2001:db8::1");
	assert_int_equal(c->listen_port, 8080);
	assert_int_equal(c->mode, MODE_STRICT);
	assert_string_equal(c->state, "/var/lib/p");
	assert_int_equal(c->rule_path_count, 4);
	assert_string_equal(c->rule_paths[0], "/conf/rules");
	assert_string_equal(c->rule_paths[1], "/conf/own.yaml");
	assert_string_equal(c->rule_paths[2], "/abs/x.yaml");
	assert_string_equal(c->rule_paths[3], "builtin");
	assert_int_equal(c->override_count, 2);
	assert_string_equal(c->overrides[0].rule, "entropy-*");
	assert_int_equal(c->overrides[0].action, VERDICT_WARN);
	assert_int_equal(c->overrides[1].action, VERDICT_ALLOW);
	assert_int_equal(c->overrides[0].line, 6);
	assert_int_equal(c->route_count, 1);
	const struct route *r = &c->routes[0];
	assert_int_equal(r->line, 8);
	assert_true(r->has_on_match && r->on_match == VERDICT_WARN);
	assert_true(r->action == ROUTE_ALLOW && r->tls == ROUTE_TLS_OPEN);
	assert_int_equal(r->path_count, 2);
	assert_string_equal(r->paths[0].suffix, ".b");
	assert_string_equal(r->paths[1].exact, "/c");
	assert_true(c->hold_bytes == 65536 && c->hold_time_ms == 250 && c->memory_bytes == 1u << 30 &&
		    c->threads == 3);
	assert_int_equal(c->max_connections, 5);
	const struct timeouts *t = &c->timeouts;
	assert_true(t->head_ms == 1000 && t->idle_ms == 2000 && t->body_ms == 3000 && t->tls_ms == 4000);
	assert_true(t->connect_ms == 5000 && t->dns_ms == 6000 && t->response_ms == 7000);
	assert_true(t->tunnel_ms == 8000 && t->drain_ms == 9000);
	assert_address(&c->egress_listen, "127.1.2.3");
	assert_int_equal(c->egress_port, 99);
	assert_string_equal(c->ca_file, "/conf/ca.pem");
	assert_int_equal(c->connect_to_count, 2);
	assert_string_equal(c->connect_to[0].host, "a.example");
	assert_int_equal(c->connect_to[0].to_port, 8443);
	assert_false(c->deny_private);
	assert_string_equal(c->audit_file, "/conf/log/a.jsonl");
	config_free(c);
}

static void test_the_text_may_go_after_loading(void **state)
{
	(void)state;
	char *text = strdup(
		"version: 1\noverrides: [{rule: abc, action: block}]\nroutes: [{name: n, methods: [GET]}]\n");
	struct config *c = load(text);
	memset(text, 'x', strlen(text));
	free(text);
	assert_string_equal(c->overrides[0].rule, "abc");
	assert_string_equal(c->routes[0].name, "n");
	assert_string_equal(c->routes[0].methods[0], "GET");
	config_free(c);
}

static void test_version(void **state)
{
	(void)state;
	assert_refused_with("mode: audit\n", &none, "f:1:1: the key 'version' is missing");
	assert_refused_with("version: 2\n", &none, "f:1:10: this program reads version 1 only");
	assert_refused_with("version: '1'\n", &none, "f:1:10: expected a whole number");
	config_free(load("# nothing\n"));
}

static void test_state_folder(void **state)
{
	(void)state;
	static const struct {
		struct config_overrides overrides;
		const char *folder;
	} cases[] = {
		{{.state_home = "/s", .home = "/h"}, "/s/pipelock"},
		{{.state_home = "", .home = "/h"}, "/h/.local/state/pipelock"},
		{{.state_home = "relative", .home = "/h/"}, "/h/.local/state/pipelock"},
		{{.home = "relative"}, "/var/lib/pipelock"},
		{{.home = ""}, "/var/lib/pipelock"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct config *c = load_with("", &cases[i].overrides);
		assert_string_equal(c->state, cases[i].folder);
		config_free(c);
	}
	struct config *c = load_with("version: 1\nstate: s\n", &cases[0].overrides);
	assert_string_equal(c->state, "/conf/s");
	assert_string_equal(c->audit_file, "/conf/s/audit.jsonl");
	config_free(c);
	struct load_error error = {0};
	assert_null(config_load("f", NULL, SPAN("version: 1\nstate: s\n"), &none, &error));
	assert_string_equal(error.text, "f:2:8: expected an absolute path: there is no folder to start at");
}

static void test_listen_overrides(void **state)
{
	(void)state;
	static const struct {
		const char *listen, *address;
		unsigned port;
	} good[] = {{"0.0.0.0:80", "0.0.0.0", 80}, {"[::]:81", "::", 81}, {":82", "::", 82},
		{"10.0.0.1:83", "10.0.0.1", 83}, {"", "127.0.0.9", 1}};
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct config_overrides o = {.listen = good[i].listen};
		struct config *c = load_with("version: 1\nlisten: 127.0.0.9:1\n", &o);
		assert_address(&c->listen, good[i].address);
		assert_int_equal(c->listen_port, good[i].port);
		config_free(c);
	}
	static const char *const bad[] = {"127.0.0.1", "127.0.0.1:0", "localhost:8888", "127.0.0.1:65536",
		"::1:80", "x", "1:80", "127.0.0.1:8888 ", "127.0.0.1:http"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct config_overrides o = {.listen = bad[i]};
		assert_refused_with("", &o, "PIPELOCK_LISTEN");
		assert_refused_with("", &o, "is not an address");
	}
	assert_refused("listen: 127.0.0.1\n", "f:2:9: expected ADDRESS:PORT");
	assert_refused("listen: 127.0.0.1:0\n", "f:2:9: expected ADDRESS:PORT");
	assert_refused("listen: localhost:8888\n", "f:2:9: expected ADDRESS:PORT in numbers");
	assert_refused("listen: 8888\n", "expected ADDRESS:PORT");
}

/* The attack that this product exists for: egress where agents can reach it. */
static void test_egress_is_loopback_or_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *host, *address;
	} good[] = {{"", "127.0.0.5"}, {NULL, "127.0.0.5"}, {"127.0.0.1", "127.0.0.1"},
		{"127.8.9.10", "127.8.9.10"}, {"::1", "::1"}, {"[::1]", "::1"}, {"0:0:0:0:0:0:0:1", "::1"}};
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct config_overrides o = {.egress_host = good[i].host};
		struct config *c = load_with("version: 1\negress: {listen: '127.0.0.5:7'}\n", &o);
		assert_address(&c->egress_listen, good[i].address);
		assert_int_equal(c->egress_port, 7);
		config_free(c);
	}
	static const char *const bad[] = {"0.0.0.0", "::", "[::]", "localhost", "10.0.0.1", "192.0.2.1",
		"8.8.8.8", "169.254.1.1", "::ffff:127.0.0.1", "[127.0.0.1]", "127.1", "2130706433",
		"0x7f000001", "127.0.0.1 ", " 127.0.0.1", "127.0.0.1:9099", "::1%lo", "fe80::1", "*",
		"127.0.0.1.", "0177.0.0.1", "[]", "["};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct config_overrides o = {.egress_host = bad[i]};
		assert_refused_with("", &o, "is refused: egress listens on loopback only");
	}
	assert_refused("egress: {listen: '0.0.0.0:9099'}\n", "f:2:18: egress listens on loopback only");
	assert_refused("egress: {listen: ':9099'}\n", "f:2:18: egress listens on loopback only");
	assert_refused("egress: {listen: '10.1.2.3:9099'}\n", "egress listens on loopback only");
	assert_refused("egress: {listen: '127.0.0.1:0'}\n", "expected ADDRESS:PORT");
	assert_refused("egress: {listen: 'localhost:9099'}\n", "expected ADDRESS:PORT");
	/* What the file says wrong is not mended by the environment. */
	struct config_overrides o = {.egress_host = "127.0.0.1"};
	assert_refused_with("version: 1\negress: {listen: '0.0.0.0:9099'}\n", &o, "loopback only");
}

static void test_egress_port(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"0", "65536", "-1", "9099 ", "http", "0x10", "+1", "99999999999999999999", "09"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct config_overrides o = {.egress_port = bad[i]};
		assert_refused_with("", &o, "is not a port: expected 1 to 65535");
	}
	struct config_overrides o = {.egress_port = "65535"};
	struct config *c = load_with("", &o);
	assert_int_equal(c->egress_port, 65535);
	config_free(c);
	o.egress_port = "8888";
	assert_refused_with("", &o, "have the same port, 8888");
	o = (struct config_overrides){.listen = "0.0.0.0:9099"};
	assert_refused_with("", &o, "have the same port, 9099");
}

static void test_wrong_values(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"lisen: x\n", "f:2:1: unknown key 'lisen'; did you mean 'listen'?"},
		{"timeouts: {haed: 1s}\n", "f:2:12: unknown key 'haed'; did you mean 'head'?"},
		{"limits: {x: 1}\n", "f:2:10: unknown key 'x'"},
		{"egress: {credentials: []}\n", "f:2:10: unknown key 'credentials'"},
		{"audit: {fil: x}\n", "f:2:9: unknown key 'fil'; did you mean 'file'?"},
		{"audit: {on_failure: allow}\n", "f:2:21: expected block"},
		{"mode: balancd\n", "f:2:7: expected strict, balanced or audit; did you mean 'balanced'?"},
		{"mode:\n", "f:2:6: expected strict, balanced or audit, found nothing"},
		{"timeouts:\n", "f:2:10: expected a mapping"},
		{"timeouts: {head: 10}\n", "f:2:18: expected a time such as"},
		{"timeouts: {head: 1ms}\n", "must be from 100ms to 24h"},
		{"hold: 2GiB\n", "f:2:7: must be from 0 to 1GiB"},
		{"memory: 16MiB\nhold: 17MiB\n", "hold is larger than memory"},
		{"memory: 1MiB\n", "f:2:9: must be from 16MiB"},
		{"threads: 257\n", "from 0 to 256"},
		{"limits: {connections: 0}\n", "from 1 to 1000000"},
		{"rules: []\n", "f:2:8: expected 1 to 1000 files or folders; leave the key out for the "
				"built-in sets"},
		{"rules: x\n", "expected a list"},
		{"rules: ['']\n", "f:2:9: expected a path"},
		{"rules: [[a]]\n", "f:2:9: expected text"},
		{"state: ''\n", "expected a path"},
		{"state: \"a\\0b\"\n", "NUL"},
		{"overrides: [{rule: x}]\n", "f:2:13: an override needs rule"},
		{"overrides: [{action: warn}]\n", "f:2:13: an override needs rule"},
		{"overrides: [{rule: '', action: warn}]\n", "an override needs rule"},
		{"overrides: [x]\n", "f:2:13: expected a mapping"},
		{"overrides: [{rule: x, action: redact}]\n",
			"f:2:31: 'redact' is not carried out by this version"},
		{"overrides: [{rule: x, action: hold}]\n", "'hold' is not carried out by this version"},
		{"overrides: [{rule: x, action: blok}]\n", "did you mean 'block'?"},
		{"overrides: {a: b}\n", "expected a list"},
		{"egress: {connect_to: ['a:b']}\n", "f:2:23: expected HOST1:PORT1:HOST2:PORT2"},
		{"egress: {connect_to: [[a]]}\n", "f:2:23: expected text"},
		{"egress: {connect_to: 'a:1:b:2'}\n", "expected a list"},
		{"egress: {deny_private: no}\n", "did you mean false"},
		{"egress: []\n", "expected a mapping"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_refused(cases[i].text, cases[i].error);
	assert_refused_with("- a\n", &none, "f:1:1: expected a mapping");
	assert_refused_with("just text\n", &none, "f:1:1: expected a mapping");
}

static void test_wrong_routes(void **state)
{
	(void)state;
	static const struct {
		const char *route, *error;
	} cases[] = {
		{"{hosts: [a]}", "f:3:5: the route has no name"},
		{"{name: ''}", "a route's name is 1 to 64"},
		{"{name: 'a b'}", "a route's name is 1 to 64"},
		{"{name: \"a\\r\\nb\"}", "a route's name is 1 to 64"},
		{"{name: n, host: [a]}", "f:3:15: unknown key 'host'; did you mean 'hosts'?"},
		{"{name: n, hosts: []}", "f:3:22: the list is empty; leave the key out for every host"},
		{"{name: n, methods: []}", "leave the key out for every method"},
		{"{name: n, paths: []}", "leave the key out for every path"},
		{"{name: n, hosts: a}", "expected a list"},
		{"{name: n, hosts: ['a:443']}", "f:3:23: expected a host"},
		{"{name: n, hosts: ['https://a']}", "expected a host"},
		{"{name: n, hosts: ['a.*']}", "expected a host"},
		{"{name: n, hosts: ['*a.example']}", "expected a host"},
		{"{name: n, hosts: ['*.']}", "expected a host"},
		{"{name: n, hosts: ['*.*.example']}", "expected a host"},
		{"{name: n, hosts: ['*.192.0.2.1']}", "expected a host"},
		{"{name: n, hosts: ['*.0.2.1']}", "expected a host"},
		{"{name: n, hosts: ['0x7f.1']}", "expected a host"},
		{"{name: n, hosts: ['2001:db8::1']}", "expected a host"},
		{"{name: n, hosts: ['b\xc3\xbc"
		 "cher.example']}",
			"expected a host"},
		{"{name: n, hosts: ['']}", "expected a host"},
		{"{name: n, methods: [get]}", "f:3:25: expected a method in capitals"},
		{"{name: n, methods: ['']}", "expected a method in capitals"},
		{"{name: n, paths: [/a]}", "f:3:23: expected a mapping"},
		{"{name: n, paths: [{}]}", "f:3:23: expected exact, or prefix or suffix or both"},
		{"{name: n, paths: [{exact: /a, suffix: b}]}", "exact stands alone"},
		{"{name: n, paths: [{exact: a}]}", "f:3:31: expected a plain path that begins with /"},
		{"{name: n, paths: [{prefix: ''}]}", "expected a plain path"},
		{"{name: n, paths: [{prefix: /a%20b}]}", "expected a plain path"},
		{"{name: n, paths: [{prefix: '/a?b'}]}", "expected a plain path"},
		{"{name: n, paths: [{prefix: //a}]}", "expected a plain path"},
		{"{name: n, paths: [{prefix: /a/..}]}", "expected a plain path"},
		{"{name: n, paths: [{prefix: /./a}]}", "expected a plain path"},
		{"{name: n, paths: [{suffix: 'a b'}]}", "expected a plain path: no"},
		{"{name: n, paths: [{glob: /a}]}", "unknown key 'glob'"},
		{"{name: n, action: denyed}", "expected deny or allow; did you mean 'deny'?"},
		{"{name: n, tls: close}", "expected open or splice"},
		{"{name: n, on_match: redact}", "f:3:25: 'redact' is not carried out by this version"},
		{"{name: n, on_match: hold}", "'hold' is not carried out by this version"},
		{"{name: n, response: {scan: false}}", "unknown key 'response'"},
		{"{name: n, action: deny, on_match: warn}", "on_match has no effect"},
		{"{name: n, hosts: [a], tls: splice, paths: [{prefix: /}]}",
			"can't be seen where tls is splice"},
		{"{name: n, hosts: [a], tls: splice, methods: [GET]}", "can't be seen where tls is splice"},
		{"{name: n, hosts: [a], tls: splice, action: deny}", "tls: splice has no effect"},
		{"[a]", "expected a mapping"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[512];
		snprintf(text, sizeof(text), "routes:\n  - %s\n", cases[i].route);
		assert_refused(text, cases[i].error);
	}
	config_free(load(
		"version: 1\nroutes: [{name: n, paths: [{prefix: /.well-known/a..b}, {suffix: .git}]}]\n"));
}

static void test_routes_that_never_apply(void **state)
{
	(void)state;
	static const struct {
		const char *first, *second;
		const char *error; /* NULL: fine */
	} cases[] = {
		{"name: a, hosts: [h]", "name: b, hosts: [h]",
			"f:4:5: route 'b' is never used: 'a' on line 3"},
		{"name: a, hosts: [g, h]", "name: b, hosts: [H.]", "never used"},
		{"name: a", "name: b", "never used"},
		{"name: a", "name: b, hosts: ['*']", "never used"},
		{"name: a, hosts: ['*']", "name: b", "never used"},
		{"name: a, hosts: [h]", "name: b, hosts: [h], paths: [{prefix: /}]", "never used"},
		{"name: a, hosts: [h], paths: [{prefix: /}]", "name: b, hosts: [h]", "never used"},
		{"name: a, hosts: [h], paths: [{prefix: /x/}]", "name: b, hosts: [h], paths: [{prefix: /x}]",
			"never used"},
		{"name: a, hosts: [h], methods: [GET, PUT]", "name: b, hosts: [h], methods: [PUT]",
			"never used"},
		{"name: a, hosts: [h]", "name: a, hosts: [i]",
			"the route's name 'a' stands twice; first on line 3"},
		{"name: a, hosts: [h]", "name: b, hosts: [g, h]", NULL},
		{"name: a", "name: b, hosts: [h]", NULL},
		{"name: a, hosts: ['*.x']", "name: b, hosts: [h.x]", NULL},
		{"name: a, hosts: [h], methods: [GET]", "name: b, hosts: [h]", NULL},
		{"name: a, hosts: [h]", "name: b, hosts: [h], methods: [GET]", NULL},
		{"name: a, hosts: [h], methods: [GET]", "name: b, hosts: [h], methods: [GET, PUT]", NULL},
		{"name: a, hosts: [h]", "name: b, hosts: [h], paths: [{exact: /}]", NULL},
		{"name: a, hosts: [h], paths: [{prefix: /x}]",
			"name: b, hosts: [h], paths: [{prefix: /x, suffix: y}]", NULL},
		{"name: a, hosts: [h], tls: splice", "name: b, hosts: [h], paths: [{exact: /x}]",
			"one splices the host"},
		{"name: b, hosts: [h], methods: [GET]", "name: a, hosts: [h], tls: splice",
			"one splices the host"},
		{"name: a, hosts: ['*.x'], tls: splice", "name: b, hosts: [h.x], methods: [GET]", NULL},
		{"name: a, hosts: [h], tls: splice", "name: b, methods: [GET]", NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[512];
		snprintf(text, sizeof(text), "version: 1\nroutes:\n  - {%s}\n  - {%s}\n", cases[i].first,
			cases[i].second);
		if (cases[i].error)
			assert_refused_with(text, &none, cases[i].error);
		else
			config_free(load(text));
	}
}

static void test_every_prefix_is_safe(void **state)
{
	(void)state;
	static const char text[] =
		"version: 1\nrules: [a, builtin]\noverrides: [{rule: a, action: warn}]\n"
		"routes: [{name: a, hosts: ['*.h'], methods: [GET], paths: [{prefix: /}]}, {name: b}]\n"
		"egress: {listen: 127.0.0.1:1, ca_file: x, connect_to: ['::a:1']}\naudit: {file: b}\n";
	for (size_t n = 0; n < sizeof(text); n++) {
		struct load_error error = {0};
		struct config *config = config_load("f", "/", (struct span){text, n}, &none, &error);
		assert_true((config != NULL) == !error.set);
		config_free(config);
	}
}

/* ---- files */

static char folder[] = "/tmp/test_config_XXXXXX";

static const char *in_folder(const char *name)
{
	static char paths[4][200];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	FILE *file = fopen(in_folder(name), "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(in_folder(name), mode), 0);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	static const char *const names[] = {"good", "group", "world", "link", "empty", "large", "fifo",
		"r/a.yaml", "r/B.yaml", "r/c.yaml", "r/.hidden.yaml", "r/README", "r/d.yml", "r", "none"};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		remove(in_folder(names[i]));
	return rmdir(folder);
}

static void assert_unreadable(const char *name, size_t max, const char *expected)
{
	struct file_text text = {0};
	struct load_error error = {0};
	assert_false(config_read_file(in_folder(name), max, &text, &error));
	if (!strstr(error.text, expected))
		fail_msg("'%s' does not say '%s'", error.text, expected);
	assert_non_null(strstr(error.text, in_folder(name)));
	assert_null(text.text);
}

static void test_files(void **state)
{
	(void)state;
	struct file_text text;
	struct load_error error = {0};
	write_file("good", "version: 1\n", 0644);
	assert_true(config_read_file(in_folder("good"), 11, &text, &error));
	assert_string_equal(text.text, "version: 1\n");
	assert_int_equal(text.size, 11);
	free(text.name);
	free(text.text);
	assert_unreadable("good", 10, "larger than 10 octets");
	write_file("empty", "", 0400);
	assert_true(config_read_file(in_folder("empty"), 10, &text, &error));
	assert_int_equal(text.size, 0);
	free(text.name);
	free(text.text);
	write_file("group", "x", 0664);
	assert_unreadable(
		"group", 10, "others than its owner may write it (mode 0664); 'chmod go-w' mends it");
	write_file("world", "x", 0602);
	assert_unreadable("world", 10, "mode 0602");
	assert_int_equal(symlink("world", in_folder("link")), 0);
	assert_unreadable("link", 10, "mode 0602");
	assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
	assert_unreadable("fifo", 10, "not a plain file");
	assert_unreadable("", 10, "not a plain file");
	assert_unreadable("absent", 10, "No such file");
}

static void test_files_of_others(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file("good", "x", 0600);
	assert_int_equal(chown(in_folder("good"), 12345, 0), 0);
	assert_unreadable(
		"good", 10, "belongs to user 12345, who could change the policy; 'chown 0' mends it");
}

static struct config *with_rules(const char *rules)
{
	char text[300];
	struct load_error error = {0};
	snprintf(text, sizeof(text), "version: 1\nrules: %s\n", rules);
	struct config *config = config_load("f", folder, span_of(text), &none, &error);
	assert_non_null(config);
	return config;
}

static void assert_no_rules(const char *rules, const char *expected)
{
	struct file_texts texts;
	struct load_error error = {0};
	struct config *config = with_rules(rules);
	assert_false(config_read_rules(config, &texts, &error));
	if (!strstr(error.text, expected))
		fail_msg("'%s' does not say '%s'", error.text, expected);
	file_texts_release(&texts);
	config_free(config);
}

static void test_rule_files(void **state)
{
	(void)state;
	struct file_texts texts;
	struct load_error error = {0};
	assert_int_equal(mkdir(in_folder("r"), 0755), 0);
	assert_no_rules("[r]", "no rule file (*.yaml) in this folder");
	write_file("r/c.yaml", "c", 0644);
	write_file("r/a.yaml", "a", 0644);
	write_file("r/B.yaml", "B", 0644);
	write_file("r/.hidden.yaml", "x", 0666);
	write_file("r/README", "x", 0666);
	write_file("good", "g", 0600);
	assert_int_equal(chown(in_folder("good"), geteuid(), (gid_t)-1), 0);
	struct config *config = with_rules("[r/, good]");
	assert_true(config_read_rules(config, &texts, &error));
	assert_int_equal(texts.count, 4);
	assert_string_equal(texts.items[0].name, in_folder("r/B.yaml"));
	assert_string_equal(texts.items[1].text, "a");
	assert_string_equal(texts.items[2].text, "c");
	assert_string_equal(texts.items[3].text, "g");
	file_texts_release(&texts);
	assert_int_equal(texts.count, 0);
	config_free(config);

	write_file("r/a.yaml", "a", 0666);
	assert_no_rules("[good, r]", "r/a.yaml: others than its owner may write it");
	write_file("r/a.yaml", "a", 0644);
	write_file("r/d.yml", "d", 0644);
	assert_no_rules("[r]", "r/d.yml: a rule file's name ends in .yaml");
	remove(in_folder("r/d.yml"));
	assert_int_equal(chmod(in_folder("r"), 0777), 0);
	assert_no_rules("[r]", "others than its owner may write it (mode 0777)");
	assert_int_equal(chmod(in_folder("r"), 0755), 0);
	assert_no_rules("[r, absent]", "absent: No such file");
}

static void test_builtin_rules(void **state)
{
	(void)state;
	struct file_texts texts;
	struct load_error error = {0};
	struct config *config = load("version: 1\n");
	assert_true(config_read_rules(config, &texts, &error));
	assert_int_equal(texts.count, 0);
	config_free(config);
	config = with_rules("[builtin, good]");
	assert_true(config_read_rules(config, &texts, &error));
	assert_true(texts.count >= 1);
	assert_string_equal(texts.items[texts.count - 1].text, "g");
	for (size_t i = 0; i + 1 < texts.count; i++) {
		assert_memory_equal(texts.items[i].name, "builtin:", 8);
		assert_int_equal(strlen(texts.items[i].text), texts.items[i].size);
	}
	file_texts_release(&texts);
	config_free(config);
}

/* ---- documents */

static void format_row(const struct config_key *key, char *out, size_t room)
{
	snprintf(out, room, "| `%s%s%s` | %s | %s%s%s | %s |\n", key->group ? key->group : "",
		key->group ? "." : "", key->name, key->kind, key->fallback ? "`" : "",
		key->fallback ? key->fallback : "–", key->fallback ? "`" : "", key->meaning);
}

/* Each row of the table of keys is in the document, and the document has no other. */
static void test_document_lists_every_key(void **state)
{
	(void)state;
	size_t count, rows = 0;
	const struct config_key *keys = config_keys(&count);
	FILE *file = fopen("docs/configuration.md", "r");
	assert_non_null(file);
	char line[1024], expected[1024];
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "| `", 3) != 0)
			continue;
		if (rows == count)
			fail_msg("not a key: %s", line);
		format_row(&keys[rows++], expected, sizeof(expected));
		if (strcmp(line, expected) != 0)
			fail_msg("the document says\n%sthe table\n%s", line, expected);
	}
	fclose(file);
	assert_int_equal(rows, count);
}

/* The manual page names the same keys in the same order. */
static void test_manual_lists_every_key(void **state)
{
	(void)state;
	size_t count, rows = 0;
	const struct config_key *keys = config_keys(&count);
	FILE *file = fopen("docs/man/pipelock.yaml.5", "r");
	assert_non_null(file);
	char line[1024], expected[200];
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, ".It Ic ", 7) != 0)
			continue;
		assert_true(rows < count);
		const struct config_key *key = &keys[rows++];
		snprintf(expected, sizeof(expected), ".It Ic %s%s%s\n", key->group ? key->group : "",
			key->group ? "." : "", key->name);
		assert_string_equal(line, expected);
		assert_non_null(fgets(line, sizeof(line), file));
		if (key->fallback)
			assert_non_null(strstr(line, key->fallback));
	}
	fclose(file);
	assert_int_equal(rows, count);
}

static void test_example_of_the_document_loads(void **state)
{
	(void)state;
	static char document[64 * 1024];
	FILE *file = fopen("docs/configuration.md", "r");
	assert_non_null(file);
	document[fread(document, 1, sizeof(document) - 1, file)] = 0;
	fclose(file);
	char *begin = strstr(document, "```yaml\n");
	assert_non_null(begin);
	char *end = strstr(begin + 8, "```");
	assert_non_null(end);
	*end = 0;
	struct config *config = load(begin + 8);
	assert_int_equal(config->route_count, 4);
	config_free(config);
}

/* And the table has no key that the loader does not know. */
static void test_every_key_of_the_table_is_known(void **state)
{
	(void)state;
	size_t count;
	const struct config_key *keys = config_keys(&count);
	for (size_t i = 0; i < count; i++) {
		char text[200];
		const char *group = keys[i].group ? keys[i].group : "";
		struct load_error error = {0};
		if (strcmp(group, "routes[].paths[]") == 0)
			snprintf(text, sizeof(text), "version: 1\nroutes: [{name: n, paths: [{%s: }]}]\n",
				keys[i].name);
		else if (strstr(group, "[]"))
			snprintf(text, sizeof(text), "version: 1\n%.*s: [{%s: }]\n", (int)strlen(group) - 2,
				group, keys[i].name);
		else if (group[0])
			snprintf(text, sizeof(text), "version: 1\n%s: {%s: }\n", group, keys[i].name);
		else
			snprintf(text, sizeof(text), "%s: \n", keys[i].name);
		struct config *config = config_load("f", "/", span_of(text), &none, &error);
		if (config || strstr(error.text, "unknown key"))
			fail_msg("%s: %s", text, config ? "a key without a value was taken" : error.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_embedded_defaults),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_the_text_may_go_after_loading),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_state_folder),
		cmocka_unit_test(test_listen_overrides),
		cmocka_unit_test(test_egress_is_loopback_or_nothing),
		cmocka_unit_test(test_egress_port),
		cmocka_unit_test(test_wrong_values),
		cmocka_unit_test(test_wrong_routes),
		cmocka_unit_test(test_routes_that_never_apply),
		cmocka_unit_test(test_every_prefix_is_safe),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_files_of_others),
		cmocka_unit_test(test_rule_files),
		cmocka_unit_test(test_builtin_rules),
		cmocka_unit_test(test_document_lists_every_key),
		cmocka_unit_test(test_manual_lists_every_key),
		cmocka_unit_test(test_example_of_the_document_loads),
		cmocka_unit_test(test_every_key_of_the_table_is_known),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
