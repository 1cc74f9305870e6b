/*
 * Plain channels: what their owner is told and in which order, what the peer sees, how reading and writing
 * stop and go on, and every end.
 */
#include "channel_owner.h"

#include <sys/un.h>

/* ---- input */

static void input_comes_and_ends(void **state)
{
	(void)state;
	struct tally seen = {0};
	begin_plain(unix_pair, 0);
	assert_null(channel_ssl(here.channel));
	stay_quiet(20);
	assert_int_equal(here.inputs, 0);
	peer_sends(peer, octets(0, 100), 100);
	TURN_UNTIL(here.tally.count == 100);
	assert_false(channel_input_ended(here.channel));
	assert_int_equal(here.inputs, 1);
	peer_sends(peer, octets(100, 50), 50);
	shutdown(peer, SHUT_WR);
	TURN_UNTIL(channel_input_ended(here.channel));
	assert_int_equal(here.tally.count, 150);
	assert_false(here.tally.spoilt);
	assert_false(channel_input_truncated(here.channel));
	assert_int_equal(channel_bytes_read(here.channel), 150);

	/* Ours goes on, and the end is told once. */
	unsigned inputs = here.inputs;
	speak(&here, 70);
	channel_flush(here.channel);
	stay_quiet(20);
	tally_read(&seen, peer, 1000);
	assert_int_equal(seen.count, 70);
	assert_false(seen.ended);
	assert_int_equal(here.inputs, inputs);
	assert_int_equal(here.ends, 0);
	assert_int_equal(channel_bytes_written(here.channel), 70);
}

static void our_end_leaves_the_input_open(void **state)
{
	(void)state;
	struct tally seen = {0};
	begin_plain(unix_pair, 4096);
	speak(&here, 60000);
	channel_shutdown_write(here.channel);
	assert_true(channel_write_is_shut(here.channel));
	assert_true(channel_output_size(here.channel) > 0);
	stay_quiet(20);
	TURN_UNTIL((tally_read(&seen, peer, SIZE_MAX), seen.ended));
	assert_int_equal(seen.error, 0);
	assert_int_equal(seen.count, 60000);
	assert_false(seen.spoilt);
	assert_int_equal(channel_bytes_written(here.channel), 60000);
	peer_sends(peer, octets(0, 100), 100);
	TURN_UNTIL(here.tally.count == 100);
	shutdown(peer, SHUT_WR);
	TURN_UNTIL(here.tally.ended);
	assert_int_equal(here.ends, 0);
}

static void a_full_input_stops_reading(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	here.keeps_input = true;
	channel_set_input_high(here.channel, 1000);
	size_t sent = peer_fills(peer, 0, 150000);
	TURN_UNTIL(here.inputs == 1);
	stay_quiet(30);
	size_t held = evbuffer_get_length(channel_input(here.channel));
	assert_in_range(held, 1000, 64 * 1024);
	assert_true(held < sent);
	assert_int_equal(here.inputs, 1);

	/* To the mark is not below it. */
	char drop[65536];
	evbuffer_remove(channel_input(here.channel), drop, held - 1000);
	tally_add(&here.tally, drop, held - 1000);
	stay_quiet(30);
	assert_int_equal(here.inputs, 1);
	evbuffer_remove(channel_input(here.channel), drop, 1);
	tally_add(&here.tally, drop, 1);
	TURN_UNTIL(here.inputs == 2);
	here.keeps_input = false;
	owner_takes(&here);
	TURN_UNTIL(here.tally.count == sent);
	assert_false(here.tally.spoilt);
	assert_int_equal(here.ends, 0);
}

static void a_higher_mark_lets_reading_go_on(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	here.keeps_input = true;
	channel_set_input_high(here.channel, 10);
	peer_sends(peer, octets(0, 10), 10);
	TURN_UNTIL(here.inputs == 1);
	peer_sends(peer, octets(10, 5), 5);
	stay_quiet(30);
	assert_int_equal(evbuffer_get_length(channel_input(here.channel)), 10);
	channel_set_input_high(here.channel, 11);
	TURN_UNTIL(here.inputs == 2);
	assert_int_equal(evbuffer_get_length(channel_input(here.channel)), 15);
}

