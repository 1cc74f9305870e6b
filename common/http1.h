/*
 * HTTP/1 message heads and the chunked coding (RFC 9110, RFC 9112), strict: what two parsers could read
 * differently is bad, never repaired. Pure and incremental: no allocation, no I/O, no clock. Both programs
 * use this one parser, and each writes what it forwards anew from what was parsed here.
 *
 * Bad, always: bare CR or LF, NUL and other controls, obs-fold, space before the colon, an empty or non-token
 * field name, HTTP/0.9, a version that is not HTTP/1.0 or HTTP/1.1, Content-Length with Transfer-Encoding, a
 * Content-Length that is not 1*DIGIT or stands twice (also as a list, also with equal values), a
 * Transfer-Encoding that is not exactly one "chunked", Transfer-Encoding in HTTP/1.0, no Host or two Hosts in
 * a request, more than HTTP1_MAX_FIELDS fields. Only HTTP/1.0, which knows no Host, may leave it out, where
 * the target names the host itself (CONNECT, absolute form).
 *
 * The answer depends on the bytes alone, never on how they arrive: no prefix of a good head is bad, and the
 * error of a bad one is the first from the left, at the latest when the line it is in ends.
 */
#ifndef COMMON_HTTP1_H
#define COMMON_HTTP1_H

#include "common/span.h"

#include <stdint.h>

#define HTTP1_MAX_FIELDS 128
#define HTTP1_MAX_METHOD 31 /* octets of a method; longer is HTTP1_BAD_METHOD. IANA's longest has 17 */
#define HTTP1_MAX_TARGET (32 * 1024) /* octets of a request-target; longer is HTTP1_TARGET_TOO_LONG (414) */
#define HTTP1_MAX_HEAD (64 * 1024)   /* octets of a whole head; longer is HTTP1_HEAD_TOO_LARGE (431) */

/*
 * On the hop a head grows: by the scheme and authority that make its target absolute, the capability, the
 * request's id, a Host. What an agent may send has to fit, so the hop's limits are wider by these.
 */
#define HTTP1_HOP_OCTETS 2048 /* of a target, and of a whole head */
#define HTTP1_HOP_FIELDS 16
#define HTTP1_HOP_MAX_HEAD (HTTP1_MAX_HEAD + HTTP1_HOP_OCTETS)

enum http1_result { HTTP1_BAD = -1, HTTP1_MORE = 0, HTTP1_DONE = 1 };

/* Why a message is bad. http1_error_text() has a sentence for each, free of network bytes. */
enum http1_error {
	HTTP1_OK = 0,
	HTTP1_BAD_START_LINE,
	HTTP1_BAD_METHOD,
	HTTP1_BAD_TARGET,
	HTTP1_BAD_VERSION,
	HTTP1_BAD_STATUS,
	HTTP1_BAD_LINE_END,	 /* bare CR, bare LF */
	HTTP1_BAD_CONTROL,	 /* NUL or another control character */
	HTTP1_BAD_FIELD_NAME,	 /* empty, not a token, space before the colon, no colon */
	HTTP1_BAD_FOLD,		 /* obs-fold */
	HTTP1_BAD_HOST,		 /* none, twice, empty, or not an authority */
	HTTP1_BAD_LENGTH,	 /* Content-Length malformed, twice, or over 2^63-1 */
	HTTP1_BAD_CODING,	 /* Transfer-Encoding other than one "chunked" */
	HTTP1_LENGTH_AND_CODING, /* Content-Length with Transfer-Encoding */
	HTTP1_BAD_CHUNK,	 /* chunk size, extension or line end */
	HTTP1_BAD_TRAILER,
	HTTP1_TARGET_TOO_LONG,
	HTTP1_HEAD_TOO_LARGE,
	HTTP1_TOO_MANY_FIELDS,
};

struct http1_field {
	struct span name;
	struct span value; /* without the optional white space around it */
};

/* How the body of a message is delimited (RFC 9112 6.3). */
enum http1_framing { HTTP1_NO_BODY, HTTP1_LENGTH, HTTP1_CHUNKED, HTTP1_UNTIL_CLOSE };

/* A parsed head. All spans point into the buffer that was parsed. */
struct http1_head {
	struct span method, target; /* request */
	unsigned status;	    /* response: 100..599 */
	struct span reason;	    /* response; may be empty */
	unsigned minor;		    /* HTTP/1.minor: 0 or 1 */
	struct http1_field fields[HTTP1_MAX_FIELDS + HTTP1_HOP_FIELDS];
	size_t field_count;
	size_t size; /* octets of the head with its empty line */
	enum http1_framing framing;
	uint64_t length;	/* HTTP1_LENGTH: octets of the body */
	bool names_fields;	/* Connection has other options than close, keep-alive, upgrade */
	bool keep_alive;	/* persistence by version and Connection (RFC 9112 9.3) */
	bool expect_continue;	/* Expect: 100-continue in an HTTP/1.1 request that has a body */
	bool upgrade_websocket; /* Connection: upgrade and Upgrade: websocket (RFC 6455 4.1) */
	struct span host;	/* request: value of Host, an authority; n is 0 in HTTP/1.0 without one */
};

