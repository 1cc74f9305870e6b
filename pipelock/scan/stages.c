/*
 * What can be made of a text, and what becomes of that: the table at the end is the map of all views. Each
 * stage wraps a transducer of its own file.
 */
#include "pipelock/scan/events_join.h"
#include "pipelock/scan/form_join.h"
#include "pipelock/scan/json_join.h"
#include "pipelock/scan/multipart.h"
#include "pipelock/scan/node.h"
#include "pipelock/scan/plain.h"
#include "pipelock/scan/strings.h"
#include "pipelock/scan/unpack.h"

#define DECODED_STEP (16u * 1024)

static void emit_first(void *arg, struct span octets)
{
	stage_emit(arg, 0, octets);
}

/* ---- content codings, strict: what can't be decoded can't be scanned */

struct decode_state {
	struct decoder *decoder;
	bool ended;
	char out[DECODED_STEP]; /* between calls it holds nothing, and is wiped */
};

static void decode_init(struct stage *stage)
{
	struct decode_state *state = stage_state(stage);
	struct views *views = stage->node->views;
	state->ended = false;
	state->decoder = decoder_new(views->codings, views->coding_count);
	if (!state->decoder)
		views_fail(views, "there was no memory to scan it");
}

static size_t decode_memory(const struct stage *stage)
{
	const struct decode_state *state = (const void *)stage->state;
	return state->decoder ? decoder_memory(state->decoder) : 0;
}

static void decode_release(struct stage *stage)
{
	struct decode_state *state = stage_state(stage);
	decoder_free(state->decoder);
	state->decoder = NULL;
}

/* What was decoded before the failure counts: a secret in it is named in the log. */
static void decode_feed(struct stage *stage, struct span octets, bool last)
{
	struct decode_state *state = stage_state(stage);
	struct views *views = stage->node->views;
	enum decode_result result = DECODE_MORE_INPUT;
	if (stage->used == 0 && octets.n == 0)
		return; /* an empty body is empty whatever its coding is said to be */
	do {
		size_t produced = 0, before = octets.n;
		result =
			decoder_run(state->decoder, &octets, last, state->out, sizeof(state->out), &produced);
		views_grant(views, produced);
		stage_emit(stage, 0, (struct span){state->out, produced});
		explicit_bzero(state->out, produced);
		bool stuck = result == DECODE_MORE_ROOM && produced == 0 && octets.n == before;
		if (result == DECODE_OVER_BUDGET)
			views_fail(views, "it decodes to more than may be scanned");
		else if (result == DECODE_BAD || stuck)
			views_fail(views, "it can't be decoded as its content coding says");
	} while (result == DECODE_MORE_ROOM && !views->failure);
	state->ended = result == DECODE_END;
	if (!views->failure && (octets.n > 0 || (last && !state->ended)))
		views_fail(views, "it can't be decoded as its content coding says");
}

static uint64_t decode_lag(const struct stage *stage)
{
	const struct decode_state *state = (const void *)stage->state;
	return state->ended || !state->decoder ? 0 : decoder_lag(state->decoder);
}

/* ---- plain text */

static void plain_stage_init(struct stage *stage)
{
	plain_init(stage_state(stage), 0);
}

static void plain_stage_feed(struct stage *stage, struct span octets, bool last)
{
	plain_feed(stage_state(stage), octets, last, emit_first, stage);
}

static uint64_t plain_stage_lag(const struct stage *stage)
{
	return plain_lag((const void *)stage->state);
}

static bool plain_stage_differs(const struct stage *stage)
{
	return plain_changed((const void *)stage->state);
}

/* ---- encoded runs */

static void emit_run(void *arg, enum runs_track track, struct span octets)
{
	stage_emit(arg, (unsigned)track, octets);
}

static void runs_stage_init(struct stage *stage)
{
	runs_init(stage_state(stage));
}

static void runs_stage_feed(struct stage *stage, struct span octets, bool last)
{
	runs_feed(stage_state(stage), octets, last, emit_run, stage);
}

static uint64_t runs_stage_lag(const struct stage *stage)
{
	return runs_lag((const void *)stage->state);
}

static bool runs_stage_between(const struct stage *stage, unsigned output)
{
	return !runs_is_open((const void *)stage->state, (enum runs_track)output);
}

/* ---- what could be text in binary octets */

