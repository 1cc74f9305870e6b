/*
 * br (RFC 7932). Its metadata blocks carry octets to the origin that the library skips without a word: they
 * stand in the stream as they are, on octet boundaries, and give no output. So a run of octets that could be
 * a token is fed one by one, and when as many as a short secret has bring no content the stream is refused;
 * in compressed data that happens by chance in one of 10^9 places. What is left unseen: metadata that its
 * sender cut or encoded, which is as if it had encrypted the content itself. Window and memory are bounded:
 * the first octets and our own allocator see to it.
 */
#include "pipelock/scan/decode_stage.h"

#include <brotli/decode.h>
#include <stdlib.h>

enum {
	TOKEN_RUN = 16,	       /* silent token octets in a row that refuse the stream */
	TOKEN_SUSPECT = 8,     /* a run from which on its octets are fed one by one */
	SILENT_MAX = 32 << 10, /* octets in a row without content: real encoders' tables are smaller */
	PIECE = 4096,	       /* fed at once */
	COMMAND_LAG = 64,      /* a command that is not whole: less than 64 octets with its block switches */
};

/* Code tables beside the window. */
#define TABLES_MAX ((size_t)1 << 20)
#define BLOCK_HEAD 16

struct brotli_stage {
	BrotliDecoderState *decoder;
	size_t memory, memory_max;
	unsigned window_log;
	bool started, ended;
	size_t one_by_one;    /* octets still to be fed one by one */
	size_t silent_tokens; /* token octets in a row without content */
	size_t silent_octets;
};

/* Each block knows its size, so that freeing gives it back to the budget. */
static void *on_allocate(void *opaque, size_t size)
{
	struct brotli_stage *stage = opaque;
	char *block;

	if (size > stage->memory_max - stage->memory)
		return NULL;
	block = malloc(BLOCK_HEAD + size);
	if (block == NULL)
		return NULL;
	memcpy(block, &size, sizeof(size));
	stage->memory += size;
	return block + BLOCK_HEAD;
}

static void on_free(void *opaque, void *address)
{
	struct brotli_stage *stage = opaque;
	size_t size;
	char *block;

	if (address == NULL)
		return;
	block = (char *)address - BLOCK_HEAD;
	memcpy(&size, block, sizeof(size));
	stage->memory -= size;
	free(block);
}

static void brotli_destroy(void *state)
{
	struct brotli_stage *stage = state;

	if (stage->decoder != NULL)
		BrotliDecoderDestroyInstance(stage->decoder);
	free(stage);
}

static void *brotli_create(unsigned window_log, struct decode_aside *aside)
{
	struct brotli_stage *stage = calloc(1, sizeof(*stage));

	(void)aside;
	if (stage == NULL)
		return NULL;
	stage->window_log = window_log;
	stage->memory_max = ((size_t)1 << window_log) + TABLES_MAX;
	stage->decoder = BrotliDecoderCreateInstance(on_allocate, on_free, stage);
	if (stage->decoder == NULL) {
		brotli_destroy(stage);
		return NULL;
	}
	return stage;
}

/* WBITS (RFC 7932 9.1), as a logarithm. The one value that is not allowed the library refuses. */
static unsigned window_of(unsigned char first)
{
	unsigned high = first >> 1 & 7, low = first >> 4 & 7;

	if ((first & 1) == 0)
		return 16;
	if (high > 0)
		return 17 + high;
	return low == 0 ? 17 : 8 + low;
}

/* The letters of keys, tokens and encodings: no spaces and quotes, that chance would hit more often. */
static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '@' && c <= 'Z') || (c >= '-' && c <= ':') || c == '+' ||
	       c == '=' || c == '_' || c == '~';
}

static size_t token_run(struct span in)
{
	size_t n = 0;

	while (n < in.n && is_token(in.p[n]))
		n++;
	return n;
}

/* How many octets to feed at once. A run that touches the end may go on in the next piece. What waits for
 * room goes out first, or it would pass for the content of the octets fed next. */
