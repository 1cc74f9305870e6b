/*
 * The log's file: made, continued, locked, refused when it is not ours; a torn end is cut off and told;
 * wherever a keeper is killed between receiving a record and having written it, the next one goes on there
 * and loses and doubles nothing.
 */
#include "pipelock/audit/file.h"
#include "pipelock/audit/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW INT64_C(1767225600123)
#define RECORD SPAN("\"event\":\"request\"")

static char folder[64], path[96];
static struct audit_journal *journal;
static struct state_error error;

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test_audit_file.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/audit.jsonl", folder);
	journal = calloc(1, sizeof(*journal));
	return journal ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	free(journal);
	return system(command);
}

static struct audit_file *open_file(void)
{
	struct audit_file *file = audit_file_open(path, journal, NOW, &error);
	if (!file)
		print_message("%s\n", error.text);
	return file;
}

static struct span read_file(void)
{
	static char text[8 * 1024 * 1024];
	FILE *in = fopen(path, "rb");
	assert_non_null(in);
	size_t n = fread(text, 1, sizeof(text), in);
	fclose(in);
	return (struct span){text, n};
}

static void write_file(struct span text)
{
	FILE *out = fopen(path, "wb");
	assert_non_null(out);
	assert_int_equal(fwrite(text.p, 1, text.n, out), text.n);
	fclose(out);
}

static struct verify_report assert_good(void)
{
	struct verify_report report;
	enum verify_result result = verify_log(read_file(), &report);
	if (result != VERIFY_GOOD)
		print_message(
			"line %llu: %s\n", (unsigned long long)report.bad_line, report.reason ?: "torn");
	assert_int_equal(result, VERIFY_GOOD);
	return report;
}

static void assert_refused(const char *why)
{
	struct audit_file *file = audit_file_open(path, journal, NOW, &error);
	assert_null(file);
	if (!strstr(error.text, why))
		print_message("%s\n", error.text);
	assert_non_null(strstr(error.text, why));
}

static void write_records(unsigned count)
{
	struct audit_file *file = open_file();
	assert_non_null(file);
	for (unsigned i = 0; i < count; i++)
		assert_true(audit_file_append(file, "proxy", RECORD));
	assert_true(audit_file_write(file, NOW));
	assert_true(audit_file_sync(file));
	audit_file_close(file);
}

static void a_new_log_is_opened_and_continued(void **state)
{
	(void)state;
	struct stat status;
	write_records(3);
	assert_int_equal(assert_good().lines, 4);
	assert_non_null(memmem(read_file().p, 200, "\"event\":\"log_opened\"", 20));
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	write_records(2);
	assert_int_equal(assert_good().lines, 6);
}

static void reserved_room_is_given_back(void **state)
{
	(void)state;
	struct stat status;
	struct audit_file *file = open_file();
	assert_int_equal(stat(path, &status), 0);
	bool reserves = status.st_blocks * 512 >= 1024 * 1024;
	audit_file_close(file);
	assert_int_equal(stat(path, &status), 0);
	assert_true(status.st_blocks * 512 <= 64 * 1024);
	print_message("the file system reserves: %d\n", reserves);
}

static void a_torn_end_of_any_length_is_cut_off_and_told(void **state)
{
	(void)state;
	write_records(2);
	struct span whole = read_file();
	char *kept = malloc(whole.n);
	memcpy(kept, whole.p, whole.n);
	size_t last = whole.n - 1;
	while (kept[last - 1] != '\n')
		last--;
	for (size_t n = last; n < whole.n; n++) {
		write_file((struct span){kept, n});
		write_records(1);
		struct verify_report report = assert_good();
		struct span now = read_file();
		bool recovered = memmem(now.p, now.n, "log_recovered", 13) != NULL;
		/* On the boundary nothing is torn, and a line that lacks only its newline is whole. */
		assert_int_equal(recovered, n != last && n != whole.n - 1);
		assert_int_equal(report.lines, n == last ? 3 : 4);
		assert_memory_equal(now.p, kept, n == whole.n - 1 ? n : last);
		char told[64];
		snprintf(told, sizeof(told), "\"torn_bytes\":%zu,", n - last);
		if (recovered)
			assert_non_null(memmem(now.p, now.n, told, strlen(told)));
	}
	free(kept);
}

