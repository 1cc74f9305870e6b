/*
 * Content codings: each stream whole, octet by octet, at every split and at every cut; what follows, precedes
 * or hides in a stream; bombs; chains; and the promise of decoder_lag().
 */
#include "pipelock/scan/decode.h"
#include "tests/unit/data/decode_br.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#define TEXT_SIZE 6000
#define MANY (300u << 10)

struct bytes {
	char *p;
	size_t n;
};

static const enum coding all_codings[] = {CODING_GZIP, CODING_DEFLATE, CODING_BR, CODING_ZSTD};

static struct bytes bytes_new(size_t n)
{
	struct bytes bytes = {malloc(n + 1), n};

	assert_non_null(bytes.p);
	return bytes;
}

static struct bytes bytes_of(const void *p, size_t n)
{
	struct bytes bytes = bytes_new(n);

	if (n > 0)
		memcpy(bytes.p, p, n);
	return bytes;
}

static struct span span_in(struct bytes bytes)
{
	return (struct span){bytes.p, bytes.n};
}

/* Takes both. */
static struct bytes join(struct bytes a, struct bytes b)
{
	struct bytes both = bytes_new(a.n + b.n);

	memcpy(both.p, a.p, a.n);
	memcpy(both.p + a.n, b.p, b.n);
	free(a.p);
	free(b.p);
	return both;
}

static size_t put_base36(char *out, uint32_t value)
{
	char reversed[8];
	size_t n = 0;

	do {
		reversed[n++] = "0123456789abcdefghijklmnopqrstuvwxyz"[value % 36];
		value /= 36;
	} while (value > 0);
	for (size_t i = 0; i < n; i++)
		out[i] = reversed[n - 1 - i];
	return n;
}

/* The text that the br streams in data/ were made of. */
static struct bytes make_text(size_t size)
{
	struct bytes text = bytes_new(size + 200);
	size_t n = 0;

	for (uint32_t i = 0; n < size; i++) {
		n += (size_t)sprintf(text.p + n, "{\"role\":\"user\",\"content\":\"message %u, ", i);
		n += put_base36(text.p + n, i * 2654435761u);
		n += (size_t)sprintf(text.p + n, "\"}\n");
	}
	text.n = size;
	return text;
}

static struct bytes make_noise(size_t size)
{
	struct bytes noise = bytes_new(size);
	uint32_t state = 1;

	for (size_t i = 0; i < size; i++) {
		state = state * 1664525u + 1013904223u;
		noise.p[i] = (char)(state >> 24);
	}
	return noise;
}

/* ---- coders */

static struct bytes deflate_with(struct span content, int window_bits, int level, gz_header *header)
{
	z_stream z = {0};
	struct bytes out;

	assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	if (header != NULL)
		assert_int_equal(deflateSetHeader(&z, header), Z_OK);
	out = bytes_new(deflateBound(&z, content.n) + 300000);
	z.next_in = (z_const Bytef *)content.p;
	z.avail_in = (uInt)content.n;
	z.next_out = (Bytef *)out.p;
	z.avail_out = (uInt)out.n;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.n = z.total_out;
	deflateEnd(&z);
	return out;
}

static struct bytes gzip(struct span content)
{
	return deflate_with(content, 31, 6, NULL);
}

static struct bytes gzip_named(struct span content, const char *name, const char *comment, struct span extra)
{
	gz_header header = {0};

	header.name = (Bytef *)(uintptr_t)name;
	header.comment = (Bytef *)(uintptr_t)comment;
	header.extra = (Bytef *)(uintptr_t)extra.p;
	header.extra_len = (uInt)extra.n;
	return deflate_with(content, 31, 6, &header);
}

static struct bytes zstd(struct span content, int level)
{
	struct bytes out = bytes_new(ZSTD_compressBound(content.n));

	out.n = ZSTD_compress(out.p, out.n, content.p, content.n, level);
	assert_false(ZSTD_isError(out.n));
	return out;
}

/* A br stream of stored and metadata blocks, written bit by bit (RFC 7932 9.2). */
struct br_writer {
	struct bytes out;
	unsigned bit;
};

static void br_put(struct br_writer *w, uint32_t value, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++) {
		if (w->bit == 0)
			w->out.p[w->out.n++] = 0;
		w->out.p[w->out.n - 1] = (char)(w->out.p[w->out.n - 1] | (int)((value >> i & 1) << w->bit));
		w->bit = (w->bit + 1) % 8;
	}
}

static void br_begin(struct br_writer *w)
{
	w->out = bytes_new(4u << 20);
	w->out.n = 0;
	w->bit = 0;
	br_put(w, 0, 1);
}

static void br_octets(struct br_writer *w, struct span octets)
{
	w->bit = 0;
	memcpy(w->out.p + w->out.n, octets.p, octets.n);
	w->out.n += octets.n;
}

static void br_stored(struct br_writer *w, struct span content)
{
	br_put(w, 0, 1);
	br_put(w, 0, 2);
	br_put(w, (uint32_t)content.n - 1, 16);
	br_put(w, 1, 1);
	br_octets(w, content);
}

