/*
 * One rule file's document: {version: 1, rules: [...]}, as docs/rules.md describes it.
 */
#ifndef PIPELOCK_SCAN_RULE_FILE_H
#define PIPELOCK_SCAN_RULE_FILE_H

#include "pipelock/scan/rule_compile.h"

/* Append the file's rules to the set, compiled. false with *error. */
bool rule_file_read(struct ruleset *set, struct yaml_node *root, struct load_error *error);

/* Run the examples of the file's rules; the engines are built. false with *error. */
bool rule_file_run_examples(struct ruleset *set, struct yaml_node *root, struct load_error *error);

#endif
