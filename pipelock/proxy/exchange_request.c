/*
 * The request's way: agent -> framing -> gate -> pending -> hop. A body up to `hold` waits whole, so that a
 * refused one never reaches the origin at all; a longer or a slow one streams, and then leaves only as far as
 * the gate says that it is safe.
 */
#include "pipelock/proxy/exchange.h"

#include "common/buffer.h"

#include "pipelock/proxy/forward.h"
#include "pipelock/proxy/hop.h"

#include <stdlib.h>
#include <string.h>

#define BACKLOG_BYTES (1024 * 1024) /* that may wait beyond `hold` in a body that streams */
#define PACE_BYTES                                                                                           \
	1024 /* a sized body brings at least this much in each `timeouts.body`, or it is a slowloris */

/* ---- waiting */

static void exchange_arm(struct event *timer, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
	event_add(timer, &tv);
}

/* Octets have waited for `hold_time`, whole or held back, and perhaps the origin waits for them. */
static void on_hold_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct exchange *exchange = arg;
	if (!exchange_request_open_hop(exchange))
		return;
	gate_body_urge(&exchange->gate);
	exchange_request_release(exchange);
}

/* Is the agent slow, and not the origin behind it? */
static bool exchange_agent_lags(const struct exchange *exchange)
{
	const struct exchange_request *request = &exchange->request;
	uint64_t came = request->body_bytes - request->pace_mark;
	if (exchange->hop && channel_output_size(exchange->hop) > 0)
		return false;
	return came == 0 || (request->framing == HTTP1_LENGTH && came < PACE_BYTES);
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct exchange *exchange = arg;
	struct exchange_request *request = &exchange->request;
	if (request->received)
		return;
	if (exchange_agent_lags(exchange)) {
		exchange_refuse_code(exchange, REFUSAL_TIMEOUT);
		return;
	}
	request->pace_mark = request->body_bytes;
	exchange_arm(&request->pace_timer, exchange->worker->proxy->config->timeouts.body_ms);
}

/* ---- body in */

static void exchange_count(struct exchange *exchange, size_t n)
{
	exchange->request.body_bytes += n;
	exchange->request.held += n;
	worker_hold(exchange->worker, (int64_t)n);
}

static bool exchange_keep(struct exchange *exchange, struct span octets)
{
	struct exchange_request *request = &exchange->request;
	if (evbuffer_add(request->pending, octets.p, octets.n) != 0) {
		exchange_refuse_code(exchange, REFUSAL_OVERLOADED);
		return false;
	}
	exchange_count(exchange, octets.n);
	return true;
}

