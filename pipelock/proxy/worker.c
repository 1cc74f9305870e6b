/*
 * A worker: its listener events, its accounts, its end. All workers watch the one listening socket; who wakes
 * first takes the next connection.
 */
#include "pipelock/proxy/worker.h"

#include "pipelock/proxy/exchange.h"
#include "pipelock/proxy/hop.h"
#include "pipelock/proxy/session.h"
#include "pipelock/proxy/worker_life.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 8
#define ACCEPT_PAUSE_MS 100
#define DRAIN_CHECK_MS 10
#define MAX_DRAIN_CHECKS 100

/* ---- accounts */

void worker_make_id(struct worker *worker, char out[REQUEST_ID_SIZE])
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	unsigned long long ms =
		(unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
	unsigned long long count = worker->next_id++ * worker->proxy->worker_count + loop_index(worker->loop);
	snprintf(out, REQUEST_ID_SIZE, "%012llx%010llx%010llx", ms & 0xffffffffffffULL,
		(unsigned long long)worker->proxy->id_prefix & 0xffffffffffULL, count & 0xffffffffffULL);
}

void worker_hold(struct worker *worker, int64_t bytes)
{
	atomic_fetch_add_explicit(&worker->proxy->held_bytes, (uint64_t)bytes, memory_order_relaxed);
}

static void on_scanner_holds(void *arg, int64_t octets)
{
	worker_hold(arg, octets);
}

static uint64_t worker_held(const struct worker *worker)
{
	return atomic_load_explicit(&worker->proxy->held_bytes, memory_order_relaxed);
}

bool worker_memory_is_short(const struct worker *worker)
{
	return worker_held(worker) > worker->proxy->config->memory_bytes;
}

bool worker_memory_is_gone(const struct worker *worker)
{
	return worker_held(worker) > worker->proxy->config->memory_bytes / 2 * 3;
}

/* ---- accepting */

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct worker *worker = arg;
	if (!worker->draining)
		event_add(&worker->accept_event, NULL);
}

/* Out of descriptors or memory: the connection stays in the backlog, and asking at once again would burn the
 * CPU. */
static void worker_pause_accepting(struct worker *worker)
{
	event_del(&worker->accept_event);
	event_add(&worker->accept_pause, &(struct timeval){0, ACCEPT_PAUSE_MS * 1000});
}

static bool worker_is_full(const struct worker *worker)
{
	return atomic_load(&worker->proxy->connections) >= worker->proxy->max_connections;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct worker *worker = arg;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		if (worker_is_full(worker)) {
			worker_pause_accepting(worker);
			return;
		}
		struct sockaddr_storage peer = {0};
		socklen_t size = sizeof(peer);
		int agent = accept4(fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (agent >= 0)
			session_new(worker, agent, (struct sockaddr *)&peer);
		else if (errno == EAGAIN || errno == EINTR)
			return;
		else if (errno != ECONNABORTED && errno != EPROTO) {
			worker_pause_accepting(worker);
			return;
		}
	}
}

/* ---- life */

static void worker_check_drained(struct worker *worker);

static void on_drain_check(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	worker_check_drained(arg);
}

int worker_init(struct worker *worker, struct proxy *proxy, unsigned index, int listener, int keeper)
{
	worker->proxy = proxy;
	worker->loop = loop_new(index);
	if (!worker->loop)
		return -ENOMEM;
	worker->base = loop_base(worker->loop);
	worker->scanner = scanner_new(proxy->rules, keeper_client_fingerprint_key(proxy->keeper));
	worker->audit = audit_sink_new(worker->base, keeper, proxy->health);
	if (!worker->scanner || !worker->audit)
		return -ENOMEM;
	scanner_set_known(worker->scanner, proxy->known);
	scanner_on_hold(worker->scanner, on_scanner_holds, worker);
	LIST_INIT(&worker->sessions);
	TAILQ_INIT(&worker->idle_hops);
	event_assign(
		&worker->accept_event, worker->base, listener, EV_READ | EV_PERSIST, on_acceptable, worker);
	event_assign(&worker->accept_pause, worker->base, -1, 0, on_accept_again, worker);
	event_assign(&worker->drain_check, worker->base, -1, 0, on_drain_check, worker);
	return event_add(&worker->accept_event, NULL) == 0 ? 0 : -ENOMEM;
}

void worker_release(struct worker *worker)
{
	audit_sink_free(worker->audit);
	scanner_free(worker->scanner);
	loop_free(worker->loop);
}

static void worker_check_drained(struct worker *worker)
{
	if (!worker->draining || !LIST_EMPTY(&worker->sessions) || worker->drained)
		return;
	/* A record that waits here goes before the process that made it. */
	if (!audit_sink_idle(worker->audit) && worker->drain_checks++ < MAX_DRAIN_CHECKS) {
		event_add(&worker->drain_check, &(struct timeval){0, DRAIN_CHECK_MS * 1000});
		return;
	}
	worker->drained = true;
	hop_close_idle(worker);
	atomic_fetch_add(&worker->proxy->drained, 1);
	loop_post(worker->proxy->workers[0].loop, worker->proxy->on_drained, worker->proxy);
}

void worker_session_gone(struct worker *worker)
{
	atomic_fetch_sub(&worker->proxy->connections, 1);
	worker_check_drained(worker);
}

void worker_drain(void *arg)
{
	struct worker *worker = arg;
	struct session *session, *next;
	worker->draining = true;
	event_del(&worker->accept_event);
	event_del(&worker->accept_pause);
	for (session = LIST_FIRST(&worker->sessions); session; session = next) {
		next = LIST_NEXT(session, link);
		session_drain(session);
	}
	worker_check_drained(worker);
}

void worker_abort(void *arg)
{
	struct worker *worker = arg;
	worker->draining = true;
	event_del(&worker->accept_event);
	event_del(&worker->accept_pause);
	while (!LIST_EMPTY(&worker->sessions)) {
		struct session *session = LIST_FIRST(&worker->sessions);
		if (session->exchange)
			exchange_abort(session->exchange);
		else
			session_abort(session);
	}
	worker_check_drained(worker);
}
