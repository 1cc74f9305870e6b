/*
 * Writes failure answers. The detail is for the operator: addresses, certificate errors, system errors; never
 * octets that an origin or an agent chose, and never more than one line of a field.
 */
#include "egress/failure.h"

#include <stdio.h>

#define MAX_DETAIL 200

static const char *reason_phrase(unsigned status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 407:
		return "Proxy Authentication Required";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	default:
		return "";
	}
}

static void copy_detail(const char *detail, char out[MAX_DETAIL + 1])
{
	size_t n = 0;

	for (; detail && *detail && n < MAX_DETAIL; detail++)
		if (*detail >= ' ' && *detail <= '~')
			out[n++] = *detail;
	out[n] = '\0';
}

bool failure_write(struct evbuffer *out, enum hop_failure failure, const char *detail, bool close)
{
	unsigned status = hop_failure_status(failure);
	char text[MAX_DETAIL + 1];

	copy_detail(detail, text);
	return evbuffer_add_printf(out,
		       "HTTP/1.1 %u %s\r\n%s" HOP_FAILURE_FIELD ": %s\r\n%s%s%s%sContent-Length: 0\r\n\r\n",
		       status, reason_phrase(status),
		       failure == HOP_UNAUTHORIZED ? "Proxy-Authenticate: Bearer\r\n" : "",
		       hop_failure_name(failure), text[0] ? HOP_DETAIL_FIELD ": " : "", text,
		       text[0] ? "\r\n" : "", close ? "Connection: close\r\n" : "") > 0;
}
