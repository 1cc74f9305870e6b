/*
 * The table of all keys of the configuration file: what the loader reads simple values with, and what
 * docs/configuration.md and pipelock.yaml(5) must say (a test compares them).
 */
#ifndef PIPELOCK_CONFIG_KEYS_H
#define PIPELOCK_CONFIG_KEYS_H

#include "pipelock/config.h"

enum config_type {
	CONFIG_OTHER, /* read by code of its own: `kind` says how it looks */
	CONFIG_BOOL,
	CONFIG_INTEGER,
	CONFIG_BYTES,
	CONFIG_DURATION,
};

struct config_key {
	const char *group; /* "timeouts", "routes[]", ...; NULL for the top level */
	const char *name;
	const char *kind;     /* its type, in words */
	const char *fallback; /* the default as it would stand in the file; NULL when there is none */
	const char *meaning;  /* one sentence, Markdown */
	enum config_type type;
	size_t offset; /* in struct config, for all types but OTHER: a bool, unsigned or uint64_t */
	size_t size;
	uint64_t min, max;
};

const struct config_key *config_keys(size_t *count);

/* Set all simple values to their defaults. false: a default in the table is wrong (a test proves that none
 * is). */
bool config_keys_set_defaults(struct config *config, struct load_error *error);

/* An absolute path out of one in the file, to be freed. NULL: none is given, or *error was set. */
char *config_read_path(const struct config *config, struct yaml_node *node, struct load_error *error);

/* Read the simple values of a group out of its mapping (NULL: none is there). */
void config_keys_read(
	struct config *config, const char *group, struct yaml_node *mapping, struct load_error *error);

#endif
