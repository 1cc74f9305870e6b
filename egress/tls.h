/*
 * TLS to origins: what is trusted, which versions, whose name has to stand in the certificate, and sessions
 * to resume. One client a loop; the roots are shared by all of them and read before anything is served.
 */
#ifndef EGRESS_TLS_H
#define EGRESS_TLS_H

#include "common/channel.h"
#include "common/url.h"

#include <openssl/ssl.h>

/* The system's roots and those of ca_file (NULL: none). NULL with a sentence in error[0..room) when ca_file
 * gives none; a system without roots is only warned of. Free with X509_STORE_free(). */
X509_STORE *tls_load_roots(const char *ca_file, char *error, size_t room);

struct tls_client;

/* NULL: out of memory. The store is shared, not taken. */
struct tls_client *tls_client_new(X509_STORE *roots);
void tls_client_free(struct tls_client *client);

/* A new connection's TLS: verifies for `host`, resumes the last session of `key`. NULL: out of memory. */
SSL *tls_client_connect(struct tls_client *client, const struct host *host, const char *key);

/* Close an origin's connection in order, TLS (RFC 8446 6.1) or plain. Without it OpenSSL takes the session
 * for a broken one and never resumes it. NULL is fine. */
void tls_close(struct channel *channel);

/* A handshake failed: what was remembered of this origin may be why. */
void tls_client_forget(struct tls_client *client, const char *key);

#endif
