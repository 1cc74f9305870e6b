/*
 * Reads what a hop request asks for. Methods and ids are copied into bounded room; a request that does not
 * fit is none of pipelock's. The URI alone says where a request goes: its Host field is never looked at (RFC
 * 9112 3.2.2).
 */
#include "egress/request.h"

#include <openssl/crypto.h>
#include <stdio.h>

bool request_is_authorized(const struct http1_head *head, const char capability[HOP_CAPABILITY_TEXT_SIZE])
{
	static const char scheme[] = "Bearer ";
	const size_t prefix = sizeof(scheme) - 1, size = HOP_CAPABILITY_TEXT_SIZE - 1;
	size_t count = 0;
	const struct http1_field *field = http1_find(head, SPAN("Proxy-Authorization"), &count);

	if (!field || count != 1 || field->value.n != prefix + size)
		return false;
	return memcmp(field->value.p, scheme, prefix) == 0 &&
	       CRYPTO_memcmp(field->value.p + prefix, capability, size) == 0;
}

/* Ids are pipelock's own: printable, without what would need quoting anywhere. */
static bool copy_word(struct span text, char *out, size_t room)
{
	if (text.n >= room)
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			return false;
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return true;
}

static const char *read_connect(const struct http1_head *head, struct request *out)
{
	out->connect = true;
	if (head->framing != HTTP1_NO_BODY)
		return "CONNECT with a body";
	if (!authority_parse(head->target, 0, &out->authority))
		return "the target of CONNECT is not host:port";
	return NULL;
}

static const char *read_absolute(const struct http1_head *head, struct request *out, struct span *target)
{
	struct url url;

	if (!url_parse_absolute(head->target, &url))
		return "the target is not an absolute URL";
	if (url.scheme != URL_HTTP && url.scheme != URL_HTTPS)
		return "the scheme is neither http nor https";
	out->scheme = url.scheme;
	out->authority = url.authority;
	out->upgrade = head->upgrade_websocket;
	*target = url.target;
	return NULL;
}

/* GET, HEAD and OPTIONS alone, and only without a body: what else is idempotent by its definition is not in
 * practice. */
static bool is_repeatable(const struct http1_head *head)
{
	return head->framing == HTTP1_NO_BODY && !head->upgrade_websocket &&
	       (span_equals(head->method, SPAN("GET")) || span_equals(head->method, SPAN("HEAD")) ||
		       span_equals(head->method, SPAN("OPTIONS")));
}

const char *request_read(const struct http1_head *head, struct request *out, struct span *target)
{
	size_t ids = 0;
	const struct http1_field *id = http1_find(head, SPAN(HOP_REQUEST_FIELD), &ids);
	const char *wrong;

	memset(out, 0, sizeof(*out));
	*target = (struct span){"", 0};
	if (head->minor != 1)
		return "not HTTP/1.1";
	if (!copy_word(head->method, out->method, sizeof(out->method)))
		return "the method is too long";
	if (ids > 1 || (id && !copy_word(id->value, out->id, sizeof(out->id))))
		return "the request id is malformed";
	wrong = span_equals(head->method, SPAN("CONNECT")) ? read_connect(head, out)
							   : read_absolute(head, out, target);
	if (wrong)
		return wrong;
	out->repeatable = !out->connect && is_repeatable(head);
	snprintf(out->key, sizeof(out->key), "%s://%s:%u", out->scheme == URL_HTTPS ? "https" : "http",
		out->authority.host.text, (unsigned)out->authority.port);
	return NULL;
}
