/*
 * Renders and takes apart lines of the audit log. The hash stands at a fixed distance from the end of a line,
 * so that no member of a record, whatever its name or text, can be taken for it.
 */
#include "pipelock/audit/chain.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define HEX_SIZE ((size_t)2 * CHAIN_HASH_SIZE)
#define MAX_ROLE 16

/* ,"prev":"HEX" */
static const char prev_key[] = ",\"prev\":\"";
static const char hash_key[] = ",\"hash\":\"";
#define KEY_SIZE (sizeof(prev_key) - 1)
#define PREV_SIZE (KEY_SIZE + HEX_SIZE + 1)
#define HASH_SIZE (KEY_SIZE + HEX_SIZE + 2) /* with the closing brace */

void chain_hash(struct span octets, uint8_t out[CHAIN_HASH_SIZE])
{
	/* A log whose hashes can't be computed must not go on: this is a broken library or no memory at all.
	 */
	if (EVP_Digest(octets.p, octets.n, out, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

void chain_hex(const uint8_t *octets, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		*out++ = digits[octets[i] >> 4];
		*out++ = digits[octets[i] & 15];
	}
	*out = '\0';
}

/* Lower case only: a line has one spelling. */
static bool parse_hex(const char *p, uint8_t out[CHAIN_HASH_SIZE])
{
	for (size_t i = 0; i < HEX_SIZE; i++) {
		char c = p[i];
		unsigned digit;
		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		else
			return false;
		out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | digit : digit << 4);
	}
	return true;
}

/* A newline would end the line within the record, and other controls have no place in JSON. */
static bool has_control(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
			return true;
	return false;
}

size_t chain_append(struct chain *chain, const char *role, struct span members, char *out, size_t room)
{
	if (members.n == 0 || room < CHAIN_OVERHEAD || members.n > room - CHAIN_OVERHEAD ||
		has_control(members) || strlen(role) > MAX_ROLE)
		return 0;
	char hex[HEX_SIZE + 1];
	int begin = sprintf(
		out, "{\"v\":1,\"seq\":%llu,\"role\":\"%s\",", (unsigned long long)chain->seq + 1, role);
	size_t n = (size_t)begin;
	memcpy(out + n, members.p, members.n);
	n += members.n;
	chain_hex(chain->hash, CHAIN_HASH_SIZE, hex);
	n += (size_t)sprintf(out + n, "%s%s\"", prev_key, hex);

	chain->seq++;
	chain_hash((struct span){out, n}, chain->hash);
	chain_hex(chain->hash, CHAIN_HASH_SIZE, hex);
	return n + (size_t)sprintf(out + n, "%s%s\"}\n", hash_key, hex);
}

/* Drop a literal from the front. */
static bool take(struct span *in, const char *literal)
{
	size_t n = strlen(literal);
	if (in->n < n || memcmp(in->p, literal, n) != 0)
		return false;
	in->p += n;
	in->n -= n;
	return true;
}

/* 1*DIGIT without leading zeros, below 2^64. */
static bool take_number(struct span *in, uint64_t *out)
{
	uint64_t value = 0;
	size_t i = 0;
	for (; i < in->n && in->p[i] >= '0' && in->p[i] <= '9'; i++) {
		uint64_t digit = (uint64_t)(in->p[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (i == 0 || in->p[0] == '0')
		return false;
	in->p += i;
	in->n -= i;
	*out = value;
	return true;
}

static bool take_role(struct span *in, struct span *role)
{
	size_t n = 0;
	while (n < in->n && in->p[n] >= 'a' && in->p[n] <= 'z')
		n++;
	*role = (struct span){in->p, n};
	in->p += n;
	in->n -= n;
	return n > 0 && n <= MAX_ROLE;
}

/* The fixed end of a line: both hashes. *line loses it. */
static bool take_end(struct span *line, struct chain_line *out)
{
	if (line->n < PREV_SIZE + HASH_SIZE)
		return false;
	const char *prev = line->p + line->n - PREV_SIZE - HASH_SIZE;
	const char *hash = prev + PREV_SIZE;
	if (memcmp(prev, prev_key, KEY_SIZE) != 0 || memcmp(hash, hash_key, KEY_SIZE) != 0 ||
		hash[-1] != '"' || memcmp(hash + HASH_SIZE - 2, "\"}", 2) != 0)
		return false;
	line->n -= PREV_SIZE + HASH_SIZE;
	return parse_hex(prev + KEY_SIZE, out->prev) && parse_hex(hash + KEY_SIZE, out->at.hash);
}

bool chain_parse(struct span line, struct chain_line *out)
{
	struct span whole = line;
	if (!take_end(&line, out))
		return false;
	if (!take(&line, "{\"v\":1,\"seq\":") || !take_number(&line, &out->at.seq) ||
		!take(&line, ",\"role\":\"") || !take_role(&line, &out->role) || !take(&line, "\",") ||
		line.n == 0)
		return false;
	out->members = line;
	uint8_t hash[CHAIN_HASH_SIZE];
	chain_hash((struct span){whole.p, whole.n - HASH_SIZE}, hash);
	return memcmp(hash, out->at.hash, CHAIN_HASH_SIZE) == 0;
}

bool chain_follows(const struct chain *chain, const struct chain_line *line)
{
	return chain->seq != UINT64_MAX && line->at.seq == chain->seq + 1 &&
	       memcmp(line->prev, chain->hash, CHAIN_HASH_SIZE) == 0;
}
