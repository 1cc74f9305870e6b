/*
 * One request as pipelock writes it on the hop: where it goes, what it is called, and whether it carries the
 * capability. Pure. Anything that pipelock would not write is refused, not understood.
 */
#ifndef EGRESS_REQUEST_H
#define EGRESS_REQUEST_H

#include "common/hop.h"
#include "common/http1.h"
#include "common/url.h"

#define REQUEST_METHOD_SIZE 32
#define REQUEST_ID_SIZE 72
#define REQUEST_KEY_SIZE (HOST_MAX + 24)

/* All that outlives the parsed head. Zeroed is no request. */
struct request {
	char method[REQUEST_METHOD_SIZE];
	char id[REQUEST_ID_SIZE]; /* "" when it names none */
	enum url_scheme scheme;	  /* URL_HTTP, URL_HTTPS; URL_NONE for CONNECT */
	struct authority authority;
	char key[REQUEST_KEY_SIZE]; /* "https://host:port", the key of pools and sessions */
	bool connect;
	bool upgrade;	 /* asks for a WebSocket */
	bool repeatable; /* may go out once more when a kept connection dies before an answer (RFC 9110 9.2.2)
			  */
};

/* Does it carry exactly one Proxy-Authorization with this capability? Compared in constant time. */
bool request_is_authorized(const struct http1_head *head, const char capability[HOP_CAPABILITY_TEXT_SIZE]);

/* Fill *out; *target is the request-target for the origin, its "/" may be missing (see forward.h). NULL, or
 * what is wrong: static text. */
const char *request_read(const struct http1_head *head, struct request *out, struct span *target);

#endif
