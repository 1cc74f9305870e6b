/*
 * What every match of a regex must hold: rows of octet sets at a known distance from its start. A walk over
 * the main line multiplies out short alternatives ("open" rows grow while their length is fixed), closes them
 * at anything of variable length and keeps the set that ordinary traffic holds least often. Every claim must
 * be true of every match; to claim less is always allowed.
 */
#include "pipelock/scan/regex_rate.h"
#include "pipelock/scan/regex_rows.h"

#include <stdlib.h>

#define TRAILING_COPIES 4
#define WIDE_COST 3

struct result {
	struct regex_anchor *anchors;
	size_t count;
	double rate; /* of the windows */
	double cost; /* what is compared: the rate, dearer for distance */
};

/* What comes after a node: its next siblings, then what comes after their parent. */
struct after {
	uint32_t node;
	const struct after *up;
};

struct walk {
	const struct regex *regex;
	const struct after *after; /* what comes after the sequence in hand; NULL: the end, or not known */
	const struct regex_node *assertion; /* that stands right before the sequence to come, or NULL */
	bool out_of_memory;
	struct rate_table rates;
};

static uint32_t add_distance(uint32_t a, uint32_t b)
{
	return a == REGEX_UNBOUNDED || b == REGEX_UNBOUNDED || a > UINT32_MAX - 1 - b ? REGEX_UNBOUNDED
										      : a + b;
}

static void result_clear(struct result *result)
{
	free(result->anchors);
	memset(result, 0, sizeof(*result));
}

/* ---- rows become anchors */

/* The rates of a row's sets, which are mostly those of the row before. */
static void rate_sets(const struct rate_table *table, const struct regex_anchor *anchor,
	const struct regex_anchor *before, struct set_rate rates[REGEX_ANCHOR_MAX])
{
	for (unsigned k = 0; k < anchor->length; k++) {
		const struct byte_set *set = &anchor->sets[k];
		if (before && k < before->length && byte_set_equals(set, &before->sets[k]))
			continue;
		if (k > 0 && byte_set_equals(set, &anchor->sets[k - 1]))
			rates[k] = rates[k - 1];
		else
			rates[k] = rate_set(table, set);
	}
}

/* A window's expected hits, and what they cost: more where the prefilter can't write the window out. */
struct expected {
	double rate, cost;
};

static void expect(const struct set_rate *rates, unsigned count, struct expected *sum)
{
	double rate = rate_window(rates, count), texts = rate_texts(rates, count);
	sum->rate += rate;
	sum->cost += rate * (1 + WIDE_COST * (texts < REGEX_NARROW_TEXTS ? texts / REGEX_NARROW_TEXTS : 1));
}

/* One window for all alternatives, at the same distance from the start of the match: so starts are found in
 * order. */
static struct expected choose_window(
	const struct rate_table *table, struct regex_anchor *anchors, size_t count)
{
	struct set_rate rates[REGEX_ANCHOR_MAX];
	struct expected sums[REGEX_ANCHOR_MAX] = {{0, 0}};
	unsigned shortest = REGEX_ANCHOR_MAX, where = 0;
	double best = 0;
	for (size_t i = 0; i < count; i++)
		shortest = anchors[i].length < shortest ? anchors[i].length : shortest;
	for (size_t i = 0; i < count; i++) {
		rate_sets(table, &anchors[i], i ? &anchors[i - 1] : NULL, rates);
		for (unsigned at = 0; at == 0 || at + REGEX_WINDOW <= shortest; at++)
			expect(rates + at, anchors[i].length - at, &sums[at]);
	}
	for (unsigned at = 0; at == 0 || at + REGEX_WINDOW <= shortest; at++) {
		/* A window further in makes the tail of a stream wait longer: it has to be worth it. */
		unsigned begin = anchors[0].context ? 1 : 0, late = at > begin ? at - begin : 0;
		double cost = (sums[at].cost + 1e-9) * (1 + 0.5 * late);
		if (at == 0 || cost < best) {
			best = cost;
			where = at;
		}
	}
	for (size_t i = 0; i < count; i++)
		anchors[i].window = where;
	return sums[where];
}

