/*
 * The validators of wallets (see validate_wallet.h).
 */
/* OpenSSL 3 calls SHA256_Init() and its kin deprecated. What it offers instead fetches the algorithm and
 * allocates a context in each call, which a validator must not. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "pipelock/scan/validate_wallet.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

static void sha256(const uint8_t *octets, size_t n, uint8_t out[SHA256_DIGEST_LENGTH])
{
	SHA256_CTX context;
	SHA256_Init(&context);
	SHA256_Update(&context, octets, n);
	SHA256_Final(out, &context);
	OPENSSL_cleanse(&context, sizeof(context)); /* it holds octets of a key */
}

/* ---- Base58 */

#define CHECK_SIZE 4u
#define PAYLOAD_MAX 128u
#define DECODED_MAX (PAYLOAD_MAX + CHECK_SIZE)
#define LIMBS (DECODED_MAX / 4)

static int base58_value(char c)
{
	/* Neither 0, O, I nor l. */
	if (c >= '1' && c <= '9')
		return c - '1';
	if (c >= 'A' && c <= 'Z' && c != 'I' && c != 'O')
		return c - 'A' + 9 - (c > 'I') - (c > 'O');
	if (c >= 'a' && c <= 'z' && c != 'l')
		return c - 'a' + 33 - (c > 'l');
	return -1;
}

/* The number that the digits are, in limbs of 32 bits, the least first. false: no digit, or too large. */
static bool base58_number(struct span digits, uint32_t limbs[LIMBS], size_t *count)
{
	*count = 0;
	for (size_t i = 0; i < digits.n; i++) {
		int digit = base58_value(digits.p[i]);
		if (digit < 0)
			return false;
		uint64_t carry = (unsigned)digit;
		for (size_t k = 0; k < *count; k++) {
			carry += (uint64_t)limbs[k] * 58;
			limbs[k] = (uint32_t)carry;
			carry >>= 32;
		}
		if (carry == 0)
			continue;
		if (*count == LIMBS)
			return false;
		limbs[(*count)++] = (uint32_t)carry;
	}
	return true;
}

/* Each leading '1' is an octet 0, the rest is a number, the most significant octet first. 0: no Base58, or
 * more than `out` takes. */
static size_t base58_decode(struct span text, uint8_t out[DECODED_MAX])
{
	uint32_t limbs[LIMBS];
	size_t zeros = 0, count;
	while (zeros < text.n && text.p[zeros] == '1')
		zeros++;
	if (zeros > DECODED_MAX ||
		!base58_number((struct span){text.p + zeros, text.n - zeros}, limbs, &count))
		return 0;
	size_t n = count * 4;
	while (n > 0 && (limbs[(n - 1) / 4] >> ((n - 1) % 4 * 8) & 255) == 0)
		n--;
	if (zeros + n > DECODED_MAX)
		return 0;
	memset(out, 0, zeros);
	for (size_t i = 0; i < n; i++)
		out[zeros + i] = (uint8_t)(limbs[(n - 1 - i) / 4] >> ((n - 1 - i) % 4 * 8));
	OPENSSL_cleanse(limbs, sizeof(limbs));
	return zeros + n;
}

bool is_base58check(struct span text)
{
	uint8_t octets[DECODED_MAX], once[SHA256_DIGEST_LENGTH], twice[SHA256_DIGEST_LENGTH];
	size_t n = base58_decode(text, octets);
	bool right = false;
	if (n > CHECK_SIZE) {
		sha256(octets, n - CHECK_SIZE, once);
		sha256(once, sizeof(once), twice);
		right = memcmp(octets + n - CHECK_SIZE, twice, CHECK_SIZE) == 0;
	}
	OPENSSL_cleanse(octets, sizeof(octets));
	return right;
}

/* ---- Bech32 */

#define BECH32_MAX 90u
#define BECH32_CHECK 6u
#define BECH32_CONSTANT 1u
#define BECH32M_CONSTANT 0x2bc830a3u

/* One step of the checksum (BIP-173, "Checksum"). */
static uint32_t polymod(uint32_t sum, unsigned value)
{
	static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
	uint32_t top = sum >> 25;
	sum = (sum & 0x1ffffff) << 5 ^ value;
	for (unsigned i = 0; i < 5; i++)
		sum ^= top >> i & 1 ? generator[i] : 0;
	return sum;
}

/* The case that all letters have, folded away. false: both stand in it, or an octet that may not. */
static bool bech32_fold(struct span text, char out[BECH32_MAX])
{
	bool small = false, capital = false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c < 33 || c > 126)
			return false;
		bool upper = c >= 'A' && c <= 'Z';
		capital |= upper;
		small |= c >= 'a' && c <= 'z';
		out[i] = upper ? (char)(c + ('a' - 'A')) : c;
	}
	return !(small && capital);
}

static size_t last_separator(const char *text, size_t n)
{
	while (n > 0 && text[n - 1] != '1')
		n--;
	return n; /* of what stands up to it and with it; 0: there is none */
}

