/*
 * Sets of known values and the matcher: what is found and where, however the text comes; what is refused;
 * that a set says nothing of its values; and that octets which are not a set are none.
 */
#include "pipelock/scan/known_internal.h"
#include "pipelock/scan/plain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t key[KNOWN_KEY_SIZE] = {3, 1, 4, 1, 5};

#define SECRET "q7Rk2Lw9Zt4Vx8Bn3Mc6Hd1Jf5Gs0PyTeUaWoIi"
#define BRIEF "Zu9-fLoh3"

static struct known_set *build(const struct known_value *values, size_t count)
{
	size_t which;
	const char *why;
	struct known_set *set = known_set_build(values, count, "c.yaml", key, &which, &why);
	if (!set)
		fail_msg("value %zu: %s", which, why);
	assert_null(why);
	assert_int_equal(which, count);
	return set;
}

static struct known_value named(const char *name, struct span value)
{
	return (struct known_value){.tier = TIER_KNOWN, .name = name, .value = value};
}

static struct known_set *build_one(struct span value)
{
	struct known_value values[] = {named("one", value)};
	return build(values, 1);
}

/* ---- what was found, runs that were told in parts put together */

#define MAX_MATCHES 256

struct matches {
	struct {
		size_t value;
		uint64_t begin, end;
		unsigned char secret[KNOWN_WINDOW];
		size_t secret_n;
	} items[MAX_MATCHES];
	size_t count;
	uint64_t fed;
};

static void on_found(void *arg, const struct known_match *match)
{
	struct matches *all = arg;
	assert_true(match->begin < match->end);
	assert_true(match->secret.n <= KNOWN_WINDOW);
	if (match->again) {
		size_t at = all->count;
		while (all->items[--at].begin != match->begin)
			assert_true(at > 0);
		assert_int_equal(all->items[at].value, match->value);
		assert_true(match->end > all->items[at].end);
		all->items[at].end = match->end;
		return;
	}
	assert_true(all->count < MAX_MATCHES);
	all->items[all->count].value = match->value;
	all->items[all->count].begin = match->begin;
	all->items[all->count].end = match->end;
	all->items[all->count].secret_n = match->secret.n;
	memcpy(all->items[all->count++].secret, match->secret.p, match->secret.n);
}

/* In pieces of `step` octets; 0: whole. */
static void find(const struct known_set *set, struct span text, size_t step, struct matches *out)
{
	struct known_matcher m;
	known_begin(&m, set);
	memset(out, 0, sizeof(*out));
	do {
		size_t n = step && step < text.n ? step : text.n;
		/* The piece ends where its memory ends, so that reading over it is seen. */
		char *piece = malloc(n ? n : 1);
		assert_non_null(piece);
		memcpy(piece, text.p, n);
		known_feed(&m, (struct span){piece, n}, on_found, out);
		free(piece);
		text = (struct span){text.p + n, text.n - n};
	} while (text.n > 0);
	out->fed = m.fed;
}

static size_t count_in(const struct known_set *set, const char *text)
{
	struct matches matches;
	find(set, span_of(text), 0, &matches);
	return matches.count;
}

static void assert_same(const struct matches *a, const struct matches *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->items[i].value, b->items[i].value);
		assert_int_equal(a->items[i].begin, b->items[i].begin);
		assert_int_equal(a->items[i].end, b->items[i].end);
		assert_int_equal(a->items[i].secret_n, b->items[i].secret_n);
		assert_memory_equal(a->items[i].secret, b->items[i].secret, a->items[i].secret_n);
	}
}

/* ---- finding */

/* The vector of the paper's appendix A. */
static void test_siphash(void **state)
{
	(void)state;
	unsigned char octets[16];
	uint64_t sip_key[2];
	for (unsigned i = 0; i < sizeof(octets); i++)
		octets[i] = (unsigned char)i;
	memcpy(sip_key, octets, sizeof(sip_key));
	assert_true(known_sip(sip_key, octets, 15) == UINT64_C(0xa129ca6149be45e5));
}

