/*
 * A body in pieces, with hold-back: its views do the work, here is kept what was promised. An answer once
 * given was acted on; after a match that blocks, or when something can't be scanned, nothing more is safe.
 */
#include "pipelock/scan/findings.h"
#include "pipelock/scan/views.h"

#include <stdlib.h>

/* Steps between marks: what waits for a view waits in such pieces. */
#define STREAM_STEP 2048u

/* What a question about the stream may change. */
struct progress {
	struct views *views; /* NULL: it is over, or nobody looks */
	uint64_t safe;	     /* the last answer */
	bool asked;	     /* nothing came since then */
};

struct scan_stream {
	struct scanner *scanner;
	enum scan_part part;
	struct scan_target target;
	struct progress *progress;
	bool idle;	  /* no rule looks at this part: all is safe at once */
	bool report_only; /* findings freeze nothing */
	bool frozen;	  /* blocked or unscannable: nothing more becomes safe */
	const char *failure;
	uint64_t fed, scanned;
};

static bool codings_are_known(const enum coding *codings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (codings[i] <= CODING_IDENTITY || codings[i] > CODING_ZSTD)
			return false;
	}
	return count <= DECODE_MAX_CHAIN;
}

static bool begin_views(struct scan_stream *stream, const enum coding *codings, size_t coding_count,
	struct span content_type, struct findings *out)
{
	struct views *views = scanner_take_views(stream->scanner);
	const struct views_text text = {.part = stream->part,
		.target = stream->target.host.p || stream->target.field.p ? &stream->target : NULL,
		.codings = codings,
		.coding_count = coding_count,
		.content_type = content_type,
		.step = STREAM_STEP};
	stream->progress->views = views;
	if (views && views_begin(views, &text))
		return true;
	findings_set_unscannable(
		out, stream->part, views ? views_failure(views) : "there was no memory to scan it");
	return false;
}

struct scan_stream *scan_stream_new(struct scanner *scanner, enum scan_part part,
	const struct scan_target *target, const enum coding *codings, size_t coding_count,
	struct span content_type, struct findings *out)
{
	bool idle = scanner_is_idle(scanner, part);
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
	if (!stream->progress)
		findings_set_unscannable(out, part, "there was no memory to scan it");
	else if (idle || begin_views(stream, codings, coding_count, content_type, out))
		return stream;
	scan_stream_free(stream);
	return NULL;
}

void scan_stream_free(struct scan_stream *stream)
{
	if (!stream)
		return;
	if (stream->progress)
		scanner_give_views(stream->scanner, stream->progress->views);
	free(stream->progress);
	free(stream);
}

void scan_stream_report_only(struct scan_stream *stream)
{
	stream->report_only = true;
}

/* Nothing comes any more: what was used for it is free for the next text at once, and not only when somebody
 * is done with the exchange, since it is large and as yet warm. */
static void end(struct scan_stream *stream)
{
	struct progress *progress = stream->progress;
	stream->scanned = views_scanned(progress->views);
	scanner_give_views(stream->scanner, progress->views);
	progress->views = NULL;
	if (!stream->frozen)
		progress->safe = stream->fed;
	progress->asked = true;
}

enum scan_result scan_stream_feed(
	struct scan_stream *stream, struct span octets, bool last, struct findings *out)
{
	struct progress *progress = stream->progress;
	const char *unscannable = out->unscannable;
	bool added = false;
	progress->asked = !progress->views;
	if (progress->views && !stream->failure) {
		if (!views_feed(progress->views, octets, last, out))
			stream->failure = views_failure(progress->views);
		added = views_added(progress->views);
	}
	stream->fed += octets.n;
	if (stream->failure)
		findings_set_unscannable(out, stream->part, stream->failure);
	bool failed = stream->failure || out->unscannable != unscannable;
	if (failed || (added && out->blocked && !stream->report_only))
		stream->frozen = true;
	if (progress->views && (last || stream->failure))
		end(stream);
	return failed ? SCAN_UNSCANNABLE : (added ? SCAN_FOUND : SCAN_CLEAN);
}

uint64_t scan_stream_safe(const struct scan_stream *stream)
{
	struct progress *progress = stream->progress;
	if (stream->idle)
		return stream->fed;
	if (stream->frozen || progress->asked || stream->fed == 0)
		return progress->safe;
	/* What comes back to an agent must not wait for what it may turn out to be. */
	uint64_t safe = views_safe(progress->views, stream->part == SCAN_RESPONSE);
	progress->safe = safe > progress->safe ? safe : progress->safe;
	progress->asked = true;
	return progress->safe;
}

bool scan_stream_is_needed(const struct scan_stream *stream)
{
	return !stream->idle;
}

void scan_stream_urge(struct scan_stream *stream)
{
	struct progress *progress = stream->progress;
	if (!progress->views || stream->frozen)
		return;
	uint64_t safe = views_safe(progress->views, true);
	progress->safe = safe > progress->safe ? safe : progress->safe;
}

uint64_t scan_stream_scanned(const struct scan_stream *stream)
{
	const struct views *views = stream->progress->views;
	return views ? views_scanned(views) : stream->scanned;
}
