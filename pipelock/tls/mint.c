/*
 * Leaf certificates: one for each host that an agent asks for, all for the proxy's one key. Nothing of the
 * request but a host that passed the strict parser gets into a certificate. What all leafs share is encoded
 * once.
 */
#include "pipelock/tls/ca_internal.h"

#include "common/url.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define LEAF_SECONDS (30L * 24 * 60 * 60)
#define JITTER_SECONDS 3600
#define MAX_COMMON_NAME 64 /* RFC 5280, ub-common-name */

/* What a certificate says it is for: exactly one of the two. */
struct leaf_name {
	struct span dns;
	unsigned char ip[16];
	size_t ip_size;
};

static bool leaf_name_from_address(const struct address *address, struct leaf_name *out)
{
	bool is_v4 = address->family == AF_INET;
	out->ip_size = is_v4 ? sizeof(address->v4) : sizeof(address->v6);
	memcpy(out->ip, is_v4 ? (const void *)&address->v4 : (const void *)&address->v6, out->ip_size);
	return true;
}

/* host: backing for the name's canonical text. */
static bool leaf_name_parse(struct span text, struct host *host, struct leaf_name *out)
{
	*out = (struct leaf_name){0};
	struct address address;
	if (address_parse_v4(text, &address) || address_parse_v6(text, &address))
		return leaf_name_from_address(&address, out);
	if (!host_parse(text, host))
		return false;
	if (host->form == HOST_NAME)
		out->dns = (struct span){host->text, host->length};
	else if (host->form == HOST_IPV4_LEGACY)
		out->dns = text;
	else
		return false; /* brackets: not the form that is asked for here */
	return true;
}

static bool add_fixed_extensions(X509 *model, struct ca *ca)
{
	unsigned char leaf_identifier[20];
	ASN1_OCTET_STRING *subject_key = ASN1_OCTET_STRING_new();
	AUTHORITY_KEYID *authority_key = AUTHORITY_KEYID_new();
	EXTENDED_KEY_USAGE *purpose = EXTENDED_KEY_USAGE_new();
	const ASN1_OCTET_STRING *ca_identifier = X509_get0_subject_key_id(ca->certificate);
	bool done = false;
	if (!subject_key || !authority_key || !purpose || !ca_key_identifier(ca->leaf_key, leaf_identifier))
		goto out;
	if (ca_identifier && !(authority_key->keyid = ASN1_OCTET_STRING_dup(ca_identifier)))
		goto out;
	done = sk_ASN1_OBJECT_push(purpose, OBJ_nid2obj(NID_server_auth)) > 0 &&
	       ASN1_OCTET_STRING_set(subject_key, leaf_identifier, sizeof(leaf_identifier)) == 1 &&
	       ca_add_key_usage(model, 0x80) && ca_add_extension(model, NID_ext_key_usage, purpose, false) &&
	       ca_add_extension(model, NID_subject_key_identifier, subject_key, false) &&
	       (!ca_identifier ||
		       ca_add_extension(model, NID_authority_key_identifier, authority_key, false));
out:
	ASN1_OCTET_STRING_free(subject_key);
	AUTHORITY_KEYID_free(authority_key);
	EXTENDED_KEY_USAGE_free(purpose);
	return done;
}

static X509 *make_model(struct ca *ca)
{
	X509 *model = X509_new();
	if (model && X509_set_version(model, X509_VERSION_3) == 1 &&
		X509_set_pubkey(model, ca->leaf_key) == 1 &&
		X509_set_issuer_name(model, X509_get_subject_name(ca->certificate)) == 1 &&
		add_fixed_extensions(model, ca))
		return model;
	X509_free(model);
	return NULL;
}

bool ca_set_leaf_key(struct ca *ca, struct span spki)
{
	const unsigned char *p = (const unsigned char *)spki.p;
	EVP_PKEY_free(ca->leaf_key);
	X509_free(ca->model);
	ca->model = NULL;
	ca->leaf_key = spki.n <= 1024 ? d2i_PUBKEY(NULL, &p, (long)spki.n) : NULL;
	if (ca->leaf_key && p == (const unsigned char *)spki.p + spki.n && ca_is_p256(ca->leaf_key))
		ca->model = make_model(ca);
	if (ca->model)
		return true;
	EVP_PKEY_free(ca->leaf_key);
	ca->leaf_key = NULL;
	ERR_clear_error();
	return false;
}