static void reading_is_turned_off_and_on(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	channel_enable_reading(here.channel, false);
	peer_sends(peer, octets(0, 100), 100);
	shutdown(peer, SHUT_WR);
	stay_quiet(30);
	assert_int_equal(here.inputs, 0);
	channel_enable_reading(here.channel, true);
	assert_int_equal(here.inputs, 0);
	TURN_UNTIL(here.tally.ended);
	assert_int_equal(here.tally.count, 100);
	assert_int_equal(here.ends, 0);
}

static void a_channel_may_change_hands(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	struct channel *channel = there.channel = here.channel;
	here.channel = NULL;
	assert_true(channel_fd(channel) >= 0);
	channel_set_callbacks(channel, &callbacks, &there);
	peer_sends(peer, octets(0, 100), 100);
	TURN_UNTIL(there.tally.count == 100);
	assert_int_equal(here.told_count, 0);
}

/* ---- output */

static void the_owner_hears_of_the_low_water_mark(void **state)
{
	(void)state;
	enum { ALL = 200000, LOW = 50000 };
	struct tally seen = {0};
	begin_plain(unix_pair, 4096);
	channel_set_output_low(here.channel, LOW);
	for (size_t n = 0; n < ALL; n += 50000)
		evbuffer_add(channel_output(here.channel), octets(n, 50000), 50000);
	channel_flush(here.channel);
	stay_quiet(30);
	assert_int_equal(here.drains, 0);
	for (long long begin = loop_now_ms(); here.drains == 0; turn()) {
		assert_true(channel_output_size(here.channel) > LOW);
		tally_read(&seen, peer, 1500);
		is_late(begin, __LINE__, "the end");
	}
	assert_in_range(channel_output_size(here.channel), LOW / 2, LOW);
	TURN_UNTIL((tally_read(&seen, peer, SIZE_MAX), seen.count == ALL));
	assert_false(seen.spoilt);
	assert_int_equal(here.drains, 1);
	assert_int_equal(channel_output_size(here.channel), 0);
	assert_int_equal(channel_bytes_written(here.channel), ALL);
}

/* An owner who waits may flush again himself, before the loop tells that the socket has room. */
static void the_owner_hears_of_what_his_own_flush_drained(void **state)
{
	(void)state;
	struct tally seen = {0};
	begin_plain(unix_pair, 4096);
	speak(&here, 20000);
	channel_flush(here.channel);
	while (channel_output_size(here.channel) > 0) {
		tally_read(&seen, peer, SIZE_MAX);
		channel_flush(here.channel);
	}
	assert_int_equal(here.drains, 0);
	TURN_UNTIL(here.drains);
	stay_quiet(20);
	assert_int_equal(here.told_count, 1);
}

static void a_large_stream_goes_through_small_buffers(void **state)
{
	(void)state;
	int pair[2];
	unix_pair(pair);
	make_small(pair[0], 1);
	make_small(pair[1], 1);
	owner_takes_fd(&here, pair[0]);
	owner_takes_fd(&there, pair[1]);
	here.to_send = there.to_send = 500000;
	here.shuts_when_sent = there.shuts_when_sent = true;
	there.low = 20000;
	channel_set_output_low(there.channel, there.low);
	owner_sends(&here);
	owner_sends(&there);
	TURN_UNTIL(here.tally.ended && there.tally.ended);
	assert_false(here.tally.spoilt || there.tally.spoilt);
	assert_int_equal(there.tally.count, 500000);
	assert_int_equal(here.ends + there.ends, 0);
	assert_int_equal(channel_bytes_written(here.channel), channel_bytes_read(there.channel));
}

