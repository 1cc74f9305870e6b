/*
 * Validators of wallets: the vectors of the specifications, and texts that the test encodes itself, whole,
 * cut at every octet, and with each octet changed.
 */
#include "pipelock/scan/validate_wallet.h"

#include "pipelock/scan/validate.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROUNDS 60

typedef bool is_fn(struct span text);

static uint64_t random_state = 0x9e3779b97f4a7c15;

static unsigned random_octet(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state >> 32 & 255;
}

static void digest_of(const void *octets, size_t n, uint8_t out[32])
{
	assert_int_equal(EVP_Digest(octets, n, out, NULL, EVP_sha256(), NULL), 1);
}

/* From memory of just this size, so that a look past its end is seen. */
static bool asks(is_fn *is, const char *text, size_t n)
{
	char *copy = malloc(n ? n : 1);
	assert_non_null(copy);
	memcpy(copy, text, n);
	bool answer = is((struct span){copy, n});
	free(copy);
	return answer;
}

struct vector {
	is_fn *is;
	const char *text;
	bool passes;
};

static void check_vectors(const struct vector *vectors, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (asks(vectors[i].is, vectors[i].text, strlen(vectors[i].text)) != vectors[i].passes)
			fail_msg("%zu: %s", i, vectors[i].text);
	}
}

#define CHECK_VECTORS(vectors) check_vectors(vectors, sizeof(vectors) / sizeof(vectors[0]))

/* Each prefix of a text that passes, and each text that differs in one octet, is refused. */
static void check_neighbours(is_fn *is, char *text, const char *alphabet)
{
	size_t n = strlen(text), letters = strlen(alphabet);
	assert_true(asks(is, text, n));
	for (size_t cut = 0; cut < n; cut++)
		assert_false(asks(is, text, cut));
	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		text[i] = alphabet[random_octet() % letters];
		if (text[i] != c && asks(is, text, n))
			fail_msg("%s", text);
		text[i] = (char)(c ^ 0x80);
		assert_false(asks(is, text, n));
		text[i] = c;
	}
}

/* ---- Base58 */

