/*
 * Channels over TLS, a server against a client: records large and small, what comes early, late or never, and
 * the network cut where it hurts. `here` is the server, `there` the client.
 */
#include "channel_owner.h"

#include <openssl/x509.h>

struct kind {
	int version;
	bool read_ahead; /* what the programs use: OpenSSL holds octets that the kernel does not tell of */
};

static const struct kind kinds[] = {
	{TLS1_3_VERSION, false}, {TLS1_3_VERSION, true}, {TLS1_2_VERSION, false}, {TLS1_2_VERSION, true}};
static const struct kind usual = {TLS1_3_VERSION, true};

static EVP_PKEY *key;
static X509 *certificate;
static int wire[2] = {-1, -1}; /* ends of the network between them: the server's side, the client's */

static int make_certificate(void **state)
{
	(void)state;
	key = EVP_EC_gen("prime256v1");
	certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	X509_set_version(certificate, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	return X509_sign(certificate, key, EVP_sha256()) > 0 ? 0 : -1;
}

static int drop_certificate(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	X509_free(certificate);
	return 0;
}

static SSL *new_ssl(struct kind kind, bool server)
{
	SSL_CTX *context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	SSL_CTX_set_min_proto_version(context, kind.version);
	SSL_CTX_set_max_proto_version(context, kind.version);
	SSL_CTX_set_read_ahead(context, kind.read_ahead);
	if (server) {
		SSL_CTX_use_certificate(context, certificate);
		SSL_CTX_use_PrivateKey(context, key);
	}
	SSL *ssl = SSL_new(context);
	SSL_CTX_free(context);
	assert_non_null(ssl);
	return ssl;
}

static void start_tls(struct owner *owner, struct kind kind)
{
	bool server = owner == &here;
	channel_start_tls(owner->channel, new_ssl(kind, server), server);
}

/* Two channels with the test in the middle of the wire. */
static void begin_wired_pair(void)
{
	int server_side[2], client_side[2];
	unix_pair(server_side);
	unix_pair(client_side);
	owner_takes_fd(&here, server_side[0]);
	owner_takes_fd(&there, client_side[0]);
	wire[0] = server_side[1];
	wire[1] = client_side[1];
}

static size_t carry(int from, int to, size_t most)
{
	char buffer[16384];
	ssize_t n = recv(from, buffer, most < sizeof(buffer) ? most : sizeof(buffer), MSG_DONTWAIT);
	if (n > 0)
		peer_sends(to, buffer, (size_t)n);
	return n > 0 ? (size_t)n : 0;
}

static void carry_both_ways(size_t at_a_time)
{
	carry(wire[0], wire[1], at_a_time);
	carry(wire[1], wire[0], at_a_time);
}

static void cut(int *end)
{
	if (*end >= 0)
		close(*end);
	*end = -1;
}

/* Ends all that a turn of a table began. */
static void end_pair(void)
{
	channel_free(here.channel);
	channel_free(there.channel);
	here = there = (struct owner){0};
	cut(&wire[0]);
	cut(&wire[1]);
}

static int tear_down_pair(void **state)
{
	end_pair();
	return tear_down(state);
}

static void open_tls(struct kind kind, void (*make_pair)(int pair[2]), int buffer_octets)
{
	begin_pair(make_pair, buffer_octets);
	start_tls(&here, kind);
	start_tls(&there, kind);
	TURN_UNTIL(here.opens && there.opens);
}

static void say(struct owner *owner, size_t n)
{
	owner->to_send += n;
	owner_sends(owner);
}

static void tls_carries_octets_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		open_tls(kinds[i], unix_pair, 0);
		assert_int_equal(SSL_version(channel_ssl(here.channel)), kinds[i].version);
		assert_int_equal(here.told[0], OPEN);
		assert_int_equal(there.told[0], OPEN);
		say(&there, 100);
		TURN_UNTIL(here.tally.count == 100);
		say(&here, 40000);
		TURN_UNTIL(there.tally.count == 40000);
		assert_false(here.tally.spoilt || there.tally.spoilt);
		assert_int_equal(channel_bytes_read(here.channel), 100);
		assert_int_equal(channel_bytes_written(there.channel), 100);
		assert_int_equal(channel_bytes_read(there.channel), 40000);
		assert_int_equal(channel_bytes_written(here.channel), 40000);
		assert_int_equal(here.opens + there.opens, 2);
		assert_int_equal(here.ends + there.ends, 0);
		assert_string_equal(channel_tls_error(here.channel), "");
		end_pair();
	}
}

