/*
 * What kind of place an address is, by the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890,
 * RFC 8190, as of 2025). Prefixes stand in tables in the order of the question, the narrow before the wide;
 * the first that holds answers. What no table names is global only inside 2000::/3, the one IPv6 block that
 * is given out.
 */
#include "common/address.h"

struct prefix_v4 {
	unsigned char octets[4];
	unsigned bits;
	enum address_kind kind;
};

struct prefix_v6 {
	unsigned char octets[16];
	unsigned bits;
	enum address_kind kind;
};

/* The registry calls 192.0.0.9 and .10 reachable (anycast of PCP and TURN): nothing that speaks HTTP, so they
 * stay reserved. */
static const struct prefix_v4 prefixes_v4[] = {
	{{169, 254, 169, 254}, 32, ADDRESS_METADATA}, /* AWS, Azure, Google, OpenStack and most others */
	{{169, 254, 170, 2}, 32, ADDRESS_METADATA},   /* AWS ECS task credentials */
	{{169, 254, 170, 23}, 32, ADDRESS_METADATA},  /* AWS EKS pod identity */
	{{169, 254, 0, 23}, 32, ADDRESS_METADATA},    /* Tencent */
	{{169, 254, 42, 42}, 32, ADDRESS_METADATA},   /* Scaleway */
	{{100, 100, 100, 200}, 32, ADDRESS_METADATA}, /* Alibaba */
	{{168, 63, 129, 16}, 32, ADDRESS_METADATA},   /* Azure's wire server */
	{{192, 0, 0, 192}, 32, ADDRESS_METADATA},     /* Oracle, classic */
	{{0, 0, 0, 0}, 32, ADDRESS_UNSPECIFIED},      /* a connect to it reaches this very host */
	{{0, 0, 0, 0}, 8, ADDRESS_RESERVED},	      /* "this network", RFC 791 */
	{{10, 0, 0, 0}, 8, ADDRESS_PRIVATE},	      /* RFC 1918 */
	{{100, 64, 0, 0}, 10, ADDRESS_SHARED},	      /* RFC 6598 */
	{{127, 0, 0, 0}, 8, ADDRESS_LOOPBACK},	      /* RFC 1122 */
	{{169, 254, 0, 0}, 16, ADDRESS_LINK_LOCAL},   /* RFC 3927 */
	{{172, 16, 0, 0}, 12, ADDRESS_PRIVATE},	      /* RFC 1918 */
	{{192, 0, 0, 0}, 24, ADDRESS_RESERVED},	      /* protocol assignments, RFC 6890 */
	{{192, 0, 2, 0}, 24, ADDRESS_RESERVED},	      /* documentation, RFC 5737 */
	{{192, 88, 99, 0}, 24, ADDRESS_RESERVED},     /* 6to4 relays, RFC 7526: withdrawn */
	{{192, 168, 0, 0}, 16, ADDRESS_PRIVATE},      /* RFC 1918 */
	{{198, 18, 0, 0}, 15, ADDRESS_RESERVED},      /* benchmarking, RFC 2544 */
	{{198, 51, 100, 0}, 24, ADDRESS_RESERVED},    /* documentation, RFC 5737 */
	{{203, 0, 113, 0}, 24, ADDRESS_RESERVED},     /* documentation, RFC 5737 */
	{{224, 0, 0, 0}, 4, ADDRESS_MULTICAST},	      /* RFC 5771 */
	{{240, 0, 0, 0}, 4, ADDRESS_RESERVED},	      /* RFC 1112, broadcast included */
	{{0}, 0, ADDRESS_GLOBAL},
};

/* The embedding prefixes come with their layout; see address_embedded_v4(). */
static const struct prefix_v6 prefixes_v6[] = {
	{{0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54}, 128, ADDRESS_METADATA}, /* AWS */
	{{0xfd, 0x00, 0x0e, 0xc2, [15] = 0x23}, 128, ADDRESS_METADATA},	      /* AWS EKS pod identity */
	{{0xfd, 0x20, 0x00, 0xce, [14] = 0x02, 0x54}, 128, ADDRESS_METADATA}, /* Google */
	{{0xfd, 0x00, 0x00, 0x42, [15] = 0x42}, 128, ADDRESS_METADATA},	      /* Scaleway */
	{{0xfd, 0x00, 0x00, 0xc1, [12] = 0xa9, 0xfe, 0xa9, 0xfe}, 128, ADDRESS_METADATA}, /* Oracle */
	{{0xfe, 0x80, [12] = 0xa9, 0xfe, 0xa9, 0xfe}, 128, ADDRESS_METADATA},		  /* OpenStack */
	{{0}, 128, ADDRESS_UNSPECIFIED},
	{{[15] = 1}, 128, ADDRESS_LOOPBACK},
	{{0}, 96, ADDRESS_TRANSLATED},					/* v4-compatible, RFC 4291 2.5.5.1 */
	{{[10] = 0xff, 0xff}, 96, ADDRESS_TRANSLATED},			/* v4-mapped, RFC 4291 2.5.5.2 */
	{{[8] = 0xff, 0xff}, 96, ADDRESS_TRANSLATED},			/* IPv4-translated, RFC 2765 */
	{{0x00, 0x64, 0xff, 0x9b}, 96, ADDRESS_TRANSLATED},		/* NAT64, RFC 6052 */
	{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, ADDRESS_TRANSLATED}, /* local NAT64, RFC 8215 */
	{{0x01, 0x00}, 64, ADDRESS_RESERVED},				/* discard-only, RFC 6666 */
	{{0x01, 0x00, [7] = 0x01}, 64, ADDRESS_RESERVED},		/* dummy prefix, RFC 9780 */
	{{0x20, 0x01, 0x00, 0x00}, 32, ADDRESS_TRANSLATED},		/* Teredo, RFC 4380 */
	{{0x20, 0x01, 0x00, 0x00}, 23, ADDRESS_RESERVED},		/* protocol assignments, RFC 2928 */
	{{0x20, 0x01, 0x0d, 0xb8}, 32, ADDRESS_RESERVED},		/* documentation, RFC 3849 */
	{{0x20, 0x02}, 16, ADDRESS_TRANSLATED},				/* 6to4, RFC 3056 */
	{{0x3f, 0xfe}, 16, ADDRESS_RESERVED},				/* the 6bone, RFC 3701: returned */
	{{0x3f, 0xff}, 20, ADDRESS_RESERVED},				/* documentation, RFC 9637 */
	{{0x5f, 0x00}, 16, ADDRESS_RESERVED},				/* SRv6 SIDs, RFC 9602 */
	{{0xfc, 0x00}, 7, ADDRESS_PRIVATE},				/* RFC 4193 */
	{{0xfe, 0x80}, 10, ADDRESS_LINK_LOCAL},				/* RFC 4291 2.5.6 */
	{{0xfe, 0xc0}, 10, ADDRESS_RESERVED},				/* site-local, RFC 3879: withdrawn */
	{{0xff, 0x00}, 8, ADDRESS_MULTICAST},				/* RFC 4291 2.7 */
	{{0x20, 0x00}, 3, ADDRESS_GLOBAL},
	{{0}, 0, ADDRESS_UNKNOWN},
};

