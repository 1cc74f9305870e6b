/*
 * Rows of octet sets, multiplied out.
 */
#include "pipelock/scan/regex_rows.h"

#include <stdlib.h>

void rows_append(struct rows *rows, const struct rows *by)
{
	size_t old = rows->count;
	for (size_t j = by->count; j-- > 0;) {
		for (size_t i = 0; i < old; i++) {
			struct row *to = &rows->row[j * old + i];
			if (j > 0)
				*to = rows->row[i];
			unsigned room = REGEX_ANCHOR_MAX - to->length;
			unsigned n = by->row[j].length < room ? by->row[j].length : room;
			memcpy(&to->sets[to->length], by->row[j].sets, n * sizeof(to->sets[0]));
			to->length += n;
		}
	}
	rows->count = old * by->count;
}

bool rows_fit(const struct rows *rows, const struct rows *by)
{
	return by->count > 0 && rows->count * by->count <= ROWS_MAX;
}

bool rows_multiply(struct rows *rows, const struct rows *by)
{
	if (!rows_fit(rows, by))
		return false;
	for (size_t i = 0; i < rows->count; i++) {
		for (size_t j = 0; j < by->count; j++) {
			if (rows->row[i].length + by->row[j].length > REGEX_ANCHOR_MAX)
				return false;
		}
	}
	rows_append(rows, by);
	return true;
}

void rows_reset(struct rows *rows)
{
	rows->count = 1;
	rows->row[0].length = 0;
}

static bool exact_alternatives(
	const struct regex *regex, uint32_t child, struct rows *out, bool *out_of_memory)
{
	struct rows *branch = malloc(sizeof(*branch));
	bool ok = branch != NULL;
	*out_of_memory |= !branch;
	for (out->count = 0; ok && child != REGEX_NONE; child = regex->nodes[child].next) {
		ok = rows_exact(regex, child, branch, out_of_memory) &&
		     out->count + branch->count <= ROWS_MAX;
		for (size_t i = 0; ok && i < branch->count; i++)
			out->row[out->count++] = branch->row[i];
	}
	free(branch);
	return ok;
}

static bool exact_sequence(const struct regex *regex, uint32_t child, struct rows *out, bool *out_of_memory)
{
	struct rows *item = malloc(sizeof(*item));
	bool ok = item != NULL;
	*out_of_memory |= !item;
	rows_reset(out);
	for (; ok && child != REGEX_NONE; child = regex->nodes[child].next)
		ok = rows_exact(regex, child, item, out_of_memory) && rows_multiply(out, item);
	free(item);
	return ok;
}

/* x{n}, or x{n,m} with few choices: the union of its powers. */
static bool exact_repeat(
	const struct regex *regex, const struct regex_node *node, struct rows *out, bool *out_of_memory)
{
	if (node->max == REGEX_UNBOUNDED || node->max - node->min > 2 || node->max > REGEX_ANCHOR_MAX)
		return false;
	struct rows *item = malloc(2 * sizeof(*item));
	if (!item) {
		*out_of_memory = true;
		return false;
	}
	struct rows *power = item + 1;
	bool ok = rows_exact(regex, node->child, item, out_of_memory);
	rows_reset(power);
	out->count = 0;
	for (uint32_t i = 0; ok && i <= node->max; i++) {
		if (i > 0)
			ok = rows_multiply(power, item);
		if (i < node->min || !ok)
			continue;
		ok = out->count + power->count <= ROWS_MAX;
		for (size_t k = 0; ok && k < power->count; k++)
			out->row[out->count++] = power->row[k];
	}
	free(item);
	return ok;
}

bool rows_exact(const struct regex *regex, uint32_t at, struct rows *out, bool *out_of_memory)
{
	const struct regex_node *node = &regex->nodes[at];
	rows_reset(out);
	switch (node->kind) {
	case REGEX_CLASS:
		out->row[0].sets[0] = node->set;
		out->row[0].length = 1;
		return true;
	case REGEX_CAT:
		return node->min_width <= REGEX_ANCHOR_MAX &&
		       exact_sequence(regex, node->child, out, out_of_memory);
	case REGEX_ALT:
		return node->min_width <= REGEX_ANCHOR_MAX &&
		       exact_alternatives(regex, node->child, out, out_of_memory);
	case REGEX_GROUP:
		return rows_exact(regex, node->child, out, out_of_memory);
	case REGEX_REPEAT:
		return exact_repeat(regex, node, out, out_of_memory);
	default:
		return true; /* no width: the row of no sets */
	}
}
