/*
 * The parts of a URL joined (RFC 3986): a secret that was split over query values, path segments or host
 * labels is whole again. For texts that are there as a whole. Nothing is decoded here: the views of plain
 * text run over what comes out.
 *
 * Each function writes what fits into out[0..room) and returns the length of the joined text: more than
 * `room` means that it was cut off. Room for URL_JOIN_ROOM(n) octets suffices for any text of n. `out` may
 * not overlap the text.
 */
#ifndef PIPELOCK_SCAN_URL_JOIN_H
#define PIPELOCK_SCAN_URL_JOIN_H

#include "common/span.h"

#define URL_JOIN_ROOM(n) ((n) + (n) / 4 + 2)

/* Values of a query (without "?", pairs between "&"). A pair without "=" is a name. */
size_t url_join_query(struct span query, char *out, size_t room);
size_t url_join_names(struct span query, char *out, size_t room);
/* Lines "name: value"; one of them empty: the other alone. */
size_t url_join_pairs(struct span query, char *out, size_t room);

/* Segments of a path, without the slashes. */
size_t url_join_path(struct span path, char *out, size_t room);
/* Labels of a host, without the dots. */
size_t url_join_labels(struct span host, char *out, size_t room);

#endif
