/*
 * The view `plain`: the text with every escape undone, however deep and however mixed, and Unicode brought to
 * the ASCII that it looks like. One pass, and the work is linear: what an escape stands for is read as if it
 * had stood there, so %2541, \u005cu0041 and &#37;41 come out whole.
 *
 * Undone are %XX; \uXXXX (with surrogate pairs), \u{X}, \UXXXXXXXX, \xXX, \n \r \t \b \f and \ before a mark;
 * &#N; and &#xN; (the semicolon may be missing) and the names of HTML that come to ASCII. Octal escapes are
 * not. What is no escape is handed through as it stands.
 *
 * Dropped are controls but \t \n \r (so UTF-16 of ASCII comes out as ASCII), zero-width and bidirectional
 * marks, combining marks and selectors. Letters, digits, dashes, quotes and spaces of other blocks become
 * theirs of ASCII (see unicode/table.h); what looks like none stays as it is, and so do octets that are no
 * UTF-8.
 *
 * Characters that are invisible and yet carry ASCII (tags, and selectors used as octets) may be a message or
 * noise inside one. They are therefore taken out of the text they stand in and given as a text of their own
 * after the word.
 */
#ifndef PIPELOCK_SCAN_PLAIN_H
#define PIPELOCK_SCAN_PLAIN_H

#include "pipelock/scan/view.h"

#include <stdbool.h>

/* No more of the last octets than this is said to wait. An escape that goes on giving escapes (%252525...)
 * can be longer, but then all of it stands for a single character, and waits for its next octet. */
#define PLAIN_LAG_MAX 512

/* A text of the view is at most so many times as long as what was fed. */
#define PLAIN_GROWTH 2

enum plain_flags {
	PLAIN_PLUS_IS_SPACE = 1, /* form encoding: a + is a space, and %2B is a + */
};

enum {
	PLAIN_DEPTH = 16,   /* escapes that stand in one another and wait; more, and the outer are none */
	PLAIN_HELD = 128,   /* octets of them */
	PLAIN_HIDDEN = 128, /* invisible ASCII that is put aside */
};

/* An escape that has begun. */
struct plain_frame {
	uint8_t kind;
	uint8_t start; /* of its octets in held[] */
	uint8_t count; /* digits, or octets, seen */
	uint8_t need;  /* of them */
	uint8_t level; /* how many escapes its first character was */
	uint32_t value;
};

/* All zero but for the flags is a good beginning. */
struct plain {
	uint64_t fed;
	uint64_t since;	       /* place of the first octet of frames[0], when there is one */
	uint64_t hidden_since; /* place of the first octet of hidden[], when there is one */
	unsigned flags;
	bool changed;
	bool hidden_open; /* a text of invisible ASCII is under way in the output */
	uint8_t depth, held_n, hidden_n;
	struct plain_frame frames[PLAIN_DEPTH];
	unsigned char held[PLAIN_HELD]; /* what the frames have seen, escapes within them undone */
	char hidden[PLAIN_HIDDEN];
};

/* To begin a text. `flags` of enum plain_flags. */
void plain_init(struct plain *plain, unsigned flags);

/* Feed the next octets of the text; `last`: nothing follows. What is emitted is borrowed for the call, and
 * some of it points into `in`. */
void plain_feed(struct plain *plain, struct span in, bool last, view_emit *emit, void *arg);

/* How many of the octets fed last are still undecided, at most PLAIN_LAG_MAX: what comes of those before them
 * alone has been emitted. */
size_t plain_lag(const struct plain *plain);

/* Whether what was emitted so far differs from what was fed. */
bool plain_changed(const struct plain *plain);

#endif