static void br_metadata(struct br_writer *w, struct span octets)
{
	unsigned length_octets = octets.n <= 256 ? 1 : 2;

	br_put(w, 0, 1);
	br_put(w, 3, 2);
	br_put(w, 0, 1);
	br_put(w, length_octets, 2);
	br_put(w, (uint32_t)octets.n - 1, 8 * length_octets);
	br_octets(w, octets);
}

static struct bytes br_end(struct br_writer *w)
{
	br_put(w, 3, 2);
	return w->out;
}

static struct bytes br_stored_whole(struct span content)
{
	struct br_writer w;

	br_begin(&w);
	while (content.n > 0) {
		size_t n = content.n < 65536 ? content.n : 65536;

		br_stored(&w, (struct span){content.p, n});
		content.p += n;
		content.n -= n;
	}
	return br_end(&w);
}

static struct bytes encode(enum coding coding, struct span content)
{
	switch (coding) {
	case CODING_GZIP:
		return gzip(content);
	case CODING_DEFLATE:
		return deflate_with(content, 15, 6, NULL);
	case CODING_ZSTD:
		return zstd(content, 3);
	default:
		return br_stored_whole(content);
	}
}

/* ---- decoding */

/* Feed `in` in steps of `step` octets with `room` at a time. What came out is appended to *out, that has to
 * be large enough. MORE_INPUT must mean that all was used. */
static enum decode_result feed(
	struct decoder *decoder, struct span in, bool last, size_t step, size_t room, struct bytes *out)
{
	enum decode_result result;
	char *buffer = malloc(room);

	do {
		struct span piece = {in.p, in.n < step ? in.n : step};
		bool at_end = piece.n == in.n;

		do {
			size_t produced = 0, before = piece.n;

			result = decoder_run(decoder, &piece, last && at_end, buffer, room, &produced);
			assert_true(produced <= room && piece.n <= before);
			if (out->p != NULL && produced > 0)
				memcpy(out->p + out->n, buffer, produced);
			out->n += produced;
		} while (result == DECODE_MORE_ROOM);
		if (result == DECODE_MORE_INPUT)
			assert_int_equal(piece.n, 0);
		in.p += in.n < step ? in.n : step;
		in.n -= in.n < step ? in.n : step;
	} while (result == DECODE_MORE_INPUT && in.n > 0);
	free(buffer);
	return result;
}

static enum decode_result decode(const enum coding *codings, size_t count, struct span in, struct bytes *out)
{
	struct decoder *decoder = decoder_new(codings, count);
	enum decode_result result;

	assert_non_null(decoder);
	result = feed(decoder, in, true, SIZE_MAX, 16384, out);
	decoder_free(decoder);
	return result;
}

static void assert_decodes(
	enum coding coding, struct bytes coded, struct span content, size_t step, size_t room)
{
	struct decoder *decoder = decoder_new(&coding, 1);
	struct bytes out = bytes_new(content.n + room + 100000);

	out.n = 0;
	assert_int_equal(feed(decoder, span_in(coded), true, step, room, &out), DECODE_END);
	assert_int_equal(out.n, content.n);
	assert_memory_equal(out.p, content.p, content.n);
	decoder_free(decoder);
	free(out.p);
}

/* Takes `coded`. */
static void assert_result(enum coding coding, struct bytes coded, enum decode_result expected)
{
	struct bytes out = {0};

	assert_int_equal(decode(&coding, 1, span_in(coded), &out), expected);
	free(coded.p);
}

/* Takes `coded`. */
static void assert_shows(const enum coding *codings, size_t count, struct bytes coded, const char *expected)
{
	struct bytes out = bytes_new(400000);

	out.n = 0;
	assert_int_equal(decode(codings, count, span_in(coded), &out), DECODE_END);
	out.p[out.n] = '\0';
	assert_string_equal(out.p, expected);
	free(out.p);
	free(coded.p);
}

/* Every way to cut a stream in two gives the same, and no beginning of it is a stream, but whole `parts` of
 * it are. */
static void assert_splits(enum coding coding, struct bytes coded, struct span content, size_t parts)
{
	size_t ended = 0;
	struct bytes out = bytes_new(content.n + 100000);

	for (size_t cut = 0; cut <= coded.n; cut++) {
		struct decoder *decoder = decoder_new(&coding, 1);
		enum decode_result result;

		out.n = 0;
		assert_int_equal(feed(decoder, (struct span){coded.p, cut}, false, SIZE_MAX, 4096, &out),
			DECODE_MORE_INPUT);
		assert_true(decoder_lag(decoder) <= cut);
		result = feed(
			decoder, (struct span){coded.p + cut, coded.n - cut}, true, SIZE_MAX, 4096, &out);
		assert_int_equal(result, DECODE_END);
		assert_int_equal(out.n, content.n);
		assert_memory_equal(out.p, content.p, content.n);
		decoder_free(decoder);
		if (cut > 0)
			ended += decode(&coding, 1, (struct span){coded.p, cut}, &(struct bytes){0}) ==
				 DECODE_END;
	}
	assert_int_equal(ended, parts);
	free(out.p);
}

