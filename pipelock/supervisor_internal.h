/*
 * What the supervisor's files share: supervisor.c (its life), group.c (the roles as one group),
 * supervisor_wait.c (what happens next), supervisor_record.c (what it has to say in the log).
 */
#ifndef PIPELOCK_SUPERVISOR_INTERNAL_H
#define PIPELOCK_SUPERVISOR_INTERNAL_H

#include "common/hop.h"
#include "common/ipc.h"
#include "common/role.h"
#include "pipelock/health.h"
#include "pipelock/supervisor.h"

#include <sys/types.h>

enum role_index { ROLE_KEEPER, ROLE_EGRESS, ROLE_PROXY, ROLES };
/* The keeper's channels, in the order of its descriptors. */
enum audit_channel { AUDIT_SUPERVISOR, AUDIT_PROXY, AUDIT_EGRESS, AUDIT_CHANNELS };

#define BIT(role) (1u << (role))
#define EVERY_ROLE (BIT(ROLE_KEEPER) | BIT(ROLE_EGRESS) | BIT(ROLE_PROXY))

struct role_process {
	pid_t pid;   /* 0: there is none */
	int control; /* our end; -1: none */
	bool ready;
	int status; /* of the last one that died, as from waitpid() */
};

struct audit_pair {
	int role_end, keeper_end;
};

struct supervisor {
	const struct supervisor_input *input;
	int signal_fd, program_fd, egress_fd, policy_fd;
	int health_fd, health_readonly_fd;
	struct audit_health *health;
	struct audit_journal *journal;
	int agent_listener, hop_listener;
	struct address agent_address, hop_address; /* what they are bound to */
	uint16_t agent_port, hop_port;
	struct audit_pair
		audit[AUDIT_CHANNELS]; /* kept for the supervisor's life: what a dead role sent is not lost */
	struct role_process roles[ROLES];
	bool serving;	 /* has been, once: agents can connect */
	bool stop_asked; /* a signal to stop came while something else was waited for */
	bool orphans;	 /* as process 1 of a container, others' children are ours to reap */
	char capability[HOP_CAPABILITY_TEXT_SIZE];
	char failure[512]; /* why a role could not start, in its words */
};

extern const char *const role_names[ROLES];

/* ---- supervisor_wait.c */

enum event_kind {
	EVENT_TIMEOUT,
	EVENT_STOP,   /* SIGTERM or SIGINT */
	EVENT_DIED,   /* event.role; its pid is 0 now */
	EVENT_READY,  /* event.role said so */
	EVENT_FAILED, /* event.role can't start; supervisor->failure says why */
};

struct event {
	enum event_kind kind;
	enum role_index role;
};

int64_t supervisor_now_ms(void); /* monotonic */

/* What happens next, until the deadline (monotonic; negative: none). */
struct event supervisor_wait(struct supervisor *supervisor, int64_t deadline_ms);

/* ---- group.c */

enum group_outcome {
	GROUP_RUNS,
	GROUP_STOPPED,	     /* by a signal; nothing was ended yet */
	GROUP_ROLE_DIED,     /* *which */
	GROUP_CAN_NOT_START, /* supervisor->failure says why */
};

/* Start what does not run, in order, and wait until each is ready. */
enum group_outcome group_start(struct supervisor *supervisor, enum role_index *which);

/* A role died: end the others, so that everything that ran has its record. */
void group_end_after_death(struct supervisor *supervisor, enum role_index which);

/* End in order: proxy, egress, keeper; those that still run at the deadline, or when a second signal comes,
 * at once. */
void group_drain(struct supervisor *supervisor, int64_t deadline_ms);

/* Have a keeper, a new one if need be, write everything that was handed over, and end. False: it could not.
 */
bool group_finish_log(struct supervisor *supervisor);

/* SIGKILL and reap the roles in the set. */
void group_kill(struct supervisor *supervisor, unsigned roles);

/* ---- group_spawn.c: make the process and say CONTROL_START. 0, or -errno. */
int group_spawn(struct supervisor *supervisor, enum role_index which);

/* A new capability for the hop; both sides learn it at their start. false: no random numbers. */
bool group_new_capability(struct supervisor *supervisor);

/* ---- supervisor_record.c; each hands one record to the keeper, now or to the next one */

void record_started(struct supervisor *supervisor);
void record_role_died(struct supervisor *supervisor, enum role_index which);
void record_group(struct supervisor *supervisor, const char *event, unsigned restarts);

/* "was killed by SIGKILL", "ended with status 3" */
const char *describe_status(int status, char *out, size_t room);

#endif
