/*
 * Most recently used first, so that a quiet hour lets the others run out.
 */
#include "pipelock/proxy/hop.h"

#include <stdlib.h>

#define HOP_MAX_IDLE 64
#define HOP_IDLE_MS 60000

struct hop_idle {
	TAILQ_ENTRY(hop_idle) link;
	struct worker *worker;
	struct channel *channel;
};

/* The channel leaves the pool; it stays open. */
static struct channel *hop_take(struct hop_idle *idle)
{
	struct channel *channel = idle->channel;
	TAILQ_REMOVE(&idle->worker->idle_hops, idle, link);
	idle->worker->idle_hop_count--;
	free(idle);
	return channel;
}

static void on_idle_input(struct channel *channel, void *arg)
{
	(void)channel;
	channel_free(hop_take(arg));
}

static void on_idle_end(struct channel *channel, enum channel_end end, void *arg)
{
	(void)channel;
	(void)end;
	channel_free(hop_take(arg));
}

struct channel *hop_acquire(struct worker *worker, const struct channel_callbacks *callbacks, void *arg)
{
	struct hop_idle *idle = TAILQ_FIRST(&worker->idle_hops);
	if (idle) {
		struct channel *channel = hop_take(idle);
		channel_set_callbacks(channel, callbacks, arg);
		return channel;
	}
	struct sockaddr_storage address;
	socklen_t length =
		address_to_sockaddr(&worker->proxy->start.egress, worker->proxy->start.egress_port, &address);
	return channel_connect(worker->base, (struct sockaddr *)&address, length, callbacks, arg);
}

void hop_release(struct worker *worker, struct channel *channel)
{
	static const struct channel_callbacks callbacks = {.on_input = on_idle_input, .on_end = on_idle_end};
	struct hop_idle *idle =
		worker->idle_hop_count < HOP_MAX_IDLE && !worker->draining ? malloc(sizeof(*idle)) : NULL;
	if (!idle || channel_input_ended(channel) || evbuffer_get_length(channel_input(channel)) > 0) {
		free(idle);
		channel_free(channel);
		return;
	}
	*idle = (struct hop_idle){.worker = worker, .channel = channel};
	channel_set_callbacks(channel, &callbacks, idle);
	channel_enable_reading(channel, true);
	channel_set_timeouts(channel, HOP_IDLE_MS, 0);
	TAILQ_INSERT_HEAD(&worker->idle_hops, idle, link);
	worker->idle_hop_count++;
}

void hop_close_idle(struct worker *worker)
{
	while (!TAILQ_EMPTY(&worker->idle_hops))
		channel_free(hop_take(TAILQ_FIRST(&worker->idle_hops)));
}
