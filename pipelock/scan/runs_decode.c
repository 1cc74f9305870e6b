/*
 * The decoders. Each alphabet is a table of values; what has none ends a run. Characters that may come in
 * any pieces go one by one to the start of a group, then by whole groups.
 */
#include "pipelock/scan/runs_internal.h"

#include <endian.h>

#define NONE 0xFF

#define SIX_FROM(n) (n), (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5
#define TEN_FROM(n) SIX_FROM(n), (n) + 6, (n) + 7, (n) + 8, (n) + 9
#define A_TO_V_FROM(n) TEN_FROM(n), SIX_FROM((n) + 10), SIX_FROM((n) + 16)
#define A_TO_Z_FROM(n) TEN_FROM(n), TEN_FROM((n) + 10), SIX_FROM((n) + 20)

static const unsigned char base64_values[256] = {
	[0 ... '+' - 1] = NONE,
	['+'] = 62,
	[','] = NONE,
	['-'] = 62,
	['.'] = NONE,
	['/'] = 63,
	['0'] = TEN_FROM(52),
	[':' ... '@'] = NONE,
	['A'] = A_TO_Z_FROM(0),
	['[' ... '^'] = NONE,
	['_'] = 63,
	['`'] = NONE,
	['a'] = A_TO_Z_FROM(26),
	['{' ... 0xFF] = NONE,
};

static const unsigned char base32_values[256] = {
	[0 ... '1'] = NONE,
	['2'] = SIX_FROM(26),
	['8' ... '@'] = NONE,
	['A'] = A_TO_Z_FROM(0),
	['[' ... '`'] = NONE,
	['a'] = A_TO_Z_FROM(0),
	['{' ... 0xFF] = NONE,
};

static const unsigned char base32_upper_values[256] = {
	[0 ... '1'] = NONE,
	['2'] = SIX_FROM(26),
	['8' ... '@'] = NONE,
	['A'] = A_TO_Z_FROM(0),
	['[' ... 0xFF] = NONE,
};

static const unsigned char base32hex_values[256] = {
	[0 ... '/'] = NONE,
	['0'] = TEN_FROM(0),
	[':' ... '@'] = NONE,
	['A'] = A_TO_V_FROM(10),
	['W' ... '`'] = NONE,
	['a'] = A_TO_V_FROM(10),
	['w' ... 0xFF] = NONE,
};

static const unsigned char hex_values[256] = {
	[0 ... '/'] = NONE,
	['0'] = TEN_FROM(0),
	[':' ... '@'] = NONE,
	['A'] = SIX_FROM(10),
	['G' ... '`'] = NONE,
	['a'] = SIX_FROM(10),
	['g' ... 0xFF] = NONE,
};

/* ---- what comes out */

static void flush(struct runs *v, enum runs_track track)
{
	struct runs_out *out = &v->out[track];
	if (out->n == 0)
		return;
	v->emit(v->arg, track, (struct span){out->p, out->n});
	explicit_bzero(out->p, out->n + 1);
	out->n = 0;
}

void runs_flush(struct runs *v)
{
	for (int track = 0; track < RUNS_TRACKS; track++)
		flush(v, track);
}

/* Room for n octets, and where. */
static inline char *reserve(struct runs *v, enum runs_track track, size_t n)
{
	if (RUNS_OUT - v->out[track].n < n)
		flush(v, track);
	return v->out[track].p + v->out[track].n;
}

static inline void put_out(struct runs *v, enum runs_track track, uint64_t octets, unsigned n)
{
	char *to = reserve(v, track, n);
	for (unsigned i = 0; i < n; i++)
		to[i] = (char)(octets >> 8 * (n - 1 - i));
	v->out[track].n += n;
}

/* Three octets, and one that doesn't count behind them: one store in loops that have to be fast. */
static inline void put3(char *to, uint64_t octets)
{
	uint32_t word = htobe32((uint32_t)octets << 8);
	memcpy(to, &word, sizeof(word));
}

static inline void put_break(struct runs *v, enum runs_track track)
{
	memcpy(reserve(v, track, sizeof(RUNS_BREAK) - 1), RUNS_BREAK, sizeof(RUNS_BREAK) - 1);
	v->out[track].n += sizeof(RUNS_BREAK) - 1;
}

/* ---- base64, four ways */

/* Each character ends a group of one of the tracks, which in the order of the characters take turns. */
static inline void four_take_one(struct runs *v, unsigned char c)
{
	struct runs_four *four = &v->four;
	four->bits = four->bits << 6 | base64_values[c];
	four->count++;
	put_out(v, RUNS_BASE64_0 + (four->count & 3), four->bits, 3);
}

