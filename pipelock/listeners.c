/*
 * Makes listening sockets. SO_REUSEPORT is never set: with it another process of the same user could join and
 * take a share of the agents' connections.
 */
#include "pipelock/listeners.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define BACKLOG 4096 /* connections wait here while the group restarts; the kernel has a bound of its own */

static const char *advice(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "another program listens there: stop it, or choose another port";
	case EADDRNOTAVAIL:
		return "this machine has no such address: choose one of its own, or 0.0.0.0 for all";
	case EACCES:
	case EPERM:
		return "ports below 1024 need a privilege: choose a higher one";
	case EAFNOSUPPORT:
		return "this machine has no such kind of addresses (IPv6 is off?)";
	default:
		return strerror(error);
	}
}

static bool set_options(int fd, const struct address *address)
{
	int on = 1, off = 0;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		return false;
	if (address->family != AF_INET6)
		return true;
	bool any = address_classify(address) == ADDRESS_UNSPECIFIED;
	return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &off : &on, sizeof(int)) == 0;
}

static int bind_socket(const struct address *address, uint16_t port)
{
	struct sockaddr_storage name;
	socklen_t size = address_to_sockaddr(address, port, &name);
	int fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	if (set_options(fd, address) && bind(fd, (const struct sockaddr *)&name, size) == 0)
		return fd;
	int error = errno;
	close(fd);
	return -error;
}

int listener_bind(const struct address *address, uint16_t port, char *error, size_t room)
{
	char text[ADDRESS_TEXT_SIZE];
	int fd = bind_socket(address, port);
	/* Every address, on a machine without IPv6: every IPv4 address. */
	if (fd == -EAFNOSUPPORT && address_classify(address) == ADDRESS_UNSPECIFIED)
		fd = bind_socket(&(struct address){.family = AF_INET}, port);
	if (fd >= 0)
		return fd;
	bool bracket = address->family == AF_INET6;
	snprintf(error, room, "can't listen on %s%s%s:%u: %s", bracket ? "[" : "",
		address_format(address, text), bracket ? "]" : "", port, advice(-fd));
	return -1;
}

int listener_listen(int fd)
{
	return listen(fd, BACKLOG) == 0 ? 0 : -errno;
}

bool listener_bound_to(int fd, struct address *address, uint16_t *port)
{
	struct sockaddr_storage name;
	socklen_t size = sizeof(name);
	if (getsockname(fd, (struct sockaddr *)&name, &size) != 0)
		return false;
	address_from_sockaddr((const struct sockaddr *)&name, address, port);
	return address->family != 0 && *port != 0;
}
