/*
 * Reads routes, strictly: a pattern that could not match, an empty list that might mean all or nothing, a key
 * that has no effect, and a route that another one hides are errors, since each is a policy that is not what
 * its author believes.
 */
#include "pipelock/config_routes.h"

#include "common/url.h"
#include "pipelock/route.h"

#include <stdlib.h>

#define MAX_ROUTES 1000
#define MAX_HOSTS 256
#define MAX_METHODS 32
#define MAX_PATHS 64
#define MAX_NAME 64

bool config_read_verdict(struct yaml_node *node, enum verdict *out, struct load_error *error)
{
	static const char *const names[] = {
		[VERDICT_BLOCK] = "block", [VERDICT_WARN] = "warn", [VERDICT_ALLOW] = "allow"};
	unsigned choice = VERDICT_BLOCK;
	if (node && node->kind == YAML_SCALAR &&
		(span_equals(node->scalar, SPAN("redact")) || span_equals(node->scalar, SPAN("hold")))) {
		yaml_error(node, error,
			"'%s' is not carried out by this version; expected block, warn or allow",
			node->scalar.p);
		return false;
	}
	if (!yaml_read_choice(node, names, sizeof(names) / sizeof(*names), &choice, error))
		return false;
	if (node)
		*out = (enum verdict)choice;
	return true;
}

/* A list with 1 to max items. false: there is none, or *error was set. */
static bool has_items(struct yaml_node *list, size_t max, const char *without, struct load_error *error)
{
	if (!list || !yaml_expect(list, YAML_SEQUENCE, error))
		return false;
	if (list->count == 0)
		yaml_error(list, error, "the list is empty; leave the key out for %s", without);
	else if (list->count > max)
		yaml_error(list, error, "more than %zu items", max);
	return list->count > 0 && list->count <= max;
}

static void *allocate(size_t count, size_t size, struct load_error *error)
{
	void *memory = calloc(count, size);
	if (!memory)
		load_error_set(error, "out of memory");
	return memory;
}

static bool is_made_of(const char *text, const char *octets)
{
	return text[0] != 0 && text[strspn(text, octets)] == 0;
}

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static void read_name(struct route *route, struct yaml_node *node, struct load_error *error)
{
	if (yaml_read_string(node, &route->name, error) && node &&
		(!is_made_of(route->name, UPPER LOWER DIGITS "._-") || strlen(route->name) > MAX_NAME))
		yaml_error(
			node, error, "a route's name is 1 to %d letters, digits, '.', '_' or '-'", MAX_NAME);
}

/* ---- hosts */

/* The canonical pattern, to be freed; NULL: it is none. */
static char *canonical_pattern(struct span text)
{
	struct host host;
	bool wild = text.n > 2 && text.p[0] == '*' && text.p[1] == '.';
	if (span_equals(text, SPAN("*")))
		return strdup("*");
	if (wild)
		text = (struct span){text.p + 2, text.n - 2};
	if (!host_parse(text, &host) || host.form == HOST_IPV4_LEGACY || (wild && host.form != HOST_NAME))
		return NULL;
	char *out = malloc(host.length + 3);
	if (!out)
		return NULL;
	memcpy(out, "*.", 2);
	memcpy(out + (wild ? 2 : 0), host.text, host.length + 1);
	return out;
}

static void read_hosts(struct route *route, struct yaml_node *list, struct load_error *error)
{
	if (!has_items(list, MAX_HOSTS, "every host", error))
		return;
	route->hosts = allocate(list->count, sizeof(*route->hosts), error);
	for (size_t i = 0; route->hosts && i < list->count; i++) {
		const char *text = NULL;
		if (!yaml_read_string(list->items[i], &text, error))
			return;
		route->hosts[i] = canonical_pattern(span_of(text));
		if (!route->hosts[i]) {
			yaml_error(list->items[i], error,
				"expected a host (a.example, 192.0.2.1, [2001:db8::1]), *.suffix or *, "
				"without a port");
			return;
		}
		route->host_count++;
	}
}

static void read_methods(struct route *route, struct yaml_node *list, struct load_error *error)
{
	if (!has_items(list, MAX_METHODS, "every method", error))
		return;
	route->methods = allocate(list->count, sizeof(*route->methods), error);
	for (size_t i = 0; route->methods && i < list->count; i++) {
		if (!yaml_read_string(list->items[i], &route->methods[i], error))
			return;
		if (!is_made_of(route->methods[i], UPPER DIGITS "-_")) {
			yaml_error(list->items[i], error, "expected a method in capitals, such as GET");
			return;
		}
		route->method_count++;
	}
}

