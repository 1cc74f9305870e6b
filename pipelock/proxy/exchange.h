/*
 * One request and its answer. The exchange has parts, each in a file of its own: exchange.c (admission, the
 * end, the record), exchange_request.c (body in, gate, hop), exchange_response.c (hop, agent),
 * exchange_tunnel.c (after 101 or a spliced CONNECT), exchange_websocket.c (the frames in it);
 * exchange_record.c tells the log. Only these files and session.c look inside.
 *
 * Every exchange ends in exactly one of exchange_complete(), exchange_refuse(), exchange_cut(); each writes
 * the record, frees the exchange and tells the session. After a call that says so, the exchange may be gone.
 */
#ifndef PIPELOCK_PROXY_EXCHANGE_H
#define PIPELOCK_PROXY_EXCHANGE_H

#include "pipelock/proxy/relay.h"
#include "pipelock/proxy/session.h"
#include "pipelock/proxy/target.h"

#define EXCHANGE_METHOD_SIZE 32

enum response_state { RESPONSE_HEAD = 0, RESPONSE_BODY, RESPONSE_DONE };

struct exchange_request {
	enum http1_framing framing;
	uint64_t left; /* HTTP1_LENGTH */
	struct http1_chunked chunked;
	size_t trailers_seen;
	bool in_trailers;
	bool received;	/* the whole request was read */
	bool sent;	/* the whole request is in the hop's output */
	bool streaming; /* holding is over: the head went out */
	bool continue_sent;
	struct evbuffer *pending; /* octets of the body that wait for hold or scan */
	size_t held;		  /* of them, counted in the worker's memory */
	uint64_t body_bytes;	  /* read from the agent */
	uint64_t released;	  /* moved to the hop */
	char *trailers;		  /* rendered, ready to go out; NULL: none */
	size_t trailers_size;
	struct event hold_timer;
	uint64_t pace_mark;	 /* body_bytes when the pace was last looked at */
	struct event pace_timer; /* the read timeout of a body: the channel's own would leave no way to answer
				    408 */
};

struct exchange_response {
	enum response_state state;
	enum http1_framing framing; /* on the hop */
	uint64_t left;
	struct http1_chunked chunked;
	bool in_trailers;
	size_t trailers_size; /* in the worker's scratch, within one step */
	size_t seen;
	unsigned status;
	bool begun; /* octets of it went to the agent */
	bool chunk_to_agent;
	bool hop_keep_alive;
	uint64_t body_bytes; /* that came */
	long long first_ms;
	/* what comes back, in a WebSocket too, is held against the rules for responses */
	struct gate gate;
	bool gated;   /* the gate is open: a head came */
	bool holding; /* it waits whole, its head too */
	char *head;   /* owned; rendered, not yet put out */
	size_t head_size;
	struct evbuffer *pending; /* octets of the body that wait for that */
	size_t held;		  /* of them, counted in the worker's memory */
	uint64_t released;	  /* moved to the agent */
	struct event hold_timer;
};

/* One end of a WebSocket, whose messages are held against the rules. */
struct exchange_speaker {
	struct relay *relay;
	struct gate *gate;
	enum scan_part part;
	struct event hold_timer;
};

/* After the switch: both directions until both have ended. */
struct exchange_tunnel {
	struct event idle_timer;
	long long active_ms;
	uint64_t to_origin, to_agent; /* octets passed on */
	/* of a WebSocket */
	struct exchange_speaker from_agent;  /* no relay: spliced, nothing is read */
	struct exchange_speaker from_origin; /* no relay: no rule looks at it */
	struct evbuffer *judged;	     /* of what the origin said, what may pass */
	struct websocket to_agent_frames;
	bool agent_at_boundary; /* what the agent got ends with a whole frame: one of ours may follow */
	size_t held;		/* counted in the worker's memory */
};

