/*
 * Admission of a request, and its end. Everything that can be said of a request from its head is said here,
 * before a connection to egress is so much as thought of; an exchange that is not admitted never had one.
 */
#include "pipelock/proxy/exchange.h"

#include "pipelock/proxy/destination.h"
#include "pipelock/proxy/forward.h"
#include "pipelock/proxy/hop.h"
#include "pipelock/route.h"

#include <stdlib.h>
#include <string.h>

/* ---- life */

static struct exchange *exchange_new(struct session *session)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	if (!exchange)
		return NULL;
	exchange->session = session;
	exchange->worker = session->worker;
	exchange->began_ms = loop_now_ms();
	clock_gettime(CLOCK_REALTIME_COARSE, &exchange->began);
	worker_make_id(session->worker, exchange->id);
	session->exchange = exchange;
	session->state = SESSION_EXCHANGE;
	channel_set_callbacks(session->agent, &exchange_agent_callbacks, exchange);
	channel_set_output_low(session->agent, EXCHANGE_OUTPUT_LOW);
	return exchange;
}

static void exchange_free(struct exchange *exchange)
{
	struct exchange_request *request = &exchange->request;
	if (exchange->tunnelled)
		event_del(&exchange->tunnel.idle_timer);
	exchange_websocket_release(exchange);
	exchange_response_release(exchange);
	if (request->pending) {
		worker_hold(exchange->worker, -(int64_t)request->held);
		evbuffer_free(request->pending);
		event_del(&request->hold_timer);
		event_del(&request->pace_timer);
	}
	gate_release(&exchange->gate);
	channel_abort(exchange->hop);
	free(request->trailers);
	free(exchange->hop_head);
	free(exchange->url);
	free(exchange);
}

/* The exchange's last act. */
static void exchange_end(struct exchange *exchange, enum session_next next)
{
	struct session *session = exchange->session;
	exchange_free(exchange);
	session_exchange_done(session, next);
}

/* ---- admission */

static bool exchange_deny(struct exchange *exchange, enum refusal_code code)
{
	exchange->refusal = (struct refusal){.code = code};
	return false;
}

/* What has nothing to do with the request itself. */
static bool exchange_admit_now(struct exchange *exchange)
{
	struct worker *worker = exchange->worker;
	if (!audit_sink_ready(worker->audit))
		return exchange_deny(exchange, REFUSAL_AUDIT_UNAVAILABLE);
	if (worker_memory_is_gone(worker))
		return exchange_deny(exchange, REFUSAL_OVERLOADED);
	if (worker->draining)
		return exchange_deny(exchange, REFUSAL_STOPPING);
	return true;
}

static bool exchange_keep_url(struct exchange *exchange)
{
	size_t size = target_url(&exchange->target, NULL, 0);
	exchange->url = malloc(size);
	if (!exchange->url)
		return exchange_deny(exchange, REFUSAL_OVERLOADED);
	exchange->url_size = target_url(&exchange->target, exchange->url, size);
	return true;
}

struct span exchange_host(const struct exchange *exchange)
{
	const struct host *host = &exchange->target.authority.host;
	return (struct span){host->text, host->length};
}

/* The route, and the URL against the rules. This comes before any refusal, so that a URL that the log tells
 * was scanned. */
static void exchange_open_gate(struct exchange *exchange, const struct http1_head *head)
{
	struct worker *worker = exchange->worker;
	struct span path = exchange->target.path.n > 0 ? exchange->target.path : SPAN("/");
	const char *query = memchr(path.p, '?', path.n);
	if (query)
		path.n = (size_t)(query - path.p);
	exchange->route = route_find(worker->proxy->config, exchange_host(exchange), head->method, path);
	gate_open(&exchange->gate, worker->scanner, worker->proxy->config, exchange->route,
		exchange_host(exchange));
	gate_url(&exchange->gate, (struct span){exchange->url, exchange->url_size});
	if (exchange->odd_method)
		gate_text(&exchange->gate, SCAN_HEADER, head->method);
}

