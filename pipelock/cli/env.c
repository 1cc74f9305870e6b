/*
 * pipelock env: the variables that lead an agent's tools through pipelock and make them trust its CA, as
 * shell code for `eval "$(pipelock env)"`. Values are quoted: a state folder may have any name.
 */
#include "pipelock/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Both cases where tools differ; curl takes http_proxy in lower case only. */
static const char *const proxy_names[] = {
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"};

static const char *const no_proxy_names[] = {"NO_PROXY", "no_proxy"};

static const char *const ca_names[] = {
	"SSL_CERT_FILE",       /* OpenSSL, Go, Rust's native roots */
	"CURL_CA_BUNDLE",      /* curl, requests */
	"REQUESTS_CA_BUNDLE",  /* Python requests */
	"GIT_SSL_CAINFO",      /* git */
	"NODE_EXTRA_CA_CERTS", /* Node.js, npm */
	"PIP_CERT",	       /* pip */
	"AWS_CA_BUNDLE",       /* AWS command line and SDKs */
	"CARGO_HTTP_CAINFO",   /* cargo */
	"DENO_CERT",	       /* deno */
	"NIX_SSL_CERT_FILE",   /* nix */
	"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
};

struct printer {
	struct json *json; /* NULL: shell code */
};

/* In single quotes nothing is special to a POSIX shell but the single quote. */
static void print_quoted(const char *value)
{
	putchar('\'');
	for (const char *c = value; *c; c++) {
		if (*c == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*c);
	}
	putchar('\'');
}

static void print_variable(const struct printer *printer, const char *name, const char *value)
{
	if (printer->json) {
		json_put_text(printer->json, name, value);
		return;
	}
	printf("export %s=", name);
	print_quoted(value);
	putchar('\n');
}

static void print_variables(
	const struct printer *printer, const char *const *names, size_t n, const char *value)
{
	for (size_t i = 0; i < n; i++)
		print_variable(printer, names[i], value);
}

#define COUNT(names) (sizeof(names) / sizeof(*(names)))

/* "http://ADDRESS:PORT". An agent can't connect to the unspecified address; loopback is where it listens too.
 */
static void format_proxy(const struct config *config, char *out, size_t room)
{
	char text[ADDRESS_TEXT_SIZE];
	bool unspecified = address_classify(&config->listen) == ADDRESS_UNSPECIFIED;
	bool v6 = config->listen.family == AF_INET6;
	const char *address = unspecified ? v6 ? "::1" : "127.0.0.1" : address_format(&config->listen, text);
	snprintf(out, room, v6 ? "http://[%s]:%u" : "http://%s:%u", address, config->listen_port);
}

static int print_environment(const struct config *config, bool as_json)
{
	char proxy[ADDRESS_TEXT_SIZE + 32], *ca_file = NULL;
	struct json json;
	struct printer printer = {as_json ? &json : NULL};
	if (asprintf(&ca_file, "%s/ca.pem", config->state) < 0)
		return cli_error("out of memory");
	json_init(&json, 64 * 1024);
	json_open_object(&json);
	format_proxy(config, proxy, sizeof(proxy));
	print_variables(&printer, proxy_names, COUNT(proxy_names), proxy);
	print_variables(&printer, no_proxy_names, COUNT(no_proxy_names), "localhost,127.0.0.1,::1");
	print_variable(&printer, "NODE_USE_ENV_PROXY", "1");
	print_variables(&printer, ca_names, COUNT(ca_names), ca_file);
	json_close_object(&json);
	if (access(ca_file, R_OK) != 0)
		fprintf(stderr,
			"pipelock: warning: %s can't be read: it is made when 'pipelock run' starts for the "
			"first time\n",
			ca_file);
	free(ca_file);
	if (as_json)
		return cli_print_json(&json);
	json_release(&json);
	return CLI_OK;
}

static int env(const struct cli_verb *verb, int argc, char **argv)
{
	enum { OPTION_LISTEN = OPTION_OWN };
	static const struct option options[] = {CLI_OPTION_HELP, CLI_OPTION_CONFIG, CLI_OPTION_JSON,
		{"listen", required_argument, NULL, OPTION_LISTEN}, {0}};
	const char *config_file = NULL, *listen = NULL;
	bool as_json = false;
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
		case OPTION_JSON:
			as_json = true;
			break;
		default:
			return cli_usage_error(verb, NULL);
		}
	}
	if (optind < argc)
		return cli_usage_error(verb, "unexpected argument '%s'", argv[optind]);
	struct cli_policy policy;
	int code = CLI_ERROR;
	if (cli_policy_load(&policy, config_file, listen))
		code = print_environment(policy.config, as_json);
	cli_policy_release(&policy);
	return code;
}

const struct cli_verb cli_env = {
	.name = "env",
	.summary = "print the variables that an agent needs",
	.usage = "Usage: pipelock env [--config FILE] [--listen ADDRESS:PORT] [--json]\n"
		 "\n"
		 "Print the variables that lead an agent through pipelock and make its tools trust\n"
		 "pipelock's CA, as shell code:\n"
		 "\n"
		 "    eval \"$(pipelock env)\"\n"
		 "\n"
		 "  -c, --config FILE       the configuration that 'pipelock run' has\n"
		 "      --listen ADDR:PORT  where agents connect, as given to 'pipelock run'\n"
		 "      --json              as one JSON object\n"
		 "  -h, --help              this text\n",
	.run = env,
};
