/*
 * A sorted table of (name, address). Names are made canonical by host_parse(), as those of requests are, so
 * that they compare as octets. What it finds is judged like any answer of the DNS.
 */
#include "egress/hosts.h"

#include "common/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	char *name;
	struct address address;
	size_t order; /* as in the file: sorting must not shuffle it */
};

struct hosts {
	struct entry *entries;
	size_t count, room;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of a line; n is 0 at its end. */
static struct span next_word(struct span *line)
{
	size_t start = 0, end;

	while (start < line->n && is_blank(line->p[start]))
		start++;
	for (end = start; end < line->n && !is_blank(line->p[end]); end++)
		;
	struct span word = {line->p + start, end - start};

	*line = (struct span){line->p + end, line->n - end};
	return word;
}

static bool add_entry(struct hosts *hosts, const struct host *host, const struct address *address)
{
	if (hosts->count == hosts->room) {
		size_t room = hosts->room ? hosts->room * 2 : 16;
		struct entry *entries = reallocarray(hosts->entries, room, sizeof(*entries));

		if (!entries)
			return false;
		hosts->entries = entries;
		hosts->room = room;
	}
	struct entry *entry = &hosts->entries[hosts->count];

	*entry = (struct entry){strdup(host->text), *address, hosts->count};
	hosts->count += entry->name != NULL;
	return entry->name;
}

static bool add_line(struct hosts *hosts, struct span line)
{
	const char *comment = line.n ? memchr(line.p, '#', line.n) : NULL;
	struct address address;
	struct host host;

	if (comment)
		line.n = (size_t)(comment - line.p);
	struct span word = next_word(&line);

	if (!address_parse_v4(word, &address) && !address_parse_v6(word, &address))
		return true;
	while ((word = next_word(&line)).n > 0) {
		if (!host_parse(word, &host) || host.form != HOST_NAME)
			continue;
		if (!add_entry(hosts, &host, &address))
			return false;
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int names = strcmp(x->name, y->name);

	if (names != 0)
		return names;
	return x->order < y->order ? -1 : x->order > y->order;
}

struct hosts *hosts_parse(struct span text)
{
	struct hosts *hosts = calloc(1, sizeof(*hosts));

	while (hosts && text.n > 0) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;

		if (!add_line(hosts, (struct span){text.p, n})) {
			hosts_free(hosts);
			return NULL;
		}
		n += end != NULL;
		text = (struct span){text.p + n, text.n - n};
	}
	if (hosts && hosts->count > 0)
		qsort(hosts->entries, hosts->count, sizeof(*hosts->entries), compare);
	return hosts;
}

struct hosts *hosts_load(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(HOSTS_MAX_FILE);
	size_t n = file && text ? fread(text, 1, HOSTS_MAX_FILE, file) : 0;
	struct hosts *hosts = text ? hosts_parse((struct span){text, n}) : NULL;

	free(text);
	if (file)
		fclose(file);
	return hosts;
}

void hosts_free(struct hosts *hosts)
{
	if (!hosts)
		return;
	for (size_t i = 0; i < hosts->count; i++)
		free(hosts->entries[i].name);
	free(hosts->entries);
	free(hosts);
}

static bool is_localhost(struct span name)
{
	struct span suffix = SPAN(".localhost");

	if (name.n <= suffix.n)
		return span_equals_nocase(name, SPAN("localhost"));
	return span_equals_nocase((struct span){name.p + name.n - suffix.n, suffix.n}, suffix);
}

static size_t find_localhost(struct address *out, size_t max)
{
	const struct address loopbacks[] = {
		{.family = AF_INET6, .v6 = IN6ADDR_LOOPBACK_INIT},
		{.family = AF_INET, .v4 = {htonl(INADDR_LOOPBACK)}},
	};
	size_t count = max < 2 ? max : 2;

	memcpy(out, loopbacks, count * sizeof(*out));
	return count;
}

/* The first entry that is not before `name`. */
static size_t lower_bound(const struct hosts *hosts, struct span name)
{
	size_t low = 0, high = hosts->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *entry = hosts->entries[middle].name;
		int order = strncmp(entry, name.p, name.n);

		/* Equal up to name.n and longer: behind it. */
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t hosts_find(const struct hosts *hosts, struct span name, struct address *out, size_t max)
{
	size_t found = 0;

	if (is_localhost(name))
		return find_localhost(out, max);
	for (size_t i = lower_bound(hosts, name); i < hosts->count && found < max; i++) {
		if (!span_equals(span_of(hosts->entries[i].name), name))
			break;
		out[found++] = hosts->entries[i].address;
	}
	return found;
}
