/*
 * What follows CONTROL_START for the proxy and the keeper (egress has common/egress_settings.h). Spans that
 * were got point into the message.
 */
#ifndef PIPELOCK_START_H
#define PIPELOCK_START_H

#include "common/address.h"
#include "common/hop.h"
#include "common/ipc.h"

struct proxy_start {
	char capability[HOP_CAPABILITY_TEXT_SIZE]; /* for the hop, new at each start of the group */
	struct address egress;			   /* where egress listens: loopback, or nothing starts */
	uint16_t egress_port;
};

struct keeper_start {
	struct span state;	/* absolute path of the state folder */
	struct span audit_file; /* absolute path */
};

void proxy_start_put(struct ipc_writer *w, const struct proxy_start *start);
/* false: malformed, or an address that is not loopback. */
bool proxy_start_get(struct ipc_reader *r, struct proxy_start *start);

void keeper_start_put(struct ipc_writer *w, const struct keeper_start *start);
/* false: malformed, or a path that is not absolute or holds NUL. */
bool keeper_start_get(struct ipc_reader *r, struct keeper_start *start);

#endif