static void assert_every_way(enum coding coding, struct bytes coded, struct span content)
{
	assert_decodes(coding, coded, content, SIZE_MAX, 65536);
	assert_decodes(coding, coded, content, 1, 65536);
	assert_decodes(coding, coded, content, 7, 13);
	assert_decodes(coding, coded, content, 1000, content.n < 10000 ? 1 : 99);
}

/* "All output that it gives was given" does not depend on how much room there was at a time. */
static void assert_prompt(enum coding coding, struct bytes coded)
{
	struct decoder *narrow = decoder_new(&coding, 1), *wide = decoder_new(&coding, 1);
	struct bytes narrow_out = {0}, wide_out = {0};
	size_t step = coding == CODING_ZSTD ? 1 : 50; /* so that a piece ends where a block ends */

	for (size_t at = 0; at < coded.n; at += step) {
		struct span piece = {coded.p + at, coded.n - at < step ? coded.n - at : step};

		assert_int_equal(feed(narrow, piece, false, SIZE_MAX, 7, &narrow_out), DECODE_MORE_INPUT);
		assert_int_equal(feed(wide, piece, false, SIZE_MAX, 300000, &wide_out), DECODE_MORE_INPUT);
		assert_int_equal(narrow_out.n, wide_out.n);
		assert_true(decoder_lag(wide) > 0 || at < step + 20 || at + step >= coded.n);
	}
	decoder_free(narrow);
	decoder_free(wide);
}

/* ---- tests */

static void assert_codings(const char *value, const enum coding *expected, size_t expected_count)
{
	enum coding codings[DECODE_MAX_CHAIN];
	size_t count = 0;

	assert_true(decode_parse_codings(span_of(value), codings, &count));
	assert_int_equal(count, expected_count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(codings[i], expected[i]);
}

static void test_names(void **state)
{
	static const enum coding chain[] = {CODING_GZIP, CODING_BR, CODING_ZSTD, CODING_DEFLATE};
	static const char *const unknown[] = {"compress", "gzip;q=1", "gzip br", "gzip, snappy",
		"aws-chunked", "\"gzip\"", "gzi", "gzipp", "exi", "gzip,gzip,gzip,gzip,gzip", "gzip\r",
		"gzip\v"};
	enum coding codings[DECODE_MAX_CHAIN];
	size_t count = 0;

	(void)state;
	assert_codings("", chain, 0);
	assert_codings(" ,\t,", chain, 0);
	assert_codings("identity", chain, 0);
	assert_codings("GZip", chain, 1);
	assert_codings("x-gzip", chain, 1);
	assert_codings("gzip,br , identity,\tZSTD,deflate", chain, 4);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		count = 0;
		assert_false(decode_parse_codings(span_of(unknown[i]), codings, &count));
	}
	assert_false(decode_parse_codings((struct span){"gzip\0", 5}, codings, &count));
	/* two field lines make one list */
	count = 0;
	assert_true(decode_parse_codings(SPAN("gzip"), codings, &count));
	assert_true(decode_parse_codings(SPAN("br"), codings, &count));
	assert_int_equal(count, 2);
	assert_int_equal(codings[1], CODING_BR);
}

static void test_what_is_no_chain(void **state)
{
	static const enum coding unknown[] = {CODING_GZIP, CODING_UNKNOWN}, identity[] = {CODING_IDENTITY};

	(void)state;
	assert_null(decoder_new(unknown, 2));
	assert_null(decoder_new(identity, 1));
	assert_null(decoder_new(unknown, 0));
	decoder_free(NULL);
}

static void test_every_coding(void **state)
{
	struct bytes text = make_text(900), noise = make_noise(MANY), many = make_text(MANY);

	(void)state;
	for (size_t i = 0; i < sizeof(all_codings) / sizeof(all_codings[0]); i++) {
		struct bytes short_coded = encode(all_codings[i], span_in(text));
		struct bytes noise_coded = encode(all_codings[i], span_in(noise));
		struct bytes many_coded = encode(all_codings[i], span_in(many));

		assert_every_way(all_codings[i], short_coded, span_in(text));
		assert_splits(all_codings[i], short_coded, span_in(text), 1);
		assert_every_way(all_codings[i], noise_coded, span_in(noise));
		assert_every_way(all_codings[i], many_coded, span_in(many));
		assert_prompt(all_codings[i], many_coded);
		free(short_coded.p);
		free(noise_coded.p);
		free(many_coded.p);
	}
	free(text.p);
	free(noise.p);
	free(many.p);
}

static void test_brotli_of_the_encoder(void **state)
{
	struct bytes text = make_text(TEXT_SIZE);
	struct bytes best = bytes_of(br_text_q11, sizeof(br_text_q11));
	struct bytes fast = bytes_of(br_text_q1, sizeof(br_text_q1));

	(void)state;
	assert_every_way(CODING_BR, best, span_in(text));
	assert_every_way(CODING_BR, fast, span_in(text));
	assert_splits(CODING_BR, best, span_in(text), 1);
	assert_splits(CODING_BR, fast, span_in(text), 1);
	assert_prompt(CODING_BR, best);
	assert_prompt(CODING_BR, fast);
	free(text.p);
	free(best.p);
	free(fast.p);
}

