/*
 * A role is a process that the supervisor made with fork and exec and handed its descriptors to, at fixed
 * numbers. Alone it can't run: without a live control socket it ends at once.
 */
#ifndef COMMON_ROLE_H
#define COMMON_ROLE_H

#include <stdbool.h>
#include <stdnoreturn.h>

/* Descriptors of every role. Not every role has each; role_enter() checks those it names. Control and keeper
 * sockets are blocking when a role starts, listeners are not; audit_sink_new() makes the keeper's
 * non-blocking. */
enum role_fd {
	ROLE_FD_CONTROL = 3,  /* SOCK_SEQPACKET to the supervisor */
	ROLE_FD_KEEPER = 4,   /* SOCK_SEQPACKET to the keeper (proxy, egress) */
	ROLE_FD_HEALTH = 5,   /* memfd: struct audit_health */
	ROLE_FD_LISTENER = 6, /* proxy: agents; egress: the hop */
	ROLE_FD_POLICY = 7,   /* proxy: memfd with configuration and rule texts */
	/* the keeper's ends of what the others call ROLE_FD_KEEPER */
	ROLE_FD_FROM_SUPERVISOR = 8,
	ROLE_FD_FROM_PROXY = 9,
	ROLE_FD_FROM_EGRESS = 10,
	ROLE_FD_END = 11,
};

/* Messages on the control socket. */
enum control_message {
	CONTROL_START = 1, /* supervisor -> role: its settings follow */
	CONTROL_READY,	   /* role -> supervisor: it serves, or can */
	CONTROL_DRAIN,	   /* supervisor -> role: take nothing new, end what runs, then exit 0 */
	CONTROL_FAILED,	   /* role -> supervisor: it can't start; a span with the reason follows */
	CONTROL_ABORT,	   /* supervisor -> role: end all exchanges now with their records, then exit 0 */
	CONTROL_SERVE, /* supervisor -> keeper: what the roles sent so far was from before; answer them from
			  now on */
};

/*
 * The first act of a role: die with the supervisor (PR_SET_PDEATHSIG), no new privileges, no dumps, no core
 * files, SIGPIPE ignored, and every descriptor from 3 on that `needed` (a bit for each number) does not name
 * closed. SIGINT, SIGTERM and SIGHUP are ignored too: they are for the supervisor, whose orders come over the
 * control socket. Its end is the end of the role. Ends the process with 2 and a sentence when a needed
 * descriptor is not there: then it was not the supervisor who started it. ROLE_FD_CONTROL is always needed.
 */
void role_enter(const char *name, unsigned needed);

/* No core file, and no look into the memory by processes of the same user. role_enter() sees to it, the
 * supervisor itself. */
bool role_keep_memory_private(void);

/* As many descriptors as the system allows: each connection needs one. */
void role_raise_descriptor_limit(void);

/* A promise between our own roles was broken: says so and ends the process with _exit(70). Never for network
 * input. */
noreturn void role_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