static void output_to_nobody_ends_it(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	channel_enable_reading(here.channel, false);
	peer_closes();
	evbuffer_add(channel_output(here.channel), "x", 1);
	channel_flush(here.channel);
	assert_int_equal(here.ends, 0);
	channel_flush(here.channel);
	channel_shutdown_write(here.channel);
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_CLOSED);
	assert_int_equal(channel_errno(here.channel), EPIPE);
	stay_quiet(20);
	assert_int_equal(here.told_count, 1);
}

/* ---- connections */

static void output_may_be_filled_before_the_connection_stands(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 3000, 65536};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct sockaddr_in address;
		struct tally seen = {0};
		int listener = tcp_listener(1, &address);
		here = (struct owner){0};
		begin_connect(&here, &address);
		speak(&here, sizes[i]);
		channel_flush(here.channel);
		assert_int_equal(channel_output_size(here.channel), sizes[i]);
		peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		assert_int_equal(here.told_count, 0);
		TURN_UNTIL(here.drains);
		assert_int_equal(here.told[0], OPEN);
		assert_int_equal(here.told[1], DRAINED);
		TURN_UNTIL((tally_read(&seen, peer, SIZE_MAX), seen.count == sizes[i]));
		assert_int_equal(here.told_count, 2);
		assert_false(seen.spoilt);
		owner_lets_go(&here);
		peer_closes();
		close(listener);
	}
}

static void the_end_may_be_asked_for_before_the_connection_stands(void **state)
{
	(void)state;
	struct sockaddr_in address;
	struct tally seen = {0};
	int listener = tcp_listener(1, &address);
	begin_connect(&here, &address);
	speak(&here, 10);
	channel_shutdown_write(here.channel);
	peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	TURN_UNTIL((tally_read(&seen, peer, SIZE_MAX), seen.ended));
	assert_int_equal(seen.count, 10);
	assert_int_equal(seen.error, 0);
	assert_int_equal(here.opens, 1);
	assert_int_equal(here.ends, 0);
	close(listener);
}

static void a_closed_port_is_an_end_with_its_reason(void **state)
{
	(void)state;
	struct sockaddr_in address;
	int bound = tcp_listener(-1, &address);
	begin_connect(&here, &address);
	evbuffer_add(channel_output(here.channel), "x", 1);
	channel_flush(here.channel);
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_CLOSED);
	assert_int_equal(channel_errno(here.channel), ECONNREFUSED);
	assert_int_equal(here.told_count, 1);
	close(bound);
}

static void what_cannot_be_begun_is_null(void **state)
{
	(void)state;
	struct sockaddr_un nobody = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"};
	struct sockaddr unknown = {.sa_family = AF_UNSPEC};
	errno = 0;
	assert_null(channel_connect(base, (struct sockaddr *)&nobody, sizeof(nobody), &callbacks, &here));
	assert_int_equal(errno, ENOENT);
	errno = 0;
	assert_null(channel_connect(base, &unknown, sizeof(unknown), &callbacks, &here));
	assert_int_equal(errno, EAFNOSUPPORT);
}

/* Nobody accepts and the queue is full: the kernel leaves the last ones without an answer. */
static void a_connection_that_does_not_come_times_out(void **state)
{
	(void)state;
	enum { QUEUE = 4 };
	struct sockaddr_in address;
	int listener = tcp_listener(0, &address), fillers[QUEUE];
	for (int i = 0; i < QUEUE; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(fillers[i], (struct sockaddr *)&address, sizeof(address));
	}
	begin_connect(&here, &address);
	channel_set_timeouts(here.channel, 60, 0);
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_READ_TIMEOUT);
	assert_int_equal(here.opens, 0);
	for (int i = 0; i < QUEUE; i++)
		close(fillers[i]);
	close(listener);
}

/* ---- timeouts */

