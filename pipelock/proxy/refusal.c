/*
 * One table of codes, one writer. Nothing here ever prints bytes of the request: an answer that echoes what
 * was refused would carry the secret on, to the agent's log and from there to its next request.
 */
#include "pipelock/proxy/refusal.h"

#include "common/json.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdio.h>

#define REFUSAL_MAX_BODY (64 * 1024) /* a full table of findings with long descriptions fits */

struct refusal_kind {
	const char *name;
	unsigned status;
	bool policy, retry;
	const char *title;
	const char *change; /* what an operator could change; NULL: nothing */
};

static const struct refusal_kind kinds[REFUSAL_CODES] = {
	[REFUSAL_NONE] = {"none", 500, true, false, "Refused", NULL},
	[REFUSAL_RULE_MATCH] = {"rule_match", 403, true, false,
		"A rule matched what this request would send out",
		"Take the secret out of the request. If it is a false positive: set `overrides: [{rule: ID, "
		"action: warn}]` or "
		"give the rule an `allow` entry; if it belongs to this host: `belongs_to` in the rule or "
		"`on_match` in a route."},
	[REFUSAL_UNSCANNABLE] = {"unscannable", 403, true, false,
		"This request could not be scanned as a whole",
		"Send it in a content coding that is known (identity, gzip, deflate, br, zstd) and well "
		"formed."},
	[REFUSAL_ROUTE_DENIED] = {"route_denied", 403, true, false, "A route denies this request",
		"The route named here has `action: deny`."},
	[REFUSAL_UNNAMED_HOST] = {"unnamed_host", 403, true, false,
		"No route names this host, and the mode is strict",
		"Add a route with this host, or set `mode: balanced`."},
	[REFUSAL_DESTINATION] = {"destination_refused", 403, true, false,
		"This destination is not a public one",
		"Private, loopback, link-local and metadata addresses are not reached through this proxy. "
		"For a known service of "
		"your own, name it in `egress.connect_to`."},
	[REFUSAL_ADDRESS_LITERAL] = {"address_literal", 403, true, false,
		"A TLS destination has to be named, not numbered",
		"Use the host's name, or name the address in a route's `hosts`."},
	[REFUSAL_HOST_MISMATCH] = {"host_mismatch", 403, true, false,
		"CONNECT, the TLS server name and Host do not name the same place", NULL},
	[REFUSAL_NO_SNI] = {"no_server_name", 403, true, false,
		"The TLS handshake named no server (RFC 6066, 3)", NULL},
	[REFUSAL_NESTED_CONNECT] = {"nested_connect", 403, true, false, "CONNECT inside a tunnel", NULL},
	[REFUSAL_ABSOLUTE_IN_TUNNEL] = {"absolute_form_in_tunnel", 403, true, false,
		"A request inside a tunnel has to be in origin form (RFC 9112, 3.2.1)", NULL},
	[REFUSAL_NOT_TLS] = {"not_tls", 403, true, false, "What came through CONNECT is not TLS",
		"Plain protocols can't be opened. For TLS that must not be opened, a route can say `tls: "
		"splice`."},
	[REFUSAL_UPGRADE] = {"upgrade_refused", 403, true, false, "This protocol upgrade is not supported",
		"Only `Upgrade: websocket` is."},
	[REFUSAL_WEBSOCKET] = {"websocket_protocol", 400, true, false,
		"A WebSocket frame violates the protocol (RFC 6455)", NULL},
	[REFUSAL_BAD_REQUEST] = {"bad_request", 400, true, false, "The request is malformed", NULL},
	[REFUSAL_NOT_PROXY_REQUEST] = {"not_a_proxy_request", 400, true, false,
		"This is a forward proxy, not a web server",
		"Set HTTP_PROXY and HTTPS_PROXY to this address; `pipelock env` prints the lines."},
	[REFUSAL_TARGET_TOO_LONG] = {"target_too_long", 414, true, false, "The request target is too long",
		NULL},
	[REFUSAL_HEAD_TOO_LARGE] = {"head_too_large", 431, true, false, "The request head is too large",
		NULL},
	[REFUSAL_TIMEOUT] = {"request_timeout", 408, true, true, "The request did not arrive in time",
		"`timeouts.head` and `timeouts.body` say how long it may take."},
	[REFUSAL_OVERLOADED] = {"overloaded", 503, false, true, "The proxy has no room for this request now",
		"`memory` and `limits.connections` say how much there is."},
	[REFUSAL_AUDIT_UNAVAILABLE] = {"audit_unavailable", 503, false, true,
		"The audit log can't be written, so no traffic passes", "Make room where `audit.file` lies."},
	[REFUSAL_STOPPING] = {"stopping", 503, false, true, "The proxy is stopping", NULL},
	[REFUSAL_EGRESS_UNAVAILABLE] = {"egress_unavailable", 502, false, true,
		"The egress role can't be reached", NULL},
	[REFUSAL_EGRESS_LOST] = {"egress_lost", 502, false, true,
		"The egress role ended while it held this request", NULL},
	[REFUSAL_HOP] = {NULL, 0, false, true, NULL, NULL},
};

