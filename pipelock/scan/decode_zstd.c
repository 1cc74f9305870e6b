/*
 * zstd (RFC 8878, RFC 9659: windows up to 8 MiB). Only frames of content are taken: a skippable frame would
 * carry octets to the origin that no rule sees, a dictionary content that never comes over the wire, and the
 * formats of before 1.0 are code that no client needs. So each frame's magic number is looked at before the
 * library sees it.
 */
#include "pipelock/scan/decode_stage.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	MAGIC_SIZE = 4,
	BLOCK_LAG = (128 << 10) + 64, /* a whole block, its header and the frame's */
	SLICE = 4096,		      /* fed at once, so that the lag is known to within this */
};

struct zstd_stage {
	ZSTD_DCtx *context;
	unsigned char magic[MAGIC_SIZE];
	size_t magic_size, magic_used;
	bool flushing;	/* the last call filled the output: the library may hold more */
	uint64_t quiet; /* octets fed since the last content came out */
};

static void zstd_destroy(void *state)
{
	struct zstd_stage *stage = state;

	ZSTD_freeDCtx(stage->context);
	free(stage);
}

static void *zstd_create(unsigned window_log, struct decode_aside *aside)
{
	struct zstd_stage *stage = calloc(1, sizeof(*stage));

	(void)aside;
	if (stage == NULL)
		return NULL;
	stage->context = ZSTD_createDCtx();
	if (stage->context == NULL ||
		ZSTD_isError(ZSTD_DCtx_setParameter(stage->context, ZSTD_d_windowLogMax, (int)window_log))) {
		zstd_destroy(stage);
		return NULL;
	}
	return stage;
}

/* The next frame's magic number. MORE_ROOM: it is there and right. END: the stream ended between frames. */
static enum decode_result gather_magic(struct zstd_stage *stage, struct decode_io *io)
{
	static const unsigned char magic[MAGIC_SIZE] = {0x28, 0xb5, 0x2f, 0xfd};

	while (stage->magic_size < MAGIC_SIZE) {
		if (io->in.n == 0 && io->last)
			return stage->magic_size == 0 ? DECODE_END : DECODE_BAD;
		if (io->in.n == 0)
			return DECODE_MORE_INPUT;
		if ((unsigned char)*io->in.p != magic[stage->magic_size])
			return DECODE_BAD;
		stage->magic[stage->magic_size++] = (unsigned char)*io->in.p++;
		io->in.n--;
	}
	return DECODE_MORE_ROOM;
}

static enum decode_result failure(size_t code)
{
	ZSTD_ErrorCode reason = ZSTD_getErrorCode(code);

	return reason == ZSTD_error_frameParameter_windowTooLarge ? DECODE_OVER_BUDGET : DECODE_BAD;
}

/* One call of the library. *left is 0 when a frame ended and all of it was given. */
static enum decode_result feed(struct zstd_stage *stage, struct decode_io *io, size_t *left)
{
	bool from_magic = stage->magic_used < MAGIC_SIZE;
	ZSTD_inBuffer in = {io->in.p, io->in.n < SLICE ? io->in.n : SLICE, 0};
	ZSTD_outBuffer out = {io->out, io->room, 0};

	if (from_magic)
		in = (ZSTD_inBuffer){stage->magic, MAGIC_SIZE, stage->magic_used};
	*left = ZSTD_decompressStream(stage->context, &out, &in);
	if (ZSTD_isError(*left))
		return failure(*left);
	if (from_magic) {
		stage->magic_used = in.pos;
	} else if (in.pos > 0) {
		io->in.p += in.pos;
		io->in.n -= in.pos;
	}
	stage->quiet = in.pos + (out.pos > 0 ? 0 : stage->quiet);
	io->out += out.pos;
	io->room -= out.pos;
	stage->flushing = io->room == 0;
	return DECODE_MORE_ROOM;
}

static enum decode_result run_frame(struct zstd_stage *stage, struct decode_io *io)
{
	size_t left = 0;
	enum decode_result result;

	if (stage->magic_used == MAGIC_SIZE && io->in.n == 0 && !stage->flushing)
		return io->last ? DECODE_BAD : DECODE_MORE_INPUT;
	result = feed(stage, io, &left);
	if (result == DECODE_MORE_ROOM && left == 0) {
		stage->magic_size = stage->magic_used = 0;
		stage->quiet = 0;
	}
	return result;
}

static enum decode_result zstd_run(void *state, struct decode_io *io)
{
	struct zstd_stage *stage = state;
	enum decode_result result = DECODE_MORE_ROOM;

	while (result == DECODE_MORE_ROOM && io->room > 0) {
		if (stage->magic_size < MAGIC_SIZE)
			result = gather_magic(stage, io);
		else
			result = run_frame(stage, io);
	}
	return result;
}

static uint64_t zstd_lag(const void *state)
{
	const struct zstd_stage *stage = state;

	return stage->quiet < BLOCK_LAG ? stage->quiet : BLOCK_LAG;
}

static size_t zstd_memory(const void *state)
{
	const struct zstd_stage *stage = state;

	return sizeof(*stage) + ZSTD_sizeof_DCtx(stage->context);
}

const struct stage_kind stage_zstd = {zstd_create, zstd_destroy, zstd_run, zstd_lag, zstd_memory};
