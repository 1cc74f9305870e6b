/*
 * What file.c (writing) and file_open.c (opening, recovery) share.
 */
#ifndef PIPELOCK_AUDIT_FILE_INTERNAL_H
#define PIPELOCK_AUDIT_FILE_INTERNAL_H

#include "pipelock/audit/file.h"

#include <sys/types.h>

struct audit_file {
	int fd;
	char *path;
	struct audit_journal *journal;
	struct chain chain;
	uint8_t last_members[CHAIN_HASH_SIZE]; /* hash of the last record's members, at opening */
	off_t size, reserved_end;
	off_t minimum;	     /* less reserved than this, and no more to have: the disk is full */
	bool cannot_reserve; /* the file system has no fallocate(2) */
	bool dirty;	     /* written since the last sync */
	bool failing;
	int failing_errno;
	int64_t failing_since_ms;
};

/* Make sure that there is room on the disk for what comes. False with errno: there is not. */
bool audit_file_reserve(struct audit_file *file);

/* Append a record of the keeper's own; `members` without the time. */
bool audit_file_append_own(struct audit_file *file, int64_t now_ms, const char *members);

#endif
