/*
 * The race of connection attempts. One timer starts the next attempt, one ends them all; the first connection
 * that stands wins and the others are closed before the winner is handed over.
 */
#include "egress/dial.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAGGER_MS 250 /* RFC 8305 8: Connection Attempt Delay */

struct attempt {
	struct dial *dial;
	struct channel *channel; /* NULL: not begun, failed */
};

struct dial {
	struct event_base *base;
	dial_callback *done;
	void *arg;
	struct event stagger, deadline;
	uint16_t port;
	enum hop_failure failure; /* the most telling one so far */
	int error;
	size_t next, running, count;
	struct address *addresses;
	struct attempt attempts[];
};

void dial_order(struct address *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		sa_family_t wanted = i % 2 == 0 ? AF_INET6 : AF_INET;
		size_t found = i;

		while (found < count && addresses[found].family != wanted)
			found++;
		if (found >= count)
			return;
		struct address taken = addresses[found];

		memmove(&addresses[i + 1], &addresses[i], (found - i) * sizeof(taken));
		addresses[i] = taken;
	}
}

enum hop_failure dial_failure_of_errno(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case ECONNRESET:
		return HOP_CONNECT_REFUSED;
	case ETIMEDOUT:
		return HOP_CONNECT_TIMEOUT;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EAGAIN: /* no local port is free */
		return HOP_OVERLOADED;
	default:
		return HOP_CONNECT_UNREACHABLE;
	}
}

/* Of several addresses, "refused" says more than "no route": many hosts have no IPv6 at all. */
static int telling(enum hop_failure failure)
{
	switch (failure) {
	case HOP_CONNECT_REFUSED:
		return 3;
	case HOP_CONNECT_TIMEOUT:
		return 2;
	case HOP_CONNECT_UNREACHABLE:
		return 1;
	default:
		return failure == HOP_FAILURE_NONE ? 0 : 4;
	}
}

static void note_error(struct dial *dial, int error)
{
	enum hop_failure failure = dial_failure_of_errno(error);

	if (telling(failure) > telling(dial->failure)) {
		dial->failure = failure;
		dial->error = error;
	}
}

static void dial_free(struct dial *dial)
{
	event_del(&dial->stagger);
	event_del(&dial->deadline);
	for (size_t i = 0; i < dial->count; i++)
		channel_free(dial->attempts[i].channel);
	free(dial->addresses);
	free(dial);
}

void dial_cancel(struct dial *dial)
{
	if (dial)
		dial_free(dial);
}

static void finish(struct dial *dial, struct channel *winner)
{
	dial_callback *done = dial->done;
	void *arg = dial->arg;
	enum hop_failure failure = winner ? HOP_FAILURE_NONE : dial->failure;
	char detail[96] = "no answer in time";

	if (failure != HOP_CONNECT_TIMEOUT && dial->error != 0)
		snprintf(detail, sizeof(detail), "%s", strerrordesc_np(dial->error));
	dial_free(dial);
	done(winner, failure, detail, arg);
}

static void begin_next(struct dial *dial);

static void on_attempt_open(struct channel *channel, void *arg)
{
	struct attempt *attempt = arg;

	attempt->channel = NULL;
	finish(attempt->dial, channel);
}

static void on_attempt_end(struct channel *channel, enum channel_end end, void *arg)
{
	struct attempt *attempt = arg;
	struct dial *dial = attempt->dial;

	note_error(dial, end == CHANNEL_NO_MEMORY ? ENOMEM : channel_errno(channel));
	channel_free(channel);
	attempt->channel = NULL;
	dial->running--;
	begin_next(dial);
}

static void on_attempt_input(struct channel *channel, void *arg)
{
	(void)channel;
	(void)arg;
}

static bool begin(struct dial *dial, size_t i)
{
	static const struct channel_callbacks callbacks = {
		.on_input = on_attempt_input, .on_open = on_attempt_open, .on_end = on_attempt_end};
	struct sockaddr_storage address;
	socklen_t length = address_to_sockaddr(&dial->addresses[i], dial->port, &address);

	dial->attempts[i].dial = dial;
	dial->attempts[i].channel = channel_connect(
		dial->base, (const struct sockaddr *)&address, length, &callbacks, &dial->attempts[i]);
	if (!dial->attempts[i].channel)
		note_error(dial, errno);
	return dial->attempts[i].channel;
}

/* Start the next address that can be tried at all. With nothing left to wait for the stagger timer tells the
 * end, from the loop. */
static void begin_next(struct dial *dial)
{
	bool begun = false;

	while (!begun && dial->next < dial->count)
		begun = begin(dial, dial->next++);
	dial->running += begun;
	if (dial->running == 0)
		event_active(&dial->stagger, EV_TIMEOUT, 0);
	else if (dial->next < dial->count)
		event_add(&dial->stagger, &(struct timeval){0, STAGGER_MS * 1000});
	else
		event_del(&dial->stagger);
}

static void on_stagger(evutil_socket_t fd, short what, void *arg)
{
	struct dial *dial = arg;

	(void)fd;
	(void)what;
	if (dial->running == 0 && dial->next == dial->count)
		finish(dial, NULL);
	else
		begin_next(dial);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct dial *dial = arg;

	(void)fd;
	(void)what;
	dial->failure = HOP_CONNECT_TIMEOUT;
	finish(dial, NULL);
}

struct dial *dial_start(struct event_base *base, const struct address *addresses, size_t count, uint16_t port,
	uint32_t timeout_ms, dial_callback *done, void *arg)
{
	struct dial *dial = calloc(1, sizeof(*dial) + count * sizeof(struct attempt));

	if (!dial)
		return NULL;
	dial->addresses = reallocarray(NULL, count, sizeof(*addresses));
	if (!dial->addresses) {
		free(dial);
		return NULL;
	}
	memcpy(dial->addresses, addresses, count * sizeof(*addresses));
	dial_order(dial->addresses, count);
	dial->base = base;
	dial->count = count;
	dial->port = port;
	dial->done = done;
	dial->arg = arg;
	event_assign(&dial->stagger, base, -1, 0, on_stagger, dial);
	event_assign(&dial->deadline, base, -1, 0, on_deadline, dial);
	event_add(&dial->deadline, &(struct timeval){timeout_ms / 1000, timeout_ms % 1000 * 1000});
	begin_next(dial);
	return dial;
}
