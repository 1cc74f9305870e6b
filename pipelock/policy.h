/*
 * The policy as the supervisor hands it to the proxy: the very texts that it read and checked, in a sealed
 * memfd. The proxy loads them anew with config_load() and ruleset_load() and so needs no file, and can't see
 * another text than the one that was checked: nobody can write to a sealed memfd, its maker included.
 */
#ifndef PIPELOCK_POLICY_H
#define PIPELOCK_POLICY_H

#include "pipelock/config.h"

struct policy {
	const char *file;   /* NULL: embedded defaults */
	const char *folder; /* that relative paths start at; NULL: none given */
	struct span config_text;
	struct config_overrides overrides;
	struct file_texts rules; /* empty: the built-in sets */
	struct span known;	 /* the octets of a set of known values; empty: none is named */
	void *memory;		 /* policy_read(): what all of it points into */
	size_t memory_size;
};

/* Make a memfd with it, sealed against every change. The descriptor (close-on-exec), or -errno. */
int policy_write(const struct policy *policy);

/* Map it and fill *out, whose strings live until policy_release(). false: not sealed, malformed or out of
 * memory. */
bool policy_read(int fd, struct policy *out);

/* For what policy_read() filled. The strings of out->rules must not be freed one by one. */
void policy_release(struct policy *policy);

#endif
