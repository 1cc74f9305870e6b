/*
 * The supervisor's own records: that the group began, what became of its roles, that it ended. They go into
 * the keeper's socket like any other; while there is no keeper they wait there for the next one.
 */
#include "pipelock/supervisor_internal.h"

#include "common/json.h"
#include "common/log.h"
#include "pipelock/audit/time.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *describe_status(int status, char *out, size_t room)
{
	if (WIFSIGNALED(status))
		snprintf(out, room, "was killed by SIG%s", sigabbrev_np(WTERMSIG(status)) ?: "?");
	else
		snprintf(out, room, "ended with status %d", WEXITSTATUS(status));
	return out;
}

static void begin(struct json *json, const char *event)
{
	struct timespec now;
	char time[AUDIT_TIME_SIZE];
	clock_gettime(CLOCK_REALTIME, &now);
	json_init(json, KEEPER_MAX_RECORD);
	json_put_text(
		json, "time", audit_time_format((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, time));
	json_put_text(json, "event", event);
}

static void send_record(struct supervisor *supervisor, struct json *json)
{
	struct ipc_writer message;
	ipc_writer_init(&message, KEEPER_RECORD);
	ipc_put_span(&message, json_text(json));
	int result = json->failed ? -1 : ipc_send(supervisor->audit[AUDIT_SUPERVISOR].role_end, &message);
	if (result != 0)
		log_error("a record of the supervisor's could not be handed to the keeper");
	ipc_writer_release(&message);
	json_release(json);
}

static void put_listener(struct json *json, const char *key, const struct address *address, uint16_t port)
{
	char text[ADDRESS_TEXT_SIZE], whole[ADDRESS_TEXT_SIZE + 16];
	bool bracket = address->family == AF_INET6;
	snprintf(whole, sizeof(whole), "%s%s%s:%u", bracket ? "[" : "", address_format(address, text),
		bracket ? "]" : "", port);
	json_put_text(json, key, whole);
}

void record_started(struct supervisor *supervisor)
{
	static const char *const modes[] = {"strict", "balanced", "audit"};
	const struct config *config = supervisor->input->config;
	struct json json;
	begin(&json, "started");
	json_put_text(&json, "version", PIPELOCK_VERSION);
	json_put_number(&json, "pid", (uint64_t)getpid());
	put_listener(&json, "listen", &supervisor->agent_address, supervisor->agent_port);
	put_listener(&json, "egress", &supervisor->hop_address, supervisor->hop_port);
	json_put_text(&json, "mode", modes[config->mode]);
	if (config->file)
		json_put_text(&json, "config", config->file);
	if (supervisor->input->rule_count > 0)
		json_put_number(&json, "rules", supervisor->input->rule_count);
	send_record(supervisor, &json);
}

void record_role_died(struct supervisor *supervisor, enum role_index which)
{
	int status = supervisor->roles[which].status;
	struct json json;
	char name[32];
	begin(&json, "role_died");
	json_put_text(&json, "process", role_names[which]);
	if (WIFSIGNALED(status)) {
		snprintf(name, sizeof(name), "SIG%s", sigabbrev_np(WTERMSIG(status)) ?: "?");
		json_put_text(&json, "signal", name);
	} else {
		json_put_number(&json, "exit_status", (uint64_t)WEXITSTATUS(status));
	}
	send_record(supervisor, &json);
}

void record_group(struct supervisor *supervisor, const char *event, unsigned restarts)
{
	struct json json;
	begin(&json, event);
	if (restarts > 0)
		json_put_number(&json, "restarts", restarts);
	send_record(supervisor, &json);
}
