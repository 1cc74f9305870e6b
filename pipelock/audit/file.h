/*
 * The audit log's file, as the keeper writes it: found, locked, checked at its end, then appended to. Lines
 * wait in a journal that outlives the keeper until they are in the file, so that neither a full disk nor the
 * keeper's death loses one.
 */
#ifndef PIPELOCK_AUDIT_FILE_H
#define PIPELOCK_AUDIT_FILE_H

#include "common/ipc.h"
#include "pipelock/audit/chain.h"
#include "pipelock/state_file.h"

#include <stdatomic.h>

#define AUDIT_JOURNAL_TEXT (4 * 1024 * 1024)

/*
 * Memory that the supervisor makes and each keeper maps. Zeroed: empty. Lines are rendered into `text` and
 * leave it when the file has them; a keeper that takes over goes on where the last one was killed.
 */
struct audit_journal {
	_Atomic uint64_t begin,
		end; /* text[begin, end): lines that the file does not have yet; begin >= end: none */
	uint32_t inbox_channel;	     /* whose message is in the inbox */
	char inbox[IPC_MAX_MESSAGE]; /* the message in work; its first octet is 0 when it is done */
	char text[AUDIT_JOURNAL_TEXT];
};

struct audit_file;

/* Open or make the file (absolute path). Refused: what is no plain file, one that others may write, one that
 * another process has locked, one that does not end like a log of ours, a disk without room. now_ms: since
 * the epoch. NULL with *error filled. */
struct audit_file *audit_file_open(
	const char *path, struct audit_journal *journal, int64_t now_ms, struct state_error *error);
/* Gives back the reserved room and closes; what waits stays in the journal. */
void audit_file_close(struct audit_file *file);

/* Is there room for a record of any size? When not, records have to wait where they are. */
bool audit_file_has_room(const struct audit_file *file);

/* Put a record into the journal. false: malformed members (see chain_append()), or no room. */
bool audit_file_append(struct audit_file *file, const char *role, struct span members);

/* Was this the last record of another role in the log, or in the journal, when it was opened? */
bool audit_file_ends_with(const struct audit_file *file, struct span members);

/* Write what waits. True when all of it is in the file, and there is room reserved for more: traffic may
 * flow. */
bool audit_file_write(struct audit_file *file, int64_t now_ms);

/* fdatasync, when something was written since the last one. False on failure. */
bool audit_file_sync(struct audit_file *file);

/* The path it was opened with. */
const char *audit_file_path(const struct audit_file *file);

/* False when the file has been removed or replaced under its name: who reads the log would not see what is
 * written. */
bool audit_file_is_in_place(const struct audit_file *file);

#endif
