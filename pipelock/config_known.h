/*
 * What the configuration says of known values and canaries: names, where each is read from, where it is at
 * home. The values themselves are read by known_values.c, and by the supervisor alone.
 */
#ifndef PIPELOCK_CONFIG_KNOWN_H
#define PIPELOCK_CONFIG_KNOWN_H

#include "pipelock/config.h"

/* Fill config->known from the two lists (each may be NULL), and give each the action that the last override
 * for its id says; so config->overrides has to be there. On failure *error is set; what was filled is freed
 * all the same. */
void config_known_read(struct config *config, struct yaml_node *known_values, struct yaml_node *canaries,
	struct load_error *error);
void config_known_free(struct config *config);

#endif
