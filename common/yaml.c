/*
 * Builds the tree of one strict YAML document from libyaml's events. Everything that lets one file mean two
 * things, or a small file become a large tree (duplicate keys, anchors, aliases, tags, merge keys,
 * directives), is refused. All of a document lies in one arena: nodes are never freed alone. Reading typed
 * values is in yaml_read.c.
 */
#include "common/yaml.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#define ARENA_CHUNK (32u * 1024)

struct chunk {
	struct chunk *next;
	size_t used, room;
	alignas(max_align_t) char bytes[];
};

struct yaml {
	struct chunk *chunks;
	struct yaml_node *root;
	size_t node_count;
};

struct builder {
	yaml_parser_t parser;
	struct yaml *yaml;
	const char *file;
	struct span text;
	struct load_error *error;
	/* Children of the collections that are still open. A collection takes its own off the top when it
	 * ends. */
	struct yaml_node **stack;
	size_t depth_used, stack_room;
};

/* ---- errors */

/* A control character in a file name or a value must not reach the operator's terminal. */
static void clean_text(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
}

static void set_error(struct load_error *error, const char *file, unsigned line, unsigned column,
	const char *format, va_list args) __attribute__((format(printf, 5, 0)));

static void set_error(struct load_error *error, const char *file, unsigned line, unsigned column,
	const char *format, va_list args)
{
	if (error->set)
		return;
	error->set = true;
	int n = file ? snprintf(error->text, sizeof(error->text), "%s:%u:%u: ", file, line, column) : 0;
	if (n < 0 || (size_t)n >= sizeof(error->text))
		n = 0;
	vsnprintf(error->text + n, sizeof(error->text) - (size_t)n, format, args);
	clean_text(error->text);
}

void load_error_set(struct load_error *error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	set_error(error, NULL, 0, 0, format, args);
	va_end(args);
}

void yaml_error(const struct yaml_node *node, struct load_error *error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	set_error(error, node->file, node->line, node->column, format, args);
	va_end(args);
}

