/*
 * A body and the multipart parts in it are levels, the outermost first: each looks for its own delimiter, and
 * what lies between two of them goes to the level within, or through the part's decoder to the sink. Of a
 * delimiter that a piece cuts, only how much of it came is kept, since its octets are known. A search skips
 * to the next boundary that begins a line; from the line end before it on, octets are compared one by one, in
 * one place (step), so pieces can't change what is found. No octet is searched twice by a level.
 */
#include "pipelock/scan/multipart_internal.h"

static const char not_closed[] = "its multipart body isn't closed";
static const char too_many[] = "it has too many parts";
static const char malformed_content[] = "a part of it can't be decoded as its transfer encoding says";

const char multipart_malformed_type[] = "its multipart boundary is missing or malformed";
const char multipart_ambiguous[] = "a multipart boundary stands where not all would see one";

bool multipart_fail(struct multipart *m, const char *why)
{
	m->failure = why;
	return false;
}

/* ---- levels */

void multipart_start_line(struct multipart_level *level, bool misplaced)
{
	level->from = level->matched = LINE_START;
	level->misplaced = misplaced;
}

void multipart_start_level(struct multipart_level *level, struct span boundary)
{
	memcpy(level->delimiter, "\r\n--", 4);
	memcpy(level->delimiter + 4, boundary.p, boundary.n);
	level->delimiter_n = 4 + boundary.n;
	level->state = LEVEL_PREAMBLE;
	multipart_start_line(level, false);
}

/* A line that began without a line end, and where a delimiter may stand, is the first of a body. */
static bool nothing_came(const struct multipart_level *level)
{
	return level->from == LINE_START && level->matched == LINE_START && !level->misplaced;
}

enum multipart_type multipart_init(struct multipart *m, struct span content_type)
{
	struct span boundary;
	enum multipart_type type = multipart_read_type(content_type, &boundary);

	m->failure = type == MULTIPART_TYPE_OK ? NULL : multipart_malformed_type;
	m->sink = NULL;
	m->depth = 1;
	m->parts = 0;
	m->line_n = 0;
	m->encoding = MULTIPART_IDENTITY;
	if (type == MULTIPART_TYPE_OK)
		multipart_start_level(&m->levels[0], boundary);
	return type;
}

/* ---- content */

static bool feed_level(struct multipart *m, size_t at, struct span in, bool last);

static bool decode(struct multipart *m, struct span octets, bool last)
{
	bool malformed = false;

	if (m->encoding == MULTIPART_BASE64) {
		base64_mime_feed(&m->decoder.base64, octets, last, m->sink->body, m->sink->arg);
		malformed = m->decoder.base64.malformed;
	} else if (m->encoding == MULTIPART_QUOTED_PRINTABLE) {
		quoted_printable_feed(
			&m->decoder.quoted_printable, octets, last, m->sink->body, m->sink->arg);
		malformed = m->decoder.quoted_printable.malformed;
	} else if (octets.n > 0) {
		m->sink->body(m->sink->arg, octets);
	}
	return !malformed || multipart_fail(m, malformed_content);
}

/* What lies outside of parts has no encoding. */
static bool give_text(struct multipart *m, size_t at, struct span octets)
{
	if (octets.n == 0)
		return true;
	if (m->levels[at].state == LEVEL_CONTENT)
		return at + 1 < m->depth ? feed_level(m, at + 1, octets, false) : decode(m, octets, false);
	m->sink->body(m->sink->arg, octets);
	return true;
}

static bool end_part(struct multipart *m, size_t at)
{
	if (!(at + 1 < m->depth ? feed_level(m, at + 1, SPAN(""), true) : decode(m, SPAN(""), true)))
		return false;
	m->depth = at + 1;
	m->encoding = MULTIPART_IDENTITY;
	m->sink->part_end(m->sink->arg);
	return true;
}

/* ---- the search for delimiters */

static bool ends_line(char octet)
{
	return octet == '\r' || octet == '\n';
}

/* Where the line end begins that lies before p. */
static const char *line_end_before(const char *start, const char *p)
{
	p--;
	return *p == '\n' && p > start && p[-1] == '\r' ? p - 1 : p;
}

/*
 * How many octets lie before the first line end that a delimiter follows or, at the end of the piece, could
 * follow. The boundary holds no line end, so where it is found within a line, none begins before its end.
 */
static size_t count_plain(const struct multipart_level *level, struct span text)
{
	struct span sought = multipart_line_beginning(level);
	const char *end = text.p + text.n, *p = text.p, *stop;

	while ((p = memmem(p, (size_t)(end - p), sought.p, sought.n)) != NULL) {
		if (p > text.p && ends_line(p[-1]))
			return (size_t)(line_end_before(text.p, p) - text.p);
		p += sought.n;
	}
	stop = text.n > sought.n ? end - sought.n : text.p;
	for (p = end; p > stop; p--) {
		if (ends_line(p[-1]))
			return (size_t)(line_end_before(text.p, p) - text.p);
	}
	return text.n;
}

static bool give_held(struct multipart *m, size_t at)
{
	struct multipart_level *level = &m->levels[at];
	struct span held = {level->delimiter + level->from, level->matched - level->from};

	level->from = level->matched = 0;
	return give_text(m, at, held);
}