/* The first group of all. */
static void four_take_first(struct runs *v, const unsigned char *p)
{
	const unsigned char *values = base64_values;
	v->four.bits = (uint32_t)values[p[0]] << 18 | (uint32_t)values[p[1]] << 12 |
		       (uint32_t)values[p[2]] << 6 | values[p[3]];
	v->four.count = 4;
	put_out(v, RUNS_BASE64_0, v->four.bits, 3);
}

/* How many groups there is room for on all tracks. */
static size_t four_room(struct runs *v)
{
	size_t most = 0;
	for (int i = 0; i < 4; i++)
		most = v->out[RUNS_BASE64_0 + i].n > most ? v->out[RUNS_BASE64_0 + i].n : most;
	if (RUNS_OUT - most >= 3)
		return (RUNS_OUT - most) / 3;
	for (int i = 0; i < 4; i++)
		flush(v, RUNS_BASE64_0 + i);
	return RUNS_OUT / 3;
}

/* `groups` times four characters, when each track has a group and the next one to end is that of track 1. */
static void four_take_groups(struct runs *v, const unsigned char *p, size_t groups)
{
	struct runs_out *out = v->out + RUNS_BASE64_0;
	char *to0 = out[0].p + out[0].n, *to1 = out[1].p + out[1].n;
	char *to2 = out[2].p + out[2].n, *to3 = out[3].p + out[3].n;
	const unsigned char *values = base64_values;
	uint64_t bits = v->four.bits & 0xFFFFFF;
	for (size_t k = 0; k < groups; k++, p += 4) {
		bits = bits << 24 | (uint64_t)values[p[0]] << 18 | (uint64_t)values[p[1]] << 12 |
		       (uint64_t)values[p[2]] << 6 | values[p[3]];
		put3(to1 + 3 * k, bits >> 18);
		put3(to2 + 3 * k, bits >> 12);
		put3(to3 + 3 * k, bits >> 6);
		put3(to0 + 3 * k, bits);
	}
	for (int i = 0; i < 4; i++)
		out[i].n += 3 * groups;
	v->four.bits = (uint32_t)bits;
	v->four.count += 4 * groups;
}

void runs_four_take(struct runs *v, const unsigned char *p, size_t n, uint64_t at)
{
	struct runs_four *four = &v->four;
	for (size_t i = n < 3 ? 0 : n - 3; i < n; i++) {
		four->tail_at[0] = four->tail_at[1];
		four->tail_at[1] = four->tail_at[2];
		four->tail_at[2] = at + i;
	}
	if (four->count == 0) {
		four_take_first(v, p);
		p += 4;
		n -= 4;
	}
	for (; n > 0 && four->count & 3; n--)
		four_take_one(v, *p++);
	while (n >= 4) {
		size_t groups = four_room(v);
		groups = groups < n / 4 ? groups : n / 4;
		four_take_groups(v, p, groups);
		p += 4 * groups;
		n -= 4 * groups;
	}
	for (; n > 0; n--)
		four_take_one(v, *p++);
}

void runs_four_end(struct runs *v)
{
	struct runs_four *four = &v->four;
	if (four->count == 0)
		return;
	for (unsigned i = 0; i < 4; i++) {
		unsigned left = (unsigned)(four->count - i) & 3;
		if (left == 2)
			put_out(v, RUNS_BASE64_0 + i, four->bits >> 4 & 0xFF, 1);
		else if (left == 3)
			put_out(v, RUNS_BASE64_0 + i, four->bits >> 2 & 0xFFFF, 2);
		put_break(v, RUNS_BASE64_0 + i);
	}
	four->count = 0;
}

/* ---- hex, two ways */

/* Each digit ends a pair of one of the tracks. */
static void two_take_one(struct runs *v, unsigned char c)
{
	struct runs_two *two = &v->two;
	unsigned digit = hex_values[c];
	put_out(v, RUNS_HEX_0 + !(two->count & 1), two->digit << 4 | digit, 1);
	two->digit = (unsigned char)digit;
	two->count++;
}

