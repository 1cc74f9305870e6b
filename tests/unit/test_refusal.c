/*
 * What an agent is told: each code's name, status and words, as HTTP/1 and as JSON, and that an answer holds
 * no octet of what was refused.
 */
#include "pipelock/proxy/refusal.h"

#include "common/octets.h"
#include "pipelock/proxy/target.h"
#include "tests/unit/scan_oracle.h"

#include <event2/buffer.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID "r-7f3a"

/* ---- JSON, as strict as RFC 8259 and without white space. Each steps over a value; false: it is none. */

static bool json_read_value(const char **p, const char *end);

static bool json_read_string(const char **p, const char *end)
{
	if (*p == end || *(*p)++ != '"')
		return false;
	while (*p < end && **p != '"') {
		unsigned char c = (unsigned char)*(*p)++;
		if (c < 0x20 || (c == '\\' && *p == end))
			return false;
		if (c != '\\')
			continue;
		c = (unsigned char)*(*p)++;
		if (c == 'u')
			for (int i = 0; i < 4; i++)
				if (*p == end || !octet_is(*(*p)++, OCTET_HEX))
					return false;
		if (!c || !strchr("u\"\\/bfnrt", c))
			return false;
	}
	return *p < end && *(*p)++ == '"';
}

/* The members or elements up to the bracket. */
static bool json_read_items(const char **p, const char *end, bool keys, char bracket)
{
	if (*p < end && **p == bracket) {
		(*p)++;
		return true;
	}
	for (;;) {
		if (keys && (!json_read_string(p, end) || *p == end || *(*p)++ != ':'))
			return false;
		if (!json_read_value(p, end) || *p == end || (**p != ',' && **p != bracket))
			return false;
		if (*(*p)++ == bracket)
			return true;
	}
}

static bool json_read_word(const char **p, const char *end)
{
	static const char *const words[] = {"true", "false", "null"};
	for (size_t i = 0; i < COUNT(words); i++) {
		size_t n = strlen(words[i]);
		if ((size_t)(end - *p) >= n && memcmp(*p, words[i], n) == 0) {
			*p += n;
			return true;
		}
	}
	return false;
}

static bool json_read_value(const char **p, const char *end)
{
	if (*p == end)
		return false;
	if (**p == '"')
		return json_read_string(p, end);
	if (**p == '{' || **p == '[') {
		bool keys = *(*p)++ == '{';
		return json_read_items(p, end, keys, keys ? '}' : ']');
	}
	if (!octet_is(**p, OCTET_DIGIT))
		return json_read_word(p, end);
	bool zero = **p == '0';
	const char *begin = *p;
	while (*p < end && octet_is(**p, OCTET_DIGIT))
		(*p)++;
	return !zero || *p == begin + 1;
}

/* The value of a member as it is written; empty: there is none. */
static struct span json_member(struct span object, const char *name)
{
	const char *p = object.p + 1, *end = object.p + object.n;
	while (p < end && *p == '"') {
		struct span key = {p, 0}, value;
		assert_true(json_read_string(&p, end));
		key.n = (size_t)(p++ - key.p);
		value.p = p;
		assert_true(json_read_value(&p, end));
		value.n = (size_t)(p++ - value.p);
		if (key.n == strlen(name) + 2 && memcmp(key.p + 1, name, key.n - 2) == 0)
			return value;
	}
	return (struct span){"", 0};
}

static void assert_member(struct span object, const char *name, const char *expected)
{
	struct span value = json_member(object, name);
	if (!span_equals(value, span_of(expected)))
		fail_msg("%s is %.*s, not %s", name, SPAN_ARG(value), expected);
}

static void assert_text_member(struct span object, const char *name, const char *text)
{
	char expected[512];
	snprintf(expected, sizeof(expected), "\"%s\"", text);
	assert_member(object, name, expected);
}

/* ---- answers */

struct answer {
	char *octets; /* free it */
	size_t n;
	struct http1_head head;
	struct span body; /* without the line end behind it */
};

static void answer_read_body(struct answer *answer)
{
	struct span body = {answer->octets + answer->head.size, answer->n - answer->head.size};
	const char *p = body.p;
	assert_int_equal(answer->head.framing, HTTP1_LENGTH);
	assert_int_equal(answer->head.length, body.n);
	assert_int_equal(body.p[body.n - 1], '\n');
	answer->body = (struct span){body.p, body.n - 1};
	assert_true(json_read_value(&p, body.p + body.n));
	assert_ptr_equal(p, body.p + body.n - 1);
	assert_int_equal(body.p[0], '{');
}

