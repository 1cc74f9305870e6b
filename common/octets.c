/*
 * The table behind octets.h. Each row is a range of octets with what they may be; the groups of tchar and the
 * lone '#' are why the punctuation stands one by one.
 */
#include "common/octets.h"

/* Visible octets that are no token character, and those that are. */
#define PLAIN (OCTET_FIELD | OCTET_TARGET)
#define TCHAR (OCTET_TOKEN | OCTET_FIELD | OCTET_TARGET)
#define LETTER (TCHAR | OCTET_HOST)
#define HEXLETTER (LETTER | OCTET_HEX)
#define NUMERAL (LETTER | OCTET_HEX | OCTET_DIGIT)

const unsigned char octet_classes[256] = {
	['\t'] = OCTET_FIELD,
	[' '] = OCTET_FIELD,
	['!'] = TCHAR,
	['"'] = PLAIN,
	['#'] = OCTET_TOKEN | OCTET_FIELD,
	['$' ... '\''] = TCHAR,
	['(' ... ')'] = PLAIN,
	['*' ... '+'] = TCHAR,
	[','] = PLAIN,
	['-'] = LETTER,
	['.'] = TCHAR,
	['/'] = PLAIN,
	['0' ... '9'] = NUMERAL,
	[':' ... '@'] = PLAIN,
	['A' ... 'F'] = HEXLETTER,
	['G' ... 'Z'] = LETTER,
	['[' ... ']'] = PLAIN,
	['^'] = TCHAR,
	['_'] = LETTER,
	['`'] = TCHAR,
	['a' ... 'f'] = HEXLETTER,
	['g' ... 'z'] = LETTER,
	['{'] = PLAIN,
	['|'] = TCHAR,
	['}'] = PLAIN,
	['~'] = TCHAR,
	[0x80 ... 0xFF] = PLAIN,
};
