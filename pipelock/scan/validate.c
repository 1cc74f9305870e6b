/*
 * The validators (see validate.h). They see octets that an attacker chose: every length is checked, none is
 * expensive.
 */
#include "pipelock/scan/validate.h"

#include "pipelock/scan/validate_wallet.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

struct validator_name {
	const char *name;
	enum validator_kind kind;
	bool number; /* ">=N" follows */
};

static const struct validator_name names[] = {
	{"entropy", VALIDATE_ENTROPY, true},
	{"distinct", VALIDATE_DISTINCT, true},
	{"luhn", VALIDATE_LUHN, false},
	{"mod97", VALIDATE_MOD97, false},
	{"jwt", VALIDATE_JWT, false},
	{"base64", VALIDATE_BASE64, false},
	{"crc32-base62", VALIDATE_CRC32_BASE62, false},
	{"stopwords", VALIDATE_STOPWORDS, false},
	{"card", VALIDATE_CARD, false},
	{"aba", VALIDATE_ABA, false},
	{"base58check", VALIDATE_BASE58CHECK, false},
	{"bech32", VALIDATE_BECH32, false},
	{"bip39", VALIDATE_BIP39, false},
};

const char *validator_names(void)
{
	return "entropy>=N, distinct>=N, luhn, mod97, jwt, base64, crc32-base62, stopwords, card, aba, "
	       "base58check, bech32, bip39";
}

/* Digits with at most one point: strtod() would also take "inf", "0x1p3" and what the locale says. */
static bool parse_threshold(struct span text, double *out)
{
	double value = 0, unit = 0;
	if (text.n == 0 || text.n > 8 || text.p[0] == '.')
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '.' && unit == 0) {
			unit = 1;
			continue;
		}
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		value = value * 10 + (text.p[i] - '0');
		unit *= 10;
	}
	*out = unit > 0 ? value / unit : value;
	return true;
}

bool validator_parse(struct span text, struct validator *out)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct span name = span_of(names[i].name);
		if (text.n < name.n || memcmp(text.p, name.p, name.n) != 0)
			continue;
		struct span rest = {text.p + name.n, text.n - name.n};
		out->kind = names[i].kind;
		out->number = 0;
		if (!names[i].number)
			return rest.n == 0;
		return rest.n > 2 && memcmp(rest.p, ">=", 2) == 0 &&
		       parse_threshold((struct span){rest.p + 2, rest.n - 2}, &out->number);
	}
	return false;
}

/* ---- entropy */

static void count_octets(struct span text, unsigned counts[256])
{
	memset(counts, 0, 256 * sizeof(counts[0]));
	for (size_t i = 0; i < text.n; i++)
		counts[(unsigned char)text.p[i]]++;
}

/* log2 of a whole number, exact to 1e-6: the integer part, then a bit of the fraction for each squaring. (No
 * libm: the answer must be the same on every machine.) */
static double log2_of(size_t number)
{
	int whole = 63 - __builtin_clzll((unsigned long long)number);
	double result = whole, rest = (double)number / (double)(1ull << whole), bit = 0.5;
	for (int i = 0; i < 20; i++, bit /= 2) {
		rest *= rest;
		if (rest >= 2) {
			rest /= 2;
			result += bit;
		}
	}
	return result;
}

/* Shannon: log2(n) - sum(c log2 c) / n. */
static double entropy(struct span text)
{
	unsigned counts[256];
	double sum = 0;
	count_octets(text, counts);
	for (int c = 0; c < 256; c++) {
		if (counts[c])
			sum += counts[c] * log2_of(counts[c]);
	}
	return log2_of(text.n) - sum / (double)text.n + 1e-5;
}

static unsigned distinct(struct span text)
{
	unsigned counts[256], sum = 0;
	count_octets(text, counts);
	for (int c = 0; c < 256; c++)
		sum += counts[c] > 0;
	return sum;
}

/* ---- checksums */

static bool luhn(struct span text)
{
	unsigned sum = 0, digits = 0;
	for (size_t i = text.n; i-- > 0;) {
		char c = text.p[i];
		if (c == ' ' || c == '-')
			continue;
		if (c < '0' || c > '9')
			return false;
		unsigned digit = (unsigned)(c - '0');
		if (digits++ % 2 == 1)
			digit = digit < 5 ? digit * 2 : digit * 2 - 9;
		sum += digit;
	}
	return digits >= 2 && sum % 10 == 0;
}

/* The numbers that a network issues (ISO/IEC 7812-1, as the networks publish their ranges): the first four
 * digits, and how many there are in all. */
struct issuer {
	uint16_t first, last;
	uint32_t lengths; /* a bit for each */
};

