/*
 * Key files. A half written key must never be seen under its name, and a file that somebody else could have
 * written or read is not our key: both are refused with a sentence that says what to do.
 */
#include "pipelock/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void state_error_set(struct state_error *error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
}

int state_folder_open(const char *path, struct state_error *error)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) != 0) {
		state_error_set(error, "the state folder %s can't be opened: %s", path, strerror(errno));
	} else if (status.st_uid != geteuid()) {
		state_error_set(error,
			"the state folder %s belongs to user %u, not to the one who runs pipelock (%u)", path,
			status.st_uid, geteuid());
	} else if (status.st_mode & (S_IWGRP | S_IWOTH)) {
		state_error_set(
			error, "others may write to the state folder %s; do `chmod go-w %s`", path, path);
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool may_be_trusted(int fd, const char *name, bool secret, struct state_error *error)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		state_error_set(error, "%s in the state folder can't be examined: %s", name, strerror(errno));
	else if (!S_ISREG(status.st_mode))
		state_error_set(error, "%s in the state folder is not a plain file", name);
	else if (status.st_uid != geteuid() && status.st_uid != 0)
		state_error_set(
			error, "%s in the state folder belongs to another user (%u)", name, status.st_uid);
	else if (status.st_mode & (S_IWGRP | S_IWOTH))
		state_error_set(
			error, "others may write %s in the state folder; it can't be trusted any more", name);
	else if (secret && status.st_mode & (S_IRGRP | S_IROTH))
		state_error_set(error,
			"others may read %s in the state folder; it is a secret no longer: remove it for a "
			"new one",
			name);
	else
		return true;
	return false;
}

ssize_t state_file_read(
	int folder_fd, const char *name, bool secret, char *out, size_t room, struct state_error *error)
{
	int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0) {
		state_error_set(error, "%s in the state folder can't be opened: %s", name, strerror(errno));
		return -1;
	}
	ssize_t size = -1;
	if (may_be_trusted(fd, name, secret, error)) {
		size = pread(fd, out, room, 0);
		char more;
		if (size < 0 || pread(fd, &more, 1, (off_t)room) > 0) {
			state_error_set(
				error, "%s in the state folder can't be read, or is far too large", name);
			size = -1;
		}
	}
	close(fd);
	return size;
}

static bool write_durably(int fd, struct span content)
{
	while (content.n > 0) {
		ssize_t n = write(fd, content.p, content.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		content.p += n;
		content.n -= (size_t)n;
	}
	return fsync(fd) == 0;
}

bool state_file_create(
	int folder_fd, const char *name, mode_t mode, struct span content, struct state_error *error)
{
	char temporary[64];
	snprintf(temporary, sizeof(temporary), ".%s.%ld", name, (long)getpid());
	unlinkat(folder_fd, temporary, 0); /* of a start that was killed */
	int fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	/* fchmod: the mode is exact, whatever the umask. RENAME_NOREPLACE by linkat(): a key that is there is
	 * never replaced. */
	bool made = fd >= 0 && fchmod(fd, mode) == 0 && write_durably(fd, content) &&
		    linkat(folder_fd, temporary, folder_fd, name, 0) == 0;
	if (!made)
		state_error_set(error, "%s can't be made in the state folder: %s", name, strerror(errno));
	if (fd >= 0) {
		close(fd);
		unlinkat(folder_fd, temporary, 0);
	}
	/* The name is durable with the folder. */
	if (made)
		fsync(folder_fd);
	return made;
}
