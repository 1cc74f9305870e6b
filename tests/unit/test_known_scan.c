/*
 * Known values in the scanner: in every view of a text and of a body, as a whole and in part; what a finding
 * of them says; where they are at home; and that nothing of one is ever safe to let go.
 */
#include "pipelock/audit/event.h"
#include "tests/unit/scan_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <zlib.h>

#include <cmocka.h>

#define SECRET "q7Rk2Lw9Zt4Vx8Bn3Mc6Hd1Jf5Gs0PyTeUaWoIi"
#define PART "Vx8Bn3Mc6Hd1Jf5G"
#define TOO_SHORT "Vx8Bn3Mc6Hd1Jf5"
#define CANARY "trap/door+47=x"
#define BRIEF "fZ7!qR2x"
#define PROSE "Who? Me! No, you; #7 (x)" /* that no other view could want to wait for */
#define WARNED "only-a-warning-3b7f"

static struct known_set *known;
static struct scanner *scanner;

static struct scanner *new_scanner(const char *rules)
{
	struct ruleset *set = oracle_ruleset(rules);
	struct scanner *made = scanner_new(set, oracle_key);
	ruleset_put(set);
	assert_non_null(made);
	scanner_set_known(made, known);
	return made;
}

static int set_up(void **state)
{
	(void)state;
	static const char *const hosts[] = {"api.example", "*.svc.example", NULL};
	static const uint8_t key[KNOWN_KEY_SIZE] = {9};
	const struct known_value values[] = {
		{.tier = TIER_KNOWN, .name = "token", .hosts = hosts, .line = 3, .value = SPAN(SECRET)},
		{.tier = TIER_CANARY, .name = "trap", .value = SPAN(CANARY)},
		{.tier = TIER_KNOWN, .name = "mild", .action = VERDICT_WARN, .value = SPAN(WARNED)},
		{.tier = TIER_KNOWN, .name = "brief", .value = SPAN(BRIEF)},
		{.tier = TIER_KNOWN, .name = "prose", .value = SPAN(PROSE)}};
	size_t which;
	const char *why;
	known = known_set_build(values, 5, "c.yaml", key, &which, &why);
	if (!known)
		return -1;
	scanner = new_scanner(oracle_rules);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scanner_free(scanner);
	known_set_free(known);
	return 0;
}

static bool has(const struct findings *findings, const char *id)
{
	for (size_t i = 0; i < findings->count; i++)
		if (strcmp(findings->items[i].rule->id, id) == 0)
			return true;
	return false;
}

/* ---- encodings */

typedef size_t encode(const char *text, char *out);

static size_t as_is(const char *text, char *out)
{
	return (size_t)sprintf(out, "%s", text);
}

static size_t hex(const char *text, char *out)
{
	size_t n = 0;
	for (; *text; text++)
		n += (size_t)sprintf(out + n, "%02x", (unsigned char)*text);
	return n;
}

static size_t hex_in_pairs(const char *text, char *out)
{
	size_t n = 0;
	for (; *text; text++)
		n += (size_t)sprintf(out + n, "%02X ", (unsigned char)*text);
	return n;
}

static size_t percent(const char *text, char *out)
{
	size_t n = 0;
	for (; *text; text++)
		n += (size_t)sprintf(out + n, "%%%02x", (unsigned char)*text);
	return n;
}

static size_t twice_percent(const char *text, char *out)
{
	size_t n = 0;
	for (; *text; text++)
		n += (size_t)sprintf(out + n, "%%25%02x", (unsigned char)*text);
	return n;
}

static size_t unicode(const char *text, char *out)
{
	size_t n = 0;
	for (; *text; text++)
		n += (size_t)sprintf(out + n, "\\u%04x", (unsigned char)*text);
	return n;
}

static size_t entities(const char *text, char *out)
{
	size_t n = 0;
	for (; *text; text++)
		n += (size_t)sprintf(out + n, "&#%d;", (unsigned char)*text);
	return n;
}

static size_t full_width(const char *text, char *out)
{
	size_t n = 0;
	for (; *text; text++)
		n += (size_t)sprintf(
			out + n, "\xef%c%c", 0xbc + (*text - '!' + 1) / 64, 0x80 + (*text - '!' + 1) % 64);
	return n;
}

static size_t in_base(const char *text, char *out, const char *alphabet, unsigned bits)
{
	size_t n = 0;
	unsigned held = 0, count = 0;
	for (; *text; text++) {
		held = held << 8 | (unsigned char)*text;
		for (count += 8; count >= bits; count -= bits)
			out[n++] = alphabet[held >> (count - bits) & ((1u << bits) - 1)];
	}
	if (count > 0)
		out[n++] = alphabet[held << (bits - count) & ((1u << bits) - 1)];
	out[n] = 0;
	return n;
}

