/*
 * Times for the log. Always of the same width, so that lines sort and the verifier finds what follows.
 */
#include "pipelock/audit/time.h"

#include <stdio.h>
#include <time.h>

#define END_OF_YEAR_9999_MS INT64_C(253402300799999)

const char *audit_time_format(int64_t unix_ms, char out[AUDIT_TIME_SIZE])
{
	if (unix_ms < 0)
		unix_ms = 0;
	if (unix_ms > END_OF_YEAR_9999_MS)
		unix_ms = END_OF_YEAR_9999_MS;
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	strftime(out, AUDIT_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + 19, AUDIT_TIME_SIZE - 19, ".%03dZ", (int)(unix_ms % 1000));
	return out;
}
