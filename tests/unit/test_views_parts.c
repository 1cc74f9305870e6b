/*
 * A secret in the parts of a structured body, and split over them: JSON values and names, forms, events, the
 * parts of a multipart body; and under content codings. And that nothing of one text is seen in the next.
 */
#include "pipelock/scan/node.h"
#include "tests/unit/views_bodies.h"

static struct blob secret, harmless, text;

/* Where these octets stand in the body; its end: they can't be seen there. */
static size_t place_of(const struct blob *body, struct span octets)
{
	const char *seen = memmem(body->p, body->n, octets.p, octets.n);
	return seen ? (size_t)(seen - body->p) : body->n;
}

/* The extent covers the first and the last octets of the secret, and the last ones had not left. */
static void check_place(
	const struct body *body, const struct outcome *outcome, const struct finding *found, const char *name)
{
	struct span first = {secret.p, 4}, last = {secret.p + secret.n - 4, 4};
	size_t begin = place_of(body->text, first), end = place_of(body->text, last);
	bool is_whole = find_secret(&(struct findings){.count = 1, .items = {*found}}, &secret) != NULL;
	uint64_t from = found->offset, to = from + found->length;
	if (from > begin || (is_whole && end < body->text->n && to < end + last.n))
		fail_msg("%s: found in %lu to %lu, but stands from %zu to %zu", name, (unsigned long)from,
			(unsigned long)to, begin, end + last.n);
	if (outcome->safe >= to || (is_whole && outcome->safe > end))
		fail_msg("%s: %lu octets had left, the end stands at %zu", name, (unsigned long)outcome->safe,
			end);
}

static void expect(const struct body *body, size_t piece, const struct blob *what, const char *name)
{
	static struct outcome outcome;
	scan_body(body, piece, &outcome);
	if (outcome.findings.unscannable)
		fail_msg("%s: %s", name, outcome.findings.unscannable);
	if (what == &harmless) {
		if (outcome.findings.count > 0 || outcome.safe != body->text->n)
			fail_msg("%s, pieces of %zu: harmless words are %s", name, piece,
				outcome.findings.count ? outcome.findings.items[0].rule->id : "held back");
		return;
	}
	/* In pieces already the beginning of a long secret may be one. */
	const struct finding *found = find_secret(&outcome.findings, what);
	if (!outcome.findings.blocked || (!found && piece >= body->text->n))
		fail_msg(
			"%s, pieces of %zu: not found in %.*s", name, piece, SPAN_ARG(blob_span(body->text)));
	found = found ? found : &outcome.findings.items[0];
	check_place(body, &outcome, found, name);
}

/* Makes the body of a value. */
typedef void make_fn(const struct blob *value);

static void check(make_fn *make, struct body body, const char *name)
{
	static const size_t pieces[] = {BLOB_MAX, 1, 7, 4096};
	for (uint32_t seed = 0; seed < 6; seed++) {
		make_secret(&secret, seed);
		make_harmless(&harmless, secret.n);
		for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
			body.text = &text;
			text.n = 0;
			make(&secret);
			expect(&body, pieces[i], &secret, name);
			text.n = 0;
			make(&harmless);
			expect(&body, pieces[i], &harmless, name);
		}
	}
}

#define CHECK(make, type) check(make, (struct body){.content_type = SPAN(type)}, #make)

/* ---- split over values */

/* Piece i of n. */
static struct span piece_of(const struct blob *value, size_t i, size_t n)
{
	size_t from = value->n * i / n, to = value->n * (i + 1) / n;
	return (struct span){value->p + from, to - from};
}

static void json_array_of(const struct blob *value, size_t n)
{
	blob_add_text(&text, "{\"kind\": \"list\", \"values\": [true, ");
	for (size_t i = 0; i < n; i++)
		blob_printf(&text, "\"%.*s\", ", SPAN_ARG(piece_of(value, i, n)));
	blob_add_text(&text, "null]}");
}

static void json_array_of_2(const struct blob *value)
{
	json_array_of(value, 2);
}

static void json_array_of_4(const struct blob *value)
{
	json_array_of(value, 4);
}

static void json_members(const struct blob *value)
{
	blob_printf(&text,
		"{\"note\": \"two words\",\n \"a\": \"%.*s\",\n \"b\": {\"c\": \"%.*s\"},\n \"d\": "
		"[\"%.*s\"]}",
		SPAN_ARG(piece_of(value, 0, 3)), SPAN_ARG(piece_of(value, 1, 3)),
		SPAN_ARG(piece_of(value, 2, 3)));
}

