/*
 * What every match of a regex must hold: rows of octet sets at a known distance from its start. A walk over
 * the main line multiplies out short alternatives ("open" rows grow while their length is fixed), closes them
 * at anything of variable length and keeps the set that ordinary traffic holds least often. Every claim must
 * be true of every match; to claim less is always allowed.
 */
#include "pipelock/scan/regex.h"

#include <stdlib.h>

#define MAX_ROWS 64
#define TRAILING_COPIES 4

/* Occurrences in 100,000 octets of a mixture of JSON, C, Python, prose, base64 and random octets. */
static const unsigned short frequency[256] = {36, 30, 31, 31, 29, 30, 30, 30, 31, 318, 1166, 30, 30, 30, 30,
	30, 30, 30, 30, 30, 30, 30, 30, 31, 30, 30, 30, 30, 30, 30, 30, 31, 13168, 47, 523, 378, 33, 44, 144,
	117, 572, 574, 843, 401, 917, 228, 465, 919, 693, 651, 609, 511, 444, 424, 453, 405, 473, 413, 424,
	462, 253, 230, 270, 35, 89, 841, 546, 853, 652, 884, 573, 663, 478, 901, 346, 405, 761, 604, 741, 695,
	630, 359, 889, 785, 936, 501, 430, 430, 656, 436, 352, 83, 1578, 82, 33, 3072, 56, 2743, 886, 1726,
	1759, 5075, 1401, 886, 1133, 2916, 381, 521, 1788, 1189, 3902, 2632, 1738, 439, 2857, 2544, 4332,
	1393, 703, 612, 720, 1050, 440, 175, 45, 170, 34, 29,
	/* 0x80 to 0xff */
	31, 31, 31, 31, 30, 30, 30, 31, 31, 31, 30, 31, 30, 30, 30, 30, 30, 31, 31, 31, 31, 31, 31, 31, 30,
	31, 30, 31, 30, 31, 31, 30, 30, 30, 30, 30, 30, 31, 31, 31, 30, 34, 30, 31, 30, 31, 31, 30, 31, 31,
	31, 30, 31, 30, 31, 30, 34, 32, 31, 31, 31, 31, 31, 30, 30, 30, 33, 34, 31, 31, 30, 30, 30, 30, 30,
	30, 30, 30, 34, 32, 37, 33, 29, 30, 30, 30, 31, 33, 31, 30, 30, 31, 30, 31, 30, 30, 35, 30, 30, 31,
	30, 31, 31, 30, 29, 30, 30, 31, 31, 30, 30, 30, 30, 30, 30, 31, 30, 30, 30, 30, 30, 29, 29, 30, 29,
	30, 30, 29};

double byte_set_rate(const struct byte_set *set)
{
	unsigned sum = 0;
	for (int i = 0; i < 4; i++) {
		for (uint64_t left = set->w[i]; left; left &= left - 1)
			sum += frequency[i * 64 + __builtin_ctzll(left)];
	}
	return sum / 100000.0;
}

/* Alternatives that begin at the same distance. A row is of length 0 at first. */
struct row {
	unsigned length;
	struct byte_set sets[REGEX_ANCHOR_MAX];
};

struct rows {
	size_t count;
	struct row row[MAX_ROWS];
};

struct result {
	struct regex_anchor *anchors;
	size_t count;
	double rate; /* of the windows */
	double cost; /* what is compared: the rate, dearer for distance */
};

