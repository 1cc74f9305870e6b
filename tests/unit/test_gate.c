/*
 * From findings to a verdict: what the rules, the route and the mode each say, and that whatever was not
 * asked, not known or not scanned whole blocks.
 */
#include "pipelock/proxy/gate.h"

#include "tests/unit/scan_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <zlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BLOCKED "ghp_abcdefgh1" /* what the rule that blocks matches, and the one that warns */
#define WARNED "warn-1234"
#define HOST_NAME_TEXT "api.home.example"

static const char rules[] =
	"version: 1\nrules:\n"
	"- {id: blocks, regex: 'ghp_[A-Za-z0-9]{8,12}'}\n"
	"- {id: warns, regex: 'warn-[0-9]{4}', action: warn}\n"
	"- {id: off, regex: 'offf-[0-9]{4}', action: allow}\n"
	"- {id: whole-field, regex: '(?i)^x-api-key: kk[0-9]{4}$', in: [header]}\n"
	"- {id: at-home, regex: 'home-[0-9]{4}', belongs_to: ['*.home.example']}\n"
	"- {id: answers, regex: 'resp-[0-9]{4}', in: [response], belongs_to: ['*.home.example']}\n"
	"- {id: whole-line, regex: '(?i)^x-note: note[0-9]{4}$', in: [response]}\n"
	"- {id: slow, regex: 'slow-(?:a|aa){1,31}b'}\n";

static struct scanner *scanner;

static int set_up(void **state)
{
	(void)state;
	struct ruleset *set = oracle_ruleset(rules);
	scanner = scanner_new(set, oracle_key);
	ruleset_put(set);
	return scanner ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	scanner_free(scanner);
	return 0;
}

/* ---- a request in a few words */

static const struct route by_rule = {.name = "r"}; /* zeroed on_match says block, but was not given */
static const struct route on_match_block = {.has_on_match = true, .on_match = VERDICT_BLOCK};
static const struct route on_match_warn = {.has_on_match = true, .on_match = VERDICT_WARN};
static const struct route on_match_allow = {.has_on_match = true, .on_match = VERDICT_ALLOW};
static const struct route *const every_route[] = {
	NULL, &by_rule, &on_match_block, &on_match_warn, &on_match_allow};
static const enum mode every_mode[] = {MODE_STRICT, MODE_BALANCED, MODE_AUDIT};

static void open_gate(struct gate *gate, enum mode mode, const struct route *route)
{
	struct config config = {.mode = mode};
	memset(gate, 0xa5, sizeof(*gate)); /* nothing of what was there before counts */
	gate_open(gate, scanner, &config, route, SPAN(HOST_NAME_TEXT));
}

static void parse_request(struct span text, struct http1_head *head)
{
	enum http1_error error = HTTP1_OK;
	if (http1_parse_request(text.p, text.n, 0, head, &error) != HTTP1_DONE)
		fail_msg("%s: %.*s", http1_error_text(error), SPAN_ARG(text));
}

static void put_fields(struct gate *gate, const char *fields)
{
	char text[8192];
	struct http1_head head;
	int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
	parse_request((struct span){text, (size_t)n}, &head);
	gate_fields(gate, SCAN_HEADER, &head);
}

/* coding: the Content-Encoding fields, or NULL. */
static void begin_body(struct gate *gate, const char *coding)
{
	char text[1024];
	struct http1_head head;
	int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", coding ? coding : "");
	parse_request((struct span){text, (size_t)n}, &head);
	gate_body_begin(gate, SCAN_BODY, coding ? &head : NULL);
}

/* What may leave, asked after each piece of a body: it never passes what was fed, and only falls (to nothing)
 * when the body turns out to be unscannable. */
static uint64_t feed(struct gate *gate, struct span octets, size_t piece, bool last)
{
	uint64_t safe = 0;
	size_t at = 0;
	do {
		size_t n = octets.n - at < piece ? octets.n - at : piece;
		gate_body(gate, (struct span){octets.p + at, n}, last && at + n == octets.n);
		at += n;
		uint64_t now = gate_body_safe(gate);
		assert_true(now <= at && (now >= safe || (now == 0 && gate->findings.unscannable)));
		safe = now;
	} while (at < octets.n && gate_verdict(gate) != VERDICT_BLOCK);
	return safe;
}

