/*
 * Idle connections to origins, one pool a loop. An idle connection is watched: its end, or any octet on it
 * (nobody asked for one), takes it out, so that what pool_take() gives was alive at the loop's last turn.
 */
#ifndef EGRESS_POOL_H
#define EGRESS_POOL_H

#include "common/channel.h"

#include <stdint.h>

#define POOL_MAX_IDLE 512
#define POOL_MAX_IDLE_ORIGIN 8

struct pool;

/* idle_ms: an idle connection is closed after this time. NULL: out of memory. */
struct pool *pool_new(uint32_t idle_ms);
/* Closes what is idle. NULL is fine. */
void pool_free(struct pool *pool);

/* Takes the channel over; over the bounds the least recently used one is closed. The key is copied. */
void pool_put(struct pool *pool, const char *key, struct channel *channel);

/* The connection of this key that was used last; the caller owns it and sets its callbacks. NULL: none. */
struct channel *pool_take(struct pool *pool, const char *key);

size_t pool_count(const struct pool *pool);

#endif