static void answer_make(
	struct answer *answer, const struct refusal *refusal, const struct refusal_context *context)
{
	struct evbuffer *buffer = evbuffer_new();
	enum http1_error error = HTTP1_OK;
	assert_int_equal(refusal_write(buffer, refusal, context), 0);
	answer->n = evbuffer_get_length(buffer);
	answer->octets = malloc(answer->n);
	assert_int_equal(evbuffer_remove(buffer, answer->octets, answer->n), answer->n);
	evbuffer_free(buffer);
	struct span method = context->head_request ? SPAN("HEAD") : SPAN("GET");
	if (http1_parse_response(answer->octets, answer->n, 0, method, &answer->head, &error) != HTTP1_DONE)
		fail_msg("%s", http1_error_text(error));
	if (!context->head_request)
		answer_read_body(answer);
}

static void assert_field(const struct answer *answer, const char *name, const char *value)
{
	size_t count;
	const struct http1_field *field = http1_find(&answer->head, span_of(name), &count);
	assert_int_equal(count, value != NULL);
	if (value && !span_equals(field->value, span_of(value)))
		fail_msg("%s: %.*s, not %s", name, SPAN_ARG(field->value), value);
}

/* What holds for every answer. */
static void check_answer(const struct refusal *refusal, const struct refusal_context *context)
{
	struct answer answer;
	char status[16];
	answer_make(&answer, refusal, context);
	snprintf(status, sizeof(status), "%u", refusal_status(refusal));
	assert_int_equal(answer.head.status, refusal_status(refusal));
	assert_int_equal(answer.head.minor, 1);
	assert_int_equal(answer.head.keep_alive, !context->close);
	assert_true(answer.head.reason.n > 0);
	assert_field(&answer, "Pipelock-Code", refusal_code_name(refusal));
	assert_field(&answer, "Pipelock-Request", ID);
	assert_field(&answer, "Content-Type", "application/problem+json");
	assert_field(&answer, "Cache-Control", "no-store");
	assert_field(&answer, "Retry-After", answer.head.status == 503 ? "5" : NULL);
	assert_member(answer.body, "type", "\"about:blank\"");
	assert_member(answer.body, "status", status);
	assert_text_member(answer.body, "code", refusal_code_name(refusal));
	assert_text_member(answer.body, "request_id", ID);
	assert_member(answer.body, "retry", refusal_may_retry(refusal) ? "true" : "false");
	assert_true(json_member(answer.body, "title").n > 10);
	free(answer.octets);
}

/* ---- codes: names and statuses are what agents and log readers hold on to */

struct code_case {
	enum refusal_code code;
	const char *name;
	unsigned status;
	bool policy, retry;
};

static const struct code_case codes[] = {
	{REFUSAL_RULE_MATCH, "rule_match", 403, true, false},
	{REFUSAL_UNSCANNABLE, "unscannable", 403, true, false},
	{REFUSAL_ROUTE_DENIED, "route_denied", 403, true, false},
	{REFUSAL_UNNAMED_HOST, "unnamed_host", 403, true, false},
	{REFUSAL_DESTINATION, "destination_refused", 403, true, false},
	{REFUSAL_ADDRESS_LITERAL, "address_literal", 403, true, false},
	{REFUSAL_HOST_MISMATCH, "host_mismatch", 403, true, false},
	{REFUSAL_NO_SNI, "no_server_name", 403, true, false},
	{REFUSAL_NESTED_CONNECT, "nested_connect", 403, true, false},
	{REFUSAL_ABSOLUTE_IN_TUNNEL, "absolute_form_in_tunnel", 403, true, false},
	{REFUSAL_NOT_TLS, "not_tls", 403, true, false},
	{REFUSAL_UPGRADE, "upgrade_refused", 403, true, false},
	{REFUSAL_BAD_REQUEST, "bad_request", 400, true, false},
	{REFUSAL_NOT_PROXY_REQUEST, "not_a_proxy_request", 400, true, false},
	{REFUSAL_TARGET_TOO_LONG, "target_too_long", 414, true, false},
	{REFUSAL_HEAD_TOO_LARGE, "head_too_large", 431, true, false},
	{REFUSAL_TIMEOUT, "request_timeout", 408, true, true},
	{REFUSAL_OVERLOADED, "overloaded", 503, false, true},
	{REFUSAL_AUDIT_UNAVAILABLE, "audit_unavailable", 503, false, true},
	{REFUSAL_STOPPING, "stopping", 503, false, true},
	{REFUSAL_EGRESS_UNAVAILABLE, "egress_unavailable", 502, false, true},
	{REFUSAL_EGRESS_LOST, "egress_lost", 502, false, true},
};

