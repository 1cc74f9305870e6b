/*
 * The JSON writer, and the log's own escaping: valid, on one line, bounded, whatever bytes come.
 */
#include "common/json.h"
#include "common/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_text(const struct json *j, const char *expected)
{
	struct span text = json_text(j);
	assert_false(j->failed);
	if (!span_equals(text, span_of(expected)))
		fail_msg("'%.*s' is not '%s'", SPAN_ARG(text), expected);
}

static void assert_string(struct span value, const char *expected)
{
	struct json j;
	json_init(&j, 1000);
	json_string(&j, value);
	assert_text(&j, expected);
	json_release(&j);
}

static void test_structure(void **state)
{
	(void)state;
	struct json j;
	json_init(&j, 1000);
	json_open_object(&j);
	json_put_text(&j, "a", "x");
	json_put_text(&j, "none", NULL);
	json_put_number(&j, "n", UINT64_MAX);
	json_put_bool(&j, "t", true);
	json_put_bool(&j, "f", false);
	json_key(&j, "list");
	json_open_array(&j);
	json_number(&j, 0);
	json_open_array(&j);
	json_close_array(&j);
	json_open_object(&j);
	json_close_object(&j);
	json_null(&j);
	json_close_array(&j);
	json_key(&j, "o");
	json_open_object(&j);
	json_put_string(&j, "k", SPAN("v"));
	json_close_object(&j);
	json_put_bool(&j, "last", true);
	json_close_object(&j);
	assert_text(&j, "{\"a\":\"x\",\"none\":null,\"n\":18446744073709551615,\"t\":true,\"f\":false,"
			"\"list\":[0,[],{},null],\"o\":{\"k\":\"v\"},\"last\":true}");
	json_release(&j);
}

static void test_members_without_braces(void **state)
{
	(void)state;
	struct json j;
	json_init(&j, 100);
	json_put_number(&j, "a", 1);
	json_put_number(&j, "b", 2);
	assert_text(&j, "\"a\":1,\"b\":2");
	json_release(&j);
}

