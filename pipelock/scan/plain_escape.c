/*
 * The machine of the view `plain`. An escape that has begun is a frame; frames are stacked, since any octet
 * of an escape may itself be written as one. An octet goes to the top frame; what it completes is taken back
 * as input, for the frame below. An octet that neither goes on with the top frame nor begins another ends all
 * of them: their octets are literal, from the bottom to the top, except where a numeric reference may end
 * without its semicolon.
 *
 * Why this is linear: a symbol is an octet, a code point, or a literal octet. A live octet becomes a literal
 * at most once; a literal either goes out or ends a frame; and a frame ends once. What an escape stands for
 * is a single octet, or has nothing in it with which an escape begins, and it stands for more octets than
 * one: so there are never more frames to come than octets to begin them.
 */
#include "pipelock/scan/plain_internal.h"
#include "pipelock/scan/unicode/table.h"

/* A symbol is an octet or a code point, its level, and one of these or none. */
#define SYMBOL_LITERAL 0x20000000u /* an octet that is part of no escape */
#define SYMBOL_CODE 0x40000000u
#define SYMBOL_END 0x80000000u /* and nothing else */

/* How many escapes stood, one for the first character of the next, for a symbol: 0 as it is in the input. It
 * tells what begins within an escape from what comes after one. Beyond the last they are all the same. */
#define LEVEL_SHIFT 21
#define LEVEL_LAST 0xff

#define CODE_MAX 0x10ffffu
/* Digits of a reference of any length: leading zeros have no bound in HTML, but nobody writes that many. */
#define DIGITS_MAX 24

enum kind {
	KIND_NONE,
	KIND_PERCENT,
	KIND_BACKSLASH,	  /* and nothing else yet */
	KIND_HEX_OCTET,	  /* \x */
	KIND_HEX_CODE,	  /* \u */
	KIND_HEX_LONG,	  /* \U */
	KIND_BRACED,	  /* \u{ or \x{ */
	KIND_REFERENCE,	  /* & */
	KIND_NUMERIC,	  /* &# */
	KIND_DECIMAL,	  /* &#1 */
	KIND_HEXADECIMAL, /* &#x */
	KIND_NAMED,
	KIND_UTF8,
	KIND_HIGH,   /* a high surrogate, however written, that waits for a low one */
	KIND_BROKEN, /* can neither go on nor end well */
	KIND_BYTE_ORDER,
};

/* What browsers take references to C1 controls for (HTML 13.2.5.80): the code points of windows-1252. */
static const uint16_t windows_1252[32] = {0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,
	0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013,
	0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178};

static void push_back(struct plain_run *run, uint32_t symbol)
{
	/* There always is room (see PLAIN_BACK). Were there none, an octet would be lost, and no memory. */
	if (run->back_n < PLAIN_BACK)
		run->back[run->back_n++] = symbol;
}

static void push_back_at(struct plain_run *run, uint32_t symbol, uint8_t level)
{
	push_back(run, symbol | (uint32_t)level << LEVEL_SHIFT);
}

/* Its first character is taken next. */
static void push_back_text(struct plain_run *run, struct span text, uint8_t level)
{
	for (size_t i = text.n; i > 0; i--)
		push_back_at(run, (unsigned char)text.p[i - 1], level);
}

/* As UTF-8, literal. */
static void push_back_kept(struct plain_run *run, uint32_t code)
{
	unsigned char octets[4];

	for (unsigned i = plain_utf8(code, octets); i > 0; i--)
		push_back(run, SYMBOL_LITERAL | octets[i - 1]);
}

static struct plain_frame *top_frame(struct plain *plain)
{
	return &plain->frames[plain->depth - 1];
}

static bool has_room(const struct plain *plain)
{
	return plain->held_n < PLAIN_HELD;
}

static void hold(struct plain *plain, unsigned char c)
{
	plain->held[plain->held_n++] = c;
}

/* The level of what its frame stood for. */
static uint8_t pop(struct plain *plain)
{
	struct plain_frame *frame = top_frame(plain);

	plain->held_n = frame->start;
	plain->depth--;
	return frame->level < LEVEL_LAST ? frame->level + 1 : LEVEL_LAST;
}

