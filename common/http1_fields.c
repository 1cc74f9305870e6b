/*
 * The fields that decide framing, routing and persistence, looked at once, while a head is scanned. Two
 * parsers that disagree on any of these disagree on where a message ends, so each is accepted in one spelling
 * or not at all.
 */
#include "common/http1_scan.h"

#include "common/octets.h"
#include "common/url.h"

/* 1*DIGIT up to 2^63-1 (RFC 9110 8.6). "+5", "0x5", "5 5", "5, 5" and "" are none. */
static bool parse_length(struct span text, uint64_t *out)
{
	uint64_t value = 0;

	if (text.n == 0)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		unsigned digit;

		if (!octet_is(text.p[i], OCTET_DIGIT))
			return false;
		digit = (unsigned)(text.p[i] - '0');
		if (value > ((uint64_t)INT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

/* Equal values that stand twice may be taken for one (RFC 9110 8.6); a sender that writes two has lost count.
 */
static enum http1_error note_length(struct http1_head *head, struct field_notes *notes, struct span value)
{
	if (notes->has_coding)
		return HTTP1_LENGTH_AND_CODING;
	if (notes->has_length || !parse_length(value, &head->length))
		return HTTP1_BAD_LENGTH;
	notes->has_length = true;
	return HTTP1_OK;
}

/* No transfer coding but chunked is in use, and chunked is never applied twice (RFC 9112 6.1, 7). */
static enum http1_error note_coding(struct http1_head *head, struct field_notes *notes, struct span value)
{
	if (notes->has_length)
		return HTTP1_LENGTH_AND_CODING;
	if (head->minor == 0 || notes->has_coding || !span_equals_nocase(value, SPAN("chunked")))
		return HTTP1_BAD_CODING;
	notes->has_coding = true;
	return HTTP1_OK;
}

/* An authority, or a 400 (RFC 9112 3.2). Empty would be for targets without one, which no request here has.
 */
static enum http1_error note_host(struct http1_head *head, struct field_notes *notes, struct span value)
{
	struct authority authority;

	if (!notes->is_request)
		return HTTP1_OK;
	if (notes->has_host || !authority_parse(value, 80, &authority))
		return HTTP1_BAD_HOST;
	notes->has_host = true;
	head->host = value;
	return HTTP1_OK;
}

static void note_connection(struct http1_head *head, struct field_notes *notes, struct span value)
{
	struct span option;

	while (list_next(&value, &option)) {
		if (span_equals_nocase(option, SPAN("close")))
			notes->close = true;
		else if (span_equals_nocase(option, SPAN("keep-alive")))
			notes->persist = true;
		else if (span_equals_nocase(option, SPAN("upgrade")))
			notes->upgrade = true;
		else
			head->names_fields = true;
	}
}

/* Only a lone "websocket" counts: of a list the server may choose something else (RFC 9110 7.8). */
static void note_upgrade(struct field_notes *notes, struct span value)
{
	notes->upgrade_count++;
	notes->websocket = span_equals_nocase(value, SPAN("websocket"));
}

static bool name_is(const struct http1_field *field, const char *name)
{
	return octet_lower(field->name.p[0]) == name[0] &&
	       strncasecmp(field->name.p, name, field->name.n) == 0;
}

/* By length first: hardly a field gets past the switch. */
enum http1_error note_field(struct http1_head *head, const struct http1_field *field, void *arg)
{
	struct field_notes *notes = arg;

	switch (field->name.n) {
	case 4:
		return name_is(field, "host") ? note_host(head, notes, field->value) : HTTP1_OK;
	case 6:
		if (name_is(field, "expect") && http1_list_has(field->value, SPAN("100-continue")))
			notes->expect = true;
		return HTTP1_OK;
	case 7:
		if (name_is(field, "upgrade"))
			note_upgrade(notes, field->value);
		return HTTP1_OK;
	case 10:
		if (name_is(field, "connection"))
			note_connection(head, notes, field->value);
		return HTTP1_OK;
	case 14:
		return name_is(field, "content-length") ? note_length(head, notes, field->value) : HTTP1_OK;
	case 17:
		return name_is(field, "transfer-encoding") ? note_coding(head, notes, field->value)
							   : HTTP1_OK;
	default:
		return HTTP1_OK;
	}
}

bool notes_keep_alive(const struct field_notes *notes, unsigned minor)
{
	return !notes->close && (minor == 1 || notes->persist);
}

bool notes_websocket(const struct field_notes *notes)
{
	return notes->upgrade && notes->websocket && notes->upgrade_count == 1;
}
