/*
 * base64 of MIME parts: whole, octet by octet, and in pieces of the size that the first octet says the same
 * comes out, and the lag keeps to its bound. Where nothing was malformed, what came out is what the letters
 * say, six bits each.
 */
#include "pipelock/scan/base64_mime.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	size_t n;
	uint64_t hash;
	bool malformed;
};

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void take(void *arg, struct span octets)
{
	struct outcome *outcome = arg;

	require(octets.n > 0 && octets.n <= BASE64_MIME_OUT);
	for (size_t i = 0; i < octets.n; i++)
		outcome->hash = (outcome->hash ^ (unsigned char)octets.p[i]) * 1099511628211u;
	outcome->n += octets.n;
}

static struct outcome run(struct span in, size_t step)
{
	static struct base64_mime v;
	struct outcome outcome = {0};
	size_t fed = 0;

	base64_mime_init(&v);
	while (in.n > step) {
		base64_mime_feed(&v, (struct span){in.p, step}, false, take, &outcome);
		in.p += step;
		in.n -= step;
		fed += step;
		require(base64_mime_lag(&v) <= BASE64_MIME_MAX_LAG);
		require(base64_mime_lag(&v) + outcome.n <= fed);
	}
	base64_mime_feed(&v, in, true, take, &outcome);
	require(base64_mime_lag(&v) == 0);
	outcome.malformed = v.malformed;
	return outcome;
}

static void require_same(struct outcome a, struct outcome b)
{
	require(a.n == b.n && a.hash == b.hash && a.malformed == b.malformed);
}

/* Bit by bit. */
static struct outcome reckon(struct span in)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct outcome outcome = {0};
	unsigned octet = 0, bits = 0;

	for (size_t i = 0; i < in.n; i++) {
		const char *letter = memchr(alphabet, in.p[i], sizeof(alphabet) - 1);

		for (int bit = 5; letter != NULL && bit >= 0; bit--) {
			octet = octet << 1 | ((unsigned)(letter - alphabet) >> bit & 1);
			if (++bits % 8 != 0)
				continue;
			take(&outcome, (struct span){(const char[]){(char)octet}, 1});
		}
	}
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in;
	struct outcome whole;

	if (size == 0)
		return 0;
	in = (struct span){(const char *)data + 1, size - 1};
	whole = run(in, SIZE_MAX);
	if (!whole.malformed)
		require_same(whole, reckon(in));
	require_same(whole, run(in, 1));
	require_same(whole, run(in, (size_t)data[0] + 2));
	return 0;
}
