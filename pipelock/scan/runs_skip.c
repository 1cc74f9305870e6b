/*
 * What is in which alphabet, and how to pass over what is no run, 64 octets at a time: each octet becomes a
 * bit, and whether enough of them stand in a row is a matter of a few shifts.
 */
#include "pipelock/scan/runs_internal.h"

#define BASE64 RUNS_CLASS_BASE64
#define MARK RUNS_CLASS_MARK
#define SPACE (RUNS_CLASS_SPACE | RUNS_CLASS_MARK)
#define LINE (RUNS_CLASS_LINE | SPACE)
#define DIGIT (RUNS_CLASS_BASE64 | RUNS_CLASS_HEX | RUNS_CLASS_BASE32HEX)
#define LOWER (RUNS_CLASS_BASE64 | RUNS_CLASS_BASE32)
#define UPPER (LOWER | RUNS_CLASS_BASE32_UPPER)

const unsigned char runs_classes[256] = {
	['\t'] = SPACE,
	['\n'] = LINE,
	['\r'] = LINE,
	[' '] = SPACE,
	['#'] = MARK,
	['%'] = MARK,
	['&'] = MARK,
	['+'] = BASE64,
	[','] = MARK,
	['-'] = BASE64 | MARK,
	['.'] = MARK,
	['/'] = BASE64 | MARK,
	['0' ... '1'] = DIGIT,
	['2' ... '7'] = DIGIT | UPPER,
	['8' ... '9'] = DIGIT,
	[':'] = MARK,
	[';'] = MARK,
	['='] = MARK,
	['A' ... 'F'] = UPPER | RUNS_CLASS_BASE32HEX | RUNS_CLASS_HEX,
	['G' ... 'V'] = UPPER | RUNS_CLASS_BASE32HEX,
	['W'] = UPPER,
	['X'] = UPPER | MARK,
	['Y' ... 'Z'] = UPPER,
	['\\'] = MARK,
	['_'] = BASE64 | MARK,
	['a' ... 'f'] = LOWER | RUNS_CLASS_BASE32HEX | RUNS_CLASS_HEX,
	['g' ... 'v'] = LOWER | RUNS_CLASS_BASE32HEX,
	['w'] = LOWER,
	['x'] = LOWER | MARK,
	['y' ... 'z'] = LOWER,
	['|'] = MARK,
};

/*
 * The halves. A bit stands for a set of rows (high halves) and columns (low halves):
 * 1: 0-9   2: A-O a-o   4: P-Z p-z   8: + - /   16: _   32: CR LF   64: space   128: tab
 */
static const struct runs_halves base64_halves = {
	.table = {{
			  1 | 4 | 64,
			  [1 ... 8] = 1 | 2 | 4,
			  [9] = 1 | 2 | 4 | 128,
			  [10] = 2 | 4 | 32,
			  [11] = 2 | 8,
			  [12] = 2,
			  [13] = 2 | 8 | 32,
			  [14] = 2,
			  [15] = 2 | 8 | 16,
		  },
		{32 | 128, 0, 8 | 64, 1, 2, 4 | 16, 2, 4}},
	.core = 1 | 2 | 4 | 8 | 16,
	.start = 32,
	.fill = 32 | 64 | 128,
};

/* 1: 0-9   2: A-F a-f   4: space # % & , - . /   8: : ; =   16: X \ _   32: x |   64: tab CR LF */
static const struct runs_halves hex_halves = {
	.table = {{
			  1 | 4,
			  [1 ... 2] = 1 | 2,
			  [3] = 1 | 2 | 4,
			  [4] = 1 | 2,
			  [5 ... 6] = 1 | 2 | 4,
			  [7] = 1,
			  [8] = 1 | 16 | 32,
			  [9] = 1 | 64,
			  [10] = 8 | 64,
			  [11] = 8,
			  [12] = 4 | 16 | 32,
			  [13] = 4 | 8 | 64,
			  [14] = 4,
			  [15] = 4 | 16,
		  },
		{64, 0, 4, 1 | 8, 2, 16, 2, 32}},
	.core = 1 | 2,
	.start = 4 | 8 | 16 | 32 | 64,
	.fill = 4 | 8 | 16 | 32 | 64,
};

/* 1: 2-7   2: A-O a-o   4: P-Z p-z */
#define BASE32_COLUMNS                                                                                       \
	{                                                                                                    \
		4, 2 | 4, [2 ... 7] = 1 | 2 | 4, [8 ... 10] = 2 | 4, [11 ... 15] = 2                         \
	}
