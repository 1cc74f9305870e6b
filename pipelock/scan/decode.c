/*
 * Chains of content codings. Each stage pulls from the one before it through a small buffer; the last one
 * writes straight into the caller's. Whatever a header would let a client do to us, work and memory stay in
 * proportion to the octets that came over the wire: every stage's output is measured against those, not
 * against the stage before it, or four stages would multiply their ratios. A decoder that failed stays
 * failed.
 */
#include "pipelock/scan/decode_stage.h"

#include <stdlib.h>

#define STAGE_BUFFER_SIZE (16u << 10)
#define OUTPUT_BASE (64ull << 20)
#define OUTPUT_RATIO 1100u

struct stage {
	const struct stage_kind *kind;
	void *state;
	uint64_t produced;
	bool ended;
	/* Its output, for the stage after it. The last stage has none. */
	char *buffer;
	size_t start, end;
};

struct decoder {
	struct stage stages[DECODE_MAX_CHAIN];
	size_t count;
	uint64_t used; /* octets off the wire */
	struct decode_aside aside;
	enum decode_result failed; /* DECODE_MORE_INPUT: not yet */
};

static const struct stage_kind *kind_of(enum coding coding)
{
	switch (coding) {
	case CODING_GZIP:
		return &stage_gzip;
	case CODING_DEFLATE:
		return &stage_deflate;
	case CODING_BR:
		return &stage_br;
	case CODING_ZSTD:
		return &stage_zstd;
	case CODING_UNKNOWN:
	case CODING_IDENTITY:
		break;
	}
	return NULL;
}

static enum coding coding_from_name(struct span name)
{
	static const struct {
		const char *name;
		enum coding coding;
	} names[] = {
		{"identity", CODING_IDENTITY},
		{"gzip", CODING_GZIP},
		{"x-gzip", CODING_GZIP},
		{"deflate", CODING_DEFLATE},
		{"br", CODING_BR},
		{"zstd", CODING_ZSTD},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (span_equals_nocase(name, span_of(names[i].name)))
			return names[i].coding;
	}
	return CODING_UNKNOWN;
}

static bool is_ows(char c)
{
	return c == ' ' || c == '\t';
}

/* The text up to the next comma, without the white space round it. */
static struct span take_element(struct span *rest)
{
	const char *comma = rest->n > 0 ? memchr(rest->p, ',', rest->n) : NULL;
	struct span element = {rest->p, comma != NULL ? (size_t)(comma - rest->p) : rest->n};
	size_t taken = element.n + (comma != NULL);

	rest->p += taken;
	rest->n -= taken;
	while (element.n > 0 && is_ows(element.p[0])) {
		element.p++;
		element.n--;
	}
	while (element.n > 0 && is_ows(element.p[element.n - 1]))
		element.n--;
	return element;
}

bool decode_parse_codings(struct span value, enum coding codings[DECODE_MAX_CHAIN], size_t *count)
{
	while (value.n > 0) {
		struct span element = take_element(&value);
		enum coding coding;

		/* Empty elements mean nothing and have to be taken (RFC 9110 5.6.1.2). */
		if (element.n == 0)
			continue;
		coding = coding_from_name(element);
		if (coding == CODING_IDENTITY)
			continue;
		if (coding == CODING_UNKNOWN || *count >= DECODE_MAX_CHAIN)
			return false;
		codings[(*count)++] = coding;
	}
	return true;
}

/* All windows of a chain together stay within 8 MiB: the fourth power of a bomb is not worth more memory. */
static unsigned window_log_for(size_t count)
{
	return count == 1 ? 23 : count == 2 ? 22 : 21;
}

/* codings[] is in the order applied, so the last of them comes off first (RFC 9110 8.4). */
struct decoder *decoder_new(const enum coding *codings, size_t count)
{
	struct decoder *decoder;

	if (count == 0 || count > DECODE_MAX_CHAIN)
		return NULL;
	decoder = calloc(1, sizeof(*decoder));
	if (decoder == NULL)
		return NULL;
	decoder->count = count;
	for (size_t i = 0; i < count; i++) {
		struct stage *stage = &decoder->stages[i];

		stage->kind = kind_of(codings[count - 1 - i]);
		if (stage->kind == NULL)
			goto fail;
		stage->state = stage->kind->create(window_log_for(count), &decoder->aside);
		if (stage->state == NULL)
			goto fail;
		if (i + 1 < count && (stage->buffer = malloc(STAGE_BUFFER_SIZE)) == NULL)
			goto fail;
	}
	return decoder;
fail:
	decoder_free(decoder);
	return NULL;
}

void decoder_free(struct decoder *decoder)
{
	if (decoder == NULL)
		return;
	for (size_t i = 0; i < decoder->count; i++) {
		struct stage *stage = &decoder->stages[i];

		if (stage->state != NULL)
			stage->kind->destroy(stage->state);
		free(stage->buffer);
	}
	free(decoder->aside.p);
	free(decoder);
}

enum decode_result decode_aside_add(struct decode_aside *aside, struct span text)
{
	char *grown;

