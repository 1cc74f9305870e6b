/*
 * Encoded runs the plain way, as an oracle for the view: the whole text at hand, alphabets as strings, each
 * track for itself, bit by bit. Shared by the unit test and the fuzz target.
 */
#ifndef TESTS_RUNS_ORACLE_H
#define TESTS_RUNS_ORACLE_H

#include "pipelock/scan/runs.h"

#include <stdlib.h>

#define ORACLE_ROOM (64u << 10) /* octets of a text, and of what comes out on a track */

struct oracle_out {
	char p[ORACLE_ROOM];
	size_t n;
};

/* What came out, by track. */
struct oracle_tracks {
	struct oracle_out of[RUNS_TRACKS];
};

static inline void oracle_require(bool truth)
{
	if (!truth)
		abort();
}

static inline void oracle_clear(struct oracle_tracks *tracks)
{
	for (int i = 0; i < RUNS_TRACKS; i++)
		tracks->of[i].n = 0;
}

/* A runs_emit. */
static inline void oracle_collect(void *arg, enum runs_track track, struct span octets)
{
	struct oracle_tracks *tracks = arg;
	struct oracle_out *out = &tracks->of[track];
	oracle_require(octets.n > 0 && octets.n <= RUNS_OUT && octets.n <= sizeof(out->p) - out->n);
	memcpy(out->p + out->n, octets.p, octets.n);
	out->n += octets.n;
}

/* An alphabet is groups of characters with the same values; -1: not in it. */
struct oracle_code {
	const char *alphabets[4];
	unsigned bits;
	size_t shortest;
};

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
static const struct oracle_code oracle_base64 = {
	{UPPER LOWER DIGITS "+/", UPPER LOWER DIGITS "-_", UPPER LOWER DIGITS "-/", UPPER LOWER DIGITS "+_"},
	6, 16};
static const struct oracle_code oracle_base32 = {{UPPER "234567", LOWER "234567"}, 5, 24};
static const struct oracle_code oracle_base32_upper = {{UPPER "234567"}, 5, 24};
static const struct oracle_code oracle_base32hex = {
	{DIGITS "ABCDEFGHIJKLMNOPQRSTUV", DIGITS "abcdefghijklmnopqrstuv"}, 5, 24};
static const struct oracle_code oracle_hex = {{DIGITS "ABCDEF", DIGITS "abcdef"}, 4, 24};

static inline int oracle_value(const struct oracle_code *code, char c)
{
	for (int i = 0; i < 4 && code->alphabets[i]; i++) {
		const char *found = c ? strchr(code->alphabets[i], c) : NULL;
		if (found)
			return (int)(found - code->alphabets[i]);
	}
	return -1;
}

/* All characters are of the alphabet: what they decode to, and a break. */
static inline void oracle_decode(
	const struct oracle_code *code, const char *p, size_t n, struct oracle_out *out)
{
	size_t octets = n * code->bits / 8;
	oracle_require(octets + 2 <= sizeof(out->p) - out->n);
	memset(out->p + out->n, 0, octets);
	for (size_t i = 0, bit = 0; i < n; i++) {
		int value = oracle_value(code, p[i]);
		for (unsigned k = 0; k < code->bits && bit < octets * 8; k++, bit++) {
			if (value >> (code->bits - 1 - k) & 1)
				out->p[out->n + bit / 8] |= (char)(128u >> bit % 8);
		}
	}
	out->n += octets;
	out->p[out->n++] = '\n';
	out->p[out->n++] = '\n';
}

/* All there is of the alphabet in characters of a wider one. */
static inline void oracle_decode_inside(
	const struct oracle_code *code, const char *p, size_t n, bool letter_first, struct oracle_out *out)
{
	for (size_t i = 0, end; i < n; i = end + 1) {
		for (end = i; end < n && oracle_value(code, p[end]) >= 0; end++) {
		}
		while (letter_first && i < end && strchr(DIGITS, p[i]))
			i++;
		if (end - i >= code->shortest)
			oracle_decode(code, p + i, end - i, out);
	}
}

struct oracle_run {
	char chars[ORACLE_ROOM];
	bool begins[ORACLE_ROOM]; /* a piece */
	size_t n, pieces;
};

