/*
 * The last words: they reach a peer that keeps sending and one that reads slowly, and the wait for it has an
 * end in time and in octets.
 */
#include "channel_owner.h"

enum { LINGER_BYTES = 64 * 1024 * 1024 };

static void with_nothing_to_wait_for_it_does_not_linger(void **state)
{
	(void)state;
	struct tally seen = {0};
	begin_plain(unix_pair, 0);
	shutdown(peer, SHUT_WR);
	TURN_UNTIL(here.tally.ended);
	speak(&here, 100);
	assert_false(channel_linger(here.channel));
	tally_read(&seen, peer, SIZE_MAX);
	assert_int_equal(seen.count, 100);
	assert_true(seen.ended);
	assert_int_equal(seen.error, 0);
}

static void what_has_ended_does_not_linger(void **state)
{
	(void)state;
	begin_plain(tcp_pair, 0);
	peer_resets();
	TURN_UNTIL(here.ends);
	assert_false(channel_linger(here.channel));
	stay_quiet(20);
	assert_int_equal(here.told_count, 1);
}

/* A peer that asks for much and reads the refusal only in between. Were the socket closed with this unread,
 * its answer would be a reset. */
static void last_words_reach_a_peer_that_keeps_sending(void **state)
{
	(void)state;
	struct tally seen = {0};
	begin_plain(tcp_pair, 0);
	here.lingers_at = INPUT;
	speak(&here, 20000);
	peer_fills(peer, 0, 100000);
	TURN_UNTIL(here.inputs);
	assert_true(here.lingers);
	TURN_UNTIL((peer_fills(peer, 0, 2000), tally_read(&seen, peer, 1500), seen.ended));
	assert_int_equal(seen.error, 0);
	assert_int_equal(seen.count, 20000);
	assert_false(seen.spoilt);
	assert_int_equal(here.ends, 0);
	peer_closes();
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_LINGERED);
	assert_int_equal(here.told_count, 2); /* the input before, and the end */
	assert_int_equal(channel_bytes_written(here.channel), 20000);
}

static void the_last_words_may_be_said_inside_each_callback(void **state)
{
	(void)state;
	static const enum moment moments[] = {INPUT, DRAINED, OPEN};
	for (size_t i = 0; i < 3; i++) {
		struct tally seen = {0};
		struct sockaddr_in address;
		int listener = tcp_listener(1, &address);
		here = (struct owner){.lingers_at = moments[i]};
		begin_connect(&here, &address);
		speak(&here, 100);
		channel_flush(here.channel);
		peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		TURN_UNTIL(here.drains || moments[i] == OPEN);
		peer_sends(peer, "x", 1);
		TURN_UNTIL((tally_read(&seen, peer, SIZE_MAX), seen.ended));
		assert_int_equal(seen.count, 100);
		assert_int_equal(seen.error, 0);
		peer_closes();
		TURN_UNTIL(here.ends);
		assert_int_equal(here.end, CHANNEL_LINGERED);
		owner_lets_go(&here);
		close(listener);
	}
}

/* More than two seconds pass while it is sent: the clock of the lingering starts later. */
static void a_slow_reader_is_not_cut(void **state)
{
	(void)state;
	struct tally seen = {0};
	begin_plain(unix_pair, 4096);
	channel_set_timeouts(here.channel, 50, 60000);
	channel_set_output_low(here.channel, 40000);
	speak(&here, 60000);
	assert_true(channel_linger(here.channel));
	stay_quiet(2300);
	assert_int_equal(here.told_count, 0);
	TURN_UNTIL((tally_read(&seen, peer, 1000), seen.ended));
	assert_int_equal(seen.error, 0);
	assert_int_equal(seen.count, 60000);
	assert_false(seen.spoilt);
	assert_int_equal(here.told_count, 0);
	peer_closes();
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_LINGERED);
}

static void a_peer_that_has_ended_needs_only_the_words(void **state)
{
	(void)state;
	struct tally seen = {0};
	begin_plain(unix_pair, 4096);
	shutdown(peer, SHUT_WR);
	TURN_UNTIL(here.tally.ended);
	speak(&here, 60000);
	assert_true(channel_linger(here.channel));
	stay_quiet(20);
	assert_int_equal(here.ends, 0);
	TURN_UNTIL((tally_read(&seen, peer, SIZE_MAX), seen.count == 60000));
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_LINGERED);
}

static void a_peer_that_has_all_and_stays_is_not_waited_for_long(void **state)
{
	(void)state;
	struct tally seen = {0};
	begin_plain(unix_pair, 4096);
	speak(&here, 60000);
	assert_true(channel_linger(here.channel));
	TURN_UNTIL((tally_read(&seen, peer, SIZE_MAX), seen.ended));
	assert_int_equal(seen.count, 60000);
	long long start = loop_now_ms();
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_LINGERED);
	assert_true(loop_now_ms() - start >= 500);
}

