/*
 * The proxy's side of the keeper: at start the CA's certificate and the fingerprint key, then leafs as they
 * are needed. The private key of the leafs is made here, at each start, and never leaves the proxy's memory;
 * the CA's never comes here.
 */
#ifndef PIPELOCK_TLS_KEEPER_CLIENT_H
#define PIPELOCK_TLS_KEEPER_CLIENT_H

#include "common/loop.h"
#include "pipelock/scan/scan.h"
#include "pipelock/tls/leaf_cache.h"

#include <openssl/evp.h>

struct keeper_client;

/* Makes the leaf key, says HELLO over `fd` and waits for the answer (blocking: before any loop runs). Ends
 * the process on a broken promise (role_fatal()). NULL: out of memory. */
struct keeper_client *keeper_client_new(int fd);

/* From now on answers are read on this loop. 0, or -ENOMEM. */
int keeper_client_attach(struct keeper_client *client, struct loop *loop);
void keeper_client_free(struct keeper_client *client);

struct leaf_cache *keeper_client_leafs(struct keeper_client *client);
EVP_PKEY *keeper_client_leaf_key(struct keeper_client *client);
const uint8_t *keeper_client_fingerprint_key(const struct keeper_client *client);

#endif
