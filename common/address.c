/*
 * Texts of IP addresses: strict literals, the legacy spellings of IPv4 that resolvers and browsers also take,
 * canonical text, and socket addresses. Nothing here resolves a name. What kind of place an address is:
 * address_kind.c.
 */
#include "common/address.h"

#include "common/octets.h"

#include <arpa/inet.h>

/* One decimal number 0..255 without leading zeros at *p, stepped over. */
static bool parse_octet(const char **p, const char *end, unsigned char *out)
{
	const char *start = *p;
	unsigned value = 0;

	while (*p < end && octet_is(**p, OCTET_DIGIT) && *p - start < 3)
		value = value * 10 + (unsigned)(*(*p)++ - '0');
	if (*p == start || value > 255 || (*p - start > 1 && *start == '0'))
		return false;
	*out = (unsigned char)value;
	return true;
}

bool address_parse_v4(struct span text, struct address *out)
{
	const char *p = text.p, *end = text.p + text.n;
	unsigned char octets[4];

	for (int i = 0; i < 4; i++) {
		if (i > 0 && (p == end || *p++ != '.'))
			return false;
		if (!parse_octet(&p, end, &octets[i]))
			return false;
	}
	if (p != end)
		return false;
	*out = (struct address){.family = AF_INET};
	memcpy(&out->v4, octets, sizeof(octets));
	return true;
}

/* inet_pton() is strict enough, once it is sure to see all of the text and no zone id. */
bool address_parse_v6(struct span text, struct address *out)
{
	char copy[ADDRESS_TEXT_SIZE];
	struct address parsed = {.family = AF_INET6};

	if (text.n == 0 || text.n >= sizeof(copy))
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (!octet_is(text.p[i], OCTET_HEX) && text.p[i] != ':' && text.p[i] != '.')
			return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	if (inet_pton(AF_INET6, copy, &parsed.v6) != 1)
		return false;
	*out = parsed;
	return true;
}

/* A number as the WHATWG URL Standard's IPv4 number parser reads it; "0x" alone is 0. Values stop growing
 * past 32 bits. */
static bool parse_legacy_number(struct span text, uint64_t *out)
{
	unsigned base = 10;
	uint64_t value = 0;
	size_t i = 0;

	if (text.n == 0)
		return false;
	if (text.n >= 2 && text.p[0] == '0' && octet_lower(text.p[1]) == 'x') {
		base = 16;
		i = 2;
	} else if (text.n >= 2 && text.p[0] == '0') {
		base = 8;
		i = 1;
	}
	for (; i < text.n; i++) {
		unsigned digit;

		if (!octet_is(text.p[i], OCTET_HEX))
			return false;
		digit = octet_hex_value(text.p[i]);
		if (digit >= base)
			return false;
		if (value <= UINT32_MAX)
			value = value * base + digit;
	}
	*out = value;
	return true;
}

/* Up to the next dot, which is stepped over. */
static struct span next_part(struct span *rest)
{
	const char *dot = memchr(rest->p, '.', rest->n);
	struct span part = {rest->p, dot != NULL ? (size_t)(dot - rest->p) : rest->n};
	size_t step = dot != NULL ? part.n + 1 : part.n;

	rest->p += step;
	rest->n -= step;
	return part;
}

/* The last number fills all octets that the others left. */
bool address_parse_legacy_v4(struct span text, struct address *out)
{
	uint64_t numbers[4], value = 0;
	unsigned count = 0;
	uint32_t network;

	if (text.n > 0 && text.p[text.n - 1] == '.')
		text.n--;
	if (text.n == 0 || text.p[text.n - 1] == '.')
		return false;
	while (text.n > 0)
		if (count == 4 || !parse_legacy_number(next_part(&text), &numbers[count++]))
			return false;
	for (unsigned i = 0; i + 1 < count; i++) {
		if (numbers[i] > 255)
			return false;
		value |= numbers[i] << (24 - 8 * i);
	}
	if (numbers[count - 1] >= UINT64_C(1) << (8 * (5 - count)))
		return false;
	network = htonl((uint32_t)(value | numbers[count - 1]));
	*out = (struct address){.family = AF_INET};
	memcpy(&out->v4, &network, sizeof(network));
	return true;
}

const char *address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
	const void *octets =
		address->family == AF_INET ? (const void *)&address->v4 : (const void *)&address->v6;

	if (address->family != AF_INET && address->family != AF_INET6)
		out[0] = '\0';
	else if (inet_ntop(address->family, octets, out, ADDRESS_TEXT_SIZE) == NULL)
		out[0] = '\0';
	return out;
}

socklen_t address_to_sockaddr(const struct address *address, uint16_t port, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (address->family == AF_INET) {
		struct sockaddr_in *sin = (struct sockaddr_in *)out;

		sin->sin_family = AF_INET;
		sin->sin_port = htons(port);
		sin->sin_addr = address->v4;
		return sizeof(*sin);
	}
	if (address->family == AF_INET6) {
		struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)out;

		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons(port);
		sin6->sin6_addr = address->v6;
		return sizeof(*sin6);
	}
	return 0;
}

void address_from_sockaddr(const struct sockaddr *sa, struct address *out, uint16_t *port)
{
	*out = (struct address){.family = 0};
	*port = 0;
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *sin = (const struct sockaddr_in *)sa;

		out->family = AF_INET;
		out->v4 = sin->sin_addr;
		*port = ntohs(sin->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)sa;

		out->family = AF_INET6;
		out->v6 = sin6->sin6_addr;
		*port = ntohs(sin6->sin6_port);
	}
}

/* 0 is a port here: the kernel chooses one. */
static bool parse_listen_port(struct span text, uint16_t *out)
{
	unsigned value = 0;

	if (text.n == 0 || text.n > 5 || (text.n > 1 && text.p[0] == '0'))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (!octet_is(text.p[i], OCTET_DIGIT))
			return false;
		value = value * 10 + (unsigned)(text.p[i] - '0');
	}
	if (value > UINT16_MAX)
		return false;
	*out = (uint16_t)value;
	return true;
}

static bool parse_listen_host(struct span text, struct address *out)
{
	if (text.n == 0) {
		*out = (struct address){.family = AF_INET6, .v6 = IN6ADDR_ANY_INIT};
		return true;
	}
	if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
		return address_parse_v6((struct span){text.p + 1, text.n - 2}, out);
	return address_parse_v4(text, out);
}

bool address_parse_listen(struct span text, struct address *address, uint16_t *port)
{
	const char *colon = text.n > 0 ? memrchr(text.p, ':', text.n) : NULL;
	struct address parsed;
	uint16_t number;
	size_t host;

	if (colon == NULL)
		return false;
	host = (size_t)(colon - text.p);
	if (!parse_listen_port((struct span){colon + 1, text.n - host - 1}, &number))
		return false;
	if (!parse_listen_host((struct span){text.p, host}, &parsed))
		return false;
	*address = parsed;
	*port = number;
	return true;
}

bool address_equals(const struct address *a, const struct address *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == AF_INET)
		return a->v4.s_addr == b->v4.s_addr;
	return a->family == AF_INET6 && memcmp(&a->v6, &b->v6, sizeof(a->v6)) == 0;
}
