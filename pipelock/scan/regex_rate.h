/*
 * How often windows stand in ordinary traffic: what the choice between anchors goes by. Estimates: a wrong
 * one costs time and nothing else.
 */
#ifndef PIPELOCK_SCAN_REGEX_RATE_H
#define PIPELOCK_SCAN_REGEX_RATE_H

#include "pipelock/scan/regex.h"

#define RATE_KINDS 4 /* of octets: lower case, upper case, digits, the rest */
#define RATE_COMMON_WORDS 2

/* Which of the common texts have an octet at one of their places. */
struct rate_table {
	uint64_t common[256][REGEX_WINDOW][RATE_COMMON_WORDS];
};

/* What the rate of a window is made of, for one of its sets. */
struct set_rate {
	unsigned octets;	  /* without case, as the prefilter sees them */
	double rate;		  /* of an octet of the set */
	double share[RATE_KINDS]; /* of the kinds in it */
	double after[RATE_KINDS]; /* the rate after an octet of this kind */
	uint64_t common[REGEX_WINDOW][RATE_COMMON_WORDS];
};

void rate_table_fill(struct rate_table *table);
struct set_rate rate_set(const struct rate_table *table, const struct byte_set *set);
/* How often a window of which `count` sets are known stands at an octet. */
double rate_window(const struct set_rate *sets, unsigned count);
/* How many texts fit it, without case. */
unsigned rate_texts(const struct set_rate *sets, unsigned count);

#endif
