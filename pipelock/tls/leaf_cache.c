/*
 * One mutex, a hash table and a list in order of use. An entry is pending (asked for, with its waiters),
 * ready, or failed; a failed one answers its waiters once and is dropped, so that a passing trouble of the
 * keeper does not stick.
 */
#include "pipelock/tls/leaf_cache.h"

#include "common/url.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LEAF_BUCKETS 1024
#define LEAF_MAX_AGE_MS (12LL * 3600 * 1000) /* a leaf lives 30 days; the process may live longer */

struct leaf_wait {
	struct leaf_wait *next;
	struct leaf_entry *entry; /* while it is in the entry's list */
	struct loop *loop;
	void (*done)(void *arg);
	void *arg;
	bool cancelled; /* touched in the loop's thread only, once posted */
};

struct leaf_entry {
	struct leaf_entry *chain;
	struct leaf_entry *newer, *older; /* order of use */
	char name[HOST_MAX + 3];
	size_t name_size;
	X509 *leaf; /* NULL: pending */
	long long made_ms;
	uint32_t serial;
	struct leaf_wait *waits;
};

struct leaf_cache {
	pthread_mutex_t lock;
	struct leaf_entry *buckets[LEAF_BUCKETS];
	struct leaf_entry *newest, *oldest;
	size_t count, max;
	uint32_t serial;
	leaf_request_fn *request;
	void *arg;
};

struct leaf_cache *leaf_cache_new(size_t max, leaf_request_fn *request, void *arg)
{
	struct leaf_cache *cache = calloc(1, sizeof(*cache));
	if (!cache)
		return NULL;
	pthread_mutex_init(&cache->lock, NULL);
	cache->max = max;
	cache->request = request;
	cache->arg = arg;
	return cache;
}

static struct leaf_entry **leaf_bucket(struct leaf_cache *cache, struct span name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */
	for (size_t i = 0; i < name.n; i++)
		hash = (hash ^ (unsigned char)name.p[i]) * 16777619u;
	return &cache->buckets[hash % LEAF_BUCKETS];
}

