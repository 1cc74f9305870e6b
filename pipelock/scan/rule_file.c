/*
 * Reading of one rule file. A text that would look like a secret to scanners of repositories may be written
 * in pieces: a list of strings where a string is expected, put together here.
 */
#include "pipelock/scan/rule_file.h"

#include "common/url.h"

#include <stdlib.h>

#define MAX_LITERALS 64

static const char *const severities[SEVERITIES] = {"info", "low", "medium", "high", "critical"};
static const char *const parts[SCAN_PARTS] = {"url", "header", "body", "websocket", "response"};

static bool out_of_memory(const struct yaml_node *node, struct load_error *error)
{
	yaml_error(node, error, "out of memory");
	return false;
}

/* A string, or a list of pieces of one. NULL with *error. Free it. */
static char *read_text(struct yaml_node *node, struct load_error *error)
{
	const char *piece = NULL;
	if (node->kind != YAML_SEQUENCE) {
		if (!yaml_read_string(node, &piece, error))
			return NULL;
		char *copy = strdup(piece);
		if (!copy)
			out_of_memory(node, error);
		return copy;
	}
	size_t n = 0;
	for (size_t i = 0; i < node->count; i++) {
		if (!yaml_read_string(node->items[i], &piece, error))
			return NULL;
		n += strlen(piece);
	}
	char *text = malloc(n + 1), *to = text;
	if (!text) {
		out_of_memory(node, error);
		return NULL;
	}
	for (size_t i = 0; i < node->count; i++) {
		yaml_read_string(node->items[i], &piece, error);
		to = stpcpy(to, piece);
	}
	*to = '\0';
	return text;
}

static bool expect_list(struct yaml_node *node, struct load_error *error)
{
	return yaml_expect(node, YAML_SEQUENCE, error);
}

/* ---- the keys of a rule */

static bool read_id(struct yaml_node *mapping, struct compiled_rule *rule, struct load_error *error)
{
	struct yaml_node *node = yaml_get(mapping, "id");
	if (!node) {
		yaml_error(mapping, error, "this rule has no id");
		return false;
	}
	if (!yaml_read_string(node, &rule->shown.id, error))
		return false;
	size_t n = strlen(rule->shown.id);
	bool ok = n > 0 && n <= 64;
	for (size_t i = 0; i < n; i++) {
		char c = rule->shown.id[i];
		ok = ok && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (i > 0 && c == '-'));
	}
	if (!ok)
		yaml_error(node, error, "an id is 1 to 64 of a-z, 0-9 and -, and does not begin with -");
	rule->shown.file = mapping->file;
	rule->shown.line = mapping->line;
	return ok;
}

static bool read_action(struct yaml_node *node, enum verdict *out, struct load_error *error)
{
	const char *text = NULL;
	if (!node)
		return true;
	if (!yaml_read_string(node, &text, error))
		return false;
	if (strcmp(text, "redact") == 0 || strcmp(text, "hold") == 0) {
		yaml_error(node, error,
			"action %s is not carried out by this version; allow, warn or block are", text);
		return false;
	}
	static const char *const names[] = {"block", "warn", "allow"};
	unsigned index = 0;
	if (!yaml_read_choice(node, names, 3, &index, error))
		return false;
	*out = (enum verdict)index;
	return true;
}

static bool read_in(struct yaml_node *node, unsigned *out, struct load_error *error)
{
	if (!node)
		return true;
	if (!expect_list(node, error))
		return false;
	if (node->count == 0)
		yaml_error(node, error, "this list is empty: the rule would never be used");
	*out = 0;
	for (size_t i = 0; i < node->count; i++) {
		unsigned part = 0;
		if (!yaml_read_choice(node->items[i], parts, SCAN_PARTS, &part, error))
			return false;
		if (*out & SCAN_BIT(part))
			yaml_error(node->items[i], error, "%s stands twice", parts[part]);
		*out |= SCAN_BIT(part);
	}
	return !error->set;
}

static bool read_validators(struct yaml_node *node, struct compiled_rule *rule, struct load_error *error)
{
	if (!node)
		return true;
	if (!expect_list(node, error))
		return false;
	rule->validators = calloc(node->count + 1, sizeof(*rule->validators));
	if (!rule->validators)
		return out_of_memory(node, error);
	for (size_t i = 0; i < node->count; i++) {
		const char *text = NULL;
		if (!yaml_read_string(node->items[i], &text, error))
			return false;
		if (!validator_parse(span_of(text), &rule->validators[rule->validator_count++])) {
			yaml_error(
				node->items[i], error, "no such validator; there are %s", validator_names());
			return false;
		}
	}
	return true;
}

