/*
 * Rule files: read strictly, compiled, their examples run. Whatever is wrong gets its file, line and column,
 * and then nothing of the set is used. No text of a rule file is repeated in an error but names and ids: an
 * example may hold a secret.
 */
#include "pipelock/scan/rule_file.h"

#include <fnmatch.h>
#include <stdlib.h>

static struct ruleset *ruleset_new(size_t source_count)
{
	struct ruleset *set = calloc(1, sizeof(*set));
	if (!set)
		return NULL;
	atomic_init(&set->references, 1);
	set->documents = calloc(source_count + 1, sizeof(*set->documents));
	set->names = calloc(source_count + 1, sizeof(*set->names));
	if (!set->documents || !set->names) {
		ruleset_put(set);
		return NULL;
	}
	return set;
}

static void free_engines(struct ruleset *set)
{
	for (int part = 0; part < SCAN_PARTS; part++) {
		bool shared = false;
		for (int earlier = 0; earlier < part; earlier++)
			shared |= set->engines[earlier] == set->engines[part];
		if (!shared)
			engine_free(set->engines[part]);
	}
	memset(set->engines, 0, sizeof(set->engines));
}

static void ruleset_free(struct ruleset *set)
{
	free_engines(set);
	for (size_t i = 0; i < set->count; i++)
		rule_release(&set->rules[i]);
	free(set->rules);
	for (size_t i = 0; i < set->document_count; i++) {
		yaml_tree_free(set->documents[i]);
		free(set->names[i]);
	}
	free(set->documents);
	free(set->names);
	free(set);
}

static bool out_of_memory(struct load_error *error)
{
	if (!error->set) {
		error->set = true;
		memcpy(error->text, "out of memory", sizeof("out of memory"));
	}
	return false;
}

/* The engines are built whole before any of the old ones goes. */
static bool build_engines(struct ruleset *set, struct load_error *error)
{
	struct engine *engines[SCAN_PARTS] = {NULL};
	for (int part = 0; part < SCAN_PARTS; part++) {
		for (int earlier = 0; earlier < part && !engines[part]; earlier++) {
			if (engine_parts_equal(set, (enum scan_part)earlier, (enum scan_part)part))
				engines[part] = engines[earlier];
		}
		if (!engines[part])
			engines[part] = engine_new(set, (enum scan_part)part, true);
		if (!engines[part]) {
			memcpy(set->engines, engines, sizeof(engines));
			free_engines(set);
			return out_of_memory(error);
		}
	}
	free_engines(set);
	memcpy(set->engines, engines, sizeof(engines));
	return true;
}

/* ---- the whole set */

static int compare_ids(const void *a, const void *b)
{
	const struct compiled_rule *const *x = a, *const *y = b;
	int order = strcmp((*x)->shown.id, (*y)->shown.id);
	return order ? order : (*x < *y ? -1 : 1);
}

static bool check_ids(const struct ruleset *set, struct load_error *error)
{
	const struct compiled_rule **sorted = calloc(set->count + 1, sizeof(struct compiled_rule *));
	if (!sorted)
		return out_of_memory(error);
	for (size_t i = 0; i < set->count; i++)
		sorted[i] = &set->rules[i];
	qsort(sorted, set->count, sizeof(*sorted), compare_ids);
	for (size_t i = 1; i < set->count && !error->set; i++) {
		const struct rule *first = &sorted[i - 1]->shown, *second = &sorted[i]->shown;
		if (strcmp(first->id, second->id) != 0)
			continue;
		struct yaml_node place = {.file = second->file, .line = second->line, .column = 1};
		yaml_error(&place, error, "a rule with the id \"%s\" is already at %s:%u", second->id,
			first->file, first->line);
	}
	free(sorted);
	return !error->set;
}

static bool apply_overrides(
	struct ruleset *set, const struct rule_override *overrides, size_t count, struct load_error *error)
{
	for (size_t k = 0; k < count; k++) {
		bool used = false;
		for (size_t i = 0; i < set->count; i++) {
			if (fnmatch(overrides[k].rule, set->rules[i].shown.id, FNM_NOESCAPE) != 0)
				continue;
			set->rules[i].shown.action = overrides[k].action;
			used = true;
		}
		/* Ids with a colon are those of known values (config_known.c). */
		if (!used && !strchr(overrides[k].rule, ':')) {
			struct yaml_node place = {.file = overrides[k].file,
				.line = overrides[k].line,
				.column = overrides[k].column};
			yaml_error(&place, error, "no rule has an id like \"%s\"", overrides[k].rule);
			return false;
		}
	}
	return true;
}

static bool load_source(struct ruleset *set, const struct rule_source *source, struct load_error *error)
{
	char *name = strdup(source->name);
	if (!name)
		return out_of_memory(error);
	struct yaml *document = yaml_parse(name, source->text, error);
	if (!document) {
		free(name);
		return error->set ? false : out_of_memory(error);
	}
	set->names[set->document_count] = name;
	set->documents[set->document_count++] = document;
	return rule_file_read(set, yaml_root(document), error);
}

/* Examples are held against a set in which every rule is on: an override is no reason to skip them. */
static bool run_examples(struct ruleset *set, struct load_error *error)
{
	enum verdict *actions = calloc(set->count + 1, sizeof(*actions));
	if (!actions)
		return out_of_memory(error);
	for (size_t i = 0; i < set->count; i++) {
		actions[i] = set->rules[i].shown.action;
		set->rules[i].shown.action = VERDICT_BLOCK;
	}
	bool ok = build_engines(set, error);
	for (size_t i = 0; ok && i < set->document_count; i++)
		ok = rule_file_run_examples(set, yaml_root(set->documents[i]), error);
	for (size_t i = 0; i < set->count; i++)
		set->rules[i].shown.action = actions[i];
	free(actions);
	return ok;
}

struct ruleset *ruleset_load(const struct rule_source *sources, size_t source_count,
	const struct rule_override *overrides, size_t override_count, struct load_error *error)
{
	struct ruleset *set = ruleset_new(source_count);
	bool ok = set || out_of_memory(error);
	for (size_t i = 0; ok && i < source_count; i++)
		ok = load_source(set, &sources[i], error);
	ok = ok && check_ids(set, error) && run_examples(set, error) &&
	     apply_overrides(set, overrides, override_count, error) && build_engines(set, error);
	if (ok)
		return set;
	if (set)
		ruleset_free(set);
	return NULL;
}

struct ruleset *ruleset_get(struct ruleset *set)
{
	atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
	return set;
}

void ruleset_put(struct ruleset *set)
{
	if (set && atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) == 1)
		ruleset_free(set);
}

size_t ruleset_count(const struct ruleset *set)
{
	return set->count;
}

const struct rule *ruleset_rule(const struct ruleset *set, size_t index)
{
	return index < set->count ? &set->rules[index].shown : NULL;
}