/* Where it goes: the place, then the route. */
static bool exchange_admit_destination(struct exchange *exchange)
{
	const struct config *config = exchange->worker->proxy->config;
	enum refusal_code code = destination_judge(&exchange->target.authority.host, exchange->target.tls,
		route_names_host(config, exchange_host(exchange)));
	if (code != REFUSAL_NONE)
		return exchange_deny(exchange, code);
	if (exchange->route && exchange->route->action == ROUTE_DENY)
		return exchange_deny(exchange, REFUSAL_ROUTE_DENIED);
	if (!exchange->route && config->mode == MODE_STRICT)
		return exchange_deny(exchange, REFUSAL_UNNAMED_HOST);
	return true;
}

/* What it says: URL (scanned before) and fields against the rules. */
static bool exchange_admit_words(struct exchange *exchange, const struct http1_head *head)
{
	gate_fields(&exchange->gate, SCAN_HEADER, head);
	if (head->framing != HTTP1_NO_BODY)
		gate_body_begin(&exchange->gate, SCAN_BODY, head);
	if (gate_verdict(&exchange->gate) != VERDICT_BLOCK)
		return true;
	return exchange_deny(
		exchange, exchange->gate.findings.unscannable ? REFUSAL_UNSCANNABLE : REFUSAL_RULE_MATCH);
}

static bool exchange_admit_upgrade(struct exchange *exchange, const struct http1_head *head)
{
	exchange->upgrade = head->upgrade_websocket;
	if (!exchange->upgrade || (span_equals(head->method, SPAN("GET")) && head->framing == HTTP1_NO_BODY))
		return true;
	return exchange_deny(exchange, REFUSAL_UPGRADE);
}

static bool exchange_keep_hop_head(struct exchange *exchange, const struct http1_head *head)
{
	struct worker *worker = exchange->worker;
	size_t size = forward_request(head, &exchange->target, worker->proxy->start.capability, exchange->id,
		worker->scratch, sizeof(worker->scratch));
	exchange->hop_head = size ? malloc(size) : NULL;
	if (!exchange->hop_head)
		return exchange_deny(exchange, REFUSAL_OVERLOADED);
	memcpy(exchange->hop_head, worker->scratch, size);
	exchange->hop_head_size = size;
	return true;
}

/*
 * The requests of a tunnel whose CONNECT was refused: nothing of them is looked at, so nothing of them is
 * told; the log has what CONNECT asked for.
 */
static bool exchange_admit_tunnel(struct exchange *exchange)
{
	struct session *session = exchange->session;
	if (session->tunnel_refusal.code == REFUSAL_NONE)
		return true;
	session->tunnel_refusal_logged = true;
	exchange->refusal = session->tunnel_refusal;
	exchange->route = session->tunnel_route;
	exchange->target.authority = session->tunnel;
	exchange->url = session->tunnel_url ? strdup(session->tunnel_url) : NULL;
	exchange->url_size = exchange->url ? strlen(exchange->url) : 0;
	if (session->tunnel_findings)
		exchange->gate.findings = *session->tunnel_findings;
	return false;
}

static bool exchange_admit_target(struct exchange *exchange, const struct http1_head *head)
{
	const struct session *session = exchange->session;
	const struct authority *tunnel = session->in_tunnel ? &session->tunnel : NULL;
	if (target_resolve(head, tunnel, &exchange->target, &exchange->refusal) != REFUSAL_NONE)
		return false;
	/* The spelling in which something was found is that which can be masked. */
	if (tunnel && session->tunnel_findings && session->tunnel_url)
		exchange->target.named = target_named_by_connect(span_of(session->tunnel_url));
	else if (tunnel)
		exchange->target.named = target_named_by_connect(head->host);
	return true;
}

