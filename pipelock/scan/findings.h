/*
 * From a match to a finding: validators, allow-list, where the secret is at home, fingerprint, and the table.
 */
#ifndef PIPELOCK_SCAN_FINDINGS_H
#define PIPELOCK_SCAN_FINDINGS_H

#include "pipelock/scan/engine.h"

/* Where a match was found, in terms of what the caller gave. */
struct found {
	enum scan_part part;
	enum scan_view view;
	const struct scan_target *target; /* may be NULL */
	uint64_t offset, length;
	struct span secret;
};

/*
 * false: the match is none (a validator or the allow-list says so). true: it was added to *out, counted
 * again, or is at home where it goes. *added: something now stands in *out that did not before.
 */
bool findings_add(struct findings *out, const struct compiled_rule *rule, const struct found *found,
	const uint8_t key[SCAN_FINGERPRINT_KEY_SIZE], bool *added);

/* Would it be one? Nothing is added. */
bool findings_would_add(const struct compiled_rule *rule, const struct found *found);

/* Of what was added, more has come: its extent grows. */
void findings_widen(struct findings *out, const struct compiled_rule *rule, const struct found *found,
	const uint8_t key[SCAN_FINGERPRINT_KEY_SIZE]);

void findings_set_unscannable(struct findings *out, enum scan_part part, const char *reason);

#endif
