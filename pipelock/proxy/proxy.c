/*
 * Start: descriptors, settings, policy (from memory: no file is opened), keeper's welcome, workers. Then this
 * thread is the first worker's, and listens to the supervisor too.
 */
#include "pipelock/proxy/proxy.h"

#include "common/ipc.h"
#include "common/log.h"
#include "common/role.h"
#include "pipelock/known_values.h"
#include "pipelock/policy.h"
#include "pipelock/proxy/worker_life.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define THREADS_MAX 64
#define DESCRIPTOR_RESERVE 256 /* for loops, sockets of the group, idle hops */

static void proxy_say(uint8_t type, const char *text)
{
	struct ipc_writer w;
	ipc_writer_init(&w, type);
	if (text)
		ipc_put_span(&w, span_of(text));
	ipc_send(ROLE_FD_CONTROL, &w);
	ipc_writer_release(&w);
}

static void proxy_read_start(struct proxy *proxy)
{
	static char message[IPC_MAX_MESSAGE];
	ssize_t n = ipc_receive(ROLE_FD_CONTROL, message, sizeof(message));
	struct ipc_reader r = {message, n > 0 ? (size_t)n : 0, n <= 0};
	if (ipc_get_u8(&r) != CONTROL_START || !proxy_start_get(&r, &proxy->start) || !ipc_reader_done(&r))
		role_fatal("the supervisor's first word was not the settings");
	OPENSSL_cleanse(message, sizeof(message));
}

static struct ruleset *proxy_load_rules(
	const struct policy *policy, const struct config *config, struct load_error *error)
{
	size_t count = policy->rules.count;
	const struct rule_source *builtin = ruleset_builtin_sources(&count);
	if (policy->rules.count == 0)
		return ruleset_load(builtin, count, config->overrides, config->override_count, error);
	struct rule_source *sources = calloc(policy->rules.count, sizeof(*sources));
	if (!sources)
		return NULL;
	for (size_t i = 0; i < policy->rules.count; i++) {
		const struct file_text *file = &policy->rules.items[i];
		sources[i] = (struct rule_source){file->name, {file->text, file->size}};
	}
	struct ruleset *rules =
		ruleset_load(sources, policy->rules.count, config->overrides, config->override_count, error);
	free(sources);
	return rules;
}

/* That the supervisor forgot them must not pass for a configuration that names none. */
static void proxy_load_known(struct proxy *proxy, const struct policy *policy)
{
	if (policy->known.n > 0)
		proxy->known = known_set_read(policy->known);
	if ((policy->known.n > 0 || known_values_are_named(proxy->config)) && !proxy->known)
		role_fatal("the known values are not as the supervisor has to hand them over");
}

/* The texts are those that the supervisor has loaded before: that they fail here is a fault of ours, or want
 * of memory. */
static bool proxy_load_policy(struct proxy *proxy, struct policy *policy)
{
	struct load_error error = {0};
	if (!policy_read(ROLE_FD_POLICY, policy))
		role_fatal("the policy is not as the supervisor has to hand it over");
	proxy->config =
		config_load(policy->file, policy->folder, policy->config_text, &policy->overrides, &error);
	if (proxy->config)
		proxy->rules = proxy_load_rules(policy, proxy->config, &error);
	if (proxy->rules) {
		proxy_load_known(proxy, policy);
		return true;
	}
	proxy_say(CONTROL_FAILED, error.set ? error.text : "out of memory");
	return false;
}

static unsigned proxy_threads(const struct config *config)
{
	cpu_set_t set;
	unsigned cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
	unsigned threads = config->threads ? config->threads : cores;
	return threads > THREADS_MAX ? THREADS_MAX : threads;
}

/* An agent's connection may need another one to egress. */
static uint64_t proxy_max_connections(const struct config *config)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= 2 * DESCRIPTOR_RESERVE)
		return DESCRIPTOR_RESERVE / 2;
	uint64_t most = (limit.rlim_cur - DESCRIPTOR_RESERVE) / 2;
	return config->max_connections < most ? config->max_connections : most;
}

