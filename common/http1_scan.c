/*
 * The left-to-right scanner of HTTP/1 heads: line ends, versions, field lines. It accepts what RFC 9112 lets
 * a sender write and nothing that it merely lets a recipient repair. It never looks past the end it was
 * given, and never writes but into the head.
 */
#include "common/http1_scan.h"

#include "common/octets.h"

#include <stdint.h>

/* More octets than a method with the space after it may have (HTTP1_MAX_METHOD), or a whole status line's
 * fixed part. */
#define MAX_START 128

const struct head_limits peer_limits = {
	.target = HTTP1_MAX_TARGET, .head = HTTP1_MAX_HEAD, .fields = HTTP1_MAX_FIELDS};
const struct head_limits hop_limits = {.target = HTTP1_MAX_TARGET + HTTP1_HOP_OCTETS,
	.head = HTTP1_HOP_MAX_HEAD,
	.fields = HTTP1_MAX_FIELDS + HTTP1_HOP_FIELDS};

void cursor_start(struct cursor *c, const char *buf, size_t n, const struct head_limits *limits)
{
	*c = (struct cursor){buf, buf + (n < limits->head ? n : limits->head), limits, HTTP1_OK};
}

enum http1_result cursor_fail(struct cursor *c, enum http1_error error)
{
	c->error = error;
	return HTTP1_BAD;
}

enum http1_result cursor_skip_line_end(struct cursor *c, enum http1_error otherwise)
{
	if (c->p == c->end)
		return HTTP1_MORE;
	if (*c->p == '\n')
		return cursor_fail(c, HTTP1_BAD_LINE_END);
	if (*c->p != '\r')
		return cursor_fail(c, otherwise);
	if (c->end - c->p < 2)
		return HTTP1_MORE;
	if (c->p[1] != '\n')
		return cursor_fail(c, HTTP1_BAD_LINE_END);
	c->p += 2;
	return HTTP1_DONE;
}

/* Eight octets at a time while none of them is a control; a HT, rare in values, is left to the table. */
const char *scan_field_octets(const char *p, const char *end)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);

	while (end - p >= 8) {
		uint64_t word, del, found;

		memcpy(&word, p, sizeof(word));
		del = word ^ (ones * 0x7f);
		found = ((word - ones * 0x20) & ~word) | ((del - ones) & ~del);
		if ((found & (ones * 0x80)) != 0)
			break;
		p += 8;
	}
	while (p < end && octet_is(*p, OCTET_FIELD))
		p++;
	return p;
}

enum http1_result scan_version(struct cursor *c, unsigned *minor)
{
	static const struct span prefix = {"HTTP/1.", 7};
	size_t have = (size_t)(c->end - c->p);

	if (memcmp(c->p, prefix.p, have < prefix.n ? have : prefix.n) != 0)
		return cursor_fail(c, HTTP1_BAD_VERSION);
	if (have <= prefix.n)
		return HTTP1_MORE;
	if (c->p[prefix.n] != '0' && c->p[prefix.n] != '1')
		return cursor_fail(c, HTTP1_BAD_VERSION);
	*minor = (unsigned)(c->p[prefix.n] - '0');
	c->p += prefix.n + 1;
	return HTTP1_DONE;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* field-name ":" , with nothing between them: a space there has split many a proxy from its origin (RFC
 * 9112 5.1). */
static enum http1_result scan_name(struct cursor *c, struct span *name)
{
	const char *p = c->p;

	if (p < c->end && is_blank(*p))
		return cursor_fail(c, HTTP1_BAD_FOLD);
	while (p < c->end && octet_is(*p, OCTET_TOKEN))
		p++;
	if (p == c->end)
		return HTTP1_MORE;
	if (*p != ':' || p == c->p)
		return cursor_fail(c, HTTP1_BAD_FIELD_NAME);
	*name = (struct span){c->p, (size_t)(p - c->p)};
	c->p = p + 1;
	return HTTP1_DONE;
}

static enum http1_result scan_value(struct cursor *c, struct span *value)
{
	const char *start, *stop;
	enum http1_result result;

	while (c->p < c->end && is_blank(*c->p))
		c->p++;
	start = c->p;
	stop = c->p = scan_field_octets(c->p, c->end);
	result = cursor_skip_line_end(c, HTTP1_BAD_CONTROL);
	if (result != HTTP1_DONE)
		return result;
	while (stop > start && is_blank(stop[-1]))
		stop--;
	*value = (struct span){start, (size_t)(stop - start)};
	return HTTP1_DONE;
}

static enum http1_result scan_field(
	struct cursor *c, struct http1_head *head, scan_field_fn *on_field, void *arg)
{
	struct http1_field *field = &head->fields[head->field_count];
	enum http1_result result;
	enum http1_error error;

	if (head->field_count == c->limits->fields)
		return cursor_fail(c, HTTP1_TOO_MANY_FIELDS);
	result = scan_name(c, &field->name);
	if (result == HTTP1_DONE)
		result = scan_value(c, &field->value);
	if (result != HTTP1_DONE)
		return result;
	error = on_field(head, field, arg);
	if (error != HTTP1_OK)
		return cursor_fail(c, error);
	head->field_count++;
	return HTTP1_DONE;
}

enum http1_result scan_fields(struct cursor *c, struct http1_head *head, scan_field_fn *on_field, void *arg)
{
	while (c->p < c->end && *c->p != '\r' && *c->p != '\n') {
		enum http1_result result = scan_field(c, head, on_field, arg);

		if (result != HTTP1_DONE)
			return result;
	}
	return cursor_skip_line_end(c, HTTP1_BAD_LINE_END);
}

/*
 * A head that comes one octet at a time would cost its square if each octet were a reason to begin again.
 * Reasons are: a control character (line ends among them; the octet before counts, since a CR there makes
 * anything but LF bad), the start of the start line, a target that grows past its limit, and the limit of the
 * whole.
 */
bool scan_is_due(const char *buf, size_t n, size_t seen, const struct head_limits *limits)
{
	if (seen < MAX_START || seen >= n || n >= limits->head)
		return true;
	if (n > limits->target && seen < limits->target + MAX_START)
		return true;
	return scan_field_octets(buf + seen - 1, buf + n) != buf + n;
}

void head_clear(struct http1_head *head)
{
	size_t fields_end = offsetof(struct http1_head, fields) + sizeof(head->fields);

	memset(head, 0, offsetof(struct http1_head, fields));
	memset((char *)head + fields_end, 0, sizeof(*head) - fields_end);
}

enum http1_result scan_conclude(
	const struct cursor *c, enum http1_result result, size_t n, enum http1_error *error)
{
	*error = HTTP1_OK;
	if (result == HTTP1_BAD)
		*error = c->error;
	if (result == HTTP1_MORE && n >= c->limits->head) {
		*error = HTTP1_HEAD_TOO_LARGE;
		result = HTTP1_BAD;
	}
	return result;
}

bool list_next(struct span *rest, struct span *element)
{
	const char *p = rest->p, *start, *stop, *end;

	if (rest->n == 0)
		return false;
	end = p + rest->n;
	while (p < end && (is_blank(*p) || *p == ','))
		p++;
	start = p;
	while (p < end && *p != ',')
		p++;
	for (stop = p; stop > start && is_blank(stop[-1]); stop--)
		;
	*rest = (struct span){p, (size_t)(end - p)};
	*element = (struct span){start, (size_t)(stop - start)};
	return stop > start;
}
