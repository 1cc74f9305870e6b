/*
 * One connection from pipelock on the hop: requests one after the other, each with the capability. It reads
 * heads; what a request then does is its exchange's.
 */
#ifndef EGRESS_SESSION_H
#define EGRESS_SESSION_H

#include "common/address.h"
#include "common/channel.h"

#include <sys/queue.h>

struct exchange;
struct worker;

struct session {
	LIST_ENTRY(session) next; /* of worker->sessions */
	struct worker *worker;
	struct channel *channel;   /* NULL: a tunnel has it */
	struct exchange *exchange; /* the request that runs; NULL between requests */
	struct address peer;
	uint16_t peer_port;
	long long begun_ms; /* 0: it has made a good request */
	size_t seen;	    /* octets that were searched for the end of a head */
	bool lingers;	    /* its last words are on their way */
};

/* Serve the accepted connection; takes the descriptor. */
void session_start(struct worker *worker, int fd, const struct sockaddr *peer);

/* Its exchange is over and answered whole: wait for the next request. The session may be gone when it
 * returns. */
void session_next(struct session *session);

/* How a session ends. */
enum session_end {
	SESSION_RESET,	/* so that no cut answer looks whole */
	SESSION_CLOSE,	/* nothing waits on either side */
	SESSION_LINGER, /* the last words have to arrive first */
};
/* The only end of a session. Its exchange must be over. */
void session_finish(struct session *session, enum session_end end);

/* Draining: end it if nothing runs on it. */
void session_drain(struct session *session);
/* End it and what runs on it, with the record. */
void session_abort(struct session *session);

#endif
