/*
 * The header of a part: lines of name ":" value CR LF and an empty one. Two of its fields decide how the part
 * is read, and stand once at most. A line is copied together and then read as a whole, so that where a piece
 * ends makes no difference.
 */
#include "pipelock/scan/multipart_internal.h"

#include "common/octets.h"

static const char malformed_head[] = "a part of it has a malformed header";
static const char repeated_field[] = "a part of it says twice what it is";
static const char large_head[] = "a part of it has too large a header";
static const char too_deep[] = "its parts are nested too deep";
static const char unknown_encoding[] = "the transfer encoding of a part is not known";

void multipart_start_head(struct multipart *m)
{
	m->head_n = m->fields = m->line_n = 0;
	m->has_type = m->has_encoding = m->is_multipart = false;
	m->head_encoding = MULTIPART_IDENTITY;
}

static bool begins_with(struct span text, struct span beginning)
{
	return text.n >= beginning.n && memcmp(text.p, beginning.p, beginning.n) == 0;
}

/* Where one boundary begins with another, who compares prefixes finds the one in the other's place. */
static bool start_inner_level(struct multipart *m, size_t at, struct span boundary)
{
	struct multipart_level *inner = &m->levels[at + 1];

	if (at + 1 == MULTIPART_MAX_DEPTH)
		return multipart_fail(m, too_deep);
	multipart_start_level(inner, boundary);
	for (size_t i = 0; i <= at; i++) {
		struct span own = multipart_line_beginning(inner),
			    outer = multipart_line_beginning(&m->levels[i]);

		if (begins_with(own, outer) || begins_with(outer, own))
			return multipart_fail(m, multipart_ambiguous);
	}
	m->is_multipart = true;
	return true;
}

static bool note_type(struct multipart *m, size_t at, struct span value)
{
	struct span boundary;

	if (m->has_type)
		return multipart_fail(m, repeated_field);
	m->has_type = true;
	switch (multipart_read_type(value, &boundary)) {
	case MULTIPART_TYPE_OK:
		return start_inner_level(m, at, boundary);
	case MULTIPART_TYPE_OTHER:
		return true;
	case MULTIPART_TYPE_BAD:
		break;
	}
	return multipart_fail(m, multipart_malformed_type);
}

static bool note_encoding(struct multipart *m, struct span value)
{
	if (m->has_encoding)
		return multipart_fail(m, repeated_field);
	m->has_encoding = true;
	m->head_encoding = multipart_read_encoding(value);
	return m->head_encoding != MULTIPART_ENCODING_UNKNOWN || multipart_fail(m, unknown_encoding);
}

static struct span trim(struct span text)
{
	while (text.n > 0 && is_blank(text.p[0]))
		advance(&text, 1);
	while (text.n > 0 && is_blank(text.p[text.n - 1]))
		text.n--;
	return text;
}

/* A line that is folded begins with white space, so it has no name. */
static bool read_field(struct span line, struct span *name, struct span *value)
{
	*name = (struct span){line.p, 0};
	while (name->n < line.n && octet_is(line.p[name->n], OCTET_TOKEN))
		name->n++;
	if (name->n == 0 || name->n == line.n || line.p[name->n] != ':')
		return false;
	advance(&line, name->n + 1);
	*value = trim(line);
	for (size_t i = 0; i < line.n; i++) {
		if (!octet_is(line.p[i], OCTET_FIELD))
			return false;
	}
	return true;
}

static bool take_field(struct multipart *m, size_t at, struct span line)
{
	struct span name, value;

	if (begins_with(line, multipart_line_beginning(&m->levels[at])))
		return multipart_fail(m, multipart_ambiguous);
	if (!read_field(line, &name, &value))
		return multipart_fail(m, malformed_head);
	if (m->fields == MULTIPART_MAX_FIELDS)
		return multipart_fail(m, large_head);
	m->fields++;
	m->sink->field(m->sink->arg, name, value);
	if (span_equals_nocase(name, SPAN("Content-Type")))
		return note_type(m, at, value);
	if (span_equals_nocase(name, SPAN("Content-Transfer-Encoding")))
		return note_encoding(m, value);
	return true;
}

/* A multipart part has no encoding but those that encode nothing (RFC 2045 6.4). */
static bool end_head(struct multipart *m, size_t at)
{
	struct multipart_level *level = &m->levels[at];

	if (m->is_multipart && m->head_encoding != MULTIPART_IDENTITY)
		return multipart_fail(m, unknown_encoding);
	if (m->is_multipart)
		m->depth = at + 2;
	m->encoding = m->head_encoding;
	if (m->encoding == MULTIPART_BASE64)
		base64_mime_init(&m->decoder.base64);
	else if (m->encoding == MULTIPART_QUOTED_PRINTABLE)
		quoted_printable_init(&m->decoder.quoted_printable);
	level->state = LEVEL_CONTENT;
	multipart_start_line(level, true);
	return true;
}

bool multipart_take_head(struct multipart *m, size_t at, struct span *in)
{
	const char *lf = memchr(in->p, '\n', in->n);
	struct span line = {m->line, 0};
	size_t n = lf != NULL ? (size_t)(lf - in->p) + 1 : in->n;

	if (n > MULTIPART_MAX_HEAD - m->head_n)
		return multipart_fail(m, large_head);
	memcpy(m->line + m->line_n, in->p, n);
	advance(in, n);
	m->line_n += n;
	m->head_n += n;
	if (lf == NULL)
		return true;
	if (m->line_n < 2 || m->line[m->line_n - 2] != '\r')
		return multipart_fail(m, malformed_head);
	line.n = m->line_n - 2;
	m->line_n = 0;
	return line.n > 0 ? take_field(m, at, line) : end_head(m, at);
}
