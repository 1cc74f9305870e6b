/*
 * After 101 Switching Protocols, or a spliced CONNECT: octets both ways, half-close kept, back-pressure kept,
 * silence bounded. What goes out through a WebSocket is held against the rules; a spliced tunnel can't be,
 * and the record says so.
 */
#include "pipelock/proxy/exchange.h"

#include "common/loop.h"

#include <string.h>

static void tunnel_arm(struct exchange *exchange, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
	event_add(&exchange->tunnel.idle_timer, &tv);
}

/* The one end of a tunnel; `code` NULL when both sides have said what they had to say. */
static void tunnel_end(struct exchange *exchange, const char *code)
{
	exchange->response.body_bytes = exchange->tunnel.to_agent;
	exchange->request.body_bytes = exchange->tunnel.to_origin;
	exchange_end_tunnel(exchange, code);
}

static void on_tunnel_idle(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct exchange *exchange = arg;
	long long limit = (long long)exchange->worker->proxy->config->timeouts.tunnel_ms;
	long long silent = loop_now_ms() - exchange->tunnel.active_ms;
	if (silent >= limit)
		tunnel_end(exchange, "idle_timeout");
	else
		tunnel_arm(exchange, (uint64_t)(limit - silent));
}

static void tunnel_pass(struct exchange *exchange, struct channel *from, struct channel *to, uint64_t *count)
{
	struct evbuffer *input = channel_input(from);
	*count += evbuffer_get_length(input);
	exchange->tunnel.active_ms = loop_now_ms();
	evbuffer_add_buffer(channel_output(to), input);
	if (channel_input_ended(from) && !channel_write_is_shut(to))
		channel_shutdown_write(to);
	else
		channel_flush(to);
	channel_enable_reading(from, channel_output_size(to) <= EXCHANGE_OUTPUT_HIGH);
}

static bool tunnel_is_over(const struct exchange *exchange)
{
	struct channel *agent = exchange->session->agent;
	return channel_input_ended(agent) && channel_input_ended(exchange->hop) &&
	       channel_output_size(agent) == 0 && channel_output_size(exchange->hop) == 0;
}

static void tunnel_step(struct exchange *exchange)
{
	tunnel_pass(exchange, exchange->session->agent, exchange->hop, &exchange->tunnel.to_origin);
	tunnel_pass(exchange, exchange->hop, exchange->session->agent, &exchange->tunnel.to_agent);
	if (tunnel_is_over(exchange))
		tunnel_end(exchange, NULL);
}

static void on_tunnel_moved(struct channel *channel, void *arg)
{
	(void)channel;
	tunnel_step(arg);
}

static void on_tunnel_cut(struct channel *channel, enum channel_end end, void *arg)
{
	(void)end;
	struct exchange *exchange = arg;
	tunnel_end(exchange, channel == exchange->hop ? "origin_closed" : "client_closed");
}

const struct channel_callbacks tunnel_callbacks = {
	.on_input = on_tunnel_moved,
	.on_output_drained = on_tunnel_moved,
	.on_end = on_tunnel_cut,
};

bool exchange_tunnel_start(struct exchange *exchange)
{
	struct channel *agent = exchange->session->agent;
	/* The switch is a decision of its own: a tunnel may live for days before there is more to say. */
	if (!exchange_record(exchange, "request", NULL)) {
		exchange_cut(exchange, "audit_unavailable");
		return false;
	}
	exchange->tunnelled = true;
	event_assign(&exchange->tunnel.idle_timer, exchange->worker->base, -1, 0, on_tunnel_idle, exchange);
	channel_set_callbacks(agent, &tunnel_callbacks, exchange);
	channel_set_callbacks(exchange->hop, &tunnel_callbacks, exchange);
	channel_set_timeouts(agent, 0, (unsigned)exchange->worker->proxy->config->timeouts.response_ms);
	channel_set_timeouts(
		exchange->hop, 0, (unsigned)exchange->worker->proxy->config->timeouts.response_ms);
	tunnel_arm(exchange, exchange->worker->proxy->config->timeouts.tunnel_ms);
	tunnel_step(exchange);
	return false;
}
