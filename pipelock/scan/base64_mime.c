/*
 * Groups of four letters go through a loop of their own; octets that are something else, and letters of a
 * group that a piece or a line cuts, go one by one. Either way each octet is looked at once.
 */
#include "pipelock/scan/base64_mime.h"

/* What an octet is, where it is no letter. Letters are their own value, 0 to 63. */
#define SPACE 0x40
#define PADDING 0x80
#define OTHER 0xC0

#define TEN_FROM(n) (n), (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5, (n) + 6, (n) + 7, (n) + 8, (n) + 9
#define THIRTEEN_FROM(n) TEN_FROM(n), (n) + 10, (n) + 11, (n) + 12

static const unsigned char kinds[256] = {
	[0 ... '\t' - 1] = OTHER,
	['\t'] = SPACE,
	['\n'] = SPACE,
	['\n' + 1 ... '\r' - 1] = OTHER,
	['\r'] = SPACE,
	['\r' + 1 ... ' ' - 1] = OTHER,
	[' '] = SPACE,
	['!' ... '+' - 1] = OTHER,
	['+'] = 62,
	[',' ... '/' - 1] = OTHER,
	['/'] = 63,
	['0'] = TEN_FROM(52),
	[':' ... '=' - 1] = OTHER,
	['='] = PADDING,
	['>' ... 'A' - 1] = OTHER,
	['A'] = THIRTEEN_FROM(0),
	['N'] = THIRTEEN_FROM(13),
	['Z' + 1 ... 'a' - 1] = OTHER,
	['a'] = THIRTEEN_FROM(26),
	['n'] = THIRTEEN_FROM(39),
	['z' + 1 ... 0xFF] = OTHER,
};

static unsigned kind_of(char octet)
{
	return kinds[(unsigned char)octet];
}

void base64_mime_init(struct base64_mime *v)
{
	v->malformed = v->ended = false;
	v->letters = v->padding = 0;
	v->bits = 0;
	v->lag = v->out_n = 0;
}

static void flush(struct base64_mime *v, view_emit *emit, void *arg)
{
	if (v->out_n > 0)
		emit(arg, (struct span){v->out, v->out_n});
	v->out_n = 0;
}

/* Whole groups, as long as one follows the other. */
static const char *take_groups(
	struct base64_mime *v, const char *p, const char *end, view_emit *emit, void *arg)
{
	while (end - p >= 4) {
		unsigned a = kind_of(p[0]), b = kind_of(p[1]), c = kind_of(p[2]), d = kind_of(p[3]);
		uint32_t bits = a << 18 | b << 12 | c << 6 | d;
		char *out;

		if (((a | b | c | d) & OTHER) != 0)
			break;
		if (v->out_n + 3 > sizeof(v->out))
			flush(v, emit, arg);
		out = v->out + v->out_n;
		out[0] = (char)(bits >> 16);
		out[1] = (char)(bits >> 8);
		out[2] = (char)bits;
		v->out_n += 3;
		p += 4;
	}
	return p;
}

/* The octets that the letters of a group have made, and an end of the group. */
static void end_group(struct base64_mime *v, view_emit *emit, void *arg)
{
	uint32_t bits = v->bits << 6 * (4 - v->letters);

	if (v->out_n + 3 > sizeof(v->out))
		flush(v, emit, arg);
	for (unsigned i = 1; i < v->letters; i++)
		v->out[v->out_n++] = (char)(bits >> (24 - 8 * i));
	v->letters = v->padding = 0;
	v->bits = 0;
	v->lag = 0;
}

static void take_letter(struct base64_mime *v, unsigned value, view_emit *emit, void *arg)
{
	/* After padding nothing should come, and who met one of two signs expects the other. */
	if (v->ended || v->padding > 0)
		v->malformed = true;
	v->ended = false;
	v->padding = 0;
	v->bits = v->bits << 6 | value;
	if (++v->letters == 4)
		end_group(v, emit, arg);
}

/* Two letters want two signs behind them, three letters one (RFC 4648 4). */
static void take_padding(struct base64_mime *v, view_emit *emit, void *arg)
{
	if (v->letters < 2) {
		v->malformed = true;
		return;
	}
	if (++v->padding + v->letters < 4)
		return;
	end_group(v, emit, arg);
	v->ended = true;
}

static void take_octet(struct base64_mime *v, char octet, view_emit *emit, void *arg)
{
	unsigned kind = kind_of(octet);

	if (v->letters > 0 && v->lag < BASE64_MIME_MAX_LAG)
		v->lag++;
	else if (v->letters > 0)
		v->malformed = true;
	switch (kind & OTHER) {
	case SPACE:
		return;
	case PADDING:
		take_padding(v, emit, arg);
		return;
	case OTHER:
		v->malformed = true;
		return;
	default:
		if (v->letters == 0)
			v->lag = 1;
		take_letter(v, kind, emit, arg);
	}
}

void base64_mime_feed(struct base64_mime *v, struct span in, bool last, view_emit *emit, void *arg)
{
	const char *p = in.n > 0 ? in.p : "", *end = p + in.n;

	while (p < end) {
		if (v->letters == 0 && !v->ended)
			p = take_groups(v, p, end, emit, arg);
		if (p < end)
			take_octet(v, *p++, emit, arg);
	}
	if (last && v->letters > 0) {
		v->malformed = true;
		end_group(v, emit, arg);
	}
	flush(v, emit, arg);
}

size_t base64_mime_lag(const struct base64_mime *v)
{
	return v->lag;
}