static size_t base64(const char *text, char *out)
{
	return in_base(text, out, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6);
}

static size_t base64_url(const char *text, char *out)
{
	return in_base(text, out, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 6);
}

static size_t base32(const char *text, char *out)
{
	return in_base(text, out, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5);
}

static size_t twice_base64(const char *text, char *out)
{
	char once[1024];
	base64(text, once);
	return base64(once, out);
}

static size_t percent_in_base64(const char *text, char *out)
{
	char once[1024];
	percent(text, once);
	return base64(once, out);
}

static const struct {
	const char *name;
	encode *encode;
} encodings[] = {{"as is", as_is}, {"hex", hex}, {"hex in pairs", hex_in_pairs}, {"percent", percent},
	{"twice percent", twice_percent}, {"unicode", unicode}, {"entities", entities},
	{"full width", full_width}, {"base64", base64}, {"base64 url", base64_url}, {"base32", base32},
	{"twice base64", twice_base64}, {"percent in base64", percent_in_base64}};
#define ENCODINGS (sizeof(encodings) / sizeof(encodings[0]))

static void assert_text(const char *value, const char *id, bool expected)
{
	for (size_t i = 0; i < ENCODINGS; i++) {
		char text[4096];
		struct findings findings = {0};
		size_t n = (size_t)sprintf(text, "https://a.example/p/");
		n += encodings[i].encode(value, text + n);
		n += (size_t)sprintf(text + n, "/q?x=1");
		scan_text(scanner, SCAN_URL, NULL, (struct span){text, n}, &findings);
		assert_null(findings.unscannable);
		if (has(&findings, id) != expected)
			fail_msg("%s %s in: %s", id, expected ? "not found" : "found", text);
	}
}

static void test_text_in_every_encoding(void **state)
{
	(void)state;
	assert_text(SECRET, "known:token", true);
	assert_text(PART, "known:token", true);
	assert_text(TOO_SHORT, "known:token", false);
	assert_text(CANARY, "canary:trap", true);
	struct findings findings = {0};
	scan_text(scanner, SCAN_URL, NULL, SPAN("https://a.example/trap/door+47=?rap/door+47=x"), &findings);
	assert_int_equal(findings.count, 0);
}

/* Runs that are too short to be undone. What stands before the value moves it within the octets of its run.
 */
static void test_brief_values_alone(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 5; shift++) {
		for (size_t i = 0; i < ENCODINGS; i++) {
			char value[32], text[1024];
			struct findings findings = {0};
			if (encodings[i].encode == hex_in_pairs || encodings[i].encode == twice_base64)
				continue;
			sprintf(value, "%.*s" BRIEF, (int)shift, "..a.");
			size_t n = (size_t)sprintf(text, "X-Note: ");
			n += encodings[i].encode(value, text + n);
			scan_text(scanner, SCAN_HEADER, NULL, (struct span){text, n}, &findings);
			if (!has(&findings, "known:brief"))
				fail_msg("not found: %s", text);
		}
	}
	assert_text("fZ7!qR2", "known:brief", false);
	assert_text("Z7!qR2x", "known:brief", false);
}

static bool in_body(struct scanner *with, struct span body, size_t step, const enum coding *coding,
	size_t count, const char *id, struct findings *findings)
{
	memset(findings, 0, sizeof(*findings));
	struct scan_stream *stream =
		scan_stream_new(with, SCAN_BODY, NULL, coding, count, SPAN("application/json"), findings);
	assert_non_null(stream);
	do {
		size_t n = step && step < body.n ? step : body.n;
		scan_stream_feed(stream, (struct span){body.p, n}, n == body.n, findings);
		body = (struct span){body.p + n, body.n - n};
	} while (body.n > 0);
	scan_stream_free(stream);
	assert_null(findings->unscannable);
	return has(findings, id);
}

static void test_body_in_every_encoding(void **state)
{
	(void)state;
	static const char *const values[] = {SECRET, PART, CANARY};
	for (size_t v = 0; v < 3; v++) {
		for (size_t i = 0; i < ENCODINGS; i++) {
			char text[4096];
			struct findings findings;
			const char *id = v == 2 ? "canary:trap" : "known:token";
			size_t n = (size_t)sprintf(text, "{\"a\": [\"");
			n += encodings[i].encode(values[v], text + n);
			n += (size_t)sprintf(text + n, "\"], \"b\": 1}");
			for (size_t step = 0; step < 40; step = step ? step * 3 : 1)
				if (!in_body(scanner, (struct span){text, n}, step, NULL, 0, id, &findings))
					fail_msg("%s not found: %s", id, text);
		}
	}
}

