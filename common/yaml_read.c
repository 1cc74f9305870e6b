/*
 * Typed reading of nodes, strict: a number in quotes is text, "yes" is not a bool, a unit is never guessed.
 * What was expected stands in each error; the value that was found does not, because somebody may have put a
 * secret there.
 */
#include "common/yaml.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const char *kind_text(const struct yaml_node *node)
{
	switch (node->kind) {
	case YAML_NULL:
		return "nothing";
	case YAML_SCALAR:
		return node->quoted ? "text in quotes" : "a single value";
	case YAML_SEQUENCE:
		return "a list";
	case YAML_MAPPING:
		return "a mapping";
	}
	return "something else";
}

static bool wrong_type(const struct yaml_node *node, const char *expected, struct load_error *error)
{
	yaml_error(node, error, "expected %s, found %s", expected, kind_text(node));
	return false;
}

bool yaml_expect(struct yaml_node *node, enum yaml_kind kind, struct load_error *error)
{
	static const char *const names[] = {
		[YAML_NULL] = "nothing",
		[YAML_SCALAR] = "a single value",
		[YAML_SEQUENCE] = "a list",
		[YAML_MAPPING] = "a mapping (key: value)",
	};
	return !node || node->kind == kind || wrong_type(node, names[kind], error);
}

bool yaml_read_string(struct yaml_node *node, const char **out, struct load_error *error)
{
	if (!node)
		return true;
	if (node->kind != YAML_SCALAR)
		return wrong_type(node, "text", error);
	if (memchr(node->scalar.p, 0, node->scalar.n)) {
		yaml_error(node, error, "text must not hold a NUL");
		return false;
	}
	*out = node->scalar.p;
	return true;
}

/* YAML 1.1 takes these for bools too, and people write them. */
static const char *bool_meant(struct span text)
{
	static const char *const yes[] = {"yes", "on", "y", "true"};
	static const char *const no[] = {"no", "off", "n", "false"};
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		if (span_equals_nocase(text, span_of(yes[i])))
			return "true";
		if (span_equals_nocase(text, span_of(no[i])))
			return "false";
	}
	return NULL;
}

bool yaml_read_bool(struct yaml_node *node, bool *out, struct load_error *error)
{
	if (!node)
		return true;
	if (node->kind != YAML_SCALAR)
		return wrong_type(node, "true or false", error);
	bool is_true = span_equals(node->scalar, SPAN("true"));
	if (!node->quoted && (is_true || span_equals(node->scalar, SPAN("false")))) {
		*out = is_true;
		return true;
	}
	const char *meant = bool_meant(node->scalar);
	if (meant)
		yaml_error(node, error, "expected true or false; did you mean %s (without quotes)?", meant);
	else
		wrong_type(node, "true or false", error);
	return false;
}

/* Digits from the start of *text, which is advanced past them. False: none, a leading zero, or over 2^64-1.
 */