static void test_empty(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(all_codings) / sizeof(all_codings[0]); i++) {
		struct decoder *decoder = decoder_new(&all_codings[i], 1);
		struct span nothing = {NULL, 0};
		char out[8];
		size_t produced;

		assert_int_equal(decoder_run(decoder, &nothing, false, out, sizeof(out), &produced),
			DECODE_MORE_INPUT);
		assert_int_equal(
			decoder_run(decoder, &nothing, true, out, sizeof(out), &produced), DECODE_END);
		assert_int_equal(
			decoder_run(decoder, &nothing, true, out, sizeof(out), &produced), DECODE_END);
		assert_int_equal(decoder_lag(decoder), 0);
		decoder_free(decoder);
		/* nothing, coded, is something else */
		if (all_codings[i] != CODING_BR)
			assert_result(all_codings[i], encode(all_codings[i], SPAN("")), DECODE_END);
	}
	assert_result(CODING_BR, bytes_of(br_empty, sizeof(br_empty)), DECODE_END);
}

/* An octet too many would reach the origin unread. */
static void test_trailing_octets(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(all_codings) / sizeof(all_codings[0]); i++) {
		static const char *const trailers[] = {
			"x", "\0", "\x1f\x8b", "(\xb5/", "a whole sentence follows"};

		for (size_t j = 0; j < sizeof(trailers) / sizeof(trailers[0]); j++) {
			struct span trailer = span_of(trailers[j]);
			struct bytes coded = encode(all_codings[i], SPAN("content"));

			if (trailer.n == 0)
				trailer.n = 1;
			coded = join(coded, bytes_of(trailer.p, trailer.n));
			assert_result(all_codings[i], coded, DECODE_BAD);
		}
	}
}

/* A decoder that failed gives nothing more, not even when what follows is a whole frame. */
static void test_failure_stays(void **state)
{
	enum coding coding = CODING_ZSTD;
	struct decoder *decoder = decoder_new(&coding, 1);
	struct bytes good = zstd(SPAN("content"), 1);
	struct span bad = SPAN("no zstd at all"), in = span_in(good);
	char out[64];
	size_t produced;

	(void)state;
	assert_int_equal(decoder_run(decoder, &bad, false, out, sizeof(out), &produced), DECODE_BAD);
	assert_int_equal(decoder_run(decoder, &in, true, out, sizeof(out), &produced), DECODE_BAD);
	assert_int_equal(produced, 0);
	assert_int_equal(in.n, good.n);
	decoder_free(decoder);
	free(good.p);
}

/* Each octet of a stream changed: never a crash, and gzip's and zlib's checksums see it. */
static void test_corrupt(void **state)
{
	struct bytes text = make_text(600);

	(void)state;
	for (size_t i = 0; i < sizeof(all_codings) / sizeof(all_codings[0]); i++) {
		struct bytes coded = encode(all_codings[i], span_in(text));

		for (size_t at = 0; at < coded.n; at++) {
			struct bytes out = bytes_new(1 << 20), changed = bytes_of(coded.p, coded.n);
			enum decode_result result;

			out.n = 0;
			changed.p[at] = (char)(changed.p[at] ^ 0x55);
			result = decode(&all_codings[i], 1, span_in(changed), &out);
			assert_true(
				result == DECODE_BAD || result == DECODE_OVER_BUDGET || result == DECODE_END);
			if (all_codings[i] == CODING_GZIP && at >= 10)
				assert_int_equal(result, DECODE_BAD);
			free(out.p);
			free(changed.p);
		}
		free(coded.p);
	}
	free(text.p);
}

static void test_gzip_members(void **state)
{
	struct bytes coded = join(join(gzip(SPAN("one, ")), gzip(SPAN(""))), gzip(SPAN("two")));

	(void)state;
	assert_every_way(CODING_GZIP, coded, SPAN("one, two"));
	assert_splits(CODING_GZIP, coded, SPAN("one, two"), 3);
	free(coded.p);
}

/* Name, comment and extra field of the header are read by the origin, so they are by the rules. */
static void test_gzip_fields(void **state)
{
	static const enum coding coding = CODING_GZIP;
	struct span none = {NULL, 0};
	struct bytes coded = gzip_named(SPAN("content"), "a-name", "a comment", SPAN("extra"));

	(void)state;
	assert_every_way(CODING_GZIP, coded, SPAN("extra\na-name\na comment\ncontent"));
	assert_splits(CODING_GZIP, coded, SPAN("extra\na-name\na comment\ncontent"), 1);
	free(coded.p);
	assert_shows(&coding, 1, gzip_named(SPAN("content"), "", NULL, none), "\ncontent");
	assert_shows(&coding, 1, gzip_named(SPAN(""), NULL, "only a comment", none), "only a comment\n");
	assert_shows(
		&coding, 1, join(gzip_named(SPAN("one"), "n", NULL, none), gzip(SPAN("two"))), "n\nonetwo");
	/* between two members they would part what belongs together */
	assert_result(
		CODING_GZIP, join(gzip(SPAN("one")), gzip_named(SPAN("two"), "n", NULL, none)), DECODE_BAD);
	assert_result(
		CODING_GZIP, join(gzip(SPAN("")), gzip_named(SPAN("two"), NULL, "c", none)), DECODE_BAD);
	assert_result(CODING_GZIP, join(gzip(SPAN("")), gzip_named(SPAN("two"), NULL, NULL, SPAN("e"))),
		DECODE_BAD);
}