static const struct refusal_context plain = {.request_id = ID};

static void test_codes_keep_their_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(codes); i++) {
		struct refusal refusal = {.code = codes[i].code};
		assert_string_equal(refusal_code_name(&refusal), codes[i].name);
		assert_int_equal(refusal_status(&refusal), codes[i].status);
		assert_int_equal(refusal_is_policy(&refusal), codes[i].policy);
		assert_int_equal(refusal_may_retry(&refusal), codes[i].retry);
	}
}

/* Codes of any kind, also those that the table above does not know: an answer, a name of its own, and policy
 * and outage told apart by the status. */
static void test_each_code_is_an_answer(void **state)
{
	(void)state;
	for (enum refusal_code code = REFUSAL_NONE + 1; code < REFUSAL_CODES; code++) {
		struct refusal refusal = {.code = code};
		struct refusal_context closing = {.request_id = ID, .close = true};
		if (code == REFUSAL_HOP)
			continue;
		const char *name = refusal_code_name(&refusal);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		check_answer(&refusal, &plain);
		check_answer(&refusal, &closing);
		assert_int_equal(refusal_is_policy(&refusal), refusal_status(&refusal) < 500);
		assert_int_equal(refusal_may_retry(&refusal),
			refusal_status(&refusal) >= 500 || refusal_status(&refusal) == 408);
		for (enum refusal_code other = REFUSAL_NONE; other < code; other++)
			assert_string_not_equal(name, refusal_code_name(&(struct refusal){.code = other}));
	}
}

/* A refusal that was zeroed and forgotten: no success, and policy in the log. */
static void test_no_code_is_a_refusal_too(void **state)
{
	(void)state;
	struct refusal refusal = {0};
	assert_int_equal(refusal_status(&refusal), 500);
	assert_true(refusal_is_policy(&refusal));
	assert_false(refusal_may_retry(&refusal));
	struct answer answer;
	answer_make(&answer, &refusal, &plain);
	assert_int_equal(answer.head.status, 500);
	free(answer.octets);
}

/* The agent's mistake or the operator's will is told by 4xx, a failure by 5xx. */
static void test_failures_behind_the_proxy(void **state)
{
	(void)state;
	for (enum hop_failure failure = HOP_UNAUTHORIZED; failure <= HOP_AUDIT_UNAVAILABLE; failure++) {
		struct refusal refusal = {.code = REFUSAL_HOP, .failure = failure};
		bool policy = failure == HOP_DESTINATION_REFUSED;
		unsigned status = hop_failure_status(failure);
		assert_string_equal(refusal_code_name(&refusal), hop_failure_name(failure));
		/* 400 and 407 are between our own roles */
		assert_int_equal(refusal_status(&refusal), policy ? 403 : status < 500 ? 502 : status);
		assert_int_equal(refusal_is_policy(&refusal), policy);
		bool lasting = failure == HOP_DNS_NOT_FOUND || failure == HOP_TLS_UNTRUSTED;
		assert_int_equal(refusal_may_retry(&refusal), !policy && !lasting);
		check_answer(&refusal, &plain);
	}
}

/* The same refusal, whoever of the two looked. */
static void test_a_refused_destination_is_one_code(void **state)
{
	(void)state;
	struct refusal literal = {.code = REFUSAL_DESTINATION};
	struct refusal resolved = {.code = REFUSAL_HOP, .failure = HOP_DESTINATION_REFUSED};
	struct answer a, b;
	answer_make(&a, &literal, &plain);
	answer_make(&b, &resolved, &plain);
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.octets, b.octets, a.n);
	free(a.octets);
	free(b.octets);
}