/* The set of octets that must stand before (or the start of the text), if the assertion before `rows` gives
 * one. */
static bool context_of(const struct regex_node *assertion, const struct rows *rows, struct byte_set *out)
{
	if (!assertion)
		return false;
	if (assertion->kind == REGEX_NOT_BEHIND) {
		*out = assertion->set;
		byte_set_invert(out);
		return true;
	}
	byte_set_word(out);
	for (size_t i = 0; i < rows->count; i++) {
		if (!byte_set_within(&rows->row[i].sets[0], out))
			return false;
	}
	byte_set_invert(out);
	return true;
}

/* What is open, as the walk along a sequence goes on. */
struct open {
	struct rows rows;
	uint32_t min_distance, max_distance;
	const struct regex_node *assertion; /* that stands right before the rows, or NULL */
};

/* What is known of the text behind the rows that are open. */
struct ending {
	bool known;
	struct byte_set next; /* the octets of which one must follow */
	struct regex_tail tail;
};

static void make_anchor(const struct open *open, size_t i, const struct byte_set *context,
	const struct ending *ending, struct regex_anchor *out)
{
	const struct row *row = &open->rows.row[i];
	memset(out, 0, sizeof(*out));
	out->context = context != NULL;
	if (context)
		out->sets[out->length++] = *context;
	unsigned n =
		row->length < REGEX_ANCHOR_MAX - out->length ? row->length : REGEX_ANCHOR_MAX - out->length;
	memcpy(&out->sets[out->length], row->sets, n * sizeof(row->sets[0]));
	out->length += n;
	if (n == row->length) {
		out->tail = ending->tail;
		out->tail.at = (uint16_t)out->length;
	}
	out->next = ending->known && out->length < REGEX_ANCHOR_MAX;
	if (out->next)
		out->sets[out->length++] = ending->next;
	out->min_distance = open->min_distance;
	out->max_distance = open->max_distance;
}

/* The rows that are open are a possible result: keep them when they are cheaper than what there was. */
static void close_rows(
	struct walk *walk, const struct open *open, const struct ending *ending, struct result *best)
{
	const struct rows *rows = &open->rows;
	if (open->max_distance > REGEX_MAX_DISTANCE)
		return;
	for (size_t i = 0; i < rows->count; i++) {
		if (rows->row[i].length == 0)
			return;
	}
	struct byte_set context;
	bool has_context = context_of(open->assertion, rows, &context);
	struct regex_anchor *anchors = calloc(rows->count, sizeof(*anchors));
	if (!anchors) {
		walk->out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < rows->count; i++)
		make_anchor(open, i, has_context ? &context : NULL, ending, &anchors[i]);
	struct expected sum = choose_window(&walk->rates, anchors, rows->count);
	double span = open->max_distance - open->min_distance;
	double cost = (sum.cost + 1e-9) * (1 + 0.05 * open->max_distance + 0.1 * span);
	if (best->anchors && best->cost <= cost) {
		free(anchors);
		return;
	}
	result_clear(best);
	*best = (struct result){anchors, rows->count, sum.rate, cost};
}

/* ---- the walk */

static void find_best(
	struct walk *walk, uint32_t at, uint32_t min_distance, uint32_t max_distance, struct result *best);

static bool add_first_bytes(const struct regex *regex, uint32_t at, struct byte_set *out);

/* Adds the octets that this and what comes after it can begin with. false: it may all be of no width. */
static bool add_next(const struct walk *walk, uint32_t node, struct byte_set *out)
{
	struct after here = {node, walk->after};
	for (const struct after *after = &here; after; after = after->up) {
		for (uint32_t at = after->node; at != REGEX_NONE; at = walk->regex->nodes[at].next) {
			if (!add_first_bytes(walk->regex, at, out))
				return true;
		}
	}
	return false;
}

/* Behind the first copies of a repeated class come the others, and then something else. */
static void find_tail(
	const struct walk *walk, const struct regex_node *repeat, uint32_t copies, struct regex_tail *out)
{
	const struct regex_node *child = &walk->regex->nodes[repeat->child];
	if (child->kind != REGEX_CLASS || !add_next(walk, repeat->next, &out->end))
		return;
	uint32_t max = repeat->max - copies;
	out->known = true;
	out->max = (uint16_t)(max <= REGEX_TAIL_MAX ? max : REGEX_TAIL_MAX + 1);
	out->run = child->set;
}