static void json_names(const struct blob *value)
{
	blob_printf(&text, "{\"%.*s\": 1, \"%.*s\": {\"%.*s\": false}}", SPAN_ARG(piece_of(value, 0, 3)),
		SPAN_ARG(piece_of(value, 1, 3)), SPAN_ARG(piece_of(value, 2, 3)));
}

static void json_in_json(const struct blob *value)
{
	blob_printf(&text,
		"{\"call\": {\"arguments\": \"{\\\"a\\\": \\\"%.*s\\\", \\\"b\\\": \\\"%.*s\\\"}\"}}",
		SPAN_ARG(piece_of(value, 0, 2)), SPAN_ARG(piece_of(value, 1, 2)));
}

static void json_lines(const struct blob *value)
{
	for (size_t i = 0; i < 3; i++)
		blob_printf(&text, "{\"last\": %s, \"text\": \"%.*s\"}\n", i == 2 ? "true" : "false",
			SPAN_ARG(piece_of(value, i, 3)));
}

/* Numbers and other things stand between the pieces, far from one another. */
static void json_far_apart(const struct blob *value)
{
	for (size_t i = 0; i < 2; i++) {
		blob_printf(&text, "%*s{\"text\"  :  \"%.*s\"}\n", 3000, "", SPAN_ARG(piece_of(value, i, 2)));
		blob_printf(&text, "%*s\n", 2500, "");
	}
}

/* At the end of a long value, and the beginning of the next one. */
static void json_long_values(const struct blob *value)
{
	static struct blob words;
	make_harmless(&words, 5000);
	blob_printf(&text, "[\"%.*s %.*s\",\"%.*s %.*s\"]", SPAN_ARG(blob_span(&words)),
		SPAN_ARG(piece_of(value, 0, 2)), SPAN_ARG(piece_of(value, 1, 2)),
		SPAN_ARG(blob_span(&words)));
}

static void base64_over_values(const struct blob *value)
{
	static struct blob code;
	encode_base64(value, &code);
	json_array_of(&code, 3);
}

static void test_json(void **state)
{
	(void)state;
	CHECK(json_array_of_2, "application/json");
	CHECK(json_array_of_4, "");
	CHECK(json_members, "application/json; charset=utf-8");
	CHECK(json_names, "");
	CHECK(json_in_json, "application/json");
	CHECK(json_lines, "application/x-ndjson");
	CHECK(json_far_apart, "application/json");
	CHECK(json_long_values, "application/json");
	CHECK(base64_over_values, "application/json");
}

/* ---- forms and events */

static void form_value(const struct blob *value)
{
	blob_printf(&text, "a=1&key=%.*s&b=+2", SPAN_ARG(blob_span(value)));
}

static void form_value_escaped(const struct blob *value)
{
	static struct blob code;
	encode_percent(value, &code);
	form_value(&code);
}

static void form_values(const struct blob *value)
{
	blob_printf(&text, "n=two+words&a=%.*s&b=%.*s&c=%.*s&d=1", SPAN_ARG(piece_of(value, 0, 3)),
		SPAN_ARG(piece_of(value, 1, 3)), SPAN_ARG(piece_of(value, 2, 3)));
}

static void form_values_escaped(const struct blob *value)
{
	static struct blob code[2], half;
	for (size_t i = 0; i < 2; i++) {
		blob_set(&half, piece_of(value, i, 2));
		encode_percent(&half, &code[i]);
	}
	blob_printf(&text, "n=two+words&a=%.*s&b=%.*s", SPAN_ARG(blob_span(&code[0])),
		SPAN_ARG(blob_span(&code[1])));
}

static void form_names(const struct blob *value)
{
	blob_printf(&text, "%.*s=1&%.*s=2", SPAN_ARG(piece_of(value, 0, 2)), SPAN_ARG(piece_of(value, 1, 2)));
}

static void test_forms(void **state)
{
	(void)state;
	CHECK(form_value, "application/x-www-form-urlencoded");
	CHECK(form_value_escaped, "application/x-www-form-urlencoded");
	CHECK(form_value_escaped, "");
	CHECK(form_values, "application/x-www-form-urlencoded; charset=UTF-8");
	CHECK(form_values_escaped, "Application/X-WWW-Form-Urlencoded");
	CHECK(form_names, "application/x-www-form-urlencoded");
}

static void events(const struct blob *value)
{
	blob_add_text(&text, ": hello\n\ndata: two words \n\n");
	for (size_t i = 0; i < 5; i++)
		blob_printf(&text, "id: %zu\ndata: %.*s\n\n", i, SPAN_ARG(piece_of(value, i, 5)));
	blob_add_text(&text, "data:  and on\n\n");
}

