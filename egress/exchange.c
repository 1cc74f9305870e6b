/*
 * The life of an exchange: its connection to the origin, the request on it, and every way it can end. What
 * must hold: a request whose first octet may have been acted upon is never sent again, but for GET, HEAD and
 * OPTIONS on a kept connection that died unheard (RFC 9110 9.2.2); an answer that began and could not be
 * finished ends in a reset.
 */
#include "egress/exchange_internal.h"

#include "egress/failure.h"
#include "egress/forward.h"
#include "egress/reach.h"
#include "egress/tunnel.h"

#include <stdlib.h>
#include <string.h>

static void set_timer(struct event *timer, uint32_t ms)
{
	event_add(timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

/* ---- ends */

static void release_origin(struct exchange *x)
{
	event_del(&x->response_timer);
	reach_cancel(x->reach);
	x->reach = NULL;
	/* Half a request has to look like one: a reset, not an end. */
	if (x->upload.done)
		tls_close(x->origin);
	else
		channel_abort(x->origin);
	x->origin = NULL;
}

static void exchange_free(struct exchange *x)
{
	x->session->exchange = NULL;
	release_origin(x);
	tunnel_abort(x->tunnel);
	free(x);
}

static void end_session(struct exchange *x, enum session_end end)
{
	struct session *session = x->session;

	exchange_free(x);
	session_finish(session, end);
}

void exchange_cut(struct exchange *x)
{
	end_session(x, SESSION_RESET);
}

/* All is written to a hop that ends with it. Lingering is bounded in time, and the hop may take its time with
 * what still waits for it; it is needed only where something may still come. */
static void finish_hop(struct exchange *x)
{
	bool quiet = x->upload.done && evbuffer_get_length(channel_input(x->hop)) == 0;

	x->finished = true;
	channel_set_timeouts(x->hop, 0, 0);
	channel_set_output_low(x->hop, 0);
	channel_flush(x->hop);
	if (channel_output_size(x->hop) == 0)
		end_session(x, quiet ? SESSION_CLOSE : SESSION_LINGER);
}

void exchange_fail(struct exchange *x, enum hop_failure failure, const char *detail)
{
	struct session *session = x->session;
	bool keep;

	if (x->answered) {
		exchange_cut(x);
		return;
	}
	keep = !x->close_hop && !x->worker->draining && body_skip(&x->upload, channel_input(x->hop));
	if (!failure_write(channel_output(x->hop), failure, detail, !keep)) {
		exchange_cut(x);
	} else if (keep) {
		channel_set_timeouts(x->hop, 0, 0);
		channel_flush(x->hop);
		exchange_free(x);
		session_next(session);
	} else {
		release_origin(x);
		finish_hop(x);
	}
}

void exchange_complete(struct exchange *x)
{
	struct session *session = x->session;

	if (x->keep_origin && x->upload.done && !x->origin_lost) {
		pool_put(x->worker->pool, x->request.key, x->origin);
		x->origin = NULL;
	}
	if (x->close_hop || !x->upload.done || x->worker->draining) {
		release_origin(x);
		finish_hop(x);
		return;
	}
	exchange_free(x);
	session_next(session);
}

static void on_response_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	exchange_fail(arg, HOP_ORIGIN_TIMEOUT, "no answer in time");
}

void exchange_abort(struct exchange *x)
{
	record_aborted(x->worker->sink, &x->request);
	end_session(x, SESSION_RESET);
}

/* ---- the hop's side */

static void note_upload_end(struct exchange *x)
{
	const struct egress_settings *settings = &x->worker->shared->settings;

	channel_set_timeouts(x->hop, 0, 0);
	if (x->answered)
		channel_set_timeouts(x->origin, settings->idle_timeout_ms, settings->idle_timeout_ms);
	else
		set_timer(&x->response_timer, settings->response_timeout_ms);
}

/* One step; *moved says whether it changed anything. */
static bool move_upload(struct exchange *x, bool *moved)
{
	size_t room = exchange_room(x->origin), before = evbuffer_get_length(channel_input(x->hop));
	enum http1_error error;

	*moved = false;
	if (room == 0 || before == 0)
		return true;
	switch (body_move(&x->upload, channel_input(x->hop), channel_output(x->origin), room, &error)) {
	case BODY_BAD:
		x->close_hop = true;
		exchange_fail(x, HOP_BAD_REQUEST, http1_error_text(error));
		return false;
	case BODY_NO_MEMORY:
		x->close_hop = true;
		exchange_fail(x, HOP_OVERLOADED, "out of memory");
		return false;
	case BODY_DONE:
	case BODY_MORE:
		*moved = evbuffer_get_length(channel_input(x->hop)) < before;
		break;
	}
	return true;
}

bool exchange_pump_upload(struct exchange *x)
{
	bool moved = true;

	while (moved && !x->upload.done) {
		if (!move_upload(x, &moved))
			return false;
		channel_flush(x->origin);
		if (x->upload.done)
			note_upload_end(x);
	}
	return true;
}

void exchange_on_hop_input(struct exchange *x)
{
	if (x->finished) {
		evbuffer_drain(channel_input(x->hop), evbuffer_get_length(channel_input(x->hop)));
		return;
	}
	if (x->origin && !x->origin_lost && !exchange_pump_upload(x))
		return;
	/* pipelock half-closes tunnels alone: here the end of its sending is its death, or its verdict. */
	if (channel_input_ended(x->hop))
		exchange_abort(x);
}

void exchange_on_hop_drained(struct exchange *x)
{
	uint32_t idle_ms = x->worker->shared->settings.idle_timeout_ms;

	if (x->finished) {
		finish_hop(x);
	} else if (x->origin) {
		/* The origin's silence counts from here: until now it was not listened to. */
		if (x->answered && x->upload.done)
			channel_set_timeouts(x->origin, idle_ms, idle_ms);
		exchange_step_answer(x);
	}
}

void exchange_on_hop_end(struct exchange *x, enum channel_end end)
{
	(void)end;
	if (x->finished)
		end_session(x, SESSION_RESET);
	else
		exchange_abort(x);
}

/* ---- tunnels */

static void on_tunnel_end(enum tunnel_end end, void *arg)
{
	struct exchange *x = arg;

	x->tunnel = NULL;
	if (end == TUNNEL_HOP_LOST)
		record_aborted(x->worker->sink, &x->request);
	end_session(x, SESSION_RESET);
}

void exchange_begin_tunnel(struct exchange *x)
{
	event_del(&x->response_timer);
	channel_flush(x->hop);
	x->tunnel = tunnel_new(x->worker->base, x->hop, x->origin,
		x->worker->shared->settings.idle_timeout_ms, on_tunnel_end, x);
	if (!x->tunnel) {
		exchange_cut(x);
		return;
	}
	x->hop = x->origin = NULL;
	x->session->channel = NULL;
}

static void establish_connect(struct exchange *x)
{
	static const char answer[] = "HTTP/1.1 200 Connection Established\r\n\r\n";

	if (evbuffer_add(channel_output(x->hop), answer, sizeof(answer) - 1) != 0)
		exchange_cut(x);
	else
		exchange_begin_tunnel(x);
}

/* ---- the connection */

static void send_request(struct exchange *x)
{
	const struct egress_settings *settings = &x->worker->shared->settings;

	channel_set_callbacks(x->origin, &exchange_origin_callbacks, x);
	channel_set_output_low(x->origin, EXCHANGE_OUTPUT_LOW);
	channel_set_timeouts(x->origin, 0, settings->idle_timeout_ms);
	if (evbuffer_add(channel_output(x->origin), x->head, x->head_size) != 0) {
		exchange_fail(x, HOP_OVERLOADED, "out of memory");
		return;
	}
	if (x->upload.done) {
		channel_flush(x->origin);
		note_upload_end(x);
		return;
	}
	channel_set_timeouts(x->hop, settings->idle_timeout_ms, 0);
	if (exchange_pump_upload(x))
		channel_flush(x->origin);
}

static void on_reached(struct channel *channel, enum hop_failure failure, const char *detail, void *arg)
{
	struct exchange *x = arg;

	x->reach = NULL;
	x->origin = channel;
	x->reused = false;
	if (!channel)
		exchange_fail(x, failure, detail);
	else if (x->request.connect)
		establish_connect(x);
	else
		send_request(x);
}

static void reach_origin(struct exchange *x)
{
	x->reach = reach_start(x->worker, &x->request, on_reached, x);
	if (!x->reach)
		exchange_fail(x, HOP_OVERLOADED, "out of memory");
}

void exchange_origin_closed(struct exchange *x)
{
	if (!x->reused || x->heard || !x->request.repeatable) {
		exchange_fail(x, HOP_ORIGIN_CLOSED, "the origin closed the connection before a whole answer");
		return;
	}
	event_del(&x->response_timer);
	tls_close(x->origin);
	x->origin = NULL;
	x->origin_lost = false;
	reach_origin(x);
}

void exchange_run(struct exchange *x)
{
	/* A tunnel takes the connection with it, and comes from no pool. */
	if (!x->request.connect && !x->request.upgrade)
		x->origin = pool_take(x->worker->pool, x->request.key);
	if (!x->origin) {
		reach_origin(x);
		return;
	}
	x->reused = true;
	send_request(x);
}

struct exchange *exchange_new(struct session *session, const struct http1_head *head,
	const struct request *request, struct span target)
{
	size_t bound = request->connect ? 0 : forward_bound(head);
	struct exchange *x = malloc(sizeof(*x) + bound);

	if (!x)
		return NULL;
	memset(x, 0, sizeof(*x));
	x->session = session;
	x->worker = session->worker;
	x->hop = session->channel;
	x->request = *request;
	event_assign(&x->response_timer, x->worker->base, -1, 0, on_response_timeout, x);
	body_start(&x->upload, head);
	x->upload.from_hop = true;
	if (!request->connect)
		x->head_size = forward_write_request(head, request, target, x->head, bound);
	if (!request->connect && x->head_size == 0) {
		free(x);
		return NULL;
	}
	return x;
}
