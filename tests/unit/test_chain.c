/*
 * The chain: what is written is verified; whatever is changed, dropped, moved, repeated or put in between is
 * found, with the number of the line. Only an end that is not whole yet is no fault.
 */
#include "pipelock/audit/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LINES 5

struct log {
	char text[65536];
	size_t n;
	struct chain chain;
	size_t begins[64]; /* of each line */
	unsigned lines;
};

static void add(struct log *log, const char *role, const char *members)
{
	log->begins[log->lines++] = log->n;
	size_t n = chain_append(
		&log->chain, role, span_of(members), log->text + log->n, sizeof(log->text) - log->n);
	assert_true(n > 0);
	log->n += n;
	log->begins[log->lines] = log->n;
}

static void make(struct log *log)
{
	*log = (struct log){0};
	add(log, "keeper", "\"time\":\"2026-01-01T00:00:00.000Z\",\"event\":\"log_opened\",\"chain\":\"00\"");
	add(log, "supervisor", "\"event\":\"started\"");
	add(log, "proxy", "\"event\":\"request\",\"url\":\"http://a/\"");
	add(log, "proxy", "\"event\":\"request\",\"hash\":\"deadbeef\",\"prev\":\"x\"}");
	add(log, "egress", "\"event\":\"hop_refused\"");
}

static struct span text_of(const struct log *log)
{
	return (struct span){log->text, log->n};
}

static void a_log_holds(void **state)
{
	(void)state;
	struct log log;
	struct verify_report report;
	make(&log);
	assert_int_equal(verify_log(text_of(&log), &report), VERIFY_GOOD);
	assert_int_equal(report.lines, LINES);
	assert_int_equal(report.end.seq, LINES);
	assert_memory_equal(report.end.hash, log.chain.hash, CHAIN_HASH_SIZE);
	assert_int_equal(verify_log((struct span){"", 0}, &report), VERIFY_GOOD);
}

static void a_line_is_as_documented(void **state)
{
	(void)state;
	static const char expected[] =
		"{\"v\":1,\"seq\":1,\"role\":\"proxy\",\"a\":1,\"prev\":"
		"\"0000000000000000000000000000000000000000000000000000000000000000\",\"hash\":\"";
	struct chain chain = {0};
	char line[512], hex[65];
	uint8_t hash[CHAIN_HASH_SIZE];
	size_t n = chain_append(&chain, "proxy", SPAN("\"a\":1"), line, sizeof(line));
	assert_memory_equal(line, expected, sizeof(expected) - 1);
	chain_hash((struct span){line, sizeof(expected) - 1 - strlen(",\"hash\":\"")}, hash);
	chain_hex(hash, sizeof(hash), hex);
	assert_memory_equal(line + sizeof(expected) - 1, hex, 64);
	assert_memory_equal(line + n - 3, "\"}\n", 3);
}

static void members_that_would_break_the_line_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "\"a\":\"\n\"", "\"a\":\"\r\"", "\"a\":\"\x1b[2J\"", "\"a\":\"\x7f\""};
	struct chain chain = {0}, before = chain;
	char out[1024];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(chain_append(&chain, "proxy", span_of(bad[i]), out, sizeof(out)), 0);
	assert_int_equal(chain_append(&chain, "proxy", (struct span){"a\0b", 3}, out, sizeof(out)), 0);
	assert_int_equal(chain_append(&chain, "proxy", SPAN("\"a\":1"), out, CHAIN_OVERHEAD), 0);
	assert_memory_equal(&chain, &before, sizeof(chain));
	assert_true(chain_append(&chain, "proxy", SPAN("\"a\":1"), out, CHAIN_OVERHEAD + 5) > 0);
}

static void the_overhead_is_enough_for_the_longest_line(void **state)
{
	(void)state;
	struct chain chain = {.seq = UINT64_MAX - 1};
	char *out = malloc(CHAIN_OVERHEAD + 5);
	size_t n = chain_append(&chain, "abcdefghijklmnop", SPAN("\"a\":1"), out, CHAIN_OVERHEAD + 5);
	assert_true(n > 0 && n <= CHAIN_OVERHEAD + 5);
	struct chain_line line;
	assert_true(chain_parse((struct span){out, n - 1}, &line));
	assert_true(line.at.seq == UINT64_MAX);
	free(out);
}

static void every_changed_octet_is_found(void **state)
{
	(void)state;
	struct log log;
	struct verify_report report;
	make(&log);
	for (size_t i = 0; i < log.n; i++) {
		for (int bit = 0; bit < 8; bit++) {
			log.text[i] = (char)(log.text[i] ^ (1 << bit));
			enum verify_result result = verify_log(text_of(&log), &report);
			/* The last newline alone: the log ends torn. */
			assert_int_equal(result, i == log.n - 1 ? VERIFY_TORN_END : VERIFY_BAD);
			if (result == VERIFY_BAD)
				assert_true(report.bad_line >= 1 && report.bad_line <= LINES);
			log.text[i] = (char)(log.text[i] ^ (1 << bit));
		}
	}
}

