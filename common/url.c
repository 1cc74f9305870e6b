/*
 * Hosts, authorities and URLs, strictly, into one canonical form. Whatever a browser, a resolver and a rule
 * could take for different hosts is refused here, or named as what it will be dialled as.
 */
#include "common/url.h"

#include "common/octets.h"

#include <stdio.h>

static bool label_is_valid(struct span label)
{
	if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!octet_is(label.p[i], OCTET_HOST))
			return false;
	return true;
}

/* Does it end in a number (WHATWG URL 3.5)? Resolvers take it for an IPv4 address then, so it may be no name.
 */
static bool label_is_number(struct span label)
{
	bool hex = label.n >= 2 && label.p[0] == '0' && octet_lower(label.p[1]) == 'x';

	for (size_t i = hex ? 2 : 0; i < label.n; i++)
		if (!octet_is(label.p[i], hex ? OCTET_HEX : OCTET_DIGIT))
			return false;
	return true;
}

/* Every label good, and *last the last of them. */
static bool labels_are_valid(struct span name, struct span *last)
{
	for (;;) {
		const char *dot = memchr(name.p, '.', name.n);

		*last = (struct span){name.p, dot != NULL ? (size_t)(dot - name.p) : name.n};
		if (!label_is_valid(*last))
			return false;
		if (dot == NULL)
			return true;
		name.n -= last->n + 1;
		name.p = dot + 1;
	}
}

static void host_set_address(struct host *host, enum host_form form)
{
	host->form = form;
	address_format(&host->address, host->text);
	host->length = strlen(host->text);
}

static bool parse_bracketed(struct span text, struct host *out)
{
	if (text.n < 2 || text.p[text.n - 1] != ']')
		return false;
	if (!address_parse_v6((struct span){text.p + 1, text.n - 2}, &out->address))
		return false;
	host_set_address(out, HOST_IPV6);
	return true;
}

static bool parse_number_host(struct span text, struct host *out)
{
	if (address_parse_v4(text, &out->address)) {
		host_set_address(out, HOST_IPV4);
		return true;
	}
	if (!address_parse_legacy_v4(text, &out->address))
		return false;
	host_set_address(out, HOST_IPV4_LEGACY);
	return true;
}

static bool parse_name_or_number(struct span text, struct host *out)
{
	struct span name = text, last;

	if (name.p[name.n - 1] == '.')
		name.n--;
	if (name.n == 0 || name.n > HOST_MAX || !labels_are_valid(name, &last))
		return false;
	if (label_is_number(last))
		return parse_number_host(text, out);
	for (size_t i = 0; i < name.n; i++)
		out->text[i] = octet_lower(name.p[i]);
	out->text[name.n] = '\0';
	out->length = name.n;
	out->form = HOST_NAME;
	return true;
}

bool host_parse(struct span text, struct host *out)
{
	bool valid;

	*out = (struct host){.form = HOST_INVALID};
	if (text.n == 0)
		return false;
	valid = text.p[0] == '[' ? parse_bracketed(text, out) : parse_name_or_number(text, out);
	if (!valid)
		*out = (struct host){.form = HOST_INVALID};
	return valid;
}

