/*
 * Response heads (RFC 9112 4, 5, 6.3). What an origin sends is trusted no more than what an agent sends: a
 * response that two parsers could end in different places would let one origin answer for another on a shared
 * connection.
 */
#include "common/http1_scan.h"

#include "common/octets.h"

/* Three digits, 100 to 599 (RFC 9110 15). */
static enum http1_result scan_status(struct cursor *c, unsigned *status)
{
	unsigned value = 0;
	int i;

	for (i = 0; i < 3 && c->p + i < c->end; i++) {
		if (!octet_is(c->p[i], OCTET_DIGIT) || (i == 0 && (c->p[0] < '1' || c->p[0] > '5')))
			return cursor_fail(c, HTTP1_BAD_STATUS);
		value = value * 10 + (unsigned)(c->p[i] - '0');
	}
	if (i < 3)
		return HTTP1_MORE;
	*status = value;
	c->p += 3;
	return HTTP1_DONE;
}

/* The space after the status is mandatory even before an empty reason, and missing from many a server: no
 * parser reads the line differently without it. */
static enum http1_result scan_reason(struct cursor *c, struct span *reason)
{
	if (c->p == c->end)
		return HTTP1_MORE;
	if (*c->p == ' ') {
		const char *start = ++c->p;

		c->p = scan_field_octets(c->p, c->end);
		*reason = (struct span){start, (size_t)(c->p - start)};
		return cursor_skip_line_end(c, HTTP1_BAD_CONTROL);
	}
	return cursor_skip_line_end(c, HTTP1_BAD_STATUS);
}

static enum http1_result scan_status_line(struct cursor *c, struct http1_head *head)
{
	enum http1_result result = scan_version(c, &head->minor);

	if (result == HTTP1_DONE && c->p == c->end)
		result = HTTP1_MORE;
	if (result == HTTP1_DONE && *c->p++ != ' ')
		result = cursor_fail(c, HTTP1_BAD_VERSION);
	if (result == HTTP1_DONE)
		result = scan_status(c, &head->status);
	if (result == HTTP1_DONE)
		result = scan_reason(c, &head->reason);
	return result;
}

static bool status_has_no_body(unsigned status)
{
	return status < 200 || status == 204 || status == 304;
}

/* RFC 9112 6.3, rules 1 to 8, of which 3 and 5 were enforced field by field. */
static enum http1_framing response_framing(
	const struct http1_head *head, const struct field_notes *notes, struct span method)
{
	bool tunnel = head->status >= 200 && head->status < 300 && span_equals(method, SPAN("CONNECT"));

	if (tunnel || status_has_no_body(head->status) || span_equals(method, SPAN("HEAD")))
		return HTTP1_NO_BODY;
	if (notes->has_coding)
		return HTTP1_CHUNKED;
	return notes->has_length ? HTTP1_LENGTH : HTTP1_UNTIL_CLOSE;
}

static enum http1_result conclude_response(
	struct cursor *c, struct http1_head *head, const struct field_notes *notes, struct span method)
{
	if (head->status < 200 || head->status == 204) {
		if (notes->has_coding)
			return cursor_fail(c, HTTP1_BAD_CODING);
		if (notes->has_length && head->length != 0)
			return cursor_fail(c, HTTP1_BAD_LENGTH);
	}
	head->framing = response_framing(head, notes, method);
	head->keep_alive = notes_keep_alive(notes, head->minor) && head->framing != HTTP1_UNTIL_CLOSE;
	head->upgrade_websocket = head->status == 101 && notes_websocket(notes);
	return HTTP1_DONE;
}

static enum http1_result parse_response(const char *buf, size_t n, size_t seen,
	const struct head_limits *limits, struct span method, struct http1_head *head,
	enum http1_error *error)
{
	struct cursor c;
	struct field_notes notes = {.is_request = false};
	enum http1_result result;

	*error = HTTP1_OK;
	if (n == 0 || !scan_is_due(buf, n, seen, limits))
		return HTTP1_MORE;
	cursor_start(&c, buf, n, limits);
	head_clear(head);
	result = scan_status_line(&c, head);
	if (result == HTTP1_DONE)
		result = scan_fields(&c, head, note_field, &notes);
	if (result == HTTP1_DONE) {
		head->size = (size_t)(c.p - buf);
		result = conclude_response(&c, head, &notes, method);
	}
	return scan_conclude(&c, result, n, error);
}

enum http1_result http1_parse_response(const char *buf, size_t n, size_t seen, struct span method,
	struct http1_head *head, enum http1_error *error)
{
	return parse_response(buf, n, seen, &peer_limits, method, head, error);
}

enum http1_result http1_parse_hop_response(const char *buf, size_t n, size_t seen, struct span method,
	struct http1_head *head, enum http1_error *error)
{
	return parse_response(buf, n, seen, &hop_limits, method, head, error);
}
