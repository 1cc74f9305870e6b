/*
 * The inside of a channel, shared by channel.c (life, buffers, plain TCP), channel_tls.c (the record layer)
 * and channel_linger.c (the last words). Nobody else includes this.
 */
#ifndef COMMON_CHANNEL_INTERNAL_H
#define COMMON_CHANNEL_INTERNAL_H

#include "common/channel.h"

#include <event2/event_struct.h>

struct channel {
	struct event_base *base;
	int fd;
	struct channel_callbacks callbacks;
	void *arg;
	struct evbuffer *input, *output;
	struct evbuffer_cb_entry *input_watch; /* sees the owner drain the input */
	struct event read_event, write_event;
	struct event timer;    /* both timeouts; armed for the earlier one, re-armed when it fires early */
	struct event deferred; /* carries what happened inside a channel_* call to the loop's next turn */
	size_t input_high, output_low;
	unsigned read_timeout_ms, write_timeout_ms;
	long long last_read_ms, last_write_ms, timer_due_ms;
	uint64_t bytes_read, bytes_written;
	uint64_t linger_from; /* bytes_read when lingering began, */
	uint64_t linger_seen; /* and when its clock last rang */
	unsigned linger_turns;

	/* TLS */
	SSL *ssl;
	struct evbuffer *early; /* octets that were read before TLS began; NULL mostly */
	char tls_error[160];
	bool tls_server, handshaking, handshake_paused;
	bool read_wants_write, write_wants_read;

	int error_number;
	enum channel_end end; /* meaningful once `ended` */
	bool connecting;
	bool reading_on;
	bool input_full; /* reading stopped at the high-water mark */
	bool input_ended, input_truncated;
	bool drain_wanted; /* the owner waits for on_output_drained */
	bool write_shut_wanted, write_shut;
	bool ended;			 /* on_end is due or was called */
	bool notify_drained, notify_end; /* for the deferred event */
	unsigned busy;			 /* callbacks on the stack */
	bool dead;			 /* freed by its owner inside a callback */
};

/* What one attempt to move octets gave. */
enum channel_io { CHANNEL_IO_OK, CHANNEL_IO_BLOCKED, CHANNEL_IO_ENDED, CHANNEL_IO_FAILED };

/* channel_tls.c. Each sets the wants_* flags, `end` and tls_error as it fails. */
enum channel_io channel_tls_handshake(struct channel *channel);
enum channel_io channel_tls_read(struct channel *channel);
enum channel_io channel_tls_write(struct channel *channel);
/* channel_bio.c: have OpenSSL read and write through the channel. false: out of memory. */
bool channel_bio_attach(struct channel *channel, SSL *ssl);

/* Send close_notify. false: it found no room in the socket, and is to be asked for again. */
bool channel_tls_shutdown(struct channel *channel);

/* channel.c */
void channel_update_events(struct channel *channel);
void channel_fail(struct channel *channel, enum channel_end end);

#endif
