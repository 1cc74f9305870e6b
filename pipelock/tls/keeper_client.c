/*
 * HELLO and WELCOME once, MINT and LEAF ever after. The keeper is one of our own: what it says wrongly ends
 * this process.
 */
#include "pipelock/tls/keeper_client.h"

#include "common/ipc.h"
#include "common/keeper.h"
#include "common/role.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define LEAFS_MAX 4096

struct keeper_client {
	int fd;
	struct event *event;
	EVP_PKEY *leaf_key;
	struct leaf_cache *leafs;
	uint8_t fingerprint_key[SCAN_FINGERPRINT_KEY_SIZE];
	char message[IPC_MAX_MESSAGE];
};

/* The messages are small and the keeper reads all the time: a full socket is a moment's matter. */
static int keeper_client_send(int fd, const struct ipc_writer *w)
{
	for (int tries = 0; tries < 100; tries++) {
		int rc = ipc_send(fd, w);
		if (rc != -EAGAIN)
			return rc;
		poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 10);
	}
	return -EAGAIN;
}

static int keeper_client_request(void *arg, uint32_t serial, struct span name)
{
	struct keeper_client *client = arg;
	struct ipc_writer w;
	ipc_writer_init(&w, KEEPER_MINT);
	ipc_put_u32(&w, serial);
	ipc_put_span(&w, name);
	int rc = w.failed ? -ENOMEM : keeper_client_send(client->fd, &w);
	ipc_writer_release(&w);
	return rc;
}

static bool keeper_client_say_hello(struct keeper_client *client)
{
	unsigned char *der = NULL;
	int size = i2d_PUBKEY(client->leaf_key, &der);
	if (size <= 0)
		return false;
	struct ipc_writer w;
	ipc_writer_init(&w, KEEPER_HELLO);
	ipc_put_span(&w, (struct span){(char *)der, (size_t)size});
	int rc = w.failed ? -ENOMEM : keeper_client_send(client->fd, &w);
	ipc_writer_release(&w);
	OPENSSL_free(der);
	return rc == 0;
}

static void keeper_client_await_welcome(struct keeper_client *client)
{
	poll(&(struct pollfd){.fd = client->fd, .events = POLLIN}, 1, -1);
	ssize_t n = ipc_receive(client->fd, client->message, sizeof(client->message));
	struct ipc_reader r = {client->message, n > 0 ? (size_t)n : 0, n <= 0};
	uint8_t type = ipc_get_u8(&r);
	ipc_get_span(&r); /* the CA's certificate: agents get it from the operator */
	struct span key = ipc_get_span(&r);
	if (!ipc_reader_done(&r) || type != KEEPER_WELCOME || key.n != SCAN_FINGERPRINT_KEY_SIZE)
		role_fatal("the keeper did not answer HELLO as it has to");
	memcpy(client->fingerprint_key, key.p, key.n);
	OPENSSL_cleanse(client->message, (size_t)n);
}

struct keeper_client *keeper_client_new(int fd)
{
	struct keeper_client *client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	client->fd = fd;
	client->leaf_key = EVP_EC_gen("P-256");
	client->leafs = leaf_cache_new(LEAFS_MAX, keeper_client_request, client);
	if (!client->leaf_key || !client->leafs || !keeper_client_say_hello(client)) {
		keeper_client_free(client);
		return NULL;
	}
	keeper_client_await_welcome(client);
	return client;
}

static void keeper_client_take_leaf(struct keeper_client *client, size_t size)
{
	struct ipc_reader r = {client->message, size, false};
	uint8_t type = ipc_get_u8(&r);
	uint32_t serial = ipc_get_u32(&r);
	struct span der = ipc_get_span(&r);
	if (!ipc_reader_done(&r) || type != KEEPER_LEAF)
		role_fatal("the keeper sent what was not asked for");
	const unsigned char *p = (const unsigned char *)der.p;
	X509 *leaf = der.n ? d2i_X509(NULL, &p, (long)der.n) : NULL;
	leaf_cache_deliver(client->leafs, serial, leaf);
}

static void on_keeper_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct keeper_client *client = arg;
	for (;;) {
		ssize_t n = ipc_receive(fd, client->message, sizeof(client->message));
		if (n == -EAGAIN || n == -EINTR)
			return;
		if (n <= 0) {
			/* The keeper is gone: the supervisor ends this process too. Until then no leaf can be
			 * made. */
			event_del(client->event);
			return;
		}
		keeper_client_take_leaf(client, (size_t)n);
	}
}

int keeper_client_attach(struct keeper_client *client, struct loop *loop)
{
	client->event =
		event_new(loop_base(loop), client->fd, EV_READ | EV_PERSIST, on_keeper_readable, client);
	return client->event && event_add(client->event, NULL) == 0 ? 0 : -ENOMEM;
}

struct leaf_cache *keeper_client_leafs(struct keeper_client *client)
{
	return client->leafs;
}

EVP_PKEY *keeper_client_leaf_key(struct keeper_client *client)
{
	return client->leaf_key;
}

const uint8_t *keeper_client_fingerprint_key(const struct keeper_client *client)
{
	return client->fingerprint_key;
}

void keeper_client_free(struct keeper_client *client)
{
	if (!client)
		return;
	if (client->event)
		event_free(client->event);
	leaf_cache_free(client->leafs);
	EVP_PKEY_free(client->leaf_key);
	OPENSSL_cleanse(client->fingerprint_key, sizeof(client->fingerprint_key));
	free(client);
}