#define DIGITS(n) (1u << (n))
#define DIGITS_16_TO_19 (DIGITS(16) | DIGITS(17) | DIGITS(18) | DIGITS(19))
#define DIGITS_12_TO_19 (DIGITS(12) | DIGITS(13) | DIGITS(14) | DIGITS(15) | DIGITS_16_TO_19)

static const struct issuer issuers[] = {
	{4000, 4999, DIGITS(13) | DIGITS(16) | DIGITS(19)}, /* Visa */
	{5100, 5599, DIGITS(16)},			    /* Mastercard */
	{2221, 2720, DIGITS(16)},			    /* Mastercard */
	{3400, 3499, DIGITS(15)},			    /* American Express */
	{3700, 3799, DIGITS(15)},			    /* American Express */
	{6011, 6011, DIGITS_16_TO_19},			    /* Discover */
	{6440, 6599, DIGITS_16_TO_19},			    /* Discover */
	{3000, 3059, DIGITS(14) | DIGITS_16_TO_19},	    /* Diners Club */
	{3095, 3095, DIGITS(14) | DIGITS_16_TO_19},	    /* Diners Club */
	{3600, 3699, DIGITS(14) | DIGITS_16_TO_19},	    /* Diners Club */
	{3800, 3999, DIGITS(14) | DIGITS_16_TO_19},	    /* Diners Club */
	{3528, 3589, DIGITS_16_TO_19},			    /* JCB */
	{6200, 6299, DIGITS_16_TO_19},			    /* UnionPay */
	{8100, 8171, DIGITS_16_TO_19},			    /* UnionPay */
	{5018, 5018, DIGITS_12_TO_19},			    /* Maestro, as are those below */
	{5020, 5020, DIGITS_12_TO_19},
	{5038, 5038, DIGITS_12_TO_19},
	{5893, 5893, DIGITS_12_TO_19},
	{6304, 6304, DIGITS_12_TO_19},
	{6759, 6759, DIGITS_12_TO_19},
	{6761, 6763, DIGITS_12_TO_19},
};

static bool is_card(struct span text)
{
	unsigned digits = 0, head = 0;
	for (size_t i = 0; i < text.n && digits < 20; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			continue;
		if (digits++ < 4)
			head = head * 10 + (unsigned)(text.p[i] - '0');
	}
	if (!luhn(text))
		return false;
	for (size_t i = 0; i < sizeof(issuers) / sizeof(issuers[0]); i++) {
		const struct issuer *issuer = &issuers[i];
		if (head >= issuer->first && head <= issuer->last && issuer->lengths & DIGITS(digits))
			return true;
	}
	return false;
}

/* ABA Routing Number Policy. The first two digits are a Federal Reserve district's, or such a number and 20
 * (thrifts) or 60 (electronic transfers), or 80 (traveller's cheques); the digits by 3, 7, 1, 3, ... come to
 * a multiple of ten. */
static bool is_aba(struct span text)
{
	static const unsigned weights[] = {3, 7, 1};
	unsigned sum = 0;
	if (text.n != 9)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		sum += weights[i % 3] * (unsigned)(text.p[i] - '0');
	}
	unsigned head = (unsigned)(text.p[0] - '0') * 10 + (unsigned)(text.p[1] - '0');
	bool issued = head <= 12 || (head >= 21 && head <= 32) || (head >= 61 && head <= 72) || head == 80;
	return issued && sum % 10 == 0;
}

/* Country and check digits go to the end, letters count as 10 to 35; the number is 1 modulo 97. */
static bool mod97(struct span text)
{
	char compact[40];
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == ' ')
			continue;
		if (n == sizeof(compact))
			return false;
		compact[n++] = text.p[i];
	}
	if (n < 5)
		return false;
	unsigned rest = 0;
	for (size_t i = 0; i < n; i++) {
		char c = compact[(i + 4) % n];
		if (c >= '0' && c <= '9')
			rest = (rest * 10 + (unsigned)(c - '0')) % 97;
		else if ((c | 32) >= 'a' && (c | 32) <= 'z')
			rest = (rest * 100 + (unsigned)((c | 32) - 'a') + 10) % 97;
		else
			return false;
	}
	return rest == 1;
}

static bool crc32_base62(struct span text)
{
	static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	if (text.n < 7)
		return false;
	size_t end = text.n - 6, begin = end;
	while (begin > 0 && text.p[begin - 1] != '_')
		begin--;
	if (begin == end || begin == 0)
		return false;
	unsigned long crc =
		crc32(crc32(0, NULL, 0), (const unsigned char *)text.p + begin, (unsigned)(end - begin));
	for (size_t i = text.n; i-- > end; crc /= 62) {
		if (text.p[i] != alphabet[crc % 62])
			return false;
	}
	return true;
}

