/*
 * What OpenSSL reads from and writes to: the channel's socket, but first the octets that were read before TLS
 * began. A client may send its ClientHello in one packet with CONNECT; those octets must not be lost.
 */
#include "common/channel_internal.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <sys/socket.h>

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int channel_bio_read(BIO *bio, char *out, int room)
{
	struct channel *channel = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (channel->early && evbuffer_get_length(channel->early) > 0)
		return evbuffer_remove(channel->early, out, (size_t)room);
	ssize_t n = recv(channel->fd, out, (size_t)room, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	if (n == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)n;
}

static int channel_bio_write(BIO *bio, const char *octets, int size)
{
	struct channel *channel = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	ssize_t n = send(channel->fd, octets, (size_t)size, MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)n;
}

static long channel_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_EOF)
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static int channel_bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static void channel_bio_make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "channel");
	if (!method)
		return;
	BIO_meth_set_read(method, channel_bio_read);
	BIO_meth_set_write(method, channel_bio_write);
	BIO_meth_set_ctrl(method, channel_bio_ctrl);
	BIO_meth_set_create(method, channel_bio_create);
}

bool channel_bio_attach(struct channel *channel, SSL *ssl)
{
	pthread_once(&method_once, channel_bio_make_method);
	BIO *bio = method ? BIO_new(method) : NULL;
	if (!bio)
		return false;
	BIO_set_data(bio, channel);
	SSL_set_bio(ssl, bio, bio);
	if (evbuffer_get_length(channel->input) == 0)
		return true;
	channel->early = evbuffer_new();
	return channel->early && evbuffer_add_buffer(channel->early, channel->input) == 0;
}