static void strings_stage_init(struct stage *stage)
{
	strings_init(stage_state(stage));
}

static void strings_stage_feed(struct stage *stage, struct span octets, bool last)
{
	strings_feed(stage_state(stage), octets, last, emit_first, stage);
}

static bool strings_stage_differs(const struct stage *stage)
{
	const struct strings *strings = (const void *)stage->state;
	return strings->differs;
}

static uint64_t strings_stage_lag(const struct stage *stage)
{
	return strings_lag((const void *)stage->state);
}

/* ---- joined values: what the lexers find, put together by values.h */

enum joined_output {
	JOINED_VALUES,
	JOINED_VALUE_FRAGMENTS,
	JOINED_NAMES,
	JOINED_NAME_FRAGMENTS,
	JOINED_WHOLE, /* JSON: all values, which may be JSON again; a form: its pairs */
	JOINED_OUTPUTS
};

/* Which outputs what is put together goes to. */
struct joined_to {
	struct stage *stage;
	unsigned first;
};

static void emit_values(void *arg, enum values_track track, struct span octets)
{
	const struct joined_to *to = arg;
	stage_emit(to->stage, to->first + (unsigned)track, octets);
}

static void join_values(
	struct stage *stage, struct values *values, unsigned first, struct span octets, bool last)
{
	struct joined_to to = {stage, first};
	values_feed(values, octets, last, emit_values, &to);
}

/* What comes out next may come from as far back. */
static uint64_t values_reach(
	const struct stage *stage, uint64_t lag, const struct values *a, const struct values *b)
{
	uint64_t now = stage->used - lag, since = values_since(a, now), other = values_since(b, now);
	return stage->used - (since < other ? since : other);
}

struct json_state {
	struct json_join json;
	struct values values, keys;
};

static void emit_json(void *arg, unsigned track, struct span octets)
{
	struct stage *stage = arg;
	struct json_state *state = stage_state(stage);
	if (track == JSON_KEYS)
		join_values(stage, &state->keys, JOINED_NAMES, octets, false);
	if (track != JSON_VALUES)
		return; /* pairs stand side by side in the plain text, too */
	join_values(stage, &state->values, JOINED_VALUES, octets, false);
	if (stage->node->joins == 0)
		stage_emit(stage, JOINED_WHOLE, octets);
}

static void json_stage_init(struct stage *stage)
{
	struct json_state *state = stage_state(stage);
	json_join_init(&state->json);
	values_init(&state->values);
	values_init(&state->keys);
}

static void json_stage_feed(struct stage *stage, struct span octets, bool last)
{
	struct json_state *state = stage_state(stage);
	state->values.at = state->keys.at = stage->used - octets.n - json_join_lag(&state->json);
	json_join_feed(&state->json, octets, last, emit_json, stage);
	if (!last)
		return;
	join_values(stage, &state->values, JOINED_VALUES, (struct span){NULL, 0}, true);
	join_values(stage, &state->keys, JOINED_NAMES, (struct span){NULL, 0}, true);
}

/* A string that may be the last piece of something waits until it ends. */
static uint64_t json_stage_lag(const struct stage *stage)
{
	const struct json_state *state = (const void *)stage->state;
	return json_join_lag(&state->json);
}

static uint64_t json_stage_reach(const struct stage *stage)
{
	const struct json_state *state = (const void *)stage->state;
	return values_reach(stage, json_join_lag(&state->json), &state->values, &state->keys);
}

struct form_state {
	struct form_join form;
	struct values values, names;
};

static void emit_form(void *arg, unsigned track, struct span octets)
{
	struct form_state *state = stage_state(arg);
	if (track == FORM_VALUES)
		join_values(arg, &state->values, JOINED_VALUES, octets, false);
	else if (track == FORM_NAMES)
		join_values(arg, &state->names, JOINED_NAMES, octets, false);
	else
		stage_emit(arg, JOINED_WHOLE, octets);
}

static void form_stage_init(struct stage *stage)
{
	struct form_state *state = stage_state(stage);
	form_join_init(&state->form);
	values_init(&state->values);
	values_init(&state->names);
}

