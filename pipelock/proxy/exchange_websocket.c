/*
 * A WebSocket in its tunnel. What the agent says is read frame by frame and held against the rules (relay.h),
 * and so is what the origin says where a rule looks at answers. Else that is read only so far that nothing
 * but frames passes. A match ends the connection: 1008 to the agent, a reset to the origin.
 *
 * What the agent gets is read once more as it leaves, so that we know where a Close of our own may stand.
 */
#include "pipelock/proxy/exchange.h"

#include "common/buffer.h"
#include "common/loop.h"

#include <stdio.h>

static void on_agent_hold_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct exchange *exchange = arg;
	relay_stop_holding(exchange->tunnel.from_agent.relay);
	exchange_websocket_to_origin(exchange);
}

static void on_origin_hold_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct exchange *exchange = arg;
	relay_stop_holding(exchange->tunnel.from_origin.relay);
	exchange_websocket_to_agent(exchange);
}

static bool websocket_listen(
	struct exchange *exchange, struct exchange_speaker *speaker, event_callback_fn on_hold_over)
{
	speaker->relay = relay_new(speaker->part, exchange->worker->proxy->config->hold_bytes);
	if (speaker->relay)
		event_assign(&speaker->hold_timer, exchange->worker->base, -1, 0, on_hold_over, exchange);
	return speaker->relay != NULL;
}

bool exchange_websocket_start(struct exchange *exchange)
{
	struct exchange_tunnel *tunnel = &exchange->tunnel;
	struct gate *answers = &exchange->response.gate;
	tunnel->from_agent = (struct exchange_speaker){.gate = &exchange->gate, .part = SCAN_WEBSOCKET};
	tunnel->from_origin = (struct exchange_speaker){.gate = answers, .part = SCAN_RESPONSE};
	websocket_init(&tunnel->to_agent_frames, false);
	tunnel->agent_at_boundary = true;
	if (!websocket_listen(exchange, &tunnel->from_agent, on_agent_hold_over))
		return false;
	if (!gate_looks_at(answers, SCAN_RESPONSE))
		return true;
	tunnel->judged = evbuffer_new();
	return tunnel->judged && websocket_listen(exchange, &tunnel->from_origin, on_origin_hold_over);
}

static void websocket_account(struct exchange *exchange)
{
	struct exchange_tunnel *tunnel = &exchange->tunnel;
	size_t held = relay_waiting(tunnel->from_agent.relay) + relay_waiting(tunnel->from_origin.relay);
	worker_hold(exchange->worker, (int64_t)held - (int64_t)tunnel->held);
	tunnel->held = held;
}

bool exchange_websocket_is_cut(const struct exchange_speaker *speaker)
{
	return speaker->relay && !relay_at_boundary(speaker->relay);
}

void exchange_websocket_drop(struct exchange *exchange, struct exchange_speaker *speaker)
{
	if (!speaker->relay)
		return;
	event_del(&speaker->hold_timer);
	relay_free(speaker->relay);
	speaker->relay = NULL;
	websocket_account(exchange);
}

