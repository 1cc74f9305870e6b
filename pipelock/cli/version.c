/* pipelock version: this program's version, and those of the libraries that read what agents send. */
#include "pipelock/cli/cli.h"

#include <event2/event.h>
#include <openssl/crypto.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <yaml.h>

struct library {
	const char *name, *version;
};

static int print_version(bool as_json)
{
	char pcre2[64] = "";
	pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
	const struct library libraries[] = {
		{"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
		{"libevent", event_get_version()},
		{"pcre2", pcre2},
		{"libyaml", yaml_get_version_string()},
	};
	struct json json;
	json_init(&json, 4096);
	json_open_object(&json);
	json_put_text(&json, "version", PIPELOCK_VERSION);
	json_key(&json, "libraries");
	json_open_object(&json);
	for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++)
		json_put_text(&json, libraries[i].name, libraries[i].version);
	json_close_object(&json);
	json_close_object(&json);
	if (as_json)
		return cli_print_json(&json);
	json_release(&json);
	printf("pipelock %s\n", PIPELOCK_VERSION);
	for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++)
		printf("  %-9s %s\n", libraries[i].name, libraries[i].version);
	return CLI_OK;
}

static int version(const struct cli_verb *verb, int argc, char **argv)
{
	static const struct option options[] = {CLI_OPTION_HELP, CLI_OPTION_CONFIG, CLI_OPTION_JSON, {0}};
	bool as_json = false;
	for (int c; (c = getopt_long(argc, argv, "hc:", options, NULL)) != -1;) {
		switch (c) {
		case OPTION_HELP:
			return cli_help(verb);
		case OPTION_CONFIG: /* every verb takes it */
			break;
		case OPTION_JSON:
			as_json = true;
			break;
		default:
			return cli_usage_error(verb, NULL);
		}
	}
	if (optind < argc)
		return cli_usage_error(verb, "unexpected argument '%s'", argv[optind]);
	return print_version(as_json);
}

const struct cli_verb cli_version = {
	.name = "version",
	.summary = "print the versions of pipelock and its libraries",
	.usage = "Usage: pipelock version [--json]\n"
		 "\n"
		 "Print the version of pipelock and of the libraries it runs with.\n"
		 "\n"
		 "      --json  as one JSON object\n"
		 "  -h, --help  this text\n",
	.run = version,
};
