/*
 * The keys, each once: place in the file, type, default, bounds, meaning. A default is written as in the file
 * and read by the same code, so the documents, the table and the program can't disagree.
 */
#include "pipelock/config_keys.h"

#define SIMPLE(key_type, member, low, high)                                                                  \
	.type = (key_type), .offset = offsetof(struct config, member),                                       \
	.size = sizeof(((struct config *)0)->member), .min = (low), .max = (high)

#define SECOND_MS 1000ull
#define HOUR_MS (3600 * SECOND_MS)
#define MIB (1ull << 20)

/* Below, a slow machine would fail for no reason; above, a lost peer holds memory for ever. */
#define TIMEOUT(member) .kind = "time", SIMPLE(CONFIG_DURATION, timeouts.member, 100, 24 * HOUR_MS)

static const struct config_key keys[] = {
	{.name = "version",
		.kind = "`1`",
		.meaning = "Version of this format. Required in a file that says anything."},
	{.name = "listen",
		.kind = "ADDRESS:PORT",
		.fallback = "127.0.0.1:8888",
		.meaning = "Where agents connect. Any address; numeric only. `--listen` and "
			   "`PIPELOCK_LISTEN` override it."},
	{.name = "mode",
		.kind = "`strict`, `balanced` or `audit`",
		.fallback = "balanced",
		.meaning = "`strict` refuses hosts that no route names; `audit` refuses nothing for a rule "
			   "and logs all."},
	{.name = "state",
		.kind = "folder",
		.meaning =
			"Keys, CA certificate (`ca.pem`), log. Without it: `$XDG_STATE_HOME/pipelock`, else "
			"`$HOME/.local/state/pipelock`, else `/var/lib/pipelock`."},
	{.name = "rules",
		.kind = "list of files and folders",
		.meaning = "Rule files; of a folder, its `*.yaml` in order of name. `builtin` stands for the "
			   "built-in sets, which "
			   "alone are used without this key."},
	{.name = "hold",
		.kind = "size",
		.fallback = "1MiB",
		.meaning = "A body, or a message of a WebSocket, up to this size is held whole until it was "
			   "scanned; a longer one streams.",
		SIMPLE(CONFIG_BYTES, hold_bytes, 0, 1024 * MIB)},
	{.name = "hold_time",
		.kind = "time",
		.fallback = "2s",
		.meaning = "A body that trickles is held whole no longer than this, then streams.",
		SIMPLE(CONFIG_DURATION, hold_time_ms, 0, HOUR_MS)},
	{.name = "memory",
		.kind = "size",
		.fallback = "512MB",
		.meaning = "Bound on the memory of all exchanges: past it bodies stream, then new requests "
			   "get 503.",
		SIMPLE(CONFIG_BYTES, memory_bytes, 16 * MIB, 1024 * 1024 * MIB)},
	{.name = "threads",
		.kind = "number",
		.fallback = "0",
		.meaning = "Event loops of the proxy and of egress, each; 0 is one for each core.",
		SIMPLE(CONFIG_INTEGER, threads, 0, 256)},
	{.group = "limits",
		.name = "connections",
		.kind = "number",
		.fallback = "10000",
		.meaning = "Connections of agents at the same time.",
		SIMPLE(CONFIG_INTEGER, max_connections, 1, 1000 * 1000)},
	{.group = "timeouts",
		.name = "head",
		.fallback = "30s",
		TIMEOUT(head_ms),
		.meaning = "A whole request head, from its first octet."},
	{.group = "timeouts",
		.name = "idle",
		.fallback = "120s",
		TIMEOUT(idle_ms),
		.meaning = "Between two requests of a kept connection."},
	{.group = "timeouts",
		.name = "body",
		.fallback = "60s",
		TIMEOUT(body_ms),
		.meaning = "Silence within a request body. A body that flows has no limit."},
	{.group = "timeouts",
		.name = "tls",
		.fallback = "15s",
		TIMEOUT(tls_ms),
		.meaning = "A TLS handshake, with the agent or with an origin."},
	{.group = "timeouts",
		.name = "connect",
		.fallback = "10s",
		TIMEOUT(connect_ms),
		.meaning = "Connecting to an origin, over all its addresses."},
	{.group = "timeouts",
		.name = "dns",
		.fallback = "10s",
		TIMEOUT(dns_ms),
		.meaning = "Looking up an origin's name."},
	{.group = "timeouts",
		.name = "response",
		.fallback = "600s",
		TIMEOUT(response_ms),
		.meaning = "Silence of an origin: up to the head of its answer, and within the body."},
	{.group = "timeouts",
		.name = "tunnel",
		.fallback = "1h",
		TIMEOUT(tunnel_ms),
		.meaning = "Silence in a WebSocket or a spliced tunnel."},
	{.group = "timeouts",
		.name = "drain",
		.fallback = "10s",
		TIMEOUT(drain_ms),
		.meaning = "What runs may take this long to end after SIGTERM."},
	{.group = "overrides[]",
		.name = "rule",
		.kind = "text",
		.meaning = "Id of a rule, or a glob over ids (`*`, `?`). One that names no rule is an error. "
			   "Later overrides win."},
	{.group = "overrides[]",
		.name = "action",
		.kind = "`allow`, `warn` or `block`",
		.meaning = "What a match of the rule does; `allow` switches the rule off."},
	{.group = "known_values[]",
		.name = "name",
		.kind = "text",
		.meaning = "The secret's findings have the id `known:NAME`. Required, unique; letters, "
			   "digits, `.`, `_` "
			   "and `-`."},
	{.group = "known_values[]",
		.name = "env",
		.kind = "text",
		.meaning = "The variable, in the environment of `pipelock run`, whose value it is."},
	{.group = "known_values[]",
		.name = "file",
		.kind = "file",
		.meaning = "Or the file: all of it but a newline at its end. Not for everybody to read."},
	{.group = "known_values[]",
		.name = "hosts",
		.kind = "list of hosts",
		.meaning = "Where it is at home: in a credential header (as `Authorization`) to a host or "
			   "`*.suffix` it "
			   "is no finding."},
	{.group = "canaries[]",
		.name = "name",
		.kind = "text",
		.meaning = "The canary's findings have the id `canary:NAME`. Required, unique."},
	{.group = "canaries[]",
		.name = "value",
		.kind = "text",
		.meaning = "The planted value; it may stand here, since it opens nothing."},
	{.group = "canaries[]",
		.name = "env",
		.kind = "text",
		.meaning = "Or the variable, in the environment of `pipelock run`, whose value it is."},
	{.group = "routes[]",
		.name = "name",
		.kind = "text",
		.meaning = "Stands in the log and in refusals. Required, unique."},
	{.group = "routes[]",
		.name = "hosts",
		.kind = "list of hosts",
		.meaning =
			"A host, `*.suffix` (one or more labels before it) or `*`. Without it: every host."},
	{.group = "routes[]",
		.name = "methods",
		.kind = "list of methods",
		.meaning = "Without it: every method."},
	{.group = "routes[]",
		.name = "paths",
		.kind = "list of mappings",
		.meaning = "One has to hold. Without it: every path."},
	{.group = "routes[].paths[]",
		.name = "exact",
		.kind = "path",
		.meaning = "The whole path, without the query."},
	{.group = "routes[].paths[]",
		.name = "prefix",
		.kind = "path",
		.meaning = "The path's first elements: `/a` holds for `/a` and `/a/b`, not for `/ab`."},
	{.group = "routes[].paths[]",
		.name = "suffix",
		.kind = "text",
		.meaning = "The path ends with it. Goes with `prefix`."},
	{.group = "routes[]",
		.name = "action",
		.kind = "`allow` or `deny`",
		.fallback = "allow",
		.meaning = "`deny` refuses; `allow` lets pass what the rules let pass."},
	{.group = "routes[]",
		.name = "tls",
		.kind = "`open` or `splice`",
		.fallback = "open",
		.meaning = "`splice` leaves TLS closed: of such hosts only the name is scanned. Not with "
			   "`paths`, `methods` or "
			   "`action: deny`."},
	{.group = "routes[]",
		.name = "on_match",
		.kind = "`allow`, `warn` or `block`",
		.meaning =
			"Replaces the action of the rules that matched. Without it: each rule's own action."},
	{.group = "egress",
		.name = "listen",
		.kind = "ADDRESS:PORT",
		.fallback = "127.0.0.1:9099",
		.meaning = "Where egress waits for pipelock. Loopback or an error. `EGRESS_LISTEN_HOST` and "
			   "`EGRESS_LISTEN_PORT` "
			   "override it."},
	{.group = "egress",
		.name = "ca_file",
		.kind = "file",
		.meaning = "PEM certificates that origins may be signed by, beside the system's store."},
	{.group = "egress",
		.name = "connect_to",
		.kind = "list of HOST1:PORT1:HOST2:PORT2",
		.fallback = "[]",
		.meaning = "Connect to HOST2:PORT2 in place of HOST1:PORT1, as curl's `--connect-to`; an "
			   "empty part is any, or "
			   "unchanged. May lead to private addresses."},
	{.group = "egress",
		.name = "deny_private",
		.kind = "bool",
		.fallback = "true",
		.meaning = "Refuse origins with private addresses. Loopback, link-local and metadata "
			   "addresses are refused "
			   "always.",
		SIMPLE(CONFIG_BOOL, deny_private, 0, 0)},
	{.group = "audit",
		.name = "file",
		.kind = "file",
		.meaning = "The audit log. Without it: `audit.jsonl` in `state`."},
	{.group = "audit",
		.name = "on_failure",
		.kind = "`block`",
		.fallback = "block",
		.meaning = "When the log can't be written, traffic stops. There is no other value."},
};

