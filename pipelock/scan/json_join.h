/*
 * JSON (RFC 8259) joined: all values, all keys, and each key with its value. A lexer that never fails: also
 * one document behind another, a document a line, and JSON inside of other text ("data: {...}") are read,
 * without limit of depth or size. What is broken is read as far as it makes sense: a line end inside of a
 * string ends it, so that one odd quote spoils one line; a broken escape stays as it is, a lone surrogate is
 * U+FFFD.
 *
 * A string before a colon is a key. Up to 256 octets of it wait for what follows; a longer one, or one with
 * much white space behind it, is what its place in the brackets says (known for the innermost 1024 levels;
 * further out it is a value).
 */
#ifndef PIPELOCK_SCAN_JSON_JOIN_H
#define PIPELOCK_SCAN_JSON_JOIN_H

#include "pipelock/scan/join.h"

#define JSON_JOIN_TRACKS 3
#define JSON_JOIN_WAIT 256u
#define JSON_JOIN_LEVELS 1024u
/* The most that json_join_lag() says. */
#define JSON_JOIN_LAG 2048u

enum json_track {
	JSON_VALUES, /* strings, unescaped, and the numbers that stand in brackets; VALUES_END behind each */
	JSON_KEYS,   /* unescaped; VALUES_END behind each */
	/* Lines "key: value"; a key whose value is an object, empty, null, true or false is a line alone. Of
	 * an array the first value follows the key, each other string is a line of its own. */
	JSON_PAIRS,
};

enum json_place { JSON_OUTSIDE = 0, JSON_STRING, JSON_NUMBER, JSON_WORD };

enum json_role {
	JSON_NOTHING = 0, /* no string is open or waits */
	JSON_OPEN,	  /* key or value: what follows will tell */
	JSON_KEY,	  /* a key by its place */
	JSON_VALUE,
};

struct json_join {
	struct join_sink sink;
	uint64_t at;	/* octets before the one that is looked at */
	uint64_t begin; /* where the string that is open or waits began */
	enum json_place place;
	enum json_role role;
	char before; /* the last bracket, colon or comma; 0: something else came since */
	unsigned waiting_n;
	char waiting[JSON_JOIN_WAIT];
	unsigned escape_n; /* of an escape that is not whole, or of a high surrogate */
	char escape[12];
	char plain[512];			 /* of a string with escapes, for the time of a call */
	uint64_t depth, floor;			 /* levels below the floor are not known */
	uint64_t objects[JSON_JOIN_LEVELS / 64]; /* a bit a level: an object */
};

void json_join_init(struct json_join *v);

/* A track gets no more octets than were fed, and one; `last`: nothing follows. */
void json_join_feed(struct json_join *v, struct span in, bool last, join_emit *emit, void *arg);

/* How many of the last octets fed are undecided: what earlier ones say has come out. */
size_t json_join_lag(const struct json_join *v);

#endif
