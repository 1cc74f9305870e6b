/*
 * Every wait of a session has an end: an idle connection by the channel's read timeout, a head and a
 * handshake by an absolute deadline that no trickle of octets moves (slowloris).
 */
#include "pipelock/proxy/session.h"

#include "pipelock/proxy/destination.h"
#include "pipelock/proxy/exchange.h"
#include "pipelock/route.h"

#include <stdlib.h>
#include <string.h>

static const struct channel_callbacks session_callbacks;

_Static_assert(CHANNEL_INPUT_HIGH > HTTP1_HOP_MAX_HEAD, "a whole head fits into an input");

/* ---- deadline */

static void on_again(evutil_socket_t fd, short what, void *arg);

static void session_disarm(struct session *session)
{
	event_del(&session->deadline);
}

static void session_arm(struct session *session, uint64_t ms)
{
	if (event_pending(&session->deadline, EV_TIMEOUT, NULL))
		return;
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
	event_add(&session->deadline, &tv);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct session *session = arg;
	if (session->state == SESSION_HEAD && session->head_seen > 0) {
		struct refusal refusal = {.code = REFUSAL_TIMEOUT};
		exchange_begin_refused(session, &refusal);
		return;
	}
	if (session->state == SESSION_TLS && session->tunnel_refusal.code == REFUSAL_NONE)
		exchange_record_failed_handshake(session, "timeout");
	session_close(session);
}

/* ---- life */

/* Nothing more is asked of this connection. */
static void session_stop(struct session *session)
{
	bool untold = session->tunnel_refusal.code != REFUSAL_NONE && !session->tunnel_refusal_logged;
	session->state = SESSION_ENDING;
	session_disarm(session);
	event_del(&session->again);
	if (untold)
		exchange_record_refused_tunnel(session);
	session->tunnel_refusal_logged = true;
}

static void session_forget_tunnel(struct session *session)
{
	free(session->tunnel_findings);
	free(session->tunnel_url);
	session->tunnel_findings = NULL;
	session->tunnel_url = NULL;
}

/* The connection itself was ended. */
static void session_free(struct session *session)
{
	struct worker *worker = session->worker;
	intercept_release(&session->intercept);
	LIST_REMOVE(session, link);
	session_forget_tunnel(session);
	free(session);
	worker_session_gone(worker);
}

static void on_last_words(struct channel *agent, enum channel_end end, void *arg)
{
	(void)end;
	channel_free(agent);
	session_free(arg);
}

void session_close(struct session *session)
{
	static const struct channel_callbacks callbacks = {.on_end = on_last_words};
	session_stop(session);
	channel_set_callbacks(session->agent, &callbacks, session);
	if (channel_linger(session->agent))
		return;
	channel_free(session->agent);
	session_free(session);
}

void session_abort(struct session *session)
{
	session_stop(session);
	channel_abort(session->agent);
	session_free(session);
}

static void session_await_head(struct session *session)
{
	session->state = SESSION_HEAD;
	session->head_seen = 0;
	channel_set_callbacks(session->agent, &session_callbacks, session);
	channel_enable_reading(session->agent, true);
	channel_set_timeouts(session->agent, (unsigned)session->worker->proxy->config->timeouts.idle_ms,
		(unsigned)session->worker->proxy->config->timeouts.idle_ms);
}

void session_new(struct worker *worker, int fd, const struct sockaddr *peer)
{
	struct session *session = calloc(1, sizeof(*session));
	struct channel *agent = channel_new(worker->base, fd, &session_callbacks, session);
	if (!session || !agent) {
		free(session);
		channel_free(agent);
		return;
	}
	struct address address;
	address_from_sockaddr(peer, &address, &session->peer_port);
	if (address.family)
		address_format(&address, session->peer);
	session->worker = worker;
	session->agent = agent;
	event_assign(&session->deadline, worker->base, -1, 0, on_deadline, session);
	event_assign(&session->again, worker->base, -1, 0, on_again, session);
	LIST_INSERT_HEAD(&worker->sessions, session, link);
	atomic_fetch_add(&worker->proxy->connections, 1);
	session_await_head(session);
}

/* ---- CONNECT */

/* Whatever becomes of the tunnel: the log masks what they found. Without memory for them nothing is told of
 * the host. */
