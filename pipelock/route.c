/*
 * Route lookup. A rank says how specific a match is; the highest wins and the first of equals stays. The
 * readings of a path are made in memory on the stack, bounded by the longest target that the parser lets
 * through.
 */
#include "pipelock/route.h"

#include "common/http1.h"
#include "common/url.h"

/* 0 is no match. */
struct rank {
	size_t host;
	size_t path;
	bool method;
};

#define HOST_ANY 1
#define HOST_EXACT (HOST_MAX + 10)
#define PATH_ANY 1
#define PATH_EXACT (SIZE_MAX)

/* What applies when a path is too long to be read: the parser refuses such targets before. */
static const struct route unreadable = {.name = "unreadable-path", .action = ROUTE_DENY};

static size_t rank_host(const struct route *route, struct span host)
{
	size_t best = route->host_count == 0 ? HOST_ANY : 0;
	for (size_t i = 0; i < route->host_count; i++) {
		struct span pattern = span_of(route->hosts[i]);
		if (!host_matches(pattern, host))
			continue;
		bool wild = pattern.p[0] == '*';
		size_t rank = wild ? pattern.n : HOST_EXACT; /* "*" is 1 too */
		best = rank > best ? rank : best;
	}
	return best;
}

/* By elements: "/a" and "/a/" hold for "/a" and "/a/b", not for "/ab". The result is what counts for the
 * rank. */
static struct span trim_prefix(const char *text)
{
	struct span prefix = span_of(text);
	if (prefix.n > 0 && prefix.p[prefix.n - 1] == '/')
		prefix.n--;
	return prefix;
}

static bool has_prefix(struct span path, struct span prefix)
{
	if (path.n < prefix.n || memcmp(path.p, prefix.p, prefix.n) != 0)
		return false;
	return prefix.n == 0 || path.n == prefix.n || path.p[prefix.n] == '/';
}

static bool has_suffix(struct span path, struct span suffix)
{
	return path.n >= suffix.n && memcmp(path.p + path.n - suffix.n, suffix.p, suffix.n) == 0;
}

static size_t rank_path(const struct route *route, struct span path)
{
	size_t best = route->path_count == 0 ? PATH_ANY : 0;
	for (size_t i = 0; i < route->path_count; i++) {
		const struct route_path *p = &route->paths[i];
		struct span exact = span_of(p->exact), prefix = trim_prefix(p->prefix),
			    suffix = span_of(p->suffix);
		size_t rank = 0;
		if (exact.n > 0)
			rank = span_equals(exact, path) ? PATH_EXACT : 0;
		else if (has_prefix(path, prefix) && has_suffix(path, suffix))
			rank = PATH_ANY + prefix.n + suffix.n;
		best = rank > best ? rank : best;
	}
	return best;
}

static bool has_method(const struct route *route, struct span method)
{
	for (size_t i = 0; i < route->method_count; i++)
		if (span_equals(span_of(route->methods[i]), method))
			return true;
	return route->method_count == 0;
}

static bool rank_is_higher(struct rank a, struct rank b)
{
	if (a.host != b.host)
		return a.host > b.host;
	if (a.path != b.path)
		return a.path > b.path;
	return a.method && !b.method;
}

static const struct route *find_one(
	const struct config *config, struct span host, struct span method, struct span path)
{
	const struct route *best = NULL;
	struct rank best_rank = {0};
	for (size_t i = 0; i < config->route_count; i++) {
		const struct route *route = &config->routes[i];
		struct rank rank = {.host = rank_host(route, host), .method = route->method_count > 0};
		if (rank.host == 0 || rank.host < best_rank.host || !has_method(route, method))
			continue;
		rank.path = rank_path(route, path);
		if (rank.path > 0 && (!best || rank_is_higher(rank, best_rank))) {
			best = route;
			best_rank = rank;
		}
	}
	return best;
}

/* ---- readings of a path */

/* Could an origin take this path for another? */
static bool is_ambiguous(struct span path)
{
	for (size_t i = 0; i < path.n; i++) {
		char c = path.p[i];
		char before = i > 0 ? path.p[i - 1] : 0;
		if (c == '%' || c == '\\' || (before == '/' && (c == '/' || c == '.')))
			return true;
	}
	return false;
}

/* Backslashes as slashes, doubled slashes as one, "." and ".." taken out (RFC 3986 5.2.4). In place; the new
 * size. */