static bool read_belongs_to(struct yaml_node *node, struct compiled_rule *rule, struct load_error *error)
{
	if (!node)
		return true;
	if (!expect_list(node, error))
		return false;
	rule->belongs_to = calloc(node->count + 1, sizeof(*rule->belongs_to));
	if (!rule->belongs_to)
		return out_of_memory(node, error);
	for (size_t i = 0; i < node->count; i++) {
		if (!yaml_read_string(node->items[i], &rule->belongs_to[i], error))
			return false;
		const char *text = rule->belongs_to[i];
		const char *name = strncmp(text, "*.", 2) == 0 ? text + 2 : text;
		struct host host;
		if (strcmp(text, "*") == 0 || !host_parse(span_of(name), &host) ||
			strcmp(host.text, name) != 0) {
			yaml_error(node->items[i], error,
				"not a host name in lower case, or *. and one (a rule can't belong "
				"everywhere)");
			return false;
		}
	}
	rule->shown.belongs_to = rule->belongs_to;
	return true;
}

static bool read_allow(struct yaml_node *node, struct compiled_rule *rule, struct load_error *error)
{
	if (!node)
		return true;
	if (!expect_list(node, error))
		return false;
	rule->allow = calloc(node->count + 1, sizeof(*rule->allow));
	if (!rule->allow)
		return out_of_memory(node, error);
	for (size_t i = 0; i < node->count; i++) {
		char *text = read_text(node->items[i], error);
		if (!text)
			return false;
		rule->allow[i] = text;
	}
	return true;
}

static bool read_literals(struct yaml_node *node, struct span *out, size_t *count, struct load_error *error)
{
	*count = 0;
	if (!node)
		return true;
	if (!expect_list(node, error))
		return false;
	if (node->count == 0 || node->count > MAX_LITERALS) {
		yaml_error(node, error, "1 to 64 literals, please");
		return false;
	}
	for (size_t i = 0; i < node->count; i++) {
		const char *text = NULL;
		if (!yaml_read_string(node->items[i], &text, error))
			return false;
		out[i] = span_of(text);
		if (out[i].n < 3) {
			yaml_error(node->items[i], error,
				"a literal under three octets would be found everywhere");
			return false;
		}
	}
	*count = node->count;
	return true;
}

/* The place inside the regex, when it stands on one line as it is. */
static void regex_error(
	const struct yaml_node *node, const struct regex_problem *problem, struct load_error *error)
{
	struct yaml_node place = *node;
	if (problem->offset != SIZE_MAX && !memchr(node->scalar.p, '\n', node->scalar.n)) {
		size_t offset = problem->offset + (node->quoted ? 1 : 0);
		for (size_t i = 0; node->quoted && i < problem->offset && i < node->scalar.n; i++)
			offset += node->scalar.p[i] == '\'';
		place.column += (unsigned)offset;
	}
	yaml_error(&place, error, "%s", problem->text);
}

static bool read_regex(struct yaml_node *mapping, struct compiled_rule *rule, struct load_error *error)
{
	struct yaml_node *node = yaml_get(mapping, "regex"), *list = yaml_get(mapping, "literals");
	struct span literals[MAX_LITERALS];
	size_t literal_count;
	struct regex_problem problem;
	if (!node) {
		yaml_error(mapping, error, "rule %s has no regex", rule->shown.id);
		return false;
	}
	if (!yaml_read_string(node, &rule->shown.regex, error) ||
		!read_literals(list, literals, &literal_count, error))
		return false;
	if (rule_compile(rule, literals, literal_count, &problem))
		return true;
	regex_error(node, &problem, error);
	return false;
}

/* Examples are run later, when the whole set stands; here only their keys count as known. */
static bool check_examples(struct yaml_node *node, struct load_error *error)
{
	if (!node)
		return true;
	if (!yaml_expect(node, YAML_MAPPING, error))
		return false;
	if (!expect_list(yaml_get(node, "match"), error) || !expect_list(yaml_get(node, "ignore"), error))
		return false;
	yaml_reject_unknown(node, error);
	return !error->set;
}