static void silence_is_a_read_timeout(void **state)
{
	(void)state;
	long long start = loop_now_ms();
	begin_plain(unix_pair, 0);
	channel_set_timeouts(here.channel, 60, 0);
	TURN_UNTIL(here.ends);
	assert_true(loop_now_ms() - start >= 50);
	assert_int_equal(here.end, CHANNEL_READ_TIMEOUT);
	assert_int_equal(here.told_count, 1);
}

/* The octet is there before each turn, so that a machine that stalls harms nothing. */
static void each_read_starts_the_read_timer_anew(void **state)
{
	(void)state;
	size_t place = 0;
	begin_plain(unix_pair, 0);
	channel_set_timeouts(here.channel, 80, 0);
	for (long long begin = loop_now_ms(); loop_now_ms() - begin < 300; turn())
		peer_sends(peer, octets(place++, 1), 1);
	assert_int_equal(here.ends, 0);
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_READ_TIMEOUT);
	assert_int_equal(here.tally.count, place);
}

static void no_read_timeout_runs_while_reading_is_off(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	channel_set_timeouts(here.channel, 100, 0);
	channel_enable_reading(here.channel, false);
	stay_quiet(150);
	assert_int_equal(here.ends, 0);
	long long start = loop_now_ms();
	channel_enable_reading(here.channel, true);
	TURN_UNTIL(here.ends);
	assert_true(loop_now_ms() - start >= 90);
	assert_int_equal(here.end, CHANNEL_READ_TIMEOUT);
}

static void the_read_timer_starts_anew_when_a_full_input_was_taken(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	here.keeps_input = true;
	channel_set_input_high(here.channel, 10);
	channel_set_timeouts(here.channel, 100, 0);
	peer_sends(peer, octets(0, 10), 10);
	stay_quiet(150);
	assert_int_equal(here.ends, 0);
	long long start = loop_now_ms();
	owner_takes(&here);
	TURN_UNTIL(here.ends);
	assert_true(loop_now_ms() - start >= 90);
	assert_int_equal(here.end, CHANNEL_READ_TIMEOUT);
}

static void no_read_timeout_runs_after_the_end_of_the_input(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	channel_set_timeouts(here.channel, 40, 40);
	shutdown(peer, SHUT_WR);
	stay_quiet(150);
	assert_true(channel_input_ended(here.channel));
	assert_int_equal(here.ends, 0);
}

static void timeouts_may_be_taken_back_and_shortened(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	channel_set_timeouts(here.channel, 40, 0);
	channel_set_timeouts(here.channel, 0, 0);
	stay_quiet(120);
	assert_int_equal(here.ends, 0);
	channel_set_timeouts(here.channel, 60000, 0);
	turn();
	channel_set_timeouts(here.channel, 40, 0);
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_READ_TIMEOUT);
}

static void a_peer_that_takes_nothing_is_a_write_timeout(void **state)
{
	(void)state;
	begin_plain(unix_pair, 4096);
	channel_set_timeouts(here.channel, 0, 60);
	stay_quiet(120);
	assert_int_equal(here.ends, 0);
	speak(&here, 50000);
	channel_flush(here.channel);
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_WRITE_TIMEOUT);
	assert_int_equal(here.told_count, 1);
}

/* Some of one large output goes in time, again and again; the owner does nothing. */
static void a_slow_taker_is_no_write_timeout(void **state)
{
	(void)state;
	struct tally seen = {0};
	begin_plain(unix_pair, 4096);
	for (size_t n = 0; n < 1000000; n += 50000)
		evbuffer_add(channel_output(here.channel), octets(n, 50000), 50000);
	channel_set_timeouts(here.channel, 0, 80);
	channel_flush(here.channel);
	for (long long ms, begin = loop_now_ms(); (ms = loop_now_ms() - begin) < 300; turn())
		if (seen.count <= (size_t)ms * 2000)
			tally_read(&seen, peer, 16384);
	assert_int_equal(here.ends, 0);
	assert_false(seen.spoilt);
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_WRITE_TIMEOUT);
}