bool is_bech32(struct span text)
{
	static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
	char folded[BECH32_MAX];
	if (text.n > BECH32_MAX || !bech32_fold(text, folded))
		return false;
	size_t data = last_separator(folded, text.n);
	if (data < 2 || text.n - data < BECH32_CHECK)
		return false;
	uint32_t sum = 1;
	for (size_t i = 0; i < data - 1; i++)
		sum = polymod(sum, (unsigned)folded[i] >> 5);
	sum = polymod(sum, 0);
	for (size_t i = 0; i < data - 1; i++)
		sum = polymod(sum, (unsigned)folded[i] & 31);
	for (size_t i = data; i < text.n; i++) {
		const char *value = memchr(alphabet, folded[i], sizeof(alphabet) - 1);
		if (!value)
			return false;
		sum = polymod(sum, (unsigned)(value - alphabet));
	}
	return sum == BECH32_CONSTANT || sum == BECH32M_CONSTANT;
}

/* ---- BIP-39 */

#define PHRASE_MIN 12u
#define PHRASE_MAX 24u
#define PHRASE_STEP 3u
#define WORD_BITS 11u
#define BETWEEN_MAX 24u
#define WORDS_MAX 40u
#define NO_WORD BIP39_WORDS

static bool is_letter(char c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

/* Its place in the list; -1: it is not there. */
static int find_word(struct span word)
{
	int lo = 0, hi = BIP39_WORDS - 1;
	if (word.n < BIP39_WORD_MIN || word.n > BIP39_WORD_MAX)
		return -1;
	while (lo <= hi) {
		int middle = (lo + hi) / 2;
		int order = strncasecmp(word.p, bip39_words[middle], word.n);
		if (order == 0)
			order = bip39_words[middle][word.n] ? -1 : 0;
		if (order == 0)
			return middle;
		if (order < 0)
			hi = middle - 1;
		else
			lo = middle + 1;
	}
	return -1;
}

static size_t measure_word(struct span text)
{
	size_t n = 0;
	while (n < text.n && is_letter(text.p[n]))
		n++;
	return n;
}

/* Octets that may stand between two words; 0 when there are none, or more than that. */
static size_t measure_between(struct span text)
{
	size_t n = 0;
	while (n < text.n && n <= BETWEEN_MAX && !is_letter(text.p[n]))
		n++;
	return n <= BETWEEN_MAX ? n : 0;
}

/* The words of a text by their place in the list; NO_WORD for any number of others in a row, or of octets
 * that no phrase goes on after. */
struct word_row {
	uint16_t words[WORDS_MAX];
	size_t count;
};

static void add_word(struct word_row *row, int place)
{
	uint16_t word = place < 0 ? NO_WORD : (uint16_t)place;
	bool again = word == NO_WORD && row->count > 0 && row->words[row->count - 1] == NO_WORD;
	if (!again && row->count < WORDS_MAX)
		row->words[row->count++] = word;
}

static void read_words(struct span text, struct word_row *row)
{
	row->count = 0;
	while (text.n > 0 && row->count < WORDS_MAX) {
		size_t n = measure_word(text);
		if (n > 0)
			add_word(row, find_word((struct span){text.p, n}));
		text = (struct span){text.p + n, text.n - n};
		n = measure_between(text);
		if (n == 0 && text.n > 0) {
			add_word(row, -1);
			n = 1;
		}
		text = (struct span){text.p + n, text.n - n};
	}
}

/* 11 bits a word; the last of each 33 bits are the checksum, the first bits of the SHA-256 of the others. */
static bool checksum_is_right(const uint16_t *words, size_t count)
{
	uint8_t bits[PHRASE_MAX * WORD_BITS / 8] = {0}, digest[SHA256_DIGEST_LENGTH];
	size_t check = count / 3, entropy = count * WORD_BITS - check;
	for (size_t i = 0; i < count * WORD_BITS; i++) {
		unsigned bit = words[i / WORD_BITS] >> (WORD_BITS - 1 - i % WORD_BITS) & 1;
		bits[i / 8] |= (uint8_t)(bit << (7 - i % 8));
	}
	sha256(bits, entropy / 8, digest);
	bool right = (bits[entropy / 8] ^ digest[0]) >> (8 - check) == 0;
	OPENSSL_cleanse(bits, sizeof(bits));
	return right;
}

/* Of the list, and not in its order. */
static bool is_phrase(const uint16_t *words, size_t count)
{
	bool in_order = true;
	for (size_t i = 0; i < count; i++) {
		if (words[i] == NO_WORD)
			return false;
		in_order &= i == 0 || words[i] > words[i - 1];
	}
	return !in_order && checksum_is_right(words, count);
}

bool has_bip39_phrase(struct span text)
{
	struct word_row row;
	bool right = false;
	read_words(text, &row);
	for (size_t from = 0; !right && from + PHRASE_MIN <= row.count; from++) {
		for (size_t n = PHRASE_MIN; !right && n <= PHRASE_MAX && from + n <= row.count;
			n += PHRASE_STEP)
			right = is_phrase(row.words + from, n);
	}
	OPENSSL_cleanse(&row, sizeof(row));
	return right;
}
