/*
 * What of any octets could be text: stretches of at least STRINGS_SHORTEST octets of ASCII and well-formed
 * UTF-8; VIEW_BREAK behind each that something else ends. Controls count as text, since the plain view drops
 * them from between letters. On the contract of view.h. It stands before the dear views: of an image or an
 * archive next to nothing is left.
 */
#ifndef PIPELOCK_SCAN_STRINGS_H
#define PIPELOCK_SCAN_STRINGS_H

#include "pipelock/scan/view.h"

#define STRINGS_SHORTEST 12u
#define STRINGS_LAG_MAX (STRINGS_SHORTEST + 3)

/* All zero is a good beginning. */
struct strings {
	char head[STRINGS_LAG_MAX]; /* of a stretch that may be too short */
	uint8_t n;		    /* octets in head */
	uint8_t more;		    /* octets that a UTF-8 sequence still needs */
	bool open;		    /* the stretch is long enough and comes out */
	bool differs;		    /* something was left out, or parted */
};

void strings_init(struct strings *v);
void strings_feed(struct strings *v, struct span in, bool last, view_emit *emit, void *arg);
size_t strings_lag(const struct strings *v);

#endif