struct walk {
	const struct regex *regex;
	bool out_of_memory;
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

/* ---- exact: all texts a node can match, as rows */

static bool rows_multiply(struct rows *rows, const struct rows *by)
{
	if (by->count == 0 || rows->count * by->count > MAX_ROWS)
		return false;
	for (size_t i = 0; i < rows->count; i++) {
		for (size_t j = 0; j < by->count; j++) {
			if (rows->row[i].length + by->row[j].length > REGEX_ANCHOR_MAX)
				return false;
		}
	}
	size_t old = rows->count;
	for (size_t j = by->count; j-- > 0;) {
		for (size_t i = 0; i < old; i++) {
			struct row *to = &rows->row[j * old + i];
			if (j > 0)
				*to = rows->row[i];
			memcpy(&to->sets[to->length], by->row[j].sets,
				by->row[j].length * sizeof(to->sets[0]));
			to->length += by->row[j].length;
		}
	}
	rows->count = old * by->count;
	return true;
}

static void rows_reset(struct rows *rows)
{
	rows->count = 1;
	rows->row[0].length = 0;
}

static bool exact(struct walk *walk, uint32_t at, struct rows *out);

static bool exact_alternatives(struct walk *walk, uint32_t child, struct rows *out)
{
	struct rows *branch = malloc(sizeof(*branch));
	bool ok = branch != NULL;
	walk->out_of_memory |= !branch;
	for (out->count = 0; ok && child != REGEX_NONE; child = walk->regex->nodes[child].next) {
		ok = exact(walk, child, branch) && out->count + branch->count <= MAX_ROWS;
		for (size_t i = 0; ok && i < branch->count; i++)
			out->row[out->count++] = branch->row[i];
	}
	free(branch);
	return ok;
}

static bool exact_sequence(struct walk *walk, uint32_t child, struct rows *out)
{
	struct rows *item = malloc(sizeof(*item));
	bool ok = item != NULL;
	walk->out_of_memory |= !item;
	rows_reset(out);
	for (; ok && child != REGEX_NONE; child = walk->regex->nodes[child].next)
		ok = exact(walk, child, item) && rows_multiply(out, item);
	free(item);
	return ok;
}

/* x{n}, or x{n,m} with few choices: the union of its powers. */
static bool exact_repeat(struct walk *walk, const struct regex_node *node, struct rows *out)
{
	if (node->max == REGEX_UNBOUNDED || node->max - node->min > 2 || node->max > REGEX_ANCHOR_MAX)
		return false;
	struct rows *item = malloc(2 * sizeof(*item));
	if (!item) {
		walk->out_of_memory = true;
		return false;
	}
	struct rows *power = item + 1;
	bool ok = exact(walk, node->child, item);
	rows_reset(power);
	out->count = 0;
	for (uint32_t i = 0; ok && i <= node->max; i++) {
		if (i > 0)
			ok = rows_multiply(power, item);
		if (i < node->min || !ok)
			continue;
		ok = out->count + power->count <= MAX_ROWS;
		for (size_t k = 0; ok && k < power->count; k++)
			out->row[out->count++] = power->row[k];
	}
	free(item);
	return ok;
}

/* false: too many, too long, or without an end. */
static bool exact(struct walk *walk, uint32_t at, struct rows *out)
{
	const struct regex_node *node = &walk->regex->nodes[at];
	rows_reset(out);
	switch (node->kind) {
	case REGEX_CLASS:
		out->row[0].sets[0] = node->set;
		out->row[0].length = 1;
		return true;
	case REGEX_CAT:
		return node->min_width <= REGEX_ANCHOR_MAX && exact_sequence(walk, node->child, out);
	case REGEX_ALT:
		return node->min_width <= REGEX_ANCHOR_MAX && exact_alternatives(walk, node->child, out);
	case REGEX_GROUP:
		return exact(walk, node->child, out);
	case REGEX_REPEAT:
		return exact_repeat(walk, node, out);
	default:
		return true; /* no width: the row of no sets */
	}
}

/* ---- the cost of a row */

/* Octets are not drawn one by one: of these there are far more in JSON, source and headers than their letters
 * say. */
static const char common[][REGEX_WINDOW + 1] = {"key\"", "\"key", "key=", "_key", "-key", "keys", " key",
	"key ", "toke", "oken", "ken\"", "kens", "\"tok", "secr", "ecre", "cret", "pass", "assw", "word",
	"user", "name", "ame\"", "http", "ttps", "tps:", "ps:/", "s://", "://w", "://a", "www.", ".com",
	"com/", "data", "type", "\": \"", "\":\"", "\",\"", "\": ", "\\n\\n", "cont", "tent", "text", "role",
	"id\":", "\"id\"", "api.", "api/", "api_", "/api", "auth", "Auth", "code", "file", "test", "true",
	"null", "fals", "    ", "\t\t\t\t", "----", "====", "////", "****", "0000", "0x00", "2024", "2025",
	"2026", "base", "clie", "lien", "acce", "cces", "ess_", "self", "retu", "func", "this", "impo",
	"defi", "clas", "cons", "stri", "requ", "resp", "erro", "mess", "mode", "serv", "app_", "app-",
	"appl", "host", "port", "mail", "hash", "sess", "Bear"};
#define COMMON_RATE 2e-4

static double window_rate(const struct regex_anchor *anchor, unsigned at)
{
	double product = 1.0;
	for (unsigned i = at; i < at + REGEX_WINDOW && i < anchor->length; i++)
		product *= byte_set_rate(&anchor->sets[i]);
	for (size_t k = 0; k < sizeof(common) / sizeof(common[0]); k++) {
		bool fits = true;
		for (unsigned j = 0; fits && j < REGEX_WINDOW && at + j < anchor->length; j++)
			fits = byte_set_has(&anchor->sets[at + j], (unsigned char)common[k][j]);
		product += fits ? COMMON_RATE : 0;
	}
	return product;
}

/* One window for all alternatives, at the same distance from the start of the match: so starts are found in
 * order. */
static double choose_window(struct regex_anchor *anchors, size_t count)
{
	unsigned shortest = REGEX_ANCHOR_MAX, where = 0;
	double best = 0, rate = 0;
	for (size_t i = 0; i < count; i++)
		shortest = anchors[i].length < shortest ? anchors[i].length : shortest;
	for (unsigned at = 0; at == 0 || at + REGEX_WINDOW <= shortest; at++) {
		double sum = 0;
		for (size_t i = 0; i < count; i++)
			sum += window_rate(&anchors[i], at);
		/* A window further in makes the tail of a stream wait longer: it has to be worth it. */
		double cost = (sum + 1e-9) * (1 + 0.5 * at);
		if (at == 0 || cost < best) {
			best = cost;
			rate = sum;
			where = at;
		}
	}
	for (size_t i = 0; i < count; i++)
		anchors[i].window = where;
	return rate;
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

static void make_anchor(
	const struct open *open, size_t i, const struct byte_set *context, struct regex_anchor *out)
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
	out->min_distance = open->min_distance;
	out->max_distance = open->max_distance;
}

/* The rows that are open are a possible result: keep them when they are cheaper than what there was. */
static void close_rows(struct walk *walk, const struct open *open, struct result *best)
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
		make_anchor(open, i, has_context ? &context : NULL, &anchors[i]);
	double sum = choose_window(anchors, rows->count);
	double span = open->max_distance - open->min_distance;
	double cost = (sum + 1e-9) * (1 + 0.05 * open->max_distance + 0.1 * span);
	if (best->anchors && best->cost <= cost) {
		free(anchors);
		return;
	}
	result_clear(best);
	*best = (struct result){anchors, rows->count, sum, cost};
}