static void the_very_first_line_may_be_torn(void **state)
{
	(void)state;
	write_file(SPAN("{\"v\":1,\"seq\":1,\"role\":\"keep"));
	write_records(1);
	assert_int_equal(assert_good().lines, 2);
}

static void what_is_no_log_is_refused_and_left_alone(void **state)
{
	(void)state;
	static const struct span contents[] = {
		{"notes of somebody\n", 18}, {"x", 1}, {"\n", 1}, {"\0\0\0\0", 4}, {"{}\n", 3}};
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		write_file(contents[i]);
		assert_refused("does not end like an audit log");
		assert_true(span_equals(read_file(), contents[i]));
	}
}

static void a_changed_last_line_is_refused(void **state)
{
	(void)state;
	write_records(2);
	struct span text = read_file();
	((char *)text.p)[text.n - 100] ^= 1;
	write_file(text);
	assert_refused("its last line was changed");
}

static void odd_files_are_refused(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/dev/full");
	assert_refused("is not a plain file");
	snprintf(path, sizeof(path), "%s", folder);
	assert_refused("can't be opened for writing");
	snprintf(path, sizeof(path), "%s/no/such/audit.jsonl", folder);
	assert_refused("can't be opened for writing");
	snprintf(path, sizeof(path), "%s/fifo", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused("is not a plain file");
	snprintf(path, sizeof(path), "%s/writable", folder);
	write_file(SPAN(""));
	assert_int_equal(chmod(path, 0622), 0);
	assert_refused("others may write");
}

static void a_second_writer_is_refused(void **state)
{
	(void)state;
	struct audit_file *file = open_file();
	struct audit_journal *other = calloc(1, sizeof(*other));
	assert_null(audit_file_open(path, other, NOW, &error));
	assert_non_null(strstr(error.text, "another pipelock writes"));
	audit_file_close(file);
	free(other);
	write_records(1);
}

static void lines_in_the_journal_are_not_lost(void **state)
{
	(void)state;
	struct audit_file *file = open_file();
	for (int i = 0; i < 3; i++)
		assert_true(audit_file_append(file, "proxy", RECORD));
	/* Killed before the write: nothing but the file and the journal is left. */
	audit_file_close(file);
	file = open_file();
	assert_non_null(file);
	assert_int_equal(assert_good().lines, 4);
	assert_true(audit_file_append(file, "egress", RECORD));
	assert_true(audit_file_write(file, NOW));
	audit_file_close(file);
	assert_int_equal(assert_good().lines, 5);
}

/* What a kill in the middle of write(2), or right after it, leaves: the file has n octets of the journal, and
 * `begin` may not have been moved. */
static void a_write_that_was_cut_anywhere_is_completed(void **state)
{
	(void)state;
	static struct audit_journal before;
	write_records(1);
	struct span text = read_file();
	char *old = malloc(text.n);
	size_t old_n = text.n;
	memcpy(old, text.p, text.n);
	struct audit_file *file = open_file();
	for (int i = 0; i < 3; i++)
		assert_true(audit_file_append(file, "proxy", RECORD));
	before = *journal;
	audit_file_close(file);
	size_t waiting = (size_t)atomic_load(&before.end);
	char *expected = malloc(old_n + waiting);
	memcpy(expected, old, old_n);
	memcpy(expected + old_n, before.text, waiting);
	for (size_t n = 0; n <= waiting; n++) {
		*journal = before;
		write_file((struct span){expected, old_n + n});
		file = open_file();
		assert_non_null(file);
		audit_file_close(file);
		assert_int_equal(assert_good().lines, 5);
		assert_true(span_equals(read_file(), (struct span){expected, old_n + waiting}));
		assert_true(atomic_load(&journal->begin) >= atomic_load(&journal->end));
	}
	free(expected);
	free(old);
}

static void a_journal_goes_on_in_a_new_file_when_the_old_one_is_gone(void **state)
{
	(void)state;
	write_records(2);
	struct audit_file *file = open_file();
	assert_true(audit_file_append(file, "proxy", SPAN("\"event\":\"one\"")));
	assert_true(audit_file_append(file, "egress", SPAN("\"event\":\"two\"")));
	audit_file_close(file);
	unlink(path);
	file = open_file();
	assert_non_null(file);
	audit_file_close(file);
	assert_int_equal(assert_good().lines, 3);
	struct span text = read_file();
	assert_non_null(memmem(text.p, text.n, "\"role\":\"egress\",\"event\":\"two\"", 29));
}

static void a_broken_journal_harms_nothing(void **state)
{
	(void)state;
	write_records(1);
	atomic_store(&journal->begin, 5);
	atomic_store(&journal->end, AUDIT_JOURNAL_TEXT + 1);
	write_records(1);
	memset(journal->text, 'x', 1000);
	atomic_store(&journal->begin, 0);
	atomic_store(&journal->end, 1000);
	write_records(1);
	assert_int_equal(assert_good().lines, 4);
}

static void the_last_record_is_known(void **state)
{
	(void)state;
	write_records(1);
	struct audit_file *file = open_file();
	assert_true(audit_file_ends_with(file, RECORD));
	assert_false(audit_file_ends_with(file, SPAN("\"event\":\"other\"")));
	assert_true(audit_file_append(file, "proxy", SPAN("\"event\":\"other\"")));
	audit_file_close(file);
	file = open_file();
	assert_true(audit_file_ends_with(file, SPAN("\"event\":\"other\"")));
	audit_file_close(file);
}

static void a_full_journal_says_so_before_a_record_is_lost(void **state)
{
	(void)state;
	static char big[48 * 1024];
	memset(big, 'x', sizeof(big));
	big[0] = '"';
	struct audit_file *file = open_file();
	unsigned count = 0;
	for (; audit_file_has_room(file); count++)
		assert_true(audit_file_append(file, "proxy", (struct span){big, sizeof(big)}));
	assert_true(count > 50);
	assert_true(audit_file_write(file, NOW));
	assert_true(audit_file_has_room(file));
	audit_file_close(file);
	assert_int_equal(assert_good().lines, count + 1);
}

/* A file size limit fails like a full disk: in the middle of a line. Run in a child, whose limit it is. */
static int write_under_a_limit(void)
{
	signal(SIGXFSZ, SIG_IGN);
	struct audit_file *file = open_file();
	struct rlimit limit = {1000, RLIM_INFINITY};
	bool good = file && setrlimit(RLIMIT_FSIZE, &limit) == 0;
	for (int i = 0; i < 20; i++)
		good = good && audit_file_append(file, "proxy", RECORD);
	good = good && !audit_file_write(file, NOW) && !audit_file_write(file, NOW + 200);
	limit.rlim_cur = RLIM_INFINITY;
	good = good && setrlimit(RLIMIT_FSIZE, &limit) == 0 && audit_file_write(file, NOW + 5000);
	audit_file_close(file);
	return good ? 0 : 1;
}

static void nothing_is_lost_while_the_disk_is_full(void **state)
{
	(void)state;
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(write_under_a_limit());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(assert_good().lines, 22);
	struct span text = read_file();
	assert_non_null(memmem(text.p, text.n, "\"event\":\"log_unavailable\"", 25));
	assert_non_null(memmem(text.p, text.n, "\"duration_ms\":5000", 18));
}

static void a_log_that_was_moved_away_is_noticed(void **state)
{
	(void)state;
	char moved[128];
	snprintf(moved, sizeof(moved), "%s.1", path);
	struct audit_file *file = open_file();
	assert_true(audit_file_is_in_place(file));
	assert_int_equal(rename(path, moved), 0);
	assert_false(audit_file_is_in_place(file));
	write_file(SPAN(""));
	assert_false(audit_file_is_in_place(file));
	audit_file_close(file);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_new_log_is_opened_and_continued),
		TEST(reserved_room_is_given_back),
		TEST(a_torn_end_of_any_length_is_cut_off_and_told),
		TEST(the_very_first_line_may_be_torn),
		TEST(what_is_no_log_is_refused_and_left_alone),
		TEST(a_changed_last_line_is_refused),
		TEST(odd_files_are_refused),
		TEST(a_second_writer_is_refused),
		TEST(lines_in_the_journal_are_not_lost),
		TEST(a_write_that_was_cut_anywhere_is_completed),
		TEST(a_journal_goes_on_in_a_new_file_when_the_old_one_is_gone),
		TEST(a_broken_journal_harms_nothing),
		TEST(the_last_record_is_known),
		TEST(a_full_journal_says_so_before_a_record_is_lost),
		TEST(nothing_is_lost_while_the_disk_is_full),
		TEST(a_log_that_was_moved_away_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