static size_t next_piece(struct brotli_stage *stage, struct span in)
{
	size_t at = 0;

	if (BrotliDecoderHasMoreOutput(stage->decoder))
		return 0;
	if (stage->one_by_one > 0 && in.n > 0)
		return 1;
	if (in.n > PIECE)
		in.n = PIECE;
	while (at < in.n) {
		size_t run = token_run((struct span){in.p + at, in.n - at});
		bool suspect = run > 0 && (run >= TOKEN_SUSPECT || at + run == in.n);

		if (suspect || (run > 0 && at == 0 && stage->silent_tokens > 0)) {
			if (at > 0)
				return at;
			stage->one_by_one = run;
			return 1;
		}
		at += run + 1;
	}
	return in.n;
}

/* Keep count of what brought no content. */
static enum decode_result judge_silence(struct brotli_stage *stage, size_t used, size_t given)
{
	if (stage->one_by_one > 0 && used > 0) {
		stage->one_by_one--;
		stage->silent_tokens = given > 0 ? 0 : stage->silent_tokens + 1;
	} else if (used > 0) {
		stage->silent_tokens = 0;
	}
	stage->silent_octets = given > 0 ? 0 : stage->silent_octets + used;
	if (stage->silent_tokens >= TOKEN_RUN)
		return DECODE_BAD;
	return stage->silent_octets > SILENT_MAX ? DECODE_OVER_BUDGET : DECODE_MORE_ROOM;
}

/* The allocator's errors are the lowest ones. */
static enum decode_result failure(BrotliDecoderErrorCode code)
{
	bool memory = code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
		      code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;

	return memory ? DECODE_OVER_BUDGET : DECODE_BAD;
}

static enum decode_result feed(struct brotli_stage *stage, struct decode_io *io)
{
	size_t piece = next_piece(stage, io->in), left = piece, room = io->room;
	const uint8_t *next_in = (const uint8_t *)io->in.p;
	uint8_t *next_out = (uint8_t *)io->out;
	BrotliDecoderResult code =
		BrotliDecoderDecompressStream(stage->decoder, &left, &next_in, &room, &next_out, NULL);
	size_t used = piece - left, given = io->room - room;

	if (code == BROTLI_DECODER_RESULT_ERROR)
		return failure(BrotliDecoderGetErrorCode(stage->decoder));
	if (used > 0) {
		io->in.p += used;
		io->in.n -= used;
	}
	io->out += given;
	io->room = room;
	stage->ended = code == BROTLI_DECODER_RESULT_SUCCESS;
	return judge_silence(stage, used, given);
}

static enum decode_result begin(struct brotli_stage *stage, const struct decode_io *io)
{
	/* No octet at all is an empty body, which clients label with a coding too. */
	if (io->in.n == 0)
		return io->last ? DECODE_END : DECODE_MORE_INPUT;
	stage->started = true;
	return window_of((unsigned char)io->in.p[0]) > stage->window_log ? DECODE_OVER_BUDGET
									 : DECODE_MORE_ROOM;
}

static enum decode_result brotli_run(void *state, struct decode_io *io)
{
	struct brotli_stage *stage = state;
	enum decode_result result = DECODE_MORE_ROOM;

	while (result == DECODE_MORE_ROOM && io->room > 0) {
		if (!stage->started)
			result = begin(stage, io);
		else if (stage->ended && io->in.n > 0)
			result = DECODE_BAD;
		else if (stage->ended)
			result = io->last ? DECODE_END : DECODE_MORE_INPUT;
		else if (io->in.n == 0 && !BrotliDecoderHasMoreOutput(stage->decoder))
			result = io->last ? DECODE_BAD : DECODE_MORE_INPUT;
		else
			result = feed(stage, io);
	}
	return result;
}

static uint64_t brotli_lag(const void *state)
{
	(void)state;
	return COMMAND_LAG;
}

static size_t brotli_memory(const void *state)
{
	const struct brotli_stage *stage = state;

	return sizeof(*stage) + stage->memory;
}

const struct stage_kind stage_br = {brotli_create, brotli_destroy, brotli_run, brotli_lag, brotli_memory};
