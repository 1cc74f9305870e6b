/*
 * Reading the input of the view `plain` where no escape has begun: runs of octets that stand for themselves
 * are handed through, and what can be told from the octets at hand is decided. It is a shorter way to what
 * the machine (plain_escape.c) says, and must say the same, since where the input is cut tells which of them
 * sees it.
 */
#include "pipelock/scan/plain_internal.h"
#include "pipelock/scan/unicode/table.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Runs that end within so many octets are copied while they are looked for. */
#define SHORT_MAX 64

/* The next octet can be no part of an escape or a sequence that the one before it begins. */
static bool is_apart(const struct plain *plain, unsigned char c)
{
	return plain_classes[c] == PLAIN_ORDINARY && !plain_is_plus(plain, c);
}

#ifdef __SSE2__
/* A bit for each of 16 octets that is not ordinary, or is `plus`. */
static inline unsigned special_octets(__m128i v, __m128i plus)
{
	/* As signed numbers octets of 128 and up are small too. */
	__m128i special = _mm_cmplt_epi8(v, _mm_set1_epi8(' '));
	__m128i kept = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')),
		_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\r')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'))));

	special = _mm_andnot_si128(kept, special);
	special = _mm_or_si128(special, _mm_cmpeq_epi8(v, _mm_set1_epi8('%')));
	special = _mm_or_si128(special, _mm_cmpeq_epi8(v, _mm_set1_epi8('&')));
	special = _mm_or_si128(special, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
	special = _mm_or_si128(special, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
	special = _mm_or_si128(special, _mm_cmpeq_epi8(v, plus));
	return (unsigned)_mm_movemask_epi8(special);
}

static __m128i plus_octets(const struct plain *plain)
{
	return _mm_set1_epi8(plain->flags & PLAIN_PLUS_IS_SPACE ? '+' : '%');
}
#endif

/* How many octets at the beginning stand for themselves. */
static size_t ordinary_run(const struct plain *plain, const char *p, size_t n)
{
	size_t i = 0;

#ifdef __SSE2__
	__m128i plus = plus_octets(plain);
	for (; i + 16 <= n; i += 16) {
		unsigned special =
			special_octets(_mm_loadu_si128((const __m128i *)(const void *)(p + i)), plus);
		if (special)
			return i + (size_t)__builtin_ctz(special);
	}
#endif
	while (i < n && is_apart(plain, (unsigned char)p[i]))
		i++;
	return i;
}

/* The run at the beginning, gathered as it is looked for. 0: nothing is done, it is long or near an end. */
static size_t copy_short_run(struct plain_run *run, const char *p, size_t n)
{
#ifdef __SSE2__
	__m128i plus = plus_octets(run->plain);
	for (size_t i = 0; i < SHORT_MAX && i + 16 <= n && run->out_n + i + 16 <= PLAIN_BUFFER; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		unsigned special = special_octets(v, plus);
		_mm_storeu_si128((__m128i *)(void *)(run->out + run->out_n + i), v);
		if (special) {
			i += (size_t)__builtin_ctz(special);
			run->out_n += i;
			return i;
		}
	}
#else
	(void)run, (void)p, (void)n;
#endif
	return 0;
}

/* What became of a code point. */
enum put_result { PUT_NOTHING, PUT_SAME, PUT_OTHER };

/* Give out what the code point comes to. NOTHING was done where that may go on being something else. */
static enum put_result put_code(struct plain_run *run, uint32_t code)
{
	uint16_t to = code < 0x80 ? (uint16_t)code : unicode_entry(code);

	if (code >= 0x80 && to == UNICODE_KEEP && !plain_is_invisible(code)) {
		if (PLAIN_BUFFER - run->out_n < 4)
			plain_flush(run);
		run->out_n += plain_utf8(code, (unsigned char *)run->out + run->out_n);
		return PUT_SAME;
	}
	if (to >= UNICODE_FIRST_TEXT || plain_is_invisible(code) || plain_classes[to] > PLAIN_DROPPED)
		return PUT_NOTHING;
	if (plain_classes[to] == PLAIN_ORDINARY)
		plain_put(run, (char)to);
	return PUT_OTHER;
}

/* \uXXXX, or two that are a pair. 0: it is not whole. */
static size_t read_unicode(const unsigned char *p, size_t n, uint32_t *code)
{
	*code = 0;
	if (n < 6 || p[0] != '\\' || p[1] != 'u')
		return 0;
	for (size_t i = 2; i < 6; i++) {
		int digit = plain_hex(p[i]);
		if (digit < 0)
			return 0;
		*code = *code << 4 | (uint32_t)digit;
	}
	return 6;
}

static size_t read_unicode_escape(struct plain_run *run, const unsigned char *p, size_t n)
{
	uint32_t code, low;
	size_t used = read_unicode(p, n, &code);

	if (used > 0 && code - 0xd800 < 0x400) {
		if (read_unicode(p + used, n - used, &low) == 0 || low - 0xdc00 >= 0x400)
			return 0;
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		used *= 2;
	}
	return used > 0 && code - 0xdc00 >= 0x400 && put_code(run, code) ? used : 0;
}

/* \n and the like. */
static size_t read_backslashed(struct plain_run *run, const unsigned char *p, size_t n)
{
	unsigned char to = (unsigned char)plain_backslashed[p[1]];

	if (p[1] == 'u')
		return read_unicode_escape(run, p, n);
	return to && put_code(run, to) ? 2 : 0;
}

static size_t read_percent(struct plain_run *run, const unsigned char *p, size_t n)
{
	unsigned to;

	if (n < 3 || plain_hex(p[2]) < 0)
		return 0;
	to = (unsigned)(plain_hex(p[1]) << 4 | plain_hex(p[2]));
	return to < 0x80 && put_code(run, to) ? 3 : 0;
}

/* How much of it is an & and a name that is no reference, as in the query of a URL and in C. */
static size_t plain_name(const struct plain *plain, const unsigned char *p, size_t n)
{
	const struct unicode_entity *entity;
	size_t i = 1;

	while (i < n && i <= UNICODE_ENTITY_MAX && (plain_is_letter(p[i]) || (p[i] >= '0' && p[i] <= '9')))
		i++;
	if (i == n || i > UNICODE_ENTITY_MAX || p[i] == ';' || !is_apart(plain, p[i]))
		return 0;
	entity = unicode_find_entity((struct span){(const char *)p + 1, i - 1});
	return entity && entity->bare ? 0 : i;
}

/* How many octets are clearly no escape although they look like one. */
static size_t no_escape(const struct plain *plain, const unsigned char *p, size_t n)
{
	switch (p[0]) {
	case '%':
		if (plain_hex(p[1]) < 0)
			return 1;
		return n > 2 && plain_hex(p[2]) < 0 && is_apart(plain, p[2]) ? 2 : 0;
	case '&':
		if (plain_is_letter(p[1]))
			return plain_name(plain, p, n);
		return p[1] == '#' ? 0 : 1;
	default:
		return p[1] == 'u' || p[1] == 'U' || p[1] == 'x' || plain_backslashed[p[1]] ? 0 : 1;
	}
}

/* An escape that is whole and comes to what can be no part of another, and what is clearly none. 0: not so
 * clear. */
static size_t read_escape(struct plain_run *run, const unsigned char *p, size_t n)
{
	size_t used;

	if (n < 2 || !is_apart(run->plain, p[1]))
		return 0;
	used = no_escape(run->plain, p, n);
	if (used > 0) {
		plain_put_span(run, (const char *)p, used);
		return used;
	}
	if (p[0] == '&')
		return 0;
	used = p[0] == '%' ? read_percent(run, p, n) : read_backslashed(run, p, n);
	run->plain->changed |= used > 0;
	return used;
}

/* The code point of a sequence that is whole and right, and no half of a pair. 0: anything else. */
static uint32_t utf8_code(const unsigned char *p, size_t n, size_t *used)
{
	size_t need = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t code = p[0] & (0x7fu >> need);

	if (n < need)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fu);
	}
	*used = need;
	return code < least[need] || code > 0x10ffff || code - 0xd800 < 0x800 ? 0 : code;
}

