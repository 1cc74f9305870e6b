/*
 * The CA's own key and certificate: made once, kept in two files, checked at each load. A CA that is not
 * exactly what was made here is refused: agents trust it with everything they send.
 */
#include "pipelock/tls/ca_internal.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_FILE "ca.key"
#define CERTIFICATE_FILE "ca.pem"
#define MAX_PEM (16 * 1024)
#define VALID_SECONDS (10L * 365 * 24 * 60 * 60)

bool ca_key_identifier(EVP_PKEY *key, unsigned char out[20])
{
	unsigned char *point = NULL;
	size_t n = EVP_PKEY_get1_encoded_public_key(key, &point);
	bool done = n > 0 && EVP_Digest(point, n, out, NULL, EVP_sha1(), NULL) == 1;
	OPENSSL_free(point);
	return done;
}

bool ca_set_random_serial(X509 *certificate)
{
	unsigned char octets[16];
	if (RAND_bytes(octets, sizeof(octets)) != 1)
		return false;
	/* Positive, never 0, and always of the same length. */
	octets[0] = (unsigned char)((octets[0] & 0x7f) | 0x40);
	ASN1_INTEGER *serial = X509_get_serialNumber(certificate);
	return ASN1_STRING_set(serial, octets, sizeof(octets)) == 1;
}

bool ca_add_extension(X509 *certificate, int nid, void *value, bool critical)
{
	return value && X509_add1_ext_i2d(certificate, nid, value, critical, X509V3_ADD_APPEND) == 1;
}

bool ca_add_key_usage(X509 *certificate, unsigned char bits)
{
	ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
	bool done = usage && ASN1_BIT_STRING_set(usage, &bits, 1) == 1 &&
		    ca_add_extension(certificate, NID_key_usage, usage, true);
	ASN1_BIT_STRING_free(usage);
	return done;
}

bool ca_is_p256(const EVP_PKEY *key)
{
	char group[32];
	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	       strcmp(group, SN_X9_62_prime256v1) == 0;
}

/* The name comes from the key: a certificate that is made anew for the same key is the same CA to who
 * verifies. */
