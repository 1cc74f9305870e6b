/*
 * What the log tells of a decision: valid members on one line, bounded whatever they are made of, and never
 * an octet that a rule matched, also where the place of a match is not exact.
 */
#include "common/keeper.h"
#include "pipelock/audit/event.h"
#include "pipelock/audit/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECRET "S3CR3T"

static const struct rule rule = {.id = "some-rule", .severity = SEVERITY_HIGH, .action = VERDICT_BLOCK};

/* A finding of the first SECRET in the URL. */
static struct findings found(const char *url, enum scan_view view, unsigned count)
{
	struct findings findings = {0};
	const char *at = strstr(url, SECRET);
	assert_non_null(at);
	findings.items[0] = (struct finding){.rule = &rule,
		.part = SCAN_URL,
		.view = view,
		.count = count,
		.offset = (uint64_t)(at - url),
		.length = strlen(SECRET)};
	findings.count = 1;
	return findings;
}

static const char *mask(const char *url, const struct findings *findings)
{
	static char out[AUDIT_URL_ROOM + 1];
	out[audit_url_mask(span_of(url), findings, out)] = '\0';
	return out;
}

static void a_url_without_findings_stays(void **state)
{
	(void)state;
	struct findings none = {0};
	assert_string_equal(mask("https://h.example/a?b=c", NULL), "https://h.example/a?b=c");
	assert_string_equal(mask("https://h.example/a?b=c", &none), "https://h.example/a?b=c");
	assert_string_equal(mask("", &none), "");
}

