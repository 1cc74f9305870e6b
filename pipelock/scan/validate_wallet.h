/*
 * Validators of what wallets write out: addresses, keys and seed phrases. Each of these formats ends in a
 * checksum. Pure, without allocation; the text is an attacker's, so what it may cost is bounded by its
 * format.
 */
#ifndef PIPELOCK_SCAN_VALIDATE_WALLET_H
#define PIPELOCK_SCAN_VALIDATE_WALLET_H

#include "common/span.h"

#include <stdint.h>

/* Base58 that ends in the first four octets of the double SHA-256 of what stands before them, 1 to 128 octets
 * (BIP-13 and BIP-32 "Serialization format" use it; the alphabet is that of draft-msporny-base58, section 2).
 */
bool is_base58check(struct span text);

/* Bech32 (BIP-173) or Bech32m (BIP-350), 90 characters at most, in one case. */
bool is_bech32(struct span text);

/*
 * Do 12, 15, 18, 21 or 24 words of the English list stand in a row in the text whose checksum is right
 * (BIP-39, "Generating the mnemonic")? Case is ignored. Between two words stand 1 to 24 octets that are no
 * letters: blanks, commas, line breaks, quotation marks, a numbering. The first 40 words of the list in a
 * text are looked at; others, any number in a row, count as one. Words in the order of the list are a piece
 * of the list and no phrase.
 */
bool has_bip39_phrase(struct span text);

/* The English list, in order; bip39_words.c says where it is from. */
#define BIP39_WORDS 2048
#define BIP39_WORD_MIN 3
#define BIP39_WORD_MAX 8
extern const char bip39_words[BIP39_WORDS][BIP39_WORD_MAX + 1];

#endif