static void events_of_json(const struct blob *value)
{
	for (size_t i = 0; i < 3; i++)
		blob_printf(&text, "data: {\"delta\": {\"text\": \"%.*s\"}}\n\n",
			SPAN_ARG(piece_of(value, i, 3)));
}

static void test_events(void **state)
{
	(void)state;
	CHECK(events, "text/event-stream");
	CHECK(events_of_json, "text/event-stream");
}

/* ---- multipart */

#define BOUNDARY "----x7MA4YWxkTrZu0gW"
#define MULTIPART "multipart/form-data; boundary=" BOUNDARY

static void add_part(const char *head, struct span content)
{
	blob_printf(&text, "--" BOUNDARY "\r\n%s\r\n\r\n", head);
	blob_add(&text, content.p, content.n);
	blob_add_text(&text, "\r\n");
}

/* The part stands between two others. */
static void put_part(const char *head, struct span content)
{
	add_part("Content-Disposition: form-data; name=\"first\"", SPAN("some words"));
	add_part(head, content);
	add_part("Content-Disposition: form-data; name=\"last\"", SPAN("more words"));
	blob_add_text(&text, "--" BOUNDARY "--\r\n");
}

#define FILE_HEAD "Content-Disposition: form-data; name=\"f\"; filename=\"f.bin\"\r\n"

static void part(const struct blob *value)
{
	put_part(FILE_HEAD "Content-Type: application/octet-stream", blob_span(value));
}

static void part_in_base64(const struct blob *value)
{
	static struct blob code;
	encode_base64_wrapped(value, &code);
	put_part(FILE_HEAD "Content-Transfer-Encoding: base64", blob_span(&code));
}

/* Every character escaped, in lines with soft ends. */
static void part_in_quoted_printable(const struct blob *value)
{
	static struct blob code;
	encode_quoted(value, &code);
	wrap(&code, 60, "=\r\n");
	put_part(FILE_HEAD "Content-Transfer-Encoding: Quoted-Printable", blob_span(&code));
}

/* Cut by soft line ends alone. */
static void part_with_soft_line_ends(const struct blob *value)
{
	static struct blob code;
	blob_set(&code, blob_span(value));
	wrap(&code, 5, "=\r\n");
	put_part(FILE_HEAD "Content-Transfer-Encoding: quoted-printable", blob_span(&code));
}

static void part_name(const struct blob *value)
{
	char head[400];
	snprintf(head, sizeof(head), "Content-Disposition: form-data; name=\"%.*s\"",
		SPAN_ARG(blob_span(value)));
	put_part(head, SPAN("words"));
}

/* With backslashes that a recipient takes out. */
static void part_filename(const struct blob *value)
{
	char head[600];
	size_t n =
		(size_t)snprintf(head, sizeof(head), "Content-Disposition: form-data; name=f; filename=\"");
	for (size_t i = 0; i < value->n; i++) {
		head[n++] = '\\';
		head[n++] = value->p[i];
	}
	head[n++] = '"';
	head[n] = 0;
	put_part(head, SPAN("words"));
}

static void part_extended_filename(const struct blob *value)
{
	static struct blob code;
	char head[600];
	encode_percent(value, &code);
	snprintf(head, sizeof(head), "Content-Disposition: form-data; name=f; filename*=UTF-8''%.*s",
		SPAN_ARG(blob_span(&code)));
	put_part(head, SPAN("words"));
}

static void part_field(const struct blob *value)
{
	char head[400];
	snprintf(head, sizeof(head), "Content-Disposition: form-data; name=f\r\nX-Note: %.*s",
		SPAN_ARG(blob_span(value)));
	put_part(head, SPAN("words"));
}

static void part_of_json(const struct blob *value)
{
	static struct blob whole;
	whole.n = 0;
	blob_printf(&whole, "{\"a\": \"%.*s\", \"b\": \"%.*s\"}", SPAN_ARG(piece_of(value, 0, 2)),
		SPAN_ARG(piece_of(value, 1, 2)));
	put_part("Content-Disposition: form-data; name=j\r\nContent-Type: application/json",
		blob_span(&whole));
}

static void part_packed(const struct blob *value)
{
	static struct blob packed;
	encode_gzip(value, &packed);
	put_part(FILE_HEAD "Content-Type: application/gzip", blob_span(&packed));
}

