/*
 * The forms in which a value may meet the matcher. Views undo encodings before it looks, so most values need
 * but themselves, and what the plain view makes of them where that is something else. A run that is too short
 * for a view is not undone (runs.h says how short that is): values that can hide in one are looked for
 * encoded, too.
 */
#include "pipelock/scan/known_internal.h"
#include "pipelock/scan/plain.h"
#include "pipelock/scan/runs.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* ---- plain */

struct plain_text {
	char *p;
	size_t n, room;
};

static void append_plain(void *arg, struct span octets)
{
	struct plain_text *text = arg;
	size_t n = octets.n < text->room - text->n ? octets.n : text->room - text->n;
	memcpy(text->p + text->n, octets.p, n);
	text->n += n;
}

static bool plain_form(struct span value, known_form *take, void *arg)
{
	struct plain plain;
	struct plain_text text = {.room = PLAIN_GROWTH * value.n + PLAIN_HIDDEN};
	text.p = malloc(text.room);
	if (!text.p)
		return false;
	plain_init(&plain, 0);
	plain_feed(&plain, value, true, append_plain, &text);
	if (plain_changed(&plain))
		take(arg, (struct span){text.p, text.n});
	OPENSSL_cleanse(&plain, sizeof(plain));
	OPENSSL_cleanse(text.p, text.room);
	free(text.p);
	return true;
}

/* ---- encoded */

struct code {
	const char *alphabet;
	unsigned bits, shortest;
};

/* `bits` bits of the value from this one on. */
static unsigned bits_at(struct span value, size_t at, unsigned bits)
{
	unsigned out = 0;
	for (size_t i = at; i < at + bits; i++)
		out = out << 1 | ((unsigned char)value.p[i / 8] >> (7 - i % 8) & 1u);
	return out;
}

/* The characters that are made of the value alone, when `shift` octets stand before it. */
static void encoded_form(
	const struct code *code, struct span value, size_t shift, known_form *take, void *arg)
{
	char out[8 * KNOWN_WINDOW / 4];
	size_t n = 0, first = (code->bits - 8 * shift % code->bits) % code->bits;
	for (size_t at = first; at + code->bits <= 8 * value.n; at += code->bits)
		out[n++] = code->alphabet[bits_at(value, at, code->bits)];
	take(arg, (struct span){out, n});
	OPENSSL_cleanse(out, sizeof(out));
}

static void encoded_forms(struct span value, known_form *take, void *arg)
{
	static const struct code codes[] = {
		{UPPER LOWER DIGITS "+/", 6, RUNS_BASE64_SHORTEST},
		{UPPER LOWER DIGITS "-_", 6, RUNS_BASE64_SHORTEST},
		{UPPER "234567", 5, RUNS_BASE32_SHORTEST},
		{LOWER "234567", 5, RUNS_BASE32_SHORTEST},
		{DIGITS "ABCDEF", 4, RUNS_HEX_SHORTEST},
		{DIGITS "abcdef", 4, RUNS_HEX_SHORTEST},
	};
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const struct code *code = &codes[i];
		if ((8 * value.n + code->bits - 1) / code->bits >= code->shortest)
			continue;
		for (size_t shift = 0; shift == 0 || 8 * shift % code->bits != 0; shift++)
			encoded_form(code, value, shift, take, arg);
	}
}

bool known_each_form(struct span value, known_form *take, void *arg)
{
	take(arg, value);
	if (value.n < KNOWN_WINDOW)
		encoded_forms(value, take, arg);
	return plain_form(value, take, arg);
}
