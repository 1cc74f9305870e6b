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

static bool exchange_check_response(struct exchange *exchange);

/* ---- failures behind the proxy */

static bool exchange_hop_lost(struct exchange *exchange)
{
	if (exchange->response.begun) {
		exchange_cut(exchange, "origin_truncated");
		return false;
	}
	struct refusal refusal = {.code = REFUSAL_EGRESS_LOST};
	if (exchange->response.status != 0) /* its head came, and waits for a body that will not be whole */
		refusal = (struct refusal){.code = REFUSAL_HOP, .failure = HOP_ORIGIN_CLOSED};
	exchange_refuse(exchange, &refusal);
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

static size_t exchange_render_head(
	struct exchange *exchange, const struct http1_head *head, const struct forward_response *how)
{
	struct worker *worker = exchange->worker;
	return forward_response(head, how, worker->scratch, sizeof(worker->scratch));
}

/* What comes back has a gate of its own, from its first head to the last frame of a WebSocket. */
static void exchange_open_response_gate(struct exchange *exchange)
{
	struct exchange_response *response = &exchange->response;
	if (response->gated)
		return;
	gate_open(&response->gate, exchange->worker->scanner, exchange->worker->proxy->config,
		exchange->route, exchange_host(exchange));
	response->gated = true;
}

/* What the agent would read in a head: the reason is the origin's words, too. false: the exchange is gone. */
static bool exchange_check_response_head(struct exchange *exchange, const struct http1_head *head)
{
	struct gate *gate = &exchange->response.gate;
	exchange_open_response_gate(exchange);
	if (!gate_looks_at(gate, SCAN_RESPONSE))
		return true;
	gate_text(gate, SCAN_RESPONSE, head->reason);
	gate_fields(gate, SCAN_RESPONSE, head);
	return exchange_check_response(exchange);
}

/* 1xx: passed on, but 100, which we have said ourselves if it was asked for, and never to HTTP/1.0 (RFC
 * 9110 15.2). */
static bool exchange_take_interim(struct exchange *exchange, const struct http1_head *head)
{
	struct forward_response how = {.framing = HTTP1_NO_BODY, .keep_alive = true};
	if (head->status != 100 && !exchange->http10) {
		size_t size = exchange_render_head(exchange, head, &how);
		if (size == 0)
			return exchange_hop_malformed(exchange);
		if (!exchange_check_response_head(exchange, head))
			return false;
		evbuffer_add(channel_output(exchange->session->agent), exchange->worker->scratch, size);
	}
	evbuffer_drain(channel_input(exchange->hop), head->size);
	channel_flush(exchange->session->agent);
	return true;
}

/* It goes out when the body may: at once, or when that was held against the rules as a whole. */
static bool exchange_keep_head(
	struct exchange *exchange, const struct http1_head *head, const struct forward_response *how)
{
	struct exchange_response *response = &exchange->response;
	size_t size = exchange_render_head(exchange, head, how);
	if (size == 0)
		return exchange_hop_malformed(exchange);
	response->head = malloc(size);
	if (!response->head) {
		exchange_refuse_code(exchange, REFUSAL_OVERLOADED);
		return false;
	}
	memcpy(response->head, exchange->worker->scratch, size);
	response->head_size = size;
	return true;
}

static void exchange_put_kept_head(struct exchange *exchange)
{
	struct exchange_response *response = &exchange->response;
	if (!response->head)
		return;
	evbuffer_add(channel_output(exchange->session->agent), response->head, response->head_size);
	free(response->head);
	response->head = NULL;
	response->begun = true;
}

static void on_response_hold_over(evutil_socket_t fd, short what, void *arg);

/* A body that is told to be short waits whole, so that what must not come in can be refused in words; any
 * other streams. */
static bool exchange_begin_response_body(struct exchange *exchange, const struct http1_head *head)
{
	struct exchange_response *response = &exchange->response;
	const struct config *config = exchange->worker->proxy->config;
	response->pending = evbuffer_new();
	if (!response->pending) {
		exchange_refuse_code(exchange, REFUSAL_OVERLOADED);
		return false;
	}
	event_assign(&response->hold_timer, exchange->worker->base, -1, 0, on_response_hold_over, exchange);
	gate_body_begin(&response->gate, SCAN_RESPONSE, head);
	response->holding = gate_body_is_scanned(&response->gate) && head->framing == HTTP1_LENGTH &&
			    head->length <= config->hold_bytes && !worker_memory_is_short(exchange->worker);
	if (response->holding)
		event_add(&response->hold_timer, &(struct timeval){(time_t)(config->hold_time_ms / 1000),
							 (suseconds_t)(config->hold_time_ms % 1000 * 1000)});
	return exchange_check_response(exchange);
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
	if (!exchange_keep_head(exchange, head, &how) || !exchange_check_response_head(exchange, head))
		return false;
	bool empty = head->framing == HTTP1_NO_BODY || (head->framing == HTTP1_LENGTH && head->length == 0);
	response->state = empty ? RESPONSE_DONE : RESPONSE_BODY;
	if (!empty && !exchange_begin_response_body(exchange, head))
		return false;
	evbuffer_drain(channel_input(exchange->hop), head->size);
	if (!response->holding)
		exchange_put_kept_head(exchange);
	return !switched || exchange_tunnel_start(exchange);
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

/* ---- body: hop -> framing -> gate -> pending -> agent */

static void exchange_count_response(struct exchange *exchange, size_t n)
{
	exchange->response.body_bytes += n;
	exchange->response.held += n;
	worker_hold(exchange->worker, (int64_t)n);
}

/* false: the exchange is gone. */
static bool exchange_take_sized_response(struct exchange *exchange, struct evbuffer *input)
{
	struct exchange_response *response = &exchange->response;
	struct evbuffer_iovec piece;
	while (response->left > 0 && evbuffer_peek(input, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
		size_t n = piece.iov_len < response->left ? piece.iov_len : (size_t)response->left;
		response->left -= n;
		gate_body(&response->gate, (struct span){piece.iov_base, n}, response->left == 0);
		if (buffer_move(input, response->pending, n) != 0) {
			exchange_cut(exchange, "overloaded");
			return false;
		}
		exchange_count_response(exchange, n);
	}
	if (response->left == 0)
		response->state = RESPONSE_DONE;
	return true;
}

/* The last chunk and the trailers go behind what is released. */
static bool exchange_take_response_trailers(struct exchange *exchange, struct evbuffer *input)
{
	struct exchange_response *response = &exchange->response;
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
	response->trailers_size =
		forward_trailers(&trailers, exchange->worker->scratch, sizeof(exchange->worker->scratch));
	if (response->chunk_to_agent && gate_looks_at(&response->gate, SCAN_RESPONSE))
		gate_fields(&response->gate, SCAN_RESPONSE, &trailers);
	evbuffer_drain(input, trailers.size);
	gate_body(&response->gate, (struct span){NULL, 0}, true);
	response->state = RESPONSE_DONE;
	return true;
}

static bool exchange_take_chunked_response(struct exchange *exchange, struct evbuffer *input)
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
		if (event == HTTP1_CHUNK_DATA) {
			gate_body(&response->gate, data, false);
			evbuffer_add(response->pending, data.p, data.n);
			exchange_count_response(exchange, data.n);
		}
		response->in_trailers = event == HTTP1_CHUNK_TRAILERS;
		evbuffer_drain(input, used);
	}
	return response->in_trailers ? exchange_take_response_trailers(exchange, input) : true;
}

/* What the rules say of what came. false: the exchange is gone. */
static bool exchange_check_response(struct exchange *exchange)
{
	struct exchange_response *response = &exchange->response;
	if (gate_verdict(&response->gate) != VERDICT_BLOCK)
		return true;
	struct refusal refusal = {
		.code = response->gate.findings.unscannable ? REFUSAL_UNSCANNABLE : REFUSAL_RULE_MATCH};
	free(response->head);
	response->head = NULL;
	exchange_refuse(exchange, &refusal);
	return false;
}

static void exchange_release_response(struct exchange *exchange)
{
	struct exchange_response *response = &exchange->response;
	struct evbuffer *output = channel_output(exchange->session->agent);
	uint64_t safe = response->gated ? gate_body_safe(&response->gate) : 0;
	size_t n = safe > response->released ? (size_t)(safe - response->released) : 0;
	if (response->holding && response->state != RESPONSE_DONE)
		return;
	exchange_put_kept_head(exchange);
	if (n > 0) {
		if (response->chunk_to_agent)
			evbuffer_add_printf(output, "%zx\r\n", n);
		buffer_move(response->pending, output, n);
		if (response->chunk_to_agent)
			evbuffer_add(output, "\r\n", 2);
		response->released += n;
		response->held -= n;
		worker_hold(exchange->worker, -(int64_t)n);
	}
	if (response->state == RESPONSE_DONE && response->in_trailers && response->chunk_to_agent) {
		evbuffer_add(output, "0\r\n", 3);
		evbuffer_add(output, exchange->worker->scratch, response->trailers_size);
	}
}

static void on_response_hold_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct exchange *exchange = arg;
	exchange->response.holding = false;
	exchange_release_response(exchange);
	channel_flush(exchange->session->agent);
}