static bool exchange_admit(struct exchange *exchange, const struct http1_head *head)
{
	if (!exchange_admit_tunnel(exchange) || !exchange_admit_target(exchange, head) ||
		!exchange_keep_url(exchange))
		return false;
	exchange_open_gate(exchange, head);
	return exchange_admit_now(exchange) && exchange_admit_destination(exchange) &&
	       exchange_admit_upgrade(exchange, head) && exchange_admit_words(exchange, head) &&
	       exchange_keep_hop_head(exchange, head);
}

/* Those of the IANA registry that are in use, WebDAV's and caches' among them. */
static bool method_is_known(struct span method)
{
	static const char *const known[] = {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH",
		"CONNECT", "TRACE", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK",
		"REPORT", "SEARCH", "MKCALENDAR", "ACL", "PURGE", "QUERY", "MERGE", "CHECKOUT", "MKACTIVITY",
		"LINK", "UNLINK"};
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (span_equals(method, span_of(known[i])))
			return true;
	return false;
}

static void exchange_keep_method(struct exchange *exchange, struct span method)
{
	size_t n = method.n < sizeof(exchange->method) - 1 ? method.n : sizeof(exchange->method) - 1;
	memcpy(exchange->method, method.p, n);
	exchange->head_request = span_equals(method, SPAN("HEAD"));
	exchange->odd_method = !method_is_known(method);
}

void exchange_begin(struct session *session, const struct http1_head *head)
{
	struct exchange *exchange = exchange_new(session);
	if (!exchange) {
		session_abort(session);
		return;
	}
	exchange_keep_method(exchange, head->method);
	exchange->keep_alive = head->keep_alive;
	exchange->http10 = head->minor == 0;
	exchange->request.framing = head->framing;
	exchange->request.left = head->length;
	exchange->request.received =
		head->framing == HTTP1_NO_BODY || (head->framing == HTTP1_LENGTH && head->length == 0);
	bool expect_continue = head->expect_continue;
	bool admitted = exchange_admit(exchange, head);
	/* The spans of the head end here. */
	exchange->target.path = exchange->target.named = (struct span){NULL, 0};
	evbuffer_drain(channel_input(session->agent), head->size);
	if (!admitted) {
		struct refusal refusal = exchange->refusal;
		exchange_refuse(exchange, &refusal);
		return;
	}
	exchange->request.continue_sent = !expect_continue;
	exchange_request_start(exchange);
}

void exchange_begin_refused(struct session *session, const struct refusal *refusal)
{
	struct exchange *exchange = exchange_new(session);
	if (!exchange) {
		session_abort(session);
		return;
	}
	exchange_refuse(exchange, refusal);
}

void exchange_begin_splice(struct session *session, const struct http1_head *head,
	const struct authority *authority, const struct route *route)
{
	struct exchange *exchange = exchange_new(session);
	if (!exchange) {
		session_abort(session);
		return;
	}
	struct worker *worker = exchange->worker;
	exchange_keep_method(exchange, head->method);
	exchange->splice = true;
	exchange->route = route;
	exchange->target = (struct target){.tls = true, .authority = *authority};
	if (session->tunnel_url)
		exchange->target.named = target_named_by_connect(span_of(session->tunnel_url));
	exchange->request.received = true;
	exchange->request.continue_sent = true;
	bool ok = exchange_keep_url(exchange);
	gate_open(&exchange->gate, worker->scanner, worker->proxy->config, route, exchange_host(exchange));
	gate_url(&exchange->gate, (struct span){exchange->url, exchange->url_size});
	ok = ok && exchange_admit_now(exchange);
	size_t size = forward_connect(authority, worker->proxy->start.capability, exchange->id,
		worker->scratch, sizeof(worker->scratch));
	exchange->hop_head = ok ? malloc(size) : NULL;
	evbuffer_drain(channel_input(session->agent), head->size);
	if (!exchange->hop_head) {
		exchange_refuse_code(
			exchange, exchange->refusal.code ? exchange->refusal.code : REFUSAL_OVERLOADED);
		return;
	}
	memcpy(exchange->hop_head, worker->scratch, size);
	exchange->hop_head_size = size;
	exchange_request_start(exchange);
}

