/*
 * Makes a set out of values. Of a value are kept its windows, and those of what the plain view makes of it,
 * where that is something else: then it is found in text whose escapes were undone. Left out is what many
 * texts have in common and no secret is: the armour and the header of a key, the head and claims of a JWT,
 * one octet over and over.
 */
#include "pipelock/scan/known_internal.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define DISTINCT_LEAST 5u
#define JWT_SIGNATURE_LEAST 16u
#define JWT_OVERLAP 8u

#define NO_MEMORY "there is no memory for it"

/* ---- which windows tell something */

static bool is_telling(const unsigned char *p, size_t n)
{
	unsigned distinct = 0;
	for (size_t i = 0; i < n && distinct < DISTINCT_LEAST; i++)
		distinct += !memchr(p, p[i], i);
	return distinct >= DISTINCT_LEAST;
}

static void leave_out(bool *left_out, size_t count, size_t from, size_t to)
{
	for (size_t i = from; i < to && i < count; i++)
		left_out[i] = true;
}

/* How many characters at the begin of a key's base64 are alike in all keys of its kind. */
static size_t key_header_length(struct span body)
{
	static const struct {
		size_t at;
		const char *text;
		size_t alike;
	} kinds[] = {
		{0, "b3BlbnNzaC1rZXktdjE", 70}, /* OpenSSH */
		{0, "MC4CAQAw", 21},		/* PKCS #8, Ed25519 */
		{4, "AgEAMB", 48},		/* PKCS #8, elliptic curves */
		{6, "IBADANBg", 51},		/* PKCS #8, RSA */
	};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].text);
		if (body.n >= kinds[i].at + n && memcmp(body.p + kinds[i].at, kinds[i].text, n) == 0)
			return kinds[i].alike;
	}
	return 12;
}

/* PEM (RFC 7468): the lines around, those with a field, and the header inside. */
static void leave_out_pem(struct span value, bool *left_out, size_t count)
{
	bool after_begin = false;
	for (size_t at = 0, end; at < value.n; at = end + 1) {
		const char *line = value.p + at, *newline = memchr(line, '\n', value.n - at);
		end = newline ? (size_t)(newline - value.p) : value.n;
		bool armour = end - at >= 5 && memcmp(line, "-----", 5) == 0;
		if (armour || memchr(line, ':', end - at)) {
			size_t reach = at < KNOWN_WINDOW - 1 ? at : KNOWN_WINDOW - 1;
			leave_out(left_out, count, at - reach, end + 1);
			after_begin |= armour;
		} else if (after_begin && end > at) {
			size_t alike = key_header_length((struct span){line, end - at});
			leave_out(left_out, count, at, at + alike);
			after_begin = false;
		}
	}
}

/* JWT (RFC 7519): what is secret is the signature; of the rest much stands in other tokens too. */
static void leave_out_jwt(struct span value, bool *left_out, size_t count)
{
	const char *first = memchr(value.p, '.', value.n), *last = memrchr(value.p, '.', value.n);
	size_t signature = last ? value.n - (size_t)(last - value.p) - 1 : 0;
	if (first == last || signature < JWT_SIGNATURE_LEAST || memchr(value.p, ' ', value.n))
		return;
	size_t dot = (size_t)(last - value.p);
	leave_out(left_out, count, 0, dot > JWT_OVERLAP ? dot - JWT_OVERLAP : 0);
}

static void choose_windows(struct span value, bool *left_out, size_t count)
{
	for (size_t i = 0; i < count; i++)
		left_out[i] = !is_telling((const unsigned char *)value.p + i, KNOWN_WINDOW);
	if (value.n >= 11 && memcmp(value.p, "-----BEGIN ", 11) == 0)
		leave_out_pem(value, left_out, count);
	else if (memcmp(value.p, "eyJ", 3) == 0)
		leave_out_jwt(value, left_out, count);
}

/* ---- entries */

/* An entry with what the filter will ask. */
struct draft_entry {
	struct known_entry entry;
	uint64_t hash;
};

struct draft {
	struct known_keys keys;
	struct draft_entry *entries;
	size_t count, room;
	size_t value;	 /* whose forms these are */
	const char *why; /* it failed */
};

