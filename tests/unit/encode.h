/*
 * Ways to write a text so that it doesn't look like itself: what the views undo. Each encoder makes one blob
 * of another. Shared by unit tests and fuzz targets.
 */
#ifndef TESTS_UNIT_ENCODE_H
#define TESTS_UNIT_ENCODE_H

#include "common/span.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define BLOB_MAX (1u << 18)

struct blob {
	size_t n;
	char p[BLOB_MAX];
};

static inline void encode_require(bool condition)
{
	if (!condition)
		abort();
}

typedef void encoder(const struct blob *in, struct blob *out);

static inline void blob_add(struct blob *out, const void *p, size_t n)
{
	encode_require(n <= BLOB_MAX - out->n);
	if (n > 0)
		memcpy(out->p + out->n, p, n);
	out->n += n;
}

static inline void blob_add_text(struct blob *out, const char *text)
{
	blob_add(out, text, strlen(text));
}

static inline void blob_set(struct blob *out, struct span text)
{
	out->n = 0;
	blob_add(out, text.p, text.n);
}

static inline struct span blob_span(const struct blob *blob)
{
	return (struct span){blob->p, blob->n};
}

static inline void __attribute__((format(printf, 2, 3)))
blob_printf(struct blob *out, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(out->p + out->n, BLOB_MAX - out->n, format, args);
	va_end(args);
	encode_require(n >= 0 && (size_t)n < BLOB_MAX - out->n);
	out->n += (size_t)n;
}

/* ---- codes of octets */

static inline void encode_bits(const struct blob *in, struct blob *out, const char *alphabet, unsigned bits)
{
	uint32_t held = 0;
	unsigned n = 0;
	out->n = 0;
	for (size_t i = 0; i < in->n; i++) {
		held = held << 8 | (unsigned char)in->p[i];
		for (n += 8; n >= bits; n -= bits)
			blob_add(out, &alphabet[held >> (n - bits) & ((1u << bits) - 1)], 1);
	}
	if (n > 0)
		blob_add(out, &alphabet[held << (bits - n) & ((1u << bits) - 1)], 1);
}

static inline void pad_to(struct blob *out, size_t group)
{
	while (out->n % group != 0)
		blob_add(out, "=", 1);
}

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static inline void encode_base64(const struct blob *in, struct blob *out)
{
	encode_bits(in, out, ALPHANUMERIC "+/", 6);
	pad_to(out, 4);
}

static inline void encode_base64url(const struct blob *in, struct blob *out)
{
	encode_bits(in, out, ALPHANUMERIC "-_", 6);
}

static inline void encode_base32(const struct blob *in, struct blob *out)
{
	encode_bits(in, out, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5);
	pad_to(out, 8);
}

static inline void encode_base32_lower(const struct blob *in, struct blob *out)
{
	encode_bits(in, out, "abcdefghijklmnopqrstuvwxyz234567", 5);
}

static inline void encode_base32hex(const struct blob *in, struct blob *out)
{
	encode_bits(in, out, "0123456789ABCDEFGHIJKLMNOPQRSTUV", 5);
	pad_to(out, 8);
}

/* Lines of `width` characters, the first one after `first`. */
static inline void wrap(struct blob *text, size_t width, const char *line_end)
{
	static struct blob whole;
	blob_set(&whole, blob_span(text));
	text->n = 0;
	for (size_t at = 0; at < whole.n; at += width) {
		blob_add(text, whole.p + at, whole.n - at < width ? whole.n - at : width);
		blob_add_text(text, line_end);
	}
}

static inline void encode_base64_wrapped(const struct blob *in, struct blob *out)
{
	encode_base64(in, out);
	wrap(out, 76, "\r\n");
}

static inline void encode_base64_narrow(const struct blob *in, struct blob *out)
{
	encode_base64(in, out);
	wrap(out, 20, "\n  ");
}

static inline void encode_each(
	const struct blob *in, struct blob *out, const char *format, const char *between)
{
	out->n = 0;
	for (size_t i = 0; i < in->n; i++) {
		if (i > 0)
			blob_add_text(out, between);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		blob_printf(out, format, (unsigned char)in->p[i]);
#pragma GCC diagnostic pop
	}
}

