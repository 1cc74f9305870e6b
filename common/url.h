/*
 * Hosts, authorities and absolute URLs (RFC 3986), in the one canonical form that is judged, logged and
 * dialled. Strict and pure: userinfo, percent signs in a host, backslashes, empty labels, control and
 * non-ASCII bytes are refused. IDN arrives as A-labels (RFC 5891); clients convert.
 */
#ifndef COMMON_URL_H
#define COMMON_URL_H

#include "common/address.h"
#include "common/span.h"

#include <stdint.h>

#define HOST_MAX 253 /* octets of a host name (RFC 1035 3.1, without the root dot) */

enum host_form {
	HOST_INVALID = 0,
	HOST_NAME, /* LDH and underscore labels of 1 to 63 octets, no hyphen at their ends */
	HOST_IPV4, /* dotted quad */
	HOST_IPV6,
	HOST_IPV4_LEGACY, /* another spelling of an IPv4 address: octal, hex, dword, short, trailing dot */
};

/* A host in canonical form: lower case, one trailing dot removed, addresses as by address_format(). */
struct host {
	enum host_form form;
	char text[HOST_MAX + 3]; /* terminated; IPv6 without brackets */
	size_t length;
	struct address address; /* for the address forms */
};

struct authority {
	struct host host;
	uint16_t port; /* 1..65535 */
	bool port_given;
};

enum url_scheme { URL_NONE = 0, URL_HTTP, URL_HTTPS, URL_WS, URL_WSS };

struct url {
	enum url_scheme scheme;
	struct authority authority;
	struct span target; /* path and query as sent; empty where the URL has none: write "/" */
};

/* A host alone, IPv6 in brackets. false: invalid. */
bool host_parse(struct span text, struct host *out);

/* host [":" port], the port in decimal without leading zeros, not empty; default_port when none is given, 0
 * makes the port mandatory (CONNECT, RFC 9110 9.3.6). */
bool authority_parse(struct span text, uint16_t default_port, struct authority *out);

/*
 * scheme "://" authority ["/" path ["?" query]]; a fragment is refused (RFC 9112 3.2.2), and so is a query
 * without a path, which clients write as "/?". Ports default 80 and 443.
 */
bool url_parse_absolute(struct span text, struct url *out);

/* True for a request-target in origin form: "/" and only octets that may stand in a path or query (RFC 3986),
 * plus those that common clients send raw: | [ ] { } " ^ ` < > \ and octets over 0x7F. Space, controls and
 * '#' are refused. */
bool url_is_origin_form(struct span target);

/* "host", "[v6]", with ":port" unless it is the scheme's own. Returns the length; out is terminated. */
#define AUTHORITY_TEXT_SIZE (HOST_MAX + 16)
size_t authority_format(
	const struct authority *authority, uint16_t default_port, char out[AUTHORITY_TEXT_SIZE]);

bool authority_equals(const struct authority *a, const struct authority *b);

/* Decode %XX once; `out` has room for text.n. A '%' that two hex digits don't follow stays. Returns the
 * length. */
size_t percent_decode(struct span text, char *out);

/* Does `pattern` (an exact host, "*.suffix" for one or more labels before it, or "*") name this host?
 * Canonical text. */
bool host_matches(struct span pattern, struct span host);

#endif
