/*
 * Verifies a whole log: every line in its place, none changed, dropped, added or moved. Pure. What no chain
 * without a signature can show is a log cut off at its end, or made anew from the start; that is for signed
 * checkpoints.
 */
#ifndef PIPELOCK_AUDIT_VERIFY_H
#define PIPELOCK_AUDIT_VERIFY_H

#include "pipelock/audit/chain.h"

enum verify_result {
	VERIFY_BAD = 0,
	VERIFY_TORN_END, /* all lines hold, but the last one is not whole: a crash, or a write that goes on
			    just now */
	VERIFY_GOOD,
};

struct verify_report {
	uint64_t lines;	    /* that hold */
	uint64_t bad_line;  /* VERIFY_BAD: its number in the file, from 1 */
	const char *reason; /* VERIFY_BAD: static text */
	struct chain end;   /* after the last good line */
};

enum verify_result verify_log(struct span log, struct verify_report *report);

#endif