static struct span gzip(struct span content, char *out, size_t room)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)content.p,
		.avail_in = (uInt)content.n,
		.next_out = (Bytef *)out,
		.avail_out = (uInt)room};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return (struct span){out, room - z.avail_out};
}

/* ---- what was never told anything */

static void test_a_zeroed_gate_blocks(void **state)
{
	(void)state;
	struct gate gate = {0};
	assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
	assert_int_equal(gate_body_safe(&gate), 0);
	gate.report_only = true; /* not even audit mode lets it through */
	gate.route = &on_match_allow;
	assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
	gate_release(&gate);
	gate_release(&gate);
}

static void test_a_gate_without_rules_blocks(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(every_mode); i++) {
		struct config config = {.mode = every_mode[i]};
		struct gate gate;
		gate_open(&gate, NULL, &config, &on_match_allow, SPAN("a"));
		assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
		gate_release(&gate);
	}
}

/* ---- clean requests */

static void test_clean_requests_pass(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(every_route) * COUNT(every_mode); i++) {
		struct gate gate;
		open_gate(&gate, every_mode[i % 3], every_route[i / 3]);
		assert_int_equal(gate_verdict(&gate), VERDICT_ALLOW);
		gate_url(&gate, SPAN("https://a/"));
		gate_text(&gate, SCAN_HEADER, SPAN("BREW"));
		put_fields(&gate, "Cookie: c\r\nX-Empty:\r\n");
		assert_int_equal(gate.scanned_bytes, 10 + 4 + 7 + 9 + 9);
		begin_body(&gate, NULL);
		assert_int_equal(feed(&gate, SPAN("clean"), 1, true), 5);
		assert_int_equal(gate_verdict(&gate), VERDICT_ALLOW);
		assert_int_equal(gate.scanned_bytes, 39 + 5);
		assert_int_equal(gate.findings.count, 0);
		gate_release(&gate);
	}
}

static void test_bodies_without_octets(void **state)
{
	(void)state;
	static const char *const codings[] = {
		NULL, "", "Content-Encoding: identity\r\n", "Content-Encoding: gzip, br\r\n"};
	for (size_t i = 0; i < COUNT(codings); i++) {
		struct gate gate;
		open_gate(&gate, MODE_BALANCED, NULL);
		begin_body(&gate, codings[i]);
		gate_body(&gate, (struct span){NULL, 0}, true);
		assert_int_equal(gate_verdict(&gate), VERDICT_ALLOW);
		assert_int_equal(gate_body_safe(&gate), 0);
		gate_release(&gate);
	}
}

/* ---- where a secret can stand */

enum place { IN_URL, IN_WORD, IN_FIELD, IN_BODY, IN_GZIP, PLACES };

static void put_secret(struct gate *gate, enum place place, const char *secret)
{
	char text[256], packed[512];
	struct span body;
	switch (place) {
	case IN_URL:
		snprintf(text, sizeof(text), "https://a/?k=%s", secret);
		gate_url(gate, span_of(text));
		break;
	case IN_WORD:
		gate_text(gate, SCAN_HEADER, span_of(secret));
		break;
	case IN_FIELD:
		snprintf(text, sizeof(text), "Cookie: k=%s;\r\n", secret);
		put_fields(gate, text);
		break;
	case IN_BODY:
	case IN_GZIP:
	default:
		snprintf(text, sizeof(text), "{\"k\": \"%s\"}", secret);
		body = place == IN_GZIP ? gzip(span_of(text), packed, sizeof(packed)) : span_of(text);
		begin_body(gate, place == IN_GZIP ? "Content-Encoding: gzip\r\n" : NULL);
		feed(gate, body, 5, true);
	}
}