static GENERAL_NAME *make_general_name(const struct leaf_name *name)
{
	GENERAL_NAME *general = GENERAL_NAME_new();
	bool is_ip = name->ip_size > 0;
	ASN1_STRING *value = is_ip ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
	const void *octets = is_ip ? (const void *)name->ip : name->dns.p;
	size_t n = is_ip ? name->ip_size : name->dns.n;
	if (!general || !value || ASN1_STRING_set(value, octets, (int)n) != 1) {
		GENERAL_NAME_free(general);
		ASN1_STRING_free(value);
		return NULL;
	}
	GENERAL_NAME_set0_value(general, is_ip ? GEN_IPADD : GEN_DNS, value);
	return general;
}

static bool add_alternative_name(X509 *leaf, const struct leaf_name *name, bool critical)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *general = make_general_name(name);
	bool done = false;
	if (names && general && sk_GENERAL_NAME_push(names, general) > 0) {
		general = NULL;
		done = ca_add_extension(leaf, NID_subject_alt_name, names, critical);
	}
	GENERAL_NAME_free(general);
	GENERAL_NAMES_free(names);
	return done;
}

/* Nothing of the leaf before stays in the model. */
static void clear_names(X509 *leaf)
{
	X509_NAME *subject = X509_get_subject_name(leaf);
	while (X509_NAME_entry_count(subject) > 0)
		X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, 0));
	for (int at; (at = X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1)) >= 0;)
		X509_EXTENSION_free(X509_delete_ext(leaf, at));
}

/* text: the host as it was asked for. */
static bool set_names(X509 *leaf, const struct leaf_name *name, struct span text)
{
	bool has_subject = text.n <= MAX_COMMON_NAME;
	clear_names(leaf);
	if (has_subject && X509_NAME_add_entry_by_NID(X509_get_subject_name(leaf), NID_commonName,
				   MBSTRING_ASC, (const unsigned char *)text.p, (int)text.n, -1, 0) != 1)
		return false;
	/* RFC 5280 4.1.2.6: with an empty subject the alternative name is critical. */
	return add_alternative_name(leaf, name, !has_subject);
}

static bool set_dates(X509 *leaf, const struct ca *ca, time_t now)
{
	uint16_t jitter;
	if (RAND_bytes((unsigned char *)&jitter, sizeof(jitter)) != 1)
		return false;
	time_t begin = now - CA_BACKDATE_SECONDS - jitter % JITTER_SECONDS;
	time_t end = now + LEAF_SECONDS;
	if (begin < ca->not_before)
		begin = ca->not_before;
	if (end > ca->not_after)
		end = ca->not_after;
	return ASN1_TIME_set(X509_getm_notBefore(leaf), begin) &&
	       ASN1_TIME_set(X509_getm_notAfter(leaf), end);
}

/* Keep the DER in memory that is used again for the next one. */
static bool keep_der(struct ca *ca, X509 *leaf, struct span *der)
{
	int n = i2d_X509(leaf, NULL);
	if (n <= 0)
		return false;
	if ((size_t)n > ca->leaf_room) {
		unsigned char *room = realloc(ca->leaf_der, (size_t)n * 2);
		if (!room)
			return false;
		ca->leaf_der = room;
		ca->leaf_room = (size_t)n * 2;
	}
	unsigned char *p = ca->leaf_der;
	*der = (struct span){(const char *)p, (size_t)i2d_X509(leaf, &p)};
	return true;
}

bool ca_mint(struct ca *ca, struct span host, time_t now, struct span *der)
{
	struct host canonical;
	struct leaf_name name;
	if (!ca->model || now >= ca->not_after || !leaf_name_parse(host, &canonical, &name))
		return false;
	X509 *leaf = ca->model;
	bool done = ca_set_random_serial(leaf) && set_dates(leaf, ca, now) &&
		    set_names(leaf, &name, name.dns.n > 0 ? name.dns : host) &&
		    X509_sign(leaf, ca->key, EVP_sha256()) > 0 && keep_der(ca, leaf, der);
	if (!done)
		ERR_clear_error();
	return done;
}
