/*
 * A channel's life, buffers, timers and plain TCP. libevent's own bufferevent was not taken: over TLS it ends
 * both directions when one ends, writes a record for each piece of its buffer, and gives no say in when
 * octets leave.
 *
 * Every state change ends in channel_update_events(), which alone decides what the descriptor is watched for.
 * Callbacks are made from event handlers only, between channel_enter() and channel_leave(), so that an owner
 * may free the channel inside any of them.
 */
#include "common/channel_internal.h"

#include "common/loop.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHANNEL_READ_BYTES (32 * 1024)
#define CHANNEL_TIMER_SLACK_MS 5

static void channel_destroy(struct channel *channel)
{
	event_del(&channel->read_event);
	event_del(&channel->write_event);
	event_del(&channel->timer);
	event_del(&channel->deferred);
	SSL_free(channel->ssl);
	if (channel->early)
		evbuffer_free(channel->early);
	if (channel->input)
		evbuffer_free(channel->input);
	if (channel->output)
		evbuffer_free(channel->output);
	free(channel);
}

static void channel_enter(struct channel *channel)
{
	channel->busy++;
}

/* True while the owner still has the channel. */
static bool channel_leave(struct channel *channel)
{
	channel->busy--;
	if (!channel->dead)
		return true;
	if (channel->busy == 0)
		channel_destroy(channel);
	return false;
}

/* ---- callbacks: true while the channel is still there */

static bool channel_call_input(struct channel *channel)
{
	channel_enter(channel);
	channel->callbacks.on_input(channel, channel->arg);
	return channel_leave(channel);
}

static bool channel_call_open(struct channel *channel)
{
	if (!channel->callbacks.on_open)
		return true;
	channel_enter(channel);
	channel->callbacks.on_open(channel, channel->arg);
	return channel_leave(channel);
}

static bool channel_call_drained(struct channel *channel)
{
	if (!channel->drain_wanted || evbuffer_get_length(channel->output) > channel->output_low)
		return true;
	channel->drain_wanted = false;
	if (!channel->callbacks.on_output_drained)
		return true;
	channel_enter(channel);
	channel->callbacks.on_output_drained(channel, channel->arg);
	return channel_leave(channel);
}

static void channel_call_end(struct channel *channel)
{
	channel_enter(channel);
	channel->callbacks.on_end(channel, channel->end, channel->arg);
	channel_leave(channel);
}

static void on_deferred(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct channel *channel = arg;
	bool drained = channel->notify_drained, end = channel->notify_end;
	channel->notify_drained = channel->notify_end = false;
	if (drained && !channel->ended && !channel_call_drained(channel))
		return;
	if (end)
		channel_call_end(channel);
}

static void channel_defer(struct channel *channel)
{
	event_active(&channel->deferred, EV_TIMEOUT, 0);
}

/* The one way a channel ends abortively. The owner hears of it on the loop's next turn. */
void channel_fail(struct channel *channel, enum channel_end end)
{
	if (channel->ended)
		return;
	channel->ended = true;
	channel->end = end;
	channel->notify_end = true;
	channel_update_events(channel);
	channel_defer(channel);
}

/* ---- what is waited for */

static bool channel_wants_read(const struct channel *channel)
{
	if (channel->ended || channel->connecting || channel->handshake_paused)
		return false;
	if (channel->handshaking)
		return !channel->read_wants_write;
	if (channel->write_wants_read)
		return true;
	return channel->reading_on && !channel->input_full && !channel->input_ended &&
	       !channel->read_wants_write;
}

/* A close_notify may find no room in the socket. */
static bool channel_has_unsent(const struct channel *channel)
{
	return evbuffer_get_length(channel->output) > 0 ||
	       (channel->write_shut_wanted && !channel->write_shut);
}

static bool channel_wants_write(const struct channel *channel)
{
	if (channel->ended || channel->handshake_paused)
		return false;
	if (channel->connecting || channel->read_wants_write)
		return true;
	if (channel->handshaking || channel->write_wants_read)
		return false;
	return channel_has_unsent(channel);
}

static void channel_watch(struct event *event, bool wanted)
{
	bool watched = event_pending(event, EV_READ | EV_WRITE, NULL);
	if (wanted && !watched)
		event_add(event, NULL);
	else if (!wanted && watched)
		event_del(event);
}

static bool channel_read_clock_runs(const struct channel *channel)
{
	return channel->read_timeout_ms &&
	       (channel_wants_read(channel) || channel->connecting || channel->handshaking);
}

static bool channel_write_clock_runs(const struct channel *channel)
{
	return channel->write_timeout_ms && channel_has_unsent(channel);
}

/* The timer is lazy: it is armed for the earliest deadline, not moved by each read, and looks again when it
 * fires. */
