/*
 * The way to an origin: where to go, the addresses, their judgement, the connection, TLS. All of it, in this
 * order, for each new connection; nothing of it is skipped because it was done before.
 */
#ifndef EGRESS_REACH_H
#define EGRESS_REACH_H

#include "common/channel.h"
#include "egress/request.h"

struct reach;
struct worker;

/* Either a channel that is ready for HTTP (or, for CONNECT, for octets), owned by the callee, who sets its
 * callbacks at once; or NULL and why. The reach is gone after it. */
typedef void reach_callback(struct channel *channel, enum hop_failure failure, const char *detail, void *arg);

/* Begin; `done` is called once, from the loop, never from inside. The request is borrowed until then. NULL:
 * out of memory. */
struct reach *reach_start(
	struct worker *worker, const struct request *request, reach_callback *done, void *arg);
/* `done` is not called any more. NULL is fine. */
void reach_cancel(struct reach *reach);

#endif