static void every_prefix_is_good_or_torn(void **state)
{
	(void)state;
	struct log log;
	struct verify_report report;
	make(&log);
	unsigned lines = 0;
	for (size_t n = 0; n <= log.n; n++) {
		char *cut = malloc(n + 1);
		memcpy(cut, log.text, n);
		bool whole = n == log.begins[lines + 1] || n == 0;
		if (n > 0 && whole)
			lines++;
		assert_int_equal(
			verify_log((struct span){cut, n}, &report), whole ? VERIFY_GOOD : VERIFY_TORN_END);
		assert_int_equal(report.lines, lines);
		free(cut);
	}
}

/* The log without the lines [from, to). */
static size_t without(const struct log *log, unsigned from, unsigned to, char *out)
{
	memcpy(out, log->text, log->begins[from]);
	memcpy(out + log->begins[from], log->text + log->begins[to], log->n - log->begins[to]);
	return log->n - (log->begins[to] - log->begins[from]);
}

static void a_dropped_line_is_found(void **state)
{
	(void)state;
	static char out[65536];
	struct log log;
	struct verify_report report;
	make(&log);
	for (unsigned i = 0; i + 1 < LINES; i++) {
		size_t n = without(&log, i, i + 1, out);
		assert_int_equal(verify_log((struct span){out, n}, &report), VERIFY_BAD);
		assert_int_equal(report.bad_line, i + 1);
	}
	/* What no chain without signatures can see. */
	size_t n = without(&log, LINES - 1, LINES, out);
	assert_int_equal(verify_log((struct span){out, n}, &report), VERIFY_GOOD);
}

static void a_repeated_or_moved_line_is_found(void **state)
{
	(void)state;
	static char out[65536];
	struct log log;
	struct verify_report report;
	make(&log);
	memcpy(out, log.text, log.n);
	size_t third = log.begins[3] - log.begins[2];
	memcpy(out + log.n, log.text + log.begins[2], third);
	assert_int_equal(verify_log((struct span){out, log.n + third}, &report), VERIFY_BAD);
	assert_int_equal(report.bad_line, LINES + 1);
}

static void a_line_of_another_chain_is_found(void **state)
{
	(void)state;
	struct log log, other;
	struct verify_report report;
	make(&log);
	other = (struct log){0};
	add(&other, "keeper", "\"event\":\"log_opened\",\"chain\":\"11\"");
	for (unsigned i = 1; i < LINES; i++)
		add(&other, "proxy", "\"event\":\"request\"");
	/* The line holds by itself and has the right number, but another line before it. */
	add(&other, "proxy", "\"event\":\"forged\"");
	memcpy(log.text + log.n, other.text + other.begins[LINES], other.n - other.begins[LINES]);
	log.n += other.n - other.begins[LINES];
	assert_int_equal(verify_log(text_of(&log), &report), VERIFY_BAD);
	assert_int_equal(report.bad_line, LINES + 1);
}

static void a_log_that_begins_later_is_bad(void **state)
{
	(void)state;
	struct log log = {.chain = {.seq = 0}};
	struct verify_report report;
	add(&log, "proxy", "\"event\":\"log_opened\"");
	assert_int_equal(verify_log(text_of(&log), &report), VERIFY_BAD);
	assert_int_equal(report.bad_line, 1);
}

static void odd_numbers_and_roles_are_no_lines(void **state)
{
	(void)state;
	static const char *const heads[] = {"{\"v\":1,\"seq\":01,\"role\":\"proxy\",\"a\":1",
		"{\"v\":2,\"seq\":1,\"role\":\"proxy\",\"a\":1",
		"{\"v\":1,\"seq\":0,\"role\":\"proxy\",\"a\":1",
		"{\"v\":1,\"seq\":18446744073709551616,\"role\":\"proxy\",\"a\":1",
		"{\"v\":1,\"seq\":1,\"role\":\"Proxy\",\"a\":1", "{\"v\":1,\"seq\":1,\"role\":\"\",\"a\":1",
		"{\"v\":1,\"seq\":1,\"role\":\"abcdefghijklmnopq\",\"a\":1",
		"{\"v\":1,\"seq\":1,\"role\":\"proxy\",", "{\"v\":1,\"seq\":-1,\"role\":\"proxy\",\"a\":1",
		""};
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		char line[512], zeros[65], hex[65];
		uint8_t none[CHAIN_HASH_SIZE] = {0}, hash[CHAIN_HASH_SIZE];
		struct chain_line out;
		chain_hex(none, sizeof(none), zeros);
		int n = snprintf(line, sizeof(line), "%s,\"prev\":\"%s\"", heads[i], zeros);
		chain_hash((struct span){line, (size_t)n}, hash);
		chain_hex(hash, sizeof(hash), hex);
		n += snprintf(line + n, sizeof(line) - (size_t)n, ",\"hash\":\"%s\"}", hex);
		assert_false(chain_parse((struct span){line, (size_t)n}, &out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_holds),
		cmocka_unit_test(a_line_is_as_documented),
		cmocka_unit_test(members_that_would_break_the_line_are_refused),
		cmocka_unit_test(the_overhead_is_enough_for_the_longest_line),
		cmocka_unit_test(every_changed_octet_is_found),
		cmocka_unit_test(every_prefix_is_good_or_torn),
		cmocka_unit_test(a_dropped_line_is_found),
		cmocka_unit_test(a_repeated_or_moved_line_is_found),
		cmocka_unit_test(a_line_of_another_chain_is_found),
		cmocka_unit_test(a_log_that_begins_later_is_bad),
		cmocka_unit_test(odd_numbers_and_roles_are_no_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