static void form_stage_feed(struct stage *stage, struct span octets, bool last)
{
	struct form_state *state = stage_state(stage);
	state->values.at = state->names.at = stage->used - octets.n;
	form_join_feed(&state->form, octets, last, emit_form, stage);
	if (!last)
		return;
	join_values(stage, &state->values, JOINED_VALUES, (struct span){NULL, 0}, true);
	join_values(stage, &state->names, JOINED_NAMES, (struct span){NULL, 0}, true);
}

static uint64_t piece_lag(const struct stage *stage, const struct values *values)
{
	bool is_piece = values->length > 0 && !values->no_piece;
	return is_piece ? stage->used - values->begin : 0;
}

static uint64_t form_stage_lag(const struct stage *stage)
{
	const struct form_state *state = (const void *)stage->state;
	uint64_t value = piece_lag(stage, &state->values), name = piece_lag(stage, &state->names);
	return value > name ? value : name;
}

static uint64_t form_stage_reach(const struct stage *stage)
{
	const struct form_state *state = (const void *)stage->state;
	return values_reach(stage, 0, &state->values, &state->names);
}

static void emit_events(void *arg, unsigned track, struct span octets)
{
	stage_emit(arg, track, octets);
}

static void events_stage_init(struct stage *stage)
{
	events_join_init(stage_state(stage));
}

static void events_stage_feed(struct stage *stage, struct span octets, bool last)
{
	events_join_feed(stage_state(stage), octets, last, emit_events, stage);
}

/* Nothing waits. */
static uint64_t no_lag(const struct stage *stage)
{
	(void)stage;
	return 0;
}

/* ---- parts of a multipart body, strict */

struct parts_state {
	enum multipart_type type;
	struct multipart multipart;
	char names[MULTIPART_MAX_HEAD]; /* what a field's parameters say */
};

static void on_part_edge(void *arg)
{
	stage_emit(arg, 0, SPAN(VIEW_BREAK));
}

/* The line as it stands, and its parameters without quotes and escapes: a name is as wide a way out as a
 * file. */
static void on_part_field(void *arg, struct span name, struct span value)
{
	struct parts_state *state = stage_state(arg);
	size_t written = 0;
	stage_emit(arg, 0, name);
	stage_emit(arg, 0, SPAN(": "));
	stage_emit(arg, 0, value);
	stage_emit(arg, 0, SPAN(VIEW_BREAK));
	multipart_parameters(value, state->names, sizeof(state->names), &written);
	stage_emit(arg, 0, (struct span){state->names, written});
}

static void parts_init(struct stage *stage)
{
	struct parts_state *state = stage_state(stage);
	struct views *views = stage->node->views;
	state->type = MULTIPART_TYPE_OTHER;
	if (views->content_type_size == 0)
		return;
	state->type = multipart_init(
		&state->multipart, (struct span){views->content_type, views->content_type_size});
	if (state->type == MULTIPART_TYPE_BAD)
		views_fail(views, "its Content-Type is multipart, but without one sound boundary");
}

static void parts_feed(struct stage *stage, struct span octets, bool last)
{
	struct parts_state *state = stage_state(stage);
	struct multipart_sink sink = {.part_begin = on_part_edge,
		.field = on_part_field,
		.body = emit_first,
		.part_end = on_part_edge,
		.arg = stage};
	if (state->type == MULTIPART_TYPE_OK &&
		multipart_feed(&state->multipart, octets, last, &sink) == MULTIPART_BAD)
		views_fail(stage->node->views, state->multipart.failure);
}

static uint64_t parts_lag(const struct stage *stage)
{
	const struct parts_state *state = (const void *)stage->state;
	return state->type == MULTIPART_TYPE_OK ? multipart_lag(&state->multipart) : 0;
}

/* ---- compressed data without a label */

static void emit_unpacked(void *arg, struct span octets)
{
	struct stage *stage = arg;
	views_grant_unpacked(stage->node->views, octets.n);
	stage_emit(stage, 0, octets);
}

static void unpack_stage_init(struct stage *stage)
{
	unpack_init(stage_state(stage));
}

static void unpack_stage_feed(struct stage *stage, struct span octets, bool last)
{
	struct unpack *unpack = stage_state(stage);
	uint64_t before = unpack->work;
	if (!unpack_feed(unpack, octets, last, emit_unpacked, stage))
		views_fail(stage->node->views, "compressed data in it unpacks to more than may be scanned");
	views_charge(stage->node->views, unpack->work - before);
}

