/*
 * Validators, each with texts that pass and texts that nearly do.
 */
#include "pipelock/scan/validate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases), cmocka_unit_test(test_checksum), cmocka_unit_test(test_names)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
