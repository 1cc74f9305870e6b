/*
 * The gate, the one seam between traffic and rules: parts of a request, or of its answer, go in, a verdict
 * comes out. A gate that was never told anything blocks. Pure.
 */
#ifndef PIPELOCK_PROXY_GATE_H
#define PIPELOCK_PROXY_GATE_H

#include "common/http1.h"
#include "pipelock/config.h"
#include "pipelock/scan/scan.h"

struct gate {
	struct scanner *scanner;   /* NULL: never opened, blocks */
	const struct route *route; /* NULL: none matched */
	bool report_only;	   /* mode audit: findings are logged, nothing is refused for them */
	struct span host;	   /* canonical; borrowed for the gate's life */
	struct findings findings;
	struct scan_stream *body;
	uint64_t scanned_bytes;
	uint64_t passed_bytes; /* report_only: octets fed to a body stream that can't be scanned any more */
};

void gate_open(struct gate *gate, struct scanner *scanner, const struct config *config,
	const struct route *route, struct span host);
void gate_release(struct gate *gate);

/* A URL, or what CONNECT names; and its pieces put together (gate_join.h), as those of fields below. */
void gate_url(struct gate *gate, struct span url);
/* A text by itself that is neither URL nor field: an unregistered method, an answer's reason phrase, the
 * payload of a WebSocket's control frame. */
void gate_text(struct gate *gate, enum scan_part part, struct span text);
/* Field lines of a head or of trailers; part: SCAN_HEADER, or SCAN_RESPONSE. */
void gate_fields(struct gate *gate, enum scan_part part, const struct http1_head *head);

/* A body (or, in a WebSocket, the next message) follows; codings come from the Content-Encoding fields of the
 * head (RFC 9110 8.4); NULL: none. */
void gate_body_begin(struct gate *gate, enum scan_part part, const struct http1_head *head);
void gate_body(struct gate *gate, struct span octets, bool last);
/* Of the octets of the body fed so far, how many may leave. */
uint64_t gate_body_safe(const struct gate *gate);

/* Does any rule look at this part; at the body that was begun? */
bool gate_looks_at(const struct gate *gate, enum scan_part part);
bool gate_body_is_scanned(const struct gate *gate);

/* The other side may wait for octets that are held back: let those go that only could begin something
 * encoded. */
void gate_body_urge(struct gate *gate);

/* Something of this part was not scanned as a whole; `why` is static. The first reason stays. */
void gate_doubt(struct gate *gate, enum scan_part part, const char *why);

/* By the rules' actions, the route's on_match and the mode. */
enum verdict gate_verdict(const struct gate *gate);

#endif