/* While a header is not whole, its octets hold text that was not shown. */
static void test_gzip_fields_lag(void **state)
{
	enum coding coding = CODING_GZIP;
	struct bytes coded =
		gzip_named(SPAN("content"), "a-name-of-some-length", NULL, (struct span){NULL, 0});
	struct decoder *decoder = decoder_new(&coding, 1);
	struct bytes out = bytes_new(1000);

	(void)state;
	out.n = 0;
	for (size_t at = 0; at < 31; at++) {
		assert_int_equal(feed(decoder, (struct span){coded.p + at, 1}, false, 1, 100, &out),
			DECODE_MORE_INPUT);
		assert_int_equal(out.n, 0);
		if (at >= 10)
			assert_true(decoder_lag(decoder) >= at - 9);
	}
	assert_int_equal(
		feed(decoder, (struct span){coded.p + 31, 1}, false, 1, 100, &out), DECODE_MORE_INPUT);
	assert_int_equal(out.n, 22);
	assert_true(decoder_lag(decoder) <= 8);
	decoder_free(decoder);
	free(coded.p);
	free(out.p);
}

static void test_gzip_fields_too_long(void **state)
{
	struct bytes name = bytes_new(80000);
	struct span none = {NULL, 0};

	(void)state;
	memset(name.p, 'n', name.n);
	name.p[name.n] = '\0';
	assert_result(CODING_GZIP, gzip_named(SPAN("x"), name.p, NULL, none), DECODE_OVER_BUDGET);
	assert_result(CODING_GZIP, gzip_named(SPAN("x"), NULL, name.p, none), DECODE_OVER_BUDGET);
	name.p[40000] = '\0';
	assert_result(CODING_GZIP, gzip_named(SPAN("x"), name.p, NULL, none), DECODE_END);
	assert_result(CODING_GZIP, gzip_named(SPAN("x"), name.p, name.p, none), DECODE_OVER_BUDGET);
	assert_result(
		CODING_GZIP, gzip_named(SPAN("x"), NULL, NULL, (struct span){name.p, 65535}), DECODE_END);
	free(name.p);
}

static void test_deflate_raw(void **state)
{
	struct bytes text = make_text(TEXT_SIZE);
	struct bytes raw = deflate_with(span_in(text), -15, 9, NULL);

	(void)state;
	assert_every_way(CODING_DEFLATE, raw, span_in(text));
	assert_splits(CODING_DEFLATE, raw, span_in(text), 1);
	assert_result(CODING_DEFLATE, deflate_with(SPAN(""), -15, 9, NULL), DECODE_END);
	assert_result(CODING_DEFLATE, join(raw, bytes_of("x", 1)), DECODE_BAD);
	/* one stream and no more, unlike gzip */
	assert_result(CODING_DEFLATE,
		join(encode(CODING_DEFLATE, SPAN("a")), encode(CODING_DEFLATE, SPAN("b"))), DECODE_BAD);
	assert_result(CODING_DEFLATE, bytes_of("\x78", 1), DECODE_BAD);
	free(text.p);
}

static void test_deflate_dictionary(void **state)
{
	z_stream z = {0};
	struct bytes out = bytes_new(1000);

	(void)state;
	assert_int_equal(deflateInit(&z, 9), Z_OK);
	assert_int_equal(deflateSetDictionary(&z, (const Bytef *)"content", 7), Z_OK);
	z.next_in = (z_const Bytef *)"content";
	z.avail_in = 7;
	z.next_out = (Bytef *)out.p;
	z.avail_out = (uInt)out.n;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.n = z.total_out;
	deflateEnd(&z);
	assert_result(CODING_DEFLATE, out, DECODE_BAD);
}

static void test_zstd_frames(void **state)
{
	struct bytes coded = join(join(zstd(SPAN("one, "), 1), zstd(SPAN(""), 1)), zstd(SPAN("two"), 19));

	(void)state;
	assert_every_way(CODING_ZSTD, coded, SPAN("one, two"));
	assert_splits(CODING_ZSTD, coded, SPAN("one, two"), 3);
	free(coded.p);
}

static void test_zstd_what_carries_more(void **state)
{
	static const char skippable[] = "\x50\x2a\x4d\x18\x06\x00\x00\x00secret";
	static const char legacy[] = "\x27\xb5\x2f\xfd\x00\x00\x00";
	static const char dictionary[] = "\x28\xb5\x2f\xfd\x21\x05\x01\x09\x00\x00x";

	(void)state;
	assert_result(CODING_ZSTD, bytes_of(skippable, 14), DECODE_BAD);
	assert_result(CODING_ZSTD, join(zstd(SPAN("x"), 1), bytes_of(skippable, 14)), DECODE_BAD);
	assert_result(CODING_ZSTD, join(bytes_of(skippable, 14), zstd(SPAN("x"), 1)), DECODE_BAD);
	assert_result(CODING_ZSTD, bytes_of(legacy, 7), DECODE_BAD);
	assert_result(CODING_ZSTD, bytes_of(dictionary, 11), DECODE_BAD);
}

