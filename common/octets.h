/*
 * What an octet may be in HTTP and in URLs, as one table: parsers look an octet up instead of comparing it
 * with ranges, and all of them agree. Locale plays no part.
 */
#ifndef COMMON_OCTETS_H
#define COMMON_OCTETS_H

#include <stdbool.h>

enum octet_class {
	OCTET_TOKEN = 1,  /* tchar, RFC 9110 5.6.2 */
	OCTET_FIELD = 2,  /* field-content: HT, SP, visible, obs-text (RFC 9110 5.5) */
	OCTET_TARGET = 4, /* request-target as url.h describes it: visible but '#', and octets over 0x7F */
	OCTET_HOST = 8,	  /* letter, digit, hyphen, underscore */
	OCTET_DIGIT = 16,
	OCTET_HEX = 32,
};

extern const unsigned char octet_classes[256];

static inline bool octet_is(char c, enum octet_class class)
{
	return (octet_classes[(unsigned char)c] & (unsigned)class) != 0;
}

/* ASCII only; any other octet stays. */
static inline char octet_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* The value of a hexadecimal digit; the octet must be OCTET_HEX. */
static inline unsigned octet_hex_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(octet_lower(c) - 'a') + 10;
}

#endif
