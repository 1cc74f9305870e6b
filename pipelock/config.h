/*
 * The configuration: one YAML file, or nothing. Loaded strictly; the same table of keys makes
 * docs/configuration.md true (a test compares them). Loading is pure but for reading files, which
 * config_read() alone does.
 */
#ifndef PIPELOCK_CONFIG_H
#define PIPELOCK_CONFIG_H

#include "common/address.h"
#include "common/egress_settings.h"
#include "common/yaml.h"
#include "pipelock/scan/known.h"

enum mode { MODE_STRICT = 0, MODE_BALANCED, MODE_AUDIT };
enum route_tls { ROUTE_TLS_OPEN = 0, ROUTE_TLS_SPLICE };
enum route_action { ROUTE_DENY = 0, ROUTE_ALLOW };

/* One path of a route: all that are given must hold. Empty strings are absent. A prefix has no slash at its
 * end. */
struct route_path {
	const char *exact, *prefix, *suffix;
};

struct route {
	const char *name;
	char **hosts; /* patterns of host_matches(), canonical; none: every host */
	size_t host_count;
	const char **methods; /* none: every method */
	size_t method_count;
	struct route_path *paths; /* none: every path */
	size_t path_count;
	enum route_action action;
	enum route_tls tls;
	bool has_on_match;
	enum verdict on_match; /* replaces the action of the rules that matched */
	unsigned line, column;
};

/* A known value or a canary, as it is named; exactly one of env, file and value is there. */
struct config_known {
	enum rule_tier tier;
	const char *name;
	const char *env;     /* a variable of the supervisor's environment */
	char *file;	     /* absolute */
	const char *value;   /* of a canary alone */
	const char **hosts;  /* where it is at home, NULL-terminated; NULL: nowhere */
	enum verdict action; /* after overrides; VERDICT_ALLOW: it is not looked for */
	unsigned line, column;
};

struct timeouts {
	uint64_t head_ms; /* a whole request head, from its first octet */
	uint64_t idle_ms; /* between requests of a kept connection */
	uint64_t body_ms; /* between two reads of a request body */
	uint64_t tls_ms;  /* a handshake */
	uint64_t connect_ms, dns_ms;
	uint64_t response_ms; /* head of the answer; between two reads of its body */
	uint64_t tunnel_ms;   /* silence in a WebSocket or a spliced tunnel */
	uint64_t drain_ms;    /* what runs may take this long to end after SIGTERM */
};

struct config {
	const char *file; /* borrowed; NULL: embedded defaults */
	char *folder;	  /* that relative paths start at, absolute; NULL: none was given */
	struct address listen;
	uint16_t listen_port;
	struct address egress_listen;
	uint16_t egress_port;
	enum mode mode;
	char *state;	   /* absolute */
	char *audit_file;  /* absolute */
	char **rule_paths; /* absolute files and folders, or "builtin"; none: the built-in sets */
	size_t rule_path_count;
	struct rule_override *overrides;
	size_t override_count;
	struct config_known *known;
	size_t known_count;
	struct route *routes;
	size_t route_count;
	uint64_t hold_bytes, hold_time_ms, memory_bytes;
	uint64_t max_connections;
	unsigned threads;
	struct timeouts timeouts;
	/* egress */
	char *ca_file;
	struct connect_to *connect_to;
	size_t connect_to_count;
	bool deny_private;
	struct yaml *document; /* owns the borrowed strings */
};

/* What of the environment and command line overrides the file. NULL: not given. */
struct config_overrides {
	const char *listen;	 /* --listen, else PIPELOCK_LISTEN */
	const char *egress_host; /* EGRESS_LISTEN_HOST */
	const char *egress_port; /* EGRESS_LISTEN_PORT */
	const char *state_home;	 /* XDG_STATE_HOME */
	const char *home;	 /* HOME */
};

/*
 * Load from text, which is needed for the call only; `file` (its name, for errors) must outlive the
 * configuration. `file` NULL and an empty text: the embedded defaults. `folder` is what relative paths start
 * at, absolute. NULL with *error set. A host of egress.listen or EGRESS_LISTEN_HOST that is not loopback is
 * an error. Empty overrides count as not given.
 */
struct config *config_load(const char *file, const char *folder, struct span text,
	const struct config_overrides *overrides, struct load_error *error);
void config_free(struct config *config);

#define CONFIG_MAX_BYTES (1u << 20)	 /* of a configuration file */
#define CONFIG_MAX_RULE_BYTES (8u << 20) /* of a rule file */

/* Texts of files, read whole. Policy files that others than their owner may write are refused. */
struct file_text {
	char *name;
	char *text;
	size_t size;
};
struct file_texts {
	struct file_text *items;
	size_t count;
};
/* Read one file (at most max octets). false with *error set. */
bool config_read_file(const char *path, size_t max, struct file_text *out, struct load_error *error);
/* A file that holds a secret: its owner alone may write it, and who is not of its group can't read it. The
 * caller wipes the text. */
bool config_read_secret(const char *path, size_t max, struct file_text *out, struct load_error *error);
/* The rule files that config names, folders expanded to their *.yaml in order of name. Empty for the built-in
 * sets. *out is to be released either way. */
bool config_read_rules(const struct config *config, struct file_texts *out, struct load_error *error);
void file_texts_release(struct file_texts *texts);

#endif