static bool exchange_pump(struct exchange *exchange)
{
	struct exchange_response *response = &exchange->response;
	struct channel *agent = exchange->session->agent;
	struct evbuffer *input = channel_input(exchange->hop);
	bool taken = response->framing == HTTP1_LENGTH ? exchange_take_sized_response(exchange, input)
						       : exchange_take_chunked_response(exchange, input);
	if (!taken || !exchange_check_response(exchange))
		return false;
	/* A gate that holds back the end of a whole body without a reason is not believed. */
	if (response->state == RESPONSE_DONE && gate_body_safe(&response->gate) != response->body_bytes) {
		gate_doubt(&response->gate, SCAN_RESPONSE, "its end was not scanned");
		if (!exchange_check_response(exchange))
			return false;
	}
	exchange_release_response(exchange);
	if (response->state == RESPONSE_DONE)
		return true; /* flushed when the record is kept */
	channel_flush(agent);
	channel_enable_reading(exchange->hop, channel_output_size(agent) <= EXCHANGE_OUTPUT_HIGH);
	return true;
}

void exchange_response_release(struct exchange *exchange)
{
	struct exchange_response *response = &exchange->response;
	if (response->pending) {
		event_del(&response->hold_timer);
		evbuffer_free(response->pending);
	}
	gate_release(&response->gate);
	worker_hold(exchange->worker, -(int64_t)response->held);
	free(response->head);
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
		exchange_put_kept_head(exchange);
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