static bool take_digits(struct span *text, uint64_t *out)
{
	uint64_t value = 0;
	size_t i = 0;
	for (; i < text->n && text->p[i] >= '0' && text->p[i] <= '9'; i++) {
		unsigned digit = (unsigned)(text->p[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	/* 010 is 8 in YAML 1.1 and 10 in YAML 1.2. */
	if (i == 0 || (i > 1 && text->p[0] == '0'))
		return false;
	text->p += i;
	text->n -= i;
	*out = value;
	return true;
}

bool yaml_read_integer(
	struct yaml_node *node, uint64_t min, uint64_t max, uint64_t *out, struct load_error *error)
{
	if (!node)
		return true;
	struct span text = node->scalar;
	uint64_t value = 0;
	if (node->kind != YAML_SCALAR || node->quoted)
		return wrong_type(node, "a whole number", error);
	if (!take_digits(&text, &value) || text.n > 0 || value < min || value > max) {
		yaml_error(node, error, "expected a whole number from %" PRIu64 " to %" PRIu64, min, max);
		return false;
	}
	*out = value;
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* A number with a unit after it; blanks between them are allowed where `blanks` says so. */
static bool read_quantity(struct span text, const struct unit *units, size_t n, bool blanks, uint64_t *out)
{
	uint64_t value = 0;
	if (!take_digits(&text, &value))
		return false;
	while (blanks && text.n > 0 && text.p[0] == ' ') {
		text.p++;
		text.n--;
	}
	for (size_t i = 0; i < n; i++) {
		if (!span_equals(text, span_of(units[i].name)))
			continue;
		if (value > UINT64_MAX / units[i].factor)
			return false;
		*out = value * units[i].factor;
		return true;
	}
	return false;
}

static const struct unit byte_units[] = {
	{"", 1},
	{"B", 1},
	{"KB", 1000},
	{"MB", 1000 * 1000},
	{"GB", 1000 * 1000 * 1000},
	{"KiB", 1u << 10},
	{"MiB", 1u << 20},
	{"GiB", 1u << 30},
};

static const struct unit time_units[] = {
	{"ms", 1},
	{"s", 1000},
	{"m", 60 * 1000},
	{"h", 60 * 60 * 1000},
};

/* The largest unit that gives a whole number: how a bound is told. */
static void format_quantity(uint64_t value, const struct unit *units, size_t n, char *out, size_t room)
{
	const struct unit *best = &units[0];
	for (size_t i = 0; i < n; i++)
		if (value > 0 && value % units[i].factor == 0 && units[i].factor > best->factor)
			best = &units[i];
	snprintf(out, room, "%" PRIu64 "%s", value / best->factor, best->name);
}

struct quantity {
	const struct unit *units;
	size_t unit_count;
	bool blanks;
	const char *expected;
};

static bool read_bounded(struct yaml_node *node, const struct quantity *q, uint64_t min, uint64_t max,
	uint64_t *out, struct load_error *error)
{
	if (!node)
		return true;
	if (node->kind != YAML_SCALAR)
		return wrong_type(node, q->expected, error);
	uint64_t value = 0;
	if (!read_quantity(node->scalar, q->units, q->unit_count, q->blanks, &value)) {
		yaml_error(node, error, "expected %s", q->expected);
		return false;
	}
	if (value < min || value > max) {
		char low[32], high[32];
		format_quantity(min, q->units, q->unit_count, low, sizeof(low));
		format_quantity(max, q->units, q->unit_count, high, sizeof(high));
		yaml_error(node, error, "must be from %s to %s", low, high);
		return false;
	}
	*out = value;
	return true;
}

bool yaml_read_bytes(
	struct yaml_node *node, uint64_t min, uint64_t max, uint64_t *out, struct load_error *error)
{
	static const struct quantity q = {byte_units, sizeof(byte_units) / sizeof(*byte_units), true,
		"an amount of memory such as 512, 64KiB or 1MiB"};
	return read_bounded(node, &q, min, max, out, error);
}

bool yaml_read_duration(
	struct yaml_node *node, uint64_t min_ms, uint64_t max_ms, uint64_t *out_ms, struct load_error *error)
{
	static const struct quantity q = {time_units, sizeof(time_units) / sizeof(*time_units), false,
		"a time such as 250ms, 2s, 10m or 1h"};
	return read_bounded(node, &q, min_ms, max_ms, out_ms, error);
}

/* "block, warn or allow" */
static void list_names(const char *const *names, size_t n, char *out, size_t room)
{
	size_t used = 0;
	out[0] = 0;
	for (size_t i = 0; i < n && used < room; i++) {
		const char *before = i == 0 ? "" : i + 1 == n ? " or " : ", ";
		int wrote = snprintf(out + used, room - used, "%s%s", before, names[i]);
		used += wrote > 0 ? (size_t)wrote : 0;
	}
}

bool yaml_read_choice(
	struct yaml_node *node, const char *const *names, size_t n, unsigned *out, struct load_error *error)
{
	if (!node)
		return true;
	char list[256];
	list_names(names, n, list, sizeof(list));
	if (node->kind != YAML_SCALAR)
		return wrong_type(node, list, error);
	for (size_t i = 0; i < n; i++) {
		if (span_equals(node->scalar, span_of(names[i]))) {
			*out = (unsigned)i;
			return true;
		}
	}
	const char *near = yaml_nearest(node->scalar.p, names, n);
	if (near)
		yaml_error(node, error, "expected %s; did you mean '%s'?", list, near);
	else
		yaml_error(node, error, "expected %s", list);
	return false;
}

/* ---- nearest word */

#define NEAREST_MAX_WORD 48
#define NEAREST_MAX_EDITS 3

static size_t least(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

/* Edits (insert, delete, replace, swap of neighbours) between two words of at most NEAREST_MAX_WORD octets.
 */
static size_t edit_distance(struct span a, struct span b)
{
	size_t d[3][NEAREST_MAX_WORD + 1];
	for (size_t j = 0; j <= b.n; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *row = d[i % 3], *above = d[(i + 2) % 3], *two_above = d[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			bool same = a.p[i - 1] == b.p[j - 1];
			row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1));
			bool swapped = i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1];
			if (swapped && two_above[j - 2] + 1 < row[j])
				row[j] = two_above[j - 2] + 1;
		}
	}
	return d[a.n % 3][b.n];
}

const char *yaml_nearest(const char *word, const char *const *names, size_t n)
{
	struct span text = span_of(word);
	const char *best = NULL;
	size_t best_edits = NEAREST_MAX_EDITS + 1;
	if (text.n > NEAREST_MAX_WORD)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		struct span name = span_of(names[i]);
		if (name.n > NEAREST_MAX_WORD)
			continue;
		size_t edits = edit_distance(text, name);
		if (edits < best_edits && edits * 2 < text.n) {
			best_edits = edits;
			best = names[i];
		}
	}
	return best;
}
