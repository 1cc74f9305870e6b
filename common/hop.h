/*
 * What pipelock and egress say to each other on the hop (HTTP/1.1 over loopback TCP) beside plain HTTP: the
 * capability, the request's id, and why egress could not bring back an origin's answer.
 *
 * Pipelock-* fields are made by our own roles alone: egress drops them from what an origin answers, pipelock
 * from what an agent asks. So a Pipelock-Failure that comes over the hop is egress's own word.
 */
#ifndef COMMON_HOP_H
#define COMMON_HOP_H

#include "common/span.h"

/* Random octets, made at each start of the group; sent as Proxy-Authorization: Bearer HEX, lower case. */
#define HOP_CAPABILITY_BYTES 32
#define HOP_CAPABILITY_TEXT_SIZE 65 /* terminated */

/* The request's id, for egress's own records; not sent to the origin. */
#define HOP_REQUEST_FIELD "Pipelock-Request"
/* In an answer of egress: the name of an enum hop_failure, ... */
#define HOP_FAILURE_FIELD "Pipelock-Failure"
/* ... and one line for the operator: the address refused, the TLS error, ... */
#define HOP_DETAIL_FIELD "Pipelock-Detail"

enum hop_failure {
	HOP_FAILURE_NONE = 0,
	HOP_UNAUTHORIZED,	 /* 407 no or wrong capability */
	HOP_BAD_REQUEST,	 /* 400 not what pipelock writes */
	HOP_DESTINATION_REFUSED, /* 403 a private, loopback, metadata, own ... address */
	HOP_DNS_NOT_FOUND,	 /* 502 no such name, or no address */
	HOP_DNS_FAILED,		 /* 502 server failure, refused, malformed answer */
	HOP_DNS_TIMEOUT,	 /* 504 */
	HOP_CONNECT_REFUSED,	 /* 502 */
	HOP_CONNECT_UNREACHABLE, /* 502 */
	HOP_CONNECT_TIMEOUT,	 /* 504 */
	HOP_TLS_UNTRUSTED,	 /* 502 the certificate did not verify; the detail says why */
	HOP_TLS_FAILED,		 /* 502 */
	HOP_TLS_TIMEOUT,	 /* 504 */
	HOP_ORIGIN_CLOSED,	 /* 502 closed or reset before a whole answer head */
	HOP_ORIGIN_TIMEOUT,	 /* 504 no answer in time */
	HOP_ORIGIN_MALFORMED,	 /* 502 the answer breaks RFC 9112 */
	HOP_OVERLOADED,		 /* 503 out of descriptors or memory */
	HOP_AUDIT_UNAVAILABLE,	 /* 503 the audit log can't be written */
};

/* "dns_not_found", ... static; NULL for NONE. */
const char *hop_failure_name(enum hop_failure failure);
/* The failure of this name; HOP_FAILURE_NONE for an unknown one. */
enum hop_failure hop_failure_from_name(struct span name);
/* The status egress answers it with. */
unsigned hop_failure_status(enum hop_failure failure);

#endif
