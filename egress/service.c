/*
 * Starts egress from the supervisor's message and ends it. What must hold: without a live control socket
 * nothing is served, and all that has to be read from files is read before the first connection is accepted.
 * Worker 0 runs in the first thread and hears the control socket; the others have threads of their own.
 */
#include "egress/service.h"

#include "common/log.h"
#include "common/role.h"
#include "egress/worker.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define EXIT_NO_SUPERVISOR 1

/* One process is one service. */
static struct worker_shared shared;
static struct worker **workers;
static unsigned worker_count, thread_count;
static atomic_uint busy_workers;
static struct event *control_event;
static bool ending;

/* ---- the control socket */

static void say(enum control_message type, const char *reason)
{
	struct ipc_writer message;

	ipc_writer_init(&message, (uint8_t)type);
	if (reason)
		ipc_put_span(&message, span_of(reason));
	if (ipc_send(ROLE_FD_CONTROL, &message) != 0)
		log_error("the supervisor can't be told");
	ipc_writer_release(&message);
}

static int refuse_to_start(const char *reason)
{
	log_error("%s", reason);
	say(CONTROL_FAILED, reason);
	return EXIT_FAILURE;
}

static void post_to_all(void (*fn)(void *worker))
{
	for (unsigned i = 0; i < worker_count; i++)
		if (loop_post(workers[i]->loop, fn, workers[i]) != 0)
			role_fatal("out of memory");
}

static void on_control(evutil_socket_t fd, short what, void *arg)
{
	static char message[IPC_MAX_MESSAGE];
	ssize_t size = ipc_receive(fd, message, sizeof(message));

	(void)what;
	(void)arg;
	if (size == -EAGAIN)
		return;
	/* The supervisor is gone, and with it the proof that anybody watches: nothing more passes. */
	if (size <= 0)
		_exit(EXIT_NO_SUPERVISOR);
	switch (message[0]) {
	case CONTROL_DRAIN:
		ending = true;
		post_to_all(worker_drain);
		break;
	case CONTROL_ABORT:
		ending = true;
		post_to_all(worker_abort);
		break;
	default:
		role_fatal("message %d on the control socket", message[0]);
	}
}

/* The first message, waited for. */
static bool receive_settings(void)
{
	char *message = malloc(IPC_MAX_MESSAGE);
	ssize_t size = message ? ipc_receive(ROLE_FD_CONTROL, message, IPC_MAX_MESSAGE) : -ENOMEM;
	struct ipc_reader reader = {.p = message, .n = size > 0 ? (size_t)size : 0};
	bool got;

	if (size == 0)
		_exit(EXIT_NO_SUPERVISOR);
	got = size > 0 && ipc_get_u8(&reader) == CONTROL_START &&
	      egress_settings_get(&reader, &shared.settings);
	if (message)
		explicit_bzero(message, IPC_MAX_MESSAGE);
	free(message);
	return got;
}

/* ---- workers */

static void on_worker_idle(void)
{
	if (atomic_fetch_sub(&busy_workers, 1) != 1)
		return;
	for (unsigned i = 0; i < worker_count; i++)
		loop_stop(workers[i]->loop);
}

static bool make_workers(void)
{
	workers = calloc(shared.settings.threads, sizeof(*workers));
	for (; workers && worker_count < shared.settings.threads; worker_count++) {
		workers[worker_count] = worker_new(&shared, worker_count);
		if (!workers[worker_count])
			return false;
	}
	atomic_store(&busy_workers, worker_count);
	return workers;
}

static bool start_workers(void)
{
	for (unsigned i = 0; i < worker_count; i++)
		if (!worker_listen(workers[i], ROLE_FD_LISTENER))
			return false;
	control_event = event_new(workers[0]->base, ROLE_FD_CONTROL, EV_READ | EV_PERSIST, on_control, NULL);
	if (!control_event || event_add(control_event, NULL) != 0)
		return false;
	for (thread_count = 1; thread_count < worker_count; thread_count++)
		if (loop_start_thread(workers[thread_count]->loop) != 0)
			return false;
	return true;
}

static void release(void)
{
	if (control_event)
		event_free(control_event);
	for (unsigned i = 0; i < worker_count; i++)
		worker_free(workers[i]);
	free(workers);
	X509_STORE_free(shared.roots);
	hosts_free(shared.hosts);
	egress_settings_release(&shared.settings);
}

/* ---- start */

/* Everything that is read from outside. NULL, or why egress can't start. */
static const char *read_all(void)
{
	static char error[512];

	if (!receive_settings())
		role_fatal("the settings are malformed");
	shared.on_idle = on_worker_idle;
	shared.policy.settings = &shared.settings;
	if (!listener_check(ROLE_FD_LISTENER, &shared.policy.listener, &shared.policy.listener_port))
		return "the hop's listener is not on loopback";
	shared.health = audit_health_map(ROLE_FD_HEALTH, false);
	if (!shared.health)
		return "the audit log's state can't be read";
	shared.hosts = hosts_load("/etc/hosts");
	if (!shared.hosts)
		return "out of memory";
	shared.roots = tls_load_roots(shared.settings.ca_file, error, sizeof(error));
	return shared.roots ? NULL : error;
}

int service_run(void)
{
	const char *wrong;
	int status = EXIT_SUCCESS;

	role_raise_descriptor_limit();
	loop_library_init();
	wrong = read_all();
	if (!wrong && !make_workers())
		wrong = "out of memory or descriptors";
	if (!wrong && !start_workers())
		role_fatal("out of memory or descriptors");
	if (wrong) {
		status = refuse_to_start(wrong);
	} else {
		say(CONTROL_READY, NULL);
		loop_run(workers[0]->loop);
		for (unsigned i = 1; i < thread_count; i++)
			loop_join(workers[i]->loop);
		/* A loop that ends unasked has lost its way of waiting. */
		if (!ending)
			role_fatal("the event loop ended");
	}
	release();
	return status;
}
