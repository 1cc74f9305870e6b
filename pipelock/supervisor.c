/*
 * The supervisor's life: prepare what the roles need, start them, watch them, start them anew when one dies,
 * end them when asked. It opens no file of the log or the keys and accepts no connection; agents can connect
 * only once every role has said that it is ready.
 */
#include "pipelock/supervisor_internal.h"

#include "common/log.h"
#include "common/role.h"
#include "pipelock/listeners.h"
#include "pipelock/policy.h"
#include "pipelock/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_RESTARTS 5 /* more than these within the window: it is no accident */
#define RESTART_WINDOW_MS 60000
#define FIRST_PAUSE_MS 100
#define LONGEST_PAUSE_MS 5000

/* ---- the terminal: in a group of its own, pipelock would not hear Ctrl-C any more */

static pid_t terminal_owner; /* the group that had it before; 0: it was not taken */

static void enter_own_group(void)
{
	pid_t before = getpgrp();
	if (before == getpid() || setpgid(0, 0) != 0)
		return;
	signal(SIGTTOU, SIG_IGN);
	if (isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == before &&
		tcsetpgrp(STDIN_FILENO, getpid()) == 0)
		terminal_owner = before;
}

static void give_terminal_back(void)
{
	if (terminal_owner != 0 && tcgetpgrp(STDIN_FILENO) == getpid())
		tcsetpgrp(STDIN_FILENO, terminal_owner);
}

/* ---- what is made once */

static bool fail(const char *what, int error)
{
	log_error("%s: %s", what, strerror(error));
	return false;
}

static bool open_signals(struct supervisor *supervisor)
{
	sigset_t heard;
	sigemptyset(&heard);
	sigaddset(&heard, SIGTERM);
	sigaddset(&heard, SIGINT);
	sigaddset(&heard, SIGHUP);
	sigaddset(&heard, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* ignored, as some shells leave it, children could not be waited for */
	if (sigprocmask(SIG_BLOCK, &heard, NULL) != 0)
		return fail("signals can't be blocked", errno);
	supervisor->signal_fd = signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK);
	return supervisor->signal_fd >= 0 || fail("signals can't be read", errno);
}

static bool open_programs(struct supervisor *supervisor)
{
	char tried[2 * PATH_MAX + 64] = "/proc/self/exe";
	supervisor->program_fd = spawn_open_self();
	if (supervisor->program_fd < 0)
		return fail("pipelock's own program can't be opened", -supervisor->program_fd);
	supervisor->egress_fd = spawn_open_egress(tried, sizeof(tried));
	if (supervisor->egress_fd >= 0)
		return true;
	log_error("the egress program is missing; looked for %s", tried);
	return false;
}

static bool open_agent_listener(struct supervisor *supervisor)
{
	const struct config *config = supervisor->input->config;
	char error[256];
	supervisor->agent_listener =
		listener_bind(&config->listen, config->listen_port, error, sizeof(error));
	if (supervisor->agent_listener < 0) {
		log_error("%s (`listen`, --listen or PIPELOCK_LISTEN)", error);
		return false;
	}
	return listener_bound_to(
		       supervisor->agent_listener, &supervisor->agent_address, &supervisor->agent_port) ||
	       fail("the listener for agents is not what was asked for", EINVAL);
}

static bool open_hop_listener(struct supervisor *supervisor)
{
	const struct config *config = supervisor->input->config;
	char error[256];
	supervisor->hop_listener =
		listener_bind(&config->egress_listen, config->egress_port, error, sizeof(error));
	if (supervisor->hop_listener < 0) {
		log_error("egress: %s (`egress.listen`, EGRESS_LISTEN_HOST or EGRESS_LISTEN_PORT)", error);
		return false;
	}
	/* Whatever the configuration's reader let through: what counts is where the kernel has put it. */
	if (!listener_bound_to(supervisor->hop_listener, &supervisor->hop_address, &supervisor->hop_port) ||
		address_classify(&supervisor->hop_address) != ADDRESS_LOOPBACK) {
		log_error(
			"egress listens on loopback only, and its listener is not there: nothing is started");
		return false;
	}
	int result = listener_listen(supervisor->hop_listener);
	return result == 0 || fail("egress can't listen", -result);
}