/* It has no signature, but begins a line of what the parts are as one text. */
static void part_in_zlib(const struct blob *value)
{
	static struct blob packed;
	encode_zlib(value, &packed);
	put_part(FILE_HEAD "Content-Type: application/octet-stream", blob_span(&packed));
}

static void part_packed_in_base64(const struct blob *value)
{
	static struct blob packed, code;
	encode_zip(value, &packed);
	encode_base64_wrapped(&packed, &code);
	put_part(FILE_HEAD "Content-Transfer-Encoding: base64", blob_span(&code));
}

static void part_in_hex(const struct blob *value)
{
	static struct blob code;
	encode_hex_colon(value, &code);
	put_part("Content-Disposition: form-data; name=h", blob_span(&code));
}

static void test_multipart(void **state)
{
	(void)state;
	CHECK(part, MULTIPART);
	CHECK(part_in_base64, MULTIPART);
	CHECK(part_in_quoted_printable, MULTIPART);
	CHECK(part_with_soft_line_ends, MULTIPART);
	CHECK(part_name, MULTIPART);
	CHECK(part_filename, MULTIPART);
	CHECK(part_extended_filename, MULTIPART);
	CHECK(part_field, MULTIPART);
	CHECK(part_of_json, MULTIPART);
	CHECK(part_packed, MULTIPART);
	CHECK(part_in_zlib, MULTIPART);
	CHECK(part_packed_in_base64, MULTIPART);
	CHECK(part_in_hex, MULTIPART);
}

static void test_multipart_that_is_malformed(void **state)
{
	(void)state;
	static const struct span types[] = {{"multipart/form-data", 19},
		{"multipart/form-data; boundary=", 30}, {MULTIPART, sizeof(MULTIPART) - 1}};
	blob_set(&text, SPAN("--" BOUNDARY "\r\nA: b\r\n\r\nno end"));
	for (size_t i = 0; i < 3; i++) {
		struct findings findings = {0};
		struct scan_stream *stream =
			scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, types[i], &findings);
		if (stream)
			assert_int_equal(scan_stream_feed(stream, blob_span(&text), true, &findings),
				SCAN_UNSCANNABLE);
		assert_non_null(findings.unscannable);
		if (stream)
			assert_int_equal(scan_stream_safe(stream), 0);
		scan_stream_free(stream);
	}
}

/* ---- content codings */

static void coded(const struct blob *value)
{
	static struct blob whole;
	blob_set(&whole, SPAN(""));
	blob_printf(&whole, "{\"model\": \"m\", \"text\": \"take %.*s along\"}", SPAN_ARG(blob_span(value)));
	encode_gzip(&whole, &text);
}

static void coded_base64(const struct blob *value)
{
	static struct blob code;
	encode_base64(value, &code);
	coded(&code);
}

static void coded_values(const struct blob *value)
{
	static struct blob whole;
	json_array_of(value, 4);
	blob_set(&whole, blob_span(&text));
	encode_zstd(&whole, &text);
}

static void coded_parts(const struct blob *value)
{
	static struct blob whole;
	part_in_base64(value);
	blob_set(&whole, blob_span(&text));
	encode_zlib(&whole, &text);
}

static void coded_twice(const struct blob *value)
{
	static struct blob once;
	coded_base64(value);
	blob_set(&once, blob_span(&text));
	encode_zlib(&once, &text);
}

static void test_codings(void **state)
{
	(void)state;
	check(coded, (struct body){.codings = {CODING_GZIP}, .coding_count = 1}, "coded");
	check(coded_base64, (struct body){.codings = {CODING_GZIP}, .coding_count = 1}, "coded_base64");
	check(coded_values, (struct body){.codings = {CODING_ZSTD}, .coding_count = 1}, "coded_values");
	check(coded_parts,
		(struct body){
			.content_type = SPAN(MULTIPART), .codings = {CODING_DEFLATE}, .coding_count = 1},
		"coded_parts");
	check(coded_twice, (struct body){.codings = {CODING_GZIP, CODING_DEFLATE}, .coding_count = 2},
		"coded_twice");
}

/* ---- one text and the next */

/* The first half at the end of one text, the second at the start of the next. */
static void check_halves(encoder *encode)
{
	static struct blob code, half;
	static struct outcome outcome;
	for (uint32_t seed = 0; seed < 6; seed++) {
		make_secret(&secret, seed);
		encode(&secret, &code);
		for (size_t i = 0; i < 2; i++) {
			blob_set(&half, piece_of(&code, i, 2));
			scan_body(&(struct body){.text = &half}, 1 + 600 * (seed & 1), &outcome);
			/* A long secret is still one when half of it is there. */
			assert_null(find_secret(&outcome.findings, &secret));
			assert_null(outcome.findings.unscannable);
		}
	}
}