static void test_packed_and_split(void **state)
{
	(void)state;
	static const char split[] =
		"{\"a\": \"q7Rk2Lw9Zt4Vx8\", \"b\": \"Bn3Mc6Hd1Jf5Gs\", \"c\": \"0PyTeUaWoIi\"}";
	static const char body[] = "{\"k\": \"" SECRET "\"}";
	const enum coding gzip[] = {CODING_GZIP};
	struct findings findings;
	unsigned char packed[512];
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)body,
		.avail_in = sizeof(body) - 1,
		.next_out = packed,
		.avail_out = sizeof(packed)};
	assert_true(in_body(scanner, SPAN(split), 0, NULL, 0, "known:token", &findings));
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	struct span octets = {(char *)packed, sizeof(packed) - z.avail_out};
	deflateEnd(&z);
	assert_true(in_body(scanner, octets, 1, gzip, 1, "known:token", &findings));
	assert_int_equal(findings.items[0].view, VIEW_CONTENT);
	assert_true(in_body(scanner, octets, 7, NULL, 0, "known:token", &findings));
	assert_int_equal(findings.items[0].view, VIEW_UNPACKED);
}

/* ---- what a finding says */

static void test_finding(void **state)
{
	(void)state;
	struct span text = SPAN("https://a.example/?a=" SECRET "&b=" SECRET "&c=" PART);
	struct findings findings = {0};
	assert_int_equal(scan_text(scanner, SCAN_URL, NULL, text, &findings), SCAN_FOUND);
	assert_true(findings.blocked && !findings.warned);
	assert_int_equal(findings.count, 2);
	const struct finding *whole = &findings.items[0], *part = &findings.items[1];
	assert_string_equal(whole->rule->id, "known:token");
	assert_int_equal(whole->rule->tier, TIER_KNOWN);
	assert_int_equal(whole->rule->line, 3);
	assert_int_equal(whole->count, 2);
	assert_int_equal(whole->view, VIEW_RAW);
	assert_int_equal(whole->offset, 21);
	assert_int_equal(whole->length, strlen(SECRET));
	assert_int_equal(part->length, strlen(PART));
	/* The same value has the same fingerprint wherever it stands whole. */
	struct findings other = {0};
	scan_text(scanner, SCAN_HEADER, NULL, SPAN("X-Note: " SECRET), &other);
	assert_memory_equal(other.items[0].fingerprint, whole->fingerprint, SCAN_FINGERPRINT_SIZE);
	assert_memory_not_equal(part->fingerprint, whole->fingerprint, SCAN_FINGERPRINT_SIZE);
	char masked[AUDIT_URL_ROOM];
	size_t n = audit_url_mask(text, &findings, masked);
	assert_int_equal(n, strlen("https://a.example/?a=***&b=***&c=***"));
	assert_memory_equal(masked, "https://a.example/?a=***&b=***&c=***", n);
}

/* A part first, then all of it, from the same octet on: the log must not say the rest. */
static void test_longer_one_is_masked_too(void **state)
{
	(void)state;
	struct span text = SPAN("https://a.example/?a=q7Rk2Lw9Zt4Vx8Bn&b=" SECRET);
	struct findings findings = {0};
	char masked[AUDIT_URL_ROOM];
	scan_text(scanner, SCAN_URL, NULL, text, &findings);
	size_t n = audit_url_mask(text, &findings, masked);
	for (size_t i = 0; i + 8 <= strlen(SECRET); i++)
		assert_null(memmem(masked, n, SECRET + i, 8));
}

/* The same secret in two forms in one URL is one finding, and the log says neither. */
static void test_other_forms_are_masked_too(void **state)
{
	(void)state;
	static const char *const secrets[] = {SECRET, CANARY, "AKIAIOSFODNN7EXAMPLE"};
	for (size_t s = 0; s < 3; s++) {
		for (size_t i = 0; i < ENCODINGS * ENCODINGS; i++) {
			char first[1024], second[1024], text[4096], masked[AUDIT_URL_ROOM];
			struct findings findings = {0};
			encode *a = encodings[i % ENCODINGS].encode, *b = encodings[i / ENCODINGS].encode;
			if (a == hex_in_pairs || b == hex_in_pairs || (s > 0 && (a == base32 || b == base32)))
				continue; /* its gaps end a value of a query; a run that is too short */
			a(secrets[s], first);
			b(secrets[s], second);
			size_t n = (size_t)sprintf(text, "https://a.example/?a=%s&b=%s&c=d", first, second);
			scan_text(scanner, SCAN_URL, NULL, (struct span){text, n}, &findings);
			assert_true(findings.blocked);
			size_t size = audit_url_mask((struct span){text, n}, &findings, masked);
			assert_null(memmem(masked, size, first + 4, strlen(first) / 2));
			assert_null(memmem(masked, size, second + 4, strlen(second) / 2));
		}
	}
}

