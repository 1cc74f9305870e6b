/*
 * The table of keys, the pool on socket pairs, and the limit of records. No network.
 */
#include "common/loop.h"
#include "egress/lru.h"
#include "egress/pool.h"
#include "egress/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- lru */

static void nodes_are_found_by_key(void **state)
{
	struct lru lru = {0};
	struct lru_node a, b, a2;

	(void)state;
	assert_null(lru_find(&lru, "a"));
	lru_add(&lru, &a, "a");
	lru_add(&lru, &b, "b");
	lru_add(&lru, &a2, "a");
	assert_ptr_equal(lru_find(&lru, "a"), &a2);
	assert_ptr_equal(lru_find_oldest(&lru, "a"), &a);
	assert_ptr_equal(lru_find(&lru, "b"), &b);
	assert_null(lru_find(&lru, "c"));
	assert_int_equal(lru_count_key(&lru, "a"), 2);
	assert_ptr_equal(lru.oldest, &a);
	assert_ptr_equal(lru.newest, &a2);
	lru_remove(&lru, &b);
	assert_null(lru_find(&lru, "b"));
	assert_ptr_equal(a.newer, &a2);
	assert_ptr_equal(a2.older, &a);
	lru_remove(&lru, &a2);
	assert_ptr_equal(lru_find(&lru, "a"), &a);
	assert_ptr_equal(lru.newest, &a);
	lru_remove(&lru, &a);
	assert_null(lru.newest);
	assert_null(lru.oldest);
	assert_int_equal(lru.count, 0);
}

/* Against a list that can't be wrong. */
static void many_nodes(void **state)
{
	enum { NODES = 600, KEYS = 40 };
	struct lru lru = {0};
	struct lru_node nodes[NODES];
	char keys[KEYS][12];
	bool in[NODES] = {false};
	unsigned seed = 7;

	(void)state;
	for (int i = 0; i < KEYS; i++)
		snprintf(keys[i], sizeof(keys[i]), "key%d", i);
	for (int turn = 0; turn < 20000; turn++) {
		seed = seed * 1103515245u + 12345u;
		int i = (int)(seed >> 8) % NODES;

		if (in[i])
			lru_remove(&lru, &nodes[i]);
		else
			lru_add(&lru, &nodes[i], keys[i % KEYS]);
		in[i] = !in[i];
	}
	size_t count = 0, walked = 0, counted[KEYS] = {0};

	for (int i = 0; i < NODES; i++) {
		count += in[i];
		counted[i % KEYS] += in[i];
	}
	for (struct lru_node *node = lru.newest; node; node = node->older)
		walked++;
	assert_int_equal(lru.count, count);
	assert_int_equal(walked, count);
	for (int i = 0; i < KEYS; i++)
		assert_int_equal(lru_count_key(&lru, keys[i]), counted[i]);
}

/* ---- pool */

struct fixture {
	struct event_base *base;
	struct pool *pool;
	int peers[POOL_MAX_IDLE + 16];
	size_t count;
};

static void ignore_input(struct channel *channel, void *arg)
{
	(void)channel;
	(void)arg;
}

static void ignore_end(struct channel *channel, enum channel_end end, void *arg)
{
	(void)channel;
	(void)end;
	(void)arg;
}

static const struct channel_callbacks ignore = {.on_input = ignore_input, .on_end = ignore_end};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->base = event_base_new();
	f->pool = pool_new(60000);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	pool_free(f->pool);
	for (size_t i = 0; i < f->count; i++)
		close(f->peers[i]);
	event_base_free(f->base);
	free(f);
	return 0;
}

static struct channel *channel(struct fixture *f)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	f->peers[f->count++] = pair[1];
	return channel_new(f->base, pair[0], &ignore, NULL);
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 3; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static bool peer_is_closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

static void the_newest_is_taken(void **state)
{
	struct fixture *f = *state;
	struct channel *first = channel(f), *second = channel(f), *other = channel(f);

	pool_put(f->pool, "a", first);
	pool_put(f->pool, "a", second);
	pool_put(f->pool, "b", other);
	assert_null(pool_take(f->pool, "c"));
	assert_ptr_equal(pool_take(f->pool, "a"), second);
	assert_ptr_equal(pool_take(f->pool, "a"), first);
	assert_null(pool_take(f->pool, "a"));
	assert_int_equal(pool_count(f->pool), 1);
	channel_free(first);
	channel_free(second);
}

