/* What the verbs share: complaints, colour, and loading a configuration with the environment that overrides
 * it. */
#include "pipelock/cli/cli.h"

#include "pipelock/known_values.h"

#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- words */

int cli_help(const struct cli_verb *verb)
{
	fputs(verb->usage, stdout);
	return CLI_OK;
}

int cli_usage_error(const struct cli_verb *verb, const char *format, ...)
{
	if (format) {
		va_list args;
		va_start(args, format);
		fprintf(stderr, "pipelock %s: ", verb->name);
		vfprintf(stderr, format, args);
		fputc('\n', stderr);
		va_end(args);
	}
	fprintf(stderr, "See 'pipelock %s --help'.\n", verb->name);
	return CLI_ERROR;
}

int cli_error(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("pipelock: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return CLI_ERROR;
}

bool cli_has_colour(void)
{
	const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
	return isatty(STDOUT_FILENO) && !(no_colour && no_colour[0]) &&
	       !(terminal && strcmp(terminal, "dumb") == 0);
}

int cli_print_json(struct json *json)
{
	struct span text = json_text(json);
	bool failed = json->failed;
	if (!failed)
		printf("%.*s\n", SPAN_ARG(text));
	json_release(json);
	return failed ? cli_error("out of memory") : CLI_OK;
}

/* ---- policy */

static struct config_overrides overrides_of_environment(const char *listen)
{
	return (struct config_overrides){
		.listen = listen ? listen : getenv("PIPELOCK_LISTEN"),
		.egress_host = getenv("EGRESS_LISTEN_HOST"),
		.egress_port = getenv("EGRESS_LISTEN_PORT"),
		.state_home = getenv("XDG_STATE_HOME"),
		.home = getenv("HOME"),
	};
}

/* The absolute folder that a file lies in, to be freed; links are followed up to it. NULL with errno. */
static char *folder_of(const char *file)
{
	char *copy = strdup(file);
	char *folder = copy ? realpath(dirname(copy), NULL) : NULL;
	free(copy);
	return folder;
}

static bool read_policy_file(struct cli_policy *policy, const char *file)
{
	struct load_error error = {0};
	if (!config_read_file(file, CONFIG_MAX_BYTES, &policy->file, &error)) {
		cli_error("%s", error.text);
		return false;
	}
	policy->folder = folder_of(file);
	if (!policy->folder)
		cli_error("%s: %s", file, strerror(errno));
	return policy->folder != NULL;
}

bool cli_policy_load(struct cli_policy *policy, const char *file, const char *listen)
{
	struct load_error error = {0};
	*policy = (struct cli_policy){.overrides = overrides_of_environment(listen)};
	if (listen && !listen[0]) {
		cli_error("--listen: expected ADDRESS:PORT, such as 127.0.0.1:8888");
		return false;
	}
	if (file && !read_policy_file(policy, file))
		return false;
	policy->config = config_load(policy->file.name, policy->folder,
		(struct span){policy->file.text, policy->file.size}, &policy->overrides, &error);
	if (!policy->config)
		cli_error("%s", error.text);
	return policy->config != NULL;
}

void cli_policy_release(struct cli_policy *policy)
{
	config_free(policy->config);
	free(policy->file.name);
	free(policy->file.text);
	free(policy->folder);
	*policy = (struct cli_policy){0};
}

static struct ruleset *compile_rules(
	const struct config *config, const struct file_texts *texts, struct load_error *error)
{
	size_t count = texts->count;
	if (count == 0) {
		const struct rule_source *builtin = ruleset_builtin_sources(&count);
		return ruleset_load(builtin, count, config->overrides, config->override_count, error);
	}
	struct rule_source *sources = calloc(count, sizeof(*sources));
	if (!sources) {
		load_error_set(error, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		sources[i] = (struct rule_source){
			.name = texts->items[i].name, .text = {texts->items[i].text, texts->items[i].size}};
	struct ruleset *set = ruleset_load(sources, count, config->overrides, config->override_count, error);
	free(sources);
	return set;
}

struct ruleset *cli_rules_load(const struct config *config, struct file_texts *texts)
{
	struct load_error error = {0};
	struct ruleset *set = NULL;
	if (config_read_rules(config, texts, &error))
		set = compile_rules(config, texts, &error);
	if (!set)
		cli_error("%s", error.text);
	return set;
}

bool cli_known_load(const struct config *config, struct known_set **out)
{
	struct load_error error = {0};
	if (known_values_load(config, out, &error))
		return true;
	cli_error("%s", error.text);
	return false;
}
