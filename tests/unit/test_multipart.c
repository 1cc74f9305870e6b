/*
 * Multipart bodies in every way they can be fed. What is reported is written down as text: < and > for the
 * begin and end of a part, [name=value] for a field, content as it is.
 */
#include "pipelock/scan/multipart.h"
#include "tests/unit/transducer.h"

#include <stdio.h>

#define ROOM (1u << 20)

static struct span content_type;
static struct multipart m;
static enum multipart_result result;

struct report {
	view_emit *emit;
	void *arg;
};

static void report_text(const struct report *report, struct span text)
{
	if (text.n > 0)
		report->emit(report->arg, text);
}

static void on_part_begin(void *arg)
{
	report_text(arg, SPAN("<"));
}

static void on_field(void *arg, struct span name, struct span value)
{
	report_text(arg, SPAN("["));
	report_text(arg, name);
	report_text(arg, SPAN("="));
	report_text(arg, value);
	report_text(arg, SPAN("]"));
}

static void on_body(void *arg, struct span octets)
{
	assert_true(octets.n > 0);
	report_text(arg, octets);
}

static void on_part_end(void *arg)
{
	report_text(arg, SPAN(">"));
}

static void init(void)
{
	memset(&m, 0x55, sizeof(m));
	assert_int_equal(multipart_init(&m, content_type), MULTIPART_TYPE_OK);
	result = MULTIPART_MORE;
}

static void feed(struct span in, bool last, view_emit *emit, void *arg)
{
	struct report report = {emit, arg};
	struct multipart_sink sink = {on_part_begin, on_field, on_body, on_part_end, &report};
	enum multipart_result before = result;

	result = multipart_feed(&m, in, last, &sink);
	if (before == MULTIPART_BAD)
		assert_int_equal(result, MULTIPART_BAD);
	if (result != MULTIPART_BAD)
		assert_int_equal(result, last ? MULTIPART_END : MULTIPART_MORE);
	assert_int_equal(result == MULTIPART_BAD, m.failure != NULL);
}

static size_t lag(void)
{
	return multipart_lag(&m);
}

static bool failed(void)
{
	return m.failure != NULL;
}

static const struct span tails[] = {{"\r\n--b--", 7}, {"\r\n\r\nx", 5}, {"x\r\n--b--", 8}, {": y\r\n\r\n", 7},
	{"--b\r\n", 5}, {"QUJD", 4}, {"//==", 4}, {"b\r\n", 3}, {"\n--b", 4}, {"--", 2}, {NULL, 0}};

static const struct transducer parser = {
	.init = init,
	.feed = feed,
	.lag = lag,
	.malformed = failed,
	.stops = true,
	.max_lag = MULTIPART_MAX_LAG,
	.tails = tails,
};

/* No prefix of a good body is bad, and none is good before the boundary that closes it. */
static void check_prefixes(struct span in)
{
	static struct output output;

	for (size_t n = 0; n < in.n; n++) {
		size_t fed = 0;

		init();
		output.n = 0;
		feed_copy(&parser, (struct span){in.p, n}, false, &fed, &output);
		if (result != MULTIPART_MORE)
			fail_msg("%.*s is bad: %s", (int)n, in.p, m.failure);
	}
}

static void check_good(const char *type, struct span in, struct span expected)
{
	content_type = span_of(type);
	check_view(&parser, in, expected, false);
	check_prefixes(in);
}

/* Bad for a reason that has this word in it, after this was reported. */
static void check_bad(const char *type, struct span in, struct span expected, const char *word)
{
	static struct output output;

	content_type = span_of(type);
	check_view(&parser, in, expected, true);
	feed_in_pieces(&parser, in, 1, &output);
	if (strstr(m.failure, word) == NULL)
		fail_msg("%.*s: %s, and not %s", SPAN_ARG(in), m.failure, word);
}

#define FORM "multipart/form-data; boundary=b"
#define GOOD(in, out) check_good(FORM, SPAN(in), SPAN(out))
#define BAD(in, out, word) check_bad(FORM, SPAN(in), SPAN(out), word)

