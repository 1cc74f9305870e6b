/*
 * The lexer is a state machine over octets; runs inside of strings are found eight octets at a time and
 * handed on as they are. Nothing is read twice but what waits in `escape` (at most 12 octets).
 */
#include "pipelock/scan/json_join.h"

#include "pipelock/scan/json_escape.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Each octet of a waiting string took six raw ones at most, then a quote and what may stand behind it. */
_Static_assert(JSON_JOIN_LAG >= 6 * JSON_JOIN_WAIT + 256, "white space behind a key has room");

void json_join_init(struct json_join *v)
{
	memset(v, 0, sizeof(*v));
}

size_t json_join_lag(const struct json_join *v)
{
	return v->role == JSON_OPEN ? (size_t)(v->at - v->begin) : v->escape_n;
}

static void take(struct json_join *v, struct span *in, size_t n)
{
	in->p += n;
	in->n -= n;
	v->at += n;
}

/* ---- levels */

static void set_level(struct json_join *v, bool is_object)
{
	uint64_t *word = &v->objects[v->depth / 64 % (JSON_JOIN_LEVELS / 64)];
	uint64_t bit = UINT64_C(1) << v->depth % 64;
	*word = is_object ? *word | bit : *word & ~bit;
}

static bool level_is_object(const struct json_join *v)
{
	return v->objects[v->depth / 64 % (JSON_JOIN_LEVELS / 64)] >> v->depth % 64 & 1;
}

static void open_level(struct json_join *v, bool is_object)
{
	v->depth++;
	if (v->depth - v->floor >= JSON_JOIN_LEVELS)
		v->floor = v->depth - JSON_JOIN_LEVELS + 1;
	set_level(v, is_object);
}

static void close_level(struct json_join *v)
{
	if (v->depth > 0)
		v->depth--;
	if (v->depth < v->floor) {
		v->floor = v->depth;
		set_level(v, false);
	}
}

/* ---- what a string is, and where its octets go */

static void put_key(struct json_join *v, struct span octets)
{
	join_put(&v->sink, JSON_KEYS, octets);
	join_put_name(&v->sink, JSON_PAIRS, octets);
}

static void put_value(struct json_join *v, struct span octets)
{
	join_put(&v->sink, JSON_VALUES, octets);
	join_put_value(&v->sink, JSON_PAIRS, octets);
}

/* An empty value leaves its key alone on a line that the next bracket or comma ends. */
static void end_value(struct json_join *v)
{
	join_put(&v->sink, JSON_VALUES, SPAN(VALUES_END));
	if (v->sink.line == JOIN_LINE_VALUE)
		join_end_line(&v->sink, JSON_PAIRS);
}

/* What waited is a key, or a value, or the beginning of one. */
static void decide(struct json_join *v, enum json_role role)
{
	struct span waited = {v->waiting, v->waiting_n};
	v->waiting_n = 0;
	v->role = role;
	if (role == JSON_KEY) {
		join_end_line(&v->sink, JSON_PAIRS);
		put_key(v, waited);
	} else {
		put_value(v, waited);
	}
}

static void decide_by_place(struct json_join *v)
{
	decide(v, level_is_object(v) ? JSON_KEY : JSON_VALUE);
}

/* The string that was open or waits has nothing more to say. */
static void finish_string(struct json_join *v)
{
	if (v->role == JSON_OPEN)
		decide(v, JSON_VALUE);
	if (v->role == JSON_VALUE)
		end_value(v);
	else if (v->role == JSON_KEY)
		join_put(&v->sink, JSON_KEYS, SPAN(VALUES_END));
	v->role = JSON_NOTHING;
}

static void put_string(struct json_join *v, struct span octets)
{
	if (octets.n == 0)
		return;
	if (v->role == JSON_OPEN && octets.n > sizeof(v->waiting) - v->waiting_n)
		decide_by_place(v);
	if (v->role == JSON_VALUE) {
		put_value(v, octets);
	} else if (v->role == JSON_KEY) {
		put_key(v, octets);
	} else {
		memcpy(v->waiting + v->waiting_n, octets.p, octets.n);
		v->waiting_n += (unsigned)octets.n;
	}
}

/* ---- escapes */

static void put_character(struct json_join *v, uint32_t c)
{
	char utf8[4];
	put_string(v, (struct span){utf8, json_escape_encode(c, utf8)});
}

/* The first six octets of `escape` are whole, and what is behind them is no low surrogate's escape. */
static void put_first_unit(struct json_join *v)
{
	put_character(v, json_escape_unit(v->escape));
	v->escape_n -= 6;
	memmove(v->escape, v->escape + 6, v->escape_n);
}

