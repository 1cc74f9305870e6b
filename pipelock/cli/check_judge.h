/*
 * What `pipelock check` finds out: the verdict that a URL, a request or a text would get as traffic, by the
 * same gate, routes and judge of destinations. Nothing is sent, nothing is looked up.
 */
#ifndef PIPELOCK_CLI_CHECK_JUDGE_H
#define PIPELOCK_CLI_CHECK_JUDGE_H

#include "pipelock/proxy/gate.h"
#include "pipelock/proxy/refusal.h"
#include "pipelock/proxy/target.h"

#include <stdio.h>

struct check {
	const struct config *config; /* set before the first call, like scanner */
	struct scanner *scanner;
	struct gate gate;
	struct refusal refusal;	   /* what refuses beside the rules; code REFUSAL_NONE: nothing */
	const struct route *route; /* NULL: none */
	bool spliced;		   /* TLS stays closed: only the host was scanned */
	struct authority authority;
};

/* A URL as an agent would ask for it. false: none that pipelock forwards; *why says it. */
bool check_judge_url(struct check *check, const char *url, const char *method, const char **why);

/* A request in HTTP/1 form: absolute form, or origin form with Host as inside a tunnel. Lines may all end in
 * LF alone. A malformed one is a refusal. false: it can't be read; *why says it. */
bool check_judge_request(struct check *check, FILE *in, const char **why);

/* A text as the body of a request to nowhere in particular. */
bool check_judge_text(struct check *check, FILE *in, const char **why);

enum verdict check_verdict(const struct check *check);
/* "rule_match", ... as in a refusal; NULL: nothing is refused. */
const char *check_code(const struct check *check);

void check_release(struct check *check);

#endif
