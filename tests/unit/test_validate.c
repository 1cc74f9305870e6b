/*
 * Validators, each with texts that pass and texts that nearly do.
 */
#include "pipelock/scan/validate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct case_of {
	const char *validator, *text;
	bool passes;
};

static const struct case_of cases[] = {
	{"entropy>=2", "abcd", true},
	{"entropy>=2.01", "abcd", false},
	{"entropy>=1", "aaaa", false},
	{"entropy>=3.5", "0123456789abcdef", true},
	{"distinct>=3", "aabbc", true},
	{"distinct>=4", "aabbc", false},
	{"luhn", "79927398713", true},
	{"luhn", "79927398710", false},
	{"luhn", "7992 7398-713", true},
	{"luhn", "7992739871x", false},
	{"luhn", "0", false},
	{"mod97", "GB82 WEST 1234 5698 7654 32", true},
	{"mod97", "GB82WEST12345698765432", true},
	{"mod97", "GB82WEST12345698765433", false},
	{"mod97", "GB82", false},
	{"mod97", "GB82WEST1234569876543211111111111111111111111", false},
	{"mod97", "GB82-WEST12345698765432", false},
	{"base64", "aGVsbG8=", true},
	{"base64", "aGVsbG8", true},
	{"base64", "aGVsbG9", false}, /* bits that no octet uses */
	{"base64", "aGVsb", false},
	{"base64", "ab+_", false},
	{"base64", "ab*d", false},
	{"base64", "====", false},
	{"jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", true},
	{"jwt", "eyJhbGciOiJIUzI1NiI.eyJzdWIiOiIxIn0.c2ln", false},
	{"jwt", "abcdefgh.eyJzdWIiOiIxIn0.c2ln", false},
	{"jwt", "eyJhbGciOiJIUzI1NiJ9", false},
	{"jwt", "eyJhbGciOiJIUzI1NiJ9.", false},
	/* Numbers that the networks and their processors publish for tests. */
	{"card", "4111111111111111", true},
	{"card", "4012 8888 8888 1881", true},
	{"card", "4222222222222", true},
	{"card", "5555-5555-5555-4444", true},
	{"card", "2223003122003222", true},
	{"card", "378282246310005", true},
	{"card", "6011111111111117", true},
	{"card", "30569309025904", true},
	{"card", "36227206271667", true},
	{"card", "38520000023237", true},
	{"card", "3530111333300000", true},
	{"card", "6200000000000005", true},
	{"card", "6759649826438453", true},
	{"card", "4111111111111112", false},	 /* the check digit */
	{"card", "41111111111111x1", false},	 /* no digit */
	{"card", "79927398713", false},		 /* nobody's */
	{"card", "1111111111111117", false},	 /* nobody's */
	{"card", "3782822463100050", false},	 /* too long for its issuer, and luhn is wrong */
	{"card", "55555555555555555552", false}, /* 20 digits */
	{"card", "-", false},
	/* As their banks publish them. */
	{"aba", "011000015", true},
	{"aba", "021000021", true},
	{"aba", "111000025", true},
	{"aba", "122105155", true},
	{"aba", "322271627", true},
	{"aba", "021000022", false},
	{"aba", "02100002", false},
	{"aba", "0210000211", false},
	{"aba", "02100002x", false},
	{"aba", "210000021", false}, /* 3-7-1 is wrong from another place */
	{"stopwords", "k3jd8Fk2", true},
	{"stopwords", "your-key-here", false},
	{"stopwords", "YOUR_TOKEN", false},
	{"stopwords", "changeme", false},
	{"stopwords", "aaaaaaaab", false},
	{"stopwords", "EXAMPLE", true},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct validator validator;
		assert_true(validator_parse(span_of(cases[i].validator), &validator));
		if (validate(&validator, span_of(cases[i].text)) != cases[i].passes)
			fail_msg("%s %s", cases[i].validator, cases[i].text);
		assert_false(validate(&validator, (struct span){"", 0}));
	}
}

/* crc32("abc") is 0x352441c2, in base 62 "0zNvy6" read from the alphabet 0-9A-Za-z. */
static void test_checksum(void **state)
{
	(void)state;
	struct validator validator;
	static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	char text[] = "t_abc......";
	unsigned crc = 0x352441c2;
	for (int i = 10; i > 4; i--, crc /= 62)
		text[i] = alphabet[crc % 62];
	assert_true(validator_parse(SPAN("crc32-base62"), &validator));
	assert_true(validate(&validator, span_of(text)));
	for (size_t i = 2; i < strlen(text); i++) {
		text[i] ^= 1;
		assert_false(validate(&validator, span_of(text)));
		text[i] ^= 1;
	}
	for (size_t n = 0; n < strlen(text); n++)
		assert_false(validate(&validator, (struct span){text, n}));
}

