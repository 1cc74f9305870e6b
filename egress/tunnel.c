/*
 * Two pipes, one for each direction. A pipe moves what its source has while its sink takes it; when the
 * source has ended and all is handed on, the sink's sending is shut. When both are and nothing waits, the
 * tunnel is over.
 */
#include "egress/tunnel.h"

#include "common/loop.h"

#include <event2/event_struct.h>
#include <stdlib.h>

#define SINK_HIGH (64 * 1024)

enum side { HOP, ORIGIN };

struct tunnel {
	struct channel *channels[2];
	void (*done)(enum tunnel_end end, void *arg);
	void *arg;
	struct event timer;
	uint32_t idle_ms;
	long long active_ms;
};

static void finish(struct tunnel *tunnel, enum tunnel_end end)
{
	void (*done)(enum tunnel_end, void *) = tunnel->done;
	void *arg = tunnel->arg;

	if (end == TUNNEL_CLOSED) {
		event_del(&tunnel->timer);
		channel_free(tunnel->channels[HOP]);
		channel_free(tunnel->channels[ORIGIN]);
		free(tunnel);
	} else {
		tunnel_abort(tunnel);
	}
	done(end, arg);
}

void tunnel_abort(struct tunnel *tunnel)
{
	if (!tunnel)
		return;
	event_del(&tunnel->timer);
	channel_abort(tunnel->channels[HOP]);
	channel_abort(tunnel->channels[ORIGIN]);
	free(tunnel);
}

static void pump(struct channel *from, struct channel *to)
{
	struct evbuffer *in = channel_input(from);

	while (evbuffer_get_length(in) > 0 && channel_output_size(to) < SINK_HIGH) {
		if (evbuffer_add_buffer(channel_output(to), in) != 0)
			return;
		channel_flush(to);
	}
	if (evbuffer_get_length(in) == 0 && channel_input_ended(from) && !channel_write_is_shut(to))
		channel_shutdown_write(to);
}

static bool is_finished(const struct channel *channel)
{
	return channel_write_is_shut(channel) && channel_output_size(channel) == 0;
}

static void step(struct tunnel *tunnel)
{
	struct channel *hop = tunnel->channels[HOP], *origin = tunnel->channels[ORIGIN];

	tunnel->active_ms = loop_now_ms();
	pump(hop, origin);
	pump(origin, hop);
	if (is_finished(hop) && is_finished(origin))
		finish(tunnel, TUNNEL_CLOSED);
}

static void on_traffic(struct channel *channel, void *arg)
{
	(void)channel;
	step(arg);
}

static void on_side_end(struct channel *channel, enum channel_end end, void *arg)
{
	struct tunnel *tunnel = arg;

	(void)end;
	finish(tunnel, channel == tunnel->channels[HOP] ? TUNNEL_HOP_LOST : TUNNEL_ORIGIN_LOST);
}

static void arm(struct tunnel *tunnel, long long ms)
{
	event_add(&tunnel->timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

/* Traffic does not move the timer; it looks for itself how long ago the last was. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct tunnel *tunnel = arg;
	long long left = tunnel->active_ms + tunnel->idle_ms - loop_now_ms();

	(void)fd;
	(void)what;
	if (left > 0)
		arm(tunnel, left);
	else
		finish(tunnel, TUNNEL_ORIGIN_LOST);
}

static void on_begin(evutil_socket_t fd, short what, void *arg)
{
	struct tunnel *tunnel = arg;

	(void)fd;
	(void)what;
	event_assign(&tunnel->timer, event_get_base(&tunnel->timer), -1, 0, on_timer, tunnel);
	if (tunnel->idle_ms > 0)
		arm(tunnel, tunnel->idle_ms);
	step(tunnel);
}

struct tunnel *tunnel_new(struct event_base *base, struct channel *hop, struct channel *origin,
	uint32_t idle_ms, void (*done)(enum tunnel_end end, void *arg), void *arg)
{
	static const struct channel_callbacks callbacks = {
		.on_input = on_traffic, .on_output_drained = on_traffic, .on_end = on_side_end};
	struct tunnel *tunnel = calloc(1, sizeof(*tunnel));

	if (!tunnel)
		return NULL;
	tunnel->channels[HOP] = hop;
	tunnel->channels[ORIGIN] = origin;
	tunnel->done = done;
	tunnel->arg = arg;
	tunnel->idle_ms = idle_ms;
	for (enum side side = HOP; side <= ORIGIN; side++) {
		channel_set_callbacks(tunnel->channels[side], &callbacks, tunnel);
		channel_set_output_low(tunnel->channels[side], 0);
		channel_set_timeouts(tunnel->channels[side], 0, idle_ms);
		channel_enable_reading(tunnel->channels[side], true);
	}
	/* What both sides have already is moved from the loop, so that `done` is never called from here. */
	event_assign(&tunnel->timer, base, -1, 0, on_begin, tunnel);
	event_active(&tunnel->timer, EV_TIMEOUT, 0);
	return tunnel;
}