static void test_takes_apart(void **state)
{
	(void)state;
	GOOD("--b\r\n\r\nx\r\n--b--", "<x>");
	GOOD("--b\r\n\r\nx\r\n--b--\r\n", "<x>");
	GOOD("--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--", "<x><y>");
	GOOD("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n",
		"<[Content-Disposition=form-data; name=\"a\"]1>");
	GOOD("--b\r\nA:b\r\nC: \t d e \t\r\nF:\r\n\r\nx\r\n--b--", "<[A=b][C=d e][F=]x>");
	GOOD("--b\r\nA: \xc3\xa9\r\n\r\n\r\n--b--", "<[A=\xc3\xa9]>");
	GOOD("--b\r\n\r\n\0\x01\xff\r\n--b--", "<\0\x01\xff>");
	check_good("multipart/mixed; boundary=\"b c\"", SPAN("--b c\r\n\r\nx\r\n--b c--"), SPAN("<x>"));
	check_good("multipart/mixed; boundary=\"--\"", SPAN("----\r\n\r\n-\r\n------"), SPAN("<->"));
	check_good("multipart/mixed; boundary=-", SPAN("---\r\n\r\n-\r\n-----"), SPAN("<->"));
}

static void test_takes_empty_ones(void **state)
{
	(void)state;
	GOOD("", "");
	GOOD("--b--", "");
	GOOD("--b--\r\n", "");
	GOOD("--b\r\n\r\n\r\n--b--", "<>");
	GOOD("--b\r\nA: b\r\n\r\n\r\n--b\r\n\r\n\r\n--b--", "<[A=b]><>");
}

static void test_reports_text_outside_of_parts(void **state)
{
	(void)state;
	GOOD("secret\r\n--b\r\n\r\nx\r\n--b--", "secret<x>");
	GOOD("\r\n--b\r\n\r\nx\r\n--b--", "<x>");
	GOOD("\r\n\r\n--b\r\n\r\nx\r\n--b--", "\r\n<x>");
	GOOD("--b\r\n\r\nx\r\n--b--\r\nsecret\r\n", "<x>secret\r\n");
	GOOD("--b--\r\nsecret\r\n--", "secret\r\n--");
	GOOD("--b--\r\n\r", "\r");
	GOOD("a --b\r\n--b\r\n\r\nx\r\n--b--\r\na --b", "a --b<x>a --b");
}

static void test_takes_padding(void **state)
{
	(void)state;
	GOOD("--b \t \r\n\r\nx\r\n--b \r\n\r\ny\r\n--b--\t\t", "<x><y>");
	GOOD("--b\r\n\r\nx\r\n--b-- \r\nepilogue", "<x>epilogue");
	BAD("--b \n\r\nx\r\n--b--", "", "where not all");
	BAD("--b x\r\n\r\nx\r\n--b--", "", "where not all");
	BAD("--b\r\r\n\r\nx\r\n--b--", "", "where not all");
	BAD("--b-- x\r\n", "", "where not all");
	BAD("--b--\r", "", "closed");
	BAD("--b--\rx", "", "where not all");
}

static void test_hands_through_what_is_no_delimiter(void **state)
{
	(void)state;
	GOOD("--b\r\n\r\n--a\r\n-\r\n--\r\n--c\r\nx--b\r\n--b--", "<--a\r\n-\r\n--\r\n--c\r\nx--b>");
	GOOD("--b\r\n\r\n\r\r\r\n\n\n\r\n\r\r\n--b--", "<\r\r\r\n\n\n\r\n\r>");
	GOOD("--b\r\n\r\n\r\n\r\n-\n-\r--\r\n--b--", "<\r\n\r\n-\n-\r-->");
	GOOD("--b\r\n\r\nx\n--\r\n--b--", "<x\n-->");
	GOOD("--b\r\n\r\nx\r--\r\n--b--", "<x\r-->");
	GOOD("--b\r\n\r\n -b--b--b--b\r\n--b--", "< -b--b--b--b>");
	GOOD("--b\r\n\r\n\r\n --b\r\n\r\n--B\r\n--b--", "<\r\n --b\r\n\r\n--B>");
}

