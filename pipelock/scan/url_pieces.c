/*
 * Authority, path and query are found first, then taken apart at one separator.
 */
#include "pipelock/scan/url_pieces.h"

struct output {
	struct span url;
	struct scan_piece *pieces;
	size_t room, n;
};

static void put(struct output *out, struct span text)
{
	if (text.n == 0)
		return;
	uint64_t begin = (uint64_t)(text.p - out->url.p);
	if (out->n < out->room)
		out->pieces[out->n] =
			(struct scan_piece){.text = text, .begin = begin, .end = begin + text.n};
	out->n++;
}

/* What stands before the first of these octets is taken off *rest; the octet itself, too. */
static struct span take_until(struct span *rest, const char *separators)
{
	size_t n = 0;
	while (n < rest->n && (rest->p[n] == '\0' || !strchr(separators, rest->p[n])))
		n++;
	struct span taken = {rest->p, n};
	n += n < rest->n;
	rest->p += n;
	rest->n -= n;
	return taken;
}

static void put_labels(struct output *out, struct span authority)
{
	if (authority.n > 0 && authority.p[0] == '[')
		return;
	struct span host = take_until(&authority, ":");
	while (host.n > 0)
		put(out, take_until(&host, "."));
}

static void put_segments(struct output *out, struct span path)
{
	while (path.n > 0)
		put(out, take_until(&path, "/"));
}

static void put_pairs(struct output *out, struct span query, enum url_list list)
{
	while (query.n > 0) {
		struct span value = take_until(&query, "&");
		struct span name = take_until(&value, "=");
		if (list != URL_VALUES)
			put(out, name);
		if (list != URL_NAMES)
			put(out, value);
	}
}

size_t url_pieces(struct span url, enum url_list list, struct scan_piece *pieces, size_t room)
{
	struct output out = {url, pieces, room, 0};
	const char *scheme = url.n > 0 ? memmem(url.p, url.n, "://", 3) : NULL;
	struct span rest = url;
	if (scheme) {
		rest.p = scheme + 3;
		rest.n = (size_t)(url.p + url.n - rest.p);
	}
	size_t n = 0;
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	struct span authority = {rest.p, n}, query = {rest.p + n, rest.n - n};
	struct span path = take_until(&query, "?");
	if (list == URL_LABELS)
		put_labels(&out, authority);
	else if (list == URL_SEGMENTS)
		put_segments(&out, path);
	else
		put_pairs(&out, query, list);
	return out.n;
}
