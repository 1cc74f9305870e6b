/*
 * Validators: the first line is a validator as a rule names it, the rest the text. Whatever it is, there is
 * an answer; and what is right by a checksum is so for a reason that the target checks: in Bech32 any other
 * character at one place is wrong (BIP-173, "Checksum design"), in Base58 it is but for one time in 2^32, a
 * phrase is the same in the other case, and a card's number passes `luhn` too.
 */
#include "pipelock/scan/validate.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static bool asks(enum validator_kind kind, struct span text)
{
	const struct validator validator = {kind, 0};
	return validate(&validator, text);
}

/* One character changed, to others of both alphabets that are no other case of it. */
static void require_change_is_wrong(enum validator_kind kind, char *text, size_t n, size_t at)
{
	static const char others[] = "qpzry9x8gf2tvdw3sjn54khc6mua7";
	char c = text[at];
	for (const char *p = others; *p; p++) {
		text[at] = *p;
		require((c | 32) == *p || c == *p || !asks(kind, (struct span){text, n}));
	}
	text[at] = c;
}

static void flip_case(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((text[i] | 32) >= 'a' && (text[i] | 32) <= 'z')
			text[i] ^= 32;
	}
}

static void check_right(enum validator_kind kind, char *text, size_t n)
{
	struct span whole = {text, n};
	switch (kind) {
	case VALIDATE_CARD:
		require(asks(VALIDATE_LUHN, whole) && n >= 12);
		break;
	case VALIDATE_ABA:
		require(n == 9);
		break;
	case VALIDATE_BASE58CHECK:
		require(n >= 6 && n <= 181);
		require_change_is_wrong(kind, text, n, n - 1);
		break;
	case VALIDATE_BECH32:
		require(n >= 8 && n <= 90);
		/* Of what stands behind the last '1', which the search for it doesn't see. */
		for (size_t i = n - 6; i < n; i++)
			require_change_is_wrong(kind, text, n, i);
		flip_case(text, n);
		require(asks(kind, whole));
		break;
	case VALIDATE_BIP39:
		flip_case(text, n);
		require(asks(kind, whole));
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct validator validator;
	const uint8_t *end = memchr(data, '\n', size);
	if (!end || !validator_parse((struct span){(const char *)data, (size_t)(end - data)}, &validator))
		return 0;
	size_t n = size - (size_t)(end + 1 - data);
	char *text = malloc(n ? n : 1);
	require(text != NULL);
	memcpy(text, end + 1, n);
	if (validate(&validator, (struct span){text, n}))
		check_right(validator.kind, text, n);
	free(text);
	return 0;
}
