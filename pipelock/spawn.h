/*
 * Makes a role's process: fork, descriptors at their fixed numbers, exec. Nothing else of the supervisor gets
 * across.
 */
#ifndef PIPELOCK_SPAWN_H
#define PIPELOCK_SPAWN_H

#include "common/role.h"

#include <stddef.h>
#include <sys/types.h>

struct spawn {
	int program_fd;	      /* of the program's file, O_PATH is enough */
	const char *shown;    /* argv[0], what ps shows: "pipelock: keeper" */
	const char *argument; /* argv[1]: "--role=keeper" */
	char *const *environment;
	int fds[ROLE_FD_END]; /* by enum role_fd; -1: the role has none there */
};

void spawn_init(struct spawn *spawn);

/* The process, in the caller's group and killed by the kernel when the caller dies; or -errno. When the
 * program can't be executed the process ends with SPAWN_EXIT_NO_PROGRAM. */
#define SPAWN_EXIT_NO_PROGRAM 127
pid_t spawn_role(const struct spawn *spawn);

/* A role's environment: of ours only the variables that a program needs to run, sanitizers' options, and with
 * `with_roots` where the system's root certificates are. Owned by the caller: free() the array alone. NULL:
 * out of memory. */
char **spawn_environment(bool with_roots);

/* Open our own program, or the egress program that belongs to it (beside it, or in ../libexec/pipelock).
 * -errno. */
int spawn_open_self(void);
int spawn_open_egress(char *tried, size_t room);

#endif
