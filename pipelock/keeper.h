/*
 * The keeper: the one role that holds keys and the audit log. It owns no network socket and reads nothing
 * that an agent or an origin wrote but through records and names that the proxy hands over (common/keeper.h).
 */
#ifndef PIPELOCK_KEEPER_H
#define PIPELOCK_KEEPER_H

/* The whole life of the role; the exit code comes back. */
int keeper_main(void);

#endif