static bool read_rule(struct yaml_node *mapping, struct compiled_rule *rule, struct load_error *error)
{
	unsigned severity = SEVERITY_HIGH;
	rule->shown.description = "";
	rule->shown.action = VERDICT_BLOCK;
	rule->shown.in = SCAN_OUTGOING;
	if (!yaml_expect(mapping, YAML_MAPPING, error) || !read_id(mapping, rule, error))
		return false;
	bool ok = yaml_read_string(yaml_get(mapping, "description"), &rule->shown.description, error) &&
		  yaml_read_choice(yaml_get(mapping, "severity"), severities, SEVERITIES, &severity, error) &&
		  read_action(yaml_get(mapping, "action"), &rule->shown.action, error) &&
		  read_in(yaml_get(mapping, "in"), &rule->shown.in, error) &&
		  read_validators(yaml_get(mapping, "validate"), rule, error) &&
		  read_belongs_to(yaml_get(mapping, "belongs_to"), rule, error) &&
		  read_allow(yaml_get(mapping, "allow"), rule, error) &&
		  check_examples(yaml_get(mapping, "examples"), error) && read_regex(mapping, rule, error);
	rule->shown.severity = (enum severity)severity;
	if (ok)
		yaml_reject_unknown(mapping, error);
	return ok && !error->set;
}

bool rule_file_read(struct ruleset *set, struct yaml_node *root, struct load_error *error)
{
	uint64_t version = 0;
	if (!yaml_expect(root, YAML_MAPPING, error))
		return false;
	struct yaml_node *number = yaml_get(root, "version"), *list = yaml_get(root, "rules");
	if (!number || !list) {
		yaml_error(root, error, "a rule file has the keys version and rules");
		return false;
	}
	if (!yaml_read_integer(number, 1, 1, &version, error) || !expect_list(list, error))
		return false;
	yaml_reject_unknown(root, error);
	if (error->set)
		return false;
	if (set->count + list->count > SCAN_MAX_RULES) {
		yaml_error(list, error, "more than %u rules", SCAN_MAX_RULES);
		return false;
	}
	struct compiled_rule *rules = realloc(set->rules, (set->count + list->count + 1) * sizeof(*rules));
	if (!rules)
		return out_of_memory(list, error);
	set->rules = rules;
	memset(rules + set->count, 0, (list->count + 1) * sizeof(*rules));
	for (size_t i = 0; i < list->count; i++) {
		struct compiled_rule *rule =
			&set->rules[set->count++]; /* counted first, so that it is freed */
		if (!read_rule(list->items[i], rule, error))
			return false;
		if ((uint32_t)rule->secret_group > set->max_captures)
			set->max_captures = (uint32_t)rule->secret_group;
	}
	return true;
}

/* ---- examples */

static bool example_matches(
	struct scanner *scanner, const struct rule *rule, struct span text, bool *unscannable)
{
	enum scan_part part = SCAN_URL;
	while (!(rule->in & SCAN_BIT(part)))
		part++;
	struct findings findings = {0};
	*unscannable = scan_text(scanner, part, NULL, text, &findings) == SCAN_UNSCANNABLE;
	for (size_t i = 0; i < findings.count; i++) {
		if (findings.items[i].rule == rule)
			return true;
	}
	return false;
}

static bool run_list(struct scanner *scanner, const struct rule *rule, struct yaml_node *list,
	bool should_match, struct load_error *error)
{
	for (size_t i = 0; list && i < list->count; i++) {
		bool unscannable;
		char *text = read_text(list->items[i], error);
		if (!text)
			return false;
		bool found = example_matches(scanner, rule, span_of(text), &unscannable);
		free(text);
		if (unscannable || found != should_match) {
			yaml_error(list->items[i], error, "rule %s %s this example", rule->id,
				unscannable ? "can't scan" : (found ? "must not match" : "does not match"));
			return false;
		}
	}
	return true;
}

bool rule_file_run_examples(struct ruleset *set, struct yaml_node *root, struct load_error *error)
{
	static const uint8_t key[SCAN_FINGERPRINT_KEY_SIZE];
	struct scanner *scanner = scanner_new(set, key);
	if (!scanner)
		return out_of_memory(root, error);
	struct yaml_node *list = yaml_get(root, "rules");
	bool ok = true;
	for (size_t i = 0, at = 0; ok && i < list->count; i++) {
		struct yaml_node *mapping = list->items[i], *examples = yaml_get(mapping, "examples");
		while (set->rules[at].shown.file != mapping->file)
			at++; /* rules of the files before */
		const struct rule *rule = &set->rules[at + i].shown;
		if (examples)
			ok = run_list(scanner, rule, yaml_get(examples, "match"), true, error) &&
			     run_list(scanner, rule, yaml_get(examples, "ignore"), false, error);
	}
	scanner_free(scanner);
	return ok;
}
