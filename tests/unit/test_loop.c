/*
 * A loop and its mailbox: calls from many threads, in order and in the loop's own thread; the ways to run,
 * stop and join it; what was not called when it was freed.
 */
#include "common/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { POSTERS = 4, POSTS = 2000 };

/* One call to be made. `after` counts the calls of the same poster that were made. */
struct call {
	struct loop *loop;
	unsigned number, *after;
	bool disordered;
	pthread_t thread;
};

static void note_call(void *arg)
{
	struct call *call = arg;
	call->disordered = *call->after != call->number;
	call->thread = pthread_self();
	++*call->after;
}

static void calls_init(struct call *calls, unsigned count, struct loop *loop, unsigned *after)
{
	*after = 0;
	for (unsigned i = 0; i < count; i++)
		calls[i] = (struct call){.loop = loop, .number = i, .after = after};
}

static void calls_post(struct call *calls, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(loop_post(calls[i].loop, note_call, &calls[i]), 0);
}

static unsigned calls_out_of_order(const struct call *calls, unsigned count)
{
	unsigned disordered = 0;
	for (unsigned i = 0; i < count; i++)
		disordered += calls[i].disordered;
	return disordered;
}

static void tell_thread(void *arg)
{
	*(pthread_t *)arg = pthread_self();
}

static void stop_it(void *arg)
{
	loop_stop(arg);
}

static struct loop *new_loop(unsigned index)
{
	struct loop *loop = loop_new(index);
	assert_non_null(loop);
	return loop;
}

/* ---- calls */

struct poster {
	pthread_t thread;
	struct call calls[POSTS];
	unsigned after;
	bool failed;
};

static void *post_all(void *arg)
{
	struct poster *poster = arg;
	for (unsigned i = 0; i < POSTS; i++)
		if (loop_post(poster->calls[i].loop, note_call, &poster->calls[i]) != 0)
			poster->failed = true;
	return NULL;
}

static void calls_of_many_threads_are_made_in_order(void **state)
{
	(void)state;
	struct poster *posters = calloc(POSTERS, sizeof(*posters));
	struct loop *loop = new_loop(0);
	pthread_t thread;
	assert_non_null(posters);
	assert_int_equal(loop_start_thread(loop), 0);
	assert_int_equal(loop_post(loop, tell_thread, &thread), 0);
	for (int i = 0; i < POSTERS; i++) {
		calls_init(posters[i].calls, POSTS, loop, &posters[i].after);
		assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
	}
	for (int i = 0; i < POSTERS; i++)
		pthread_join(posters[i].thread, NULL);
	loop_stop(loop);
	loop_join(loop);
	for (int i = 0; i < POSTERS; i++) {
		assert_false(posters[i].failed);
		assert_int_equal(posters[i].after, POSTS);
		assert_int_equal(calls_out_of_order(posters[i].calls, POSTS), 0);
		for (int k = 0; k < POSTS; k++)
			assert_true(pthread_equal(posters[i].calls[k].thread, thread));
	}
	assert_false(pthread_equal(thread, pthread_self()));
	loop_free(loop);
	free(posters);
}

struct chain {
	struct loop *loop;
	unsigned left, made;
	bool nested, inside;
};

/* Each call asks for the next one. */
static void call_and_post(void *arg)
{
	struct chain *chain = arg;
	chain->nested |= chain->inside;
	chain->inside = true;
	chain->made++;
	if (--chain->left == 0)
		loop_stop(chain->loop);
	else
		loop_post(chain->loop, call_and_post, chain);
	chain->inside = false;
}

static void a_call_may_ask_for_another(void **state)
{
	(void)state;
	struct loop *loop = new_loop(0);
	struct chain chain = {.loop = loop, .left = 1000};
	assert_int_equal(loop_post(loop, call_and_post, &chain), 0);
	loop_run(loop);
	assert_int_equal(chain.made, 1000);
	assert_false(chain.nested);
	loop_free(loop);
}

static void calls_wait_for_the_loop_to_run(void **state)
{
	(void)state;
	struct loop *loop = new_loop(0);
	struct call calls[100];
	unsigned made;
	calls_init(calls, 100, loop, &made);
	calls_post(calls, 100);
	assert_int_equal(made, 0);
	loop_stop(loop);
	loop_run(loop);
	assert_int_equal(made, 100);
	assert_int_equal(calls_out_of_order(calls, 100), 0);
	assert_true(pthread_equal(calls[99].thread, pthread_self()));
	loop_free(loop);
}

static void calls_that_were_not_made_are_dropped_with_the_loop(void **state)
{
	(void)state;
	struct loop *loop = new_loop(0);
	struct call calls[10];
	unsigned made;
	calls_init(calls, 10, loop, &made);
	loop_stop(loop);
	loop_run(loop);
	calls_post(calls, 10);
	loop_free(loop);
	assert_int_equal(made, 0);
}

/* ---- running and stopping */

static void it_is_stopped_from_another_thread(void **state)
{
	(void)state;
	struct loop *loop = new_loop(3), *other = new_loop(4);
	assert_int_equal(loop_index(loop), 3);
	assert_int_equal(loop_index(other), 4);
	assert_int_equal(loop_start_thread(other), 0);
	assert_int_equal(loop_post(other, stop_it, loop), 0);
	loop_run(loop);
	loop_stop(other);
	loop_join(other);
	loop_free(other);
	loop_free(loop);
}

static void it_runs_again_after_a_stop(void **state)
{
	(void)state;
	struct loop *loop = new_loop(0);
	struct call calls[3];
	unsigned made;
	calls_init(calls, 3, loop, &made);
	for (unsigned i = 0; i < 3; i++) {
		calls_post(calls + i, 1);
		loop_stop(loop);
		loop_run(loop);
		assert_int_equal(made, i + 1);
	}
	assert_int_equal(loop_start_thread(loop), 0);
	loop_stop(loop);
	loop_join(loop);
	loop_free(loop);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Others have events on its base; and the mailbox, once emptied, lets it sleep until they come. */
static void events_of_others_run_on_its_base(void **state)
{
	(void)state;
	struct loop *loop = new_loop(0);
	bool fired = false;
	struct event *timer = event_new(loop_base(loop), -1, 0, on_timer, &fired);
	assert_non_null(timer);
	loop_stop(loop);
	loop_run(loop);
	assert_int_equal(event_add(timer, &(struct timeval){0, 30000}), 0);
	assert_int_equal(event_base_loop(loop_base(loop), EVLOOP_ONCE), 0);
	assert_true(fired);
	event_free(timer);
	loop_free(loop);
}

static void one_that_never_ran_is_freed(void **state)
{
	(void)state;
	loop_free(new_loop(0));
	loop_free(NULL);
}

static void time_does_not_go_back(void **state)
{
	(void)state;
	long long last = loop_now_ms(), first = last;
	while (last - first < 20) {
		long long now = loop_now_ms();
		assert_true(now >= last);
		last = now;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_of_many_threads_are_made_in_order),
		cmocka_unit_test(a_call_may_ask_for_another),
		cmocka_unit_test(calls_wait_for_the_loop_to_run),
		cmocka_unit_test(calls_that_were_not_made_are_dropped_with_the_loop),
		cmocka_unit_test(it_is_stopped_from_another_thread),
		cmocka_unit_test(it_runs_again_after_a_stop),
		cmocka_unit_test(events_of_others_run_on_its_base),
		cmocka_unit_test(one_that_never_ran_is_freed),
		cmocka_unit_test(time_does_not_go_back),
	};
	loop_library_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