static void test_every_place_is_scanned(void **state)
{
	(void)state;
	static const enum scan_part parts[PLACES] = {
		SCAN_URL, SCAN_HEADER, SCAN_HEADER, SCAN_BODY, SCAN_BODY};
	for (enum place place = IN_URL; place < PLACES; place++) {
		struct gate gate;
		open_gate(&gate, MODE_BALANCED, NULL);
		put_secret(&gate, place, BLOCKED);
		assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
		assert_int_equal(gate.findings.count, 1);
		assert_string_equal(gate.findings.items[0].rule->id, "blocks");
		assert_int_equal(gate.findings.items[0].part, parts[place]);
		gate_release(&gate);
	}
}

/* What was found is not forgotten for what is clean after it. */
static void test_a_finding_stays(void **state)
{
	(void)state;
	struct gate gate;
	open_gate(&gate, MODE_BALANCED, NULL);
	put_secret(&gate, IN_URL, WARNED);
	assert_int_equal(gate_verdict(&gate), VERDICT_WARN);
	put_secret(&gate, IN_FIELD, BLOCKED);
	assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
	put_secret(&gate, IN_FIELD, "clean");
	put_secret(&gate, IN_FIELD, WARNED);
	put_secret(&gate, IN_BODY, "clean");
	assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
	gate_release(&gate);
}

/* Name and value are one text, however long, and nothing of the line is left out or added. */
static void test_fields_are_scanned_whole(void **state)
{
	(void)state;
	struct gate gate;
	open_gate(&gate, MODE_BALANCED, NULL);
	put_fields(&gate, "X-API-KEY:kk1234\r\n");
	assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
	gate_release(&gate);
	for (size_t n = 1000; n < 1040; n++) {
		char fields[2048] = "X: ";
		memset(fields + 3, '.', n);
		strcpy(fields + 3 + n, BLOCKED "\r\n");
		open_gate(&gate, MODE_BALANCED, NULL);
		put_fields(&gate, fields);
		assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
		assert_int_equal(gate.findings.items[0].offset, 3 + n);
		assert_int_equal(gate.findings.items[0].length, strlen(BLOCKED));
		assert_int_equal(gate.scanned_bytes, strlen(fields) - 2 + 7);
		gate_release(&gate);
	}
}

static void test_trailers_are_scanned(void **state)
{
	(void)state;
	struct gate gate;
	struct http1_head trailers;
	enum http1_error error;
	struct span text = SPAN("X-Clean: 1\r\nX-Late: " BLOCKED "\r\n\r\n");
	open_gate(&gate, MODE_BALANCED, NULL);
	assert_int_equal(http1_parse_trailers(text.p, text.n, 0, &trailers, &error), HTTP1_DONE);
	gate_fields(&gate, SCAN_HEADER, &trailers);
	assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
	gate_release(&gate);
}

/* The host that the gate was opened for decides, and only in a credential field. */
/* ---- what is put together */

static void check_url(const char *url, bool blocks)
{
	struct gate gate;
	open_gate(&gate, MODE_BALANCED, NULL);
	gate_url(&gate, span_of(url));
	if ((gate_verdict(&gate) == VERDICT_BLOCK) != blocks)
		fail_msg("%s", url);
	if (blocks) {
		const struct finding *finding = &gate.findings.items[0];
		assert_int_equal(finding->view, VIEW_JOINED);
		assert_int_equal(finding->part, SCAN_URL);
		const char *begin = strstr(url, "ghp_"), *end = strstr(url, "1234") + 4;
		assert_int_equal(finding->offset, begin - url);
		assert_int_equal(finding->length, end - begin);
	}
	gate_release(&gate);
}

