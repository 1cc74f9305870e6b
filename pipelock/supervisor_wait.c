/*
 * The supervisor's one place to wait: signals come through a signalfd, words of the roles through their
 * control sockets. What a role said before it died is heard before its death is.
 */
#include "pipelock/supervisor_internal.h"

#include "common/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *const role_names[ROLES] = {
	[ROLE_KEEPER] = "keeper", [ROLE_EGRESS] = "egress", [ROLE_PROXY] = "proxy"};

int64_t supervisor_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* True when the role said something that counts. */
static bool hear_role(struct supervisor *supervisor, enum role_index index, struct event *out)
{
	static char buffer[IPC_MAX_MESSAGE];
	struct role_process *role = &supervisor->roles[index];
	ssize_t n = role->control < 0 ? 0 : recv(role->control, buffer, sizeof(buffer), MSG_DONTWAIT);
	if (n <= 0) {
		/* EAGAIN: nothing. The end: it is about to die, and SIGCHLD says when. */
		if (role->control >= 0 && (n == 0 || errno != EAGAIN)) {
			close(role->control);
			role->control = -1;
		}
		return false;
	}
	struct ipc_reader message = {.p = buffer, .n = (size_t)n};
	uint8_t type = ipc_get_u8(&message);
	out->role = index;
	if (type == CONTROL_READY) {
		role->ready = true;
		out->kind = EVENT_READY;
		return true;
	}
	if (type == CONTROL_FAILED) {
		struct span reason = ipc_get_span(&message);
		snprintf(supervisor->failure, sizeof(supervisor->failure), "%.*s",
			(int)(reason.n < 500 ? reason.n : 500), reason.p);
		out->kind = EVENT_FAILED;
		return true;
	}
	/* It speaks for nobody any more. */
	log_error("the %s broke its promise: message %u", role_names[index], type);
	kill(role->pid, SIGKILL);
	return false;
}

/* A role that has ended, if any. Others' orphans are reaped on the way. */
static bool reap(struct supervisor *supervisor, struct event *out)
{
	for (int i = 0; i < ROLES; i++) {
		struct role_process *role = &supervisor->roles[i];
		if (role->pid <= 0 || waitpid(role->pid, &role->status, WNOHANG) != role->pid)
			continue;
		role->pid = 0;
		role->ready = false;
		if (role->control >= 0)
			close(role->control);
		role->control = -1;
		*out = (struct event){EVENT_DIED, (enum role_index)i};
		return true;
	}
	while (supervisor->orphans) {
		siginfo_t dead = {0};
		/* WNOWAIT: one of the roles may have died since; it is not an orphan. */
		if (waitid(P_ALL, 0, &dead, WEXITED | WNOHANG | WNOWAIT) != 0 || dead.si_pid == 0)
			break;
		for (int i = 0; i < ROLES; i++)
			if (supervisor->roles[i].pid == dead.si_pid)
				return reap(supervisor, out);
		waitpid(dead.si_pid, NULL, WNOHANG);
	}
	return false;
}

/* True for a signal that asks to stop. */
static bool hear_signal(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;
	bool stop = false;
	while (read(supervisor->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			stop = true;
		else if (info.ssi_signo == SIGHUP)
			log_warn("SIGHUP: this version does not reload its configuration; restart it to load "
				 "a changed one");
	}
	return stop;
}

static int timeout_until(int64_t deadline_ms)
{
	if (deadline_ms < 0)
		return -1;
	int64_t left = deadline_ms - supervisor_now_ms();
	return left < 0 ? 0 : left > 1000000 ? 1000000 : (int)left;
}

struct event supervisor_wait(struct supervisor *supervisor, int64_t deadline_ms)
{
	struct event event = {EVENT_TIMEOUT, ROLE_KEEPER};
	for (;;) {
		struct pollfd polled[1 + ROLES] = {{.fd = supervisor->signal_fd, .events = POLLIN}};
		for (int i = 0; i < ROLES; i++)
			polled[1 + i] = (struct pollfd){.fd = supervisor->roles[i].control, .events = POLLIN};
		for (int i = 0; i < ROLES; i++)
			if (hear_role(supervisor, (enum role_index)i, &event))
				return event;
		if (reap(supervisor, &event))
			return event;
		if (hear_signal(supervisor))
			return (struct event){EVENT_STOP, ROLE_KEEPER};
		int timeout = timeout_until(deadline_ms);
		if (timeout == 0)
			return (struct event){EVENT_TIMEOUT, ROLE_KEEPER};
		poll(polled, 1 + ROLES, timeout);
	}
}
