/*
 * The keeper's life: open what it keeps, take over what the last keeper left, then one loop that receives
 * records, writes them in batches and mints leafs. Traffic may flow only while the log can be written: the
 * health page says so, and the keeper alone writes there.
 */
#include "pipelock/keeper.h"

#include "common/log.h"
#include "common/role.h"
#include "pipelock/health.h"
#include "pipelock/keeper_internal.h"
#include "pipelock/start.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 1000 /* between syncs, and looks at the file's name */
#define RETRY_MS 200 /* while the log can't be written */
#define WARN_EXPIRY_SECONDS (30L * 24 * 60 * 60)
#define FINGERPRINT_FILE "fingerprint.key"
#define NEEDED                                                                                               \
	(1u << ROLE_FD_HEALTH | 1u << ROLE_FD_FROM_SUPERVISOR | 1u << ROLE_FD_FROM_PROXY |                   \
		1u << ROLE_FD_FROM_EGRESS)

#define MAY(message) (1u << (message))

static const struct keeper_channel permits[CHANNELS] = {
	[CHANNEL_SUPERVISOR] = {.fd = ROLE_FD_FROM_SUPERVISOR,
		.role = "supervisor",
		.permitted = MAY(KEEPER_RECORD) | MAY(KEEPER_FLUSH)},
	[CHANNEL_PROXY] = {.fd = ROLE_FD_FROM_PROXY,
		.role = "proxy",
		.permitted = MAY(KEEPER_RECORD) | MAY(KEEPER_HELLO) | MAY(KEEPER_MINT) | MAY(KEEPER_FLUSH)},
	[CHANNEL_EGRESS] = {.fd = ROLE_FD_FROM_EGRESS,
		.role = "egress",
		.permitted = MAY(KEEPER_RECORD) | MAY(KEEPER_FLUSH)},
};

int64_t keeper_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void tell_supervisor(uint8_t type, const char *text)
{
	struct ipc_writer message;
	ipc_writer_init(&message, type);
	if (text)
		ipc_put_span(&message, span_of(text));
	ipc_send(ROLE_FD_CONTROL, &message);
	ipc_writer_release(&message);
}

static bool open_fingerprint_key(struct keeper *keeper, int folder, struct state_error *error)
{
	char *key = (char *)keeper->fingerprint_key;
	ssize_t n = state_file_read(folder, FINGERPRINT_FILE, true, key, FINGERPRINT_KEY_SIZE, error);
	if (n == FINGERPRINT_KEY_SIZE)
		return true;
	if (n > 0)
		state_error_set(
			error, FINGERPRINT_FILE " in the state folder is too short; remove it for a new one");
	if (n != 0)
		return false;
	if (RAND_bytes(keeper->fingerprint_key, FINGERPRINT_KEY_SIZE) != 1) {
		state_error_set(error, "no random numbers are to be had");
		return false;
	}
	return state_file_create(
		folder, FINGERPRINT_FILE, 0600, (struct span){key, FINGERPRINT_KEY_SIZE}, error);
}

static bool open_keys(struct keeper *keeper, const char *state, struct state_error *error)
{
	int folder = state_folder_open(state, error);
	if (folder < 0)
		return false;
	/* The descriptor stays open for the life of the keeper: it holds the lock. */
	if (flock(folder, LOCK_EX | LOCK_NB) != 0) {
		state_error_set(error, "another pipelock uses the state folder %s", state);
		close(folder);
		return false;
	}
	time_t now = (time_t)(keeper_now_ms() / 1000);
	if (!open_fingerprint_key(keeper, folder, error) || !(keeper->ca = ca_open(folder, now, error)))
		return false;
	if (ca_expiry(keeper->ca) - now < WARN_EXPIRY_SECONDS)
		log_warn("the CA certificate expires in less than 30 days; remove ca.pem from %s for a new "
			 "one",
			state);
	return true;
}

static bool open_all(struct keeper *keeper, const struct keeper_start *start, struct state_error *error)
{
	char state[4096], log[4096];
	if (start->state.n >= sizeof(state) || start->audit_file.n >= sizeof(log)) {
		state_error_set(error, "the path of the state folder or of the audit log is too long");
		return false;
	}
	snprintf(state, sizeof(state), "%.*s", SPAN_ARG(start->state));
	snprintf(log, sizeof(log), "%.*s", SPAN_ARG(start->audit_file));
	if (!open_keys(keeper, state, error))
		return false;
	keeper->file = audit_file_open(log, keeper->journal, keeper_now_ms(), error);
	return keeper->file != NULL;
}

/* Wait for CONTROL_START and open everything. False: the supervisor was told why not. */
static bool start(struct keeper *keeper)
{
	static char message[IPC_MAX_MESSAGE];
	struct keeper_start settings;
	struct state_error error = {"the memory that is shared with the supervisor can't be mapped"};
	ssize_t n = ipc_receive(ROLE_FD_CONTROL, message, sizeof(message));
	struct ipc_reader reader = {.p = message, .n = n > 0 ? (size_t)n : 0};
	if (ipc_get_u8(&reader) != CONTROL_START || !keeper_start_get(&reader, &settings))
		role_fatal("the supervisor did not say how to start");
	memcpy(keeper->channels, permits, sizeof(permits));
	for (int i = 0; i < CHANNELS; i++)
		fcntl(keeper->channels[i].fd, F_SETFL, O_RDWR | O_NONBLOCK);
	if (!health_map(ROLE_FD_HEALTH, &keeper->health, &keeper->journal) ||
		!open_all(keeper, &settings, &error)) {
		tell_supervisor(CONTROL_FAILED, error.text);
		return false;
	}
	keeper_take_inbox(keeper);
	return true;
}