static uint8_t utf8_need(unsigned char lead)
{
	return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

static enum kind kind_begun_by(const struct plain *plain, unsigned char c, uint8_t level)
{
	switch (plain_classes[c]) {
	case PLAIN_ESCAPE:
		return c == '%' ? KIND_PERCENT : c == '&' ? KIND_REFERENCE : KIND_BACKSLASH;
	case PLAIN_LEAD:
		return KIND_UTF8;
	default:
		return level == 0 && plain->fed == 0 && c >= 0xfe ? KIND_BYTE_ORDER : KIND_NONE;
	}
}

static void push_frame(struct plain *plain, enum kind kind, unsigned char c, uint8_t level)
{
	/* Where it came out of other escapes, those are where it began. */
	if (plain->depth == 0 && level == 0)
		plain->since = plain->fed;
	plain->frames[plain->depth++] = (struct plain_frame){
		.kind = (uint8_t)kind,
		.start = plain->held_n,
		.count = kind == KIND_UTF8,
		.need = kind == KIND_UTF8 ? utf8_need(c) : 2,
		.level = level,
		.value = kind == KIND_UTF8 ? c & (0x7fu >> utf8_need(c)) : 0,
	};
	hold(plain, c);
}

/* ---- escapes that are complete */

static void complete_with_octet(struct plain_run *run, uint32_t octet)
{
	run->plain->changed = true;
	push_back_at(run, octet, pop(run->plain));
}

/* The top frame, which `c` completes, is a code point. */
static void complete_with_code(struct plain_run *run, unsigned char c, uint32_t code)
{
	struct plain *plain = run->plain;
	struct plain_frame *frame = top_frame(plain);
	bool below_is_high = plain->depth > 1 && frame[-1].kind == KIND_HIGH;

	if (code - 0xd800 < 0x400) {
		frame->kind = KIND_HIGH;
		frame->value = code;
		hold(plain, c);
	} else if (code - 0xdc00 < 0x400 && below_is_high) {
		code = 0x10000 + ((frame[-1].value - 0xd800) << 10) + (code - 0xdc00);
		plain->changed = true;
		pop(plain);
		push_back_at(run, SYMBOL_CODE | code, pop(plain));
	} else if (code - 0xdc00 < 0x400) {
		frame->kind = KIND_BROKEN;
		hold(plain, c);
	} else {
		/* Of UTF-8 that is kept nothing has changed. */
		plain->changed |= frame->kind != KIND_UTF8;
		push_back_at(run, SYMBOL_CODE | code, pop(plain));
	}
}

static void complete_with_entity(struct plain_run *run, const struct unicode_entity *entity)
{
	run->plain->changed = true;
	push_back_text(run, (struct span){entity->text, entity->n}, pop(run->plain));
}

static uint32_t reference_code(uint32_t value)
{
	return value - 0x80 < 32 ? windows_1252[value - 0x80] : value;
}

static const struct unicode_entity *frame_entity(const struct plain *plain, const struct plain_frame *frame)
{
	return unicode_find_entity((struct span){(const char *)plain->held + frame->start + 1, frame->count});
}

/* Whether the top frame may end without what it still waits for. */
static bool may_end(struct plain *plain)
{
	const struct plain_frame *frame = top_frame(plain);
	const struct unicode_entity *entity;

	if (frame->kind == KIND_DECIMAL || frame->kind == KIND_HEXADECIMAL)
		return frame->count > 0;
	if (frame->kind != KIND_NAMED)
		return false;
	entity = frame_entity(plain, frame);
	return entity && entity->bare;
}

static void end_top(struct plain_run *run)
{
	struct plain *plain = run->plain;
	struct plain_frame *frame = top_frame(plain);

	if (!may_end(plain)) {
		for (size_t i = plain->held_n; i > frame->start; i--)
			push_back(run, SYMBOL_LITERAL | plain->held[i - 1]);
		pop(plain);
	} else if (frame->kind == KIND_NAMED) {
		complete_with_entity(run, frame_entity(plain, frame));
	} else {
		uint32_t code = reference_code(frame->value);
		uint8_t level = pop(plain);
		plain->changed = true;
		/* A half of a pair that ended without its semicolon is nothing in any reading. */
		if (code - 0xd800 >= 0x800)
			push_back_at(run, SYMBOL_CODE | code, level);
	}
}

/* ---- one octet more of the top frame. false: it can't be one */

static bool step_backslash(struct plain_run *run, struct plain_frame *frame, unsigned char c)
{
	if (plain_backslashed[c]) {
		complete_with_octet(run, (unsigned char)plain_backslashed[c]);
		return true;
	}
	switch (c) {
	case 'x':
		frame->kind = KIND_HEX_OCTET;
		break;
	case 'u':
		frame->kind = KIND_HEX_CODE;
		frame->need = 4;
		break;
	case 'U':
		frame->kind = KIND_HEX_LONG;
		frame->need = 8;
		break;
	default:
		return false;
	}
	hold(run->plain, c);
	return true;
}

/* %XX \xXX \uXXXX \UXXXXXXXX */
static bool step_hex(struct plain_run *run, struct plain_frame *frame, unsigned char c)
{
	int digit = plain_hex(c);

	if (c == '{' && frame->count == 0 &&
		(frame->kind == KIND_HEX_OCTET || frame->kind == KIND_HEX_CODE)) {
		frame->kind = KIND_BRACED;
		hold(run->plain, c);
		return true;
	}
	if (digit < 0)
		return false;
	frame->value = frame->value << 4 | (uint32_t)digit;
	if (++frame->count < frame->need)
		hold(run->plain, c);
	else if (frame->kind == KIND_PERCENT || frame->kind == KIND_HEX_OCTET)
		complete_with_octet(run, frame->value);
	else if (frame->value <= CODE_MAX)
		complete_with_code(run, c, frame->value);
	else
		return false;
	return true;
}

/* One digit more of a number without a fixed length. Too large is broken: it must not end well either. */
static bool step_number(
	struct plain *plain, struct plain_frame *frame, unsigned char c, int digit, unsigned base)
{
	frame->value = frame->value * base + (uint32_t)digit;
	if (frame->value > CODE_MAX || ++frame->count > DIGITS_MAX) {
		frame->kind = KIND_BROKEN;
		return false;
	}
	hold(plain, c);
	return true;
}

static bool step_braced(struct plain_run *run, struct plain_frame *frame, unsigned char c)
{
	int digit = plain_hex(c);

	if (digit >= 0)
		return step_number(run->plain, frame, c, digit, 16);
	if (c != '}' || frame->count == 0)
		return false;
	complete_with_code(run, c, frame->value);
	return true;
}

/* What follows & or &#. */
static bool step_reference(struct plain *plain, struct plain_frame *frame, unsigned char c)
{
	bool is_digit = c >= '0' && c <= '9';

	if (frame->kind == KIND_REFERENCE && c == '#') {
		frame->kind = KIND_NUMERIC;
	} else if (frame->kind == KIND_REFERENCE && plain_is_letter(c)) {
		frame->kind = KIND_NAMED;
		frame->count = 1;
	} else if (frame->kind == KIND_NUMERIC && (c == 'x' || c == 'X')) {
		frame->kind = KIND_HEXADECIMAL;
	} else if (frame->kind == KIND_NUMERIC && is_digit) {
		frame->kind = KIND_DECIMAL;
		return step_number(plain, frame, c, c - '0', 10);
	} else {
		return false;
	}
	hold(plain, c);
	return true;
}

static bool step_numeric(struct plain_run *run, struct plain_frame *frame, unsigned char c)
{
	int digit = plain_hex(c);

	if (frame->kind == KIND_DECIMAL && digit > 9)
		return false;
	if (digit >= 0)
		return step_number(run->plain, frame, c, digit, frame->kind == KIND_DECIMAL ? 10 : 16);
	if (c != ';' || frame->count == 0)
		return false;
	complete_with_code(run, c, reference_code(frame->value));
	return true;
}

static bool step_named(struct plain_run *run, struct plain_frame *frame, unsigned char c)
{
	const struct unicode_entity *entity;

	if (plain_is_letter(c) || (c >= '0' && c <= '9')) {
		if (frame->count == UNICODE_ENTITY_MAX) {
			frame->kind = KIND_BROKEN;
			return false;
		}
		frame->count++;
		hold(run->plain, c);
		return true;
	}
	entity = c == ';' ? frame_entity(run->plain, frame) : NULL;
	if (!entity)
		return false;
	complete_with_entity(run, entity);
	return true;
}

/* The second octet has a range of its own after some leads (RFC 3629 4); halves of pairs are let in here,
 * since some write each half as UTF-8. */
static bool step_utf8(struct plain_run *run, struct plain_frame *frame, unsigned char c)
{
	unsigned char lead = run->plain->held[frame->start];

	if ((c & 0xc0) != 0x80)
		return false;
	if (frame->count == 1 &&
		((lead == 0xe0 && c < 0xa0) || (lead == 0xf0 && c < 0x90) || (lead == 0xf4 && c > 0x8f)))
		return false;
	frame->value = frame->value << 6 | (c & 0x3fu);
	if (++frame->count < frame->need)
		hold(run->plain, c);
	else
		complete_with_code(run, c, frame->value);
	return true;
}

static bool step_byte_order(struct plain_run *run, unsigned char c)
{
	if (c < 0xfe || c == run->plain->held[0])
		return false;
	pop(run->plain);
	run->plain->changed = true;
	return true;
}

static bool step(struct plain_run *run, unsigned char c)
{
	struct plain *plain = run->plain;
	struct plain_frame *frame = top_frame(plain);

	switch ((enum kind)frame->kind) {
	case KIND_PERCENT:
	case KIND_HEX_OCTET:
	case KIND_HEX_CODE:
	case KIND_HEX_LONG:
		return step_hex(run, frame, c);
	case KIND_BACKSLASH:
		return step_backslash(run, frame, c);
	case KIND_BRACED:
		return step_braced(run, frame, c);
	case KIND_REFERENCE:
	case KIND_NUMERIC:
		return step_reference(plain, frame, c);
	case KIND_DECIMAL:
	case KIND_HEXADECIMAL:
		return step_numeric(run, frame, c);
	case KIND_NAMED:
		return step_named(run, frame, c);
	case KIND_UTF8:
		return step_utf8(run, frame, c);
	case KIND_BYTE_ORDER:
		return step_byte_order(run, c);
	case KIND_NONE:
	case KIND_HIGH:
	case KIND_BROKEN:
		break;
	}
	return false;
}

/* ---- symbols */

/* The top frame's next octet, if it can be. */
static bool go_on(struct plain_run *run, unsigned char c, uint8_t level)
{
	struct plain *plain = run->plain;

	if (plain->depth == 0 || !has_room(plain))
		return false;
	/* Of two backslashes that were written differently the second begins an escape of its own. */
	if (c == '\\' && level < top_frame(plain)->level)
		return false;
	return step(run, c);
}

/* Whether `c`, which begins an escape, may stand for an octet that the top frame waits for. */
static bool may_nest(struct plain *plain, unsigned char c, uint8_t level)
{
	if (plain->depth == 0)
		return true;
	if (plain->depth == PLAIN_DEPTH || !has_room(plain))
		return false;
	/* Two sequences, the first cut short; and of two references in a row none is part of the other. */
	if (top_frame(plain)->kind == KIND_UTF8 && c >= 0x80)
		return false;
	return c != '&' || level < top_frame(plain)->level || !may_end(plain);
}

static void take_octet(struct plain_run *run, unsigned char c, uint8_t level)
{
	struct plain *plain = run->plain;
	enum kind begins;

	if (plain_classes[c] == PLAIN_DROPPED) {
		plain->changed = true;
		return;
	}
	if (go_on(run, c, level))
		return;
	begins = kind_begun_by(plain, c, level);
	if (begins != KIND_NONE && may_nest(plain, c, level)) {
		push_frame(plain, begins, c, level);
	} else if (plain->depth > 0) {
		push_back_at(run, c, level);
		end_top(run);
	} else {
		plain_out(run, c);
	}
}

static void take_code(struct plain_run *run, uint32_t code, uint8_t level)
{
	char unseen = plain_unseen(code);
	uint16_t entry;

	if (code < 0x80) {
		push_back_at(run, code, level);
		return;
	}
	entry = plain_is_invisible(code) ? UNICODE_DROP : unicode_entry(code);
	run->plain->changed |= entry != UNICODE_KEEP;
	if (unseen)
		plain_hide(run, unseen);
	else if (entry == UNICODE_KEEP)
		push_back_kept(run, code);
	else if (entry >= UNICODE_FIRST_TEXT)
		push_back_text(run, unicode_entry_text(entry), level);
	else if (entry != UNICODE_DROP)
		push_back_at(run, entry, level);
}

/* A literal octet, or the end: no escape goes on beyond it. */
static void take_literal(struct plain_run *run, uint32_t symbol)
{
	if (run->plain->depth > 0) {
		push_back(run, symbol);
		end_top(run);
	} else if (symbol != SYMBOL_END) {
		plain_out(run, (unsigned char)symbol);
	}
}

static void take(struct plain_run *run, uint32_t symbol)
{
	push_back(run, symbol);
	while (run->back_n > 0) {
		symbol = run->back[--run->back_n];
		uint8_t level = (uint8_t)(symbol >> LEVEL_SHIFT);
		if (symbol & SYMBOL_CODE)
			take_code(run, symbol & ((1u << LEVEL_SHIFT) - 1), level);
		else if (symbol & (SYMBOL_LITERAL | SYMBOL_END))
			take_literal(run, symbol);
		else
			take_octet(run, (unsigned char)symbol, level);
	}
}

void plain_take(struct plain_run *run, unsigned char c)
{
	take(run, c);
}

void plain_take_end(struct plain_run *run)
{
	take(run, SYMBOL_END);
}