static void test_pieces_of_a_url_are_put_together(void **state)
{
	(void)state;
	check_url("https://a/?x=ghp_abcd&y=efgh1234", true);
	check_url("https://a/?x=ghp_abcd&y=efgh1234&z=%20", true);
	check_url("https://a/?ghp_abcd=%20&efgh1234=%20", true);
	check_url("https://a/?ghp_abcd=efgh1234", true);
	check_url("https://a/b%20c/ghp_/abcd/efgh1234/%20", true);
	check_url("https://ghp_abcd.efgh1234.example:8080/", true);
	check_url("ghp_abcd.efgh1234.example:443", true);
	check_url("https://a/ghp_abcd?x=efgh1234", false);
	check_url("https://a/ghp_/?x=abcd&y=efgh1234", false);
	check_url("https://a/?x=one&y=two&z=three", false);
}

static void check_fields(const char *fields, bool blocks)
{
	static const char host[] = "Host: a\r\n";
	struct gate gate;
	open_gate(&gate, MODE_BALANCED, NULL);
	put_fields(&gate, fields);
	if ((gate_verdict(&gate) == VERDICT_BLOCK) != blocks)
		fail_msg("%s", fields);
	if (blocks) {
		const struct finding *finding = &gate.findings.items[0];
		assert_int_equal(finding->view, VIEW_JOINED);
		assert_int_equal(finding->part, SCAN_HEADER);
		const char *begin = strstr(fields, "ghp_"), *end = strstr(fields, "1234") + 4;
		assert_int_equal(finding->offset, begin - fields + (long)sizeof(host) - 1);
		assert_int_equal(finding->length, end - begin);
	}
	gate_release(&gate);
}

static void test_pieces_of_fields_are_put_together(void **state)
{
	(void)state;
	check_fields("X-A: ghp_abcd\r\nX-B: efgh1234\r\n", true);
	check_fields("X-A: ghp_\r\nX-B: abcd\r\nX-C: efgh1234\r\nX-D: and more\r\n", true);
	check_fields("X-A: ghp_abcd\r\nAccept: */*\r\nX-B: efgh1234\r\n", true);
	check_fields("Accept: ghp_abcd\r\nOrigin: efgh1234\r\n", true);
	check_fields("ghp_abcd: efgh1234\r\n", true);
	check_fields("Cookie: x=ghp_abcd; y=efgh1234\r\n", true);
	check_fields("Cookie: x=ghp_abcd\r\nX-A: -\r\nCookie: efgh1234; z=two words\r\n", true);
	check_fields("X-A: ghp_abcd\r\nX-B: one and two\r\nX-C: efgh1234\r\n", false);
	check_fields("Cookie: ghp_=abcd; efgh1234=z\r\n", false);
}

/* Host may spell the name in upper case where the URL does not. */
static void test_labels_of_host_are_put_together(void **state)
{
	(void)state;
	struct gate gate;
	struct http1_head head;
	open_gate(&gate, MODE_BALANCED, NULL);
	parse_request(SPAN("GET / HTTP/1.1\r\nHost: ghp_abcd.EFGH1234.example\r\n\r\n"), &head);
	gate_fields(&gate, SCAN_HEADER, &head);
	assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
	assert_int_equal(gate.findings.items[0].offset, 6);
	gate_release(&gate);
}

/* What can't be put together can't be scanned. */
static void test_more_cookies_than_there_is_room_for(void **state)
{
	(void)state;
	for (int count = 250; count < 270; count += 10) {
		char text[4096];
		struct gate gate;
		size_t n = (size_t)sprintf(text, "Cookie: ");
		for (int i = 0; i < count; i++)
			n += (size_t)sprintf(text + n, "a=%d;", i % 10);
		sprintf(text + n, "\r\n");
		open_gate(&gate, MODE_BALANCED, NULL);
		put_fields(&gate, text);
		assert_int_equal(gate.findings.unscannable != NULL, count > 256);
		gate_release(&gate);
	}
}

