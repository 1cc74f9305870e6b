/*
 * Writes one JSON value (RFC 8259) into memory, on one line. Strings may be any bytes: quotes, backslashes
 * and controls are escaped, broken UTF-8 becomes U+FFFD, DEL and C1 controls and U+2028/2029 are escaped too,
 * so that a line in a log stays one line and a terminal stays sane. Bounded: over `max` the writer fails, and
 * says so.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "common/span.h"

#include <stdint.h>

struct json {
	char *p;
	size_t n, room, max;
	bool failed;
	bool comma; /* a comma is due before the next member or element */
};

void json_init(struct json *j, size_t max);
void json_release(struct json *j);
/* What was written so far. Valid until the next call. */
struct span json_text(const struct json *j);

void json_open_object(struct json *j);
void json_close_object(struct json *j);
void json_open_array(struct json *j);
void json_close_array(struct json *j);
void json_key(struct json *j, const char *key); /* a plain ASCII literal */
void json_string(struct json *j, struct span value);
void json_number(struct json *j, uint64_t value);
void json_bool(struct json *j, bool value);
void json_null(struct json *j);
/* key and value in one call */
void json_put_string(struct json *j, const char *key, struct span value);
void json_put_text(struct json *j, const char *key, const char *value); /* NULL is null */
void json_put_number(struct json *j, const char *key, uint64_t value);
void json_put_bool(struct json *j, const char *key, bool value);

#endif