/* ---- ends */

static void a_reset_is_an_end_with_its_reason(void **state)
{
	(void)state;
	begin_plain(tcp_pair, 0);
	peer_resets();
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_CLOSED);
	assert_int_equal(channel_errno(here.channel), ECONNRESET);
	assert_int_equal(here.told_count, 1);
	assert_false(channel_input_ended(here.channel));
	stay_quiet(20);
	assert_int_equal(here.told_count, 1);
}

static void to_free_is_an_orderly_end(void **state)
{
	(void)state;
	struct tally seen = {0};
	begin_plain(tcp_pair, 0);
	speak(&here, 10);
	channel_flush(here.channel);
	evbuffer_add(channel_output(here.channel), "lost", 4);
	owner_lets_go(&here);
	TURN_UNTIL((tally_read(&seen, peer, SIZE_MAX), seen.ended));
	assert_int_equal(seen.count, 10);
	assert_int_equal(seen.error, 0);
	channel_free(NULL);
}

static void to_abort_is_a_reset(void **state)
{
	(void)state;
	struct tally seen = {0};
	begin_plain(tcp_pair, 0);
	here.aborts = true;
	owner_lets_go(&here);
	TURN_UNTIL((tally_read(&seen, peer, SIZE_MAX), seen.ended));
	assert_int_equal(seen.error, ECONNRESET);
	channel_abort(NULL);
}

static void freed_before_the_loop_turns_nothing_is_told(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	channel_enable_reading(here.channel, false);
	peer_closes();
	evbuffer_add(channel_output(here.channel), "x", 1);
	channel_flush(here.channel);
	owner_lets_go(&here);
	stay_quiet(20);
	assert_int_equal(here.told_count, 0);
}

/* Each leaves something that would be told next, if it were not freed. */
static void provoke(enum moment moment)
{
	struct tally seen = {0};
	struct sockaddr_in address;
	int listener = -1;
	if (moment == OPEN) {
		listener = tcp_listener(1, &address);
		begin_connect(&here, &address);
		peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} else {
		begin_plain(unix_pair, 4096);
	}
	speak(&here, 60000);
	channel_flush(here.channel);
	peer_sends(peer, octets(0, 100), 100);
	if (moment == DRAINED)
		channel_enable_reading(here.channel, false);
	if (moment == END)
		peer_resets();
	TURN_UNTIL((tally_read(&seen, peer, moment == DRAINED ? SIZE_MAX : 0), !here.channel));
	if (listener >= 0)
		close(listener);
}

static void it_may_be_freed_inside_each_callback(void **state)
{
	(void)state;
	for (int aborts = 0; aborts < 2; aborts++)
		for (enum moment moment = INPUT; moment <= END; moment++) {
			here = (struct owner){.frees_at = moment, .aborts = aborts, .keeps_input = true};
			provoke(moment);
			assert_int_equal(here.told[here.told_count - 1], moment);
			stay_quiet(10); /* a callback now would meet no channel */
			if (peer >= 0)
				peer_closes();
		}
}

static void the_end_may_be_begun_inside_each_callback(void **state)
{
	(void)state;
	static const enum moment moments[] = {INPUT, DRAINED, OPEN};
	for (size_t i = 0; i < 3; i++) {
		here = (struct owner){.shuts_at = moments[i], .frees_at = moments[i]};
		provoke(moments[i]);
		stay_quiet(10);
		peer_closes();
	}
}

/* ---- want of memory */

static int allocations_left = -1; /* of libevent; -1: as many as it wants */

static bool may_allocate(void)
{
	if (allocations_left == 0)
		return false;
	allocations_left -= allocations_left > 0;
	return true;
}

static void *scarce_malloc(size_t size)
{
	return may_allocate() ? malloc(size) : NULL;
}

