/*
 * From names to values to fingerprints. No error repeats anything of a value.
 */
#include "pipelock/known_values.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>

/* The values while they are here. */
struct reading {
	struct known_value *values;
	const struct config_known **from; /* as the configuration has it */
	struct file_text *files;	  /* by value; empty when it is from somewhere else */
	size_t count;
};

bool known_values_are_named(const struct config *config)
{
	for (size_t i = 0; i < config->known_count; i++)
		if (config->known[i].action != VERDICT_ALLOW)
			return true;
	return false;
}

static void complain(const struct config *config, const struct config_known *known, const char *what,
	struct load_error *error)
{
	struct yaml_node place = {.file = config->file, .line = known->line, .column = known->column};
	yaml_error(&place, error, "%s:%s: %s", rule_tier_name(known->tier), known->name, what);
}

/* Editors end a file with a newline; it is no part of the secret. */
static struct span without_newline(struct span text)
{
	if (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n -= text.n > 1 && text.p[text.n - 2] == '\r' ? 2 : 1;
	return text;
}

static bool read_value(const struct config *config, const struct config_known *known, struct file_text *file,
	struct span *value, struct load_error *error)
{
	const char *text = known->env ? getenv(known->env) : known->value;
	if (known->file) {
		if (!config_read_secret(known->file, KNOWN_LONGEST + 2, file, error))
			return false;
		*value = without_newline((struct span){file->text, file->size});
		return true;
	}
	if (!text) {
		complain(config, known, "its variable is not set in the environment", error);
		return false;
	}
	*value = span_of(text);
	return true;
}

static bool read_all(const struct config *config, struct reading *reading, struct load_error *error)
{
	reading->values = calloc(config->known_count, sizeof(*reading->values));
	reading->from = calloc(config->known_count, sizeof(*reading->from));
	reading->files = calloc(config->known_count, sizeof(*reading->files));
	if (!reading->values || !reading->from || !reading->files) {
		load_error_set(error, "out of memory");
		return false;
	}
	for (size_t i = 0; i < config->known_count; i++) {
		const struct config_known *known = &config->known[i];
		if (known->action == VERDICT_ALLOW)
			continue;
		size_t at = reading->count++;
		reading->from[at] = known;
		reading->values[at] = (struct known_value){.tier = known->tier,
			.name = known->name,
			.action = known->action,
			.hosts = known->hosts,
			.line = known->line};
		if (!read_value(config, known, &reading->files[at], &reading->values[at].value, error))
			return false;
	}
	return true;
}

static void wipe(struct reading *reading)
{
	for (size_t i = 0; reading->files && i < reading->count; i++) {
		if (reading->files[i].text)
			OPENSSL_cleanse(reading->files[i].text, reading->files[i].size);
		free(reading->files[i].text);
		free(reading->files[i].name);
	}
	free(reading->values);
	free(reading->from);
	free(reading->files);
}

static struct known_set *build(
	const struct config *config, const struct reading *reading, struct load_error *error)
{
	uint8_t key[KNOWN_KEY_SIZE];
	struct known_set *set = NULL;
	const char *why = "there are no random numbers";
	size_t which = reading->count;
	if (RAND_bytes(key, sizeof(key)) == 1)
		set = known_set_build(
			reading->values, reading->count, config->file ? config->file : "", key, &which, &why);
	OPENSSL_cleanse(key, sizeof(key));
	if (!set && which < reading->count)
		complain(config, reading->from[which], why, error);
	else if (!set)
		load_error_set(error, "known_values and canaries: %s", why);
	return set;
}

bool known_values_load(const struct config *config, struct known_set **out, struct load_error *error)
{
	struct reading reading = {0};
	*out = NULL;
	if (!known_values_are_named(config))
		return true;
	if (read_all(config, &reading, error))
		*out = build(config, &reading, error);
	wipe(&reading);
	return *out != NULL;
}
