/*
 * A rule file of any octets: it loads or is refused with a place, and never more than that.
 */
#include "pipelock/scan/rules.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rule_source source = {"fuzz.yaml", {(const char *)data, size}};
	struct load_error error = {0};
	struct ruleset *set = ruleset_load(&source, 1, NULL, 0, &error);
	if (!set && !error.set)
		abort();
	ruleset_put(set);
	return 0;
}
