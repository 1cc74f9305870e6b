/*
 * Parser of PCRE2 regexes into a small tree (see regex.h). The source has already been compiled by PCRE2, so
 * only meaning is read here, not correctness. Constructs whose meaning depends on options, versions or
 * run-time state (octal escapes, back references, recursion, conditions, verbs, \K, properties) make the
 * regex opaque.
 */
#include "pipelock/scan/regex.h"

#include <stdlib.h>

#define MAX_NODES 20000
#define MAX_DEPTH 60
#define MAX_COUNT 65535

struct flags {
	bool caseless, dotall, extended;
};

struct parser {
	struct regex *regex;
	const unsigned char *p;
	uint32_t n, at;
	struct flags flags;
	unsigned depth;
	bool out_of_memory;
};

static uint32_t parse_alternation(struct parser *ps);

static uint32_t saturating_add(uint32_t a, uint32_t b)
{
	return a == REGEX_UNBOUNDED || b == REGEX_UNBOUNDED || a > UINT32_MAX - 1 - b ? REGEX_UNBOUNDED
										      : a + b;
}

static uint32_t saturating_multiply(uint32_t a, uint32_t b)
{
	if (a == 0 || b == 0)
		return 0;
	return a == REGEX_UNBOUNDED || b == REGEX_UNBOUNDED || a > (UINT32_MAX - 1) / b ? REGEX_UNBOUNDED
											: a * b;
}

/* Nothing is claimed from here on; the input is used up so that every loop ends. */
static uint32_t give_up(struct parser *ps)
{
	ps->regex->opaque = true;
	ps->at = ps->n;
	return REGEX_NONE;
}

static bool at_end(const struct parser *ps)
{
	return ps->at >= ps->n;
}

static int peek(const struct parser *ps, uint32_t ahead)
{
	return ps->at + ahead < ps->n ? ps->p[ps->at + ahead] : -1;
}

static uint32_t node_new(struct parser *ps, enum regex_node_kind kind, uint32_t begin)
{
	struct regex *regex = ps->regex;
	if (regex->count >= MAX_NODES)
		return give_up(ps);
	if (regex->count == regex->capacity) {
		uint32_t capacity = regex->capacity ? regex->capacity * 2 : 64;
		struct regex_node *nodes = realloc(regex->nodes, capacity * sizeof(*nodes));
		if (!nodes) {
			ps->out_of_memory = true;
			return give_up(ps);
		}
		regex->nodes = nodes;
		regex->capacity = capacity;
	}
	struct regex_node *node = &regex->nodes[regex->count];
	memset(node, 0, sizeof(*node));
	node->kind = kind;
	node->child = node->next = REGEX_NONE;
	node->begin = begin;
	node->end = ps->at;
	return regex->count++;
}

/* ---- octet sets */

void byte_set_invert(struct byte_set *set)
{
	for (int i = 0; i < 4; i++)
		set->w[i] = ~set->w[i];
}

static void set_add_range(struct byte_set *set, unsigned from, unsigned to)
{
	for (unsigned c = from; c <= to; c++)
		byte_set_add(set, c);
}

static void set_unite(struct byte_set *set, const struct byte_set *other)
{
	for (int i = 0; i < 4; i++)
		set->w[i] |= other->w[i];
}

void byte_set_word(struct byte_set *out)
{
	memset(out, 0, sizeof(*out));
	set_add_range(out, '0', '9');
	set_add_range(out, 'A', 'Z');
	set_add_range(out, 'a', 'z');
	byte_set_add(out, '_');
}

/* ASCII letters in both cases. In bytes mode with the C locale no other octet has a case. */
static void set_fold(struct byte_set *set)
{
	for (unsigned c = 'A'; c <= 'Z'; c++) {
		if (byte_set_has(set, c) || byte_set_has(set, c + 32)) {
			byte_set_add(set, c);
			byte_set_add(set, c + 32);
		}
	}
}

