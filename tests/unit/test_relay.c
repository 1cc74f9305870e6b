/*
 * A direction of a WebSocket against the rules, for either end: whatever the pieces that it comes in, frames
 * leave as they came, of a message that matches nothing does, and what is no frame of this end's is refused.
 */
#include "pipelock/proxy/relay.h"

#include "tests/unit/scan_oracle.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MATCH "word-1234"
#define HOLD 4096

static const enum scan_part parts[] = {SCAN_WEBSOCKET, SCAN_RESPONSE};
static struct scanner *scanner;

static int set_up(void **state)
{
	(void)state;
	struct ruleset *set =
		oracle_ruleset("version: 1\nrules:\n"
			       "- {id: there, regex: 'word-[0-9]{4}', in: [websocket, response]}\n");
	scanner = scanner_new(set, oracle_key);
	ruleset_put(set);
	return scanner ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	scanner_free(scanner);
	return 0;
}

/* ---- frames */

struct octets {
	char p[64 * 1024];
	size_t n;
};

static void put_frame(
	struct octets *to, enum websocket_opcode opcode, bool fin, struct span payload, bool masked)
{
	static const char mask[4] = {0x5a, 0x01, 0x7f, 0x33};
	to->p[to->n++] = (char)((fin ? 0x80 : 0) | opcode);
	if (payload.n < 126) {
		to->p[to->n++] = (char)((masked ? 0x80 : 0) | (int)payload.n);
	} else {
		to->p[to->n++] = (char)((masked ? 0x80 : 0) | 126);
		to->p[to->n++] = (char)(payload.n >> 8);
		to->p[to->n++] = (char)payload.n;
	}
	if (masked)
		memcpy(to->p + to->n, mask, sizeof(mask));
	to->n += masked ? sizeof(mask) : 0;
	for (size_t i = 0; i < payload.n; i++)
		to->p[to->n++] = (char)(payload.p[i] ^ (masked ? mask[i % 4] : 0));
}

/* A message in fragments of `size`, with a Ping behind each but the last. */
static void put_message(struct octets *to, struct span text, size_t size, bool masked)
{
	for (size_t at = 0; at < text.n; at += size) {
		bool last = at + size >= text.n;
		struct span piece = {text.p + at, last ? text.n - at : size};
		put_frame(to, at == 0 ? WEBSOCKET_TEXT : WEBSOCKET_CONTINUATION, last, piece, masked);
		if (!last)
			put_frame(to, WEBSOCKET_PING, true, SPAN("there?"), masked);
	}
}

/* ---- one direction, fed in pieces */

struct passage {
	struct gate gate;
	struct relay *relay;
	struct evbuffer *in, *out;
	enum relay_result result;
};

static void begin(struct passage *passage, enum scan_part part)
{
	struct config config = {.mode = MODE_BALANCED};
	memset(passage, 0, sizeof(*passage));
	gate_open(&passage->gate, scanner, &config, NULL, SPAN("a"));
	passage->relay = relay_new(part, HOLD);
	passage->in = evbuffer_new();
	passage->out = evbuffer_new();
	assert_true(passage->relay && passage->in && passage->out);
}

static void end(struct passage *passage)
{
	relay_free(passage->relay);
	gate_release(&passage->gate);
	evbuffer_free(passage->in);
	evbuffer_free(passage->out);
}

/* false: it went wrong, and nothing more is to be fed. What left is always a beginning of what came. */
static bool feed(struct passage *passage, const struct octets *octets, size_t at, size_t n)
{
	evbuffer_add(passage->in, octets->p + at, n);
	passage->result = relay_take(passage->relay, &passage->gate, passage->in);
	if (passage->result != RELAY_OK || gate_verdict(&passage->gate) == VERDICT_BLOCK)
		return false;
	assert_int_equal(relay_release(passage->relay, &passage->gate, passage->out), 0);
	size_t out = evbuffer_get_length(passage->out);
	assert_true(out <= at + n && out + relay_waiting(passage->relay) == at + n);
	assert_memory_equal(evbuffer_pullup(passage->out, -1), octets->p, out);
	return true;
}

static bool feed_all(struct passage *passage, const struct octets *octets, size_t piece)
{
	for (size_t at = 0; at < octets->n; at += piece)
		if (!feed(passage, octets, at, octets->n - at < piece ? octets->n - at : piece))
			return false;
	return true;
}

static const size_t pieces[] = {1, 2, 3, 5, 64, 64 * 1024};

/* ---- tests */

static void test_clean_frames_leave_as_they_came(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(parts) * COUNT(pieces); i++) {
		enum scan_part part = parts[i % COUNT(parts)];
		bool masked = part == SCAN_WEBSOCKET;
		struct octets octets = {.n = 0};
		struct passage passage;
		put_message(&octets, SPAN("words that come in many fragments, word-123"), 3, masked);
		put_frame(&octets, WEBSOCKET_TEXT, true, SPAN(""), masked);
		put_frame(&octets, WEBSOCKET_BINARY, false, SPAN("\0\1"), masked);
		put_frame(&octets, WEBSOCKET_CONTINUATION, true, SPAN(""), masked);
		put_frame(&octets, WEBSOCKET_CLOSE, true, SPAN("\x03\xe8"), masked);
		begin(&passage, part);
		assert_true(feed_all(&passage, &octets, pieces[i / COUNT(parts)]));
		assert_int_equal(evbuffer_get_length(passage.out), octets.n);
		assert_true(relay_at_boundary(passage.relay));
		end(&passage);
	}
}

