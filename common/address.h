/*
 * IP addresses: parsing of literals, canonical text, and what kind of place an address is. Pure.
 * Both programs judge literals with it; egress judges each resolved address with it again.
 */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include "common/span.h"

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
	sa_family_t family; /* AF_INET or AF_INET6; 0 is none */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

/* What an address is by the IANA special-purpose registries (RFC 6890, updates). Zero is not global. */
enum address_kind {
	ADDRESS_UNKNOWN = 0, /* none, or space that no registry makes global unicast */
	ADDRESS_GLOBAL,
	ADDRESS_LOOPBACK,
	ADDRESS_UNSPECIFIED,
	ADDRESS_PRIVATE,    /* 10/8, 172.16/12, 192.168/16, fc00::/7 */
	ADDRESS_LINK_LOCAL, /* 169.254/16, fe80::/10 */
	ADDRESS_METADATA,   /* 169.254.169.254, fd00:ec2::254, ...: refused even where private is allowed */
	ADDRESS_SHARED,	    /* 100.64/10 */
	ADDRESS_MULTICAST,
	ADDRESS_RESERVED,   /* documentation, benchmarking, 240/4, 192.0.0/24, discard-only, ... */
	ADDRESS_TRANSLATED, /* v4-mapped, v4-compatible, 6to4, Teredo, NAT64, ISATAP: never dialled */
};

/* A dotted-quad IPv4 address, four decimal numbers without leading zeros. false: it is not one. */
bool address_parse_v4(struct span text, struct address *out);

/* An IPv6 address (RFC 4291 2.2) without brackets; a zone id is refused. */
bool address_parse_v6(struct span text, struct address *out);

/*
 * The forms that inet_aton and browsers also take for an IPv4 address: octal, hexadecimal, one to three
 * parts, a trailing dot. A host whose last label is a number is always one of these or is invalid (WHATWG
 * URL, 3.5).
 */
bool address_parse_legacy_v4(struct span text, struct address *out);

enum address_kind address_classify(const struct address *address);

/* For v4-mapped, 6to4, NAT64 and the like: the IPv4 address inside. false: none. */
bool address_embedded_v4(const struct address *address, struct address *out);

const char *address_kind_text(enum address_kind kind);

#define ADDRESS_TEXT_SIZE 46
/* Canonical text (RFC 5952 for IPv6, no brackets) into `out`, terminated. Returns out. */
const char *address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE]);

/* A socket address of it. Returns its length. */
socklen_t address_to_sockaddr(const struct address *address, uint16_t port, struct sockaddr_storage *out);

/* The address and port of a socket address; family 0 for other families. */
void address_from_sockaddr(const struct sockaddr *sa, struct address *out, uint16_t *port);

/* "A:P", "[A]:P" or ":P" (IPv6 any, and so IPv4 any) for listening: numeric only, nothing is resolved, port 0
 * is the kernel's choice. false: malformed. */
bool address_parse_listen(struct span text, struct address *address, uint16_t *port);

bool address_equals(const struct address *a, const struct address *b);

#endif
