/*
 * pipelock check: what would pipelock say to this? Prints the verdict, which rule, where, and what an
 * operator could change; never what was matched.
 */
#include "pipelock/cli/check_judge.h"
#include "pipelock/cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum source { SOURCE_NONE, SOURCE_URL, SOURCE_FILE, SOURCE_REQUEST };

struct request {
	enum source source;
	const char *text; /* URL, or name of a file; "-": stdin */
	const char *method;
	const char *config_file;
	bool as_json;
};

/* ---- printing */

/* What an operator could change. NULL: nothing to say. */
static const char *advice(const struct check *check)
{
	switch (check->refusal.code) {
	case REFUSAL_NONE:
		break;
	case REFUSAL_ROUTE_DENIED:
		return "the route that denies it, or a more specific one with 'action: allow'";
	case REFUSAL_UNNAMED_HOST:
		return "mode is strict: name the host in a route's hosts";
	case REFUSAL_DESTINATION:
		return "nothing: such destinations are refused always; a name can be led there by "
		       "egress.connect_to";
	case REFUSAL_ADDRESS_LITERAL:
		return "ask for a name instead, or name the address in a route's hosts";
	default:
		return check->refusal.detail ? check->refusal.detail
					     : "the request: it is not as HTTP wants it";
	}
	if (check->gate.findings.unscannable)
		return "the body: identity, gzip, deflate, br or zstd, well-formed and within the budgets";
	if (check->gate.findings.blocked)
		return "if it is no secret: 'allow' in the rule, an override of its action, or on_match of a "
		       "route; if it is the "
		       "host's own: 'belongs_to' in the rule";
	return NULL;
}

static const char *where_it_is(const struct finding *finding)
{
	return scan_part_name(finding->part);
}

static void print_finding(const struct finding *finding)
{
	const struct rule *rule = finding->rule;
	printf("  rule     %s: %s (%s, %s)\n", rule->id,
		rule->description ? rule->description : "no description", severity_name(rule->severity),
		verdict_name(rule->action));
	printf("  where    %s, view %s, octet %" PRIu64 ", length %" PRIu64 ", %u time%s\n",
		where_it_is(finding), scan_view_name(finding->view), finding->offset, finding->length,
		finding->count, finding->count == 1 ? "" : "s");
	printf("  defined  %s:%u\n", rule->file, rule->line);
}

static void print_text(const struct check *check)
{
	static const char *const colours[] = {[VERDICT_BLOCK] = "\033[1;31m",
		[VERDICT_WARN] = "\033[1;33m",
		[VERDICT_ALLOW] = "\033[1;32m"};
	const struct findings *findings = &check->gate.findings;
	enum verdict verdict = check_verdict(check);
	const char *code = check_code(check), *change = advice(check);
	bool colour = cli_has_colour();
	printf("%s%s%s%s%s\n", colour ? colours[verdict] : "", verdict_name(verdict), colour ? "\033[0m" : "",
		code ? " " : "", code ? code : "");
	if (check->route)
		printf("  route    %s%s\n", check->route->name,
			check->spliced ? " (spliced: only the host was scanned)" : "");
	for (size_t i = 0; i < findings->count; i++)
		print_finding(&findings->items[i]);
	if (findings->dropped > 0)
		printf("  and      %" PRIu64 " more\n", findings->dropped);
	if (findings->unscannable)
		printf("  reason   %s: %s\n", scan_part_name(findings->unscannable_part),
			findings->unscannable);
	if (check->refusal.http1_error != HTTP1_OK)
		printf("  reason   %s\n", http1_error_text(check->refusal.http1_error));
	if (change)
		printf("  change   %s\n", change);
}

static void json_finding(struct json *json, const struct finding *finding)
{
	const struct rule *rule = finding->rule;
	json_open_object(json);
	json_put_text(json, "rule", rule->id);
	json_put_text(json, "tier", rule_tier_name(rule->tier));
	json_put_text(json, "description", rule->description);
	json_put_text(json, "severity", severity_name(rule->severity));
	json_put_text(json, "action", verdict_name(rule->action));
	json_put_text(json, "file", rule->file);
	json_put_number(json, "line", rule->line);
	json_put_text(json, "where", where_it_is(finding));
	json_put_text(json, "view", scan_view_name(finding->view));
	json_put_number(json, "count", finding->count);
	json_put_number(json, "offset", finding->offset);
	json_put_number(json, "length", finding->length);
	json_close_object(json);
}

static int print_json(const struct check *check)
{
	const struct findings *findings = &check->gate.findings;
	struct json json;
	json_init(&json, 1u << 20);
	json_open_object(&json);
	json_put_text(&json, "verdict", verdict_name(check_verdict(check)));
	json_put_text(&json, "code", check_code(check));
	json_put_text(&json, "route", check->route ? check->route->name : NULL);
	json_put_bool(&json, "spliced", check->spliced);
	json_put_number(&json, "scanned_bytes", check->gate.scanned_bytes);
	json_key(&json, "findings");
	json_open_array(&json);
	for (size_t i = 0; i < findings->count; i++)
		json_finding(&json, &findings->items[i]);
	json_close_array(&json);
	json_put_number(&json, "more_findings", findings->dropped);
	json_put_text(&json, "unscannable", findings->unscannable);
	json_put_text(&json, "malformed",
		check->refusal.http1_error != HTTP1_OK ? http1_error_text(check->refusal.http1_error) : NULL);
	json_put_text(&json, "change", advice(check));
	json_close_object(&json);
	return cli_print_json(&json);
}

