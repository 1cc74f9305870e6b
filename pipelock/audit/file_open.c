/*
 * Opens the log and makes it whole: a chain goes on only from a line that holds. What a crash left after that
 * line stays in the file as evidence, and the next line accounts for it. Lines that the last keeper did not
 * get into the file are in the journal, and come first.
 */
#include "pipelock/audit/file_internal.h"

#include "common/json.h"
#include "pipelock/audit/time.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAIL_BYTES (256 * 1024) /* more than any two lines */
#define MAX_TORN_TEXT 4096	/* octets of a torn line that are told */

/* What the end of the file holds. Spans point into the tail that was read. */
struct tail {
	struct span text;
	bool has_line;
	struct chain_line line; /* the last line that holds */
	struct span torn;	/* what follows its newline; or no newline follows it: then that is missing */
	bool lacks_newline;
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

/* Take the tail apart. A whole line that does not hold is not what a crash leaves: false. */
static bool find_last_line(struct tail *tail)
{
	struct span text = tail->text;
	const char *newline = text.n ? memrchr(text.p, '\n', text.n) : NULL;
	size_t whole = newline ? (size_t)(newline - text.p) : 0;
	tail->torn = newline ? (struct span){newline + 1, text.n - whole - 1} : text;
	/* A line of which all but the newline was written. */
	if (tail->torn.n > 0 && chain_parse(tail->torn, &tail->line)) {
		tail->torn = (struct span){0};
		tail->has_line = tail->lacks_newline = true;
		return true;
	}
	if (!newline)
		return true;
	const char *before = memrchr(text.p, '\n', whole);
	const char *first = before ? before + 1 : text.p;
	tail->has_line = chain_parse((struct span){first, (size_t)(newline - first)}, &tail->line);
	return tail->has_line;
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
	if (find_last_line(tail) &&
		(tail->has_line || n == 0 || (n < TAIL_BYTES && is_torn_first_line(tail->text))))
		return true;
	state_error_set(error,
		"%s does not end like an audit log of pipelock, or its last line was changed; move it away, "
		"or name "
		"another file",
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

/* Cut the torn line off; the next one says what it was. */
static bool append_recovered(struct audit_file *file, struct span torn, int64_t now_ms)
{
	char time[AUDIT_TIME_SIZE];
	struct json members;
	json_init(&members, 16 * MAX_TORN_TEXT);
	json_put_text(&members, "time", audit_time_format(now_ms, time));
	json_put_text(&members, "event", "log_recovered");
	json_put_number(&members, "torn_bytes", torn.n);
	json_put_string(
		&members, "torn", (struct span){torn.p, torn.n < MAX_TORN_TEXT ? torn.n : MAX_TORN_TEXT});
	/* First told, then cut. */
	bool done = audit_file_append(file, "keeper", json_text(&members)) &&
		    ftruncate(file->fd, file->size - (off_t)torn.n) == 0;
	if (done)
		file->size -= (off_t)torn.n;
	json_release(&members);
	return done;
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
		chain_hash(line.members, file->last_members);
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
	if (tail->has_line) {
		file->chain = tail->line.at;
		chain_hash(tail->line.members, file->last_members);
	}
	if (tail->lacks_newline) {
		if (write(file->fd, "\n", 1) != 1)
			return false;
		file->size++;
	}
	struct span rest = journal_rest(file->journal, &file->chain);
	if (rest.n > 0 && resume(file, rest, tail->torn))
		return true;
	return start_anew(file, rest, tail->torn, now_ms);
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
