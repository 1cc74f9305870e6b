/*
 * quoted-printable: whole, octet by octet, and in pieces of the size that the first octet says the same comes
 * out, never more than went in, and the lag keeps to its bound. Where nothing was malformed, every "=" is
 * gone but those that were written =3D.
 */
#include "pipelock/scan/quoted_printable.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	size_t n, signs;
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

	require(octets.n > 0);
	for (size_t i = 0; i < octets.n; i++) {
		outcome->hash = (outcome->hash ^ (unsigned char)octets.p[i]) * 1099511628211u;
		outcome->signs += octets.p[i] == '=';
	}
	outcome->n += octets.n;
}

static struct outcome run(struct span in, size_t step)
{
	static struct quoted_printable v;
	struct outcome outcome = {0};
	size_t fed = 0;

	quoted_printable_init(&v);
	while (in.n > step) {
		quoted_printable_feed(&v, (struct span){in.p, step}, false, take, &outcome);
		in.p += step;
		in.n -= step;
		fed += step;
		require(quoted_printable_lag(&v) <= QUOTED_PRINTABLE_MAX_LAG);
		require(quoted_printable_lag(&v) + outcome.n <= fed);
	}
	quoted_printable_feed(&v, in, true, take, &outcome);
	require(quoted_printable_lag(&v) == 0);
	outcome.malformed = v.malformed;
	return outcome;
}

static void require_same(struct outcome a, struct outcome b)
{
	require(a.n == b.n && a.hash == b.hash && a.malformed == b.malformed);
}

static size_t count_written_signs(struct span in)
{
	size_t count = 0;

	for (size_t i = 0; i + 2 < in.n; i++)
		count += in.p[i] == '=' && in.p[i + 1] == '3' && (in.p[i + 2] | 0x20) == 'd';
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in;
	struct outcome whole;

	if (size == 0)
		return 0;
	in = (struct span){(const char *)data + 1, size - 1};
	whole = run(in, SIZE_MAX);
	require(whole.n <= in.n);
	if (!whole.malformed)
		require(whole.signs == count_written_signs(in));
	require_same(whole, run(in, 1));
	require_same(whole, run(in, (size_t)data[0] + 2));
	return 0;
}
