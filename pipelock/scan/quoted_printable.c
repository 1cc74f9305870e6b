/*
 * Between two "=" everything is handed through, large pieces as they lie in the input. What begins with "="
 * is collected octet by octet until it is known what it is; an octet that decides against it is then looked
 * at anew, so nothing is looked at more than twice.
 */
#include "pipelock/scan/quoted_printable.h"

#include "common/octets.h"

void quoted_printable_init(struct quoted_printable *v)
{
	v->malformed = false;
	v->held_n = v->out_n = 0;
}

static void flush(struct quoted_printable *v, view_emit *emit, void *arg)
{
	if (v->out_n > 0)
		emit(arg, (struct span){v->out, v->out_n});
	v->out_n = 0;
}

static void put(struct quoted_printable *v, const char *p, size_t n, view_emit *emit, void *arg)
{
	if (n > sizeof(v->out) - v->out_n)
		flush(v, emit, arg);
	if (n > sizeof(v->out)) {
		emit(arg, (struct span){p, n});
		return;
	}
	memcpy(v->out + v->out_n, p, n);
	v->out_n += n;
}

static void hand_through(struct quoted_printable *v, view_emit *emit, void *arg)
{
	v->malformed = true;
	put(v, v->held, v->held_n, emit, arg);
	v->held_n = 0;
}

static bool is_blank(char octet)
{
	return octet == ' ' || octet == '\t';
}

/* Whether the octet may stand after those that are held: a "=", one digit, or white space, or a CR. */
static bool may_follow(const struct quoted_printable *v, char octet)
{
	char before = v->held[v->held_n - 1];

	if (before == '\r')
		return octet == '\n';
	if (octet_is(before, OCTET_HEX))
		return octet_is(octet, OCTET_HEX);
	if (v->held_n == 1 && octet_is(octet, OCTET_HEX))
		return true;
	return is_blank(octet) || octet == '\r' || octet == '\n';
}

/* false: the octet is no part of it, and has not been used. */
static bool take_held(struct quoted_printable *v, char octet, view_emit *emit, void *arg)
{
	bool fits = v->held_n < sizeof(v->held) || octet == '\n';

	if (!fits || !may_follow(v, octet)) {
		hand_through(v, emit, arg);
		return false;
	}
	if (octet == '\n') {
		v->held_n = 0;
	} else if (v->held_n == 2 && octet_is(v->held[1], OCTET_HEX)) {
		char value = (char)(octet_hex_value(v->held[1]) << 4 | octet_hex_value(octet));

		v->held_n = 0;
		put(v, &value, 1, emit, arg);
	} else {
		v->held[v->held_n++] = octet;
	}
	return true;
}

/* The text before the next "=". What is usual after that, =XX whole, is decoded on the spot. */
static const char *take_text(
	struct quoted_printable *v, const char *p, const char *end, view_emit *emit, void *arg)
{
	const char *sign = memchr(p, '=', (size_t)(end - p));

	if (sign == NULL) {
		put(v, p, (size_t)(end - p), emit, arg);
		return end;
	}
	put(v, p, (size_t)(sign - p), emit, arg);
	if (end - sign > 2 && octet_is(sign[1], OCTET_HEX) && octet_is(sign[2], OCTET_HEX)) {
		char value = (char)(octet_hex_value(sign[1]) << 4 | octet_hex_value(sign[2]));

		put(v, &value, 1, emit, arg);
		return sign + 3;
	}
	v->held[v->held_n++] = '=';
	return sign + 1;
}

void quoted_printable_feed(struct quoted_printable *v, struct span in, bool last, view_emit *emit, void *arg)
{
	const char *p = in.n > 0 ? in.p : "", *end = p + in.n;

	while (p < end) {
		if (v->held_n == 0)
			p = take_text(v, p, end, emit, arg);
		else if (take_held(v, *p, emit, arg))
			p++;
	}
	if (last && v->held_n > 0) {
		char before = v->held[v->held_n - 1];

		if (before == '\r' || octet_is(before, OCTET_HEX))
			hand_through(v, emit, arg);
		v->held_n = 0;
	}
	flush(v, emit, arg);
}

size_t quoted_printable_lag(const struct quoted_printable *v)
{
	return v->held_n;
}
