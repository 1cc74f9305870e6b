/*
 * Escapes in the strings of JSON (RFC 8259 7), one by one, for whoever joins what they stand for.
 */
#ifndef PIPELOCK_SCAN_JSON_ESCAPE_H
#define PIPELOCK_SCAN_JSON_ESCAPE_H

#include "common/span.h"

#include <stdint.h>

/* -1: no hex digit. */
int json_hex_value(char c);

/* The code unit of \uXXXX; all four are hex digits. */
uint32_t json_escape_unit(const char *escape);

/* The character in UTF-8, U+FFFD for a surrogate alone. Returns how many octets it takes. */
size_t json_escape_encode(uint32_t c, char utf8[4]);

/* What a backslash and `c`, which is no 'u', stand for. An escape that JSON doesn't have is the octet itself.
 */
char json_escape_short(char c);

/* The escape at the front of `in`: its length, and the `n` octets it stands for. 0: it is not whole, not well
 * formed, or one half of a pair. */
size_t json_escape_read(struct span in, char utf8[4], size_t *n);

static inline bool json_is_high_surrogate(uint32_t unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static inline bool json_is_low_surrogate(uint32_t unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

#endif
