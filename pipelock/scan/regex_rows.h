/*
 * Rows of octet sets: the texts that a part of a regex can match, as long as they are few and short.
 */
#ifndef PIPELOCK_SCAN_REGEX_ROWS_H
#define PIPELOCK_SCAN_REGEX_ROWS_H

#include "pipelock/scan/regex.h"

#define ROWS_MAX 64

/* Alternatives that begin at the same distance. A row is of length 0 at first. */
struct row {
	unsigned length;
	struct byte_set sets[REGEX_ANCHOR_MAX];
};

struct rows {
	size_t count;
	struct row row[ROWS_MAX];
};

/* One row of no sets. */
void rows_reset(struct rows *rows);
/* May each row be followed by each of the others? They must not be too many. */
bool rows_fit(const struct rows *rows, const struct rows *by);
/* Do so, when they fit. What is longer than a row can be is cut off, which claims less. */
void rows_append(struct rows *rows, const struct rows *by);
/* Do so, unless that would be too many rows or too long ones: false, and nothing is changed. */
bool rows_multiply(struct rows *rows, const struct rows *by);
/* All texts that this node can match. false: too many, too long, without an end, or *out_of_memory. */
bool rows_exact(const struct regex *regex, uint32_t at, struct rows *out, bool *out_of_memory);

#endif
