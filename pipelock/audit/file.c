/*
 * Appends to the log. A line is in the journal or in the file at any moment, whenever the process is killed:
 * it leaves the journal only after write(2) took it. When the disk is full nothing is dropped; it is tried
 * again until it works, and traffic waits for it.
 */
#include "pipelock/audit/file_internal.h"

#include "common/log.h"
#include "pipelock/audit/time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RESERVE_BYTES (1024 * 1024)
#define RESERVE_REFILL_BYTES (512 * 1024)  /* less than this left: reserve more */
#define RESERVE_MINIMUM_BYTES (256 * 1024) /* less than this left, and no more to have: full */
#define RESERVE_SMALLEST_BYTES (16 * 1024) /* on a small disk */
#define OWN_RECORDS_BYTES (16 * 1024)	   /* of the journal, for the keeper's own words about a failure */

/* Empty, and everything can be used again. A kill between the two stores leaves begin >= end: still empty. */
static void journal_reset(struct audit_journal *journal)
{
	atomic_store(&journal->end, 0);
	atomic_store(&journal->begin, 0);
}

bool audit_file_has_room(const struct audit_file *file)
{
	return atomic_load(&file->journal->end) + IPC_MAX_MESSAGE + CHAIN_OVERHEAD + OWN_RECORDS_BYTES <=
	       AUDIT_JOURNAL_TEXT;
}

bool audit_file_append(struct audit_file *file, const char *role, struct span members)
{
	uint64_t end = atomic_load(&file->journal->end);
	size_t n = chain_append(
		&file->chain, role, members, file->journal->text + end, (size_t)(AUDIT_JOURNAL_TEXT - end));
	if (n == 0)
		return false;
	/* The line is whole before the journal has it. */
	atomic_store(&file->journal->end, end + n);
	return true;
}

bool audit_file_append_own(struct audit_file *file, int64_t now_ms, const char *members)
{
	char time[AUDIT_TIME_SIZE];
	char record[512];
	int n = snprintf(
		record, sizeof(record), "\"time\":\"%s\",%s", audit_time_format(now_ms, time), members);
	return n > 0 && (size_t)n < sizeof(record) &&
	       audit_file_append(file, "keeper", (struct span){record, (size_t)n});
}

bool audit_file_ends_with(const struct audit_file *file, struct span members)
{
	uint8_t hash[CHAIN_HASH_SIZE];
	chain_hash(members, hash);
	return memcmp(hash, file->last_members, sizeof(hash)) == 0;
}

/* What may be taken of a disk is a part of what is free: a small one is not filled by the reserve itself. */
static off_t reserve_size(const struct audit_file *file, off_t left)
{
	struct statvfs disk;
	if (fstatvfs(file->fd, &disk) != 0)
		return 0;
	uint64_t part = (uint64_t)disk.f_bavail * disk.f_frsize / 4;
	off_t size = RESERVE_BYTES;
	while (size > left && (uint64_t)(size - left) > part)
		size /= 2;
	return size > left && size >= RESERVE_SMALLEST_BYTES ? size : 0;
}

bool audit_file_reserve(struct audit_file *file)
{
	off_t left = file->reserved_end - file->size;
	if (file->cannot_reserve || left >= RESERVE_REFILL_BYTES)
		return true;
	off_t size = reserve_size(file, left);
	if (size > 0 && fallocate(file->fd, FALLOC_FL_KEEP_SIZE, file->size, size) == 0) {
		file->reserved_end = file->size + size;
		file->minimum = size / 2 < RESERVE_MINIMUM_BYTES ? size / 2 : RESERVE_MINIMUM_BYTES;
		return true;
	}
	if (size > 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
		file->cannot_reserve = true;
		return true;
	}
	/* A full disk is seen here, while there is still room for the records of what already runs. */
	errno = ENOSPC;
	return left > 0 && left >= file->minimum;
}

static bool write_journal(struct audit_file *file)
{
	struct audit_journal *journal = file->journal;
	uint64_t begin = atomic_load(&journal->begin);
	uint64_t end = atomic_load(&journal->end);
	while (begin < end) {
		ssize_t n = write(file->fd, journal->text + begin, (size_t)(end - begin));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n < 0 ? errno : ENOSPC;
			return false;
		}
		begin += (uint64_t)n;
		atomic_store(&journal->begin, begin);
		file->size += n;
		file->dirty = true;
	}
	journal_reset(journal);
	return true;
}

static void note_failure(struct audit_file *file, int error, int64_t now_ms)
{
	if (file->failing)
		return;
	file->failing = true;
	file->failing_errno = error;
	file->failing_since_ms = now_ms;
	log_error("the audit log %s can't be written: %s; traffic stops until it can", file->path,
		strerror(error));
}

static void note_recovery(struct audit_file *file, int64_t now_ms)
{
	char members[256];
	long long lasted_ms = now_ms - file->failing_since_ms;
	snprintf(members, sizeof(members),
		"\"event\":\"log_unavailable\",\"detail\":\"%s\",\"duration_ms\":%lld",
		strerror(file->failing_errno), lasted_ms < 0 ? 0 : lasted_ms);
	file->failing = false;
	log_warn("the audit log %s can be written again after %lld ms", file->path, lasted_ms);
	audit_file_append_own(file, now_ms, members);
}

bool audit_file_write(struct audit_file *file, int64_t now_ms)
{
	if (!write_journal(file) || !audit_file_reserve(file)) {
		note_failure(file, errno, now_ms);
		return false;
	}
	if (!file->failing)
		return true;
	note_recovery(file, now_ms);
	return audit_file_write(file, now_ms);
}

bool audit_file_sync(struct audit_file *file)
{
	if (!file->dirty)
		return true;
	if (fdatasync(file->fd) != 0)
		return false;
	file->dirty = false;
	return true;
}

const char *audit_file_path(const struct audit_file *file)
{
	return file->path;
}

bool audit_file_is_in_place(const struct audit_file *file)
{
	struct stat by_name, by_fd;
	return stat(file->path, &by_name) == 0 && fstat(file->fd, &by_fd) == 0 &&
	       by_name.st_dev == by_fd.st_dev && by_name.st_ino == by_fd.st_ino;
}

void audit_file_close(struct audit_file *file)
{
	if (!file)
		return;
	if (file->fd >= 0) {
		/* Blocks that were reserved beyond the end go back. */
		if (file->reserved_end > file->size && ftruncate(file->fd, file->size) != 0)
			log_warn("room that was reserved for the audit log can't be given back: %s",
				strerror(errno));
		close(file->fd);
	}
	free(file->path);
	free(file);
}