static void a_large_tls_stream_goes_through_small_buffers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		begin_pair(unix_pair, 1);
		here.to_send = there.to_send = 300000;
		there.low = 20000;
		channel_set_output_low(there.channel, there.low);
		channel_set_input_high(here.channel, 5000);
		start_tls(&here, kinds[i]);
		start_tls(&there, kinds[i]);
		TURN_UNTIL(here.tally.count == 300000 && there.tally.count == 300000);
		assert_false(here.tally.spoilt || there.tally.spoilt);
		assert_int_equal(here.ends + there.ends, 0);
		end_pair();
	}
}

/* What is added while a record is half sent must not change how it goes on. */
static void output_may_grow_while_a_record_waits(void **state)
{
	(void)state;
	open_tls(usual, unix_pair, 1);
	channel_enable_reading(there.channel, false);
	for (size_t n = 0; n < 100; n++) {
		evbuffer_add(channel_output(here.channel), octets(n * 700, 700), 700);
		channel_flush(here.channel);
		turn();
	}
	assert_true(channel_output_size(here.channel) > 0);
	channel_enable_reading(there.channel, true);
	TURN_UNTIL(there.tally.count == 70000);
	assert_false(there.tally.spoilt);
	assert_int_equal(here.ends, 0);
}

static void tls_output_may_be_filled_before_the_handshake(void **state)
{
	(void)state;
	begin_pair(unix_pair, 0);
	start_tls(&here, usual);
	start_tls(&there, usual);
	speak(&there, 100);
	channel_flush(there.channel);
	assert_int_equal(there.told_count, 0);
	TURN_UNTIL(there.drains && here.tally.count == 100);
	assert_int_equal(there.told[0], OPEN);
	assert_int_equal(there.told[1], DRAINED);
	assert_int_equal(there.told_count, 2);
}

static void tls_begins_with_octets_that_came_early(void **state)
{
	(void)state;
	static const size_t early[] = {1, 4, 5, 6, 9, 100, SIZE_MAX};
	for (size_t i = 0; i < sizeof(early) / sizeof(early[0]); i++) {
		begin_wired_pair();
		here.keeps_input = true;
		evbuffer_add(channel_output(there.channel), "CONNECT\n", 8);
		channel_flush(there.channel);
		start_tls(&there, usual);
		size_t plain = carry(wire[1], wire[0], 8);
		turn();
		TURN_UNTIL((plain += carry(wire[1], wire[0], early[i]), plain > 8));
		TURN_UNTIL(evbuffer_get_length(channel_input(here.channel)) == plain);
		evbuffer_drain(channel_input(here.channel), 8);
		start_tls(&here, usual);
		assert_int_equal(evbuffer_get_length(channel_input(here.channel)), 0);
		here.keeps_input = false;
		TURN_UNTIL((carry_both_ways(SIZE_MAX), here.opens && there.opens));
		say(&there, 5000);
		TURN_UNTIL((carry_both_ways(SIZE_MAX), here.tally.count == 5000));
		assert_false(here.tally.spoilt);
		end_pair();
	}
}

static void tls_comes_octet_by_octet(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		begin_wired_pair();
		start_tls(&here, kinds[i]);
		start_tls(&there, kinds[i]);
		TURN_UNTIL((carry_both_ways(1), here.opens && there.opens));
		say(&there, 300);
		channel_shutdown_write(there.channel);
		TURN_UNTIL((carry_both_ways(1), here.tally.ended));
		assert_int_equal(here.tally.count, 300);
		assert_false(here.tally.spoilt || channel_input_truncated(here.channel));
		end_pair();
	}
}

/* ---- reading stops and goes on, with octets that are in OpenSSL's hands already */

static void many_small_records_come_in_one_packet(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		open_tls(kinds[i], unix_pair, 0);
		for (int n = 0; n < 40; n++)
			say(&there, 10);
		TURN_UNTIL(here.tally.count == 400);
		assert_false(here.tally.spoilt);
		stay_quiet(10);
		end_pair();
	}
}

static void tls_input_stops_at_the_mark_and_goes_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		open_tls(kinds[i], unix_pair, 0);
		here.keeps_input = true;
		channel_set_input_high(here.channel, 1);
		for (int n = 0; n < 40; n++)
			say(&there, 10); /* a record each */
		TURN_UNTIL(here.inputs == 1);
		stay_quiet(20);
		assert_int_equal(here.inputs, 1);
		assert_true(evbuffer_get_length(channel_input(here.channel)) < 400);
		for (unsigned n = 1; here.tally.count < 400; n++) {
			assert_int_equal(here.inputs, n);
			owner_takes(&here);
			if (here.tally.count < 400)
				TURN_UNTIL(here.inputs == n + 1);
		}
		assert_false(here.tally.spoilt);
		end_pair();
	}
}