static void test_extent_in_a_view(void **state)
{
	(void)state;
	char text[1024];
	struct findings findings = {0};
	size_t n = (size_t)sprintf(text, "https://a.example/some/long/path/before/it?and=a&query=");
	size_t begin = n;
	n += percent(SECRET, text + n);
	size_t end = n;
	n += (size_t)sprintf(text + n, "&more=of&it=all");
	assert_int_equal(scan_text(scanner, SCAN_URL, NULL, (struct span){text, n}, &findings), SCAN_FOUND);
	assert_int_equal(findings.count, 1);
	const struct finding *finding = &findings.items[0];
	assert_int_equal(finding->count, 1);
	assert_true(finding->offset <= begin && finding->offset + finding->length >= end);
}

static void test_actions(void **state)
{
	(void)state;
	struct findings findings = {0};
	scan_text(scanner, SCAN_URL, NULL, SPAN("https://a.example/" WARNED), &findings);
	assert_true(has(&findings, "known:mild"));
	assert_true(findings.warned && !findings.blocked);
	memset(&findings, 0, sizeof(findings));
	assert_true(in_body(scanner, SPAN(CANARY), 1, NULL, 0, "canary:trap", &findings));
	assert_true(findings.blocked);
	assert_int_equal(findings.items[0].rule->tier, TIER_CANARY);
}

static void test_at_home(void **state)
{
	(void)state;
	static const struct {
		enum scan_part part;
		const char *host, *field;
		bool found;
	} cases[] = {{SCAN_HEADER, "api.example", "authorization", false},
		{SCAN_HEADER, "a.b.svc.example", "X-Api-Key", false},
		{SCAN_HEADER, "svc.example", "X-Api-Key", true}, {SCAN_HEADER, "api.example", "Cookie", true},
		{SCAN_HEADER, "evil.example", "Authorization", true}, {SCAN_URL, "api.example", "", true}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct findings findings = {0};
		struct scan_target target = {span_of(cases[i].host), span_of(cases[i].field)};
		scan_text(scanner, cases[i].part, &target, SPAN("Authorization: Bearer " SECRET), &findings);
		assert_int_equal(has(&findings, "known:token"), cases[i].found);
		memset(&findings, 0, sizeof(findings));
		scan_text(scanner, cases[i].part, &target,
			SPAN("Authorization: Basic cTdSazJMdzladDRWeDhCbjNNYzZIZDFKZjVHczBQeVRlVWFXb0lp"),
			&findings);
		assert_int_equal(has(&findings, "known:token"), cases[i].found);
	}
}

/* They are looked for in what leaves; also where no rule looks at all. */
static void test_parts(void **state)
{
	(void)state;
	struct scanner *own =
		new_scanner("version: 1\nrules:\n- {id: only-here, regex: 'Zq[0-9]{3}', in: [response]}\n");
	for (enum scan_part part = 0; part < SCAN_PARTS; part++) {
		struct findings findings = {0}, body = {0};
		scan_text(own, part, NULL, SPAN("some " SECRET), &findings);
		assert_int_equal(findings.count, part != SCAN_RESPONSE);
		struct scan_stream *stream =
			scan_stream_new(own, part, NULL, NULL, 0, (struct span){NULL, 0}, &body);
		assert_true(scan_stream_is_needed(stream));
		scan_stream_feed(stream, SPAN("some " SECRET), true, &body);
		assert_int_equal(body.count, part != SCAN_RESPONSE);
		scan_stream_free(stream);
	}
	scanner_free(own);
}

/* ---- hold-back */

