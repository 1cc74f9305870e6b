/*
 * The one way a time is written in the log: RFC 3339 in UTC, with milliseconds. Pure.
 */
#ifndef PIPELOCK_AUDIT_TIME_H
#define PIPELOCK_AUDIT_TIME_H

#include <stdint.h>

#define AUDIT_TIME_SIZE 25 /* "2026-01-31T23:59:59.123Z", terminated */

/* unix_ms: milliseconds since the epoch; before it, or past the year 9999, the nearest end of that range is
 * written. */
const char *audit_time_format(int64_t unix_ms, char out[AUDIT_TIME_SIZE]);

#endif