static void channel_update_timer(struct channel *channel)
{
	if (channel->ended)
		return;
	long long due = 0;
	if (channel_read_clock_runs(channel))
		due = channel->last_read_ms + channel->read_timeout_ms;
	if (channel_write_clock_runs(channel) &&
		(!due || channel->last_write_ms + channel->write_timeout_ms < due))
		due = channel->last_write_ms + channel->write_timeout_ms;
	if (!due || (channel->timer_due_ms && channel->timer_due_ms <= due))
		return;
	long long wait = due - loop_now_ms() + CHANNEL_TIMER_SLACK_MS;
	if (wait < 1)
		wait = 1;
	channel->timer_due_ms = due;
	event_add(&channel->timer, &(struct timeval){wait / 1000, wait % 1000 * 1000});
}

void channel_update_events(struct channel *channel)
{
	channel_watch(&channel->read_event, channel_wants_read(channel));
	channel_watch(&channel->write_event, channel_wants_write(channel));
	channel_update_timer(channel);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct channel *channel = arg;
	long long now = loop_now_ms();
	channel->timer_due_ms = 0;
	if (channel_read_clock_runs(channel) && now - channel->last_read_ms >= channel->read_timeout_ms)
		channel_fail(channel, CHANNEL_READ_TIMEOUT);
	else if (channel_write_clock_runs(channel) &&
		 now - channel->last_write_ms >= channel->write_timeout_ms)
		channel_fail(channel, CHANNEL_WRITE_TIMEOUT);
	else
		channel_update_timer(channel);
}

/* ---- plain TCP */

static enum channel_io channel_plain_read(struct channel *channel)
{
	struct evbuffer_iovec room[2];
	int pieces = evbuffer_reserve_space(channel->input, CHANNEL_READ_BYTES, room, 2);
	if (pieces < 1) {
		channel->end = CHANNEL_NO_MEMORY;
		return CHANNEL_IO_FAILED;
	}
	ssize_t n = readv(channel->fd, (struct iovec *)room, pieces);
	if (n < 0) {
		evbuffer_commit_space(channel->input, NULL, 0);
		if (errno == EAGAIN || errno == EINTR)
			return CHANNEL_IO_BLOCKED;
		channel->error_number = errno;
		channel->end = CHANNEL_CLOSED;
		return CHANNEL_IO_FAILED;
	}
	size_t left = (size_t)n;
	for (int i = 0; i < pieces; i++) {
		room[i].iov_len = left < room[i].iov_len ? left : room[i].iov_len;
		left -= room[i].iov_len;
	}
	evbuffer_commit_space(channel->input, room, pieces);
	channel->bytes_read += (uint64_t)n;
	return n == 0 ? CHANNEL_IO_ENDED : CHANNEL_IO_BLOCKED;
}

static enum channel_io channel_plain_write(struct channel *channel)
{
	while (evbuffer_get_length(channel->output) > 0) {
		int n = evbuffer_write(channel->output, channel->fd);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			channel->error_number = errno;
			channel->end = CHANNEL_CLOSED;
			return CHANNEL_IO_FAILED;
		}
		if (n <= 0)
			return CHANNEL_IO_BLOCKED;
		channel->bytes_written += (uint64_t)n;
		channel->last_write_ms = loop_now_ms();
	}
	return CHANNEL_IO_OK;
}

/* ---- moving octets */

static void channel_finish_shutdown(struct channel *channel)
{
	if (!channel->write_shut_wanted || channel->write_shut || evbuffer_get_length(channel->output) > 0)
		return;
	if (channel->ssl && !channel_tls_shutdown(channel))
		return;
	channel->write_shut = true;
	shutdown(channel->fd, SHUT_WR);
}

static void channel_note_output_level(struct channel *channel)
{
	channel->drain_wanted |= evbuffer_get_length(channel->output) > channel->output_low;
}

static void channel_write(struct channel *channel)
{
	if (channel->ended)
		return;
	if (channel->connecting || channel->handshaking) {
		channel_note_output_level(
			channel); /* the owner may stop now, and has to hear when it went out */
		return;
	}
	enum channel_io io = channel->ssl ? channel_tls_write(channel) : channel_plain_write(channel);
	if (io == CHANNEL_IO_FAILED) {
		channel_fail(channel, channel->end);
		return;
	}
	channel_finish_shutdown(channel);
	channel_note_output_level(channel);
	channel_update_events(channel);
}

/* As far as it goes now. false: the channel is gone. */
static bool channel_write_and_tell(struct channel *channel)
{
	channel_write(channel);
	return channel->ended || channel_call_drained(channel);
}

static void channel_note_input_level(struct channel *channel)
{
	bool full = evbuffer_get_length(channel->input) >= channel->input_high;
	if (channel->input_full && !full)
		channel->last_read_ms = loop_now_ms(); /* the read timer stood, and starts anew */
	channel->input_full = full;
}

