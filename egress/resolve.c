/*
 * Lookups. evdns calls back once for each query, also after a cancel, and later: so a lookup lives until its
 * last query has come back, and its owner may be gone by then. The second family is not waited for long once
 * the first has an answer (RFC 8305 3), since some name servers never answer AAAA.
 */
#include "egress/resolve.h"

#include "common/log.h"
#include "common/loop.h"

#include <event2/dns.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_FAMILY_MS 250
/* evdns calls SERVFAIL a timeout too, but tells it at once; no name server is given less than this to answer.
 */
#define SOONEST_TIMEOUT_MS 900

struct resolver {
	struct event_base *base;
	struct evdns_base *dns;
	const struct hosts *hosts;
	uint32_t timeout_ms;
};

enum query_kind { QUERY_A, QUERY_AAAA, QUERY_COUNT };

struct lookup {
	struct resolver *resolver;
	resolve_callback *done; /* NULL: cancelled, or done */
	void *arg;
	struct evdns_request *queries[QUERY_COUNT]; /* that have not come back */
	int errors[QUERY_COUNT];
	unsigned pending;
	long long begun_ms;
	bool started; /* all queries were sent: callbacks may free it */
	struct event timer;
	enum hop_failure timeout_failure; /* what the timer means */
	struct address addresses[RESOLVE_MAX_ADDRESSES];
	size_t count;
};

static void on_evdns_log(int is_warning, const char *text)
{
	if (is_warning)
		log_warn("dns: %s", text);
}

struct resolver *resolver_new(
	struct event_base *base, const char *resolv_conf, const struct hosts *hosts, uint32_t timeout_ms)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));

	if (!resolver)
		return NULL;
	resolver->base = base;
	resolver->hosts = hosts;
	resolver->timeout_ms = timeout_ms;
	evdns_set_log_fn(on_evdns_log);
	resolver->dns = evdns_base_new(base, 0);
	if (!resolver->dns) {
		resolver_free(resolver);
		return NULL;
	}
	/* evdns waits 5 s for a lost packet and holds 64 questions at once: too slow and too few here. What
	 * resolv.conf says comes after and wins. */
	evdns_base_set_option(resolver->dns, "timeout:", "2");
	evdns_base_set_option(resolver->dns, "max-timeouts:", "8");
	evdns_base_set_option(resolver->dns, "max-inflight:", "1024");
	evdns_base_resolv_conf_parse(resolver->dns,
		DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC | DNS_OPTION_NAMESERVERS_NO_DEFAULT, resolv_conf);
	evdns_base_search_clear(resolver->dns);
	return resolver;
}

void resolver_free(struct resolver *resolver)
{
	if (!resolver)
		return;
	if (resolver->dns)
		evdns_base_free(resolver->dns, 0);
	free(resolver);
}

static void free_if_over(struct lookup *lookup)
{
	if (lookup->done || lookup->pending > 0 || !lookup->started)
		return;
	event_del(&lookup->timer);
	free(lookup);
}

static void cancel_queries(struct lookup *lookup)
{
	for (unsigned kind = 0; kind < QUERY_COUNT; kind++) {
		struct evdns_request *query = lookup->queries[kind];

		lookup->queries[kind] = NULL;
		if (query)
			evdns_cancel_request(lookup->resolver->dns, query);
	}
}

static void finish(struct lookup *lookup, enum hop_failure failure)
{
	resolve_callback *done = lookup->done;

	event_del(&lookup->timer);
	lookup->done = NULL;
	cancel_queries(lookup);
	if (done)
		done(failure, lookup->addresses, failure == HOP_FAILURE_NONE ? lookup->count : 0,
			lookup->arg);
	free_if_over(lookup);
}

void lookup_cancel(struct lookup *lookup)
{
	if (!lookup)
		return;
	lookup->done = NULL;
	event_del(&lookup->timer);
	cancel_queries(lookup);
	free_if_over(lookup);
}

/* Of two errors the one that says least: a name is not there only if both queries say so. */
static enum hop_failure failure_of(const int errors[QUERY_COUNT])
{
	enum hop_failure failure = HOP_DNS_NOT_FOUND;

	for (unsigned kind = 0; kind < QUERY_COUNT; kind++) {
		if (errors[kind] == DNS_ERR_TIMEOUT)
			return HOP_DNS_TIMEOUT;
		if (errors[kind] != DNS_ERR_NOTEXIST && errors[kind] != DNS_ERR_NODATA &&
			errors[kind] != DNS_ERR_NONE)
			failure = HOP_DNS_FAILED;
	}
	return failure;
}

