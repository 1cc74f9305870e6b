/*
 * The trailer section of a chunked body (RFC 9112 7.1.2): field lines like those of a head, but those by
 * which anybody would frame, route or authenticate come too late to be obeyed and are bad (RFC 9110 6.5.1):
 * one recipient would merge them into the head that the other has long acted on.
 */
#include "common/http1_scan.h"

static const struct head_limits trailer_limits = {.head = HTTP1_MAX_TRAILERS, .fields = HTTP1_MAX_FIELDS};
static const struct head_limits hop_limits_of_trailers = {
	.head = HTTP1_HOP_MAX_TRAILERS, .fields = HTTP1_MAX_FIELDS};

static const char *const forbidden_names[] = {
	"Transfer-Encoding",
	"Content-Length",
	"Host",
	"Content-Encoding",
	"Content-Type",
	"Content-Range",
	"Trailer",
	"Authorization",
	"Cookie",
	"Set-Cookie",
	"Connection",
	"Keep-Alive",
	"TE",
	"Upgrade",
	"Expect",
};

static bool is_forbidden(struct span name)
{
	if (name.n >= 6 && strncasecmp(name.p, "Proxy-", 6) == 0)
		return true;
	for (size_t i = 0; i < sizeof(forbidden_names) / sizeof(forbidden_names[0]); i++)
		if (span_equals_nocase(name, span_of(forbidden_names[i])))
			return true;
	return false;
}

static enum http1_error check_trailer(struct http1_head *head, const struct http1_field *field, void *arg)
{
	(void)head;
	(void)arg;
	return is_forbidden(field->name) ? HTTP1_BAD_TRAILER : HTTP1_OK;
}

static enum http1_result parse_trailers(const char *buf, size_t n, size_t seen,
	const struct head_limits *limits, struct http1_head *head, enum http1_error *error)
{
	struct cursor c;
	enum http1_result result;

	*error = HTTP1_OK;
	if (n == 0 || !scan_is_due(buf, n, seen, limits))
		return HTTP1_MORE;
	cursor_start(&c, buf, n, limits);
	head_clear(head);
	result = scan_fields(&c, head, check_trailer, NULL);
	if (result == HTTP1_DONE)
		head->size = (size_t)(c.p - buf);
	return scan_conclude(&c, result, n, error);
}

enum http1_result http1_parse_trailers(
	const char *buf, size_t n, size_t seen, struct http1_head *head, enum http1_error *error)
{
	return parse_trailers(buf, n, seen, &trailer_limits, head, error);
}

enum http1_result http1_parse_hop_trailers(
	const char *buf, size_t n, size_t seen, struct http1_head *head, enum http1_error *error)
{
	return parse_trailers(buf, n, seen, &hop_limits_of_trailers, head, error);
}
