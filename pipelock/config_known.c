/*
 * Reads `known_values` and `canaries`. A secret itself never stands in the configuration, which the proxy
 * gets to see; a canary, which is none, may.
 */
#include "pipelock/config_known.h"

#include "common/url.h"
#include "pipelock/config_keys.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_NAME 64
#define MAX_HOSTS 256

static void read_name(struct config_known *known, struct yaml_node *mapping, struct load_error *error)
{
	struct yaml_node *node = yaml_get(mapping, "name");
	if (!yaml_read_string(node, &known->name, error))
		return;
	size_t n = node ? strlen(known->name) : 0;
	if (n == 0 || n > MAX_NAME ||
		known->name[strspn(known->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
						"0123456789._-")] != 0)
		yaml_error(node ? node : mapping, error,
			"expected a name of 1 to %d letters, digits, '.', '_' or '-'", MAX_NAME);
}

static void read_hosts(struct config_known *known, struct yaml_node *list, struct load_error *error)
{
	if (!list || !yaml_expect(list, YAML_SEQUENCE, error))
		return;
	if (list->count == 0 || list->count > MAX_HOSTS) {
		yaml_error(list, error, "expected 1 to %d hosts", MAX_HOSTS);
		return;
	}
	known->hosts = calloc(list->count + 1, sizeof(*known->hosts));
	if (!known->hosts)
		load_error_set(error, "out of memory");
	for (size_t i = 0; known->hosts && i < list->count; i++) {
		struct host host;
		if (!yaml_read_string(list->items[i], &known->hosts[i], error))
			return;
		const char *text = known->hosts[i], *name = strncmp(text, "*.", 2) == 0 ? text + 2 : text;
		if (!host_parse(span_of(name), &host) || strcmp(host.text, name) != 0)
			yaml_error(list->items[i], error,
				"expected a host in lower case, or *. and one (a secret can't belong "
				"everywhere)");
	}
}

static void read_env(struct config_known *known, struct yaml_node *node, struct load_error *error)
{
	if (yaml_read_string(node, &known->env, error) && node &&
		(known->env[0] == 0 || strchr(known->env, '=')))
		yaml_error(node, error, "expected the name of a variable of the environment");
}

/* Both read where the value comes from; true: from exactly one place. */
static bool read_known_value(struct config *config, struct config_known *known, struct yaml_node *mapping,
	struct load_error *error)
{
	struct yaml_node *env = yaml_get(mapping, "env"), *file = yaml_get(mapping, "file");
	read_env(known, env, error);
	known->file = config_read_path(config, file, error);
	read_hosts(known, yaml_get(mapping, "hosts"), error);
	return !env != !file;
}

static bool read_canary(struct config_known *known, struct yaml_node *mapping, struct load_error *error)
{
	struct yaml_node *env = yaml_get(mapping, "env"), *value = yaml_get(mapping, "value");
	read_env(known, env, error);
	yaml_read_string(value, &known->value, error);
	return !env != !value;
}

static void check_name(const struct config *config, struct yaml_node *mapping, struct load_error *error)
{
	const struct config_known *last = &config->known[config->known_count - 1];
	for (const struct config_known *other = config->known; other < last && !error->set; other++)
		if (other->tier == last->tier && strcmp(other->name, last->name) == 0)
			yaml_error(mapping, error, "the name '%s' stands twice; first on line %u", last->name,
				other->line);
}

static void read_list(
	struct config *config, struct yaml_node *list, enum rule_tier tier, struct load_error *error)
{
	for (size_t i = 0; list && i < list->count && !error->set; i++) {
		struct yaml_node *mapping = list->items[i];
		if (!yaml_expect(mapping, YAML_MAPPING, error))
			return;
		struct config_known *known = &config->known[config->known_count++];
		known->tier = tier;
		known->line = mapping->line;
		known->column = mapping->column;
		read_name(known, mapping, error);
		bool is_canary = tier == TIER_CANARY;
		bool one = is_canary ? read_canary(known, mapping, error)
				     : read_known_value(config, known, mapping, error);
		yaml_reject_unknown(mapping, error);
		if (!one)
			yaml_error(mapping, error,
				is_canary ? "a canary has value or env, one of them"
					  : "a known value is read from env or from file, one of them");
		if (!error->set)
			check_name(config, mapping, error);
	}
}

/* An id is "known:NAME" or "canary:NAME". No rule's id has a colon, so a pattern with one is for these. */
static void apply_override(
	struct config *config, const struct rule_override *override, struct load_error *error)
{
	bool used = false;
	for (size_t i = 0; i < config->known_count; i++) {
		struct config_known *known = &config->known[i];
		char id[MAX_NAME + 10];
		snprintf(id, sizeof(id), "%s:%s", rule_tier_name(known->tier), known->name);
		if (fnmatch(override->rule, id, FNM_NOESCAPE) != 0)
			continue;
		known->action = override->action;
		used = true;
	}
	struct yaml_node place = {.file = override->file, .line = override->line, .column = override->column};
	if (!used && strchr(override->rule, ':'))
		yaml_error(
			&place, error, "no known value and no canary has an id like \"%s\"", override->rule);
}

void config_known_read(struct config *config, struct yaml_node *known_values, struct yaml_node *canaries,
	struct load_error *error)
{
	if (!yaml_expect(known_values, YAML_SEQUENCE, error) || !yaml_expect(canaries, YAML_SEQUENCE, error))
		return;
	size_t count = (known_values ? known_values->count : 0) + (canaries ? canaries->count : 0);
	if (count > KNOWN_MAX_VALUES) {
		load_error_set(error, "more than %u known values and canaries", KNOWN_MAX_VALUES);
		return;
	}
	config->known = calloc(count + 1, sizeof(*config->known));
	if (!config->known) {
		load_error_set(error, "out of memory");
		return;
	}
	read_list(config, known_values, TIER_KNOWN, error);
	read_list(config, canaries, TIER_CANARY, error);
	for (size_t i = 0; i < config->override_count && !error->set; i++)
		apply_override(config, &config->overrides[i], error);
}

void config_known_free(struct config *config)
{
	for (size_t i = 0; i < config->known_count; i++) {
		free(config->known[i].file);
		free(config->known[i].hosts);
	}
	free(config->known);
	config->known = NULL;
	config->known_count = 0;
}