static void test_of_a_match_nothing_leaves(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(parts) * COUNT(pieces); i++) {
		enum scan_part part = parts[i % COUNT(parts)];
		bool masked = part == SCAN_WEBSOCKET;
		for (size_t size = 1; size < 12; size++) {
			struct octets octets = {.n = 0};
			struct passage passage;
			put_frame(&octets, WEBSOCKET_TEXT, true, SPAN("good"), masked);
			size_t good = octets.n;
			put_message(&octets, SPAN("some " MATCH " words"), size, masked);
			begin(&passage, part);
			assert_false(feed_all(&passage, &octets, pieces[i / COUNT(parts)]));
			assert_int_equal(passage.result, RELAY_OK);
			assert_true(evbuffer_get_length(passage.out) <= good);
			assert_int_equal(passage.gate.findings.count, 1);
			assert_int_equal(passage.gate.findings.items[0].part, part);
			end(&passage);
		}
	}
}

static void test_control_frames_are_held_against_the_rules(void **state)
{
	(void)state;
	static const enum websocket_opcode opcodes[] = {WEBSOCKET_PING, WEBSOCKET_PONG, WEBSOCKET_CLOSE};
	for (size_t i = 0; i < COUNT(parts) * COUNT(opcodes); i++) {
		enum scan_part part = parts[i % COUNT(parts)];
		struct octets octets = {.n = 0};
		struct passage passage;
		put_frame(&octets, opcodes[i / COUNT(parts)], true, SPAN("\x03\xe8" MATCH),
			part == SCAN_WEBSOCKET);
		begin(&passage, part);
		assert_false(feed_all(&passage, &octets, 1));
		assert_int_equal(evbuffer_get_length(passage.out), 0);
		assert_int_equal(passage.gate.findings.items[0].part, part);
		end(&passage);
	}
}

/* Past `hold` it goes, but for what a match could reach back to. */
static void test_a_long_message_streams(void **state)
{
	(void)state;
	static char text[3 * HOLD];
	memset(text, '.', sizeof(text));
	memcpy(text + 2 * HOLD, MATCH, strlen(MATCH));
	for (size_t i = 0; i < COUNT(parts); i++) {
		bool masked = parts[i] == SCAN_WEBSOCKET;
		struct octets octets = {.n = 0};
		struct passage passage;
		put_frame(&octets, WEBSOCKET_TEXT, true, (struct span){text, sizeof(text)}, masked);
		begin(&passage, parts[i]);
		for (size_t at = 0; at < HOLD; at++)
			assert_true(feed(&passage, &octets, at, 1));
		assert_int_equal(evbuffer_get_length(passage.out), 0);
		size_t at = HOLD;
		while (at < octets.n && feed(&passage, &octets, at, 1))
			at++;
		assert_int_equal(gate_verdict(&passage.gate), VERDICT_BLOCK);
		size_t head = octets.n - sizeof(text), out = evbuffer_get_length(passage.out);
		assert_true(out > HOLD && out <= head + 2 * HOLD);
		end(&passage);
	}
}

static void test_time_lets_what_waits_go(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(parts); i++) {
		struct octets octets = {.n = 0};
		struct passage passage;
		put_frame(&octets, WEBSOCKET_TEXT, false, SPAN("some words, and then. "),
			parts[i] == SCAN_WEBSOCKET);
		begin(&passage, parts[i]);
		assert_true(feed_all(&passage, &octets, 1));
		assert_int_equal(evbuffer_get_length(passage.out), 0);
		assert_true(relay_holds_whole(passage.relay));
		relay_stop_holding(passage.relay);
		assert_int_equal(relay_release(passage.relay, &passage.gate, passage.out), 0);
		assert_true(evbuffer_get_length(passage.out) > 0);
		assert_false(relay_at_boundary(passage.relay));
		end(&passage);
	}
}

static void test_frames_of_the_other_end_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(parts); i++) {
		struct octets octets = {.n = 0};
		struct passage passage;
		put_frame(&octets, WEBSOCKET_TEXT, true, SPAN("words"), parts[i] != SCAN_WEBSOCKET);
		begin(&passage, parts[i]);
		assert_false(feed_all(&passage, &octets, 1));
		assert_int_equal(passage.result, RELAY_VIOLATION);
		assert_non_null(relay_error(passage.relay));
		assert_int_equal(evbuffer_get_length(passage.out), 0);
		end(&passage);
	}
}

static void test_nothing_waits_where_nothing_is(void **state)
{
	(void)state;
	assert_int_equal(relay_waiting(NULL), 0);
	relay_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean_frames_leave_as_they_came),
		cmocka_unit_test(test_of_a_match_nothing_leaves),
		cmocka_unit_test(test_control_frames_are_held_against_the_rules),
		cmocka_unit_test(test_a_long_message_streams),
		cmocka_unit_test(test_time_lets_what_waits_go),
		cmocka_unit_test(test_frames_of_the_other_end_are_refused),
		cmocka_unit_test(test_nothing_waits_where_nothing_is),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
