/*
 * The roles as one group. It starts in an order in which nothing can pass a role that is not there: the
 * keeper, which takes what its forerunner left; then egress and the proxy, which can reach no one else. It
 * ends in the reverse order, so that whoever writes the last record still has someone to take it.
 */
#include "pipelock/supervisor_internal.h"

#include "common/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 30000 /* a role that is not ready then never is */
#define ABORT_MS 300   /* for the records of what is cut off */
#define KEEPER_MS 2000 /* for the keeper to write what it has */

static void order(struct supervisor *supervisor, enum role_index which, uint8_t type)
{
	struct ipc_writer message;
	if (supervisor->roles[which].control < 0)
		return;
	ipc_writer_init(&message, type);
	ipc_send(supervisor->roles[which].control, &message);
	ipc_writer_release(&message);
}

/* ---- start */

static enum group_outcome can_not_start(struct supervisor *supervisor, const char *what, int error)
{
	snprintf(supervisor->failure, sizeof(supervisor->failure), "%s: %s", what, strerror(error));
	return GROUP_CAN_NOT_START;
}

static bool all_ready(const struct supervisor *supervisor, unsigned roles)
{
	for (int i = 0; i < ROLES; i++)
		if (roles & BIT(i) && !supervisor->roles[i].ready)
			return false;
	return true;
}

static enum group_outcome wait_until_ready(
	struct supervisor *supervisor, unsigned roles, enum role_index *which)
{
	int64_t deadline_ms = supervisor_now_ms() + READY_MS;
	while (!all_ready(supervisor, roles)) {
		struct event event = supervisor_wait(supervisor, deadline_ms);
		*which = event.role;
		switch (event.kind) {
		case EVENT_READY:
			break;
		case EVENT_STOP:
			return GROUP_STOPPED;
		case EVENT_DIED:
			return GROUP_ROLE_DIED;
		case EVENT_FAILED:
			return GROUP_CAN_NOT_START;
		case EVENT_TIMEOUT:
			return can_not_start(supervisor, "a role did not get ready", ETIMEDOUT);
		}
	}
	return GROUP_RUNS;
}

static enum group_outcome start_keeper(struct supervisor *supervisor, enum role_index *which)
{
	if (supervisor->roles[ROLE_KEEPER].pid == 0) {
		int error = group_spawn(supervisor, ROLE_KEEPER);
		if (error != 0)
			return can_not_start(supervisor, "the keeper can't be started", -error);
	}
	return wait_until_ready(supervisor, BIT(ROLE_KEEPER), which);
}