static void test_every_part_of_a_value(void **state)
{
	(void)state;
	struct known_set *set = build_one(SPAN(SECRET));
	size_t n = strlen(SECRET);
	for (size_t from = 0; from < n; from++) {
		for (size_t size = 1; size <= n - from; size++) {
			char text[128];
			struct matches matches;
			snprintf(text, sizeof(text), "some%.*s*and", (int)size, SECRET + from);
			find(set, span_of(text), 0, &matches);
			assert_int_equal(matches.count, size >= KNOWN_WINDOW);
			if (size < KNOWN_WINDOW)
				continue;
			assert_int_equal(matches.items[0].begin, 4);
			assert_int_equal(matches.items[0].end, 4 + size);
			assert_memory_equal(matches.items[0].secret, SECRET + from, KNOWN_WINDOW);
		}
	}
	known_set_free(set);
}

static void test_brief_values(void **state)
{
	(void)state;
	for (size_t size = KNOWN_SHORTEST; size < KNOWN_WINDOW; size++) {
		struct known_set *set = build_one((struct span){SECRET, size});
		char text[128];
		struct matches matches;
		snprintf(text, sizeof(text), "%.*s", (int)size, SECRET);
		find(set, span_of(text), 0, &matches);
		assert_int_equal(matches.count, 1);
		snprintf(text, sizeof(text), "a%.*s %.*s", (int)size, SECRET, (int)size, SECRET);
		find(set, span_of(text), 0, &matches);
		assert_int_equal(matches.count, 2);
		assert_int_equal(matches.items[1].begin, size + 2);
		assert_int_equal(matches.items[1].end, 2 * size + 2);
		assert_int_equal(matches.items[1].secret_n, size);
		snprintf(text, sizeof(text), "%.*s %.*s", (int)size - 1, SECRET, (int)size - 1, SECRET + 1);
		assert_int_equal(count_in(set, text), 0);
		known_set_free(set);
	}
}

/* All lengths, zero octets, both kinds at once. */
static void test_many_values(void **state)
{
	(void)state;
	struct known_value values[200];
	char names[200][8];
	unsigned char octets[200][64];
	uint32_t seed = 1;
	for (size_t i = 0; i < 200; i++) {
		for (size_t k = 0; k < 64; k++) {
			seed = seed * 1664525u + 1013904223u;
			octets[i][k] = (unsigned char)(seed >> 24);
		}
		snprintf(names[i], sizeof(names[i]), "v%zu", i);
		values[i] = named(names[i], (struct span){(const char *)octets[i], 8 + i % 57});
	}
	struct known_set *set = build(values, 200);
	for (size_t i = 0; i < 200; i++) {
		struct matches matches;
		find(set, values[i].value, 0, &matches);
		/* What the plain view makes of it may stand in it, too. */
		bool whole = false;
		for (size_t k = 0; k < matches.count; k++) {
			assert_int_equal(matches.items[k].value, i);
			whole |= matches.items[k].begin == 0 && matches.items[k].end == values[i].value.n;
		}
		assert_true(whole);
		const struct rule *rule = &known_set_rule(set, i)->shown;
		assert_memory_equal(rule->id, "known:", 6);
		assert_string_equal(rule->id + 6, names[i]);
	}
	known_set_free(set);
}

/* What a loop that compares says: the ends of windows and of brief values. */
static bool is_known_end(const struct known_value *values, size_t count, struct span text, size_t end)
{
	for (size_t v = 0; v < count; v++) {
		struct span value = values[v].value;
		if (value.n < KNOWN_WINDOW) {
			if (end >= value.n && memcmp(text.p + end - value.n, value.p, value.n) == 0)
				return true;
			continue;
		}
		for (size_t i = 0; end >= KNOWN_WINDOW && i + KNOWN_WINDOW <= value.n; i++)
			if (memcmp(text.p + end - KNOWN_WINDOW, value.p + i, KNOWN_WINDOW) == 0)
				return true;
	}
	return false;
}

