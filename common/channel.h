/*
 * One connected byte stream with its buffers: TCP, or TLS over it, on a libevent base. Non-blocking,
 * half-close both ways, back-pressure by watermarks, one timer for each direction. It knows nothing of HTTP.
 *
 * Callbacks run from the event loop, never from inside a channel_* call, and may free the channel. After
 * on_end nothing more comes; the owner frees it.
 */
#ifndef COMMON_CHANNEL_H
#define COMMON_CHANNEL_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

enum channel_end {
	CHANNEL_CLOSED,	       /* reset, or a write to a peer that is gone */
	CHANNEL_READ_TIMEOUT,  /* nothing came for the read timeout while reading was on */
	CHANNEL_WRITE_TIMEOUT, /* the peer took nothing for the write timeout */
	CHANNEL_TLS_FAILED,    /* handshake or record layer; channel_tls_error() says why */
	CHANNEL_NO_MEMORY,
	CHANNEL_LINGERED, /* channel_linger() is done */
};

struct channel;

struct channel_callbacks {
	/* New octets in the input, or its end was reached (channel_input_ended()). */
	void (*on_input)(struct channel *channel, void *arg);
	/* The output fell to the low-water mark or below (0 unless set). May be NULL. */
	void (*on_output_drained)(struct channel *channel, void *arg);
	/* The connection made by channel_connect() stands, or the TLS handshake is done. May be NULL. */
	void (*on_open)(struct channel *channel, void *arg);
	/* It is over, abortively. An orderly end of input is on_input, not this. */
	void (*on_end)(struct channel *channel, enum channel_end end, void *arg);
};

/* Takes the connected (or connecting, see channel_connect()) non-blocking descriptor. NULL: out of memory, fd
 * is closed. */
struct channel *channel_new(
	struct event_base *base, int fd, const struct channel_callbacks *callbacks, void *arg);
void channel_set_callbacks(struct channel *channel, const struct channel_callbacks *callbacks, void *arg);

/* Begin connect(2) on a new socket. NULL with errno. on_open or on_end (CLOSED; channel_errno()) follows. */
struct channel *channel_connect(struct event_base *base, const struct sockaddr *address, socklen_t length,
	const struct channel_callbacks *callbacks, void *arg);

/* Close and free; what is in the output is lost. SO_LINGER 0 (a reset) if `abort`. NULL is fine. */
void channel_free(struct channel *channel);
void channel_abort(struct channel *channel);

/*
 * Put TLS on it; takes ssl. Input that was read before is handed to TLS first. server: accept, else connect.
 * on_open follows when the handshake is done. A certificate callback that returns -1 pauses it
 * (SSL_ERROR_WANT_X509_LOOKUP) until channel_resume_handshake().
 */
void channel_start_tls(struct channel *channel, SSL *ssl, bool server);
void channel_resume_handshake(struct channel *channel);
SSL *channel_ssl(const struct channel *channel); /* NULL: plain */
/* The reason of a TLS failure, for a log: terminated, no network bytes but X.509 verify texts. */
const char *channel_tls_error(const struct channel *channel);
int channel_errno(const struct channel *channel);
int channel_fd(const struct channel *channel);

struct evbuffer *channel_input(struct channel *channel);
/* What is added here is sent when channel_flush() is called, and on from there until it is empty. */
struct evbuffer *channel_output(struct channel *channel);
void channel_flush(struct channel *channel);
size_t channel_output_size(const struct channel *channel);

/* The peer has ended its sending: FIN or close_notify. A TLS stream cut without close_notify is also an end,
 * and channel_input_truncated() is true. */
bool channel_input_ended(const struct channel *channel);
bool channel_input_truncated(const struct channel *channel);

/* Reading stops when the input holds `high` octets and goes on when it was drained below. The default is more
 * than the largest unit that an owner waits for as a whole. */
#define CHANNEL_INPUT_HIGH (72 * 1024)
void channel_set_input_high(struct channel *channel, size_t high);
void channel_set_output_low(struct channel *channel, size_t low);
/* Back-pressure: while off, nothing is read, and no read timeout runs. On at first. */
void channel_enable_reading(struct channel *channel, bool on);

/* 0 is none. The read timer runs while reading is on, and starts anew with each read; the write timer while
 * output waits. */
void channel_set_timeouts(struct channel *channel, unsigned read_ms, unsigned write_ms);

/* Send what is in the output, then FIN (or close_notify). Input still flows. */
void channel_shutdown_write(struct channel *channel);
bool channel_write_is_shut(const struct channel *channel);

/*
 * The last words: send what is in the output (the write timeout holds), shut, then read and drop up to a
 * bound for a short time, so that no reset overtakes them. Of the callbacks only on_end comes now, with
 * CHANNEL_LINGERED when it went well. false: nothing is to be waited for. The owner frees the channel then,
 * or in on_end.
 */
bool channel_linger(struct channel *channel);

uint64_t channel_bytes_read(const struct channel *channel);
uint64_t channel_bytes_written(const struct channel *channel);

#endif
