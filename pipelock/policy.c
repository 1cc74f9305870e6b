/*
 * Writes and reads the policy memfd: a count, then texts, each a length, its octets and a NUL, so that
 * strings can be used where they lie. Read only when sealed; then it can't change under the reader's eyes.
 */
#include "pipelock/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define ABSENT UINT32_MAX
#define MAX_RULE_FILES 100000

struct output {
	int fd;
	int error; /* the first errno; sticks */
};

static void write_octets(struct output *out, const void *octets, size_t n)
{
	const char *p = octets;
	while (n > 0 && !out->error) {
		ssize_t written = write(out->fd, p, n);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			out->error = written < 0 ? errno : ENOSPC;
			return;
		}
		p += written;
		n -= (size_t)written;
	}
}

static void write_number(struct output *out, uint32_t number)
{
	write_octets(out, &number, sizeof(number));
}

static void write_text(struct output *out, struct span text)
{
	if (text.n >= ABSENT) {
		out->error = EFBIG;
		return;
	}
	write_number(out, (uint32_t)text.n);
	write_octets(out, text.p, text.n);
	write_octets(out, "", 1);
}

static void write_string(struct output *out, const char *string)
{
	if (string)
		write_text(out, span_of(string));
	else
		write_number(out, ABSENT);
}

int policy_write(const struct policy *policy)
{
	struct output out = {.fd = memfd_create("pipelock-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
	if (out.fd < 0)
		return -errno;
	write_string(&out, policy->file);
	write_string(&out, policy->folder);
	write_text(&out, policy->config_text);
	write_string(&out, policy->overrides.listen);
	write_string(&out, policy->overrides.egress_host);
	write_string(&out, policy->overrides.egress_port);
	write_string(&out, policy->overrides.state_home);
	write_string(&out, policy->overrides.home);
	if (policy->rules.count > MAX_RULE_FILES)
		out.error = EFBIG;
	write_number(&out, (uint32_t)policy->rules.count);
	for (size_t i = 0; i < policy->rules.count; i++) {
		const struct file_text *rule = &policy->rules.items[i];
		write_string(&out, rule->name);
		write_text(&out, (struct span){rule->text, rule->size});
	}
	write_text(&out, policy->known);
	if (!out.error && fcntl(out.fd, F_ADD_SEALS, SEALS) != 0)
		out.error = errno;
	if (out.error) {
		close(out.fd);
		return -out.error;
	}
	return out.fd;
}

struct input {
	char *p;
	size_t n;
	bool failed; /* sticks */
};

static uint32_t read_number(struct input *in)
{
	uint32_t number = 0;
	if (in->failed || in->n < sizeof(number)) {
		in->failed = true;
		return 0;
	}
	memcpy(&number, in->p, sizeof(number));
	in->p += sizeof(number);
	in->n -= sizeof(number);
	return number;
}

/* A text that may be absent (NULL), with its NUL behind it. */
static char *read_text(struct input *in, size_t *size)
{
	uint32_t n = read_number(in);
	*size = 0;
	if (in->failed || n == ABSENT)
		return NULL;
	if (in->n < (size_t)n + 1 || in->p[n] != '\0') {
		in->failed = true;
		return NULL;
	}
	char *text = in->p;
	in->p += (size_t)n + 1;
	in->n -= (size_t)n + 1;
	*size = n;
	return text;
}

/* A string that may be absent; a NUL within it is malformed: a reader of strings would see less than was
 * checked. */
static char *read_string(struct input *in)
{
	size_t size;
	char *string = read_text(in, &size);
	if (string && strlen(string) != size)
		in->failed = true;
	return string;
}

static void read_rules(struct input *in, struct file_texts *rules)
{
	uint32_t count = read_number(in);
	if (in->failed || count == 0)
		return;
	/* Each needs two lengths and two NULs: a count that can't be true allocates nothing. */
	if (count > in->n / 10 || !(rules->items = calloc(count, sizeof(*rules->items)))) {
		in->failed = true;
		return;
	}
	rules->count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct file_text *rule = &rules->items[i];
		rule->name = read_string(in);
		rule->text = read_text(in, &rule->size);
		if (!rule->name || !rule->text)
			in->failed = true;
	}
}

static bool map_sealed(int fd, struct policy *out)
{
	struct stat status;
	if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &status) != 0 || status.st_size <= 0)
		return false;
	void *memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (memory == MAP_FAILED)
		return false;
	out->memory = memory;
	out->memory_size = (size_t)status.st_size;
	return true;
}

bool policy_read(int fd, struct policy *out)
{
	*out = (struct policy){0};
	if (!map_sealed(fd, out))
		return false;
	struct input in = {.p = out->memory, .n = out->memory_size};
	out->file = read_string(&in);
	out->folder = read_string(&in);
	out->config_text.p = read_text(&in, &out->config_text.n);
	out->overrides.listen = read_string(&in);
	out->overrides.egress_host = read_string(&in);
	out->overrides.egress_port = read_string(&in);
	out->overrides.state_home = read_string(&in);
	out->overrides.home = read_string(&in);
	read_rules(&in, &out->rules);
	out->known.p = read_text(&in, &out->known.n);
	if (in.failed || in.n != 0 || !out->config_text.p || !out->known.p) {
		policy_release(out);
		return false;
	}
	return true;
}

void policy_release(struct policy *policy)
{
	free(policy->rules.items);
	if (policy->memory)
		munmap(policy->memory, policy->memory_size);
	*policy = (struct policy){0};
}