/* Every folder on the way, for nobody else. */
static bool make_state_folder(const char *path)
{
	char partial[PATH_MAX];
	if (strlen(path) >= sizeof(partial)) {
		log_error("the path of the state folder is too long");
		return false;
	}
	for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		snprintf(partial, sizeof(partial), "%.*s", slash ? (int)(slash - path) : PATH_MAX - 1, path);
		if (mkdir(partial, 0700) != 0 && errno != EEXIST) {
			log_error("the state folder %s can't be made: %s (`state`)", path, strerror(errno));
			return false;
		}
		if (!slash)
			return true;
	}
}

static bool open_audit_pairs(struct supervisor *supervisor)
{
	for (int i = 0; i < AUDIT_CHANNELS; i++) {
		int pair[2];
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
			return fail("sockets for the roles can't be made", errno);
		supervisor->audit[i] = (struct audit_pair){pair[0], pair[1]};
		for (int end = 0; end < 2; end++) {
			int octets = 1024 * 1024; /* as much of it as the kernel grants */
			setsockopt(pair[end], SOL_SOCKET, SO_SNDBUF, &octets, sizeof(octets));
		}
	}
	/* The supervisor waits for nobody. */
	fcntl(supervisor->audit[AUDIT_SUPERVISOR].role_end, F_SETFL, O_RDWR | O_NONBLOCK);
	return true;
}

static bool open_shared_memory(struct supervisor *supervisor)
{
	const struct supervisor_input *input = supervisor->input;
	struct policy policy = {.file = input->config->file,
		.folder = input->config->folder,
		.config_text = input->config_text,
		.overrides = *input->overrides,
		.rules = *input->rules,
		.known = input->known};
	supervisor->policy_fd = policy_write(&policy);
	if (supervisor->policy_fd < 0)
		return fail("the policy can't be handed to the proxy", -supervisor->policy_fd);
	int result = health_create(&supervisor->health_fd, &supervisor->health_readonly_fd);
	if (result != 0 || !health_map(supervisor->health_fd, &supervisor->health, &supervisor->journal))
		return fail("memory can't be shared with the roles", result != 0 ? -result : ENOMEM);
	return true;
}