/* Read once; true when the owner has something new to look at. */
static bool channel_read(struct channel *channel)
{
	size_t before = evbuffer_get_length(channel->input);
	enum channel_io io = channel->ssl ? channel_tls_read(channel) : channel_plain_read(channel);
	if (io == CHANNEL_IO_FAILED) {
		channel_fail(channel, channel->end);
		return false;
	}
	if (io == CHANNEL_IO_ENDED)
		channel->input_ended = true;
	bool news = evbuffer_get_length(channel->input) > before;
	if (news)
		channel->last_read_ms = loop_now_ms();
	channel_note_input_level(channel);
	return news || channel->input_ended;
}

static void channel_handshake(struct channel *channel)
{
	enum channel_io io = channel_tls_handshake(channel);
	if (io == CHANNEL_IO_FAILED) {
		channel_fail(channel, channel->end);
		return;
	}
	if (io == CHANNEL_IO_OK) {
		channel->handshaking = false;
		channel->last_read_ms = loop_now_ms();
		if (!channel_call_open(channel))
			return;
		if (!channel->ended && SSL_has_pending(channel->ssl))
			event_active(&channel->read_event, EV_READ, 0);
		channel_write_and_tell(channel);
		return;
	}
	channel_update_events(channel);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct channel *channel = arg;
	if (channel->ended || channel->connecting)
		return;
	if (channel->handshaking) {
		channel_handshake(channel);
		return;
	}
	if (channel->write_wants_read && !channel_write_and_tell(channel))
		return;
	if (channel->ended || !channel->reading_on || channel->input_full || channel->input_ended)
		return;
	bool news = channel_read(channel);
	if (channel->ended)
		return;
	channel_update_events(channel);
	if (news)
		channel_call_input(channel);
}

