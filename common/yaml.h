/*
 * A YAML document (libyaml) as a tree whose every node knows its file, line and column, and a strict way to
 * read it: one document, string keys, no duplicate keys, no anchors, aliases, tags or merge keys, bounded in
 * depth, nodes and bytes. Errors read like a good compiler's: "FILE:LINE:COLUMN: message".
 */
#ifndef COMMON_YAML_H
#define COMMON_YAML_H

#include "common/span.h"

#include <stdint.h>

/* The first error of a load; later ones are dropped. Set = loading failed. */
struct load_error {
	bool set;
	char text[512]; /* "FILE:LINE:COLUMN: what is wrong; what was expected; did you mean" */
};

#define YAML_MAX_BYTES (16u << 20)    /* of one document */
#define YAML_MAX_NODES (1000u * 1000) /* keys count too */
#define YAML_MAX_DEPTH 32
#define YAML_MAX_KEYS 256 /* of one mapping */

/* Set *error (if none is set yet) to a text without a place, for what no file says: the environment, a lack
 * of memory. */
void load_error_set(struct load_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml;

struct yaml_node {
	struct yaml *owner;
	enum yaml_kind kind;
	const char *file;      /* borrowed from yaml_parse()'s caller */
	unsigned line, column; /* from 1 */
	struct span scalar;    /* SCALAR: terminated too; may hold NUL only if n says so */
	bool quoted;  /* the scalar stood in quotes or in a block: it is text, never a number or a bool */
	size_t count; /* SEQUENCE: items; MAPPING: pairs */
	struct yaml_node **items; /* values */
	struct yaml_node **keys;  /* MAPPING: scalars */
	bool *used;		  /* MAPPING: keys that yaml_get() was asked for */
	const char **asked;	  /* MAPPING: all names that yaml_get() was asked for, there or not */
	size_t asked_count, asked_room;
};

/* struct yaml owns all nodes of one document. Parse text; `file` names it in errors and must outlive the
 * document. NULL with *error set when it is not one strict document. An empty text gives a YAML_NULL root. */
struct yaml *yaml_parse(const char *file, struct span text, struct load_error *error);
void yaml_tree_free(struct yaml *yaml); /* yaml_free() is a symbol of libyaml's own */
struct yaml_node *yaml_root(struct yaml *yaml);

/* Set *error at this node's place (if none is set yet). */
void yaml_error(const struct yaml_node *node, struct load_error *error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The value of a key in a mapping, or NULL; the key counts as known. `key` must outlive the document. */
struct yaml_node *yaml_get(struct yaml_node *mapping, const char *key);
/* After all yaml_get(): an error for the first key nobody asked for, with the nearest of those that were. */
void yaml_reject_unknown(struct yaml_node *mapping, struct load_error *error);

/* Typed reading; on a wrong type *error is set and false comes back. A NULL node leaves *out as it is (the
 * default) and gives true. Strings are borrowed from the document and terminated; embedded NUL is an error.
 */
bool yaml_read_string(struct yaml_node *node, const char **out, struct load_error *error);
bool yaml_read_bool(struct yaml_node *node, bool *out, struct load_error *error);
bool yaml_read_integer(
	struct yaml_node *node, uint64_t min, uint64_t max, uint64_t *out, struct load_error *error);
/* "512", "64 KiB", "1MiB", "512 MB": octets. K/M/G with B are 1000s, with iB 1024s. */
bool yaml_read_bytes(
	struct yaml_node *node, uint64_t min, uint64_t max, uint64_t *out, struct load_error *error);
/* "250ms", "2s", "10m", "1h": milliseconds. */
bool yaml_read_duration(
	struct yaml_node *node, uint64_t min_ms, uint64_t max_ms, uint64_t *out_ms, struct load_error *error);
/* One of names[0..n), whose index is stored; the error lists them and the nearest. */
bool yaml_read_choice(
	struct yaml_node *node, const char *const *names, size_t n, unsigned *out, struct load_error *error);
/* Require the kind; NULL node passes. */
bool yaml_expect(struct yaml_node *node, enum yaml_kind kind, struct load_error *error);

/* The nearest of names to `word` by edit distance (at most 3 and less than half of it), or NULL. */
const char *yaml_nearest(const char *word, const char *const *names, size_t n);

#endif