static bool proxy_start_workers(struct proxy *proxy)
{
	proxy->worker_count = proxy_threads(proxy->config);
	proxy->max_connections = proxy_max_connections(proxy->config);
	proxy->workers = calloc(proxy->worker_count, sizeof(*proxy->workers));
	for (unsigned i = 0; proxy->workers && i < proxy->worker_count; i++)
		if (worker_init(&proxy->workers[i], proxy, i, ROLE_FD_LISTENER, ROLE_FD_KEEPER) != 0)
			return false;
	if (!proxy->workers || keeper_client_attach(proxy->keeper, proxy->workers[0].loop) != 0)
		return false;
	for (unsigned i = 1; i < proxy->worker_count; i++)
		if (loop_start_thread(proxy->workers[i].loop) != 0)
			return false;
	return true;
}

/* ---- the supervisor's orders */

static void proxy_post_all(struct proxy *proxy, void (*fn)(void *worker))
{
	for (unsigned i = 0; i < proxy->worker_count; i++)
		loop_post(proxy->workers[i].loop, fn, &proxy->workers[i]);
}

static void on_control(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	char message[64];
	ssize_t n = ipc_receive(fd, message, sizeof(message));
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0)
		_exit(0); /* the supervisor is gone: no role outlives it */
	if (message[0] == CONTROL_DRAIN)
		proxy_post_all(arg, worker_drain);
	else if (message[0] == CONTROL_ABORT)
		proxy_post_all(arg, worker_abort);
	else
		role_fatal("the supervisor gave an unknown order");
}

/* In the first worker's loop, each time a worker has nothing left. */
static void on_drained(void *arg)
{
	struct proxy *proxy = arg;
	if (atomic_load(&proxy->drained) < proxy->worker_count)
		return;
	for (unsigned i = 1; i < proxy->worker_count; i++) {
		loop_stop(proxy->workers[i].loop);
		loop_join(proxy->workers[i].loop);
	}
	loop_stop(proxy->workers[0].loop);
}

static void proxy_free(struct proxy *proxy)
{
	for (unsigned i = 0; i < proxy->worker_count; i++)
		worker_release(&proxy->workers[i]);
	free(proxy->workers);
	SSL_CTX_free(proxy->tls);
	keeper_client_free(proxy->keeper);
	ruleset_put(proxy->rules);
	known_set_free(proxy->known);
	config_free(proxy->config);
}

static int proxy_run(struct proxy *proxy)
{
	struct event *control = NULL;
	RAND_bytes((unsigned char *)&proxy->id_prefix, sizeof(proxy->id_prefix));
	proxy->on_drained = on_drained;
	proxy->health = audit_health_map(ROLE_FD_HEALTH, false);
	proxy->keeper = keeper_client_new(ROLE_FD_KEEPER);
	proxy->tls = intercept_ctx_new();
	if (!proxy->health || !proxy->keeper || !proxy->tls || !proxy_start_workers(proxy)) {
		proxy_say(CONTROL_FAILED, "the proxy is out of memory or descriptors");
		return 1;
	}
	fcntl(ROLE_FD_CONTROL, F_SETFL, O_NONBLOCK);
	control = event_new(proxy->workers[0].base, ROLE_FD_CONTROL, EV_READ | EV_PERSIST, on_control, proxy);
	if (!control || event_add(control, NULL) != 0)
		return 1;
	proxy_say(CONTROL_READY, NULL);
	loop_run(proxy->workers[0].loop);
	event_free(control);
	return 0;
}

int proxy_main(void)
{
	static struct proxy proxy;
	struct policy policy;
	log_set_name("pipelock[proxy]");
	role_enter("proxy", 1u << ROLE_FD_CONTROL | 1u << ROLE_FD_KEEPER | 1u << ROLE_FD_HEALTH |
				    1u << ROLE_FD_LISTENER | 1u << ROLE_FD_POLICY);
	role_raise_descriptor_limit();
	loop_library_init();
	proxy_read_start(&proxy);
	if (!proxy_load_policy(&proxy, &policy))
		return 1;
	int rc = proxy_run(&proxy);
	proxy_free(&proxy);
	policy_release(&policy);
	return rc;
}
