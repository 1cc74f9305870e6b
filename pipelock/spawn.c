/*
 * fork and exec of a role. Between the two only async-signal-safe calls are made, and every descriptor that
 * the role was not promised is closed or closes itself on exec.
 */
#include "pipelock/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define ABOVE_ROLE_FDS 64 /* where descriptors wait, so that none is overwritten before it was moved */

void spawn_init(struct spawn *spawn)
{
	*spawn = (struct spawn){.program_fd = -1};
	for (int fd = 0; fd < ROLE_FD_END; fd++)
		spawn->fds[fd] = -1;
}

/* What the role inherits of signals: those that it is to ignore are ignored before its first instruction, so
 * that a signal to the group can't kill it in between. */
static void child_reset_signals(void)
{
	sigset_t none;
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool child_place_fds(const struct spawn *spawn, int *program_fd)
{
	int moved[ROLE_FD_END];
	*program_fd = fcntl(spawn->program_fd, F_DUPFD_CLOEXEC, ABOVE_ROLE_FDS);
	for (int fd = 0; fd < ROLE_FD_END; fd++) {
		moved[fd] = -1;
		if (spawn->fds[fd] < 0)
			continue;
		moved[fd] = fcntl(spawn->fds[fd], F_DUPFD_CLOEXEC, ABOVE_ROLE_FDS);
		if (moved[fd] < 0)
			return false;
	}
	for (int fd = ROLE_FD_CONTROL; fd < ROLE_FD_END; fd++) {
		if (moved[fd] < 0)
			close(fd);
		else if (dup2(moved[fd], fd) != fd)
			return false;
	}
	return *program_fd >= 0 && close_range(ROLE_FD_END, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
}

static void child_exec(const struct spawn *spawn, pid_t parent)
{
	char *const argv[] = {(char *)spawn->shown, (char *)spawn->argument, NULL};
	int program_fd;
	child_reset_signals();
	/* Asked for first, looked at second: a parent that died before is seen, one that dies later kills. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(SPAWN_EXIT_NO_PROGRAM);
	setpgid(0, getpgid(parent));
	if (child_place_fds(spawn, &program_fd))
		execveat(program_fd, "", argv, spawn->environment, AT_EMPTY_PATH);
	_exit(SPAWN_EXIT_NO_PROGRAM);
}

pid_t spawn_role(const struct spawn *spawn)
{
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		child_exec(spawn, parent);
	return pid < 0 ? -errno : pid;
}

char **spawn_environment(bool with_roots)
{
	static const char *const always[] = {
		"PATH", "LANG", "LC_ALL", "TZ", "NO_COLOR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
	static const char *const roots[] = {"SSL_CERT_FILE", "SSL_CERT_DIR"};
	enum { ALWAYS = sizeof(always) / sizeof(always[0]), ROOTS = sizeof(roots) / sizeof(roots[0]) };
	char **out = calloc(ALWAYS + ROOTS + 1, sizeof(*out));
	size_t count = 0;
	for (char **variable = environ; out && variable && *variable; variable++) {
		for (size_t i = 0; i < ALWAYS + (with_roots ? ROOTS : 0) && count < ALWAYS + ROOTS; i++) {
			const char *name = i < ALWAYS ? always[i] : roots[i - ALWAYS];
			size_t n = strlen(name);
			if (strncmp(*variable, name, n) == 0 && (*variable)[n] == '=')
				out[count++] = *variable;
		}
	}
	return out;
}

int spawn_open_self(void)
{
	/* The very file that runs, also after an upgrade has put another one in its place. */
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int spawn_open_egress(char *tried, size_t room)
{
	static const char *const places[] = {"egress", "../libexec/pipelock/egress"};
	char folder[PATH_MAX], path[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	if (n <= 0)
		return -errno;
	folder[n] = '\0';
	*strrchr(folder, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, places[i]);
		int fd = access(path, X_OK) == 0 ? open(path, O_PATH | O_CLOEXEC) : -1;
		if (fd >= 0)
			return fd;
	}
	snprintf(tried, room, "%s/egress or %s/../libexec/pipelock/egress", folder, folder);
	return -ENOENT;
}