static void unpack_stage_settle(struct stage *stage)
{
	struct unpack *unpack = stage_state(stage);
	unpack_stage_feed(stage, (struct span){NULL, 0}, true);
	unpack_release(unpack);
	unpack_init(unpack);
}

static bool unpack_stage_between(const struct stage *stage, unsigned output)
{
	const struct unpack *unpack = (const void *)stage->state;
	(void)output;
	return !unpack->decoder;
}

static uint64_t unpack_stage_lag(const struct stage *stage)
{
	return unpack_lag((const void *)stage->state);
}

static void unpack_stage_release(struct stage *stage)
{
	unpack_release(stage_state(stage));
}

static size_t unpack_stage_memory(const struct stage *stage)
{
	const struct unpack *unpack = (const void *)stage->state;
	return unpack->decoder ? decoder_memory(unpack->decoder) + UNPACK_OUT : 0;
}

/* ---- the map */

/* Decoded octets may be anything: what could be text in them goes on, and what is packed. */
#define DECODED (STAGE(STAGE_STRINGS) | STAGE(STAGE_UNPACK))
#define TEXT (STAGE(STAGE_PLAIN) | STAGE(STAGE_JSON))

static const struct stage_output decode_outputs[] = {{.view = VIEW_CONTENT}};
static const struct stage_output plain_outputs[] = {
	{.view = VIEW_PLAIN, .stages = STAGE(STAGE_RUNS), .silent = true}};
static const struct stage_output runs_outputs[RUNS_TRACKS] = {
	[RUNS_BASE64_0] = {.view = VIEW_BASE64, .stages = DECODED, .deeper = true},
	[RUNS_BASE64_1] = {.view = VIEW_BASE64, .stages = DECODED, .deeper = true},
	[RUNS_BASE64_2] = {.view = VIEW_BASE64, .stages = DECODED, .deeper = true},
	[RUNS_BASE64_3] = {.view = VIEW_BASE64, .stages = DECODED, .deeper = true},
	[RUNS_HEX_0] = {.view = VIEW_HEX, .stages = DECODED, .deeper = true},
	[RUNS_HEX_1] = {.view = VIEW_HEX, .stages = DECODED, .deeper = true},
	[RUNS_BASE32] = {.view = VIEW_BASE32, .stages = DECODED, .deeper = true},
	[RUNS_BASE32_UPPER] = {.view = VIEW_BASE32, .stages = DECODED, .deeper = true},
	[RUNS_BASE32HEX] = {.view = VIEW_BASE32, .stages = DECODED, .deeper = true},
	[RUNS_BASE64_PIECE] = {.view = VIEW_BASE64, .stages = DECODED, .deeper = true},
	[RUNS_BASE32_PIECE] = {.view = VIEW_BASE32, .stages = DECODED, .deeper = true},
	[RUNS_HEX_PIECE] = {.view = VIEW_HEX, .stages = DECODED, .deeper = true},
};
static const struct stage_output strings_outputs[] = {{.view = VIEW_PLAIN, .stages = TEXT, .silent = true}};
/* Joined once, JSON may hold JSON in its strings, as the arguments of tools do. */
static const struct stage_output json_outputs[JOINED_OUTPUTS] = {
	[JOINED_VALUES] = {.view = VIEW_JOINED, .stages = STAGE(STAGE_RUNS), .joined = true},
	[JOINED_VALUE_FRAGMENTS] = {.view = VIEW_JOINED, .joined = true},
	[JOINED_NAMES] = {.view = VIEW_JOINED, .joined = true},
	[JOINED_NAME_FRAGMENTS] = {.view = VIEW_JOINED, .joined = true},
	[JOINED_WHOLE] = {.view = VIEW_JOINED, .stages = STAGE(STAGE_JSON), .joined = true, .quiet = true},
};
static const struct stage_output form_outputs[JOINED_OUTPUTS] = {
	[JOINED_VALUES] = {.view = VIEW_JOINED, .stages = STAGE(STAGE_PLAIN), .joined = true},
	[JOINED_VALUE_FRAGMENTS] = {.view = VIEW_JOINED, .stages = STAGE(STAGE_PLAIN), .joined = true},
	[JOINED_NAMES] = {.view = VIEW_JOINED, .stages = STAGE(STAGE_PLAIN), .joined = true},
	[JOINED_NAME_FRAGMENTS] = {.view = VIEW_JOINED, .joined = true},
	[JOINED_WHOLE] = {.view = VIEW_PLAIN, .stages = STAGE(STAGE_PLAIN)},
};
static const struct stage_output events_outputs[] = {[EVENTS_DATA] = {.view = VIEW_JOINED, .stages = TEXT}};
static const struct stage_output parts_outputs[] = {
	{.view = VIEW_PART, .stages = TEXT | STAGE(STAGE_UNPACK)}};
