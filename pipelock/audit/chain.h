/*
 * The chain of the audit log: each line names its number and the hash of the line before it, and ends with
 * its own hash. Pure. docs/log.md has the definition, and a verifier in Python that a test runs.
 *
 *   {"v":1,"seq":N,"role":"ROLE",MEMBERS,"prev":"HEX","hash":"HEX"}\n
 *
 * hash: SHA-256 over the line from '{' up to and excluding ,"hash":  ·  prev of the first line: 64 zeros.
 */
#ifndef PIPELOCK_AUDIT_CHAIN_H
#define PIPELOCK_AUDIT_CHAIN_H

#include "common/span.h"

#include <stdint.h>

#define CHAIN_HASH_SIZE 32
#define CHAIN_OVERHEAD 256 /* octets that a line has beside its members, at most, with its newline */

/* Where a chain stands. Zeroed: before its first line. */
struct chain {
	uint64_t seq; /* of the last line; the first is 1 */
	uint8_t hash[CHAIN_HASH_SIZE];
};

/*
 * Render the next line into out[0..room) with its newline, and step on. role: [a-z]+. members: of one JSON
 * object, without braces. The line's length; 0, and nothing changed, when members is empty, holds a control
 * octet, or there is no room.
 */
size_t chain_append(struct chain *chain, const char *role, struct span members, char *out, size_t room);

/* One line, taken apart; spans point into it. */
struct chain_line {
	struct chain at; /* where the chain stands after it */
	uint8_t prev[CHAIN_HASH_SIZE];
	struct span role, members;
};

/* line: without its newline. false: not such a line, or its hash is not that of its octets. */
bool chain_parse(struct span line, struct chain_line *out);

/* Does the line come right after where the chain stands? */
bool chain_follows(const struct chain *chain, const struct chain_line *line);

void chain_hash(struct span octets, uint8_t out[CHAIN_HASH_SIZE]);
/* out: 2 n hex digits and a NUL. */
void chain_hex(const uint8_t *octets, size_t n, char *out);

#endif