/* ---- judging */

static bool judge_file(struct check *check, const struct request *request, const char **why)
{
	bool is_stdin = strcmp(request->text, "-") == 0;
	FILE *in = is_stdin ? stdin : fopen(request->text, "re");
	*why = in ? NULL : strerror(errno);
	bool ok = in && (request->source == SOURCE_REQUEST ? check_judge_request(check, in, why)
							   : check_judge_text(check, in, why));
	if (in && !is_stdin)
		fclose(in);
	return ok;
}

static int judge(struct check *check, const struct request *request)
{
	const char *why = NULL;
	bool ok = request->source == SOURCE_URL ? check_judge_url(check, request->text, request->method, &why)
						: judge_file(check, request, &why);
	/* The URL is not repeated: it may hold what must not be shown. */
	if (!ok)
		return cli_error("%s: %s", request->source == SOURCE_URL ? "--url" : request->text,
			why ? why : "unknown");
	if (!request->as_json)
		print_text(check);
	else if (print_json(check) != CLI_OK)
		return CLI_ERROR;
	return check_verdict(check) == VERDICT_BLOCK ? CLI_BLOCK : CLI_OK;
}

static int check_policy(const struct request *request)
{
	/* Fingerprints of findings are not shown, so any key does. */
	static const uint8_t key[SCAN_FINGERPRINT_KEY_SIZE];
	struct cli_policy policy;
	struct file_texts texts = {0};
	struct check check = {0};
	struct ruleset *rules = NULL;
	struct known_set *known = NULL;
	int code = CLI_ERROR;
	if (cli_policy_load(&policy, request->config_file, NULL))
		rules = cli_rules_load(policy.config, &texts);
	if (rules && cli_known_load(policy.config, &known)) {
		check.config = policy.config;
		check.scanner = scanner_new(rules, key);
		if (check.scanner)
			scanner_set_known(check.scanner, known);
		code = check.scanner ? judge(&check, request) : cli_error("out of memory");
	}
	check_release(&check);
	ruleset_put(rules);
	known_set_free(known);
	file_texts_release(&texts);
	cli_policy_release(&policy);
	return code;
}

/* ---- command line */

static bool set_source(struct request *request, enum source source, const char *text)
{
	bool first = request->source == SOURCE_NONE;
	request->source = source;
	request->text = text;
	return first;
}

static int run_check(const struct cli_verb *verb, int argc, char **argv)
{
	enum { OPTION_URL = OPTION_OWN, OPTION_FILE, OPTION_REQUEST, OPTION_METHOD };
	static const struct option options[] = {CLI_OPTION_HELP, CLI_OPTION_CONFIG, CLI_OPTION_JSON,
		{"url", required_argument, NULL, OPTION_URL}, {"file", required_argument, NULL, OPTION_FILE},
		{"request", required_argument, NULL, OPTION_REQUEST},
		{"method", required_argument, NULL, OPTION_METHOD}, {0}};
	struct request request = {.method = "GET"};
	bool once = true;
	for (int c; (c = getopt_long(argc, argv, "hc:", options, NULL)) != -1;) {
		switch (c) {
		case OPTION_HELP:
			return cli_help(verb);
		case OPTION_CONFIG:
			request.config_file = optarg;
			break;
		case OPTION_JSON:
			request.as_json = true;
			break;
		case OPTION_URL:
			once = set_source(&request, SOURCE_URL, optarg) && once;
			break;
		case OPTION_FILE:
			once = set_source(&request, SOURCE_FILE, optarg) && once;
			break;
		case OPTION_REQUEST:
			once = set_source(&request, SOURCE_REQUEST, optarg) && once;
			break;
		case OPTION_METHOD:
			request.method = optarg;
			break;
		default:
			return cli_usage_error(verb, NULL);
		}
	}
	if (optind < argc && strcmp(argv[optind], "-") == 0)
		once = set_source(&request, SOURCE_FILE, argv[optind++]) && once;
	if (optind < argc)
		return cli_usage_error(verb, "unexpected argument '%s'", argv[optind]);
	if (!once || request.source == SOURCE_NONE)
		return cli_usage_error(verb, "expected one of --url, --file, --request and -");
	return check_policy(&request);
}

const struct cli_verb cli_check = {
	.name = "check",
	.summary = "the verdict on a URL, a file or a request, without traffic",
	.usage = "Usage: pipelock check [--config FILE] [--json] [--method M] --url URL\n"
		 "       pipelock check [--config FILE] [--json] --request FILE\n"
		 "       pipelock check [--config FILE] [--json] --file FILE | -\n"
		 "\n"
		 "Say what pipelock would do, without sending anything: the verdict, which rule matched\n"
		 "where, and what an operator could change. What was matched is never printed.\n"
		 "\n"
		 "      --url URL       a request for this URL\n"
		 "      --method M      its method (default GET)\n"
		 "      --request FILE  an HTTP/1 request with head and body; - is stdin\n"
		 "      --file FILE     the body of some request; - is stdin\n"
		 "  -                   as --file -\n"
		 "  -c, --config FILE   the configuration; without it the embedded defaults\n"
		 "      --json          as one JSON object\n"
		 "  -h, --help          this text\n"
		 "\n"
		 "Exit codes: 0 allow or warn, 1 block, 2 it could not be judged.\n",
	.run = run_check,
};