/* A sized body: scan the pieces where they lie, then move them over without copying. */
static bool exchange_take_sized(struct exchange *exchange, struct evbuffer *input)
{
	struct exchange_request *request = &exchange->request;
	struct evbuffer_iovec piece;
	while (request->left > 0 && evbuffer_peek(input, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
		size_t n = piece.iov_len < request->left ? piece.iov_len : (size_t)request->left;
		request->left -= n;
		gate_body(&exchange->gate, (struct span){piece.iov_base, n}, request->left == 0);
		if (buffer_move(input, request->pending, n) != 0) {
			exchange_refuse_code(exchange, REFUSAL_OVERLOADED);
			return false;
		}
		exchange_count(exchange, n);
	}
	request->received = request->left == 0;
	return true;
}

static bool exchange_take_trailers(struct exchange *exchange, struct evbuffer *input)
{
	struct exchange_request *request = &exchange->request;
	struct http1_head trailers;
	enum http1_error error = HTTP1_OK;
	size_t n = evbuffer_get_length(input);
	const char *octets = (const char *)evbuffer_pullup(input, -1);
	enum http1_result result =
		n == 0 ? HTTP1_MORE
		       : http1_parse_trailers(octets, n, request->trailers_seen, &trailers, &error);
	request->trailers_seen = n;
	if (result == HTTP1_MORE)
		return true;
	if (result == HTTP1_BAD) {
		struct refusal refusal = refusal_from_http1(error);
		exchange_refuse(exchange, &refusal);
		return false;
	}
	gate_fields(&exchange->gate, SCAN_HEADER, &trailers);
	struct worker *worker = exchange->worker;
	request->trailers_size = forward_trailers(&trailers, worker->scratch, sizeof(worker->scratch));
	request->trailers = malloc(request->trailers_size + 1);
	if (!request->trailers) {
		exchange_refuse_code(exchange, REFUSAL_OVERLOADED);
		return false;
	}
	memcpy(request->trailers, worker->scratch, request->trailers_size);
	evbuffer_drain(input, trailers.size);
	gate_body(&exchange->gate, (struct span){NULL, 0}, true);
	request->received = true;
	return true;
}

/* One contiguous piece of the chunked coding. */
static bool exchange_take_chunks(struct exchange *exchange, struct evbuffer *input)
{
	struct exchange_request *request = &exchange->request;
	struct evbuffer_iovec piece;
	/* After the end of input libevent may leave an empty piece. */
	while (!request->in_trailers && evbuffer_peek(input, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
		size_t used = 0;
		struct span data = {NULL, 0};
		enum http1_error error = HTTP1_OK;
		enum http1_chunk_event event = http1_chunked_next(
			&request->chunked, piece.iov_base, piece.iov_len, &used, &data, &error);
		if (event == HTTP1_CHUNK_BAD) {
			struct refusal refusal = refusal_from_http1(error);
			exchange_refuse(exchange, &refusal);
			return false;
		}
		if (event == HTTP1_CHUNK_DATA) {
			gate_body(&exchange->gate, data, false);
			if (!exchange_keep(exchange, data))
				return false;
		}
		request->in_trailers = event == HTTP1_CHUNK_TRAILERS;
		evbuffer_drain(input, used);
	}
	return request->in_trailers ? exchange_take_trailers(exchange, input) : true;
}

/* ---- out */

bool exchange_request_open_hop(struct exchange *exchange)
{
	struct exchange_request *request = &exchange->request;
	if (request->streaming)
		return true;
	if (!audit_sink_ready(exchange->worker->audit)) {
		exchange_refuse_code(exchange, REFUSAL_AUDIT_UNAVAILABLE);
		return false;
	}
	const struct timeouts *timeouts = &exchange->worker->proxy->config->timeouts;
	exchange->hop = hop_acquire(exchange->worker, &exchange_hop_callbacks, exchange);
	if (!exchange->hop || evbuffer_add(channel_output(exchange->hop), exchange->hop_head,
				      exchange->hop_head_size) != 0) {
		exchange_refuse_code(exchange, REFUSAL_EGRESS_UNAVAILABLE);
		return false;
	}
	/* egress keeps the clocks towards the origin; this one is for an egress that hangs. */
	unsigned backstop = (unsigned)(timeouts->dns_ms + timeouts->connect_ms + timeouts->tls_ms +
				       timeouts->response_ms);
	channel_set_timeouts(exchange->hop, request->received ? backstop + 5000 : 0, backstop + 5000);
	channel_set_output_low(exchange->hop, EXCHANGE_OUTPUT_LOW);
	free(exchange->hop_head);
	exchange->hop_head = NULL;
	request->streaming = true;
	return true;
}

static void exchange_put_last(struct exchange *exchange)
{
	struct exchange_request *request = &exchange->request;
	struct evbuffer *out = channel_output(exchange->hop);
	if (request->framing == HTTP1_CHUNKED) {
		evbuffer_add(out, "0\r\n", 3);
		evbuffer_add(out, request->trailers, request->trailers_size);
	}
	request->sent = true;
	const struct timeouts *timeouts = &exchange->worker->proxy->config->timeouts;
	unsigned backstop = (unsigned)(timeouts->dns_ms + timeouts->connect_ms + timeouts->tls_ms +
				       timeouts->response_ms);
	channel_set_timeouts(exchange->hop, backstop + 5000, backstop + 5000);
}

/* Something is held back: not for ever. What came out of it starts the clock anew. */
static void exchange_watch_held(struct exchange *exchange)
{
	struct exchange_request *request = &exchange->request;
	if (!request->pending)
		return;
	if (request->held == 0 || request->received)
		event_del(&request->hold_timer);
	else
		exchange_arm(&request->hold_timer, exchange->worker->proxy->config->hold_time_ms);
}

/* Move what is safe from pending to the hop. */
void exchange_request_release(struct exchange *exchange)
{
	struct exchange_request *request = &exchange->request;
	struct evbuffer *out = channel_output(exchange->hop);
	uint64_t safe = request->pending ? gate_body_safe(&exchange->gate) : 0;
	size_t n = safe > request->released ? (size_t)(safe - request->released) : 0;
	if (n > 0) {
		if (request->framing == HTTP1_CHUNKED)
			evbuffer_add_printf(out, "%zx\r\n", n);
		buffer_move(request->pending, out, n);
		if (request->framing == HTTP1_CHUNKED)
			evbuffer_add(out, "\r\n", 2);
		request->released += n;
		request->held -= n;
		worker_hold(exchange->worker, -(int64_t)n);
	}
	if (request->received && !request->sent)
		exchange_put_last(exchange);
	exchange_watch_held(exchange);
	channel_flush(exchange->hop);
	bool full = channel_output_size(exchange->hop) > EXCHANGE_OUTPUT_HIGH;
	channel_enable_reading(exchange->session->agent, !full);
}

/* ---- the whole way */

static bool exchange_holding_is_over(const struct exchange *exchange)
{
	const struct exchange_request *request = &exchange->request;
	return request->streaming || request->received ||
	       request->held > exchange->worker->proxy->config->hold_bytes ||
	       worker_memory_is_short(exchange->worker);
}

/* Everything of a body that is received has to be safe by now; a gate that says otherwise without a reason is
 * not believed. */
static bool exchange_check_all_safe(struct exchange *exchange)
{
	if (!exchange->request.received || gate_body_safe(&exchange->gate) == exchange->request.body_bytes)
		return true;
	exchange_refuse_code(exchange, REFUSAL_UNSCANNABLE);
	return false;
}

/* A stream holds back little; where the gate can call nothing safe before the end (a chain of codings), the
 * rest of a long body would pile up here. */
static bool exchange_check_backlog(struct exchange *exchange)
{
	if (exchange->request.held <= exchange->worker->proxy->config->hold_bytes + BACKLOG_BYTES)
		return true;
	gate_doubt(&exchange->gate, SCAN_BODY, "too much of it can't be judged before its end");
	return exchange_check_verdict(exchange);
}

static bool exchange_take(struct exchange *exchange, struct evbuffer *input)
{
	return exchange->request.framing == HTTP1_LENGTH ? exchange_take_sized(exchange, input)
							 : exchange_take_chunks(exchange, input);
}

bool exchange_request_step(struct exchange *exchange)
{
	struct exchange_request *request = &exchange->request;
	struct channel *agent = exchange->session->agent;
	if (request->received)
		return true;
	struct evbuffer *input = channel_input(agent);
	if (!exchange_take(exchange, input) || !exchange_check_verdict(exchange))
		return false;
	if (!request->received && channel_input_ended(agent)) {
		exchange_cut(exchange, "client_closed");
		return false;
	}
	if (!exchange_check_all_safe(exchange))
		return false;
	if (request->received)
		channel_set_timeouts(
			agent, 0, (unsigned)exchange->worker->proxy->config->timeouts.response_ms);
	if (!exchange_holding_is_over(exchange))
		return true;
	if (!exchange_request_open_hop(exchange))
		return false;
	exchange_request_release(exchange);
	return exchange_check_backlog(exchange);
}

static bool exchange_await_body(struct exchange *exchange)
{
	struct exchange_request *request = &exchange->request;
	const struct config *config = exchange->worker->proxy->config;
	request->pending = evbuffer_new();
	if (!request->pending) {
		exchange_refuse_code(exchange, REFUSAL_OVERLOADED);
		return false;
	}
	event_assign(&request->hold_timer, exchange->worker->base, -1, 0, on_hold_over, exchange);
	event_assign(&request->pace_timer, exchange->worker->base, -1, 0, on_pace, exchange);
	if (evbuffer_get_length(channel_input(exchange->session->agent)) > 0 &&
		!exchange_request_step(exchange))
		return false;
	if (request->received)
		return true;
	/* The agent waits for our word before it sends (RFC 9110 10.1.1); the origin is not asked: it must
	 * not see what is not scanned. */
	if (!request->continue_sent && request->body_bytes == 0)
		evbuffer_add(channel_output(exchange->session->agent), "HTTP/1.1 100 Continue\r\n\r\n", 25);
	request->continue_sent = true;
	channel_flush(exchange->session->agent);
	if (!request->streaming)
		exchange_arm(&request->hold_timer, config->hold_time_ms);
	exchange_arm(&request->pace_timer, config->timeouts.body_ms);
	channel_set_timeouts(exchange->session->agent, 0, (unsigned)config->timeouts.response_ms);
	return true;
}

bool exchange_request_start(struct exchange *exchange)
{
	struct exchange_request *request = &exchange->request;
	if (!request->received)
		return exchange_await_body(exchange);
	if (request->framing ==
		HTTP1_LENGTH) /* Content-Length: 0, and perhaps a coding that makes nothing of nothing */
		request->framing = HTTP1_NO_BODY;
	channel_set_timeouts(
		exchange->session->agent, 0, (unsigned)exchange->worker->proxy->config->timeouts.response_ms);
	if (!exchange_request_open_hop(exchange))
		return false;
	request->sent = true;
	channel_flush(exchange->hop);
	return true;
}