static void test_refuses_what_looks_like_a_delimiter(void **state)
{
	(void)state;
	BAD("--b\r\n\r\nx\n--b--", "<x\n", "where not all");
	BAD("--b\r\n\r\nx\r--b--", "<x\r", "where not all");
	BAD("--b\r\n\r\nx\n\r--b--", "<x\n\r", "where not all");
	BAD("--b\r\n\r\nx\r\n\n--b--", "<x\r\n\n", "where not all");
	BAD("--b\r\n\r\nx\r\n--bc\r\n\r\n--b--", "<x>", "where not all");
	BAD("--b\r\n\r\nx\r\n--b-\r\n\r\n--b--", "<x>", "where not all");
	BAD("--b\r\n\r\nx\r\n--b-x\r\n--b--", "<x>", "where not all");
	BAD("--b\r\n\r\nx\r\n--b-x", "<x>", "where not all");
	BAD("--b\r\n\r\nx\r\n--b-\r\n", "<x>", "where not all");
	BAD("--b\r\n\r\nx\r\n--b--x", "<x>", "where not all");
	BAD("--b\r\n\r\nx\r\n--b---", "<x>", "where not all");
	BAD("--b\n\nx\n--b--\n", "", "where not all");
	BAD("--b\r\r", "", "where not all");
	BAD("\n--b\r\n\r\nx\r\n--b--", "\n", "where not all");
	BAD("preamble\n--b\r\n\r\nx\r\n--b--", "preamble\n", "where not all");
	BAD("preamble\r\n--bx", "preamble", "where not all");
	/* Where the content begins. */
	BAD("--b\r\n\r\n--b--", "<", "where not all");
	BAD("--b\r\nA: b\r\n\r\n--b\r\n\r\nx\r\n--b--", "<[A=b]", "where not all");
	/* In a header. */
	BAD("--b\r\n--b--\r\n\r\n", "<", "where not all");
	BAD("--b\r\nA: b\r\n--b: c\r\n\r\nx\r\n--b--", "<[A=b]", "where not all");
	/* Behind the one that closes. */
	BAD("--b--\r\n--b\r\n\r\nx\r\n--b--", "", "where not all");
	BAD("--b--\r\nx\r\n--b--", "x", "where not all");
	BAD("--b--\r\nx\n--b", "x\n", "where not all");
}

static void test_refuses_bodies_that_stay_open(void **state)
{
	(void)state;
	BAD("x", "x", "closed");
	BAD("\r\n", "", "closed");
	BAD("\n", "\n", "closed");
	BAD("--b", "", "closed");
	BAD("--b\r\n", "<", "closed");
	BAD("--b\r\nA: b\r\n", "<[A=b]", "closed");
	BAD("--b\r\n\r\n", "<", "closed");
	BAD("--b\r\n\r\nx", "<x", "closed");
	BAD("--b\r\n\r\nx\r\n--b", "<x>", "closed");
	BAD("--b\r\n\r\nx\r\n--b-", "<x>", "closed");
	BAD("--b\r\n\r\nx\r\n--b\r\n", "<x><", "closed");
	BAD("--c\r\n\r\nx\r\n--c--", "--c\r\n\r\nx\r\n--c--", "closed");
}

static void test_refuses_bad_headers(void **state)
{
	(void)state;
	BAD("--b\r\nA: b\r\n c\r\n\r\nx\r\n--b--", "<[A=b]", "malformed header");
	BAD("--b\r\nA: b\r\n\tc\r\n\r\nx\r\n--b--", "<[A=b]", "malformed header");
	BAD("--b\r\n A: b\r\n\r\nx\r\n--b--", "<", "malformed header");
	BAD("--b\r\n \r\n\r\nx\r\n--b--", "<", "malformed header");
	BAD("--b\r\nA: b\n\r\nx\r\n--b--", "<", "malformed header");
	BAD("--b\r\nA: b\r\n\nx\r\n--b--", "<[A=b]", "malformed header");
	BAD("--b\r\n\n", "<", "malformed header");
	BAD("--b\r\nA: b\rC: d\r\n\r\nx\r\n--b--", "<", "malformed header");
	BAD("--b\r\nA: b\r\r\n\r\nx\r\n--b--", "<", "malformed header");
	BAD("--b\r\nA: b\0\r\n\r\nx\r\n--b--", "<", "malformed header");
	BAD("--b\r\nA: \x7f\r\n\r\nx\r\n--b--", "<", "malformed header");
	BAD("--b\r\nA : b\r\n\r\nx\r\n--b--", "<", "malformed header");
	BAD("--b\r\n: b\r\n\r\nx\r\n--b--", "<", "malformed header");
	BAD("--b\r\nA\r\n\r\nx\r\n--b--", "<", "malformed header");
	BAD("--b\r\nA b: c\r\n\r\nx\r\n--b--", "<", "malformed header");
	BAD("--b\r\n\xc3\xa9: c\r\n\r\nx\r\n--b--", "<", "malformed header");
}

