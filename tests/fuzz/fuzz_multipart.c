/*
 * Multipart bodies: the first octet says how the body is cut, the line after it is its Content-Type. In
 * pieces and whole the answer and what is reported are the same, parts begin and end in order, fields are
 * clean, and no more content comes out than went in. Values of fields are also read for file names.
 */
#include "pipelock/scan/multipart.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	enum multipart_result result;
	const char *failure;
	size_t content, depth, parts, fields;
	uint64_t hash;
};

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void add(struct outcome *outcome, struct span octets)
{
	for (size_t i = 0; i < octets.n; i++)
		outcome->hash = (outcome->hash ^ (unsigned char)octets.p[i]) * 1099511628211u;
}

static void on_part_begin(void *arg)
{
	struct outcome *outcome = arg;

	require(++outcome->depth <= MULTIPART_MAX_DEPTH);
	require(++outcome->parts <= MULTIPART_MAX_PARTS);
	outcome->fields = 0;
	add(outcome, SPAN("<"));
}

/* Room of the exact size, so that the address sanitizer sees an octet too many. */
static void read_names(struct span value)
{
	char *out = malloc(value.n + (value.n == 0));
	size_t names, all;
	bool good;

	require(out != NULL);
	good = multipart_filename(value, out, value.n, &names);
	require(names <= value.n);
	if (multipart_parameters(value, out, value.n, &all))
		require(good && names <= all);
	require(all <= value.n);
	free(out);
}

static void on_field(void *arg, struct span name, struct span value)
{
	struct outcome *outcome = arg;

	require(++outcome->fields <= MULTIPART_MAX_FIELDS);
	require(name.n > 0 && name.n + value.n <= MULTIPART_MAX_HEAD);
	for (size_t i = 0; i < value.n; i++)
		require(value.p[i] != '\r' && value.p[i] != '\n' && value.p[i] != '\0');
	add(outcome, name);
	add(outcome, SPAN("="));
	add(outcome, value);
	add(outcome, SPAN("\n"));
	read_names(value);
}

static void on_body(void *arg, struct span octets)
{
	struct outcome *outcome = arg;

	require(octets.n > 0);
	outcome->content += octets.n;
	add(outcome, octets);
}

static void on_part_end(void *arg)
{
	struct outcome *outcome = arg;

	require(outcome->depth-- > 0);
	add(outcome, SPAN(">"));
}

static struct outcome run(struct span content_type, struct span in, size_t step)
{
	static struct multipart m;
	struct outcome outcome = {.result = MULTIPART_BAD};
	struct multipart_sink sink = {on_part_begin, on_field, on_body, on_part_end, &outcome};
	size_t fed = 0;

	if (multipart_init(&m, content_type) != MULTIPART_TYPE_OK)
		return outcome;
	do {
		size_t n = in.n < step ? in.n : step;
		bool last = n == in.n;

		outcome.result = multipart_feed(&m, (struct span){in.p, n}, last, &sink);
		require(outcome.result != MULTIPART_MORE || !last);
		require(outcome.result != MULTIPART_END || (last && outcome.depth == 0));
		require((outcome.result == MULTIPART_BAD) == (m.failure != NULL));
		in.p += n;
		in.n -= n;
		fed += n;
		if (outcome.result == MULTIPART_MORE)
			require(multipart_lag(&m) <= MULTIPART_MAX_LAG && multipart_lag(&m) <= fed);
		require(outcome.content <= fed);
	} while (outcome.result == MULTIPART_MORE);
	outcome.failure = m.failure;
	return outcome;
}

/* What came out of an encoding before it turned out malformed depends on the pieces. */
static void require_same(struct outcome a, struct outcome b)
{
	require(a.result == b.result && a.failure == b.failure && a.parts == b.parts);
	if (a.result == MULTIPART_END)
		require(a.content == b.content && a.hash == b.hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *in = (const char *)data + 1, *lf;
	struct span content_type, body;
	struct outcome whole;

	lf = size > 1 ? memchr(in, '\n', size - 1) : NULL;
	if (lf == NULL)
		return 0;
	content_type = (struct span){in, (size_t)(lf - in)};
	body = (struct span){lf + 1, size - 2 - content_type.n};
	read_names(content_type);
	whole = run(content_type, body, SIZE_MAX);
	require_same(whole, run(content_type, body, 1));
	require_same(whole, run(content_type, body, (size_t)data[0] + 2));
	return 0;
}
