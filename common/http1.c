/*
 * What is asked of a parsed head: its fields, which of them end at this hop, and what to say about a bad one.
 */
#include "common/http1.h"

#include "common/http1_scan.h"

const struct http1_field *http1_find(const struct http1_head *head, struct span name, size_t *count)
{
	const struct http1_field *first = NULL;
	size_t found = 0;

	for (size_t i = 0; i < head->field_count; i++) {
		if (!span_equals_nocase(head->fields[i].name, name))
			continue;
		if (found++ == 0)
			first = &head->fields[i];
		if (count == NULL)
			break;
	}
	if (count != NULL)
		*count = found;
	return first;
}

bool http1_list_has(struct span list, struct span token)
{
	struct span element;

	while (list_next(&list, &element))
		if (span_equals_nocase(element, token))
			return true;
	return false;
}

static bool is_among(struct span name, const struct span *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_equals_nocase(name, names[i]))
			return true;
	return false;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NAME(literal)                                                                                        \
	{                                                                                                    \
		(literal), sizeof(literal) - 1                                                               \
	}

/* RFC 9110 7.6.1 and 11.7; Proxy-Connection is no standard, and older than it. */
static const struct span hop_fields[] = {
	NAME("Connection"),
	NAME("Keep-Alive"),
	NAME("Proxy-Connection"),
	NAME("Proxy-Authenticate"),
	NAME("Proxy-Authorization"),
	NAME("Proxy-Authentication-Info"),
	NAME("TE"),
	NAME("Trailer"),
	NAME("Transfer-Encoding"),
	NAME("Upgrade"),
};

/* What Connection can't name away: routing, authentication, the content and how to read it, caching,
 * redirection. */
static const struct span kept_fields[] = {
	NAME("Host"),
	NAME("Content-Length"),
	NAME("Content-Type"),
	NAME("Content-Encoding"),
	NAME("Content-Range"),
	NAME("Content-Disposition"),
	NAME("Content-Location"),
	NAME("Content-Language"),
	NAME("Content-Security-Policy"),
	NAME("Authorization"),
	NAME("WWW-Authenticate"),
	NAME("Cookie"),
	NAME("Set-Cookie"),
	NAME("Origin"),
	NAME("Cache-Control"),
	NAME("Pragma"),
	NAME("Vary"),
	NAME("ETag"),
	NAME("Date"),
	NAME("Expires"),
	NAME("Age"),
	NAME("Location"),
	NAME("Range"),
	NAME("If-Match"),
	NAME("If-None-Match"),
	NAME("If-Range"),
	NAME("If-Modified-Since"),
	NAME("If-Unmodified-Since"),
	NAME("Expect"),
	NAME("Max-Forwards"),
	NAME("Strict-Transport-Security"),
};

static bool connection_names(const struct http1_head *head, struct span name)
{
	for (size_t i = 0; i < head->field_count; i++)
		if (span_equals_nocase(head->fields[i].name, SPAN("Connection")) &&
			http1_list_has(head->fields[i].value, name))
			return true;
	return false;
}

bool http1_is_hop_by_hop(const struct http1_head *head, const struct http1_field *field)
{
	if (is_among(field->name, hop_fields, COUNT(hop_fields)))
		return true;
	return head->names_fields && connection_names(head, field->name) &&
	       !is_among(field->name, kept_fields, COUNT(kept_fields));
}

const char *http1_error_text(enum http1_error error)
{
	switch (error) {
	case HTTP1_OK:
		return "the message is well formed";
	case HTTP1_BAD_START_LINE:
		return "the start line is not that of an HTTP/1 message";
	case HTTP1_BAD_METHOD:
		return "the method is not a token of at most 31 characters";
	case HTTP1_BAD_TARGET:
		return "the request target is malformed, or not in a form that the method allows";
	case HTTP1_BAD_VERSION:
		return "the version is neither HTTP/1.0 nor HTTP/1.1";
	case HTTP1_BAD_STATUS:
		return "the status is not a number from 100 to 599";
	case HTTP1_BAD_LINE_END:
		return "a line does not end in CR LF, or CR or LF stand alone";
	case HTTP1_BAD_CONTROL:
		return "a control character stands in the head";
	case HTTP1_BAD_FIELD_NAME:
		return "a field name is empty, not a token, or not followed by a colon at once";
	case HTTP1_BAD_FOLD:
		return "a field is folded over lines";
	case HTTP1_BAD_HOST:
		return "Host is missing, stands twice, or is not a host with an optional port";
	case HTTP1_BAD_LENGTH:
		return "Content-Length is not one decimal number, stands twice, or contradicts the status";
	case HTTP1_BAD_CODING:
		return "Transfer-Encoding is not one \"chunked\" in an HTTP/1.1 message that may have a body";
	case HTTP1_LENGTH_AND_CODING:
		return "Content-Length and Transfer-Encoding stand together";
	case HTTP1_BAD_CHUNK:
		return "a chunk of the body is malformed";
	case HTTP1_BAD_TRAILER:
		return "a trailer field frames, routes or authenticates the message";
	case HTTP1_TARGET_TOO_LONG:
		return "the request target is longer than 32 KiB";
	case HTTP1_HEAD_TOO_LARGE:
		return "the head is larger than 64 KiB, or the trailer section than 16 KiB";
	case HTTP1_TOO_MANY_FIELDS:
		return "there are more than 128 fields";
	}
	return "the message is malformed";
}

unsigned http1_error_status(enum http1_error error)
{
	switch (error) {
	case HTTP1_TARGET_TOO_LONG:
		return 414;
	case HTTP1_HEAD_TOO_LARGE:
	case HTTP1_TOO_MANY_FIELDS:
		return 431;
	default:
		return 400;
	}
}
