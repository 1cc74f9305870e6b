/*
 * The reader of messages between roles, and those that read settings with it: whatever a role that was taken
 * over sends, nothing is read past its end, and what was refused once stays refused. The first octet chooses
 * the reader.
 */
#include "common/egress_settings.h"
#include "common/ipc.h"
#include "pipelock/audit/chain.h"
#include "pipelock/start.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_anything(struct ipc_reader *r)
{
	while (!r->failed && r->n > 0) {
		size_t before = r->n;
		switch (ipc_get_u8(r) % 4) {
		case 0:
			ipc_get_u32(r);
			break;
		case 1:
			ipc_get_u64(r);
			break;
		case 2: {
			struct span span = ipc_get_span(r);
			for (size_t i = 0; i < span.n; i++)
				if (span.p + i >= r->p)
					abort();
			break;
		}
		default:
			break;
		}
		if (r->n >= before)
			abort();
	}
	if (r->failed && (r->n != 0 || ipc_get_u64(r) != 0 || ipc_get_span(r).n != 0 || ipc_reader_done(r)))
		abort();
}

static void read_settings(struct ipc_reader *r)
{
	struct egress_settings settings = {0};
	egress_settings_get(r, &settings);
	egress_settings_release(&settings);
}

static void read_start(struct ipc_reader *r)
{
	struct proxy_start start;
	if (proxy_start_get(r, &start) &&
		(start.egress_port == 0 || start.capability[HOP_CAPABILITY_TEXT_SIZE - 1]))
		abort();
}

static void read_keeper_start(struct ipc_reader *r)
{
	struct keeper_start start;
	if (keeper_start_get(r, &start) && (start.state.p[0] != '/' || start.audit_file.p[0] != '/'))
		abort();
}

static void read_line(struct ipc_reader *r)
{
	struct chain_line line;
	if (chain_parse((struct span){r->p, r->n}, &line) && (line.at.seq == 0 || line.members.n == 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(struct ipc_reader *) = {
		read_anything, read_settings, read_start, read_keeper_start, read_line};
	if (size == 0)
		return 0;
	struct ipc_reader r = {.p = (const char *)data + 1, .n = size - 1};
	readers[data[0] % (sizeof(readers) / sizeof(readers[0]))](&r);
	return 0;
}