static void error_at(const struct builder *b, yaml_mark_t mark, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void error_at(const struct builder *b, yaml_mark_t mark, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	set_error(b->error, b->file, (unsigned)mark.line + 1, (unsigned)mark.column + 1, format, args);
	va_end(args);
}

/* libyaml's reader knows an octet's offset only; columns are counted in characters, like its marks. */
static yaml_mark_t mark_of_offset(struct span text, size_t offset)
{
	yaml_mark_t mark = {.index = offset};
	for (size_t i = 0; i < offset && i < text.n; i++) {
		if (text.p[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if (((unsigned char)text.p[i] & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

static void parser_error(const struct builder *b)
{
	const yaml_parser_t *parser = &b->parser;
	const char *problem = parser->problem ? parser->problem : "not a YAML document";
	if (parser->error == YAML_MEMORY_ERROR)
		load_error_set(b->error, "out of memory");
	else if (parser->error == YAML_READER_ERROR)
		error_at(b, mark_of_offset(b->text, parser->problem_offset), "%s", problem);
	else if (parser->context)
		error_at(b, parser->problem_mark, "%s, %s", problem, parser->context);
	else
		error_at(b, parser->problem_mark, "%s", problem);
}

/* ---- memory */

/* Zeroed memory that lives as long as the document. NULL: none is left. */
static void *arena_take(struct yaml *yaml, size_t size)
{
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct chunk *chunk = yaml->chunks;
	if (!chunk || chunk->room - chunk->used < size) {
		size_t room = size > ARENA_CHUNK ? size : ARENA_CHUNK;
		chunk = calloc(1, sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		chunk->room = room;
		chunk->next = yaml->chunks;
		yaml->chunks = chunk;
	}
	void *p = chunk->bytes + chunk->used;
	chunk->used += size;
	return p;
}

static bool stack_push(struct builder *b, struct yaml_node *node)
{
	if (b->depth_used == b->stack_room) {
		size_t room = b->stack_room ? b->stack_room * 2 : 64;
		struct yaml_node **grown = realloc(b->stack, room * sizeof(*grown));
		if (!grown) {
			load_error_set(b->error, "out of memory");
			return false;
		}
		b->stack = grown;
		b->stack_room = room;
	}
	b->stack[b->depth_used++] = node;
	return true;
}

/* ---- building */

static bool is_null_text(struct span s)
{
	return s.n == 0 || span_equals(s, SPAN("~")) || span_equals(s, SPAN("null")) ||
	       span_equals(s, SPAN("Null")) || span_equals(s, SPAN("NULL"));
}

static struct yaml_node *new_node(struct builder *b, enum yaml_kind kind, yaml_mark_t mark)
{
	if (++b->yaml->node_count > YAML_MAX_NODES) {
		error_at(b, mark, "the document has more than %u values", YAML_MAX_NODES);
		return NULL;
	}
	struct yaml_node *node = arena_take(b->yaml, sizeof(*node));
	if (!node) {
		load_error_set(b->error, "out of memory");
		return NULL;
	}
	node->owner = b->yaml;
	node->kind = kind;
	node->file = b->file;
	node->line = (unsigned)mark.line + 1;
	node->column = (unsigned)mark.column + 1;
	return node;
}

static bool refuse_decoration(
	struct builder *b, const yaml_event_t *event, const void *anchor, const void *tag)
{
	if (anchor)
		error_at(b, event->start_mark, "anchors (&) are not allowed here");
	else if (tag)
		error_at(b, event->start_mark, "tags (!) are not allowed here");
	return anchor || tag;
}

static struct yaml_node *build_scalar(struct builder *b, const yaml_event_t *event)
{
	struct span text = {(const char *)event->data.scalar.value, event->data.scalar.length};
	bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	if (refuse_decoration(b, event, event->data.scalar.anchor, event->data.scalar.tag))
		return NULL;
	enum yaml_kind kind = !quoted && is_null_text(text) ? YAML_NULL : YAML_SCALAR;
	struct yaml_node *node = new_node(b, kind, event->start_mark);
	if (!node)
		return NULL;
	char *copy = arena_take(b->yaml, text.n + 1);
	if (!copy) {
		load_error_set(b->error, "out of memory");
		return NULL;
	}
	if (text.n > 0)
		memcpy(copy, text.p, text.n);
	node->scalar = (struct span){copy, text.n};
	node->quoted = quoted;
	return node;
}

static struct yaml_node *build_node(struct builder *b, const yaml_event_t *event, unsigned depth);

/* The next event; false with an error set. The caller deletes it. */
static bool next_event(struct builder *b, yaml_event_t *event)
{
	if (yaml_parser_parse(&b->parser, event))
		return true;
	parser_error(b);
	return false;
}

static bool check_key(struct builder *b, const struct yaml_node *key, size_t base)
{
	if (key->kind != YAML_SCALAR) {
		yaml_error(key, b->error, "a key must be text");
		return false;
	}
	if (!key->quoted && span_equals(key->scalar, SPAN("<<"))) {
		yaml_error(key, b->error, "merge keys (<<) are not allowed here");
		return false;
	}
	if (memchr(key->scalar.p, 0, key->scalar.n)) {
		yaml_error(key, b->error, "a key must not hold a NUL");
		return false;
	}
	if ((b->depth_used - base) / 2 >= YAML_MAX_KEYS) {
		yaml_error(key, b->error, "more than %u keys in one mapping", YAML_MAX_KEYS);
		return false;
	}
	for (size_t i = base; i < b->depth_used; i += 2) {
		if (span_equals(b->stack[i]->scalar, key->scalar)) {
			yaml_error(key, b->error, "the key '%.60s' stands twice; first on line %u",
				key->scalar.p, b->stack[i]->line);
			return false;
		}
	}
	return true;
}

/* Push the children of the open collection, up to its end event. Keys and values of a mapping alternate. */
static bool push_children(struct builder *b, yaml_event_type_t end, bool mapping, size_t base, unsigned depth)
{
	for (;;) {
		yaml_event_t event;
		if (!next_event(b, &event))
			return false;
		bool done = event.type == end;
		struct yaml_node *child = done ? NULL : build_node(b, &event, depth + 1);
		yaml_event_delete(&event);
		if (done)
			return true;
		if (!child)
			return false;
		bool is_key = mapping && (b->depth_used - base) % 2 == 0;
		if (is_key && !check_key(b, child, base))
			return false;
		if (!stack_push(b, child))
			return false;
	}
}

/* Move what lies over base on the stack into the node. */
static bool adopt_children(struct builder *b, struct yaml_node *node, size_t base)
{
	bool mapping = node->kind == YAML_MAPPING;
	size_t step = mapping ? 2 : 1;
	node->count = (b->depth_used - base) / step;
	node->items = arena_take(b->yaml, node->count * sizeof(*node->items));
	node->keys = mapping ? arena_take(b->yaml, node->count * sizeof(*node->keys)) : NULL;
	node->used = mapping ? arena_take(b->yaml, node->count * sizeof(*node->used)) : NULL;
	if (!node->items || (mapping && (!node->keys || !node->used))) {
		load_error_set(b->error, "out of memory");
		return false;
	}
	for (size_t i = 0; i < node->count; i++) {
		node->items[i] = b->stack[base + i * step + step - 1];
		if (mapping)
			node->keys[i] = b->stack[base + i * step];
	}
	b->depth_used = base;
	return true;
}

static struct yaml_node *build_collection(struct builder *b, const yaml_event_t *event, unsigned depth)
{
	bool mapping = event->type == YAML_MAPPING_START_EVENT;
	if (mapping ? refuse_decoration(
			      b, event, event->data.mapping_start.anchor, event->data.mapping_start.tag)
		    : refuse_decoration(
			      b, event, event->data.sequence_start.anchor, event->data.sequence_start.tag))
		return NULL;
	if (depth >= YAML_MAX_DEPTH) {
		error_at(b, event->start_mark, "nested deeper than %d", YAML_MAX_DEPTH);
		return NULL;
	}
	struct yaml_node *node = new_node(b, mapping ? YAML_MAPPING : YAML_SEQUENCE, event->start_mark);
	size_t base = b->depth_used;
	yaml_event_type_t end = mapping ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
	if (!node || !push_children(b, end, mapping, base, depth) || !adopt_children(b, node, base))
		return NULL;
	return node;
}

static struct yaml_node *build_node(struct builder *b, const yaml_event_t *event, unsigned depth)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return build_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return build_collection(b, event, depth);
	case YAML_ALIAS_EVENT:
		error_at(b, event->start_mark,
			"aliases (*) are not allowed here; write text that starts with * in quotes");
		return NULL;
	default:
		error_at(b, event->start_mark, "not a YAML document");
		return NULL;
	}
}

/* One step through the stream. False at its end, and at an error. */
static bool build_step(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return true;
	case YAML_STREAM_END_EVENT:
		return false;
	case YAML_DOCUMENT_START_EVENT:
		if (b->yaml->root)
			error_at(b, event->start_mark, "more than one document in the file");
		else if (event->data.document_start.version_directive ||
			 event->data.document_start.tag_directives.start !=
				 event->data.document_start.tag_directives.end)
			error_at(b, event->start_mark, "directives (%%) are not allowed here");
		return !b->error->set;
	default:
		b->yaml->root = build_node(b, event, 0);
		return b->yaml->root != NULL;
	}
}

static void build_document(struct builder *b)
{
	yaml_parser_set_input_string(&b->parser, (const unsigned char *)b->text.p, b->text.n);
	yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
	for (bool more = true; more && !b->error->set;) {
		yaml_event_t event;
		if (!next_event(b, &event))
			return;
		more = build_step(b, &event);
		yaml_event_delete(&event);
	}
	if (!b->error->set && !b->yaml->root)
		b->yaml->root = new_node(b, YAML_NULL, (yaml_mark_t){0});
}

struct yaml *yaml_parse(const char *file, struct span text, struct load_error *error)
{
	struct load_error own = {0};
	struct builder b = {.file = file, .error = &own, .text = text.n ? text : SPAN("")};
	b.yaml = calloc(1, sizeof(*b.yaml));
	if (!b.yaml || !yaml_parser_initialize(&b.parser)) {
		free(b.yaml);
		load_error_set(error, "out of memory");
		return NULL;
	}
	if (text.n > YAML_MAX_BYTES)
		error_at(&b, (yaml_mark_t){0}, "the document is larger than %u octets", YAML_MAX_BYTES);
	else
		build_document(&b);
	yaml_parser_delete(&b.parser);
	free(b.stack);
	if (own.set) {
		if (!error->set)
			*error = own;
		yaml_tree_free(b.yaml);
		return NULL;
	}
	return b.yaml;
}

void yaml_tree_free(struct yaml *yaml)
{
	if (!yaml)
		return;
	while (yaml->chunks) {
		struct chunk *next = yaml->chunks->next;
		free(yaml->chunks);
		yaml->chunks = next;
	}
	free(yaml);
}

struct yaml_node *yaml_root(struct yaml *yaml)
{
	return yaml->root;
}

/* ---- known keys */

/* Only the hint of an error needs this list, so a lack of memory is passed over. */
static void remember_asked(struct yaml_node *mapping, const char *key)
{
	if (mapping->asked_count == mapping->asked_room) {
		size_t room = mapping->asked_room ? mapping->asked_room * 2 : 8;
		const char **grown = arena_take(mapping->owner, room * sizeof(*grown));
		if (!grown)
			return;
		if (mapping->asked_count > 0)
			memcpy(grown, mapping->asked, mapping->asked_count * sizeof(*grown));
		mapping->asked = grown;
		mapping->asked_room = room;
	}
	mapping->asked[mapping->asked_count++] = key;
}

struct yaml_node *yaml_get(struct yaml_node *mapping, const char *key)
{
	if (!mapping || mapping->kind != YAML_MAPPING)
		return NULL;
	remember_asked(mapping, key);
	for (size_t i = 0; i < mapping->count; i++) {
		if (span_equals(mapping->keys[i]->scalar, span_of(key))) {
			mapping->used[i] = true;
			return mapping->items[i];
		}
	}
	return NULL;
}

void yaml_reject_unknown(struct yaml_node *mapping, struct load_error *error)
{
	if (!mapping || mapping->kind != YAML_MAPPING)
		return;
	for (size_t i = 0; i < mapping->count; i++) {
		const struct yaml_node *key = mapping->keys[i];
		if (mapping->used[i])
			continue;
		const char *near = yaml_nearest(key->scalar.p, mapping->asked, mapping->asked_count);
		if (near)
			yaml_error(
				key, error, "unknown key '%.60s'; did you mean '%s'?", key->scalar.p, near);
		else
			yaml_error(key, error, "unknown key '%.60s'", key->scalar.p);
		return;
	}
}
