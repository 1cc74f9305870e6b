/*
 * Runs are found by a reader an alphabet: outside of a run it skips, inside it goes from piece to piece. A
 * run is handed to the decoders once it is long enough; that is also when runs of the narrower alphabets are
 * looked for in it.
 */
#include "pipelock/scan/runs_internal.h"

enum alphabet { ALPHABET_BASE64, ALPHABET_HEX };

static const struct runs_alphabet *const alphabets[RUNS_ALPHABETS] = {&runs_base64, &runs_hex};

void runs_init(struct runs *v)
{
	memset(v, 0, offsetof(struct runs, out));
	for (int i = 0; i < RUNS_TRACKS; i++)
		v->out[i].n = 0;
	v->simd = true;
}

/* ---- what is done with characters of a run; `ends`: it does, or the piece does, behind them */

static void take(struct runs *v, enum alphabet which, const char *chars, size_t n, uint64_t at, bool ends)
{
	const unsigned char *p = (const unsigned char *)chars;
	if (which == ALPHABET_HEX) {
		runs_two_take(v, p, n, at);
		return;
	}
	runs_four_take(v, p, n, at);
	runs_code_take(v, RUNS_BASE32, p, n, at, ends);
	runs_code_take(v, RUNS_BASE32_UPPER, p, n, at, ends);
	runs_code_take(v, RUNS_BASE32HEX, p, n, at, ends);
}

static void take_piece(
	struct runs *v, enum alphabet which, const char *chars, size_t n, uint64_t at, bool ends)
{
	const unsigned char *p = (const unsigned char *)chars;
	if (which == ALPHABET_HEX) {
		runs_code_take(v, RUNS_HEX_PIECE, p, n, at, ends);
		return;
	}
	runs_code_take(v, RUNS_BASE64_PIECE, p, n, at, ends);
	runs_code_take(v, RUNS_BASE32_PIECE, p, n, at, ends);
}

static void end_piece(struct runs *v, enum alphabet which)
{
	if (which == ALPHABET_HEX) {
		runs_code_end(v, RUNS_HEX_PIECE);
		return;
	}
	runs_code_end(v, RUNS_BASE64_PIECE);
	runs_code_end(v, RUNS_BASE32_PIECE);
}

static void end_run(struct runs *v, enum alphabet which)
{
	struct runs_reader *r = &v->readers[which];
	end_piece(v, which);
	if (which == ALPHABET_HEX) {
		runs_two_end(v);
	} else {
		runs_four_end(v);
		runs_code_end(v, RUNS_BASE32);
		runs_code_end(v, RUNS_BASE32_UPPER);
		runs_code_end(v, RUNS_BASE32HEX);
	}
	r->total = 0;
	r->gap = 0;
	r->line_ended = false;
}

/* A run that is there from its first character to its last: most are words, and short. */
static void take_whole_run(struct runs *v, enum alphabet which, const char *p, size_t n, uint64_t at)
{
	if (n < alphabets[which]->shortest)
		return;
	if (which == ALPHABET_BASE64 && n < RUNS_BASE32_SHORTEST) {
		runs_four_take(v, (const unsigned char *)p, n, at);
		runs_four_end(v);
		return;
	}
	take(v, which, p, n, at, true);
	end_run(v, which);
}

/* ---- reading */

static void begin_piece(struct runs *v, enum alphabet which, uint64_t at)
{
	struct runs_reader *r = &v->readers[which];
	if (r->total == 0) {
		r->start_at = at;
		r->is_first = true;
	} else if (r->is_first) {
		r->is_first = false;
		if (r->total >= alphabets[which]->shortest && r->total <= RUNS_FIRST)
			take_piece(v, which, r->first, (size_t)r->total, r->start_at, true);
		end_piece(v, which);
	}
	r->gap = 0;
	r->line_ended = false;
}

/* Keep the first piece, as long as it can be read again. */
static void keep_first(struct runs_reader *r, const char *p, size_t n)
{
	if (r->total >= RUNS_FIRST)
		return;
	size_t room = RUNS_FIRST - (size_t)r->total;
	memcpy(r->first + r->total, p, n < room ? n : room);
}

