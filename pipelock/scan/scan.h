/*
 * The scan engine behind a small interface: texts and streams go in, findings come out. Pure: no libevent, no
 * clock, no logger. Work is bounded per text and per stream; what could not be scanned whole is
 * `unscannable`, never clean.
 */
#ifndef PIPELOCK_SCAN_SCAN_H
#define PIPELOCK_SCAN_SCAN_H

#include "pipelock/scan/decode.h"
#include "pipelock/scan/known.h"
#include "pipelock/scan/rules.h"

#include <stdint.h>

#define SCAN_FINGERPRINT_SIZE 16
#define SCAN_FINGERPRINT_KEY_SIZE 32
#define SCAN_MAX_FINDINGS 32

struct finding {
	const struct rule *rule;
	enum scan_part part;
	enum scan_view view;
	unsigned count;		 /* how often this rule matched here with this value */
	uint64_t offset, length; /* extent in the text or stream as it was given (before any decoding), as
				    near as the view can say; covers the whole match */
	uint8_t fingerprint[SCAN_FINGERPRINT_SIZE]; /* HMAC-SHA256 of the matched bytes under the
						       installation's key, cut */
};

/* What a finding is worth beside its rule's own action: the caller's policy, set before the first scan. */
enum findings_policy { FINDINGS_BY_RULE = 0, FINDINGS_BLOCK_ALL, FINDINGS_REPORT_ONLY };

/* Gathers what a request's parts gave. Zeroed = nothing found yet. The verdict is computed, not stored. */
struct findings {
	enum findings_policy policy; /* BLOCK_ALL: every finding sets `blocked`; REPORT_ONLY: none does, and a
					stream goes on */
	struct finding items[SCAN_MAX_FINDINGS];
	size_t count;
	uint64_t dropped; /* findings beyond the table; they still count for the verdict */
	enum scan_part unscannable_part;
	const char *unscannable; /* why something could not be scanned whole; static text; NULL: all was */
	bool blocked;		 /* some finding's action is block */
	bool warned;
};

/* Those of another part of the same exchange, behind those that are there. */
void findings_append(struct findings *to, const struct findings *more);

/* Where a text is going; decides belongs_to. Borrowed for the call (text) or the stream's life (stream). */
struct scan_target {
	struct span host;  /* canonical */
	struct span field; /* SCAN_HEADER: the field's name */
};

/* A thread's scratch memory for one rule set. Not shared between threads. */
struct scanner;
struct scanner *scanner_new(struct ruleset *set, const uint8_t fingerprint_key[SCAN_FINGERPRINT_KEY_SIZE]);
void scanner_free(struct scanner *scanner);
struct ruleset *scanner_rules(const struct scanner *scanner);
/* Look for these values too, in all that leaves. Before the first scan; borrowed for the scanner's life, and
 * findings point into it. */
void scanner_set_known(struct scanner *scanner, const struct known_set *known);
/* Nothing is looked for in this part. */
bool scanner_is_idle(const struct scanner *scanner, enum scan_part part);

/* Told of memory that texts in progress take, or give back (negative), in octets. Before the first scan. What
 * is kept for the next text is not counted: it is bounded. */
typedef void scanner_hold_fn(void *arg, int64_t octets);
void scanner_on_hold(struct scanner *scanner, scanner_hold_fn *hold, void *arg);

enum scan_result {
	SCAN_UNSCANNABLE = -1, /* noted in findings->unscannable: budget, match limit, decoder, memory */
	SCAN_CLEAN = 0,
	SCAN_FOUND = 1, /* at least one finding was added (it may be a warning only: see findings->blocked) */
};

/*
 * Scan a text that is there as a whole, and its views: a URL, a host name, a field line "Name: value".
 * Findings are added to *out. Whatever the result is, earlier findings stay.
 */
enum scan_result scan_text(struct scanner *scanner, enum scan_part part, const struct scan_target *target,
	struct span text, struct findings *out);

/* A piece of a request that a secret could be split over: a query value, a path segment, a host label, a
 * field's value. */
struct scan_piece {
	struct span text;    /* as it was sent */
	uint64_t begin, end; /* where it stands in what findings are told of */
	struct span field;   /* SCAN_HEADER: name of the field that it is in */
};

enum scan_join {
	SCAN_JOIN_ALL = 0,
	SCAN_JOIN_FORM = 1, /* a + may be a space */
	SCAN_JOIN_ROWS = 2, /* of few pieces only, as where names and values take turns */
};

/*
 * Put pieces together, in the order in which they stand, with their escapes undone, and scan what that makes:
 * all of them with nothing in between, and each two to four in a row that could be pieces of a token
 * (values.h). `how` is of enum scan_join. Findings have the extent of the pieces that they reach over, and
 * count once; what lies in one piece alone is none, for that is scan_text()'s, which comes first. Allocates
 * for the time of the call, in proportion to the pieces; few and short ones cost nearly nothing.
 */
enum scan_result scan_joined(struct scanner *scanner, enum scan_part part, const struct scan_target *target,
	const struct scan_piece *pieces, size_t count, unsigned how, struct findings *out);

/*
 * A body that arrives in pieces, with hold-back. Feed it in order; after each call scan_stream_safe() says
 * how many of the octets fed since the start may leave: no rule that could still match reaches back to them.
 * A blocking match is found before any of its octets is safe; after SCAN_FOUND with out->blocked or
 * SCAN_UNSCANNABLE nothing more ever becomes safe. Memory is bounded, whatever the length: the caller keeps
 * the octets that are not safe yet, the stream keeps its window of decoded text.
 */
struct scan_stream;
/* codings: the Content-Encoding chain in the order applied (RFC 9110 8.4), count 0 for identity.
 * content_type: the value of Content-Type, for the call only, empty for none; it adds views, and never takes
 * one away. NULL: out->unscannable says why (a coding that is not known, multipart without a boundary,
 * memory). */
struct scan_stream *scan_stream_new(struct scanner *scanner, enum scan_part part,
	const struct scan_target *target, const enum coding *codings, size_t coding_count,
	struct span content_type, struct findings *out);
void scan_stream_free(struct scan_stream *stream);
/* Findings don't stop it: the policy lets what matches go on (a route's on_match, audit mode), so octets of a
 * match become safe once it was found. What is unscannable still stops. */
void scan_stream_report_only(struct scan_stream *stream);
enum scan_result scan_stream_feed(
	struct scan_stream *stream, struct span octets, bool last, struct findings *out);
uint64_t scan_stream_safe(const struct scan_stream *stream);
/* false: no rule looks at this part, and all is safe at once. */
bool scan_stream_is_needed(const struct scan_stream *stream);
/* The other side may wait for what is held back: let go what only could begin something encoded. */
void scan_stream_urge(struct scan_stream *stream);
/* Octets of content (after decoding) that were held against the rules. */
uint64_t scan_stream_scanned(const struct scan_stream *stream);

#endif