static const char *const hop_titles[] = {
	[HOP_FAILURE_NONE] = "Refused",
	[HOP_UNAUTHORIZED] = "The hop was not authorized",
	[HOP_BAD_REQUEST] = "The hop request was malformed",
	[HOP_DESTINATION_REFUSED] = "This destination is not a public one",
	[HOP_DNS_NOT_FOUND] = "The host name does not exist",
	[HOP_DNS_FAILED] = "The host name could not be looked up",
	[HOP_DNS_TIMEOUT] = "The look-up of the host name took too long",
	[HOP_CONNECT_REFUSED] = "The origin refused the connection",
	[HOP_CONNECT_UNREACHABLE] = "The origin can't be reached",
	[HOP_CONNECT_TIMEOUT] = "The origin did not answer the connection in time",
	[HOP_TLS_UNTRUSTED] = "The origin's certificate is not trusted",
	[HOP_TLS_FAILED] = "The TLS handshake with the origin failed",
	[HOP_TLS_TIMEOUT] = "The TLS handshake with the origin took too long",
	[HOP_ORIGIN_CLOSED] = "The origin closed the connection before it answered",
	[HOP_ORIGIN_TIMEOUT] = "The origin did not answer in time",
	[HOP_ORIGIN_MALFORMED] = "The origin's answer is malformed",
	[HOP_OVERLOADED] = "The egress role has no room for this request now",
	[HOP_AUDIT_UNAVAILABLE] = "The egress role can't write the audit log",
};

static bool refusal_is_destination(const struct refusal *refusal)
{
	return refusal->code == REFUSAL_HOP && refusal->failure == HOP_DESTINATION_REFUSED;
}

static const struct refusal_kind *refusal_kind(const struct refusal *refusal)
{
	/* egress judges the resolved address by the same policy as pipelock judges a literal, and may be the
	 * first to see that the log can't be written. */
	if (refusal_is_destination(refusal))
		return &kinds[REFUSAL_DESTINATION];
	if (refusal->code == REFUSAL_HOP && refusal->failure == HOP_AUDIT_UNAVAILABLE)
		return &kinds[REFUSAL_AUDIT_UNAVAILABLE];
	return &kinds[refusal->code];
}

const char *refusal_code_name(const struct refusal *refusal)
{
	const char *name = refusal_kind(refusal)->name;
	return name ? name : hop_failure_name(refusal->failure);
}

unsigned refusal_status(const struct refusal *refusal)
{
	unsigned status = refusal_kind(refusal)->status;
	if (status)
		return status;
	status = hop_failure_status(refusal->failure);
	/* 400 and 407 are between our own roles: to the agent they are a failure behind the proxy. */
	return status < 500 ? 502 : status;
}

bool refusal_is_policy(const struct refusal *refusal)
{
	return refusal_kind(refusal)->policy;
}

bool refusal_is_own(const struct refusal *refusal)
{
	return refusal->code == REFUSAL_OVERLOADED || refusal->code == REFUSAL_AUDIT_UNAVAILABLE ||
	       refusal->code == REFUSAL_STOPPING;
}

bool refusal_may_retry(const struct refusal *refusal)
{
	/* A name that is not there and a certificate that nobody trusts are so tomorrow, too. */
	if (refusal->code == REFUSAL_HOP &&
		(refusal->failure == HOP_DNS_NOT_FOUND || refusal->failure == HOP_TLS_UNTRUSTED))
		return false;
	return refusal_kind(refusal)->retry;
}

struct refusal refusal_from_http1(enum http1_error error)
{
	struct refusal refusal = {.code = REFUSAL_BAD_REQUEST, .http1_error = error};
	if (error == HTTP1_TARGET_TOO_LONG)
		refusal.code = REFUSAL_TARGET_TOO_LONG;
	else if (http1_error_status(error) == 431)
		refusal.code = REFUSAL_HEAD_TOO_LARGE;
	return refusal;
}

