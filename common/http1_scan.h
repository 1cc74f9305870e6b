/*
 * The scanner under the HTTP/1 parsers: it goes over a head from left to right, once, and stops at the first
 * octet that can't stand where it stands or at the end of what has come. So the same bytes give the same
 * answer however they arrive. Private to common/http1*.c and common/chunked.c.
 */
#ifndef COMMON_HTTP1_SCAN_H
#define COMMON_HTTP1_SCAN_H

#include "common/http1.h"

/* Octets of a target and of a whole head or trailer section, and how many fields. */
struct head_limits {
	size_t target, head, fields;
};

extern const struct head_limits peer_limits, hop_limits;

struct cursor {
	const char *p, *end;
	const struct head_limits *limits;
	enum http1_error error; /* set with HTTP1_BAD */
};

/* At the start of buf[0..n), of which no more than limits->head octets are looked at. */
void cursor_start(struct cursor *c, const char *buf, size_t n, const struct head_limits *limits);

/* Remembers why, and is HTTP1_BAD. */
enum http1_result cursor_fail(struct cursor *c, enum http1_error error);

/* CR LF. `otherwise` is the error for an octet that is neither; DONE steps over it. */
enum http1_result cursor_skip_line_end(struct cursor *c, enum http1_error otherwise);

/* The first octet of [p..end) that may not stand in a field value (RFC 9110 5.5), or end. */
const char *scan_field_octets(const char *p, const char *end);

/* "HTTP/1.0" or "HTTP/1.1". */
enum http1_result scan_version(struct cursor *c, unsigned *minor);

/* Told of each field as its line ends. HTTP1_OK goes on. */
typedef enum http1_error scan_field_fn(struct http1_head *head, const struct http1_field *field, void *arg);

/* Field lines and the empty line after them, into head->fields. */
enum http1_result scan_fields(struct cursor *c, struct http1_head *head, scan_field_fn *on_field, void *arg);

/* False when of buf[0..n) the octets after the first `seen`, for which the answer was MORE, can't change that
 * answer. */
bool scan_is_due(const char *buf, size_t n, size_t seen, const struct head_limits *limits);

/* Everything but the field array, which field_count guards, becomes zero. */
void head_clear(struct http1_head *head);

/* The answer of a parser: fills *error, and a section that ends nowhere within its limit is too large. */
enum http1_result scan_conclude(
	const struct cursor *c, enum http1_result result, size_t n, enum http1_error *error);

/* The next element of a comma-separated list (RFC 9110 5.6.1), without white space; empty ones are passed
 * over. */
bool list_next(struct span *rest, struct span *element);

/* What the fields of a head say about its framing and its connection, collected while they are scanned. */
struct field_notes {
	bool is_request;
	bool has_host, has_length, has_coding;
	bool close, persist, upgrade, websocket, expect;
	unsigned upgrade_count;
};

scan_field_fn note_field;

/* Persistence by version and Connection (RFC 9112 9.3). */
bool notes_keep_alive(const struct field_notes *notes, unsigned minor);

/* One Upgrade field that says websocket, and Connection says upgrade (RFC 6455 4.1, 4.2.2). */
bool notes_websocket(const struct field_notes *notes);

#endif
