/*
 * One agent's connection, from accept to close: heads one after the other, CONNECT and the TLS that follows
 * it, and the exchange that runs now. Pipelined requests wait in the input until the one before is answered.
 */
#ifndef PIPELOCK_PROXY_SESSION_H
#define PIPELOCK_PROXY_SESSION_H

#include "common/channel.h"
#include "pipelock/proxy/refusal.h"
#include "pipelock/proxy/worker.h"

struct exchange;

enum session_state {
	SESSION_HEAD = 0, /* a head is due */
	SESSION_TLS,	  /* a handshake runs */
	SESSION_EXCHANGE, /* session->exchange has the connection */
	SESSION_ENDING,	  /* the last words are on their way */
};

struct session {
	LIST_ENTRY(session) link;
	struct worker *worker;
	struct channel *agent;
	enum session_state state;
	char peer[ADDRESS_TEXT_SIZE];
	uint16_t peer_port;
	struct event deadline; /* absolute: for a head, for a handshake */
	size_t head_seen;      /* octets of an incomplete head that were looked at */
	struct event again;    /* a pipelined request waits */
	struct exchange *exchange;

	/* after CONNECT */
	bool in_tunnel;
	struct authority tunnel;
	struct intercept intercept;
	struct refusal
		tunnel_refusal; /* each request inside is answered with it; code NONE: open for requests */
	struct findings *tunnel_findings; /* what made the refusal; NULL mostly */
	char *tunnel_url;		  /* what CONNECT asked for, for the log */
	char tunnel_id[REQUEST_ID_SIZE];
	const struct route *tunnel_route;
	long long tunnel_began_ms;
	bool tunnel_refusal_logged;
};

/* Takes the accepted descriptor. */
void session_new(struct worker *worker, int fd, const struct sockaddr *peer);

/* How an exchange ended, for the connection. */
enum session_next {
	SESSION_KEEP,  /* the next request may come */
	SESSION_CLOSE, /* send what is in the output, then close */
	SESSION_ABORT, /* reset: the client must see that the answer is cut */
};
/* The exchange is over and already freed. The session may be gone after this call. */
void session_exchange_done(struct session *session, enum session_next next);

/* End it from outside of an exchange: after the last words, or with a reset. It may be gone on return. */
void session_close(struct session *session);
void session_abort(struct session *session);

/* The worker drains: idle sessions end now, others after their exchange. */
void session_drain(struct session *session);

#endif