static void set_accepting(struct keeper *keeper, bool accepting)
{
	atomic_store_explicit(&keeper->health->accepting, accepting, memory_order_release);
}

static void write_out(struct keeper *keeper)
{
	keeper->written = audit_file_write(keeper->file, keeper_now_ms());
	if (keeper->written && keeper->flush_count > 0 && audit_file_sync(keeper->file))
		keeper_answer_flushes(keeper);
	set_accepting(keeper, keeper->serving && keeper->written);
}

/* Take everything that was sent until now; while the log can't be written, as much as there is room for.
 * Answers to whom it came from are not waited for. */
static void take_all(struct keeper *keeper)
{
	for (int i = 0; i < CHANNELS; i++) {
		struct keeper_channel *channel = &keeper->channels[i];
		ipc_writer_release(&channel->answer);
		channel->answer_waits = false;
		enum keeper_read result;
		do {
			result = keeper_channel_read(keeper, channel);
			write_out(keeper);
		} while (result == READ_MORE || (result == READ_BLOCKED && keeper->written));
	}
}

/* A new group begins: what is in the sockets is of the one before, so its records are taken and its requests
 * dropped. */
static void begin_to_serve(struct keeper *keeper)
{
	keeper->serving = false;
	keeper->flush_count = 0;
	take_all(keeper);
	keeper->serving = true;
	write_out(keeper);
	tell_supervisor(CONTROL_READY, NULL);
}

/* The end: nothing that was handed over stays behind. While the log can't be written this waits; the
 * supervisor's patience is the bound. */
static void finish(struct keeper *keeper)
{
	keeper->serving = false;
	take_all(keeper);
	while (!keeper->written || !audit_file_sync(keeper->file)) {
		poll(NULL, 0, RETRY_MS);
		take_all(keeper);
	}
	audit_file_close(keeper->file);
	ca_free(keeper->ca);
	OPENSSL_cleanse(keeper->fingerprint_key, sizeof(keeper->fingerprint_key));
}

/* False: it is over. */
static bool on_control(struct keeper *keeper)
{
	char message[64];
	ssize_t n = ipc_receive(ROLE_FD_CONTROL, message, sizeof(message));
	if (n > 0 && message[0] == CONTROL_SERVE) {
		begin_to_serve(keeper);
		return true;
	}
	if (n > 0 && message[0] != CONTROL_DRAIN && message[0] != CONTROL_ABORT)
		role_fatal("the supervisor sent message %d, which is not for the keeper", message[0]);
	finish(keeper);
	return false;
}

/* Someone removed or renamed the log (rotation does): go on in a new file of the name, with a chain of its
 * own. */
static void reopen(struct keeper *keeper)
{
	struct state_error error;
	char path[4096];
	snprintf(path, sizeof(path), "%s", audit_file_path(keeper->file));
	log_warn("the audit log %s was moved away or removed; a new one is begun", path);
	audit_file_close(keeper->file);
	keeper->file = audit_file_open(path, keeper->journal, keeper_now_ms(), &error);
	if (!keeper->file)
		role_fatal("%s", error.text);
}

static void on_tick(struct keeper *keeper)
{
	if (!audit_file_sync(keeper->file))
		log_error("the audit log can't be synced: %s", strerror(errno));
	if (keeper->written && !audit_file_is_in_place(keeper->file))
		reopen(keeper);
}

/* One turn: wait, take what is there, write it. False: it is over. */
static bool turn(struct keeper *keeper, int timeout_ms)
{
	struct pollfd polled[1 + CHANNELS] = {{.fd = ROLE_FD_CONTROL, .events = POLLIN}};
	bool room = audit_file_has_room(keeper->file);
	for (int i = 0; i < CHANNELS; i++) {
		struct keeper_channel *channel = &keeper->channels[i];
		bool wanted = !channel->closed && (room || channel->answer_waits);
		polled[1 + i] = (struct pollfd){
			.fd = wanted ? channel->fd : -1, .events = channel->answer_waits ? POLLOUT : POLLIN};
	}
	if (poll(polled, 1 + CHANNELS, timeout_ms) < 0 && errno != EINTR)
		role_fatal("poll: %s", strerror(errno));
	for (int i = 0; i < CHANNELS; i++) {
		if (polled[1 + i].revents && keeper->channels[i].answer_waits)
			keeper_channel_write(&keeper->channels[i]);
		else if (polled[1 + i].revents)
			keeper_channel_read(keeper, &keeper->channels[i]);
	}
	write_out(keeper);
	return !polled[0].revents || on_control(keeper);
}

int keeper_main(void)
{
	role_enter("keeper", NEEDED);
	/* A file size limit is a write error like a full disk, not a reason to die. */
	signal(SIGXFSZ, SIG_IGN);
	static struct keeper keeper;
	if (!start(&keeper))
		return 2;
	tell_supervisor(CONTROL_READY, NULL);
	int64_t next_tick_ms = monotonic_ms() + TICK_MS;
	for (;;) {
		int64_t left_ms = next_tick_ms - monotonic_ms();
		if (left_ms <= 0) {
			on_tick(&keeper);
			next_tick_ms = monotonic_ms() + TICK_MS;
			left_ms = TICK_MS;
		}
		if (!keeper.written && left_ms > RETRY_MS)
			left_ms = RETRY_MS;
		if (!turn(&keeper, (int)left_ms))
			return 0;
	}
}
