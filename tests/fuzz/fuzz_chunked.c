/* The chunked coding and its trailers against any bytes: whole, octet by octet, and in pieces of the size the
 * first octet says. */
#include "tests/fuzz/fuzz_http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct decoded {
	enum http1_chunk_event last;
	size_t used, body;
	uint64_t sum; /* of the body's octets, with their places */
};

static void take(struct decoded *d, struct span data, const char *in, size_t n)
{
	REQUIRE(data.n > 0 && fuzz_is_inside(data, in, n));
	for (size_t i = 0; i < data.n; i++)
		d->sum = d->sum * 31 + (unsigned char)data.p[i];
	d->body += data.n;
}

static void feed(struct http1_chunked *c, struct decoded *d, const char *in, size_t n)
{
	size_t at = 0;

	do {
		enum http1_error error;
		struct span data;
		size_t used;

		d->last = http1_chunked_next(c, in + at, n - at, &used, &data, &error);
		REQUIRE(used <= n - at);
		REQUIRE((d->last == HTTP1_CHUNK_BAD) == (error != HTTP1_OK));
		if (d->last == HTTP1_CHUNK_DATA)
			take(d, data, in + at, n - at);
		at += used;
	} while (d->last == HTTP1_CHUNK_DATA);
	REQUIRE(d->last != HTTP1_CHUNK_MORE || at == n);
	d->used += at;
}

static struct decoded decode(const char *in, size_t n, size_t step)
{
	struct decoded d = {.last = HTTP1_CHUNK_MORE};
	struct http1_chunked c = {0};

	for (size_t at = 0; at < n && d.last == HTTP1_CHUNK_MORE; at += step)
		feed(&c, &d, in + at, n - at < step ? n - at : step);
	return d;
}

static void require_same(struct decoded a, struct decoded b)
{
	REQUIRE(a.last == b.last && a.used == b.used && a.body == b.body && a.sum == b.sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http1_head trailers;
	const char *in = (const char *)data + 1;
	struct decoded whole;

	if (size < 2)
		return 0;
	size--;
	whole = decode(in, size, size);
	require_same(whole, decode(in, size, 1));
	require_same(whole, decode(in, size, (size_t)data[0] + 2));
	if (whole.last == HTTP1_CHUNK_TRAILERS &&
		fuzz_check_parse(http1_parse_trailers, in + whole.used, size - whole.used, &trailers))
		fuzz_check_rewritten(http1_parse_trailers, &trailers, SPAN(""));
	return 0;
}
