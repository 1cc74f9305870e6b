/*
 * Bodies with something encoded in them, once or twice: whole, in pieces and octet by octet the same secrets
 * are found; what is called safe only grows, is never more than was fed, and no more once something blocks.
 * The first octets choose the rules, the Content-Type, the pieces and the encodings; the rest is a text of
 * pieces that rules care about.
 */
#include "tests/unit/encode.h"
#include "tests/unit/scan_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                   \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

static const struct span types[] = {{"", 0}, {"application/x-www-form-urlencoded", 33},
	{"text/event-stream", 17}, {"multipart/form-data; boundary=B", 31}};

static encoder *const encoders[] = {encode_base64, encode_base64url, encode_base64_wrapped, encode_base32,
	encode_base32_lower, encode_base32hex, encode_hex, encode_hex_comma, encode_hex_0x, encode_hex_groups,
	encode_percent, encode_percent_twice, encode_quoted, encode_hex_x, encode_gzip, encode_zlib,
	encode_zip};
#define ENCODERS (sizeof(encoders) / sizeof(encoders[0]))

struct body {
	struct span text, type;
};

/* Feed it, in pieces of `most` octets at most, or of just as many when there is no seed. */
static void scan(
	struct scanner *scanner, const struct body *body, size_t most, uint32_t seed, struct findings *out)
{
	struct scan_stream *stream = scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, body->type, out);
	uint64_t safe = 0;
	REQUIRE(stream);
	for (size_t at = 0, n; at < body->text.n; at += n) {
		seed = seed ? seed * 1103515245u + 12345u : 0;
		n = seed ? (seed >> 16) % most + 1 : most;
		n = n < body->text.n - at ? n : body->text.n - at;
		bool stopped = out->blocked || out->unscannable;
		scan_stream_feed(stream, (struct span){body->text.p + at, n}, at + n == body->text.n, out);
		uint64_t now = scan_stream_safe(stream);
		REQUIRE(now >= safe && now <= at + n);
		REQUIRE(!stopped || now == safe);
		safe = now;
	}
	if (!out->blocked && !out->unscannable)
		REQUIRE(safe == body->text.n);
	scan_stream_free(stream);
}

static void require_in(const struct findings *these, const struct findings *those, const char *what)
{
	for (size_t i = 0; i < these->count; i++) {
		if (oracle_lookup(those, &these->items[i]))
			continue;
		fprintf(stderr, "%s: %s, %s, %lu+%lu\n", what, these->items[i].rule->id,
			scan_view_name(these->items[i].view), (unsigned long)these->items[i].offset,
			(unsigned long)these->items[i].length);
		abort();
	}
}

/* A budget may run out in one way and not in the other: then more was granted by the time. */
static void require_same(const struct findings *whole, const struct findings *pieces)
{
	if (whole->unscannable || pieces->unscannable || whole->dropped || pieces->dropped)
		return;
	require_in(whole, pieces, "whole only");
	require_in(pieces, whole, "in pieces only");
}

/* Encoded from an octet of it on, so that something plain may stand before it. */
static void encode_from(struct blob *text, size_t from, unsigned which)
{
	static struct blob rest, code;
	if (which % (ENCODERS + 1) == 0)
		return;
	blob_set(&rest, (struct span){text->p + from, text->n - from});
	encoders[which % (ENCODERS + 1) - 1](&rest, &code);
	text->n = from;
	blob_add(text, code.p, code.n);
}

static struct scanner *choose_scanner(bool shipped)
{
	static struct scanner *scanners[2];
	if (!scanners[0]) {
		size_t count;
		struct load_error error = {0};
		const struct rule_source *sources = ruleset_builtin_sources(&count);
		scanners[0] = scanner_new(oracle_ruleset(oracle_rules), oracle_key);
		scanners[1] = scanner_new(ruleset_load(sources, count, NULL, 0, &error), oracle_key);
	}
	return scanners[shipped];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct blob text;
	if (size < 6)
		return 0;
	struct scanner *scanner = choose_scanner(data[0] & 1);
	uint32_t seed = (uint32_t)data[1] << 8 | data[2] | 1u << 16;
	text.n = oracle_text(data + 6, size - 6, text.p, 768);
	encode_from(&text, text.n * (data[5] & 3) / 8, data[3]);
	encode_from(&text, text.n * (data[5] >> 2 & 3) / 8, data[4]);
	struct body body = {blob_span(&text), types[data[0] >> 1 & 3]};
	struct findings whole = {0}, pieces = {0}, octets = {0}, line = {0};
	scan(scanner, &body, text.n, 0, &whole);
	scan(scanner, &body, 1u + data[1], seed, &pieces);
	require_same(&whole, &pieces);
	if (text.n < 1024) {
		scan(scanner, &body, 1, 0, &octets);
		require_same(&whole, &octets);
	}
	scan_text(scanner, SCAN_HEADER, NULL, blob_span(&text), &line);
	return 0;
}
