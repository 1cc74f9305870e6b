/* Forms joined, against any octets. */
#include "pipelock/scan/form_join.h"
#include "tests/fuzz/fuzz_join.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void join(struct span in, size_t step, struct fuzz_joined *out)
{
	static struct form_join v;

	form_join_init(&v);
	while (in.n > 0) {
		struct span piece = fuzz_next_piece(&in, step);

		form_join_feed(&v, piece, in.n == 0, fuzz_take, out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_joined out;

	if (size < 2)
		return 0;
	out = fuzz_check_join(join, data, size);
	REQUIRE(out.n[FORM_VALUES] + out.n[FORM_NAMES] < size);
	REQUIRE(out.n[FORM_PAIRS] <= size - 1 + (size - 1) / 4 + 2);
	return 0;
}
