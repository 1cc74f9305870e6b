/*
 * Octets both ways between two channels, for CONNECT and after 101: half-close is passed on, back-pressure
 * too, and silence ends it. What the octets are is nobody's business here.
 */
#ifndef EGRESS_TUNNEL_H
#define EGRESS_TUNNEL_H

#include "common/channel.h"

#include <stdint.h>

enum tunnel_end {
	TUNNEL_CLOSED,	    /* both sides ended in order */
	TUNNEL_HOP_LOST,    /* the hop was reset */
	TUNNEL_ORIGIN_LOST, /* the origin was reset, or nothing came from either side for too long */
};

struct tunnel;

/* Takes both channels, and what is in their inputs. `done` is called once, from the loop; the tunnel and its
 * channels are gone then. NULL: out of memory; the channels stay the caller's. */
struct tunnel *tunnel_new(struct event_base *base, struct channel *hop, struct channel *origin,
	uint32_t idle_ms, void (*done)(enum tunnel_end end, void *arg), void *arg);
/* Resets both sides; `done` is not called. NULL is fine. */
void tunnel_abort(struct tunnel *tunnel);

#endif
