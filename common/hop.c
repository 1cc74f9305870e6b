/*
 * The words of the hop: one table with the name and the status of each failure, so that both programs mean
 * the same.
 */
#include "common/hop.h"

static const struct {
	const char *name;
	unsigned status;
} failures[] = {
	[HOP_UNAUTHORIZED] = {"unauthorized", 407},
	[HOP_BAD_REQUEST] = {"hop_bad_request", 400},
	[HOP_DESTINATION_REFUSED] = {"destination_refused", 403},
	[HOP_DNS_NOT_FOUND] = {"dns_not_found", 502},
	[HOP_DNS_FAILED] = {"dns_failed", 502},
	[HOP_DNS_TIMEOUT] = {"dns_timeout", 504},
	[HOP_CONNECT_REFUSED] = {"connect_refused", 502},
	[HOP_CONNECT_UNREACHABLE] = {"connect_unreachable", 502},
	[HOP_CONNECT_TIMEOUT] = {"connect_timeout", 504},
	[HOP_TLS_UNTRUSTED] = {"tls_untrusted", 502},
	[HOP_TLS_FAILED] = {"tls_failed", 502},
	[HOP_TLS_TIMEOUT] = {"tls_timeout", 504},
	[HOP_ORIGIN_CLOSED] = {"origin_closed", 502},
	[HOP_ORIGIN_TIMEOUT] = {"origin_timeout", 504},
	[HOP_ORIGIN_MALFORMED] = {"origin_malformed", 502},
	[HOP_OVERLOADED] = {"overloaded", 503},
	[HOP_AUDIT_UNAVAILABLE] = {"audit_unavailable", 503},
};

#define FAILURE_COUNT (sizeof(failures) / sizeof(failures[0]))

static bool is_failure(enum hop_failure failure)
{
	return failure > HOP_FAILURE_NONE && (size_t)failure < FAILURE_COUNT;
}

const char *hop_failure_name(enum hop_failure failure)
{
	return is_failure(failure) ? failures[failure].name : NULL;
}

enum hop_failure hop_failure_from_name(struct span name)
{
	for (size_t i = HOP_FAILURE_NONE + 1; i < FAILURE_COUNT; i++)
		if (span_equals(name, span_of(failures[i].name)))
			return (enum hop_failure)i;
	return HOP_FAILURE_NONE;
}

/* A failure without a name is our own fault: 500, never a success. */
unsigned hop_failure_status(enum hop_failure failure)
{
	return is_failure(failure) ? failures[failure].status : 500;
}