static void test_against_comparison(void **state)
{
	(void)state;
	const struct known_value values[] = {named("a", SPAN(SECRET)), named("b", SPAN(BRIEF)),
		named("c", SPAN(SECRET "-and-more-of-it"))};
	const struct known_set *set = build(values, 3);
	uint32_t seed = 5;
	for (unsigned round = 0; round < 3000; round++) {
		char text[400];
		size_t n = 0;
		while (n < 250) {
			seed = seed * 1664525u + 1013904223u;
			const struct span from = values[(seed >> 28) % 3].value;
			size_t at = (seed >> 8) % from.n, size = (seed >> 16) % 40;
			size = size < from.n - at ? size : from.n - at;
			memcpy(text + n, from.p + at, size);
			n += size;
			if (seed >> 30 == 0)
				text[n++] = (char)(seed >> 12);
		}
		struct matches whole, pieces;
		find(set, (struct span){text, n}, 0, &whole);
		find(set, (struct span){text, n}, 1 + round % 50, &pieces);
		assert_int_equal(pieces.fed, n);
		for (size_t end = 1; end <= n; end++) {
			bool found = false, found_in_pieces = false;
			for (size_t i = 0; i < whole.count; i++) {
				bool run = whole.items[i].secret_n == KNOWN_WINDOW;
				uint64_t first =
					run ? whole.items[i].begin + KNOWN_WINDOW : whole.items[i].end;
				found |= end >= first && end <= whole.items[i].end;
			}
			for (size_t i = 0; i < pieces.count; i++) {
				bool run = pieces.items[i].secret_n == KNOWN_WINDOW;
				uint64_t first =
					run ? pieces.items[i].begin + KNOWN_WINDOW : pieces.items[i].end;
				found_in_pieces |= end >= first && end <= pieces.items[i].end;
			}
			assert_int_equal(found, is_known_end(values, 3, (struct span){text, n}, end));
			assert_int_equal(found, found_in_pieces);
		}
	}
	known_set_free((struct known_set *)set);
}

/* However it is cut, with the same extents, and told at once. */
static void test_every_cut(void **state)
{
	(void)state;
	const struct known_value values[] = {named("a", SPAN(SECRET)), named("b", SPAN(BRIEF))};
	struct known_set *set = build(values, 2);
	struct span text = SPAN("key: " SECRET " " BRIEF " then " SECRET "," BRIEF);
	struct matches whole, pieces;
	find(set, text, 0, &whole);
	assert_int_equal(whole.count, 4);
	for (size_t step = 1; step <= text.n; step++) {
		find(set, text, step, &pieces);
		assert_same(&whole, &pieces);
	}
	for (size_t cut = 0; cut <= text.n; cut++) {
		struct known_matcher m;
		struct matches found = {0};
		known_begin(&m, set);
		known_feed(&m, (struct span){text.p, cut}, on_found, &found);
		/* Nothing that ended in these octets is told later. */
		assert_true(cut < 5 + KNOWN_WINDOW || found.count >= 1);
		assert_true(cut < 5 + strlen(SECRET) + 1 + strlen(BRIEF) || found.count >= 2);
		assert_int_equal(known_lag(&m), cut < KNOWN_WINDOW - 1 ? cut : KNOWN_WINDOW - 1);
		known_feed(&m, (struct span){text.p + cut, text.n - cut}, on_found, &found);
		assert_int_equal(found.count, 4);
	}
	known_set_free(set);
}

/* A part that values have in common is no value's own, and goes with what it stands before. */
static void test_shared_windows(void **state)
{
	(void)state;
#define PREFIX "pat_11ABCDEFG0xyzxyzKq_"
	const struct known_value values[] = {
		named("a", SPAN(PREFIX "Tm4Wn8Qs2Xd6")), named("b", SPAN(PREFIX "9fRk3Lv7Hc1B"))};
	struct known_set *set = build(values, 2);
	for (size_t v = 0; v < 2; v++) {
		struct matches matches;
		find(set, values[v].value, 0, &matches);
		assert_int_equal(matches.count, 1);
		assert_int_equal(matches.items[0].value, v);
		assert_int_equal(matches.items[0].end, values[v].value.n);
		for (size_t step = KNOWN_WINDOW + 10; step <= values[v].value.n; step++) {
			find(set, values[v].value, step, &matches);
			assert_int_equal(matches.count, 1);
			assert_int_equal(matches.items[0].value, v);
		}
		/* Told before it was clear which one it is: then it is told once more. */
		find(set, values[v].value, 1, &matches);
		assert_int_equal(matches.count, 1 + v);
		assert_int_equal(matches.items[v].value, v);
	}
	assert_int_equal(count_in(set, PREFIX), 1);
	known_set_free(set);
}

/* Text whose escapes were undone is found by what the plain view makes of the value. */
static void append_text(void *arg, struct span octets)
{
	strncat(arg, octets.p, octets.n);
}

static void test_plain_form(void **state)
{
	(void)state;
	static const char *const values[] = {"p\xc3\xa4ss%41w\xc3\xb6rd&amp;Zx9-Kq3-Vb7",
		"back\\nslash\\u0041nd-Tz6-Wn2-Hy8", "caf\xc3\xa9%20au lait"};
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct known_set *set = build_one(span_of(values[i]));
		struct plain plain;
		char text[128] = "";
		plain_init(&plain, 0);
		plain_feed(&plain, span_of(values[i]), true, append_text, text);
		assert_string_not_equal(text, values[i]);
		assert_int_equal(count_in(set, text), 1);
		assert_int_equal(count_in(set, values[i]), 1);
		known_set_free(set);
	}
}

