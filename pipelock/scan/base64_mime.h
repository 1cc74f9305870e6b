/*
 * base64 as MIME parts carry it (RFC 2045 6.8), on the contract of view.h. Line ends, spaces and tabs are
 * passed over at any place. Every other octet that can't stand where it stands is passed over too, as the RFC
 * says, but noted: decoders differ on such a body, so a caller who must be sure what it holds blocks it.
 */
#ifndef PIPELOCK_SCAN_BASE64_MIME_H
#define PIPELOCK_SCAN_BASE64_MIME_H

#include "pipelock/scan/view.h"

/* Four letters make three octets; between them may be white space, no more than makes this many octets in
 * all. */
#define BASE64_MIME_MAX_LAG 1024u

#define BASE64_MIME_OUT 3072u /* octets of the largest piece that comes out */

struct base64_mime {
	/*
	 * What was fed is not what RFC 2045 lets an encoder write: an octet outside of the alphabet, padding
	 * that is missing, too much or not at the end, letters after it, or white space past
	 * BASE64_MIME_MAX_LAG within four letters. Never taken back.
	 */
	bool malformed;

	/* private */
	bool ended; /* padding was complete */
	unsigned letters, padding;
	uint32_t bits;
	size_t lag;
	size_t out_n;
	char out[BASE64_MIME_OUT];
};

void base64_mime_init(struct base64_mime *v);

/*
 * `last`: nothing comes after `in`; letters that make no whole group give the octets that they do make. What
 * comes after padding is decoded as if it stood alone.
 */
void base64_mime_feed(struct base64_mime *v, struct span in, bool last, view_emit *emit, void *arg);

/* Octets since the first letter of a group that is not whole; BASE64_MIME_MAX_LAG at most. */
size_t base64_mime_lag(const struct base64_mime *v);

#endif
