/*
 * Accepts a few connections a wake-up, so that the loops share them and none starves what it has. Out of
 * descriptors, it waits a moment instead of spinning. That the socket is on loopback is checked here once
 * more: egress never serves another one, whoever bound it.
 */
#include "egress/listener.h"

#include "common/log.h"
#include "egress/session.h"
#include "egress/worker.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 4
#define PAUSE_MS 100

struct listener {
	struct worker *worker;
	struct event readable, pause;
};

bool listener_check(int fd, struct address *address, uint16_t *port)
{
	struct sockaddr_storage name;
	socklen_t size = sizeof(name), int_size = sizeof(int);
	int listening = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &int_size) != 0 || !listening ||
		getsockname(fd, (struct sockaddr *)&name, &size) != 0)
		return false;
	address_from_sockaddr((const struct sockaddr *)&name, address, port);
	return address->family != 0 && address_classify(address) == ADDRESS_LOOPBACK &&
	       evutil_make_socket_nonblocking(fd) == 0;
}

/* Errors of connections that died in the queue are theirs alone (accept(2)). */
static bool is_out_of_room(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;

	(void)fd;
	(void)what;
	event_add(&listener->readable, NULL);
}

static void pause_accepting(struct listener *listener, int error)
{
	log_warn("hop connections wait: %s", strerrordesc_np(error));
	event_del(&listener->readable);
	event_add(&listener->pause, &(struct timeval){0, PAUSE_MS * 1000});
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage peer;
		socklen_t size = sizeof(peer);
		int connection = accept4(fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (connection >= 0) {
			session_start(listener->worker, connection, (const struct sockaddr *)&peer);
		} else if (is_out_of_room(errno)) {
			pause_accepting(listener, errno);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
	}
}

struct listener *listener_new(struct worker *worker, int fd)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (!listener)
		return NULL;
	listener->worker = worker;
	event_assign(&listener->pause, worker->base, -1, 0, on_pause_over, listener);
	event_assign(&listener->readable, worker->base, fd, EV_READ | EV_PERSIST, on_connection, listener);
	if (event_add(&listener->readable, NULL) != 0) {
		free(listener);
		return NULL;
	}
	return listener;
}

void listener_free(struct listener *listener)
{
	if (!listener)
		return;
	event_del(&listener->readable);
	event_del(&listener->pause);
	free(listener);
}