/* n characters, n > 0, with nothing between them. */
static void read_characters(struct runs *v, enum alphabet which, const char *p, size_t n, uint64_t at)
{
	struct runs_reader *r = &v->readers[which];
	unsigned shortest = alphabets[which]->shortest;
	if (r->total < shortest) {
		size_t room = shortest - (size_t)r->total, some = n < room ? n : room;
		memcpy(r->head + r->total, p, some);
		r->total += some;
		if (r->total < shortest)
			return;
		/* There may be gaps in it: none of it stands before its start, which is all that `at` is for.
		 */
		take(v, which, r->head, shortest, r->start_at, false);
		p += some;
		n -= some;
		at += some;
	}
	r->total += n;
	if (n > 0)
		take(v, which, p, n, at, false);
}

/* `whole`: they are all of a piece. */
static void read_of_piece(
	struct runs *v, enum alphabet which, const char *p, size_t n, uint64_t at, bool whole)
{
	struct runs_reader *r = &v->readers[which];
	if (r->total == 0 || r->gap > 0)
		begin_piece(v, which, at);
	if (r->is_first)
		keep_first(r, p, n);
	else if (!whole || n >= alphabets[which]->shortest)
		take_piece(v, which, p, n, at, whole);
	read_characters(v, which, p, n, at);
}

/* An octet of a gap has come. */
static void pass_gap(struct runs *v, enum alphabet which, char octet)
{
	struct runs_reader *r = &v->readers[which];
	if (r->gap++ == 0 && !r->is_first)
		end_piece(v, which);
	r->line_ended |= octet == '\n';
}

/* What a gap may have, from p on: the rest of it, or none; returns how many octets that is. */
static size_t read_gap(struct runs *v, enum alphabet which, const char *p, size_t n)
{
	struct runs_reader *r = &v->readers[which];
	const struct runs_alphabet *alphabet = alphabets[which];
	unsigned set = r->gap > 0 ? alphabet->fill : alphabet->start;
	size_t i = 0;
	for (; i < n && r->gap < RUNS_GAP && runs_classes[(unsigned char)p[i]] & set; i++) {
		if (p[i] == '\n' && r->line_ended)
			break;
		pass_gap(v, which, p[i]);
		set = alphabet->fill;
	}
	return i;
}

static bool is_x(char octet)
{
	return octet == 'x' || octet == 'X';
}

/* The 0 of 0x: outside of a run it is nothing, inside it is part of a gap. The x behind it sees to it that
 * the gap doesn't get too long. */
static void drop_zero(struct runs *v, enum alphabet which)
{
	if (v->readers[which].total > 0)
		pass_gap(v, which, '0');
}

/* The 0 that the octets before ended with, when the next one is known. */
static void settle_zero(struct runs *v, enum alphabet which, bool is_prefix)
{
	v->readers[which].zero = false;
	if (is_prefix)
		drop_zero(v, which);
	else
		read_of_piece(v, which, "0", 1, v->fed - 1, false);
}

static size_t count_core(const char *p, size_t n, unsigned core)
{
	const unsigned char *octets = (const unsigned char *)p;
	size_t i = 0;
	while (n - i >= 4 && runs_classes[octets[i]] & runs_classes[octets[i + 1]] &
				     runs_classes[octets[i + 2]] & runs_classes[octets[i + 3]] & core)
		i += 4;
	while (i < n && runs_classes[octets[i]] & core)
		i++;
	return i;
}

/* Characters that stand together, the first one at p. */
static size_t read_together(struct runs *v, enum alphabet which, const char *p, size_t n, uint64_t at)
{
	const struct runs_alphabet *alphabet = alphabets[which];
	struct runs_reader *r = &v->readers[which];
	size_t together = count_core(p, n, alphabet->core), read = together;
	bool ends = together < n, begins = r->total == 0 || r->gap > 0;
	if (alphabet->has_prefix && p[together - 1] == '0' && (!ends || is_x(p[together])))
		read--;
	if (ends && r->total == 0 && !(runs_classes[(unsigned char)p[together]] & alphabet->start))
		take_whole_run(v, which, p, read, at);
	else if (read > 0)
		read_of_piece(v, which, p, read, at, begins && ends);
	if (read < together && !ends)
		r->zero = true;
	else if (read < together)
		drop_zero(v, which);
	return together;
}

/* Where the gap at p[i] ends, if a digit follows it and all of that can be seen; else 0. */
static size_t see_gap(const char *p, size_t i, size_t n)
{
	size_t end = i;
	unsigned lines = 0;
	for (; n - end >= 2 && end - i <= RUNS_GAP; end++) {
		unsigned class = runs_classes[(unsigned char)p[end]];
		if (class & RUNS_CLASS_HEX && !(p[end] == '0' && is_x(p[end + 1])))
			break;
		if (!(class & (RUNS_CLASS_MARK | RUNS_CLASS_HEX)))
			return 0;
		lines += p[end] == '\n';
	}
	return n - end < 2 || end - i > RUNS_GAP || lines > 1 ? 0 : end;
}

