/*
 * The answer's way: hop -> head -> agent, then the body, never buffered beyond the watermarks, so that the
 * first token of an event stream passes as it comes. An answer that is cut short is cut for the agent too,
 * never ended cleanly.
 */
#include "pipelock/proxy/exchange.h"

#include "common/buffer.h"

#include "pipelock/proxy/forward.h"

#include <stdlib.h>
#include <string.h>

/* ---- failures behind the proxy */

static bool exchange_hop_lost(struct exchange *exchange)
{
	if (exchange->response.begun)
		exchange_cut(exchange, "origin_truncated");
	else
		exchange_refuse_code(exchange, REFUSAL_EGRESS_LOST);
	return false;
}

static bool exchange_hop_malformed(struct exchange *exchange)
{
	if (exchange->response.begun) {
		exchange_cut(exchange, "origin_malformed");
		return false;
	}
	struct refusal refusal = {.code = REFUSAL_HOP, .failure = HOP_ORIGIN_MALFORMED};
	exchange_refuse(exchange, &refusal);
	return false;
}

/* egress's word on why there is no answer. */
static bool exchange_hop_failed(
	struct exchange *exchange, const struct http1_head *head, const struct http1_field *failure)
{
	struct refusal refusal = {.code = REFUSAL_HOP, .failure = hop_failure_from_name(failure->value)};
	const struct http1_field *detail = http1_find(head, SPAN(HOP_DETAIL_FIELD), NULL);
	if (refusal.failure == HOP_FAILURE_NONE)
		refusal.failure = HOP_ORIGIN_MALFORMED;
	size_t n = detail ? detail->value.n : 0;
	if (n >= sizeof(refusal.note))
		n = sizeof(refusal.note) - 1;
	for (size_t i = 0; i < n; i++)
		refusal.note[i] =
			detail->value.p[i] >= ' ' && detail->value.p[i] <= '~' ? detail->value.p[i] : '?';
	exchange_refuse(exchange, &refusal);
	return false;
}

/* ---- head */

static bool exchange_put_head(
	struct exchange *exchange, const struct http1_head *head, const struct forward_response *how)
{
	struct worker *worker = exchange->worker;
	size_t size = forward_response(head, how, worker->scratch, sizeof(worker->scratch));
	if (size == 0 || evbuffer_add(channel_output(exchange->session->agent), worker->scratch, size) != 0)
		return exchange_hop_malformed(exchange);
	return true;
}

/* 1xx: passed on, but 100, which we have said ourselves if it was asked for, and never to HTTP/1.0 (RFC
 * 9110 15.2). */
static bool exchange_take_interim(struct exchange *exchange, const struct http1_head *head)
{
	struct forward_response how = {.framing = HTTP1_NO_BODY, .keep_alive = true};
	if (head->status != 100 && !exchange->http10 && !exchange_put_head(exchange, head, &how))
		return false;
	evbuffer_drain(channel_input(exchange->hop), head->size);
	channel_flush(exchange->session->agent);
	return true;
}

static bool exchange_take_final_head(struct exchange *exchange, const struct http1_head *head)
{
	struct exchange_response *response = &exchange->response;
	if (head->framing == HTTP1_UNTIL_CLOSE || (head->status == 101 && !exchange->upgrade))
		return exchange_hop_malformed(exchange);
	bool switched = head->status == 101 || (exchange->splice && head->status / 100 == 2);
	/* An answer before the end of the request: the rest of it is not waited for. */
	exchange->keep_alive = exchange->keep_alive && exchange->request.received;
	response->framing = head->framing;
	response->left = head->length;
	response->hop_keep_alive = head->keep_alive;
	response->status = head->status;
	response->first_ms = loop_now_ms();
	response->chunk_to_agent = head->framing == HTTP1_CHUNKED && !exchange->http10;
	if (head->framing == HTTP1_CHUNKED && exchange->http10)
		exchange->keep_alive = false;
	struct forward_response how = {
		.framing = head->framing == HTTP1_CHUNKED && exchange->http10 ? HTTP1_UNTIL_CLOSE
									      : head->framing,
		.length = head->length,
		.http10 = exchange->http10,
		.keep_alive = exchange->keep_alive || switched,
		.upgrade = head->status == 101,
	};
	if (!exchange_put_head(exchange, head, &how))
		return false;
	response->begun = true;
	evbuffer_drain(channel_input(exchange->hop), head->size);
	if (switched)
		return exchange_tunnel_start(exchange);
	bool empty = head->framing == HTTP1_NO_BODY || (head->framing == HTTP1_LENGTH && head->length == 0);
	response->state = empty ? RESPONSE_DONE : RESPONSE_BODY;
	return true;
}

