/*
 * What goes to a role and what makes one: settings and policy that arrive as they were, or not at all; a
 * process that has only the descriptors it was promised, ends with its parent, and does not run without one.
 */
#include "common/role.h"
#include "pipelock/listeners.h"
#include "pipelock/policy.h"
#include "pipelock/spawn.h"
#include "pipelock/start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char capability[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/* ---- settings */

static bool proxy_start_survives(
	const char *address, uint16_t port, const char *secret, struct proxy_start *out)
{
	struct ipc_writer w;
	struct proxy_start start = {.egress_port = port};
	if (!address_parse_v4(span_of(address), &start.egress))
		assert_true(address_parse_v6(span_of(address), &start.egress));
	snprintf(start.capability, sizeof(start.capability), "%s", secret);
	ipc_writer_init(&w, CONTROL_START);
	proxy_start_put(&w, &start);
	struct ipc_reader r = {.p = w.p, .n = w.n};
	ipc_get_u8(&r);
	bool got = proxy_start_get(&r, out);
	ipc_writer_release(&w);
	return got;
}

static void the_proxy_is_led_to_loopback_alone(void **state)
{
	(void)state;
	struct proxy_start start;
	assert_true(proxy_start_survives("127.0.0.1", 9099, capability, &start));
	assert_string_equal(start.capability, capability);
	assert_int_equal(start.egress_port, 9099);
	assert_true(proxy_start_survives("::1", 1, capability, &start));
	assert_false(proxy_start_survives("192.0.2.1", 9099, capability, &start));
	assert_false(proxy_start_survives("0.0.0.0", 9099, capability, &start));
	assert_false(proxy_start_survives("::", 9099, capability, &start));
	assert_false(proxy_start_survives("127.0.0.1", 0, capability, &start));
	assert_false(proxy_start_survives("127.0.0.1", 9099, "short", &start));
}

static bool keeper_start_survives(struct span folder, struct span file)
{
	struct ipc_writer w;
	struct keeper_start start;
	ipc_writer_init(&w, CONTROL_START);
	keeper_start_put(&w, &(struct keeper_start){folder, file});
	struct ipc_reader r = {.p = w.p + 1, .n = w.n - 1};
	bool got = keeper_start_get(&r, &start) && span_equals(start.state, folder) &&
		   span_equals(start.audit_file, file);
	ipc_writer_release(&w);
	return got;
}

static void the_keeper_gets_absolute_paths_alone(void **state)
{
	(void)state;
	assert_true(keeper_start_survives(SPAN("/a"), SPAN("/b c")));
	assert_false(keeper_start_survives(SPAN("a"), SPAN("/b")));
	assert_false(keeper_start_survives(SPAN("/a"), SPAN("")));
	assert_false(keeper_start_survives(SPAN("/a"), SPAN("/b\0/etc")));
}

/* ---- policy */

static int write_policy(void)
{
	static char first_name[] = "one.yaml", second_name[] = "two.yaml";
	static char first[] = "rules: 1\n", second[] = "";
	static struct file_text files[] = {{first_name, first, sizeof(first) - 1}, {second_name, second, 0}};
	struct policy policy = {.file = "c.yaml",
		.folder = "/etc/x",
		.config_text = {"a\0b", 3},
		.overrides = {.listen = "127.0.0.1:1", .home = "/root"},
		.rules = {files, 2}};
	int fd = policy_write(&policy);
	assert_true(fd >= 0);
	return fd;
}

static void a_policy_arrives_as_it_was(void **state)
{
	(void)state;
	struct policy policy;
	int fd = write_policy();
	assert_true(policy_read(fd, &policy));
	assert_string_equal(policy.file, "c.yaml");
	assert_string_equal(policy.folder, "/etc/x");
	assert_true(span_equals(policy.config_text, (struct span){"a\0b", 3}));
	assert_string_equal(policy.overrides.listen, "127.0.0.1:1");
	assert_null(policy.overrides.egress_host);
	assert_string_equal(policy.overrides.home, "/root");
	assert_int_equal(policy.rules.count, 2);
	assert_string_equal(policy.rules.items[1].name, "two.yaml");
	assert_int_equal(policy.rules.items[1].size, 0);
	assert_memory_equal(policy.rules.items[0].text, "rules: 1\n", 10);
	policy_release(&policy);
	/* The embedded defaults: everything absent. */
	close(fd);
	fd = policy_write(&(struct policy){.config_text = {"", 0}});
	assert_true(policy_read(fd, &policy));
	assert_null(policy.file);
	assert_int_equal(policy.rules.count, 0);
	policy_release(&policy);
	close(fd);
}

