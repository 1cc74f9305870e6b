/*
 * All that one event loop of egress has: nothing in it is shared with another loop but what is read only. One
 * thread a worker; only worker_post() may be called from another.
 */
#ifndef EGRESS_WORKER_H
#define EGRESS_WORKER_H

#include "common/keeper.h"
#include "common/loop.h"
#include "egress/destination.h"
#include "egress/hosts.h"
#include "egress/listener.h"
#include "egress/pool.h"
#include "egress/record.h"
#include "egress/resolve.h"
#include "egress/tls.h"

#include <sys/queue.h>

struct session;

/* Read only, the same for all workers. */
struct worker_shared {
	struct egress_settings settings;
	struct destination_policy policy;
	struct hosts *hosts;
	X509_STORE *roots;
	const struct audit_health *health;
	void (*on_idle)(void); /* a draining worker has nothing left; called once, in its thread */
};

struct worker {
	const struct worker_shared *shared;
	struct loop *loop;
	struct event_base *base;
	struct listener *listener; /* NULL: takes nothing new */
	struct resolver *resolver;
	struct tls_client *tls;
	struct pool *pool;
	struct audit_sink *sink;
	struct record_limit refusals;
	LIST_HEAD(session_list, session) sessions;
	bool draining, idle_told;
	unsigned idle_checks;
	struct event *idle_timer;
};

/* Everything but the listener, which worker_listen() starts. NULL: out of memory or descriptors. */
struct worker *worker_new(const struct worker_shared *shared, unsigned index);
/* Its loop must not run. */
void worker_free(struct worker *worker);

/* In the loop's thread: begin to accept; false: out of memory. */
bool worker_listen(struct worker *worker, int fd);
/* In the loop's thread: take nothing new, end what is idle. on_idle follows when the last session is over. */
void worker_drain(void *worker);
/* In the loop's thread: as worker_drain(), and end what runs now, with its records. */
void worker_abort(void *worker);
/* A session ended. */
void worker_note_session_end(struct worker *worker);

#endif