/* Close the rows that end where this node begins. */
static void close_before(struct walk *walk, const struct open *open, uint32_t node, struct result *best)
{
	struct ending ending = {0};
	ending.known = add_next(walk, node, &ending.next);
	const struct after *saved = walk->after;
	for (; node == REGEX_NONE && walk->after; walk->after = walk->after->up)
		node = walk->after->node;
	if (node != REGEX_NONE && walk->regex->nodes[node].kind == REGEX_REPEAT)
		find_tail(walk, &walk->regex->nodes[node], 0, &ending.tail);
	walk->after = saved;
	close_rows(walk, open, &ending, best);
}

static void open_at(struct open *open, uint32_t min_distance, uint32_t max_distance)
{
	rows_reset(&open->rows);
	open->assertion = NULL;
	open->min_distance = min_distance;
	open->max_distance = max_distance;
}

/* x{n,m}: n copies go on with what is open; the last few of them begin what comes after. */
static void walk_repeat(struct walk *walk, const struct regex_node *node, struct rows *item,
	struct open *open, struct result *best, uint32_t min_distance, uint32_t max_distance)
{
	const struct regex_node *child = &walk->regex->nodes[node->child];
	uint32_t width = child->min_width, copies = 0;
	bool fixed = width == child->max_width && width > 0;
	struct ending ending = {0};
	while (copies < node->min && rows_multiply(&open->rows, item))
		copies++;
	ending.known = copies < node->max && !add_first_bytes(walk->regex, node->child, &ending.next);
	if (copies == node->min)
		ending.known = add_next(walk, node->next, &ending.next);
	find_tail(walk, node, copies, &ending.tail);
	close_rows(walk, open, &ending, best);
	open_at(open, add_distance(min_distance, node->min_width),
		add_distance(max_distance, node->max_width));
	if (!fixed)
		return;
	for (uint32_t i = 0; i < node->min && i < TRAILING_COPIES && rows_multiply(&open->rows, item); i++) {
		open->min_distance -= width;
		if (open->max_distance != REGEX_UNBOUNDED)
			open->max_distance -= width;
	}
}

static void walk_children(struct walk *walk, uint32_t first, struct rows *item, struct open *open,
	struct result *best, uint32_t min_distance, uint32_t max_distance);

/* Whichever is cheaper. */
static void take_cheaper(struct result *best, struct result *other)
{
	if (!other->anchors || (best->anchors && best->cost <= other->cost)) {
		result_clear(other);
		return;
	}
	result_clear(best);
	*best = *other;
}

/* What stands here does beside what follows: both are looked at. It has to be the better the more
 * alternatives it has, for each of them is tried at a hit. What comes behind it is not known. */
static void walk_ahead(struct walk *walk, const struct regex_node *node, const struct regex_node *assertion,
	struct result *best, uint32_t min_distance, uint32_t max_distance)
{
	const struct after *after = walk->after;
	struct result ahead = {0};
	walk->after = NULL;
	walk->assertion = assertion;
	find_best(walk, node->child, min_distance, max_distance, &ahead);
	walk->assertion = NULL;
	walk->after = after;
	ahead.cost *= (double)ahead.count;
	take_cheaper(best, &ahead);
}

/* Nothing stands between the assertion and what comes next. */
static bool is_at_assertion(const struct open *open)
{
	return open->rows.count == 1 && open->rows.row[0].length == 0;
}