static void test_windows(void **state)
{
	static const enum coding twice[] = {CODING_ZSTD, CODING_ZSTD};
	/* a frame header that asks for 2^24, 2^23 and 2^22 octets, then an empty last block */
	static const char zstd_24[] = "\x28\xb5\x2f\xfd\x00\x70\x01\x00\x00",
			  zstd_23[] = "\x28\xb5\x2f\xfd\x00\x68\x01\x00\x00",
			  zstd_22[] = "\x28\xb5\x2f\xfd\x00\x60\x01\x00\x00";
	struct bytes out = {0}, coded;

	(void)state;
	assert_result(CODING_BR, bytes_of(br_window_24, sizeof(br_window_24)), DECODE_OVER_BUDGET);
	assert_result(CODING_BR, bytes_of("\x11\x00", 2), DECODE_BAD); /* WBITS that RFC 7932 forbids */
	assert_result(CODING_ZSTD, bytes_of(zstd_24, 9), DECODE_OVER_BUDGET);
	assert_result(CODING_ZSTD, bytes_of(zstd_23, 9), DECODE_END);
	/* a chain shares what there is */
	coded = zstd((struct span){zstd_23, 9}, 1);
	assert_int_equal(decode(twice, 2, span_in(coded), &out), DECODE_OVER_BUDGET);
	free(coded.p);
	coded = zstd((struct span){zstd_22, 9}, 1);
	assert_int_equal(decode(twice, 2, span_in(coded), &out), DECODE_END);
	free(coded.p);
}

static struct bytes br_hiding(struct span before, struct span hidden, struct span after)
{
	struct br_writer w;

	br_begin(&w);
	if (before.n > 0)
		br_stored(&w, before);
	br_metadata(&w, hidden);
	if (after.n > 0)
		br_stored(&w, after);
	return br_end(&w);
}

/* Metadata blocks go to the origin and give no content. */
static void test_brotli_metadata(void **state)
{
	static const enum coding coding = CODING_BR;
	struct span token = SPAN("fake_0123456789a"), none = {NULL, 0}, text = SPAN("some text, and more");
	struct bytes noise = make_noise(40000);

	(void)state;
	assert_result(CODING_BR, br_hiding(none, token, none), DECODE_BAD);
	assert_result(CODING_BR, br_hiding(text, token, text), DECODE_BAD);
	assert_result(CODING_BR, br_hiding(text, SPAN("\"key\": \"fake_0123456789a\""), text), DECODE_BAD);
	/* the token itself in the content is for the rules, not for us */
	assert_shows(&coding, 1, br_stored_whole(token), token.p);
	/* small metadata is as good as none, much of it is not */
	assert_shows(&coding, 1, br_hiding(text, SPAN("lib 1.0"), none), text.p);
	assert_result(CODING_BR, br_hiding(text, (struct span){noise.p, noise.n}, text), DECODE_OVER_BUDGET);
	free(noise.p);
}

static void test_brotli_metadata_in_pieces(void **state)
{
	struct bytes coded = br_hiding(SPAN("before it"), SPAN("fake_0123456789a"), SPAN("after"));
	enum coding coding = CODING_BR;

	(void)state;
	for (size_t step = 1; step < coded.n; step++) {
		struct decoder *decoder = decoder_new(&coding, 1);
		struct bytes out = {0};

		assert_int_equal(feed(decoder, span_in(coded), true, step, 3, &out), DECODE_BAD);
		decoder_free(decoder);
	}
	free(coded.p);
}

/* Wasteful but honest: what a good compressor makes of zeros. */
static void test_zeros(void **state)
{
	struct bytes zeros = {calloc(1, 10000000), 10000000};
	struct bytes br = bytes_of(br_zeros_10m, sizeof(br_zeros_10m));

	(void)state;
	assert_decodes(CODING_BR, br, span_in(zeros), SIZE_MAX, 65536);
	free(br.p);
	for (size_t i = 0; i < sizeof(all_codings) / sizeof(all_codings[0]); i++) {
		struct bytes coded;

		if (all_codings[i] == CODING_BR)
			continue;
		coded = encode(all_codings[i], span_in(zeros));
		assert_decodes(all_codings[i], coded, span_in(zeros), 1000, 65536);
		free(coded.p);
	}
	free(zeros.p);
}

