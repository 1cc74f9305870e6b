/*
 * Where a request may go: the operator's connect_to, and the judgement of addresses. Pure; nothing is
 * resolved or dialled here. An address that was not judged here, or was not named by the operator, is never
 * dialled.
 */
#ifndef EGRESS_DESTINATION_H
#define EGRESS_DESTINATION_H

#include "common/egress_settings.h"

/* What judges a destination. Borrowed for as long as egress runs. */
struct destination_policy {
	const struct egress_settings *settings;
	struct address listener; /* of the hop itself */
	uint16_t listener_port;
};

/* Where to go for an authority. */
struct destination {
	struct host host;
	uint16_t port;
	bool by_operator; /* the operator named this very host: its addresses are not judged by their kind */
};

/*
 * The destination for an authority: the first element of connect_to that matches, or the authority itself.
 * Literal addresses are never rewritten. false: the operator's own target is malformed.
 */
bool destination_for(
	const struct destination_policy *policy, const struct authority *authority, struct destination *out);

/* Room for why an address is refused: its text, its kind, a few words. */
#define DESTINATION_REFUSAL_SIZE (ADDRESS_TEXT_SIZE + 64)

/* May this address be dialled for the destination? If not, `refusal` says why, terminated. */
bool destination_permits(const struct destination_policy *policy, const struct destination *destination,
	const struct address *address, char refusal[DESTINATION_REFUSAL_SIZE]);

#endif