static void tls_reading_is_turned_off_and_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		begin_pair(unix_pair, 0);
		channel_enable_reading(here.channel, false);
		start_tls(&here, kinds[i]);
		start_tls(&there, kinds[i]);
		there.to_send = 30; /* with the last octets of the handshake, or close behind */
		TURN_UNTIL(here.opens && there.opens);
		for (int n = 0; n < 40; n++)
			say(&there, 10);
		channel_shutdown_write(there.channel);
		stay_quiet(20);
		assert_int_equal(here.inputs, 0);
		while (here.tally.count < 430) {
			unsigned inputs = here.inputs;
			channel_enable_reading(here.channel, true);
			TURN_UNTIL(here.inputs > inputs);
			channel_enable_reading(here.channel, false);
		}
		channel_enable_reading(here.channel, true);
		TURN_UNTIL(here.tally.ended);
		assert_int_equal(here.tally.count, 430);
		assert_false(here.tally.spoilt);
		end_pair();
	}
}

/* ---- the certificate is waited for */

struct pause {
	unsigned asked;
	bool ready;
};

static int on_certificate_needed(SSL *ssl, void *arg)
{
	(void)ssl;
	struct pause *pause = arg;
	pause->asked++;
	return pause->ready ? 1 : -1;
}

static void begin_paused(struct pause *pause, struct kind kind)
{
	begin_pair(unix_pair, 0);
	SSL *ssl = new_ssl(kind, true);
	SSL_set_cert_cb(ssl, on_certificate_needed, pause);
	channel_start_tls(here.channel, ssl, true);
	start_tls(&there, kind);
	TURN_UNTIL(pause->asked);
	stay_quiet(20);
	assert_int_equal(pause->asked, 1);
	assert_int_equal(here.told_count + there.told_count, 0);
}

static void a_handshake_waits_for_its_certificate(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct pause pause = {0};
		begin_paused(&pause, kinds[i]);
		channel_resume_handshake(here.channel); /* too early: it asks again, and waits again */
		TURN_UNTIL(pause.asked == 2);
		stay_quiet(20);
		assert_int_equal(here.opens + there.opens, 0);
		there.to_send = 1000;
		pause.ready = true;
		channel_resume_handshake(here.channel);
		assert_int_equal(pause.asked, 2);
		TURN_UNTIL(here.tally.count == 1000);
		assert_int_equal(here.opens, 1);
		assert_int_equal(pause.asked, 3);
		assert_int_equal(here.ends + there.ends, 0);
		end_pair();
	}
}

static void the_peer_may_leave_meanwhile(void **state)
{
	(void)state;
	struct pause pause = {0};
	begin_paused(&pause, usual);
	owner_lets_go(&there);
	stay_quiet(20);
	assert_int_equal(here.told_count, 0);
	pause.ready = true;
	channel_resume_handshake(here.channel);
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_TLS_FAILED);
	assert_string_not_equal(channel_tls_error(here.channel), "");
}

static void a_paused_handshake_times_out_and_may_be_freed(void **state)
{
	(void)state;
	struct pause pause = {0};
	begin_paused(&pause, usual);
	channel_set_timeouts(here.channel, 40, 0);
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_READ_TIMEOUT);
	channel_resume_handshake(here.channel); /* an answer that comes too late */
	stay_quiet(20);
	assert_int_equal(here.told_count, 1);
	end_pair();
	pause = (struct pause){0};
	begin_paused(&pause, usual);
	channel_resume_handshake(here.channel);
	owner_lets_go(&here);
	TURN_UNTIL(there.ends);
	assert_int_equal(there.end, CHANNEL_TLS_FAILED);
}

/* ---- ends */

/* The client ends at once, before it has read what a TLS 1.3 server sends after the handshake. */
static void each_side_ends_on_its_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		begin_pair(unix_pair, 0);
		there.to_send = 100;
		there.shuts_at = OPEN;
		start_tls(&here, kinds[i]);
		start_tls(&there, kinds[i]);
		TURN_UNTIL(here.tally.ended);
		assert_int_equal(here.tally.count, 100);
		assert_false(channel_input_truncated(here.channel));
		stay_quiet(10);
		assert_false(channel_input_ended(there.channel));
		here.shuts_when_sent = true;
		say(&here, 70000);
		TURN_UNTIL(there.tally.ended);
		assert_int_equal(there.tally.count, 70000);
		assert_false(there.tally.spoilt || channel_input_truncated(there.channel));
		assert_int_equal(here.ends + there.ends, 0);
		end_pair();
	}
}