static void *scarce_realloc(void *p, size_t size)
{
	return may_allocate() ? realloc(p, size) : NULL;
}

static void without_memory_the_descriptor_is_closed(void **state)
{
	(void)state;
	for (int granted = 0; !here.channel; granted++) {
		struct tally seen = {0};
		int pair[2];
		unix_pair(pair);
		peer = pair[1];
		allocations_left = granted;
		here.channel = channel_new(base, pair[0], &callbacks, &here);
		allocations_left = -1;
		tally_read(&seen, peer, 1);
		assert_int_equal(seen.ended, !here.channel);
		assert_true(granted > 0 || !here.channel);
		peer_closes();
	}
}

static void without_memory_no_connection_is_made(void **state)
{
	(void)state;
	struct sockaddr_in address;
	int listener = tcp_listener(1, &address);
	allocations_left = 0;
	errno = 0;
	assert_null(
		channel_connect(base, (const struct sockaddr *)&address, sizeof(address), &callbacks, &here));
	assert_int_equal(errno, ENOMEM);
	allocations_left = -1;
	close(listener);
}

static void input_without_memory_is_an_end(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	peer_sends(peer, octets(0, 100), 100);
	allocations_left = 0;
	TURN_UNTIL(here.ends);
	allocations_left = -1;
	assert_int_equal(here.end, CHANNEL_NO_MEMORY);
	assert_int_equal(here.told_count, 1);
}

#define CHANNEL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHANNEL_TEST(input_comes_and_ends),
		CHANNEL_TEST(our_end_leaves_the_input_open),
		CHANNEL_TEST(a_full_input_stops_reading),
		CHANNEL_TEST(a_higher_mark_lets_reading_go_on),
		CHANNEL_TEST(reading_is_turned_off_and_on),
		CHANNEL_TEST(a_channel_may_change_hands),
		CHANNEL_TEST(the_owner_hears_of_the_low_water_mark),
		CHANNEL_TEST(the_owner_hears_of_what_his_own_flush_drained),
		CHANNEL_TEST(a_large_stream_goes_through_small_buffers),
		CHANNEL_TEST(output_to_nobody_ends_it),
		CHANNEL_TEST(output_may_be_filled_before_the_connection_stands),
		CHANNEL_TEST(the_end_may_be_asked_for_before_the_connection_stands),
		CHANNEL_TEST(a_closed_port_is_an_end_with_its_reason),
		CHANNEL_TEST(what_cannot_be_begun_is_null),
		CHANNEL_TEST(a_connection_that_does_not_come_times_out),
		CHANNEL_TEST(silence_is_a_read_timeout),
		CHANNEL_TEST(each_read_starts_the_read_timer_anew),
		CHANNEL_TEST(no_read_timeout_runs_while_reading_is_off),
		CHANNEL_TEST(the_read_timer_starts_anew_when_a_full_input_was_taken),
		CHANNEL_TEST(no_read_timeout_runs_after_the_end_of_the_input),
		CHANNEL_TEST(timeouts_may_be_taken_back_and_shortened),
		CHANNEL_TEST(a_peer_that_takes_nothing_is_a_write_timeout),
		CHANNEL_TEST(a_slow_taker_is_no_write_timeout),
		CHANNEL_TEST(a_reset_is_an_end_with_its_reason),
		CHANNEL_TEST(to_free_is_an_orderly_end),
		CHANNEL_TEST(to_abort_is_a_reset),
		CHANNEL_TEST(freed_before_the_loop_turns_nothing_is_told),
		CHANNEL_TEST(it_may_be_freed_inside_each_callback),
		CHANNEL_TEST(the_end_may_be_begun_inside_each_callback),
		CHANNEL_TEST(without_memory_the_descriptor_is_closed),
		CHANNEL_TEST(without_memory_no_connection_is_made),
		CHANNEL_TEST(input_without_memory_is_an_end),
	};
	event_set_mem_functions(scarce_malloc, scarce_realloc, free);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