static const char base58[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

static void test_base58check(void **state)
{
	(void)state;
	/* Addresses, keys in the wallet import format, and the first and the last vectors of BIP-32. */
	static const struct vector vectors[] = {
		{is_base58check, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", true},
		{is_base58check, "16UwLL9Risc3QfPqBUvKofHmBQ7wMtjvM", true},
		{is_base58check, "16UwLL9Risc3QfPqBUvKofHmBQ7wMtjvN", false},
		{is_base58check, "6UwLL9Risc3QfPqBUvKofHmBQ7wMtjvM", false},
		{is_base58check, "116UwLL9Risc3QfPqBUvKofHmBQ7wMtjvM", false},
		{is_base58check, "3P14159f73E4gFr7JterCCQh9QjiTjiZrG", true},
		{is_base58check,
			"5HueCGU8rMjxEXxiPuD5BDku4MkFq"
			"eZyd4dZ1jvhTVqvbTLvyTJ",
			true},
		{is_base58check,
			"KwdMAjGmerYanjeui5SHS7JkmpZvV"
			"ipYvB2LJGU1ZxJwYvP98617",
			true},
		{is_base58check,
			"KwdMAjGmerYanjeui5SHS7JkmpZvV"
			"ipYvB2LJGU1ZxJwYvP98611",
			false},
		{is_base58check,
			"xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq"
			"3jPPqjiChkVvvNKmPGJxWUtg6LnF5"
			"kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
			true},
		{is_base58check,
			"xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq"
			"3jPPqjiChkVvvNKmPGJxWUtg6LnF5"
			"kejMRNNU3TGtRBeJgk33yuGBxrMPHL",
			false},
		{is_base58check,
			"xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqs"
			"efD265TMg7usUDFdp6W1EGMcet8",
			true},
		{is_base58check, "3QJmnh", false}, /* right, of no octet */
		{is_base58check, "", false},
		{is_base58check, "1111", false},
		{is_base58check, "0A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", false},
	};
	CHECK_VECTORS(vectors);
}

/* Long division, an octet and a digit at a time. Puts a NUL behind. */
static void base58_encode(const uint8_t *octets, size_t n, char *out)
{
	uint8_t rest[200];
	char digits[300];
	size_t zeros = 0, count = 0;
	memcpy(rest, octets, n);
	while (zeros < n && octets[zeros] == 0)
		zeros++;
	for (size_t from = zeros; from < n;) {
		unsigned carry = 0;
		for (size_t i = from; i < n; i++) {
			carry = carry << 8 | rest[i];
			rest[i] = (uint8_t)(carry / 58);
			carry %= 58;
		}
		digits[count++] = base58[carry];
		while (from < n && rest[from] == 0)
			from++;
	}
	memset(out, '1', zeros);
	for (size_t i = 0; i < count; i++)
		out[zeros + i] = digits[count - 1 - i];
	out[zeros + count] = '\0';
}

static void base58check_encode(uint8_t *octets, size_t n, char *out)
{
	uint8_t digest[32];
	digest_of(octets, n, digest);
	digest_of(digest, sizeof(digest), digest);
	memcpy(octets + n, digest, 4);
	base58_encode(octets, n + 4, out);
}

static void test_base58check_round_trips(void **state)
{
	(void)state;
	uint8_t octets[160];
	char text[300];
	for (size_t n = 0; n <= 140; n++) {
		for (size_t i = 0; i < n; i++)
			octets[i] = i < n % 5 ? 0 : (uint8_t)random_octet();
		base58check_encode(octets, n, text);
		if (n == 0 || n > 128)
			assert_false(asks(is_base58check, text, strlen(text)));
		else
			check_neighbours(is_base58check, text, base58);
	}
	memset(octets, 255, sizeof(octets));
	base58check_encode(octets, 128, text);
	assert_true(asks(is_base58check, text, strlen(text)));
	memset(octets, 0, sizeof(octets));
	base58check_encode(octets, 128, text);
	assert_true(asks(is_base58check, text, strlen(text)));
	memset(text, '1', 250);
	for (size_t i = 0; i < 250; i++)
		assert_false(asks(is_base58check, text, i));
}

/* ---- Bech32 */

static const char bech32[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

static void test_bech32(void **state)
{
	(void)state;
	/* The vectors of BIP-173, of BIP-350, an address of each, and keys of NIP-19 and age. */
	static const struct vector vectors[] = {
		{is_bech32, "A12UEL5L", true},
		{is_bech32, "a12uel5l", true},
		{is_bech32,
			"an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1"
			"tt5tgs",
			true},
		{is_bech32, "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", true},
		{is_bech32,
			"11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
			"c8247j",
			true},
		{is_bech32, "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w", true},
		{is_bech32, "?1ezyfcl", true},
		{is_bech32,
			"\x20"
			"1nwldj5",
			false},
		{is_bech32,
			"\x7f"
			"1axkwrx",
			false},
		{is_bech32,
			"\x80"
			"1eym55h",
			false},
		{is_bech32,
			"an84characterslonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio"
			"1569pvx",
			false},
		{is_bech32, "pzry9x0s0muk", false},
		{is_bech32, "1pzry9x0s0muk", false},
		{is_bech32, "x1b4n0q5v", false},
		{is_bech32, "li1dgmt3", false},
		{is_bech32, "de1lg7wt\xff", false},
		{is_bech32, "A1G7SGD8", false},
		{is_bech32, "10a06t8", false},
		{is_bech32, "1qzzfhee", false},
		{is_bech32, "A1LQFN3A", true},
		{is_bech32, "a1lqfn3a", true},
		{is_bech32,
			"an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11"
			"sg7hg6",
			true},
		{is_bech32, "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx", true},
		{is_bech32,
			"11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll"
			"ludsr8",
			true},
		{is_bech32, "split1checkupstagehandshakeupstreamerranterredcaperredlc445v", true},
		{is_bech32, "?1v759aa", true},
		{is_bech32,
			"\x20"
			"1xj0phk",
			false},
		{is_bech32,
			"\x7f"
			"1g6xzxy",
			false},
		{is_bech32,
			"\x80"
			"1vctc34",
			false},
		{is_bech32,
			"an84characterslonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber1"
			"1d6pts4",
			false},
		{is_bech32, "qyrz8wqd2c9m", false},
		{is_bech32, "1qyrz8wqd2c9m", false},
		{is_bech32, "y1b0jsk6g", false},
		{is_bech32, "lt1igcx5c0", false},
		{is_bech32, "in1muywd", false},
		{is_bech32, "mm1crxm3i", false},
		{is_bech32, "au1s5cgom", false},
		{is_bech32, "M1VUXWEZ", false},
		{is_bech32, "16plkw9", false},
		{is_bech32, "1p2gdwpf", false},
		{is_bech32, "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", true},
		{is_bech32, "bc1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", false},
		{is_bech32, "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", true},
		{is_bech32,
			"nsec1"
			"vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5",
			true},
		{is_bech32,
			"AGE-SECRET-KEY-"
			"1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX",
			true},
		{is_bech32,
			"AGE-SECRET-KEY-"
			"1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEQ",
			false},
		{is_bech32, "", false},
		{is_bech32, "1", false},
		{is_bech32, "q1", false},
	};
	CHECK_VECTORS(vectors);
}

/* The checksum as the remainder of a division in GF(32)[x], coefficient by coefficient: the generator is
 * {1}x^6 + {29}x^5 + {22}x^4 + {20}x^3 + {21}x^2 + {29}x + {18} (BIP-173, "Checksum design"). */
static unsigned gf32_multiply(unsigned a, unsigned b)
{
	unsigned product = 0;
	for (; b; b >>= 1) {
		product ^= b & 1 ? a : 0;
		a <<= 1;
		a ^= a & 32 ? 41 : 0;
	}
	return product;
}

static void bech32_checksum(const uint8_t *values, size_t n, uint32_t constant, uint8_t out[6])
{
	static const uint8_t generator[6] = {29, 22, 20, 21, 29, 18};
	uint8_t work[200] = {0};
	work[0] = 1;
	memcpy(work + 1, values, n);
	for (size_t i = 0; i < n + 1; i++) {
		for (size_t k = 0; k < 6; k++)
			work[i + 1 + k] ^= (uint8_t)gf32_multiply(work[i], generator[k]);
	}
	for (size_t k = 0; k < 6; k++)
		out[k] = (uint8_t)(work[n + 1 + k] ^ (constant >> (25 - 5 * k) & 31));
}

static void bech32_encode(const char *part, const uint8_t *data, size_t n, uint32_t constant, char *out)
{
	uint8_t values[200], check[6];
	size_t count = 0, length = strlen(part);
	for (size_t i = 0; i < length; i++)
		values[count++] = (uint8_t)part[i] >> 5;
	values[count++] = 0;
	for (size_t i = 0; i < length; i++)
		values[count++] = (uint8_t)part[i] & 31;
	memcpy(values + count, data, n);
	bech32_checksum(values, count + n, constant, check);
	out += sprintf(out, "%s1", part);
	for (size_t i = 0; i < n + 6; i++)
		*out++ = bech32[i < n ? data[i] : check[i - n]];
	*out = '\0';
}

static void test_bech32_round_trips(void **state)
{
	(void)state;
	static const char *const parts[] = {"bc", "nsec", "age-secret-key-", "a", "lnbc1", "~!"};
	uint8_t data[100];
	char text[200];
	for (size_t round = 0; round < ROUNDS; round++) {
		const char *part = parts[round % 6];
		uint32_t constant = round % 2 ? 1 : 0x2bc830a3;
		size_t n = random_octet() % (90 - 6 - strlen(part));
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = random_octet() & 31;
		bech32_encode(part, data, n, constant, text);
		check_neighbours(is_bech32, text, bech32);
		for (size_t i = 0; text[i]; i++)
			text[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i]);
		assert_true(asks(is_bech32, text, strlen(text)));
		/* 90 characters are the most; no other constant will do. */
		bech32_encode(part, data, 90 - 7 - strlen(part), constant, text);
		assert_true(asks(is_bech32, text, strlen(text)));
		bech32_encode(part, data, 91 - 7 - strlen(part), constant, text);
		assert_false(asks(is_bech32, text, strlen(text)));
		bech32_encode(part, data, n, constant ^ 1u << round % 30, text);
		assert_false(asks(is_bech32, text, strlen(text)));
	}
}

/* ---- BIP-39 */

#define ABANDON_5 "abandon abandon abandon abandon abandon "
#define ZOO_5 "zoo zoo zoo zoo zoo "

static void test_bip39(void **state)
{
	(void)state;
	/* From the vectors that BIP-39 names, and what may stand between, before and behind. */
	static const struct vector vectors[] = {
		{has_bip39_phrase, ABANDON_5 ABANDON_5 "abandon about", true},
		{has_bip39_phrase, ABANDON_5 ABANDON_5 "abandon above", false},
		{has_bip39_phrase, ABANDON_5 ABANDON_5 "about", false},
		{has_bip39_phrase, ZOO_5 ZOO_5 "zoo wrong", true},
		{has_bip39_phrase,
			"legal winner thank year wave sausage worth useful legal winner thank yellow", true},
		{has_bip39_phrase,
			"letter advice cage absurd amount doctor acoustic avoid letter advice cage above",
			true},
		{has_bip39_phrase,
			"advice letter cage absurd amount doctor acoustic avoid letter advice cage above",
			false},
		{has_bip39_phrase, ABANDON_5 ABANDON_5 ABANDON_5 "abandon abandon agent", true},
		{has_bip39_phrase, ZOO_5 ZOO_5 ZOO_5 "zoo zoo when", true},
		{has_bip39_phrase, ABANDON_5 ABANDON_5 ABANDON_5 ABANDON_5 "abandon abandon abandon art",
			true},
		{has_bip39_phrase, ZOO_5 ZOO_5 ZOO_5 ZOO_5 "zoo zoo zoo vote", true},
		{has_bip39_phrase, ZOO_5 ZOO_5 ZOO_5 ZOO_5 "zoo zoo zoo votes", false},
		{has_bip39_phrase,
			"ozone drill grab fiber curtain grace pudding thank cruise elder eight picnic", true},
		{has_bip39_phrase,
			"OZONE Drill grab fiber curtain grace pudding thank cruise elder eight picnic", true},
		{has_bip39_phrase,
			"ozone,drill,grab,fiber,curtain,grace,pudding,thank,cruise,elder,eight,picnic", true},
		{has_bip39_phrase,
			"1. ozone\r\n2. drill\r\n3. grab\r\n4. fiber\r\n5. curtain\r\n6. grace\r\n7. "
			"pudding\r\n"
			"8. thank\r\n9. cruise\r\n10. elder\r\n11. eight\r\n12. picnic\r\n",
			true},
		{has_bip39_phrase,
			"\"ozone\", \"drill\", \"grab\",\n\"fiber\", 'curtain', 'grace', "
			"'pudding',\t'thank',\n\n"
			"\"cruise\",\"elder\" , \"eight\", \"picnic\"]",
			true},
		{has_bip39_phrase,
			"ozone drill grab fiber curtain grace pudding thank cruise elder eight picnic is "
			"mine",
			true},
		{has_bip39_phrase,
			"ozone drill grab fiber curtain grace pudding thank cruise elder eight picnic: zoo",
			true},
		{has_bip39_phrase,
			"ozone drill grab fiber curtain grace pudding thank cruise elder eight picnics",
			false},
		{has_bip39_phrase,
			"ozone drill grab fiber curtain grace pudding thank cruise elder eight pic", false},
		{has_bip39_phrase,
			"my ozone drill grab fiber curtain grace pudding thank cruise elder eight picnic",
			true},
		{has_bip39_phrase,
			"ozone-drill-grab-fiber-curtain-grace-pudding-thank-cruise-elder-eight-picnic", true},
		{has_bip39_phrase,
			"ozone/drill/grab/fiber/curtain/grace/pudding/thank/cruise/elder/eight/picnic", true},
		{has_bip39_phrase, "ozonedrillgrabfibercurtaingracepuddingthankcruiseeldereightpicnic",
			false},
		{has_bip39_phrase,
			"ozone                         drill grab fiber curtain grace pudding thank cruise "
			"elder eight "
			"picnic",
			false},
		{has_bip39_phrase, "", false},
		{has_bip39_phrase, "         ", false},
	};
	CHECK_VECTORS(vectors);
}

/* The list is the one of the specification, octet for octet. */
static void test_bip39_list(void **state)
{
	(void)state;
	static const uint8_t right[8] = {0x2f, 0x5e, 0xed, 0x53, 0xa4, 0x72, 0x7b, 0x4b};
	static char list[BIP39_WORDS * 9 + 1];
	uint8_t digest[32];
	size_t n = 0;
	for (size_t i = 0; i < BIP39_WORDS; i++) {
		n += (size_t)sprintf(list + n, "%s\n", bip39_words[i]);
		assert_true(i == 0 || strcmp(bip39_words[i - 1], bip39_words[i]) < 0);
	}
	digest_of(list, n, digest);
	assert_memory_equal(digest, right, sizeof(right));
	/* Pieces of the list itself are no phrases, from whichever word. */
	for (const char *word = list; word;) {
		assert_false(has_bip39_phrase(span_of(word)));
		word = strchr(word, '\n');
		word = word && word[1] ? word + 1 : NULL;
	}
}

/* Words from bits, one bit a digit: as the specification tells it, and unlike the validator does it. */
static void bip39_words_of(const uint8_t *entropy, size_t n, unsigned *words)
{
	char digits[33 * 8 + 1];
	uint8_t octets[33];
	memcpy(octets, entropy, n);
	uint8_t digest[32];
	digest_of(entropy, n, digest);
	octets[n] = digest[0];
	for (size_t i = 0; i < (n + 1) * 8; i++)
		digits[i] = octets[i / 8] & 0x80 >> i % 8 ? '1' : '0';
	for (size_t i = 0; i < n * 3 / 4; i++) {
		char one[12] = {0};
		memcpy(one, digits + i * 11, 11);
		words[i] = (unsigned)strtoul(one, NULL, 2);
	}
}

static size_t bip39_write(const unsigned *words, size_t count, const char *between, char *out)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++)
		n += (size_t)sprintf(out + n, "%s%s", i ? between : "", bip39_words[words[i]]);
	return n;
}