static void test_a_secret_at_home(void **state)
{
	(void)state;
	struct config config = {.mode = MODE_BALANCED};
	struct gate gate;
	open_gate(&gate, MODE_BALANCED, NULL);
	put_fields(&gate, "Authorization: Bearer home-1234\r\n");
	assert_int_equal(gate_verdict(&gate), VERDICT_ALLOW);
	put_fields(&gate, "Cookie: home-1234\r\n");
	assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
	gate_release(&gate);
	static const char *const away[] = {"home.example.org", "home.example", "api.homes.example", ""};
	for (size_t i = 0; i < COUNT(away); i++) {
		gate_open(&gate, scanner, &config, NULL, span_of(away[i]));
		put_fields(&gate, "Authorization: Bearer home-1234\r\n");
		assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
		gate_release(&gate);
	}
}

static void test_rules_for_answers_see_answers(void **state)
{
	(void)state;
	struct gate gate;
	open_gate(&gate, MODE_BALANCED, NULL);
	put_secret(&gate, IN_BODY, "resp-1234");
	assert_int_equal(gate_verdict(&gate), VERDICT_ALLOW);
	gate_release(&gate);
	open_gate(&gate, MODE_BALANCED, NULL);
	gate_body_begin(&gate, SCAN_RESPONSE, NULL);
	feed(&gate, SPAN("{resp-1234}"), 3, true);
	assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
	gate_release(&gate);
}

/* Fields of an answer: each line as a whole, and by the rules for answers alone. None is a credential's. */
static void test_fields_of_answers(void **state)
{
	(void)state;
	static const struct {
		const char *fields;
		enum verdict verdict;
	} cases[] = {
		{"X-Note: resp-1234\r\n", VERDICT_BLOCK},
		{"X-Clean: 1\r\nX-Late: a resp-1234 b\r\n", VERDICT_BLOCK},
		{"resp-1234: 1\r\n", VERDICT_BLOCK},
		{"X-Note: %72%65%73%70-1234\r\n", VERDICT_BLOCK},
		{"X-Note: cmVzcC0xMjM0IGFuZCBtb3Jl\r\n", VERDICT_BLOCK},
		{"X-NOTE:note1234\r\n", VERDICT_BLOCK},
		{"X-Notes: note1234\r\n", VERDICT_ALLOW},
		{"Authorization: resp-1234\r\n", VERDICT_BLOCK},
		{"X-Note: resp-123\r\nX-Empty:\r\n", VERDICT_ALLOW},
		{"X-Note: " BLOCKED "\r\nX-Warn: " WARNED "\r\n", VERDICT_ALLOW},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[256];
		struct http1_head head;
		enum http1_error error;
		struct gate gate;
		int n = snprintf(text, sizeof(text), "HTTP/1.1 204 No Content\r\n%s\r\n", cases[i].fields);
		assert_int_equal(
			http1_parse_response(text, (size_t)n, 0, SPAN("GET"), &head, &error), HTTP1_DONE);
		open_gate(&gate, MODE_BALANCED, NULL);
		gate_text(&gate, SCAN_RESPONSE, head.reason);
		gate_fields(&gate, SCAN_RESPONSE, &head);
		if (gate_verdict(&gate) != cases[i].verdict)
			fail_msg("%s: %s", cases[i].fields, verdict_name(gate_verdict(&gate)));
		if (gate.findings.count > 0)
			assert_int_equal(gate.findings.items[0].part, SCAN_RESPONSE);
		gate_release(&gate);
	}
}

static void test_what_no_rule_looks_at(void **state)
{
	(void)state;
	struct gate gate;
	open_gate(&gate, MODE_BALANCED, NULL);
	for (enum scan_part part = SCAN_URL; part < SCAN_PARTS; part++)
		assert_true(gate_looks_at(&gate, part));
	struct ruleset *set = oracle_ruleset("version: 1\nrules:\n- {id: a, regex: 'abcd[0-9]'}\n");
	gate.scanner = scanner_new(set, oracle_key);
	for (enum scan_part part = SCAN_URL; part < SCAN_PARTS; part++)
		assert_int_equal(gate_looks_at(&gate, part), part != SCAN_RESPONSE);
	scanner_free(gate.scanner);
	ruleset_put(set);
	gate.scanner = NULL; /* nobody knows */
	assert_true(gate_looks_at(&gate, SCAN_RESPONSE));
}