/* The last record may fill the socket; close_notify comes all the same, also for who lingers. */
static void close_notify_waits_for_room(void **state)
{
	(void)state;
	for (size_t n = 1000; n < 30000; n += 501) {
		bool lingers = n % 2;
		open_tls(usual, unix_pair, 1);
		speak(&here, n);
		if (lingers)
			assert_true(channel_linger(here.channel));
		else
			channel_shutdown_write(here.channel);
		TURN_UNTIL(there.tally.ended);
		assert_int_equal(there.tally.count, n);
		assert_false(there.tally.spoilt || channel_input_truncated(there.channel));
		owner_lets_go(&there);
		TURN_UNTIL(here.ends || here.tally.ended);
		assert_int_equal(here.ends, lingers);
		end_pair();
	}
}

static void a_stream_that_is_cut_is_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (size_t kept = 0; kept <= 100; kept += 50) {
			begin_wired_pair();
			start_tls(&here, kinds[i]);
			start_tls(&there, kinds[i]);
			TURN_UNTIL((carry_both_ways(SIZE_MAX), here.opens && there.opens));
			say(&there, 200);
			carry(wire[1], wire[0], kept); /* not a whole record */
			shutdown(wire[0], SHUT_WR);
			TURN_UNTIL(here.tally.ended);
			assert_true(channel_input_truncated(here.channel));
			assert_int_equal(here.tally.count, 0);
			assert_int_equal(here.ends, 0);
			end_pair();
		}
}

static void a_tls_stream_that_is_reset_is_closed(void **state)
{
	(void)state;
	open_tls(usual, tcp_pair, 0);
	there.aborts = true;
	owner_lets_go(&there);
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_CLOSED);
	assert_int_equal(channel_errno(here.channel), ECONNRESET);
	assert_false(channel_input_ended(here.channel));
}

/* ---- failures */

static void expect_tls_failure(struct owner *owner, const char *why)
{
	TURN_UNTIL(owner->ends);
	assert_int_equal(owner->end, CHANNEL_TLS_FAILED);
	if (!strstr(channel_tls_error(owner->channel), why))
		fail_msg("%s: %s", why, channel_tls_error(owner->channel));
	assert_int_equal(owner->opens, 0);
}

static void garbage_is_no_handshake(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	start_tls(&here, usual);
	peer_sends(peer, "\x01\x02\x03 nothing like a ClientHello \xff\xff\xff", 34);
	expect_tls_failure(&here, "wrong version number");
}

static void http_is_no_handshake(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	peer_sends(peer, "GET / HTTP/1.1\r\n\r\n", 18);
	here.keeps_input = true;
	TURN_UNTIL(here.inputs);
	start_tls(&here, usual);
	expect_tls_failure(&here, "http request");
}

static void a_plain_server_is_no_handshake(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	channel_start_tls(here.channel, new_ssl(usual, false), false);
	peer_sends(peer, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	expect_tls_failure(&here, "wrong version number");
}

static void an_end_is_no_handshake(void **state)
{
	(void)state;
	static const size_t prefixes[] = {0, 1, 5, 50};
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		begin_wired_pair();
		start_tls(&here, usual);
		start_tls(&there, usual);
		stay_quiet(10);
		carry(wire[1], wire[0], prefixes[i]);
		shutdown(wire[0], SHUT_WR);
		expect_tls_failure(&here, "unexpected eof");
		end_pair();
	}
}

static void an_untrusted_certificate_fails_with_its_reason(void **state)
{
	(void)state;
	begin_pair(unix_pair, 0);
	SSL *ssl = new_ssl(usual, false);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	start_tls(&here, usual);
	channel_start_tls(there.channel, ssl, false);
	expect_tls_failure(&there, "self-signed certificate");
}

static void versions_that_do_not_meet_fail_on_both_sides(void **state)
{
	(void)state;
	begin_pair(unix_pair, 0);
	start_tls(&here, kinds[0]);
	start_tls(&there, kinds[2]);
	expect_tls_failure(&here, "unsupported protocol");
	expect_tls_failure(&there, "alert protocol version");
}

static void a_spoilt_record_is_a_failure(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char record[64] = "\x17\x03\x03\x00\x3b";
		open_tls(kinds[i], unix_pair, 0);
		peer_sends(channel_fd(there.channel), record, sizeof(record));
		TURN_UNTIL(here.ends);
		assert_int_equal(here.end, CHANNEL_TLS_FAILED);
		assert_string_not_equal(channel_tls_error(here.channel), "");
		assert_int_equal(here.inputs, 0);
		end_pair();
	}
}

