/*
 * Walks a log from its first line to its last. A line that does not hold is forgiven in one case alone: the
 * keeper found it torn after a crash, and its next line, which is in the chain, vouches for its very octets.
 */
#include "pipelock/audit/verify.h"

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

static const char *judge_first(const struct chain_line *line)
{
	static const uint8_t none[CHAIN_HASH_SIZE];
	if (line->at.seq != 1 || memcmp(line->prev, none, sizeof(none)) != 0)
		return "the log does not begin with its first line";
	/* "log_recovered": the very first line was torn by a crash. */
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

enum verify_result verify_log(struct span log, struct verify_report *report)
{
	struct span text;
	*report = (struct verify_report){0};
	while (next_line(&log, &text)) {
		struct chain_line line;
		report->reason = chain_parse(text, &line) ? judge(report, &line)
							  : "the line was changed, or is no line of this log";
		if (report->reason) {
			report->bad_line = report->lines + 1;
			return VERIFY_BAD;
		}
		report->lines++;
		report->end = line.at;
	}
	return log.n > 0 ? VERIFY_TORN_END : VERIFY_GOOD;
}
