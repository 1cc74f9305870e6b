/*
 * After 101 Switching Protocols, or a spliced CONNECT: octets both ways, half-close kept, back-pressure kept,
 * silence bounded. A WebSocket's frames are read (exchange_websocket.c); a spliced tunnel can't be, and the
 * record says so.
 */
#include "pipelock/proxy/exchange.h"

#include "common/buffer.h"
#include "common/loop.h"

static void tunnel_arm(struct exchange *exchange, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
	event_add(&exchange->tunnel.idle_timer, &tv);
}

static void on_tunnel_idle(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct exchange *exchange = arg;
	long long limit = (long long)exchange->worker->proxy->config->timeouts.tunnel_ms;
	long long silent = loop_now_ms() - exchange->tunnel.active_ms;
	if (silent >= limit)
		exchange_end_tunnel(exchange, "idle_timeout");
	else
		tunnel_arm(exchange, (uint64_t)(limit - silent));
}

/* ---- moving */

static void tunnel_splice(struct channel *from, struct channel *to, uint64_t *count)
{
	struct evbuffer *input = channel_input(from);
	*count += evbuffer_get_length(input);
	buffer_move(input, channel_output(to), evbuffer_get_length(input));
	channel_flush(to);
}

/* false: the exchange is gone. */
static bool tunnel_move(struct exchange *exchange)
{
	struct exchange_tunnel *tunnel = &exchange->tunnel;
	if (tunnel->from_agent.relay)
		return exchange_websocket_to_origin(exchange) && exchange_websocket_to_agent(exchange);
	tunnel_splice(exchange->session->agent, exchange->hop, &tunnel->to_origin);
	tunnel_splice(exchange->hop, exchange->session->agent, &tunnel->to_agent);
	return true;
}

/* The end of one side's sending is handed on, and its reading is stopped while the other side is full. */
static void tunnel_follow(struct channel *from, struct channel *to)
{
	if (channel_input_ended(from) && !channel_write_is_shut(to))
		channel_shutdown_write(to);
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
	struct channel *agent = exchange->session->agent;
	exchange->tunnel.active_ms = loop_now_ms();
	if (!tunnel_move(exchange))
		return;
	/* Half a message is no message. What the origin said before it still reaches the agent. */
	if (channel_input_ended(agent) && exchange_websocket_is_cut(&exchange->tunnel.from_agent)) {
		exchange_end_tunnel(exchange, "client_closed");
		return;
	}
	if (channel_input_ended(exchange->hop) && exchange_websocket_is_cut(&exchange->tunnel.from_origin))
		exchange_websocket_drop(exchange, &exchange->tunnel.from_origin);
	tunnel_follow(agent, exchange->hop);
	tunnel_follow(exchange->hop, agent);
	if (tunnel_is_over(exchange))
		exchange_end_tunnel(exchange, NULL);
}

/* ---- events */

static void on_tunnel_moved(struct channel *channel, void *arg)
{
	(void)channel;
	tunnel_step(arg);
}

static void on_tunnel_cut(struct channel *channel, enum channel_end end, void *arg)
{
	(void)end;
	struct exchange *exchange = arg;
	exchange_end_tunnel(exchange, channel == exchange->hop ? "origin_closed" : "client_closed");
}

const struct channel_callbacks tunnel_callbacks = {
	.on_input = on_tunnel_moved,
	.on_output_drained = on_tunnel_moved,
	.on_end = on_tunnel_cut,
};

bool exchange_tunnel_start(struct exchange *exchange)
{
	struct channel *agent = exchange->session->agent;
	unsigned stalled_ms = (unsigned)exchange->worker->proxy->config->timeouts.response_ms;
	/* The switch is a decision of its own: a tunnel may live for days before there is more to say. */
	if (exchange->upgrade && !exchange_websocket_start(exchange)) {
		exchange_cut(exchange, "overloaded");
		return false;
	}
	if (!exchange_record(exchange, "request", NULL)) {
		exchange_end_tunnel(exchange, "audit_unavailable");
		return false;
	}
	exchange->tunnelled = true;
	event_assign(&exchange->tunnel.idle_timer, exchange->worker->base, -1, 0, on_tunnel_idle, exchange);
	channel_set_callbacks(agent, &tunnel_callbacks, exchange);
	channel_set_callbacks(exchange->hop, &tunnel_callbacks, exchange);
	/* The last octet that leaves has to be heard of, or the end would not be seen. */
	channel_set_output_low(agent, 0);
	channel_set_output_low(exchange->hop, 0);
	channel_set_timeouts(agent, 0, stalled_ms);
	channel_set_timeouts(exchange->hop, 0, stalled_ms);
	tunnel_arm(exchange, exchange->worker->proxy->config->timeouts.tunnel_ms);
	tunnel_step(exchange);
	return false;
}
