/*
 * The engine against the plain loop of every rule over the whole text; and the same text in pieces, with its
 * hold-back. The first octets choose the rule set and the sizes of the pieces.
 */
#include "tests/unit/scan_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ruleset *builtin_ruleset(void)
{
	size_t count;
	struct load_error error = {0};
	const struct rule_source *sources = ruleset_builtin_sources(&count);
	return ruleset_load(sources, count, NULL, 0, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scanner *scanners[2];
	static char text[16384];
	if (!scanners[0]) {
		struct ruleset *sets[2] = {oracle_ruleset(oracle_rules), builtin_ruleset()};
		for (int i = 0; i < 2 && sets[i]; i++)
			scanners[i] = scanner_new(sets[i], oracle_key);
	}
	if (size < 4)
		return 0;
	struct scanner *scanner = scanners[data[0] % 4 == 3 && scanners[1]];
	uint32_t seed = (uint32_t)data[1] << 8 | data[2];
	struct span body = {text, oracle_text(data + 4, size - 4, text, sizeof(text))};
	struct findings plain = {0}, whole = {0}, pieces = {0};
	oracle_scan(scanner_rules(scanner), SCAN_BODY, body, &plain);
	/* Raw alone: the percent-decoded view is not the oracle's. */
	if (!memchr(text, '%', body.n)) {
		scan_text(scanner, SCAN_BODY, NULL, body, &whole);
		if (!oracle_equal(&plain, &whole))
			abort();
	}
	if (!oracle_stream(scanner, body, seed, 1 + data[3], &pieces) || !oracle_equal(&plain, &pieces))
		abort();
	return 0;
}
