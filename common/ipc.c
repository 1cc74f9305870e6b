/*
 * Messages between roles: a writer that can only grow up to one datagram, a reader that can only fail for
 * good, and the two system calls. Nothing here trusts the other side: every length is checked before it is
 * used.
 */
#include "common/ipc.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define FIRST_ROOM 256

void ipc_writer_init(struct ipc_writer *w, uint8_t type)
{
	*w = (struct ipc_writer){0};
	ipc_put_u8(w, type);
}

void ipc_writer_release(struct ipc_writer *w)
{
	free(w->p);
	*w = (struct ipc_writer){.failed = true};
}

/* Room for n more octets, or NULL with `failed` set. */
static char *writer_extend(struct ipc_writer *w, size_t n)
{
	if (w->failed || n > IPC_MAX_MESSAGE - w->n) {
		w->failed = true;
		return NULL;
	}
	if (n > w->room - w->n) {
		size_t room = w->room ? w->room : FIRST_ROOM;
		while (room - w->n < n)
			room *= 2;
		char *p = realloc(w->p, room);
		if (!p) {
			w->failed = true;
			return NULL;
		}
		w->p = p;
		w->room = room;
	}
	char *place = w->p + w->n;
	w->n += n;
	return place;
}

static void put_bytes(struct ipc_writer *w, const void *bytes, size_t n)
{
	char *place = writer_extend(w, n);
	if (place && n > 0)
		memcpy(place, bytes, n);
}

void ipc_put_u8(struct ipc_writer *w, uint8_t v)
{
	put_bytes(w, &v, sizeof(v));
}

void ipc_put_u32(struct ipc_writer *w, uint32_t v)
{
	put_bytes(w, &v, sizeof(v));
}

void ipc_put_u64(struct ipc_writer *w, uint64_t v)
{
	put_bytes(w, &v, sizeof(v));
}

void ipc_put_span(struct ipc_writer *w, struct span bytes)
{
	if (bytes.n > IPC_MAX_MESSAGE) {
		w->failed = true;
		return;
	}
	ipc_put_u32(w, (uint32_t)bytes.n);
	put_bytes(w, bytes.p, bytes.n);
}

/* The next n octets, or NULL with `failed` set; then nothing is left to read. */
static const char *reader_take(struct ipc_reader *r, size_t n)
{
	if (r->failed || n > r->n) {
		r->failed = true;
		r->n = 0;
		return NULL;
	}
	const char *taken = r->p;
	r->p += n;
	r->n -= n;
	return taken;
}

static void get_bytes(struct ipc_reader *r, void *out, size_t n)
{
	const char *taken = reader_take(r, n);
	if (taken)
		memcpy(out, taken, n);
}

uint8_t ipc_get_u8(struct ipc_reader *r)
{
	uint8_t v = 0;
	get_bytes(r, &v, sizeof(v));
	return v;
}

uint32_t ipc_get_u32(struct ipc_reader *r)
{
	uint32_t v = 0;
	get_bytes(r, &v, sizeof(v));
	return v;
}

uint64_t ipc_get_u64(struct ipc_reader *r)
{
	uint64_t v = 0;
	get_bytes(r, &v, sizeof(v));
	return v;
}

struct span ipc_get_span(struct ipc_reader *r)
{
	uint32_t n = ipc_get_u32(r);
	const char *p = r->failed ? NULL : reader_take(r, n);
	return p ? (struct span){p, n} : (struct span){"", 0};
}

bool ipc_reader_done(const struct ipc_reader *r)
{
	return !r->failed && r->n == 0;
}

int ipc_send(int fd, const struct ipc_writer *w)
{
	if (w->failed)
		return -EMSGSIZE;
	ssize_t sent;
	do {
		sent = send(fd, w->p, w->n, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	/* A datagram goes whole or not at all; anything else is no SOCK_SEQPACKET socket. */
	return (size_t)sent == w->n ? 0 : -EPROTO;
}

ssize_t ipc_receive(int fd, char *buf, size_t room)
{
	ssize_t n;
	do {
		/* MSG_TRUNC gives the true size, so that a message that was cut is not taken for a whole one.
		 * No room for control data: descriptors that a role sends along are dropped by the kernel. */
		n = recv(fd, buf, room, MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n > room ? -EMSGSIZE : n;
}