struct exchange {
	struct session *session;
	struct worker *worker;
	char id[REQUEST_ID_SIZE];
	char method[EXCHANGE_METHOD_SIZE];
	char *url; /* owned; NULL: the head was not understood */
	size_t url_size;
	struct target target;
	const struct route *route;
	struct gate gate;
	struct refusal refusal;
	bool keep_alive; /* the agent's connection, as far as the agent is concerned */
	bool http10;
	bool head_request;
	bool odd_method; /* not in the registry of methods: may be anything */
	bool upgrade;	 /* asks for a WebSocket */
	bool splice;	 /* CONNECT that is not opened */
	bool tunnelled;	 /* octets flow both ways; `tunnel` is in use */
	struct exchange_tunnel tunnel;
	char *hop_head; /* owned until it is sent */
	size_t hop_head_size;
	struct channel *hop;
	struct exchange_request request;
	struct exchange_response response;
	long long began_ms;
	struct timespec began;
};

/* A head is there: admit and start, or refuse. Drains the head from the agent's input. The exchange and even
 * the session may be gone when it returns. */
void exchange_begin(struct session *session, const struct http1_head *head);

/* A head that can't be parsed, or did not come in time. */
void exchange_begin_refused(struct session *session, const struct refusal *refusal);

/* CONNECT for a route that is spliced. */
void exchange_begin_splice(struct session *session, const struct http1_head *head,
	const struct authority *authority, const struct route *route);

/* CONNECT that was refused although nobody came to ask inside: the record of it. */
void exchange_record_refused_tunnel(struct session *session);
/* An agent that would not have our certificate, or did not speak TLS after CONNECT. `why` is OpenSSL's
 * reason. */
void exchange_record_failed_handshake(struct session *session, const char *why);

/* ---- ends; the exchange is gone after each */
void exchange_complete(struct exchange *exchange);
void exchange_refuse(struct exchange *exchange, const struct refusal *refusal);
void exchange_refuse_code(struct exchange *exchange, enum refusal_code code);
/* What runs can't be finished: the answer has begun, or the agent is gone. `code` is for the log. */
void exchange_cut(struct exchange *exchange, const char *code);
/* A tunnel is over; NULL: both sides have ended it. */
void exchange_end_tunnel(struct exchange *exchange, const char *code);
/* A tunnel is ended by us, for this reason. The agent gets what is in its output. */
void exchange_refuse_tunnel(struct exchange *exchange, const struct refusal *refusal);
/* End now, whatever it does: the group is restarted. */
void exchange_abort(struct exchange *exchange);

/* The canonical host; empty before the target is known. */
struct span exchange_host(const struct exchange *exchange);

/* ---- between the parts; false: the exchange is gone */
bool exchange_check_verdict(struct exchange *exchange);
bool exchange_request_start(struct exchange *exchange);
bool exchange_request_step(struct exchange *exchange);
bool exchange_request_open_hop(struct exchange *exchange);
void exchange_request_release(struct exchange *exchange);
bool exchange_response_step(struct exchange *exchange);
void exchange_response_release(struct exchange *exchange);
/* Always false: the tunnel goes on by itself, or is over. */
bool exchange_tunnel_start(struct exchange *exchange);
/* A WebSocket's two directions, one step of each. */
bool exchange_websocket_start(struct exchange *exchange);
bool exchange_websocket_to_origin(struct exchange *exchange);
bool exchange_websocket_to_agent(struct exchange *exchange);
/* An end has stopped sending in the middle of a message. */
bool exchange_websocket_is_cut(const struct exchange_speaker *speaker);
void exchange_websocket_drop(struct exchange *exchange, struct exchange_speaker *speaker);
void exchange_websocket_release(struct exchange *exchange);
/* The record of an exchange, with `code` (NULL: by refusal and verdict). false: it can't be kept, nothing may
 * go on. */
bool exchange_record(struct exchange *exchange, const char *event, const char *code);

extern const struct channel_callbacks exchange_agent_callbacks;
extern const struct channel_callbacks exchange_hop_callbacks;
extern const struct channel_callbacks tunnel_callbacks;

#define EXCHANGE_OUTPUT_HIGH (256 * 1024) /* past it the other side is not read */
#define EXCHANGE_OUTPUT_LOW (64 * 1024)

#endif
