/*
 * The memory that outlives each keeper: the health page that every role reads, and behind it the keeper's
 * journal. The supervisor makes it and gives the others a descriptor that can't be written through.
 */
#ifndef PIPELOCK_HEALTH_H
#define PIPELOCK_HEALTH_H

#include "common/keeper.h"
#include "pipelock/audit/file.h"

/* Make the memfd, zeroed. *readonly_fd is the same for reading alone. Both close-on-exec. 0, or -errno. */
int health_create(int *fd, int *readonly_fd);

/* Map both parts for writing. false: not such a memfd. */
bool health_map(int fd, struct audit_health **health, struct audit_journal **journal);

#endif
