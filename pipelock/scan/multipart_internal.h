/*
 * What the files of the multipart parser share. Private to pipelock/scan/multipart*.c.
 */
#ifndef PIPELOCK_SCAN_MULTIPART_INTERNAL_H
#define PIPELOCK_SCAN_MULTIPART_INTERNAL_H

#include "pipelock/scan/multipart.h"

/* ---- multipart_fields.c: what the values of fields mean */

/* As multipart_init() says; OK: *boundary lies within the value. */
enum multipart_type multipart_read_type(struct span content_type, struct span *boundary);

enum multipart_encoding {
	MULTIPART_ENCODING_UNKNOWN = -1,
	MULTIPART_IDENTITY = 0, /* 7bit, 8bit, binary, and HTTP's own word for it */
	MULTIPART_BASE64,
	MULTIPART_QUOTED_PRINTABLE,
};

/* A Content-Transfer-Encoding value (RFC 2045 6.1). */
enum multipart_encoding multipart_read_encoding(struct span value);

/* ---- multipart.c: levels */

enum level_state {
	LEVEL_PREAMBLE = 0,
	LEVEL_DELIMITER, /* behind the boundary */
	LEVEL_PADDING,
	LEVEL_LINE_LF,
	LEVEL_HEAD,
	LEVEL_CONTENT,
	LEVEL_CLOSING, /* behind the boundary and one "-" */
	LEVEL_CLOSED,  /* behind both */
	LEVEL_CLOSED_PADDING,
	LEVEL_CLOSED_LF,
	LEVEL_EPILOGUE,
};

#define LINE_START 2 /* octets of a delimiter before its "--" */

extern const char multipart_malformed_type[], multipart_ambiguous[];

/* Remembers why, and is false. */
bool multipart_fail(struct multipart *m, const char *why);

void multipart_start_level(struct multipart_level *level, struct span boundary);

/* As if a line began here. */
void multipart_start_line(struct multipart_level *level, bool misplaced);

/* "--" and the boundary: a line that begins so is or looks like a delimiter of this level. */
static inline struct span multipart_line_beginning(const struct multipart_level *level)
{
	return (struct span){level->delimiter + LINE_START, level->delimiter_n - LINE_START};
}

/* ---- multipart_head.c: the header of a part. `at` is the part's level */

void multipart_start_head(struct multipart *m);

/* Takes up to one line from *in, which has octets. Behind the empty one the level is in its content. */
bool multipart_take_head(struct multipart *m, size_t at, struct span *in);

/* ---- all */

static inline void advance(struct span *in, size_t n)
{
	in->p += n;
	in->n -= n;
}

static inline bool is_blank(char octet)
{
	return octet == ' ' || octet == '\t';
}

#endif
