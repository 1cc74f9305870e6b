/*
 * Ends are found with memchr; of what lies between, the beginning goes out, the rest passes a short memory.
 */
#include "pipelock/scan/values.h"

static bool is_token_octet(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == '-' ||
	       c == '.' || c == '+' || c == '/' || c == '=' || c == '~' || c == ':' || c == '%';
}

bool values_is_locale(struct span value)
{
	return span_equals(value, SPAN("sk-SK")) || span_equals(value, SPAN("sk_SK"));
}

void values_init(struct values *v)
{
	memset(v, 0, sizeof(*v));
}

/* ---- pieces of a token */

static void row_take(struct values *v, struct span octets)
{
	struct fragment *piece = &v->row[v->count];
	if (piece->size == 0)
		piece->at = v->at;
	if (v->no_piece || octets.n > sizeof(piece->text) - piece->size) {
		v->no_piece = true;
		return;
	}
	for (size_t i = 0; i < octets.n; i++)
		v->no_piece |= !is_token_octet((unsigned char)octets.p[i]);
	memcpy(piece->text + piece->size, octets.p, octets.n);
	piece->size = (unsigned char)(piece->size + octets.n);
}

/* Lower case alone, or digits alone. */
static bool is_plain(const struct fragment *piece)
{
	unsigned lower = 0, digits = 0;
	for (unsigned i = 0; i < piece->size; i++) {
		lower += piece->text[i] >= 'a' && piece->text[i] <= 'z';
		digits += piece->text[i] >= '0' && piece->text[i] <= '9';
	}
	return lower == piece->size || digits == piece->size;
}

/* row[from .. count] on a line. */
static void row_put(const struct values *v, size_t from, values_emit *emit, void *arg)
{
	char line[VALUES_LONGEST + 1];
	size_t n = 0;
	bool plain = true;
	for (size_t i = from; i <= v->count; i++) {
		if (v->row[i].size > VALUES_LONGEST - n)
			return;
		memcpy(line + n, v->row[i].text, v->row[i].size);
		n += v->row[i].size;
		plain &= v->row[i].plain;
	}
	if (n < VALUES_SHORTEST || plain)
		return;
	line[n] = VIEW_BREAK[0];
	emit(arg, VALUES_FRAGMENTS, (struct span){line, n + 1});
}

static void row_end(struct values *v, values_emit *emit, void *arg)
{
	struct fragment *piece = &v->row[v->count];
	if (v->no_piece) {
		v->count = 0;
	} else {
		piece->plain = is_plain(piece);
		for (size_t from = 0; from < v->count; from++)
			row_put(v, from, emit, arg);
		if (v->count + 1 == VALUES_IN_ROW)
			memmove(v->row, v->row + 1, sizeof(v->row) - sizeof(v->row[0]));
		else
			v->count++;
	}
	v->row[v->count].size = 0;
	v->no_piece = false;
}

/* ---- ends of values */

static void tail_take(struct values *v, struct span octets)
{
	if (octets.n >= sizeof(v->tail)) {
		memcpy(v->tail, octets.p + octets.n - sizeof(v->tail), sizeof(v->tail));
		v->tail_n = sizeof(v->tail);
		return;
	}
	size_t over = v->tail_n + octets.n > sizeof(v->tail) ? v->tail_n + octets.n - sizeof(v->tail) : 0;
	memmove(v->tail, v->tail + over, v->tail_n - over);
	memcpy(v->tail + v->tail_n - over, octets.p, octets.n);
	v->tail_n += octets.n - over;
}

static void value_take(struct values *v, struct span octets, values_emit *emit, void *arg)
{
	if (v->length == 0)
		v->begin = v->at;
	row_take(v, octets);
	size_t room = v->length < VALUES_EDGE ? (size_t)(VALUES_EDGE - v->length) : 0;
	size_t n = octets.n < room ? octets.n : room;
	v->length += octets.n;
	if (n > 0)
		emit(arg, VALUES_JOINED, (struct span){octets.p, n});
	if (octets.n > n)
		tail_take(v, (struct span){octets.p + n, octets.n - n});
}

/* An empty value is none: put together, it makes no difference. */
static void value_end(struct values *v, values_emit *emit, void *arg)
{
	if (v->length == 0)
		return;
	if (v->length > 2 * VALUES_EDGE)
		emit(arg, VALUES_JOINED, SPAN(VIEW_BREAK));
	if (v->tail_n > 0)
		emit(arg, VALUES_JOINED, (struct span){v->tail, v->tail_n});
	const struct fragment *piece = &v->row[v->count];
	if (!v->no_piece && values_is_locale((struct span){piece->text, piece->size})) {
		emit(arg, VALUES_JOINED, SPAN(VIEW_BREAK));
		v->no_piece = true;
	}
	v->tail_n = 0;
	v->length = 0;
	row_end(v, emit, arg);
}

void values_feed(struct values *v, struct span in, bool last, values_emit *emit, void *arg)
{
	while (in.n > 0) {
		const char *end = memchr(in.p, VALUES_END[0], in.n);
		size_t n = end ? (size_t)(end - in.p) : in.n;
		if (n > 0)
			value_take(v, (struct span){in.p, n}, emit, arg);
		if (end) {
			value_end(v, emit, arg);
			n++;
		}
		in.p += n;
		in.n -= n;
	}
	if (last)
		value_end(v, emit, arg);
}

uint64_t values_since(const struct values *v, uint64_t none)
{
	if (v->count > 0)
		return v->row[0].at;
	return v->length > 0 ? v->begin : none;
}