/* The set of \d \w \s \h \v and their complements; false: not one of them. */
static bool set_of_escape(int letter, struct byte_set *set)
{
	memset(set, 0, sizeof(*set));
	switch (letter | 0x20) {
	case 'd':
		set_add_range(set, '0', '9');
		break;
	case 'w':
		byte_set_word(set);
		break;
	case 's':
		set_add_range(set, '\t', '\r');
		byte_set_add(set, ' ');
		break;
	case 'h':
		byte_set_add(set, '\t');
		byte_set_add(set, ' ');
		byte_set_add(set, 0xa0);
		break;
	case 'v':
		set_add_range(set, '\n', '\r');
		byte_set_add(set, 0x85);
		break;
	default:
		return false;
	}
	if (letter < 'a')
		byte_set_invert(set);
	return true;
}

static bool set_of_posix(struct span name, struct byte_set *set)
{
	static const char *const names[] = {"alpha", "lower", "upper", "digit", "alnum", "xdigit", "space",
		"blank", "punct", "cntrl", "graph", "print", "word", "ascii"};
	size_t which = 0;
	while (which < sizeof(names) / sizeof(names[0]) && !span_equals(name, span_of(names[which])))
		which++;
	memset(set, 0, sizeof(*set));
	for (unsigned c = 0; c < 128; c++) {
		bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z', digit = c >= '0' && c <= '9';
		bool graph = c > ' ' && c < 127, hex = (c | 32) >= 'a' && (c | 32) <= 'f';
		const bool is[] = {lower || upper, lower, upper, digit, lower || upper || digit,
			digit || (hex && (lower || upper)), c == ' ' || (c >= 9 && c <= 13),
			c == ' ' || c == '\t', graph && !lower && !upper && !digit, c < ' ' || c == 127,
			graph, graph || c == ' ', lower || upper || digit || c == '_', true};
		if (which < sizeof(is) / sizeof(is[0]) && is[which])
			byte_set_add(set, c);
	}
	return which < sizeof(names) / sizeof(names[0]);
}

/* ---- escapes */

static int hex_value(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 32) >= 'a' && (c | 32) <= 'f')
		return (c | 32) - 'a' + 10;
	return -1;
}

/* \xhh and \x{hh}, `at` stands after the x. -1: not understood. */
static int parse_hex(struct parser *ps)
{
	int value = 0;
	if (peek(ps, 0) == '{') {
		ps->at++;
		for (; hex_value(peek(ps, 0)) >= 0 && value < 256; ps->at++)
			value = value * 16 + hex_value(peek(ps, 0));
		if (peek(ps, 0) != '}' || value > 255)
			return -1;
		ps->at++;
		return value;
	}
	for (int i = 0; i < 2 && hex_value(peek(ps, 0)) >= 0; i++, ps->at++)
		value = value * 16 + hex_value(peek(ps, 0));
	return value;
}

/* A single octet written as an escape, `at` on the letter after the backslash and moved past it. -1: not one.
 */
static int parse_single_escape(struct parser *ps)
{
	int c = peek(ps, 0);
	if (c < 0)
		return -1;
	ps->at++;
	switch (c) {
	case 'a':
		return 7;
	case 'e':
		return 27;
	case 'f':
		return 12;
	case 'n':
		return 10;
	case 'r':
		return 13;
	case 't':
		return 9;
	case 'x':
		return parse_hex(ps);
	default:
		break;
	}
	bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
	return alnum || c >= 0x80 ? -1 : c;
}

static uint32_t class_node(struct parser *ps, struct byte_set set, uint32_t begin)
{
	uint32_t at = node_new(ps, REGEX_CLASS, begin);
	if (at != REGEX_NONE) {
		ps->regex->nodes[at].set = set;
		ps->regex->nodes[at].min_width = ps->regex->nodes[at].max_width = 1;
	}
	return at;
}