/*
 * Parse a request head out of buf[0..n). `seen` is the n of the last call that said MORE for the same bytes
 * (0 at first): what was looked at then is not looked at again for the end of the head. An empty line before
 * the request line is bad (RFC 9112 2.2 allows ignoring it; a sender has no need of it). HTTP1_DONE: *head is
 * filled. HTTP1_MORE: nothing is. HTTP1_BAD: *error says why. A chunked or sized request has that framing,
 * any other HTTP1_NO_BODY.
 *
 * The form of the target fits the method (RFC 9112 3.2): CONNECT has an authority with a port, "*" stands
 * with OPTIONS alone, and all else is origin form (url_is_origin_form) or what url_parse_absolute() takes.
 * HTTP/2's preface and TLS records are bad from their first line or octet on.
 */
enum http1_result http1_parse_request(
	const char *buf, size_t n, size_t seen, struct http1_head *head, enum http1_error *error);

/*
 * Parse a response head, as above. `method` is that of the request it answers: HEAD, and CONNECT with 2xx,
 * have no body, like 1xx, 204 and 304 (RFC 9112 6.3). A response to HTTP/1.0 or with neither length nor
 * chunked is HTTP1_UNTIL_CLOSE. 101 has HTTP1_NO_BODY and upgrade_websocket where its fields say so. 1xx and
 * 204 with Transfer-Encoding or a Content-Length other than 0 are bad (RFC 9112 6.1, RFC 9110 8.6): who
 * believes the field waits for a body that who believes the status takes for the next response. A status line
 * may end after the status without the space.
 */
enum http1_result http1_parse_response(const char *buf, size_t n, size_t seen, struct span method,
	struct http1_head *head, enum http1_error *error);

/* The same for what comes over the hop, from our own other program. */
enum http1_result http1_parse_hop_request(
	const char *buf, size_t n, size_t seen, struct http1_head *head, enum http1_error *error);
enum http1_result http1_parse_hop_response(const char *buf, size_t n, size_t seen, struct span method,
	struct http1_head *head, enum http1_error *error);

/* The one field of this name, or NULL; *count (may be NULL) says how often it stands. */
const struct http1_field *http1_find(const struct http1_head *head, struct span name, size_t *count);

/*
 * True for a field that ends at this hop (RFC 9110 7.6.1): Connection and what it names, Keep-Alive,
 * Proxy-Connection, Proxy-Authenticate, Proxy-Authorization, Proxy-Authentication-Info, TE, Trailer,
 * Transfer-Encoding, Upgrade. Content-Length is not one, but the framing is always written anew.
 *
 * Connection can't name away what every recipient needs (RFC 9110 7.6.1 forbids to): Host, Content-*,
 * Authorization, Cookie, Set-Cookie, Cache-Control, Date, Location, Range and their like stay end to end
 * whatever it says. So nobody has a field stripped that the next hop would decide by.
 */
bool http1_is_hop_by_hop(const struct http1_head *head, const struct http1_field *field);

/* True if `token` is an element of the comma-separated list `list` (ASCII case ignored). */
bool http1_list_has(struct span list, struct span token);

/* A sentence for the user, static, without bytes of the message. */
const char *http1_error_text(enum http1_error error);

/* The status that answers it: 400, 414 or 431. */
unsigned http1_error_status(enum http1_error error);

/*
 * ---- chunked coding (RFC 9112 7.1), decoding only. Extensions are checked and dropped; sizes are bounded at
 * 2^63-1 and 16 digits. "Bad white space" around an extension, or after a size, is bad: a sender must not
 * write it, and parsers differ.
 */

#define HTTP1_MAX_CHUNK_LINE 4096      /* octets of one chunk-size line with its extensions */
#define HTTP1_MAX_TRAILERS (16 * 1024) /* octets of the whole trailer section */

struct http1_chunked {
	int state; /* private; zero is the start of a body */
	uint64_t left;
	size_t line;
};

/* What one call of http1_chunked_next() found. */
enum http1_chunk_event {
	HTTP1_CHUNK_BAD = -1,
	HTTP1_CHUNK_MORE = 0,	  /* all of the input was used, or (in trailers) more is needed first */
	HTTP1_CHUNK_DATA = 1,	  /* *data is a piece of the body, within the input */
	HTTP1_CHUNK_TRAILERS = 2, /* the last chunk was seen: parse the rest with http1_parse_trailers() */
};

/* Decode from in[0..n); *used octets were consumed, data included. Call until MORE, TRAILERS or BAD. */
enum http1_chunk_event http1_chunked_next(struct http1_chunked *c, const char *in, size_t n, size_t *used,
	struct span *data, enum http1_error *error);

/*
 * Parse the trailer section (after the last chunk) with its empty line; fields, field_count and size of *head
 * are filled. Fields that frame, route or authenticate are bad in trailers (RFC 9110 6.5.1):
 * Transfer-Encoding, Content-Length, Host, Content-Encoding, Content-Type, Content-Range, Trailer,
 * Authorization, Proxy-*, Cookie, Set-Cookie, Connection, Keep-Alive, TE, Upgrade, Expect. A section over
 * HTTP1_MAX_TRAILERS is HTTP1_HEAD_TOO_LARGE.
 */
enum http1_result http1_parse_trailers(
	const char *buf, size_t n, size_t seen, struct http1_head *head, enum http1_error *error);

/* The same for what comes over the hop: written anew, a section grows by a space in each line. */
#define HTTP1_HOP_MAX_TRAILERS (HTTP1_MAX_TRAILERS + HTTP1_HOP_OCTETS)
enum http1_result http1_parse_hop_trailers(
	const char *buf, size_t n, size_t seen, struct http1_head *head, enum http1_error *error);

#endif
