/*
 * What can be said of a destination before anybody looks its name up: literal addresses and names that lead
 * inward. egress judges the addresses that a name has; this comes first, so that no look-up is made for what
 * is refused anyway. Pure.
 */
#ifndef PIPELOCK_PROXY_DESTINATION_H
#define PIPELOCK_PROXY_DESTINATION_H

#include "common/url.h"
#include "pipelock/proxy/refusal.h"

/*
 * REFUSAL_NONE, REFUSAL_DESTINATION or REFUSAL_ADDRESS_LITERAL. A literal address that is not global unicast
 * is refused always; another spelling of an address (octal, hex, dword) too, wherever it leads; `tls`: so is
 * any literal address that no route names, since neither server name nor certificate rule holds for it.
 */
enum refusal_code destination_judge(const struct host *host, bool tls, bool named_by_route);

#endif
