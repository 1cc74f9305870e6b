/*
 * The inside of a set of known values. known.c looks windows up, known_build.c makes the octets of a set out
 * of values in all their forms (known_forms.c), known_set.c reads them. Only these include it.
 */
#ifndef PIPELOCK_SCAN_KNOWN_INTERNAL_H
#define PIPELOCK_SCAN_KNOWN_INTERNAL_H

#include "pipelock/scan/engine.h"
#include "pipelock/scan/known.h"

#define KNOWN_MAGIC UINT32_C(0x6b6e7731)
#define KNOWN_MAC_SIZE 16
#define KNOWN_MAX_ENTRIES 65536u
/* A filter has a word of 64 bits for each window, about, and at least so many (2^n): one text in some
 * hundreds passes by chance. A filter that let less pass would say by itself what a window may be. */
#define KNOWN_FILTER_MIN 5u
#define KNOWN_FILTER_MAX 16u

struct known_keys {
	uint64_t window[2], brief[2], sip[2];
	uint8_t mac[32];
};

/* A window of 16 octets, or a whole value that is shorter. In a set they are in order of `sip`. */
struct known_entry {
	uint64_t sip;
	uint8_t mac[KNOWN_MAC_SIZE];
	uint32_t value;
	uint8_t length;
	uint8_t shared; /* other values have it, too: it alone does not tell which one this is */
	uint8_t unused[2];
};

struct known_filter {
	uint64_t *words; /* NULL: there is nothing to find */
	unsigned size;	 /* 2^size words */
};

struct known_set {
	char *octets; /* owned; the strings of the rules stand in it */
	size_t octets_size;
	struct compiled_rule *rules;
	size_t count;
	struct known_entry *entries;
	size_t entry_count;
	struct known_keys keys;
	struct known_filter windows; /* by a window's 16 octets */
	struct known_filter briefs;  /* by a shorter value's last 8 octets */
	unsigned lengths;	     /* bit n: there are values of n octets, n < 16 */
};

/* Take a form of a value, which is borrowed for the call; it may be too short to be looked for. */
typedef void known_form(void *arg, struct span text);
/* All of them, the value itself first. false: out of memory. */
bool known_each_form(struct span value, known_form *take, void *arg);

/* false: the library failed. */
bool known_keys_derive(const uint8_t key[KNOWN_KEY_SIZE], struct known_keys *keys);
bool known_mac(const struct known_keys *keys, const unsigned char *p, size_t n, uint8_t out[KNOWN_MAC_SIZE]);

/* SipHash-2-4 (Aumasson and Bernstein, 2012). */
uint64_t known_sip(const uint64_t key[2], const unsigned char *p, size_t n);

static inline uint64_t known_load(const unsigned char *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof(word));
	return word;
}

static inline uint64_t known_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/* Of the 16 octets before `end`. */
static inline uint64_t known_hash_window(const struct known_keys *keys, const unsigned char *end)
{
	return known_mix(known_load(end - 16) ^ keys->window[0], known_load(end - 8) ^ keys->window[1]);
}

/* Of the 8 octets before `end`. */
static inline uint64_t known_hash_brief(const struct known_keys *keys, const unsigned char *end)
{
	return known_mix(known_load(end - 8) ^ keys->brief[0], keys->brief[1] | 1);
}

static inline uint64_t known_filter_mask(uint64_t hash)
{
	return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63);
}

static inline uint64_t *known_filter_word(const struct known_filter *filter, uint64_t hash)
{
	return &filter->words[hash >> (64 - filter->size)];
}

static inline bool known_filter_has(const struct known_filter *filter, uint64_t hash)
{
	uint64_t word = *known_filter_word(filter, hash);
	return word >> (hash & 63) & word >> (hash >> 6 & 63) & 1;
}

#endif
