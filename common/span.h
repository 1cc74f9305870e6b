/*
 * Borrowed bytes: a pointer and a length into memory that somebody else owns. Network data is always held so,
 * never as a terminated string. A span lives as long as what it points into.
 */
#ifndef COMMON_SPAN_H
#define COMMON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *p;
	size_t n;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})
#define SPAN_ARG(s) (int)(s).n, (s).p /* for "%.*s" */

static inline struct span span_of(const char *string)
{
	return (struct span){string, strlen(string)};
}

static inline bool span_equals(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case is ignored, as for field names (RFC 9110 5.1) and host names. */
static inline bool span_equals_nocase(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

#endif