static void test_bombs(void **state)
{
	static const enum coding twice[] = {CODING_GZIP, CODING_GZIP},
				 zstd_in_gzip[] = {CODING_ZSTD, CODING_GZIP};
	struct bytes zeros = {calloc(1, 100000000), 100000000}, once, again, out = {0};

	(void)state;
	assert_result(CODING_BR, bytes_of(br_zeros_100m, sizeof(br_zeros_100m)), DECODE_OVER_BUDGET);
	assert_result(CODING_ZSTD, zstd(span_in(zeros), 1), DECODE_OVER_BUDGET);
	/* deflate's own ratio is allowed, but once: stages don't multiply */
	once = gzip(span_in(zeros));
	again = gzip(span_in(once));
	assert_int_equal(decode(twice, 1, span_in(once), &out), DECODE_END);
	assert_int_equal(out.n, zeros.n);
	out.n = 0;
	assert_int_equal(decode(twice, 2, span_in(again), &out), DECODE_OVER_BUDGET);
	assert_true(out.n < (70u << 20));
	free(once.p);
	free(again.p);
	once = zstd(span_in(zeros), 1);
	again = gzip(span_in(once));
	assert_int_equal(decode(zstd_in_gzip, 2, span_in(again), &out), DECODE_OVER_BUDGET);
	free(once.p);
	free(again.p);
	free(zeros.p);
}

static struct bytes encode_chain(const enum coding *codings, size_t count, struct span content)
{
	struct bytes coded = bytes_of(content.p, content.n);

	for (size_t i = 0; i < count; i++) {
		struct bytes next = encode(codings[i], span_in(coded));

		free(coded.p);
		coded = next;
	}
	return coded;
}

static void assert_chain(const enum coding *codings, size_t count, struct span coded, struct span content,
	size_t step, size_t room)
{
	struct decoder *decoder = decoder_new(codings, count);
	struct bytes out = bytes_new(content.n + room);

	out.n = 0;
	assert_int_equal(feed(decoder, coded, true, step, room, &out), DECODE_END);
	assert_int_equal(out.n, content.n);
	assert_memory_equal(out.p, content.p, content.n);
	decoder_free(decoder);
	free(out.p);
}

static void test_chains(void **state)
{
	static const enum coding chains[][DECODE_MAX_CHAIN] = {
		{CODING_GZIP, CODING_BR, CODING_ZSTD, CODING_DEFLATE},
		{CODING_GZIP, CODING_GZIP, CODING_GZIP, CODING_GZIP},
		{CODING_ZSTD, CODING_DEFLATE, CODING_BR, CODING_GZIP},
	};
	struct bytes texts[] = {make_text(200), make_text(MANY), make_noise(50000)};

	(void)state;
	for (size_t i = 0; i < 9; i++) {
		for (size_t count = 2; count <= DECODE_MAX_CHAIN; count++) {
			struct span content = span_in(texts[i % 3]);
			struct bytes coded = encode_chain(chains[i / 3], count, content);

			assert_chain(chains[i / 3], count, span_in(coded), content, SIZE_MAX, 65536);
			assert_chain(chains[i / 3], count, span_in(coded), content, 1, 1000);
			assert_chain(chains[i / 3], count, span_in(coded), content, 1000,
				content.n < 1000 ? 1 : 99);
			free(coded.p);
		}
	}
	for (size_t i = 0; i < 3; i++)
		free(texts[i].p);
}

/* Cut or lengthened at any stage, a chain is bad; the wrong order of names is too. */
static void test_chains_that_are_bad(void **state)
{
	static const enum coding codings[] = {CODING_GZIP, CODING_ZSTD},
				 turned[] = {CODING_ZSTD, CODING_GZIP};
	struct bytes inner = gzip(SPAN("content")), out = {0}, outer;

	(void)state;
	for (size_t cut = 1; cut < inner.n; cut++) {
		outer = zstd((struct span){inner.p, cut}, 1);
		assert_int_equal(decode(codings, 2, span_in(outer), &out), DECODE_BAD);
		free(outer.p);
	}
	inner = join(inner, bytes_of("x", 1));
	outer = zstd(span_in(inner), 1);
	assert_int_equal(decode(codings, 2, span_in(outer), &out), DECODE_BAD);
	free(outer.p);
	inner.n--;
	outer = zstd(span_in(inner), 1);
	assert_int_equal(decode(codings, 2, span_in(outer), &out), DECODE_END);
	for (size_t cut = 1; cut < outer.n; cut++)
		assert_int_equal(decode(codings, 2, (struct span){outer.p, cut}, &out), DECODE_BAD);
	assert_int_equal(decode(turned, 2, span_in(outer), &out), DECODE_BAD);
	free(outer.p);
	free(inner.p);
}

/* Header texts of every stage come first, and none goes into the next stage. */
static void test_chain_fields(void **state)
{
	static const enum coding codings[] = {CODING_GZIP, CODING_GZIP};
	struct span none = {NULL, 0};
	struct bytes plain = gzip(SPAN("content")),
		     plain_named = gzip_named(span_in(plain), "outer", NULL, none);
	struct bytes inner = gzip_named(SPAN("content"), "inner", NULL, none);
	struct bytes outer = gzip_named(span_in(inner), "outer", NULL, none);

	(void)state;
	assert_chain(codings, 2, span_in(outer), SPAN("outer\ninner\ncontent"), SIZE_MAX, 1000);
	assert_chain(codings, 2, span_in(outer), SPAN("outer\ninner\ncontent"), 1, 1000);
	assert_chain(codings, 2, span_in(outer), SPAN("outer\ninner\ncontent"), SIZE_MAX, 1);
	assert_chain(codings, 2, span_in(plain_named), SPAN("outer\ncontent"), SIZE_MAX, 1000);
	free(plain.p);
	free(plain_named.p);
	free(inner.p);
	free(outer.p);
}

