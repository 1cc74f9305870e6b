/*
 * Names to addresses: the hosts file, then the DNS with evdns, one resolver a loop. A and AAAA are asked at
 * once, the name as it is: no search domain is ever appended, which would lead a name elsewhere than where it
 * was judged.
 */
#ifndef EGRESS_RESOLVE_H
#define EGRESS_RESOLVE_H

#include "common/hop.h"
#include "common/url.h"
#include "egress/hosts.h"

#include <event2/event.h>

#define RESOLVE_MAX_ADDRESSES 64

struct resolver;
struct lookup;

/* resolv_conf names the file with the name servers; none in it is no error: then only the hosts file answers.
 * The table is borrowed. NULL: out of memory. */
struct resolver *resolver_new(
	struct event_base *base, const char *resolv_conf, const struct hosts *hosts, uint32_t timeout_ms);
/* No lookup may run. */
void resolver_free(struct resolver *resolver);

/* All addresses, when failure is HOP_FAILURE_NONE: at least one. The lookup is gone when it returns. */
typedef void resolve_callback(
	enum hop_failure failure, const struct address *addresses, size_t count, void *arg);

/* Begin; `done` is called once, from the loop, never from inside. NULL: out of memory. */
struct lookup *resolver_lookup(
	struct resolver *resolver, const struct host *host, resolve_callback *done, void *arg);
/* `done` is not called any more. */
void lookup_cancel(struct lookup *lookup);

#endif
