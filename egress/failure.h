/*
 * Answers of egress itself: why there is none of an origin (common/hop.h).
 */
#ifndef EGRESS_FAILURE_H
#define EGRESS_FAILURE_H

#include "common/hop.h"

#include <event2/buffer.h>

/* Write the whole answer, without a body. What can't stand in a field is left out of the detail; NULL: none.
 * `close` says that the connection ends with it. false: out of memory. */
bool failure_write(struct evbuffer *out, enum hop_failure failure, const char *detail, bool close);

#endif
