/*
 * Who splits a secret may put anything between its pieces. Between those of fields stand first of all the
 * fields that a client adds by itself, so they are left out once.
 */
#include "pipelock/proxy/gate_join.h"

#include "pipelock/scan/url_pieces.h"

#include <stdlib.h>
#include <string.h>

#define PIECES_ROOM 128u /* pieces of a URL that are put together without allocating; no host has more */
#define LABELS_OWNED 3u	 /* at the end of a host name, at most */
#define COOKIE_PIECES 256u
#define MAX_LINES (HTTP1_MAX_FIELDS + HTTP1_HOP_FIELDS)

static void join(
	struct gate *gate, enum scan_part part, const struct scan_piece *pieces, size_t count, unsigned how)
{
	struct scan_target target = {.host = gate->host};
	scan_joined(gate->scanner, part, &target, pieces, count, how, &gate->findings);
}

/* ---- the URL */

/* What is encoded in labels ends before those that its owner has bought. */
static void join_labels(struct gate *gate, enum scan_part part, const struct scan_piece *pieces, size_t count)
{
	join(gate, part, pieces, count, SCAN_JOIN_ALL);
	for (size_t owned = 1; owned <= LABELS_OWNED && owned + 1 < count; owned++)
		join(gate, part, pieces, count - owned, SCAN_JOIN_ALL);
}

static void join_list(struct gate *gate, enum url_list list, const struct scan_piece *pieces, size_t count)
{
	static const unsigned how[URL_LISTS] = {[URL_VALUES] = SCAN_JOIN_FORM,
		[URL_NAMES] = SCAN_JOIN_FORM,
		[URL_PAIRS] = SCAN_JOIN_FORM | SCAN_JOIN_ROWS};
	if (list == URL_LABELS)
		join_labels(gate, SCAN_URL, pieces, count);
	else
		join(gate, SCAN_URL, pieces, count, how[list]);
}

void gate_join_url(struct gate *gate, struct span url)
{
	struct scan_piece room[PIECES_ROOM];
	for (enum url_list list = 0; list < URL_LISTS; list++) {
		size_t count = url_pieces(url, list, room, PIECES_ROOM);
		if (count <= PIECES_ROOM) {
			join_list(gate, list, room, count);
			continue;
		}
		struct scan_piece *pieces = malloc(count * sizeof(*pieces));
		if (!pieces) {
			gate_doubt(gate, SCAN_URL, "out of memory");
			return;
		}
		url_pieces(url, list, pieces, count);
		join_list(gate, list, pieces, count);
		free(pieces);
	}
}

/* ---- fields */

/* Fields that clients send by themselves. */
static bool is_usual(struct span name)
{
	static const char *const names[] = {"Host", "User-Agent", "Accept", "Accept-Encoding",
		"Accept-Language", "Connection", "Content-Type", "Content-Length", "Transfer-Encoding", "TE",
		"Expect", "Origin", "Referer", "Cache-Control", "Pragma", "DNT", "Priority", "Sec-Fetch-Dest",
		"Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "Upgrade-Insecure-Requests",
		"Proxy-Connection"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_equals_nocase(name, span_of(names[i])))
			return true;
	return false;
}

/* The fields, and where each line begins. */
struct lines {
	const struct http1_field *fields;
	size_t count;
	uint64_t begin[MAX_LINES];
	bool usual[MAX_LINES];
};

static struct scan_piece name_piece(const struct lines *lines, size_t i)
{
	struct span name = lines->fields[i].name;
	return (struct scan_piece){name, lines->begin[i], lines->begin[i] + name.n, name};
}

static struct scan_piece value_piece(const struct lines *lines, size_t i, struct span part)
{
	const struct http1_field *field = &lines->fields[i];
	uint64_t begin = lines->begin[i] + field->name.n + 2 + (uint64_t)(part.p - field->value.p);
	return (struct scan_piece){part, begin, begin + part.n, field->name};
}

