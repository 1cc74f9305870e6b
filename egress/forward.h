/*
 * Heads written anew for the other side (RFC 9110 7.6): from the parse, never from the octets that came. What
 * ends at this hop, and what only our own roles say to each other, is left out; the framing is what the
 * sender of the body will do. Pure.
 */
#ifndef EGRESS_FORWARD_H
#define EGRESS_FORWARD_H

#include "common/http1.h"
#include "egress/request.h"

/* Octets that are surely enough for this head written anew. */
size_t forward_bound(const struct http1_head *head);

/* The request for the origin, in origin form; for OPTIONS without a path "*" (RFC 9112 3.2.4). Returns the
 * size of what was written; 0: it did not fit. */
size_t forward_write_request(const struct http1_head *head, const struct request *request, struct span target,
	char *out, size_t room);

/* The answer for pipelock, interim or final. `close` says that the hop ends with it. Returns as above. */
size_t forward_write_response(
	const struct http1_head *head, const struct request *request, bool close, char *out, size_t room);

/* The trailer section that follows a last chunk, with its empty line. Returns as above. */
size_t forward_write_trailers(const struct http1_head *head, char *out, size_t room);

#endif