static void leaf_unlink_use(struct leaf_cache *cache, struct leaf_entry *entry)
{
	*(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
	*(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
	entry->newer = entry->older = NULL;
}

static void leaf_link_newest(struct leaf_cache *cache, struct leaf_entry *entry)
{
	entry->older = cache->newest;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
	cache->newest = entry;
}

static void leaf_drop(struct leaf_cache *cache, struct leaf_entry *entry)
{
	struct leaf_entry **at = leaf_bucket(cache, (struct span){entry->name, entry->name_size});
	while (*at != entry)
		at = &(*at)->chain;
	*at = entry->chain;
	leaf_unlink_use(cache, entry);
	X509_free(entry->leaf);
	free(entry);
	cache->count--;
}

/* Pending entries are never dropped: somebody waits for them. */
static void leaf_make_room(struct leaf_cache *cache)
{
	struct leaf_entry *entry = cache->oldest;
	while (entry && cache->count >= cache->max) {
		struct leaf_entry *newer = entry->newer;
		if (entry->leaf)
			leaf_drop(cache, entry);
		entry = newer;
	}
}

static struct leaf_entry *leaf_find(struct leaf_cache *cache, struct span name)
{
	for (struct leaf_entry *entry = *leaf_bucket(cache, name); entry; entry = entry->chain)
		if (span_equals((struct span){entry->name, entry->name_size}, name))
			return entry;
	return NULL;
}

static struct leaf_entry *leaf_add(struct leaf_cache *cache, struct span name)
{
	leaf_make_room(cache);
	struct leaf_entry *entry = calloc(1, sizeof(*entry));
	if (!entry || name.n >= sizeof(entry->name)) {
		free(entry);
		return NULL;
	}
	memcpy(entry->name, name.p, name.n);
	entry->name_size = name.n;
	entry->serial = ++cache->serial;
	if (cache->request(cache->arg, entry->serial, name) != 0) {
		free(entry);
		return NULL;
	}
	struct leaf_entry **bucket = leaf_bucket(cache, name);
	entry->chain = *bucket;
	*bucket = entry;
	leaf_link_newest(cache, entry);
	cache->count++;
	return entry;
}

/* A ready, young entry, or one that is pending, made if need be. */
static struct leaf_entry *leaf_find_or_add(struct leaf_cache *cache, struct span name)
{
	struct leaf_entry *entry = leaf_find(cache, name);
	if (entry && entry->leaf && loop_now_ms() - entry->made_ms > LEAF_MAX_AGE_MS) {
		leaf_drop(cache, entry);
		entry = NULL;
	}
	return entry ? entry : leaf_add(cache, name);
}

static struct leaf_wait *leaf_add_wait(
	struct leaf_entry *entry, struct loop *loop, void (*done)(void *arg), void *arg)
{
	struct leaf_wait *wait = calloc(1, sizeof(*wait));
	if (!wait)
		return NULL;
	*wait = (struct leaf_wait){
		.next = entry->waits, .entry = entry, .loop = loop, .done = done, .arg = arg};
	entry->waits = wait;
	return wait;
}

X509 *leaf_cache_get(struct leaf_cache *cache, struct span name, struct loop *loop, void (*done)(void *arg),
	void *arg, struct leaf_wait **wait)
{
	X509 *leaf = NULL;
	*wait = NULL;
	pthread_mutex_lock(&cache->lock);
	struct leaf_entry *entry = leaf_find_or_add(cache, name);
	if (entry && entry->leaf) {
		leaf_unlink_use(cache, entry);
		leaf_link_newest(cache, entry);
		X509_up_ref(entry->leaf);
		leaf = entry->leaf;
	} else if (entry) {
		*wait = leaf_add_wait(entry, loop, done, arg);
	}
	pthread_mutex_unlock(&cache->lock);
	return leaf;
}

void leaf_cache_cancel(struct leaf_cache *cache, struct leaf_wait *wait)
{
	if (!wait)
		return;
	pthread_mutex_lock(&cache->lock);
	struct leaf_entry *entry = wait->entry;
	if (entry) {
		struct leaf_wait **at = &entry->waits;
		while (*at != wait)
			at = &(*at)->next;
		*at = wait->next;
	}
	pthread_mutex_unlock(&cache->lock);
	if (entry)
		free(wait);
	else
		wait->cancelled = true; /* it is on its way to this very thread, which frees it */
}

static void leaf_wait_call(void *arg)
{
	struct leaf_wait *wait = arg;
	if (!wait->cancelled)
		wait->done(wait->arg);
	free(wait);
}

static struct leaf_entry *leaf_find_serial(struct leaf_cache *cache, uint32_t serial)
{
	for (struct leaf_entry *entry = cache->newest; entry; entry = entry->older)
		if (entry->serial == serial && !entry->leaf)
			return entry;
	return NULL;
}

void leaf_cache_deliver(struct leaf_cache *cache, uint32_t serial, X509 *leaf)
{
	pthread_mutex_lock(&cache->lock);
	struct leaf_entry *entry = leaf_find_serial(cache, serial);
	struct leaf_wait *waits = entry ? entry->waits : NULL;
	for (struct leaf_wait *wait = waits; wait; wait = wait->next)
		wait->entry = NULL;
	if (entry) {
		entry->waits = NULL;
		entry->leaf = leaf;
		entry->made_ms = loop_now_ms();
	} else {
		X509_free(leaf);
	}
	if (entry && !leaf)
		leaf_drop(cache, entry);
	pthread_mutex_unlock(&cache->lock);
	for (struct leaf_wait *wait = waits, *next; wait; wait = next) {
		next = wait->next;
		/* Out of memory: the handshake's own timeout ends it. */
		loop_post(wait->loop, leaf_wait_call, wait);
	}
}

size_t leaf_cache_count(struct leaf_cache *cache)
{
	pthread_mutex_lock(&cache->lock);
	size_t count = cache->count;
	pthread_mutex_unlock(&cache->lock);
	return count;
}

void leaf_cache_free(struct leaf_cache *cache)
{
	if (!cache)
		return;
	while (cache->newest) {
		for (struct leaf_wait *wait = cache->newest->waits, *next; wait; wait = next) {
			next = wait->next;
			free(wait);
		}
		leaf_drop(cache, cache->newest);
	}
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}
