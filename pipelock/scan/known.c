/*
 * Looks for known values: at each octet a hash of the 16 octets that end there (and, where shorter values are
 * named, of the last 8) asks a filter; what passes is looked up. Nothing hangs on the octets before, so the
 * processor works on several places at once.
 */
#include "pipelock/scan/known_internal.h"

#include <endian.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define WORK_OCTET 2u
#define WORK_LOOK_UP 40u
#define WORK_CONFIRM 2000u
#define NO_ENTRY UINT32_MAX

/* ---- keyed hashes */

static bool hmac(const uint8_t *key, size_t key_size, const unsigned char *p, size_t n, uint8_t out[32])
{
	unsigned size = 0;
	return HMAC(EVP_sha256(), key, (int)key_size, p, n, out, &size) && size == 32;
}

bool known_keys_derive(const uint8_t key[KNOWN_KEY_SIZE], struct known_keys *keys)
{
	uint8_t out[64];
	bool ok = hmac(key, KNOWN_KEY_SIZE, (const unsigned char *)"filter", 6, out) &&
		  hmac(key, KNOWN_KEY_SIZE, (const unsigned char *)"find", 4, out + 32) &&
		  hmac(key, KNOWN_KEY_SIZE, (const unsigned char *)"confirm", 7, keys->mac);
	memcpy(keys->window, out, 16);
	memcpy(keys->brief, out + 16, 16);
	memcpy(keys->sip, out + 32, 16);
	OPENSSL_cleanse(out, sizeof(out));
	return ok;
}

bool known_mac(const struct known_keys *keys, const unsigned char *p, size_t n, uint8_t out[KNOWN_MAC_SIZE])
{
	uint8_t mac[32];
	if (!hmac(keys->mac, sizeof(keys->mac), p, n, mac))
		return false;
	memcpy(out, mac, KNOWN_MAC_SIZE);
	return true;
}

static uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static void sip_rounds(uint64_t v[4], unsigned rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
}

uint64_t known_sip(const uint64_t key[2], const unsigned char *p, size_t n)
{
	uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
		key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
	uint64_t word = (uint64_t)n << 56;
	for (; n >= 8; p += 8, n -= 8)
		sip_word(v, le64toh(known_load(p)));
	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)p[i] << (8 * i);
	sip_word(v, word);
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- entries */

