/*
 * Text that is put together in a room of fixed size, such as a message's head. What does not fit makes all of
 * it fail: half a head is never written.
 */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include "common/span.h"

struct text {
	char *p; /* borrowed */
	size_t n, room;
	bool failed;
};

void text_add(struct text *text, struct span octets);
/* The terminating NUL of printf(3) has to fit, too, and is not counted. */
__attribute__((format(printf, 2, 3))) void text_format(struct text *text, const char *format, ...);
/* "name: value" CR LF, a field line (RFC 9112 5). */
void text_add_field(struct text *text, struct span name, struct span value);
/* The empty line that ends a head (RFC 9112 2.1). Octets of the whole; 0: it did not fit. */
size_t text_end_head(struct text *text);

#endif
