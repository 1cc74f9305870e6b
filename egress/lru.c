/*
 * The hash is FNV-1a without a seed: who chooses host names so that they collide makes chains that are no
 * longer than the bound of the owner, a few hundred nodes.
 */
#include "egress/lru.h"

#include <string.h>

static uint32_t hash_text(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return hash;
}

static bool has_key(const struct lru_node *node, uint32_t hash, const char *key)
{
	return node->hash == hash && strcmp(node->key, key) == 0;
}

void lru_add(struct lru *lru, struct lru_node *node, const char *key)
{
	struct lru_node **bucket;

	node->key = key;
	node->hash = hash_text(key);
	bucket = &lru->buckets[node->hash % LRU_BUCKETS];
	node->chain = *bucket;
	*bucket = node;
	node->newer = NULL;
	node->older = lru->newest;
	if (lru->newest)
		lru->newest->newer = node;
	else
		lru->oldest = node;
	lru->newest = node;
	lru->count++;
}

void lru_remove(struct lru *lru, struct lru_node *node)
{
	struct lru_node **link = &lru->buckets[node->hash % LRU_BUCKETS];

	while (*link != node)
		link = &(*link)->chain;
	*link = node->chain;
	if (node->newer)
		node->newer->older = node->older;
	else
		lru->newest = node->older;
	if (node->older)
		node->older->newer = node->newer;
	else
		lru->oldest = node->newer;
	node->chain = node->newer = node->older = NULL;
	lru->count--;
}

struct lru_node *lru_find(const struct lru *lru, const char *key)
{
	uint32_t hash = hash_text(key);

	for (struct lru_node *node = lru->buckets[hash % LRU_BUCKETS]; node; node = node->chain)
		if (has_key(node, hash, key))
			return node;
	return NULL;
}

struct lru_node *lru_find_oldest(const struct lru *lru, const char *key)
{
	uint32_t hash = hash_text(key);
	struct lru_node *found = NULL;

	for (struct lru_node *node = lru->buckets[hash % LRU_BUCKETS]; node; node = node->chain)
		if (has_key(node, hash, key))
			found = node;
	return found;
}

size_t lru_count_key(const struct lru *lru, const char *key)
{
	uint32_t hash = hash_text(key);
	size_t count = 0;

	for (struct lru_node *node = lru->buckets[hash % LRU_BUCKETS]; node; node = node->chain)
		count += has_key(node, hash, key);
	return count;
}
