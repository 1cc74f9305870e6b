/*
 * Sets of known values. The first octet chooses. Octets that claim to be a set: it is read or refused, and
 * what was read can be used. Or a value and a text: what is found is there, and the same however the text is
 * cut.
 */
#include "pipelock/scan/engine.h"
#include "pipelock/scan/known.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_TEXT 4096

struct seen {
	struct span text;
	const struct known_set *set;
	size_t known[MAX_TEXT + 1]; /* by the place where it ends: the earliest begin of what was told */
};

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void on_found(void *arg, const struct known_match *match)
{
	struct seen *seen = arg;
	expect(match->value < known_set_count(seen->set));
	expect(match->begin < match->end && match->end <= seen->text.n);
	expect(match->secret.n <= match->end - match->begin);
	expect(memcmp(seen->text.p + match->begin, match->secret.p, match->secret.n) == 0);
	/* Of a run: each of its windows. */
	size_t length = match->secret.n;
	for (size_t end = match->begin + length; end <= match->end; end++)
		if (end - length + 1 > seen->known[end])
			seen->known[end] = end - length + 1;
}

static void find(const struct known_set *set, struct span text, size_t step, struct seen *seen)
{
	struct known_matcher m;
	memset(seen, 0, sizeof(*seen));
	seen->text = text;
	seen->set = set;
	known_begin(&m, set);
	while (text.n > 0) {
		size_t n = step < text.n ? step : text.n;
		known_feed(&m, (struct span){text.p, n}, on_found, seen);
		expect(known_lag(&m) < KNOWN_WINDOW);
		text = (struct span){text.p + n, text.n - n};
	}
}

static void find_both_ways(const struct known_set *set, struct span text, size_t step)
{
	static struct seen whole, pieces;
	text.n = text.n < MAX_TEXT ? text.n : MAX_TEXT;
	find(set, text, SIZE_MAX, &whole);
	find(set, text, step, &pieces);
	expect(memcmp(whole.known, pieces.known, sizeof(whole.known)) == 0);
}

static void read_octets(struct span octets)
{
	struct known_set *set = known_set_read(octets);
	if (!set)
		return;
	expect(span_equals(known_set_octets(set), octets));
	for (size_t i = 0; i < known_set_count(set); i++) {
		const struct rule *rule = &known_set_rule(set, i)->shown;
		expect(rule->tier == TIER_KNOWN || rule->tier == TIER_CANARY);
		expect(strlen(rule->id) < octets.n && rule->file && rule->description);
		for (size_t k = 0; rule->belongs_to && rule->belongs_to[k]; k++)
			expect(strlen(rule->belongs_to[k]) < octets.n);
	}
	find_both_ways(set, octets, 1 + octets.n / 7);
	known_set_free(set);
}

static void find_a_value(struct span value, struct span text, size_t step)
{
	static const uint8_t key[KNOWN_KEY_SIZE] = {1};
	const struct known_value values[] = {{.tier = TIER_KNOWN, .name = "a", .value = value},
		{.tier = TIER_CANARY, .name = "b", .value = text}};
	size_t which;
	const char *why;
	struct known_set *set = known_set_build(values, 2, "f", key, &which, &why);
	if (!set) {
		expect(why && which < 2);
		set = known_set_build(values, 1, "f", key, &which, &why);
	}
	if (!set)
		return;
	find_both_ways(set, text, step);
	find_both_ways(set, value, step);
	read_octets(known_set_octets(set));
	known_set_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3 || size > MAX_TEXT)
		return 0;
	struct span rest = {(const char *)data + 3, size - 3};
	if (data[0] % 2 == 0) {
		read_octets(rest);
		return 0;
	}
	size_t n = data[1] < rest.n ? data[1] : rest.n;
	find_a_value((struct span){rest.p, n}, (struct span){rest.p + n, rest.n - n}, 1 + data[2] % 64);
	return 0;
}