static inline void oracle_pieces(const struct oracle_run *run, bool hex, struct oracle_tracks *out)
{
	for (size_t i = 0, end; run->pieces > 1 && i < run->n; i = end) {
		for (end = i + 1; end < run->n && !run->begins[end]; end++) {
		}
		if (i == 0 && end > RUNS_FIRST)
			continue;
		const char *p = run->chars + i;
		if (hex) {
			oracle_decode_inside(&oracle_hex, p, end - i, false, &out->of[RUNS_HEX_PIECE]);
			continue;
		}
		oracle_decode_inside(&oracle_base64, p, end - i, false, &out->of[RUNS_BASE64_PIECE]);
		oracle_decode_inside(&oracle_base32, p, end - i, false, &out->of[RUNS_BASE32_PIECE]);
	}
}

static inline void oracle_run_out(const struct oracle_run *run, bool hex, struct oracle_tracks *out)
{
	const struct oracle_code *code = hex ? &oracle_hex : &oracle_base64;
	if (run->n < code->shortest)
		return;
	for (size_t i = 0; i < (hex ? 2 : 4); i++)
		oracle_decode(
			code, run->chars + i, run->n - i, &out->of[(hex ? RUNS_HEX_0 : RUNS_BASE64_0) + i]);
	oracle_pieces(run, hex, out);
	if (hex)
		return;
	oracle_decode_inside(&oracle_base32, run->chars, run->n, false, &out->of[RUNS_BASE32]);
	oracle_decode_inside(&oracle_base32_upper, run->chars, run->n, true, &out->of[RUNS_BASE32_UPPER]);
	oracle_decode_inside(&oracle_base32hex, run->chars, run->n, false, &out->of[RUNS_BASE32HEX]);
}

static inline bool oracle_is_core(struct span in, size_t i, bool hex)
{
	bool is_prefix = hex && in.p[i] == '0' && i + 1 < in.n && (in.p[i + 1] | 32) == 'x';
	return !is_prefix && oracle_value(hex ? &oracle_hex : &oracle_base64, in.p[i]) >= 0;
}

/* Where the gap at i ends, if that is what it is; else i. */
static inline size_t oracle_gap(struct span in, size_t i, bool hex)
{
	size_t end = i, lines = 0;
	if (!hex && in.p[i] != '\r' && in.p[i] != '\n')
		return i;
	while (end < in.n && !oracle_is_core(in, end, hex)) {
		bool may_stand = in.p[end] && strchr(hex ? "\r\n\t ,:;-_.%&#=/|\\xX0" : "\r\n\t ", in.p[end]);
		lines += in.p[end] == '\n';
		if (!may_stand || lines > 1)
			return i;
		end++;
	}
	return end < in.n && end - i <= RUNS_GAP ? end : i;
}

static inline void oracle_read(struct span in, bool hex, struct oracle_tracks *out)
{
	static struct oracle_run run;
	for (size_t i = 0; i < in.n;) {
		run.n = run.pieces = 0;
		bool begins = true;
		while (i < in.n && oracle_is_core(in, i, hex)) {
			run.pieces += begins;
			run.begins[run.n] = begins;
			run.chars[run.n++] = in.p[i++];
			size_t next = i < in.n && !oracle_is_core(in, i, hex) ? oracle_gap(in, i, hex) : i;
			begins = next > i;
			i = next;
		}
		oracle_run_out(&run, hex, out);
		i += i < in.n && !oracle_is_core(in, i, hex);
	}
}

static inline void oracle_runs(struct span in, struct oracle_tracks *out)
{
	oracle_require(in.n <= ORACLE_ROOM);
	oracle_clear(out);
	oracle_read(in, false, out);
	oracle_read(in, true, out);
}

static inline bool oracle_same(const struct oracle_tracks *a, const struct oracle_tracks *b)
{
	for (int i = 0; i < RUNS_TRACKS; i++) {
		if (a->of[i].n != b->of[i].n || memcmp(a->of[i].p, b->of[i].p, a->of[i].n) != 0)
			return false;
	}
	return true;
}

#endif