#define ENCODED(encoding, body) "--b\r\nContent-Transfer-Encoding: " encoding "\r\n\r\n" body "\r\n--b--"
#define FIELD(encoding) "[Content-Transfer-Encoding=" encoding "]"

static void test_decodes_parts(void **state)
{
	(void)state;
	GOOD(ENCODED("7bit", "=41"), "<" FIELD("7bit") "=41>");
	GOOD(ENCODED("8BIT", "=41"), "<" FIELD("8BIT") "=41>");
	GOOD(ENCODED("binary", "=41"), "<" FIELD("binary") "=41>");
	GOOD(ENCODED("Identity", "=41"), "<" FIELD("Identity") "=41>");
	GOOD(ENCODED("base64", "QUtJQQ=="), "<" FIELD("base64") "AKIA>");
	GOOD(ENCODED("BASE64", "QUtJ\r\nQUJD\r\n"), "<" FIELD("BASE64") "AKIABC>");
	GOOD(ENCODED("base64", ""), "<" FIELD("base64") ">");
	GOOD(ENCODED("Quoted-Printable", "=41K=\r\nIA\r\nx"), "<" FIELD("Quoted-Printable") "AKIA\r\nx>");
	GOOD(ENCODED("quoted-printable", "=41K="), "<" FIELD("quoted-printable") "AK>");
	/* Each part has its own, and none lasts. */
	GOOD("=41\r\n--b\r\ncontent-transfer-encoding:base64\r\n\r\nQQ==\r\n--b\r\n\r\nQQ==\r\n--b--\r\nQQ==",
		"=41<[content-transfer-encoding=base64]A><QQ==>QQ==");
}

static void test_refuses_other_encodings(void **state)
{
	(void)state;
	BAD(ENCODED("gzip", "x"), "<" FIELD("gzip"), "not known");
	BAD(ENCODED("", "x"), "<" FIELD(""), "not known");
	BAD(ENCODED("base64,", "x"), "<" FIELD("base64,"), "not known");
	BAD(ENCODED("base64 (x)", "x"), "<" FIELD("base64 (x)"), "not known");
	BAD(ENCODED("x-uuencode", "x"), "<" FIELD("x-uuencode"), "not known");
	BAD("--b\r\nContent-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: base64\r\n\r\n",
		"<" FIELD("base64") FIELD("base64"), "twice");
	BAD("--b\r\nContent-Type: a/b\r\ncontent-type: a/b\r\n\r\n", "<[Content-Type=a/b][content-type=a/b]",
		"twice");
}

/* What was decoded before it showed depends on the pieces. */
static void check_malformed_content(struct span in)
{
	static struct output output;

	content_type = SPAN(FORM);
	for (size_t size = 1; size <= in.n; size++) {
		feed_in_pieces(&parser, in, size, &output);
		assert_int_equal(result, MULTIPART_BAD);
		assert_non_null(strstr(m.failure, "decoded"));
		assert_int_equal(output.p[output.n - 1] == '>', false);
	}
}

static void test_refuses_malformed_content(void **state)
{
	(void)state;
	check_malformed_content(SPAN(ENCODED("base64", "QUtJ.QUJD")));
	check_malformed_content(SPAN(ENCODED("base64", "QUt")));
	check_malformed_content(SPAN(ENCODED("base64", "QUtJQQ==QUtJ")));
	check_malformed_content(SPAN(ENCODED("quoted-printable", "a=b")));
	check_malformed_content(SPAN(ENCODED("quoted-printable", "a=4")));
}

/* Of what was fed, so many octets may still be content of something. */
static void check_lag_after(struct span in, size_t expected)
{
	static struct output output;
	size_t fed = 0;

	content_type = SPAN(FORM);
	for (size_t cut = 0; cut <= in.n; cut++) {
		init();
		fed = output.n = 0;
		feed_copy(&parser, (struct span){in.p, cut}, false, &fed, &output);
		feed_copy(&parser, (struct span){in.p + cut, in.n - cut}, false, &fed, &output);
		assert_int_equal(lag(), expected);
	}
}

