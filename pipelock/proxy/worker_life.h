/*
 * The beginning and end of a worker, for proxy.c alone; what the other parts may ask of one is in worker.h.
 */
#ifndef PIPELOCK_PROXY_WORKER_LIFE_H
#define PIPELOCK_PROXY_WORKER_LIFE_H

#include "pipelock/proxy/worker.h"

/* 0, or -ENOMEM (release it all the same). The descriptors are shared and stay the caller's. */
int worker_init(struct worker *worker, struct proxy *proxy, unsigned index, int listener, int keeper);
/* After its loop has ended. */
void worker_release(struct worker *worker);

/* In the worker's thread (loop_post()): take nothing new, end what is idle; or end everything now, with its
 * records. proxy->on_drained is posted to the first worker's loop when nothing is left. */
void worker_drain(void *worker);
void worker_abort(void *worker);

#endif
