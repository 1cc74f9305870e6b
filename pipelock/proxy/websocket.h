/*
 * WebSocket frames (RFC 6455 5), strict and incremental. Pure: no allocation, no I/O. What two ends could
 * read differently is bad: RSV bits (no extension is ever negotiated), unknown opcodes, a length that is not
 * the shortest, a client's frame without mask or a server's with one, fragments of two messages mixed, a
 * control frame that is fragmented or over 125 octets, anything after Close.
 *
 * Whether text is UTF-8 is left to the receiver, who has to check it anyway (RFC 6455 8.1).
 */
#ifndef PIPELOCK_PROXY_WEBSOCKET_H
#define PIPELOCK_PROXY_WEBSOCKET_H

#include "common/span.h"

#include <stdint.h>

#define WEBSOCKET_MAX_CONTROL 125
#define WEBSOCKET_MAX_HEAD 14

enum websocket_opcode {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

/* Close codes that we send (RFC 6455 7.4.1). */
enum websocket_close { WEBSOCKET_PROTOCOL_ERROR = 1002, WEBSOCKET_POLICY_VIOLATION = 1008 };

enum websocket_event {
	WEBSOCKET_BAD = -1,  /* the protocol is violated; websocket.error says how */
	WEBSOCKET_MORE = 0,  /* all of the input was used */
	WEBSOCKET_FRAME,     /* a frame's head is complete: opcode, fin, length */
	WEBSOCKET_DATA,	     /* a piece of a data frame's payload, unmasked */
	WEBSOCKET_FRAME_END, /* it is whole; of a control frame, `control` holds the payload */
};

/* One direction of a connection. */
struct websocket {
	bool from_client; /* frames have to be masked (RFC 6455 5.1) */
	/* of the current frame */
	enum websocket_opcode opcode;
	bool fin;
	uint64_t length, left;
	char control[WEBSOCKET_MAX_CONTROL]; /* unmasked */
	const char *error;		     /* static; after BAD */
	/* private */
	enum { WEBSOCKET_IN_HEAD = 0, WEBSOCKET_IN_PAYLOAD, WEBSOCKET_AFTER_CLOSE } state;
	bool in_message; /* a fragmented message is open */
	unsigned char head[WEBSOCKET_MAX_HEAD], mask[4];
	size_t head_size;
};

/* Zeroed memory is a server's direction. */
void websocket_init(struct websocket *websocket, bool from_client);

/*
 * Read from in[0..n); *used octets were consumed. DATA: *data is unmasked, in out[0..room) (or in the input,
 * where there is no mask), and as long as *used. Call until MORE or BAD.
 */
enum websocket_event websocket_next(struct websocket *websocket, const char *in, size_t n, size_t *used,
	char *out, size_t room, struct span *data);

/* No octet of a frame has been read that is not whole. */
bool websocket_at_boundary(const struct websocket *websocket);

static inline bool websocket_is_control(enum websocket_opcode opcode)
{
	return (opcode & 8) != 0;
}

/* Another frame may follow what was read: it ends with a whole one, and that was no Close. */
bool websocket_may_follow(const struct websocket *websocket);

/* A Close frame of a server with this code and reason (cut at 123 octets) into out; its size. */
size_t websocket_write_close(
	enum websocket_close code, struct span reason, char out[WEBSOCKET_MAX_CONTROL + 2]);

#endif
