/*
 * Single escapes: no state, no output but what the caller has room for.
 */
#include "pipelock/scan/json_escape.h"

int json_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	char lower = (char)(c | 32);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

uint32_t json_escape_unit(const char *escape)
{
	uint32_t unit = 0;
	for (int i = 2; i < 6; i++)
		unit = unit << 4 | (uint32_t)json_hex_value(escape[i]);
	return unit;
}

size_t json_escape_encode(uint32_t c, char utf8[4])
{
	size_t n = 0;
	if (json_is_high_surrogate(c) || json_is_low_surrogate(c))
		c = 0xfffd;
	if (c < 0x80) {
		utf8[n++] = (char)c;
		return n;
	}
	if (c < 0x800) {
		utf8[n++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		utf8[n++] = (char)(0xe0 | c >> 12);
		utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		utf8[n++] = (char)(0xf0 | c >> 18);
		utf8[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	utf8[n++] = (char)(0x80 | (c & 0x3f));
	return n;
}

char json_escape_short(char c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

size_t json_escape_read(struct span in, char utf8[4], size_t *n)
{
	/* A line end is never a part of a string, as json_join.h says. */
	if (in.n < 2 || in.p[1] == '\n' || in.p[1] == '\r')
		return 0;
	if (in.p[1] != 'u') {
		utf8[0] = json_escape_short(in.p[1]);
		*n = 1;
		return 2;
	}
	for (size_t i = 2; i < 6; i++) {
		if (i >= in.n || json_hex_value(in.p[i]) < 0)
			return 0;
	}
	uint32_t c = json_escape_unit(in.p);
	if (json_is_high_surrogate(c))
		return 0;
	*n = json_escape_encode(c, utf8);
	return 6;
}
