/*
 * The view of encoded runs: base64, base32 and hex that stand in a text, decoded. A run may be glued to other
 * characters of its alphabet, so what it holds depends on where reading starts: the same characters are read
 * several ways, and each way has a track of its own. Nothing is judged by what it decodes to: it may be
 * compressed. On the contract of view.h, but that a track goes with the octets.
 *
 * base64: letters, digits, + / - _ mixed; at least 16. base32 (RFC 4648 6 and 7, either case): at least 24,
 * inside of what base64 takes for a run. Both go on over a line break and the blanks behind it, and end with
 * padding. hex: at least 24 digits; between any two may be blanks, line breaks and , : ; - _ . % & # = / |
 * \ x X, and the 0 of 0x counts for nothing. So "\x41\x4b", "0x41, 0x4B", "41-4b" and "&#x41;&#x4b;" are
 * runs. What is between two characters is at most RUNS_GAP octets; a blank line always ends a run.
 *
 * Not found: base32 glued to letters of its own case on the same line; base32hex below a word at the end of a
 * line; base64 in groups padded one by one, so that none has 16; what goes on over a blank line, or over
 * blanks at a line's end; hex between digits that are no data, as hexdump prints offsets. What is glued to a
 * run decodes to octets in front of what it holds, which may be word characters.
 */
#ifndef PIPELOCK_SCAN_RUNS_H
#define PIPELOCK_SCAN_RUNS_H

#include "pipelock/scan/view.h"

#define RUNS_BASE64_SHORTEST 16u
#define RUNS_BASE32_SHORTEST 24u
#define RUNS_HEX_SHORTEST 24u
#define RUNS_LONGEST_SHORTEST 24u /* of these */

#define RUNS_GAP 64u
/* Every character that is undecided may have a gap behind it. */
#define RUNS_MAX_LAG (RUNS_LONGEST_SHORTEST * (1 + RUNS_GAP))

#define RUNS_OUT 1024u /* octets of the largest piece that comes out */

/*
 * Most tracks stay empty on most texts: what a track costs its owner is best spent when its first octets
 * come. The last six have a decoder each; their order is that of the tables in runs_decode.c.
 *
 * A piece is what stands between two gaps. Wrapped base64 is one run in many pieces, but a word at a line's
 * end above base64, or a list with an entry a line, look just the same: so pieces of at least the shortest
 * length are read by themselves, too, where a run has more than one (its first one if it has at most
 * RUNS_FIRST characters).
 */
enum runs_track {
	RUNS_BASE64_0, /* from the run's first character on */
	RUNS_BASE64_1, /* from its second one */
	RUNS_BASE64_2,
	RUNS_BASE64_3,
	RUNS_HEX_0,
	RUNS_HEX_1,
	RUNS_BASE32,	   /* as far as characters of either case go, from the first one on */
	RUNS_BASE32_UPPER, /* as far as upper case and digits go, from the first letter on */
	RUNS_BASE32HEX,
	RUNS_BASE64_PIECE,
	RUNS_BASE32_PIECE,
	RUNS_HEX_PIECE,
	RUNS_TRACKS
};

#define RUNS_CODES (RUNS_TRACKS - RUNS_BASE32)
#define RUNS_ALPHABETS 2u /* those of base64 and of hex: what else there is lies inside of these */
#define RUNS_FIRST 128u

/* Behind each run, on every track that it came out on: a blank line, so that what is encoded in the one and
 * in the next is no run either. */
#define RUNS_BREAK VIEW_BREAK VIEW_BREAK

/* Takes a piece of what a track holds. The octets are borrowed for the call. */
typedef void runs_emit(void *arg, enum runs_track track, struct span octets);

/* private: where a run stands. All zero: outside of one. */
struct runs_reader {
	uint64_t total;			  /* characters of the run */
	uint64_t start_at;		  /* position of the first one in all that was fed */
	unsigned gap;			  /* octets since the last one */
	bool line_ended;		  /* the gap has a line end */
	bool is_first;			  /* no gap came before this piece */
	bool zero;			  /* the last octet fed was a 0 that may be of 0x; not yet read */
	char head[RUNS_LONGEST_SHORTEST]; /* the run as long as it may be too short */
	char first[RUNS_FIRST];		  /* its first piece */
};

/* private: base64 read in four ways at once */
struct runs_four {
	uint64_t count;
	uint32_t bits;
	uint64_t tail_at[3]; /* where the last characters stand */
};

/* private: hex read in two ways at once */
struct runs_two {
	uint64_t count;
	unsigned char digit;
	uint64_t digit_at;
};

/* private: one way to read some alphabet */
struct runs_code {
	bool decided; /* the run is long enough */
	unsigned held;
	uint64_t held_at; /* where the first of what is held stands */
	uint64_t bits;	  /* decided: a group begun, of `held` characters */
	unsigned char hold[RUNS_LONGEST_SHORTEST];
};

/* private: octets that are to come out */
struct runs_out {
	size_t n;
	char p[RUNS_OUT + 1]; /* the last one is never of these */
};

struct runs {
	bool simd; /* the fast way to skip what is no run; a test may say false */

	/* private */
	uint64_t fed;
	struct runs_reader readers[RUNS_ALPHABETS];
	struct runs_four four;
	struct runs_two two;
	struct runs_code codes[RUNS_CODES];
	runs_emit *emit; /* of the call in progress, as is arg */
	void *arg;
	struct runs_out out[RUNS_TRACKS]; /* between calls it holds nothing, and is wiped */
};

void runs_init(struct runs *v);

/* `last`: nothing comes after `in`, and a run that touches its end ends there. */
void runs_feed(struct runs *v, struct span in, bool last, runs_emit *emit, void *arg);

/* How many of the last octets fed may still come out, on whichever track; RUNS_MAX_LAG at most. 0 outside of
 * runs, a few inside, up to RUNS_FIRST and a gap at the beginning of one. */
size_t runs_lag(const struct runs *v);

/* The track is within a run, of which more may come out. */
bool runs_is_open(const struct runs *v, enum runs_track track);

#endif
