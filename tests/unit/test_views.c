/*
 * A secret under every way of writing it, and under two and three of them, is found in a body however that is
 * cut, and nothing of it has left by then. The same body with harmless words in its place is clean, and all
 * of it leaves.
 */
#include "tests/unit/views_bodies.h"

/* ---- ways of writing */

static void encode_json(const struct blob *in, struct blob *out)
{
	out->n = 0;
	blob_add_text(
		out, "{\"model\":\"m\",\"n\":[1,2.5,null],\"messages\":[{\"role\":\"user\",\"content\":\"");
	for (size_t i = 0; i < in->n; i++) {
		unsigned char c = (unsigned char)in->p[i];
		if (c < ' ')
			blob_printf(out, "\\u%04x", c);
		else if (c == '"' || c == '\\' || c == '/')
			blob_add(out, (char[]){'\\', (char)c}, 2);
		else
			blob_add(out, &in->p[i], 1);
	}
	blob_add_text(out, "\"}]}");
}

static void encode_lines(const struct blob *in, struct blob *out)
{
	static struct blob json;
	encode_json(in, &json);
	blob_set(out, SPAN("{\"id\":1,\"text\":\"the first line\"}\n"));
	blob_add(out, json.p, json.n);
	blob_add_text(out, "\n{\"id\":2,\"text\":\"the last line\"}\n");
}

static void encode_data_uri(const struct blob *in, struct blob *out)
{
	static struct blob code;
	encode_base64(in, &code);
	blob_set(out, SPAN("<img src=\"data:image/png;base64,"));
	blob_add(out, code.p, code.n);
	blob_add_text(out, "\">");
}

/* Some octets go before it into the same group. */
static void encode_base64_off(const struct blob *in, struct blob *out, struct span before)
{
	static struct blob more;
	blob_set(&more, before);
	blob_add(&more, in->p, in->n);
	encode_base64(&more, out);
}

static void encode_base64_1(const struct blob *in, struct blob *out)
{
	encode_base64_off(in, out, SPAN(" "));
}

static void encode_base64_2(const struct blob *in, struct blob *out)
{
	encode_base64_off(in, out, SPAN(": "));
}

/* Characters of its alphabet stand in front of it. */
static void encode_base64_glued(const struct blob *in, struct blob *out)
{
	static struct blob code;
	encode_base64(in, &code);
	blob_set(out, SPAN("/upload/v1/"));
	blob_add(out, code.p, code.n);
}

enum {
	OF_ASCII = 1,	   /* it takes nothing but ASCII */
	OF_OCTETS = 2,	   /* it takes any octets */
	GIVES_UNICODE = 4, /* it gives more than ASCII */
	GIVES_OCTETS = 8,  /* it gives octets that are no text */
	ADDS_TEXT = 16,	   /* text of its own stands in it */
	SHIFTS = 32,	   /* octets of its own stand in front */
	PACKS = 64,
	ESCAPES = 128, /* text that is escaped; controls in it are taken for noise, so nothing packed can be
			  in it */
};

struct way {
	const char *name;
	encoder *encode;
	unsigned flags;
};

#define HEX_WAY(name, format, between) {#name, encode_##name, OF_OCTETS},
#define ESCAPED_WAY(name, format, between) {#name, encode_##name, OF_OCTETS | ESCAPES},
#define CHARACTER_WAY(name, format) {#name, encode_##name, 0},

