/*
 * Texts that are there as a whole, URLs and field lines: a secret in each way of writing that can stand in
 * one is found, its extent covers it closely enough to be masked, and harmless words in its place are clean.
 */
#include "tests/unit/views_bodies.h"

struct way {
	const char *name;
	encoder *encode;
	bool field_only;  /* a URL can't hold it */
	unsigned trailer; /* characters at its end that hold nothing */
};

#define CHARACTER_WAY(name, format) {#name, encode_##name, true, 0},

static void encode_base64_in_hex(const struct blob *in, struct blob *out)
{
	static struct blob code;
	encode_base64(in, &code);
	encode_hex(&code, out);
}

static void encode_base64_twice(const struct blob *in, struct blob *out)
{
	static struct blob code;
	encode_base64(in, &code);
	encode_base64url(&code, out);
}

static void encode_gzip_in_base64(const struct blob *in, struct blob *out)
{
	static struct blob code;
	encode_gzip(in, &code);
	encode_base64(&code, out);
}

static void encode_utf16_in_base64(const struct blob *in, struct blob *out)
{
	static struct blob code;
	encode_utf16le(in, &code);
	encode_base64(&code, out);
}

static void encode_base64_in_percent(const struct blob *in, struct blob *out)
{
	static struct blob code;
	encode_base64(in, &code);
	encode_percent_some(&code, out);
}

static void encode_hex_words(const struct blob *in, struct blob *out)
{
	encode_each(in, out, "0x%02x", " ");
}

/* Digits in groups of other sizes than pairs. */
static void encode_hex_in_groups_of(const struct blob *in, struct blob *out, size_t size)
{
	encode_hex(in, out);
	wrap(out, size, " ");
}

static void encode_hex_single(const struct blob *in, struct blob *out)
{
	encode_hex_in_groups_of(in, out, 1);
}

static void encode_hex_threes(const struct blob *in, struct blob *out)
{
	encode_hex_in_groups_of(in, out, 3);
}

static void encode_hex_eights(const struct blob *in, struct blob *out)
{
	encode_hex_in_groups_of(in, out, 8);
}

