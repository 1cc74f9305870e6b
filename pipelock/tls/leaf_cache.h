/*
 * Leaf certificates by name, shared by all loops: one minting for a burst of handshakes, whichever loops they
 * are on. The cache makes nothing itself: it asks through `request` and is told with leaf_cache_deliver().
 */
#ifndef PIPELOCK_TLS_LEAF_CACHE_H
#define PIPELOCK_TLS_LEAF_CACHE_H

#include "common/loop.h"
#include "common/span.h"

#include <openssl/x509.h>
#include <stdint.h>

struct leaf_cache;

/* Ask for a leaf for `name`; the answer comes with this serial. 0, or a negative errno. Called with the
 * cache's lock held: it must not call back. */
typedef int leaf_request_fn(void *arg, uint32_t serial, struct span name);

/* At most `max` leafs are kept; the one unused for longest goes. NULL: out of memory. */
struct leaf_cache *leaf_cache_new(size_t max, leaf_request_fn *request, void *arg);
void leaf_cache_free(struct leaf_cache *cache);

/* Somebody who waits for a leaf; owned by the cache until `done` was called or leaf_cache_cancel(). */
struct leaf_wait;

/*
 * The leaf for a canonical host name. If it is there: a reference that the caller frees, and *wait is NULL.
 * If not: NULL, and *wait is set; done(arg) is called once in `loop`'s thread when it has come or can't be
 * had (then ask again: NULL with *wait NULL means that it can't be had).
 */
X509 *leaf_cache_get(struct leaf_cache *cache, struct span name, struct loop *loop, void (*done)(void *arg),
	void *arg, struct leaf_wait **wait);

/* In the loop's thread: done() will not be called. NULL is fine. */
void leaf_cache_cancel(struct leaf_cache *cache, struct leaf_wait *wait);

/* The answer to a request; takes the reference. NULL: it can't be made. From any thread. */
void leaf_cache_deliver(struct leaf_cache *cache, uint32_t serial, X509 *leaf);

size_t leaf_cache_count(struct leaf_cache *cache);

#endif
