/*
 * The chunked transfer coding (RFC 9112 7.1), decoded octet by octet where it frames and by whole pieces
 * where it carries. Every octet between two pieces has one meaning or is an error; extensions are checked and
 * lead nowhere. A decoder that has failed stays failed.
 */
#include "common/http1_scan.h"

#include "common/octets.h"

enum chunk_state {
	CHUNK_SIZE_START = 0,
	CHUNK_SIZE,
	CHUNK_EXTENSION_NAME_START,
	CHUNK_EXTENSION_NAME,
	CHUNK_EXTENSION_VALUE_START,
	CHUNK_EXTENSION_VALUE,
	CHUNK_QUOTED,
	CHUNK_QUOTED_PAIR,
	CHUNK_QUOTED_END,
	CHUNK_LINE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILERS,
	CHUNK_FAILED,
};

#define MAX_SIZE_DIGITS 16

/* What ends a size, an extension's name or its value. */
static int state_after_item(char octet)
{
	if (octet == '\r')
		return CHUNK_LINE_LF;
	return octet == ';' ? CHUNK_EXTENSION_NAME_START : CHUNK_FAILED;
}

/* 1*HEXDIG, nothing before, between or behind: no sign, no "0x", no white space. */
static int state_in_size(struct http1_chunked *c, char octet)
{
	unsigned digit;

	if (!octet_is(octet, OCTET_HEX))
		return c->state == CHUNK_SIZE ? state_after_item(octet) : CHUNK_FAILED;
	digit = octet_hex_value(octet);
	if (c->line > MAX_SIZE_DIGITS || c->left > ((uint64_t)INT64_MAX - digit) / 16)
		return CHUNK_FAILED;
	c->left = c->left * 16 + digit;
	return CHUNK_SIZE;
}

static int state_in_extension_name(int state, char octet)
{
	if (octet_is(octet, OCTET_TOKEN))
		return CHUNK_EXTENSION_NAME;
	if (state == CHUNK_EXTENSION_NAME_START)
		return CHUNK_FAILED;
	return octet == '=' ? CHUNK_EXTENSION_VALUE_START : state_after_item(octet);
}

static int state_in_extension_value(int state, char octet)
{
	if (octet_is(octet, OCTET_TOKEN))
		return CHUNK_EXTENSION_VALUE;
	if (state == CHUNK_EXTENSION_VALUE_START)
		return octet == '"' ? CHUNK_QUOTED : CHUNK_FAILED;
	return state_after_item(octet);
}

/* quoted-string (RFC 9110 5.6.4): a CR or LF in it would end the line for a parser that knows no quotes. */
static int state_in_quoted(char octet)
{
	if (octet == '"')
		return CHUNK_QUOTED_END;
	if (octet == '\\')
		return CHUNK_QUOTED_PAIR;
	return octet_is(octet, OCTET_FIELD) ? CHUNK_QUOTED : CHUNK_FAILED;
}

static int state_after_line(struct http1_chunked *c, char octet)
{
	c->line = 0;
	if (octet != '\n')
		return CHUNK_FAILED;
	return c->left == 0 ? CHUNK_TRAILERS : CHUNK_DATA;
}

/* The state after one octet that frames. */
static int next_state(struct http1_chunked *c, char octet)
{
	if (++c->line > HTTP1_MAX_CHUNK_LINE)
		return CHUNK_FAILED;
	switch (c->state) {
	case CHUNK_SIZE_START:
	case CHUNK_SIZE:
		return state_in_size(c, octet);
	case CHUNK_EXTENSION_NAME_START:
	case CHUNK_EXTENSION_NAME:
		return state_in_extension_name(c->state, octet);
	case CHUNK_EXTENSION_VALUE_START:
	case CHUNK_EXTENSION_VALUE:
		return state_in_extension_value(c->state, octet);
	case CHUNK_QUOTED:
		return state_in_quoted(octet);
	case CHUNK_QUOTED_PAIR:
		return octet_is(octet, OCTET_FIELD) ? CHUNK_QUOTED : CHUNK_FAILED;
	case CHUNK_QUOTED_END:
		return state_after_item(octet);
	case CHUNK_LINE_LF:
		return state_after_line(c, octet);
	case CHUNK_DATA_CR:
		return octet == '\r' ? CHUNK_DATA_LF : CHUNK_FAILED;
	case CHUNK_DATA_LF:
		c->line = 0;
		return octet == '\n' ? CHUNK_SIZE_START : CHUNK_FAILED;
	default:
		return CHUNK_FAILED;
	}
}

static enum http1_chunk_event take_data(
	struct http1_chunked *c, const char *in, size_t n, size_t *used, struct span *data)
{
	size_t piece = c->left < n ? (size_t)c->left : n;

	*data = (struct span){in, piece};
	*used += piece;
	c->left -= piece;
	if (c->left == 0)
		c->state = CHUNK_DATA_CR;
	return HTTP1_CHUNK_DATA;
}

enum http1_chunk_event http1_chunked_next(struct http1_chunked *c, const char *in, size_t n, size_t *used,
	struct span *data, enum http1_error *error)
{
	*used = 0;
	*data = (struct span){NULL, 0};
	*error = HTTP1_OK;
	while (c->state != CHUNK_TRAILERS && c->state != CHUNK_FAILED && *used < n) {
		if (c->state == CHUNK_DATA)
			return take_data(c, in + *used, n - *used, used, data);
		c->state = next_state(c, in[*used]);
		*used += 1;
	}
	if (c->state == CHUNK_TRAILERS)
		return HTTP1_CHUNK_TRAILERS;
	if (c->state != CHUNK_FAILED)
		return HTTP1_CHUNK_MORE;
	*error = HTTP1_BAD_CHUNK;
	return HTTP1_CHUNK_BAD;
}
