/*
 * Pieces of a request put together. One text is made of them: the rows of what could be pieces of a token, a
 * blank line behind each, so that no encoded run goes on from one row to the next, then all values one behind
 * the other. Which pieces each octet came from is known, so a match can be told where
 * the pieces stand, and what lies in one piece alone, which was scanned as it stood, is no match.
 */
#include "pipelock/scan/plain.h"
#include "pipelock/scan/text.h"
#include "pipelock/scan/values.h"

#include <stdlib.h>

#define ROWS_OF_PIECE (VALUES_IN_ROW - 1) /* that end with one */
#define ROW_END VIEW_BREAK VIEW_BREAK
/* An octet stands in the joined values once, and in so many rows. */
#define ROWS_OF_OCTET (VALUES_IN_ROW * (VALUES_IN_ROW - 1) / 2 + ROWS_OF_PIECE)
/* Characters of a code, which stand for 12 octets and more; no shorter secret is worth a split. */
#define CODE_OF_INTEREST 24u

struct row {
	size_t at;	    /* where it begins in the text */
	size_t first, last; /* pieces */
};

struct joined {
	struct scanner *scanner;
	enum scan_part part;
	const struct scan_target *target;
	const struct scan_piece *pieces;
	size_t count;
	bool only_rows;
	unsigned plain_flags;
	/* one block, with the octets of `decoded` and `text` at its end */
	struct span *plain; /* the pieces with their escapes undone */
	size_t *starts;	    /* where each begins in the text, as one of the joined values */
	struct row *rows;
	size_t row_count;
	char *decoded, *text;
	size_t decoded_n, n;
	size_t values_at; /* where the joined values begin, behind the rows */
	/* of a call */
	size_t current; /* piece that is fed */
	uint64_t position;
	struct findings *out;
	bool added;
};

/* ---- characters */

static bool is_lower(unsigned char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(unsigned char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* ---- the text */

static bool has_escapes(struct span text, unsigned flags)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c == '%' || c == '\\' || c == '&' || c < 0x20 || c >= 0x7f || (c == '+' && flags))
			return true;
	}
	return false;
}

static void take_plain(void *arg, struct span octets)
{
	struct joined *v = arg;
	memcpy(v->decoded + v->decoded_n, octets.p, octets.n);
	v->decoded_n += octets.n;
}

static struct span undo_escapes(struct joined *v, struct span text)
{
	struct plain plain;
	size_t begin = v->decoded_n;
	if (!has_escapes(text, v->plain_flags))
		return text;
	plain_init(&plain, v->plain_flags);
	plain_feed(&plain, text, true, take_plain, v);
	explicit_bzero(&plain, sizeof(plain));
	return (struct span){v->decoded + begin, v->decoded_n - begin};
}

static void make_plain(struct joined *v)
{
	for (size_t i = 0; i < v->count; i++) {
		v->plain[i] = undo_escapes(v, v->pieces[i].text);
		if (values_is_locale(v->plain[i]))
			v->plain[i] = SPAN(VIEW_BREAK);
	}
}

static void take_value(void *arg, enum values_track track, struct span octets)
{
	struct joined *v = arg;
	if (track != VALUES_JOINED)
		return;
	memcpy(v->text + v->n, octets.p, octets.n);
	v->n += octets.n;
}

/* It is made of whole pieces, the last of which is the current one. */
static void take_row(void *arg, enum values_track track, struct span line)
{
	struct joined *v = arg;
	if (track != VALUES_FRAGMENTS)
		return;
	struct row row = {v->n, v->current + 1, v->current};
	for (size_t n = 0; n < line.n - 1;)
		n += v->plain[--row.first].n;
	v->rows[v->row_count++] = row;
	memcpy(v->text + v->n, line.p, line.n);
	v->n += line.n;
	v->text[v->n++] = VIEW_BREAK[0];
}

static void put_together(struct joined *v, values_emit *emit)
{
	struct values values;
	values_init(&values);
	for (v->current = 0; v->current < v->count; v->current++) {
		if (emit == take_value)
			v->starts[v->current] = v->n;
		values_feed(&values, v->plain[v->current], false, emit, v);
		values_feed(&values, SPAN(VALUES_END), false, emit, v);
	}
	explicit_bzero(&values, sizeof(values));
}