static void a_handshake_that_does_not_come_times_out(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	start_tls(&here, usual);
	channel_set_timeouts(here.channel, 60, 0);
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_READ_TIMEOUT);
}

/* Each time something is left that would be told next. */
static void a_tls_channel_may_be_freed_inside_each_callback(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (enum moment moment = INPUT; moment <= END; moment++) {
			begin_pair(unix_pair, 4096);
			here.frees_at = moment;
			here.aborts = i % 2;
			here.keeps_input = true;
			start_tls(&here, kinds[i]);
			start_tls(&there, kinds[i]);
			if (moment != OPEN)
				TURN_UNTIL(here.opens && there.opens);
			if (moment == DRAINED)
				channel_enable_reading(here.channel, false);
			speak(&here, 60000);
			channel_flush(here.channel);
			for (int n = 0; n < 10; n++)
				say(&there, 100);
			if (moment == END)
				owner_lets_go(&there);
			TURN_UNTIL(!here.channel);
			assert_int_equal(here.told[here.told_count - 1], moment);
			stay_quiet(10);
			end_pair();
		}
}

/* ---- the last words */

static void last_words_reach_a_tls_peer_that_keeps_sending(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		open_tls(kinds[i], tcp_pair, 0);
		here.lingers_at = INPUT;
		speak(&here, 20000);
		say(&there, 3000000);
		TURN_UNTIL(there.tally.ended);
		assert_int_equal(there.tally.count, 20000);
		assert_false(there.tally.spoilt || channel_input_truncated(there.channel));
		assert_int_equal(here.ends + there.ends, 0);
		owner_lets_go(&there);
		TURN_UNTIL(here.ends);
		assert_int_equal(here.end, CHANNEL_LINGERED);
		end_pair();
	}
}

/* To a client that does not go on there is nothing to say, but it is not waited for without end. */
static void a_handshake_may_be_left_to_linger(void **state)
{
	(void)state;
	begin_plain(unix_pair, 0);
	start_tls(&here, usual);
	assert_true(channel_linger(here.channel));
	TURN_UNTIL(here.ends);
	assert_int_equal(here.end, CHANNEL_LINGERED);
	assert_int_equal(here.told_count, 1);
}

#define CHANNEL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHANNEL_TEST(tls_carries_octets_both_ways),
		CHANNEL_TEST(a_large_tls_stream_goes_through_small_buffers),
		CHANNEL_TEST(output_may_grow_while_a_record_waits),
		CHANNEL_TEST(tls_output_may_be_filled_before_the_handshake),
		CHANNEL_TEST(tls_begins_with_octets_that_came_early),
		CHANNEL_TEST(tls_comes_octet_by_octet),
		CHANNEL_TEST(many_small_records_come_in_one_packet),
		CHANNEL_TEST(tls_input_stops_at_the_mark_and_goes_on),
		CHANNEL_TEST(tls_reading_is_turned_off_and_on),
		CHANNEL_TEST(a_handshake_waits_for_its_certificate),
		CHANNEL_TEST(the_peer_may_leave_meanwhile),
		CHANNEL_TEST(a_paused_handshake_times_out_and_may_be_freed),
		CHANNEL_TEST(each_side_ends_on_its_own),
		CHANNEL_TEST(close_notify_waits_for_room),
		CHANNEL_TEST(a_stream_that_is_cut_is_truncated),
		CHANNEL_TEST(a_tls_stream_that_is_reset_is_closed),
		CHANNEL_TEST(garbage_is_no_handshake),
		CHANNEL_TEST(http_is_no_handshake),
		CHANNEL_TEST(a_plain_server_is_no_handshake),
		CHANNEL_TEST(an_end_is_no_handshake),
		CHANNEL_TEST(an_untrusted_certificate_fails_with_its_reason),
		CHANNEL_TEST(versions_that_do_not_meet_fail_on_both_sides),
		CHANNEL_TEST(a_spoilt_record_is_a_failure),
		CHANNEL_TEST(a_handshake_that_does_not_come_times_out),
		CHANNEL_TEST(a_tls_channel_may_be_freed_inside_each_callback),
		CHANNEL_TEST(last_words_reach_a_tls_peer_that_keeps_sending),
		CHANNEL_TEST(a_handshake_may_be_left_to_linger),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_certificate, drop_certificate);
}
