/*
 * Rates of octets and windows, measured on a mixture of JSON, C, Python, prose, base64 and random octets.
 */
#include "pipelock/scan/regex_rate.h"

#include <string.h>

/* Occurrences in 100,000 octets. */
static const unsigned short frequency[256] = {36, 30, 31, 31, 29, 30, 30, 30, 31, 318, 1166, 30, 30, 30, 30,
	30, 30, 30, 30, 30, 30, 30, 30, 31, 30, 30, 30, 30, 30, 30, 30, 31, 13168, 47, 523, 378, 33, 44, 144,
	117, 572, 574, 843, 401, 917, 228, 465, 919, 693, 651, 609, 511, 444, 424, 453, 405, 473, 413, 424,
	462, 253, 230, 270, 35, 89, 841, 546, 853, 652, 884, 573, 663, 478, 901, 346, 405, 761, 604, 741, 695,
	630, 359, 889, 785, 936, 501, 430, 430, 656, 436, 352, 83, 1578, 82, 33, 3072, 56, 2743, 886, 1726,
	1759, 5075, 1401, 886, 1133, 2916, 381, 521, 1788, 1189, 3902, 2632, 1738, 439, 2857, 2544, 4332,
	1393, 703, 612, 720, 1050, 440, 175, 45, 170, 34, 29,
	/* 0x80 to 0xff */
	31, 31, 31, 31, 30, 30, 30, 31, 31, 31, 30, 31, 30, 30, 30, 30, 30, 31, 31, 31, 31, 31, 31, 31, 30,
	31, 30, 31, 30, 31, 31, 30, 30, 30, 30, 30, 30, 31, 31, 31, 30, 34, 30, 31, 30, 31, 31, 30, 31, 31,
	31, 30, 31, 30, 31, 30, 34, 32, 31, 31, 31, 31, 31, 30, 30, 30, 33, 34, 31, 31, 30, 30, 30, 30, 30,
	30, 30, 30, 34, 32, 37, 33, 29, 30, 30, 30, 31, 33, 31, 30, 30, 31, 30, 31, 30, 30, 35, 30, 30, 31,
	30, 31, 31, 30, 29, 30, 30, 31, 31, 30, 30, 30, 30, 30, 30, 31, 30, 30, 30, 30, 30, 29, 29, 30, 29,
	30, 30, 29};

double byte_set_rate(const struct byte_set *set)
{
	unsigned sum = 0;
	for (int i = 0; i < 4; i++) {
		for (uint64_t left = set->w[i]; left; left &= left - 1)
			sum += frequency[i * 64 + __builtin_ctzll(left)];
	}
	return sum / 100000.0;
}

/* Letters come after letters and digits after digits: how often an octet of the second kind comes after one
 * of the first. */
static const double follows[RATE_KINDS][RATE_KINDS] = {{0.76, 0.01, 0.01, 0.22}, {0.21, 0.60, 0.02, 0.17},
	{0.16, 0.01, 0.54, 0.29}, {0.43, 0.07, 0.03, 0.47}};

/* Octets are not drawn one by one: of these there are far more in JSON, source and headers than their letters
 * say. */
static const char common[][REGEX_WINDOW + 1] = {"key\"", "\"key", "key=", "_key", "-key", "keys", " key",
	"key ", "toke", "oken", "ken\"", "kens", "\"tok", "secr", "ecre", "cret", "pass", "assw", "word",
	"user", "name", "ame\"", "http", "ttps", "tps:", "ps:/", "s://", "://w", "://a", "www.", ".com",
	"com/", "data", "type", "\": \"", "\":\"", "\",\"", "\": ", "\\n\\n", "cont", "tent", "text", "role",
	"id\":", "\"id\"", "api.", "api/", "api_", "/api", "auth", "Auth", "code", "file", "test", "true",
	"null", "fals", "    ", "\t\t\t\t", "----", "====", "////", "****", "0000", "0x00", "2024", "2025",
	"2026", "base", "clie", "lien", "acce", "cces", "ess_", "self", "retu", "func", "this", "impo",
	"defi", "clas", "cons", "stri", "requ", "resp", "erro", "mess", "mode", "serv", "app_", "app-",
	"appl", "host", "port", "mail", "hash", "sess", "Bear"};
#define COMMON (sizeof(common) / sizeof(common[0]))
#define COMMON_RATE 2e-4

_Static_assert(COMMON <= 64 * RATE_COMMON_WORDS, "a bit for each");

/* Sums of `frequency`. */
static const double of_kind[RATE_KINDS] = {45766, 16347, 5076, 32809};

static unsigned kind_of(unsigned octet)
{
	if (octet >= 'a' && octet <= 'z')
		return 0;
	if (octet >= 'A' && octet <= 'Z')
		return 1;
	return octet >= '0' && octet <= '9' ? 2 : 3;
}

void rate_table_fill(struct rate_table *table)
{
	memset(table, 0, sizeof(*table));
	for (size_t k = 0; k < COMMON; k++) {
		for (unsigned j = 0; j < REGEX_WINDOW; j++)
			table->common[(unsigned char)common[k][j]][j][k / 64] |= 1ull << (k % 64);
	}
}

static void add_common(const struct rate_table *table, unsigned octet, struct set_rate *out)
{
	for (unsigned j = 0; j < REGEX_WINDOW; j++) {
		for (unsigned w = 0; w < RATE_COMMON_WORDS; w++)
			out->common[j][w] |= table->common[octet][j][w];
	}
}

struct set_rate rate_set(const struct rate_table *table, const struct byte_set *set)
{
	struct set_rate out = {0};
	double kinds[RATE_KINDS] = {0}, sum = 0;
	for (unsigned i = 0; i < 4; i++) {
		out.octets += (unsigned)__builtin_popcountll((set->w[i] | set->w[i] << 32) >> 32);
		for (uint64_t left = set->w[i]; left; left &= left - 1) {
			unsigned octet = i * 64 + (unsigned)__builtin_ctzll(left);
			kinds[kind_of(octet)] += frequency[octet];
			sum += frequency[octet];
			if (octet < 128)
				add_common(table, octet, &out);
		}
	}
	out.rate = sum / 100000.0;
	for (unsigned a = 0; a < RATE_KINDS; a++) {
		out.share[a] = sum > 0 ? kinds[a] / sum : 0;
		for (unsigned b = 0; b < RATE_KINDS; b++)
			out.after[a] += follows[a][b] * kinds[b] / of_kind[b];
	}
	return out;
}

double rate_window(const struct set_rate *sets, unsigned count)
{
	double product = sets[0].rate;
	unsigned n = count < REGEX_WINDOW ? count : REGEX_WINDOW;
	for (unsigned i = 1; i < n; i++) {
		double after = 0;
		for (unsigned k = 0; k < RATE_KINDS; k++)
			after += sets[i - 1].share[k] * sets[i].after[k];
		product *= after;
	}
	for (unsigned w = 0; w < RATE_COMMON_WORDS; w++) {
		uint64_t fits = sets[0].common[0][w];
		for (unsigned i = 1; i < n; i++)
			fits &= sets[i].common[i][w];
		product += COMMON_RATE * __builtin_popcountll(fits);
	}
	return product;
}

unsigned rate_texts(const struct set_rate *sets, unsigned count)
{
	unsigned product = 1;
	for (unsigned i = 0; i < REGEX_WINDOW; i++)
		product *= i < count ? sets[i].octets : 128;
	return product;
}
