/*
 * Content codings: the first octet chooses the chain, the second how it is cut. In pieces and whole the
 * result and the content are the same, no more is produced than there is room for, and the lag never exceeds
 * what was used.
 */
#include "pipelock/scan/decode.h"

#include <stdint.h>
#include <stdlib.h>

#define OUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	enum decode_result result;
	size_t n;
	uint64_t hash;
};

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void take(struct outcome *outcome, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		outcome->hash = (outcome->hash ^ (unsigned char)p[i]) * 1099511628211u;
	outcome->n += n;
}

static struct outcome run(
	const enum coding *codings, size_t count, struct span in, size_t step, size_t room, char *buffer)
{
	struct decoder *decoder = decoder_new(codings, count);
	struct outcome outcome = {.result = DECODE_BAD};
	uint64_t used = 0;

	if (decoder == NULL)
		return outcome;
	do {
		struct span piece = {in.p, in.n < step ? in.n : step};
		bool last = piece.n == in.n;
		size_t before = piece.n, produced = 0;

		outcome.result = decoder_run(decoder, &piece, last, buffer, room, &produced);
		require(produced <= room && piece.n <= before);
		require(outcome.result != DECODE_MORE_INPUT || (piece.n == 0 && !last));
		require(outcome.result != DECODE_END || (piece.n == 0 && last));
		used += before - piece.n;
		in.p += before - piece.n;
		in.n -= before - piece.n;
		require(decoder_lag(decoder) <= used);
		take(&outcome, buffer, produced);
	} while (outcome.result >= 0 && outcome.result != DECODE_END && outcome.n < OUT_MAX);
	decoder_free(decoder);
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum coding known[] = {CODING_GZIP, CODING_DEFLATE, CODING_BR, CODING_ZSTD};
	static char buffer[65536];
	enum coding codings[DECODE_MAX_CHAIN];
	struct outcome whole, pieces;
	struct span in;
	size_t count = 0;

	if (size < 2)
		return 0;
	for (unsigned choice = data[0]; count == 0 || (choice & 0x0f) > 11; choice >>= 4)
		codings[count++] = known[choice & 3];
	in = (struct span){(const char *)data + 2, size - 2};
	whole = run(codings, count, in, SIZE_MAX, sizeof(buffer), buffer);
	pieces = run(codings, count, in, 1 + data[1] % 16, 1 + data[1], buffer);
	/* Of what is bad more or less may come out before it shows. */
	if (whole.n >= OUT_MAX || pieces.n >= OUT_MAX)
		return 0;
	/* Which of two faults is met first may differ, too. */
	require((whole.result < 0) == (pieces.result < 0));
	if (whole.result == DECODE_END)
		require(whole.n == pieces.n && whole.hash == pieces.hash);
	return 0;
}
