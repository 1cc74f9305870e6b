/*
 * The routes of a configuration: read out of YAML, checked alone and against each other.
 */
#ifndef PIPELOCK_CONFIG_ROUTES_H
#define PIPELOCK_CONFIG_ROUTES_H

#include "pipelock/config.h"

/* Fill config->routes from the list (NULL: none). On failure *error is set; what was filled is freed all the
 * same. */
void config_routes_read(struct config *config, struct yaml_node *list, struct load_error *error);
void config_routes_free(struct config *config);

/* One of the actions that a rule's match can be given: block, warn or allow. Those of later versions are told
 * apart. */
bool config_read_verdict(struct yaml_node *node, enum verdict *out, struct load_error *error);

#endif
