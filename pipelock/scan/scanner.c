/*
 * A thread's scratch memory for one rule set.
 */
#include "pipelock/scan/scanner.h"

#include "pipelock/scan/views.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define JIT_STACK_START (32 * 1024)
#define JIT_STACK_MAX (512 * 1024)

struct scanner *scanner_new(struct ruleset *set, const uint8_t fingerprint_key[SCAN_FINGERPRINT_KEY_SIZE])
{
	struct scanner *scanner = calloc(1, sizeof(*scanner));
	if (!scanner)
		return NULL;
	scanner->set = ruleset_get(set);
	memcpy(scanner->key, fingerprint_key, sizeof(scanner->key));
	scanner->position = 1;
	scanner->states = calloc(set->count + 1, sizeof(*scanner->states));
	scanner->pending = calloc(set->count + 1, sizeof(*scanner->pending));
	scanner->match_context = pcre2_match_context_create(NULL);
	scanner->match_data = pcre2_match_data_create(set->max_captures + 1, NULL);
	scanner->jit_stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, NULL);
	if (!scanner->states || !scanner->pending || !scanner->match_context || !scanner->match_data ||
		!scanner->jit_stack) {
		scanner_free(scanner);
		return NULL;
	}
	pcre2_set_match_limit(scanner->match_context, SCAN_MATCH_LIMIT);
	pcre2_jit_stack_assign(scanner->match_context, NULL, scanner->jit_stack);
	return scanner;
}

void scanner_free(struct scanner *scanner)
{
	if (!scanner)
		return;
	pcre2_match_data_free(scanner->match_data);
	pcre2_match_context_free(scanner->match_context);
	pcre2_jit_stack_free(scanner->jit_stack);
	free(scanner->states);
	free(scanner->pending);
	scanner->hold = NULL; /* what is kept was not counted */
	for (size_t i = 0; i < scanner->views_count; i++)
		views_free(scanner->views[i]);
	OPENSSL_cleanse(scanner->key, sizeof(scanner->key));
	ruleset_put(scanner->set);
	free(scanner);
}

struct views *scanner_take_views(struct scanner *scanner)
{
	if (scanner->views_count == 0)
		return views_new(scanner);
	struct views *views = scanner->views[--scanner->views_count];
	scanner_hold(scanner, (int64_t)views_memory(views));
	return views;
}

void scanner_give_views(struct scanner *scanner, struct views *views)
{
	if (!views)
		return;
	views_end(views);
	if (scanner->views_count == SCANNER_VIEWS) {
		views_free(views);
		return;
	}
	scanner_hold(scanner, -(int64_t)views_memory(views));
	scanner->views[scanner->views_count++] = views;
}

void scanner_on_hold(struct scanner *scanner, scanner_hold_fn *hold, void *arg)
{
	scanner->hold = hold;
	scanner->hold_arg = arg;
}

void scanner_hold(const struct scanner *scanner, int64_t octets)
{
	if (scanner->hold && octets != 0)
		scanner->hold(scanner->hold_arg, octets);
}

void scanner_set_known(struct scanner *scanner, const struct known_set *known)
{
	scanner->known = known;
}

const struct known_set *scanner_known(const struct scanner *scanner, enum scan_part part)
{
	return SCAN_BIT(part) & SCAN_OUTGOING ? scanner->known : NULL;
}

bool scanner_is_idle(const struct scanner *scanner, enum scan_part part)
{
	return scanner->set->engines[part]->rule_count == 0 && !scanner_known(scanner, part);
}

struct ruleset *scanner_rules(const struct scanner *scanner)
{
	return scanner->set;
}

void scanner_prepare(const struct scanner *scanner, enum scan_part part, struct search *search)
{
	memset(search, 0, sizeof(*search));
	search->set = scanner->set;
	search->engine = scanner->set->engines[part];
	search->match_context = scanner->match_context;
	search->match_data = scanner->match_data;
}
