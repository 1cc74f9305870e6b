/*
 * What waits is kept as it came, with a list of segments beside it that says how much of it is content (of
 * the message) and how much is frame. Content leaves when the gate calls it safe; a frame's head, or a
 * control frame between fragments, leaves with what stands before it, once it is whole and was scanned.
 */
#include "pipelock/proxy/relay.h"

#include "common/buffer.h"

#include <stdlib.h>

#define UNMASK_BYTES 4096
#define SEGMENTS_FIRST 16
/* Octets that may wait beyond `hold`: the gate holds back less than this of a stream, but heads of tiny
 * fragments add to it. */
#define FLOOD_BYTES (1024 * 1024)

struct segment {
	uint32_t octets;
	bool content; /* else frame */
};

struct relay {
	enum scan_part part;
	struct websocket frames;
	uint64_t hold_bytes;
	struct evbuffer *pending;
	struct segment *segments;
	size_t first, count, room; /* segments[first .. count) wait */
	size_t whole_from;	   /* segments before this one are of earlier messages */
	size_t unfinished; /* octets of a head or of a control frame that is not whole; in no segment */
	uint64_t content;  /* of the message, taken so far */
	uint64_t left;	   /* of it, moved on */
	bool in_message, streaming;
	char unmasked[UNMASK_BYTES];
};

struct relay *relay_new(enum scan_part part, uint64_t hold_bytes)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	if (!relay)
		return NULL;
	relay->part = part;
	websocket_init(&relay->frames, part == SCAN_WEBSOCKET);
	relay->hold_bytes = hold_bytes;
	relay->pending = evbuffer_new();
	if (relay->pending)
		return relay;
	relay_free(relay);
	return NULL;
}

void relay_free(struct relay *relay)
{
	if (!relay)
		return;
	if (relay->pending)
		evbuffer_free(relay->pending);
	free(relay->segments);
	free(relay);
}

/* ---- segments */

static bool relay_grow(struct relay *relay)
{
	if (relay->first > 0) {
		relay->count -= relay->first;
		relay->whole_from -= relay->whole_from < relay->first ? relay->whole_from : relay->first;
		memmove(relay->segments, relay->segments + relay->first,
			relay->count * sizeof(*relay->segments));
		relay->first = 0;
	}
	if (relay->count < relay->room)
		return true;
	size_t room = relay->room ? 2 * relay->room : SEGMENTS_FIRST;
	struct segment *segments = realloc(relay->segments, room * sizeof(*segments));
	if (!segments)
		return false;
	relay->segments = segments;
	relay->room = room;
	return true;
}

static bool relay_note(struct relay *relay, size_t octets, bool content)
{
	bool apart = relay->count == relay->first || relay->count == relay->whole_from;
	struct segment *last = apart ? NULL : &relay->segments[relay->count - 1];
	if (octets == 0)
		return true;
	if (last && last->content == content && octets <= UINT32_MAX - last->octets) {
		last->octets += (uint32_t)octets;
		return true;
	}
	if (relay->count == relay->room && !relay_grow(relay))
		return false;
	relay->segments[relay->count++] = (struct segment){(uint32_t)octets, content};
	return true;
}

/* ---- frames */

/* Of the finished message all may go, whatever comes next. */
static void relay_end_message(struct relay *relay)
{
	uint64_t octets = 0;
	for (size_t i = relay->first; i < relay->count; i++)
		octets += relay->segments[i].octets;
	relay->in_message = false;
	relay->first = relay->count = 0;
	for (; octets > UINT32_MAX; octets -= UINT32_MAX)
		relay->segments[relay->count++] = (struct segment){UINT32_MAX, false};
	relay->segments[relay->count++] = (struct segment){(uint32_t)octets, false};
}

static void relay_begin_message(struct relay *relay, struct gate *gate)
{
	relay->in_message = true;
	relay->streaming = false;
	relay->whole_from = relay->count;
	relay->content = relay->left = 0;
	gate_body_begin(gate, relay->part, NULL);
}

/* The octets that were unfinished are a part of what may go. */
static bool relay_note_finished(struct relay *relay)
{
	size_t octets = relay->unfinished;
	relay->unfinished = 0;
	return relay_note(relay, octets, false);
}

static bool relay_on_frame(struct relay *relay, struct gate *gate)
{
	if (websocket_is_control(relay->frames.opcode))
		return true;
	if (relay->frames.opcode != WEBSOCKET_CONTINUATION)
		relay_begin_message(relay, gate);
	return relay_note_finished(relay);
}

static bool relay_on_data(struct relay *relay, struct gate *gate, struct span data)
{
	relay->content += data.n;
	gate_body(gate, data, relay->frames.fin && relay->frames.left == 0);
	return relay_note(relay, data.n, true);
}