static void add_entry(struct draft *draft, size_t value, const unsigned char *p, size_t n)
{
	if (draft->count == draft->room) {
		size_t room = draft->room ? 2 * draft->room : 256;
		struct draft_entry *grown = realloc(draft->entries, room * sizeof(*grown));
		if (!grown) {
			draft->why = NO_MEMORY;
			return;
		}
		draft->entries = grown;
		draft->room = room;
	}
	struct draft_entry *to = &draft->entries[draft->count++];
	*to = (struct draft_entry){.entry = {.sip = known_sip(draft->keys.sip, p, n),
					   .value = (uint32_t)value,
					   .length = (uint8_t)n},
		.hash = n == KNOWN_WINDOW ? known_hash_window(&draft->keys, p + n)
					  : known_hash_brief(&draft->keys, p + n)};
	if (!known_mac(&draft->keys, p, n, to->entry.mac))
		draft->why = "its fingerprints can't be made";
	if (draft->count > KNOWN_MAX_ENTRIES)
		draft->why = "all values together are too long";
}

static void add_windows(struct draft *draft, size_t value, struct span text)
{
	size_t count = text.n - KNOWN_WINDOW + 1;
	bool *left_out = calloc(count, sizeof(*left_out));
	if (!left_out) {
		draft->why = NO_MEMORY;
		return;
	}
	choose_windows(text, left_out, count);
	for (size_t i = 0; i < count && !draft->why; i++)
		if (!left_out[i])
			add_entry(draft, value, (const unsigned char *)text.p + i, KNOWN_WINDOW);
	free(left_out);
}

static void add_form(void *arg, struct span text)
{
	struct draft *draft = arg;
	size_t value = draft->value;
	const unsigned char *p = (const unsigned char *)text.p;
	if (draft->why)
		return;
	if (text.n >= KNOWN_WINDOW)
		add_windows(draft, value, text);
	else if (text.n >= KNOWN_SHORTEST && is_telling(p, text.n))
		add_entry(draft, value, p, text.n);
}

/* ---- all values */

static const char *check_value(const struct known_value *values, size_t which)
{
	struct span value = values[which].value;
	if (value.n < KNOWN_SHORTEST)
		return "it is shorter than 8 octets, and would be found everywhere";
	if (value.n > KNOWN_LONGEST)
		return "it is longer than 16384 octets";
	if (!is_telling((const unsigned char *)value.p, value.n))
		return "it has fewer than 5 different characters, and would be found everywhere";
	for (size_t i = 0; i < which; i++)
		if (span_equals(values[i].value, value))
			return "an earlier one has the same value";
	return NULL;
}

static void draft_value(struct draft *draft, const struct known_value *values, size_t which)
{
	size_t before = draft->count;
	draft->why = check_value(values, which);
	if (draft->why)
		return;
	draft->value = which;
	if (!known_each_form(values[which].value, add_form, draft))
		draft->why = NO_MEMORY;
	if (!draft->why && draft->count == before)
		draft->why = "there is nothing in it that tells it from other text";
}

static int compare_entries(const void *a, const void *b)
{
	const struct known_entry *x = &((const struct draft_entry *)a)->entry,
				 *y = &((const struct draft_entry *)b)->entry;
	if (x->sip != y->sip)
		return x->sip < y->sip ? -1 : 1;
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return x->value < y->value ? -1 : x->value > y->value;
}

/* Each window once; the first of the values that have it answers for it. */
static void sort_entries(struct draft *draft)
{
	size_t kept = 0;
	if (draft->count == 0)
		return;
	qsort(draft->entries, draft->count, sizeof(*draft->entries), compare_entries);
	for (size_t i = 1; i < draft->count; i++) {
		struct known_entry *last = &draft->entries[kept].entry, *next = &draft->entries[i].entry;
		if (next->sip == last->sip && next->length == last->length &&
			memcmp(next->mac, last->mac, KNOWN_MAC_SIZE) == 0)
			last->shared |= next->value != last->value;
		else
			draft->entries[++kept] = draft->entries[i];
	}
	draft->count = kept + 1;
}

/* ---- octets */

struct output {
	char *p;
	size_t n, room;
	bool failed; /* sticks */
};

static void put(struct output *out, const void *octets, size_t n)
{
	if (!out->failed && n > out->room - out->n) {
		size_t room = 2 * (out->room + n);
		char *grown = realloc(out->p, room);
		out->failed = !grown;
		out->p = grown ? grown : out->p;
		out->room = grown ? room : out->room;
	}
	if (out->failed)
		return;
	memcpy(out->p + out->n, octets, n);
	out->n += n;
}

