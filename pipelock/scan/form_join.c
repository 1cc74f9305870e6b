/*
 * Name or value: '=' after a name begins the value, '&' ends both.
 */
#include "pipelock/scan/form_join.h"

void form_join_init(struct form_join *v)
{
	memset(v, 0, sizeof(*v));
}

static void put(struct form_join *v, struct span octets)
{
	if (v->in_value) {
		join_put(&v->sink, FORM_VALUES, octets);
		join_put_value(&v->sink, FORM_PAIRS, octets);
	} else {
		join_put(&v->sink, FORM_NAMES, octets);
		join_put_name(&v->sink, FORM_PAIRS, octets);
	}
}

/* At most FORM_JOIN_STEP octets, with '+' as the space it stands for. */
static void put_spaced(struct form_join *v, struct span octets)
{
	if (octets.n == 0 || !memchr(octets.p, '+', octets.n)) {
		put(v, octets);
		return;
	}
	for (size_t i = 0; i < octets.n; i++)
		v->spaced[i] = octets.p[i] == '+' ? ' ' : octets.p[i];
	put(v, (struct span){v->spaced, octets.n});
}

static size_t read_some(struct form_join *v, struct span in)
{
	size_t most = in.n < FORM_JOIN_STEP ? in.n : FORM_JOIN_STEP;
	size_t n = join_span_until(in.p, most, '&', v->in_value ? '&' : '=');
	put_spaced(v, (struct span){in.p, n});
	if (n == most)
		return n;
	join_put(&v->sink, v->in_value ? FORM_VALUES : FORM_NAMES, SPAN(VALUES_END));
	v->in_value = in.p[n] == '=';
	if (!v->in_value)
		join_end_line(&v->sink, FORM_PAIRS);
	return n + 1;
}

void form_join_feed(struct form_join *v, struct span in, bool last, join_emit *emit, void *arg)
{
	v->sink.emit = emit;
	v->sink.arg = arg;
	while (in.n > 0) {
		size_t n = read_some(v, in);
		in.p += n;
		in.n -= n;
	}
	if (last)
		join_end_line(&v->sink, FORM_PAIRS);
	join_flush(&v->sink);
	v->sink.emit = NULL;
	v->sink.arg = NULL;
}
