/*
 * One direction's body: decoded by the framing it came with, written with the framing that the rewritten head
 * announced. A sized body stays sized, everything else goes on as chunks, so that a clean end and a cut can
 * be told apart behind it. Works on buffers alone: no socket, no clock.
 */
#ifndef EGRESS_BODY_H
#define EGRESS_BODY_H

#include "common/http1.h"

#include <event2/buffer.h>

enum body_result {
	BODY_BAD = -2, /* the chunked coding is broken */
	BODY_NO_MEMORY = -1,
	BODY_MORE = 0, /* all that could be moved was */
	BODY_DONE = 1, /* the whole body was moved, its end was written */
};

/* Embedded; body_start() is its only initialiser. */
struct body {
	enum http1_framing framing; /* that it came with */
	uint64_t left;		    /* HTTP1_LENGTH */
	struct http1_chunked chunked;
	size_t trailers_seen;
	bool in_trailers;
	bool from_hop; /* written by pipelock: a trailer section may have grown */
	bool done;
};

void body_start(struct body *body, const struct http1_head *head);

/* Move at most about `room` octets of the body from in to out; *error says what is BAD. Call it again with
 * what comes. */
enum body_result body_move(
	struct body *body, struct evbuffer *in, struct evbuffer *out, size_t room, enum http1_error *error);

/* The sender closed in order: the end of a close-delimited body, if all of it was moved. */
enum body_result body_end(struct body *body, struct evbuffer *out);

/* Drop what is left of it in the buffer. True when that was all of the body. */
bool body_skip(struct body *body, struct evbuffer *in);

#endif