static void a_match_is_masked(void **state)
{
	(void)state;
	static const struct {
		const char *url, *raw, *decoded;
	} cases[] = {
		{"http://h/x" SECRET "y?a=1", "http://h/x***y?a=1", "http://h/***?a=1"},
		{"http://h/p?a=x" SECRET "y&b=2", "http://h/p?a=x***y&b=2", "http://h/p?a=***&b=2"},
		{"http://h/" SECRET, "http://h/***", "http://h/***"},
		{"http://" SECRET ".h/", "http://***.h/", "***/"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct findings raw = found(cases[i].url, VIEW_RAW, 1),
				decoded = found(cases[i].url, VIEW_PLAIN, 1);
		assert_string_equal(mask(cases[i].url, &raw), cases[i].raw);
		const char *masked = mask(cases[i].url, &decoded);
		assert_null(strstr(masked, SECRET));
		if (i < 3)
			assert_string_equal(masked, cases[i].decoded);
	}
}

static void every_repetition_is_masked(void **state)
{
	(void)state;
	const char *url = "http://h/" SECRET "/" SECRET "?q=" SECRET;
	for (unsigned count = 1; count <= 3; count++) {
		struct findings findings = found(url, VIEW_RAW, count);
		assert_string_equal(mask(url, &findings), "http://h/***/***?q=***");
	}
	/* One more than can be seen: it stands there in another form. */
	struct findings findings = found(url, VIEW_RAW, 4);
	assert_string_equal(mask(url, &findings), "http://h***");
}

static void in_doubt_nothing_behind_the_authority_is_told(void **state)
{
	(void)state;
	const char *url = "http://h:8080/" SECRET "?a=1";
	struct findings findings = found(url, VIEW_RAW, 1);
	findings.dropped = 1;
	assert_string_equal(mask(url, &findings), "http://h:8080***");
	findings = (struct findings){.unscannable = "budget", .unscannable_part = SCAN_URL};
	assert_string_equal(mask(url, &findings), "http://h:8080***");
	findings.unscannable_part = SCAN_BODY;
	assert_string_equal(mask(url, &findings), url);
	findings = found(url, VIEW_RAW, 1);
	findings.items[0].offset = 10000;
	assert_string_equal(mask(url, &findings), "http://h:8080***");
	findings.items[0].offset = 0;
	findings.items[0].length = 0;
	assert_string_equal(mask(url, &findings), "http://h:8080***");
	findings.items[0].offset = 15;
	findings.items[0].length = UINT64_MAX;
	assert_null(strstr(mask(url, &findings), "a=1"));
}

static void findings_elsewhere_mask_nothing_here(void **state)
{
	(void)state;
	const char *url = "http://h/" SECRET;
	struct findings findings = found(url, VIEW_RAW, 1);
	findings.items[0].part = SCAN_BODY;
	assert_string_equal(mask(url, &findings), url);
}

static void any_extent_in_any_view_is_covered(void **state)
{
	(void)state;
	static const char url[] = "https://abc.defg/hijk/lm?no=pq&rs=tu";
	for (size_t begin = 0; begin < sizeof(url) - 1; begin++) {
		for (size_t end = begin + 1; end < sizeof(url); end++) {
			for (int view = 0; view < SCAN_VIEWS; view++) {
				char secret[64] = "";
				memcpy(secret, url + begin, end - begin);
				struct findings findings = {.count = 1};
				findings.items[0] = (struct finding){.rule = &rule,
					.part = SCAN_URL,
					.view = (enum scan_view)view,
					.count = 1,
					.offset = begin,
					.length = end - begin};
				const char *masked = mask(url, &findings);
				assert_non_null(strstr(masked, AUDIT_MASK));
				assert_null(strstr(masked, secret));
				if (begin < 16)
					assert_true(audit_mask_covers_host(span_of(url), &findings));
			}
		}
	}
}

static void many_findings_overflow_into_silence(void **state)
{
	(void)state;
	char url[1024] = "http://h/";
	struct findings findings = {.count = SCAN_MAX_FINDINGS};
	memset(url + 9, 'a', 900);
	for (size_t i = 0; i < SCAN_MAX_FINDINGS; i++)
		findings.items[i] = (struct finding){
			.rule = &rule, .part = SCAN_URL, .count = 1, .offset = 9 + i, .length = 1 + i % 3};
	assert_string_equal(mask(url, &findings), "***");
	assert_true(audit_mask_covers_host(span_of(url), &findings));
}

static void a_long_url_is_cut_after_masking(void **state)
{
	(void)state;
	static char url[40000];
	memset(url, 'x', sizeof(url) - 1);
	memcpy(url, "http://h/", 9);
	/* Across the cut: nothing of it is left. */
	memcpy(url + AUDIT_MAX_URL - 3, SECRET, strlen(SECRET));
	struct findings findings = found(url, VIEW_RAW, 1);
	const char *masked = mask(url, &findings);
	assert_true(strlen(masked) <= AUDIT_MAX_URL + 3);
	assert_null(strstr(masked, "S3"));
	assert_int_equal(strlen(mask(url, NULL)), AUDIT_MAX_URL);
}

static const char *render(const struct audit_event *event)
{
	static char text[KEEPER_MAX_RECORD + 1];
	struct json json;
	json_init(&json, KEEPER_MAX_RECORD);
	assert_true(audit_event_render(event, &json));
	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(json_text(&json)));
	json_release(&json);
	return text;
}

