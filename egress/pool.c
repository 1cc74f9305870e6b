/*
 * The pool. What must hold: a channel is either here with the pool's callbacks or elsewhere without; one that
 * has anything to read is never handed out, since what it would bring belongs to no request (RFC 9112 9.2).
 */
#include "egress/pool.h"

#include "egress/lru.h"
#include "egress/tls.h"

#include <stdlib.h>
#include <string.h>

struct pool {
	struct lru lru;
	uint32_t idle_ms;
};

struct idle {
	struct lru_node node; /* first: a node is its idle */
	struct pool *pool;
	struct channel *channel;
	char key[];
};

static void idle_close(struct idle *idle)
{
	lru_remove(&idle->pool->lru, &idle->node);
	tls_close(idle->channel);
	free(idle);
}

static void on_idle_input(struct channel *channel, void *arg)
{
	(void)channel;
	idle_close(arg);
}

static void on_idle_end(struct channel *channel, enum channel_end end, void *arg)
{
	(void)channel;
	(void)end;
	idle_close(arg);
}

static const struct channel_callbacks idle_callbacks = {.on_input = on_idle_input, .on_end = on_idle_end};

struct pool *pool_new(uint32_t idle_ms)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (pool)
		pool->idle_ms = idle_ms;
	return pool;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	while (pool->lru.oldest)
		idle_close((struct idle *)pool->lru.oldest);
	free(pool);
}

static void make_room(struct pool *pool, const char *key)
{
	if (lru_count_key(&pool->lru, key) >= POOL_MAX_IDLE_ORIGIN)
		idle_close((struct idle *)lru_find_oldest(&pool->lru, key));
	if (pool->lru.count >= POOL_MAX_IDLE)
		idle_close((struct idle *)pool->lru.oldest);
}

static bool is_quiet(struct channel *channel)
{
	return !channel_input_ended(channel) && !channel_write_is_shut(channel) &&
	       channel_output_size(channel) == 0 && evbuffer_get_length(channel_input(channel)) == 0;
}

void pool_put(struct pool *pool, const char *key, struct channel *channel)
{
	size_t size = strlen(key) + 1;
	struct idle *idle = NULL;

	if (pool->idle_ms > 0 && is_quiet(channel))
		idle = calloc(1, sizeof(*idle) + size);
	if (!idle) {
		tls_close(channel);
		return;
	}
	make_room(pool, key);
	idle->pool = pool;
	idle->channel = channel;
	memcpy(idle->key, key, size);
	lru_add(&pool->lru, &idle->node, idle->key);
	channel_set_callbacks(channel, &idle_callbacks, idle);
	channel_enable_reading(channel, true);
	channel_set_timeouts(channel, pool->idle_ms, 0);
}

struct channel *pool_take(struct pool *pool, const char *key)
{
	struct lru_node *node;

	while ((node = lru_find(&pool->lru, key))) {
		struct idle *idle = (struct idle *)node;
		struct channel *channel = idle->channel;

		if (!is_quiet(channel)) {
			idle_close(idle);
			continue;
		}
		lru_remove(&pool->lru, node);
		free(idle);
		return channel;
	}
	return NULL;
}

size_t pool_count(const struct pool *pool)
{
	return pool->lru.count;
}
