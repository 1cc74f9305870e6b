/*
 * What the other roles say to the keeper, and it to them. Each channel has a set of permitted messages;
 * anything else, or a message that doesn't parse, ends the keeper (and with it the group): a role that breaks
 * the protocol is compromised.
 *
 *   supervisor: RECORD, FLUSH            proxy: RECORD, HELLO, MINT, FLUSH            egress: RECORD, FLUSH
 */
#ifndef COMMON_KEEPER_H
#define COMMON_KEEPER_H

#include "common/span.h"

#include <stdatomic.h>
#include <stdint.h>

enum keeper_message {
	KEEPER_RECORD = 1, /* span: the members of one JSON object, without braces, one line. No answer. */
	KEEPER_HELLO,	   /* span: SubjectPublicKeyInfo (DER) that all leafs are for */
	KEEPER_WELCOME,	   /* answer: span CA certificate (DER), span fingerprint key (32 octets) */
	KEEPER_MINT,	   /* u32 serial of the request, span name: canonical host or address */
	KEEPER_LEAF,	   /* answer: u32 serial, span certificate (DER); empty when it can't be made */
	KEEPER_FLUSH,	   /* u32 token: answered when all records before it are in the file (fdatasync) */
	KEEPER_FLUSHED,	   /* answer: u32 token */
};

/* Octets of the members of one record, at most: it has to fit into a message. */
#define KEEPER_MAX_RECORD (48 * 1024)

/* One page that the keeper writes and the others only read: may traffic flow? */
struct audit_health {
	_Atomic uint32_t accepting; /* 1: records reach the disk. 0: not yet, or no longer: traffic stops */
};

/* Map the memfd. writable for the keeper alone. NULL on failure. */
struct audit_health *audit_health_map(int fd, bool writable);

/* ---- the other roles' side: one sink a loop, any thread's records go through its own */

struct event_base;
struct audit_sink;

/* fd is shared between sinks and stays the caller's. NULL: out of memory. */
struct audit_sink *audit_sink_new(struct event_base *base, int fd, const struct audit_health *health);
void audit_sink_free(struct audit_sink *sink);

/* May a new exchange begin, may a running one go on? False when the log can't be written or too much waits
 * for it. */
bool audit_sink_ready(const struct audit_sink *sink);

/* Hand a record over, in order. It is in the kernel's hands, or queued here when the keeper is behind. 0, or
 * a negative errno: then there is no record, and what it was about must not happen. */
int audit_sink_record(struct audit_sink *sink, struct span members);

/* True when nothing waits in the queue. */
bool audit_sink_idle(const struct audit_sink *sink);

#endif
