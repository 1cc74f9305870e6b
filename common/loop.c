/*
 * An event loop in a thread, and its mailbox: a list of calls behind a mutex and an eventfd that wakes the
 * loop. The mailbox is the only thing that other threads touch.
 */
#include "common/loop.h"

#include <errno.h>
#include <event2/thread.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct post {
	struct post *next;
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	struct event_base *base;
	struct event *wake;
	int wake_fd;
	unsigned index;
	pthread_t thread;
	pthread_mutex_t lock;
	struct post *first, **last; /* under lock */
};

void loop_library_init(void)
{
	evthread_use_pthreads();
}

static struct post *loop_take_posts(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	struct post *posts = loop->first;
	loop->first = NULL;
	loop->last = &loop->first;
	pthread_mutex_unlock(&loop->lock);
	return posts;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	uint64_t count;
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	for (struct post *post = loop_take_posts(arg), *next; post; post = next) {
		next = post->next;
		post->fn(post->arg);
		free(post);
	}
}

struct loop *loop_new(unsigned index)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	if (!loop)
		return NULL;
	loop->index = index;
	loop->last = &loop->first;
	pthread_mutex_init(&loop->lock, NULL);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->base = event_base_new();
	if (loop->base && loop->wake_fd >= 0)
		loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
	if (!loop->wake || event_add(loop->wake, NULL) != 0) {
		loop_free(loop);
		return NULL;
	}
	return loop;
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

unsigned loop_index(const struct loop *loop)
{
	return loop->index;
}

void loop_run(struct loop *loop)
{
	event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

static void *loop_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

int loop_start_thread(struct loop *loop)
{
	return -pthread_create(&loop->thread, NULL, loop_thread, loop);
}

void loop_join(struct loop *loop)
{
	pthread_join(loop->thread, NULL);
}

static void loop_break(void *arg)
{
	event_base_loopbreak(arg);
}

void loop_stop(struct loop *loop)
{
	if (loop_post(loop, loop_break, loop->base) != 0)
		event_base_loopbreak(loop->base);
}

int loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct post *post = malloc(sizeof(*post));
	if (!post)
		return -ENOMEM;
	*post = (struct post){NULL, fn, arg};
	pthread_mutex_lock(&loop->lock);
	*loop->last = post;
	loop->last = &post->next;
	pthread_mutex_unlock(&loop->lock);
	/* A full counter (EAGAIN) means that the loop is woken anyway. */
	ssize_t ignored = write(loop->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
	(void)ignored;
	return 0;
}

long long loop_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	for (struct post *post = loop_take_posts(loop), *next; post; post = next) {
		next = post->next;
		free(post);
	}
	if (loop->wake)
		event_free(loop->wake);
	if (loop->base)
		event_base_free(loop->base);
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}