static const struct stage_output unpack_outputs[] = {
	{.view = VIEW_UNPACKED, .stages = TEXT | STAGE(STAGE_UNPACK), .deeper = true}};

static const struct stage_kind decode_kind = {.size = sizeof(struct decode_state),
	.wiped_size = offsetof(struct decode_state, out),
	.output_count = 1,
	.outputs = decode_outputs,
	.init = decode_init,
	.feed = decode_feed,
	.lag = decode_lag,
	.release = decode_release,
	.memory = decode_memory};
static const struct stage_kind plain_kind = {.size = sizeof(struct plain),
	.wiped_size = sizeof(struct plain),
	.output_count = 1,
	.outputs = plain_outputs,
	.init = plain_stage_init,
	.feed = plain_stage_feed,
	.lag = plain_stage_lag,
	.differs = plain_stage_differs};
static const struct stage_kind runs_kind = {.size = sizeof(struct runs),
	.wiped_size = offsetof(struct runs, out),
	.output_count = RUNS_TRACKS,
	.outputs = runs_outputs,
	.init = runs_stage_init,
	.feed = runs_stage_feed,
	.lag = runs_stage_lag,
	.between = runs_stage_between};
static const struct stage_kind strings_kind = {.size = sizeof(struct strings),
	.wiped_size = sizeof(struct strings),
	.output_count = 1,
	.outputs = strings_outputs,
	.init = strings_stage_init,
	.feed = strings_stage_feed,
	.lag = strings_stage_lag,
	.differs = strings_stage_differs};
static const struct stage_kind json_kind = {.size = sizeof(struct json_state),
	.wiped_size = sizeof(struct json_state),
	.output_count = JOINED_OUTPUTS,
	.outputs = json_outputs,
	.init = json_stage_init,
	.feed = json_stage_feed,
	.lag = json_stage_lag,
	.reach = json_stage_reach};
static const struct stage_kind form_kind = {.size = sizeof(struct form_state),
	.wiped_size = sizeof(struct form_state),
	.output_count = JOINED_OUTPUTS,
	.outputs = form_outputs,
	.init = form_stage_init,
	.feed = form_stage_feed,
	.lag = form_stage_lag,
	.reach = form_stage_reach};
static const struct stage_kind events_kind = {.size = sizeof(struct events_join),
	.wiped_size = sizeof(struct events_join),
	.output_count = EVENTS_JOIN_TRACKS,
	.outputs = events_outputs,
	.init = events_stage_init,
	.feed = events_stage_feed,
	.lag = no_lag};
static const struct stage_kind parts_kind = {.size = sizeof(struct parts_state),
	.wiped_size = sizeof(struct parts_state),
	.output_count = 1,
	.outputs = parts_outputs,
	.init = parts_init,
	.feed = parts_feed,
	.lag = parts_lag};
static const struct stage_kind unpack_kind = {.size = sizeof(struct unpack),
	.wiped_size = sizeof(struct unpack),
	.output_count = 1,
	.outputs = unpack_outputs,
	.init = unpack_stage_init,
	.feed = unpack_stage_feed,
	.lag = unpack_stage_lag,
	.between = unpack_stage_between,
	.settle = unpack_stage_settle,
	.release = unpack_stage_release,
	.memory = unpack_stage_memory};

const struct stage_kind *const stage_kinds[STAGES] = {
	[STAGE_DECODE] = &decode_kind,
	[STAGE_PLAIN] = &plain_kind,
	[STAGE_RUNS] = &runs_kind,
	[STAGE_STRINGS] = &strings_kind,
	[STAGE_JSON] = &json_kind,
	[STAGE_FORM] = &form_kind,
	[STAGE_EVENTS] = &events_kind,
	[STAGE_PARTS] = &parts_kind,
	[STAGE_UNPACK] = &unpack_kind,
};