/* ---- what is left out */

#define BODY_1 "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDJx3v8Kq1mTz0R"
#define BODY_2 "w7Yt5Ub2Nf9Lc4Pd8Gs6Ha1Zx3Qe0Vk7Jm5Ri2Wo8Xb4Cy6Tn1Fu9Sl3Dg0Mp"

static void test_keys_in_armour(void **state)
{
	(void)state;
	struct known_set *set = build_one(
		SPAN("-----BEGIN PRIVATE KEY-----\n" BODY_1 "\n" BODY_2 "\n-----END PRIVATE KEY-----"));
	assert_int_equal(count_in(set, "-----BEGIN PRIVATE KEY-----"), 0);
	assert_int_equal(count_in(set, "\n-----END PRIVATE KEY-----\n"), 0);
	/* The header of other keys of its kind, and of public ones. */
	assert_int_equal(count_in(set, "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ"), 0);
	assert_int_equal(count_in(set, "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"), 0);
	for (size_t i = 0; i + KNOWN_WINDOW <= strlen(BODY_2); i++) {
		char part[KNOWN_WINDOW + 1];
		snprintf(part, sizeof(part), "%s", BODY_2 + i);
		assert_int_equal(count_in(set, part), 1);
	}
	assert_int_equal(count_in(set, "JAoIBAQDJx3v8Kq1mTz0R\nw7Yt5Ub"), 1);
	known_set_free(set);
	/* One line alone has it all. */
	set = build_one(SPAN(
		"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIKx3v8Kq1mTz0Rw7Yt5Ub2Nf9Lc4Pd8Gs6Ha1Zx\n"
		"-----END PRIVATE KEY-----\n"));
	assert_int_equal(count_in(set, "MC4CAQAwBQYDK2VwBCIEI"), 0);
	assert_int_equal(count_in(set, "Kx3v8Kq1mTz0Rw7Y"), 1);
	known_set_free(set);
	/* In one line of a variable, with \n for the ends of lines. */
	set = build_one(
		SPAN("-----BEGIN PRIVATE KEY-----\\n" BODY_1 "\\n" BODY_2 "\\n-----END PRIVATE KEY-----\\n"));
	assert_int_equal(count_in(set, "-----BEGIN PRIVATE KEY-----\\nMIIE"), 0);
	assert_int_equal(count_in(set, BODY_2), 1);
	known_set_free(set);
}

#define JWT_HEAD "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzb21lYm9keSIsInN1YiI6IjEyMyJ9"
#define JWT_SIGNATURE "Rk2Lw9Zt4Vx8Bn3Mc6Hd1Jf5Gs0PyTeUaWoIi7Qx5Ds"

static void test_jwt(void **state)
{
	(void)state;
	struct known_set *set = build_one(SPAN(JWT_HEAD "." JWT_SIGNATURE));
	assert_int_equal(count_in(set, JWT_HEAD ".another"), 0);
	assert_int_equal(count_in(set, JWT_HEAD "." JWT_SIGNATURE), 1);
	assert_int_equal(count_in(set, JWT_SIGNATURE), 1);
	known_set_free(set);
	/* None, but something that begins so. */
	set = build_one(SPAN("eyJ..Rk2Lw9Zt4Vx8Bn3Mc6Hd1J"));
	assert_int_equal(count_in(set, "eyJ..Rk2Lw9Zt4Vx"), 1);
	known_set_free(set);
	set = build_one(SPAN("eyJrb2Rk2Lw9Zt4Vx8Bn3Mc6Hd1J"));
	assert_int_equal(count_in(set, "eyJrb2Rk2Lw9Zt4V"), 1);
	known_set_free(set);
}

static void test_even_text(void **state)
{
	(void)state;
	static char zeros[200000];
	struct known_set *set = build_one(SPAN("0000000000000000000000000000000012ab34cd"));
	struct matches matches;
	find(set, (struct span){zeros, sizeof(zeros)}, 0, &matches);
	assert_int_equal(matches.count, 0);
	memset(zeros, '0', sizeof(zeros));
	find(set, (struct span){zeros, sizeof(zeros)}, 0, &matches);
	assert_int_equal(matches.count, 0);
	assert_int_equal(count_in(set, "0000000012ab34cd"), 1);
	known_set_free(set);
}

