/*
 * One direction of a WebSocket: frames are read, each message is held against the rules as one text
 * whatever its fragments, and the frames leave as they came, as far as what they carry is safe. A message up
 * to `hold` waits whole. Event code's state, but no events: it is fed and asked.
 */
#ifndef PIPELOCK_PROXY_RELAY_H
#define PIPELOCK_PROXY_RELAY_H

#include "pipelock/proxy/gate.h"
#include "pipelock/proxy/websocket.h"

#include <event2/buffer.h>

struct relay;

enum relay_result {
	RELAY_NO_MEMORY = -2,
	RELAY_VIOLATION = -1, /* of the protocol: relay_error() */
	RELAY_OK = 0,
};

/* part: SCAN_WEBSOCKET for what the agent says, SCAN_RESPONSE for what the origin does. hold_bytes: a message
 * up to this size waits whole. NULL: out of memory. */
struct relay *relay_new(enum scan_part part, uint64_t hold_bytes);
void relay_free(struct relay *relay);

/* Take all frames and parts of frames out of `in`. The gate's verdict is to be asked after each call, before
 * relay_release(). */
enum relay_result relay_take(struct relay *relay, struct gate *gate, struct evbuffer *in);
/* Static. */
const char *relay_error(const struct relay *relay);

/* Move what may leave to out. 0, or -ENOMEM. */
int relay_release(struct relay *relay, const struct gate *gate, struct evbuffer *out);

/* Octets that wait (of NULL: none), and whether more wait than is good for them: then the message can't be
 * judged. */
size_t relay_waiting(const struct relay *relay);
bool relay_is_flooded(const struct relay *relay);
/* A message has begun and is still held whole. */
bool relay_holds_whole(const struct relay *relay);
/* It was held long enough: stream it. */
void relay_stop_holding(struct relay *relay);
/* Between two messages, with nothing that waits. */
bool relay_at_boundary(const struct relay *relay);

#endif
