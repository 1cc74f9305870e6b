/*
 * Puts a loop's parts together and takes them apart again, and drains them. Sessions are ended before what
 * they use; a worker that drains tells that it is idle only when its last record is on its way.
 */
#include "egress/worker.h"

#include "common/role.h"
#include "egress/session.h"

#include <stdlib.h>

#define RESOLV_CONF "/etc/resolv.conf"
#define IDLE_CHECK_MS 10
#define MAX_IDLE_CHECKS 100

static void on_idle_timer(evutil_socket_t fd, short what, void *arg);

struct worker *worker_new(const struct worker_shared *shared, unsigned index)
{
	const struct egress_settings *settings = &shared->settings;
	struct worker *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return NULL;
	worker->shared = shared;
	LIST_INIT(&worker->sessions);
	worker->loop = loop_new(index);
	if (worker->loop) {
		worker->base = loop_base(worker->loop);
		worker->resolver =
			resolver_new(worker->base, RESOLV_CONF, shared->hosts, settings->dns_timeout_ms);
		worker->tls = tls_client_new(shared->roots);
		worker->pool = pool_new(settings->pool_idle_ms);
		worker->sink = audit_sink_new(worker->base, ROLE_FD_KEEPER, shared->health);
		worker->idle_timer = event_new(worker->base, -1, 0, on_idle_timer, worker);
	}
	if (!worker->resolver || !worker->tls || !worker->pool || !worker->sink || !worker->idle_timer) {
		worker_free(worker);
		return NULL;
	}
	return worker;
}

static void end_sessions(struct worker *worker, void (*end)(struct session *session))
{
	struct session *session = LIST_FIRST(&worker->sessions), *next;

	for (; session; session = next) {
		next = LIST_NEXT(session, next);
		end(session);
	}
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	end_sessions(worker, session_abort);
	listener_free(worker->listener);
	pool_free(worker->pool);
	/* Cancelled lookups come back from the loop, and free themselves then. */
	if (worker->base)
		event_base_loop(worker->base, EVLOOP_NONBLOCK);
	resolver_free(worker->resolver);
	tls_client_free(worker->tls);
	audit_sink_free(worker->sink);
	if (worker->idle_timer)
		event_free(worker->idle_timer);
	loop_free(worker->loop);
	free(worker);
}

bool worker_listen(struct worker *worker, int fd)
{
	worker->listener = listener_new(worker, fd);
	return worker->listener;
}

static void tell_if_idle(struct worker *worker)
{
	if (!worker->draining || worker->idle_told || !LIST_EMPTY(&worker->sessions))
		return;
	if (!audit_sink_idle(worker->sink) && worker->idle_checks++ < MAX_IDLE_CHECKS) {
		event_add(worker->idle_timer, &(struct timeval){0, IDLE_CHECK_MS * 1000});
		return;
	}
	worker->idle_told = true;
	worker->shared->on_idle();
}

static void on_idle_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tell_if_idle(arg);
}

void worker_note_session_end(struct worker *worker)
{
	tell_if_idle(worker);
}

void worker_drain(void *arg)
{
	struct worker *worker = arg;

	listener_free(worker->listener);
	worker->listener = NULL;
	/* From here on each session ends with its exchange. */
	worker->draining = true;
	end_sessions(worker, session_drain);
	tell_if_idle(worker);
}

void worker_abort(void *arg)
{
	struct worker *worker = arg;

	worker_drain(worker);
	end_sessions(worker, session_abort);
}