static void session_keep_findings(struct session *session, const struct findings *findings)
{
	if (findings->count == 0 && !findings->unscannable && findings->dropped == 0)
		return;
	session->tunnel_findings = malloc(sizeof(*findings));
	if (session->tunnel_findings) {
		*session->tunnel_findings = *findings;
		return;
	}
	session->tunnel_refusal.code = REFUSAL_OVERLOADED;
	free(session->tunnel_url);
	session->tunnel_url = NULL;
}

/* The host is held against the rules as it was sent, before anybody could look it up and before anything is
 * told of it. */
static void session_judge_connect(struct session *session, struct span target)
{
	struct worker *worker = session->worker;
	const struct config *config = worker->proxy->config;
	struct host *host = &session->tunnel.host;
	struct span name = {host->text, host->length};
	const struct route *route = session->tunnel_route = route_find_connect(config, name);
	enum refusal_code code = destination_judge(host, true, route_names_host(config, name));
	struct gate gate;
	gate_open(&gate, worker->scanner, config, route, name);
	gate_url(&gate, target);
	if (code == REFUSAL_NONE && route && route->action == ROUTE_DENY)
		code = REFUSAL_ROUTE_DENIED;
	if (code == REFUSAL_NONE && config->mode == MODE_STRICT && !route_covers_host(config, name))
		code = REFUSAL_UNNAMED_HOST;
	if (code == REFUSAL_NONE && gate_verdict(&gate) == VERDICT_BLOCK)
		code = gate.findings.unscannable ? REFUSAL_UNSCANNABLE : REFUSAL_RULE_MATCH;
	session->tunnel_refusal.code = code;
	session_keep_findings(session, &gate.findings);
	gate_release(&gate);
}

