/*
 * An intrusive hash of text keys in the order of their use, for the pool of idle connections and for TLS
 * sessions. Several nodes may have one key; the newest is found first. The owner bounds it and frees what it
 * removes. Pure.
 */
#ifndef EGRESS_LRU_H
#define EGRESS_LRU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LRU_BUCKETS 256

struct lru_node {
	const char *key; /* borrowed from the owner of the node, as long as it is in */
	uint32_t hash;
	struct lru_node *chain;		/* the next older one in the bucket */
	struct lru_node *newer, *older; /* over all keys */
};

/* Zeroed is empty. */
struct lru {
	struct lru_node *buckets[LRU_BUCKETS];
	struct lru_node *newest, *oldest;
	size_t count;
};

/* Put a node in, as the newest of all. */
void lru_add(struct lru *lru, struct lru_node *node, const char *key);
/* Take a node out; it has to be in. */
void lru_remove(struct lru *lru, struct lru_node *node);
/* The newest, or the oldest, node of this key; NULL: none. */
struct lru_node *lru_find(const struct lru *lru, const char *key);
struct lru_node *lru_find_oldest(const struct lru *lru, const char *key);
size_t lru_count_key(const struct lru *lru, const char *key);

#endif
