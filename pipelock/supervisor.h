/*
 * The supervisor: makes the listeners, starts keeper, egress and proxy, watches them, ends or restarts them
 * as one group. It holds no traffic: it neither accepts a connection nor reads a byte of one.
 */
#ifndef PIPELOCK_SUPERVISOR_H
#define PIPELOCK_SUPERVISOR_H

#include "pipelock/config.h"

/* All borrowed for the call. */
struct supervisor_input {
	const struct config *config;
	struct span config_text;	/* what `config` was loaded from; the proxy loads it again */
	const struct file_texts *rules; /* empty: the built-in sets */
	struct span known;		/* octets of the set of known values; empty: none is named */
	const struct config_overrides *overrides; /* those that `config` was loaded with */
	size_t rule_count;			  /* of the set, for the operator and the log */
};

enum supervisor_exit {
	SUPERVISOR_STOPPED = 0,	     /* by a signal, in order */
	SUPERVISOR_GROUP_FAILED = 1, /* roles died too often */
	SUPERVISOR_NOT_STARTED =
		2, /* an address, the state folder, the log or a program is not as it has to be */
};

/* Runs until it is stopped. What went wrong was said on stderr. */
enum supervisor_exit supervisor_run(const struct supervisor_input *input);

#endif
