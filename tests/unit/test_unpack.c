/*
 * Compressed data that nobody announces, wherever it begins and however it is cut; what only looks so; and
 * what would unpack to too much.
 */
#include "pipelock/scan/unpack.h"
#include "tests/unit/encode.h"

#include <setjmp.h>

#include <cmocka.h>

static struct unpack v;
static struct blob text, packed, in, want, out;

static void take(void *arg, struct span octets)
{
	blob_add(arg, octets.p, octets.n);
}

static void begin(void)
{
	memset(&v, 0x5a, sizeof(v));
	unpack_init(&v);
	out.n = 0;
}

static bool feed_copy(struct span piece, bool last)
{
	char *copy = malloc(piece.n + (piece.n == 0));
	assert_non_null(copy);
	if (piece.n > 0)
		memcpy(copy, piece.p, piece.n);
	bool ok = unpack_feed(&v, (struct span){copy, piece.n}, last, take, &out);
	free(copy);
	return ok;
}

/* false: over a budget. */
static bool may_feed_in_pieces(struct span octets, size_t size, bool end_apart)
{
	bool ok = true;
	begin();
	for (size_t at = 0; ok && at < octets.n; at += size) {
		struct span piece = {octets.p + at, octets.n - at < size ? octets.n - at : size};
		ok = feed_copy(piece, !end_apart && at + piece.n == octets.n);
		assert_true(unpack_lag(&v) <= at + piece.n);
	}
	if (ok && (end_apart || octets.n == 0))
		ok = feed_copy(SPAN(""), true);
	unpack_release(&v);
	return ok;
}

static void feed_in_pieces(struct span octets, size_t size, bool end_apart)
{
	assert_true(may_feed_in_pieces(octets, size, end_apart));
}

/* `in` gives `want`, in every way. */
static void check(void)
{
	for (size_t size = 1; size <= in.n; size = size < 40 ? size + 1 : size * 2) {
		feed_in_pieces(blob_span(&in), size, size & 1);
		if (!span_equals(blob_span(&out), blob_span(&want)))
			fail_msg("in pieces of %zu: '%.*s', not '%.*s'", size, SPAN_ARG(blob_span(&out)),
				SPAN_ARG(blob_span(&want)));
	}
	feed_in_pieces(blob_span(&in), in.n + 1, false);
	assert_true(span_equals(blob_span(&out), blob_span(&want)));
}

static void set_text(void)
{
	blob_set(&text, SPAN("what is packed is unpacked, what is packed is unpacked\n"));
}

/* The text packed, behind `before`, with `after` behind it. */
static void check_packed(encoder *encode, struct span before, struct span after)
{
	set_text();
	encode(&text, &packed);
	blob_set(&in, before);
	blob_add(&in, packed.p, packed.n);
	blob_add(&in, after.p, after.n);
	blob_set(&want, blob_span(&text));
	blob_add_text(&want, VIEW_BREAK);
	check();
}

static void test_each_packing(void **state)
{
	(void)state;
	check_packed(encode_gzip, SPAN(""), SPAN(""));
	check_packed(encode_zlib, SPAN(""), SPAN(""));
	check_packed(encode_zstd, SPAN(""), SPAN(""));
}

static void test_it_begins_anywhere(void **state)
{
	(void)state;
	static const struct span before[] = {{"x", 1}, {"P", 1}, {"PK\x03", 3}, {"\x1f", 1}, {"\x1f\x8b", 2},
		{"\x28\xb5\x2f", 3}, {"\x28\x28\xb5", 3}, {"\x78", 1}, {"\x08", 1},
		{"some text before it", 19}};
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		check_packed(encode_gzip, before[i], SPAN(""));
		check_packed(encode_zstd, before[i], SPAN(""));
	}
}

static void test_something_follows(void **state)
{
	(void)state;
	static const struct span after[] = {
		{"x", 1}, {"some text", 9}, {"\x1f", 1}, {"\0\0\0\0\0\0\0\0\0\0\0\0\0", 13}};
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		check_packed(encode_gzip, SPAN("x"), after[i]);
		check_packed(encode_zlib, SPAN(""), after[i]);
		check_packed(encode_zstd, SPAN("x"), after[i]);
	}
}

/* zlib has no signature worth the name: only where the octets begin, or a line. */
static void test_where_zlib_is_looked_for(void **state)
{
	(void)state;
	static const struct span lines[] = {{"\n", 1}, {"x\n", 2}, {"8\n", 2}, {"P\n", 2}, {"\x1f\x8b\n", 3},
		{"\n\n", 2}, {"some words, and a line end\n", 27}};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		check_packed(encode_zlib, lines[i], SPAN("x"));
	set_text();
	encode_zlib(&text, &packed);
	blob_set(&in, SPAN("\nx"));
	blob_add(&in, packed.p, packed.n);
	want.n = 0;
	check();
}

/* ---- zip */