static void what_dies_is_taken_out(void **state)
{
	struct fixture *f = *state;

	pool_put(f->pool, "a", channel(f));
	pool_put(f->pool, "b", channel(f));
	pool_put(f->pool, "c", channel(f));
	turn(f);
	assert_int_equal(pool_count(f->pool), 3);
	shutdown(f->peers[0], SHUT_WR);
	assert_int_equal(write(f->peers[1], "x", 1), 1);
	turn(f);
	assert_int_equal(pool_count(f->pool), 1);
	assert_null(pool_take(f->pool, "a"));
	assert_null(pool_take(f->pool, "b"));
	assert_true(peer_is_closed(f->peers[0]));
	assert_true(peer_is_closed(f->peers[1]));
}

static void what_is_not_quiet_is_not_put_in(void **state)
{
	struct fixture *f = *state;
	struct channel *ended = channel(f), *talking = channel(f), *unsent = channel(f), *shut = channel(f);

	shutdown(f->peers[0], SHUT_WR);
	assert_int_equal(write(f->peers[1], "x", 1), 1);
	turn(f);
	evbuffer_add(channel_output(unsent), "x", 1);
	channel_shutdown_write(shut);
	pool_put(f->pool, "a", ended);
	pool_put(f->pool, "a", talking);
	pool_put(f->pool, "a", unsent);
	pool_put(f->pool, "a", shut);
	assert_int_equal(pool_count(f->pool), 0);
	for (size_t i = 0; i < f->count; i++)
		assert_true(peer_is_closed(f->peers[i]));
}

static void an_origin_has_its_bound(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < POOL_MAX_IDLE_ORIGIN + 2; i++)
		pool_put(f->pool, "a", channel(f));
	assert_int_equal(pool_count(f->pool), POOL_MAX_IDLE_ORIGIN);
	assert_true(peer_is_closed(f->peers[0]));
	assert_true(peer_is_closed(f->peers[1]));
	assert_false(peer_is_closed(f->peers[2]));
}

static void the_whole_has_its_bound(void **state)
{
	struct fixture *f = *state;
	char key[16];

	for (int i = 0; i < POOL_MAX_IDLE + 3; i++) {
		snprintf(key, sizeof(key), "o%d", i);
		pool_put(f->pool, key, channel(f));
	}
	assert_int_equal(pool_count(f->pool), POOL_MAX_IDLE);
	assert_true(peer_is_closed(f->peers[2]));
	assert_false(peer_is_closed(f->peers[3]));
}

static void idle_time_ends(void **state)
{
	struct fixture *f = *state;
	long long begin = loop_now_ms();

	pool_free(f->pool);
	f->pool = pool_new(30);
	pool_put(f->pool, "a", channel(f));
	while (pool_count(f->pool) > 0 && loop_now_ms() - begin < 2000)
		event_base_loop(f->base, EVLOOP_ONCE);
	assert_int_equal(pool_count(f->pool), 0);
	assert_true(loop_now_ms() - begin >= 20);
	assert_true(peer_is_closed(f->peers[0]));
}

static void no_idle_time_is_no_pool(void **state)
{
	struct fixture *f = *state;

	pool_free(f->pool);
	f->pool = pool_new(0);
	pool_put(f->pool, "a", channel(f));
	assert_int_equal(pool_count(f->pool), 0);
}

/* ---- records */

static void records_are_limited(void **state)
{
	struct record_limit limit = {0};
	uint64_t suppressed = 99;
	int taken = 0;

	(void)state;
	for (int i = 0; i < 25; i++)
		taken += record_limit_take(&limit, 5000 + i, &suppressed);
	assert_int_equal(taken, RECORD_LIMIT);
	assert_int_equal(suppressed, 0);
	assert_true(record_limit_take(&limit, 6000, &suppressed));
	assert_int_equal(suppressed, 15);
	assert_true(record_limit_take(&limit, 6001, &suppressed));
	assert_int_equal(suppressed, 0);
}

#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_are_found_by_key),
		cmocka_unit_test(many_nodes),
		POOL_TEST(the_newest_is_taken),
		POOL_TEST(what_dies_is_taken_out),
		POOL_TEST(what_is_not_quiet_is_not_put_in),
		POOL_TEST(an_origin_has_its_bound),
		POOL_TEST(the_whole_has_its_bound),
		POOL_TEST(idle_time_ends),
		POOL_TEST(no_idle_time_is_no_pool),
		cmocka_unit_test(records_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
