/*
 * The message with egress's settings, and connect_to, against any bytes. What was taken and is put again must
 * be taken again, and be the same message.
 */
#include "common/egress_settings.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_connect_to(struct span text)
{
	struct connect_to rule;

	if (connect_to_parse(text, &rule) &&
		(strlen(rule.host) > HOST_MAX || strlen(rule.to_host) > HOST_MAX ||
			memchr(text.p, '\0', text.n)))
		abort();
}

static void check_again(const struct egress_settings *settings)
{
	struct egress_settings again;
	struct ipc_writer first, second;

	ipc_writer_init(&first, 1);
	ipc_writer_init(&second, 1);
	egress_settings_put(&first, settings);
	struct ipc_reader reader = {.p = first.p, .n = first.n};

	ipc_get_u8(&reader);
	if (first.failed || !egress_settings_get(&reader, &again))
		abort();
	egress_settings_put(&second, &again);
	if (first.n != second.n || memcmp(first.p, second.p, first.n) != 0)
		abort();
	egress_settings_release(&again);
	ipc_writer_release(&first);
	ipc_writer_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipc_reader reader = {.p = (const char *)data, .n = size};
	struct egress_settings settings;

	if (size > IPC_MAX_MESSAGE - 1)
		return 0;
	if (egress_settings_get(&reader, &settings))
		check_again(&settings);
	egress_settings_release(&settings);
	check_connect_to((struct span){(const char *)data, size});
	return 0;
}
