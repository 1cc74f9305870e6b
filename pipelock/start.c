/*
 * Packs and reads what the supervisor tells the proxy and the keeper at their start. Addresses travel as
 * text, so that what arrives passes the strict parsers.
 */
#include "pipelock/start.h"

void proxy_start_put(struct ipc_writer *w, const struct proxy_start *start)
{
	char text[ADDRESS_TEXT_SIZE];
	ipc_put_span(w, span_of(start->capability));
	ipc_put_span(w, span_of(address_format(&start->egress, text)));
	ipc_put_u32(w, start->egress_port);
}

bool proxy_start_get(struct ipc_reader *r, struct proxy_start *start)
{
	*start = (struct proxy_start){0};
	struct span capability = ipc_get_span(r);
	struct span address = ipc_get_span(r);
	uint32_t port = ipc_get_u32(r);
	if (!ipc_reader_done(r) || capability.n != HOP_CAPABILITY_TEXT_SIZE - 1)
		return false;
	if (!address_parse_v4(address, &start->egress) && !address_parse_v6(address, &start->egress))
		return false;
	/* What the proxy sends there carries the capability and whatever the agent sent: to loopback, or
	 * nowhere. */
	if (address_classify(&start->egress) != ADDRESS_LOOPBACK || port == 0 || port > UINT16_MAX)
		return false;
	memcpy(start->capability, capability.p, capability.n);
	start->egress_port = (uint16_t)port;
	return true;
}

void keeper_start_put(struct ipc_writer *w, const struct keeper_start *start)
{
	ipc_put_span(w, start->state);
	ipc_put_span(w, start->audit_file);
}

static bool is_absolute_path(struct span path)
{
	return path.n > 0 && path.p[0] == '/' && !memchr(path.p, '\0', path.n);
}

bool keeper_start_get(struct ipc_reader *r, struct keeper_start *start)
{
	start->state = ipc_get_span(r);
	start->audit_file = ipc_get_span(r);
	return ipc_reader_done(r) && is_absolute_path(start->state) && is_absolute_path(start->audit_file);
}
