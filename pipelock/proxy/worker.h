/*
 * What the parts of the proxy role share: one struct proxy for the process, one struct worker for each event
 * loop. A worker's members are touched in its own thread only; what is shared is constant after start or
 * atomic.
 */
#ifndef PIPELOCK_PROXY_WORKER_H
#define PIPELOCK_PROXY_WORKER_H

#include "common/http1.h"
#include "common/keeper.h"
#include "common/loop.h"
#include "pipelock/config.h"
#include "pipelock/scan/scan.h"
#include "pipelock/start.h"
#include "pipelock/tls/intercept.h"
#include "pipelock/tls/keeper_client.h"

#include <event2/event_struct.h>
#include <stdatomic.h>
#include <sys/queue.h>

#define WORKER_SCRATCH (2 * HTTP1_MAX_HEAD) /* a head written anew, with what we add */

struct session;
struct hop_idle;
LIST_HEAD(session_list, session);
TAILQ_HEAD(hop_idle_list, hop_idle);

struct proxy {
	struct config *config;
	struct ruleset *rules;
	struct known_set *known; /* NULL: none is named */
	struct keeper_client *keeper;
	SSL_CTX *tls;
	const struct audit_health *health;
	struct proxy_start start;
	uint64_t id_prefix; /* random, for request ids */
	struct worker *workers;
	unsigned worker_count;
	uint64_t max_connections;     /* as configured, and as descriptors allow */
	_Atomic uint64_t connections; /* of agents, open now */
	_Atomic uint64_t held_bytes;  /* in all bodies that wait whole or wait for their scan */
	_Atomic unsigned drained;     /* workers that have nothing left to do */
	void (*on_drained)(void *proxy);
};

struct worker {
	struct proxy *proxy;
	struct loop *loop;
	struct event_base *base;
	struct scanner *scanner;
	struct audit_sink *audit;
	struct event accept_event;
	struct event accept_pause; /* out of descriptors: try again a little later */
	struct event drain_check;  /* records still wait for the keeper */
	unsigned drain_checks;
	struct session_list sessions;
	struct hop_idle_list idle_hops;
	size_t idle_hop_count;
	uint64_t next_id;
	bool draining, drained;
	char scratch[WORKER_SCRATCH];
};

#define REQUEST_ID_SIZE 33
/* An id that no other request of this installation has: time, then random and count; sorts by time. */
void worker_make_id(struct worker *worker, char out[REQUEST_ID_SIZE]);

/* Count octets that wait in memory (negative: no longer). */
void worker_hold(struct worker *worker, int64_t bytes);
/* Past `memory`: bodies stream instead of waiting whole. */
bool worker_memory_is_short(const struct worker *worker);
/* Past it by half: nothing new is begun. */
bool worker_memory_is_gone(const struct worker *worker);

/* A session has ended; the last one of a draining worker ends the worker. */
void worker_session_gone(struct worker *worker);

#endif
