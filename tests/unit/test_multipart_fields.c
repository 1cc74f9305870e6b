/*
 * The fields that say how a multipart body is read, and what a part is called. Values lie in blocks of their
 * exact size, and so does the room for what is written.
 */
#include "pipelock/scan/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static char *copy_of(struct span text)
{
	char *copy = malloc(text.n + (text.n == 0));

	assert_non_null(copy);
	if (text.n > 0)
		memcpy(copy, text.p, text.n);
	return copy;
}

static void check_type(struct span value, enum multipart_type expected)
{
	static struct multipart m;
	char *copy = copy_of(value);
	enum multipart_type type = multipart_init(&m, (struct span){copy, value.n});

	if (type != expected)
		fail_msg("%.*s: %d", SPAN_ARG(value), type);
	free(copy);
}

#define TYPE(value, expected) check_type(SPAN(value), MULTIPART_TYPE_##expected)

static void test_takes_types(void **state)
{
	(void)state;
	TYPE("multipart/form-data; boundary=b", OK);
	TYPE("Multipart/Mixed;BOUNDARY=b", OK);
	TYPE("multipart/x \t; \tboundary=b \t", OK);
	TYPE("  multipart/related; type=\"a/b\"; boundary=\"b\"; start=\"<\\\"x>\"", OK);
	TYPE("multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", OK);
	TYPE("multipart/mixed; boundary=\"gc0pJq0M:08jU534c0p\"", OK);
	TYPE("multipart/mixed; boundary=\"a'()+_,-./:=? Z09\"", OK);
	TYPE("multipart/form-data; charset=utf-8;; boundary=b;", OK);
	TYPE("multipart/x; boundary=0123456789012345678901234567890123456789012345678901234567890123456789",
		OK);
}

static void test_passes_by_other_types(void **state)
{
	(void)state;
	TYPE("", OTHER);
	TYPE(" ", OTHER);
	TYPE("application/json", OTHER);
	TYPE("application/json; boundary=b", OTHER);
	TYPE("text/plain; x=\"multipart/mixed; boundary=b\"", OTHER);
	TYPE("application/multipart; boundary=b", OTHER);
	TYPE("json", OTHER);
	TYPE("text/plain; charset", OTHER);
	TYPE("text/plain; charset=\"a", OTHER);
}

static void test_refuses_boundaries(void **state)
{
	(void)state;
	TYPE("multipart/form-data", BAD);
	TYPE("multipart/form-data;", BAD);
	TYPE("multipart/form-data; charset=utf-8", BAD);
	TYPE("multipart/form-data; boundary=", BAD);
	TYPE("multipart/form-data; boundary=\"\"", BAD);
	TYPE("multipart/form-data; boundary", BAD);
	TYPE("multipart/form-data; boundary=\"b", BAD);
	TYPE("multipart/form-data; boundary=\"b \"", BAD);
	TYPE("multipart/form-data; boundary=\" \"", BAD);
	TYPE("multipart/form-data; boundary=\"b\\c\"", BAD);
	TYPE("multipart/form-data; boundary=\"b\\\"c\"", BAD);
	TYPE("multipart/form-data; boundary=\"b\tc\"", BAD);
	TYPE("multipart/form-data; boundary=b*c", BAD);
	TYPE("multipart/form-data; boundary=b!", BAD);
	TYPE("multipart/form-data; boundary=\"b\xc3\xa9\"", BAD);
	TYPE("multipart/form-data; boundary=\"b\0\"", BAD);
	TYPE("multipart/x; boundary=01234567890123456789012345678901234567890123456789012345678901234567890",
		BAD);
}

static void test_refuses_two_boundaries(void **state)
{
	(void)state;
	TYPE("multipart/form-data; boundary=b; boundary=b", BAD);
	TYPE("multipart/form-data; boundary=b; Boundary=c", BAD);
	TYPE("multipart/form-data; xboundary=a; boundary=b", BAD);
	TYPE("multipart/form-data; x=\"; boundary=a\"; boundary=b", BAD);
	TYPE("multipart/form-data; boundary=b; x=\"; BOUNDARY=a\"", BAD);
	TYPE("multipart/form-data; boundary*=utf-8''a; boundary=b", BAD);
	TYPE("multipart/form-data; boundary*0=a; boundary*1=b", BAD);
	TYPE("multipart/boundary; boundary=b", BAD);
}

static void test_refuses_types_that_some_would_read(void **state)
{
	(void)state;
	TYPE("multipart", BAD);
	TYPE("multipart/", BAD);
	TYPE("multipart /form-data; boundary=b", BAD);
	TYPE("multipart/form-data boundary=b", BAD);
	TYPE("multipart/form-data, boundary=b", BAD);
	TYPE("multipart/form-data; boundary =b", BAD);
	TYPE("multipart/form-data; boundary= b", BAD);
	TYPE("multipart/form-data; boundary=b c", BAD);
	TYPE("multipart/form-data; boundary=b, text/plain", BAD);
	TYPE("multipart/form-data; boundary=b=", BAD);
	TYPE("multipart/form-data; boundary=b; =c", BAD);
	TYPE("multipart/form-data; boundary=\"b\"c", BAD);
	TYPE("text/plain, multipart/form-data; boundary=b", BAD);
	TYPE(";MULTIPART/form-data; boundary=b", BAD);
}

typedef bool read_fn(struct span value, char *out, size_t room, size_t *written);

