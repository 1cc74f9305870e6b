/*
 * What an agent is told when its request does not go through: the codes (header Pipelock-Code), their status
 * and sentences, and the answer itself, application/problem+json (RFC 9457). Policy (403), the agent's own
 * mistakes (4xx), pipelock's state (503) and failures behind it (502, 504) have different codes, so that an
 * agent can tell "don't retry" from "try again". Pure.
 */
#ifndef PIPELOCK_PROXY_REFUSAL_H
#define PIPELOCK_PROXY_REFUSAL_H

#include "common/hop.h"
#include "common/http1.h"
#include "pipelock/scan/scan.h"

enum refusal_code {
	REFUSAL_NONE = 0,
	/* policy */
	REFUSAL_RULE_MATCH,
	REFUSAL_UNSCANNABLE,
	REFUSAL_ROUTE_DENIED,
	REFUSAL_UNNAMED_HOST,
	REFUSAL_DESTINATION,
	REFUSAL_ADDRESS_LITERAL,
	REFUSAL_HOST_MISMATCH,
	REFUSAL_NO_SNI,
	REFUSAL_NESTED_CONNECT,
	REFUSAL_ABSOLUTE_IN_TUNNEL,
	REFUSAL_NOT_TLS,
	REFUSAL_UPGRADE,
	REFUSAL_WEBSOCKET,
	/* the message */
	REFUSAL_BAD_REQUEST,
	REFUSAL_NOT_PROXY_REQUEST,
	REFUSAL_TARGET_TOO_LONG,
	REFUSAL_HEAD_TOO_LARGE,
	REFUSAL_TIMEOUT,
	/* pipelock itself */
	REFUSAL_OVERLOADED,
	REFUSAL_AUDIT_UNAVAILABLE,
	REFUSAL_STOPPING,
	/* behind it */
	REFUSAL_EGRESS_UNAVAILABLE,
	REFUSAL_EGRESS_LOST,
	REFUSAL_HOP, /* see refusal.failure */
	REFUSAL_CODES
};

struct refusal {
	enum refusal_code code;
	enum hop_failure failure; /* REFUSAL_HOP: what egress said */
	enum http1_error
		http1_error; /* REFUSAL_BAD_REQUEST: what is malformed, HTTP1_OK if something else is */
	const char *detail;  /* one sentence without network bytes, or NULL; static */
	char note[200]; /* egress's own word (an address, a certificate error): printable ASCII, may be empty
			 */
};

/* "rule_match", ... as in the header and the log. */
const char *refusal_code_name(const struct refusal *refusal);
unsigned refusal_status(const struct refusal *refusal);
/* True where policy said no: the log's verdict is block. */
bool refusal_is_policy(const struct refusal *refusal);
/* True where pipelock itself would not take it for want of something: nothing of it went on either. */
bool refusal_is_own(const struct refusal *refusal);
/* True when the same request may succeed later. */
bool refusal_may_retry(const struct refusal *refusal);
/* The refusal for a malformed head. */
struct refusal refusal_from_http1(enum http1_error error);

/* Everything an answer says beside its code. */
struct refusal_context {
	const char *request_id;
	const struct findings *findings; /* NULL: none */
	struct span route;		 /* name of the route that decided; empty: none */
	bool head_request;		 /* HEAD: the body is left out */
	bool close;			 /* Connection: close */
};

struct evbuffer;
/* Append the whole answer to out. 0, or -ENOMEM. */
int refusal_write(struct evbuffer *out, const struct refusal *refusal, const struct refusal_context *context);

#endif