static void encode_nothing(const struct blob *in, struct blob *out)
{
	blob_set(out, blob_span(in));
}

static void test_halves_of_two_texts(void **state)
{
	(void)state;
	check_halves(encode_nothing);
	check_halves(encode_base64);
	check_halves(encode_base32);
	check_halves(encode_hex_comma);
	check_halves(encode_percent);
	check_halves(encode_escaped_u);
	check_halves(encode_utf16le);
}

/* No octet of a text is left in a tree that waits for the next one. */
static bool holds(const void *memory, size_t n, const struct blob *needle)
{
	return memory && n >= needle->n && memmem(memory, n, needle->p, needle->n);
}

static void assert_wiped(const struct blob *needle)
{
	for (size_t i = 0; i < scanner->views_count; i++) {
		const struct views *views = scanner->views[i];
		assert_false(holds(views, sizeof(*views), needle));
		for (size_t k = 0; k < views->node_count; k++) {
			const struct node *node = views->nodes[k];
			assert_false(holds(node, sizeof(*node), needle));
			assert_false(holds(node->lane.text, node->lane.capacity, needle));
			for (int s = 0; s < STAGES; s++)
				if (node->stages[s])
					assert_false(holds(
						node->stages[s]->state, node->stages[s]->kind->size, needle));
		}
	}
}

static void test_nothing_stays_in_memory(void **state)
{
	(void)state;
	static make_fn *const makers[] = {json_array_of_2, json_names, json_in_json, base64_over_values,
		form_values_escaped, events_of_json, part_in_base64, part_in_quoted_printable, part_filename,
		part_packed_in_base64};
	static const struct span types[] = {{"application/x-www-form-urlencoded", 33},
		{"text/event-stream", 17}, {MULTIPART, sizeof(MULTIPART) - 1}, {"", 0}};
	static struct blob few;
	for (uint32_t i = 0; i < 40 * 10; i++) {
		struct findings findings = {0};
		make_secret(&secret, i);
		text.n = 0;
		makers[i % 10](&secret);
		struct scan_stream *stream =
			scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, types[i / 10 % 4], &findings);
		assert_non_null(stream);
		size_t n = i % 3 ? text.n : text.n / 3;
		for (size_t at = 0; at < n; at++)
			scan_stream_feed(
				stream, (struct span){text.p + at, 1}, i % 2 && at + 1 == n, &findings);
		scan_stream_free(stream);
		blob_set(&few, (struct span){secret.p + 8, 8});
		assert_wiped(&few);
	}
}

static void on_hold(void *arg, int64_t octets)
{
	int64_t *held = arg;
	*held += octets;
	assert_true(*held >= 0);
}

/* What texts in progress take is counted, and all of it is given back, even by one that was left in the
 * middle. */
static void test_memory_is_counted(void **state)
{
	(void)state;
	static struct blob packed;
	static const enum coding codings[] = {CODING_IDENTITY, CODING_GZIP};
	int64_t held = 0;
	struct findings findings;
	scanner_on_hold(scanner, on_hold, &held);
	for (unsigned i = 0; i < 4; i++) {
		struct scan_stream *streams[3];
		int64_t before = 0;
		blob_set(&text, SPAN("some words {\"a\": \"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk\"} "));
		encode_gzip(&text, &packed);
		blob_add(&text, packed.p, packed.n);
		encode_gzip(&text, &packed);
		for (size_t k = 0; k < 3; k++) {
			memset(&findings, 0, sizeof(findings));
			streams[k] = scan_stream_new(scanner, SCAN_BODY, NULL, &codings[i % 2], i % 2,
				(struct span){NULL, 0}, &findings);
			struct blob *body = i % 2 ? &packed : &text;
			scan_stream_feed(streams[k], (struct span){body->p, body->n}, i / 2, &findings);
			assert_true(i / 2 ? held == 0 : held > before + 50000);
			before = held;
		}
		for (size_t k = 0; k < 3; k++)
			scan_stream_free(streams[k]);
		assert_int_equal(held, 0);
	}
	scanner_on_hold(scanner, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_multipart),
		cmocka_unit_test(test_multipart_that_is_malformed),
		cmocka_unit_test(test_codings),
		cmocka_unit_test(test_halves_of_two_texts),
		cmocka_unit_test(test_nothing_stays_in_memory),
		cmocka_unit_test(test_memory_is_counted),
	};

	return cmocka_run_group_tests(tests, set_up_scanner, tear_down_scanner);
}
