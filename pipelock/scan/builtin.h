/*
 * The rule files that are part of the program. The array is generated from rules/ by rules/embed.sh at build
 * time.
 */
#ifndef PIPELOCK_SCAN_BUILTIN_H
#define PIPELOCK_SCAN_BUILTIN_H

#include <stddef.h>

struct builtin_rule_file {
	const char *name;  /* "builtin:secrets.yaml" */
	const char *begin; /* YAML text, not terminated: it ends before `end` */
	const char *end;
};

extern const struct builtin_rule_file builtin_rule_files[];
extern const size_t builtin_rule_file_count;

#endif