static void walk_child(struct walk *walk, uint32_t at, struct rows *item, struct open *open,
	struct result *best, uint32_t min_distance, uint32_t max_distance)
{
	const struct regex_node *node = &walk->regex->nodes[at];
	if (node->kind == REGEX_WORD_EDGE || node->kind == REGEX_NOT_BEHIND) {
		if (is_at_assertion(open) && !open->assertion)
			open->assertion = node;
		return;
	}
	if (node->kind == REGEX_AHEAD) {
		walk_ahead(walk, node, is_at_assertion(open) ? open->assertion : NULL, best, min_distance,
			max_distance);
		return;
	}
	if (rows_exact(walk->regex, at, item, &walk->out_of_memory)) {
		if (rows_multiply(&open->rows, item))
			return;
		if (rows_fit(&open->rows, item)) {
			static const struct ending unknown;
			rows_append(&open->rows, item);
			close_rows(walk, open, &unknown, best);
		} else {
			close_before(walk, open, at, best);
		}
		open_at(open, min_distance, max_distance);
		rows_multiply(&open->rows, item);
		return;
	}
	if (node->kind == REGEX_REPEAT && node->min > 0 &&
		rows_exact(walk->regex, node->child, item, &walk->out_of_memory)) {
		walk_repeat(walk, node, item, open, best, min_distance, max_distance);
		return;
	}
	struct after after = {node->next, walk->after};
	if (node->kind == REGEX_GROUP && walk->regex->nodes[node->child].kind == REGEX_CAT) {
		walk->after = &after;
		walk_children(walk, walk->regex->nodes[node->child].child, item, open, best, min_distance,
			max_distance);
		walk->after = after.up;
		return;
	}
	close_before(walk, open, at, best);
	walk->after = &after;
	find_best(walk, at, min_distance, max_distance, best);
	walk->after = after.up;
	open_at(open, add_distance(min_distance, node->min_width),
		add_distance(max_distance, node->max_width));
}

/* What is open goes on through the group of a sequence: \b(?<secret>AKIA...) is one row. */
static void walk_children(struct walk *walk, uint32_t first, struct rows *item, struct open *open,
	struct result *best, uint32_t min_distance, uint32_t max_distance)
{
	for (uint32_t at = first; at != REGEX_NONE; at = walk->regex->nodes[at].next) {
		const struct regex_node *node = &walk->regex->nodes[at];
		walk_child(walk, at, item, open, best, min_distance, max_distance);
		min_distance = add_distance(min_distance, node->min_width);
		max_distance = add_distance(max_distance, node->max_width);
	}
}

static void walk_sequence(
	struct walk *walk, uint32_t first, uint32_t min_distance, uint32_t max_distance, struct result *best)
{
	struct open *open = malloc(sizeof(*open));
	struct rows *item = malloc(sizeof(*item));
	walk->out_of_memory |= !open || !item;
	if (open && item) {
		const struct regex_node *assertion = walk->assertion;
		open_at(open, min_distance, max_distance);
		open->assertion = assertion;
		walk->assertion = NULL;
		walk_children(walk, first, item, open, best, min_distance, max_distance);
		close_before(walk, open, REGEX_NONE, best);
		walk->assertion = assertion; /* for the next alternative */
	}
	free(open);
	free(item);
}

/* Of alternatives each must give its own; together they are one result. */
static void walk_alternatives(
	struct walk *walk, uint32_t first, uint32_t min_distance, uint32_t max_distance, struct result *best)
{
	struct result all = {0};
	for (uint32_t at = first; at != REGEX_NONE; at = walk->regex->nodes[at].next) {
		struct result one = {0};
		find_best(walk, at, min_distance, max_distance, &one);
		struct regex_anchor *grown = NULL;
		if (one.anchors && all.count + one.count <= REGEX_MAX_ANCHORS) {
			grown = realloc(all.anchors, (all.count + one.count) * sizeof(*grown));
			walk->out_of_memory |= !grown;
		}
		if (!grown) {
			result_clear(&one);
			result_clear(&all);
			return;
		}
		memcpy(grown + all.count, one.anchors, one.count * sizeof(*grown));
		all.anchors = grown;
		all.count += one.count;
		all.rate += one.rate;
		all.cost += one.cost;
		result_clear(&one);
	}
	take_cheaper(best, &all);
}