/* ---- who has the last word */

struct verdict_case {
	const char *secret;
	const struct route *route;
	enum verdict verdict;
};

static void test_rule_route_and_mode(void **state)
{
	(void)state;
	static const struct verdict_case cases[] = {
		{BLOCKED, NULL, VERDICT_BLOCK},
		{BLOCKED, &by_rule, VERDICT_BLOCK},
		{BLOCKED, &on_match_block, VERDICT_BLOCK},
		{BLOCKED, &on_match_warn, VERDICT_WARN},
		{BLOCKED, &on_match_allow, VERDICT_ALLOW},
		{WARNED, NULL, VERDICT_WARN},
		{WARNED, &by_rule, VERDICT_WARN},
		{WARNED, &on_match_block, VERDICT_BLOCK},
		{WARNED, &on_match_warn, VERDICT_WARN},
		{WARNED, &on_match_allow, VERDICT_ALLOW},
		{"offf-1234", NULL, VERDICT_ALLOW},
		{"offf-1234", &on_match_block, VERDICT_ALLOW},
		{"clean", &on_match_block, VERDICT_ALLOW},
	};
	for (size_t i = 0; i < COUNT(cases) * COUNT(every_mode) * PLACES; i++) {
		const struct verdict_case *c = &cases[i % COUNT(cases)];
		enum mode mode = every_mode[i / COUNT(cases) % 3];
		enum place place = (enum place)(i / COUNT(cases) / 3);
		enum verdict expected =
			mode == MODE_AUDIT && c->verdict == VERDICT_BLOCK ? VERDICT_WARN : c->verdict;
		struct gate gate;
		open_gate(&gate, mode, c->route);
		put_secret(&gate, place, c->secret);
		if (gate_verdict(&gate) != expected)
			fail_msg("%s, case %zu, mode %d, place %d: %s", c->secret, i % COUNT(cases), mode,
				place, verdict_name(gate_verdict(&gate)));
		bool is_match = c->secret != cases[COUNT(cases) - 1].secret && c->secret[0] != 'o';
		assert_int_equal(gate.findings.count, is_match); /* told whatever it is worth */
		gate_release(&gate);
	}
}

static void test_findings_beyond_the_table_count(void **state)
{
	(void)state;
	char text[32];
	struct gate gate;
	open_gate(&gate, MODE_BALANCED, NULL);
	for (int i = 0; i < SCAN_MAX_FINDINGS + 2; i++) {
		snprintf(text, sizeof(text), "/warn-%04d", i);
		gate_url(&gate, span_of(text));
	}
	assert_int_equal(gate.findings.dropped, 2);
	assert_int_equal(gate_verdict(&gate), VERDICT_WARN);
	gate_url(&gate, SPAN("/" BLOCKED));
	assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
	gate_release(&gate);
	/* even a table that holds none of them */
	open_gate(&gate, MODE_BALANCED, &on_match_block);
	gate.findings.dropped = 1;
	assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
	gate_release(&gate);
}

/* ---- hold-back */

static void check_no_octet_leaves(const char *secret, const struct route *route)
{
	char text[128];
	int n = snprintf(
		text, sizeof(text), "a body that is long enough for a window: %s and what follows", secret);
	struct span body = {text, (size_t)n};
	uint64_t begin = (uint64_t)(strstr(text, secret) - text);
	for (size_t piece = 1; piece <= body.n; piece++) {
		struct gate gate;
		open_gate(&gate, MODE_BALANCED, route);
		begin_body(&gate, NULL);
		assert_true(feed(&gate, body, piece, true) <= begin);
		assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
		gate_body(&gate, SPAN("more"), true);
		assert_true(gate_body_safe(&gate) <= begin);
		gate_release(&gate);
	}
}

static void test_no_octet_of_a_match_leaves(void **state)
{
	(void)state;
	check_no_octet_leaves(BLOCKED, NULL);
	check_no_octet_leaves(BLOCKED, &by_rule);
	check_no_octet_leaves(BLOCKED, &on_match_block);
	check_no_octet_leaves(WARNED, &on_match_block);
}