/* A row has less of what is none of the secret, so what is found there comes first. */
static void make_text(struct joined *v)
{
	v->n = v->row_count = 0;
	put_together(v, take_row);
	v->values_at = v->n;
	if (!v->only_rows)
		put_together(v, take_value);
}

/* Could there be anything? Most requests have few pieces, and short ones. A value that was named may be of
 * any kind. */
static bool is_worth_it(const struct span *pieces, size_t count, bool known)
{
	size_t full = 0, octets = 0, marks = 0;
	for (size_t i = 0; i < count; i++) {
		full += pieces[i].n > 0;
		octets += pieces[i].n;
		for (size_t k = 0; k < pieces[i].n && marks == 0; k++) {
			unsigned char c = (unsigned char)pieces[i].p[k];
			marks = is_digit(c) || is_upper(c);
		}
	}
	if (full < 2 || octets < (known ? KNOWN_SHORTEST : VALUES_SHORTEST))
		return false;
	return known || marks > 0 || octets >= CODE_OF_INTEREST;
}

/* ---- where a match stands */

/* The last of these that begins at `at` or before. */
static size_t last_start(const struct joined *v, size_t at)
{
	size_t low = 0, high = v->count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (v->starts[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static size_t last_row(const struct joined *v, size_t at)
{
	size_t low = 0, high = v->row_count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (v->rows[middle].at <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Pieces, the first and the last one. */
struct reach {
	size_t first, last;
};

static size_t piece_in_row(const struct joined *v, const struct row *row, size_t at)
{
	size_t piece = row->first, end = row->at + v->plain[piece].n;
	while (at >= end && piece < row->last)
		end += v->plain[++piece].n;
	return piece;
}

/* The octets begin .. end lie in one text: a row, or the joined values. */
static bool is_one_text(const struct joined *v, size_t begin, size_t end)
{
	if (begin >= v->values_at)
		return true;
	return end <= v->values_at && last_row(v, begin) == last_row(v, end - 1);
}

/* Of octets that lie anywhere in the text. */
static struct reach reach_of(const struct joined *v, size_t begin, size_t end)
{
	end = end > v->n ? v->n : end;
	begin = begin < end ? begin : end - 1;
	if (begin >= v->values_at)
		return (struct reach){last_start(v, begin), last_start(v, end - 1)};
	size_t first = last_row(v, begin), last = last_row(v, (end < v->values_at ? end : v->values_at) - 1);
	const struct row *row = &v->rows[first];
	if (first == last && end <= v->values_at)
		return (struct reach){piece_in_row(v, row, begin), piece_in_row(v, row, end - 1)};
	struct reach reach = {row->first, row->last};
	for (size_t i = first; i <= last; i++) {
		reach.first = v->rows[i].first < reach.first ? v->rows[i].first : reach.first;
		reach.last = v->rows[i].last > reach.last ? v->rows[i].last : reach.last;
	}
	if (end > v->values_at) {
		size_t value = last_start(v, end - 1);
		reach.first = 0;
		reach.last = value > reach.last ? value : reach.last;
	}
	return reach;
}

static bool is_at_home(const struct joined *v, const struct compiled_rule *rule, struct reach reach)
{
	if (v->part != SCAN_HEADER || !v->target)
		return false;
	for (size_t i = reach.first; i <= reach.last; i++) {
		struct scan_target target = {.host = v->target->host, .field = v->pieces[i].field};
		if (findings_is_at_home(rule, &target))
			return true;
	}
	return false;
}

/* ---- matches */

static bool add(struct joined *v, const struct compiled_rule *rule, struct reach reach, struct span secret)
{
	struct found found = {.part = v->part,
		.view = VIEW_JOINED,
		.offset = v->pieces[reach.first].begin,
		.length = v->pieces[reach.last].end - v->pieces[reach.first].begin,
		.secret = secret};
	bool added, is_finding = findings_add_joined(v->out, rule, &found, v->scanner->key, &added);
	v->added |= added;
	return is_finding;
}

static bool on_match(
	void *arg, const struct compiled_rule *rule, const struct window *window, const struct match *match)
{
	struct joined *v = arg;
	size_t begin = match->secret - v->position, end = match->secret_end - v->position;
	struct span secret = {(const char *)window->p + begin, end - begin};
	if (secret.n == 0 || !findings_rule_has_letters(rule) ||
		!is_one_text(v, match->begin - v->position, match->end - v->position))
		return false;
	struct reach reach = reach_of(v, begin, end);
	if (reach.first == reach.last)
		return false;
	return is_at_home(v, rule, reach) || add(v, rule, reach, secret);
}

static void on_known(void *arg, const struct known_match *match)
{
	struct joined *v = arg;
	const struct compiled_rule *rule = known_set_rule(scanner_known(v->scanner, v->part), match->value);
	struct reach reach = reach_of(v, match->begin, match->end);
	if (reach.first < reach.last && is_one_text(v, match->begin, match->end) &&
		!is_at_home(v, rule, reach))
		add(v, rule, reach, match->secret);
}

/* ---- what could be encoded */

static bool is_code_mark(unsigned char c)
{
	return c == '+' || c == '/' || c == '-' || c == '_' || c == '=';
}

/*
 * Could it be hex, base32 or base64, or are these the words that requests are made of? Those have letters of
 * one kind in a row, where base64 changes its kind with each second character and hex with each third.
 */
static bool could_be_code(struct span text)
{
	size_t lower = 0, upper = 0, digits = 0, hex = 0, marks = 0, others = 0, changes = 0;
	int before = 0;
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		int kind = is_lower(c) ? 'a' : is_upper(c) ? 'A' : is_digit(c) ? '0' : 0;
		lower += kind == 'a';
		upper += kind == 'A';
		digits += kind == '0';
		hex += kind == '0' || (kind && (c | 0x20) <= 'f');
		marks += kind == 0 && c != '=';
		others += kind == 0 && !is_code_mark(c);
		changes += kind && before && kind != before;
		before = kind ? kind : before;
	}
	size_t n = lower + upper + digits;
	bool is_hex = hex == n, is_base32 = marks == 0 && (lower == 0 || upper == 0);
	return n >= CODE_OF_INTEREST && (is_hex || is_base32 || (others == 0 && changes >= n / 4));
}

/* Of the joined values what could be code in more than one; line ends stand for the rest. */
static bool keep_values(struct joined *v)
{
	bool kept = false;
	for (size_t at = v->values_at, n; at < v->n; at += n) {
		for (n = 0; at + n < v->n; n++) {
			unsigned char c = (unsigned char)v->text[at + n];
			if (!is_lower(c) && !is_upper(c) && !is_digit(c) && !is_code_mark(c))
				break;
		}
		struct span run = {v->text + at, n};
		bool keep = n > 0 && last_start(v, at) != last_start(v, at + n - 1) && could_be_code(run);
		n += n == 0;
		kept |= keep;
		if (!keep)
			memset(v->text + at, VIEW_BREAK[0], n);
	}
	return kept;
}

/* Of the rows those that could be. */
static bool keep_rows(struct joined *v)
{
	bool kept = false;
	for (size_t i = 0; i < v->row_count; i++) {
		size_t at = v->rows[i].at, end = i + 1 < v->row_count ? v->rows[i + 1].at : v->values_at;
		struct span row = {v->text + at, end - at - (sizeof(ROW_END) - 1)};
		bool keep = could_be_code(row);
		kept |= keep;
		if (!keep)
			memset(v->text + at, VIEW_BREAK[0], row.n);
	}
	return kept;
}

/* The text has been searched as it is. */
static bool keep_code(struct joined *v)
{
	bool values = keep_values(v), rows = keep_rows(v);
	return values || rows;
}

/* ---- what is made of the text */

static const char *scan_raw(struct joined *v)
{
	struct span text = {v->text, v->n};
	const struct known_set *known = scanner_known(v->scanner, v->part);
	if (known)
		text_find_known(known, text, on_known, v);
	return text_search(v->scanner, v->part, text, on_match, v, &v->position);
}

/* What was encoded is told only roughly: whether it lies in one piece can't be said, and what stands there
 * more than once may stand anywhere. */
static void take_encoded(struct joined *v, struct finding *finding)
{
	struct reach reach = reach_of(v, finding->offset, finding->offset + finding->length);
	if (is_at_home(v, findings_rule(finding), reach))
		return;
	if (finding->count > 1)
		reach = (struct reach){0, v->count - 1};
	finding->offset = v->pieces[reach.first].begin;
	finding->length = v->pieces[reach.last].end - finding->offset;
	finding->count = 1;
	v->added |= findings_take_joined(v->out, finding);
}

static const char *scan_encoded(struct joined *v)
{
	struct views_text kind = {.part = v->part, .is_joined = true};
	struct findings found = {0};
	bool added = false;
	const char *failure =
		text_scan_views(v->scanner, &kind, (struct span){v->text, v->n}, &found, &added);
	for (size_t i = 0; i < found.count; i++)
		take_encoded(v, &found.items[i]);
	if (found.dropped > 0)
		return "more was found in it than can be told";
	return failure ? failure : found.unscannable;
}

/* ---- memory */

static bool take_memory(struct joined *v)
{
	size_t octets = 0;
	for (size_t i = 0; i < v->count; i++)
		octets += PLAIN_GROWTH * v->pieces[i].text.n;
	size_t tables =
		v->count * (sizeof(*v->plain) + sizeof(*v->starts) + ROWS_OF_PIECE * sizeof(*v->rows));
	/* The joined values have a break in each that is long. */
	size_t room = octets * (1 + ROWS_OF_OCTET) + v->count * (1 + 2 * ROWS_OF_PIECE) + 2;
	v->plain = malloc(tables + octets + room);
	if (!v->plain)
		return false;
	v->rows = (struct row *)(v->plain + v->count);
	v->starts = (size_t *)(v->rows + ROWS_OF_PIECE * v->count);
	v->decoded = (char *)(v->starts + v->count);
	v->text = v->decoded + octets;
	return true;
}

static void give_memory(struct joined *v)
{
	explicit_bzero(v->decoded, v->decoded_n);
	explicit_bzero(v->text, v->n);
	free(v->plain);
}

static const char *scan_pieces(struct joined *v)
{
	if (!take_memory(v))
		return "there was no memory to scan it";
	const char *failure = NULL;
	v->decoded_n = v->n = 0;
	make_plain(v);
	if (is_worth_it(v->plain, v->count, scanner_known(v->scanner, v->part) != NULL)) {
		make_text(v);
		failure = scan_raw(v);
		if (!failure && keep_code(v))
			failure = scan_encoded(v);
	}
	give_memory(v);
	return failure;
}

/* As is_worth_it(), of what was not looked at yet. */
static bool could_be_worth_it(const struct scan_piece *pieces, size_t count)
{
	size_t full = 0, octets = 0;
	for (size_t i = 0; i < count; i++) {
		full += pieces[i].text.n > 0;
		octets += PLAIN_GROWTH * pieces[i].text.n;
	}
	return full >= 2 && octets >= KNOWN_SHORTEST;
}

static bool has_plus(const struct scan_piece *pieces, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (pieces[i].text.n > 0 && memchr(pieces[i].text.p, '+', pieces[i].text.n))
			return true;
	return false;
}

enum scan_result scan_joined(struct scanner *scanner, enum scan_part part, const struct scan_target *target,
	const struct scan_piece *pieces, size_t count, unsigned how, struct findings *out)
{
	struct joined v = {.scanner = scanner,
		.part = part,
		.target = target,
		.pieces = pieces,
		.count = count,
		.only_rows = how & SCAN_JOIN_ROWS,
		.out = out};
	const char *unscannable = out->unscannable;
	if (scanner_is_idle(scanner, part) || !could_be_worth_it(pieces, count))
		return SCAN_CLEAN;
	const char *failure = scan_pieces(&v);
	/* A plus is a space where a form is read, and itself in base64. */
	if (!failure && how & SCAN_JOIN_FORM && has_plus(pieces, count)) {
		v.plain_flags = PLAIN_PLUS_IS_SPACE;
		failure = scan_pieces(&v);
	}
	if (failure)
		findings_set_unscannable(out, part, failure);
	if (out->unscannable != unscannable)
		return SCAN_UNSCANNABLE;
	return v.added ? SCAN_FOUND : SCAN_CLEAN;
}
