/*
 * Verdicts and where a secret can stand. Zero is block: state that was zeroed and forgotten denies.
 */
#ifndef PIPELOCK_SCAN_VERDICT_H
#define PIPELOCK_SCAN_VERDICT_H

enum verdict { VERDICT_BLOCK = 0, VERDICT_WARN = 1, VERDICT_ALLOW = 2 };

static inline enum verdict verdict_stricter(enum verdict a, enum verdict b)
{
	return a < b ? a : b;
}

/* Parts of a message, as a rule's `in:` names them; bits for sets of them. */
enum scan_part { SCAN_URL, SCAN_HEADER, SCAN_BODY, SCAN_WEBSOCKET, SCAN_RESPONSE, SCAN_PARTS };
#define SCAN_BIT(part) (1u << (part))
#define SCAN_OUTGOING                                                                                        \
	(SCAN_BIT(SCAN_URL) | SCAN_BIT(SCAN_HEADER) | SCAN_BIT(SCAN_BODY) | SCAN_BIT(SCAN_WEBSOCKET))

/* What the text was made into when the rule matched. */
enum scan_view {
	VIEW_RAW,
	VIEW_PLAIN,   /* escapes undone, Unicode made plain */
	VIEW_CONTENT, /* content coding taken off */
	VIEW_JOINED,  /* values that follow one another, put together */
	VIEW_BASE64,
	VIEW_BASE32,
	VIEW_HEX,
	VIEW_UNPACKED, /* compressed without a label */
	VIEW_PART,     /* of a multipart body */
	SCAN_VIEWS
};

enum severity { SEVERITY_INFO, SEVERITY_LOW, SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_CRITICAL, SEVERITIES };

/* What a rule stands on: a pattern, a secret that the operator named, or a value planted to be found. */
enum rule_tier { TIER_PATTERN, TIER_KNOWN, TIER_CANARY };

const char *verdict_name(enum verdict verdict);	   /* "block", "warn", "allow" */
const char *scan_part_name(enum scan_part part);   /* "url", "header", "body", "websocket", "response" */
const char *scan_view_name(enum scan_view view);   /* "raw", "plain", "content", ... */
const char *severity_name(enum severity severity); /* "info" ... */
const char *rule_tier_name(enum rule_tier tier);   /* "pattern", "known", "canary" */

#endif