/* Where matches are only reported they go on, all of them. */
static void test_what_is_reported_goes_on(void **state)
{
	(void)state;
	struct span body = SPAN("a body that is long enough for a window: " BLOCKED " and goes on after it");
	static const struct route *const routes[] = {NULL, &on_match_block, &on_match_warn, &on_match_allow};
	for (size_t i = 0; i < COUNT(routes); i++) {
		for (size_t piece = 1; piece <= body.n; piece += 7) {
			struct gate gate;
			open_gate(&gate, i < 2 ? MODE_AUDIT : MODE_BALANCED, routes[i]);
			begin_body(&gate, NULL);
			assert_int_equal(feed(&gate, body, piece, true), body.n);
			assert_int_equal(gate.findings.count, 1);
			gate_release(&gate);
		}
	}
}

static void test_warnings_go_on(void **state)
{
	(void)state;
	struct span body = SPAN("a body that is long enough for a window: " WARNED " and goes on after it");
	for (size_t piece = 1; piece <= body.n; piece++) {
		struct gate gate;
		open_gate(&gate, MODE_BALANCED, NULL);
		begin_body(&gate, NULL);
		assert_int_equal(feed(&gate, body, piece, true), body.n);
		assert_int_equal(gate_verdict(&gate), VERDICT_WARN);
		gate_release(&gate);
	}
}

/* ---- what could not be scanned */

/* Only audit mode lets it through, and then with a word. */
static void check_unscannable(struct gate *gate, enum scan_part part)
{
	assert_non_null(gate->findings.unscannable);
	assert_int_equal(gate->findings.unscannable_part, part);
	assert_int_equal(gate_verdict(gate), gate->report_only ? VERDICT_WARN : VERDICT_BLOCK);
}

static void check_unscannable_body(const char *coding, struct span body)
{
	for (size_t i = 0; i < COUNT(every_route) * COUNT(every_mode); i++) {
		struct gate gate;
		open_gate(&gate, every_mode[i % 3], every_route[i / 3]);
		begin_body(&gate, coding);
		feed(&gate, body, 8, true);
		check_unscannable(&gate, SCAN_BODY);
		assert_int_equal(gate_body_safe(&gate), gate.report_only ? body.n : 0);
		gate_release(&gate);
	}
}

static void test_unknown_codings_are_unscannable(void **state)
{
	(void)state;
	static const char *const codings[] = {"Content-Encoding: compress\r\n", "content-encoding: x\r\n",
		"Content-Encoding: gzip, x\r\n", "Content-Encoding: gzip br\r\n",
		"Content-Encoding: identity\r\nContent-Encoding: x\r\n", "Content-Encoding: gzip;q=1\r\n",
		"Content-Encoding: *\r\n", "Content-Encoding: \"gzip\"\r\n",
		"Content-Encoding: br, br, br\r\nContent-Encoding: br, br\r\n"};
	for (size_t i = 0; i < COUNT(codings); i++)
		check_unscannable_body(codings[i], SPAN("any octets at all"));
}

static void test_broken_codings_are_unscannable(void **state)
{
	(void)state;
	char packed[256];
	struct span body = gzip(SPAN("clean text that is clean"), packed, sizeof(packed));
	check_unscannable_body("Content-Encoding: gzip\r\n", SPAN("this is not gzip at all"));
	check_unscannable_body("Content-Encoding: gzip, deflate\r\n", body);
	check_unscannable_body("Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", body);
	body.n--;
	check_unscannable_body("Content-Encoding: gzip\r\n", body);
}

