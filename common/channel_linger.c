/*
 * The last words: a refusal has to reach a client that is still sending. A socket that is closed with unread
 * input answers with a reset, which may overtake what was sent (RFC 9112 9.6); so the input is read and
 * dropped for a while first, bounded in time and octets. Most clients read no answer before they have sent
 * all, so a client that goes on sending has longer than one that is silent. The clock starts when all is
 * sent: who reads slowly but reads has the write timeout, as before.
 */
#include "common/channel_internal.h"

#include "common/loop.h"

#define LINGER_MS 2000
#define LINGER_PACE (16 * 1024) /* octets within it: less is no upload, but a trickle */
#define LINGER_TURNS 15
#define LINGER_BYTES (64 * 1024 * 1024)

/* Nothing is left to send; nothing more will come, or too much of it did. */
static bool linger_is_over(struct channel *channel)
{
	bool flooded = channel->bytes_read > channel->linger_from + LINGER_BYTES;
	if (flooded)
		channel_enable_reading(channel, false);
	return channel->write_shut && (channel->input_ended || flooded);
}

static void linger_wait(struct channel *channel)
{
	channel->linger_seen = channel->bytes_read;
	event_add(&channel->timer, &(struct timeval){LINGER_MS / 1000, LINGER_MS % 1000 * 1000});
}

static void on_linger_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct channel *channel = arg;
	if (channel->bytes_read - channel->linger_seen < LINGER_PACE ||
		++channel->linger_turns == LINGER_TURNS)
		channel_fail(channel, CHANNEL_LINGERED);
	else
		linger_wait(channel);
}

/* All is sent. The timer serves no timeouts any more. */
static void linger_start_clock(struct channel *channel)
{
	channel->read_timeout_ms = channel->write_timeout_ms = 0;
	event_del(&channel->timer);
	event_assign(&channel->timer, channel->base, -1, 0, on_linger_timer, channel);
	linger_wait(channel);
}

static void on_linger_input(struct channel *channel, void *arg)
{
	(void)arg;
	struct evbuffer *input = channel_input(channel);
	evbuffer_drain(input, evbuffer_get_length(input));
	if (linger_is_over(channel))
		channel_fail(channel, CHANNEL_LINGERED);
}

static void on_linger_sent(struct channel *channel, void *arg)
{
	(void)arg;
	if (linger_is_over(channel)) {
		channel_fail(channel, CHANNEL_LINGERED);
		return;
	}
	channel->drain_wanted = !channel->write_shut; /* close_notify waits for room */
	linger_start_clock(channel);
}

bool channel_linger(struct channel *channel)
{
	if (channel->ended)
		return false;
	channel->callbacks.on_input = on_linger_input;
	channel->callbacks.on_output_drained = on_linger_sent;
	channel->callbacks.on_open = NULL;
	channel_set_input_high(channel, 64 * 1024);
	evbuffer_drain(channel->input, evbuffer_get_length(channel->input));
	channel->output_low = 0;
	channel->read_timeout_ms = 0;
	channel->linger_from = channel->bytes_read;
	channel_enable_reading(channel, true);
	channel_shutdown_write(channel);
	if (channel->ended)
		return true; /* the write failed: on_end is due */
	if (linger_is_over(channel))
		return false;
	channel->drain_wanted = true;
	if (channel_output_size(channel) == 0)
		linger_start_clock(channel);
	return true;
}
