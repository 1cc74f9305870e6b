/*
 * Bodies that are meant to cost too much: whatever they are, the tree of views stays within its bounds, and
 * what it could not look at is said to be so.
 */
#include "pipelock/scan/node.h"
#include "tests/unit/views_bodies.h"

#define FLOOD (1u << 20)
#define PIECE (16u * 1024)
#define MEMORY_MAX (32u << 20) /* octets of one tree */

static char text[FLOOD];

/* The last tree that was given back is the next one to be taken. */
static const struct views *views_in_use(void)
{
	struct views *views = scanner_take_views(scanner);
	assert_non_null(views);
	scanner_give_views(scanner, views);
	return views;
}

static size_t memory_of(const struct views *views)
{
	size_t n = sizeof(*views);
	for (size_t i = 0; i < views->node_count; i++) {
		const struct node *node = views->nodes[i];
		n += sizeof(*node) + node->lane.capacity;
		if (node->has_lane)
			n += scanner->set->count * (sizeof(struct rule_state) + sizeof(uint32_t));
		for (int s = 0; s < STAGES; s++)
			if (node->stages[s])
				n += sizeof(struct stage) + node->stages[s]->kind->size;
	}
	return n;
}

static void check_bounds(const struct views *views, const char *name)
{
	if (views->node_count > VIEWS_NODES + VIEWS_KEPT || views->live_count > VIEWS_NODES)
		fail_msg("%s: %zu nodes, %zu of them live", name, views->node_count, views->live_count);
	if (memory_of(views) > MEMORY_MAX)
		fail_msg("%s: %zu octets of memory", name, memory_of(views));
}

/* What it gave in the end. */
static enum scan_result flood(const char *name, size_t n, size_t piece, struct span content_type)
{
	struct findings findings = {.policy = FINDINGS_REPORT_ONLY};
	enum scan_result result = SCAN_CLEAN;
	const struct views *views = views_in_use();
	struct scan_stream *stream =
		scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, content_type, &findings);
	assert_non_null(stream);
	scan_stream_report_only(stream);
	uint64_t safe = 0;
	for (size_t at = 0; at < n && result != SCAN_UNSCANNABLE; at += piece) {
		size_t size = n - at < piece ? n - at : piece;
		result = scan_stream_feed(stream, (struct span){text + at, size}, at + size == n, &findings);
		uint64_t now = scan_stream_safe(stream);
		assert_true(now >= safe && now <= at + size);
		safe = now;
		check_bounds(views, name);
	}
	/* Clean means that all of it was looked at. */
	if (result != SCAN_UNSCANNABLE) {
		assert_null(findings.unscannable);
		assert_int_equal(safe, n);
		assert_int_equal(scan_stream_scanned(stream), n);
	}
	assert_int_equal(result == SCAN_UNSCANNABLE, findings.unscannable != NULL);
	scan_stream_free(stream);
	/* What is kept for the next text is little. */
	views = views_in_use();
	assert_true(views->node_count <= VIEWS_KEPT);
	assert_true(memory_of(views) < MEMORY_MAX / 4);
	return result;
}

static void repeat(struct span unit)
{
	for (size_t at = 0; at < FLOOD; at++)
		text[at] = unit.p[at % unit.n];
}

#define UNIT(text)                                                                                           \
	{                                                                                                    \
		text, sizeof(text) - 1                                                                       \
	}