static void test_codings_are_undone_in_order(void **state)
{
	(void)state;
	static const char *const codings[] = {"Content-Encoding: gzip, x-gzip\r\n",
		"Content-Encoding: gzip\r\nX: y\r\ncontent-encoding: GZIP\r\n",
		"Content-Encoding: identity, gzip, , gzip\r\n"};
	char once[256], twice[512];
	struct span body = gzip(gzip(SPAN("{" BLOCKED "}"), once, sizeof(once)), twice, sizeof(twice));
	for (size_t i = 0; i < COUNT(codings); i++) {
		struct gate gate;
		open_gate(&gate, MODE_BALANCED, NULL);
		begin_body(&gate, codings[i]);
		assert_int_equal(feed(&gate, body, 9, true), 0);
		assert_null(gate.findings.unscannable);
		assert_int_equal(gate.findings.items[0].view, VIEW_CONTENT);
		assert_int_equal(gate_verdict(&gate), VERDICT_BLOCK);
		gate_release(&gate);
	}
}

/* A text on which a rule takes more steps than it may. */
static void test_a_budget_that_runs_out(void **state)
{
	(void)state;
	char text[100] = "slow-";
	memset(text + 5, 'a', 62);
	struct span slow = span_of(text);
	for (size_t i = 0; i < COUNT(every_route) * COUNT(every_mode); i++) {
		struct gate gate;
		enum mode mode = every_mode[i % 3];
		open_gate(&gate, mode, every_route[i / 3]);
		gate_url(&gate, slow);
		check_unscannable(&gate, SCAN_URL);
		/* what follows is of no use, but the first reason stays */
		begin_body(&gate, "Content-Encoding: x\r\n");
		assert_int_equal(feed(&gate, SPAN("body"), 1, true), mode == MODE_AUDIT ? 4 : 0);
		check_unscannable(&gate, SCAN_URL);
		gate_release(&gate);
		open_gate(&gate, mode, every_route[i / 3]);
		gate_text(&gate, SCAN_HEADER, slow);
		check_unscannable(&gate, SCAN_HEADER);
		gate_release(&gate);
		open_gate(&gate, mode, every_route[i / 3]);
		begin_body(&gate, NULL);
		feed(&gate, slow, slow.n, true);
		check_unscannable(&gate, SCAN_BODY);
		gate_release(&gate);
	}
}

/* Octets that no body was begun for don't leave. */
static void test_a_body_that_was_not_begun(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(every_mode); i++) {
		struct gate gate;
		open_gate(&gate, every_mode[i], &on_match_allow);
		gate_body(&gate, SPAN("octets"), true);
		assert_int_equal(gate_body_safe(&gate), 0);
		gate_release(&gate);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_zeroed_gate_blocks),
		cmocka_unit_test(test_a_gate_without_rules_blocks),
		cmocka_unit_test(test_clean_requests_pass),
		cmocka_unit_test(test_bodies_without_octets),
		cmocka_unit_test(test_every_place_is_scanned),
		cmocka_unit_test(test_a_finding_stays),
		cmocka_unit_test(test_fields_are_scanned_whole),
		cmocka_unit_test(test_trailers_are_scanned),
		cmocka_unit_test(test_pieces_of_a_url_are_put_together),
		cmocka_unit_test(test_pieces_of_fields_are_put_together),
		cmocka_unit_test(test_labels_of_host_are_put_together),
		cmocka_unit_test(test_more_cookies_than_there_is_room_for),
		cmocka_unit_test(test_a_secret_at_home),
		cmocka_unit_test(test_rules_for_answers_see_answers),
		cmocka_unit_test(test_fields_of_answers),
		cmocka_unit_test(test_what_no_rule_looks_at),
		cmocka_unit_test(test_rule_route_and_mode),
		cmocka_unit_test(test_findings_beyond_the_table_count),
		cmocka_unit_test(test_no_octet_of_a_match_leaves),
		cmocka_unit_test(test_what_is_reported_goes_on),
		cmocka_unit_test(test_warnings_go_on),
		cmocka_unit_test(test_unknown_codings_are_unscannable),
		cmocka_unit_test(test_broken_codings_are_unscannable),
		cmocka_unit_test(test_codings_are_undone_in_order),
		cmocka_unit_test(test_a_budget_that_runs_out),
		cmocka_unit_test(test_a_body_that_was_not_begun),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