static void test_malformed_heads(void **state)
{
	(void)state;
	for (enum http1_error error = HTTP1_BAD_START_LINE; error <= HTTP1_TOO_MANY_FIELDS; error++) {
		struct refusal refusal = refusal_from_http1(error);
		enum refusal_code code = error == HTTP1_TARGET_TOO_LONG ? REFUSAL_TARGET_TOO_LONG
					 : error == HTTP1_HEAD_TOO_LARGE || error == HTTP1_TOO_MANY_FIELDS
						 ? REFUSAL_HEAD_TOO_LARGE
						 : REFUSAL_BAD_REQUEST;
		struct answer answer;
		char reason[256];
		assert_int_equal(refusal.code, code);
		assert_int_equal(refusal_status(&refusal), http1_error_status(error));
		check_answer(&refusal, &plain);
		answer_make(&answer, &refusal, &plain);
		struct span told = json_member(answer.body, "reason");
		int n = snprintf(reason, sizeof(reason), "%s", http1_error_text(error));
		assert_int_equal(told.n, n + 2 + 2 * (strchr(reason, '"') != NULL)); /* "chunked" */
		free(answer.octets);
	}
}

/* ---- what else is told */

static const struct rule warning = {.id = "warns", .description = "W", .action = VERDICT_WARN};
static const struct rule blocking = {.id = "blocks", .description = "A \"B\"\n", .action = VERDICT_BLOCK};

static void test_the_rule_that_blocked_is_named(void **state)
{
	(void)state;
	struct findings findings = {.count = 2,
		.items = {{.rule = &warning, .part = SCAN_URL},
			{.rule = &blocking, .part = SCAN_BODY, .view = VIEW_CONTENT}}};
	struct refusal refusal = {.code = REFUSAL_RULE_MATCH};
	struct refusal_context context = {.request_id = ID, .findings = &findings, .route = SPAN("to-model")};
	struct answer answer;
	check_answer(&refusal, &context);
	answer_make(&answer, &refusal, &context);
	assert_member(answer.body, "rule", "\"blocks\"");
	assert_member(answer.body, "where", "\"body\"");
	assert_member(answer.body, "route", "\"to-model\"");
	assert_member(answer.body, "findings",
		"[{\"rule\":\"warns\",\"description\":\"W\",\"where\":\"url\",\"view\":\"raw\"},"
		"{\"rule\":\"blocks\",\"description\":\"A \\\"B\\\"\\n\",\"where\":\"body\",\"view\":"
		"\"content\"}]");
	free(answer.octets);
	findings.count = 1; /* a route made the warning block */
	answer_make(&answer, &refusal, &context);
	assert_member(answer.body, "rule", "\"warns\"");
	free(answer.octets);
	findings.count = 0;
	context.route.n = 0;
	answer_make(&answer, &refusal, &context);
	assert_member(answer.body, "rule", "");
	assert_member(answer.body, "route", "");
	assert_member(answer.body, "findings", "[]");
	free(answer.octets);
}

static void test_reasons_and_details(void **state)
{
	(void)state;
	struct findings findings = {.unscannable = "the budget",
		.unscannable_part = SCAN_HEADER,
		.count = 1,
		.items = {{.rule = &blocking}}};
	struct refusal_context context = {.request_id = ID, .findings = &findings};
	struct refusal refusal = {.code = REFUSAL_UNSCANNABLE};
	struct answer answer;
	answer_make(&answer, &refusal, &context);
	assert_member(answer.body, "where", "\"header\"");
	assert_member(answer.body, "reason", "\"the budget\"");
	assert_member(answer.body, "findings", "");
	free(answer.octets);
	refusal = (struct refusal){.code = REFUSAL_BAD_REQUEST, .detail = "A sentence."};
	answer_make(&answer, &refusal, &context);
	assert_member(answer.body, "reason", "\"A sentence.\"");
	assert_member(answer.body, "detail", "");
	free(answer.octets);
	/* egress's word stays in the body, and one string there, whatever it holds */
	refusal = (struct refusal){.code = REFUSAL_HOP, .failure = HOP_TLS_UNTRUSTED};
	memset(refusal.note, '"', sizeof(refusal.note) - 1);
	memcpy(refusal.note, "a\",\"retry\":false}\\", 18);
	check_answer(&refusal, &context);
	answer_make(&answer, &refusal, &context);
	assert_int_equal(json_member(answer.body, "detail").n, 2 + 14 + 2 * 185);
	assert_null(memmem(answer.octets, answer.head.size, "false", 5));
	free(answer.octets);
}

static void test_head_has_no_body(void **state)
{
	(void)state;
	struct refusal refusal = {.code = REFUSAL_ROUTE_DENIED};
	struct refusal_context context = {.request_id = ID, .head_request = true};
	struct answer get, head;
	answer_make(&get, &refusal, &plain);
	answer_make(&head, &refusal, &context);
	assert_int_equal(head.n, head.head.size);
	assert_int_equal(head.n, get.head.size);
	assert_memory_equal(head.octets, get.octets, head.n);
	free(get.octets);
	free(head.octets);
}