/* ---- paths */

/* Requests are compared in decoded and normal form too, so a pattern in another form would never match in all
 * of them. */
static bool is_plain_path(const char *text)
{
	if (!is_made_of(text, UPPER LOWER DIGITS "/-._~!$&'()*+,;=:@") || strstr(text, "//"))
		return false;
	for (const char *c = strstr(text, "/."); c; c = strstr(c + 1, "/.")) {
		size_t n = strcspn(c + 1, "/");
		if (n == 1 || (n == 2 && c[2] == '.'))
			return false;
	}
	return true;
}

static bool read_path_text(
	struct yaml_node *mapping, const char *key, bool rooted, const char **out, struct load_error *error)
{
	struct yaml_node *node = yaml_get(mapping, key);
	*out = "";
	if (!yaml_read_string(node, out, error))
		return false;
	if (node && (!is_plain_path(*out) || (rooted && (*out)[0] != '/'))) {
		yaml_error(node, error,
			"expected a plain path%s: no %%, ?, #, blanks, dot segments or doubled slashes",
			rooted ? " that begins with /" : "");
		return false;
	}
	return true;
}

static bool read_path(struct route_path *path, struct yaml_node *mapping, struct load_error *error)
{
	if (!yaml_expect(mapping, YAML_MAPPING, error) ||
		!read_path_text(mapping, "exact", true, &path->exact, error) ||
		!read_path_text(mapping, "prefix", true, &path->prefix, error) ||
		!read_path_text(mapping, "suffix", false, &path->suffix, error))
		return false;
	yaml_reject_unknown(mapping, error);
	if (path->exact[0] && (path->prefix[0] || path->suffix[0]))
		yaml_error(mapping, error, "exact stands alone, without prefix and suffix");
	else if (!path->exact[0] && !path->prefix[0] && !path->suffix[0])
		yaml_error(mapping, error, "expected exact, or prefix or suffix or both");
	return !error->set;
}

static void read_paths(struct route *route, struct yaml_node *list, struct load_error *error)
{
	if (!has_items(list, MAX_PATHS, "every path", error))
		return;
	route->paths = allocate(list->count, sizeof(*route->paths), error);
	for (size_t i = 0; route->paths && i < list->count; i++) {
		if (!read_path(&route->paths[i], list->items[i], error))
			return;
		route->path_count++;
	}
}

/* ---- one route */

static void read_actions(struct route *route, struct yaml_node *mapping, struct load_error *error)
{
	static const char *const actions[] = {[ROUTE_DENY] = "deny", [ROUTE_ALLOW] = "allow"};
	static const char *const tls[] = {[ROUTE_TLS_OPEN] = "open", [ROUTE_TLS_SPLICE] = "splice"};
	struct yaml_node *on_match = yaml_get(mapping, "on_match");
	unsigned action = ROUTE_ALLOW, tls_choice = ROUTE_TLS_OPEN;
	if (!yaml_read_choice(yaml_get(mapping, "action"), actions, 2, &action, error) ||
		!yaml_read_choice(yaml_get(mapping, "tls"), tls, 2, &tls_choice, error) ||
		!config_read_verdict(on_match, &route->on_match, error))
		return;
	route->action = (enum route_action)action;
	route->tls = (enum route_tls)tls_choice;
	route->has_on_match = on_match != NULL;
	if (on_match && route->action == ROUTE_DENY)
		yaml_error(on_match, error, "on_match has no effect where action is deny");
}

static void read_route(struct route *route, struct yaml_node *mapping, struct load_error *error)
{
	if (!yaml_expect(mapping, YAML_MAPPING, error))
		return;
	route->line = mapping->line;
	route->column = mapping->column;
	read_name(route, yaml_get(mapping, "name"), error);
	read_hosts(route, yaml_get(mapping, "hosts"), error);
	read_methods(route, yaml_get(mapping, "methods"), error);
	read_paths(route, yaml_get(mapping, "paths"), error);
	read_actions(route, mapping, error);
	yaml_reject_unknown(mapping, error);
	if (!route->name)
		yaml_error(mapping, error, "the route has no name");
	if (route->tls == ROUTE_TLS_SPLICE && (route->path_count || route->method_count))
		yaml_error(mapping, error, "paths and methods can't be seen where tls is splice");
	if (route->tls == ROUTE_TLS_SPLICE && route->action == ROUTE_DENY)
		yaml_error(mapping, error, "tls: splice has no effect where action is deny");
}