/* false: the exchange is gone or has become a tunnel. */
static bool exchange_take_response_head(struct exchange *exchange, bool *more)
{
	struct evbuffer *input = channel_input(exchange->hop);
	size_t n = evbuffer_get_length(input);
	size_t look = n < HTTP1_HOP_MAX_HEAD + 1 ? n : HTTP1_HOP_MAX_HEAD + 1;
	struct http1_head head;
	enum http1_error error = HTTP1_OK;
	*more = n == 0;
	if (n == 0)
		return true;
	const char *octets = (const char *)evbuffer_pullup(input, (ev_ssize_t)look);
	enum http1_result result = octets ? http1_parse_hop_response(octets, look, exchange->response.seen,
						    span_of(exchange->method), &head, &error)
					  : HTTP1_BAD;
	if (result == HTTP1_MORE) {
		exchange->response.seen = look;
		*more = true;
		return true;
	}
	if (result == HTTP1_BAD)
		return exchange_hop_malformed(exchange);
	exchange->response.seen = 0;
	const struct http1_field *failure = http1_find(&head, SPAN(HOP_FAILURE_FIELD), NULL);
	if (failure)
		return exchange_hop_failed(exchange, &head, failure);
	if (head.status < 200 && head.status != 101)
		return exchange_take_interim(exchange, &head);
	return exchange_take_final_head(exchange, &head);
}

/* ---- body */

static void exchange_pump_sized(struct exchange *exchange, struct evbuffer *input, struct evbuffer *output)
{
	struct exchange_response *response = &exchange->response;
	size_t n = evbuffer_get_length(input);
	n = n < response->left ? n : (size_t)response->left;
	buffer_move(input, output, n);
	response->left -= n;
	response->body_bytes += n;
	if (response->left == 0)
		response->state = RESPONSE_DONE;
}

static bool exchange_pump_trailers(struct exchange *exchange, struct evbuffer *input, struct evbuffer *output)
{
	struct exchange_response *response = &exchange->response;
	struct worker *worker = exchange->worker;
	struct http1_head trailers;
	enum http1_error error = HTTP1_OK;
	size_t n = evbuffer_get_length(input);
	const char *octets = (const char *)evbuffer_pullup(input, -1);
	enum http1_result result =
		n == 0 ? HTTP1_MORE : http1_parse_hop_trailers(octets, n, response->seen, &trailers, &error);
	response->seen = n;
	if (result == HTTP1_MORE)
		return true;
	if (result == HTTP1_BAD)
		return exchange_hop_malformed(exchange);
	if (response->chunk_to_agent) {
		size_t size = forward_trailers(&trailers, worker->scratch, sizeof(worker->scratch));
		evbuffer_add(output, "0\r\n", 3);
		evbuffer_add(output, worker->scratch, size);
	}
	evbuffer_drain(input, trailers.size);
	response->state = RESPONSE_DONE;
	return true;
}

static void exchange_put_chunk(struct exchange *exchange, struct evbuffer *output, struct span data)
{
	if (exchange->response.chunk_to_agent)
		evbuffer_add_printf(output, "%zx\r\n", data.n);
	evbuffer_add(output, data.p, data.n);
	if (exchange->response.chunk_to_agent)
		evbuffer_add(output, "\r\n", 2);
	exchange->response.body_bytes += data.n;
}