	if (text.n >= DECODE_ASIDE_MAX - aside->n)
		return DECODE_OVER_BUDGET;
	grown = realloc(aside->p, aside->n + text.n + 1);
	if (grown == NULL)
		return DECODE_BAD;
	if (text.n > 0)
		memcpy(grown + aside->n, text.p, text.n);
	grown[aside->n + text.n] = '\n';
	aside->p = grown;
	aside->n += text.n + 1;
	return DECODE_MORE_ROOM;
}

static bool aside_pending(const struct decode_aside *aside)
{
	return aside->used < aside->n;
}

static void drain_aside(struct decode_aside *aside, struct decode_io *io)
{
	size_t n = aside->n - aside->used;

	if (n > io->room)
		n = io->room;
	if (n == 0)
		return;
	memcpy(io->out, aside->p + aside->used, n);
	aside->used += n;
	io->out += n;
	io->room -= n;
}

static enum decode_result pull(
	struct decoder *decoder, size_t i, struct decode_io *wire, struct decode_io *io);

/* Run the stage on what is there, and hold what it gave against the budget. */
static enum decode_result run_stage(
	struct decoder *decoder, size_t i, struct decode_io *io, uint64_t wire_used)
{
	struct stage *stage = &decoder->stages[i];
	size_t room = io->room;
	enum decode_result result = stage->kind->run(stage->state, io);

	stage->produced += room - io->room;
	if (result >= DECODE_MORE_INPUT && stage->produced > OUTPUT_BASE + OUTPUT_RATIO * wire_used)
		return DECODE_OVER_BUDGET;
	return result;
}

/* Fill the buffer behind stage i, which must be empty, with what stage i gives. */
static enum decode_result refill(struct decoder *decoder, size_t i, struct decode_io *wire)
{
	struct stage *stage = &decoder->stages[i];
	struct decode_io io = {.out = stage->buffer, .room = STAGE_BUFFER_SIZE};
	enum decode_result result;

	if (stage->ended)
		return DECODE_END;
	result = pull(decoder, i, wire, &io);
	stage->start = 0;
	stage->end = STAGE_BUFFER_SIZE - io.room;
	stage->ended = result == DECODE_END;
	return result;
}

/* Let stage i write into io->out, with as much input as the stages before it can give. */
static enum decode_result pull(
	struct decoder *decoder, size_t i, struct decode_io *wire, struct decode_io *io)
{
	struct stage *before;
	enum decode_result result;

	if (i == 0) {
		size_t n = wire->in.n;

		io->in = wire->in;
		io->last = wire->last;
		result = run_stage(decoder, 0, io, decoder->used + n);
		wire->in = io->in;
		decoder->used += n - wire->in.n;
		return result;
	}
	before = &decoder->stages[i - 1];
	for (;;) {
		enum decode_result fed = DECODE_MORE_ROOM;

		if (before->start == before->end) {
			fed = refill(decoder, i - 1, wire);
			if (fed < 0 || aside_pending(&decoder->aside))
				return fed < 0 ? fed : DECODE_MORE_ROOM;
		}
		io->in = (struct span){before->buffer + before->start, before->end - before->start};
		io->last = before->ended;
		result = run_stage(decoder, i, io, decoder->used);
		before->start = before->end - io->in.n;
		if (result != DECODE_MORE_INPUT)
			return result;
		if (fed == DECODE_MORE_INPUT)
			return DECODE_MORE_INPUT;
	}
}

/* What was put aside always precedes the first octet of content, so it can't part two pieces of it. */
static enum decode_result run_chain(struct decoder *decoder, struct decode_io *wire, struct decode_io *io)
{
	for (;;) {
		enum decode_result result;

		drain_aside(&decoder->aside, io);
		if (io->room == 0)
			return DECODE_MORE_ROOM;
		result = pull(decoder, decoder->count - 1, wire, io);
		if (result != DECODE_MORE_ROOM || io->room == 0)
			return result;
	}
}

enum decode_result decoder_run(
	struct decoder *decoder, struct span *in, bool last, char *out, size_t room, size_t *produced)
{
	struct decode_io wire = {.in = *in, .last = last};
	struct decode_io io = {.out = out, .room = room};
	enum decode_result result;

	*produced = 0;
	if (decoder->failed != DECODE_MORE_INPUT)
		return decoder->failed;
	result = run_chain(decoder, &wire, &io);
	*in = wire.in;
	*produced = room - io.room;
	if (result < 0)
		decoder->failed = result;
	return result;
}

/* How octets behind the first of several stages lie in those before it is known to no one, so nothing of such
 * a body is safe before its end. Chains are next to unknown in practice. */
uint64_t decoder_lag(const struct decoder *decoder)
{
	const struct stage *first = &decoder->stages[0];
	uint64_t lag = decoder->count > 1 ? decoder->used : first->kind->lag(first->state);

	return lag < decoder->used ? lag : decoder->used;
}

size_t decoder_memory(const struct decoder *decoder)
{
	size_t sum = sizeof(*decoder) + (decoder->aside.p ? DECODE_ASIDE_MAX : 0);

	for (size_t i = 0; i < decoder->count; i++) {
		const struct stage *stage = &decoder->stages[i];

		sum += stage->kind->memory(stage->state) + (stage->buffer ? STAGE_BUFFER_SIZE : 0);
	}
	return sum;
}
