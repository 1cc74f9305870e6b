/*
 * The certificate is for the name in the ClientHello, even if it is not the one of CONNECT: the mismatch is
 * refused inside the tunnel, where the client can show why, and for that the handshake has to succeed.
 */
#include "pipelock/tls/intercept.h"

#include <string.h>

#define READ_BUFFER_BYTES (32 * 1024) /* two records a read(2) */

static struct span intercept_leaf_name(const SSL *ssl, const struct host *asked, struct host *parsed)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	if (!name)
		return (struct span){asked->text, asked->length};
	if (!host_parse(span_of(name), parsed))
		return (struct span){NULL, 0};
	return (struct span){parsed->text, parsed->length};
}

static void on_leaf(void *arg)
{
	struct intercept *intercept = arg;
	intercept->wait = NULL;
	intercept->on_leaf(intercept->arg);
}

/* SSL_CTX_set_cert_cb(3): 1 go on, 0 fail the handshake, -1 come back later. */
static int on_certificate_needed(SSL *ssl, void *arg)
{
	(void)arg;
	struct intercept *intercept = SSL_get_app_data(ssl);
	struct host parsed;
	struct span name = intercept_leaf_name(ssl, intercept->asked, &parsed);
	if (!name.p)
		return 0;
	bool again = intercept->waited;
	X509 *leaf = leaf_cache_get(keeper_client_leafs(intercept->keeper), name, intercept->loop, on_leaf,
		intercept, &intercept->wait);
	if (!leaf) {
		intercept->waited = true;
		/* Once is enough: a keeper that can't make this leaf would be asked for ever. */
		return intercept->wait && !again ? -1 : 0;
	}
	int ok = SSL_use_certificate(ssl, leaf) == 1 &&
		 SSL_use_PrivateKey(ssl, keeper_client_leaf_key(intercept->keeper)) == 1;
	X509_free(leaf);
	return ok;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
	unsigned in_size, void *arg)
{
	static const unsigned char offered[] = "\x08http/1.1";
	(void)ssl;
	(void)arg;
	unsigned char *chosen = NULL;
	if (SSL_select_next_proto(&chosen, out_size, offered, sizeof(offered) - 1, in, in_size) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2 */
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Any name will do here; what it has to be is checked after the handshake. Without a callback OpenSSL would
 * not keep the name of a TLS 1.2 session, and a resumed one would seem to have none. */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl;
	(void)alert;
	(void)arg;
	return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *intercept_ctx_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	/* A request that was cut short is told by its framing (RFC 9112 8); agents that end a connection
	 * without close_notify are many. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER_BYTES);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets: the state is with the client */
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"pipelock", 8);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_cert_cb(ctx, on_certificate_needed, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	return ctx;
}

SSL *intercept_ssl_new(SSL_CTX *ctx, struct intercept *intercept)
{
	SSL *ssl = SSL_new(ctx);
	if (ssl)
		SSL_set_app_data(ssl, intercept);
	return ssl;
}

void intercept_release(struct intercept *intercept)
{
	if (intercept->keeper)
		leaf_cache_cancel(keeper_client_leafs(intercept->keeper), intercept->wait);
	intercept->wait = NULL;
}

enum intercept_name intercept_check_name(const SSL *ssl, const struct host *asked)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct host parsed;
	if (!name)
		return INTERCEPT_NAME_MISSING;
	if (!host_parse(span_of(name), &parsed) || parsed.length != asked->length ||
		memcmp(parsed.text, asked->text, asked->length) != 0)
		return INTERCEPT_NAME_OTHER;
	return INTERCEPT_NAME_SAME;
}
