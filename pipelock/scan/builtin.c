/*
 * The rule files inside the program (see builtin.h) as sources for ruleset_load().
 */
#include "pipelock/scan/builtin.h"
#include "pipelock/scan/rules.h"

#include <pthread.h>

#define MAX_BUILTIN 16

static struct rule_source sources[MAX_BUILTIN];

static void fill_sources(void)
{
	for (size_t i = 0; i < builtin_rule_file_count && i < MAX_BUILTIN; i++) {
		const struct builtin_rule_file *file = &builtin_rule_files[i];
		sources[i] =
			(struct rule_source){file->name, {file->begin, (size_t)(file->end - file->begin)}};
	}
}

const struct rule_source *ruleset_builtin_sources(size_t *count)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, fill_sources);
	*count = builtin_rule_file_count < MAX_BUILTIN ? builtin_rule_file_count : MAX_BUILTIN;
	return sources;
}
