/*
 * Connections to egress, kept between requests. One worker's pool is its own. A connection that was idle is
 * watched: what comes unasked, or its end, removes it.
 */
#ifndef PIPELOCK_PROXY_HOP_H
#define PIPELOCK_PROXY_HOP_H

#include "common/channel.h"
#include "pipelock/proxy/worker.h"

/* A connection, idle before or new and still connecting: what is put into its output is sent when it stands.
 * NULL with errno. */
struct channel *hop_acquire(struct worker *worker, const struct channel_callbacks *callbacks, void *arg);

/* Its exchange is over and left nothing behind: keep it. */
void hop_release(struct worker *worker, struct channel *channel);

/* Close all idle ones. */
void hop_close_idle(struct worker *worker);

#endif
