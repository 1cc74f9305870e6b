/*
 * A body in pieces. Octets as they came go through one lane; when they are coded, what they decode to goes
 * through a second one, and an octet is safe only when it is so in both. Marks say how far the content of a
 * prefix of the coded octets reaches; between marks the answer is the earlier one, so a coded octet may wait
 * a little longer than it must, never less.
 */
#include "pipelock/scan/findings.h"
#include "pipelock/scan/lane.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define CODED_STEP 4096u
#define DECODED_STEP (16u * 1024)
#define MAX_MARKS 64u

/* After `used` coded octets `produced` octets of content were there, and all that the first `complete` octets
 * hold. */
struct mark {
	uint64_t complete, used, produced;
};

struct coded {
	struct decoder *decoder;
	struct lane lane;
	struct mark marks[MAX_MARKS];
	size_t mark_count;
	uint64_t used, produced;
	bool ended;
	char out[DECODED_STEP];
};

/* What a question about the stream may change: the searches remember what they learned. */
struct progress {
	struct lane lane;
	struct coded *coded; /* NULL: identity */
	uint64_t safe;	     /* the last answer */
	bool asked;	     /* nothing came since then */
};

struct scan_stream {
	const struct scanner *scanner;
	enum scan_part part;
	struct scan_target target;
	struct progress *progress;
	struct findings *out; /* of the call in progress */
	bool idle;	      /* no rule looks at this part: all is safe at once */
	bool report_only;     /* findings freeze nothing */
	bool frozen;	      /* blocked or unscannable: nothing more becomes safe */
	bool added;
	const char *failure;
	uint64_t fed;
};

static const struct scan_target *target_of(const struct scan_stream *stream)
{
	return stream->target.host.p || stream->target.field.p ? &stream->target : NULL;
}

static bool take_match(struct scan_stream *stream, const struct compiled_rule *rule,
	const struct window *window, const struct match *match, struct found *found)
{
	bool added;
	found->part = stream->part;
	found->target = target_of(stream);
	found->secret.p = (const char *)window->p + (match->secret - window->base);
	found->secret.n = match->secret_end - match->secret;
	bool is_finding = findings_add(stream->out, rule, found, stream->scanner->key, &added);
	stream->added |= added;
	return is_finding;
}

static bool on_raw_match(
	void *arg, const struct compiled_rule *rule, const struct window *window, const struct match *match)
{
	struct found found = {
		.view = VIEW_RAW, .offset = match->begin - LANE_FIRST, .length = match->end - match->begin};
	return take_match(arg, rule, window, match, &found);
}

/* The coded octets that hold the content [begin, end), as near as the marks can say. */
static void map_extent(const struct coded *coded, uint64_t begin, uint64_t end, struct found *found)
{
	uint64_t from = 0, to = coded->used;
	for (size_t i = 0; i < coded->mark_count && coded->marks[i].produced <= begin; i++)
		from = coded->marks[i].complete;
	for (size_t i = coded->mark_count; i-- > 0 && coded->marks[i].produced >= end;)
		to = coded->marks[i].used;
	found->offset = from;
	found->length = to > from ? to - from : 0;
}

static bool on_content_match(
	void *arg, const struct compiled_rule *rule, const struct window *window, const struct match *match)
{
	struct scan_stream *stream = arg;
	struct found found = {.view = VIEW_CONTENT};
	map_extent(stream->progress->coded, match->begin - LANE_FIRST, match->end - LANE_FIRST, &found);
	return take_match(stream, rule, window, match, &found);
}

/* ---- life */

static bool init_coded(struct scan_stream *stream, const enum coding *codings, size_t count)
{
	struct coded *coded = calloc(1, sizeof(*coded));
	stream->progress->coded = coded;
	if (!coded || !lane_init(&coded->lane, stream->scanner, stream->part, on_content_match, stream))
		return false;
	coded->decoder = decoder_new(codings, count);
	return coded->decoder != NULL;
}

static bool codings_are_known(const enum coding *codings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (codings[i] <= CODING_IDENTITY || codings[i] > CODING_ZSTD)
			return false;
	}
	return count <= DECODE_MAX_CHAIN;
}

struct scan_stream *scan_stream_new(struct scanner *scanner, enum scan_part part,
	const struct scan_target *target, const enum coding *codings, size_t coding_count,
	struct findings *out)
{
	bool idle = scanner->set->engines[part]->rule_count == 0;
	if (!idle && !codings_are_known(codings, coding_count)) {
		findings_set_unscannable(out, part, "its content coding is not known");
		return NULL;
	}
	struct scan_stream *stream = calloc(1, sizeof(*stream));
	if (!stream)
		return NULL;
	stream->scanner = scanner;
	stream->part = part;
	stream->idle = idle;
	if (target)
		stream->target = *target;
	stream->progress = calloc(1, sizeof(*stream->progress));
	bool ok = stream->progress != NULL;
	if (ok && !idle)
		ok = lane_init(&stream->progress->lane, scanner, part, on_raw_match, stream) &&
		     (coding_count == 0 || init_coded(stream, codings, coding_count));
	if (ok)
		return stream;
	scan_stream_free(stream);
	findings_set_unscannable(out, part, "there was no memory to scan it");
	return NULL;
}

void scan_stream_free(struct scan_stream *stream)
{
	if (!stream)
		return;
	struct progress *progress = stream->progress;
	if (progress && progress->coded) {
		lane_release(&progress->coded->lane);
		decoder_free(progress->coded->decoder);
		OPENSSL_cleanse(progress->coded->out, sizeof(progress->coded->out));
		free(progress->coded);
	}
	if (progress)
		lane_release(&progress->lane);
	free(progress);
	free(stream);
}