static bool relay_on_frame_end(struct relay *relay, struct gate *gate)
{
	if (websocket_is_control(relay->frames.opcode)) {
		gate_text(gate, relay->part,
			(struct span){relay->frames.control, (size_t)relay->frames.length});
		return relay_note_finished(relay);
	}
	if (!relay->frames.fin)
		return true;
	if (relay->frames.length == 0) /* a last fragment without content ends the message, too */
		gate_body(gate, (struct span){NULL, 0}, true);
	/* A gate that holds back some of a whole message without a reason is not believed. */
	if (gate_body_safe(gate) < relay->content)
		gate_doubt(gate, relay->part, "its end was not scanned");
	relay_end_message(relay);
	return true;
}

/* false: out of memory. */
static bool relay_on_event(
	struct relay *relay, struct gate *gate, enum websocket_event event, struct span data, size_t used)
{
	if (event == WEBSOCKET_DATA)
		return relay_on_data(relay, gate, data);
	relay->unfinished += used;
	if (event == WEBSOCKET_FRAME)
		return relay_on_frame(relay, gate);
	return event != WEBSOCKET_FRAME_END || relay_on_frame_end(relay, gate);
}

static enum relay_result relay_take_piece(struct relay *relay, struct gate *gate, const char *in, size_t n)
{
	enum websocket_event event;
	do {
		size_t used;
		struct span data;
		event = websocket_next(
			&relay->frames, in, n, &used, relay->unmasked, sizeof(relay->unmasked), &data);
		if (!relay_on_event(relay, gate, event, data, used))
			return RELAY_NO_MEMORY;
		in += used;
		n -= used;
	} while (event != WEBSOCKET_MORE && event != WEBSOCKET_BAD && gate_verdict(gate) != VERDICT_BLOCK);
	return event == WEBSOCKET_BAD ? RELAY_VIOLATION : RELAY_OK;
}

enum relay_result relay_take(struct relay *relay, struct gate *gate, struct evbuffer *in)
{
	struct evbuffer_iovec piece;
	while (evbuffer_peek(in, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
		enum relay_result result = relay_take_piece(relay, gate, piece.iov_base, piece.iov_len);
		if (result != RELAY_OK)
			return result;
		if (gate_verdict(gate) == VERDICT_BLOCK)
			return RELAY_OK;
		if (buffer_move(in, relay->pending, piece.iov_len) != 0)
			return RELAY_NO_MEMORY;
	}
	return RELAY_OK;
}

const char *relay_error(const struct relay *relay)
{
	return relay->frames.error;
}

/* ---- leaving */

/* How many of the octets that wait may go. Counts what it passes as gone. */
static size_t relay_advance(struct relay *relay, uint64_t safe)
{
	size_t octets = 0;
	while (relay->first < relay->count) {
		struct segment *segment = &relay->segments[relay->first];
		uint64_t room = segment->content ? safe - relay->left : segment->octets;
		uint32_t n = room < segment->octets ? (uint32_t)room : segment->octets;
		if (segment->content)
			relay->left += n;
		octets += n;
		segment->octets -= n;
		if (segment->octets > 0)
			break;
		relay->first++;
	}
	return octets;
}

/* All of the segments before this one. */
static size_t relay_advance_to(struct relay *relay, size_t end)
{
	size_t octets = 0;
	for (; relay->first < end; relay->first++)
		octets += relay->segments[relay->first].octets;
	return octets;
}

int relay_release(struct relay *relay, const struct gate *gate, struct evbuffer *out)
{
	if (relay->in_message && relay->content > relay->hold_bytes)
		relay->streaming = true;
	/* Of a message that waits whole nothing goes, its first head included, but all that stands before it.
	 */
	size_t n = relay_holds_whole(relay)
			   ? relay_advance_to(relay, relay->whole_from)
			   : relay_advance(relay, relay->in_message ? gate_body_safe(gate) : 0);
	return buffer_move(relay->pending, out, n);
}

size_t relay_waiting(const struct relay *relay)
{
	return relay ? evbuffer_get_length(relay->pending) : 0;
}

bool relay_is_flooded(const struct relay *relay)
{
	return relay_waiting(relay) > relay->hold_bytes + FLOOD_BYTES;
}

bool relay_holds_whole(const struct relay *relay)
{
	return relay->in_message && !relay->streaming;
}

void relay_stop_holding(struct relay *relay)
{
	relay->streaming = relay->in_message;
}

bool relay_at_boundary(const struct relay *relay)
{
	return !relay->in_message && websocket_at_boundary(&relay->frames);
}
