/*
 * Encoded runs: the first octet says how the rest is cut. In pieces, octet by octet and whole, with and
 * without the fast way to skip, each track holds what the oracle says, and no more than went in; the lag is
 * within its bound. A second reading makes texts of few characters, where runs are long.
 */
#include "tests/unit/runs_oracle.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_IN 4096

static const char likely[] = "Aa4b2Z_\n\r\t 0x0x,:-\\%;=+/9gGvV7A1f";

static void require(bool truth, const char *what)
{
	if (truth)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void feed(struct span in, size_t step, bool simd, struct oracle_tracks *out)
{
	static struct runs v;
	size_t fed = 0;
	oracle_clear(out);
	runs_init(&v);
	v.simd = simd;
	do {
		size_t n = in.n - fed < step ? in.n - fed : step;
		/* Of its exact size, so that the address sanitizer sees a look past its end. */
		char *piece = malloc(n + (n == 0));
		require(piece != NULL, "memory");
		memcpy(piece, in.p + fed, n);
		fed += n;
		runs_feed(&v, (struct span){piece, n}, fed == in.n, oracle_collect, out);
		free(piece);
		require(runs_lag(&v) <= RUNS_MAX_LAG && runs_lag(&v) <= fed, "lag");
	} while (fed < in.n);
	require(runs_lag(&v) == 0, "lag at the end");
}

static void check(struct span in, size_t step)
{
	static struct oracle_tracks expected, out;
	oracle_runs(in, &expected);
	for (int i = 0; i < RUNS_TRACKS; i++)
		require(expected.of[i].n <= in.n, "size");
	for (int simd = 0; simd < 2; simd++) {
		size_t steps[] = {in.n + 1, step, 1};
		for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
			feed(in, steps[i], simd, &out);
			require(oracle_same(&expected, &out), "output");
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[SIZE_MAX_IN];
	if (size < 1 || size > SIZE_MAX_IN)
		return 0;
	size_t step = 2 + data[0] % 100;
	check((struct span){(const char *)data + 1, size - 1}, step);
	for (size_t i = 1; i < size; i++)
		text[i - 1] = likely[data[i] % (sizeof(likely) - 1)];
	check((struct span){text, size - 1}, step);
	return 0;
}
