/*
 * Pieces of joined text on their way out: gathered per track until they are worth a call.
 */
#include "pipelock/scan/join.h"

static void flush_track(struct join_sink *sink, unsigned track)
{
	size_t n = sink->used[track];
	sink->used[track] = 0;
	if (n > 0)
		sink->emit(sink->arg, track, (struct span){sink->gathered[track], n});
}

void join_put_long(struct join_sink *sink, unsigned track, struct span octets)
{
	flush_track(sink, track);
	if (octets.n >= sizeof(sink->gathered[track]) / 2)
		sink->emit(sink->arg, track, octets);
	else
		join_put(sink, track, octets);
}

void join_flush(struct join_sink *sink)
{
	for (unsigned track = 0; track < JOIN_TRACKS; track++)
		flush_track(sink, track);
}

void join_put_name(struct join_sink *sink, unsigned track, struct span octets)
{
	if (octets.n == 0)
		return;
	sink->line = JOIN_LINE_NAME;
	join_put(sink, track, octets);
}

void join_put_value(struct join_sink *sink, unsigned track, struct span octets)
{
	if (octets.n == 0)
		return;
	if (sink->line == JOIN_LINE_NAME)
		join_put(sink, track, SPAN(": "));
	if (sink->line != JOIN_LINE_VALUE)
		sink->line_value = 0;
	sink->line = JOIN_LINE_VALUE;
	size_t room = JOIN_PAIR_VALUE - sink->line_value;
	octets.n = octets.n < room ? octets.n : room;
	sink->line_value += octets.n;
	join_put(sink, track, octets);
}

void join_end_line(struct join_sink *sink, unsigned track)
{
	if (sink->line != JOIN_LINE_NONE)
		join_put(sink, track, SPAN(VIEW_BREAK));
	sink->line = JOIN_LINE_NONE;
}

size_t join_span_until(const char *p, size_t n, char a, char b)
{
	size_t i = 0;
	for (; n - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
		uint64_t word = join_load(p + i);
		uint64_t found = join_find_octet(word, a) | join_find_octet(word, b);
		if (found)
			return i + join_found_at(found);
	}
	while (i < n && p[i] != a && p[i] != b)
		i++;
	return i;
}