static void test_bip39_round_trips(void **state)
{
	(void)state;
	static const char *const between[] = {" ", ", ", "\n", "\r\n", "\", \"", ")\n 7. ", ","};
	uint8_t entropy[32];
	unsigned words[24];
	char text[24 * 20];
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t count = 12; count <= 24; count += 3) {
			for (size_t i = 0; i < sizeof(entropy); i++)
				entropy[i] = (uint8_t)random_octet();
			bip39_words_of(entropy, count * 4 / 3, words);
			size_t n = bip39_write(words, count, between[round % 7], text);
			assert_true(asks(has_bip39_phrase, text, n));
			if (count > 12)
				continue;
			for (size_t cut = 0; cut < n - 3; cut++)
				assert_false(asks(has_bip39_phrase, text, cut));
		}
	}
}

/* The words that the first bits of these stand for are these. */
static bool oracle_is_right(const unsigned *words, size_t count)
{
	uint8_t octets[34] = {0};
	unsigned again[24];
	for (size_t i = 0; i < count * 11; i++)
		octets[i / 8] |= (uint8_t)((words[i / 11] >> (10 - i % 11) & 1) << (7 - i % 8));
	bip39_words_of(octets, count * 4 / 3, again);
	return memcmp(words, again, count * sizeof(again[0])) == 0;
}

