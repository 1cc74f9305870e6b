/*
 * Opens the log and makes it whole: a chain goes on only from a line that holds. What a crash left after that
 * line stays in the file as evidence, and the next line accounts for it. Lines that the last keeper did not
 * get into the file are in the journal, and come first.
 */
#include "pipelock/audit/file_internal.h"

#include "pipelock/audit/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAIL_BYTES (256 * 1024) /* more than any two lines */

/* What the end of the file holds. Spans point into the tail that was read. */
struct tail {
	struct span text;
	bool has_line;
	struct chain_line line; /* the last line that holds */
	struct span torn;	/* what follows it */
};

static bool is_log_file(int fd, const char *path, struct state_error *error)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		state_error_set(error, "the audit log %s can't be examined: %s", path, strerror(errno));
	else if (!S_ISREG(status.st_mode))
		state_error_set(error, "the audit log %s is not a plain file", path);
	else if (status.st_uid != geteuid())
		state_error_set(error, "the audit log %s belongs to another user (%u)", path, status.st_uid);
	else if (status.st_mode & (S_IWGRP | S_IWOTH))
		state_error_set(
			error, "others may write to the audit log %s; do `chmod go-w %s`", path, path);
	else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		state_error_set(error, "another pipelock writes to the audit log %s", path);
	else
		return true;
	return false;
}

static bool open_log(struct audit_file *file, const char *path, struct state_error *error)
{
	file->path = strdup(path);
	/* O_NONBLOCK: a FIFO must not hold the start up. */
	file->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (file->fd < 0 || !file->path) {
		state_error_set(
			error, "the audit log %s can't be opened for writing: %s", path, strerror(errno));
		return false;
	}
	if (!is_log_file(file->fd, path, error))
		return false;
	file->size = lseek(file->fd, 0, SEEK_END);
	file->reserved_end = file->size;
	return true;
}

/* The last line in the tail that holds; what stands behind it is torn. */
static void find_last_line(struct tail *tail)
{
	const char *begin = tail->text.p;
	const char *end = begin + tail->text.n; /* of the line that is looked at, its newline excluded */
	while (end > begin) {
		const char *before = memrchr(begin, '\n', (size_t)(end - begin));
		const char *first = before ? before + 1 : begin;
		if (chain_parse((struct span){first, (size_t)(end - first)}, &tail->line)) {
			tail->has_line = true;
			break;
		}
		if (!before)
			return;
		end = before;
	}
	const char *stop = begin + tail->text.n;
	tail->torn = end < stop ? (struct span){end + 1, (size_t)(stop - end - 1)} : (struct span){0};
}

/* A first line that was cut: the only content without a whole line that is taken for a log of ours. */
static bool is_torn_first_line(struct span text)
{
	static const char start[] = "{\"v\":1,\"seq\":1,\"role\":\"keeper\",";
	size_t n = text.n < sizeof(start) - 1 ? text.n : sizeof(start) - 1;
	return memcmp(text.p, start, n) == 0 && !memchr(text.p, '\n', text.n);
}

static bool read_tail(struct audit_file *file, char *room, struct tail *tail, struct state_error *error)
{
	size_t n = file->size < TAIL_BYTES ? (size_t)file->size : TAIL_BYTES;
	if (pread(file->fd, room, n, file->size - (off_t)n) != (ssize_t)n) {
		state_error_set(error, "the audit log %s can't be read: %s", file->path, strerror(errno));
		return false;
	}
	*tail = (struct tail){.text = {room, n}};
	find_last_line(tail);
	if (tail->has_line || n == 0)
		return true;
	if (n < TAIL_BYTES && is_torn_first_line(tail->text)) {
		tail->torn = tail->text;
		return true;
	}
	state_error_set(error,
		"%s does not end like an audit log of pipelock; move it away, or name another file",
		file->path);
	return false;
}

/* ---- the journal of the keeper before */

/* One line off the front, with its newline, if it holds. */
static bool take_line(struct span *text, struct span *whole, struct chain_line *line)
{
	const char *end = text->n ? memchr(text->p, '\n', text->n) : NULL;
	if (!end || !chain_parse((struct span){text->p, (size_t)(end - text->p)}, line))
		return false;
	*whole = (struct span){text->p, (size_t)(end + 1 - text->p)};
	text->p += whole->n;
	text->n -= whole->n;
	return true;
}

/* The journal's lines that come after `chain`; begin may have been in the middle of a line. */
static struct span journal_rest(const struct audit_journal *journal, const struct chain *chain)
{
	uint64_t begin = atomic_load(&journal->begin), end = atomic_load(&journal->end);
	if (begin >= end || end > AUDIT_JOURNAL_TEXT)
		return (struct span){0};
	struct span rest = {journal->text, (size_t)end}, whole;
	struct chain_line line;
	/* From its start: a line that is partly in the file is still whole here. */
	for (struct span at = rest; take_line(&at, &whole, &line) && line.at.seq <= chain->seq;)
		rest = at;
	return rest;
}