/* Two at once, to wait once. One gets an octet now and then, the other what an upload would bring. */
static void an_upload_is_given_longer_than_a_trickle(void **state)
{
	(void)state;
	int pair[2];
	unix_pair(pair);
	begin_plain(unix_pair, 0);
	owner_takes_fd(&there, pair[0]);
	assert_true(channel_linger(here.channel) && channel_linger(there.channel));
	size_t dripped = 0, sent = 0;
	for (long long ms, begin = loop_now_ms(); (ms = loop_now_ms() - begin) < 2500; turn()) {
		if (dripped < (size_t)ms / 100)
			dripped += peer_fills(peer, 0, 1);
		if (sent < (size_t)ms * 100)
			sent += peer_fills(pair[1], 0, 10000);
	}
	assert_int_equal(here.ends, 1);
	assert_int_equal(here.end, CHANNEL_LINGERED);
	assert_int_equal(there.ends, 0);
	close(pair[1]);
	TURN_UNTIL(there.ends);
	assert_int_equal(there.end, CHANNEL_LINGERED);
}

static void peer_floods(void)
{
	static const char nothing[65536];
	while (send(peer, nothing, sizeof(nothing), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		continue;
}

static void a_flood_is_not_read_to_its_end(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	peer_fills(peer, 0, 1000);
	TURN_UNTIL(here.inputs);
	assert_true(channel_linger(here.channel));
	TURN_UNTIL((peer_floods(), here.ends));
	assert_int_equal(here.end, CHANNEL_LINGERED);
	assert_true(channel_bytes_read(here.channel) < LINGER_BYTES + 256 * 1024);
	assert_int_equal(evbuffer_get_length(channel_input(here.channel)), 0);
}

/* The bound is reached while the words are unsent; they are what it waits for then. */
static void a_flood_does_not_cut_the_words(void **state)
{
	(void)state;
	struct tally seen = {0};
	begin_plain(unix_pair, 0);
	make_small(channel_fd(here.channel), 4096);
	speak(&here, 60000);
	assert_true(channel_linger(here.channel));
	TURN_UNTIL((peer_floods(), channel_bytes_read(here.channel) > LINGER_BYTES));
	for (int i = 0; i < 10; i++) {
		peer_floods();
		turn();
	}
	assert_true(channel_bytes_read(here.channel) < LINGER_BYTES + 256 * 1024);
	assert_int_equal(here.ends, 0);
	TURN_UNTIL((tally_read(&seen, peer, SIZE_MAX), here.ends));
	assert_int_equal(here.end, CHANNEL_LINGERED);
	tally_read(&seen, peer, SIZE_MAX);
	assert_int_equal(seen.count, 60000);
	assert_int_equal(seen.error, 0);
	assert_false(seen.spoilt);
}

static void words_that_are_not_taken_are_a_write_timeout(void **state)
{
	(void)state;
	struct tally seen = {0};
	begin_plain(unix_pair, 4096);
	channel_set_timeouts(here.channel, 0, 60);
	channel_set_output_low(here.channel, 50000); /* of the owner's; means nothing now */
	speak(&here, 60000);
	assert_true(channel_linger(here.channel));
	peer_sends(peer, "x", 1);
	TURN_UNTIL((tally_read(&seen, peer, 16384), seen.count > 20000));
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_WRITE_TIMEOUT);
	assert_int_equal(here.told_count, 1);
}

static void words_to_nobody_are_an_end(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	peer_closes();
	speak(&here, 10);
	assert_true(channel_linger(here.channel));
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_CLOSED);
	owner_lets_go(&here);

	here = (struct owner){0};
	begin_plain(tcp_pair, 0);
	speak(&here, 10);
	assert_true(channel_linger(here.channel));
	peer_resets();
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_CLOSED);
	assert_int_equal(here.told_count, 1);
}

static void it_may_be_freed_while_it_lingers(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	speak(&here, 10);
	assert_true(channel_linger(here.channel));
	stay_quiet(20);
	owner_lets_go(&here);
	peer_closes();
	here = (struct owner){.frees_at = END};
	begin_plain(unix_pair, 0);
	assert_true(channel_linger(here.channel));
	peer_closes();
	TURN_UNTIL(!here.channel);
	stay_quiet(20);
	assert_int_equal(here.told_count, 1);
}

#define CHANNEL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHANNEL_TEST(with_nothing_to_wait_for_it_does_not_linger),
		CHANNEL_TEST(what_has_ended_does_not_linger),
		CHANNEL_TEST(last_words_reach_a_peer_that_keeps_sending),
		CHANNEL_TEST(the_last_words_may_be_said_inside_each_callback),
		CHANNEL_TEST(a_slow_reader_is_not_cut),
		CHANNEL_TEST(a_peer_that_has_ended_needs_only_the_words),
		CHANNEL_TEST(a_peer_that_has_all_and_stays_is_not_waited_for_long),
		CHANNEL_TEST(an_upload_is_given_longer_than_a_trickle),
		CHANNEL_TEST(a_flood_is_not_read_to_its_end),
		CHANNEL_TEST(a_flood_does_not_cut_the_words),
		CHANNEL_TEST(words_that_are_not_taken_are_a_write_timeout),
		CHANNEL_TEST(words_to_nobody_are_an_end),
		CHANNEL_TEST(it_may_be_freed_while_it_lingers),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