#define LAG(in, expected) check_lag_after(SPAN(in), expected)
#define HEAD(encoding) "--b\r\nContent-Transfer-Encoding: " encoding "\r\n\r\n"

static void test_says_what_it_keeps(void **state)
{
	(void)state;
	LAG("x", 0);
	LAG("x\r", 1);
	LAG("x\r\n--", 4);
	LAG("x\n--", 2);
	LAG("x\r--", 2);
	LAG("x\r\n--c", 0);
	LAG("--", 2);
	LAG("--b", 0);
	LAG("--b \r", 0);
	LAG("--b\r\n", 0);
	LAG("--b\r\nA: b", 4);
	LAG("--b\r\nA: b\r\n", 0);
	LAG("--b\r\nA: b\r\n\r", 1);
	LAG("--b\r\n\r\nx\r\n-", 3);
	LAG("--b--\r\nx\r\n-", 3);
	LAG(HEAD("base64") "QUJDQ", 1);
	LAG(HEAD("base64") "QUJDQ\n\nQ", 4);
	LAG(HEAD("base64") "QUJDQ\r\n-", 4);
	LAG(HEAD("base64") "QUJDQQ==", 0);
	LAG(HEAD("quoted-printable") "x= ", 2);
	LAG(HEAD("quoted-printable") "x= \r\n-", 5);
	LAG("--b\r\nContent-Type: multipart/x; boundary=i\r\n\r\nx\r\n-\r", 4);
	LAG("--b\r\nContent-Type: multipart/x; boundary=i\r\n\r\nx\r\n-", 3);
	LAG("--b\r\nContent-Type: multipart/x; boundary=i\r\n\r\nx\r\n--i", 0);
	LAG("--b\r\nContent-Type: multipart/x; boundary=i\r\n\r\nx\r\n--i\r\nA", 1);
}

#define OUTER(type, body) "--b\r\nContent-Type: " type "\r\n\r\n" body "\r\n--b--"
#define MIXED "multipart/mixed; boundary=i"
#define TYPE(type) "[Content-Type=" type "]"

static void test_takes_nested_ones_apart(void **state)
{
	(void)state;
	GOOD(OUTER(MIXED, "--i\r\n\r\nx\r\n--i--"), "<" TYPE(MIXED) "<x>>");
	GOOD(OUTER(MIXED, "pre\r\n--i\r\nA: b\r\n\r\nx\r\n--i \r\n\r\ny\r\n--i--\r\npost"),
		"<" TYPE(MIXED) "pre<[A=b]x><y>post>");
	GOOD(OUTER(MIXED, ""), "<" TYPE(MIXED) ">");
	GOOD(OUTER(MIXED, "--i\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==\r\n--i--\r\nQQ=="),
		"<" TYPE(MIXED) "<" FIELD("base64") "A>QQ==>");
	GOOD("--b\r\nContent-Type: " MIXED "\r\n\r\n--i--\r\n--b\r\n\r\n--i\r\n--b\r\nContent-Type: " MIXED
	     "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--i--\r\n\r\n--b--",
		"<" TYPE(MIXED) "><--i><" TYPE(MIXED) FIELD("8bit") ">");
	GOOD(OUTER("text/plain; boundary=i", "--i--x"), "<" TYPE("text/plain; boundary=i") "--i--x>");
}