static void read_lines(struct lines *lines, const struct http1_head *head)
{
	uint64_t at = 0;
	lines->fields = head->fields;
	lines->count = head->field_count;
	for (size_t i = 0; i < lines->count; i++) {
		const struct http1_field *field = &head->fields[i];
		lines->begin[i] = at;
		lines->usual[i] = is_usual(field->name);
		at += field->name.n + 2 + field->value.n + 2;
	}
}

static void join_values(struct gate *gate, const struct lines *lines, bool also_usual)
{
	struct scan_piece pieces[MAX_LINES];
	size_t count = 0;
	for (size_t i = 0; i < lines->count; i++)
		if (also_usual || !lines->usual[i])
			pieces[count++] = value_piece(lines, i, lines->fields[i].value);
	join(gate, SCAN_HEADER, pieces, count, SCAN_JOIN_ALL);
}

static void join_with_names(struct gate *gate, const struct lines *lines)
{
	struct scan_piece pieces[2 * MAX_LINES];
	size_t count = 0;
	for (size_t i = 0; i < lines->count; i++) {
		if (lines->usual[i])
			continue;
		pieces[count++] = name_piece(lines, i);
		pieces[count++] = value_piece(lines, i, lines->fields[i].value);
	}
	join(gate, SCAN_HEADER, pieces, count, SCAN_JOIN_ROWS);
}

/* Is some usual field between two that are not? */
static bool is_interrupted(const struct lines *lines)
{
	size_t groups = 0;
	for (size_t i = 0; i < lines->count; i++)
		groups += !lines->usual[i] && (i == 0 || lines->usual[i - 1]);
	return groups > 1;
}

/* Host may spell the name in another way than the URL. */
static void join_host(struct gate *gate, const struct lines *lines)
{
	struct scan_piece pieces[PIECES_ROOM];
	for (size_t i = 0; i < lines->count; i++) {
		if (!span_equals_nocase(lines->fields[i].name, SPAN("Host")))
			continue;
		size_t count = url_pieces(lines->fields[i].value, URL_LABELS, pieces, PIECES_ROOM);
		count = count < PIECES_ROOM ? count : PIECES_ROOM;
		for (size_t k = 0; k < count; k++)
			pieces[k] = value_piece(lines, i, pieces[k].text);
		join_labels(gate, SCAN_HEADER, pieces, count);
	}
}

/* ---- cookies */

/* Values of "name=value; name=value" (RFC 6265 4.2.1). false: there are more than there is room for. */
static bool cookie_pieces(const struct lines *lines, size_t i, struct scan_piece *pieces, size_t *count)
{
	struct span rest = lines->fields[i].value;
	while (rest.n > 0) {
		const char *end = memchr(rest.p, ';', rest.n);
		struct span value = {rest.p, end ? (size_t)(end - rest.p) : rest.n};
		rest.p += value.n + (end != NULL);
		rest.n -= value.n + (end != NULL);
		const char *name_end = memchr(value.p, '=', value.n);
		size_t skip = name_end ? (size_t)(name_end + 1 - value.p) : 0;
		value = (struct span){value.p + skip, value.n - skip};
		if (*count == COOKIE_PIECES)
			return false;
		pieces[(*count)++] = value_piece(lines, i, value);
	}
	return true;
}

static void join_cookies(struct gate *gate, const struct lines *lines)
{
	struct scan_piece pieces[COOKIE_PIECES];
	size_t count = 0;
	for (size_t i = 0; i < lines->count; i++) {
		if (!span_equals_nocase(lines->fields[i].name, SPAN("Cookie")))
			continue;
		if (!cookie_pieces(lines, i, pieces, &count)) {
			gate_doubt(gate, SCAN_HEADER, "there are too many cookies to put together");
			return;
		}
	}
	join(gate, SCAN_HEADER, pieces, count, SCAN_JOIN_ALL);
}

void gate_join_fields(struct gate *gate, const struct http1_head *head)
{
	struct lines lines;
	read_lines(&lines, head);
	join_values(gate, &lines, true);
	if (is_interrupted(&lines))
		join_values(gate, &lines, false);
	join_with_names(gate, &lines);
	join_host(gate, &lines);
	join_cookies(gate, &lines);
}
