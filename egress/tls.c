/*
 * The TLS client. What must hold: no handshake succeeds without a chain to a known root and the name that was
 * asked for (RFC 9110 4.3.4); connect_to changes where is dialled, never whose certificate is asked for.
 * Sessions are kept under the origin's key, so that a session verified for one name is never resumed for
 * another.
 */
#include "egress/tls.h"

#include "common/log.h"
#include "egress/lru.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SESSIONS 1024

struct tls_client {
	SSL_CTX *context;
	struct lru sessions;
};

struct remembered {
	struct lru_node node; /* first: a node is its remembered */
	SSL_SESSION *session;
	char key[];
};

/* Of the SSL: the key its sessions are kept under, owned. Of the SSL_CTX: its tls_client. */
static int key_index = -1, client_index = -1;

/* ---- roots */

/* One file, read now: OpenSSL's default looks certificates up in a folder when it needs them, which a role in
 * its sandbox can't do. */
static bool load_system_roots(X509_STORE *store)
{
	const char *files[] = {getenv(X509_get_default_cert_file_env()), X509_get_default_cert_file(),
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/cert.pem"};
	bool loaded = false;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && !loaded; i++)
		loaded = files[i] && files[i][0] && X509_STORE_load_file(store, files[i]) == 1;
	ERR_clear_error();
	return loaded;
}

X509_STORE *tls_load_roots(const char *ca_file, char *error, size_t room)
{
	X509_STORE *store = X509_STORE_new();

	if (!store) {
		snprintf(error, room, "out of memory");
		return NULL;
	}
	if (!load_system_roots(store))
		log_warn("this system has no CA bundle (ca-certificates): only the roots of egress.ca_file "
			 "are trusted");
	if (ca_file && X509_STORE_load_file(store, ca_file) != 1) {
		snprintf(
			error, room, "egress.ca_file: \"%s\" can't be read or holds no certificate", ca_file);
		ERR_clear_error();
		X509_STORE_free(store);
		return NULL;
	}
	return store;
}

/* ---- sessions */

static void session_drop(struct tls_client *client, struct lru_node *node)
{
	struct remembered *remembered = (struct remembered *)node;

	lru_remove(&client->sessions, node);
	SSL_SESSION_free(remembered->session);
	free(remembered);
}

void tls_client_forget(struct tls_client *client, const char *key)
{
	struct lru_node *node;

	while ((node = lru_find(&client->sessions, key)))
		session_drop(client, node);
}

/* 1 takes the session over. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_client *client = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), client_index);
	const char *key = SSL_get_ex_data(ssl, key_index);
	struct remembered *remembered;
	size_t size;

	if (!client || !key || !SSL_SESSION_is_resumable(session))
		return 0;
	size = strlen(key) + 1;
	remembered = calloc(1, sizeof(*remembered) + size);
	if (!remembered)
		return 0;
	tls_client_forget(client, key);
	if (client->sessions.count >= MAX_SESSIONS)
		session_drop(client, client->sessions.oldest);
	remembered->session = session;
	memcpy(remembered->key, key, size);
	lru_add(&client->sessions, &remembered->node, remembered->key);
	return 1;
}

/* A TLS 1.3 ticket is for one use (RFC 8446 C.4); each handshake brings new ones. */
static void resume_session(struct tls_client *client, SSL *ssl, const char *key)
{
	struct lru_node *node = lru_find(&client->sessions, key);
	SSL_SESSION *session;

	if (!node)
		return;
	session = ((struct remembered *)node)->session;
	SSL_set_session(ssl, session);
	if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
		session_drop(client, node);
}

/* ---- the client */

static void on_key_free(void *parent, void *key, CRYPTO_EX_DATA *data, int index, long number, void *pointer)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)number;
	(void)pointer;
	free(key);
}

static bool make_indices(void)
{
	if (key_index < 0)
		key_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_key_free);
	if (client_index < 0)
		client_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return key_index >= 0 && client_index >= 0;
}

static bool set_up_context(struct tls_client *client, X509_STORE *roots)
{
	SSL_CTX *context = client->context;

	if (SSL_CTX_set_ex_data(context, client_index, client) != 1 ||
		SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
		return false;
	SSL_CTX_set1_cert_store(context, roots);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/* One recv(2) for all that is there, instead of two for each record. */
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, on_new_session);
	return true;
}

struct tls_client *tls_client_new(X509_STORE *roots)
{
	struct tls_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->context = SSL_CTX_new(TLS_client_method());
	if (!client->context || !make_indices() || !set_up_context(client, roots)) {
		tls_client_free(client);
		return NULL;
	}
	return client;
}

void tls_client_free(struct tls_client *client)
{
	if (!client)
		return;
	while (client->sessions.oldest)
		session_drop(client, client->sessions.oldest);
	SSL_CTX_free(client->context);
	free(client);
}

/* Names are also asked for (SNI, RFC 6066 3); literal addresses never are. */
static bool expect_host(SSL *ssl, const struct host *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (host->form != HOST_NAME)
		return X509_VERIFY_PARAM_set1_ip_asc(param, host->text) == 1;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, host->text, host->length) == 1 &&
	       SSL_set_tlsext_host_name(ssl, host->text) == 1;
}

static bool remember_key(SSL *ssl, const char *key)
{
	char *copy = strdup(key);

	if (copy && SSL_set_ex_data(ssl, key_index, copy) == 1)
		return true;
	free(copy);
	return false;
}

SSL *tls_client_connect(struct tls_client *client, const struct host *host, const char *key)
{
	static const unsigned char protocols[] = "\x08http/1.1";
	SSL *ssl = SSL_new(client->context);

	/* SSL_set_alpn_protos() alone returns 0 for success. */
	if (!ssl || !expect_host(ssl, host) || !remember_key(ssl, key) ||
		SSL_set_alpn_protos(ssl, protocols, sizeof(protocols) - 1) != 0) {
		SSL_free(ssl);
		return NULL;
	}
	resume_session(client, ssl, key);
	return ssl;
}

void tls_close(struct channel *channel)
{
	SSL *ssl = channel ? channel_ssl(channel) : NULL;

	if (ssl && SSL_is_init_finished(ssl)) {
		ERR_clear_error();
		SSL_shutdown(ssl);
	}
	channel_free(channel);
}