/* A text that is the value over and over is found, without a look at each octet of it that costs much. */
static void test_work(void **state)
{
	(void)state;
	static char text[100000];
	struct known_set *set = build_one(SPAN(SECRET));
	struct known_matcher m;
	struct matches *all = calloc(1, sizeof(*all));
	size_t n = strlen(SECRET), at = 0;
	assert_non_null(all);
	memset(text, '.', sizeof(text));
	known_begin(&m, set);
	known_feed(&m, (struct span){text, sizeof(text)}, on_found, all);
	assert_int_equal(m.work, 2 * sizeof(text));
	for (; at + n <= 4000; at += n)
		memcpy(text + at, SECRET, n);
	known_begin(&m, set);
	known_feed(&m, (struct span){text, at}, on_found, all);
	assert_int_equal(all->count, at / n);
	assert_true(m.work < at * 150);
	known_set_free(set);
	free(all);
}

/* ---- what is refused */

static void assert_refused(struct known_value second, const char *expected)
{
	const struct known_value values[] = {named("good", SPAN(SECRET)), second};
	size_t which = 99;
	const char *why = NULL;
	assert_null(known_set_build(values, 2, "c.yaml", key, &which, &why));
	assert_int_equal(which, 1);
	if (!why || !strstr(why, expected))
		fail_msg("'%s' does not say '%s'", why ? why : "", expected);
	assert_null(strstr(why, "good"));
}

static void test_refused(void **state)
{
	(void)state;
	static char large[KNOWN_LONGEST + 1];
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (char)('!' + i * i % 90);
	assert_refused(named("x", SPAN("")), "shorter than 8 octets");
	assert_refused(named("x", SPAN("hunter2")), "shorter than 8 octets");
	assert_refused(named("x", SPAN("12121212")), "fewer than 5 different");
	assert_refused(named("x", SPAN("aaaaaaaaaaaaaaaaaaaaaaaab")), "fewer than 5 different");
	assert_refused(
		named("x", SPAN("aaaaaaaaaaaaaaaabcdddddddddddddddddddefffffffffff")), "nothing in it");
	assert_refused(named("x", SPAN("-----BEGIN PRIVATE KEY-----")), "nothing in it");
	assert_refused(named("x", SPAN(SECRET)), "an earlier one has the same value");
	assert_refused(named("x", (struct span){large, sizeof(large)}), "longer than 16384 octets");
	struct known_value most[] = {named("x", (struct span){large, KNOWN_LONGEST})};
	known_set_free(build(most, 1));
}

static void test_too_much(void **state)
{
	(void)state;
	static char large[6][KNOWN_LONGEST];
	static struct known_value values[KNOWN_MAX_VALUES + 1];
	uint32_t seed = 1;
	size_t which;
	const char *why;
	for (size_t i = 0; i < 6; i++) {
		for (size_t k = 0; k < KNOWN_LONGEST; k++) {
			seed = seed * 1664525u + 1013904223u;
			large[i][k] = (char)('!' + (seed >> 24) % 4 + k * k % 80);
		}
		values[i] = named("x", (struct span){large[i], KNOWN_LONGEST});
	}
	assert_null(known_set_build(values, 6, "c.yaml", key, &which, &why));
	assert_non_null(strstr(why, "together are too long"));
	assert_null(known_set_build(values, KNOWN_MAX_VALUES + 1, "c.yaml", key, &which, &why));
	assert_int_equal(which, KNOWN_MAX_VALUES + 1);
	assert_non_null(strstr(why, "more than 1000"));
}

static void test_no_value(void **state)
{
	(void)state;
	struct known_set *set = build(NULL, 0);
	assert_int_equal(known_set_count(set), 0);
	assert_int_equal(count_in(set, "some text that is longer than a window"), 0);
	known_set_free(set);
}

/* ---- its octets */

static struct known_set *build_some(void)
{
	static const char *const hosts[] = {"api.example", "*.svc.example", NULL};
	const struct known_value values[] = {
		{.tier = TIER_KNOWN, .name = "a", .hosts = hosts, .line = 7, .value = SPAN(SECRET)},
		{.tier = TIER_CANARY, .name = "b.c_d-1", .action = VERDICT_WARN, .value = SPAN(BRIEF)}};
	return build(values, 2);
}

