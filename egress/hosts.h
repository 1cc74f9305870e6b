/*
 * The table of names that the operator keeps beside the DNS (hosts(5)). Read once at the start; lookups are
 * pure.
 */
#ifndef EGRESS_HOSTS_H
#define EGRESS_HOSTS_H

#include "common/address.h"

#define HOSTS_MAX_FILE (4 * 1024 * 1024) /* octets */

struct hosts;

/* From the text of a hosts file. Lines that are none are skipped, as every resolver does. NULL: out of
 * memory. */
struct hosts *hosts_parse(struct span text);
/* From the file; an absent or unreadable one is an empty table. NULL: out of memory. */
struct hosts *hosts_load(const char *path);
void hosts_free(struct hosts *hosts);

/* Store up to `max` addresses of a canonical name; returns how many. localhost and the names below it are
 * this host whatever the file says (RFC 6761 6.3), and are never asked of the DNS. */
size_t hosts_find(const struct hosts *hosts, struct span name, struct address *out, size_t max);

#endif
