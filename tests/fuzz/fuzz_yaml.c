/* The YAML reader against any bytes, and every typed reader against every value that comes out. */
#include "common/yaml.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(struct yaml_node *node)
{
	static const char *const names[] = {"block", "warn", "allow"};
	const char *string = NULL;
	bool flag;
	uint64_t number;
	unsigned choice;
	struct load_error errors[7] = {0};
	if (yaml_read_string(node, &string, &errors[0]) && strlen(string) != node->scalar.n)
		abort();
	yaml_read_bool(node, &flag, &errors[1]);
	yaml_read_integer(node, 0, UINT64_MAX, &number, &errors[2]);
	yaml_read_bytes(node, 0, UINT64_MAX, &number, &errors[3]);
	yaml_read_duration(node, 0, UINT64_MAX, &number, &errors[4]);
	yaml_read_choice(node, names, 3, &choice, &errors[5]);
	yaml_get(node, "block");
	yaml_reject_unknown(node, &errors[6]);
	for (size_t i = 0; i < node->count; i++)
		read_all(node->items[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct load_error error = {0};
	struct yaml *yaml = yaml_parse("f", (struct span){(const char *)data, size}, &error);
	if ((yaml != NULL) == error.set)
		abort();
	if (yaml)
		read_all(yaml_root(yaml));
	yaml_tree_free(yaml);
	return 0;
}
