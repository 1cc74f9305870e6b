/*
 * The process: its settings, its workers, and the orders that come over the control socket.
 */
#ifndef EGRESS_SERVICE_H
#define EGRESS_SERVICE_H

/* Serve until told to end. The descriptors are those of common/role.h; returns the exit status. */
int service_run(void);

#endif
