/*
 * A WebSocket in its tunnel. What the agent says is read frame by frame and held against the rules (relay.h);
 * what the origin says is read only so far that nothing but frames passes, and that we know where a Close of
 * our own may stand. A match ends the connection: 1008 to the agent, a reset to the origin.
 */
#include "pipelock/proxy/exchange.h"

#include "common/buffer.h"
#include "common/loop.h"

#include <stdio.h>

static void on_hold_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct exchange *exchange = arg;
	relay_stop_holding(exchange->tunnel.relay);
	exchange_websocket_to_origin(exchange);
}

bool exchange_websocket_start(struct exchange *exchange)
{
	struct exchange_tunnel *tunnel = &exchange->tunnel;
	tunnel->relay = relay_new(exchange->worker->proxy->config->hold_bytes);
	if (!tunnel->relay)
		return false;
	websocket_init(&tunnel->from_origin, false);
	tunnel->agent_at_boundary = true;
	event_assign(&tunnel->hold_timer, exchange->worker->base, -1, 0, on_hold_over, exchange);
	return true;
}

static void websocket_account(struct exchange *exchange, size_t held)
{
	worker_hold(exchange->worker, (int64_t)held - (int64_t)exchange->tunnel.held);
	exchange->tunnel.held = held;
}

void exchange_websocket_release(struct exchange *exchange)
{
	struct exchange_tunnel *tunnel = &exchange->tunnel;
	if (!tunnel->relay)
		return;
	event_del(&tunnel->hold_timer);
	websocket_account(exchange, 0);
	relay_free(tunnel->relay);
	tunnel->relay = NULL;
}

/* Within a frame of the origin's no Close can stand: the agent then sees a reset. */
static bool websocket_end(struct exchange *exchange, enum websocket_close code, struct refusal refusal)
{
	char frame[WEBSOCKET_MAX_CONTROL + 2], reason[WEBSOCKET_MAX_CONTROL];
	struct channel *agent = exchange->session->agent;
	int n = snprintf(reason, sizeof(reason), "pipelock: %s; request %s", refusal_code_name(&refusal),
		exchange->id);
	size_t size = websocket_write_close(code, (struct span){reason, (size_t)n}, frame);
	if (exchange->tunnel.agent_at_boundary)
		evbuffer_add(channel_output(agent), frame, size);
	channel_flush(agent);
	exchange_refuse_tunnel(exchange, &refusal);
	return false;
}

/* ---- agent to origin */

static bool websocket_check(struct exchange *exchange, enum relay_result result)
{
	struct relay *relay = exchange->tunnel.relay;
	const struct findings *findings = &exchange->gate.findings;
	if (result == RELAY_OK && relay_is_flooded(relay))
		gate_doubt(&exchange->gate, SCAN_WEBSOCKET, "too much of a message waits");
	if (gate_verdict(&exchange->gate) == VERDICT_BLOCK)
		return websocket_end(exchange, WEBSOCKET_POLICY_VIOLATION,
			(struct refusal){
				.code = findings->unscannable ? REFUSAL_UNSCANNABLE : REFUSAL_RULE_MATCH});
	if (result == RELAY_VIOLATION)
		return websocket_end(exchange, WEBSOCKET_PROTOCOL_ERROR,
			(struct refusal){.code = REFUSAL_WEBSOCKET, .detail = relay_error(relay)});
	if (result == RELAY_NO_MEMORY)
		return websocket_end(
			exchange, WEBSOCKET_POLICY_VIOLATION, (struct refusal){.code = REFUSAL_OVERLOADED});
	return true;
}

static void websocket_arm_hold(struct exchange *exchange)
{
	struct exchange_tunnel *tunnel = &exchange->tunnel;
	uint64_t ms = exchange->worker->proxy->config->hold_time_ms;
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
	if (!relay_holds_whole(tunnel->relay))
		event_del(&tunnel->hold_timer);
	else if (!event_pending(&tunnel->hold_timer, EV_TIMEOUT, NULL))
		event_add(&tunnel->hold_timer, &tv);
}

bool exchange_websocket_to_origin(struct exchange *exchange)
{
	struct exchange_tunnel *tunnel = &exchange->tunnel;
	struct evbuffer *out = channel_output(exchange->hop);
	if (!websocket_check(exchange,
		    relay_take(tunnel->relay, &exchange->gate, channel_input(exchange->session->agent))))
		return false;
	if (worker_memory_is_short(exchange->worker))
		relay_stop_holding(tunnel->relay);
	size_t before = evbuffer_get_length(out);
	int rc = relay_release(tunnel->relay, &exchange->gate, out);
	tunnel->to_origin += evbuffer_get_length(out) - before;
	websocket_account(exchange, relay_waiting(tunnel->relay));
	websocket_arm_hold(exchange);
	if (rc != 0)
		return websocket_check(exchange, RELAY_NO_MEMORY);
	channel_flush(exchange->hop);
	return true;
}

/* ---- origin to agent */

/* false: from *good on it is no frame. */
static bool websocket_pass_piece(struct exchange *exchange, struct span piece, size_t *good)
{
	struct exchange_tunnel *tunnel = &exchange->tunnel;
	enum websocket_event event;
	*good = 0;
	do {
		size_t used;
		struct span data;
		event = websocket_next(
			&tunnel->from_origin, piece.p + *good, piece.n - *good, &used, NULL, 0, &data);
		if (event == WEBSOCKET_BAD)
			return false;
		*good += used;
		tunnel->agent_at_boundary = websocket_may_follow(&tunnel->from_origin);
	} while (event != WEBSOCKET_MORE);
	return true;
}

bool exchange_websocket_to_agent(struct exchange *exchange)
{
	struct channel *agent = exchange->session->agent;
	struct evbuffer *in = channel_input(exchange->hop);
	struct evbuffer_iovec piece;
	while (evbuffer_peek(in, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
		size_t good;
		if (!websocket_pass_piece(exchange, (struct span){piece.iov_base, piece.iov_len}, &good))
			return websocket_end(exchange, WEBSOCKET_PROTOCOL_ERROR,
				(struct refusal){.code = REFUSAL_HOP,
					.failure = HOP_ORIGIN_MALFORMED,
					.detail = exchange->tunnel.from_origin.error});
		buffer_move(in, channel_output(agent), good);
		exchange->tunnel.to_agent += good;
	}
	channel_flush(agent);
	return true;
}
