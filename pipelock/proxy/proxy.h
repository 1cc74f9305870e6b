/*
 * The proxy role: accepts agents, holds their requests against the rules, talks to nobody but them and egress
 * on loopback. It resolves no name, opens no file once it is up, and holds no key but that of its leafs.
 */
#ifndef PIPELOCK_PROXY_PROXY_H
#define PIPELOCK_PROXY_PROXY_H

/* The whole life of the role; the exit code comes back. */
int proxy_main(void);

#endif
