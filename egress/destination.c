/*
 * Judges destinations. What must hold: with deny_private only global unicast passes; without it private and
 * shared space too, and never loopback, link-local, metadata, translated or multicast addresses, nor the
 * bundle's own. The hop's listener is refused even where the operator names it: a request that comes back to
 * egress would go round for ever.
 */
#include "egress/destination.h"

#include <stdio.h>

static bool connect_to_matches(const struct connect_to *rule, const struct authority *authority)
{
	struct span host = {authority->host.text, authority->host.length};

	return (rule->host[0] == '\0' || span_equals_nocase(span_of(rule->host), host)) &&
	       (rule->port == 0 || rule->port == authority->port);
}

/* The text is canonical, IPv6 without brackets. */
static bool read_target(const char *text, struct host *host)
{
	struct address address;

	if (address_parse_v6(span_of(text), &address)) {
		host->form = HOST_IPV6;
		host->address = address;
		address_format(&address, host->text);
		host->length = strlen(host->text);
		return true;
	}
	return host_parse(span_of(text), host);
}

static bool follow(const struct connect_to *rule, struct destination *out)
{
	if (rule->to_port != 0)
		out->port = rule->to_port;
	if (rule->to_host[0] == '\0')
		return true;
	out->by_operator = true;
	return read_target(rule->to_host, &out->host);
}

bool destination_for(
	const struct destination_policy *policy, const struct authority *authority, struct destination *out)
{
	const struct egress_settings *settings = policy->settings;

	*out = (struct destination){.host = authority->host, .port = authority->port};
	if (authority->host.form != HOST_NAME)
		return true;
	for (size_t i = 0; i < settings->connect_to_count; i++)
		if (connect_to_matches(&settings->connect_to[i], authority))
			return follow(&settings->connect_to[i], out);
	return true;
}

static bool is_own(const struct egress_settings *settings, const struct address *address)
{
	for (size_t i = 0; i < settings->own_count; i++)
		if (address_equals(&settings->own[i], address))
			return true;
	return false;
}

static bool kind_is_permitted(enum address_kind kind, bool deny_private)
{
	switch (kind) {
	case ADDRESS_GLOBAL:
		return true;
	case ADDRESS_PRIVATE:
	case ADDRESS_SHARED:
		return !deny_private;
	default:
		return false;
	}
}

static bool refuse(const struct address *address, const char *why, char refusal[DESTINATION_REFUSAL_SIZE])
{
	char text[ADDRESS_TEXT_SIZE];

	snprintf(refusal, DESTINATION_REFUSAL_SIZE, "%s: %s", address_format(address, text), why);
	return false;
}

bool destination_permits(const struct destination_policy *policy, const struct destination *destination,
	const struct address *address, char refusal[DESTINATION_REFUSAL_SIZE])
{
	enum address_kind kind = address_classify(address);

	refusal[0] = '\0';
	if (destination->port == policy->listener_port && address_equals(address, &policy->listener))
		return refuse(address, "the address of the hop itself", refusal);
	if (destination->by_operator) {
		/* The kernel takes the unspecified address for this host, past the line above. */
		return kind != ADDRESS_UNSPECIFIED || refuse(address, address_kind_text(kind), refusal);
	}
	if (is_own(policy->settings, address))
		return refuse(address, "an address of the proxy's own host", refusal);
	if (!kind_is_permitted(kind, policy->settings->deny_private))
		return refuse(address, address_kind_text(kind), refusal);
	return true;
}
