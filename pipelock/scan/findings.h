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

/*
 * As findings_add(), of pieces put together. It counts once, and not at all where its rule has found
 * something in this part already; in a URL only where that is the same value or place, which then grows to
 * hold both. Who calls knows whether it is at home.
 */
bool findings_add_joined(struct findings *out, const struct compiled_rule *rule, const struct found *found,
	const uint8_t key[SCAN_FINGERPRINT_KEY_SIZE], bool *added);
/* The same of what stands in another table. true: something now stands in *out that did not before. */
bool findings_take_joined(struct findings *out, const struct finding *finding);

/* The rule that a finding is of. */
const struct compiled_rule *findings_rule(const struct finding *finding);

/* A secret in this field, on its way to this host, is where it belongs. */
bool findings_is_at_home(const struct compiled_rule *rule, const struct scan_target *target);

/* In values that were joined, digits of one and digits of the next make numbers that nobody wrote: a rule has
 * to look for a letter at least, in one case or either. */
bool findings_rule_has_letters(const struct compiled_rule *rule);

void findings_set_unscannable(struct findings *out, enum scan_part part, const char *reason);

#endif