#define HEX_ENCODERS(X)                                                                                      \
	X(hex, "%02x", "")                                                                                   \
	X(hex_upper, "%02X", "")                                                                             \
	X(hex_space, "%02x", " ")                                                                            \
	X(hex_line, "%02x", "\r\n")                                                                          \
	X(hex_comma, "%02x", ",")                                                                            \
	X(hex_colon, "%02X", ":")                                                                            \
	X(hex_semicolon, "%02x", ";")                                                                        \
	X(hex_dash, "%02x", "-")                                                                             \
	X(hex_underscore, "%02x", "_")                                                                       \
	X(hex_dot, "%02x", ".")                                                                              \
	X(hex_equals, "%02x", "=")                                                                           \
	X(hex_slash, "%02x", "/")                                                                            \
	X(hex_bar, "%02x", "|")                                                                              \
	X(hex_hash, "%02x", "#")                                                                             \
	X(quoted, "=%02X", "")                                                                               \
	X(hex_0x, "0x%02X", ", ")

/* What is undone as an escape, before hex is looked for. */
#define ESCAPED_OCTET_ENCODERS(X)                                                                            \
	X(hex_x, "\\x%02x", "")                                                                              \
	X(percent, "%%%02X", "")                                                                             \
	X(percent_lower, "%%%02x", "")                                                                       \
	X(percent_twice, "%%25%02X", "")

#define DEFINE_EACH(name, format, between)                                                                   \
	static inline void encode_##name(const struct blob *in, struct blob *out)                            \
	{                                                                                                    \
		encode_each(in, out, format, between);                                                       \
	}

HEX_ENCODERS(DEFINE_EACH)
ESCAPED_OCTET_ENCODERS(DEFINE_EACH)

/* Digits in groups of five. */
static inline void encode_hex_groups(const struct blob *in, struct blob *out)
{
	encode_hex(in, out);
	wrap(out, 5, " ");
}

/* ---- escapes of characters */

/* The character at *at, of well-formed UTF-8; *at goes behind it. */
static inline unsigned next_character(const struct blob *in, size_t *at)
{
	unsigned c = (unsigned char)in->p[(*at)++];
	unsigned more = c < 0xc0 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	c &= more ? 0x3fu >> more : 0x7f;
	for (; more > 0; more--)
		c = c << 6 | ((unsigned char)in->p[(*at)++] & 0x3f);
	return c;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static inline void escape_each(const struct blob *in, struct blob *out, const char *format)
{
	out->n = 0;
	for (size_t at = 0; at < in->n;)
		blob_printf(out, format, next_character(in, &at));
}
#pragma GCC diagnostic pop

#define CHARACTER_ENCODERS(X)                                                                                \
	X(escaped_u, "\\u%04x")                                                                              \
	X(escaped_u_braces, "\\u{%x}")                                                                       \
	X(entity, "&#%u;")                                                                                   \
	X(entity_hex, "&#x%x;")                                                                              \
	X(entity_zeros, "&#0000%u;")

#define DEFINE_ESCAPE(name, format)                                                                          \
	static inline void encode_##name(const struct blob *in, struct blob *out)                            \
	{                                                                                                    \
		escape_each(in, out, format);                                                                \
	}

CHARACTER_ENCODERS(DEFINE_ESCAPE)

/* Every third character only. */
static inline void encode_percent_some(const struct blob *in, struct blob *out)
{
	out->n = 0;
	for (size_t i = 0; i < in->n; i++) {
		if (i % 3 == 0)
			blob_printf(out, "%%%02X", (unsigned char)in->p[i]);
		else
			blob_add(out, &in->p[i], 1);
	}
}

/* Below U+10000. */
static inline void add_character(struct blob *out, uint32_t c)
{
	char three[3] = {(char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3f)), (char)(0x80 | (c & 0x3f))};
	char two[2] = {(char)(0xc0 | c >> 6), three[2]}, one = (char)c;
	if (c < 0x80)
		blob_add(out, &one, 1);
	else
		blob_add(out, c < 0x800 ? two : three, c < 0x800 ? 2 : 3);
}

