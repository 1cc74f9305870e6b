/*
 * Hosts, authorities, URLs and address literals against any bytes. What was taken, written in canonical form,
 * must be taken again, be the same, and be canonical: else two programs that pass it on would judge two
 * things.
 */
#include "common/url.h"

#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                   \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

static void check_authority(const struct authority *authority, uint16_t default_port)
{
	char text[AUTHORITY_TEXT_SIZE], twice[AUTHORITY_TEXT_SIZE];
	struct authority again;
	size_t n = authority_format(authority, default_port, text);

	REQUIRE(n == strlen(text) && authority->port != 0);
	REQUIRE(authority_parse((struct span){text, n}, default_port, &again));
	REQUIRE(authority_equals(authority, &again));
	REQUIRE(again.host.form != HOST_IPV4_LEGACY);
	authority_format(&again, default_port, twice);
	REQUIRE(strcmp(text, twice) == 0);
}

/* What the C library would dial as an IPv4 address may be no name here. */
static void check_name(const struct host *host)
{
	struct in_addr ignored;

	REQUIRE(host->length > 0 && host->length <= HOST_MAX && strlen(host->text) == host->length);
	REQUIRE(host->form != HOST_NAME || inet_aton(host->text, &ignored) == 0);
	if (host->form == HOST_NAME)
		for (size_t i = 0; i < host->length; i++)
			REQUIRE(host->text[i] >= '-' && host->text[i] <= 'z' && host->text[i] != '/' &&
				!(host->text[i] >= 'A' && host->text[i] <= 'Z'));
}

static void check_address(const struct address *address)
{
	struct address inner, again;
	char text[ADDRESS_TEXT_SIZE];
	struct span span;

	REQUIRE(address_kind_text(address_classify(address)) != NULL);
	if (address_embedded_v4(address, &inner))
		REQUIRE(inner.family == AF_INET);
	span = span_of(address_format(address, text));
	REQUIRE(address->family == AF_INET ? address_parse_v4(span, &again) : address_parse_v6(span, &again));
	REQUIRE(address_equals(address, &again));
}

static void check_literals(struct span text)
{
	struct address address, legacy;
	uint16_t port;

	if (address_parse_v4(text, &address)) {
		check_address(&address);
		REQUIRE(address_parse_legacy_v4(text, &legacy) && address_equals(&address, &legacy));
	}
	if (address_parse_v6(text, &address))
		check_address(&address);
	if (address_parse_legacy_v4(text, &address))
		check_address(&address);
	if (address_parse_listen(text, &address, &port))
		check_address(&address);
}

static void check_decode(struct span text)
{
	char *out = malloc(text.n + 1);
	size_t n;

	REQUIRE(out != NULL);
	n = percent_decode(text, out);
	REQUIRE(n <= text.n && n * 3 >= text.n);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = {(const char *)data, size};
	struct authority authority;
	struct host host;
	struct url url;

	if (host_parse(text, &host))
		check_name(&host);
	if (authority_parse(text, 443, &authority))
		check_authority(&authority, 443);
	if (authority_parse(text, 0, &authority))
		check_authority(&authority, 0);
	if (url_parse_absolute(text, &url)) {
		REQUIRE(url.scheme != URL_NONE && (url.target.n == 0 || url_is_origin_form(url.target)));
		check_authority(&url.authority, 80);
	}
	check_literals(text);
	check_decode(text);
	return 0;
}
