/*
 * Where a request goes, and whether all that it says about that agrees: request target, Host, and in a tunnel
 * the authority of CONNECT (RFC 9112 3.2, 3.3). Pure.
 */
#ifndef PIPELOCK_PROXY_TARGET_H
#define PIPELOCK_PROXY_TARGET_H

#include "common/http1.h"
#include "common/url.h"
#include "pipelock/proxy/refusal.h"

struct target {
	bool tls; /* https */
	struct authority authority;
	struct span named; /* it as it was sent, for rules and log; empty: as it is written here; borrowed */
	struct span path;  /* origin form, "/" at least (OPTIONS of a whole server: empty); borrowed from the
			      head */
	bool host_rewritten; /* absolute form whose Host said something else: the URI counts (RFC 9112 3.2.2)
			      */
};

/*
 * tunnel: the authority of CONNECT for a request inside an opened tunnel; NULL on the listener itself, where
 * absolute form is due. REFUSAL_NONE: *out is filled. Otherwise *refusal says why.
 */
enum refusal_code target_resolve(const struct http1_head *head, const struct authority *tunnel,
	struct target *out, struct refusal *refusal);

/* What CONNECT named, for `named`: without the port that https has anyway. */
struct span target_named_by_connect(struct span connect_target);

/* The URL as the log and the rules see it, into out[0..room): scheme, authority as named, path. The length it
 * has, which may be over room: then nothing was written. */
size_t target_url(const struct target *target, char *out, size_t room);

#endif
