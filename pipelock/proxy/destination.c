/*
 * Names that stand for this machine or for a cloud's metadata service. A resolver may know them or not; they
 * are refused either way.
 */
#include "pipelock/proxy/destination.h"

static const char *const inward_names[] = {
	"localhost",
	"*.localhost", /* RFC 6761 6.3 */
	"localhost.localdomain",
	"ip6-localhost",
	"ip6-loopback",
	"metadata.google.internal",
	"metadata.goog",
	"metadata", /* GCP */
	"instance-data",
	"instance-data.ec2.internal",
	"*.ec2.internal", /* AWS */
	"metadata.azure.internal",
	"metadata.packet.net",
	"metadata.platformequinix.com",
};

static bool destination_is_inward(struct span host)
{
	for (size_t i = 0; i < sizeof(inward_names) / sizeof(*inward_names); i++)
		if (host_matches(span_of(inward_names[i]), host))
			return true;
	return false;
}

enum refusal_code destination_judge(const struct host *host, bool tls, bool named_by_route)
{
	if (host->form == HOST_NAME)
		return destination_is_inward((struct span){host->text, host->length}) ? REFUSAL_DESTINATION
										      : REFUSAL_NONE;
	if (host->form == HOST_INVALID || address_classify(&host->address) != ADDRESS_GLOBAL)
		return REFUSAL_DESTINATION;
	if (host->form == HOST_IPV4_LEGACY)
		return REFUSAL_ADDRESS_LITERAL;
	return tls && !named_by_route ? REFUSAL_ADDRESS_LITERAL : REFUSAL_NONE;
}
