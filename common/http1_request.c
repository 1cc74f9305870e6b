/*
 * Request heads (RFC 9112 2, 3, 5, 6). The start line is judged octet by octet, so that what is no HTTP/1 at
 * all (TLS, HTTP/2, SSH) and what is too long is refused as soon as it shows, not when its head ends.
 */
#include "common/http1_scan.h"

#include "common/octets.h"
#include "common/url.h"

static enum http1_result scan_method(struct cursor *c, struct span *method)
{
	const char *p = c->p;

	while (p < c->end && octet_is(*p, OCTET_TOKEN) && p - c->p <= HTTP1_MAX_METHOD)
		p++;
	if (p - c->p > HTTP1_MAX_METHOD)
		return cursor_fail(c, HTTP1_BAD_METHOD);
	if (p == c->end)
		return HTTP1_MORE;
	if (p == c->p && (*p == '\r' || *p == '\n'))
		return cursor_fail(c, HTTP1_BAD_START_LINE);
	if (p == c->p || *p != ' ')
		return cursor_fail(c, HTTP1_BAD_METHOD);
	*method = (struct span){c->p, (size_t)(p - c->p)};
	c->p = p + 1;
	return HTTP1_DONE;
}

/* Why a target stopped at this octet. A line that ends here is HTTP/0.9. */
static enum http1_error target_error(char c)
{
	if (c == '\r' || c == '\n')
		return HTTP1_BAD_START_LINE;
	return octet_is(c, OCTET_FIELD) ? HTTP1_BAD_TARGET : HTTP1_BAD_CONTROL;
}

static enum http1_result scan_target(struct cursor *c, struct span *target)
{
	const char *p = c->p;

	while (p < c->end && octet_is(*p, OCTET_TARGET))
		p++;
	if ((size_t)(p - c->p) > c->limits->target)
		return cursor_fail(c, HTTP1_TARGET_TOO_LONG);
	if (p == c->end)
		return HTTP1_MORE;
	if (*p != ' ')
		return cursor_fail(c, target_error(*p));
	if (p == c->p)
		return cursor_fail(c, HTTP1_BAD_TARGET);
	*target = (struct span){c->p, (size_t)(p - c->p)};
	c->p = p + 1;
	return HTTP1_DONE;
}

/* RFC 9112 3.2: four forms, each with the methods it is for. Origin form needs no look: scan_target() took
 * its octets. */
static bool target_fits(struct span method, struct span target)
{
	struct authority authority;
	struct url url;

	if (span_equals(method, SPAN("CONNECT")))
		return authority_parse(target, 0, &authority);
	if (target.p[0] == '/')
		return true;
	if (span_equals(target, SPAN("*")))
		return span_equals(method, SPAN("OPTIONS"));
	return url_parse_absolute(target, &url);
}

static enum http1_result scan_request_line(struct cursor *c, struct http1_head *head)
{
	enum http1_result result = scan_method(c, &head->method);

	if (result == HTTP1_DONE)
		result = scan_target(c, &head->target);
	if (result == HTTP1_DONE)
		result = scan_version(c, &head->minor);
	if (result == HTTP1_DONE)
		result = cursor_skip_line_end(c, HTTP1_BAD_VERSION);
	if (result == HTTP1_DONE && !target_fits(head->method, head->target))
		result = cursor_fail(c, HTTP1_BAD_TARGET);
	return result;
}

/* Python's http.client before 3.12 opens its tunnels with "CONNECT name:port HTTP/1.0" and no Host. */
static bool host_may_be_absent(const struct http1_head *head)
{
	return head->minor == 0 && head->target.p[0] != '/' && head->target.p[0] != '*';
}

static enum http1_result conclude_request(
	struct cursor *c, struct http1_head *head, const struct field_notes *notes)
{
	if (!notes->has_host && !host_may_be_absent(head))
		return cursor_fail(c, HTTP1_BAD_HOST);
	if (notes->has_coding)
		head->framing = HTTP1_CHUNKED;
	else if (notes->has_length)
		head->framing = HTTP1_LENGTH;
	head->keep_alive = notes_keep_alive(notes, head->minor);
	head->expect_continue = notes->expect && head->minor == 1 && (notes->has_coding || head->length > 0);
	head->upgrade_websocket = notes_websocket(notes) && head->minor == 1 && !notes->has_coding &&
				  head->length == 0 && span_equals(head->method, SPAN("GET"));
	return HTTP1_DONE;
}

static enum http1_result parse_request(const char *buf, size_t n, size_t seen,
	const struct head_limits *limits, struct http1_head *head, enum http1_error *error)
{
	struct cursor c;
	struct field_notes notes = {.is_request = true};
	enum http1_result result;

	*error = HTTP1_OK;
	if (n == 0 || !scan_is_due(buf, n, seen, limits))
		return HTTP1_MORE;
	cursor_start(&c, buf, n, limits);
	head_clear(head);
	result = scan_request_line(&c, head);
	if (result == HTTP1_DONE)
		result = scan_fields(&c, head, note_field, &notes);
	if (result == HTTP1_DONE) {
		head->size = (size_t)(c.p - buf);
		result = conclude_request(&c, head, &notes);
	}
	return scan_conclude(&c, result, n, error);
}

enum http1_result http1_parse_request(
	const char *buf, size_t n, size_t seen, struct http1_head *head, enum http1_error *error)
{
	return parse_request(buf, n, seen, &peer_limits, head, error);
}

enum http1_result http1_parse_hop_request(
	const char *buf, size_t n, size_t seen, struct http1_head *head, enum http1_error *error)
{
	return parse_request(buf, n, seen, &hop_limits, head, error);
}
