/*
 * Values that the operator named: secrets and canaries. Looked for as they stand, octet by octet: a value of
 * 16 octets and more as a whole and in every part of 16 octets, a shorter one (8 and more) as a whole.
 *
 * A set holds no value, only keyed fingerprints of it: a few bits of each window in a filter, SipHash-2-4 to
 * find it, HMAC-SHA256 to be sure. None of them can be rolled from one window to the next: hashes that can
 * are equations, and a row of them gives the value back. What stays true of any such set: who has it with its
 * key, and knows 16 octets of a value, can guess the next one, and so on. So it is kept as a secret, too.
 *
 * Pure. A set never changes and may be shared by threads.
 */
#ifndef PIPELOCK_SCAN_KNOWN_H
#define PIPELOCK_SCAN_KNOWN_H

#include "pipelock/scan/rules.h"

#include <stdint.h>

#define KNOWN_WINDOW 16u
#define KNOWN_SHORTEST 8u
#define KNOWN_LONGEST 16384u
#define KNOWN_MAX_VALUES 1000u
#define KNOWN_KEY_SIZE 32

/* One value, for known_set_build(); all borrowed for the call. */
struct known_value {
	enum rule_tier tier; /* TIER_KNOWN or TIER_CANARY */
	const char *name;    /* 1 to 64 of letters, digits, '.', '_' and '-' */
	enum verdict action; /* VERDICT_BLOCK or VERDICT_WARN */
	const char *const
		*hosts; /* where it is at home (rule's belongs_to), NULL-terminated; NULL: nowhere */
	unsigned line;	/* where it is named */
	struct span value;
};

struct known_set;
struct compiled_rule;

/*
 * `key` is random and new in each run; `file` is where the values are named. The caller wipes both the values
 * and the key. NULL: *why says it (static) of values[*which]; *which is `count` when it concerns no single
 * one.
 */
struct known_set *known_set_build(const struct known_value *values, size_t count, const char *file,
	const uint8_t key[KNOWN_KEY_SIZE], size_t *which, const char **why);
/* Its octets, for another process on this machine; they live as long as the set. */
struct span known_set_octets(const struct known_set *set);
/* A set out of such octets, which are copied. NULL: malformed, or out of memory. */
struct known_set *known_set_read(struct span octets);
void known_set_free(struct known_set *set);

size_t known_set_count(const struct known_set *set);
/* What a finding of a value says: id "known:NAME" or "canary:NAME". Lives as long as the set. */
const struct compiled_rule *known_set_rule(const struct known_set *set, size_t value);

/* What was found, in octets from the begin of the text. */
struct known_match {
	size_t value;
	uint64_t begin, end;
	bool again;	    /* told before, when less of it had come */
	struct span secret; /* the first window of it: the same for each place where the value stands whole */
};
typedef void known_found(void *arg, const struct known_match *match);

/* One text on its way. Holds its last octets: the owner wipes it. */
struct known_matcher {
	const struct known_set *set;
	uint64_t fed;
	uint64_t work; /* units of about a nanosecond, as in search.h */
	unsigned char tail[KNOWN_WINDOW - 1];
	size_t tail_n;
	uint32_t confirmed; /* entry that needs no second look; 1 more than its index */
	/* windows that follow one another */
	bool open, sure, told, grown;
	uint32_t value;
	uint64_t begin, end;
	unsigned char first[KNOWN_WINDOW];
	known_found *found; /* of the call in progress */
	void *arg;
};

/* A text begins. `set` is borrowed for the matcher's life. */
void known_begin(struct known_matcher *m, const struct known_set *set);
/* Its next octets. Whatever ends in them is told before this returns. */
void known_feed(struct known_matcher *m, struct span octets, known_found *found, void *arg);

/* How many of the last octets fed may be the begin of something that is not whole yet. */
static inline size_t known_lag(const struct known_matcher *m)
{
	return m->tail_n;
}

#endif
