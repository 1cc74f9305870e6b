/*
 * The origin's side of an exchange: the answer's heads and body. What must hold: nothing of an answer that
 * breaks RFC 9112 is passed on; octets behind an answer belong to nobody and end the connection; a body that
 * was cut is cut for the hop too, never rounded up to a whole one.
 */
#include "egress/exchange_internal.h"

#include "egress/forward.h"

#include <sys/socket.h>

/* Each is written to the hop whether that takes it or not: so there must be an end of them. */
#define MAX_INTERIMS 32
#define SALVAGE_OCTETS 16384

static bool origin_has_ended(const struct exchange *x)
{
	return x->origin_lost || channel_input_ended(x->origin);
}

/* Write the parsed head to the hop. */
static bool write_head(struct exchange *x, const struct http1_head *head)
{
	struct evbuffer *out = channel_output(x->hop);
	size_t bound = forward_bound(head);
	struct evbuffer_iovec room;

	if (evbuffer_reserve_space(out, (ev_ssize_t)bound, &room, 1) != 1)
		return false;
	room.iov_len = forward_write_response(
		head, &x->request, x->close_hop && head->status >= 200, room.iov_base, bound);
	return room.iov_len > 0 && evbuffer_commit_space(out, &room, 1) == 0;
}

/* ---- heads. Each returns true when the next head, or the body, is to be looked at. */

static bool take_interim(struct exchange *x, const struct http1_head *head)
{
	if (++x->interims > MAX_INTERIMS) {
		exchange_fail(x, HOP_ORIGIN_MALFORMED, "too many interim answers");
		return false;
	}
	if (!write_head(x, head)) {
		exchange_fail(x, HOP_OVERLOADED, "out of memory");
		return false;
	}
	evbuffer_drain(channel_input(x->origin), head->size);
	channel_flush(x->hop);
	return true;
}

static void take_switch(struct exchange *x, const struct http1_head *head)
{
	if (!x->request.upgrade || !head->upgrade_websocket) {
		exchange_fail(x, HOP_ORIGIN_MALFORMED, "101 without a WebSocket that was asked for");
		return;
	}
	if (!write_head(x, head)) {
		exchange_fail(x, HOP_OVERLOADED, "out of memory");
		return;
	}
	evbuffer_drain(channel_input(x->origin), head->size);
	exchange_begin_tunnel(x);
}

static bool take_final(struct exchange *x, const struct http1_head *head)
{
	uint32_t idle_ms = x->worker->shared->settings.idle_timeout_ms;

	/* An answer before the request's end is often a refusal: the connection is not used again. */
	x->close_hop = x->close_hop || !x->upload.done || x->worker->draining;
	x->keep_origin = head->keep_alive && head->framing != HTTP1_UNTIL_CLOSE;
	if (!write_head(x, head)) {
		exchange_fail(x, HOP_OVERLOADED, "out of memory");
		return false;
	}
	x->answered = true;
	event_del(&x->response_timer);
	body_start(&x->download, head);
	evbuffer_drain(channel_input(x->origin), head->size);
	if (x->upload.done)
		channel_set_timeouts(x->origin, idle_ms, idle_ms);
	return true;
}

static bool take_head(struct exchange *x, const struct http1_head *head)
{
	x->seen = 0;
	if (head->status == 101) {
		take_switch(x, head);
		return false;
	}
	return head->status < 200 ? take_interim(x, head) : take_final(x, head);
}