/* Go on in the middle of the journal, where the last keeper's write stopped. False: it does not continue this
 * file. */
static bool resume(struct audit_file *file, struct span rest, struct span torn)
{
	struct span at = rest, whole;
	struct chain_line line;
	struct chain chain = file->chain;
	if (torn.n > rest.n || (torn.n > 0 && memcmp(torn.p, rest.p, torn.n) != 0))
		return false;
	while (at.n > 0) {
		if (!take_line(&at, &whole, &line) || !chain_follows(&chain, &line))
			return false;
		chain = line.at;
		chain_hash(line.members, file->last_members);
	}
	file->chain = chain;
	atomic_store(&file->journal->begin, (uint64_t)(rest.p - file->journal->text) + torn.n);
	return true;
}

static bool append_opened(struct audit_file *file, int64_t now_ms)
{
	uint8_t id[16];
	char hex[2 * sizeof(id) + 1], members[128];
	if (RAND_bytes(id, sizeof(id)) != 1)
		return false;
	chain_hex(id, sizeof(id), hex);
	snprintf(members, sizeof(members), "\"event\":\"log_opened\",\"chain\":\"%s\"", hex);
	return audit_file_append_own(file, now_ms, members);
}

static bool append_recovered(struct audit_file *file, struct span torn, int64_t now_ms)
{
	uint8_t hash[CHAIN_HASH_SIZE];
	char hex[2 * CHAIN_HASH_SIZE + 1], members[256];
	bool ended = torn.p[torn.n - 1] == '\n';
	struct span content = {torn.p, torn.n - ended};
	chain_hash(content, hash);
	chain_hex(hash, sizeof(hash), hex);
	snprintf(members, sizeof(members), VERIFY_TORN_MEMBERS, content.n, hex);
	return (ended || audit_file_append_raw(file, SPAN("\n"))) &&
	       audit_file_append_own(file, now_ms, members);
}

/* The journal's records again, as lines that continue what is in the file now. */
static bool append_again(struct audit_file *file, struct span lines)
{
	struct span whole;
	struct chain_line line;
	while (take_line(&lines, &whole, &line)) {
		char role[32];
		snprintf(role, sizeof(role), "%.*s", SPAN_ARG(line.role));
		if (!audit_file_append(file, role, line.members))
			return false;
	}
	return true;
}

static bool start_anew(struct audit_file *file, struct span rest, struct span torn, int64_t now_ms)
{
	char *kept = malloc(rest.n + 1);
	if (!kept)
		return false;
	if (rest.n > 0)
		memcpy(kept, rest.p, rest.n);
	atomic_store(&file->journal->end, 0);
	atomic_store(&file->journal->begin, 0);
	bool done = true;
	if (torn.n > 0)
		done = append_recovered(file, torn, now_ms);
	else if (file->chain.seq == 0)
		done = append_opened(file, now_ms);
	done = done && append_again(file, (struct span){kept, rest.n});
	free(kept);
	return done;
}

static bool continue_chain(struct audit_file *file, const struct tail *tail, int64_t now_ms)
{
	struct span torn = tail->torn;
	if (tail->has_line) {
		file->chain = tail->line.at;
		chain_hash(tail->line.members, file->last_members);
	}
	struct span rest = journal_rest(file->journal, &file->chain);
	/* All but the newline of the last line was written. */
	bool lacks_newline = tail->text.n > 0 && torn.n == 0 && tail->text.p[tail->text.n - 1] != '\n';
	if (rest.n > 0 && !lacks_newline && resume(file, rest, torn))
		return true;
	if (lacks_newline && write(file->fd, "\n", 1) == 1)
		file->size++;
	else if (lacks_newline)
		return false;
	if (rest.n > 0 && torn.n == 0 && resume(file, rest, torn))
		return true;
	return start_anew(file, rest, torn, now_ms);
}

struct audit_file *audit_file_open(
	const char *path, struct audit_journal *journal, int64_t now_ms, struct state_error *error)
{
	struct audit_file *file = calloc(1, sizeof(*file));
	char *room = malloc(TAIL_BYTES);
	struct tail tail;
	bool opened = false;
	state_error_set(error, "the audit log %s can't be opened: out of memory", path);
	if (!file || !room)
		goto out;
	file->fd = -1;
	file->journal = journal;
	if (!open_log(file, path, error) || !read_tail(file, room, &tail, error))
		goto out;
	if (!audit_file_reserve(file) || !continue_chain(file, &tail, now_ms) ||
		!audit_file_write(file, now_ms) || !audit_file_sync(file))
		state_error_set(error, "the audit log %s can't be written: %s", path,
			strerror(file->failing ? file->failing_errno : errno));
	else
		opened = true;
out:
	free(room);
	if (!opened) {
		audit_file_close(file);
		file = NULL;
	}
	return file;
}