/* ---- the walk */

static void find_best(
	struct walk *walk, uint32_t at, uint32_t min_distance, uint32_t max_distance, struct result *best);

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
	while (copies < node->min && rows_multiply(&open->rows, item))
		copies++;
	close_rows(walk, open, best);
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

static void walk_child(struct walk *walk, uint32_t at, struct rows *item, struct open *open,
	struct result *best, uint32_t min_distance, uint32_t max_distance)
{
	const struct regex_node *node = &walk->regex->nodes[at];
	if (node->kind == REGEX_WORD_EDGE || node->kind == REGEX_NOT_BEHIND) {
		if (open->rows.count == 1 && open->rows.row[0].length == 0 && !open->assertion)
			open->assertion = node;
		return;
	}
	if (exact(walk, at, item)) {
		if (rows_multiply(&open->rows, item))
			return;
		close_rows(walk, open, best);
		open_at(open, min_distance, max_distance);
		rows_multiply(&open->rows, item);
		return;
	}
	if (node->kind == REGEX_REPEAT && node->min > 0 && exact(walk, node->child, item)) {
		walk_repeat(walk, node, item, open, best, min_distance, max_distance);
		return;
	}
	if (node->kind == REGEX_GROUP && walk->regex->nodes[node->child].kind == REGEX_CAT) {
		walk_children(walk, walk->regex->nodes[node->child].child, item, open, best, min_distance,
			max_distance);
		return;
	}
	close_rows(walk, open, best);
	find_best(walk, at, min_distance, max_distance, best);
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
		open_at(open, min_distance, max_distance);
		walk_children(walk, first, item, open, best, min_distance, max_distance);
		close_rows(walk, open, best);
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
	if (best->anchors && best->cost <= all.cost) {
		result_clear(&all);
		return;
	}
	result_clear(best);
	*best = all;
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
	case REGEX_REPEAT: /* its first turn */
		if (node->min > 0)
			find_best(walk, node->child, min_distance, max_distance, best);
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