static void test_refuses_bad_nesting(void **state)
{
	(void)state;
	BAD(OUTER(MIXED, "--i\r\n\r\nx"), "<" TYPE(MIXED) "<x", "closed");
	BAD(OUTER(MIXED, "--i\r\nA: b"), "<" TYPE(MIXED) "<", "closed");
	BAD(OUTER(MIXED, "x"), "<" TYPE(MIXED) "x", "closed");
	BAD(OUTER(MIXED, "\n--i--"), "<" TYPE(MIXED) "\n", "where not all");
	BAD(OUTER(MIXED, "--i\r\n\r\nx\r\n--i--\r\n--i--"), "<" TYPE(MIXED) "<x>", "where not all");
	BAD(OUTER("multipart/mixed", ""), "<" TYPE("multipart/mixed"), "missing");
	BAD(OUTER("multipart/mixed; boundary=b", ""), "<" TYPE("multipart/mixed; boundary=b"),
		"where not all");
	BAD(OUTER("multipart/mixed; boundary=bi", ""), "<" TYPE("multipart/mixed; boundary=bi"),
		"where not all");
	check_bad("multipart/mixed; boundary=ib",
		SPAN("--ib\r\nContent-Type: " MIXED "\r\n\r\n--i--\r\n--ib--"), SPAN("<" TYPE(MIXED)),
		"where not all");
	BAD("--b\r\nContent-Transfer-Encoding: base64\r\nContent-Type: " MIXED "\r\n\r\n",
		"<" FIELD("base64") TYPE(MIXED), "not known");
}

static size_t append(char *out, size_t n, const char *text)
{
	size_t more = strlen(text);

	assert_true(n + more <= ROOM);
	memcpy(out + n, text, more);
	return n + more;
}

/* `depth` levels, each a part of the one before. */
static size_t write_nested(char *out, unsigned depth, char *boundary)
{
	char line[128];
	size_t n = 0;

	for (*boundary = 'b'; *boundary - 'a' < (int)depth; ++*boundary) {
		snprintf(line, sizeof(line), "--%c\r\nContent-Type: multipart/mixed; boundary=%c\r\n\r\n",
			*boundary, *boundary + 1);
		n = append(out, n, line);
	}
	snprintf(line, sizeof(line), "--%c\r\n\r\nx\r\n", *boundary);
	n = append(out, n, line);
	for (; *boundary >= 'b'; --*boundary) {
		snprintf(line, sizeof(line), "--%c--\r\n", *boundary);
		n = append(out, n, line);
	}
	return n;
}

static char body[ROOM];

static void check_sizes(size_t n, const char *word)
{
	static struct output output;
	static const size_t sizes[] = {1, 2, 7, 1000, 16384, ROOM};

	content_type = SPAN(FORM);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		feed_in_pieces(&parser, (struct span){body, n}, sizes[i], &output);
		if (word == NULL && result != MULTIPART_END)
			fail_msg("bad: %s", m.failure);
		if (word != NULL && (result != MULTIPART_BAD || strstr(m.failure, word) == NULL))
			fail_msg("%s, and not %s", result == MULTIPART_BAD ? m.failure : "good", word);
	}
}

static void test_bounds_nesting(void **state)
{
	char boundary;

	(void)state;
	check_sizes(write_nested(body, MULTIPART_MAX_DEPTH, &boundary), NULL);
	check_sizes(write_nested(body, MULTIPART_MAX_DEPTH + 1, &boundary), "too deep");
}

static size_t write_parts(size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n = append(body, n, "--b\r\n\r\n\r\n");
	return append(body, n, "--b--");
}

static void test_bounds_parts(void **state)
{
	(void)state;
	check_sizes(write_parts(MULTIPART_MAX_PARTS), NULL);
	check_sizes(write_parts(MULTIPART_MAX_PARTS + 1), "too many");
}

static size_t write_fields(size_t count)
{
	size_t n = append(body, 0, "--b\r\n");

	for (size_t i = 0; i < count; i++)
		n = append(body, n, "A: b\r\n");
	n = append(body, n, "\r\n\r\n--b\r\n");
	for (size_t i = 0; i < count; i++)
		n = append(body, n, "A: b\r\n");
	return append(body, n, "\r\n\r\n--b--");
}

static void test_bounds_fields(void **state)
{
	(void)state;
	check_sizes(write_fields(MULTIPART_MAX_FIELDS), NULL);
	check_sizes(write_fields(MULTIPART_MAX_FIELDS + 1), "large a header");
}

/* A header of so many octets, all lines counted, of `lines` fields. */
static size_t write_head(size_t octets, size_t lines)
{
	size_t n = append(body, 0, "--b\r\n"), each = (octets - 2) / lines, rest = (octets - 2) % lines;

	for (size_t i = 0; i < lines; i++) {
		n = append(body, n, "A:");
		memset(body + n, 'x', each - 4 + rest);
		n = append(body, n + each - 4 + rest, "\r\n");
		rest = 0;
	}
	return append(body, n, "\r\n\r\n--b--");
}

