/*
 * What a text becomes before rules are held against it. A view is a streaming transducer: octets go in in any
 * pieces, octets come out through a callback, in order; the same octets come out however the input was cut.
 * Pure: no libevent, no clock, no logger, no allocation while it runs; work is linear in the input.
 *
 * A view never fails on what it does not understand: it hands it through, or leaves it out, as its header
 * says. Raw octets are always scanned beside it, so a view may only add findings.
 */
#ifndef PIPELOCK_SCAN_VIEW_H
#define PIPELOCK_SCAN_VIEW_H

#include "common/span.h"

#include <stdint.h>

/* Takes a piece of what a view made of its input. The octets are borrowed for the call. */
typedef void view_emit(void *arg, struct span octets);

/* Between texts that must not be read as one (two runs of base64, two parts of a message). */
#define VIEW_BREAK "\n"

#endif
