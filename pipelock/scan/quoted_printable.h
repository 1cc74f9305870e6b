/*
 * quoted-printable (RFC 2045 6.7), on the contract of view.h: =XX is the octet that it names, in either case
 * of its digits, and a soft line break - "=", spaces and tabs, CR LF or a bare LF - is nothing. A "=" that
 * begins neither is handed through as it stands, and noted. White space before a hard line break stays where
 * decoders differ on it; so does everything else.
 */
#ifndef PIPELOCK_SCAN_QUOTED_PRINTABLE_H
#define PIPELOCK_SCAN_QUOTED_PRINTABLE_H

#include "pipelock/scan/view.h"

/* Octets of a soft line break before its LF; with more white space in it, it is malformed. */
#define QUOTED_PRINTABLE_MAX_LAG 128u

#define QUOTED_PRINTABLE_OUT 2048u /* octets of the largest piece that is not the input's own */

struct quoted_printable {
	bool malformed; /* a "=" was handed through. Never taken back */

	/* private */
	size_t held_n; /* a "=" and what may belong to it */
	size_t out_n;
	char held[QUOTED_PRINTABLE_MAX_LAG];
	char out[QUOTED_PRINTABLE_OUT];
};

void quoted_printable_init(struct quoted_printable *v);

/*
 * `last`: nothing comes after `in`. A "=" that is the last octet, but for white space, is a soft line break
 * too: the line end after it belongs to the boundary that follows.
 */
void quoted_printable_feed(struct quoted_printable *v, struct span in, bool last, view_emit *emit, void *arg);

/* Octets since a "=" that may still become either; QUOTED_PRINTABLE_MAX_LAG at most. */
size_t quoted_printable_lag(const struct quoted_printable *v);

#endif
