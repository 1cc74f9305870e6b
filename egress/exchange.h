/*
 * One request and its answer: the request goes to an origin on a kept or a new connection, the answer comes
 * back, bodies stream both ways at once. An exchange ends itself, and with it goes on or ends its session.
 */
#ifndef EGRESS_EXCHANGE_H
#define EGRESS_EXCHANGE_H

#include "common/channel.h"
#include "egress/request.h"

struct exchange;
struct session;

/* Copies what it needs of the head. NULL: out of memory. */
struct exchange *exchange_new(struct session *session, const struct http1_head *head,
	const struct request *request, struct span target);
/* Begin; the head has been taken from the hop's input. As all below, it may end the exchange and the session.
 */
void exchange_run(struct exchange *exchange);

/* What happens on the hop while it runs. */
void exchange_on_hop_input(struct exchange *exchange);
void exchange_on_hop_drained(struct exchange *exchange);
void exchange_on_hop_end(struct exchange *exchange, enum channel_end end);

/* End it now, and the session with it, with a record. */
void exchange_abort(struct exchange *exchange);

#endif
