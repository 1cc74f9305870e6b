/*
 * Reads the known values and canaries of a configuration, and makes the set out of them that the proxy gets.
 * The supervisor and the command line alone do it: no role ever sees a value.
 */
#ifndef PIPELOCK_KNOWN_VALUES_H
#define PIPELOCK_KNOWN_VALUES_H

#include "pipelock/config.h"

/* Does the configuration name values that are looked for (an override may have switched all of them off)? */
bool known_values_are_named(const struct config *config);

/* Read them from environment and files, make the set under a new random key, wipe what was read. *out is NULL
 * when none is named. false with *error set: a variable that is not set, a file that others may read, a value
 * that can't be looked for. */
bool known_values_load(const struct config *config, struct known_set **out, struct load_error *error);

#endif