static const struct way ways[] = {
	{"base64", encode_base64, OF_OCTETS},
	{"base64 one off", encode_base64_1, OF_OCTETS | SHIFTS},
	{"base64 two off", encode_base64_2, OF_OCTETS | SHIFTS},
	{"base64url", encode_base64url, OF_OCTETS},
	{"base64 wrapped", encode_base64_wrapped, OF_OCTETS},
	{"base64 narrow", encode_base64_narrow, OF_OCTETS},
	{"base64 glued", encode_base64_glued, OF_OCTETS | ADDS_TEXT | SHIFTS},
	{"data URI", encode_data_uri, OF_OCTETS | ADDS_TEXT | SHIFTS},
	{"base32", encode_base32, OF_OCTETS},
	{"base32 lower", encode_base32_lower, OF_OCTETS},
	{"base32hex", encode_base32hex, OF_OCTETS},
	HEX_ENCODERS(HEX_WAY){"hex in groups", encode_hex_groups, OF_OCTETS},
	ESCAPED_OCTET_ENCODERS(ESCAPED_WAY)
		CHARACTER_ENCODERS(CHARACTER_WAY){"some percent", encode_percent_some, OF_ASCII},
	{"full-width", encode_full_width, GIVES_UNICODE},
	{"zero-width", encode_zero_width, GIVES_UNICODE},
	{"soft hyphen", encode_soft_hyphen, GIVES_UNICODE},
	{"combining", encode_combining, GIVES_UNICODE},
	{"control", encode_control, 0},
	{"UTF-16LE", encode_utf16le, OF_ASCII},
	{"UTF-16BE", encode_utf16be, OF_ASCII},
	{"JSON", encode_json, ADDS_TEXT},
	{"JSON lines", encode_lines, ADDS_TEXT},
	{"gzip", encode_gzip, OF_OCTETS | GIVES_OCTETS | ADDS_TEXT | PACKS},
	{"zlib", encode_zlib, OF_OCTETS | GIVES_OCTETS | ADDS_TEXT | PACKS},
	{"zstd", encode_zstd, OF_OCTETS | GIVES_OCTETS | ADDS_TEXT | PACKS},
	{"zip", encode_zip, OF_OCTETS | GIVES_OCTETS | ADDS_TEXT | SHIFTS | PACKS},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

/* The first way is innermost. */
struct chain {
	const struct way *ways[3];
	size_t count;
};

static bool fits(const struct way *inner, const struct way *outer)
{
	/* It has no signature: it is looked for where octets begin. */
	if (inner->encode == encode_zlib && outer->flags & SHIFTS)
		return false;
	if (inner->flags & PACKS && outer->flags & ESCAPES)
		return false;
	/* Between the escaped octets of a character nothing else may stand. */
	if (inner->flags & ESCAPES && outer->flags & GIVES_UNICODE)
		return false;
	return !(inner->flags & GIVES_OCTETS && !(outer->flags & OF_OCTETS)) &&
	       !(inner->flags & GIVES_UNICODE && outer->flags & OF_ASCII);
}

static bool chain_fits(const struct chain *chain)
{
	for (size_t i = 1; i < chain->count; i++)
		if (!fits(chain->ways[i - 1], chain->ways[i]))
			return false;
	return true;
}

static void chain_name(const struct chain *chain, char *out, size_t room)
{
	size_t n = 0;
	out[0] = 0;
	for (size_t i = 0; i < chain->count && n < room; i++)
		n += (size_t)snprintf(out + n, room - n, "%s%s", i ? " in " : "", chain->ways[i]->name);
}

static void chain_encode(const struct chain *chain, const struct blob *value, struct blob *out)
{
	static struct blob now;
	blob_set(out, blob_span(value));
	for (size_t i = 0; i < chain->count; i++) {
		blob_set(&now, blob_span(out));
		chain->ways[i]->encode(&now, out);
	}
}

/* ---- one chain */

static struct blob secret, harmless, code, text;

/* zlib is looked for where octets begin only. */
static bool stands_alone(const struct chain *chain)
{
	return chain->ways[chain->count - 1]->encode == encode_zlib;
}

static void make_body(const struct chain *chain, const struct blob *value)
{
	chain_encode(chain, value, &code);
	text.n = 0;
	if (!stands_alone(chain))
		blob_add_text(&text, "please take this: ");
	blob_add(&text, code.p, code.n);
	blob_add_text(&text, " , and thank you");
}

/* Of where the code stands in the text. It may begin and end with what is none of the secret (0x, padding),
 * but that is less than a character of it takes. */
static void check_place(const struct chain *chain, const struct outcome *outcome, const struct finding *found,
	const char *name)
{
	size_t begin = stands_alone(chain) ? 0 : strlen("please take this: "), end = begin + code.n;
	size_t character = 2 + code.n / secret.n;
	bool is_whole = true;
	for (size_t i = 0; i < chain->count; i++)
		is_whole &= !(chain->ways[i]->flags & ADDS_TEXT);
	if (outcome->safe > (is_whole ? begin + character : end - character))
		fail_msg("%s: %lu octets had left, of what stands in %zu to %zu", name,
			(unsigned long)outcome->safe, begin, end);
	if (is_whole && found &&
		(found->offset > begin + character || found->offset + found->length + 5 * character < end))
		fail_msg("%s: found in %lu to %lu, stands in %zu to %zu", name, (unsigned long)found->offset,
			(unsigned long)(found->offset + found->length), begin, end);
}

static void check_secret(const struct chain *chain, const struct body *body, size_t piece, const char *name)
{
	static struct outcome outcome;
	scan_body(body, piece, &outcome);
	const struct finding *found = find_secret(&outcome.findings, &secret);
	/* In pieces already the beginning of a long secret may be one. */
	if (outcome.findings.blocked && (found || piece < body->text->n))
		check_place(chain, &outcome, found, name);
	else
		fail_msg("%s, in pieces of %zu: not found in %.*s", name, piece,
			SPAN_ARG(blob_span(body->text)));
}

static void check_harmless(const struct body *body, size_t piece, const char *name)
{
	static struct outcome outcome;
	scan_body(body, piece, &outcome);
	if (outcome.findings.count > 0)
		fail_msg("%s: harmless words are %s", name, outcome.findings.items[0].rule->id);
	if (outcome.findings.unscannable)
		fail_msg("%s: %s", name, outcome.findings.unscannable);
	assert_int_equal(outcome.safe, body->text->n);
}

static void check_chain(const struct chain *chain, uint32_t seed, const size_t *pieces)
{
	char name[200];
	struct body body = {.text = &text};
	chain_name(chain, name, sizeof(name));
	make_secret(&secret, seed);
	make_body(chain, &secret);
	for (size_t i = 0; pieces[i] > 0; i++)
		check_secret(chain, &body, pieces[i], name);
	make_harmless(&harmless, secret.n);
	make_body(chain, &harmless);
	for (size_t i = 0; pieces[i] > 0; i++)
		check_harmless(&body, pieces[i], name);
}

static const size_t all_pieces[] = {BLOB_MAX, 1, 7, 4096, 0}, two_pieces[] = {BLOB_MAX, 29, 0},
		    three_pieces[] = {BLOB_MAX, 101, 0};

static void test_each_way(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < WAYS; i++)
		for (uint32_t kind = 0; kind < 3; kind++)
			check_chain(&(struct chain){{&ways[i]}, 1}, 3 * i + kind, all_pieces);
}

static void test_two_ways(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < WAYS * WAYS; i++) {
		struct chain chain = {{&ways[i / WAYS], &ways[i % WAYS]}, 2};
		if (chain_fits(&chain))
			check_chain(&chain, i, two_pieces);
	}
}

/* Only some of the triples: there are a hundred thousand. */
#define TRIPLES 1009u

static void test_three_ways(void **state)
{
	(void)state;
	for (uint32_t i = 1; i < WAYS * WAYS * WAYS; i += WAYS * WAYS * WAYS / TRIPLES) {
		struct chain chain = {{&ways[i / WAYS / WAYS], &ways[i / WAYS % WAYS], &ways[i % WAYS]}, 3};
		if (chain_fits(&chain))
			check_chain(&chain, i, three_pieces);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_way),
		cmocka_unit_test(test_two_ways),
		cmocka_unit_test(test_three_ways),
	};

	return cmocka_run_group_tests(tests, set_up_scanner, tear_down_scanner);
}
