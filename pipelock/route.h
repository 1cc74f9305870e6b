/*
 * Which route a request falls under. Like the Kubernetes Gateway API's HTTPRoute: the most specific wins: an
 * exact host before a longer suffix before none, then an exact path before a longer prefix (with its suffix)
 * before none, then a route with methods before one without, then the one that stands first. Pure, no
 * allocation.
 *
 * A path that origins could read in more than one way (percent signs, dot segments, doubled or backward
 * slashes) is looked up in each reading, and the strictest route found decides: no spelling leads round a
 * denial.
 */
#ifndef PIPELOCK_ROUTE_H
#define PIPELOCK_ROUTE_H

#include "pipelock/config.h"

/* The route of a request; NULL: none names it. host: canonical. path: origin form; a query is not looked at.
 */
const struct route *route_find(
	const struct config *config, struct span host, struct span method, struct span path);

/*
 * For CONNECT, before TLS is opened: the route that splices this host, or denies all of it. NULL: neither, or
 * some route that looks at paths or methods is at least as specific: the requests inside have to be seen.
 */
const struct route *route_find_connect(const struct config *config, struct span host);

/* May some route apply to this host? In mode strict no other host is reached. */
bool route_covers_host(const struct config *config, struct span host);

/* Does some route name this host by a pattern other than "*"? A literal address wants that. */
bool route_names_host(const struct config *config, struct span host);

/* Does it apply to each request of its hosts, whatever the path and method? */
bool route_is_for_whole_host(const struct route *route);

/* Do both hold for the same paths? */
bool route_path_equals(const struct route_path *a, const struct route_path *b);

#endif