/* ---- routes against each other */

static bool covers_hosts(const struct route *a, const struct route *b)
{
	for (size_t i = 0; i < b->host_count; i++) {
		bool found = false;
		for (size_t k = 0; k < a->host_count && !found; k++)
			found = strcmp(a->hosts[k], b->hosts[i]) == 0;
		if (!found && !(a->host_count == 0 && strcmp(b->hosts[i], "*") == 0))
			return false;
	}
	if (b->host_count > 0)
		return true;
	bool every = a->host_count == 0;
	for (size_t k = 0; k < a->host_count; k++)
		every = every || strcmp(a->hosts[k], "*") == 0;
	return every;
}

static bool covers_methods(const struct route *a, const struct route *b)
{
	if (a->method_count == 0 || b->method_count == 0)
		return a->method_count == b->method_count;
	for (size_t i = 0; i < b->method_count; i++) {
		bool found = false;
		for (size_t k = 0; k < a->method_count && !found; k++)
			found = strcmp(a->methods[k], b->methods[i]) == 0;
		if (!found)
			return false;
	}
	return true;
}

static bool covers_path(const struct route *a, const struct route_path *path)
{
	static const struct route_path any = {"", "", ""};
	if (a->path_count == 0)
		return route_path_equals(path, &any);
	for (size_t i = 0; i < a->path_count; i++)
		if (route_path_equals(&a->paths[i], path))
			return true;
	return false;
}

static bool covers_paths(const struct route *a, const struct route *b)
{
	static const struct route_path any = {"", "", ""};
	if (b->path_count == 0)
		return covers_path(a, &any);
	for (size_t i = 0; i < b->path_count; i++)
		if (!covers_path(a, &b->paths[i]))
			return false;
	return true;
}

/* The more specific route wins and then the earlier one, so only an earlier one that is as specific hides
 * another whole. */
static bool hides(const struct route *earlier, const struct route *later)
{
	return covers_hosts(earlier, later) && covers_methods(earlier, later) && covers_paths(earlier, later);
}

/* Spliced and looked into at once: then the splice would never happen. */
static bool contradicts(const struct route *splice, const struct route *part)
{
	return splice->tls == ROUTE_TLS_SPLICE && !route_is_for_whole_host(part) &&
	       covers_hosts(part, splice);
}

static void check_pair(
	const struct route *a, const struct route *b, struct yaml_node *node, struct load_error *error)
{
	if (strcmp(a->name, b->name) == 0)
		yaml_error(node, error, "the route's name '%s' stands twice; first on line %u", b->name,
			a->line);
	if (hides(a, b))
		yaml_error(node, error, "route '%s' is never used: '%s' on line %u takes all that it names",
			b->name, a->name, a->line);
	if (contradicts(a, b) || contradicts(b, a))
		yaml_error(node, error,
			"of routes '%s' and '%s' one splices the host, the other looks at its requests",
			a->name, b->name);
}

void config_routes_read(struct config *config, struct yaml_node *list, struct load_error *error)
{
	if (!yaml_expect(list, YAML_SEQUENCE, error) || !list || list->count == 0)
		return;
	if (list->count > MAX_ROUTES) {
		yaml_error(list, error, "more than %d routes", MAX_ROUTES);
		return;
	}
	config->routes = allocate(list->count, sizeof(*config->routes), error);
	for (size_t i = 0; config->routes && i < list->count && !error->set; i++) {
		config->route_count++;
		read_route(&config->routes[i], list->items[i], error);
		for (size_t k = 0; k < i && !error->set; k++)
			check_pair(&config->routes[k], &config->routes[i], list->items[i], error);
	}
}

void config_routes_free(struct config *config)
{
	for (size_t i = 0; i < config->route_count; i++) {
		struct route *route = &config->routes[i];
		for (size_t k = 0; k < route->host_count; k++)
			free(route->hosts[k]);
		free(route->hosts);
		free(route->methods);
		free(route->paths);
	}
	free(config->routes);
	config->routes = NULL;
	config->route_count = 0;
}
