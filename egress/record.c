/*
 * Writes egress's records. A record that can't be handed over is told on stderr: the exchange it is about is
 * over already.
 */
#include "egress/record.h"

#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"

#include <stdio.h>
#include <time.h>

#define MAX_RECORD 4096

bool record_limit_take(struct record_limit *limit, long long now_ms, uint64_t *suppressed)
{
	if (limit->second != now_ms / 1000) {
		limit->second = now_ms / 1000;
		limit->count = 0;
	}
	if (limit->count >= RECORD_LIMIT) {
		limit->suppressed++;
		return false;
	}
	limit->count++;
	*suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}

/* RFC 3339, UTC, milliseconds. */
static void put_time(struct json *json)
{
	char text[40], whole[24];
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(whole, sizeof(whole), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, sizeof(text), "%s.%03ldZ", whole, now.tv_nsec / 1000000);
	json_put_text(json, "time", text);
}

static void begin(struct json *json, const char *event)
{
	json_init(json, MAX_RECORD);
	put_time(json);
	json_put_text(json, "event", event);
}

static void finish(struct json *json, struct audit_sink *sink)
{
	int result = json->failed ? -1 : audit_sink_record(sink, json_text(json));

	if (result != 0)
		log_error("a record for the audit log was lost");
	json_release(json);
}

void record_refused(struct audit_sink *sink, struct record_limit *limit, enum hop_failure failure,
	const struct address *peer, uint16_t port)
{
	uint64_t suppressed = 0;
	char text[ADDRESS_TEXT_SIZE];
	struct json json;

	if (!record_limit_take(limit, loop_now_ms(), &suppressed))
		return;
	begin(&json, "hop_refused");
	json_put_text(&json, "code", hop_failure_name(failure));
	json_put_text(&json, "peer", address_format(peer, text));
	json_put_number(&json, "peer_port", port);
	if (suppressed > 0)
		json_put_number(&json, "suppressed", suppressed);
	finish(&json, sink);
}

void record_aborted(struct audit_sink *sink, const struct request *request)
{
	struct json json;

	begin(&json, "hop_aborted");
	json_put_text(&json, "request", request->id);
	finish(&json, sink);
}
