/*
 * Between plain.c (feeding, and the output), plain_read.c (the quick way, where no escape has begun) and
 * plain_escape.c, the machine that undoes escapes. The machine eats symbols; what it makes of them goes back
 * to where symbols are taken from, and only what can be no part of an escape goes to the output.
 */
#ifndef PIPELOCK_SCAN_PLAIN_INTERNAL_H
#define PIPELOCK_SCAN_PLAIN_INTERNAL_H

#include "pipelock/scan/plain.h"

enum {
	PLAIN_BUFFER = 4096,
	PLAIN_DIRECT_MIN = 512,
	/*
	 * Symbols that wait. The input is read only when there are none, so each of them was an octet in
	 * held[], or the one just read, or is of what a code point came to; and that is at most four more
	 * than its UTF-8, once for each frame that it ends.
	 */
	PLAIN_BACK = PLAIN_HELD + PLAIN_DEPTH * 4 + 32,
};

/* One call of plain_feed(). */
struct plain_run {
	struct plain *plain;
	view_emit *emit;
	void *arg;
	size_t back_n, out_n;
	uint32_t back[PLAIN_BACK]; /* symbols to take before the input goes on, the next one last */
	char out[PLAIN_BUFFER];
};

/* What an octet is to the reader. */
enum plain_class {
	PLAIN_ORDINARY, /* stands for itself outside of escapes */
	PLAIN_DROPPED,
	PLAIN_ESCAPE, /* % & and \ */
	PLAIN_LEAD,   /* of UTF-8 */
	PLAIN_STRAY,  /* no UTF-8, unless inside a sequence */
};

extern const uint8_t plain_classes[256];

/* A + that is a space, as it stands in the input. */
static inline bool plain_is_plus(const struct plain *plain, unsigned char c)
{
	return c == '+' && plain->flags & PLAIN_PLUS_IS_SPACE;
}

static inline bool plain_is_letter(unsigned char c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

int plain_hex(unsigned char c); /* -1: no hex digit */

/* What \c stands for; 0 when it is no such escape, or one that goes on. */
extern const char plain_backslashed[256];

/* The code point, of U+0080 and up, in UTF-8; how many octets. */
unsigned plain_utf8(uint32_t code, unsigned char out[4]);

/* Emit what has been gathered. */
void plain_flush(struct plain_run *run);

/* Add to the output, where nothing invisible waits. */
static inline void plain_put(struct plain_run *run, char c)
{
	if (run->out_n == PLAIN_BUFFER)
		plain_flush(run);
	run->out[run->out_n++] = c;
}

/* Long spans are emitted where they stand. */
static inline void plain_put_span(struct plain_run *run, const char *p, size_t n)
{
	if (n > PLAIN_BUFFER - run->out_n || n >= PLAIN_DIRECT_MIN)
		plain_flush(run);
	if (n >= PLAIN_DIRECT_MIN) {
		run->emit(run->arg, (struct span){p, n});
		return;
	}
	memcpy(run->out + run->out_n, p, n);
	run->out_n += n;
}

/* Add an octet of which the machine is certain. */
void plain_out(struct plain_run *run, unsigned char c);

/* Put aside a character that was there without being seen. */
void plain_hide(struct plain_run *run, char c);

/* Read the next octets, at least one, where no escape has begun and nothing invisible waits. How many; 0: the
 * machine has to. */
size_t plain_read(struct plain_run *run, const char *p, size_t n);

/* The next octet of the input, or the end of it, to the machine. */
void plain_take(struct plain_run *run, unsigned char c);
void plain_take_end(struct plain_run *run);

/* The ASCII that this code point carries unseen, or 0. */
static inline char plain_unseen(uint32_t code)
{
	/* Tags; and the selectors 17 to 256, which stand for octets 16 to 255 where they are abused. */
	if (code >= 0xe0020 && code <= 0xe007e)
		return (char)(code - 0xe0000);
	if (code >= 0xe0110 && code <= 0xe016e)
		return (char)(code - 0xe0100 + 16);
	return 0;
}

/* Tags, selectors and what else the block of invisible characters has or may get. */
static inline bool plain_is_invisible(uint32_t code)
{
	return code >= 0xe0000 && code <= 0xe0fff;
}

#endif
