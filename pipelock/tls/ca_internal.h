/*
 * What ca.c (files) and mint.c (certificates) share. For these two and their test.
 */
#ifndef PIPELOCK_TLS_CA_INTERNAL_H
#define PIPELOCK_TLS_CA_INTERNAL_H

#include "pipelock/tls/ca.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#define CA_BACKDATE_SECONDS (24 * 60 * 60) /* clocks of agents are wrong, mostly by less */

struct ca {
	EVP_PKEY *key;
	X509 *certificate;
	unsigned char *der; /* of the certificate */
	size_t der_size;
	time_t not_before, not_after;

	EVP_PKEY *leaf_key;
	X509 *model; /* the leaf that was minted last: the next one is made of it, since what all share is
			costly to encode */
	unsigned char *leaf_der; /* what ca_mint() gave out last */
	size_t leaf_room;
};

/* The public key's SHA-1, as key identifier (RFC 5280 4.2.1.2, method 1). false: out of memory. */
bool ca_key_identifier(EVP_PKEY *key, unsigned char out[20]);

/* 128 random bits as the serial number, never 0 (RFC 5280 4.1.2.2). */
bool ca_set_random_serial(X509 *certificate);

/* Append an extension made of a struct that OpenSSL knows. */
bool ca_add_extension(X509 *certificate, int nid, void *value, bool critical);

/* A key usage extension from the bits of its first octet (RFC 5280 4.2.1.3; 0x80 is digitalSignature). */
bool ca_add_key_usage(X509 *certificate, unsigned char bits);

bool ca_is_p256(const EVP_PKEY *key);

#endif
