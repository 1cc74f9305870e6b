/*
 * Event streams joined: each stream every way it can be cut, with each kind of line end, and held against a
 * slow reading of the standard.
 */
#include "pipelock/scan/events_join.h"
#include "tests/unit/join_ways.h"

static struct events_join v;
static struct joined out;

static void init(void *view)
{
	/* What an earlier text left behind must not show. */
	memset(view, 0x5a, sizeof(v));
	events_join_init(view);
}

static void feed(void *view, struct span in, bool last, join_emit *emit, void *arg)
{
	events_join_feed(view, in, last, emit, arg);
}

static const struct join_view view = {&v, EVENTS_JOIN_TRACKS, init, feed};

static void check(struct span text, struct span data)
{
	join_every_way(&view, text, &out);
	assert_track(&out, EVENTS_DATA, text, data);
}

/* With LF as it is written, and with CR LF and CR in its place. */
static void check_line_ends(struct span text, struct span data)
{
	char other[512];
	size_t n = 0;

	assert_true(text.n * 2 <= sizeof(other));
	check(text, data);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\n')
			other[n++] = '\r';
		other[n++] = text.p[i];
	}
	check((struct span){other, n}, data);
	for (size_t i = 0; i < text.n; i++)
		other[i] = text.p[i] == '\n' ? '\r' : text.p[i];
	check((struct span){other, text.n}, data);
}

#define CHECK(text, data) check_line_ends(SPAN(text), SPAN(data))

static void test_joins_events(void **state)
{
	(void)state;
	CHECK("", "");
	CHECK("data: gh\n\ndata: p_\n\ndata: abc\n\n", "ghp_abc");
	CHECK("data:gh\n\n\n\ndata:p_\n\n", "ghp_");
	CHECK("event: x\nid: 1\ndata: gh\nretry: 5\n\n: comment\n\nid: 2\ndata: p_\n\n", "ghp_");
}

static void test_lines_of_one_event(void **state)
{
	(void)state;
	CHECK("data: a\ndata: b\n\ndata: c\n\n", "a\nbc");
	CHECK("data: a\nid: 1\n: x\ndata: b\n\n", "a\nb");
	CHECK("data\ndata\n\ndata: x\n\n", "\nx");
	CHECK("data:\ndata: a\ndata:\n\n", "\na\n");
	CHECK("data\ndata: a\ndata\n\ndata\n\ndata: b\n\n", "\na\nb");
}

static void test_spaces_and_colons(void **state)
{
	(void)state;
	CHECK("data:  a \n\n", " a ");
	CHECK("data:\ta:b: c\n\n", "\ta:b: c");
	CHECK("data: :\n\ndata::\n\n", "::");
	CHECK("data: \n\ndata: x\n\n", "x");
	CHECK("data:data: x\n\n", "data: x");
}

static void test_other_fields(void **state)
{
	(void)state;
	CHECK("datax: a\n dat: b\n data: c\nDATA: d\ndat\ndata : e\n:data: f\nda: g\n\n", "");
	CHECK("x\ndata: a\n\n", "a");
	CHECK("\ndata: a", "a");
	CHECK("\0data: a\ndata: b\0c\n\n", "b\0c");
}

static void test_byte_order_mark(void **state)
{
	(void)state;
	CHECK("\xef\xbb\xbf"
	      "data: a\n\n",
		"a");
	CHECK("\xef\xbb\xbf\xef\xbb\xbf"
	      "data: a\ndata: b\n\n",
		"b");
	CHECK("\xef\xbb"
	      "data: a\ndata: b\n\n",
		"b");
	CHECK("\xef"
	      "ata: a\ndata: b\n\n",
		"b");
	CHECK("\xef\xbb"
	      "ta: a\ndata: b\n\n",
		"b");
	CHECK("\xef\ndata: a\n\n", "a");
	CHECK("data: a\n\xef\xbb\xbf"
	      "data: b\n\n",
		"a");
	CHECK("\xef\xbb\xbf\ndata: a\n\n", "a");
}

/* A receiver drops an event that was not ended; who looks for secrets doesn't. */
static void test_what_has_not_ended_counts(void **state)
{
	(void)state;
	CHECK("data: a\n\ndata: b", "ab");
	CHECK("data: a\ndata: b\n", "a\nb");
	join_begin(&view, &out);
	join_feed_copy(&view, SPAN("data: gh"), false, &out);
	assert_track(&out, EVENTS_DATA, SPAN("data: gh"), SPAN("gh"));
}