const struct config_key *config_keys(size_t *count)
{
	*count = sizeof(keys) / sizeof(*keys);
	return keys;
}

static void store_number(struct config *config, const struct config_key *key, uint64_t value)
{
	unsigned narrow = (unsigned)value;
	char *place = (char *)config + key->offset;
	if (key->size == sizeof(narrow))
		memcpy(place, &narrow, sizeof(narrow));
	else
		memcpy(place, &value, sizeof(value));
}

/* A NULL node leaves what is there. */
static bool read_key(
	struct config *config, const struct config_key *key, struct yaml_node *node, struct load_error *error)
{
	uint64_t number = 0;
	bool ok = false;
	if (!node)
		return true;
	switch (key->type) {
	case CONFIG_OTHER:
		return true;
	case CONFIG_BOOL:
		return yaml_read_bool(node, (bool *)((char *)config + key->offset), error);
	case CONFIG_INTEGER:
		ok = yaml_read_integer(node, key->min, key->max, &number, error);
		break;
	case CONFIG_BYTES:
		ok = yaml_read_bytes(node, key->min, key->max, &number, error);
		break;
	case CONFIG_DURATION:
		ok = yaml_read_duration(node, key->min, key->max, &number, error);
		break;
	}
	if (ok)
		store_number(config, key, number);
	return ok;
}

bool config_keys_set_defaults(struct config *config, struct load_error *error)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (keys[i].type == CONFIG_OTHER)
			continue;
		struct yaml_node node = {
			.kind = YAML_SCALAR, .file = "default", .scalar = span_of(keys[i].fallback)};
		if (!read_key(config, &keys[i], &node, error))
			return false;
	}
	return true;
}

void config_keys_read(
	struct config *config, const char *group, struct yaml_node *mapping, struct load_error *error)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *its_group = keys[i].group ? keys[i].group : "";
		if (keys[i].type != CONFIG_OTHER && strcmp(its_group, group) == 0 &&
			!read_key(config, &keys[i], yaml_get(mapping, keys[i].name), error))
			return;
	}
}
