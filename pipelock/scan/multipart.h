/*
 * Multipart bodies (RFC 2046 5.1; form-data RFC 7578), taken apart as they stream: the fields of each part's
 * header, and its content out of its transfer encoding. Strict, since what is scanned here must be what the
 * recipient reads: a body that two parsers could take apart differently is bad, never guessed at. Pure: no
 * allocation, no clock; work is linear in the input, and what is reported doesn't depend on how it was cut.
 *
 * A delimiter is "--" and the boundary at the very start of the body or after CR LF, then spaces and tabs,
 * then CR LF; the one that closes has "--" behind the boundary, and may end the body. "--" and the boundary
 * at the start of a line are bad wherever they are no such delimiter, because some parser takes them for one
 * (or, in the last case, not):
 *   - after a bare LF or a bare CR, and before one;
 *   - with anything else behind them, such as a longer boundary (RFC 2046 5.1.1 lets a recipient compare
 *     prefixes);
 *   - in a part's header, and after the delimiter that closes;
 *   - where a part's content begins. (RFC 2046 lets a part without content share one CR LF between the end of
 *     its header and the delimiter. Senders write two.)
 * In the middle of a line they are text.
 *
 * Also bad: a body that isn't closed, unless it has no octets at all; a part's header that is not lines of
 * token ":" value CR LF and an empty line, without folding, bare CR or LF, or other controls; two
 * Content-Types or two Content-Transfer-Encodings in it; an encoding that is not 7bit, 8bit, binary,
 * identity, base64 or quoted-printable; base64 or quoted-printable that is malformed as base64_mime.h and
 * quoted_printable.h say; and what is over the limits below. A part that is multipart itself is taken apart
 * the same way; it is bad if it has an encoding, or if one of the boundaries in force begins with another.
 */
#ifndef PIPELOCK_SCAN_MULTIPART_H
#define PIPELOCK_SCAN_MULTIPART_H

#include "pipelock/scan/base64_mime.h"
#include "pipelock/scan/quoted_printable.h"

#define MULTIPART_MAX_BOUNDARY 70u     /* octets (RFC 2046 5.1.1) */
#define MULTIPART_MAX_HEAD (8u * 1024) /* octets of a part's header, with its empty line */
#define MULTIPART_MAX_FIELDS 64u       /* in a part's header */
#define MULTIPART_MAX_PARTS 10000u     /* of a body, those within parts included */
#define MULTIPART_MAX_DEPTH 4u	       /* the body itself is 1, a multipart part of it 2 */

/* CR LF "--" boundary */
#define MULTIPART_MAX_DELIMITER (4 + MULTIPART_MAX_BOUNDARY)

#define MULTIPART_MAX_LAG (MULTIPART_MAX_DEPTH * MULTIPART_MAX_DELIMITER + MULTIPART_MAX_HEAD)

enum multipart_type {
	MULTIPART_TYPE_BAD = -1, /* multipart, or perhaps so, without the one boundary that all would see */
	MULTIPART_TYPE_OTHER = 0,
	MULTIPART_TYPE_OK = 1,
};

enum multipart_result {
	MULTIPART_BAD = -1, /* multipart->failure says why */
	MULTIPART_MORE = 0,
	MULTIPART_END = 1, /* with `last`: it ended as it should */
};

/*
 * Who is told, in order. Octets are borrowed for the call. Content outside of parts comes too, before the
 * first and behind the last: nothing of a body goes unreported but its delimiters and what parts a header's
 * names and values. Parts of a multipart part begin and end within it.
 */
struct multipart_sink {
	void (*part_begin)(void *arg);
	/* The value comes without the white space around it. */
	void (*field)(void *arg, struct span name, struct span value);
	view_emit *body;
	void (*part_end)(void *arg);
	void *arg;
};

/* Private. */
struct multipart_level {
	char delimiter[MULTIPART_MAX_DELIMITER];
	size_t delimiter_n;
	size_t from, matched; /* delimiter[from..matched) came, and waits for what follows */
	bool misplaced;	      /* where it began no delimiter may stand */
	int state;
};

/* Embedded by its owner, who wipes it: it keeps octets of the body. */
struct multipart {
	const char *failure; /* static text */

	/* private */
	const struct multipart_sink *sink; /* of the call in progress */
	struct multipart_level levels[MULTIPART_MAX_DEPTH];
	size_t depth; /* levels in use */
	size_t parts;
	size_t head_n, fields; /* of the header that is being read */
	bool has_type, has_encoding, is_multipart;
	int head_encoding;
	int encoding; /* of the content that is being read */
	union {
		struct base64_mime base64;
		struct quoted_printable quoted_printable;
	} decoder;
	size_t line_n;
	char line[MULTIPART_MAX_HEAD];
};

/*
 * `content_type` is a Content-Type field's value (RFC 9110 8.3). OK: a multipart type with a boundary as RFC
 * 2046 5.1.1 has it; bad is one without, an empty or too long one, one that holds other characters or a
 * backslash or ends in a space, two of them, and any other place where a sloppy parser could look for one:
 * the word "boundary" outside of its value (RFC 2231 pieces among them). A value that is no media type is bad
 * if the word "multipart" is in it, else of another type. After anything but OK, don't feed.
 */
enum multipart_type multipart_init(struct multipart *m, struct span content_type);

/*
 * `last`: nothing comes after `in`, nor may anything be fed. A body that was bad stays bad; what was reported
 * before it showed is content that somebody may read.
 */
enum multipart_result multipart_feed(
	struct multipart *m, struct span in, bool last, const struct multipart_sink *sink);

/* How many of the last octets fed are not yet decided, or not yet reported in whole; MULTIPART_MAX_LAG at
 * most. Means nothing for a body that is bad. */
size_t multipart_lag(const struct multipart *m);

/*
 * What a Content-Disposition value (RFC 6266, RFC 7578 4.2) calls the file: the values of filename, without
 * quotes and backslashes, and of filename*, percent-decoded (RFC 8187), each followed by VIEW_BREAK. *written
 * octets, of which content_disposition.n are always enough room. False: there was too little room, or it is
 * malformed, what was written before that included; so is a charset of filename* that is not UTF-8 or
 * ISO-8859-1, and a parameter in pieces (RFC 2231). Browsers don't write a backslash before a backslash:
 * what it says with them kept is the field's own text.
 */
bool multipart_filename(struct span content_disposition, char *out, size_t room, size_t *written);

/* The same of all parameters of any field that is made like this one: `name` of form-data is as wide a way
 * out as a filename. */
bool multipart_parameters(struct span field_value, char *out, size_t room, size_t *written);

#endif