static void test_bounds_headers(void **state)
{
	(void)state;
	for (size_t lines = 1; lines <= 3; lines++) {
		check_sizes(write_head(MULTIPART_MAX_HEAD, lines), NULL);
		check_sizes(write_head(MULTIPART_MAX_HEAD + 1, lines), "large a header");
	}
	/* A line that never ends. */
	memset(body + append(body, 0, "--b\r\nA:"), 'x', 50000);
	check_sizes(50000, "large a header");
}

/* The longest boundary, and content that is as like it as can be, over any border of pieces. */
static void test_long_boundaries(void **state)
{
	static const char likeness[] = "\r\n--\r\n-\r\n";
	static struct output output;
	char dashes[MULTIPART_MAX_BOUNDARY + 1], type[128];
	size_t n, start;

	(void)state;
	memset(dashes, '-', MULTIPART_MAX_BOUNDARY);
	dashes[MULTIPART_MAX_BOUNDARY] = '\0';
	snprintf(type, sizeof(type), "multipart/mixed; boundary=%s", dashes);
	content_type = span_of(type);
	n = append(body, append(body, append(body, 0, "--"), dashes), "\r\n\r\n");
	start = n;
	for (int i = 0; i < 200; i++)
		n = append(body, append(body, n, likeness), dashes + i % 60);
	output.n = 0;
	n = append(body, n, " ----");
	n = append(body, append(body, append(body, append(body, n, dashes), "\r\n--"), dashes), "--");
	for (size_t size = 1; size < 400; size++) {
		feed_in_pieces(&parser, (struct span){body, n}, size, &output);
		assert_int_equal(result, MULTIPART_END);
		assert_int_equal(output.n, 1 + n - start - 2 - 2 - MULTIPART_MAX_BOUNDARY - 2 + 1);
		assert_memory_equal(output.p + 1, body + start, output.n - 2);
	}
}

/* Large content comes in the pieces that it was fed in, not in crumbs. */
static size_t calls;

static void count_call(void *arg, struct span octets)
{
	*(size_t *)arg += octets.n;
	calls++;
}

static void ignore(void *arg)
{
	(void)arg;
}

static void test_reports_whole_pieces(void **state)
{
	size_t sum = 0, n = append(body, 0, "--b\r\n\r\n");
	struct multipart_sink sink = {ignore, NULL, count_call, ignore, &sum};

	(void)state;
	content_type = SPAN(FORM);
	init();
	while (n < ROOM - 64)
		n = append(body, n, "\r\n-\n--x\r\n-- --b");
	for (size_t at = 0; at < n; at += 4096) {
		size_t size = n - at < 4096 ? n - at : 4096;

		assert_int_equal(
			multipart_feed(&m, (struct span){body + at, size}, false, &sink), MULTIPART_MORE);
	}
	assert_int_equal(multipart_feed(&m, SPAN("\r\n--b--"), true, &sink), MULTIPART_END);
	assert_int_equal(sum, n - 7);
	assert_true(calls <= 4 * (n / 4096 + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_apart),
		cmocka_unit_test(test_takes_empty_ones),
		cmocka_unit_test(test_reports_text_outside_of_parts),
		cmocka_unit_test(test_takes_padding),
		cmocka_unit_test(test_hands_through_what_is_no_delimiter),
		cmocka_unit_test(test_refuses_what_looks_like_a_delimiter),
		cmocka_unit_test(test_refuses_bodies_that_stay_open),
		cmocka_unit_test(test_refuses_bad_headers),
		cmocka_unit_test(test_decodes_parts),
		cmocka_unit_test(test_refuses_other_encodings),
		cmocka_unit_test(test_refuses_malformed_content),
		cmocka_unit_test(test_says_what_it_keeps),
		cmocka_unit_test(test_takes_nested_ones_apart),
		cmocka_unit_test(test_refuses_bad_nesting),
		cmocka_unit_test(test_bounds_nesting),
		cmocka_unit_test(test_bounds_parts),
		cmocka_unit_test(test_bounds_fields),
		cmocka_unit_test(test_bounds_headers),
		cmocka_unit_test(test_long_boundaries),
		cmocka_unit_test(test_reports_whole_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