static void test_strings_are_escaped(void **state)
{
	(void)state;
	assert_string(SPAN(""), "\"\"");
	assert_string((struct span){NULL, 0}, "\"\"");
	assert_string(SPAN("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
	assert_string(SPAN("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
	assert_string(SPAN("\0\x01\x1b[31m\x7f"), "\"\\u0000\\u0001\\u001b[31m\\u007f\"");
	assert_string(SPAN("\xc2\x85\xc2\x9b"), "\"\\u0085\\u009b\"");
	assert_string(SPAN("\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u2028\\u2029\"");
	assert_string(SPAN("a\xe2\x80\xae"
			   "b\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf"),
		"\"a\\u202eb\\u2066\\u200b\\ufeff\"");
	assert_string(
		SPAN("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x94\x92"), "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x94\x92\"");
}

#define BAD "\xef\xbf\xbd"

static void test_broken_utf8_is_replaced(void **state)
{
	(void)state;
	assert_string(SPAN("a\xff"
			   "b"),
		"\"a" BAD "b\"");
	assert_string(SPAN("\x80"), "\"" BAD "\"");
	assert_string(SPAN("\xc0\xaf"), "\"" BAD BAD "\"");
	assert_string(SPAN("\xc1\xbf"), "\"" BAD BAD "\"");
	assert_string(SPAN("\xe0\x80\xaf"), "\"" BAD BAD BAD "\"");
	assert_string(SPAN("\xed\xa0\x80"), "\"" BAD BAD BAD "\"");
	assert_string(SPAN("\xf0\x80\x80\x80"), "\"" BAD BAD BAD BAD "\"");
	assert_string(SPAN("\xf4\x90\x80\x80"), "\"" BAD BAD BAD BAD "\"");
	assert_string(SPAN("\xf8\x88\x80\x80"), "\"" BAD BAD BAD BAD "\"");
	assert_string(SPAN("\xe2\x82"), "\"" BAD BAD "\"");
	assert_string(SPAN("\xe2\x82\""), "\"" BAD BAD "\\\"\"");
}

static bool one_clean_line(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
			return false;
	return true;
}

static void test_any_two_octets_make_a_clean_line(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 0x10000; c++) {
		char bytes[] = {(char)(c >> 8), (char)c};
		struct json j;
		json_init(&j, 100);
		json_string(&j, (struct span){bytes, 2});
		assert_false(j.failed);
		assert_true(one_clean_line(json_text(&j)));
		json_release(&j);
	}
}

static void test_bounded(void **state)
{
	(void)state;
	for (size_t max = 0; max < 12; max++) {
		struct json j;
		json_init(&j, max);
		json_put_text(&j, "key", "val"); /* 11 octets */
		assert_int_equal(j.failed, max < 11);
		assert_int_equal(json_text(&j).n, max < 11 ? 0 : 11);
		json_number(&j, 1);
		assert_true(j.failed);
		assert_int_equal(json_text(&j).n, 0);
		json_release(&j);
	}
	struct json j;
	json_init(&j, SIZE_MAX);
	char *large = malloc(100000);
	assert_non_null(large);
	memset(large, '\n', 100000);
	json_string(&j, (struct span){large, 100000});
	assert_int_equal(json_text(&j).n, 200002);
	json_release(&j);
	assert_int_equal(json_text(&j).n, 0);
	free(large);
}

/* ---- the log */

static void test_log_text(void **state)
{
	(void)state;
	char out[LOG_TEXT_SIZE];
	assert_string_equal(log_text(SPAN("plain text"), out), "plain text");
	assert_string_equal(log_text(SPAN("a\r\nb\\\x1b\xff\0"), out), "a\\x0d\\x0ab\\x5c\\x1b\\xff\\x00");
	assert_string_equal(log_text((struct span){NULL, 0}, out), "");
	char large[1000];
	memset(large, 'a', sizeof(large));
	log_text((struct span){large, sizeof(large)}, out);
	assert_int_equal(strlen(out), LOG_TEXT_SIZE - 1);
	assert_string_equal(out + LOG_TEXT_SIZE - 5, "a...");
	memset(large, '\n', sizeof(large));
	log_text((struct span){large, sizeof(large)}, out);
	assert_true(strlen(out) < LOG_TEXT_SIZE && strlen(out) > LOG_TEXT_SIZE - 8);
}

/* What the log wrote while stderr was a pipe. */
static size_t read_log(int fd, char *out, size_t room)
{
	ssize_t n = read(fd, out, room - 1);
	out[n < 0 ? 0 : n] = 0;
	return n < 0 ? 0 : (size_t)n;
}

static void test_log_lines(void **state)
{
	(void)state;
	int ends[2], saved = dup(STDERR_FILENO);
	char text[8192], large[8192];
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	log_set_name("pipelock[test]");
	log_info("%s %d", "one\ntwo\x1b", 7);
	log_warn("w");
	log_error("e");
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = 0;
	log_info("%s", large);
	size_t n = read_log(ends[0], text, sizeof(text));
	dup2(saved, STDERR_FILENO);
	static const char expected[] =
		"pipelock[test]: one?two? 7\npipelock[test]: warning: w\npipelock[test]: error: e\n";
	assert_memory_equal(text, expected, sizeof(expected) - 1);
	assert_int_equal(text[n - 1], '\n');
	assert_true(n <= sizeof(expected) - 1 + 2048);
	close(ends[0]);
	close(ends[1]);
	close(saved);
}

static void test_log_never_blocks(void **state)
{
	(void)state;
	int ends[2], saved = dup(STDERR_FILENO);
	char text[8192];
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	for (int i = 0; i < 3000; i++)
		log_info("a line that nobody reads, number %d", i);
	while (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && read(ends[0], text, sizeof(text)) > 0)
		;
	log_info("after");
	read_log(ends[0], text, sizeof(text));
	dup2(saved, STDERR_FILENO);
	assert_non_null(strstr(text, "lines could not be written here\npipelock[test]: after\n"));
	close(ends[0]);
	close(ends[1]);
	close(saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_members_without_braces),
		cmocka_unit_test(test_strings_are_escaped),
		cmocka_unit_test(test_broken_utf8_is_replaced),
		cmocka_unit_test(test_any_two_octets_make_a_clean_line),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_log_text),
		cmocka_unit_test(test_log_lines),
		cmocka_unit_test(test_log_never_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
