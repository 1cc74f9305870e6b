/*
 * The view `plain`: what it is fed goes to plain_read.c where no escape has begun, and else to the machine,
 * plain_escape.c; both give out through here, where invisible text is kept apart.
 */
#include "pipelock/scan/plain_internal.h"

/* Invisible ASCII is put aside until the word it stands in ends, but no longer than this. */
#define HIDDEN_SPAN PLAIN_LAG_MAX

const uint8_t plain_classes[256] = {
	[0x00 ... 0x08] = PLAIN_DROPPED, /* \t and \n stay */
	[0x0b ... 0x0c] = PLAIN_DROPPED, /* \r stays */
	[0x0e ... 0x1f] = PLAIN_DROPPED,
	['%'] = PLAIN_ESCAPE,
	['&'] = PLAIN_ESCAPE,
	['\\'] = PLAIN_ESCAPE,
	[0x7f] = PLAIN_DROPPED,
	[0x80 ... 0xc1] = PLAIN_STRAY, /* C0 and C1 could only lead what is overlong */
	[0xc2 ... 0xf4] = PLAIN_LEAD,
	[0xf5 ... 0xff] = PLAIN_STRAY, /* beyond U+10FFFF */
};

int plain_hex(unsigned char c)
{
	unsigned char lower = c | 32;

	if (c >= '0' && c <= '9')
		return c - '0';
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Marks stand for themselves, but for % and &, with which an escape begins. */
const char plain_backslashed[256] = {['n'] = '\n',
	['r'] = '\r',
	['t'] = '\t',
	['b'] = '\b',
	['f'] = '\f',
	['!'] = '!',
	['"'] = '"',
	['#'] = '#',
	['$'] = '$',
	['\''] = '\'',
	['('] = '(',
	[')'] = ')',
	['*'] = '*',
	['+'] = '+',
	[','] = ',',
	['-'] = '-',
	['.'] = '.',
	['/'] = '/',
	[':'] = ':',
	[';'] = ';',
	['<'] = '<',
	['='] = '=',
	['>'] = '>',
	['?'] = '?',
	['@'] = '@',
	['['] = '[',
	['\\'] = '\\',
	[']'] = ']',
	['^'] = '^',
	['_'] = '_',
	['`'] = '`',
	['{'] = '{',
	['|'] = '|',
	['}'] = '}',
	['~'] = '~'};

unsigned plain_utf8(uint32_t code, unsigned char out[4])
{
	unsigned extra = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
	static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};

	for (unsigned i = extra; i > 0; i--, code >>= 6)
		out[i] = (unsigned char)(0x80 | (code & 0x3f));
	out[0] = (unsigned char)(leads[extra] | code);
	return extra + 1;
}

void plain_flush(struct plain_run *run)
{
	if (run->out_n > 0)
		run->emit(run->arg, (struct span){run->out, run->out_n});
	run->out_n = 0;
}

/* Nothing invisible is to come out before the next octet. */
static bool nothing_hidden(const struct plain *plain)
{
	return plain->hidden_n == 0 && !plain->hidden_open;
}

/* What was put aside comes out, and invisible ASCII that follows at once goes on with it. */
static void open_hidden(struct plain_run *run)
{
	struct plain *plain = run->plain;

	plain_put_span(run, VIEW_BREAK, sizeof(VIEW_BREAK) - 1);
	plain_put_span(run, plain->hidden, plain->hidden_n);
	plain->hidden_n = 0;
	plain->hidden_open = true;
}

void plain_hide(struct plain_run *run, char c)
{
	struct plain *plain = run->plain;

	if (plain->hidden_n == PLAIN_HIDDEN)
		open_hidden(run);
	if (plain->hidden_open) {
		plain_put(run, c);
		return;
	}
	if (plain->hidden_n == 0)
		plain->hidden_since = plain->since;
	plain->hidden[plain->hidden_n++] = c;
}

static bool is_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

void plain_out(struct plain_run *run, unsigned char c)
{
	struct plain *plain = run->plain;

	if (plain->hidden_n > 0 && is_space(c))
		open_hidden(run);
	if (plain->hidden_open)
		plain_put_span(run, VIEW_BREAK, sizeof(VIEW_BREAK) - 1);
	plain->hidden_open = false;
	plain_put(run, (char)c);
}

static void read_octet(struct plain_run *run, unsigned char c)
{
	struct plain *plain = run->plain;

	if (plain->hidden_n > 0 && plain->fed - plain->hidden_since >= HIDDEN_SPAN)
		open_hidden(run);
	if (plain_is_plus(plain, c)) {
		plain->changed = true;
		c = ' ';
	}
	plain_take(run, c);
}

void plain_init(struct plain *plain, unsigned flags)
{
	memset(plain, 0, sizeof(*plain));
	plain->flags = flags;
}

void plain_feed(struct plain *plain, struct span in, bool last, view_emit *emit, void *arg)
{
	struct plain_run run;
	size_t used = 0;

	run.plain = plain;
	run.emit = emit;
	run.arg = arg;
	run.back_n = run.out_n = 0;
	while (used < in.n) {
		size_t n = 0;
		if (plain->depth == 0 && nothing_hidden(plain))
			n = plain_read(&run, in.p + used, in.n - used);
		if (n == 0) {
			read_octet(&run, (unsigned char)in.p[used]);
			n = 1;
		}
		used += n;
		plain->fed += n;
	}
	if (last)
		plain_take_end(&run);
	if (last && plain->hidden_n > 0)
		open_hidden(&run);
	plain_flush(&run);
}

size_t plain_lag(const struct plain *plain)
{
	uint64_t since = plain->fed;

	if (plain->depth > 0)
		since = plain->since;
	if (plain->hidden_n > 0 && plain->hidden_since < since)
		since = plain->hidden_since;
	return plain->fed - since < PLAIN_LAG_MAX ? (size_t)(plain->fed - since) : PLAIN_LAG_MAX;
}

bool plain_changed(const struct plain *plain)
{
	return plain->changed;
}