/* Descriptors 0 to 2 are open, or a socket would get the number of stderr. */
static void fill_standard_descriptors(void)
{
	int fd;
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static bool set_up(struct supervisor *supervisor)
{
	for (int i = 0; i < ROLES; i++)
		supervisor->roles[i].control = -1;
	supervisor->orphans = getpid() == 1;
	fill_standard_descriptors();
	enter_own_group();
	/* It makes the capability of the hop. */
	if (!role_keep_memory_private())
		return fail("the kernel can't keep the memory private", errno);
	return open_signals(supervisor) && open_programs(supervisor) && open_agent_listener(supervisor) &&
	       open_hop_listener(supervisor) && make_state_folder(supervisor->input->config->state) &&
	       open_audit_pairs(supervisor) && open_shared_memory(supervisor);
}

/* ---- serving */

static void announce(const struct supervisor *supervisor)
{
	const struct supervisor_input *input = supervisor->input;
	char text[ADDRESS_TEXT_SIZE];
	bool bracket = supervisor->agent_address.family == AF_INET6;
	char rules[40] = "";
	if (input->rule_count > 0)
		snprintf(rules, sizeof(rules), ", %zu rules", input->rule_count);
	log_info("ready for agents on %s%s%s:%u%s; CA certificate %s/ca.pem, log %s; in the agent's shell: "
		 "eval \"$(pipelock env)\"",
		bracket ? "[" : "", address_format(&supervisor->agent_address, text), bracket ? "]" : "",
		supervisor->agent_port, rules, input->config->state, input->config->audit_file);
}

/* All roles are ready for the first time: let agents in. */
static bool open_doors(struct supervisor *supervisor)
{
	int result = listener_listen(supervisor->agent_listener);
	if (result != 0) {
		snprintf(supervisor->failure, sizeof(supervisor->failure), "can't listen for agents: %s",
			strerror(-result));
		return false;
	}
	supervisor->serving = true;
	record_started(supervisor);
	announce(supervisor);
	return true;
}

static enum group_outcome watch(struct supervisor *supervisor, enum role_index *which)
{
	for (;;) {
		struct event event = supervisor_wait(supervisor, -1);
		*which = event.role;
		if (event.kind == EVENT_STOP)
			return GROUP_STOPPED;
		if (event.kind == EVENT_DIED)
			return GROUP_ROLE_DIED;
	}
}

/* ---- restarts */

struct restarts {
	int64_t at_ms[MAX_RESTARTS + 1];
	unsigned count; /* within the window */
};

/* One more. False: too many. */
static bool note_restart(struct restarts *restarts)
{
	int64_t now_ms = supervisor_now_ms();
	unsigned kept = 0;
	for (unsigned i = 0; i < restarts->count; i++)
		if (now_ms - restarts->at_ms[i] < RESTART_WINDOW_MS)
			restarts->at_ms[kept++] = restarts->at_ms[i];
	restarts->at_ms[kept++] = now_ms;
	restarts->count = kept;
	return kept <= MAX_RESTARTS;
}

/* The first restart is at once. False: asked to stop meanwhile. */
static bool pause_before_restart(struct supervisor *supervisor, const struct restarts *restarts)
{
	int64_t pause_ms = restarts->count > 1 ? (int64_t)FIRST_PAUSE_MS << (restarts->count - 2) : 0;
	int64_t deadline_ms =
		supervisor_now_ms() + (pause_ms < LONGEST_PAUSE_MS ? pause_ms : LONGEST_PAUSE_MS);
	while (!supervisor->stop_asked) {
		struct event event = supervisor_wait(supervisor, deadline_ms);
		if (event.kind == EVENT_TIMEOUT)
			return true;
		supervisor->stop_asked = event.kind == EVENT_STOP;
	}
	return false;
}

/* Say what happened, on stderr and in the log, and end what is left. */
static void clear_away(struct supervisor *supervisor, enum group_outcome outcome, enum role_index which)
{
	char how[64];
	if (outcome == GROUP_ROLE_DIED) {
		log_error("%s %s; the group is restarted", role_names[which],
			describe_status(supervisor->roles[which].status, how, sizeof(how)));
		record_role_died(supervisor, which);
	} else {
		log_error("the group can't be started again: %s", supervisor->failure);
	}
	group_end_after_death(supervisor, which);
}

static enum supervisor_exit give_up(struct supervisor *supervisor, const struct restarts *restarts)
{
	record_group(supervisor, "group_ended", restarts->count - 1);
	log_error("roles died %u times within a minute: pipelock ends, nothing passes", restarts->count);
	group_finish_log(supervisor);
	return SUPERVISOR_GROUP_FAILED;
}

static enum supervisor_exit stop(struct supervisor *supervisor)
{
	log_info("stopping");
	/* Shut, not only closed: that ends the proxy's copy too, and who comes now is refused at once instead
	 * of waiting for nobody. */
	shutdown(supervisor->agent_listener, SHUT_RD);
	close(supervisor->agent_listener);
	supervisor->agent_listener = -1;
	uint64_t drain_ms = supervisor->input->config->timeouts.drain_ms;
	group_drain(supervisor, supervisor_now_ms() + (int64_t)drain_ms);
	return SUPERVISOR_STOPPED;
}

static enum supervisor_exit never_started(
	struct supervisor *supervisor, enum group_outcome outcome, enum role_index which)
{
	char how[64];
	if (outcome == GROUP_ROLE_DIED)
		log_error("can't start: %s %s before it was ready", role_names[which],
			describe_status(supervisor->roles[which].status, how, sizeof(how)));
	else
		log_error("can't start: %s", supervisor->failure);
	group_kill(supervisor, EVERY_ROLE);
	return SUPERVISOR_NOT_STARTED;
}

static enum supervisor_exit live(struct supervisor *supervisor)
{
	struct restarts restarts = {0};
	for (;;) {
		enum role_index which = ROLE_KEEPER;
		enum group_outcome outcome = group_start(supervisor, &which);
		if (outcome == GROUP_RUNS && !supervisor->serving && !open_doors(supervisor))
			outcome = GROUP_CAN_NOT_START;
		else if (outcome == GROUP_RUNS && restarts.count > 0)
			record_group(supervisor, "group_restarted", restarts.count);
		if (outcome == GROUP_RUNS)
			outcome = watch(supervisor, &which);
		if (outcome == GROUP_STOPPED || supervisor->stop_asked)
			return stop(supervisor);
		if (!supervisor->serving)
			return never_started(supervisor, outcome, which);
		clear_away(supervisor, outcome, which);
		if (!note_restart(&restarts))
			return give_up(supervisor, &restarts);
		if (!pause_before_restart(supervisor, &restarts))
			return stop(supervisor);
	}
}

enum supervisor_exit supervisor_run(const struct supervisor_input *input)
{
	static struct supervisor supervisor;
	supervisor = (struct supervisor){.input = input};
	log_set_name("pipelock");
	enum supervisor_exit result = set_up(&supervisor) ? live(&supervisor) : SUPERVISOR_NOT_STARTED;
	give_terminal_back();
	return result;
}
