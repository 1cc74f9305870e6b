/*
 * The configuration against any text, and routes against any path: input is a configuration, a NUL, a path.
 * What was loaded holds what its header promises, above all that egress is on loopback.
 */
#include "pipelock/config.h"
#include "pipelock/route.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void check(const struct config *config)
{
	require(address_classify(&config->egress_listen) == ADDRESS_LOOPBACK);
	require(config->egress_port != 0 && config->listen_port != 0 &&
		config->listen_port != config->egress_port);
	require(config->state && config->state[0] == '/' && config->audit_file &&
		config->audit_file[0] == '/');
	require(config->hold_bytes <= config->memory_bytes && config->max_connections > 0);
	require(config->timeouts.head_ms >= 100 && config->timeouts.drain_ms <= 24 * 3600 * 1000);
	for (size_t i = 0; i < config->route_count; i++) {
		const struct route *route = &config->routes[i];
		require(route->name && route->name[0]);
		require(route->tls == ROUTE_TLS_OPEN || route_is_for_whole_host(route));
	}
	for (size_t i = 0; i < config->rule_path_count; i++)
		require(config->rule_paths[i][0] == '/' || strcmp(config->rule_paths[i], "builtin") == 0);
}

/* No reading of a path may be laxer than the path in normal form: a denial of all of a host always holds. */
static void look_up(const struct config *config, struct span path)
{
	static const struct span hosts[] = {
		{"a.example", 9}, {"x.a.example", 11}, {"192.0.2.1", 9}, {"::1", 3}};
	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		const struct route *whole = route_find_connect(config, hosts[i]);
		const struct route *route = route_find(config, hosts[i], SPAN("GET"), path);
		if (whole && whole->action == ROUTE_DENY)
			require(route && route->action == ROUTE_DENY);
		if (route)
			require(path.n > 32 * 1024 || route_covers_host(config, hosts[i]));
		if (route_names_host(config, hosts[i]))
			require(route_covers_host(config, hosts[i]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config_overrides overrides = {.home = "/home/x"};
	const char *text = (const char *)data;
	const char *end = size > 0 ? memchr(text, 0, size) : NULL;
	size_t n = end ? (size_t)(end - text) : size;
	struct load_error error = {0};
	struct config *config = config_load("f", "/conf", (struct span){text, n}, &overrides, &error);
	require((config != NULL) == !error.set);
	if (config) {
		check(config);
		look_up(config, end ? (struct span){end + 1, size - n - 1} : SPAN("/"));
	}
	config_free(config);
	return 0;
}