/*
 * Hex with something between the pairs, deep in a run: the digits of many pieces, each too short to be read
 * by itself, are handed on together. Returns how many octets it took. As before the call, what comes next is
 * a piece, with a gap in front of it.
 */
static size_t read_short_pieces(struct runs *v, const char *p, size_t n, uint64_t at)
{
	char digits[256];
	size_t count = 0, i = 0;
	while (count + RUNS_HEX_SHORTEST <= sizeof(digits)) {
		size_t end = i, next;
		while (end < n && end - i < RUNS_HEX_SHORTEST &&
			runs_classes[(unsigned char)p[end]] & RUNS_CLASS_HEX)
			digits[count + end - i] = p[end], end++;
		if (end == n || end - i == RUNS_HEX_SHORTEST || (p[end - 1] == '0' && is_x(p[end])))
			break;
		next = see_gap(p, end, n);
		if (next == 0)
			break;
		count += end - i;
		i = next;
	}
	/* Where they stand will be forgotten for where the next digit does. */
	if (count > 0)
		take(v, ALPHABET_HEX, digits, count, at, false);
	v->readers[ALPHABET_HEX].total += count;
	return i;
}

static void read_octets(struct runs *v, enum alphabet which, const char *p, size_t n)
{
	struct runs_reader *r = &v->readers[which];
	size_t i = 0;
	if (n > 0 && r->zero)
		settle_zero(v, which, is_x(p[0]));
	while (i < n) {
		if (r->total == 0)
			i += runs_skip(alphabets[which], (const unsigned char *)p + i, n - i, v->simd);
		else
			i += read_gap(v, which, p + i, n - i);
		if (i == n)
			break;
		if (!(runs_classes[(unsigned char)p[i]] & alphabets[which]->core)) {
			end_run(v, which);
			continue;
		}
		if (which == ALPHABET_HEX && r->total >= RUNS_HEX_SHORTEST && r->gap > 0 && !r->is_first)
			i += read_short_pieces(v, p + i, n - i, v->fed + i);
		i += read_together(v, which, p + i, n - i, v->fed + i);
	}
}

static void read_end(struct runs *v, enum alphabet which)
{
	if (v->readers[which].zero)
		settle_zero(v, which, false);
	end_run(v, which);
}

void runs_feed(struct runs *v, struct span in, bool last, runs_emit *emit, void *arg)
{
	v->emit = emit;
	v->arg = arg;
	for (int which = 0; which < (int)RUNS_ALPHABETS; which++)
		read_octets(v, which, in.p, in.n);
	v->fed += in.n;
	for (int which = 0; last && which < (int)RUNS_ALPHABETS; which++)
		read_end(v, which);
	runs_flush(v);
	v->emit = NULL;
	v->arg = NULL;
}

/* ---- lag */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The first octet that may still be read, or read again. */
static uint64_t unread_at(const struct runs *v, enum alphabet which)
{
	const struct runs_reader *r = &v->readers[which];
	if (r->total == 0)
		return v->fed - r->zero;
	bool is_short = r->total < alphabets[which]->shortest;
	bool may_be_repeated = r->is_first && r->total <= RUNS_FIRST;
	return is_short || may_be_repeated ? r->start_at : v->fed;
}

size_t runs_lag(const struct runs *v)
{
	uint64_t at = earlier(unread_at(v, ALPHABET_BASE64), unread_at(v, ALPHABET_HEX));
	if (v->four.count > 0)
		at = earlier(at, v->four.tail_at[0]);
	if (v->two.count > 0)
		at = earlier(at, v->two.digit_at);
	for (int i = 0; i < RUNS_CODES; i++) {
		if (v->codes[i].held > 0)
			at = earlier(at, v->codes[i].held_at);
	}
	return (size_t)(v->fed - at);
}

bool runs_is_open(const struct runs *v, enum runs_track track)
{
	if (track < RUNS_HEX_0)
		return v->four.count > 0;
	if (track < RUNS_BASE32)
		return v->two.count > 0;
	return v->codes[track - RUNS_BASE32].decided;
}
