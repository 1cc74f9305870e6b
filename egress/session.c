/*
 * The hop's server side. What must hold: nothing is done for a request before its capability was compared,
 * and a connection that failed that once is closed. Until its first good request a connection may only last a
 * moment, so that another process on this host can't use all descriptors up.
 */
#include "egress/session.h"

#include "egress/exchange.h"
#include "egress/failure.h"
#include "egress/worker.h"

#include <stdlib.h>
#include <unistd.h>

#define FIRST_REQUEST_MS 10000
#define OUTPUT_LOW (16 * 1024)

_Static_assert(CHANNEL_INPUT_HIGH > HTTP1_HOP_MAX_HEAD, "a whole head fits into an input");

static void on_input(struct channel *channel, void *arg);
static void on_drained(struct channel *channel, void *arg);
static void on_end(struct channel *channel, enum channel_end end, void *arg);

static const struct channel_callbacks session_callbacks = {
	.on_input = on_input, .on_output_drained = on_drained, .on_end = on_end};

void session_start(struct worker *worker, int fd, const struct sockaddr *peer)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session) {
		close(fd);
		return;
	}
	session->worker = worker;
	session->begun_ms = loop_now_ms();
	address_from_sockaddr(peer, &session->peer, &session->peer_port);
	session->channel = channel_new(worker->base, fd, &session_callbacks, session);
	if (!session->channel) {
		free(session);
		return;
	}
	LIST_INSERT_HEAD(&worker->sessions, session, next);
	channel_set_output_low(session->channel, OUTPUT_LOW);
	channel_set_timeouts(session->channel, FIRST_REQUEST_MS, 0);
}

static void on_lingered(struct channel *channel, enum channel_end end, void *arg)
{
	(void)channel;
	session_finish(arg, end == CHANNEL_LINGERED ? SESSION_CLOSE : SESSION_RESET);
}

static bool linger(struct session *session)
{
	static const struct channel_callbacks callbacks = {.on_end = on_lingered};

	session->lingers = true;
	channel_set_callbacks(session->channel, &callbacks, session);
	return channel_linger(session->channel);
}

void session_finish(struct session *session, enum session_end end)
{
	struct worker *worker = session->worker;

	if (session->channel && end == SESSION_LINGER && linger(session))
		return;
	if (end == SESSION_RESET)
		channel_abort(session->channel);
	else
		channel_free(session->channel);
	LIST_REMOVE(session, next);
	free(session);
	worker_note_session_end(worker);
}

/* ---- heads */

/* Answer what is not forwarded, and close: after such a request nothing on the connection is trusted. */
static void refuse(struct session *session, enum hop_failure failure, const char *detail)
{
	struct worker *worker = session->worker;

	if (failure != HOP_OVERLOADED && failure != HOP_AUDIT_UNAVAILABLE)
		record_refused(worker->sink, &worker->refusals, failure, &session->peer, session->peer_port);
	if (failure_write(channel_output(session->channel), failure, detail, true))
		session_finish(session, SESSION_LINGER);
	else
		session_finish(session, SESSION_RESET);
}

static void begin_exchange(struct session *session, const struct http1_head *head)
{
	struct request request;
	struct span target;
	const char *wrong = request_read(head, &request, &target);

	if (wrong) {
		refuse(session, HOP_BAD_REQUEST, wrong);
		return;
	}
	if (!audit_sink_ready(session->worker->sink)) {
		refuse(session, HOP_AUDIT_UNAVAILABLE, "the audit log can't be written");
		return;
	}
	session->exchange = exchange_new(session, head, &request, target);
	if (!session->exchange) {
		refuse(session, HOP_OVERLOADED, "out of memory");
		return;
	}
	channel_set_timeouts(session->channel, 0, 0);
	evbuffer_drain(channel_input(session->channel), head->size);
	session->seen = 0;
	session->begun_ms = 0;
	exchange_run(session->exchange);
}

/* The channel's timer sees silence; a first head that trickles is seen here. */
static bool is_late(const struct session *session)
{
	return session->begun_ms && loop_now_ms() - session->begun_ms > FIRST_REQUEST_MS;
}

static void read_head(struct session *session)
{
	struct evbuffer *input = channel_input(session->channel);
	size_t n = evbuffer_get_length(input);
	enum http1_error error = HTTP1_OK;
	struct http1_head head;

	n = n < HTTP1_HOP_MAX_HEAD + 1 ? n : HTTP1_HOP_MAX_HEAD + 1;
	const char *p = (const char *)evbuffer_pullup(input, (ev_ssize_t)n);

	if (!p) {
		refuse(session, HOP_OVERLOADED, "out of memory");
		return;
	}
	switch (http1_parse_hop_request(p, n, session->seen, &head, &error)) {
	case HTTP1_MORE:
		session->seen = n;
		if (channel_input_ended(session->channel) || is_late(session))
			session_finish(session, SESSION_RESET);
		break;
	case HTTP1_BAD:
		refuse(session, HOP_BAD_REQUEST, http1_error_text(error));
		break;
	case HTTP1_DONE:
		if (request_is_authorized(&head, session->worker->shared->settings.capability))
			begin_exchange(session, &head);
		else
			refuse(session, HOP_UNAUTHORIZED, NULL);
		break;
	}
}

static void wait_for_request(struct session *session)
{
	if (evbuffer_get_length(channel_input(session->channel)) > 0)
		read_head(session);
	else if (channel_input_ended(session->channel))
		session_finish(session, SESSION_CLOSE);
}

void session_next(struct session *session)
{
	session->exchange = NULL;
	wait_for_request(session);
}

/* ---- events */

static void on_input(struct channel *channel, void *arg)
{
	struct session *session = arg;

	(void)channel;
	if (session->exchange)
		exchange_on_hop_input(session->exchange);
	else
		wait_for_request(session);
}

static void on_drained(struct channel *channel, void *arg)
{
	struct session *session = arg;

	(void)channel;
	if (session->exchange)
		exchange_on_hop_drained(session->exchange);
}

static void on_end(struct channel *channel, enum channel_end end, void *arg)
{
	struct session *session = arg;

	(void)channel;
	if (session->exchange)
		exchange_on_hop_end(session->exchange, end);
	else
		session_finish(session, SESSION_RESET);
}

void session_drain(struct session *session)
{
	if (!session->exchange && !session->lingers)
		session_finish(session, SESSION_CLOSE);
}

void session_abort(struct session *session)
{
	if (session->exchange)
		exchange_abort(session->exchange);
	else
		session_finish(session, SESSION_RESET);
}