void scan_stream_report_only(struct scan_stream *stream)
{
	stream->report_only = true;
}

/* ---- decoding */

/* Marks that no question needs again go; then every second one does. The first one that still answers stays.
 */
static void thin_marks(struct coded *coded)
{
	uint64_t floor = coded->lane.base - LANE_FIRST;
	size_t drop = 0, kept = 0;
	while (drop + 1 < coded->mark_count && coded->marks[drop + 1].produced <= floor)
		drop++;
	coded->mark_count -= drop;
	memmove(coded->marks, coded->marks + drop, coded->mark_count * sizeof(coded->marks[0]));
	if (coded->mark_count < MAX_MARKS)
		return;
	for (size_t i = 0; i < coded->mark_count; i += 2)
		coded->marks[kept++] = coded->marks[i];
	coded->mark_count = kept;
}

static void add_mark(struct coded *coded)
{
	uint64_t lag = coded->ended ? 0 : decoder_lag(coded->decoder);
	struct mark mark = {coded->used > lag ? coded->used - lag : 0, coded->used, coded->produced};
	struct mark *last = coded->mark_count ? &coded->marks[coded->mark_count - 1] : NULL;
	if (last && last->produced == mark.produced) {
		*last = mark;
		return;
	}
	if (coded->mark_count == MAX_MARKS)
		thin_marks(coded);
	coded->marks[coded->mark_count++] = mark;
}

static bool decode_step(
	struct scan_stream *stream, struct span *octets, bool last, enum decode_result *result)
{
	struct coded *coded = stream->progress->coded;
	size_t produced = 0, before = octets->n;
	*result = decoder_run(coded->decoder, octets, last, coded->out, sizeof(coded->out), &produced);
	coded->used += before - octets->n;
	coded->produced += produced;
	coded->ended = *result == DECODE_END;
	bool stuck = *result == DECODE_MORE_ROOM && produced == 0 && octets->n == before;
	bool left_over = (*result == DECODE_MORE_INPUT || *result == DECODE_END) && octets->n > 0;
	if (*result == DECODE_OVER_BUDGET)
		stream->failure = "it decodes to more than may be scanned";
	else if (*result == DECODE_BAD || stuck || left_over)
		stream->failure = "it can't be decoded as its content coding says";
	/* What was decoded before the failure counts: a secret in it is named in the log. */
	bool searched = lane_feed(
		&coded->lane, (struct span){coded->out, produced}, coded->ended && !stream->failure);
	if (!searched && !stream->failure)
		stream->failure = coded->lane.search.failure;
	add_mark(coded);
	return !stream->failure;
}

static bool feed_coded(struct scan_stream *stream, struct span octets, bool last)
{
	if (stream->fed == 0 && octets.n == 0)
		return true; /* an empty body is empty whatever its coding is said to be */
	do {
		struct span step = {octets.p, octets.n < CODED_STEP ? octets.n : CODED_STEP};
		octets.p += step.n;
		octets.n -= step.n;
		bool final = last && octets.n == 0;
		enum decode_result result;
		do {
			if (!decode_step(stream, &step, final, &result))
				return false;
		} while (result == DECODE_MORE_ROOM);
		if (final && result != DECODE_END) {
			stream->failure = "it can't be decoded as its content coding says";
			return false;
		}
	} while (octets.n > 0);
	return true;
}

/* ---- feeding and asking */

enum scan_result scan_stream_feed(
	struct scan_stream *stream, struct span octets, bool last, struct findings *out)
{
	struct progress *progress = stream->progress;
	const char *unscannable = out->unscannable;
	stream->out = out;
	stream->added = false;
	progress->asked = false;
	if (!stream->idle && !stream->failure) {
		if (!lane_feed(&progress->lane, octets, last))
			stream->failure = progress->lane.search.failure;
		else if (progress->coded)
			feed_coded(stream, octets, last);
	}
	stream->fed += octets.n;
	if (stream->failure)
		findings_set_unscannable(out, stream->part, stream->failure);
	bool failed = stream->failure || out->unscannable != unscannable;
	if (failed || (stream->added && out->blocked && !stream->report_only))
		stream->frozen = true;
	stream->out = NULL;
	return failed ? SCAN_UNSCANNABLE : (stream->added ? SCAN_FOUND : SCAN_CLEAN);
}

static uint64_t safe_coded(struct coded *coded)
{
	uint64_t content = lane_safe(&coded->lane), safe = 0;
	for (size_t i = 0; i < coded->mark_count && coded->marks[i].produced <= content; i++)
		safe = coded->marks[i].complete > safe ? coded->marks[i].complete : safe;
	return safe;
}

uint64_t scan_stream_safe(const struct scan_stream *stream)
{
	struct progress *progress = stream->progress;
	if (stream->idle)
		return stream->fed;
	if (stream->frozen || progress->asked || stream->fed == 0)
		return progress->safe;
	uint64_t safe = lane_safe(&progress->lane);
	if (progress->coded) {
		uint64_t coded = safe_coded(progress->coded);
		safe = coded < safe ? coded : safe;
	}
	/* An answer once given was acted on. */
	progress->safe = safe > progress->safe ? safe : progress->safe;
	progress->asked = true;
	return progress->safe;
}

uint64_t scan_stream_scanned(const struct scan_stream *stream)
{
	if (stream->idle)
		return 0;
	return lane_fed(stream->progress->coded ? &stream->progress->coded->lane : &stream->progress->lane);
}
