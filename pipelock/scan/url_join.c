/*
 * Whole texts, taken apart at one separator and put together again. What does not fit is counted, not
 * written.
 */
#include "pipelock/scan/url_join.h"

#include "pipelock/scan/view.h"

struct output {
	char *p;
	size_t room, n;
};

static void put(struct output *out, struct span octets)
{
	size_t room = out->n < out->room ? out->room - out->n : 0;
	size_t fits = octets.n < room ? octets.n : room;
	if (fits > 0)
		memcpy(out->p + out->n, octets.p, fits);
	out->n += octets.n;
}

/* The piece of *rest up to the separator, which is taken too. false: there is none any more. */
static bool next_piece(struct span *rest, char separator, struct span *piece)
{
	if (rest->n == 0)
		return false;
	const char *end = memchr(rest->p, separator, rest->n);
	*piece = (struct span){rest->p, end ? (size_t)(end - rest->p) : rest->n};
	size_t taken = piece->n + (end != NULL);
	rest->p += taken;
	rest->n -= taken;
	return true;
}

static bool next_pair(struct span *query, struct span *name, struct span *value)
{
	if (!next_piece(query, '&', value))
		return false;
	*name = (struct span){"", 0};
	next_piece(value, '=', name);
	return true;
}

static size_t join_pieces(struct span text, char separator, char *p, size_t room)
{
	struct output out = {p, room, 0};
	struct span piece;
	while (next_piece(&text, separator, &piece))
		put(&out, piece);
	return out.n;
}

size_t url_join_path(struct span path, char *out, size_t room)
{
	return join_pieces(path, '/', out, room);
}

size_t url_join_labels(struct span host, char *out, size_t room)
{
	return join_pieces(host, '.', out, room);
}

size_t url_join_query(struct span query, char *p, size_t room)
{
	struct output out = {p, room, 0};
	struct span name, value;
	while (next_pair(&query, &name, &value))
		put(&out, value);
	return out.n;
}

size_t url_join_names(struct span query, char *p, size_t room)
{
	struct output out = {p, room, 0};
	struct span name, value;
	while (next_pair(&query, &name, &value))
		put(&out, name);
	return out.n;
}

size_t url_join_pairs(struct span query, char *p, size_t room)
{
	struct output out = {p, room, 0};
	struct span name, value;
	while (next_pair(&query, &name, &value)) {
		put(&out, name);
		if (name.n > 0 && value.n > 0)
			put(&out, SPAN(": "));
		put(&out, value);
		if (name.n > 0 || value.n > 0)
			put(&out, SPAN(VIEW_BREAK));
	}
	return out.n;
}
