/*
 * What a regex can't say about a secret: checksums, entropy, shapes. Each answers for the octets of the match
 * (or of its group `secret`). Pure.
 */
#ifndef PIPELOCK_SCAN_VALIDATE_H
#define PIPELOCK_SCAN_VALIDATE_H

#include "common/span.h"

enum validator_kind {
	VALIDATE_ENTROPY,      /* entropy>=N: Shannon bits an octet */
	VALIDATE_DISTINCT,     /* distinct>=N: different octets */
	VALIDATE_LUHN,	       /* ISO/IEC 7812-1 annex B; spaces and hyphens between digits are passed over */
	VALIDATE_MOD97,	       /* IBAN, ISO 13616; spaces are passed over */
	VALIDATE_JWT,	       /* RFC 7519: two base64url parts that hold JSON objects */
	VALIDATE_BASE64,       /* RFC 4648, either alphabet, length and padding right */
	VALIDATE_CRC32_BASE62, /* the last six characters are the CRC-32 of what is between the last '_' and
				  them, in base 62 */
	VALIDATE_STOPWORDS,    /* no obvious placeholder: your, xxxx, changeme, ... or a long run of one
				  character */
	VALIDATE_CARD,	       /* luhn, and a payment network issues numbers that begin so and are so long */
	VALIDATE_ABA,	       /* routing transit number of the American Bankers Association: nine digits */
	VALIDATE_BASE58CHECK,  /* the last three: validate_wallet.h */
	VALIDATE_BECH32,
	VALIDATE_BIP39,
};

struct validator {
	enum validator_kind kind;
	double number;
};

/* "luhn", "entropy>=3.5". false: unknown or malformed. */
bool validator_parse(struct span text, struct validator *out);
/* For an error: the names that are known. */
const char *validator_names(void);

bool validate(const struct validator *validator, struct span text);

#endif
