/*
 * The JSON writer. Whatever bytes a string holds, what comes out is valid UTF-8 on one line, and shows on a
 * terminal as what it is: nothing in it moves the cursor, hides text or turns its direction.
 */
#include "common/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void json_init(struct json *j, size_t max)
{
	*j = (struct json){.max = max};
}

void json_release(struct json *j)
{
	free(j->p);
	*j = (struct json){.failed = true};
}

struct span json_text(const struct json *j)
{
	/* Half a value is none: a cut line must not get into a log. */
	return j->failed ? (struct span){"", 0} : (struct span){j->p ? j->p : "", j->n};
}

/* Room for `more` octets after those there are. */
static bool reserve(struct json *j, size_t more)
{
	if (j->failed || j->n > j->max || more > j->max - j->n) {
		j->failed = true;
		return false;
	}
	if (j->n + more <= j->room)
		return true;
	size_t room = j->room ? j->room : 256;
	while (room < j->n + more)
		room = room > j->max / 2 ? j->max : room * 2;
	char *grown = realloc(j->p, room);
	if (!grown) {
		j->failed = true;
		return false;
	}
	j->p = grown;
	j->room = room;
	return true;
}

static void put(struct json *j, const char *bytes, size_t n)
{
	if (n == 0 || !reserve(j, n))
		return;
	memcpy(j->p + j->n, bytes, n);
	j->n += n;
}

static void begin_value(struct json *j)
{
	if (j->comma)
		put(j, ",", 1);
	j->comma = true;
}

static void open_with(struct json *j, char bracket)
{
	begin_value(j);
	put(j, &bracket, 1);
	j->comma = false;
}

static void close_with(struct json *j, char bracket)
{
	put(j, &bracket, 1);
	j->comma = true;
}

void json_open_object(struct json *j)
{
	open_with(j, '{');
}

void json_close_object(struct json *j)
{
	close_with(j, '}');
}

void json_open_array(struct json *j)
{
	open_with(j, '[');
}

void json_close_array(struct json *j)
{
	close_with(j, ']');
}

void json_key(struct json *j, const char *key)
{
	begin_value(j);
	put(j, "\"", 1);
	put(j, key, strlen(key));
	put(j, "\":", 2);
	j->comma = false;
}

/* ---- strings */

/* Decode one character of UTF-8 (RFC 3629: shortest form, no surrogates). Its length in octets; 0 when it is
 * none. */
static size_t decode_utf8(const unsigned char *p, size_t n, uint32_t *out)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = p[0] < 0x80   ? 1
			: p[0] < 0xc0 ? 0
			: p[0] < 0xe0 ? 2
			: p[0] < 0xf0 ? 3
			: p[0] < 0xf8 ? 4
				      : 0;
	if (length == 0 || length > n)
		return 0;
	uint32_t c = length == 1 ? p[0] : p[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*out = c;
	return length;
}

/* Controls, line ends of Unicode, and marks that turn or hide what a reviewer sees (UAX #9, "Trojan Source").
 */
static bool must_escape(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0xad || c == 0x61c ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb);
}

static void put_escaped(struct json *j, uint32_t c)
{
	static const char shorts[] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
	char text[8];
	if (c < sizeof(shorts) && shorts[c])
		snprintf(text, sizeof(text), "\\%c", shorts[c]);
	else
		snprintf(text, sizeof(text), "\\u%04" PRIx32, c & 0xffff);
	put(j, text, strlen(text));
}

void json_string(struct json *j, struct span value)
{
	const unsigned char *p = (const unsigned char *)value.p;
	size_t plain = 0; /* where the octets that can be copied as they are begin */
	begin_value(j);
	put(j, "\"", 1);
	for (size_t i = 0; i < value.n;) {
		uint32_t c = 0;
		size_t length = decode_utf8(p + i, value.n - i, &c);
		if (length > 0 && !must_escape(c) && c != '"' && c != '\\') {
			i += length;
			continue;
		}
		put(j, value.p + plain, i - plain);
		if (length == 0)
			put(j, "\xef\xbf\xbd", 3);
		else if (must_escape(c))
			put_escaped(j, c);
		else
			put(j, c == '"' ? "\\\"" : "\\\\", 2);
		i += length > 0 ? length : 1;
		plain = i;
	}
	if (plain < value.n)
		put(j, value.p + plain, value.n - plain);
	put(j, "\"", 1);
}

/* ---- other values */

void json_number(struct json *j, uint64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRIu64, value);
	begin_value(j);
	put(j, text, (size_t)n);
}

void json_bool(struct json *j, bool value)
{
	begin_value(j);
	put(j, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json *j)
{
	begin_value(j);
	put(j, "null", 4);
}

void json_put_string(struct json *j, const char *key, struct span value)
{
	json_key(j, key);
	json_string(j, value);
}

void json_put_text(struct json *j, const char *key, const char *value)
{
	json_key(j, key);
	if (value)
		json_string(j, span_of(value));
	else
		json_null(j);
}

void json_put_number(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_number(j, value);
}

void json_put_bool(struct json *j, const char *key, bool value)
{
	json_key(j, key);
	json_bool(j, value);
}