/* ---- ends */

void exchange_complete(struct exchange *exchange)
{
	struct exchange_request *request = &exchange->request;
	struct channel *agent = exchange->session->agent;
	bool whole = request->received && request->sent;
	if (!exchange_record(exchange, "request", NULL)) {
		exchange_end(exchange, SESSION_ABORT);
		return;
	}
	if (exchange->hop && whole && exchange->response.hop_keep_alive) {
		hop_release(exchange->worker, exchange->hop);
		exchange->hop = NULL;
	}
	channel_flush(agent);
	exchange_end(exchange, whole && exchange->keep_alive ? SESSION_KEEP : SESSION_CLOSE);
}

/* What the refusal names: an answer may have come, or begun, before the rest of the request was judged. */
static const struct findings *exchange_blocking(const struct exchange *exchange)
{
	const struct gate *answer = &exchange->response.gate;
	return exchange->response.gated && gate_verdict(answer) == VERDICT_BLOCK ? &answer->findings
										 : &exchange->gate.findings;
}

void exchange_refuse_code(struct exchange *exchange, enum refusal_code code)
{
	struct refusal refusal = {.code = code};
	exchange_refuse(exchange, &refusal);
}

void exchange_refuse(struct exchange *exchange, const struct refusal *refusal)
{
	struct session *session = exchange->session;
	exchange->refusal = *refusal;
	channel_abort(exchange->hop);
	exchange->hop = NULL;
	/* A malformed head leaves no place where the next one could begin. */
	bool keep = exchange->keep_alive && exchange->request.received && !exchange->request.streaming;
	bool recorded = exchange_record(exchange, "request", NULL);
	/* A refusal for want of a log can't be in the log: it passes nothing, and is told. */
	if (exchange->response.begun || (!recorded && refusal->code != REFUSAL_AUDIT_UNAVAILABLE)) {
		exchange_end(exchange, SESSION_ABORT);
		return;
	}
	struct refusal_context context = {
		.request_id = exchange->id,
		.findings = exchange_blocking(exchange),
		.route = exchange->route && exchange->route->name ? span_of(exchange->route->name)
								  : (struct span){NULL, 0},
		.head_request = exchange->head_request,
		.close = !keep,
	};
	int rc = refusal_write(channel_output(session->agent), refusal, &context);
	channel_flush(session->agent);
	exchange_end(exchange, rc != 0 ? SESSION_ABORT : keep ? SESSION_KEEP : SESSION_CLOSE);
}

void exchange_cut(struct exchange *exchange, const char *code)
{
	exchange_record(exchange, "request", code);
	exchange_end(exchange, SESSION_ABORT);
}

void exchange_end_tunnel(struct exchange *exchange, const char *code)
{
	exchange_record(exchange, "tunnel_closed", code);
	exchange_end(exchange, code ? SESSION_ABORT : SESSION_CLOSE);
}

void exchange_refuse_tunnel(struct exchange *exchange, const struct refusal *refusal)
{
	exchange->refusal = *refusal;
	bool recorded = exchange_record(exchange, "tunnel_closed", NULL);
	exchange_end(exchange, recorded ? SESSION_CLOSE : SESSION_ABORT);
}

void exchange_abort(struct exchange *exchange)
{
	exchange_cut(exchange, "aborted");
}

/* After each piece that was scanned. */
bool exchange_check_verdict(struct exchange *exchange)
{
	if (gate_verdict(&exchange->gate) != VERDICT_BLOCK)
		return true;
	exchange_refuse_code(
		exchange, exchange->gate.findings.unscannable ? REFUSAL_UNSCANNABLE : REFUSAL_RULE_MATCH);
	return false;
}
