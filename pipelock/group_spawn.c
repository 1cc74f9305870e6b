/*
 * What each role gets at its start: descriptors, and its settings over the control socket.
 */
#include "pipelock/supervisor_internal.h"

#include "pipelock/spawn.h"
#include "pipelock/start.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_THREADS 64
#define POOL_IDLE_MS 30000 /* shorter than most origins keep an idle connection */

bool group_new_capability(struct supervisor *supervisor)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char octets[HOP_CAPABILITY_BYTES];
	if (RAND_bytes(octets, sizeof(octets)) != 1)
		return false;
	for (size_t i = 0; i < sizeof(octets); i++) {
		supervisor->capability[2 * i] = digits[octets[i] >> 4];
		supervisor->capability[2 * i + 1] = digits[octets[i] & 15];
	}
	supervisor->capability[2 * sizeof(octets)] = '\0';
	OPENSSL_cleanse(octets, sizeof(octets));
	return true;
}

static unsigned thread_count(const struct config *config)
{
	cpu_set_t set;
	unsigned count = config->threads;
	if (count == 0)
		count = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
	return count > MAX_THREADS ? MAX_THREADS : count;
}

static uint32_t to_u32(uint64_t milliseconds)
{
	return milliseconds > UINT32_MAX ? UINT32_MAX : (uint32_t)milliseconds;
}

/* egress cuts nothing that the proxy would still wait for. */
static uint32_t longest_silence_ms(const struct timeouts *timeouts)
{
	uint64_t longest = timeouts->tunnel_ms;
	if (timeouts->response_ms > longest)
		longest = timeouts->response_ms;
	if (timeouts->body_ms > longest)
		longest = timeouts->body_ms;
	return to_u32(longest);
}

/* The addresses of this machine: none of them is a destination. Owned by the caller. */
static struct address *own_addresses(size_t *count)
{
	struct ifaddrs *list = NULL;
	struct address *own = NULL;
	size_t room = 0;
	*count = 0;
	if (getifaddrs(&list) != 0)
		return NULL;
	for (struct ifaddrs *at = list; at; at = at->ifa_next)
		room++;
	own = calloc(room ? room : 1, sizeof(*own));
	for (struct ifaddrs *at = list; own && at; at = at->ifa_next) {
		uint16_t port;
		if (!at->ifa_addr)
			continue;
		address_from_sockaddr(at->ifa_addr, &own[*count], &port);
		if (own[*count].family != 0)
			(*count)++;
	}
	freeifaddrs(list);
	return own;
}

static void put_egress_settings(struct supervisor *supervisor, struct ipc_writer *message)
{
	const struct config *config = supervisor->input->config;
	struct egress_settings settings = {
		.ca_file = config->ca_file,
		.connect_to = config->connect_to,
		.connect_to_count = config->connect_to_count,
		.deny_private = config->deny_private,
		.threads = thread_count(config),
		.connect_timeout_ms = to_u32(config->timeouts.connect_ms),
		.tls_timeout_ms = to_u32(config->timeouts.tls_ms),
		.dns_timeout_ms = to_u32(config->timeouts.dns_ms),
		.response_timeout_ms = to_u32(config->timeouts.response_ms),
		.idle_timeout_ms = longest_silence_ms(&config->timeouts),
		.pool_idle_ms = POOL_IDLE_MS,
	};
	memcpy(settings.capability, supervisor->capability, sizeof(settings.capability));
	settings.own = own_addresses(&settings.own_count);
	/* Without the list egress could be led to this machine's own services. */
	if (settings.own)
		egress_settings_put(message, &settings);
	else
		message->failed = true;
	free(settings.own);
	OPENSSL_cleanse(&settings, sizeof(settings));
}

static void put_settings(struct supervisor *supervisor, enum role_index which, struct ipc_writer *message)
{
	const struct config *config = supervisor->input->config;
	if (which == ROLE_KEEPER) {
		keeper_start_put(message, &(struct keeper_start){.state = span_of(config->state),
						  .audit_file = span_of(config->audit_file)});
	} else if (which == ROLE_EGRESS) {
		put_egress_settings(supervisor, message);
	} else {
		struct proxy_start start = {
			.egress = supervisor->hop_address, .egress_port = supervisor->hop_port};
		memcpy(start.capability, supervisor->capability, sizeof(start.capability));
		proxy_start_put(message, &start);
	}
}

static void give_descriptors(struct supervisor *supervisor, enum role_index which, struct spawn *spawn)
{
	const struct audit_pair *audit = supervisor->audit;
	if (which == ROLE_KEEPER) {
		spawn->fds[ROLE_FD_HEALTH] = supervisor->health_fd;
		spawn->fds[ROLE_FD_FROM_SUPERVISOR] = audit[AUDIT_SUPERVISOR].keeper_end;
		spawn->fds[ROLE_FD_FROM_PROXY] = audit[AUDIT_PROXY].keeper_end;
		spawn->fds[ROLE_FD_FROM_EGRESS] = audit[AUDIT_EGRESS].keeper_end;
		return;
	}
	bool proxy = which == ROLE_PROXY;
	int keeper = audit[proxy ? AUDIT_PROXY : AUDIT_EGRESS].role_end;
	/* The one before may have made it non-blocking; a role begins with a blocking one. */
	fcntl(keeper, F_SETFL, O_RDWR);
	spawn->fds[ROLE_FD_KEEPER] = keeper;
	spawn->fds[ROLE_FD_HEALTH] = supervisor->health_readonly_fd;
	spawn->fds[ROLE_FD_LISTENER] = proxy ? supervisor->agent_listener : supervisor->hop_listener;
	spawn->fds[ROLE_FD_POLICY] = proxy ? supervisor->policy_fd : -1;
}

static int make_process(struct supervisor *supervisor, enum role_index which, int control)
{
	static const char *const shown[ROLES] = {"pipelock: keeper", "pipelock: egress", "pipelock: proxy"};
	static const char *const arguments[ROLES] = {"--role=keeper", "--role=egress", "--role=proxy"};
	struct spawn spawn;
	spawn_init(&spawn);
	spawn.program_fd = which == ROLE_EGRESS ? supervisor->egress_fd : supervisor->program_fd;
	spawn.shown = shown[which];
	spawn.argument = arguments[which];
	spawn.fds[ROLE_FD_CONTROL] = control;
	give_descriptors(supervisor, which, &spawn);
	char **environment = spawn_environment(which == ROLE_EGRESS);
	if (!environment)
		return -ENOMEM;
	spawn.environment = environment;
	pid_t pid = spawn_role(&spawn);
	free(environment);
	if (pid > 0)
		supervisor->roles[which].pid = pid;
	return pid > 0 ? 0 : (int)pid;
}

int group_spawn(struct supervisor *supervisor, enum role_index which)
{
	struct role_process *role = &supervisor->roles[which];
	int pair[2];
	/* The settings wait in the socket; the role's end is the only one that is inherited. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	struct ipc_writer message;
	ipc_writer_init(&message, CONTROL_START);
	put_settings(supervisor, which, &message);
	int result = ipc_send(pair[0], &message);
	if (message.p)
		OPENSSL_cleanse(message.p, message.n);
	ipc_writer_release(&message);
	if (result == 0)
		result = make_process(supervisor, which, pair[1]);
	close(pair[1]);
	if (result != 0) {
		close(pair[0]);
		return result;
	}
	role->control = pair[0];
	role->ready = false;
	return 0;
}
