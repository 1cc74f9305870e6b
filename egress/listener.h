/*
 * Takes hop connections from the listening socket that the supervisor made. All workers take from the same
 * one.
 */
#ifndef EGRESS_LISTENER_H
#define EGRESS_LISTENER_H

#include "common/address.h"

struct listener;
struct worker;

/* The descriptor is not taken over. NULL: out of memory. */
struct listener *listener_new(struct worker *worker, int fd);
void listener_free(struct listener *listener);

/* Where the socket listens; false: it is no listening TCP socket on loopback, and must not be served. */
bool listener_check(int fd, struct address *address, uint16_t *port);

#endif