/* With each word in the last place: right are 128 of 2048 behind eleven words, 64 behind fourteen, and so on;
 * beside them those with which a shorter phrase ends there. */
static void test_bip39_last_words(void **state)
{
	(void)state;
	unsigned words[24];
	char text[24 * 20];
	for (size_t count = 12; count <= 24; count += 3) {
		bool shorter = true;
		while (shorter) {
			for (size_t i = 0; i < count; i++)
				words[i] = (random_octet() << 8 | random_octet()) % BIP39_WORDS;
			shorter = asks(has_bip39_phrase, text, bip39_write(words, count - 1, " ", text));
		}
		unsigned whole = 0;
		for (words[count - 1] = 0; words[count - 1] < BIP39_WORDS; words[count - 1]++) {
			bool right = oracle_is_right(words, count);
			whole += right;
			for (size_t n = 12; n < count; n += 3)
				right |= oracle_is_right(words + count - n, n);
			size_t n = bip39_write(words, count, " ", text);
			if (asks(has_bip39_phrase, text, n) != right)
				fail_msg("%s", text);
		}
		assert_int_equal(whole, 1u << (11 - count / 3));
	}
}

/* Somewhere in a text: behind other words, and behind words of the list as far as 40 reach. */
static void test_bip39_places(void **state)
{
	(void)state;
	static const char phrase[] =
		"ozone drill grab fiber curtain grace pudding thank cruise elder eight picnic";
	char text[8192];
	for (size_t others = 0; others < 50; others++) {
		size_t n = 0;
		for (size_t i = 0; i < others; i++)
			n += (size_t)sprintf(text + n, "the %s, ", i % 2 ? "zymurgy" : "of/");
		strcpy(text + n, phrase);
		assert_true(asks(has_bip39_phrase, text, strlen(text)));
		n = 0;
		for (size_t i = 0; i < others; i++)
			n += (size_t)sprintf(text + n, "abandon%30s", "");
		strcpy(text + n, phrase);
		/* A word and more blanks than may stand between two make two. */
		assert_true(asks(has_bip39_phrase, text, strlen(text)) == (2 * others + 12 <= 40));
		memmove(text + 4, text, strlen(text) + 1);
		memcpy(text, "the ", 4);
		assert_true(asks(has_bip39_phrase, text, strlen(text)) == (1 + 2 * others + 12 <= 40));
	}
	for (int blanks = 1; blanks <= 30; blanks++) {
		sprintf(text, "ozone%*s%s", blanks, "", phrase + strlen("ozone "));
		assert_true(asks(has_bip39_phrase, text, strlen(text)) == (blanks <= 24));
	}
	memset(text, ' ', sizeof(text));
	assert_false(asks(has_bip39_phrase, text, sizeof(text)));
	memset(text, 'a', sizeof(text));
	assert_false(asks(has_bip39_phrase, text, sizeof(text)));
}

/* Rules know these by name. */
static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *name, *right, *wrong;
	} rows[] = {
		{"base58check", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "A12UEL5L"},
		{"bech32", "A12UEL5L", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"},
		{"bip39", ZOO_5 ZOO_5 "zoo wrong", ZOO_5 ZOO_5 "zoo zoo"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct validator validator;
		assert_true(validator_parse(span_of(rows[i].name), &validator));
		assert_non_null(strstr(validator_names(), rows[i].name));
		assert_true(validate(&validator, span_of(rows[i].right)));
		assert_false(validate(&validator, span_of(rows[i].wrong)));
		assert_false(validate(&validator, (struct span){"", 0}));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_base58check),
		cmocka_unit_test(test_base58check_round_trips), cmocka_unit_test(test_bech32),
		cmocka_unit_test(test_bech32_round_trips), cmocka_unit_test(test_bip39),
		cmocka_unit_test(test_bip39_list), cmocka_unit_test(test_bip39_round_trips),
		cmocka_unit_test(test_bip39_last_words), cmocka_unit_test(test_bip39_places),
		cmocka_unit_test(test_names)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