static uint32_t literal_node(struct parser *ps, int byte, uint32_t begin)
{
	struct byte_set set = {{0}};
	byte_set_add(&set, (unsigned)byte);
	if (ps->flags.caseless)
		set_fold(&set);
	return class_node(ps, set, begin);
}

static uint32_t parse_escape(struct parser *ps)
{
	uint32_t begin = ps->at++;
	int c = peek(ps, 0);
	struct byte_set set;
	if (c == 'N') {
		ps->at++;
		if (peek(ps, 0) == '{')
			return give_up(ps);
		memset(&set, 0xff, sizeof(set));
		set.w[0] &= ~(1ull << '\n');
		return class_node(ps, set, begin);
	}
	if (c > 0 && set_of_escape(c, &set)) {
		ps->at++;
		return class_node(ps, set, begin);
	}
	if (c == 'b' || c == 'B' || c == 'A' || c == 'z' || c == 'Z' || c == 'G') {
		ps->at++;
		return node_new(ps, c == 'b' ? REGEX_WORD_EDGE : REGEX_ASSERT, begin);
	}
	int byte = parse_single_escape(ps);
	return byte < 0 ? give_up(ps) : literal_node(ps, byte, begin);
}

/* ---- classes */

/* One member of a class: an octet, or a whole set with *byte = -1. false: not understood. */
static bool parse_class_member(struct parser *ps, struct byte_set *set, int *byte)
{
	int c = peek(ps, 0);
	*byte = -1;
	if (c == '[' && (peek(ps, 1) == ':' || peek(ps, 1) == '.' || peek(ps, 1) == '=')) {
		uint32_t begin = ps->at + 2, end = begin;
		while (end < ps->n && ((ps->p[end] | 32) >= 'a' && (ps->p[end] | 32) <= 'z'))
			end++;
		/* "[:" that is no POSIX class is an ordinary bracket in PCRE2; and [:^x:] is rare: know
		 * neither. */
		if (end + 1 >= ps->n || ps->p[end] != ':' || ps->p[end + 1] != ']')
			return false;
		ps->at = end + 2;
		return set_of_posix((struct span){(const char *)ps->p + begin, end - begin}, set);
	}
	ps->at++;
	if (c != '\\') {
		*byte = c;
		return true;
	}
	if (peek(ps, 0) > 0 && set_of_escape(peek(ps, 0), set)) {
		ps->at++;
		return true;
	}
	if (peek(ps, 0) == 'b') {
		ps->at++;
		*byte = 8;
		return true;
	}
	*byte = parse_single_escape(ps);
	return *byte >= 0;
}

static uint32_t parse_class(struct parser *ps)
{
	uint32_t begin = ps->at++;
	bool negated = peek(ps, 0) == '^';
	if (negated)
		ps->at++;
	struct byte_set all = {{0}};
	for (bool first = true; first || peek(ps, 0) != ']'; first = false) {
		struct byte_set set = {{0}};
		int from, to;
		if (at_end(ps) || !parse_class_member(ps, &set, &from))
			return give_up(ps);
		if (from >= 0)
			byte_set_add(&set, (unsigned)from);
		if (peek(ps, 0) == '-' && peek(ps, 1) >= 0 && peek(ps, 1) != ']') {
			struct byte_set other = {{0}};
			ps->at++;
			/* "\d-x" and "a-\d" have changed their meaning over PCRE2's versions. */
			if (!parse_class_member(ps, &other, &to) || from < 0 || to < from)
				return give_up(ps);
			set_add_range(&set, (unsigned)from, (unsigned)to);
		}
		set_unite(&all, &set);
	}
	ps->at++;
	if (ps->flags.caseless)
		set_fold(&all);
	if (negated)
		byte_set_invert(&all);
	return class_node(ps, all, begin);
}

/* ---- groups */

