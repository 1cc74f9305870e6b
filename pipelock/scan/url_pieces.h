/*
 * The pieces of a URL (RFC 3986) that a secret could be split over, for scan_joined(). Nothing is decoded.
 * What stands before "://" is the scheme; without that the URL begins with its authority, as in CONNECT.
 */
#ifndef PIPELOCK_SCAN_URL_PIECES_H
#define PIPELOCK_SCAN_URL_PIECES_H

#include "pipelock/scan/scan.h"

enum url_list {
	URL_LABELS,   /* of the host, without the port; none of an IPv6 literal */
	URL_SEGMENTS, /* of the path */
	URL_VALUES,   /* of the query */
	URL_NAMES,    /* of the query; a pair without "=" is a name */
	URL_PAIRS,    /* names and values in turn */
	URL_LISTS
};

/* Those of one list that are not empty, in order, into out[0..room). Returns how many there are, which may be
 * more than `room`. They are borrowed from the URL and have their places in it. */
size_t url_pieces(struct span url, enum url_list list, struct scan_piece *out, size_t room);

#endif