static const struct span units[] = {UNIT("a"), UNIT("A"), UNIT("0"), UNIT("/"), UNIT("7 "), UNIT("4,"),
	UNIT("\xff"), UNIT("\xc3\xa9"), UNIT("\n"), UNIT("\0"), UNIT("\x01"), UNIT(" "), UNIT("%"),
	UNIT("%25"), UNIT("%2525"), UNIT("\\"), UNIT("\\u005c"), UNIT("\\\\"), UNIT("&"), UNIT("&#38;"),
	UNIT("&amp;"), UNIT("%5cu0025"), UNIT("&#00000000000000000000000000037;"), UNIT("\xe2\x80\x8b"),
	UNIT("a\xcc\x81"), UNIT("\xf3\xa0\x81\x81"), UNIT("\xef\xbc\xa1"),
	UNIT("\xef\xb8\x80"
	     "a"),
	UNIT("{"), UNIT("["), UNIT("\""), UNIT("\"a\":"), UNIT("1,"), UNIT("\"Abcdefgh12\","),
	UNIT("{\"Ab12\":\"Cd34\"}"), UNIT("[\"x\\\""), UNIT("\x1e"), UNIT("\"{\\\"Ab12\\\":\\\"Cd34\\\"}\","),
	UNIT("PK\3\4"), UNIT("PK\3\4aa\0\0\x08\0aaaaaaaaaaaaaaaa\0\0\0\0\xff"), UNIT("(\xb5/\xfd"),
	UNIT("\x1f\x8b\x08"), UNIT("\x1f\x8b\x08\0\0\0\0\0\0\x03\x07"),
	UNIT("\x1f\x8b\x08\x10\0\0\0\0\0\x03"), UNIT("\x1f\x8b\x08\x1c\0\0\0\0\0\x03\1\0aa\0b\0\xff"),
	UNIT("(\xb5/\xfd\x20\0\x01\0\0x"), UNIT("\x78\x9c"), UNIT("QUtJQUFLSUFBS0lBQUtJQQ== "),
	UNIT("QUtJQUFLSUFBS0lBQUtJQQ\n"), UNIT("414b4941 "), UNIT("0x41,"), UNIT("ABCDEFGHIJKLMNOPQRSTUVWX "),
	UNIT("abcdefghijklmnopqrstuvwx ")};

static void test_units(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		repeat(units[i]);
		flood(units[i].p, FLOOD, PIECE, SPAN(""));
	}
}

static void test_typed_units(void **state)
{
	(void)state;
	static const struct span forms[] = {
		{"=", 1}, {"&", 1}, {"+", 1}, {"a=1&", 4}, {"%41=%42&", 8}, {"Ab12=Cd34Ef56&", 14}};
	static const struct span events[] = {
		{"data:a\n", 7}, {":\n", 2}, {"data: {\"a\":\"Ab12\"}\n\n", 20}, {"data\r", 5}};
	static const struct span parts[] = {
		{"--b\r\nA: b\r\n\r\nx\r\n", 16}, {"\r\n--", 4}, {"\r", 1}, {"--b\r\n", 5}, {"--b", 3}};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		repeat(forms[i]);
		flood(forms[i].p, FLOOD, PIECE, SPAN("application/x-www-form-urlencoded"));
	}
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		repeat(events[i]);
		flood(events[i].p, FLOOD, PIECE, SPAN("text/event-stream"));
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		repeat(parts[i]);
		assert_int_equal(flood(parts[i].p, FLOOD, PIECE, SPAN("multipart/form-data; boundary=b")),
			SCAN_UNSCANNABLE);
	}
}

static void test_noise(void **state)
{
	(void)state;
	uint32_t seed = 1;
	static const struct span alphabets[] = {{ALPHANUMERIC "+/", 64}, {"0123456789abcdef", 16},
		{ALPHANUMERIC, 62}, {"{}[]\":,\\ abc12", 15}, {"%u\\x&#;0123456789abcdefAMP", 26}};
	for (size_t i = 0; i < FLOOD; i++)
		text[i] = (char)views_random(&seed);
	assert_int_equal(flood("octets", FLOOD, PIECE, SPAN("")), SCAN_CLEAN);
	for (size_t k = 0; k < sizeof(alphabets) / sizeof(alphabets[0]); k++) {
		for (size_t i = 0; i < FLOOD; i++)
			text[i] = i % 33 == 32 ? ' ' : alphabets[k].p[views_random(&seed) % alphabets[k].n];
		flood(alphabets[k].p, FLOOD, PIECE, SPAN(""));
	}
}

/* ---- everything in everything */

static encoder *const encoders[] = {encode_base64, encode_base64url, encode_base32, encode_base32_lower,
	encode_base32hex, encode_hex, encode_hex_comma, encode_percent, encode_utf16le, encode_gzip,
	encode_zip, encode_zstd};
