/*
 * What the supervisor tells egress at its start, over the control socket. egress reads no file but the CA
 * bundle and the resolver's configuration.
 */
#ifndef COMMON_EGRESS_SETTINGS_H
#define COMMON_EGRESS_SETTINGS_H

#include "common/address.h"
#include "common/ipc.h"
#include "common/url.h"

/* One element of egress.connect_to, curl's --connect-to: HOST1:PORT1:HOST2:PORT2; empty parts are any, or
 * unchanged. */
struct connect_to {
	char host[HOST_MAX + 3];    /* canonical; "" any name (never a literal address) */
	uint16_t port;		    /* 0 any */
	char to_host[HOST_MAX + 3]; /* canonical name or address; "" unchanged */
	uint16_t to_port;	    /* 0 unchanged */
};

struct egress_settings {
	char capability[65]; /* hex, see hop.h */
	char *ca_file;	     /* absolute path, or NULL: the system store alone */
	struct connect_to *connect_to;
	size_t connect_to_count;
	bool deny_private;
	unsigned threads;
	uint32_t connect_timeout_ms, tls_timeout_ms, dns_timeout_ms, response_timeout_ms, idle_timeout_ms,
		pool_idle_ms;
	struct address *own; /* addresses of the bundle itself: never dialled */
	size_t own_count;
};

/* "HOST1:PORT1:HOST2:PORT2"; false: malformed. */
bool connect_to_parse(struct span text, struct connect_to *out);

void egress_settings_put(struct ipc_writer *w, const struct egress_settings *settings);
/* false: malformed or out of memory; release it either way. */
bool egress_settings_get(struct ipc_reader *r, struct egress_settings *settings);
void egress_settings_release(struct egress_settings *settings);

#endif