/* False: the exchange is over, or more has to come first. */
static bool read_head(struct exchange *x)
{
	struct evbuffer *input = channel_input(x->origin);
	size_t n = evbuffer_get_length(input);
	enum http1_error error = HTTP1_OK;
	struct http1_head head;

	x->heard = x->heard || n > 0;
	n = n < HTTP1_MAX_HEAD + 1 ? n : HTTP1_MAX_HEAD + 1;
	const char *p = n > 0 ? (const char *)evbuffer_pullup(input, (ev_ssize_t)n) : "";

	if (!p) {
		exchange_fail(x, HOP_OVERLOADED, "out of memory");
		return false;
	}
	switch (http1_parse_response(p, n, x->seen, span_of(x->request.method), &head, &error)) {
	case HTTP1_DONE:
		return take_head(x, &head);
	case HTTP1_BAD:
		exchange_fail(x, HOP_ORIGIN_MALFORMED, http1_error_text(error));
		return false;
	case HTTP1_MORE:
		break;
	}
	x->seen = n;
	if (origin_has_ended(x))
		exchange_origin_closed(x);
	return false;
}

/* ---- body */

/* All that came is moved and the origin sends no more. */
static void finish_at_end(struct exchange *x)
{
	bool in_order = !x->origin_lost && !channel_input_truncated(x->origin);

	if (!in_order || body_end(&x->download, channel_output(x->hop)) != BODY_DONE) {
		exchange_cut(x);
		return;
	}
	channel_flush(x->hop);
	exchange_complete(x);
}

static void pump_download(struct exchange *x)
{
	struct evbuffer *input = channel_input(x->origin);
	bool moved = true;

	while (moved && !x->download.done) {
		size_t room = exchange_room(x->hop), before = evbuffer_get_length(input);
		enum http1_error error;

		if (room == 0)
			return;
		enum body_result result =
			body_move(&x->download, input, channel_output(x->hop), room, &error);

		/* What came before the fault goes out first: the reset then tells of a cut answer, not of
		 * none. */
		channel_flush(x->hop);
		if (result < 0) {
			exchange_cut(x);
			return;
		}
		moved = evbuffer_get_length(input) < before;
	}
	if (x->download.done)
		exchange_complete(x);
	else if (origin_has_ended(x))
		finish_at_end(x);
}

void exchange_step_answer(struct exchange *x)
{
	while (!x->answered)
		if (!read_head(x))
			return;
	/* A large head alone may fill the hop's output: then the pump can't begin, and would not flush. */
	channel_flush(x->hop);
	pump_download(x);
}

/* ---- events */

static void on_input(struct channel *channel, void *arg)
{
	(void)channel;
	exchange_step_answer(arg);
}

static void on_drained(struct channel *channel, void *arg)
{
	struct exchange *x = arg;

	(void)channel;
	/* The hop's silence counts from here: until now it was not listened to. */
	if (!x->upload.done)
		channel_set_timeouts(x->hop, x->worker->shared->settings.idle_timeout_ms, 0);
	exchange_pump_upload(x);
}

/* The connection broke while we wrote. An origin that refuses a long upload answers, closes, and resets what
 * still comes (RFC 9112 9.6): its answer may lie in the socket unread. */
static void salvage_answer(struct exchange *x)
{
	char octets[SALVAGE_OCTETS];
	ssize_t n = recv(channel_fd(x->origin), octets, sizeof(octets), 0);

	if (n > 0)
		evbuffer_add(channel_input(x->origin), octets, (size_t)n);
}

static void on_end(struct channel *channel, enum channel_end end, void *arg)
{
	struct exchange *x = arg;

	(void)channel;
	if (end == CHANNEL_CLOSED && !x->answered && !channel_ssl(x->origin))
		salvage_answer(x);
	if (end == CHANNEL_READ_TIMEOUT || end == CHANNEL_WRITE_TIMEOUT) {
		exchange_fail(x, HOP_ORIGIN_TIMEOUT, "the origin fell silent");
		return;
	}
	if (end == CHANNEL_TLS_FAILED) {
		exchange_fail(x, HOP_TLS_FAILED, channel_tls_error(x->origin));
		return;
	}
	/* It may have answered before it reset the connection. */
	x->origin_lost = true;
	exchange_step_answer(x);
}

const struct channel_callbacks exchange_origin_callbacks = {
	.on_input = on_input, .on_output_drained = on_drained, .on_end = on_end};
