/*
 * Makes and maps the health page and the journal.
 */
#include "pipelock/health.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_OFFSET 65536 /* a multiple of every page size */
#define TOTAL_SIZE ((off_t)(JOURNAL_OFFSET + sizeof(struct audit_journal)))

int health_create(int *fd, int *readonly_fd)
{
	char path[32];
	*readonly_fd = -1;
	*fd = memfd_create("pipelock-health", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return -errno;
	/* Nobody can make it shorter, so no reader ever dies of SIGBUS. */
	if (ftruncate(*fd, TOTAL_SIZE) == 0 &&
		fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
		*readonly_fd = open(path, O_RDONLY | O_CLOEXEC);
		/* Who has that one can't open it again for writing. */
		if (*readonly_fd >= 0 && fchmod(*fd, S_IRUSR) == 0)
			return 0;
	}
	int error = errno;
	close(*fd);
	if (*readonly_fd >= 0)
		close(*readonly_fd);
	*fd = *readonly_fd = -1;
	return -error;
}

bool health_map(int fd, struct audit_health **health, struct audit_journal **journal)
{
	struct stat status;
	if (fstat(fd, &status) != 0 || status.st_size != TOTAL_SIZE)
		return false;
	char *memory = mmap(NULL, (size_t)TOTAL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return false;
	*health = (struct audit_health *)memory;
	*journal = (struct audit_journal *)(memory + JOURNAL_OFFSET);
	return true;
}