static void test_chain_of_the_encoder(void **state)
{
	static const enum coding codings[] = {CODING_GZIP, CODING_BR};
	struct bytes text = make_text(300);

	(void)state;
	assert_chain(codings, 2, (struct span){(const char *)br_gzip_text, sizeof(br_gzip_text)},
		span_in(text), 1, 10);
	free(text.p);
}

static void test_chain_lag(void **state)
{
	static const enum coding codings[] = {CODING_GZIP, CODING_GZIP};
	struct bytes coded = encode_chain(codings, 2, SPAN("content")), out = {0};
	struct decoder *decoder = decoder_new(codings, 2);

	(void)state;
	for (size_t at = 0; at < coded.n; at++) {
		feed(decoder, (struct span){coded.p + at, 1}, false, 1, 100, &out);
		assert_int_equal(decoder_lag(decoder), at + 1);
	}
	decoder_free(decoder);
	free(coded.p);
}

/* Content that is stored as it is shows the lag: all of it that lies further back came out. */
static void assert_stored_lag(enum coding coding, struct bytes coded, size_t overhead, size_t most)
{
	struct decoder *decoder = decoder_new(&coding, 1);
	struct bytes out = {0};

	for (size_t at = 0; at < coded.n; at += 37) {
		size_t n = coded.n - at < 37 ? coded.n - at : 37;

		feed(decoder, (struct span){coded.p + at, n}, false, SIZE_MAX, 5000, &out);
		assert_true(decoder_lag(decoder) <= most);
		assert_true(out.n + overhead + decoder_lag(decoder) >= at + n);
	}
	decoder_free(decoder);
	free(coded.p);
}

static void test_lag_of_stored(void **state)
{
	struct bytes noise = make_noise(MANY);

	(void)state;
	assert_stored_lag(CODING_GZIP, deflate_with(span_in(noise), 31, 0, NULL), 18 + 30 * 5, 8);
	assert_stored_lag(CODING_DEFLATE, deflate_with(span_in(noise), 15, 0, NULL), 6 + 30 * 5, 8);
	assert_stored_lag(CODING_BR, br_stored_whole(span_in(noise)), 5 * 4 + 2, 64);
	assert_stored_lag(CODING_ZSTD, zstd(span_in(noise), 1), 18 + 4 * 3, (128 << 10) + 64);
	free(noise.p);
}

/* Where the block that holds octet `at` of a frame with one window octet begins (RFC 8878 3.1.1). */
static size_t zstd_block_start(struct bytes coded, size_t at)
{
	size_t start, next;
	unsigned char flags = (unsigned char)coded.p[4];
	static const unsigned content_size[] = {0, 2, 4, 8};

	next = 5u + ((flags & 0x20) == 0) +
	       ((flags >> 6) == 0 ? (flags & 0x20) != 0 : content_size[flags >> 6]);
	do {
		const unsigned char *h = (const unsigned char *)coded.p + next;
		size_t size = (h[0] | (size_t)h[1] << 8 | (size_t)h[2] << 16) >> 3;

		start = next;
		next += 3 + ((h[0] >> 1 & 3) == 1 ? 1 : size);
	} while (next <= at && next < coded.n);
	return next <= at ? next : start;
}

static void test_lag_of_zstd_blocks(void **state)
{
	enum coding coding = CODING_ZSTD;
	struct bytes text = make_text(MANY * 2), coded = zstd(span_in(text), 3), out = {0};
	struct decoder *decoder = decoder_new(&coding, 1);

	(void)state;
	for (size_t at = 0; at + 1 < coded.n; at++) {
		feed(decoder, (struct span){coded.p + at, 1}, false, 1, 200000, &out);
		if (at > 20)
			assert_true(decoder_lag(decoder) >= at + 1 - zstd_block_start(coded, at + 1));
	}
	decoder_free(decoder);
	free(coded.p);
	free(text.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_what_is_no_chain),
		cmocka_unit_test(test_every_coding),
		cmocka_unit_test(test_brotli_of_the_encoder),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_trailing_octets),
		cmocka_unit_test(test_failure_stays),
		cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_gzip_members),
		cmocka_unit_test(test_gzip_fields),
		cmocka_unit_test(test_gzip_fields_lag),
		cmocka_unit_test(test_gzip_fields_too_long),
		cmocka_unit_test(test_deflate_raw),
		cmocka_unit_test(test_deflate_dictionary),
		cmocka_unit_test(test_zstd_frames),
		cmocka_unit_test(test_zstd_what_carries_more),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_brotli_metadata),
		cmocka_unit_test(test_brotli_metadata_in_pieces),
		cmocka_unit_test(test_zeros),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_chains_that_are_bad),
		cmocka_unit_test(test_chain_fields),
		cmocka_unit_test(test_chain_of_the_encoder),
		cmocka_unit_test(test_chain_lag),
		cmocka_unit_test(test_lag_of_stored),
		cmocka_unit_test(test_lag_of_zstd_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
