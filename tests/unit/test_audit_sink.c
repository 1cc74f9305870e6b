/*
 * A role's side of the log: records arrive in order, wait when the keeper is behind, are refused when too
 * many wait, and traffic may flow only while the keeper says so.
 */
#include "common/ipc.h"
#include "common/keeper.h"
#include "pipelock/health.h"

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int pair[2];
static struct event_base *base;
static struct audit_health health;
static struct audit_sink *sink;

static int set_up(void **state)
{
	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
		return -1;
	base = event_base_new();
	atomic_store(&health.accepting, 1);
	sink = audit_sink_new(base, pair[0], &health);
	return sink ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	audit_sink_free(sink);
	event_base_free(base);
	close(pair[0]);
	if (pair[1] >= 0)
		close(pair[1]);
	return 0;
}

static int record(unsigned number, size_t size)
{
	static char members[KEEPER_MAX_RECORD + 2];
	memset(members, 'x', sizeof(members));
	int n = snprintf(members, sizeof(members), "\"n\":%u", number);
	members[n] = ',';
	return audit_sink_record(sink, (struct span){members, size});
}

/* The number of the next record that arrived; -1: none is there. */
static long receive(void)
{
	static char buffer[IPC_MAX_MESSAGE];
	ssize_t n = recv(pair[1], buffer, sizeof(buffer), MSG_DONTWAIT);
	if (n <= 0)
		return -1;
	struct ipc_reader r = {.p = buffer, .n = (size_t)n};
	assert_int_equal(ipc_get_u8(&r), KEEPER_RECORD);
	struct span members = ipc_get_span(&r);
	assert_true(ipc_reader_done(&r));
	return strtol(members.p + 4, NULL, 10);
}

static void records_arrive_in_order_however_slow_the_keeper_is(void **state)
{
	(void)state;
	unsigned sent = 0, received = 0;
	/* Until some of them wait in the queue. */
	while (audit_sink_idle(sink))
		assert_int_equal(record(sent++, 1000), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(record(sent++, 1000), 0);
	while (received < sent) {
		long number = receive();
		if (number < 0) {
			event_base_loop(base, EVLOOP_ONCE);
			continue;
		}
		assert_int_equal(number, received);
		received++;
	}
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_true(audit_sink_idle(sink));
	assert_int_equal(receive(), -1);
}

static void too_many_that_wait_stop_new_traffic_first_and_are_refused_then(void **state)
{
	(void)state;
	unsigned sent = 0, ready = 0;
	int result;
	while ((result = record(sent, KEEPER_MAX_RECORD)) == 0) {
		sent++;
		ready += audit_sink_ready(sink);
		assert_true(sent < 10000);
	}
	assert_int_equal(result, -ENOBUFS);
	assert_false(audit_sink_ready(sink));
	/* Much room between the two bounds, for the records of what runs. */
	assert_true(ready > 10 && sent > ready + 100);
	for (unsigned received = 0; received < sent;) {
		if (receive() < 0)
			event_base_loop(base, EVLOOP_ONCE);
		else
			received++;
	}
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_true(audit_sink_ready(sink));
	assert_int_equal(record(0, 100), 0);
}

static void the_keeper_decides_whether_traffic_may_flow(void **state)
{
	(void)state;
	assert_true(audit_sink_ready(sink));
	atomic_store(&health.accepting, 0);
	assert_false(audit_sink_ready(sink));
	/* What already happened still gets its record. */
	assert_int_equal(record(1, 100), 0);
	assert_int_equal(receive(), 1);
	atomic_store(&health.accepting, 2);
	assert_false(audit_sink_ready(sink));
	atomic_store(&health.accepting, 1);
	assert_true(audit_sink_ready(sink));
}

static void a_keeper_that_is_gone_is_gone_for_good(void **state)
{
	(void)state;
	close(pair[1]);
	pair[1] = -1;
	assert_true(record(1, 100) < 0);
	assert_false(audit_sink_ready(sink));
	assert_true(record(2, 100) < 0);
}

static void records_of_a_wrong_size_are_refused(void **state)
{
	(void)state;
	assert_int_equal(record(1, 0), -EMSGSIZE);
	assert_int_equal(record(1, KEEPER_MAX_RECORD + 1), -EMSGSIZE);
	assert_int_equal(record(7, KEEPER_MAX_RECORD), 0);
	assert_int_equal(receive(), 7);
	assert_true(audit_sink_ready(sink));
}

static void the_health_page_can_be_written_by_the_keeper_alone(void **state)
{
	(void)state;
	int fd, readonly_fd;
	struct audit_health *written;
	struct audit_journal *journal;
	assert_int_equal(health_create(&fd, &readonly_fd), 0);
	assert_true(health_map(fd, &written, &journal));
	struct audit_health *read = audit_health_map(readonly_fd, false);
	assert_non_null(read);
	assert_int_equal(atomic_load(&read->accepting), 0);
	atomic_store(&written->accepting, 1);
	assert_int_equal(atomic_load(&read->accepting), 1);
	assert_null(audit_health_map(readonly_fd, true));
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_false(health_map(pair[0], &written, &journal));
	munmap(read, sizeof(*read));
	close(fd);
	close(readonly_fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(records_arrive_in_order_however_slow_the_keeper_is),
		TEST(too_many_that_wait_stop_new_traffic_first_and_are_refused_then),
		TEST(the_keeper_decides_whether_traffic_may_flow),
		TEST(a_keeper_that_is_gone_is_gone_for_good),
		TEST(records_of_a_wrong_size_are_refused),
		TEST(the_health_page_can_be_written_by_the_keeper_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