static void find_best(
	struct walk *walk, uint32_t at, uint32_t min_distance, uint32_t max_distance, struct result *best)
{
	const struct regex_node *node = &walk->regex->nodes[at];
	if (min_distance > REGEX_MAX_DISTANCE)
		return;
	switch (node->kind) {
	case REGEX_CAT:
		walk_sequence(walk, node->child, min_distance, max_distance, best);
		break;
	case REGEX_ALT:
		walk_alternatives(walk, node->child, min_distance, max_distance, best);
		break;
	case REGEX_GROUP:
		find_best(walk, node->child, min_distance, max_distance, best);
		break;
	case REGEX_AHEAD:
		walk_ahead(walk, node, NULL, best, min_distance, max_distance);
		break;
	case REGEX_REPEAT: /* its first turn, after which may come another */
		if (node->min > 0) {
			const struct after *after = walk->after;
			walk->after = NULL;
			find_best(walk, node->child, min_distance, max_distance, best);
			walk->after = after;
		}
		break;
	default:
		break;
	}
}

bool regex_find_anchors(const struct regex *regex, struct regex_anchor **out, size_t *count, double *rate)
{
	struct walk walk = {.regex = regex};
	struct result best = {0};
	*out = NULL;
	*count = 0;
	*rate = 1.0;
	if (regex->opaque)
		return true;
	rate_table_fill(&walk.rates);
	find_best(&walk, regex->root, 0, 0, &best);
	if (walk.out_of_memory) {
		result_clear(&best);
		return false;
	}
	if (best.anchors) {
		*out = best.anchors;
		*count = best.count;
		*rate = best.rate;
	}
	return true;
}

/* ---- runs and first octets */

/* (?>...) gives nothing back, so not all that a run could leave to what follows is tried. */
static bool is_atomic(const struct regex *regex, const struct regex_node *group)
{
	struct span source = regex->source;
	return source.n - group->begin > 3 && memcmp(source.p + group->begin, "(?>", 3) == 0;
}

bool regex_first_run(const struct regex *regex, struct regex_run *out)
{
	memset(out, 0, sizeof(*out));
	if (regex->opaque)
		return false;
	uint32_t at = regex->root;
	while (at != REGEX_NONE) {
		const struct regex_node *node = &regex->nodes[at];
		const struct regex_node *child =
			node->child == REGEX_NONE ? NULL : &regex->nodes[node->child];
		if (node->kind == REGEX_REPEAT && node->max == REGEX_UNBOUNDED &&
			child->kind == REGEX_CLASS) {
			out->prefix_end = node->begin;
			out->set = child->set;
			return true;
		}
		if (node->kind == REGEX_CAT) {
			at = node->child;
			continue;
		}
		if (node->kind == REGEX_GROUP && node->max_width == REGEX_UNBOUNDED) {
			if (is_atomic(regex, node))
				return false;
			out->open_groups++;
			at = node->child;
			continue;
		}
		if (node->max_width > REGEX_MAX_DISTANCE)
			return false;
		out->prefix_min += node->min_width;
		out->prefix_max += node->max_width;
		at = node->next;
	}
	return false;
}

/* Adds what the node can begin with; true: the node may be of no width, so what follows counts too. */
static bool add_first_bytes(const struct regex *regex, uint32_t at, struct byte_set *out)
{
	const struct regex_node *node = &regex->nodes[at];
	bool empty = node->kind == REGEX_CAT || (node->kind == REGEX_REPEAT && node->min == 0);
	switch (node->kind) {
	case REGEX_CLASS:
		for (int i = 0; i < 4; i++)
			out->w[i] |= node->set.w[i];
		return false;
	case REGEX_CAT:
		for (uint32_t child = node->child; child != REGEX_NONE; child = regex->nodes[child].next) {
			if (!add_first_bytes(regex, child, out))
				return false;
		}
		return true;
	case REGEX_ALT:
		for (uint32_t child = node->child; child != REGEX_NONE; child = regex->nodes[child].next)
			empty |= add_first_bytes(regex, child, out);
		return empty;
	case REGEX_GROUP:
	case REGEX_REPEAT:
		return add_first_bytes(regex, node->child, out) || empty;
	default:
		return true;
	}
}

void regex_first_bytes(const struct regex *regex, struct byte_set *out)
{
	memset(out, 0, sizeof(*out));
	if (regex->opaque || add_first_bytes(regex, regex->root, out))
		memset(out, 0xff, sizeof(*out));
}
