/*
 * The record layer of a channel. OpenSSL's error queue is cleared before each call and read right after it,
 * so that one connection's failure is never taken for another's.
 */
#include "common/channel_internal.h"

#include "common/loop.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#define RECORD_BYTES 16384    /* the most that one record carries (RFC 8446 5.1) */
#define READ_RECORDS_A_TURN 4 /* so that one busy connection does not starve the loop */

static void channel_tls_note_error(struct channel *channel, unsigned long error)
{
	long verify = SSL_get_verify_result(channel->ssl);
	const char *reason = ERR_reason_error_string(error);
	if (!channel->tls_server && verify != X509_V_OK)
		snprintf(channel->tls_error, sizeof(channel->tls_error), "%s",
			X509_verify_cert_error_string(verify));
	else
		snprintf(channel->tls_error, sizeof(channel->tls_error), "%s",
			reason ? reason : "connection closed");
}

/* Sort out what a call that returned `result` <= 0 meant. */
static enum channel_io channel_tls_result(
	struct channel *channel, int result, bool *wants_read, bool *wants_write)
{
	int saved_errno = errno;
	switch (SSL_get_error(channel->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		*wants_read = true;
		return CHANNEL_IO_BLOCKED;
	case SSL_ERROR_WANT_WRITE:
		*wants_write = true;
		return CHANNEL_IO_BLOCKED;
	case SSL_ERROR_WANT_X509_LOOKUP:
		channel->handshake_paused = true;
		return CHANNEL_IO_BLOCKED;
	case SSL_ERROR_ZERO_RETURN:
		return CHANNEL_IO_ENDED;
	case SSL_ERROR_SYSCALL:
		channel->error_number = saved_errno;
		channel->end = channel->handshaking ? CHANNEL_TLS_FAILED : CHANNEL_CLOSED;
		channel_tls_note_error(channel, 0);
		return CHANNEL_IO_FAILED;
	default:
		break;
	}
	unsigned long error = ERR_peek_error();
	if (ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING && !channel->handshaking) {
		channel->input_truncated = true;
		return CHANNEL_IO_ENDED;
	}
	channel_tls_note_error(channel, error);
	channel->end = CHANNEL_TLS_FAILED;
	return CHANNEL_IO_FAILED;
}

enum channel_io channel_tls_handshake(struct channel *channel)
{
	bool ignored = false;
	channel->read_wants_write = false;
	ERR_clear_error();
	int result = channel->tls_server ? SSL_accept(channel->ssl) : SSL_connect(channel->ssl);
	if (result == 1)
		return CHANNEL_IO_OK;
	enum channel_io io = channel_tls_result(channel, result, &ignored, &channel->read_wants_write);
	if (io != CHANNEL_IO_ENDED)
		return io;
	channel->end = CHANNEL_TLS_FAILED;
	channel_tls_note_error(channel, 0);
	return CHANNEL_IO_FAILED;
}

static enum channel_io channel_tls_read_record(struct channel *channel)
{
	struct evbuffer_iovec room;
	if (evbuffer_reserve_space(channel->input, RECORD_BYTES, &room, 1) != 1) {
		channel->end = CHANNEL_NO_MEMORY;
		return CHANNEL_IO_FAILED;
	}
	bool ignored = false;
	size_t n = 0;
	ERR_clear_error();
	int result = SSL_read_ex(channel->ssl, room.iov_base, room.iov_len, &n);
	room.iov_len = result == 1 ? n : 0;
	evbuffer_commit_space(channel->input, &room, 1);
	channel->bytes_read += room.iov_len;
	if (result == 1)
		return CHANNEL_IO_OK;
	return channel_tls_result(channel, result, &ignored, &channel->read_wants_write);
}

enum channel_io channel_tls_read(struct channel *channel)
{
	enum channel_io io = CHANNEL_IO_OK;
	for (int i = 0; io == CHANNEL_IO_OK; i++) {
		io = channel_tls_read_record(channel);
		if (io != CHANNEL_IO_OK || !SSL_has_pending(channel->ssl))
			break;
		if (i + 1 == READ_RECORDS_A_TURN ||
			evbuffer_get_length(channel->input) >= channel->input_high) {
			/* The kernel will not tell of octets that are in OpenSSL's buffer: come back unasked.
			 */
			event_active(&channel->read_event, EV_READ, 0);
			break;
		}
	}
	return io;
}

/* The next octets as one run: a record is filled from many small pieces, not one record a piece. */
static const char *channel_tls_gather(struct channel *channel, char *scratch, size_t *size)
{
	size_t length = evbuffer_get_length(channel->output);
	*size = length < RECORD_BYTES ? length : RECORD_BYTES;
	struct evbuffer_iovec first;
	if (evbuffer_peek(channel->output, -1, NULL, &first, 1) >= 1 && first.iov_len >= *size)
		return first.iov_base;
	evbuffer_copyout(channel->output, scratch, *size);
	return scratch;
}

enum channel_io channel_tls_write(struct channel *channel)
{
	char scratch[RECORD_BYTES];
	channel->write_wants_read = false;
	while (evbuffer_get_length(channel->output) > 0) {
		size_t size, written = 0;
		bool ignored = false;
		const char *octets = channel_tls_gather(channel, scratch, &size);
		ERR_clear_error();
		int result = SSL_write_ex(channel->ssl, octets, size, &written);
		if (result != 1) {
			enum channel_io io =
				channel_tls_result(channel, result, &channel->write_wants_read, &ignored);
			if (io != CHANNEL_IO_ENDED)
				return io;
			channel->end = CHANNEL_CLOSED;
			return CHANNEL_IO_FAILED;
		}
		evbuffer_drain(channel->output, written);
		channel->bytes_written += written;
		channel->last_write_ms = loop_now_ms();
	}
	return CHANNEL_IO_OK;
}

bool channel_tls_shutdown(struct channel *channel)
{
	ERR_clear_error();
	int result = SSL_shutdown(channel->ssl);
	return result >= 0 || SSL_get_error(channel->ssl, result) != SSL_ERROR_WANT_WRITE;
}
