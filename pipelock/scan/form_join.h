/*
 * A body of application/x-www-form-urlencoded (WHATWG URL 5.1) joined: all values, all names, and each name
 * with its value. '+' becomes a space; percent-decoding is left to the view of plain text that runs over what
 * comes out. A pair without '=' is a name. Nothing waits: all that was fed has come out.
 */
#ifndef PIPELOCK_SCAN_FORM_JOIN_H
#define PIPELOCK_SCAN_FORM_JOIN_H

#include "pipelock/scan/join.h"

#define FORM_JOIN_TRACKS 3

enum form_track {
	FORM_VALUES, /* VALUES_END behind each, but the last */
	FORM_NAMES,
	FORM_PAIRS, /* lines "name: value"; one of them empty: the other alone */
};

#define FORM_JOIN_STEP 1024u

struct form_join {
	struct join_sink sink;
	bool in_value;
	char spaced[FORM_JOIN_STEP]; /* for the time of a call */
};

void form_join_init(struct form_join *v);

/* FORM_PAIRS gets no more octets than fed + fed / 4 + 2, the others no more than fed; `last`: nothing
 * follows. */
void form_join_feed(struct form_join *v, struct span in, bool last, join_emit *emit, void *arg);

#endif