static size_t normalize(char *path, size_t n)
{
	size_t used = 0, i = 0;
	if (n == 0 || path[0] != '/') /* OPTIONS * */
		return n;
	for (size_t k = 0; k < n; k++)
		path[k] = path[k] == '\\' ? '/' : path[k];
	while (i < n) {
		size_t start = i + (path[i] == '/'), end = start;
		while (end < n && path[end] != '/')
			end++;
		size_t length = end - start;
		bool last = end >= n;
		i = end;
		if (length == 2 && path[start] == '.' && path[start + 1] == '.') {
			while (used > 0 && path[--used] != '/')
				;
		} else if (length > 0 && !(length == 1 && path[start] == '.')) {
			path[used++] = '/';
			memmove(path + used, path + start, length);
			used += length;
			continue;
		}
		if (last)
			path[used++] = '/'; /* "/a/", "/a/." and "/a/b/.." name the folder */
	}
	return used;
}

/* How little a route lets through; smaller is stricter. */
static int laxity(const struct config *config, const struct route *route)
{
	if (route && route->action == ROUTE_DENY)
		return 0;
	if (!route && config->mode == MODE_STRICT)
		return 1;
	if (!route || !route->has_on_match)
		return 3;
	return route->on_match == VERDICT_BLOCK ? 2 : route->on_match == VERDICT_WARN ? 4 : 5;
}

/* Decoding more often than origins do costs little and closes double encoding. */
#define MAX_DECODINGS 3

const struct route *route_find(
	const struct config *config, struct span host, struct span method, struct span path)
{
	const char *query = path.n > 0 ? memchr(path.p, '?', path.n) : NULL;
	if (query)
		path.n = (size_t)(query - path.p);
	const struct route *strictest = find_one(config, host, method, path);
	if (config->route_count == 0 || !is_ambiguous(path))
		return strictest;

	char decoded[HTTP1_MAX_TARGET], reading[HTTP1_MAX_TARGET];
	if (path.n > sizeof(decoded))
		return &unreadable;
	memcpy(decoded, path.p, path.n);
	size_t n = path.n, before = 0;
	for (int i = 0; i <= MAX_DECODINGS && n != before; i++) {
		memcpy(reading, decoded, n);
		struct span normal = {reading, normalize(reading, n)};
		const struct route *route = find_one(config, host, method, normal);
		if (laxity(config, route) < laxity(config, strictest))
			strictest = route;
		before = n;
		n = percent_decode((struct span){decoded, n}, decoded);
	}
	return strictest;
}

/* ---- whole hosts */

bool route_path_equals(const struct route_path *a, const struct route_path *b)
{
	return strcmp(a->exact, b->exact) == 0 && strcmp(a->suffix, b->suffix) == 0 &&
	       span_equals(trim_prefix(a->prefix), trim_prefix(b->prefix));
}

bool route_is_for_whole_host(const struct route *route)
{
	static const struct route_path any = {"", "", ""};
	bool every_path = route->path_count == 0;
	for (size_t i = 0; i < route->path_count; i++)
		every_path = every_path || route_path_equals(&route->paths[i], &any);
	return every_path && route->method_count == 0;
}

const struct route *route_find_connect(const struct config *config, struct span host)
{
	const struct route *whole = NULL;
	size_t whole_rank = 0, part_rank = 0;
	for (size_t i = 0; i < config->route_count; i++) {
		const struct route *route = &config->routes[i];
		size_t rank = rank_host(route, host);
		if (!route_is_for_whole_host(route)) {
			part_rank = rank > part_rank ? rank : part_rank;
		} else if (rank > whole_rank) {
			whole = route;
			whole_rank = rank;
		}
	}
	bool decides = whole && (whole->action == ROUTE_DENY || whole->tls == ROUTE_TLS_SPLICE);
	return decides && whole_rank > part_rank ? whole : NULL;
}

bool route_covers_host(const struct config *config, struct span host)
{
	for (size_t i = 0; i < config->route_count; i++)
		if (rank_host(&config->routes[i], host) > 0)
			return true;
	return false;
}

bool route_names_host(const struct config *config, struct span host)
{
	for (size_t i = 0; i < config->route_count; i++)
		if (rank_host(&config->routes[i], host) > HOST_ANY)
			return true;
	return false;
}
