/*
 * Heads written anew from what was parsed: nothing that was not understood goes on, and framing is always
 * ours. End-to-end fields keep their order, spelling and octets. Pure.
 *
 * No Via is added: origins change their answers for it (nginx stops compressing), and a loop can't form,
 * since egress refuses our own addresses.
 */
#ifndef PIPELOCK_PROXY_FORWARD_H
#define PIPELOCK_PROXY_FORWARD_H

#include "common/http1.h"
#include "pipelock/proxy/target.h"

/* The head of the request on the hop, into out[0..room): absolute form, capability and request id added. The
 * length, or 0 when it does not fit. */
size_t forward_request(const struct http1_head *head, const struct target *target, const char *capability,
	const char *request_id, char *out, size_t room);

/* CONNECT on the hop, for a spliced tunnel. */
size_t forward_connect(const struct authority *authority, const char *capability, const char *request_id,
	char *out, size_t room);

struct forward_response {
	enum http1_framing framing; /* towards the agent */
	uint64_t length;
	bool http10;	 /* the agent speaks HTTP/1.0 */
	bool keep_alive; /* the agent's connection stays */
	bool upgrade;	 /* 101 for a WebSocket */
};
/* The head of a response for the agent: without what ends at the hop, without Alt-Svc (which would lead round
 * us, RFC 7838). */
size_t forward_response(
	const struct http1_head *head, const struct forward_response *how, char *out, size_t room);

/* The fields of a trailer section, with the empty line that ends it. */
size_t forward_trailers(const struct http1_head *trailers, char *out, size_t room);

#endif
