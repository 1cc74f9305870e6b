/*
 * Messages between roles: what goes in comes out, a reader that was given less fails for good and never reads
 * past its end, a message that is too long is never sent, and one that was cut is never taken for a whole
 * one.
 */
#include "common/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void put_sample(struct ipc_writer *w)
{
	ipc_writer_init(w, 7);
	ipc_put_u8(w, 200);
	ipc_put_u32(w, 0xdeadbeef);
	ipc_put_u64(w, UINT64_MAX - 1);
	ipc_put_span(w, SPAN("hello"));
	ipc_put_span(w, SPAN(""));
}

static void check_sample(struct ipc_reader *r)
{
	assert_int_equal(ipc_get_u8(r), 7);
	assert_int_equal(ipc_get_u8(r), 200);
	assert_int_equal(ipc_get_u32(r), 0xdeadbeef);
	assert_true(ipc_get_u64(r) == UINT64_MAX - 1);
	assert_true(span_equals(ipc_get_span(r), SPAN("hello")));
	assert_int_equal(ipc_get_span(r).n, 0);
}

static void what_was_put_is_got(void **state)
{
	(void)state;
	struct ipc_writer w;
	put_sample(&w);
	assert_false(w.failed);
	struct ipc_reader r = {.p = w.p, .n = w.n};
	check_sample(&r);
	assert_true(ipc_reader_done(&r));
	ipc_writer_release(&w);
	assert_null(w.p);
}

static void every_prefix_fails_without_reading_past_its_end(void **state)
{
	(void)state;
	struct ipc_writer w;
	put_sample(&w);
	for (size_t n = 0; n < w.n; n++) {
		/* Memory of just this size: the sanitizer sees any octet read behind it. */
		char *cut = malloc(n ? n : 1);
		memcpy(cut, w.p, n);
		struct ipc_reader r = {.p = cut, .n = n};
		ipc_get_u8(&r);
		ipc_get_u8(&r);
		ipc_get_u32(&r);
		ipc_get_u64(&r);
		ipc_get_span(&r);
		ipc_get_span(&r);
		assert_true(r.failed);
		assert_false(ipc_reader_done(&r));
		/* It sticks, and what comes after is zero and empty. */
		assert_int_equal(ipc_get_u32(&r), 0);
		assert_int_equal(ipc_get_span(&r).n, 0);
		free(cut);
	}
	ipc_writer_release(&w);
}

static void a_length_beyond_the_message_fails(void **state)
{
	(void)state;
	static const uint32_t lengths[] = {5, 100, INT32_MAX, (uint32_t)INT32_MAX + 1, UINT32_MAX};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char message[8] = "....abcd";
		memcpy(message, &lengths[i], 4);
		struct ipc_reader r = {.p = message, .n = sizeof(message)};
		assert_int_equal(ipc_get_span(&r).n, 0);
		assert_true(r.failed);
	}
}

static void octets_that_are_left_are_not_done(void **state)
{
	(void)state;
	struct ipc_reader r = {.p = "ab", .n = 2};
	ipc_get_u8(&r);
	assert_false(r.failed);
	assert_false(ipc_reader_done(&r));
}

static void a_message_over_its_maximum_fails_for_good(void **state)
{
	(void)state;
	static char big[IPC_MAX_MESSAGE];
	struct ipc_writer w;
	ipc_writer_init(&w, 1);
	ipc_put_span(&w, (struct span){big, IPC_MAX_MESSAGE - 5});
	assert_false(w.failed);
	assert_int_equal(w.n, IPC_MAX_MESSAGE);
	ipc_put_u8(&w, 1);
	assert_true(w.failed);
	assert_int_equal(ipc_send(-1, &w), -EMSGSIZE);
	ipc_writer_release(&w);

	ipc_writer_init(&w, 1);
	ipc_put_span(&w, (struct span){big, IPC_MAX_MESSAGE - 4});
	assert_true(w.failed);
	ipc_writer_release(&w);

	ipc_writer_init(&w, 1);
	ipc_put_span(&w, (struct span){big, SIZE_MAX});
	assert_true(w.failed);
	ipc_writer_release(&w);
}

static void make_pair(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
}

static void messages_arrive_one_by_one(void **state)
{
	(void)state;
	static char buffer[IPC_MAX_MESSAGE];
	int pair[2];
	make_pair(pair);
	for (int i = 0; i < 3; i++) {
		struct ipc_writer w;
		put_sample(&w);
		assert_int_equal(ipc_send(pair[0], &w), 0);
		ipc_writer_release(&w);
	}
	for (int i = 0; i < 3; i++) {
		struct ipc_reader r = {
			.p = buffer, .n = (size_t)ipc_receive(pair[1], buffer, sizeof(buffer))};
		check_sample(&r);
		assert_true(ipc_reader_done(&r));
	}
	assert_int_equal(ipc_receive(pair[1], buffer, sizeof(buffer)), -EAGAIN);
	close(pair[0]);
	assert_int_equal(ipc_receive(pair[1], buffer, sizeof(buffer)), 0);
	close(pair[1]);
}

static void a_cut_message_is_refused(void **state)
{
	(void)state;
	char small[4];
	int pair[2];
	make_pair(pair);
	struct ipc_writer w;
	put_sample(&w);
	assert_int_equal(ipc_send(pair[0], &w), 0);
	assert_int_equal(ipc_receive(pair[1], small, sizeof(small)), -EMSGSIZE);
	ipc_writer_release(&w);
	close(pair[0]);
	close(pair[1]);
}

static void a_full_socket_and_a_closed_one_are_told_apart(void **state)
{
	(void)state;
	int pair[2], result;
	make_pair(pair);
	struct ipc_writer w;
	put_sample(&w);
	unsigned sent = 0;
	while ((result = ipc_send(pair[0], &w)) == 0)
		sent++;
	assert_true(sent > 100);
	assert_int_equal(result, -EAGAIN);
	close(pair[1]);
	result = ipc_send(pair[0], &w);
	/* And no SIGPIPE. What was not read makes it a reset. */
	assert_true(result == -EPIPE || result == -ECONNRESET);
	ipc_writer_release(&w);
	close(pair[0]);
}

static void descriptors_that_come_along_are_dropped(void **state)
{
	(void)state;
	char buffer[64], control[CMSG_SPACE(sizeof(int))] = {0};
	int pair[2];
	make_pair(pair);
	char octet = 1;
	struct iovec data = {&octet, 1};
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	*header = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(header), &pair[0], sizeof(int));
	assert_int_equal(sendmsg(pair[0], &message, 0), 1);
	int next = dup(0);
	close(next);
	assert_int_equal(ipc_receive(pair[1], buffer, sizeof(buffer)), 1);
	int after = dup(0);
	assert_int_equal(after, next);
	close(after);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_got),
		cmocka_unit_test(every_prefix_fails_without_reading_past_its_end),
		cmocka_unit_test(a_length_beyond_the_message_fails),
		cmocka_unit_test(octets_that_are_left_are_not_done),
		cmocka_unit_test(a_message_over_its_maximum_fails_for_good),
		cmocka_unit_test(messages_arrive_one_by_one),
		cmocka_unit_test(a_cut_message_is_refused),
		cmocka_unit_test(a_full_socket_and_a_closed_one_are_told_apart),
		cmocka_unit_test(descriptors_that_come_along_are_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
