/*
 * What a code point looks like in ASCII, and the named character references of HTML that come to ASCII. The
 * tables are generated when the program is built (make_table.py), from the Unicode data and the HTML names of
 * Python's library and from confusables.txt.
 *
 * Nothing but a single character comes to text in which an escape could begin (% & \), so decoding what a
 * look gave always ends.
 */
#ifndef PIPELOCK_SCAN_UNICODE_TABLE_H
#define PIPELOCK_SCAN_UNICODE_TABLE_H

#include "common/span.h"

#include <stdint.h>

#define UNICODE_BLOCK 128u
#define UNICODE_TABLE_END 0x20000u
#define UNICODE_TEXT_MAX 7    /* characters that one code point or name comes to */
#define UNICODE_ENTITY_MAX 31 /* characters of a name */

struct unicode_text {
	uint8_t n;
	char text[UNICODE_TEXT_MAX];
};

struct unicode_entity {
	uint16_t name; /* its place in unicode_entity_names */
	uint8_t name_length;
	uint8_t n;
	bool bare; /* HTML takes it without its semicolon too */
	char text[4];
};

/* A block's entry: to keep, to drop, an ASCII character, or UNICODE_FIRST_TEXT and up, a text. */
enum { UNICODE_KEEP = 0, UNICODE_DROP = 1, UNICODE_FIRST_TEXT = 0x80 };

extern const uint8_t unicode_index[UNICODE_TABLE_END / UNICODE_BLOCK];
extern const uint16_t unicode_blocks[][UNICODE_BLOCK];
extern const struct unicode_text unicode_texts[];
extern const struct unicode_entity unicode_entities[]; /* in the order of their names */
extern const size_t unicode_entity_count;
extern const char unicode_entity_names[];

/* The entry of a code point of U+0080 and up. */
static inline uint16_t unicode_entry(uint32_t code)
{
	if (code >= UNICODE_TABLE_END)
		return UNICODE_KEEP;
	return unicode_blocks[unicode_index[code / UNICODE_BLOCK]][code % UNICODE_BLOCK];
}

static inline struct span unicode_entry_text(uint16_t entry)
{
	const struct unicode_text *text = &unicode_texts[entry - UNICODE_FIRST_TEXT];
	return (struct span){text->text, text->n};
}

/* NULL: no name that comes to ASCII. The case counts. */
static inline const struct unicode_entity *unicode_find_entity(struct span name)
{
	size_t low = 0, high = unicode_entity_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct unicode_entity *entity = &unicode_entities[middle];
		size_t common = name.n < entity->name_length ? name.n : entity->name_length;
		int order = memcmp(name.p, unicode_entity_names + entity->name, common);
		if (order == 0 && name.n == entity->name_length)
			return entity;
		if (order < 0 || (order == 0 && name.n < entity->name_length))
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

#endif
