/*
 * The view `plain` against any octets: the first one says what is done with the others. They are fed whole,
 * in pieces and octet by octet, and where they hold nothing but percent escapes, decoding again and again
 * until nothing changes must give the same. Or they say how a text is encoded, several times over: it must
 * come back.
 */
#include "pipelock/scan/plain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                                                   \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

#define TEXT_MAX 16
#define ROUNDS 3
#define LONGEST 12 /* that one character of a text becomes in a round */
#define ROOM (TEXT_MAX * LONGEST * LONGEST * LONGEST)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
	char p[ROOM];
	size_t n;
};

static void collect(void *arg, struct span octets)
{
	struct text *text = arg;

	REQUIRE(octets.n > 0 && octets.n <= sizeof(text->p) - text->n);
	memcpy(text->p + text->n, octets.p, octets.n);
	text->n += octets.n;
}

/* Each piece in a block of its size. */
static void feed_copy(struct plain *plain, struct span piece, bool last, struct text *out)
{
	char *copy = malloc(piece.n + (piece.n == 0));

	REQUIRE(copy != NULL);
	memcpy(copy, piece.p, piece.n);
	plain_feed(plain, (struct span){copy, piece.n}, last, collect, out);
	free(copy);
}

static bool view(unsigned flags, struct span in, size_t step, struct text *out)
{
	struct plain plain;
	size_t at = 0;

	plain_init(&plain, flags);
	out->n = 0;
	for (; in.n - at > step; at += step) {
		feed_copy(&plain, (struct span){in.p + at, step}, false, out);
		REQUIRE(plain_lag(&plain) <= PLAIN_LAG_MAX && plain_lag(&plain) <= at + step);
	}
	feed_copy(&plain, (struct span){in.p + at, in.n - at}, true, out);
	REQUIRE(plain_lag(&plain) == 0);
	REQUIRE(out->n <= PLAIN_GROWTH * in.n);
	return plain_changed(&plain);
}

static void require_same(const struct text *a, const struct text *b)
{
	REQUIRE(a->n == b->n && memcmp(a->p, b->p, a->n) == 0);
}

/* ---- percent alone, again and again */

static int digit(char c)
{
	const char *digits = "0123456789abcdef0123456789ABCDEF", *found = c ? strchr(digits, c) : NULL;

	return found ? (int)((found - digits) % 16) : -1;
}

/* Whether that is all there is, and less of it than the view goes into. */
static bool is_percent_only(const struct text *text)
{
	size_t count = 0;

	for (size_t i = 0; i < text->n; i++) {
		if (text->p[i] < ' ' || text->p[i] > '~' || text->p[i] == '&' || text->p[i] == '\\')
			return false;
		count += text->p[i] == '%';
	}
	return count <= PLAIN_DEPTH;
}

/* Once, in place. */
static bool decode_percent(struct text *text)
{
	size_t n = 0, before = text->n;

	for (size_t i = 0; i < text->n; n++) {
		bool is_escape = text->p[i] == '%' && text->n - i > 2 && digit(text->p[i + 1]) >= 0 &&
				 digit(text->p[i + 2]) >= 0;
		text->p[n] = text->p[i];
		if (is_escape)
			text->p[n] = (char)(digit(text->p[i + 1]) * 16 + digit(text->p[i + 2]));
		i += is_escape ? 3 : 1;
	}
	text->n = n;
	return n != before;
}

static void check_percent(struct span in, const struct text *out)
{
	static struct text text;

	memcpy(text.p, in.p, in.n);
	text.n = in.n;
	do {
		if (!is_percent_only(&text))
			return;
	} while (decode_percent(&text));
	require_same(&text, out);
}

/* ---- a text that is encoded */

struct choices {
	const uint8_t *p;
	size_t n, at;
};

/* 0 when there are no more. */
static unsigned choose(struct choices *choices, unsigned of)
{
	return choices->at < choices->n ? choices->p[choices->at++] % of : 0;
}

__attribute__((format(printf, 2, 3))) static void append(struct text *text, const char *format, ...)
{
	char piece[LONGEST + 1];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(piece, sizeof(piece), format, arguments);
	va_end(arguments);
	REQUIRE(n > 0 && n <= LONGEST);
	collect(text, (struct span){piece, (size_t)n});
}

static void append_backslashed(struct choices *choices, unsigned char c, struct text *to)
{
	switch (choose(choices, 4)) {
	case 0:
		append(to, "\\u%04x", c);
		break;
	case 1:
		append(to, "\\x%02X", c);
		break;
	case 2:
		append(to, "\\u{%x}", c);
		break;
	default:
		append(to, c == '\\' ? "\\%c" : "\\U%08x", c);
	}
}

static void append_reference(struct choices *choices, unsigned char c, struct text *to)
{
	switch (choose(choices, 4)) {
	case 0:
		append(to, "&#%u;", c);
		break;
	case 1:
		append(to, "&#x%x;", c);
		break;
	case 2:
		append(to, "&#X%04X;", c);
		break;
	default:
		append(to, c == '&' ? "%camp;" : "&#%06u;", c);
	}
}

/* What encodes a text and escapes: those of its own kind always, so that they can be told from its own;
 * others all or none. */
struct encoder {
	char kind;
	bool all;
};

static void encode_character(struct choices *choices, struct encoder encoder, char c, struct text *to)
{
	bool begins = strchr("%\\&", c) != NULL;

	if (begins ? c != encoder.kind && !encoder.all : choose(choices, 2) == 0)
		append(to, "%c", c);
	else if (encoder.kind == '%')
		append(to, choose(choices, 2) ? "%%%02x" : "%%%02X", (unsigned char)c);
	else if (encoder.kind == '\\')
		append_backslashed(choices, (unsigned char)c, to);
	else
		append_reference(choices, (unsigned char)c, to);
}

static void check_encoded(struct choices choices)
{
	static const char alphabet[] = "abcdefABCDEFGuxUnrtamp0123456789_-. {};#";
	static struct text text, rounds[2], out;
	const struct text *from = &text;

	text.n = 0;
	for (size_t n = choose(&choices, TEXT_MAX + 1); n > 0; n--)
		text.p[text.n++] = alphabet[choose(&choices, sizeof(alphabet) - 1)];
	for (size_t round = 0; round < ROUNDS; round++) {
		struct text *to = &rounds[round % 2];
		struct encoder encoder = {"%\\&"[choose(&choices, 3)], choose(&choices, 2)};
		to->n = 0;
		for (size_t i = 0; i < from->n; i++)
			encode_character(&choices, encoder, from->p[i], to);
		from = to;
	}
	view(0, (struct span){from->p, from->n}, 1 + choose(&choices, 64), &out);
	require_same(&out, &text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct text whole, other;
	struct span in = {(const char *)data + 1, size - 1};

	if (size < 2 || PLAIN_GROWTH * size > ROOM)
		return 0;
	if (data[0] % 3 == 2) {
		check_encoded((struct choices){data + 1, size - 1, 0});
		return 0;
	}
	unsigned flags = data[0] % 3 == 1 ? PLAIN_PLUS_IS_SPACE : 0;
	bool changed = view(flags, in, in.n, &whole);
	REQUIRE(changed || (whole.n == in.n && memcmp(whole.p, in.p, in.n) == 0));
	REQUIRE(view(flags, in, 1, &other) == changed);
	require_same(&whole, &other);
	REQUIRE(view(flags, in, (size_t)data[0] / 3 + 2, &other) == changed);
	require_same(&whole, &other);
	if (flags == 0)
		check_percent(in, &whole);
	return 0;
}