/* `pairs` times two digits, when each track has room for them and the next pair to end is that of track 1. */
static void two_take_pairs(struct runs *v, const unsigned char *p, size_t pairs)
{
	struct runs_out *out = v->out + RUNS_HEX_0;
	char *to0 = out[0].p + out[0].n, *to1 = out[1].p + out[1].n;
	unsigned digit = v->two.digit;
	for (size_t k = 0; k < pairs; k++) {
		unsigned a = hex_values[p[2 * k]], b = hex_values[p[2 * k + 1]];
		to1[k] = (char)(digit << 4 | a);
		to0[k] = (char)(a << 4 | b);
		digit = b;
	}
	out[0].n += pairs;
	out[1].n += pairs;
	v->two.digit = (unsigned char)digit;
	v->two.count += 2 * pairs;
}

void runs_two_take(struct runs *v, const unsigned char *p, size_t n, uint64_t at)
{
	struct runs_two *two = &v->two;
	const struct runs_out *out = v->out + RUNS_HEX_0;
	two->digit_at = at + n - 1;
	if (two->count == 0) {
		two->digit = hex_values[*p++];
		two->count = 1;
		n--;
	}
	if (n > 0 && two->count & 1) {
		two_take_one(v, *p++);
		n--;
	}
	while (n >= 2) {
		size_t most = out[0].n > out[1].n ? out[0].n : out[1].n, pairs = n / 2;
		if (most == RUNS_OUT) {
			flush(v, RUNS_HEX_0);
			flush(v, RUNS_HEX_1);
			most = 0;
		}
		pairs = pairs < RUNS_OUT - most ? pairs : RUNS_OUT - most;
		two_take_pairs(v, p, pairs);
		p += 2 * pairs;
		n -= 2 * pairs;
	}
	if (n > 0)
		two_take_one(v, *p);
}

void runs_two_end(struct runs *v)
{
	if (v->two.count == 0)
		return;
	put_break(v, RUNS_HEX_0);
	put_break(v, RUNS_HEX_1);
	v->two.count = 0;
}

/* ---- one way */

struct code_kind {
	const struct runs_alphabet *alphabet;
	const unsigned char *values;
	unsigned bits;	/* of a character */
	unsigned group; /* characters that make whole octets; alphabet->shortest is a multiple of these */
	bool starts_with_letter;
};

static const struct code_kind kinds[RUNS_CODES] = {
	[RUNS_BASE32 - RUNS_BASE32] = {&runs_base32, base32_values, 5, 8, false},
	[RUNS_BASE32_UPPER - RUNS_BASE32] = {&runs_base32_upper, base32_upper_values, 5, 8, true},
	[RUNS_BASE32HEX - RUNS_BASE32] = {&runs_base32hex, base32hex_values, 5, 8, false},
	[RUNS_BASE64_PIECE - RUNS_BASE32] = {&runs_base64, base64_values, 6, 4, false},
	[RUNS_BASE32_PIECE - RUNS_BASE32] = {&runs_base32, base32_values, 5, 8, false},
	[RUNS_HEX_PIECE - RUNS_BASE32] = {&runs_hex, hex_values, 4, 2, false},
};

/* Characters next to each other as one number of twice the bits; *any gathers what values there are. */
static inline uint64_t two_of(
	const unsigned char *values, unsigned bits, const unsigned char *p, unsigned *any)
{
	unsigned a = values[p[0]], b = values[p[1]];
	*any |= a | b;
	return (uint64_t)a << bits | b;
}

static inline uint64_t four_of(
	const unsigned char *values, unsigned bits, const unsigned char *p, unsigned *any)
{
	return two_of(values, bits, p, any) << 2 * bits | two_of(values, bits, p + 2, any);
}

/* A whole group at p as octets at `to`. */
static inline bool take_group(const unsigned char *values, unsigned bits, const unsigned char *p, char *to)
{
	unsigned any = 0;
	uint64_t all;
	switch (bits) {
	case 4:
		to[0] = (char)two_of(values, 4, p, &any);
		break;
	case 5:
		all = four_of(values, 5, p, &any) << 20;
		all |= four_of(values, 5, p + 4, &any);
		to[0] = (char)(all >> 32);
		to[1] = (char)(all >> 24);
		put3(to + 2, all);
		break;
	default:
		put3(to, four_of(values, 6, p, &any));
	}
	return any != NONE;
}

/* Whole groups, as many as there is room for; returns how many characters it took. Inlined with constants. */
static inline size_t take_some_groups(struct runs *v, enum runs_track track, unsigned bits, unsigned group,
	const unsigned char *p, size_t n)
{
	const unsigned char *values = kinds[track - RUNS_BASE32].values;
	unsigned octets = bits * group / 8;
	char *to = reserve(v, track, octets);
	size_t groups = (RUNS_OUT - v->out[track].n) / octets, taken = 0;
	groups = groups < n / group ? groups : n / group;
	while (taken < groups && take_group(values, bits, p + taken * group, to + taken * octets))
		taken++;
	v->out[track].n += taken * octets;
	return taken * group;
}