static const struct runs_halves base32_halves = {
	.table = {BASE32_COLUMNS, {[3] = 1, [4] = 2, [5] = 4, [6] = 2, [7] = 4}}, .core = 1 | 2 | 4};
static const struct runs_halves base32_upper_halves = {
	.table = {BASE32_COLUMNS, {[3] = 1, [4] = 2, [5] = 4}}, .core = 1 | 2 | 4};

/* 1: 0-9   2: A-O a-o   4: P-V p-v */
static const struct runs_halves base32hex_halves = {
	.table = {{1 | 4, [1 ... 6] = 1 | 2 | 4, [7 ... 9] = 1 | 2, [10 ... 15] = 2},
		{[3] = 1, [4] = 2, [5] = 4, [6] = 2, [7] = 4}},
	.core = 1 | 2 | 4,
};

const struct runs_alphabet runs_base64 = {
	.core = RUNS_CLASS_BASE64,
	.start = RUNS_CLASS_LINE,
	.fill = RUNS_CLASS_SPACE,
	.shortest = RUNS_BASE64_SHORTEST,
	.halves = &base64_halves,
};

const struct runs_alphabet runs_hex = {
	.core = RUNS_CLASS_HEX,
	.start = RUNS_CLASS_MARK,
	.fill = RUNS_CLASS_MARK,
	.has_prefix = true,
	.shortest = RUNS_HEX_SHORTEST,
	.halves = &hex_halves,
};

/* These are looked for in what base64 takes for a run, where there are no gaps. */
const struct runs_alphabet runs_base32 = {
	.core = RUNS_CLASS_BASE32, .shortest = RUNS_BASE32_SHORTEST, .halves = &base32_halves};
const struct runs_alphabet runs_base32_upper = {
	.core = RUNS_CLASS_BASE32_UPPER, .shortest = RUNS_BASE32_SHORTEST, .halves = &base32_upper_halves};
const struct runs_alphabet runs_base32hex = {
	.core = RUNS_CLASS_BASE32HEX, .shortest = RUNS_BASE32_SHORTEST, .halves = &base32hex_halves};

/* A bit for each of eight octets that has the class's bit, gathered by a multiplication. */
static uint64_t gather(uint64_t eight, unsigned class)
{
	const uint64_t ones = 0x0101010101010101;
	if (!class)
		return 0;
	return (eight >> __builtin_ctz(class) & ones) * 0x0102040810204080 >> 56;
}

/* The portable way. */
static void classify(const struct runs_alphabet *alphabet, const unsigned char *p, struct runs_block *block)
{
	memset(block, 0, sizeof(*block));
	for (unsigned i = 0; i < RUNS_BLOCK; i += 8, p += 8) {
		const unsigned char *class = runs_classes;
		uint64_t eight = (uint64_t) class[p[0]] | (uint64_t) class[p[1]] << 8 |
				 (uint64_t) class[p[2]] << 16 | (uint64_t) class[p[3]] << 24 |
				 (uint64_t) class[p[4]] << 32 | (uint64_t) class[p[5]] << 40 |
				 (uint64_t) class[p[6]] << 48 | (uint64_t) class[p[7]] << 56;
		block->core |= gather(eight, alphabet->core) << i;
		block->start |= gather(eight, alphabet->start) << i;
		block->fill |= gather(eight, alphabet->fill) << i;
	}
}

static size_t skip(const struct runs_alphabet *alphabet, const unsigned char *p, size_t n)
{
	struct runs_tail tail = {0, 0, false};
	struct runs_block block;
	size_t at = 0, start;
	for (; n - at >= RUNS_BLOCK; at += RUNS_BLOCK) {
		classify(alphabet, p + at, &block);
		if (runs_find_in_block(&tail, &block, at, RUNS_BLOCK, alphabet->shortest, &start))
			return start;
	}
	if (at < n) {
		/* NUL is in no class. */
		unsigned char end[RUNS_BLOCK] = {0};
		memcpy(end, p + at, n - at);
		classify(alphabet, end, &block);
		if (runs_find_in_block(&tail, &block, at, (unsigned)(n - at), alphabet->shortest, &start))
			return start;
	}
	return n - tail.octets;
}

size_t runs_skip(const struct runs_alphabet *alphabet, const unsigned char *p, size_t n, bool simd)
{
	return simd && runs_avx2_available() ? runs_skip_avx2(alphabet, p, n) : skip(alphabet, p, n);
}
