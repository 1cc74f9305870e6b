/*
 * pipelock run: the proxy and egress, in the foreground. All that a file can say wrong is found here, before
 * anything is started.
 */
#include "pipelock/cli/cli.h"
#include "pipelock/supervisor.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * In a shell that had `eval "$(pipelock env)"` the variable names our own CA, which signs no origin's
 * certificate: egress would trust nobody.
 */
static void drop_own_certificate(const struct config *config)
{
	const char *name = getenv("SSL_CERT_FILE");
	size_t n = strlen(config->state);
	if (!name || strncmp(name, config->state, n) != 0 || strcmp(name + n, "/ca.pem") != 0)
		return;
	unsetenv("SSL_CERT_FILE");
	fprintf(stderr,
		"pipelock: SSL_CERT_FILE names pipelock's own CA; the system's store is taken for origins\n");
}

static int run_policy(const char *config_file, const char *listen)
{
	struct cli_policy policy;
	struct file_texts rules = {0};
	int code = CLI_ERROR;
	struct ruleset *set = NULL;
	struct known_set *known = NULL;
	if (cli_policy_load(&policy, config_file, listen))
		set = cli_rules_load(policy.config, &rules);
	if (set && cli_known_load(policy.config, &known)) {
		size_t rule_count = ruleset_count(set);
		/* The proxy compiles them again, from the same texts. */
		ruleset_put(set);
		set = NULL;
		drop_own_certificate(policy.config);
		struct supervisor_input input = {
			.config = policy.config,
			.config_text = {policy.file.text ? policy.file.text : "", policy.file.size},
			.rules = &rules,
			.known = known ? known_set_octets(known) : (struct span){NULL, 0},
			.overrides = &policy.overrides,
			.rule_count = rule_count,
		};
		code = (int)supervisor_run(&input);
	}
	ruleset_put(set);
	known_set_free(known);
	file_texts_release(&rules);
	cli_policy_release(&policy);
	return code;
}

static int run(const struct cli_verb *verb, int argc, char **argv)
{
	enum { OPTION_LISTEN = OPTION_OWN };
	static const struct option options[] = {
		CLI_OPTION_HELP, CLI_OPTION_CONFIG, {"listen", required_argument, NULL, OPTION_LISTEN}, {0}};
	const char *config_file = NULL, *listen = NULL;
	for (int c; (c = getopt_long(argc, argv, "hc:", options, NULL)) != -1;) {
		switch (c) {
		case OPTION_HELP:
			return cli_help(verb);
		case OPTION_CONFIG:
			config_file = optarg;
			break;
		case OPTION_LISTEN:
			listen = optarg;
			break;
		default:
			return cli_usage_error(verb, NULL);
		}
	}
	if (optind < argc)
		return cli_usage_error(verb, "unexpected argument '%s'", argv[optind]);
	return run_policy(config_file, listen);
}

const struct cli_verb cli_run = {
	.name = "run",
	.summary = "start the proxy and egress, in the foreground",
	.usage = "Usage: pipelock run [--config FILE] [--listen ADDRESS:PORT]\n"
		 "\n"
		 "Start the proxy and egress, in the foreground, until SIGTERM or SIGINT.\n"
		 "Point an agent at it with: eval \"$(pipelock env)\"\n"
		 "\n"
		 "  -c, --config FILE       the configuration; without it the embedded defaults\n"
		 "      --listen ADDR:PORT  where agents connect (default 127.0.0.1:8888)\n"
		 "  -h, --help              this text\n"
		 "\n"
		 "Environment: PIPELOCK_LISTEN (as --listen), EGRESS_LISTEN_HOST and EGRESS_LISTEN_PORT\n"
		 "(loopback only), XDG_STATE_HOME.\n"
		 "\n"
		 "Exit codes: 0 stopped by a signal, 1 its processes failed, 2 not started.\n",
	.run = run,
};
