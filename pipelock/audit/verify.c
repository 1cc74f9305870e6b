/*
 * Walks a log from its first line to its last. A line that does not hold is forgiven in one case alone: the
 * keeper found it torn after a crash, and its next line, which is in the chain, vouches for its very octets.
 */
#include "pipelock/audit/verify.h"

#include <stdio.h>

static const char changed[] = "the line was changed, or is no line of this log";

/* One line off the front of *log, without its newline. false: there is no newline any more. */
static bool next_line(struct span *log, struct span *line)
{
	const char *end = log->n ? memchr(log->p, '\n', log->n) : NULL;
	if (!end)
		return false;
	*line = (struct span){log->p, (size_t)(end - log->p)};
	log->n -= line->n + 1;
	log->p = end + 1;
	return true;
}

static bool contains(struct span text, const char *literal)
{
	return memmem(text.p, text.n, literal, strlen(literal)) != NULL;
}

/* Is this the keeper's word that `torn` was found so? */
static bool accounts_for(const struct chain_line *line, struct span torn)
{
	uint8_t hash[CHAIN_HASH_SIZE];
	char hex[2 * CHAIN_HASH_SIZE + 1];
	char members[256];
	chain_hash(torn, hash);
	chain_hex(hash, sizeof(hash), hex);
	snprintf(members, sizeof(members), VERIFY_TORN_MEMBERS, torn.n, hex);
	return span_equals(line->role, SPAN("keeper")) && contains(line->members, members);
}

static const char *judge_first(const struct chain_line *line)
{
	static const uint8_t none[CHAIN_HASH_SIZE];
	if (line->at.seq != 1 || memcmp(line->prev, none, sizeof(none)) != 0)
		return "the log does not begin with its first line";
	/* The very first line itself may have been torn. */
	if (!span_equals(line->role, SPAN("keeper")) ||
		(!contains(line->members, "\"event\":\"log_opened\"") &&
			!contains(line->members, "\"event\":\"log_recovered\"")))
		return "the first line is not the keeper's \"log_opened\"";
	return NULL;
}

static const char *judge(const struct verify_report *report, const struct chain_line *line)
{
	if (report->end.seq == 0)
		return judge_first(line);
	if (line->at.seq <= report->end.seq)
		return "the line's number is not higher than the one before: lines were moved or repeated";
	if (line->at.seq != report->end.seq + 1)
		return "lines are missing before this one";
	if (!chain_follows(&report->end, line))
		return "the line before this one was replaced";
	return NULL;
}

static enum verify_result bad(struct verify_report *report, uint64_t number, const char *reason)
{
	report->bad_line = number;
	report->reason = reason;
	return VERIFY_BAD;
}

/* A line that holds by itself: does it hold in its place, and does it account for what is torn before it? */
static const char *judge_place(struct verify_report *report, const struct chain_line *line, struct span torn)
{
	if (torn.p && !accounts_for(line, torn))
		return changed;
	const char *reason = judge(report, line);
	if (!reason) {
		report->lines++;
		report->recovered += torn.p != NULL;
		report->end = line->at;
	}
	return reason;
}

enum verify_result verify_log(struct span log, struct verify_report *report)
{
	struct span text, torn = {0};
	uint64_t number = 0, torn_number = 0;
	*report = (struct verify_report){0};
	while (next_line(&log, &text)) {
		struct chain_line line;
		number++;
		if (!chain_parse(text, &line)) {
			if (!torn.p) {
				torn = text;
				torn_number = number;
			}
			/* A crash during the recovery leaves more than one such line: they are torn as one.
			 */
			torn.n = (size_t)(text.p + text.n - torn.p);
			continue;
		}
		const char *reason = judge_place(report, &line, torn);
		if (reason)
			return bad(report, reason == changed ? torn_number : number, reason);
		torn = (struct span){0};
	}
	if (torn.p)
		return bad(report, torn_number, changed);
	return log.n > 0 ? VERIFY_TORN_END : VERIFY_GOOD;
}