static const char *refusal_title(const struct refusal *refusal)
{
	const char *title = refusal_kind(refusal)->title;
	return title ? title : hop_titles[refusal->failure];
}

static const char *status_text(unsigned status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 408:
		return "Request Timeout";
	case 414:
		return "URI Too Long";
	case 431:
		return "Request Header Fields Too Large";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	default:
		return "Refused";
	}
}

static void refusal_put_findings(struct json *json, const struct findings *findings)
{
	json_key(json, "findings");
	json_open_array(json);
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];
		json_open_object(json);
		json_put_text(json, "rule", finding->rule->id);
		json_put_text(json, "description", finding->rule->description);
		json_put_text(json, "where", scan_part_name(finding->part));
		json_put_text(json, "view", scan_view_name(finding->view));
		json_close_object(json);
	}
	json_close_array(json);
}

static const struct finding *refusal_first_blocking(const struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		if (findings->items[i].rule->action == VERDICT_BLOCK)
			return &findings->items[i];
	return findings->count ? &findings->items[0] : NULL;
}

static void refusal_put_why(struct json *json, const struct refusal *refusal, const struct findings *findings)
{
	if (refusal->code == REFUSAL_RULE_MATCH && findings) {
		const struct finding *first = refusal_first_blocking(findings);
		if (first) {
			json_put_text(json, "rule", first->rule->id);
			json_put_text(json, "where", scan_part_name(first->part));
		}
		refusal_put_findings(json, findings);
	}
	if (refusal->code == REFUSAL_UNSCANNABLE && findings && findings->unscannable) {
		json_put_text(json, "where", scan_part_name(findings->unscannable_part));
		json_put_text(json, "reason", findings->unscannable);
	}
	if (refusal->http1_error != HTTP1_OK)
		json_put_text(json, "reason", http1_error_text(refusal->http1_error));
	else if (refusal->detail)
		json_put_text(json, "reason", refusal->detail);
	if (refusal->note[0])
		json_put_text(json, "detail", refusal->note);
}

static void refusal_put_body(
	struct json *json, const struct refusal *refusal, const struct refusal_context *context)
{
	const char *change = refusal_kind(refusal)->change;
	json_open_object(json);
	json_put_text(json, "type", "about:blank");
	json_put_text(json, "title", refusal_title(refusal));
	json_put_number(json, "status", refusal_status(refusal));
	json_put_text(json, "code", refusal_code_name(refusal));
	refusal_put_why(json, refusal, context->findings);
	if (context->route.n)
		json_put_string(json, "route", context->route);
	json_put_text(json, "request_id", context->request_id);
	json_put_bool(json, "retry", refusal_may_retry(refusal));
	if (change)
		json_put_text(json, "change", change);
	json_close_object(json);
}

int refusal_write(struct evbuffer *out, const struct refusal *refusal, const struct refusal_context *context)
{
	struct json json;
	json_init(&json, REFUSAL_MAX_BODY);
	refusal_put_body(&json, refusal, context);
	if (json.failed) { /* rules with whole essays for descriptions: what they are called is in the log */
		struct refusal_context bare = *context;
		bare.findings = NULL;
		json_release(&json);
		json_init(&json, REFUSAL_MAX_BODY);
		refusal_put_body(&json, refusal, &bare);
	}
	struct span body = json.failed ? SPAN("{}") : json_text(&json);
	unsigned status = refusal_status(refusal);
	int rc = evbuffer_add_printf(out,
		"HTTP/1.1 %u %s\r\n"
		"Content-Type: application/problem+json\r\n"
		"Content-Length: %zu\r\n"
		"Cache-Control: no-store\r\n"
		"Pipelock-Code: %s\r\n"
		"Pipelock-Request: %s\r\n"
		"%s%s\r\n",
		status, status_text(status), body.n + 1, refusal_code_name(refusal), context->request_id,
		status == 503 ? "Retry-After: 5\r\n" : "", context->close ? "Connection: close\r\n" : "");
	if (rc >= 0 && !context->head_request) {
		rc = evbuffer_add(out, body.p, body.n);
		rc = rc == 0 ? evbuffer_add(out, "\n", 1) : rc;
	}
	json_release(&json);
	return rc < 0 ? -ENOMEM : 0;
}
