/*
 * Lines end with CR LF, LF or CR. The first octets of a line are looked at one by one, the rest of it at
 * once.
 */
#include "pipelock/scan/events_join.h"

static const char byte_order_mark[] = "\xef\xbb\xbf";
static const char data_name[] = "data";
#define MARK_SIZE (sizeof(byte_order_mark) - 1)
#define NAME_SIZE (sizeof(data_name) - 1)

void events_join_init(struct events_join *v)
{
	memset(v, 0, sizeof(*v));
}

static void begin_line(struct events_join *v)
{
	v->place = EVENTS_FIELD;
	v->matched = 0;
}

static void begin_data(struct events_join *v)
{
	if (v->has_data)
		join_put(&v->sink, EVENTS_DATA, SPAN("\n"));
	v->has_data = true;
}

/* An empty line ends the event; "data" alone is a data line, an empty one. */
static void end_line(struct events_join *v, char c)
{
	if (v->place == EVENTS_FIELD && v->matched == 0)
		v->has_data = false;
	else if (v->place == EVENTS_FIELD && v->matched == NAME_SIZE)
		begin_data(v);
	v->after_cr = c == '\r';
	begin_line(v);
}

static void read_field(struct events_join *v, char c)
{
	if (v->matched < NAME_SIZE && c == data_name[v->matched]) {
		v->matched++;
	} else if (v->matched == NAME_SIZE && c == ':') {
		begin_data(v);
		v->place = EVENTS_COLON;
	} else {
		v->place = EVENTS_OTHER;
	}
}

/* Less than a whole mark is the beginning of some other name. */
static size_t read_start(struct events_join *v, char c)
{
	if (c != byte_order_mark[v->matched]) {
		v->place = v->matched > 0 ? EVENTS_OTHER : EVENTS_FIELD;
		return 0;
	}
	if (++v->matched == MARK_SIZE)
		begin_line(v);
	return 1;
}

static size_t read_rest(struct events_join *v, struct span in)
{
	size_t n = join_span_until(in.p, in.n, '\r', '\n');
	if (v->place == EVENTS_VALUE)
		join_put(&v->sink, EVENTS_DATA, (struct span){in.p, n});
	return n;
}

static size_t read_some(struct events_join *v, struct span in)
{
	char c = in.p[0];
	bool feed_of_cr = v->after_cr && c == '\n';
	v->after_cr = false;
	if (feed_of_cr)
		return 1;
	if (v->place == EVENTS_START)
		return read_start(v, c);
	if (c == '\r' || c == '\n') {
		end_line(v, c);
		return 1;
	}
	if (v->place == EVENTS_FIELD) {
		read_field(v, c);
		return 1;
	}
	if (v->place == EVENTS_COLON) {
		v->place = EVENTS_VALUE;
		return c == ' ';
	}
	return read_rest(v, in);
}

void events_join_feed(struct events_join *v, struct span in, bool last, join_emit *emit, void *arg)
{
	(void)last; /* what there is has come out */
	v->sink.emit = emit;
	v->sink.arg = arg;
	while (in.n > 0) {
		size_t n = read_some(v, in);
		in.p += n;
		in.n -= n;
	}
	join_flush(&v->sink);
	v->sink.emit = NULL;
	v->sink.arg = NULL;
}
