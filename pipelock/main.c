/*
 * The program's entry: the table of verbs, and the hidden entries of the roles, which only the supervisor can
 * use: a role without its descriptors ends at once.
 */
#include "pipelock/cli/cli.h"
#include "pipelock/keeper.h"
#include "pipelock/proxy/proxy.h"

#include <stdio.h>

static const struct cli_verb *const verbs[] = {&cli_run, &cli_check, &cli_ca, &cli_env, &cli_version};

#define VERB_COUNT (sizeof(verbs) / sizeof(*verbs))

static const struct cli_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < VERB_COUNT; i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

static void print_usage(FILE *out)
{
	fputs("Usage: pipelock VERB [options]\n"
	      "\n"
	      "A proxy for AI agents that lets no secret out.\n"
	      "\n",
		out);
	for (size_t i = 0; i < VERB_COUNT; i++)
		fprintf(out, "  %-9s %s\n", verbs[i]->name, verbs[i]->summary);
	fputs("  help      this text, or 'pipelock help VERB'\n"
	      "\n"
	      "Every verb takes --help and --config FILE. Without a file the embedded defaults hold.\n",
		out);
}

static int unknown_verb(const char *name)
{
	const char *names[VERB_COUNT];
	for (size_t i = 0; i < VERB_COUNT; i++)
		names[i] = verbs[i]->name;
	const char *near = yaml_nearest(name, names, VERB_COUNT);
	if (near)
		return cli_error("unknown verb '%s'; did you mean '%s'? See 'pipelock --help'.", name, near);
	return cli_error("unknown verb '%s'. See 'pipelock --help'.", name);
}

static int help(int argc, char **argv)
{
	if (argc < 3) {
		print_usage(stdout);
		return CLI_OK;
	}
	const struct cli_verb *verb = find_verb(argv[2]);
	return verb ? cli_help(verb) : unknown_verb(argv[2]);
}

static int run_verb(int argc, char **argv)
{
	const char *name = argv[1];
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return help(argc, argv);
	if (strcmp(name, "--version") == 0) {
		puts("pipelock " PIPELOCK_VERSION);
		return CLI_OK;
	}
	const struct cli_verb *verb = find_verb(name);
	if (!verb)
		return unknown_verb(name);
	argv[1] = argv[0]; /* getopt_long() names the program by the first */
	return verb->run(verb, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--role=keeper") == 0)
		return keeper_main();
	if (argc == 2 && strcmp(argv[1], "--role=proxy") == 0)
		return proxy_main();
	if (argc < 2) {
		print_usage(stderr);
		return CLI_ERROR;
	}
	int code = run_verb(argc, argv);
	/* A verdict that did not get out must not look like one. */
	if (fflush(stdout) != 0 || ferror(stdout))
		code = cli_error("can't write to stdout");
	return code;
}
