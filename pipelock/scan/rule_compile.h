/*
 * One rule's regex made ready: compiled by PCRE2 with JIT, its anchors taken out, tried against floods.
 */
#ifndef PIPELOCK_SCAN_RULE_COMPILE_H
#define PIPELOCK_SCAN_RULE_COMPILE_H

#include "pipelock/scan/engine.h"

/* A regex that can't be used: why, and at which octet of it (SIZE_MAX: the whole). */
struct regex_problem {
	char text[256];
	size_t offset;
};

/* Compile rule->shown.regex. `literals`, when there are any, replace what the parser finds. false with
 * *problem. */
bool rule_compile(struct compiled_rule *rule, const struct span *literals, size_t literal_count,
	struct regex_problem *problem);
void rule_release(struct compiled_rule *rule);

/* lint.c: sets rule->call_work. false with *problem when a text of a few KiB makes the rule take more steps
 * than a linear one would. */
bool rule_lint(struct compiled_rule *rule, const struct regex *regex, struct regex_problem *problem);

#endif
