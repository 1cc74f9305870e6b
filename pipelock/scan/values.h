/*
 * Values put together again: a secret that was split over values that follow one another is whole in one of
 * two texts. On the contract of view.h, but that a track goes with the octets.
 *
 * VALUES_JOINED is one value behind the other with nothing in between. Of a long value only its ends are
 * there, since what lies inside is no matter of joining. Rules often want a secret to stand alone, which it
 * does not behind a value that ends in a letter; so VALUES_FRAGMENTS has each two to four values in a row
 * that could be pieces of a token, joined and on a line of their own. Empty values are passed over.
 */
#ifndef PIPELOCK_SCAN_VALUES_H
#define PIPELOCK_SCAN_VALUES_H

#include "pipelock/scan/view.h"

/* Ends a value in what is fed (the record separator of ASCII). In a value it splits that. */
#define VALUES_END "\x1e"

#define VALUES_EDGE 256u     /* octets of either end of a long value */
#define VALUES_FRAGMENT 128u /* octets of a piece at most */
#define VALUES_IN_ROW 4u     /* pieces */
#define VALUES_SHORTEST 16u  /* octets of pieces together */
#define VALUES_LONGEST 256u

/* The language and country of Slovakia, which requests have in a field of its own: what stands behind it is
 * no more of it, though many keys begin with "sk-" and letters. */
bool values_is_locale(struct span value);

enum values_track { VALUES_JOINED, VALUES_FRAGMENTS, VALUES_TRACKS };
typedef void values_emit(void *arg, enum values_track track, struct span octets);

struct fragment {
	uint64_t at; /* where it began */
	char text[VALUES_FRAGMENT];
	unsigned char size;
	bool plain; /* a word or a number, as values mostly are */
};

/* All zero is a good beginning. Holds parts of secrets: its owner wipes it. */
struct values {
	uint64_t at;	 /* where that stands which is fed next, as its owner counts, who sets it */
	uint64_t begin;	 /* where the current value began */
	uint64_t length; /* of it */
	bool no_piece;	 /* it can't be one of a token */
	char tail[VALUES_EDGE];
	size_t tail_n;
	struct fragment row[VALUES_IN_ROW]; /* [count] is the current one */
	size_t count;
};

void values_init(struct values *v);
/* `last`: the value ends here, if one is open. */
void values_feed(struct values *v, struct span in, bool last, values_emit *emit, void *arg);

/* From where on what was fed may still come out; `none` when nothing may. */
uint64_t values_since(const struct values *v, uint64_t none);

#endif
