/*
 * Writes heads. Dropped from both directions: hop-by-hop fields (RFC 9110 7.6.1), the framing, Pipelock-*.
 * From requests also Proxy-* (the capability), Host (the URI counts), Expect (pipelock has answered it),
 * HTTP2-Settings (h2c is never offered). From responses Alt-Svc: it would lead the agent past the proxy (RFC
 * 7838).
 */
#include "egress/forward.h"

#include "common/text.h"

#include <inttypes.h>
#include <stdio.h>

static bool starts_nocase(struct span text, struct span prefix)
{
	return text.n >= prefix.n && strncasecmp(text.p, prefix.p, prefix.n) == 0;
}

static bool is_ours_or_framing(const struct http1_head *head, const struct http1_field *field)
{
	return http1_is_hop_by_hop(head, field) || starts_nocase(field->name, SPAN("Pipelock-")) ||
	       span_equals_nocase(field->name, SPAN("Content-Length"));
}

static void put_framing(struct text *text, enum http1_framing framing, uint64_t length)
{
	char digits[24];
	int n;

	switch (framing) {
	case HTTP1_LENGTH:
		n = snprintf(digits, sizeof(digits), "%" PRIu64, length);
		text_add_field(text, SPAN("Content-Length"), (struct span){digits, (size_t)n});
		break;
	case HTTP1_CHUNKED:
	case HTTP1_UNTIL_CLOSE:
		text_add_field(text, SPAN("Transfer-Encoding"), SPAN("chunked"));
		break;
	case HTTP1_NO_BODY:
		break;
	}
}

static void put_upgrade(struct text *text)
{
	text_add_field(text, SPAN("Connection"), SPAN("Upgrade"));
	text_add_field(text, SPAN("Upgrade"), SPAN("websocket"));
}

size_t forward_bound(const struct http1_head *head)
{
	/* A field may grow by the space after its colon; what is added besides is the Host and a few short
	 * fields. */
	return head->size + head->field_count + AUTHORITY_TEXT_SIZE + 256;
}

/* ---- requests */

static void put_target(struct text *text, const struct request *request, struct span target)
{
	if (target.n == 0 && strcmp(request->method, "OPTIONS") == 0) {
		text_add(text, SPAN("*"));
		return;
	}
	if (target.n == 0 || target.p[0] != '/')
		text_add(text, SPAN("/"));
	text_add(text, target);
}

static bool request_drops(const struct http1_head *head, const struct http1_field *field)
{
	return is_ours_or_framing(head, field) || starts_nocase(field->name, SPAN("Proxy-")) ||
	       span_equals_nocase(field->name, SPAN("Host")) ||
	       span_equals_nocase(field->name, SPAN("Expect")) ||
	       span_equals_nocase(field->name, SPAN("HTTP2-Settings"));
}

size_t forward_write_request(const struct http1_head *head, const struct request *request, struct span target,
	char *out, size_t room)
{
	struct text text = {.p = out, .room = room};
	char authority[AUTHORITY_TEXT_SIZE];
	size_t n = authority_format(&request->authority, request->scheme == URL_HTTPS ? 443 : 80, authority);

	text_add(&text, span_of(request->method));
	text_add(&text, SPAN(" "));
	put_target(&text, request, target);
	text_add(&text, SPAN(" HTTP/1.1\r\n"));
	text_add_field(&text, SPAN("Host"), (struct span){authority, n});
	for (size_t i = 0; i < head->field_count; i++)
		if (!request_drops(head, &head->fields[i]))
			text_add_field(&text, head->fields[i].name, head->fields[i].value);
	if (request->upgrade)
		put_upgrade(&text);
	put_framing(&text, head->framing, head->length);
	return text_end_head(&text);
}

/* ---- responses */

/* The answer to HEAD, and 304, tell the length of a body that does not follow (RFC 9110 8.6). */
static bool tells_length(const struct http1_head *head, const struct request *request)
{
	return head->status == 304 ||
	       (head->status >= 200 && head->status != 204 && strcmp(request->method, "HEAD") == 0);
}

static bool response_drops(
	const struct http1_head *head, const struct request *request, const struct http1_field *field)
{
	if (head->framing == HTTP1_NO_BODY && span_equals_nocase(field->name, SPAN("Content-Length")))
		return !tells_length(head, request);
	return is_ours_or_framing(head, field) || span_equals_nocase(field->name, SPAN("Alt-Svc"));
}

size_t forward_write_response(
	const struct http1_head *head, const struct request *request, bool close, char *out, size_t room)
{
	struct text text = {.p = out, .room = room};
	char status[24];
	int n = snprintf(status, sizeof(status), "HTTP/1.1 %03u ", head->status);

	text_add(&text, (struct span){status, (size_t)n});
	text_add(&text, head->reason);
	text_add(&text, SPAN("\r\n"));
	for (size_t i = 0; i < head->field_count; i++)
		if (!response_drops(head, request, &head->fields[i]))
			text_add_field(&text, head->fields[i].name, head->fields[i].value);
	if (head->status == 101)
		put_upgrade(&text);
	else if (close)
		text_add_field(&text, SPAN("Connection"), SPAN("close"));
	put_framing(&text, head->framing, head->length);
	return text_end_head(&text);
}

size_t forward_write_trailers(const struct http1_head *head, char *out, size_t room)
{
	struct text text = {.p = out, .room = room};

	for (size_t i = 0; i < head->field_count; i++) {
		const struct http1_field *field = &head->fields[i];

		if (!is_ours_or_framing(head, field) && !starts_nocase(field->name, SPAN("Proxy-")) &&
			!span_equals_nocase(field->name, SPAN("Alt-Svc")))
			text_add_field(&text, field->name, field->value);
	}
	return text_end_head(&text);
}
