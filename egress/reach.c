/*
 * Reaches origins. What must hold: each address of an answer is judged, and one that is refused refuses them
 * all, since a name with a public and a private address is an attack (rebinding) or a mistake; what is
 * dialled is the judged list, the name is not looked up again.
 */
#include "egress/reach.h"

#include "egress/dial.h"
#include "egress/worker.h"

#include <event2/event_struct.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reach {
	struct worker *worker;
	const struct request *request;
	reach_callback *done;
	void *arg;
	struct destination destination;
	struct lookup *lookup;
	struct dial *dial;
	struct channel *channel; /* in its handshake */
	struct event timer;	 /* the handshake's end, or the telling of a failure from the loop */
	enum hop_failure failure;
	char detail[192];
};

static void reach_free(struct reach *reach)
{
	event_del(&reach->timer);
	lookup_cancel(reach->lookup);
	dial_cancel(reach->dial);
	channel_free(reach->channel);
	free(reach);
}

void reach_cancel(struct reach *reach)
{
	if (reach)
		reach_free(reach);
}

static void finish(struct reach *reach, struct channel *channel)
{
	reach_callback *done = reach->done;
	void *arg = reach->arg;
	enum hop_failure failure = channel ? HOP_FAILURE_NONE : reach->failure;
	char detail[sizeof(reach->detail)];

	memcpy(detail, reach->detail, sizeof(detail));
	reach_free(reach);
	done(channel, failure, detail, arg);
}

