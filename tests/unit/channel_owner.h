/*
 * What the tests of channels share: a loop that runs in short steps, octets that tell their place, an owner
 * who writes down what he is told and may do something inside any callback, and the sockets. The channel
 * under test is `here`; its peer is the descriptor `peer`, or the channel `there`.
 */
#ifndef TESTS_UNIT_CHANNEL_OWNER_H
#define TESTS_UNIT_CHANNEL_OWNER_H

#include "common/channel.h"
#include "common/loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define STEP_MS 5
#define LIMIT_MS 3000

static struct event_base *base;
static struct event *ticker;
static bool looping; /* inside the event loop: the only place that callbacks come from */
static int depth;    /* callbacks on the stack */

static inline void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* Returns after STEP_MS at most. An error in OpenSSL's queue that somebody left is no business of a channel.
 */
static inline void turn(void)
{
	ERR_raise(ERR_LIB_USER, 1);
	looping = true;
	event_base_loop(base, EVLOOP_ONCE);
	looping = false;
}

/* False while there is time. Too late, the test has failed. */
static inline bool is_late(long long begin, int line, const char *awaited)
{
	if (loop_now_ms() - begin > LIMIT_MS)
		fail_msg("line %d waited in vain for %s", line, awaited);
	return false;
}

#define TURN_UNTIL(condition)                                                                                \
	for (long long begin = loop_now_ms(); !(condition) && !is_late(begin, __LINE__, #condition); turn()) \
	continue

/* Time passes and nothing happens: no descriptor that is ready but not wanted keeps the loop turning. */
static inline void stay_quiet(long long ms)
{
	long long begin = loop_now_ms(), turns = 0;
	for (; loop_now_ms() - begin < ms; turn())
		turns++;
	assert_in_range(turns, 0, ms / STEP_MS + 20);
}

/* ---- octets: each tells its place in the stream, so that none is lost, doubled or moved unseen */

static inline char octet_at(size_t place)
{
	return (char)(place ^ place >> 8 ^ place >> 16);
}

static inline const char *octets(size_t place, size_t n)
{
	static char buffer[65536];
	assert_true(n <= sizeof(buffer));
	for (size_t i = 0; i < n; i++)
		buffer[i] = octet_at(place + i);
	return buffer;
}

struct tally {
	size_t count;
	bool spoilt, ended;
	int error;
};

static inline void tally_add(struct tally *tally, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tally->spoilt |= p[i] != octet_at(tally->count + i);
	tally->count += n;
}

/* What is there now, up to `most`. */
static inline void tally_read(struct tally *tally, int fd, size_t most)
{
	char buffer[16384];
	while (most > 0 && !tally->ended) {
		ssize_t n = recv(fd, buffer, most < sizeof(buffer) ? most : sizeof(buffer), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		tally->ended = n <= 0;
		tally->error = n < 0 ? errno : 0;
		if (n > 0)
			tally_add(tally, buffer, (size_t)n);
		most -= n > 0 ? (size_t)n : 0;
	}
}

static inline void peer_sends(int fd, const void *p, size_t n)
{
	assert_int_equal(send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL), n);
}

/* As many of the next octets as the socket takes; how many. */
static inline size_t peer_fills(int fd, size_t place, size_t most)
{
	size_t sent = 0;
	while (sent < most) {
		size_t n = most - sent < 16384 ? most - sent : 16384;
		ssize_t done = send(fd, octets(place + sent, n), n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (done <= 0)
			break;
		sent += (size_t)done;
	}
	return sent;
}

/* ---- a channel's owner, who writes down what it is told */

enum moment { NEVER, INPUT, DRAINED, OPEN, END };

struct owner {
	struct channel *channel; /* NULL: freed */
	struct tally tally;
	bool keeps_input;
	enum moment frees_at, shuts_at, lingers_at;
	bool aborts; /* instead of free */
	bool lingers;
	size_t to_send, sent, low; /* kept going by on_output_drained, at the low-water mark */
	bool shuts_when_sent;
	unsigned inputs, drains, opens, ends;
	enum channel_end end;
	enum moment told[8]; /* the first ones */
	unsigned told_count;
};

static struct owner here, there; /* `there` is the peer in tests that want a channel at both ends */
static int peer = -1;		 /* and this in all others */

static inline void owner_sends(struct owner *owner)
{
	size_t left;
	while ((left = owner->to_send - owner->sent) > 0 &&
		channel_output_size(owner->channel) <= owner->low) {
		size_t burst = left < 50000 ? left : 50000, piece;
		for (size_t done = 0; done < burst; done += piece) {
			piece = 1 + (owner->sent * 7) % 9000;
			piece = piece < burst - done ? piece : burst - done;
			evbuffer_add(channel_output(owner->channel), octets(owner->sent, piece), piece);
			owner->sent += piece;
		}
		channel_flush(owner->channel);
	}
	if (left == 0 && owner->shuts_when_sent && !channel_write_is_shut(owner->channel))
		channel_shutdown_write(owner->channel);
}

/* Added, not flushed. */
static inline void speak(struct owner *owner, size_t n)
{
	evbuffer_add(channel_output(owner->channel), octets(0, n), n);
}

static inline void owner_takes(struct owner *owner)
{
	char buffer[4096];
	int n;
	while ((n = evbuffer_remove(channel_input(owner->channel), buffer, sizeof(buffer))) > 0)
		tally_add(&owner->tally, buffer, (size_t)n);
	owner->tally.ended = channel_input_ended(owner->channel);
}

static inline void owner_lets_go(struct owner *owner)
{
	if (owner->aborts)
		channel_abort(owner->channel);
	else
		channel_free(owner->channel);
	owner->channel = NULL;
}

static inline void owner_is_told(struct owner *owner, struct channel *channel, enum moment moment)
{
	assert_true(looping);
	assert_int_equal(depth, 0);
	assert_non_null(owner->channel);
	assert_ptr_equal(owner->channel, channel);
	assert_int_equal(owner->ends, 0);
	if (owner->told_count < sizeof(owner->told) / sizeof(owner->told[0]))
		owner->told[owner->told_count] = moment;
	owner->told_count++;
	depth++;
	if (moment == INPUT && !owner->keeps_input)
		owner_takes(owner);
	if (moment == OPEN || moment == DRAINED)
		owner_sends(owner);
	if (owner->shuts_at == moment)
		channel_shutdown_write(channel);
	if (owner->lingers_at == moment)
		owner->lingers = channel_linger(channel);
	if (owner->frees_at == moment)
		owner_lets_go(owner);
	depth--;
}

static inline void on_input(struct channel *channel, void *arg)
{
	struct owner *owner = arg;
	owner_is_told(owner, channel, INPUT);
	owner->inputs++;
}

static inline void on_output_drained(struct channel *channel, void *arg)
{
	struct owner *owner = arg;
	owner_is_told(owner, channel, DRAINED);
	owner->drains++;
}

static inline void on_open(struct channel *channel, void *arg)
{
	struct owner *owner = arg;
	owner_is_told(owner, channel, OPEN);
	owner->opens++;
}

static inline void on_end(struct channel *channel, enum channel_end end, void *arg)
{
	struct owner *owner = arg;
	owner_is_told(owner, channel, END);
	owner->ends++;
	owner->end = end;
}

static const struct channel_callbacks callbacks = {on_input, on_output_drained, on_open, on_end};

static inline void owner_takes_fd(struct owner *owner, int fd)
{
	owner->channel = channel_new(base, fd, &callbacks, owner);
	assert_non_null(owner->channel);
}

/* ---- sockets */

static inline void make_small(int fd, int octet_count)
{
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &octet_count, sizeof(octet_count));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octet_count, sizeof(octet_count));
}

static inline void unix_pair(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
}

static inline int tcp_listener(int backlog, struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static inline void begin_connect(struct owner *owner, const struct sockaddr_in *address)
{
	owner->channel =
		channel_connect(base, (const struct sockaddr *)address, sizeof(*address), &callbacks, owner);
	assert_non_null(owner->channel);
}

static inline void tcp_pair(int pair[2])
{
	struct sockaddr_in address;
	int listener = tcp_listener(1, &address);
	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(pair[0], (struct sockaddr *)&address, sizeof(address)), 0);
	pair[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(pair[1] >= 0);
	assert_int_equal(evutil_make_socket_nonblocking(pair[0]), 0);
	close(listener);
}

static inline void make_sockets(int pair[2], void (*make_pair)(int pair[2]), int buffer_octets)
{
	make_pair(pair);
	if (buffer_octets) {
		make_small(pair[0], buffer_octets);
		make_small(pair[1], buffer_octets);
	}
}

/* `here` is a channel, its peer is `peer`. With small buffers, if they are not 0. */
static inline void begin_plain(void (*make_pair)(int pair[2]), int buffer_octets)
{
	int pair[2];
	make_sockets(pair, make_pair, buffer_octets);
	peer = pair[1];
	owner_takes_fd(&here, pair[0]);
}

/* Both ends are channels. */
static inline void begin_pair(void (*make_pair)(int pair[2]), int buffer_octets)
{
	int pair[2];
	make_sockets(pair, make_pair, buffer_octets);
	owner_takes_fd(&here, pair[0]);
	owner_takes_fd(&there, pair[1]);
}

static inline void peer_closes(void)
{
	close(peer);
	peer = -1;
}

static inline void peer_resets(void)
{
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	peer_closes();
}

static inline int set_up(void **state)
{
	(void)state;
	here = there = (struct owner){0};
	depth = 0;
	base = event_base_new();
	ticker = event_new(base, -1, EV_PERSIST, on_tick, NULL);
	return event_add(ticker, &(struct timeval){0, STEP_MS * 1000});
}

static inline int tear_down(void **state)
{
	(void)state;
	channel_free(here.channel);
	channel_free(there.channel);
	if (peer >= 0)
		peer_closes();
	event_free(ticker);
	event_base_free(base);
	return 0;
}

#endif