/* 1..65535 in the one spelling: no sign, no leading zero, not empty. */
static bool parse_port(struct span text, uint16_t *out)
{
	unsigned value = 0;

	if (text.n == 0 || text.n > 5 || text.p[0] == '0')
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

/* Octets of the host before the port: through the bracket, or up to the first colon. */
static size_t host_size(struct span text)
{
	const char *end = memchr(text.p, text.p[0] == '[' ? ']' : ':', text.n);

	if (end == NULL)
		return text.n;
	return (size_t)(end - text.p) + (*end == ']');
}

bool authority_parse(struct span text, uint16_t default_port, struct authority *out)
{
	struct span rest;
	size_t size;

	out->port = default_port;
	out->port_given = false;
	out->host.form = HOST_INVALID;
	if (text.n == 0)
		return false;
	size = host_size(text);
	rest = (struct span){text.p + size, text.n - size};
	if (rest.n > 0) {
		if (rest.p[0] != ':' || !parse_port((struct span){rest.p + 1, rest.n - 1}, &out->port))
			return false;
		out->port_given = true;
	}
	return out->port != 0 && host_parse((struct span){text.p, size}, &out->host);
}

static const struct {
	enum url_scheme scheme;
	struct span prefix;
	uint16_t port;
} schemes[] = {
	{URL_HTTP, {"http://", 7}, 80},
	{URL_HTTPS, {"https://", 8}, 443},
	{URL_WS, {"ws://", 5}, 80},
	{URL_WSS, {"wss://", 6}, 443},
};

static bool starts_with_nocase(struct span text, struct span prefix)
{
	return text.n >= prefix.n && strncasecmp(text.p, prefix.p, prefix.n) == 0;
}

static bool split_authority(struct span rest, struct span *authority, struct span *target)
{
	const char *slash = rest.n > 0 ? memchr(rest.p, '/', rest.n) : NULL;
	size_t size = slash != NULL ? (size_t)(slash - rest.p) : rest.n;

	*authority = (struct span){rest.p, size};
	*target = (struct span){rest.p + size, rest.n - size};
	return target->n == 0 || url_is_origin_form(*target);
}

bool url_parse_absolute(struct span text, struct url *out)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		struct span prefix = schemes[i].prefix, authority;

		if (!starts_with_nocase(text, prefix))
			continue;
		out->scheme = schemes[i].scheme;
		return split_authority((struct span){text.p + prefix.n, text.n - prefix.n}, &authority,
			       &out->target) &&
		       authority_parse(authority, schemes[i].port, &out->authority);
	}
	out->scheme = URL_NONE;
	return false;
}

bool url_is_origin_form(struct span target)
{
	if (target.n == 0 || target.p[0] != '/')
		return false;
	for (size_t i = 0; i < target.n; i++)
		if (!octet_is(target.p[i], OCTET_TARGET))
			return false;
	return true;
}

size_t authority_format(
	const struct authority *authority, uint16_t default_port, char out[AUTHORITY_TEXT_SIZE])
{
	bool bracket = authority->host.form == HOST_IPV6;
	int n = snprintf(out, AUTHORITY_TEXT_SIZE, "%s%s%s", bracket ? "[" : "", authority->host.text,
		bracket ? "]" : "");

	if (authority->port != default_port)
		n += snprintf(out + n, AUTHORITY_TEXT_SIZE - (size_t)n, ":%u", (unsigned)authority->port);
	return (size_t)n;
}

bool authority_equals(const struct authority *a, const struct authority *b)
{
	return a->host.form != HOST_INVALID && b->host.form != HOST_INVALID && a->port == b->port &&
	       span_equals((struct span){a->host.text, a->host.length},
		       (struct span){b->host.text, b->host.length});
}

size_t percent_decode(struct span text, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c == '%' && text.n - i > 2 && octet_is(text.p[i + 1], OCTET_HEX) &&
			octet_is(text.p[i + 2], OCTET_HEX)) {
			c = (char)(octet_hex_value(text.p[i + 1]) * 16 + octet_hex_value(text.p[i + 2]));
			i += 2;
		}
		out[n++] = c;
	}
	return n;
}

bool host_matches(struct span pattern, struct span host)
{
	struct span suffix;

	if (span_equals(pattern, SPAN("*")))
		return true;
	if (pattern.n < 2 || pattern.p[0] != '*' || pattern.p[1] != '.')
		return span_equals(pattern, host);
	suffix = (struct span){pattern.p + 1, pattern.n - 1};
	return host.n > suffix.n && span_equals(suffix, (struct span){host.p + host.n - suffix.n, suffix.n});
}