static void set_timer(struct lookup *lookup, uint32_t ms, enum hop_failure meaning)
{
	lookup->timeout_failure = meaning;
	event_add(&lookup->timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct lookup *lookup = arg;

	(void)fd;
	(void)what;
	finish(lookup, lookup->timeout_failure);
}

static void take_addresses(struct lookup *lookup, char type, int count, const void *addresses)
{
	for (int i = 0; i < count && lookup->count < RESOLVE_MAX_ADDRESSES; i++) {
		struct address *address = &lookup->addresses[lookup->count++];

		if (type == DNS_IPv4_A) {
			address->family = AF_INET;
			address->v4 = ((const struct in_addr *)addresses)[i];
		} else {
			address->family = AF_INET6;
			address->v6 = ((const struct in6_addr *)addresses)[i];
		}
	}
}

static void query_returned(struct lookup *lookup, enum query_kind kind, int result)
{
	lookup->pending--;
	lookup->queries[kind] = NULL;
	if (result == DNS_ERR_TIMEOUT && loop_now_ms() - lookup->begun_ms < SOONEST_TIMEOUT_MS)
		result = DNS_ERR_SERVERFAILED;
	lookup->errors[kind] = result;
	if (!lookup->done) {
		free_if_over(lookup);
		return;
	}
	if (lookup->pending == 0 && lookup->started)
		finish(lookup, lookup->count > 0 ? HOP_FAILURE_NONE : failure_of(lookup->errors));
	else if (lookup->count > 0)
		set_timer(lookup, SECOND_FAMILY_MS, HOP_FAILURE_NONE);
}

static void on_answer_a(int result, char type, int count, int ttl, void *addresses, void *arg)
{
	(void)ttl;
	if (result == DNS_ERR_NONE && type == DNS_IPv4_A)
		take_addresses(arg, DNS_IPv4_A, count, addresses);
	query_returned(arg, QUERY_A, result);
}

static void on_answer_aaaa(int result, char type, int count, int ttl, void *addresses, void *arg)
{
	(void)ttl;
	if (result == DNS_ERR_NONE && type == DNS_IPv6_AAAA)
		take_addresses(arg, DNS_IPv6_AAAA, count, addresses);
	query_returned(arg, QUERY_AAAA, result);
}

static void ask(struct lookup *lookup, const char *name)
{
	struct evdns_base *dns = lookup->resolver->dns;

	lookup->pending = QUERY_COUNT;
	lookup->queries[QUERY_A] =
		evdns_base_resolve_ipv4(dns, name, DNS_QUERY_NO_SEARCH, on_answer_a, lookup);
	if (!lookup->queries[QUERY_A]) {
		lookup->pending--;
		lookup->errors[QUERY_A] = DNS_ERR_UNKNOWN;
	}
	lookup->queries[QUERY_AAAA] =
		evdns_base_resolve_ipv6(dns, name, DNS_QUERY_NO_SEARCH, on_answer_aaaa, lookup);
	if (!lookup->queries[QUERY_AAAA]) {
		lookup->pending--;
		lookup->errors[QUERY_AAAA] = DNS_ERR_UNKNOWN;
	}
}

struct lookup *resolver_lookup(
	struct resolver *resolver, const struct host *host, resolve_callback *done, void *arg)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (!lookup)
		return NULL;
	lookup->resolver = resolver;
	lookup->done = done;
	lookup->arg = arg;
	lookup->begun_ms = loop_now_ms();
	event_assign(&lookup->timer, resolver->base, -1, 0, on_timer, lookup);
	lookup->count = hosts_find(resolver->hosts, (struct span){host->text, host->length},
		lookup->addresses, RESOLVE_MAX_ADDRESSES);
	if (lookup->count > 0) {
		set_timer(lookup, 0, HOP_FAILURE_NONE);
	} else if (evdns_base_count_nameservers(resolver->dns) == 0) {
		set_timer(lookup, 0, HOP_DNS_FAILED);
	} else {
		set_timer(lookup, resolver->timeout_ms, HOP_DNS_TIMEOUT);
		ask(lookup, host->text);
		if (lookup->pending == 0)
			set_timer(lookup, 0, HOP_DNS_FAILED);
	}
	lookup->started = true;
	return lookup;
}
