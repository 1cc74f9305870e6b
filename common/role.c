/*
 * The first act of each role. What holds afterwards: the process ends when the supervisor does, has the
 * descriptors that it was handed and no others, gains no privileges, leaves no core file, and takes its
 * orders over the control socket alone.
 */
#include "common/role.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXIT_NOT_STARTED 2
#define EXIT_BROKEN_PROMISE 70 /* EX_SOFTWARE */

#if defined(__SANITIZE_ADDRESS__)
#define LEAKS_ARE_CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_CHECKED 1
#endif
#endif
#ifndef LEAKS_ARE_CHECKED
#define LEAKS_ARE_CHECKED 0
#endif

static char log_name[32];

noreturn static void refuse(const char *name, const char *why)
{
	log_error("the role \"%s\" is started by `pipelock run` alone: %s", name, why);
	exit(EXIT_NOT_STARTED);
}

/* A live SOCK_SEQPACKET socket that the supervisor holds the other end of. */
static void check_control(const char *name)
{
	int type = 0;
	socklen_t size = sizeof(type);
	if (getsockopt(ROLE_FD_CONTROL, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET)
		refuse(name, "descriptor 3 is not its control socket");
	struct pollfd control = {.fd = ROLE_FD_CONTROL};
	if (poll(&control, 1, 0) != 0)
		refuse(name, "nobody holds the other end of its control socket");
}

static void keep_only(const char *name, unsigned needed)
{
	int first_unneeded = ROLE_FD_CONTROL;
	for (int fd = ROLE_FD_CONTROL; fd < ROLE_FD_END; fd++) {
		if (!(needed & (1u << fd)))
			continue;
		if (fcntl(fd, F_GETFD) < 0)
			refuse(name, "a descriptor is missing");
		if (fd > first_unneeded)
			close_range((unsigned)first_unneeded, (unsigned)fd - 1, 0);
		first_unneeded = fd + 1;
	}
	if (close_range((unsigned)first_unneeded, ~0u, 0) != 0)
		refuse(name, "other descriptors can't be closed");
}

static void set_up_signals(void)
{
	/* Ctrl-C and service managers signal the whole group. Only the supervisor acts on it, and drains the
	 * roles one after the other; a role that died of it would take running exchanges along. */
	static const int ignored[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP};
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

bool role_keep_memory_private(void)
{
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	/* No debugger of the same user, no /proc/PID/mem. Leak checks of sanitized builds need just that. */
	return LEAKS_ARE_CHECKED || prctl(PR_SET_DUMPABLE, 0) == 0;
}

static void harden(const char *name)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		refuse(name, "the kernel can't tell it when the supervisor dies");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		refuse(name, "the kernel can't keep it from new privileges");
	if (!role_keep_memory_private())
		refuse(name, "the kernel can't keep its memory private");
}

void role_enter(const char *name, unsigned needed)
{
	snprintf(log_name, sizeof(log_name), "pipelock[%s]", name);
	log_set_name(log_name);
	char process_name[16];
	snprintf(process_name, sizeof(process_name), "pl:%s", name);
	prctl(PR_SET_NAME, process_name);

	set_up_signals();
	keep_only(name, needed | 1u << ROLE_FD_CONTROL);
	harden(name);
	/* After the death signal was asked for: a supervisor that died before that is seen here. */
	check_control(name);
}

void role_fatal(const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_error("fatal: %s", text);
	_exit(EXIT_BROKEN_PROMISE);
}

void role_raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}
