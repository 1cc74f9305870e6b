/*
 * What the load generator and the origin share: loopback sockets that never wait, TLS on them or not, and the
 * little of HTTP that both need. Measuring tools, not models: they trust what they started themselves.
 */
#ifndef TESTS_BENCH_WIRE_H
#define TESTS_BENCH_WIRE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct wire {
	int fd;
	SSL *tls; /* NULL: plain */
};

enum { WIRE_AGAIN = -1, WIRE_CLOSED = -2 };

static inline void wire_die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* "127.0.0.1:8888". Nothing but 127/8 is ever spoken to. */
static inline struct sockaddr_in wire_address(const char *text)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	const char *colon = strrchr(text, ':');
	char host[32] = "";

	if (colon != NULL && (size_t)(colon - text) < sizeof(host))
		memcpy(host, text, (size_t)(colon - text));
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1 || ntohl(address.sin_addr.s_addr) >> 24 != 127) {
		fprintf(stderr, "bench: %s: not an address of 127.0.0.0/8 with a port\n", text);
		exit(2);
	}
	address.sin_port = htons((uint16_t)atoi(colon + 1));
	return address;
}

static inline void wire_prepare(int fd)
{
	int one = 1;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
		wire_die("socket");
}

/* Octets, or WIRE_AGAIN, or WIRE_CLOSED for the end and for errors. */
static inline ssize_t wire_result(const struct wire *wire, ssize_t n)
{
	if (n > 0)
		return n;
	if (wire->tls != NULL) {
		int error = SSL_get_error(wire->tls, (int)n);

		/* What one connection leaves in the queue would look like another one's failure. */
		ERR_clear_error();
		return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? WIRE_AGAIN
										     : WIRE_CLOSED;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? WIRE_AGAIN : WIRE_CLOSED;
}

static inline ssize_t wire_read(const struct wire *wire, char *out, size_t room)
{
	return wire_result(
		wire, wire->tls != NULL ? SSL_read(wire->tls, out, (int)room) : read(wire->fd, out, room));
}

static inline ssize_t wire_write(const struct wire *wire, const char *p, size_t n)
{
	return wire_result(wire,
		wire->tls != NULL ? SSL_write(wire->tls, p, (int)n) : send(wire->fd, p, n, MSG_NOSIGNAL));
}

static inline void wire_close(struct wire *wire)
{
	SSL_free(wire->tls);
	if (wire->fd >= 0)
		close(wire->fd);
	*wire = (struct wire){-1, NULL};
}

static inline void wire_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* How long the head is, its empty line included; 0: not all there. */
static inline size_t wire_head(const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);

	return end != NULL ? (size_t)(end - p) + 4 : 0;
}

/* The value of a field, terminated by its CR, or NULL. `name` is ":"-terminated. */
static inline const char *wire_field(const char *head, size_t n, const char *name)
{
	const char *line = memmem(head, n, "\r\n", 2);
	size_t length = strlen(name);

	while (line != NULL && (size_t)(line + 2 - head) + length < n) {
		line += 2;
		if (strncasecmp(line, name, length) == 0)
			return line + length + strspn(line + length, " \t");
		line = memmem(line, n - (size_t)(line - head), "\r\n", 2);
	}
	return NULL;
}

#endif
