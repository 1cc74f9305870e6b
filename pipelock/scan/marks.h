/*
 * How far what was made of a text reaches back into it: after `used` octets of the text `produced` octets had
 * come out, and all that the first `complete` octets hold was among them. Between marks the answer is the
 * earlier one: what may leave waits a little longer than it must, an extent is a little wider. Bounded, pure.
 */
#ifndef PIPELOCK_SCAN_MARKS_H
#define PIPELOCK_SCAN_MARKS_H

#include <stddef.h>
#include <stdint.h>

#define MARKS_MAX 64u

struct mark {
	uint64_t complete, used, produced;
};

struct marks {
	struct mark at[MARKS_MAX];
	size_t count;
};

/* All was made of the first used - lag octets. Marks that answer only for less than `floor` produced octets
 * may go. */
void marks_add(struct marks *marks, uint64_t used, uint64_t lag, uint64_t produced, uint64_t floor);

/* How many octets of the text are done with when the first `produced` of what came out are. */
uint64_t marks_safe(const struct marks *marks, uint64_t produced);

/* The octets of the text that hold [begin, end) of what came out. `used`: all that was fed. */
void marks_extent(const struct marks *marks, uint64_t used, uint64_t *begin, uint64_t *end);

#endif
