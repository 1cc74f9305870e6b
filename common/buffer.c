/*
 * Small is less than what a chain of a read buffer wastes when it is moved.
 */
#include "common/buffer.h"

#include <errno.h>

#define SMALL 4096

/* The first piece of `from`, or n of it. */
static size_t copy_piece(struct evbuffer *from, struct evbuffer *to, size_t n)
{
	struct evbuffer_iovec piece;
	if (evbuffer_peek(from, (ev_ssize_t)n, NULL, &piece, 1) < 1)
		return 0;
	size_t size = piece.iov_len < n ? piece.iov_len : n;
	if (size >= SMALL)
		return evbuffer_remove_buffer(from, to, size) == (int)size ? size : 0;
	if (evbuffer_add(to, piece.iov_base, size) != 0)
		return 0;
	evbuffer_drain(from, size);
	return size;
}

int buffer_move(struct evbuffer *from, struct evbuffer *to, size_t n)
{
	while (n > 0) {
		size_t moved = copy_piece(from, to, n);
		if (moved == 0)
			return -ENOMEM;
		n -= moved;
	}
	return 0;
}