static const struct way ways[] = {
	{"base64", encode_base64, false, 0},
	{"base64url", encode_base64url, false, 0},
	{"base32", encode_base32, false, 0},
	{"base32 lower", encode_base32_lower, false, 0},
	{"base32hex", encode_base32hex, false, 0},
	{"hex", encode_hex, false, 0},
	{"hex_space", encode_hex_space, true, 0},
	{"hex_comma", encode_hex_comma, false, 0},
	{"hex_colon", encode_hex_colon, false, 0},
	{"hex_semicolon", encode_hex_semicolon, false, 0},
	{"hex_dash", encode_hex_dash, false, 0},
	{"hex_underscore", encode_hex_underscore, false, 0},
	{"hex_dot", encode_hex_dot, false, 0},
	{"hex_slash", encode_hex_slash, false, 0},
	{"hex_bar", encode_hex_bar, false, 0},
	{"hex_hash", encode_hex_hash, true, 0},
	{"hex 0x", encode_hex_0x, true, 0},
	{"hex words", encode_hex_words, true, 0},
	{"hex, single digits", encode_hex_single, true, 0},
	{"hex, groups of three", encode_hex_threes, true, 0},
	{"hex, groups of five", encode_hex_groups, true, 0},
	{"hex, groups of eight", encode_hex_eights, true, 0},
	{"quoted", encode_quoted, false, 0},
	{"hex_x", encode_hex_x, false, 0},
	{"percent", encode_percent, false, 0},
	{"percent twice", encode_percent_twice, false, 0},
	{"percent some", encode_percent_some, false, 0},
	CHARACTER_ENCODERS(CHARACTER_WAY){"full-width", encode_full_width, true, 0},
	{"zero-width", encode_zero_width, true, 0},
	{"combining", encode_combining, true, 0},
	{"base64 in hex", encode_base64_in_hex, false, 0},
	{"base64 twice", encode_base64_twice, false, 0},
	{"gzip in base64", encode_gzip_in_base64, false, 12},
	{"UTF-16 in base64", encode_utf16_in_base64, false, 0},
	{"base64 in percent", encode_base64_in_percent, false, 0},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static struct blob secret, harmless, code, text;

/* What the value stands between. */
struct place {
	enum scan_part part;
	const char *before, *after;
};

static const struct place places[] = {
	{SCAN_HEADER, "X-Note: ", ""},
	{SCAN_HEADER, "X-Note: take this, ", ", along."},
	{SCAN_HEADER, "Cookie: a=1; session=", "; b=2"},
	{SCAN_URL, "https://api.example.net/v1/", "/more?x=1"},
	{SCAN_URL, "https://api.example.net/v1?k=1&q=", "&z=2"},
	{SCAN_URL, "https://api.example.net/", ""},
};

static void make_text(const struct place *place, const struct way *way, const struct blob *value)
{
	way->encode(value, &code);
	text.n = 0;
	blob_add_text(&text, place->before);
	blob_add(&text, code.p, code.n);
	blob_add_text(&text, place->after);
}

/* Of a text of n octets an extent is told to n / 48 octets; what is a few steps wide is near enough. */
static void check_extent(const struct place *place, const struct way *way, const struct finding *found)
{
	size_t begin = strlen(place->before), end = begin + code.n, character = 2 + code.n / secret.n;
	uint64_t from = found->offset, to = from + found->length;
	size_t slack = 4 * (text.n / 48 + 1) + 16 + way->trailer;
	while (end > begin && strchr("= ", text.p[end - 1]))
		end--;
	if (from > begin + character || to + character + way->trailer < end)
		fail_msg("%s: found in %lu to %lu, stands in %zu to %zu of %.*s", way->name,
			(unsigned long)from, (unsigned long)to, begin, end, SPAN_ARG(blob_span(&text)));
	if (from + slack < begin || to > end + slack)
		fail_msg("%s: found in %lu to %lu, which is much for %zu to %zu", way->name,
			(unsigned long)from, (unsigned long)to, begin, end);
}

static void check_secret(const struct place *place, const struct way *way)
{
	struct findings findings = {0};
	make_text(place, way, &secret);
	enum scan_result result = scan_text(scanner, place->part, NULL, blob_span(&text), &findings);
	assert_int_equal(result, findings.count > 0 ? SCAN_FOUND : SCAN_CLEAN);
	const struct finding *found = find_secret(&findings, &secret);
	if (found && findings.blocked)
		check_extent(place, way, found);
	else
		fail_msg("%s: not found in %.*s", way->name, SPAN_ARG(blob_span(&text)));
}

static void check_harmless(const struct place *place, const struct way *way)
{
	struct findings findings = {0};
	make_text(place, way, &harmless);
	if (scan_text(scanner, place->part, NULL, blob_span(&text), &findings) != SCAN_CLEAN)
		fail_msg("%s: %s in %.*s", way->name,
			findings.count ? findings.items[0].rule->id : findings.unscannable,
			SPAN_ARG(blob_span(&text)));
	assert_int_equal(findings.count, 0);
}

static void test_each_way_in_each_place(void **state)
{
	(void)state;
	for (size_t w = 0; w < WAYS; w++) {
		for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
			if (ways[w].field_only && places[p].part == SCAN_URL)
				continue;
			for (uint32_t kind = 0; kind < 3; kind++) {
				make_secret(&secret, (uint32_t)(w * 18 + p * 3) + kind);
				make_harmless(&harmless, secret.n);
				check_secret(&places[p], &ways[w]);
				check_harmless(&places[p], &ways[w]);
			}
		}
	}
}

/* The extent in a long text is not lost. */
static void test_long_texts(void **state)
{
	(void)state;
	static struct blob words;
	make_harmless(&words, 6000);
	words.p[words.n - 1] = 0;
	struct place place = {SCAN_HEADER, words.p, words.p + 1000};
	for (size_t w = 0; w < WAYS; w++) {
		for (uint32_t kind = 0; kind < 3; kind++) {
			make_secret(&secret, (uint32_t)w * 3 + kind);
			make_harmless(&harmless, secret.n);
			words.p[words.n - 2] = ' ';
			words.p[1000] = ',';
			check_secret(&place, &ways[w]);
			check_harmless(&place, &ways[w]);
		}
	}
}

/* Halves of a secret in two texts are none. */
static void test_one_text_and_the_next(void **state)
{
	(void)state;
	static struct blob half;
	for (size_t w = 0; w < WAYS; w++) {
		struct findings findings = {0};
		make_secret(&secret, 3 * (uint32_t)w);
		ways[w].encode(&secret, &code);
		for (size_t i = 0; i < 2; i++) {
			blob_set(&half, (struct span){code.p + i * code.n / 2, code.n / 2});
			scan_text(scanner, SCAN_HEADER, NULL, blob_span(&half), &findings);
		}
		assert_int_equal(findings.count, 0);
	}
}

/* What was said of a text doesn't depend on those before. */
static void test_again(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 3; round++) {
		for (size_t w = 0; w < WAYS; w++) {
			make_secret(&secret, (uint32_t)w);
			make_harmless(&harmless, secret.n);
			check_secret(&places[1], &ways[w]);
			check_harmless(&places[1], &ways[w]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_way_in_each_place),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_one_text_and_the_next),
		cmocka_unit_test(test_again),
	};

	return cmocka_run_group_tests(tests, set_up_scanner, tear_down_scanner);
}