/* Answers of the last keeper that the last proxy or egress did not read are not for the next ones. */
static void drop_answers(struct supervisor *supervisor)
{
	static char buffer[IPC_MAX_MESSAGE];
	for (int i = 0; i < AUDIT_CHANNELS; i++)
		while (recv(supervisor->audit[i].role_end, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
			;
}

static enum group_outcome have_keeper_serve(struct supervisor *supervisor, enum role_index *which)
{
	supervisor->roles[ROLE_KEEPER].ready = false;
	order(supervisor, ROLE_KEEPER, CONTROL_SERVE);
	enum group_outcome outcome = wait_until_ready(supervisor, BIT(ROLE_KEEPER), which);
	drop_answers(supervisor);
	return outcome;
}

enum group_outcome group_start(struct supervisor *supervisor, enum role_index *which)
{
	enum group_outcome outcome = start_keeper(supervisor, which);
	if (outcome == GROUP_RUNS)
		outcome = have_keeper_serve(supervisor, which);
	if (outcome != GROUP_RUNS)
		return outcome;
	if (!group_new_capability(supervisor))
		return can_not_start(supervisor, "no random numbers are to be had", EIO);
	int error = group_spawn(supervisor, ROLE_EGRESS);
	if (error == 0)
		error = group_spawn(supervisor, ROLE_PROXY);
	if (error != 0)
		return can_not_start(supervisor, "egress or the proxy can't be started", -error);
	return wait_until_ready(supervisor, EVERY_ROLE, which);
}

/* ---- end */

static bool any_alive(const struct supervisor *supervisor, unsigned roles)
{
	for (int i = 0; i < ROLES; i++)
		if (roles & BIT(i) && supervisor->roles[i].pid > 0)
			return true;
	return false;
}

void group_kill(struct supervisor *supervisor, unsigned roles)
{
	for (int i = 0; i < ROLES; i++) {
		struct role_process *role = &supervisor->roles[i];
		if (!(roles & BIT(i)) || role->pid <= 0)
			continue;
		kill(role->pid, SIGKILL);
		while (waitpid(role->pid, &role->status, 0) < 0 && errno == EINTR)
			;
		role->pid = 0;
		role->ready = false;
		if (role->control >= 0)
			close(role->control);
		role->control = -1;
	}
}

/* Wait for the roles to end by themselves. False: they did not, or a second signal to stop came with
 * `impatient`. */
static bool wait_for_end(struct supervisor *supervisor, unsigned roles, int64_t deadline_ms, bool impatient)
{
	while (any_alive(supervisor, roles)) {
		struct event event = supervisor_wait(supervisor, deadline_ms);
		if (event.kind == EVENT_STOP)
			supervisor->stop_asked = true;
		if (event.kind == EVENT_TIMEOUT || (event.kind == EVENT_STOP && impatient))
			return false;
	}
	return true;
}

void group_end_after_death(struct supervisor *supervisor, enum role_index which)
{
	unsigned others = BIT(ROLE_PROXY) | BIT(ROLE_EGRESS);
	/* Nothing passes from now on. */
	atomic_store(&supervisor->health->accepting, 0);
	/* A new keeper takes the records of what is cut off now: its forerunner's socket might be too small
	 * for them. */
	if (which == ROLE_KEEPER) {
		group_kill(supervisor, BIT(ROLE_KEEPER)); /* one that could not start may still be there */
		group_spawn(supervisor, ROLE_KEEPER);
	}
	order(supervisor, ROLE_PROXY, CONTROL_ABORT);
	order(supervisor, ROLE_EGRESS, CONTROL_ABORT);
	wait_for_end(supervisor, others, supervisor_now_ms() + ABORT_MS, false);
	group_kill(supervisor, others);
	if (which == ROLE_KEEPER)
		return;
	order(supervisor, ROLE_KEEPER, CONTROL_DRAIN);
	wait_for_end(supervisor, BIT(ROLE_KEEPER), supervisor_now_ms() + KEEPER_MS, false);
	group_kill(supervisor, BIT(ROLE_KEEPER));
}

/* False: it had to be killed. */
static bool drain_role(struct supervisor *supervisor, enum role_index which, int64_t deadline_ms)
{
	order(supervisor, which, CONTROL_DRAIN);
	bool ended = wait_for_end(supervisor, BIT(which), deadline_ms, true);
	if (!ended && which != ROLE_KEEPER) {
		/* What it cuts off now gets its records, too. */
		order(supervisor, which, CONTROL_ABORT);
		wait_for_end(supervisor, BIT(which), supervisor_now_ms() + ABORT_MS, false);
	}
	group_kill(supervisor, BIT(which));
	return ended;
}

bool group_finish_log(struct supervisor *supervisor)
{
	enum role_index which;
	if (start_keeper(supervisor, &which) != GROUP_RUNS) {
		group_kill(supervisor, BIT(ROLE_KEEPER));
		log_error("the keeper is gone: the last records are not in the log");
		return false;
	}
	if (drain_role(supervisor, ROLE_KEEPER, supervisor_now_ms() + KEEPER_MS))
		return true;
	log_error("the keeper could not write all records in time");
	return false;
}

void group_drain(struct supervisor *supervisor, int64_t deadline_ms)
{
	/* After a second signal nothing is waited for but the log. */
	bool in_order = drain_role(supervisor, ROLE_PROXY, deadline_ms);
	drain_role(supervisor, ROLE_EGRESS, in_order ? deadline_ms : supervisor_now_ms());
	record_group(supervisor, "stopped", 0);
	group_finish_log(supervisor);
}
