/*
 * One decision, as the log tells it: filled by the proxy, rendered to the members of one JSON object
 * (docs/log.md). Pure. No octet that a rule matched is ever rendered, in any form that gives it back.
 */
#ifndef PIPELOCK_AUDIT_EVENT_H
#define PIPELOCK_AUDIT_EVENT_H

#include "common/json.h"
#include "pipelock/audit/time.h"
#include "pipelock/scan/scan.h"

#define AUDIT_MAX_URL 2048 /* octets of a URL that are written */
#define AUDIT_MAX_DETAIL 512
#define AUDIT_MASK "***"

enum audit_tls {
	AUDIT_TLS_NONE = 0, /* no connection was as far as that */
	AUDIT_TLS_PLAIN,    /* http */
	AUDIT_TLS_OPENED,   /* https, read by pipelock */
	AUDIT_TLS_SPLICED,  /* a tunnel that was not opened */
};

/* Empty spans, NULL and 0 (for port and status) are members that are left out. Everything is borrowed. */
struct audit_event {
	int64_t time_ms;   /* since the epoch: when the request began */
	const char *event; /* "request", "connection_refused", "tls_failed", ... */
	const char *id;	   /* of the request */
	struct span agent; /* address of who asked */
	struct span method, url;
	struct span host; /* canonical */
	uint16_t port;
	const char *route;
	bool has_verdict;
	enum verdict verdict;
	const char *code; /* why it was refused or failed, as in Pipelock-Code */
	const struct findings *findings;
	enum audit_tls tls;
	unsigned status;  /* what the agent got */
	bool has_traffic; /* the counts and times below are told */
	uint64_t request_bytes, response_bytes, scanned_bytes;
	uint64_t duration_ms;
	bool has_first_byte;
	uint64_t ttfb_ms;   /* from the request's begin to the answer's first octet */
	struct span detail; /* one line for the operator; never octets of a request */
};

/* Append the members to *out, without braces. False when *out failed: out of memory, or over its maximum,
 * which has to be KEEPER_MAX_RECORD at least for any event to fit. */
bool audit_event_render(const struct audit_event *event, struct json *out);

/*
 * The URL with every match masked, cut at AUDIT_MAX_URL octets, into out[0..AUDIT_MAX_URL +
 * sizeof(AUDIT_MASK)). A match that was found in a decoded view is masked with the whole path segment or
 * query value around it; when it can't be said where all matches are, everything behind the authority is.
 * Returns the length.
 */
#define AUDIT_URL_ROOM (AUDIT_MAX_URL + sizeof(AUDIT_MASK))
size_t audit_url_mask(struct span url, const struct findings *findings, char out[AUDIT_URL_ROOM]);

#endif