/* One octet that continues what came of a delimiter, or ends it, and then may begin another. */
static bool step(struct multipart *m, size_t at, struct span *in)
{
	struct multipart_level *level = &m->levels[at];
	struct span octet = {in->p, 1};
	size_t matched = level->matched;

	if (octet.p[0] == level->delimiter[matched]) {
		if (matched == 0)
			level->misplaced = false;
		level->matched++;
		advance(in, 1);
		return true;
	}
	if (!give_held(m, at))
		return false;
	/* A bare CR came; the octet is still to be looked at. */
	if (matched == 1)
		multipart_start_line(level, true);
	if (matched == 0) {
		advance(in, 1);
		if (octet.p[0] == '\n')
			multipart_start_line(level, true);
		return give_text(m, at, octet);
	}
	return true;
}

static bool on_delimiter(struct multipart *m, size_t at)
{
	struct multipart_level *level = &m->levels[at];

	if (level->misplaced || level->state == LEVEL_EPILOGUE)
		return multipart_fail(m, multipart_ambiguous);
	if (level->state == LEVEL_CONTENT && !end_part(m, at))
		return false;
	level->from = level->matched = 0;
	level->state = LEVEL_DELIMITER;
	return true;
}

/* Text up to its end or behind the next delimiter. */
static bool take_text(struct multipart *m, size_t at, struct span *in)
{
	struct multipart_level *level = &m->levels[at];

	while (in->n > 0) {
		if (level->matched == 0) {
			struct span plain = {in->p, count_plain(level, *in)};

			advance(in, plain.n);
			if (!give_text(m, at, plain))
				return false;
			if (in->n == 0)
				break;
		}
		if (!step(m, at, in))
			return false;
		if (level->matched == level->delimiter_n)
			return on_delimiter(m, at);
	}
	return true;
}

/* ---- behind a boundary */

static bool begin_part(struct multipart *m, struct multipart_level *level)
{
	if (m->parts == MULTIPART_MAX_PARTS)
		return multipart_fail(m, too_many);
	m->parts++;
	multipart_start_head(m);
	level->state = LEVEL_HEAD;
	m->sink->part_begin(m->sink->arg);
	return true;
}

/* The state after one octet of transport padding (RFC 2046 5.1.1) or of what ends it; -1: none. */
static int state_in_padding(char octet, enum level_state padding, enum level_state line_lf)
{
	if (octet == ' ' || octet == '\t')
		return (int)padding;
	return octet == '\r' ? (int)line_lf : -1;
}

static int state_behind_boundary(enum level_state state, char octet)
{
	switch (state) {
	case LEVEL_DELIMITER:
		if (octet == '-')
			return LEVEL_CLOSING;
		return state_in_padding(octet, LEVEL_PADDING, LEVEL_LINE_LF);
	case LEVEL_PADDING:
		return state_in_padding(octet, LEVEL_PADDING, LEVEL_LINE_LF);
	case LEVEL_LINE_LF:
		return octet == '\n' ? LEVEL_HEAD : -1;
	case LEVEL_CLOSING:
		return octet == '-' ? LEVEL_CLOSED : -1;
	case LEVEL_CLOSED:
	case LEVEL_CLOSED_PADDING:
		return state_in_padding(octet, LEVEL_CLOSED_PADDING, LEVEL_CLOSED_LF);
	case LEVEL_CLOSED_LF:
		return octet == '\n' ? LEVEL_EPILOGUE : -1;
	default:
		return -1;
	}
}

static bool take_behind_boundary(struct multipart *m, size_t at, struct span *in)
{
	struct multipart_level *level = &m->levels[at];
	int state = state_behind_boundary((enum level_state)level->state, in->p[0]);

	advance(in, 1);
	if (state < 0)
		return multipart_fail(m, multipart_ambiguous);
	level->state = state;
	if (state == LEVEL_EPILOGUE)
		multipart_start_line(level, true);
	return state != LEVEL_HEAD || begin_part(m, level);
}

/* ---- feeding */

static bool finish_level(struct multipart *m, size_t at)
{
	struct multipart_level *level = &m->levels[at];

	switch ((enum level_state)level->state) {
	case LEVEL_CLOSED:
	case LEVEL_CLOSED_PADDING:
		return true;
	case LEVEL_EPILOGUE:
		return give_held(m, at);
	default:
		return nothing_came(level) || multipart_fail(m, not_closed);
	}
}

static bool feed_level(struct multipart *m, size_t at, struct span in, bool last)
{
	bool good = true;

	while (good && in.n > 0) {
		switch ((enum level_state)m->levels[at].state) {
		case LEVEL_PREAMBLE:
		case LEVEL_CONTENT:
		case LEVEL_EPILOGUE:
			good = take_text(m, at, &in);
			break;
		case LEVEL_HEAD:
			good = multipart_take_head(m, at, &in);
			break;
		default:
			good = take_behind_boundary(m, at, &in);
		}
	}
	return good && (!last || finish_level(m, at));
}

enum multipart_result multipart_feed(
	struct multipart *m, struct span in, bool last, const struct multipart_sink *sink)
{
	bool good;

	if (m->failure != NULL)
		return MULTIPART_BAD;
	m->sink = sink;
	good = feed_level(m, 0, in, last);
	m->sink = NULL;
	if (!good)
		return MULTIPART_BAD;
	return last ? MULTIPART_END : MULTIPART_MORE;
}

size_t multipart_lag(const struct multipart *m)
{
	size_t lag = m->line_n;

	for (size_t i = 0; i < m->depth; i++)
		lag += m->levels[i].matched - m->levels[i].from;
	if (m->encoding == MULTIPART_BASE64)
		lag += base64_mime_lag(&m->decoder.base64);
	else if (m->encoding == MULTIPART_QUOTED_PRINTABLE)
		lag += quoted_printable_lag(&m->decoder.quoted_printable);
	return lag;
}
