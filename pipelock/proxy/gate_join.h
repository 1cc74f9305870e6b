/*
 * What of a request's head is put together for the rules (scan_joined): which pieces, and in which order.
 * Pure. The texts themselves are scanned before, by gate.c.
 */
#ifndef PIPELOCK_PROXY_GATE_JOIN_H
#define PIPELOCK_PROXY_GATE_JOIN_H

#include "pipelock/proxy/gate.h"

/* Host labels, path segments, values and names of the query. */
void gate_join_url(struct gate *gate, struct span url);

/* The values of the fields; those of fields that are not in every request, without the others between them;
 * these with their names; the labels of Host; the values of cookies. Findings have their places in the field
 * lines, one behind the other, with CR LF behind each. */
void gate_join_fields(struct gate *gate, const struct http1_head *head);

#endif