static bool exchange_pump_chunks(struct exchange *exchange, struct evbuffer *input, struct evbuffer *output)
{
	struct exchange_response *response = &exchange->response;
	struct evbuffer_iovec piece;
	while (!response->in_trailers && evbuffer_peek(input, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
		size_t used = 0;
		struct span data = {NULL, 0};
		enum http1_error error = HTTP1_OK;
		enum http1_chunk_event event = http1_chunked_next(
			&response->chunked, piece.iov_base, piece.iov_len, &used, &data, &error);
		if (event == HTTP1_CHUNK_BAD)
			return exchange_hop_malformed(exchange);
		if (event == HTTP1_CHUNK_DATA)
			exchange_put_chunk(exchange, output, data);
		response->in_trailers = event == HTTP1_CHUNK_TRAILERS;
		evbuffer_drain(input, used);
	}
	return response->in_trailers ? exchange_pump_trailers(exchange, input, output) : true;
}

static bool exchange_pump(struct exchange *exchange)
{
	struct channel *agent = exchange->session->agent;
	struct evbuffer *input = channel_input(exchange->hop);
	if (exchange->response.framing == HTTP1_LENGTH)
		exchange_pump_sized(exchange, input, channel_output(agent));
	else if (!exchange_pump_chunks(exchange, input, channel_output(agent)))
		return false;
	if (exchange->response.state == RESPONSE_DONE)
		return true; /* flushed when the record is kept */
	channel_flush(agent);
	channel_enable_reading(exchange->hop, channel_output_size(agent) <= EXCHANGE_OUTPUT_HIGH);
	return true;
}

bool exchange_response_step(struct exchange *exchange)
{
	bool more = false;
	while (exchange->response.state == RESPONSE_HEAD && !more)
		if (!exchange_take_response_head(exchange, &more))
			return false;
	if (exchange->response.state == RESPONSE_BODY && !exchange_pump(exchange))
		return false;
	if (exchange->response.state == RESPONSE_DONE) {
		exchange_complete(exchange);
		return false;
	}
	return true;
}

/* ---- the hop's callbacks */

static void on_hop_input(struct channel *hop, void *arg)
{
	struct exchange *exchange = arg;
	if (exchange_response_step(exchange) && channel_input_ended(hop))
		exchange_hop_lost(exchange);
}

static void on_hop_drained(struct channel *hop, void *arg)
{
	(void)hop;
	struct exchange *exchange = arg;
	if (!exchange->request.sent)
		exchange_request_release(exchange);
}

static void on_hop_end(struct channel *hop, enum channel_end end, void *arg)
{
	struct exchange *exchange = arg;
	bool never_stood = end == CHANNEL_CLOSED && channel_bytes_written(hop) == 0;
	if (never_stood && !exchange->response.begun)
		exchange_refuse_code(exchange, REFUSAL_EGRESS_UNAVAILABLE);
	else
		exchange_hop_lost(exchange);
}

const struct channel_callbacks exchange_hop_callbacks = {
	.on_input = on_hop_input,
	.on_output_drained = on_hop_drained,
	.on_end = on_hop_end,
};

/* ---- the agent's callbacks */

static void on_agent_input(struct channel *agent, void *arg)
{
	(void)agent;
	exchange_request_step(arg);
}

static void on_agent_drained(struct channel *agent, void *arg)
{
	(void)agent;
	struct exchange *exchange = arg;
	if (exchange->hop && exchange->response.state == RESPONSE_BODY) {
		channel_enable_reading(exchange->hop, true);
		exchange_response_step(exchange);
	}
}

static void on_agent_end(struct channel *agent, enum channel_end end, void *arg)
{
	(void)agent;
	exchange_cut(arg, end == CHANNEL_WRITE_TIMEOUT ? "client_stalled" : "client_closed");
}

const struct channel_callbacks exchange_agent_callbacks = {
	.on_input = on_agent_input,
	.on_output_drained = on_agent_drained,
	.on_end = on_agent_end,
};