static size_t first_not_below(const struct known_set *set, uint64_t sip)
{
	size_t low = 0, high = set->entry_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (set->entries[middle].sip < sip)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The entry of the n octets before `end`, or NO_ENTRY. Windows that follow one that was confirmed need not
 * be: 64 bits agree, and not by an attacker's choice. */
static uint32_t look_up(struct known_matcher *m, const unsigned char *end, size_t n, bool confirm)
{
	const struct known_set *set = m->set;
	uint64_t sip = known_sip(set->keys.sip, end - n, n);
	uint8_t mac[KNOWN_MAC_SIZE];
	m->work += WORK_LOOK_UP;
	for (size_t i = first_not_below(set, sip); i < set->entry_count && set->entries[i].sip == sip; i++) {
		if (set->entries[i].length != n)
			continue;
		if (!confirm || m->confirmed == i + 1)
			return (uint32_t)i;
		m->work += WORK_CONFIRM;
		/* A library that fails must not make a secret pass. */
		if (known_mac(&set->keys, end - n, n, mac) &&
			CRYPTO_memcmp(mac, set->entries[i].mac, sizeof(mac)) != 0)
			continue;
		m->confirmed = (uint32_t)i + 1;
		return (uint32_t)i;
	}
	return NO_ENTRY;
}

/* ---- runs of windows */

static void tell(struct known_matcher *m)
{
	struct known_match match = {.value = m->value,
		.begin = m->begin,
		.end = m->end,
		.again = m->told,
		.secret = {(const char *)m->first, sizeof(m->first)}};
	if (!m->open || !m->grown)
		return;
	m->told = true;
	m->grown = false;
	m->work += WORK_CONFIRM; /* what the caller does with it */
	m->found(m->arg, &match);
}

/* Does the window that ends at `at` go on with the run? What several values have alone fits to any. */
static bool goes_on(const struct known_matcher *m, const struct known_entry *entry, uint64_t at)
{
	if (!m->open || m->end + 1 != at)
		return false;
	return entry->shared || entry->value == m->value || (!m->sure && !m->told);
}

static void take_window(
	struct known_matcher *m, const struct known_entry *entry, const unsigned char *end, uint64_t at)
{
	if (!goes_on(m, entry, at)) {
		tell(m);
		m->open = true;
		m->told = m->sure = false;
		m->value = entry->value;
		m->begin = at - KNOWN_WINDOW;
		memcpy(m->first, end - KNOWN_WINDOW, KNOWN_WINDOW);
	}
	if (!entry->shared && !m->sure) {
		m->value = entry->value;
		m->sure = true;
	}
	m->end = at;
	m->grown = true;
}

static void on_window(struct known_matcher *m, const unsigned char *end, uint64_t at)
{
	bool follows = m->open && m->sure && m->end + 1 == at;
	uint32_t index = look_up(m, end, KNOWN_WINDOW, !follows);
	if (index != NO_ENTRY && follows && !goes_on(m, &m->set->entries[index], at))
		index = look_up(m, end, KNOWN_WINDOW, true); /* another value begins here */
	if (index != NO_ENTRY)
		take_window(m, &m->set->entries[index], end, at);
}

/* Whole values that end here. `behind`: octets of the text before `end`. */
static void on_brief(struct known_matcher *m, const unsigned char *end, size_t behind, uint64_t at)
{
	for (unsigned n = KNOWN_SHORTEST; n < KNOWN_WINDOW && n <= behind; n++) {
		uint32_t index = m->set->lengths & (1u << n) ? look_up(m, end, n, true) : NO_ENTRY;
		if (index == NO_ENTRY)
			continue;
		struct known_match match = {.value = m->set->entries[index].value,
			.begin = at - n,
			.end = at,
			.secret = {(const char *)end - n, n}};
		/* A run that has ended stands before it. */
		if (m->end < at)
			tell(m);
		m->work += WORK_CONFIRM;
		m->found(m->arg, &match);
	}
}

/* ---- the text */

/* One octet over and over: no value is so plain, and one place after the other would be looked up in vain. */
static bool is_even(const unsigned char *end, size_t behind)
{
	return behind > KNOWN_WINDOW && known_load(end - 16) == known_load(end - 17) &&
	       known_load(end - 8) == known_load(end - 9);
}

static void look_at(struct known_matcher *m, const unsigned char *end, size_t behind, uint64_t at)
{
	const struct known_set *set = m->set;
	if (is_even(end, behind))
		return;
	if (set->windows.words && behind >= KNOWN_WINDOW &&
		known_filter_has(&set->windows, known_hash_window(&set->keys, end)))
		on_window(m, end, at);
	if (set->briefs.words && behind >= KNOWN_SHORTEST &&
		known_filter_has(&set->briefs, known_hash_brief(&set->keys, end)))
		on_brief(m, end, behind, at);
}

static inline __attribute__((always_inline)) bool may_end(
	const struct known_set *set, const unsigned char *end, bool windows, bool briefs)
{
	bool may = windows && known_filter_has(&set->windows, known_hash_window(&set->keys, end));
	return may | (briefs && known_filter_has(&set->briefs, known_hash_brief(&set->keys, end)));
}

/* The first place in [i, n] where something may end; n + 1: there is none. Four at a time, without a branch.
 */
static inline __attribute__((always_inline)) size_t next_end(
	const struct known_set *from, const unsigned char *p, size_t i, size_t n, bool windows, bool briefs)
{
	const struct known_set set = {.keys = from->keys, .windows = from->windows, .briefs = from->briefs};
	for (; i + 3 <= n; i += 4) {
		bool a = may_end(&set, p + i, windows, briefs), b = may_end(&set, p + i + 1, windows, briefs),
		     c = may_end(&set, p + i + 2, windows, briefs),
		     d = may_end(&set, p + i + 3, windows, briefs);
		if (a | b | c | d)
			break;
	}
	while (i <= n && !may_end(&set, p + i, windows, briefs))
		i++;
	return i;
}

/* Places of the piece that have 16 octets of it before them. */
static void look_along(struct known_matcher *m, const unsigned char *p, size_t n)
{
	const struct known_set *set = m->set;
	bool windows = set->windows.words, briefs = set->briefs.words;
	for (size_t i = KNOWN_WINDOW; windows || briefs; i++) {
		if (!briefs)
			i = next_end(set, p, i, n, true, false);
		else if (!windows)
			i = next_end(set, p, i, n, false, true);
		else
			i = next_end(set, p, i, n, true, true);
		if (i > n)
			return;
		look_at(m, p + i, i, m->fed + i);
	}
}

static void keep_tail(struct known_matcher *m, const unsigned char *p, size_t n)
{
	if (n >= sizeof(m->tail)) {
		memcpy(m->tail, p + n - sizeof(m->tail), sizeof(m->tail));
		m->tail_n = sizeof(m->tail);
		return;
	}
	size_t kept = sizeof(m->tail) - n < m->tail_n ? sizeof(m->tail) - n : m->tail_n;
	memmove(m->tail, m->tail + m->tail_n - kept, kept);
	memcpy(m->tail + kept, p, n);
	m->tail_n = kept + n;
}

void known_begin(struct known_matcher *m, const struct known_set *set)
{
	memset(m, 0, sizeof(*m));
	m->set = set;
}

void known_feed(struct known_matcher *m, struct span octets, known_found *found, void *arg)
{
	const unsigned char *p = (const unsigned char *)octets.p;
	unsigned char edge[2 * (KNOWN_WINDOW - 1)];
	if (octets.n == 0)
		return;
	size_t head = octets.n < KNOWN_WINDOW - 1 ? octets.n : KNOWN_WINDOW - 1;
	m->found = found;
	m->arg = arg;
	m->work += WORK_OCTET * (uint64_t)octets.n;
	memcpy(edge, m->tail, m->tail_n);
	memcpy(edge + m->tail_n, p, head);
	for (size_t i = 1; i <= head; i++)
		look_at(m, edge + m->tail_n + i, m->tail_n + i, m->fed + i);
	look_along(m, p, octets.n);
	tell(m);
	keep_tail(m, p, octets.n);
	m->fed += octets.n;
	OPENSSL_cleanse(edge, sizeof(edge));
}