static void put_octet(struct output *out, unsigned octet)
{
	uint8_t value = (uint8_t)octet;
	put(out, &value, 1);
}

static void put_number(struct output *out, size_t number)
{
	uint32_t value = (uint32_t)number;
	put(out, &value, sizeof(value));
}

/* The text is prefix and string together. */
static void put_text(struct output *out, const char *prefix, const char *string)
{
	put_number(out, strlen(prefix) + strlen(string));
	put(out, prefix, strlen(prefix));
	put(out, string, strlen(string) + 1);
}

static void put_value(struct output *out, const struct known_value *value)
{
	size_t hosts = 0;
	while (value->hosts && value->hosts[hosts])
		hosts++;
	put_octet(out, value->tier);
	put_octet(out, value->action);
	put_number(out, value->line);
	put_text(out, value->tier == TIER_CANARY ? "canary:" : "known:", value->name);
	put_number(out, hosts);
	for (size_t i = 0; i < hosts; i++)
		put_text(out, "", value->hosts[i]);
}

static unsigned filter_size(const struct draft *draft, bool windows)
{
	size_t count = 0;
	unsigned size = KNOWN_FILTER_MIN;
	for (size_t i = 0; i < draft->count; i++)
		count += (draft->entries[i].entry.length == KNOWN_WINDOW) == windows;
	while (size < KNOWN_FILTER_MAX && ((size_t)1 << size) < count)
		size++;
	return count > 0 ? size : 0;
}

static void put_filter(struct output *out, const struct draft *draft, bool windows, unsigned size)
{
	if (size == 0)
		return;
	struct known_filter filter = {.words = calloc((size_t)1 << size, sizeof(uint64_t)), .size = size};
	if (!filter.words) {
		out->failed = true;
		return;
	}
	for (size_t i = 0; i < draft->count; i++)
		if ((draft->entries[i].entry.length == KNOWN_WINDOW) == windows)
			*known_filter_word(&filter, draft->entries[i].hash) |=
				known_filter_mask(draft->entries[i].hash);
	put(out, filter.words, sizeof(uint64_t) << size);
	free(filter.words);
}

static void put_set(struct output *out, const struct draft *draft, const struct known_value *values,
	size_t count, const char *file, const uint8_t key[KNOWN_KEY_SIZE])
{
	unsigned windows = filter_size(draft, true), briefs = filter_size(draft, false);
	put_number(out, KNOWN_MAGIC);
	put_number(out, count);
	put_number(out, draft->count);
	put_octet(out, windows);
	put_octet(out, briefs);
	put(out, key, KNOWN_KEY_SIZE);
	put_text(out, "", file);
	for (size_t i = 0; i < count; i++)
		put_value(out, &values[i]);
	for (size_t i = 0; i < draft->count; i++)
		put(out, &draft->entries[i].entry, sizeof(draft->entries[i].entry));
	put_filter(out, draft, true, windows);
	put_filter(out, draft, false, briefs);
}

/* The set is made by its reader, so there is one way to have one. */
static struct known_set *finish(struct draft *draft, const struct known_value *values, size_t count,
	const char *file, const uint8_t key[KNOWN_KEY_SIZE])
{
	struct output out = {0};
	sort_entries(draft);
	put_set(&out, draft, values, count, file, key);
	struct known_set *set = out.failed ? NULL : known_set_read((struct span){out.p, out.n});
	if (out.p)
		OPENSSL_cleanse(out.p, out.n);
	free(out.p);
	return set;
}

struct known_set *known_set_build(const struct known_value *values, size_t count, const char *file,
	const uint8_t key[KNOWN_KEY_SIZE], size_t *which, const char **why)
{
	struct draft draft = {0};
	struct known_set *set = NULL;
	if (count > KNOWN_MAX_VALUES)
		draft.why = "more than 1000 values";
	else if (!known_keys_derive(key, &draft.keys))
		draft.why = "their fingerprints can't be made";
	*which = draft.why ? count : 0;
	while (!draft.why && *which < count) {
		draft_value(&draft, values, *which);
		*which += !draft.why;
	}
	if (!draft.why && !(set = finish(&draft, values, count, file, key)))
		draft.why = NO_MEMORY;
	*why = draft.why;
	if (draft.entries)
		OPENSSL_cleanse(draft.entries, draft.room * sizeof(*draft.entries));
	free(draft.entries);
	OPENSSL_cleanse(&draft.keys, sizeof(draft.keys));
	return set;
}
