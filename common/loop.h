/*
 * One event loop (libevent base) in a thread of its own, and a way to hand it work from other threads.
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <event2/event.h>

struct loop;

/* Call once, before the first loop_new(): libevent's locks and its memory functions. */
void loop_library_init(void);

/* NULL: out of memory or descriptors. */
struct loop *loop_new(unsigned index);
struct event_base *loop_base(struct loop *loop);
unsigned loop_index(const struct loop *loop);

/* Run it in this thread until loop_stop(); or in a new thread, joined by loop_join(). */
void loop_run(struct loop *loop);
int loop_start_thread(struct loop *loop);
void loop_join(struct loop *loop);
void loop_stop(struct loop *loop); /* from any thread */
void loop_free(struct loop *loop);

/* Have fn(arg) called in the loop's thread, soon, in order. From any thread. 0, or -ENOMEM (nothing will be
 * called). */
int loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* A monotonic clock, some milliseconds coarse and next to free: for timeouts and durations. */
long long loop_now_ms(void);

#endif