static inline void encode_full_width(const struct blob *in, struct blob *out)
{
	out->n = 0;
	for (size_t at = 0; at < in->n;) {
		unsigned c = next_character(in, &at);
		add_character(out, c > ' ' && c < 0x7f ? 0xff01u + c - '!' : c);
	}
}

static inline void put_behind_each(const struct blob *in, struct blob *out, const char *more)
{
	out->n = 0;
	for (size_t at = 0; at < in->n;) {
		add_character(out, next_character(in, &at));
		blob_add_text(out, more);
	}
}

static inline void encode_zero_width(const struct blob *in, struct blob *out)
{
	put_behind_each(in, out, "\xe2\x80\x8b");
}

static inline void encode_soft_hyphen(const struct blob *in, struct blob *out)
{
	put_behind_each(in, out, "\xc2\xad");
}

static inline void encode_combining(const struct blob *in, struct blob *out)
{
	put_behind_each(in, out, "\xcc\x81");
}

static inline void encode_control(const struct blob *in, struct blob *out)
{
	put_behind_each(in, out, "\x01");
}

static inline void encode_utf16le(const struct blob *in, struct blob *out)
{
	out->n = 0;
	for (size_t at = 0; at < in->n;) {
		unsigned c = next_character(in, &at);
		blob_add(out, (char[]){(char)c, (char)(c >> 8)}, 2);
	}
}

static inline void encode_utf16be(const struct blob *in, struct blob *out)
{
	out->n = 0;
	for (size_t at = 0; at < in->n;) {
		unsigned c = next_character(in, &at);
		blob_add(out, (char[]){(char)(c >> 8), (char)c}, 2);
	}
}

/* ---- compressed */

static inline void deflate_into(const struct blob *in, struct blob *out, int window_bits)
{
	z_stream z = {0};
	encode_require(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	z.next_in = (z_const Bytef *)in->p;
	z.avail_in = (unsigned)in->n;
	z.next_out = (Bytef *)out->p + out->n;
	z.avail_out = (unsigned)(BLOB_MAX - out->n);
	encode_require(deflate(&z, Z_FINISH) == Z_STREAM_END);
	out->n = BLOB_MAX - z.avail_out;
	deflateEnd(&z);
}

static inline void encode_gzip(const struct blob *in, struct blob *out)
{
	out->n = 0;
	deflate_into(in, out, MAX_WBITS + 16);
}

static inline void encode_zlib(const struct blob *in, struct blob *out)
{
	out->n = 0;
	deflate_into(in, out, MAX_WBITS);
}

static inline void encode_zstd(const struct blob *in, struct blob *out)
{
	out->n = ZSTD_compress(out->p, BLOB_MAX, in->p, in->n, 3);
	encode_require(!ZSTD_isError(out->n));
}

static inline void add_16(struct blob *out, unsigned value)
{
	blob_add(out, (unsigned char[]){(unsigned char)value, (unsigned char)(value >> 8)}, 2);
}

/* PKWARE's APPNOTE 4.3.7, as a writer does that can't seek: sizes stand behind the data. */
static inline void add_zip_entry(
	struct blob *out, const char *name, const struct blob *content, bool deflated)
{
	blob_add_text(out, "PK\x03\x04");
	add_16(out, 20);
	add_16(out, 8);
	add_16(out, deflated ? 8 : 0);
	blob_add(out,
		"\0\0\0\0"
		"\0\0\0\0"
		"\0\0\0\0"
		"\0\0\0\0",
		16);
	add_16(out, (unsigned)strlen(name));
	add_16(out, 4);
	blob_add_text(out, name);
	blob_add(out, "\xfe\xca\0\0", 4);
	if (deflated)
		deflate_into(content, out, -MAX_WBITS);
	else
		blob_add(out, content->p, content->n);
	blob_add(out,
		"PK\x07\x08"
		"\x01\x02\x03\x04"
		"\0\0\0\0"
		"\0\0\0\0",
		16);
}

static inline void encode_zip(const struct blob *in, struct blob *out)
{
	static struct blob first;
	blob_set(&first, SPAN("the first entry holds nothing of note."));
	out->n = 0;
	add_zip_entry(out, "readme.txt", &first, true);
	add_zip_entry(out, "notes.txt", in, true);
	blob_add_text(out, "PK\x05\x06");
}

#endif