#define ENCODERS (sizeof(encoders) / sizeof(encoders[0]))

/* Short texts, each encoded `depth` times in ways of its own: every node of the tree that there can be is
 * wanted. */
static void mix(unsigned depth, size_t unit, uint32_t seed)
{
	static struct blob now, next;
	size_t n = 0;
	while (n < FLOOD) {
		now.n = 0;
		add_random(&now, ALPHANUMERIC "  -_{}\":,", unit, &seed);
		for (unsigned i = 0; i < depth; i++) {
			/* UTF-16 is of ASCII only. */
			encoder *encode = encoders[views_random(&seed) % ENCODERS];
			if (encode == encode_utf16le && i > 0)
				continue;
			encode(&now, &next);
			blob_set(&now, blob_span(&next));
		}
		blob_add_text(&now, views_random(&seed) % 2 ? " " : ",");
		size_t some = FLOOD - n < now.n ? FLOOD - n : now.n;
		memcpy(text + n, now.p, some);
		n += some;
	}
}

static void test_everything_in_everything(void **state)
{
	(void)state;
	static const size_t pieces[] = {PIECE, 700, FLOOD};
	for (unsigned depth = 1; depth <= 4; depth++) {
		mix(depth, depth < 3 ? 150 : 20, depth);
		flood("everything", FLOOD, pieces[depth % 3], SPAN(""));
		flood("everything, of a part", FLOOD / 4, pieces[depth % 3], SPAN("application/json"));
	}
}

/* ---- packed */

/* One behind the other, with something between. */
static void repeat_packed(encoder *encode, size_t zeros)
{
	static struct blob plain, packed;
	plain.n = zeros;
	memset(plain.p, 'a', zeros);
	encode(&plain, &packed);
	blob_add_text(&packed, "x");
	repeat(blob_span(&packed));
}

static void test_small_bombs(void **state)
{
	(void)state;
	encoder *const packers[] = {encode_gzip, encode_zstd, encode_zip};
	for (size_t i = 0; i < 3; i++) {
		repeat_packed(packers[i], 200000);
		assert_int_equal(flood("bombs", FLOOD, PIECE, SPAN("")), SCAN_UNSCANNABLE);
	}
}

/* Each level would multiply what the one before it gives. */
static void test_a_bomb_in_a_bomb(void **state)
{
	(void)state;
	static struct blob plain, packed, bombs;
	plain.n = 200000;
	memset(plain.p, 'a', plain.n);
	encode_gzip(&plain, &packed);
	for (int level = 0; level < 2; level++) {
		bombs.n = 0;
		while (bombs.n + packed.n < BLOB_MAX / 2) {
			blob_add(&bombs, packed.p, packed.n);
			blob_add_text(&bombs, "x");
		}
		encode_gzip(&bombs, &packed);
	}
	memcpy(text, packed.p, packed.n);
	assert_int_equal(flood("bomb", packed.n, PIECE, SPAN("")), SCAN_UNSCANNABLE);
}

/* What is packed as people pack it is looked at as a whole. */
static void test_honest_archives(void **state)
{
	(void)state;
	static struct blob plain, archive;
	uint32_t seed = 5;
	archive.n = 0;
	for (unsigned i = 0; archive.n < BLOB_MAX / 2; i++) {
		char name[20];
		plain.n = 0;
		for (unsigned line = 0; line < 20 + i % 200; line++)
			blob_printf(&plain, "%u: the line has number %u and some words\n",
				views_random(&seed) % 1000, line);
		snprintf(name, sizeof(name), "file-%u.txt", i);
		add_zip_entry(&archive, name, &plain, true);
	}
	memcpy(text, archive.p, archive.n);
	assert_int_equal(flood("archive", archive.n, PIECE, SPAN("")), SCAN_CLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_typed_units),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_everything_in_everything),
		cmocka_unit_test(test_small_bombs),
		cmocka_unit_test(test_a_bomb_in_a_bomb),
		cmocka_unit_test(test_honest_archives),
	};

	return cmocka_run_group_tests(tests, set_up_scanner, tear_down_scanner);
}
