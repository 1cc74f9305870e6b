/*
 * The small files under the state folder that hold keys and certificates: read whole and only when nobody
 * else could have put them there, made whole or not at all. The keeper alone uses it.
 */
#ifndef PIPELOCK_STATE_FILE_H
#define PIPELOCK_STATE_FILE_H

#include "common/span.h"

#include <sys/types.h>

/* Why something can't be done: a sentence for the operator, without a secret. */
struct state_error {
	char text[512];
};

void state_error_set(struct state_error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Open the folder. Refused: one that belongs to somebody else, or that others may write to. -1 with *error
 * filled. */
int state_folder_open(const char *path, struct state_error *error);

/*
 * Read a file of at most `room` octets. Refused: a link, what is no plain file, a file of somebody else, one
 * that others may write, and a `secret` one that others may read. Its size; 0 when there is none (or it is
 * empty); -1 with *error filled.
 */
ssize_t state_file_read(
	int folder_fd, const char *name, bool secret, char *out, size_t room, struct state_error *error);

/* Make a file that is not there yet, durable before it has its name. false with *error filled. */
bool state_file_create(
	int folder_fd, const char *name, mode_t mode, struct span content, struct state_error *error);

#endif