/* A number with the check digit of ISO/IEC 7812-1 annex B at its end. */
static void write_card(unsigned head, unsigned length, char *out)
{
	unsigned sum = 0;
	sprintf(out, "%04u%0*u", head, (int)length - 5, head * 7919);
	for (unsigned i = 0; i < length - 1; i++) {
		unsigned digit = (unsigned)(out[length - 2 - i] - '0') * (i % 2 ? 1 : 2);
		sum += digit / 10 + digit % 10;
	}
	sprintf(out + length - 1, "%u", (10 - sum % 10) % 10);
}

/* For each first four digits, the lengths that pass; where they change is where an issuer's range ends. */
static void test_card_issuers(void **state)
{
	(void)state;
	static const struct {
		unsigned first;
		const char *lengths; /* up to the next row */
	} rows[] = {{0, ""}, {2221, "16"}, {2721, ""}, {3000, "14 16 17 18 19"}, {3060, ""},
		{3095, "14 16 17 18 19"}, {3096, ""}, {3400, "15"}, {3500, ""}, {3528, "16 17 18 19"},
		{3590, ""}, {3600, "14 16 17 18 19"}, {3700, "15"}, {3800, "14 16 17 18 19"},
		{4000, "13 16 19"}, {5000, ""}, {5018, "12 13 14 15 16 17 18 19"}, {5019, ""},
		{5020, "12 13 14 15 16 17 18 19"}, {5021, ""}, {5038, "12 13 14 15 16 17 18 19"}, {5039, ""},
		{5100, "16"}, {5600, ""}, {5893, "12 13 14 15 16 17 18 19"}, {5894, ""},
		{6011, "16 17 18 19"}, {6012, ""}, {6200, "16 17 18 19"}, {6300, ""},
		{6304, "12 13 14 15 16 17 18 19"}, {6305, ""}, {6440, "16 17 18 19"}, {6600, ""},
		{6759, "12 13 14 15 16 17 18 19"}, {6760, ""}, {6761, "12 13 14 15 16 17 18 19"}, {6764, ""},
		{8100, "16 17 18 19"}, {8172, ""}, {10000, ""}};
	struct validator card, luhn;
	char text[40], two[8];
	assert_true(validator_parse(SPAN("card"), &card));
	assert_true(validator_parse(SPAN("luhn"), &luhn));
	for (size_t row = 0; rows[row].first < 10000; row++) {
		for (unsigned head = rows[row].first; head < rows[row + 1].first; head++) {
			for (unsigned length = 12; length <= 21; length++) {
				write_card(head, length, text);
				snprintf(two, sizeof(two), "%u", length);
				assert_int_equal(strlen(text), length);
				assert_true(validate(&luhn, span_of(text)));
				if (validate(&card, span_of(text)) !=
					(strstr(rows[row].lengths, two) != NULL))
					fail_msg("%s", text);
			}
		}
	}
}

/* Each of the first two digits, with the one check digit of ten that is right. */
static void test_aba_districts(void **state)
{
	(void)state;
	struct validator validator;
	char text[16];
	assert_true(validator_parse(SPAN("aba"), &validator));
	for (unsigned head = 0; head < 100; head++) {
		unsigned right = 0;
		bool issued =
			head <= 12 || (head >= 21 && head <= 32) || (head >= 61 && head <= 72) || head == 80;
		for (unsigned digit = 0; digit < 10; digit++) {
			snprintf(text, sizeof(text), "%02u%06u%u", head, head * 9973, digit);
			right += validate(&validator, span_of(text));
		}
		assert_int_equal(right, issued ? 1 : 0);
	}
}

static void test_names(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "lun", "luhn ", "luhn>=1", "entropy", "entropy>=", "entropy>=x",
		"entropy>3", "entropy>=1.2.3", "entropy>=-1", "entropy>=.5", "entropy>=123456789",
		"distinct>=inf"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct validator validator;
		if (validator_parse(span_of(bad[i]), &validator))
			fail_msg("%s", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_card_issuers), cmocka_unit_test(test_aba_districts),
		cmocka_unit_test(test_names)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