static bool prefix_holds(const unsigned char *prefix, unsigned bits, const unsigned char *octets)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(prefix, octets, whole) != 0)
		return false;
	return rest == 0 || ((prefix[whole] ^ octets[whole]) >> (8 - rest)) == 0;
}

static enum address_kind classify_v4(const struct in_addr *v4)
{
	const unsigned char *octets = (const unsigned char *)v4;
	size_t i = 0;

	while (!prefix_holds(prefixes_v4[i].octets, prefixes_v4[i].bits, octets))
		i++;
	return prefixes_v4[i].kind;
}

/* An interface identifier of ISATAP (RFC 5214 6.1), under whatever prefix: it is a tunnel to the IPv4 address
 * in it. */
static bool is_isatap(const unsigned char *octets)
{
	return (octets[8] & 0xfd) == 0 && octets[9] == 0 && octets[10] == 0x5e && octets[11] == 0xfe;
}

static enum address_kind classify_v6(const struct in6_addr *v6)
{
	const unsigned char *octets = v6->s6_addr;
	size_t i = 0;

	if (is_isatap(octets) && octets[0] != 0xff)
		return ADDRESS_TRANSLATED;
	while (!prefix_holds(prefixes_v6[i].octets, prefixes_v6[i].bits, octets))
		i++;
	return prefixes_v6[i].kind;
}

enum address_kind address_classify(const struct address *address)
{
	if (address->family == AF_INET)
		return classify_v4(&address->v4);
	return address->family == AF_INET6 ? classify_v6(&address->v6) : ADDRESS_UNKNOWN;
}

/* Where the four octets of the IPv4 address stand; RFC 6052 2.2 leaves octet 8 out. */
struct embedding {
	unsigned char prefix[16];
	unsigned bits;
	unsigned char at[4];
	unsigned char mask; /* Teredo inverts them (RFC 4380 4) */
};

static const struct embedding embeddings[] = {
	{{[10] = 0xff, 0xff}, 96, {12, 13, 14, 15}, 0},
	{{[8] = 0xff, 0xff}, 96, {12, 13, 14, 15}, 0},
	{{0x00, 0x64, 0xff, 0x9b}, 96, {12, 13, 14, 15}, 0},
	{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, {6, 7, 9, 10}, 0},
	{{0x20, 0x02}, 16, {2, 3, 4, 5}, 0},
	{{0x20, 0x01, 0x00, 0x00}, 32, {12, 13, 14, 15}, 0xff},
	{{0}, 96, {12, 13, 14, 15}, 0},
};

static const struct embedding isatap_embedding = {{0}, 0, {12, 13, 14, 15}, 0};

static const struct embedding *find_embedding(const unsigned char *octets)
{
	for (size_t i = 0; i < sizeof(embeddings) / sizeof(embeddings[0]); i++)
		if (prefix_holds(embeddings[i].prefix, embeddings[i].bits, octets))
			return &embeddings[i];
	return &isatap_embedding;
}

bool address_embedded_v4(const struct address *address, struct address *out)
{
	const unsigned char *octets = address->v6.s6_addr;
	const struct embedding *embedding;
	unsigned char v4[4];

	if (address_classify(address) != ADDRESS_TRANSLATED)
		return false;
	embedding = find_embedding(octets);
	for (int i = 0; i < 4; i++)
		v4[i] = octets[embedding->at[i]] ^ embedding->mask;
	*out = (struct address){.family = AF_INET};
	memcpy(&out->v4, v4, sizeof(v4));
	return true;
}

const char *address_kind_text(enum address_kind kind)
{
	switch (kind) {
	case ADDRESS_GLOBAL:
		return "global";
	case ADDRESS_LOOPBACK:
		return "loopback";
	case ADDRESS_UNSPECIFIED:
		return "unspecified";
	case ADDRESS_PRIVATE:
		return "private";
	case ADDRESS_LINK_LOCAL:
		return "link-local";
	case ADDRESS_METADATA:
		return "metadata";
	case ADDRESS_SHARED:
		return "shared";
	case ADDRESS_MULTICAST:
		return "multicast";
	case ADDRESS_RESERVED:
		return "reserved";
	case ADDRESS_TRANSLATED:
		return "translated";
	case ADDRESS_UNKNOWN:
		break;
	}
	return "unknown";
}