/* The flags of (?ims-x) or (?ims-x: up to but without the closing character. false: one that is not known. */
static bool parse_flags(struct parser *ps)
{
	bool on = true;
	for (;; ps->at++) {
		switch (peek(ps, 0)) {
		case 'i':
			ps->flags.caseless = on;
			break;
		case 's':
			ps->flags.dotall = on;
			break;
		case 'x':
			if (peek(ps, 1) == 'x')
				return false;
			ps->flags.extended = on;
			break;
		case 'm': /* changes ^ and $ alone, of which nothing is claimed */
			break;
		case '-':
			on = false;
			break;
		case ')':
		case ':':
			return true;
		default:
			return false;
		}
	}
}

static bool skip_group_name(struct parser *ps, int closing)
{
	while (!at_end(ps) && peek(ps, 0) != closing)
		ps->at++;
	ps->at++;
	return ps->at <= ps->n;
}

enum assertion { NO_ASSERTION, AHEAD, NOT_AHEAD, BEHIND, NOT_BEHIND };

/* What stands before a look-behind of one octet is a set that must not be there; what a look-ahead wants
 * stands there; other assertions claim nothing. */
static void finish_assertion(struct parser *ps, uint32_t group, enum assertion assertion)
{
	struct regex_node *nodes = ps->regex->nodes, *node = &nodes[group];
	node->min_width = node->max_width = 0;
	node->kind = assertion == AHEAD ? REGEX_AHEAD : REGEX_ASSERT;
	if (assertion == AHEAD)
		return;
	uint32_t inner = node->child;
	while (inner != REGEX_NONE && nodes[inner].kind == REGEX_CAT &&
		nodes[nodes[inner].child].next == REGEX_NONE)
		inner = nodes[inner].child;
	if (assertion == NOT_BEHIND && inner != REGEX_NONE && nodes[inner].kind == REGEX_CLASS) {
		node->kind = REGEX_NOT_BEHIND;
		node->set = nodes[inner].set;
	}
	node->child = REGEX_NONE;
}

/* The body of a group up to and with its closing parenthesis. */
static uint32_t parse_group_body(struct parser *ps, uint32_t begin, enum assertion assertion)
{
	struct flags saved = ps->flags;
	uint32_t child = parse_alternation(ps);
	if (peek(ps, 0) != ')')
		return give_up(ps);
	ps->at++;
	ps->flags = saved;
	uint32_t group = node_new(ps, REGEX_GROUP, begin);
	if (group == REGEX_NONE || child == REGEX_NONE)
		return give_up(ps);
	struct regex_node *node = &ps->regex->nodes[group];
	node->child = child;
	node->min_width = ps->regex->nodes[child].min_width;
	node->max_width = ps->regex->nodes[child].max_width;
	if (assertion)
		finish_assertion(ps, group, assertion);
	return group;
}

/* (?...) after the question mark. */
static uint32_t parse_special_group(struct parser *ps, uint32_t begin)
{
	int c = peek(ps, 0), next = peek(ps, 1);
	if (c == '#') {
		if (!skip_group_name(ps, ')'))
			return give_up(ps);
		return node_new(ps, REGEX_ASSERT, begin);
	}
	if (c == ':' || c == '>' || c == '|' || c == '=' || c == '!') {
		ps->at++;
		return parse_group_body(ps, begin, c == '=' ? AHEAD : c == '!' ? NOT_AHEAD : NO_ASSERTION);
	}
	if (c == '<' && (next == '=' || next == '!')) {
		ps->at += 2;
		return parse_group_body(ps, begin, next == '!' ? NOT_BEHIND : BEHIND);
	}
	if (c == 'P' && next == '<')
		ps->at++;
	if (peek(ps, 0) == '<' || c == '\'') {
		ps->at++;
		if (!skip_group_name(ps, c == '\'' ? '\'' : '>'))
			return give_up(ps);
		return parse_group_body(ps, begin, NO_ASSERTION);
	}
	struct flags saved = ps->flags;
	if (!parse_flags(ps))
		return give_up(ps);
	if (ps->p[ps->at++] == ')')
		return node_new(
			ps, REGEX_ASSERT, begin); /* the flags hold to the end of the enclosing group */
	uint32_t group = parse_group_body(ps, begin, NO_ASSERTION);
	ps->flags = saved;
	return group;
}