static void test_octets_of_a_set(void **state)
{
	(void)state;
	struct known_set *first = build_some();
	struct span octets = known_set_octets(first);
	struct known_set *set = known_set_read(octets);
	assert_non_null(set);
	assert_true(span_equals(known_set_octets(set), octets));
	known_set_free(first);
	assert_int_equal(known_set_count(set), 2);
	const struct rule *a = &known_set_rule(set, 0)->shown, *b = &known_set_rule(set, 1)->shown;
	assert_string_equal(a->id, "known:a");
	assert_string_equal(a->file, "c.yaml");
	assert_int_equal(a->line, 7);
	assert_true(a->tier == TIER_KNOWN && a->severity == SEVERITY_CRITICAL && a->action == VERDICT_BLOCK);
	assert_int_equal(a->in, SCAN_OUTGOING);
	assert_string_equal(a->belongs_to[0], "api.example");
	assert_string_equal(a->belongs_to[1], "*.svc.example");
	assert_null(a->belongs_to[2]);
	assert_string_equal(b->id, "canary:b.c_d-1");
	assert_true(b->tier == TIER_CANARY && b->action == VERDICT_WARN);
	assert_null(b->belongs_to);
	assert_int_equal(count_in(set, "x" SECRET "x" BRIEF), 2);
	known_set_free(set);
	known_set_free(NULL);
}

static void test_octets_say_nothing_of_values(void **state)
{
	(void)state;
	struct known_set *set = build_some();
	struct span octets = known_set_octets(set);
	for (size_t i = 0; i + 5 <= strlen(SECRET); i++)
		assert_null(memmem(octets.p, octets.n, SECRET + i, 5));
	for (size_t i = 0; i + 5 <= strlen(BRIEF); i++)
		assert_null(memmem(octets.p, octets.n, BRIEF + i, 5));
	known_set_free(set);
	/* Under another key nothing of it is the same but names and numbers. */
	static const uint8_t other[KNOWN_KEY_SIZE] = {1};
	const struct known_value values[] = {named("a", SPAN(SECRET))};
	size_t which;
	const char *why;
	struct known_set *one = build(values, 1),
			 *two = known_set_build(values, 1, "c.yaml", other, &which, &why);
	assert_int_equal(one->entry_count, two->entry_count);
	for (size_t i = 0; i < one->entry_count; i++)
		for (size_t k = 0; k < two->entry_count; k++) {
			assert_true(one->entries[i].sip != two->entries[k].sip);
			assert_memory_not_equal(
				one->entries[i].mac, two->entries[k].mac, sizeof(one->entries[i].mac));
		}
	known_set_free(one);
	known_set_free(two);
}

static void test_octets_that_are_no_set(void **state)
{
	(void)state;
	struct known_set *set = build_some();
	struct span octets = known_set_octets(set);
	char *copy = malloc(octets.n + 1);
	assert_non_null(copy);
	for (size_t n = 0; n < octets.n; n++)
		assert_null(known_set_read((struct span){octets.p, n}));
	memcpy(copy, octets.p, octets.n);
	copy[octets.n] = 0;
	assert_null(known_set_read((struct span){copy, octets.n + 1}));
	/* What is changed is refused, or is a set that can be used. */
	size_t head = octets.n < 4096 ? octets.n : 4096;
	for (size_t i = 0; i < head; i++) {
		static const unsigned char flips[] = {1, 0x80, 0xff};
		for (size_t k = 0; k < sizeof(flips); k++) {
			copy[i] = (char)((unsigned char)octets.p[i] ^ flips[k]);
			struct known_set *changed = known_set_read((struct span){copy, octets.n});
			if (changed)
				count_in(changed, "x" SECRET "x" BRIEF);
			known_set_free(changed);
		}
		copy[i] = octets.p[i];
	}
	free(copy);
	known_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash),
		cmocka_unit_test(test_every_part_of_a_value),
		cmocka_unit_test(test_brief_values),
		cmocka_unit_test(test_many_values),
		cmocka_unit_test(test_against_comparison),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_shared_windows),
		cmocka_unit_test(test_plain_form),
		cmocka_unit_test(test_keys_in_armour),
		cmocka_unit_test(test_jwt),
		cmocka_unit_test(test_even_text),
		cmocka_unit_test(test_work),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_no_value),
		cmocka_unit_test(test_octets_of_a_set),
		cmocka_unit_test(test_octets_say_nothing_of_values),
		cmocka_unit_test(test_octets_that_are_no_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
