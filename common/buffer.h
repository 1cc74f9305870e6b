/*
 * Octets from one evbuffer to another.
 */
#ifndef COMMON_BUFFER_H
#define COMMON_BUFFER_H

#include <event2/buffer.h>

/* Move n octets, which `from` has. What was read in small pieces is copied: a piece that is moved takes the
 * whole of its read buffer with it, and many small ones would pin thousands of octets for each that counts.
 * 0, or -ENOMEM. */
int buffer_move(struct evbuffer *from, struct evbuffer *to, size_t n);

#endif
