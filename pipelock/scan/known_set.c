/*
 * Reads the octets of a set of known values: a head, the values (names and hosts), the entries, the filters.
 * They come from the supervisor, and are checked all the same: what is not exactly a set is none.
 *
 *   u32 magic, values, entries; u8 size of the filter for windows, of that for briefs (0: none); the key;
 * text file; each value: u8 tier, action, u32 line, text id, u32 hosts, texts; each entry as in memory; the
 *   filters. A text is a u32 length, its octets and a NUL. Numbers are in host order: same machine.
 */
#include "pipelock/scan/known_internal.h"

#include <openssl/crypto.h>
#include <stdlib.h>

struct cursor {
	char *p;
	size_t n;
	bool failed; /* sticks */
};

static void *take(struct cursor *in, size_t n)
{
	if (in->failed || in->n < n) {
		in->failed = true;
		return NULL;
	}
	char *p = in->p;
	in->p += n;
	in->n -= n;
	return p;
}

static uint8_t take_octet(struct cursor *in)
{
	const uint8_t *p = take(in, 1);
	return p ? *p : 0;
}

static uint32_t take_number(struct cursor *in)
{
	uint32_t number = 0;
	const char *p = take(in, sizeof(number));
	if (p)
		memcpy(&number, p, sizeof(number));
	return number;
}

/* A string; NULL when it fails. */
static const char *take_text(struct cursor *in)
{
	size_t n = take_number(in);
	const char *text = n < in->n ? take(in, n + 1) : take(in, SIZE_MAX);
	if (text && text[n] == '\0' && strlen(text) == n)
		return text;
	in->failed = true;
	return NULL;
}

/* A copy, in memory that is aligned. NULL: there is none, or it fails. */
static void *take_copy(struct cursor *in, size_t n)
{
	const void *from = take(in, n);
	void *copy = from && n > 0 ? malloc(n) : NULL;
	if (copy)
		memcpy(copy, from, n);
	else if (n > 0)
		in->failed = true;
	return copy;
}

static const char *describe(enum rule_tier tier)
{
	return tier == TIER_CANARY ? "A canary: this value was planted to be found"
				   : "A secret that the configuration names";
}

static void read_hosts(struct cursor *in, struct compiled_rule *rule)
{
	uint32_t count = take_number(in);
	if (in->failed || count == 0)
		return;
	/* Each has a length and a NUL. */
	if (count > in->n / 5 || !(rule->belongs_to = calloc((size_t)count + 1, sizeof(*rule->belongs_to)))) {
		in->failed = true;
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		rule->belongs_to[i] = take_text(in);
	rule->shown.belongs_to = rule->belongs_to;
}

static void read_value(struct cursor *in, const char *file, struct compiled_rule *rule)
{
	uint8_t tier = take_octet(in);
	uint8_t action = take_octet(in);
	uint32_t line = take_number(in);
	const char *id = take_text(in);
	rule->shown = (struct rule){.tier = (enum rule_tier)tier,
		.action = (enum verdict)action,
		.line = line,
		.id = id,
		.description = describe((enum rule_tier)tier),
		.regex = "",
		.severity = SEVERITY_CRITICAL,
		.in = SCAN_OUTGOING,
		.file = file};
	read_hosts(in, rule);
	if ((tier != TIER_KNOWN && tier != TIER_CANARY) ||
		(action != VERDICT_BLOCK && action != VERDICT_WARN))
		in->failed = true;
}

static void read_entries(struct cursor *in, struct known_set *set)
{
	set->entries = take_copy(in, set->entry_count * sizeof(*set->entries));
	for (size_t i = 0; !in->failed && i < set->entry_count; i++) {
		const struct known_entry *entry = &set->entries[i];
		if (entry->length < KNOWN_SHORTEST || entry->length > KNOWN_WINDOW ||
			entry->value >= set->count || (i > 0 && entry[-1].sip > entry->sip)) {
			in->failed = true;
			return;
		}
		if (entry->length < KNOWN_WINDOW)
			set->lengths |= 1u << entry->length;
	}
}

static void read_filter(struct cursor *in, unsigned size, struct known_filter *filter)
{
	if (size == 0)
		return;
	if (size < KNOWN_FILTER_MIN || size > KNOWN_FILTER_MAX) {
		in->failed = true;
		return;
	}
	filter->size = size;
	filter->words = take_copy(in, sizeof(uint64_t) << size);
}

static void read_set(struct cursor *in, struct known_set *set)
{
	uint32_t magic = take_number(in);
	set->count = take_number(in);
	set->entry_count = take_number(in);
	unsigned windows = take_octet(in);
	unsigned briefs = take_octet(in);
	const uint8_t *key = take(in, KNOWN_KEY_SIZE);
	const char *file = take_text(in);
	if (in->failed || magic != KNOWN_MAGIC || set->count > KNOWN_MAX_VALUES ||
		set->entry_count > KNOWN_MAX_ENTRIES || !known_keys_derive(key, &set->keys) ||
		!(set->rules = calloc(set->count + 1, sizeof(*set->rules)))) {
		in->failed = true;
		return;
	}
	for (size_t i = 0; i < set->count && !in->failed; i++)
		read_value(in, file, &set->rules[i]);
	read_entries(in, set);
	read_filter(in, windows, &set->windows);
	read_filter(in, briefs, &set->briefs);
}

/* What an entry needs to be found is there, or it would be passed over in silence. */
static bool is_whole(const struct known_set *set)
{
	for (size_t i = 0; i < set->entry_count; i++)
		if (!(set->entries[i].length == KNOWN_WINDOW ? set->windows.words : set->briefs.words))
			return false;
	return true;
}

struct known_set *known_set_read(struct span octets)
{
	struct known_set *set = calloc(1, sizeof(*set));
	if (!set)
		return NULL;
	set->octets = malloc(octets.n + 1);
	set->octets_size = octets.n;
	struct cursor in = {set->octets, octets.n, !set->octets};
	if (set->octets && octets.n > 0)
		memcpy(set->octets, octets.p, octets.n);
	if (!in.failed)
		read_set(&in, set);
	if (!in.failed && in.n == 0 && is_whole(set))
		return set;
	known_set_free(set);
	return NULL;
}

void known_set_free(struct known_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; set->rules && i < set->count; i++)
		free(set->rules[i].belongs_to);
	free(set->rules);
	if (set->octets)
		OPENSSL_cleanse(set->octets, set->octets_size);
	OPENSSL_cleanse(&set->keys, sizeof(set->keys));
	free(set->octets);
	free(set->entries);
	free(set->windows.words);
	free(set->briefs.words);
	free(set);
}

struct span known_set_octets(const struct known_set *set)
{
	return (struct span){set->octets, set->octets_size};
}

size_t known_set_count(const struct known_set *set)
{
	return set->count;
}

const struct compiled_rule *known_set_rule(const struct known_set *set, size_t value)
{
	return &set->rules[value];
}
