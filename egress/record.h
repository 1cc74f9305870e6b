/*
 * What egress has to say in the audit log: who came without the capability, and which exchanges the proxy
 * gave up while they ran. Never a path, a query, a field or a body: those may hold what must not be told.
 */
#ifndef EGRESS_RECORD_H
#define EGRESS_RECORD_H

#include "common/keeper.h"
#include "egress/request.h"

/* At most RECORD_LIMIT refusals a second are written; what was left out is told with the next one. Zeroed is
 * new. */
#define RECORD_LIMIT 10
struct record_limit {
	long long second;
	unsigned count;
	uint64_t suppressed;
};

/* May one more be written now? If so, *suppressed says how many were not since the last one. */
bool record_limit_take(struct record_limit *limit, long long now_ms, uint64_t *suppressed);

/* "hop_refused": a connection without the capability, or one that speaks no HTTP. */
void record_refused(struct audit_sink *sink, struct record_limit *limit, enum hop_failure failure,
	const struct address *peer, uint16_t port);

/* "hop_aborted": the proxy's connection was gone while this request was under way. Its id alone: the proxy's
 * own line tells the rest, masked where that has to be. */
void record_aborted(struct audit_sink *sink, const struct request *request);

#endif
