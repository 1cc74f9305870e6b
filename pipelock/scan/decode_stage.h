/*
 * One content coding as a stage of a chain: what decode.c and the decode_*.c of the codings say to each
 * other, for nobody else. A stage turns coded octets into content, piece by piece, and must let nothing that
 * a receiver could read pass without showing it.
 */
#ifndef PIPELOCK_SCAN_DECODE_STAGE_H
#define PIPELOCK_SCAN_DECODE_STAGE_H

#include "pipelock/scan/decode.h"

/* The octets at hand: `in` and `out` move on as they are used and filled. */
struct decode_io {
	struct span in;
	bool last; /* nothing comes after `in` */
	char *out;
	size_t room;
};

#define DECODE_ASIDE_MAX (64u << 10)

/* Text that stands beside the content (names and comments in a gzip header): shown before the content. */
struct decode_aside {
	char *p;
	size_t n, used;
};

/* Append a line. DECODE_MORE_ROOM: done; DECODE_OVER_BUDGET: more than DECODE_ASIDE_MAX in all; DECODE_BAD:
 * memory. */
enum decode_result decode_aside_add(struct decode_aside *aside, struct span text);

struct stage_kind {
	/* window_log: no window above 2^window_log octets. The aside lives longer than the stage. NULL: out
	 * of memory. */
	void *(*create)(unsigned window_log, struct decode_aside *aside);
	void (*destroy)(void *stage);
	/* As decoder_run(); with `last` never DECODE_MORE_INPUT. DECODE_MORE_ROOM also when something was put
	 * aside. */
	enum decode_result (*run)(void *stage, struct decode_io *io);
	/* As decoder_lag(), in octets of the stage's own input; may exceed what was used. */
	uint64_t (*lag)(const void *stage);
	/* Octets of memory that it has now, near enough. */
	size_t (*memory)(const void *stage);
};

extern const struct stage_kind stage_gzip, stage_deflate, stage_br, stage_zstd;

#endif