void exchange_websocket_release(struct exchange *exchange)
{
	struct exchange_tunnel *tunnel = &exchange->tunnel;
	exchange_websocket_drop(exchange, &tunnel->from_agent);
	exchange_websocket_drop(exchange, &tunnel->from_origin);
	if (tunnel->judged)
		evbuffer_free(tunnel->judged);
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

static bool websocket_origin_is_malformed(struct exchange *exchange, const char *why)
{
	return websocket_end(exchange, WEBSOCKET_PROTOCOL_ERROR,
		(struct refusal){.code = REFUSAL_HOP, .failure = HOP_ORIGIN_MALFORMED, .detail = why});
}

/* ---- either way: frames -> rules -> frames that may pass */

/* false: the exchange is gone, here and in all that follows. */
static bool websocket_check(
	struct exchange *exchange, const struct exchange_speaker *speaker, enum relay_result result)
{
	struct relay *relay = speaker->relay;
	if (result == RELAY_OK && relay_is_flooded(relay))
		gate_doubt(speaker->gate, speaker->part, "too much of a message waits");
	if (gate_verdict(speaker->gate) == VERDICT_BLOCK)
		return websocket_end(exchange, WEBSOCKET_POLICY_VIOLATION,
			(struct refusal){.code = speaker->gate->findings.unscannable ? REFUSAL_UNSCANNABLE
										     : REFUSAL_RULE_MATCH});
	if (result == RELAY_VIOLATION && speaker->part == SCAN_RESPONSE)
		return websocket_origin_is_malformed(exchange, relay_error(relay));
	if (result == RELAY_VIOLATION)
		return websocket_end(exchange, WEBSOCKET_PROTOCOL_ERROR,
			(struct refusal){.code = REFUSAL_WEBSOCKET, .detail = relay_error(relay)});
	if (result == RELAY_NO_MEMORY)
		return websocket_end(
			exchange, WEBSOCKET_POLICY_VIOLATION, (struct refusal){.code = REFUSAL_OVERLOADED});
	return true;
}

static void websocket_arm_hold(struct exchange *exchange, struct exchange_speaker *speaker)
{
	uint64_t ms = exchange->worker->proxy->config->hold_time_ms;
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
	if (!relay_holds_whole(speaker->relay))
		event_del(&speaker->hold_timer);
	else if (!event_pending(&speaker->hold_timer, EV_TIMEOUT, NULL))
		event_add(&speaker->hold_timer, &tv);
}

static bool websocket_judge(struct exchange *exchange, struct exchange_speaker *speaker, struct evbuffer *in,
	struct evbuffer *out)
{
	if (!websocket_check(exchange, speaker, relay_take(speaker->relay, speaker->gate, in)))
		return false;
	if (worker_memory_is_short(exchange->worker))
		relay_stop_holding(speaker->relay);
	int rc = relay_release(speaker->relay, speaker->gate, out);
	websocket_account(exchange);
	websocket_arm_hold(exchange, speaker);
	return rc == 0 || websocket_check(exchange, speaker, RELAY_NO_MEMORY);
}

/* ---- agent to origin */

bool exchange_websocket_to_origin(struct exchange *exchange)
{
	struct exchange_tunnel *tunnel = &exchange->tunnel;
	struct evbuffer *out = channel_output(exchange->hop);
	size_t before = evbuffer_get_length(out);
	if (!websocket_judge(exchange, &tunnel->from_agent, channel_input(exchange->session->agent), out))
		return false;
	tunnel->to_origin += evbuffer_get_length(out) - before;
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
			&tunnel->to_agent_frames, piece.p + *good, piece.n - *good, &used, NULL, 0, &data);
		if (event == WEBSOCKET_BAD)
			return false;
		*good += used;
		tunnel->agent_at_boundary = websocket_may_follow(&tunnel->to_agent_frames);
	} while (event != WEBSOCKET_MORE);
	return true;
}

static bool websocket_pass(struct exchange *exchange, struct evbuffer *in)
{
	struct channel *agent = exchange->session->agent;
	struct evbuffer_iovec piece;
	while (evbuffer_peek(in, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
		size_t good;
		if (!websocket_pass_piece(exchange, (struct span){piece.iov_base, piece.iov_len}, &good))
			return websocket_origin_is_malformed(
				exchange, exchange->tunnel.to_agent_frames.error);
		buffer_move(in, channel_output(agent), good);
		exchange->tunnel.to_agent += good;
	}
	channel_flush(agent);
	return true;
}

bool exchange_websocket_to_agent(struct exchange *exchange)
{
	struct exchange_tunnel *tunnel = &exchange->tunnel;
	struct evbuffer *in = channel_input(exchange->hop);
	if (!tunnel->from_origin.relay)
		return websocket_pass(exchange, in);
	return websocket_judge(exchange, &tunnel->from_origin, in, tunnel->judged) &&
	       websocket_pass(exchange, tunnel->judged);
}