static void test_mixed_line_ends(void **state)
{
	(void)state;
	check(SPAN("data: a\r\n\rdata: b\n\r\ndata: c\r\rdata: d\n\n"), SPAN("abcd"));
	check(SPAN("data: a\r\ndata: b\r\n\r\ndata: c\n\rdata: d\r\n"), SPAN("a\nbcd"));
}

static void test_long_lines(void **state)
{
	static char text[12000];

	(void)state;
	for (size_t n = 500; n < 5000; n += 511) {
		static struct joined other;
		size_t size = (size_t)sprintf(text, "data: gh\n\n: ");
		memset(text + size, 'c', n);
		size += n;
		size += (size_t)sprintf(text + size, "\ndata: ");
		memset(text + size, 'v', n);
		size += n;
		size += (size_t)sprintf(text + size, "\n\ndata: p_\n\n");
		join_in_pieces(&view, (struct span){text, size}, size, size, false, &out);
		join_in_pieces(&view, (struct span){text, size}, 1, 1, false, &other);
		assert_joined_same(&out, &other, (struct span){text, size});
		assert_int_equal(out.n[EVENTS_DATA], n + 4);
		assert_memory_equal(out.text[EVENTS_DATA], "ghv", 3);
		assert_memory_equal(out.text[EVENTS_DATA] + n + 1, "vp_", 3);
	}
}

/* ---- the standard, read slowly: lines first, then fields (9.2.6) */

struct event {
	char buffer[256];
	size_t n;
};

static void dispatch(struct event *event, char *p, size_t *n)
{
	/* The last line feed is no part of the data. */
	if (event->n > 0) {
		memcpy(p + *n, event->buffer, event->n - 1);
		*n += event->n - 1;
	}
	event->n = 0;
}

static void read_line(struct event *event, struct span line)
{
	const char *colon = memchr(line.p, ':', line.n);
	size_t name = colon ? (size_t)(colon - line.p) : line.n;
	size_t from = name + (colon != NULL);

	if (name != 4 || memcmp(line.p, "data", 4) != 0)
		return;
	if (from < line.n && line.p[from] == ' ')
		from++;
	memcpy(event->buffer + event->n, line.p + from, line.n - from);
	event->n += line.n - from;
	event->buffer[event->n++] = '\n';
}

static size_t read_slowly(struct span text, char *p)
{
	struct event event = {.n = 0};
	size_t n = 0, at = 0, end;

	while (at < text.n) {
		for (end = at; end < text.n && text.p[end] != '\r' && text.p[end] != '\n';)
			end++;
		if (end == text.n)
			break;
		if (end == at)
			dispatch(&event, p, &n);
		else
			read_line(&event, (struct span){text.p + at, end - at});
		at = end + 1 + (text.p[end] == '\r' && end + 1 < text.n && text.p[end + 1] == '\n');
	}
	return n;
}

static void test_as_the_standard_reads_it(void **state)
{
	static const char *const pieces[] = {
		"data", ":", " ", "\n", "\r", "\r\n", "a", "data: b\n", "id: 1\n", "\n\n", "data:c\r", "d"};
	uint32_t random = 5;
	char text[128], want[256];

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t n = 0;

		for (size_t count = join_random(&random) % 12; count > 0; count--) {
			const char *piece = pieces[join_random(&random) % 12];

			memcpy(text + n, piece, strlen(piece));
			n += strlen(piece);
		}
		/* So that the last event has ended, and in a way that nothing else reads as a part of it. */
		memcpy(text + n, "\n\n", 2);
		n += 2;
		check((struct span){text, n}, (struct span){want, read_slowly((struct span){text, n}, want)});
		assert_true(out.n[EVENTS_DATA] <= n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joins_events),
		cmocka_unit_test(test_lines_of_one_event),
		cmocka_unit_test(test_spaces_and_colons),
		cmocka_unit_test(test_other_fields),
		cmocka_unit_test(test_byte_order_mark),
		cmocka_unit_test(test_what_has_not_ended_counts),
		cmocka_unit_test(test_mixed_line_ends),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_as_the_standard_reads_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