static void channel_finish_connect(struct channel *channel)
{
	int error = 0;
	socklen_t size = sizeof(error);
	if (getsockopt(channel->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	channel->connecting = false;
	if (error) {
		channel->error_number = error;
		channel_fail(channel, CHANNEL_CLOSED);
		return;
	}
	channel->last_read_ms = channel->last_write_ms = loop_now_ms();
	channel_update_events(channel);
	if (channel_call_open(channel))
		channel_write_and_tell(channel);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct channel *channel = arg;
	if (channel->ended)
		return;
	if (channel->connecting) {
		channel_finish_connect(channel);
		return;
	}
	if (channel->handshaking) {
		channel_handshake(channel);
		return;
	}
	if (channel->read_wants_write) {
		channel->read_wants_write = false;
		event_active(&channel->read_event, EV_READ, 0);
	}
	channel_write_and_tell(channel);
}

/* The owner took octets out: reading goes on, and what TLS holds already has to be fetched without the
 * kernel's help. */
static void on_input_changed(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
	(void)buffer;
	struct channel *channel = arg;
	if (!channel->input_full || info->n_deleted == 0)
		return;
	channel_note_input_level(channel);
	if (channel->input_full)
		return;
	channel_enable_reading(channel, channel->reading_on);
}

/* ---- the interface */

static struct channel *channel_alloc(
	struct event_base *base, int fd, const struct channel_callbacks *callbacks, void *arg)
{
	struct channel *channel = calloc(1, sizeof(*channel));
	if (!channel)
		return NULL;
	channel->base = base;
	channel->fd = fd;
	channel->callbacks = *callbacks;
	channel->arg = arg;
	channel->reading_on = true;
	channel->input_high = CHANNEL_INPUT_HIGH;
	channel->last_read_ms = channel->last_write_ms = loop_now_ms();
	event_assign(&channel->read_event, base, fd, EV_READ | EV_PERSIST, on_readable, channel);
	event_assign(&channel->write_event, base, fd, EV_WRITE | EV_PERSIST, on_writable, channel);
	event_assign(&channel->timer, base, -1, 0, on_timer, channel);
	event_assign(&channel->deferred, base, -1, 0, on_deferred, channel);
	channel->input = evbuffer_new();
	channel->output = evbuffer_new();
	if (channel->input)
		channel->input_watch = evbuffer_add_cb(channel->input, on_input_changed, channel);
	if (!channel->output || !channel->input_watch) {
		channel_destroy(channel);
		return NULL;
	}
	return channel;
}

struct channel *channel_new(
	struct event_base *base, int fd, const struct channel_callbacks *callbacks, void *arg)
{
	/* Without it a small write waits 40 ms for the peer's delayed acknowledgement. Fails on sockets that
	 * are not TCP. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	struct channel *channel = channel_alloc(base, fd, callbacks, arg);
	if (!channel) {
		close(fd);
		return NULL;
	}
	channel_update_events(channel);
	return channel;
}

struct channel *channel_connect(struct event_base *base, const struct sockaddr *address, socklen_t length,
	const struct channel_callbacks *callbacks, void *arg)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return NULL;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connect(fd, address, length) != 0 && errno != EINPROGRESS) {
		int error = errno;
		close(fd);
		errno = error;
		return NULL;
	}
	struct channel *channel = channel_alloc(base, fd, callbacks, arg);
	if (!channel) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	channel->connecting = true;
	channel_update_events(channel);
	return channel;
}

void channel_set_callbacks(struct channel *channel, const struct channel_callbacks *callbacks, void *arg)
{
	channel->callbacks = *callbacks;
	channel->arg = arg;
}

void channel_free(struct channel *channel)
{
	if (!channel || channel->dead)
		return;
	channel->dead = channel->ended = true;
	event_del(&channel->read_event);
	event_del(&channel->write_event);
	event_del(&channel->deferred);
	event_del(&channel->timer);
	close(channel->fd);
	if (channel->busy == 0)
		channel_destroy(channel);
}

void channel_abort(struct channel *channel)
{
	if (!channel)
		return;
	setsockopt(channel->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	channel_free(channel);
}

void channel_start_tls(struct channel *channel, SSL *ssl, bool server)
{
	channel->ssl = ssl;
	/* A write that blocked is tried again from wherever the octets lie then (channel_tls_gather()). */
	SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	channel->tls_server = server;
	channel->handshaking = true;
	channel->last_read_ms = loop_now_ms();
	if (!channel_bio_attach(channel, ssl)) {
		channel_fail(channel, CHANNEL_NO_MEMORY);
		return;
	}
	channel_update_events(channel);
	/* The client speaks first; a server waits for it unless its words came in the same packet as what
	 * went before. */
	if (!server || channel->early)
		event_active(&channel->read_event, EV_READ, 0);
}

void channel_resume_handshake(struct channel *channel)
{
	channel->handshake_paused = false;
	channel_update_events(channel);
	event_active(&channel->read_event, EV_READ, 0);
}

SSL *channel_ssl(const struct channel *channel)
{
	return channel->ssl;
}

const char *channel_tls_error(const struct channel *channel)
{
	return channel->tls_error;
}

int channel_errno(const struct channel *channel)
{
	return channel->error_number;
}

int channel_fd(const struct channel *channel)
{
	return channel->fd;
}

struct evbuffer *channel_input(struct channel *channel)
{
	return channel->input;
}

struct evbuffer *channel_output(struct channel *channel)
{
	return channel->output;
}

size_t channel_output_size(const struct channel *channel)
{
	return evbuffer_get_length(channel->output);
}

void channel_flush(struct channel *channel)
{
	bool waiting = channel->drain_wanted;
	if (!channel->write_wants_read && !event_pending(&channel->write_event, EV_WRITE, NULL))
		channel->last_write_ms = loop_now_ms();
	channel_write(channel);
	/* The octets that the owner waits for may leave here, and no event will tell. */
	if (!waiting || channel->ended || evbuffer_get_length(channel->output) > channel->output_low)
		return;
	channel->notify_drained = true;
	channel_defer(channel);
}

bool channel_input_ended(const struct channel *channel)
{
	return channel->input_ended;
}

bool channel_input_truncated(const struct channel *channel)
{
	return channel->input_truncated;
}

void channel_set_input_high(struct channel *channel, size_t high)
{
	channel->input_high = high;
	channel_note_input_level(channel);
	channel_enable_reading(channel, channel->reading_on);
}

void channel_set_output_low(struct channel *channel, size_t low)
{
	channel->output_low = low;
}

void channel_enable_reading(struct channel *channel, bool on)
{
	if (on && !channel->reading_on)
		channel->last_read_ms = loop_now_ms();
	channel->reading_on = on;
	channel_update_events(channel);
	if (on && channel->ssl && !channel->handshaking && !channel->ended && !channel->input_full &&
		!channel->input_ended && SSL_has_pending(channel->ssl))
		event_active(&channel->read_event, EV_READ, 0);
}

void channel_set_timeouts(struct channel *channel, unsigned read_ms, unsigned write_ms)
{
	channel->read_timeout_ms = read_ms;
	channel->write_timeout_ms = write_ms;
	channel->last_read_ms = loop_now_ms();
	channel_update_timer(channel);
}

void channel_shutdown_write(struct channel *channel)
{
	channel->write_shut_wanted = true;
	channel_flush(channel);
}

bool channel_write_is_shut(const struct channel *channel)
{
	return channel->write_shut_wanted;
}

uint64_t channel_bytes_read(const struct channel *channel)
{
	return channel->bytes_read;
}

uint64_t channel_bytes_written(const struct channel *channel)
{
	return channel->bytes_written;
}
