/*
 * Names of verdicts, parts, views and severities, as rule files, logs and refusals spell them.
 */
#include "pipelock/scan/verdict.h"

#include <stddef.h>

#define NAME(names, value) ((size_t)(value) < sizeof(names) / sizeof((names)[0]) ? (names)[value] : "unknown")

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {"block", "warn", "allow"};
	return NAME(names, verdict);
}

const char *scan_part_name(enum scan_part part)
{
	static const char *const names[] = {"url", "header", "body", "websocket", "response"};
	return NAME(names, part);
}

const char *scan_view_name(enum scan_view view)
{
	static const char *const names[] = {
		"raw", "plain", "content", "joined", "base64", "base32", "hex", "unpacked", "part"};
	return NAME(names, view);
}

const char *severity_name(enum severity severity)
{
	static const char *const names[] = {"info", "low", "medium", "high", "critical"};
	return NAME(names, severity);
}

const char *rule_tier_name(enum rule_tier tier)
{
	static const char *const names[] = {"pattern", "known", "canary"};
	return NAME(names, tier);
}
