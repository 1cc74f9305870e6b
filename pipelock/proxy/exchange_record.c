/*
 * What an exchange leaves in the log. Every end passes here once; what can't be recorded is not carried out.
 * Octets of a request are written only after they were held against the rules, so that what matched can be
 * masked.
 */
#include "pipelock/proxy/exchange.h"

#include "common/keeper.h"
#include "common/loop.h"
#include "pipelock/audit/event.h"

#include <string.h>

static int64_t exchange_time_ms(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000 + time->tv_nsec / 1000000;
}

static bool record_send(struct worker *worker, const struct audit_event *event)
{
	struct json json;
	json_init(&json, KEEPER_MAX_RECORD);
	bool ok = audit_event_render(event, &json) && audit_sink_record(worker->audit, json_text(&json)) == 0;
	json_release(&json);
	return ok;
}

static enum audit_tls exchange_tls(const struct exchange *exchange)
{
	if (exchange->splice)
		return AUDIT_TLS_SPLICED;
	if (exchange->session->in_tunnel)
		return AUDIT_TLS_OPENED;
	return AUDIT_TLS_PLAIN;
}

/* A refusal by policy or by pipelock's own state blocks, whatever the rules said; what failed behind the
 * proxy was allowed. */
static enum verdict exchange_verdict(const struct exchange *exchange)
{
	if (exchange->refusal.code != REFUSAL_NONE &&
		(refusal_is_policy(&exchange->refusal) || refusal_is_own(&exchange->refusal)))
		return VERDICT_BLOCK;
	if (exchange->refusal.code != REFUSAL_NONE && !exchange->gate.scanner)
		return VERDICT_BLOCK;
	enum verdict verdict = gate_verdict(&exchange->gate);
	return exchange->response.gated ? verdict_stricter(verdict, gate_verdict(&exchange->response.gate))
					: verdict;
}

static const char *exchange_code(const struct exchange *exchange, const char *code)
{
	if (code || exchange->refusal.code == REFUSAL_NONE)
		return code;
	return refusal_code_name(&exchange->refusal);
}

static struct span exchange_detail(const struct exchange *exchange)
{
	const struct refusal *refusal = &exchange->refusal;
	if (refusal->note[0])
		return span_of(refusal->note);
	if (refusal->http1_error != HTTP1_OK)
		return span_of(http1_error_text(refusal->http1_error));
	if (refusal->detail)
		return span_of(refusal->detail);
	return exchange->target.host_rewritten ? SPAN("Host said something else than the URL")
					       : (struct span){NULL, 0};
}

/* A method that no registry knows is octets like any other: it is told only when nothing at all was found. */
static struct span exchange_method(const struct exchange *exchange)
{
	const struct findings *findings = &exchange->gate.findings;
	if (!exchange->odd_method ||
		(exchange->gate.scanner && findings->count == 0 && !findings->unscannable))
		return span_of(exchange->method);
	return SPAN(AUDIT_MASK);
}

bool exchange_record(struct exchange *exchange, const char *name, const char *code)
{
	const struct exchange_response *response = &exchange->response;
	bool refused = exchange->refusal.code != REFUSAL_NONE && !response->begun;
	struct findings all = exchange->gate.findings;
	if (response->gated)
		findings_append(&all, &response->gate.findings);
	struct audit_event event = {
		.time_ms = exchange_time_ms(&exchange->began),
		.event = name,
		.id = exchange->id,
		.agent = span_of(exchange->session->peer),
		.method = exchange_method(exchange),
		.url = {exchange->url, exchange->url_size},
		.route = exchange->route ? exchange->route->name : NULL,
		.has_verdict = true,
		.verdict = exchange_verdict(exchange),
		.code = exchange_code(exchange, code),
		.findings = &all,
		.tls = exchange_tls(exchange),
		.status = refused ? refusal_status(&exchange->refusal) : response->status,
		.has_traffic = true,
		.request_bytes =
			exchange->tunnelled ? exchange->tunnel.to_origin : exchange->request.body_bytes,
		.response_bytes = exchange->tunnelled ? exchange->tunnel.to_agent : response->body_bytes,
		.scanned_bytes = exchange->gate.scanned_bytes + response->gate.scanned_bytes,
		.duration_ms = (uint64_t)(loop_now_ms() - exchange->began_ms),
		.has_first_byte = response->begun,
		.ttfb_ms = response->begun ? (uint64_t)(response->first_ms - exchange->began_ms) : 0,
		.detail = exchange_detail(exchange),
	};
	if (exchange->url) {
		event.host = exchange_host(exchange);
		event.port = exchange->target.authority.port;
	}
	return record_send(exchange->worker, &event);
}

/* What a tunnel's own records have in common. */
static struct audit_event tunnel_event(const struct session *session, const char *name)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	const struct host *host = &session->tunnel.host;
	return (struct audit_event){
		.time_ms = exchange_time_ms(&now) - (loop_now_ms() - session->tunnel_began_ms),
		.event = name,
		.id = session->tunnel_id,
		.agent = span_of(session->peer),
		.method = SPAN("CONNECT"),
		.url = session->tunnel_url ? span_of(session->tunnel_url) : (struct span){NULL, 0},
		.host = {host->text, host->length},
		.port = session->tunnel.port,
		.route = session->tunnel_route ? session->tunnel_route->name : NULL,
		.has_verdict = true,
		.verdict = VERDICT_BLOCK,
		.findings = session->tunnel_findings,
		.tls = AUDIT_TLS_OPENED,
	};
}

void exchange_record_refused_tunnel(struct session *session)
{
	struct audit_event event = tunnel_event(session, "request");
	event.code = refusal_code_name(&session->tunnel_refusal);
	record_send(session->worker, &event);
}

void exchange_record_failed_handshake(struct session *session, const char *why)
{
	struct audit_event event = tunnel_event(session, "tls_failed");
	/* What OpenSSL calls the first octets of something that is no ClientHello at all. */
	bool not_tls = strstr(why, "http request") || strstr(why, "wrong version number") ||
		       strstr(why, "packet length");
	event.code = not_tls ? "not_tls" : "tls_failed";
	event.detail = span_of(why);
	record_send(session->worker, &event);
}