/* With room for all of the value; where that writes something, one octet less than that must not do. */
static void check_read(read_fn *read, struct span value, struct span expected, bool good)
{
	char *in = copy_of(value), *out = copy_of(value);
	size_t n = 0;
	bool answer = read((struct span){in, value.n}, out, value.n, &n);

	if (answer != good || n != expected.n || memcmp(out, expected.p, n) != 0)
		fail_msg("%.*s: %d, %.*s", SPAN_ARG(value), answer, (int)n, out);
	for (size_t room = 0; room < expected.n; room++) {
		char *less = malloc(room + 1);
		size_t written = 0;

		assert_non_null(less);
		assert_false(read((struct span){in, value.n}, less, room, &written));
		assert_true(written <= room);
		assert_memory_equal(less, expected.p, written);
		free(less);
	}
	free(in);
	free(out);
}

#define FILENAME(value, expected) check_read(multipart_filename, SPAN(value), SPAN(expected), true)
#define MALFORMED(value, expected) check_read(multipart_filename, SPAN(value), SPAN(expected), false)

static void test_reads_filenames(void **state)
{
	(void)state;
	FILENAME("form-data; name=\"a\"", "");
	FILENAME("form-data", "");
	FILENAME("form-data; name=\"a\"; filename=\"b.txt\"", "b.txt\n");
	FILENAME("attachment;filename=b.txt", "b.txt\n");
	FILENAME("form-data; FileName=\"\"", "\n");
	FILENAME("form-data; filename=\"A\\K\\I\\A\\\\\\\"\"", "AKIA\\\"\n");
	FILENAME("form-data; filename=\"a;filename=b\"", "a;filename=b\n");
	FILENAME("form-data; filename=\"\xc3\xa9\t\"", "\xc3\xa9\t\n");
	FILENAME("form-data; filename=a; filename=\"b\";filename=c;", "a\nb\nc\n");
	FILENAME("form-data; filenames=a; xfilename=b", "");
}

static void test_reads_extended_filenames(void **state)
{
	(void)state;
	FILENAME("form-data; filename*=UTF-8''%41KIA%c3%A9", "AKIA\xc3\xa9\n");
	FILENAME("form-data; filename*=utf-8'en'a%20b", "a b\n");
	FILENAME("form-data; filename*=iso-8859-1''%A3", "\xa3\n");
	FILENAME("form-data; filename*=UTF-8''a(1)'%2e!*", "a(1)'.!*\n");
	FILENAME("form-data; filename*=UTF-8''", "\n");
	FILENAME("form-data; filename=\"a\"; filename*=UTF-8''%62", "a\nb\n");
	FILENAME("form-data; filename*=UTF-8''%00", "\0\n");
}

static void test_refuses_malformed_dispositions(void **state)
{
	(void)state;
	MALFORMED("", "");
	MALFORMED(" ", "");
	MALFORMED("; filename=a", "");
	MALFORMED("form-data filename=a", "");
	MALFORMED("form-data; filename=a b", "a\n");
	MALFORMED("form-data; filename = a", "");
	MALFORMED("form-data; filename=", "");
	MALFORMED("form-data; filename", "");
	MALFORMED("form-data; filename=\"a", "");
	MALFORMED("form-data; filename=\"a\\\"", "");
	MALFORMED("form-data; filename=\"a\\", "");
	MALFORMED("form-data; filename=\"a\0\"", "");
	MALFORMED("form-data; filename=a/b", "a\n");
	MALFORMED("form-data; filename=a(1)", "a\n");
	MALFORMED("form-data; filename=a, b", "a\n");
	MALFORMED("form-data; filename=\"a\"b", "a\n");
	MALFORMED("form-data; name=\"x; filename=a", "");
	MALFORMED("form-data; filename*=a", "");
	MALFORMED("form-data; filename*=UTF-8'a", "");
	MALFORMED("form-data; filename*=''a", "");
	MALFORMED("form-data; filename*=UTF-16''%00A", "");
	MALFORMED("form-data; filename*=UTF-8''a%4", "a");
	MALFORMED("form-data; filename*=UTF-8''a%4g", "a");
	MALFORMED("form-data; filename*=UTF-8''a%", "a");
	MALFORMED("form-data; filename*=\"UTF-8''a\"", "");
	MALFORMED("form-data; filename*0=AK; filename*1=IA", "");
	MALFORMED("form-data; filename*0*=UTF-8''AK", "");
	MALFORMED("form-data; filename**=UTF-8''AK", "");
}

static void test_reads_all_parameters(void **state)
{
	(void)state;
	check_read(multipart_parameters, SPAN("form-data; name=\"\\A\"; x*=UTF-8''%42; filename=c"),
		SPAN("A\nB\nc\n"), true);
	check_read(multipart_parameters, SPAN("text/plain; charset=utf-8; name=a"), SPAN("utf-8\na\n"), true);
	check_read(multipart_parameters, SPAN("text/; charset=utf-8"), SPAN(""), false);
	check_read(multipart_parameters, SPAN("form-data; a=b; c*0=d"), SPAN("b\n"), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_types),
		cmocka_unit_test(test_passes_by_other_types),
		cmocka_unit_test(test_refuses_boundaries),
		cmocka_unit_test(test_refuses_two_boundaries),
		cmocka_unit_test(test_refuses_types_that_some_would_read),
		cmocka_unit_test(test_reads_filenames),
		cmocka_unit_test(test_reads_extended_filenames),
		cmocka_unit_test(test_refuses_malformed_dispositions),
		cmocka_unit_test(test_reads_all_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