static void test_zip_entries(void **state)
{
	(void)state;
	set_text();
	blob_set(&in, SPAN("MZ an archive may have a program in front"));
	add_zip_entry(&in, "a.txt", &text, true);
	add_zip_entry(&in, "stored.bin", &text, false);
	add_zip_entry(&in, "", &text, true);
	blob_add_text(&in, "PK\x05\x06 and so on");
	blob_set(&want, blob_span(&text));
	blob_add_text(&want, VIEW_BREAK);
	blob_add(&want, text.p, text.n);
	blob_add_text(&want, VIEW_BREAK);
	check();
}

static void test_zip_entry_that_is_stored_or_encrypted(void **state)
{
	(void)state;
	set_text();
	in.n = want.n = 0;
	add_zip_entry(&in, "a.txt", &text, false);
	check();
	in.n = 0;
	add_zip_entry(&in, "a.txt", &text, true);
	in.p[6] |= 1;
	check();
}

/* A stored entry's octets are searched: it may be an archive itself. */
static void test_gzip_in_a_stored_entry(void **state)
{
	(void)state;
	set_text();
	encode_gzip(&text, &packed);
	in.n = 0;
	add_zip_entry(&in, "a.gz", &packed, false);
	blob_set(&want, blob_span(&text));
	blob_add_text(&want, VIEW_BREAK);
	check();
}

static void test_zip_head_that_is_cut(void **state)
{
	(void)state;
	set_text();
	packed.n = 0;
	add_zip_entry(&packed, "name", &text, true);
	for (size_t n = 0; n <= UNPACK_ZIP_HEAD + 8; n++) {
		feed_in_pieces((struct span){packed.p, n}, 3, true);
		assert_true(out.n <= 1);
	}
}

/* ---- one behind the other */

static void add_packed(encoder *encode, bool again)
{
	static struct blob other;
	encode(&text, &other);
	blob_add(&in, other.p, other.n);
	blob_add(&want, text.p, text.n);
	if (!again)
		blob_add_text(&want, VIEW_BREAK);
}

static void test_one_behind_the_other(void **state)
{
	(void)state;
	set_text();
	in.n = want.n = 0;
	/* Members of gzip and frames of zstd go on as one. */
	add_packed(encode_gzip, true);
	add_packed(encode_gzip, false);
	blob_add_text(&in, "0123456789");
	add_packed(encode_zstd, true);
	add_packed(encode_zstd, false);
	blob_add_text(&in, "0123456789");
	add_packed(encode_gzip, false);
	check();
}

static encoder *const packers[] = {encode_gzip, encode_zstd, encode_zip};
#define PACKERS (sizeof(packers) / sizeof(packers[0]))

static bool came_out(const struct blob *what)
{
	return memmem(out.p, out.n, what->p, what->n) != NULL;
}

/* The end of the one is the beginning of the other. */
static void test_another_kind_right_behind(void **state)
{
	(void)state;
	static struct blob first, second;
	for (size_t a = 0; a < PACKERS; a++) {
		for (size_t b = 0; b < PACKERS; b++) {
			blob_set(&text, SPAN("this is the first text, to be packed"));
			packers[a](&text, &first);
			blob_set(&text, SPAN("this is the other text, to be packed"));
			packers[b](&text, &second);
			blob_set(&in, blob_span(&first));
			blob_add(&in, second.p, second.n);
			for (size_t size = 1; size < 200; size += 9) {
				feed_in_pieces(blob_span(&in), size, true);
				if (!came_out(&text))
					fail_msg("kind %zu behind kind %zu in pieces of %zu", b, a, size);
			}
		}
	}
}

/* ---- what is not sound */

/* As far as it is sound it comes out. */
static void test_cut_and_broken(void **state)
{
	(void)state;
	srand(1);
	text.n = 0;
	while (text.n < 3000)
		blob_printf(&text, "%d ", rand());
	for (size_t i = 0; i < PACKERS; i++) {
		packers[i](&text, &packed);
		size_t known = 0;
		for (size_t n = 0; n <= packed.n; n += 37) {
			feed_in_pieces((struct span){packed.p, n}, 1000, false);
			assert_true(out.n + 64 >= known);
			known = out.n;
		}
		for (unsigned round = 0; round < 200; round++) {
			blob_set(&in, blob_span(&packed));
			in.p[(size_t)rand() % in.n] = (char)rand();
			feed_in_pieces(blob_span(&in), 1 + (size_t)rand() % 500, true);
		}
	}
}

/* A signature in front of the real thing must not hide it. */
static void test_false_signatures(void **state)
{
	(void)state;
	static const struct span before[] = {{"\x1f\x8b", 2}, {"\x1f\x8b\x08\0\0\0\0\0\0\x03", 10},
		{"\x1f\x8b\x08\0\0\0\0\0\0\x03\x07", 11}, {"\x28\xb5\x2f\xfd\x08", 5}, {"PK\x03\x04", 4}};
	set_text();
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		for (size_t k = 0; k < PACKERS; k++) {
			packers[k](&text, &packed);
			blob_set(&in, before[i]);
			blob_add(&in, packed.p, packed.n);
			for (size_t size = 1; size < 200; size += 9) {
				feed_in_pieces(blob_span(&in), size, true);
				if (!came_out(&text))
					fail_msg("kind %zu behind false signature %zu, pieces of %zu", k, i,
						size);
			}
		}
	}
}