/* A refused CONNECT is opened too, and refused inside, where the client shows it. */
static void session_open_tunnel(struct session *session)
{
	static const char answer[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	struct worker *worker = session->worker;
	session->in_tunnel = true;
	session->state = SESSION_TLS;
	session->intercept.keeper = worker->proxy->keeper;
	session->intercept.loop = worker->loop;
	session->intercept.asked = &session->tunnel.host;
	SSL *ssl = intercept_ssl_new(worker->proxy->tls, &session->intercept);
	if (!ssl || evbuffer_add(channel_output(session->agent), answer, sizeof(answer) - 1) != 0) {
		SSL_free(ssl);
		session_abort(session);
		return;
	}
	channel_flush(session->agent);
	channel_set_timeouts(session->agent, 0, (unsigned)worker->proxy->config->timeouts.idle_ms);
	session_arm(session, worker->proxy->config->timeouts.tls_ms);
	channel_start_tls(session->agent, ssl, true);
}

static void on_leaf(void *arg)
{
	struct session *session = arg;
	channel_resume_handshake(session->agent);
}

/* RFC 9112 3.2.3: Host repeats the target. HTTP/1.0 may have none: the parser lets it be absent there alone.
 */
static bool session_host_repeats(const struct http1_head *head, const struct authority *authority)
{
	struct authority host;
	return head->host.n == 0 ||
	       (authority_parse(head->host, authority->port, &host) && authority_equals(&host, authority));
}

static void session_connect(struct session *session, const struct http1_head *head)
{
	struct authority authority;
	bool ok = authority_parse(head->target, 0, &authority) && head->framing == HTTP1_NO_BODY;
	if (!ok || !session_host_repeats(head, &authority)) {
		struct refusal refusal = {.code = REFUSAL_BAD_REQUEST,
			.detail = "CONNECT needs a host and a port, the same in Host, and no body."};
		exchange_begin_refused(session, &refusal);
		return;
	}
	session_forget_tunnel(session); /* of one that was spliced and did not come about */
	session->tunnel = authority;
	session->tunnel_began_ms = loop_now_ms();
	session->intercept.on_leaf = on_leaf;
	session->intercept.arg = session;
	worker_make_id(session->worker, session->tunnel_id);
	session->tunnel_url = strndup(head->target.p, head->target.n);
	session_judge_connect(session, head->target);
	bool splice = session->tunnel_refusal.code == REFUSAL_NONE && session->tunnel_route &&
		      session->tunnel_route->tls == ROUTE_TLS_SPLICE;
	if (splice) {
		exchange_begin_splice(session, head, &authority, session->tunnel_route);
		return;
	}
	evbuffer_drain(channel_input(session->agent), head->size);
	session_open_tunnel(session);
}

/* ---- heads */

static void session_take_head(struct session *session, const struct http1_head *head)
{
	session_disarm(session);
	session->head_seen = 0;
	if (!session->in_tunnel && span_equals(head->method, SPAN("CONNECT")))
		session_connect(session, head);
	else
		exchange_begin(session, head);
}

static void session_take_bad_head(struct session *session, enum http1_error error)
{
	struct refusal refusal = refusal_from_http1(error);
	session_disarm(session);
	session->head_seen = 0;
	exchange_begin_refused(session, &refusal);
}

/* An agent that reads no answers gets no further ones: they would pile up. */
static bool session_is_behind(const struct session *session)
{
	return channel_output_size(session->agent) > EXCHANGE_OUTPUT_LOW;
}

/* Look at the input once. What is begun here may have ended, and the session with it, when this returns. */
static void session_step(struct session *session)
{
	struct evbuffer *input = channel_input(session->agent);
	size_t n = evbuffer_get_length(input);
	if (session->state != SESSION_HEAD || session_is_behind(session))
		return;
	if (n == 0) {
		if (channel_input_ended(session->agent) || session->worker->draining)
			session_close(session);
		return;
	}
	size_t look = n < HTTP1_MAX_HEAD + 1 ? n : HTTP1_MAX_HEAD + 1;
	struct http1_head head;
	enum http1_error error = HTTP1_OK;
	const char *octets = (const char *)evbuffer_pullup(input, (ev_ssize_t)look);
	enum http1_result result =
		octets ? http1_parse_request(octets, look, session->head_seen, &head, &error) : HTTP1_MORE;
	if (result == HTTP1_DONE) {
		session_take_head(session, &head);
	} else if (result == HTTP1_BAD) {
		session_take_bad_head(session, error);
	} else if (!octets || channel_input_ended(session->agent)) {
		session_close(session); /* nobody will complete it */
	} else {
		session->head_seen = look;
		session_arm(session, session->worker->proxy->config->timeouts.head_ms);
	}
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	session_step(arg);
}

void session_exchange_done(struct session *session, enum session_next next)
{
	session->exchange = NULL;
	if (next == SESSION_ABORT) {
		session_abort(session);
		return;
	}
	if (next == SESSION_CLOSE || session->worker->draining) {
		session_close(session);
		return;
	}
	session_await_head(session);
	/* A pipelined request, or the end, may be there already; taken on the loop's next turn, so that a
	 * long pipeline does not grow the stack. */
	if (evbuffer_get_length(channel_input(session->agent)) > 0 || channel_input_ended(session->agent))
		event_active(&session->again, EV_TIMEOUT, 0);
}

void session_drain(struct session *session)
{
	if (session->state == SESSION_HEAD && session->head_seen == 0)
		session_close(session);
}

/* ---- the channel's callbacks, while no exchange has it */

/* What the client's handshake said, against CONNECT (RFC 6066 3: clients name the host, not an address). */
static void session_check_server_name(struct session *session)
{
	if (session->tunnel_refusal.code != REFUSAL_NONE)
		return;
	enum intercept_name name = intercept_check_name(channel_ssl(session->agent), &session->tunnel.host);
	if (name == INTERCEPT_NAME_OTHER)
		session->tunnel_refusal.code = REFUSAL_HOST_MISMATCH;
	else if (name == INTERCEPT_NAME_MISSING && session->tunnel.host.form == HOST_NAME)
		session->tunnel_refusal.code = REFUSAL_NO_SNI;
}

static void on_session_open(struct channel *agent, void *arg)
{
	(void)agent;
	struct session *session = arg;
	session_disarm(session);
	session_check_server_name(session);
	session_await_head(session);
}

static void on_session_input(struct channel *agent, void *arg)
{
	(void)agent;
	session_step(arg);
}

static void on_session_end(struct channel *agent, enum channel_end end, void *arg)
{
	struct session *session = arg;
	if (session->state == SESSION_TLS && session->tunnel_refusal.code == REFUSAL_NONE)
		exchange_record_failed_handshake(session, channel_tls_error(agent));
	if (end == CHANNEL_READ_TIMEOUT)
		session_close(session);
	else
		session_abort(session);
}

static const struct channel_callbacks session_callbacks = {
	.on_input = on_session_input,
	.on_output_drained = on_session_input,
	.on_open = on_session_open,
	.on_end = on_session_end,
};