static bool set_own_name(X509 *certificate, const unsigned char identifier[20])
{
	char name[32];
	snprintf(name, sizeof(name), "pipelock CA %02x%02x%02x%02x", identifier[0], identifier[1],
		identifier[2], identifier[3]);
	X509_NAME *subject = X509_get_subject_name(certificate);
	return X509_NAME_add_entry_by_NID(
		       subject, NID_commonName, MBSTRING_ASC, (unsigned char *)name, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(certificate, subject) == 1;
}

static bool add_ca_extensions(X509 *certificate, const unsigned char identifier[20])
{
	BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
	ASN1_OCTET_STRING *subject_key = ASN1_OCTET_STRING_new();
	bool done = false;
	if (!constraints || !subject_key || !(constraints->pathlen = ASN1_INTEGER_new()))
		goto out;
	constraints->ca = 0xff;
	/* pathlen 0: it signs leafs, never another CA. 0x06: keyCertSign and cRLSign. */
	done = ASN1_INTEGER_set(constraints->pathlen, 0) == 1 &&
	       ASN1_OCTET_STRING_set(subject_key, identifier, 20) == 1 &&
	       ca_add_extension(certificate, NID_basic_constraints, constraints, true) &&
	       ca_add_key_usage(certificate, 0x06) &&
	       ca_add_extension(certificate, NID_subject_key_identifier, subject_key, false);
out:
	BASIC_CONSTRAINTS_free(constraints);
	ASN1_OCTET_STRING_free(subject_key);
	return done;
}

static X509 *make_certificate(EVP_PKEY *key, time_t now)
{
	unsigned char identifier[20];
	X509 *certificate = X509_new();
	if (certificate && ca_key_identifier(key, identifier) &&
		X509_set_version(certificate, X509_VERSION_3) == 1 && ca_set_random_serial(certificate) &&
		set_own_name(certificate, identifier) &&
		ASN1_TIME_set(X509_getm_notBefore(certificate), now - CA_BACKDATE_SECONDS) &&
		ASN1_TIME_set(X509_getm_notAfter(certificate), now + VALID_SECONDS) &&
		X509_set_pubkey(certificate, key) == 1 && add_ca_extensions(certificate, identifier) &&
		X509_sign(certificate, key, EVP_sha256()) > 0)
		return certificate;
	X509_free(certificate);
	return NULL;
}

/* Write what `put` puts into a memory BIO to a new file. */
static bool create_pem(int folder_fd, const char *name, mode_t mode, struct ca *ca,
	bool (*put)(BIO *, struct ca *), struct state_error *error)
{
	BIO *memory = BIO_new(BIO_s_secmem());
	char *text = NULL;
	bool done = false;
	if (memory && put(memory, ca)) {
		long n = BIO_get_mem_data(memory, &text);
		done = n > 0 &&
		       state_file_create(folder_fd, name, mode, (struct span){text, (size_t)n}, error);
	} else {
		state_error_set(error, "%s can't be made: out of memory", name);
	}
	BIO_free(memory); /* wipes what it held */
	return done;
}

static bool put_key(BIO *out, struct ca *ca)
{
	return PEM_write_bio_PKCS8PrivateKey(out, ca->key, NULL, NULL, 0, NULL, NULL) == 1;
}

static bool put_certificate(BIO *out, struct ca *ca)
{
	return PEM_write_bio_X509(out, ca->certificate) == 1;
}

/* A key under a passphrase fails at once; OpenSSL's own way would ask on the terminal. */
static int refuse_passphrase(char *out, int room, int for_writing, void *arg)
{
	(void)out;
	(void)room;
	(void)for_writing;
	(void)arg;
	return -1;
}

/* false: an error. Without a file ca->key stays NULL. */
static bool load_key(struct ca *ca, int folder_fd, struct state_error *error)
{
	char pem[MAX_PEM];
	ssize_t n = state_file_read(folder_fd, KEY_FILE, true, pem, sizeof(pem), error);
	if (n <= 0)
		return n == 0;
	BIO *in = BIO_new_mem_buf(pem, (int)n);
	ca->key = in ? PEM_read_bio_PrivateKey(in, NULL, refuse_passphrase, NULL) : NULL;
	BIO_free(in);
	OPENSSL_cleanse(pem, sizeof(pem));
	if (ca->key && ca_is_p256(ca->key))
		return true;
	state_error_set(error, KEY_FILE " in the state folder is not an unencrypted P-256 key in PEM");
	return false;
}

/* false: an error. Without a file ca->certificate stays NULL. */
static bool load_certificate(struct ca *ca, int folder_fd, struct state_error *error)
{
	char pem[MAX_PEM];
	ssize_t n = state_file_read(folder_fd, CERTIFICATE_FILE, false, pem, sizeof(pem), error);
	if (n <= 0)
		return n == 0;
	BIO *in = BIO_new_mem_buf(pem, (int)n);
	ca->certificate = in ? PEM_read_bio_X509(in, NULL, refuse_passphrase, NULL) : NULL;
	BIO_free(in);
	if (ca->certificate)
		return true;
	state_error_set(error, CERTIFICATE_FILE " in the state folder is not a certificate in PEM");
	return false;
}

static bool make_what_is_missing(struct ca *ca, int folder_fd, time_t now, struct state_error *error)
{
	if (!ca->key && ca->certificate) {
		state_error_set(error, "the state folder has " CERTIFICATE_FILE " but not its key " KEY_FILE
				       "; remove it for a new CA, which agents then have to trust anew");
		return false;
	}
	/* The key first: a start that is killed in between leaves a key that gets its certificate at the next
	 * one. */
	if (!ca->key) {
		ca->key = EVP_EC_gen(SN_X9_62_prime256v1);
		if (!ca->key || !create_pem(folder_fd, KEY_FILE, 0600, ca, put_key, error))
			return false;
	}
	if (!ca->certificate) {
		ca->certificate = make_certificate(ca->key, now);
		if (!ca->certificate ||
			!create_pem(folder_fd, CERTIFICATE_FILE, 0644, ca, put_certificate, error))
			return false;
	}
	return true;
}

static bool read_time(const ASN1_TIME *in, time_t *out)
{
	struct tm tm;
	if (ASN1_TIME_to_tm(in, &tm) != 1)
		return false;
	*out = timegm(&tm);
	return true;
}

static bool check(struct ca *ca, time_t now, struct state_error *error)
{
	if (X509_check_private_key(ca->certificate, ca->key) != 1)
		state_error_set(error, CERTIFICATE_FILE " in the state folder does not belong to " KEY_FILE);
	else if (X509_check_ca(ca->certificate) != 1 ||
		 !(X509_get_key_usage(ca->certificate) & KU_KEY_CERT_SIGN))
		state_error_set(
			error, CERTIFICATE_FILE " in the state folder is not the certificate of a CA");
	else if (!read_time(X509_get0_notBefore(ca->certificate), &ca->not_before) ||
		 !read_time(X509_get0_notAfter(ca->certificate), &ca->not_after))
		state_error_set(error, CERTIFICATE_FILE " in the state folder has malformed dates");
	else if (now < ca->not_before || now >= ca->not_after)
		state_error_set(error, CERTIFICATE_FILE
			" in the state folder has expired, or this machine's clock is wrong; remove "
			"it and start again, and have the agents trust the new one");
	else
		return true;
	return false;
}

struct ca *ca_open(int folder_fd, time_t now, struct state_error *error)
{
	struct ca *ca = calloc(1, sizeof(*ca));
	state_error_set(error, "the CA can't be made: out of memory");
	if (!ca || !load_key(ca, folder_fd, error) || !load_certificate(ca, folder_fd, error) ||
		!make_what_is_missing(ca, folder_fd, now, error) || !check(ca, now, error))
		goto failed;
	int n = i2d_X509(ca->certificate, &ca->der);
	if (n <= 0)
		goto failed;
	ca->der_size = (size_t)n;
	return ca;
failed:
	ca_free(ca);
	ERR_clear_error();
	return NULL;
}

void ca_free(struct ca *ca)
{
	if (!ca)
		return;
	EVP_PKEY_free(ca->key);
	EVP_PKEY_free(ca->leaf_key);
	X509_free(ca->certificate);
	X509_free(ca->model);
	OPENSSL_free(ca->der);
	free(ca->leaf_der);
	free(ca);
}

struct span ca_certificate(const struct ca *ca)
{
	return (struct span){(const char *)ca->der, ca->der_size};
}

time_t ca_expiry(const struct ca *ca)
{
	return ca->not_after;
}