static void test_noise(void **state)
{
	(void)state;
	static const struct span seeds[] = {{"\x1f\x8b\x08", 3}, {"\x28\xb5\x2f\xfd", 4}, {"PK\x03\x04", 4},
		{"\x78\x9c", 2}, {"PK", 2}, {"\x1f\x8b", 2}, {"\0\0\0\0", 4}};
	for (unsigned seed = 1; seed < 400; seed++) {
		static struct blob other;
		srand(seed);
		in.n = 0;
		for (int i = 0; i < 40; i++) {
			struct span some = seeds[(size_t)rand() % (sizeof(seeds) / sizeof(seeds[0]))];
			char octet = (char)rand();
			blob_add(&in, some.p, some.n);
			for (int k = rand() % 30; k > 0; k--)
				blob_add(&in, &octet, 1);
		}
		/* A zstd frame may want a window that is over the budget. */
		bool ok = may_feed_in_pieces(blob_span(&in), in.n, false);
		blob_set(&other, blob_span(&out));
		assert_int_equal(may_feed_in_pieces(blob_span(&in), 1 + seed % 17, true), ok);
		assert_true(span_equals(blob_span(&out), blob_span(&other)));
	}
}

/* ---- hold-back */

/* What counts as decided has come out: what comes out later depends on octets behind those. */
static void test_lag(void **state)
{
	(void)state;
	srand(3);
	text.n = 0;
	while (text.n < 400)
		blob_printf(&text, "%d ", rand());
	for (size_t i = 0; i < PACKERS; i++) {
		static struct blob known;
		packers[i](&text, &packed);
		for (size_t n = 1; n < packed.n; n++) {
			begin();
			assert_true(feed_copy((struct span){packed.p, n}, false));
			size_t decided = n - (size_t)unpack_lag(&v);
			blob_set(&known, blob_span(&out));
			unpack_release(&v);
			/* The same octets up to there, then noise: what came out stays so. */
			begin();
			assert_true(feed_copy((struct span){packed.p, decided}, false));
			assert_true(out.n <= known.n);
			assert_memory_equal(out.p, known.p, out.n);
			unpack_release(&v);
		}
	}
}

static void test_a_signature_is_held(void **state)
{
	(void)state;
	begin();
	assert_true(feed_copy(SPAN("text PK\x03"), false));
	assert_int_equal(unpack_lag(&v), 3);
	assert_true(feed_copy(SPAN("x"), false));
	assert_int_equal(unpack_lag(&v), 0);
	assert_true(feed_copy(SPAN("\x28\xb5"), false));
	assert_int_equal(unpack_lag(&v), 2);
	unpack_release(&v);
}

/* ---- budgets */

static void count(void *arg, struct span octets)
{
	*(uint64_t *)arg += octets.n;
}

/* Nothing but zeros, a gigabyte of them. */
static size_t make_bomb(char *p, size_t room)
{
	static const char zeros[1 << 16];
	ZSTD_CCtx *context = ZSTD_createCCtx();
	ZSTD_outBuffer to = {p, room, 0};
	assert_non_null(context);
	for (int i = 0; i < 1 << 14; i++) {
		ZSTD_inBuffer from = {zeros, sizeof(zeros), 0};
		while (from.pos < from.size)
			assert_false(
				ZSTD_isError(ZSTD_compressStream2(context, &to, &from, ZSTD_e_continue)));
	}
	ZSTD_inBuffer none = {NULL, 0, 0};
	assert_int_equal(ZSTD_compressStream2(context, &to, &none, ZSTD_e_end), 0);
	ZSTD_freeCCtx(context);
	return to.pos;
}

static void test_a_bomb_is_over_the_budget(void **state)
{
	(void)state;
	uint64_t produced = 0;
	size_t n = make_bomb(packed.p, sizeof(packed.p));
	begin();
	assert_false(unpack_feed(&v, (struct span){packed.p, n}, true, count, &produced));
	assert_true(produced < 256u << 20);
	unpack_release(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_packing),
		cmocka_unit_test(test_it_begins_anywhere),
		cmocka_unit_test(test_something_follows),
		cmocka_unit_test(test_where_zlib_is_looked_for),
		cmocka_unit_test(test_zip_entries),
		cmocka_unit_test(test_zip_entry_that_is_stored_or_encrypted),
		cmocka_unit_test(test_gzip_in_a_stored_entry),
		cmocka_unit_test(test_zip_head_that_is_cut),
		cmocka_unit_test(test_one_behind_the_other),
		cmocka_unit_test(test_another_kind_right_behind),
		cmocka_unit_test(test_cut_and_broken),
		cmocka_unit_test(test_false_signatures),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_lag),
		cmocka_unit_test(test_a_signature_is_held),
		cmocka_unit_test(test_a_bomb_is_over_the_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