static void a_policy_can_not_be_changed(void **state)
{
	(void)state;
	int fd = write_policy();
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_ptr_equal(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	close(fd);
}

/* The same octets, or some of them, in a memfd of one's own. */
static int copy_policy(int from, size_t n, bool sealed, long flip)
{
	static char text[4096];
	int fd = memfd_create("copy", MFD_ALLOW_SEALING);
	assert_true(pread(from, text, n, 0) == (ssize_t)n);
	if (flip >= 0)
		text[flip] = (char)~text[flip];
	assert_true(write(fd, text, n) == (ssize_t)n);
	if (sealed)
		assert_int_equal(
			fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	return fd;
}

static void what_is_not_sealed_or_not_whole_is_no_policy(void **state)
{
	(void)state;
	struct policy policy;
	int fd = write_policy();
	size_t size = (size_t)lseek(fd, 0, SEEK_END);
	int copy = copy_policy(fd, size, false, -1);
	assert_false(policy_read(copy, &policy));
	close(copy);
	for (size_t n = 0; n < size; n++) {
		copy = copy_policy(fd, n, true, -1);
		assert_false(policy_read(copy, &policy));
		close(copy);
		/* Any octet changed: refused, or read without harm. */
		copy = copy_policy(fd, size, true, (long)n);
		if (policy_read(copy, &policy))
			policy_release(&policy);
		close(copy);
	}
	assert_false(policy_read(0, &policy));
	close(fd);
}

/* ---- listeners */

static void listeners_are_where_they_were_asked_to_be(void **state)
{
	(void)state;
	char error[256];
	struct address loopback, bound;
	uint16_t port = 0;
	address_parse_v4(SPAN("127.0.0.1"), &loopback);
	int fd = listener_bind(&loopback, 0, error, sizeof(error));
	assert_true(fd >= 0);
	assert_true(listener_bound_to(fd, &bound, &port));
	assert_true(address_equals(&bound, &loopback) && port != 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	int on = 1;
	socklen_t size = sizeof(on);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &size), 0);
	assert_int_equal(on, 0);
	assert_int_equal(listener_listen(fd), 0);
	assert_int_equal(listener_bind(&loopback, port, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "127.0.0.1"));
	assert_non_null(strstr(error, "another program listens there"));
	close(fd);
	address_parse_v4(SPAN("192.0.2.77"), &loopback);
	assert_int_equal(listener_bind(&loopback, 0, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "no such address"));
	assert_false(listener_bound_to(0, &bound, &port));
}

/* ---- processes: this program again, as a role that reports what it is */

static int role_main(void)
{
	char report[4096];
	role_enter("test", 1u << ROLE_FD_LISTENER);
	int n = snprintf(report, sizeof(report),
		"nnp=%d dumpable=%d term=%d fds=", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
		prctl(PR_GET_DUMPABLE), signal(SIGTERM, SIG_IGN) == SIG_IGN);
	for (int fd = 3; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			n += snprintf(report + n, sizeof(report) - (size_t)n, "%d,", fd);
	n += snprintf(
		report + n, sizeof(report) - (size_t)n, " secret=%d", getenv("TEST_ROLE_SECRET") != NULL);
	if (write(ROLE_FD_CONTROL, report, (size_t)n) != n)
		return 1;
	return read(ROLE_FD_CONTROL, report, 1) == 0 ? 0 : 1;
}

static pid_t start_role(int *control, unsigned omitted)
{
	static int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	struct spawn spawn;
	spawn_init(&spawn);
	spawn.program_fd = spawn_open_self();
	spawn.shown = "test: role";
	spawn.argument = "--role=test";
	setenv("TEST_ROLE_SECRET", "x", 1);
	spawn.environment = spawn_environment(true);
	for (int fd = ROLE_FD_CONTROL; fd < ROLE_FD_END; fd++)
		spawn.fds[fd] = omitted & (1u << fd) ? -1 : pair[1];
	pid_t pid = spawn_role(&spawn);
	assert_true(pid > 0);
	free((void *)spawn.environment);
	close(spawn.program_fd);
	close(pair[1]);
	*control = pair[0];
	return pid;
}

static int status_of(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void a_role_has_what_it_was_promised_and_no_more(void **state)
{
	(void)state;
	char report[4096] = "";
	int control;
	pid_t pid = start_role(&control, 0);
	assert_true(read(control, report, sizeof(report) - 1) > 0);
	assert_non_null(strstr(report, "nnp=1 "));
	assert_non_null(strstr(report, "term=1 "));
	assert_non_null(strstr(report, "fds=3,6, "));
	assert_non_null(strstr(report, "secret=0"));
	assert_int_equal(getpgid(pid), getpgrp());
	/* It outlives a signal to the group, and ends when its control socket does. */
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(kill(pid, SIGINT), 0);
	assert_int_equal(kill(pid, SIGHUP), 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	close(control);
	int status = status_of(pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_role_without_its_descriptors_does_not_run(void **state)
{
	(void)state;
	static const unsigned omitted[] = {1u << ROLE_FD_LISTENER, 1u << ROLE_FD_CONTROL};
	for (size_t i = 0; i < 2; i++) {
		int control;
		pid_t pid = start_role(&control, omitted[i]);
		int status = status_of(pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
		close(control);
	}
}

static void a_role_dies_with_its_parent(void **state)
{
	(void)state;
	int pipe_fds[2], control;
	pid_t role;
	assert_int_equal(pipe(pipe_fds), 0);
	/* The role would be left to process 1: let it be left to us. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t parent = fork();
	if (parent == 0) {
		char byte;
		role = start_role(&control, 0);
		if (read(control, &byte, 1) < 0 || write(pipe_fds[1], &role, sizeof(role)) != sizeof(role))
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(pipe_fds[0], &role, sizeof(role)), sizeof(role));
	kill(parent, SIGKILL);
	status_of(parent);
	int status = status_of(role);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--role=test") == 0)
		return role_main();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_proxy_is_led_to_loopback_alone),
		cmocka_unit_test(the_keeper_gets_absolute_paths_alone),
		cmocka_unit_test(a_policy_arrives_as_it_was),
		cmocka_unit_test(a_policy_can_not_be_changed),
		cmocka_unit_test(what_is_not_sealed_or_not_whole_is_no_policy),
		cmocka_unit_test(listeners_are_where_they_were_asked_to_be),
		cmocka_unit_test(a_role_has_what_it_was_promised_and_no_more),
		cmocka_unit_test(a_role_without_its_descriptors_does_not_run),
		cmocka_unit_test(a_role_dies_with_its_parent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
