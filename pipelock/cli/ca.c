/*
 * pipelock ca show: the certificate that agents have to trust. Only the certificate is read; the key beside
 * it is the keeper's.
 */
#include "pipelock/cli/cli.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct ca_facts {
	char *path;
	char *subject;
	char fingerprint[EVP_MAX_MD_SIZE * 3];
	char not_before[32], not_after[32];
	char *pem;
};

/* An I/O buffer's text, terminated, to be freed; the buffer is freed. NULL: out of memory. */
static char *take_text(BIO *bio)
{
	char *data = NULL, *out = NULL;
	long n = bio ? BIO_get_mem_data(bio, &data) : -1;
	if (n >= 0)
		out = calloc((size_t)n + 1, 1);
	if (out && n > 0)
		memcpy(out, data, (size_t)n);
	BIO_free(bio);
	return out;
}

static void format_time(const ASN1_TIME *time, char out[32])
{
	struct tm tm;
	out[0] = 0;
	if (ASN1_TIME_to_tm(time, &tm) == 1)
		strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void format_fingerprint(const X509 *certificate, char *out, size_t room)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	size_t used = 0;
	out[0] = 0;
	if (X509_digest(certificate, EVP_sha256(), digest, &n) != 1)
		return;
	for (unsigned i = 0; i < n && used < room; i++)
		used += (size_t)snprintf(out + used, room - used, "%s%02X", i ? ":" : "", digest[i]);
}

static bool collect_facts(X509 *certificate, struct ca_facts *facts)
{
	BIO *subject = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());
	if (subject)
		X509_NAME_print_ex(subject, X509_get_subject_name(certificate), 0,
			XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
	if (pem)
		PEM_write_bio_X509(pem, certificate);
	facts->subject = take_text(subject);
	facts->pem = take_text(pem);
	format_time(X509_get0_notBefore(certificate), facts->not_before);
	format_time(X509_get0_notAfter(certificate), facts->not_after);
	format_fingerprint(certificate, facts->fingerprint, sizeof(facts->fingerprint));
	return facts->subject && facts->pem && facts->pem[0] && facts->fingerprint[0];
}

static int print_facts(const struct ca_facts *facts, bool as_json)
{
	struct json json;
	if (!as_json) {
		printf("path         %s\nsubject      %s\nsha-256      %s\nnot before   %s\nnot after    "
		       "%s\n\n%s",
			facts->path, facts->subject, facts->fingerprint, facts->not_before, facts->not_after,
			facts->pem);
		return CLI_OK;
	}
	json_init(&json, 64 * 1024);
	json_open_object(&json);
	json_put_text(&json, "path", facts->path);
	json_put_text(&json, "subject", facts->subject);
	json_put_text(&json, "sha256", facts->fingerprint);
	json_put_text(&json, "not_before", facts->not_before);
	json_put_text(&json, "not_after", facts->not_after);
	json_put_text(&json, "pem", facts->pem);
	json_close_object(&json);
	return cli_print_json(&json);
}

static int show_file(const char *path, bool as_json)
{
	struct ca_facts facts = {0};
	int code = CLI_ERROR;
	FILE *file = fopen(path, "re");
	if (!file && errno == ENOENT)
		return cli_error(
			"%s: there is no CA yet; 'pipelock run' makes one when it starts for the first time",
			path);
	if (!file)
		return cli_error("%s: %s", path, strerror(errno));
	X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	facts.path = strdup(path);
	if (!certificate)
		cli_error("%s: not a certificate in PEM", path);
	else if (!facts.path || !collect_facts(certificate, &facts))
		cli_error("out of memory");
	else
		code = print_facts(&facts, as_json);
	X509_free(certificate);
	free(facts.path);
	free(facts.subject);
	free(facts.pem);
	return code;
}

static int show(const char *config_file, bool as_json)
{
	struct cli_policy policy;
	char *path = NULL;
	int code = CLI_ERROR;
	if (cli_policy_load(&policy, config_file, NULL)) {
		if (asprintf(&path, "%s/ca.pem", policy.config->state) < 0)
			cli_error("out of memory");
		else
			code = show_file(path, as_json);
		free(path);
	}
	cli_policy_release(&policy);
	return code;
}

static int ca(const struct cli_verb *verb, int argc, char **argv)
{
	static const struct option options[] = {CLI_OPTION_HELP, CLI_OPTION_CONFIG, CLI_OPTION_JSON, {0}};
	const char *config_file = NULL;
	bool as_json = false;
	for (int c; (c = getopt_long(argc, argv, "hc:", options, NULL)) != -1;) {
		switch (c) {
		case OPTION_HELP:
			return cli_help(verb);
		case OPTION_CONFIG:
			config_file = optarg;
			break;
		case OPTION_JSON:
			as_json = true;
			break;
		default:
			return cli_usage_error(verb, NULL);
		}
	}
	if (optind == argc)
		return cli_usage_error(verb, "expected 'show'");
	if (strcmp(argv[optind], "show") != 0 || optind + 1 < argc)
		return cli_usage_error(verb, "unexpected argument '%s'",
			strcmp(argv[optind], "show") != 0 ? argv[optind] : argv[optind + 1]);
	return show(config_file, as_json);
}

const struct cli_verb cli_ca = {
	.name = "ca",
	.summary = "show the certificate that agents have to trust",
	.usage = "Usage: pipelock ca show [--config FILE] [--json]\n"
		 "\n"
		 "Print pipelock's CA certificate: where it is, subject, SHA-256 fingerprint, validity,\n"
		 "and the certificate itself in PEM.\n"
		 "\n"
		 "  -c, --config FILE  the configuration that 'pipelock run' has\n"
		 "      --json         as one JSON object\n"
		 "  -h, --help         this text\n"
		 "\n"
		 "Exit codes: 0 shown, 2 there is none yet, or it can't be read.\n",
	.run = ca,
};
