/*
 * The last words: a refusal has to reach a client that is still sending. A socket that is closed with unread
 * input answers with a reset, which may overtake what was sent (RFC 9112 9.6); so the input is read and
 * dropped for a while first, bounded in time and octets.
 */
#include "common/channel_internal.h"

#include "common/loop.h"

#define LINGER_MS 2000
#define LINGER_BYTES (4 * 1024 * 1024)

static void on_linger_input(struct channel *channel, void *arg)
{
	(void)arg;
	struct evbuffer *input = channel_input(channel);
	evbuffer_drain(input, evbuffer_get_length(input));
	bool sent = channel_output_size(channel) == 0;
	if ((channel_input_ended(channel) && sent) ||
		channel->bytes_read > channel->bytes_written + LINGER_BYTES)
		channel_free(channel);
}

static void on_linger_end(struct channel *channel, enum channel_end end, void *arg)
{
	(void)end;
	(void)arg;
	channel_free(channel);
}

static void on_linger_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	channel_free(arg);
}

void channel_linger_and_free(struct channel *channel)
{
	static const struct channel_callbacks callbacks = {
		.on_input = on_linger_input,
		.on_end = on_linger_end,
	};
	if (channel->ended) {
		channel_free(channel);
		return;
	}
	channel_set_callbacks(channel, &callbacks, NULL);
	channel_set_input_high(channel, 64 * 1024);
	evbuffer_drain(channel->input, evbuffer_get_length(channel->input));
	/* The bound counts from here, in the same unit as bytes_read. */
	channel->bytes_written = channel->bytes_read;
	channel_enable_reading(channel, true);
	channel_shutdown_write(channel);
	if (channel->input_ended && channel_output_size(channel) == 0) {
		channel_free(channel);
		return;
	}
	/* The timer serves no timeouts any more: it is the deadline. */
	channel->read_timeout_ms = channel->write_timeout_ms = 0;
	event_del(&channel->timer);
	event_assign(&channel->timer, channel->base, -1, 0, on_linger_over, channel);
	event_add(&channel->timer, &(struct timeval){LINGER_MS / 1000, LINGER_MS % 1000 * 1000});
}