/* ---- shapes */

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

static bool is_base64(struct span text)
{
	size_t pads = 0;
	while (text.n > 0 && pads < 2 && text.p[text.n - 1] == '=') {
		text.n--;
		pads++;
	}
	if (text.n == 0 || text.n % 4 == 1 || (pads && (text.n + pads) % 4 != 0))
		return false;
	bool standard = false, url = false;
	for (size_t i = 0; i < text.n; i++) {
		if (base64_value(text.p[i]) < 0)
			return false;
		standard |= text.p[i] == '+' || text.p[i] == '/';
		url |= text.p[i] == '-' || text.p[i] == '_';
	}
	/* The bits that no octet uses have to be zero (RFC 4648 3.5). */
	int last = base64_value(text.p[text.n - 1]);
	bool spare = (text.n % 4 == 2 && (last & 15)) || (text.n % 4 == 3 && (last & 3));
	return !(standard && url) && !spare;
}

/* The first octets and the last one of a base64url part; enough to see a JSON object. */
static bool is_json_object_part(struct span part)
{
	char head[3], tail[3];
	if (part.n < 4 || part.n % 4 == 1)
		return false;
	for (size_t i = 0; i < part.n; i++) {
		if (base64_value(part.p[i]) < 0)
			return false;
	}
	unsigned bits = 0, tail_bits = 0;
	size_t whole = part.n - part.n % 4, rest = part.n % 4;
	for (int i = 0; i < 4; i++)
		bits = bits << 6 | (unsigned)base64_value(part.p[i]);
	for (size_t i = 0; i < 4; i++) {
		size_t at = rest ? whole + i : whole - 4 + i;
		tail_bits = tail_bits << 6 | (at < part.n ? (unsigned)base64_value(part.p[at]) : 0);
	}
	for (int i = 0; i < 3; i++) {
		head[i] = (char)(bits >> (16 - 8 * i));
		tail[i] = (char)(tail_bits >> (16 - 8 * i));
	}
	bool opens = head[0] == '{' && (head[1] == '"' || head[1] == ' ' || head[1] == '\n' ||
					       head[1] == '\r' || head[1] == '\t' || head[1] == '}');
	return opens && tail[rest ? rest - 2 : 2] == '}';
}

static bool is_jwt(struct span text)
{
	const char *dot = memchr(text.p, '.', text.n);
	if (!dot)
		return false;
	struct span header = {text.p, (size_t)(dot - text.p)};
	struct span rest = {dot + 1, text.n - header.n - 1};
	const char *second = memchr(rest.p, '.', rest.n);
	if (second)
		rest.n = (size_t)(second - rest.p);
	/* An encrypted token's second part is a key and not JSON (RFC 7516): its header alone has to be an
	 * object. */
	return is_json_object_part(header) && rest.n > 0;
}

/* ---- placeholders */

static bool contains_nocase(struct span text, const char *word)
{
	size_t n = strlen(word);
	for (size_t i = 0; i + n <= text.n; i++) {
		if (strncasecmp(text.p + i, word, n) == 0)
			return true;
	}
	return false;
}

static bool is_placeholder(struct span text)
{
	static const char *const words[] = {"your", "xxxx", "changeme", "change_me", "change-me",
		"placeholder", "redacted", "insert", "replace", "dummy", "<secret", "123456789012345"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (contains_nocase(text, words[i]))
			return true;
	}
	size_t run = 1;
	for (size_t i = 1; i < text.n; i++) {
		run = text.p[i] == text.p[i - 1] ? run + 1 : 1;
		if (run >= 8)
			return true;
	}
	return false;
}

bool validate(const struct validator *validator, struct span text)
{
	if (text.n == 0)
		return false;
	switch (validator->kind) {
	case VALIDATE_ENTROPY:
		return entropy(text) >= validator->number;
	case VALIDATE_DISTINCT:
		return distinct(text) >= validator->number;
	case VALIDATE_LUHN:
		return luhn(text);
	case VALIDATE_MOD97:
		return mod97(text);
	case VALIDATE_JWT:
		return is_jwt(text);
	case VALIDATE_BASE64:
		return is_base64(text);
	case VALIDATE_CRC32_BASE62:
		return crc32_base62(text);
	case VALIDATE_STOPWORDS:
		return !is_placeholder(text);
	case VALIDATE_CARD:
		return is_card(text);
	case VALIDATE_ABA:
		return is_aba(text);
	case VALIDATE_BASE58CHECK:
		return is_base58check(text);
	case VALIDATE_BECH32:
		return is_bech32(text);
	case VALIDATE_BIP39:
		return has_bip39_phrase(text);
	}
	return false;
}