/* From the loop's next turn, so that reach_start() never calls back. */
static void fail(struct reach *reach, enum hop_failure failure, const char *detail)
{
	if (reach->failure != HOP_FAILURE_NONE)
		return;
	reach->failure = failure;
	snprintf(reach->detail, sizeof(reach->detail), "%s", detail);
	event_active(&reach->timer, EV_TIMEOUT, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct reach *reach = arg;

	(void)fd;
	(void)what;
	if (reach->failure == HOP_FAILURE_NONE) {
		reach->failure = HOP_TLS_TIMEOUT;
		snprintf(reach->detail, sizeof(reach->detail), "the TLS handshake took too long");
	}
	finish(reach, NULL);
}

/* ---- TLS */

static void on_handshake_input(struct channel *channel, void *arg)
{
	(void)channel;
	(void)arg;
}

/* Only what was offered may be chosen; an origin without ALPN speaks HTTP/1.1 (RFC 7301 3.2). */
static bool speaks_http1(SSL *ssl)
{
	const unsigned char *protocol = NULL;
	unsigned n = 0;

	SSL_get0_alpn_selected(ssl, &protocol, &n);
	return n == 0 || span_equals((struct span){(const char *)protocol, n}, SPAN("http/1.1"));
}

static void on_handshake_done(struct channel *channel, void *arg)
{
	struct reach *reach = arg;
	SSL *ssl = channel_ssl(channel);

	if (SSL_get_verify_result(ssl) != X509_V_OK) {
		fail(reach, HOP_TLS_UNTRUSTED, X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
		return;
	}
	if (!speaks_http1(ssl)) {
		fail(reach, HOP_TLS_FAILED, "the origin chose a protocol that was not offered");
		return;
	}
	reach->channel = NULL;
	finish(reach, channel);
}

static void on_handshake_end(struct channel *channel, enum channel_end end, void *arg)
{
	struct reach *reach = arg;
	SSL *ssl = channel_ssl(channel);
	long verified = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;

	tls_client_forget(reach->worker->tls, reach->request->key);
	if (end == CHANNEL_NO_MEMORY)
		fail(reach, HOP_OVERLOADED, "out of memory");
	else if (verified != X509_V_OK)
		fail(reach, HOP_TLS_UNTRUSTED, X509_verify_cert_error_string(verified));
	else if (end == CHANNEL_TLS_FAILED && channel_tls_error(channel)[0])
		fail(reach, HOP_TLS_FAILED, channel_tls_error(channel));
	else
		fail(reach, HOP_TLS_FAILED, "the connection was closed in the handshake");
}

static void begin_tls(struct reach *reach, struct channel *channel)
{
	static const struct channel_callbacks callbacks = {
		.on_input = on_handshake_input, .on_open = on_handshake_done, .on_end = on_handshake_end};
	const struct request *request = reach->request;
	uint32_t timeout_ms = reach->worker->shared->settings.tls_timeout_ms;
	SSL *ssl = tls_client_connect(reach->worker->tls, &request->authority.host, request->key);

	reach->channel = channel;
	channel_set_callbacks(channel, &callbacks, reach);
	if (!ssl) {
		fail(reach, HOP_OVERLOADED, "out of memory");
		return;
	}
	channel_start_tls(channel, ssl, false);
	event_add(&reach->timer, &(struct timeval){timeout_ms / 1000, timeout_ms % 1000 * 1000});
}

/* ---- TCP */

static void on_dialled(struct channel *channel, enum hop_failure failure, const char *detail, void *arg)
{
	struct reach *reach = arg;

	reach->dial = NULL;
	if (!channel) {
		reach->failure = failure;
		snprintf(reach->detail, sizeof(reach->detail), "%s", detail);
		finish(reach, NULL);
	} else if (reach->request->scheme == URL_HTTPS) {
		begin_tls(reach, channel);
	} else {
		finish(reach, channel);
	}
}

static void judge_and_dial(struct reach *reach, const struct address *addresses, size_t count)
{
	struct worker *worker = reach->worker;
	char refusal[DESTINATION_REFUSAL_SIZE];

	for (size_t i = 0; i < count; i++) {
		if (!destination_permits(
			    &worker->shared->policy, &reach->destination, &addresses[i], refusal)) {
			fail(reach, HOP_DESTINATION_REFUSED, refusal);
			return;
		}
	}
	reach->dial = dial_start(worker->base, addresses, count, reach->destination.port,
		worker->shared->settings.connect_timeout_ms, on_dialled, reach);
	if (!reach->dial)
		fail(reach, HOP_OVERLOADED, "out of memory");
}

/* ---- names */

static const char *lookup_detail(enum hop_failure failure)
{
	switch (failure) {
	case HOP_DNS_NOT_FOUND:
		return "the name has no address";
	case HOP_DNS_TIMEOUT:
		return "no name server answered in time";
	default:
		return "the name server could not answer";
	}
}

static void on_resolved(enum hop_failure failure, const struct address *addresses, size_t count, void *arg)
{
	struct reach *reach = arg;

	reach->lookup = NULL;
	if (failure == HOP_FAILURE_NONE && count > 0)
		judge_and_dial(reach, addresses, count);
	else
		fail(reach, failure, lookup_detail(failure));
}

static void find_addresses(struct reach *reach)
{
	const struct host *host = &reach->destination.host;

	if (host->form != HOST_NAME) {
		judge_and_dial(reach, &host->address, 1);
		return;
	}
	reach->lookup = resolver_lookup(reach->worker->resolver, host, on_resolved, reach);
	if (!reach->lookup)
		fail(reach, HOP_OVERLOADED, "out of memory");
}

struct reach *reach_start(
	struct worker *worker, const struct request *request, reach_callback *done, void *arg)
{
	struct reach *reach = calloc(1, sizeof(*reach));

	if (!reach)
		return NULL;
	reach->worker = worker;
	reach->request = request;
	reach->done = done;
	reach->arg = arg;
	event_assign(&reach->timer, worker->base, -1, 0, on_timer, reach);
	if (destination_for(&worker->shared->policy, &request->authority, &reach->destination))
		find_addresses(reach);
	else
		fail(reach, HOP_DESTINATION_REFUSED, "the target in egress.connect_to is malformed");
	return reach;
}
