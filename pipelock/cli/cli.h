/*
 * The command line: one file a verb, one table of them in main.c, and what they share. Results go to stdout,
 * complaints to stderr. Exit codes: 0 done (check: allow), 1 check: block, 2 could not be done.
 */
#ifndef PIPELOCK_CLI_CLI_H
#define PIPELOCK_CLI_CLI_H

#include "common/json.h"
#include "pipelock/config.h"

#include <getopt.h>

enum cli_exit { CLI_OK = 0, CLI_BLOCK = 1, CLI_ERROR = 2 };

struct cli_verb {
	const char *name;
	const char *summary; /* one line, for the list of verbs */
	const char *usage;   /* what --help prints */
	/* argv[0] is the program's name; the exit code comes back. */
	int (*run)(const struct cli_verb *verb, int argc, char **argv);
};

extern const struct cli_verb cli_run, cli_check, cli_ca, cli_env, cli_version;

/* Options that several verbs have; those of one verb alone count from OPTION_OWN. */
enum { OPTION_HELP = 'h', OPTION_CONFIG = 'c', OPTION_JSON = 256, OPTION_OWN };
#define CLI_OPTION_HELP                                                                                      \
	{                                                                                                    \
		"help", no_argument, NULL, OPTION_HELP                                                       \
	}
#define CLI_OPTION_CONFIG                                                                                    \
	{                                                                                                    \
		"config", required_argument, NULL, OPTION_CONFIG                                             \
	}
#define CLI_OPTION_JSON                                                                                      \
	{                                                                                                    \
		"json", no_argument, NULL, OPTION_JSON                                                       \
	}

/* Print the verb's usage to stdout. CLI_OK. */
int cli_help(const struct cli_verb *verb);

/* "pipelock VERB: <text>; see 'pipelock VERB --help'" to stderr. CLI_ERROR. The format may be NULL:
 * getopt_long() has said what is wrong. */
int cli_usage_error(const struct cli_verb *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* "pipelock: <text>" to stderr, of any length. CLI_ERROR. */
int cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* May stdout be coloured? It is a terminal, and nobody set NO_COLOR (no-color.org). */
bool cli_has_colour(void);

/* Print the text of a JSON writer as a line, and release it. CLI_OK, or CLI_ERROR when it failed. */
int cli_print_json(struct json *json);

/* A configuration with all that it came from. Zeroed: none. */
struct cli_policy {
	struct config_overrides overrides;
	struct file_text file; /* empty: embedded defaults */
	char *folder;	       /* absolute; NULL: embedded defaults */
	struct config *config;
};

/* Load it from `file` (NULL: the embedded defaults) and the environment. listen: --listen, or NULL. On
 * failure says why and gives false; to be released either way. */
bool cli_policy_load(struct cli_policy *policy, const char *file, const char *listen);
void cli_policy_release(struct cli_policy *policy);

/* Read the rule files of a configuration and compile them; *texts as config_read_rules() gives them, to be
 * released either way. NULL with the reason said. */
struct ruleset *cli_rules_load(const struct config *config, struct file_texts *texts);

/* Read the known values and canaries that a configuration names; *out as known_values_load() gives it. false
 * with the reason said. */
bool cli_known_load(const struct config *config, struct known_set **out);

#endif
