/*
 * Listening sockets, made by the supervisor alone and handed to the roles.
 */
#ifndef PIPELOCK_LISTENERS_H
#define PIPELOCK_LISTENERS_H

#include "common/address.h"

#include <stddef.h>

/* Bind a TCP socket, close-on-exec and non-blocking; the unspecified IPv6 address takes IPv4 too. Not
 * listening yet. The descriptor; -1 with a sentence in error[0..room): which address, what is wrong, what to
 * change. */
int listener_bind(const struct address *address, uint16_t port, char *error, size_t room);

/* Begin to listen. 0, or -errno. */
int listener_listen(int fd);

/* What the socket is really bound to. false: it is no bound TCP socket. */
bool listener_bound_to(int fd, struct address *address, uint16_t *port);

#endif
