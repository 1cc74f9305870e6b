/*
 * A rule set: rule files (YAML) loaded strictly and compiled once, immutable after that and shared by all
 * threads. A file that is wrong in any way loads nothing: unknown or duplicate key, wrong type, bad regex, a
 * regex that matches the empty string, a duplicate id, an example that does not do what it says.
 */
#ifndef PIPELOCK_SCAN_RULES_H
#define PIPELOCK_SCAN_RULES_H

#include "common/span.h"
#include "common/yaml.h"
#include "pipelock/scan/verdict.h"

/* What the world outside the engine may know of a rule. Strings live as long as the rule set. */
struct rule {
	const char *id;
	const char *description;
	const char *regex;
	enum rule_tier tier;
	enum severity severity;
	enum verdict action; /* after overrides; VERDICT_ALLOW: the rule is off */
	unsigned in;	     /* SCAN_BIT()s */
	const char *file;
	unsigned line;
	const char *const *belongs_to; /* host patterns (host_matches()), NULL-terminated */
};

/* The text of a rule file and the name that errors give it. Both need to live only for the call. */
struct rule_source {
	const char *name;
	struct span text;
};

/* From the configuration: `rule` is an id or a glob (* and ?). Later ones win. */
struct rule_override {
	const char *rule;
	enum verdict action;
	const char *file; /* where it stands, for errors */
	unsigned line, column;
};

struct ruleset;

/* Load and compile. NULL with *error set. An override whose glob names no rule is an error. */
struct ruleset *ruleset_load(const struct rule_source *sources, size_t source_count,
	const struct rule_override *overrides, size_t override_count, struct load_error *error);

/* The sources of the built-in sets. Static. */
const struct rule_source *ruleset_builtin_sources(size_t *count);

/* Shared by count of references; get and put may be called from any thread. */
struct ruleset *ruleset_get(struct ruleset *set);
void ruleset_put(struct ruleset *set);

size_t ruleset_count(const struct ruleset *set);
const struct rule *ruleset_rule(const struct ruleset *set, size_t index);

#endif
