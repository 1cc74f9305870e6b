/*
 * A role's side of the audit log: records go to the keeper's socket in order, and wait in a bounded queue
 * when it is full. What could not be queued is refused to the caller, who then must not let pass what the
 * record was about. Never blocks, never drops silently.
 */
#include "common/ipc.h"
#include "common/keeper.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/queue.h>

/* New traffic stops at the first bound; what runs then still has room for the records of its end. */
#define READY_BOUND_BYTES (1024 * 1024)
#define QUEUE_BOUND_BYTES (16 * 1024 * 1024)

struct waiting {
	STAILQ_ENTRY(waiting) next;
	struct ipc_writer message;
};

struct audit_sink {
	int fd;
	const struct audit_health *health;
	struct event *on_writable;
	STAILQ_HEAD(, waiting) queue;
	size_t queued_bytes;
	bool dead; /* the keeper's end is gone: nothing is ever written again */
};

struct audit_health *audit_health_map(int fd, bool writable)
{
	int protection = PROT_READ | (writable ? PROT_WRITE : 0);
	void *page = mmap(NULL, sizeof(struct audit_health), protection, MAP_SHARED, fd, 0);
	return page == MAP_FAILED ? NULL : page;
}

/* 0: sent. 1: later. negative: never. */
static int sink_send(struct audit_sink *sink, const struct ipc_writer *message)
{
	int result = ipc_send(sink->fd, message);
	if (result == 0)
		return 0;
	if (result == -EAGAIN || result == -ENOBUFS || result == -ENOMEM)
		return 1;
	sink->dead = true;
	return result;
}

static void drop_first(struct audit_sink *sink)
{
	struct waiting *first = STAILQ_FIRST(&sink->queue);
	STAILQ_REMOVE_HEAD(&sink->queue, next);
	sink->queued_bytes -= first->message.n;
	ipc_writer_release(&first->message);
	free(first);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct audit_sink *sink = arg;
	struct waiting *first;
	while ((first = STAILQ_FIRST(&sink->queue))) {
		int result = sink_send(sink, &first->message);
		if (result < 0)
			return;
		if (result > 0) {
			event_add(sink->on_writable, NULL);
			return;
		}
		drop_first(sink);
	}
}

struct audit_sink *audit_sink_new(struct event_base *base, int fd, const struct audit_health *health)
{
	struct audit_sink *sink = calloc(1, sizeof(*sink));
	if (!sink)
		return NULL;
	sink->fd = fd;
	sink->health = health;
	STAILQ_INIT(&sink->queue);
	sink->on_writable = event_new(base, fd, EV_WRITE, on_writable, sink);
	if (!sink->on_writable || evutil_make_socket_nonblocking(fd) != 0) {
		audit_sink_free(sink);
		return NULL;
	}
	return sink;
}

void audit_sink_free(struct audit_sink *sink)
{
	if (!sink)
		return;
	while (!STAILQ_EMPTY(&sink->queue))
		drop_first(sink);
	if (sink->on_writable)
		event_free(sink->on_writable);
	free(sink);
}

bool audit_sink_ready(const struct audit_sink *sink)
{
	return !sink->dead && sink->queued_bytes < READY_BOUND_BYTES &&
	       atomic_load_explicit(&sink->health->accepting, memory_order_acquire) == 1;
}

/* Takes the message over. */
static int enqueue(struct audit_sink *sink, struct ipc_writer *message)
{
	if (message->n > QUEUE_BOUND_BYTES - sink->queued_bytes)
		return -ENOBUFS;
	struct waiting *waiting = malloc(sizeof(*waiting));
	if (!waiting)
		return -ENOMEM;
	if (STAILQ_EMPTY(&sink->queue) && event_add(sink->on_writable, NULL) != 0) {
		free(waiting);
		return -ENOMEM;
	}
	waiting->message = *message;
	*message = (struct ipc_writer){.failed = true};
	STAILQ_INSERT_TAIL(&sink->queue, waiting, next);
	sink->queued_bytes += waiting->message.n;
	return 0;
}

int audit_sink_record(struct audit_sink *sink, struct span members)
{
	if (sink->dead)
		return -EPIPE;
	if (members.n == 0 || members.n > KEEPER_MAX_RECORD)
		return -EMSGSIZE;
	struct ipc_writer message;
	ipc_writer_init(&message, KEEPER_RECORD);
	ipc_put_span(&message, members);
	int result = message.failed ? -ENOMEM : 1;
	/* What waits goes first: records stay in order. */
	if (result == 1 && STAILQ_EMPTY(&sink->queue))
		result = sink_send(sink, &message);
	if (result == 1)
		result = enqueue(sink, &message);
	ipc_writer_release(&message);
	return result;
}

bool audit_sink_idle(const struct audit_sink *sink)
{
	return STAILQ_EMPTY(&sink->queue);
}
