/* JSON joined, against any octets. */
#include "pipelock/scan/json_join.h"
#include "tests/fuzz/fuzz_join.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void join(struct span in, size_t step, struct fuzz_joined *out)
{
	static struct json_join v;
	size_t fed = 0;

	json_join_init(&v);
	while (in.n > 0) {
		struct span piece = fuzz_next_piece(&in, step);

		json_join_feed(&v, piece, in.n == 0, fuzz_take, out);
		fed += piece.n;
		REQUIRE(json_join_lag(&v) <= fed && json_join_lag(&v) <= JSON_JOIN_LAG);
	}
	REQUIRE(json_join_lag(&v) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_joined out;

	if (size < 2)
		return 0;
	out = fuzz_check_join(join, data, size);
	REQUIRE(out.n[JSON_VALUES] + out.n[JSON_KEYS] < size);
	REQUIRE(out.n[JSON_PAIRS] <= size);
	return 0;
}