/* Answers follow one another on a kept connection. */
static void test_answers_are_appended(void **state)
{
	(void)state;
	struct evbuffer *buffer = evbuffer_new();
	struct refusal refusal = {.code = REFUSAL_NO_SNI};
	struct answer once;
	answer_make(&once, &refusal, &plain);
	evbuffer_add(buffer, "before", 6);
	assert_int_equal(refusal_write(buffer, &refusal, &plain), 0);
	assert_int_equal(refusal_write(buffer, &refusal, &plain), 0);
	assert_int_equal(evbuffer_get_length(buffer), 6 + 2 * once.n);
	const char *octets = (const char *)evbuffer_pullup(buffer, -1);
	assert_memory_equal(octets, "before", 6);
	assert_memory_equal(octets + 6, once.octets, once.n);
	assert_memory_equal(octets + 6 + once.n, once.octets, once.n);
	evbuffer_free(buffer);
	free(once.octets);
}

/* ---- a table full of findings */

static void make_full_table(struct findings *findings, struct rule *rules, const char *description)
{
	static char ids[SCAN_MAX_FINDINGS][65];
	memset(findings, 0, sizeof(*findings));
	for (int i = 0; i < SCAN_MAX_FINDINGS; i++) {
		snprintf(ids[i], sizeof(ids[i]), "%064d", i);
		rules[i] = (struct rule){.id = ids[i], .description = description, .action = VERDICT_BLOCK};
		findings->items[i] = (struct finding){
			.rule = &rules[i], .part = SCAN_WEBSOCKET, .view = VIEW_PLAIN, .count = 1};
	}
	findings->count = SCAN_MAX_FINDINGS;
	findings->dropped = UINT64_MAX;
	findings->blocked = true;
}

static size_t count_in(struct span text, const char *what)
{
	size_t count = 0;
	for (const char *p = text.p; (p = memmem(p, (size_t)(text.p + text.n - p), what, strlen(what))); p++)
		count++;
	return count;
}

static void test_a_full_table_is_told_whole(void **state)
{
	(void)state;
	struct findings findings;
	struct rule rules[SCAN_MAX_FINDINGS];
	char description[1801];
	memset(description, 'd', sizeof(description) - 1);
	description[sizeof(description) - 1] = '\0';
	make_full_table(&findings, rules, description);
	struct refusal refusal = {.code = REFUSAL_RULE_MATCH};
	struct refusal_context context = {.request_id = ID, .findings = &findings, .route = SPAN("r")};
	struct answer answer;
	check_answer(&refusal, &context);
	answer_make(&answer, &refusal, &context);
	struct span list = json_member(answer.body, "findings");
	assert_int_equal(count_in(list, "{\"rule\":\"0"), SCAN_MAX_FINDINGS);
	assert_int_equal(count_in(list, description), SCAN_MAX_FINDINGS);
	assert_text_member(answer.body, "rule", rules[0].id);
	free(answer.octets);
}

/* Descriptions without end: less is told, but the answer is whole and says what it is. */
static void test_an_overfull_table_is_still_an_answer(void **state)
{
	(void)state;
	enum { SIZE = 70000 };
	struct findings findings;
	struct rule rules[SCAN_MAX_FINDINGS];
	char *description = malloc(SIZE);
	memset(description, '\x1b', SIZE - 1);
	description[SIZE - 1] = '\0';
	make_full_table(&findings, rules, description);
	struct refusal refusal = {.code = REFUSAL_RULE_MATCH};
	struct refusal_context context = {.request_id = ID, .findings = &findings};
	struct answer answer;
	answer_make(&answer, &refusal, &context);
	assert_int_equal(answer.head.status, 403);
	assert_field(&answer, "Pipelock-Code", "rule_match");
	assert_member(answer.body, "code", "\"rule_match\"");
	free(answer.octets);
	free(description);
}

/* ---- nothing of the request comes back */

#define SECRET "ghp_zQ8xVj7kW4q"

static void assert_no_trace(const struct answer *answer, const char *secret)
{
	size_t n = strlen(secret);
	for (size_t i = 0; i + 4 <= n; i++)
		if (memmem(answer->octets, answer->n, secret + i, 4))
			fail_msg("%.4s came back", secret + i);
}

