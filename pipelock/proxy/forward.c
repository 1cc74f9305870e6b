/*
 * Two lists of fields that don't go on. Each field that is dropped says why.
 */
#include "pipelock/proxy/forward.h"

#include "common/hop.h"
#include "common/text.h"

static bool name_is(struct span name, struct span other)
{
	return span_equals_nocase(name, other);
}

static bool name_starts(struct span name, struct span prefix)
{
	return name.n >= prefix.n && span_equals_nocase((struct span){name.p, prefix.n}, prefix);
}

static bool request_field_stays(const struct http1_head *head, const struct http1_field *field)
{
	struct span name = field->name;
	switch (name.p[0] | 0x20) {
	case 'h': /* Host is written from the target; HTTP2-Settings belongs to h2c (RFC 7540 3.2.1), which
		     would not be read */
		if (name_is(name, SPAN("Host")) || name_is(name, SPAN("HTTP2-Settings")))
			return false;
		break;
	case 'c': /* the framing is written anew */
		if (name_is(name, SPAN("Content-Length")))
			return false;
		break;
	case 'e': /* we have answered it ourselves */
		if (name_is(name, SPAN("Expect")))
			return false;
		break;
	case 'p': /* credentials and words for proxies end here; Pipelock-* are our own */
		if (name_starts(name, SPAN("Proxy-")) || name_starts(name, SPAN("Pipelock-")))
			return false;
		break;
	case 's': /* permessage-deflate is never negotiated: frames stay readable (RFC 7692) */
		if (head->upgrade_websocket && name_is(name, SPAN("Sec-WebSocket-Extensions")))
			return false;
		break;
	default:
		break;
	}
	return !http1_is_hop_by_hop(head, field);
}

static void put_hop_fields(struct text *text, const char *capability, const char *request_id)
{
	text_format(text, "Proxy-Authorization: Bearer %s\r\n" HOP_REQUEST_FIELD ": %s\r\n", capability,
		request_id);
}

size_t forward_request(const struct http1_head *head, const struct target *target, const char *capability,
	const char *request_id, char *out, size_t room)
{
	struct text text = {.p = out, .room = room};
	char authority[AUTHORITY_TEXT_SIZE];
	size_t authority_size = authority_format(&target->authority, target->tls ? 443 : 80, authority);
	text_add(&text, head->method);
	text_add(&text, target->tls ? SPAN(" https://") : SPAN(" http://"));
	text_add(&text, (struct span){authority, authority_size});
	text_add(&text, target->path);
	text_add(&text, SPAN(" HTTP/1.1\r\nHost: "));
	text_add(&text, (struct span){authority, authority_size});
	text_add(&text, SPAN("\r\n"));
	put_hop_fields(&text, capability, request_id);
	for (size_t i = 0; i < head->field_count; i++)
		if (request_field_stays(head, &head->fields[i]))
			text_add_field(&text, head->fields[i].name, head->fields[i].value);
	if (head->upgrade_websocket)
		text_add(&text, SPAN("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
	if (head->framing == HTTP1_LENGTH)
		text_format(&text, "Content-Length: %llu\r\n", (unsigned long long)head->length);
	else if (head->framing == HTTP1_CHUNKED)
		text_add(&text, SPAN("Transfer-Encoding: chunked\r\n"));
	return text_end_head(&text);
}

size_t forward_connect(const struct authority *authority, const char *capability, const char *request_id,
	char *out, size_t room)
{
	struct text text = {.p = out, .room = room};
	char name[AUTHORITY_TEXT_SIZE];
	authority_format(authority, 0, name);
	text_format(&text, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", name, name);
	put_hop_fields(&text, capability, request_id);
	return text_end_head(&text);
}

static bool response_field_stays(
	const struct http1_head *head, const struct http1_field *field, const struct forward_response *how)
{
	struct span name = field->name;
	if (name_starts(name, SPAN("Pipelock-")) || name_starts(name, SPAN("Proxy-")))
		return false;
	if (name_is(name, SPAN("Alt-Svc")) || name_is(name, SPAN("Sec-WebSocket-Extensions")))
		return false;
	/* In an answer without a body (HEAD, 304) the field tells of the body that there would have been (RFC
	 * 9110 8.6). */
	if (name_is(name, SPAN("Content-Length")) && how->framing != HTTP1_NO_BODY)
		return false;
	return !http1_is_hop_by_hop(head, field);
}

static void put_response_framing(struct text *text, const struct forward_response *how)
{
	if (how->framing == HTTP1_LENGTH)
		text_format(text, "Content-Length: %llu\r\n", (unsigned long long)how->length);
	else if (how->framing == HTTP1_CHUNKED)
		text_add(text, SPAN("Transfer-Encoding: chunked\r\n"));
	if (how->upgrade)
		text_add(text, SPAN("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
	else if (!how->keep_alive)
		text_add(text, SPAN("Connection: close\r\n"));
	else if (how->http10)
		text_add(text, SPAN("Connection: keep-alive\r\n"));
}

size_t forward_response(
	const struct http1_head *head, const struct forward_response *how, char *out, size_t room)
{
	struct text text = {.p = out, .room = room};
	text_format(&text, "HTTP/1.1 %u ", head->status);
	text_add(&text, head->reason);
	text_add(&text, SPAN("\r\n"));
	for (size_t i = 0; i < head->field_count; i++)
		if (response_field_stays(head, &head->fields[i], how))
			text_add_field(&text, head->fields[i].name, head->fields[i].value);
	if (head->status >= 200 || how->upgrade)
		put_response_framing(&text, how);
	return text_end_head(&text);
}

size_t forward_trailers(const struct http1_head *trailers, char *out, size_t room)
{
	struct text text = {.p = out, .room = room};
	for (size_t i = 0; i < trailers->field_count; i++)
		if (!http1_is_hop_by_hop(trailers, &trailers->fields[i]) &&
			!name_starts(trailers->fields[i].name, SPAN("Pipelock-")))
			text_add_field(&text, trailers->fields[i].name, trailers->fields[i].value);
	return text_end_head(&text);
}