static uint32_t parse_group(struct parser *ps)
{
	uint32_t begin = ps->at++;
	if (++ps->depth > MAX_DEPTH || peek(ps, 0) == '*')
		return give_up(ps);
	uint32_t group;
	if (peek(ps, 0) == '?') {
		ps->at++;
		group = parse_special_group(ps, begin);
	} else {
		group = parse_group_body(ps, begin, 0);
	}
	ps->depth--;
	return group;
}

/* ---- sequences */

static void skip_extended(struct parser *ps)
{
	while (ps->flags.extended && !at_end(ps)) {
		int c = peek(ps, 0);
		if (c == '#') {
			while (!at_end(ps) && peek(ps, 0) != '\n')
				ps->at++;
		} else if (c == ' ' || (c >= 9 && c <= 13)) {
			ps->at++;
		} else {
			return;
		}
	}
}

static bool parse_number(struct parser *ps, uint32_t *out)
{
	uint32_t begin = ps->at;
	for (*out = 0; peek(ps, 0) >= '0' && peek(ps, 0) <= '9' && *out <= MAX_COUNT; ps->at++)
		*out = *out * 10 + (uint32_t)(peek(ps, 0) - '0');
	return ps->at > begin && *out <= MAX_COUNT;
}

/* {n}, {n,}, {n,m}. 1: read, 0: a literal brace, -1: newer versions of PCRE2 may read it as a quantifier. */
static int parse_braces(struct parser *ps, uint32_t *min, uint32_t *max)
{
	uint32_t begin = ps->at++;
	int c = peek(ps, 0);
	if (c == ',' || c == ' ' || c == '\t')
		return -1;
	bool ok = parse_number(ps, min);
	*max = *min;
	if (ok && peek(ps, 0) == ',') {
		ps->at++;
		if (peek(ps, 0) == '}')
			*max = REGEX_UNBOUNDED;
		else
			ok = parse_number(ps, max);
	}
	if (ok && peek(ps, 0) == '}') {
		ps->at++;
		return 1;
	}
	if (peek(ps, 0) == ' ' || peek(ps, 0) == '\t')
		return -1;
	ps->at = begin;
	return 0;
}

/* 1: a quantifier was read, 0: there is none, -1: not understood. */
static int parse_quantifier(struct parser *ps, uint32_t *min, uint32_t *max)
{
	int c = peek(ps, 0);
	if (c == '*' || c == '+' || c == '?') {
		ps->at++;
		*min = c == '+';
		*max = c == '?' ? 1 : REGEX_UNBOUNDED;
	} else if (c == '{') {
		int result = parse_braces(ps, min, max);
		if (result <= 0)
			return result;
	} else {
		return 0;
	}
	skip_extended(ps);
	if (peek(ps, 0) == '?' || peek(ps, 0) == '+')
		ps->at++;
	return 1;
}

static uint32_t parse_atom(struct parser *ps)
{
	uint32_t begin = ps->at;
	int c = peek(ps, 0);
	struct byte_set any;
	switch (c) {
	case '\\':
		return parse_escape(ps);
	case '[':
		return parse_class(ps);
	case '(':
		return parse_group(ps);
	case '^':
	case '$':
		ps->at++;
		return node_new(ps, REGEX_ASSERT, begin);
	case '.':
		ps->at++;
		memset(&any, 0xff, sizeof(any));
		if (!ps->flags.dotall)
			any.w[0] &= ~(1ull << '\n');
		return class_node(ps, any, begin);
	default:
		ps->at++;
		return literal_node(ps, c, begin);
	}
}

