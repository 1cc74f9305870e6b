/*
 * TLS towards the agent: one context for all hosts, whose certificate callback fetches the leaf for the name
 * that the client asks for, and waits for it without blocking the loop. TLS 1.2 and 1.3, tickets, ALPN
 * http/1.1 only.
 */
#ifndef PIPELOCK_TLS_INTERCEPT_H
#define PIPELOCK_TLS_INTERCEPT_H

#include "common/loop.h"
#include "common/url.h"
#include "pipelock/tls/keeper_client.h"

#include <openssl/ssl.h>

/* NULL: out of memory. */
SSL_CTX *intercept_ctx_new(void);

/* One handshake; embedded in its session, zeroed before use. */
struct intercept {
	struct keeper_client *keeper;
	struct loop *loop;
	const struct host *asked;   /* host of CONNECT: for clients that send no name */
	void (*on_leaf)(void *arg); /* resume the handshake */
	void *arg;
	struct leaf_wait *wait;
	bool waited;
};

/* NULL: out of memory. The SSL borrows *intercept. */
SSL *intercept_ssl_new(SSL_CTX *ctx, struct intercept *intercept);

/* Nothing is waited for any more. Before the session goes. */
void intercept_release(struct intercept *intercept);

enum intercept_name { INTERCEPT_NAME_OTHER = 0, INTERCEPT_NAME_MISSING, INTERCEPT_NAME_SAME };
/* After the handshake: the server name that the client sent (RFC 6066 3), against the host of CONNECT. */
enum intercept_name intercept_check_name(const SSL *ssl, const struct host *asked);

#endif
