/*
 * Connect to the first of some addresses that answers (Happy Eyeballs, RFC 8305 4 and 5): families take
 * turns, the next attempt begins when the last one failed or 250 ms went by. It dials what it is given; who
 * may be dialled was judged.
 */
#ifndef EGRESS_DIAL_H
#define EGRESS_DIAL_H

#include "common/address.h"
#include "common/channel.h"
#include "common/hop.h"

struct dial;

/* Either a channel, owned by the callee, who sets its callbacks at once; or NULL and why. The dial is gone
 * after it. */
typedef void dial_callback(struct channel *channel, enum hop_failure failure, const char *detail, void *arg);

/* Begin; `done` is called once, from the loop, never from inside. count > 0. NULL: out of memory. */
struct dial *dial_start(struct event_base *base, const struct address *addresses, size_t count, uint16_t port,
	uint32_t timeout_ms, dial_callback *done, void *arg);
void dial_cancel(struct dial *dial);

/* Order in place: IPv6 first, then the families in turn, each in its own order. */
void dial_order(struct address *addresses, size_t count);

/* What an errno of connect(2) is called on the hop. */
enum hop_failure dial_failure_of_errno(int error);

#endif