/* What is in `escape` won't become whole. */
static void put_broken_escape(struct json_join *v)
{
	if (v->escape_n >= 6)
		put_first_unit(v);
	/* A backslash alone is no octet of the string. */
	if (v->escape_n > 1)
		put_string(v, (struct span){v->escape, v->escape_n});
	v->escape_n = 0;
}

static void end_escape(struct json_join *v)
{
	uint32_t first = json_escape_unit(v->escape);
	if (v->escape_n == 6 && json_is_high_surrogate(first))
		return;
	if (v->escape_n == 12) {
		uint32_t second = json_escape_unit(v->escape + 6);
		if (!json_is_low_surrogate(second)) {
			put_first_unit(v);
			end_escape(v);
			return;
		}
		put_character(v, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
	} else {
		put_character(v, first);
	}
	v->escape_n = 0;
}

/* One octet more of an escape. false: it is none, and has still to be read. */
static bool escape_takes(struct json_join *v, char c)
{
	unsigned n = v->escape_n % 6;
	if (n == 1 && c != 'u') {
		if (c == '\n' || c == '\r') {
			put_broken_escape(v);
			return false;
		}
		if (v->escape_n > 6)
			put_first_unit(v);
		v->escape_n = 0;
		c = json_escape_short(c);
		put_string(v, (struct span){&c, 1});
		return true;
	}
	if ((n == 0 && c != '\\') || (n > 1 && json_hex_value(c) < 0)) {
		put_broken_escape(v);
		return false;
	}
	v->escape[v->escape_n++] = c;
	if (v->escape_n % 6 == 0)
		end_escape(v);
	return true;
}

/* ---- inside of a string */

static bool is_plain(char c)
{
	return c != '"' && c != '\\' && c != '\n' && c != '\r';
}

#ifdef __SSE2__
typedef __m128i octets16;

static inline octets16 are(octets16 v, char c)
{
	return _mm_cmpeq_epi8(v, _mm_set1_epi8(c));
}

static inline octets16 either(octets16 a, octets16 b)
{
	return _mm_or_si128(a, b);
}

/* A bit for each of 16 octets that is not plain. */
static inline unsigned not_plain(octets16 v)
{
	octets16 ends = either(are(v, '"'), are(v, '\\'));
	return (unsigned)_mm_movemask_epi8(either(ends, either(are(v, '\n'), are(v, '\r'))));
}

/* A bit for each of 16 octets that is_structure[] has; a bracket and a brace differ in one bit. */
static inline unsigned structure(octets16 v)
{
	octets16 folded = either(v, _mm_set1_epi8(0x20));
	octets16 braces = either(are(folded, '{'), are(folded, '}'));
	octets16 others = either(are(v, '"'), either(are(v, ','), are(v, ':')));
	return (unsigned)_mm_movemask_epi8(either(braces, others));
}

static inline octets16 load16(const char *p)
{
	return _mm_loadu_si128((const octets16 *)(const void *)p);
}
#endif

/* How many octets stand for themselves. */
static size_t plain_run(struct span in)
{
	size_t i = 0;
#ifdef __SSE2__
	for (; in.n - i >= sizeof(octets16); i += sizeof(octets16)) {
		unsigned found = not_plain(load16(in.p + i));
		if (found)
			return i + (size_t)__builtin_ctz(found);
	}
#endif
	while (i < in.n && is_plain(in.p[i]))
		i++;
	return i;
}

/* The octets up to the string's end or a difficult escape, put in pieces of reasonable size. */
static void read_plain(struct json_join *v, struct span *in)
{
	size_t n = 0, meaning = 0;
	while (true) {
		size_t run = plain_run(*in);
		bool is_escape = run < in->n && in->p[run] == '\\';
		if (run + 4 > sizeof(v->plain) - n || !is_escape) {
			put_string(v, (struct span){v->plain, n});
			put_string(v, (struct span){in->p, run});
			n = 0;
		} else {
			memcpy(v->plain + n, in->p, run);
			n += run;
		}
		take(v, in, run);
		size_t escape = is_escape ? json_escape_read(*in, v->plain + n, &meaning) : 0;
		if (escape == 0)
			break;
		take(v, in, escape);
		n += meaning;
	}
	put_string(v, (struct span){v->plain, n});
}

static void read_string(struct json_join *v, struct span *in)
{
	if (v->escape_n > 0) {
		if (escape_takes(v, in->p[0]))
			take(v, in, 1);
		return;
	}
	read_plain(v, in);
	if (in->n == 0)
		return;
	char c = in->p[0];
	take(v, in, 1);
	if (c == '\\') {
		v->escape[0] = c;
		v->escape_n = 1;
		return;
	}
	v->place = JSON_OUTSIDE;
	if (c != '"' || v->role == JSON_VALUE)
		finish_string(v);
}

/* ---- outside */

/* What ends a number or word. */
static const bool is_delimiter[256] = {
	[' '] = true,
	['\n'] = true,
	['\r'] = true,
	['\t'] = true,
	['"'] = true,
	[','] = true,
	[':'] = true,
	['{'] = true,
	['}'] = true,
	['['] = true,
	[']'] = true,
};

/* What has a meaning outside of all brackets. */
static const bool is_structure[256] = {
	['"'] = true,
	[','] = true,
	[':'] = true,
	['{'] = true,
	['}'] = true,
	['['] = true,
	[']'] = true,
};

static void read_colon(struct json_join *v)
{
	if (v->role == JSON_OPEN) {
		set_level(v, true);
		decide(v, JSON_KEY);
	}
	finish_string(v);
	v->before = ':';
}

static void read_space(struct json_join *v)
{
	if (v->role == JSON_OPEN && v->at - v->begin >= JSON_JOIN_LAG - 1)
		decide_by_place(v);
}

static void begin_string(struct json_join *v)
{
	finish_string(v);
	v->place = JSON_STRING;
	v->role = v->before == ':' || v->before == '[' ? JSON_VALUE : JSON_OPEN;
	v->begin = v->at;
	v->before = 0;
}

/* A bracket or comma: the value of a key has ended, or is an object. */
static void read_structure(struct json_join *v, char c)
{
	finish_string(v);
	if (c != '[')
		join_end_line(&v->sink, JSON_PAIRS);
	if (c == '{' || c == '[')
		open_level(v, c == '{');
	else if (c != ',')
		close_level(v);
	v->before = c;
}

/* false: the octet begins a number or word, and has still to be read. */
static bool read_octet(struct json_join *v, char c)
{
	switch (c) {
	case ' ':
	case '\n':
	case '\r':
	case '\t':
		read_space(v);
		return true;
	case '"':
		begin_string(v);
		return true;
	case ':':
		read_colon(v);
		return true;
	case '{':
	case '[':
	case '}':
	case ']':
	case ',':
		read_structure(v, c);
		return true;
	default:
		finish_string(v);
		v->before = 0;
		v->place = c == '-' || (c >= '0' && c <= '9') ? JSON_NUMBER : JSON_WORD;
		return false;
	}
}

static void read_outside(struct json_join *v, struct span *in)
{
	while (in->n > 0 && v->place == JSON_OUTSIDE && read_octet(v, in->p[0]))
		take(v, in, 1);
}

/* Outside of all brackets a number belongs to the text around the JSON. */
static void put_number(struct json_join *v, struct span octets)
{
	if (v->depth == 0)
		return;
	join_put(&v->sink, JSON_VALUES, octets);
	if (v->sink.line != JOIN_LINE_NONE)
		join_put_value(&v->sink, JSON_PAIRS, octets);
}

/* Around JSON all words and the space between them are as one. */
static size_t prose_run(struct span in)
{
	size_t i = 0;
#ifdef __SSE2__
	for (; in.n - i >= sizeof(octets16); i += sizeof(octets16)) {
		unsigned found = structure(load16(in.p + i));
		if (found)
			return i + (size_t)__builtin_ctz(found);
	}
#endif
	while (i < in.n && !is_structure[(unsigned char)in.p[i]])
		i++;
	return i;
}

static size_t word_run(struct span in)
{
	size_t i = 0;
	while (i < in.n && !is_delimiter[(unsigned char)in.p[i]])
		i++;
	return i;
}

static void read_word(struct json_join *v, struct span *in)
{
	size_t n = v->depth == 0 ? prose_run(*in) : word_run(*in);
	if (v->place == JSON_NUMBER)
		put_number(v, (struct span){in->p, n});
	take(v, in, n);
	if (in->n == 0)
		return;
	if (v->place == JSON_NUMBER || v->sink.line == JOIN_LINE_VALUE)
		end_value(v);
	v->place = JSON_OUTSIDE;
}

void json_join_feed(struct json_join *v, struct span in, bool last, join_emit *emit, void *arg)
{
	v->sink.emit = emit;
	v->sink.arg = arg;
	while (in.n > 0) {
		if (v->place == JSON_STRING)
			read_string(v, &in);
		else if (v->place == JSON_OUTSIDE)
			read_outside(v, &in);
		else
			read_word(v, &in);
	}
	if (last) {
		put_broken_escape(v);
		finish_string(v);
		join_end_line(&v->sink, JSON_PAIRS);
	}
	join_flush(&v->sink);
	v->sink.emit = NULL;
	v->sink.arg = NULL;
}
