/*
 * Loads the configuration: simple values by the table in config_keys.c, the rest here. Nothing is opened and
 * nothing of the process is looked at: what the environment says comes in as an argument, so that the proxy
 * can load the same text again inside its sandbox and get the same result.
 */
#include "pipelock/config.h"

#include "pipelock/config_keys.h"
#include "pipelock/config_known.h"
#include "pipelock/config_routes.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_OVERRIDES 10000
#define MAX_RULE_PATHS 1000
#define MAX_CONNECT_TO 1000

static bool is_given(const char *text)
{
	return text && text[0] != 0;
}

/* ---- paths */

/* "<folder>/<name>", to be freed. */
static char *join(const char *folder, const char *name, struct load_error *error)
{
	char *out = NULL;
	const char *slash = folder[0] && folder[strlen(folder) - 1] == '/' ? "" : "/";
	if (asprintf(&out, "%s%s%s", folder, slash, name) < 0) {
		load_error_set(error, "out of memory");
		return NULL;
	}
	return out;
}

char *config_read_path(const struct config *config, struct yaml_node *node, struct load_error *error)
{
	const char *text = NULL;
	if (!yaml_read_string(node, &text, error) || !text)
		return NULL;
	if (text[0] == 0) {
		yaml_error(node, error, "expected a path, found nothing");
		return NULL;
	}
	if (text[0] != '/' && !config->folder) {
		yaml_error(node, error, "expected an absolute path: there is no folder to start at");
		return NULL;
	}
	const char *folder = text[0] == '/' ? "" : config->folder;
	text += text[0] == '/' ? 1 : strncmp(text, "./", 2) == 0 ? 2 : 0;
	char *path = join(folder, text, error);
	for (size_t n = path ? strlen(path) : 0; n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = 0;
	return path;
}

/* XDG base directories: a relative value is to be taken for none. */
static char *default_state(const struct config_overrides *overrides, struct load_error *error)
{
	if (overrides->state_home && overrides->state_home[0] == '/')
		return join(overrides->state_home, "pipelock", error);
	if (overrides->home && overrides->home[0] == '/')
		return join(overrides->home, ".local/state/pipelock", error);
	return join("/var/lib", "pipelock", error);
}

static void read_state(struct config *config, struct yaml_node *node,
	const struct config_overrides *overrides, struct load_error *error)
{
	config->state = node ? config_read_path(config, node, error) : default_state(overrides, error);
}

static void read_rule_paths(struct config *config, struct yaml_node *list, struct load_error *error)
{
	if (!list || !yaml_expect(list, YAML_SEQUENCE, error))
		return;
	if (list->count == 0 || list->count > MAX_RULE_PATHS) {
		yaml_error(list, error,
			"expected 1 to %d files or folders; leave the key out for the built-in sets",
			MAX_RULE_PATHS);
		return;
	}
	config->rule_paths = calloc(list->count, sizeof(*config->rule_paths));
	if (!config->rule_paths)
		load_error_set(error, "out of memory");
	for (size_t i = 0; i < list->count && !error->set; i++) {
		struct yaml_node *item = list->items[i];
		bool builtin = item->kind == YAML_SCALAR && span_equals(item->scalar, SPAN("builtin"));
		char *path = builtin ? strdup("builtin") : config_read_path(config, item, error);
		if (!path) {
			load_error_set(error, "out of memory");
			return;
		}
		config->rule_paths[config->rule_path_count++] = path;
	}
}

/* ---- addresses */

static bool parse_listen(const char *text, struct address *address, uint16_t *port)
{
	return address_parse_listen(span_of(text), address, port) && *port != 0;
}

static void read_listen(
	struct yaml_node *node, struct address *address, uint16_t *port, struct load_error *error)
{
	const char *text = NULL;
	if (yaml_read_string(node, &text, error) && text && !parse_listen(text, address, port))
		yaml_error(node, error,
			"expected ADDRESS:PORT in numbers, such as 127.0.0.1:8888 or [::1]:8888");
}

#define LOOPBACK_ONLY                                                                                        \
	"egress listens on loopback only (127.0.0.1 or ::1), or others could reach it and go round the "     \
	"rules"

static void override_egress(
	struct config *config, const struct config_overrides *overrides, struct load_error *error)
{
	if (is_given(overrides->egress_host)) {
		struct span host = span_of(overrides->egress_host);
		bool bracketed = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
		struct span bare = bracketed ? (struct span){host.p + 1, host.n - 2} : host;
		struct address address = {0};
		bool parsed =
			(!bracketed && address_parse_v4(bare, &address)) || address_parse_v6(bare, &address);
		if (!parsed || address_classify(&address) != ADDRESS_LOOPBACK)
			load_error_set(error, "EGRESS_LISTEN_HOST=%.60s is refused: " LOOPBACK_ONLY,
				overrides->egress_host);
		config->egress_listen = address;
	}
	if (is_given(overrides->egress_port)) {
		struct yaml_node node = {.kind = YAML_SCALAR,
			.file = "EGRESS_LISTEN_PORT",
			.scalar = span_of(overrides->egress_port)};
		struct load_error wrong = {0};
		uint64_t port = 0;
		if (!yaml_read_integer(&node, 1, UINT16_MAX, &port, &wrong))
			load_error_set(error, "EGRESS_LISTEN_PORT=%.20s is not a port: expected 1 to 65535",
				overrides->egress_port);
		config->egress_port = (uint16_t)port;
	}
}

static void override_listen(
	struct config *config, const struct config_overrides *overrides, struct load_error *error)
{
	if (is_given(overrides->listen) &&
		!parse_listen(overrides->listen, &config->listen, &config->listen_port))
		load_error_set(error,
			"--listen or PIPELOCK_LISTEN=%.60s is not an address: expected ADDRESS:PORT in "
			"numbers, such as "
			"127.0.0.1:8888",
			overrides->listen);
}

static void read_addresses(struct config *config, struct yaml_node *root, struct yaml_node *egress,
	const struct config_overrides *overrides, struct load_error *error)
{
	struct yaml_node *egress_listen = yaml_get(egress, "listen");
	address_parse_listen(SPAN("127.0.0.1:8888"), &config->listen, &config->listen_port);
	address_parse_listen(SPAN("127.0.0.1:9099"), &config->egress_listen, &config->egress_port);
	read_listen(yaml_get(root, "listen"), &config->listen, &config->listen_port, error);
	read_listen(egress_listen, &config->egress_listen, &config->egress_port, error);
	if (!error->set && address_classify(&config->egress_listen) != ADDRESS_LOOPBACK)
		yaml_error(egress_listen, error, "%s", LOOPBACK_ONLY);
	override_egress(config, overrides, error);
	override_listen(config, overrides, error);
	if (!error->set && config->listen_port == config->egress_port)
		load_error_set(error,
			"listen and egress.listen have the same port, %u: agents would be led to egress",
			config->listen_port);
}

/* ---- the rest */

static void read_mode(struct config *config, struct yaml_node *node, struct load_error *error)
{
	static const char *const names[] = {
		[MODE_STRICT] = "strict", [MODE_BALANCED] = "balanced", [MODE_AUDIT] = "audit"};
	unsigned mode = MODE_BALANCED;
	yaml_read_choice(node, names, sizeof(names) / sizeof(*names), &mode, error);
	config->mode = (enum mode)mode;
}

static void read_override(struct rule_override *override, struct yaml_node *mapping, struct load_error *error)
{
	struct yaml_node *action = yaml_get(mapping, "action");
	override->file = mapping->file;
	override->line = mapping->line;
	override->column = mapping->column;
	yaml_read_string(yaml_get(mapping, "rule"), &override->rule, error);
	config_read_verdict(action, &override->action, error);
	yaml_reject_unknown(mapping, error);
	if (!is_given(override->rule) || !action)
		yaml_error(mapping, error, "an override needs rule (an id or a glob) and action");
}

static void read_overrides(struct config *config, struct yaml_node *list, struct load_error *error)
{
	if (!yaml_expect(list, YAML_SEQUENCE, error) || !list || list->count == 0)
		return;
	if (list->count > MAX_OVERRIDES) {
		yaml_error(list, error, "more than %d overrides", MAX_OVERRIDES);
		return;
	}
	config->overrides = calloc(list->count, sizeof(*config->overrides));
	if (!config->overrides)
		load_error_set(error, "out of memory");
	for (size_t i = 0; i < list->count && !error->set; i++) {
		if (yaml_expect(list->items[i], YAML_MAPPING, error))
			read_override(&config->overrides[config->override_count++], list->items[i], error);
	}
}

static void read_connect_to(struct config *config, struct yaml_node *list, struct load_error *error)
{
	if (!yaml_expect(list, YAML_SEQUENCE, error) || !list || list->count == 0)
		return;
	if (list->count > MAX_CONNECT_TO) {
		yaml_error(list, error, "more than %d elements", MAX_CONNECT_TO);
		return;
	}
	config->connect_to = calloc(list->count, sizeof(*config->connect_to));
	if (!config->connect_to)
		load_error_set(error, "out of memory");
	for (size_t i = 0; i < list->count && !error->set; i++) {
		const char *text = NULL;
		if (!yaml_read_string(list->items[i], &text, error))
			return;
		if (!connect_to_parse(span_of(text), &config->connect_to[config->connect_to_count++]))
			yaml_error(list->items[i], error,
				"expected HOST1:PORT1:HOST2:PORT2, such as api.example:443:127.0.0.1:8443");
	}
}

static void read_egress(struct config *config, struct yaml_node *egress, struct load_error *error)
{
	config->ca_file = config_read_path(config, yaml_get(egress, "ca_file"), error);
	read_connect_to(config, yaml_get(egress, "connect_to"), error);
	config_keys_read(config, "egress", egress, error);
	yaml_reject_unknown(egress, error);
}

static void read_audit(struct config *config, struct yaml_node *audit, struct load_error *error)
{
	static const char *const failures[] = {"block"};
	unsigned failure = 0;
	struct yaml_node *file = yaml_get(audit, "file");
	yaml_read_choice(yaml_get(audit, "on_failure"), failures, 1, &failure, error);
	yaml_reject_unknown(audit, error);
	if (config->state)
		config->audit_file = file ? config_read_path(config, file, error)
					  : join(config->state, "audit.jsonl", error);
}

static void check_version(struct yaml_node *root, struct load_error *error)
{
	struct yaml_node *node = yaml_get(root, "version");
	uint64_t version = 0;
	if (root->kind == YAML_NULL)
		return;
	if (!node)
		yaml_error(root, error, "the key 'version' is missing; expected version: 1");
	else if (yaml_read_integer(node, 0, UINT32_MAX, &version, error) && version != 1)
		yaml_error(node, error, "this program reads version 1 only");
}

/* The mapping of a group; NULL: it is not there or no mapping, which is an error. */
static struct yaml_node *get_group(struct yaml_node *root, const char *name, struct load_error *error)
{
	struct yaml_node *group = yaml_get(root, name);
	return yaml_expect(group, YAML_MAPPING, error) ? group : NULL;
}

static void read_groups(struct config *config, struct yaml_node *root, struct load_error *error)
{
	static const char *const simple[] = {"limits", "timeouts"};
	for (size_t i = 0; i < sizeof(simple) / sizeof(*simple); i++) {
		struct yaml_node *group = get_group(root, simple[i], error);
		config_keys_read(config, simple[i], group, error);
		yaml_reject_unknown(group, error);
	}
}

static void read_all(struct config *config, struct yaml_node *root, const struct config_overrides *overrides,
	struct load_error *error)
{
	struct yaml_node *egress = get_group(root, "egress", error);
	struct yaml_node *audit = get_group(root, "audit", error);
	check_version(root, error);
	config_keys_read(config, "", root, error);
	read_mode(config, yaml_get(root, "mode"), error);
	read_state(config, yaml_get(root, "state"), overrides, error);
	read_rule_paths(config, yaml_get(root, "rules"), error);
	read_overrides(config, yaml_get(root, "overrides"), error);
	config_known_read(config, yaml_get(root, "known_values"), yaml_get(root, "canaries"), error);
	config_routes_read(config, yaml_get(root, "routes"), error);
	read_groups(config, root, error);
	read_addresses(config, root, egress, overrides, error);
	read_egress(config, egress, error);
	read_audit(config, audit, error);
	yaml_reject_unknown(root, error);
	if (config->hold_bytes > config->memory_bytes)
		yaml_error(root, error, "hold is larger than memory");
}

struct config *config_load(const char *file, const char *folder, struct span text,
	const struct config_overrides *overrides, struct load_error *error)
{
	struct load_error own = {0};
	struct config *config = calloc(1, sizeof(*config));
	if (!config) {
		load_error_set(error, "out of memory");
		return NULL;
	}
	config->file = file;
	config->folder = folder ? strdup(folder) : NULL;
	if (folder && !config->folder)
		load_error_set(&own, "out of memory");
	config->document = yaml_parse(file ? file : "embedded defaults", text, &own);
	if (config->document && config_keys_set_defaults(config, &own)) {
		struct yaml_node *root = yaml_root(config->document);
		if (root->kind == YAML_NULL || yaml_expect(root, YAML_MAPPING, &own))
			read_all(config, root, overrides, &own);
	}
	if (own.set) {
		if (!error->set)
			*error = own;
		config_free(config);
		return NULL;
	}
	return config;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	config_routes_free(config);
	config_known_free(config);
	for (size_t i = 0; i < config->rule_path_count; i++)
		free(config->rule_paths[i]);
	free(config->rule_paths);
	free(config->overrides);
	free(config->connect_to);
	free(config->folder);
	free(config->state);
	free(config->audit_file);
	free(config->ca_file);
	yaml_tree_free(config->document);
	free(config);
}
