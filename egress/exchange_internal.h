/*
 * The inside of an exchange, shared by exchange.c (life, connection, upload) and exchange_answer.c (the
 * origin's side). Nobody else includes this.
 *
 * Functions that return bool return true while the exchange is still there.
 */
#ifndef EGRESS_EXCHANGE_INTERNAL_H
#define EGRESS_EXCHANGE_INTERNAL_H

#include "egress/body.h"
#include "egress/exchange.h"
#include "egress/session.h"
#include "egress/worker.h"

#include <event2/event_struct.h>

struct reach;
struct tunnel;

struct exchange {
	struct session *session;
	struct worker *worker;
	struct channel *hop;	/* the session's */
	struct channel *origin; /* NULL: not reached yet, or over */
	struct reach *reach;	/* on the way to the origin */
	struct tunnel *tunnel;	/* has both channels */
	struct request request;
	struct event response_timer;
	struct body upload, download;
	size_t seen;	  /* octets that were searched for the end of the answer's head */
	bool reused;	  /* the origin's connection was used before */
	bool heard;	  /* an octet of an answer came */
	bool answered;	  /* the final head was written to the hop */
	bool origin_lost; /* reset: what its input holds is all there will be */
	bool keep_origin; /* the answer allows another request on its connection */
	bool close_hop;	  /* the hop ends with this answer */
	bool finished;	  /* all is written to a hop that ends, and only has to leave */
	unsigned interims;
	size_t head_size;
	char head[]; /* the request's, as the origin gets it */
};

/* How much may wait in an output. */
#define EXCHANGE_OUTPUT_HIGH (64 * 1024)
#define EXCHANGE_OUTPUT_LOW (16 * 1024)

static inline size_t exchange_room(const struct channel *channel)
{
	size_t waiting = channel_output_size(channel);

	return waiting < EXCHANGE_OUTPUT_HIGH ? EXCHANGE_OUTPUT_HIGH - waiting : 0;
}

/* exchange.c */

/* No answer comes: say why, or reset the hop when an answer has begun. The exchange is over. */
void exchange_fail(struct exchange *x, enum hop_failure failure, const char *detail);
/* Reset the hop: what it got is not whole. The exchange is over. */
void exchange_cut(struct exchange *x);
/* The answer is whole. The exchange is over. */
void exchange_complete(struct exchange *x);
/* The origin closed before an answer: once more on a new connection where that is harmless, else a failure.
 */
void exchange_origin_closed(struct exchange *x);
/* Join hop and origin; what was written to the hop's output goes first. */
void exchange_begin_tunnel(struct exchange *x);
/* Move what the hop has of the request's body. */
bool exchange_pump_upload(struct exchange *x);

/* exchange_answer.c */

/* Take over what the origin's input holds, as far as it goes. */
void exchange_step_answer(struct exchange *x);
extern const struct channel_callbacks exchange_origin_callbacks;

#endif