static size_t take_groups(struct runs *v, enum runs_track track, const unsigned char *p, size_t n)
{
	const struct code_kind *kind = &kinds[track - RUNS_BASE32];
	size_t taken = 0, some;
	do {
		if (kind->bits == 4)
			some = take_some_groups(v, track, 4, 2, p + taken, n - taken);
		else if (kind->bits == 5)
			some = take_some_groups(v, track, 5, 8, p + taken, n - taken);
		else
			some = take_some_groups(v, track, 6, 4, p + taken, n - taken);
		taken += some;
	} while (some > 0);
	return taken;
}

static void take_value(struct runs *v, enum runs_track track, unsigned value, uint64_t at)
{
	const struct code_kind *kind = &kinds[track - RUNS_BASE32];
	struct runs_code *code = &v->codes[track - RUNS_BASE32];
	if (code->held == 0)
		code->held_at = at;
	code->bits = code->bits << kind->bits | value;
	if (++code->held < kind->group)
		return;
	put_out(v, track, code->bits, kind->bits * kind->group / 8);
	code->held = 0;
	code->bits = 0;
}

/* A run that may be too short, from p on; returns how many characters it took. */
static size_t hold(struct runs *v, enum runs_track track, const unsigned char *p, size_t n, uint64_t at)
{
	const struct code_kind *kind = &kinds[track - RUNS_BASE32];
	struct runs_code *code = &v->codes[track - RUNS_BASE32];
	unsigned held = code->held, shortest = kind->alphabet->shortest;
	size_t i = 0;
	if (held == 0)
		code->held_at = at;
	while (i < n && held < shortest && kind->values[p[i]] != NONE)
		code->hold[held++] = p[i++];
	code->held = held;
	if (held < shortest)
		return i;
	take_groups(v, track, code->hold, shortest);
	code->decided = true;
	code->held = 0;
	return i;
}

/* Characters of a run that is long enough. */
static size_t go_on(struct runs *v, enum runs_track track, const unsigned char *p, size_t n, uint64_t at)
{
	const unsigned char *values = kinds[track - RUNS_BASE32].values;
	struct runs_code *code = &v->codes[track - RUNS_BASE32];
	size_t i = 0;
	for (; i < n && code->held > 0 && values[p[i]] != NONE; i++)
		take_value(v, track, values[p[i]], at + i);
	if (code->held == 0)
		i += take_groups(v, track, p + i, n - i);
	for (; i < n && values[p[i]] != NONE; i++)
		take_value(v, track, values[p[i]], at + i);
	return i;
}

/* Outside of a run: returns how much to pass over to be at the start of one, maybe. */
static size_t pass_over(struct runs *v, enum runs_track track, const unsigned char *p, size_t n, bool ends)
{
	const struct code_kind *kind = &kinds[track - RUNS_BASE32];
	size_t i = runs_skip(kind->alphabet, p, n, v->simd);
	if (i < n && kind->starts_with_letter && p[i] <= '9') {
		while (i < n && p[i] >= '2' && p[i] <= '7')
			i++;
		return i;
	}
	v->codes[track - RUNS_BASE32].decided = n - i >= kind->alphabet->shortest;
	return ends && n - i < kind->alphabet->shortest ? n : i;
}

void runs_code_take(
	struct runs *v, enum runs_track track, const unsigned char *p, size_t n, uint64_t at, bool ends)
{
	const unsigned char *values = kinds[track - RUNS_BASE32].values;
	struct runs_code *code = &v->codes[track - RUNS_BASE32];
	size_t i = 0;
	while (i < n) {
		if (!code->decided && code->held == 0)
			i += pass_over(v, track, p + i, n - i, ends);
		if (!code->decided)
			i += hold(v, track, p + i, n - i, at + i);
		if (code->decided)
			i += go_on(v, track, p + i, n - i, at + i);
		if (i < n && values[p[i]] == NONE) {
			runs_code_end(v, track);
			i++;
		}
	}
}

void runs_code_end_run(struct runs *v, enum runs_track track)
{
	struct runs_code *code = &v->codes[track - RUNS_BASE32];
	if (code->decided) {
		unsigned bits = code->held * kinds[track - RUNS_BASE32].bits;
		put_out(v, track, code->bits >> bits % 8, bits / 8);
		put_break(v, track);
	}
	code->decided = false;
	code->held = 0;
	code->bits = 0;
}