static uint32_t parse_item(struct parser *ps)
{
	uint32_t begin = ps->at, atom = parse_atom(ps), min = 1, max = 1;
	for (;;) {
		if (ps->regex->opaque || atom == REGEX_NONE)
			return give_up(ps);
		skip_extended(ps);
		int result = parse_quantifier(ps, &min, &max);
		if (result < 0)
			return give_up(ps);
		if (result == 0)
			return atom;
		uint32_t repeat = node_new(ps, REGEX_REPEAT, begin);
		if (repeat == REGEX_NONE)
			return REGEX_NONE;
		struct regex_node *node = &ps->regex->nodes[repeat], *child = &ps->regex->nodes[atom];
		node->child = atom;
		node->min = min;
		node->max = max;
		node->min_width = saturating_multiply(child->min_width, min);
		node->max_width = saturating_multiply(child->max_width, max);
		atom = repeat;
	}
}

static uint32_t parse_sequence(struct parser *ps)
{
	uint32_t cat = node_new(ps, REGEX_CAT, ps->at), last = REGEX_NONE;
	if (cat == REGEX_NONE)
		return REGEX_NONE;
	for (;;) {
		skip_extended(ps);
		int c = peek(ps, 0);
		if (c < 0 || c == '|' || c == ')')
			break;
		uint32_t item = parse_item(ps);
		if (item == REGEX_NONE)
			return REGEX_NONE;
		struct regex_node *nodes = ps->regex->nodes;
		if (last == REGEX_NONE)
			nodes[cat].child = item;
		else
			nodes[last].next = item;
		last = item;
		nodes[cat].min_width = saturating_add(nodes[cat].min_width, nodes[item].min_width);
		nodes[cat].max_width = saturating_add(nodes[cat].max_width, nodes[item].max_width);
	}
	struct regex_node *node = &ps->regex->nodes[cat];
	node->end = ps->at;
	if (node->child == REGEX_NONE)
		node->kind = REGEX_EMPTY;
	return cat;
}

static uint32_t parse_alternation(struct parser *ps)
{
	uint32_t begin = ps->at, first = parse_sequence(ps);
	if (first == REGEX_NONE || peek(ps, 0) != '|')
		return first;
	uint32_t alt = node_new(ps, REGEX_ALT, begin), last = first;
	if (alt == REGEX_NONE)
		return REGEX_NONE;
	struct regex_node *nodes = ps->regex->nodes;
	nodes[alt].child = first;
	nodes[alt].min_width = nodes[first].min_width;
	nodes[alt].max_width = nodes[first].max_width;
	while (peek(ps, 0) == '|') {
		ps->at++;
		uint32_t branch = parse_sequence(ps);
		if (branch == REGEX_NONE)
			return REGEX_NONE;
		nodes = ps->regex->nodes;
		nodes[last].next = branch;
		last = branch;
		if (nodes[branch].min_width < nodes[alt].min_width)
			nodes[alt].min_width = nodes[branch].min_width;
		if (nodes[branch].max_width > nodes[alt].max_width)
			nodes[alt].max_width = nodes[branch].max_width;
	}
	nodes[alt].end = ps->at;
	return alt;
}

bool regex_parse(struct span source, struct regex *out)
{
	memset(out, 0, sizeof(*out));
	out->source = source;
	out->root = REGEX_NONE;
	struct parser ps = {.regex = out, .p = (const unsigned char *)source.p};
	if (source.n > 1 << 20) {
		out->opaque = true;
		return true;
	}
	ps.n = (uint32_t)source.n;
	out->root = parse_alternation(&ps);
	if (out->root == REGEX_NONE || ps.at < ps.n)
		out->opaque = true;
	return !ps.out_of_memory;
}

void regex_release(struct regex *regex)
{
	free(regex->nodes);
	memset(regex, 0, sizeof(*regex));
	regex->root = REGEX_NONE;
}