static void test_no_octet_of_a_secret_comes_back(void **state)
{
	(void)state;
	struct ruleset *set = oracle_ruleset(
		"version: 1\nrules:\n- {id: r, description: D, regex: 'gh[p]_[A-Za-z0-9]{8,12}'}\n");
	struct scanner *scanner = scanner_new(set, oracle_key);
	ruleset_put(set);
	struct findings findings = {0};
	struct scan_target target = {SPAN("h.example"), SPAN("Cookie")};
	scan_text(scanner, SCAN_URL, &target, SPAN("https://h.example/" SECRET "?" SECRET), &findings);
	scan_text(scanner, SCAN_HEADER, &target, SPAN("Cookie: " SECRET "Z"), &findings);
	scan_text(scanner, SCAN_HEADER, &target, SPAN("Cookie: %67hp_zQ8xVj7kW4q"), &findings);
	assert_int_equal(findings.count, 2);
	findings.unscannable = "static";
	struct refusal_context context = {.request_id = ID, .findings = &findings, .route = SPAN("r")};
	for (enum refusal_code code = REFUSAL_NONE; code < REFUSAL_HOP; code++) {
		struct refusal refusal = {.code = code};
		struct answer answer;
		answer_make(&answer, &refusal, &context);
		assert_no_trace(&answer, SECRET);
		assert_no_trace(&answer, "%67hp");
		assert_no_trace(&answer, "h.example");
		free(answer.octets);
	}
	scanner_free(scanner);
}

/* Each malformed in another way, the secret beside what is wrong or in it. */
static void test_no_octet_of_a_malformed_head_comes_back(void **state)
{
	(void)state;
	static const char *const heads[] = {SECRET, SECRET " / HTTP/1.1\r\n\r\n",
		"GET " SECRET " HTTP/1.1\r\n", "GET /" SECRET "# HTTP/1.1\r\n\r\n",
		"GET / HTTP/" SECRET "\r\n\r\n", "GET / HTTP/1.1\r\n" SECRET " : x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: @" SECRET "\r\n\r\n",
		"GET http://" SECRET "@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " SECRET "\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " SECRET "\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: " SECRET "\x01\r\n\r\n"};
	for (size_t i = 0; i < COUNT(heads); i++) {
		struct http1_head head;
		enum http1_error error = HTTP1_OK;
		size_t n = strlen(heads[i]);
		if (http1_parse_request(heads[i], n, 0, &head, &error) != HTTP1_BAD)
			error = HTTP1_BAD_START_LINE; /* cut off */
		struct refusal refusal = refusal_from_http1(error);
		struct answer answer;
		answer_make(&answer, &refusal, &plain);
		assert_no_trace(&answer, SECRET);
		free(answer.octets);
	}
}

static void test_no_octet_of_a_bad_target_comes_back(void **state)
{
	(void)state;
	static const char *const targets[] = {"/" SECRET, "/ " SECRET, "http://" SECRET "@a/",
		"ws://a/" SECRET, "http://a/" SECRET "#", SECRET, "*" SECRET};
	struct authority tunnel;
	assert_true(authority_parse(SPAN("h.example:443"), 0, &tunnel));
	for (size_t i = 0; i < 2 * COUNT(targets); i++) {
		struct http1_head head = {
			.method = SPAN("GET"), .target = span_of(targets[i / 2]), .host = SPAN(SECRET "@")};
		struct target target;
		struct refusal refusal;
		struct answer answer;
		assert_int_not_equal(
			target_resolve(&head, i % 2 ? &tunnel : NULL, &target, &refusal), REFUSAL_NONE);
		answer_make(&answer, &refusal, &plain);
		assert_no_trace(&answer, SECRET);
		free(answer.octets);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes_keep_their_names),
		cmocka_unit_test(test_each_code_is_an_answer),
		cmocka_unit_test(test_no_code_is_a_refusal_too),
		cmocka_unit_test(test_failures_behind_the_proxy),
		cmocka_unit_test(test_a_refused_destination_is_one_code),
		cmocka_unit_test(test_malformed_heads),
		cmocka_unit_test(test_the_rule_that_blocked_is_named),
		cmocka_unit_test(test_reasons_and_details),
		cmocka_unit_test(test_head_has_no_body),
		cmocka_unit_test(test_answers_are_appended),
		cmocka_unit_test(test_a_full_table_is_told_whole),
		cmocka_unit_test(test_an_overfull_table_is_still_an_answer),
		cmocka_unit_test(test_no_octet_of_a_secret_comes_back),
		cmocka_unit_test(test_no_octet_of_a_malformed_head_comes_back),
		cmocka_unit_test(test_no_octet_of_a_bad_target_comes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
