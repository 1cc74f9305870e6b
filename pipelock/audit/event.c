/*
 * Renders a decision. Each member is bounded, so that any event fits into one record. Of findings only the
 * rule, the place and a keyed fingerprint are told.
 */
#include "pipelock/audit/event.h"

#include "pipelock/audit/chain.h"
#include "pipelock/audit/mask.h"

#define MAX_NAME 128 /* rules, routes, methods, codes */
#define MAX_HOST 256

static struct span cut(struct span text, size_t max)
{
	return text.n > max ? (struct span){text.p, max} : text;
}

static void put_span(struct json *out, const char *key, struct span text, size_t max)
{
	if (text.n > 0)
		json_put_string(out, key, cut(text, max));
}

static void put_text(struct json *out, const char *key, const char *text)
{
	if (text)
		put_span(out, key, span_of(text), MAX_NAME);
}

static void put_where(const struct audit_event *event, struct json *out)
{
	char url[AUDIT_URL_ROOM];
	if (event->url.n > 0)
		json_put_string(
			out, "url", (struct span){url, audit_url_mask(event->url, event->findings, url)});
	/* A secret in the host name would stand here a second time. */
	if (event->host.n > 0 && audit_mask_covers_host(event->url, event->findings))
		json_put_text(out, "host", AUDIT_MASK);
	else
		put_span(out, "host", event->host, MAX_HOST);
	if (event->port > 0)
		json_put_number(out, "port", event->port);
}

static void put_finding(const struct finding *finding, struct json *out)
{
	char fingerprint[2 * SCAN_FINGERPRINT_SIZE + 1];
	chain_hex(finding->fingerprint, SCAN_FINGERPRINT_SIZE, fingerprint);
	json_open_object(out);
	put_text(out, "rule", finding->rule->id);
	json_put_text(out, "tier", rule_tier_name(finding->rule->tier));
	json_put_text(out, "severity", severity_name(finding->rule->severity));
	json_put_text(out, "action", verdict_name(finding->rule->action));
	json_put_text(out, "part", scan_part_name(finding->part));
	json_put_text(out, "view", scan_view_name(finding->view));
	json_put_number(out, "count", finding->count);
	json_put_text(out, "fingerprint", fingerprint);
	json_close_object(out);
}

static void put_findings(const struct findings *findings, struct json *out)
{
	if (!findings)
		return;
	if (findings->count > 0) {
		json_key(out, "findings");
		json_open_array(out);
		for (size_t i = 0; i < findings->count && i < SCAN_MAX_FINDINGS; i++)
			put_finding(&findings->items[i], out);
		json_close_array(out);
	}
	if (findings->dropped > 0)
		json_put_number(out, "findings_dropped", findings->dropped);
	if (findings->unscannable) {
		put_text(out, "unscannable", findings->unscannable);
		json_put_text(out, "unscannable_part", scan_part_name(findings->unscannable_part));
	}
}

static void put_traffic(const struct audit_event *event, struct json *out)
{
	if (!event->has_traffic)
		return;
	json_put_number(out, "request_bytes", event->request_bytes);
	json_put_number(out, "response_bytes", event->response_bytes);
	json_put_number(out, "scanned_bytes", event->scanned_bytes);
	json_put_number(out, "duration_ms", event->duration_ms);
	if (event->has_first_byte)
		json_put_number(out, "ttfb_ms", event->ttfb_ms);
}

bool audit_event_render(const struct audit_event *event, struct json *out)
{
	static const char *const tls[] = {NULL, "plain", "opened", "spliced"};
	char time[AUDIT_TIME_SIZE];
	json_put_text(out, "time", audit_time_format(event->time_ms, time));
	json_put_text(out, "event", event->event);
	put_text(out, "id", event->id);
	put_span(out, "agent", event->agent, MAX_NAME);
	put_span(out, "method", event->method, MAX_NAME);
	put_where(event, out);
	put_text(out, "route", event->route);
	if (event->has_verdict)
		json_put_text(out, "verdict", verdict_name(event->verdict));
	put_text(out, "code", event->code);
	put_findings(event->findings, out);
	if (event->tls != AUDIT_TLS_NONE)
		json_put_text(out, "tls", tls[event->tls]);
	if (event->status > 0)
		json_put_number(out, "status", event->status);
	put_traffic(event, out);
	put_span(out, "detail", event->detail, AUDIT_MAX_DETAIL);
	return !out->failed;
}
