/*
 * The certificate authority: made at first start, loaded at each one, mints a leaf certificate for each name
 * that an agent asks for. The key never leaves the keeper's memory but for its own file. No network, no
 * libevent.
 *
 *   <state>/ca.key  EC P-256, PKCS#8 PEM, 0600     <state>/ca.pem  the certificate that agents trust, 0644
 */
#ifndef PIPELOCK_TLS_CA_H
#define PIPELOCK_TLS_CA_H

#include "common/span.h"
#include "pipelock/state_file.h"

#include <time.h>

struct ca;

/*
 * Load from the state folder, or make what is missing: both files, or a certificate for a key that has none
 * (its subject comes from the key, so that it stands for the same CA). Refused: a certificate without its
 * key, one that does not belong to the key, is no CA or has expired, a key that is not P-256, a file that may
 * not be trusted (state_file_read()). now: seconds since the epoch. NULL with *error filled.
 */
struct ca *ca_open(int folder_fd, time_t now, struct state_error *error);
void ca_free(struct ca *ca);

/* The CA certificate, DER. Lives as long as the CA. */
struct span ca_certificate(const struct ca *ca);

/* When it expires, seconds since the epoch. */
time_t ca_expiry(const struct ca *ca);

/* Set the key that all leafs are for: SubjectPublicKeyInfo (DER) of a P-256 key. false: it is not one, and
 * none is set. */
bool ca_set_leaf_key(struct ca *ca, struct span spki);

/*
 * A leaf certificate for a host: an IP address (dotted quad, or IPv6 without brackets) or a name; a legacy
 * spelling of an IPv4 address is a name, since clients compare with what they typed. The DER is owned by the
 * CA until the next call. false: no valid host, no leaf key yet, the CA has expired, or out of memory.
 */
bool ca_mint(struct ca *ca, struct span host, time_t now, struct span *der);

#endif