static size_t read_utf8(struct plain_run *run, const unsigned char *p, size_t n)
{
	size_t used;
	uint32_t code = utf8_code(p, n, &used);
	enum put_result result = code ? put_code(run, code) : PUT_NOTHING;

	run->plain->changed |= result == PUT_OTHER;
	return result ? used : 0;
}

/* Decide what the next octets are, with nothing begun before them. 0: the machine has to. */
static size_t read_special(struct plain_run *run, const unsigned char *p, size_t n)
{
	struct plain *plain = run->plain;
	size_t used;

	switch (plain_classes[p[0]]) {
	case PLAIN_DROPPED:
		plain->changed = true;
		return 1;
	case PLAIN_ESCAPE:
		return read_escape(run, p, n);
	case PLAIN_LEAD:
		used = read_utf8(run, p, n);
		/* What follows a lead that it can't go on with shows that it is none; but it may be written
		 * as an escape. */
		if (used > 0 || n < 2 || !(is_apart(plain, p[1]) || p[1] >= 0xc0))
			return used;
		break;
	case PLAIN_STRAY:
		if (plain->fed == 0)
			return 0;
		break;
	default: /* a plus */
		plain->changed = true;
		plain_put(run, ' ');
		return 1;
	}
	plain_put(run, (char)p[0]);
	return 1;
}

size_t plain_read(struct plain_run *run, const char *p, size_t n)
{
	size_t used;

	if (!is_apart(run->plain, (unsigned char)p[0]))
		return read_special(run, (const unsigned char *)p, n);
	used = copy_short_run(run, p, n);
	if (used == 0) {
		used = ordinary_run(run->plain, p, n);
		plain_put_span(run, p, used);
	}
	return used;
}