static void an_event_is_rendered(void **state)
{
	(void)state;
	struct findings findings = found("http://h/" SECRET, VIEW_RAW, 1);
	struct audit_event event = {.time_ms = 1767225600123,
		.event = "request",
		.id = "0123",
		.agent = SPAN("192.0.2.1"),
		.method = SPAN("GET"),
		.url = SPAN("http://h/" SECRET),
		.host = SPAN("h"),
		.port = 80,
		.has_verdict = true,
		.code = "rule_match",
		.findings = &findings,
		.tls = AUDIT_TLS_PLAIN,
		.status = 403,
		.has_traffic = true,
		.scanned_bytes = 15,
		.duration_ms = 2};
	assert_string_equal(render(&event), "\"time\":\"2026-01-01T00:00:00.123Z\",\"event\":\"request\","
					    "\"id\":\"0123\",\"agent\":\"192.0.2.1\","
					    "\"method\":\"GET\",\"url\":\"http://h/"
					    "***\",\"host\":\"h\",\"port\":80,\"verdict\":\"block\","
					    "\"code\":\"rule_match\",\"findings\":[{\"rule\":\"some-rule\","
					    "\"tier\":\"pattern\",\"severity\":\"high\",\"action\":\"block\","
					    "\"part\":\"url\",\"view\":\"raw\",\"count\":1,\"fingerprint\":"
					    "\"00000000000000000000000000000000\"}],"
					    "\"tls\":\"plain\",\"status\":403,\"request_bytes\":0,\"response_"
					    "bytes\":0,\"scanned_bytes\":15,"
					    "\"duration_ms\":2");
}

static void a_secret_in_the_host_is_in_no_member(void **state)
{
	(void)state;
	struct findings findings = found("https://" SECRET ".example/", VIEW_RAW, 1);
	struct audit_event event = {.event = "request",
		.url = SPAN("https://" SECRET ".example/"),
		.host = SPAN(SECRET ".example"),
		.findings = &findings};
	assert_null(strstr(render(&event), SECRET));
	/* Also when there is no URL to find it in. */
	event.url = (struct span){0};
	assert_null(strstr(render(&event), SECRET));
}

static void the_longest_event_fits_into_a_record(void **state)
{
	(void)state;
	static char long_text[100000], id[1000];
	memset(long_text, '\x01', sizeof(long_text));
	memset(id, '"', sizeof(id) - 1);
	struct rule long_rule = rule;
	long_rule.id = id;
	struct findings findings = {.count = SCAN_MAX_FINDINGS, .dropped = UINT64_MAX, .unscannable = id};
	for (size_t i = 0; i < SCAN_MAX_FINDINGS; i++)
		findings.items[i] =
			(struct finding){.rule = &long_rule, .part = SCAN_BODY, .count = UINT32_MAX};
	struct span text = {long_text, sizeof(long_text)};
	findings.unscannable_part = SCAN_BODY;
	struct audit_event event = {.event = "request",
		.id = id,
		.agent = text,
		.method = text,
		.url = text,
		.host = text,
		.port = 65535,
		.route = id,
		.has_verdict = true,
		.code = id,
		.findings = &findings,
		.tls = AUDIT_TLS_SPLICED,
		.status = 599,
		.has_traffic = true,
		.request_bytes = UINT64_MAX,
		.detail = text};
	assert_true(strlen(render(&event)) <= KEEPER_MAX_RECORD);
}

static void times_have_one_width(void **state)
{
	(void)state;
	char out[AUDIT_TIME_SIZE];
	assert_string_equal(audit_time_format(0, out), "1970-01-01T00:00:00.000Z");
	assert_string_equal(audit_time_format(-5, out), "1970-01-01T00:00:00.000Z");
	assert_string_equal(audit_time_format(1709210096007, out), "2024-02-29T12:34:56.007Z");
	assert_string_equal(audit_time_format(INT64_MAX, out), "9999-12-31T23:59:59.999Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_url_without_findings_stays),
		cmocka_unit_test(a_match_is_masked),
		cmocka_unit_test(every_repetition_is_masked),
		cmocka_unit_test(in_doubt_nothing_behind_the_authority_is_told),
		cmocka_unit_test(findings_elsewhere_mask_nothing_here),
		cmocka_unit_test(any_extent_in_any_view_is_covered),
		cmocka_unit_test(many_findings_overflow_into_silence),
		cmocka_unit_test(a_long_url_is_cut_after_masking),
		cmocka_unit_test(an_event_is_rendered),
		cmocka_unit_test(a_secret_in_the_host_is_in_no_member),
		cmocka_unit_test(the_longest_event_fits_into_a_record),
		cmocka_unit_test(times_have_one_width),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
