/*
 * Folding findings into a verdict: a rule says what it is worth, a route may say otherwise (on_match), the
 * mode may say that all is only reported. What could not be scanned counts as a finding that blocks.
 */
#include "pipelock/proxy/gate.h"

#include "pipelock/proxy/gate_join.h"

#include <stdlib.h>
#include <string.h>

#define FIELD_LINE_ROOM 1024 /* octets of "Name: value" that are put together without allocating */

static enum findings_policy gate_policy(const struct gate *gate)
{
	if (gate->report_only)
		return FINDINGS_REPORT_ONLY;
	if (!gate->route || !gate->route->has_on_match)
		return FINDINGS_BY_RULE;
	return gate->route->on_match == VERDICT_BLOCK ? FINDINGS_BLOCK_ALL : FINDINGS_REPORT_ONLY;
}

void gate_open(struct gate *gate, struct scanner *scanner, const struct config *config,
	const struct route *route, struct span host)
{
	memset(gate, 0, sizeof(*gate));
	gate->scanner = scanner;
	gate->route = route;
	gate->host = host;
	gate->report_only = config->mode == MODE_AUDIT;
	gate->findings.policy = gate_policy(gate);
}

void gate_release(struct gate *gate)
{
	scan_stream_free(gate->body);
	gate->body = NULL;
}

void gate_doubt(struct gate *gate, enum scan_part part, const char *why)
{
	if (gate->findings.unscannable)
		return;
	gate->findings.unscannable = why;
	gate->findings.unscannable_part = part;
}

void gate_text(struct gate *gate, enum scan_part part, struct span text)
{
	struct scan_target target = {.host = gate->host};
	scan_text(gate->scanner, part, &target, text, &gate->findings);
	gate->scanned_bytes += text.n;
}

void gate_url(struct gate *gate, struct span url)
{
	gate_text(gate, SCAN_URL, url);
	gate_join_url(gate, url);
}

/* A rule may need the name to know the value ("X-Api-Key: ..."), so both are one text. */
static void gate_field(struct gate *gate, enum scan_part part, const struct http1_field *field)
{
	char room[FIELD_LINE_ROOM];
	size_t size = field->name.n + 2 + field->value.n;
	char *line = size <= sizeof(room) ? room : malloc(size);
	if (!line) {
		gate_doubt(gate, part, "out of memory");
		return;
	}
	memcpy(line, field->name.p, field->name.n);
	memcpy(line + field->name.n, ": ", 2);
	memcpy(line + field->name.n + 2, field->value.p, field->value.n);
	struct scan_target target = {.host = gate->host, .field = field->name};
	scan_text(gate->scanner, part, &target, (struct span){line, size}, &gate->findings);
	gate->scanned_bytes += size;
	if (line != room)
		free(line);
}

void gate_fields(struct gate *gate, enum scan_part part, const struct http1_head *head)
{
	for (size_t i = 0; i < head->field_count; i++)
		gate_field(gate, part, &head->fields[i]);
	if (part == SCAN_HEADER)
		gate_join_fields(gate, head);
}

static bool gate_codings(const struct http1_head *head, enum coding *codings, size_t *count)
{
	for (size_t i = 0; head && i < head->field_count; i++)
		if (span_equals_nocase(head->fields[i].name, SPAN("Content-Encoding")) &&
			!decode_parse_codings(head->fields[i].value, codings, count))
			return false;
	return true;
}

void gate_body_begin(struct gate *gate, enum scan_part part, const struct http1_head *head)
{
	enum coding codings[DECODE_MAX_CHAIN];
	size_t count = 0;
	struct scan_target target = {.host = gate->host};
	scan_stream_free(gate->body);
	gate->body = NULL;
	gate->passed_bytes = 0;
	if (!gate_codings(head, codings, &count)) {
		gate_doubt(gate, part, "unknown content coding");
		return;
	}
	const struct http1_field *type = head ? http1_find(head, SPAN("Content-Type"), NULL) : NULL;
	gate->body = scan_stream_new(gate->scanner, part, &target, codings, count,
		type ? type->value : (struct span){NULL, 0}, &gate->findings);
	if (!gate->body)
		gate_doubt(gate, part, "out of memory");
	else if (gate->findings.policy == FINDINGS_REPORT_ONLY)
		scan_stream_report_only(gate->body);
}

void gate_body(struct gate *gate, struct span octets, bool last)
{
	gate->passed_bytes += octets.n;
	if (!gate->body || gate->findings.unscannable)
		return;
	uint64_t before = scan_stream_scanned(gate->body);
	scan_stream_feed(gate->body, octets, last, &gate->findings);
	gate->scanned_bytes += scan_stream_scanned(gate->body) - before;
}

uint64_t gate_body_safe(const struct gate *gate)
{
	if (gate->findings.unscannable)
		return gate->report_only ? gate->passed_bytes : 0;
	return gate->body ? scan_stream_safe(gate->body) : 0;
}

bool gate_looks_at(const struct gate *gate, enum scan_part part)
{
	return !gate->scanner || !scanner_is_idle(gate->scanner, part);
}

bool gate_body_is_scanned(const struct gate *gate)
{
	return gate->body && scan_stream_is_needed(gate->body);
}

void gate_body_urge(struct gate *gate)
{
	if (gate->body)
		scan_stream_urge(gate->body);
}

static enum verdict gate_rule_verdict(const struct gate *gate)
{
	const struct findings *findings = &gate->findings;
	if (findings->count == 0 && findings->dropped == 0)
		return VERDICT_ALLOW;
	if (gate->route && gate->route->has_on_match)
		return gate->route->on_match;
	return findings->blocked ? VERDICT_BLOCK : VERDICT_WARN;
}

enum verdict gate_verdict(const struct gate *gate)
{
	if (!gate->scanner)
		return VERDICT_BLOCK;
	enum verdict verdict = gate_rule_verdict(gate);
	if (gate->findings.unscannable)
		verdict = VERDICT_BLOCK;
	if (gate->report_only && verdict == VERDICT_BLOCK)
		verdict = VERDICT_WARN;
	return verdict;
}