static void test_nothing_of_a_match_is_safe(void **state)
{
	(void)state;
	struct span body = SPAN("some text before " PROSE " and after it, as much as it takes to be sure");
	size_t begin = 17, end = begin + KNOWN_WINDOW;
	for (size_t step = 1; step <= body.n; step++) {
		struct findings findings = {0};
		struct scan_stream *stream =
			scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, (struct span){NULL, 0}, &findings);
		for (size_t at = 0; at < body.n; at += step) {
			size_t n = step < body.n - at ? step : body.n - at;
			scan_stream_feed(stream, (struct span){body.p + at, n}, at + n == body.n, &findings);
			assert_int_equal(findings.count > 0, at + n >= end);
			assert_true(scan_stream_safe(stream) <= begin);
			if (at + n < begin)
				assert_true(scan_stream_safe(stream) + KNOWN_WINDOW > at + n);
		}
		scan_stream_free(stream);
	}
}

/* Who waits for an answer to what was sent gets it sent: then what may begin a value goes, too. */
static void test_urge(void **state)
{
	(void)state;
	struct findings findings = {0};
	struct scan_stream *stream =
		scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, (struct span){NULL, 0}, &findings);
	struct span first = SPAN("a line of words\n");
	scan_stream_feed(stream, first, false, &findings);
	assert_true(scan_stream_safe(stream) < first.n);
	scan_stream_urge(stream);
	assert_int_equal(scan_stream_safe(stream), first.n);
	scan_stream_feed(stream, SPAN("q7Rk2Lw9Zt4Vx8B"), false, &findings);
	scan_stream_urge(stream);
	scan_stream_feed(stream, SPAN("n"), false, &findings);
	assert_true(findings.blocked);
	scan_stream_urge(stream);
	assert_true(scan_stream_safe(stream) <= first.n + 15);
	scan_stream_free(stream);
	/* The end of a body holds nothing back. */
	memset(&findings, 0, sizeof(findings));
	stream = scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, (struct span){NULL, 0}, &findings);
	scan_stream_feed(stream, first, true, &findings);
	assert_int_equal(scan_stream_safe(stream), first.n);
	scan_stream_free(stream);
}

/* What matches and is let go all the same (a route's on_match: warn). */
static void test_report_only(void **state)
{
	(void)state;
	struct findings findings = {.policy = FINDINGS_REPORT_ONLY};
	struct scan_stream *stream =
		scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, (struct span){NULL, 0}, &findings);
	scan_stream_report_only(stream);
	struct span body = SPAN("x " SECRET " y " SECRET);
	scan_stream_feed(stream, body, true, &findings);
	assert_int_equal(findings.items[0].count, 2);
	assert_false(findings.blocked);
	assert_int_equal(scan_stream_safe(stream), body.n);
	scan_stream_free(stream);
}

/* A scanner serves one text after another. */
static void test_texts_are_apart(void **state)
{
	(void)state;
	struct findings findings = {0};
	for (int round = 0; round < 3; round++) {
		scan_text(scanner, SCAN_HEADER, NULL, SPAN("X: q7Rk2Lw9Zt4Vx8B"), &findings);
		scan_text(scanner, SCAN_HEADER, NULL, SPAN("n3Mc6Hd1Jf5Gs0P"), &findings);
		assert_false(in_body(scanner, SPAN("q7Rk2Lw9Zt4Vx8B"), 0, NULL, 0, "known:token", &findings));
		assert_false(in_body(scanner, SPAN("n3Mc6Hd1Jf5Gs0P"), 0, NULL, 0, "known:token", &findings));
	}
}

/* A megabyte that is the value over and over costs no more than may be spent; it may be given up, never
 * passed. */
static void test_flood(void **state)
{
	(void)state;
	static char body[1 << 20];
	for (size_t at = 0; at + strlen(SECRET) < sizeof(body); at += strlen(SECRET))
		memcpy(body + at, SECRET, strlen(SECRET));
	struct findings findings = {0};
	struct scan_stream *stream =
		scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, (struct span){NULL, 0}, &findings);
	scan_stream_feed(stream, (struct span){body, sizeof(body)}, true, &findings);
	assert_true(findings.blocked);
	assert_int_equal(scan_stream_safe(stream), 0);
	scan_stream_free(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_in_every_encoding),
		cmocka_unit_test(test_brief_values_alone),
		cmocka_unit_test(test_body_in_every_encoding),
		cmocka_unit_test(test_packed_and_split),
		cmocka_unit_test(test_finding),
		cmocka_unit_test(test_longer_one_is_masked_too),
		cmocka_unit_test(test_other_forms_are_masked_too),
		cmocka_unit_test(test_extent_in_a_view),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_at_home),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_nothing_of_a_match_is_safe),
		cmocka_unit_test(test_urge),
		cmocka_unit_test(test_report_only),
		cmocka_unit_test(test_texts_are_apart),
		cmocka_unit_test(test_flood),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
