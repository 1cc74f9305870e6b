/*
 * Messages between our own roles, over SOCK_SEQPACKET socketpairs: one datagram is one message, its first
 * octet the type. Integers are in host order: both ends are the same machine. A message that its reader can't
 * parse is a broken promise between roles; the reader ends its process (role_fatal()).
 */
#ifndef COMMON_IPC_H
#define COMMON_IPC_H

#include "common/span.h"

#include <stdint.h>
#include <sys/types.h>

#define IPC_MAX_MESSAGE (64 * 1024)

/* Builds one message in memory that it owns. `failed` sticks: a message that grew over its maximum is never
 * sent. */
struct ipc_writer {
	char *p;
	size_t n, room;
	bool failed;
};

void ipc_writer_init(struct ipc_writer *w, uint8_t type);
void ipc_writer_release(struct ipc_writer *w);
void ipc_put_u8(struct ipc_writer *w, uint8_t v);
void ipc_put_u32(struct ipc_writer *w, uint32_t v);
void ipc_put_u64(struct ipc_writer *w, uint64_t v);
void ipc_put_span(struct ipc_writer *w, struct span bytes);

/* Reads one message in place. `failed` sticks; what is got after it is zero or empty. */
struct ipc_reader {
	const char *p;
	size_t n;
	bool failed;
};

uint8_t ipc_get_u8(struct ipc_reader *r);
uint32_t ipc_get_u32(struct ipc_reader *r);
uint64_t ipc_get_u64(struct ipc_reader *r);
struct span ipc_get_span(struct ipc_reader *r);
/* True when everything was read and nothing failed. */
bool ipc_reader_done(const struct ipc_reader *r);

/* Send the message whole. 0, or -errno (EAGAIN when the socket is non-blocking and full). */
int ipc_send(int fd, const struct ipc_writer *w);

/* Receive one message into buf[IPC_MAX_MESSAGE]. Its size, 0 at the end of the stream, -errno otherwise. */
ssize_t ipc_receive(int fd, char *buf, size_t room);

#endif
