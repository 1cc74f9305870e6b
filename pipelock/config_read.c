/*
 * Reads policy files: configuration and rules. Whoever may write them decides what leaves, so a file that
 * others than its owner may write, or that belongs to somebody else than root and the user who runs this, is
 * refused. All is checked on the opened descriptor, not on the name. The supervisor and the command line use
 * it; the proxy opens no file.
 */
#include "pipelock/config.h"

#include "pipelock/scan/builtin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_RULE_FILES 10000

/* ---- who may write it */

static bool is_ours(const char *path, const struct stat *status, struct load_error *error)
{
	unsigned mode = status->st_mode & 07777;
	if (status->st_uid != 0 && status->st_uid != geteuid()) {
		load_error_set(error,
			"%s: belongs to user %u, who could change the policy; 'chown %u' mends it", path,
			(unsigned)status->st_uid, (unsigned)geteuid());
		return false;
	}
	if (mode & 022) {
		load_error_set(error,
			"%s: others than its owner may write it (mode %04o); 'chmod go-w' mends it", path,
			mode);
		return false;
	}
	return true;
}

/* A descriptor of the wanted kind (S_IFREG, S_IFDIR) that others may not write; -1 with *error set. */
static int open_policy(const char *path, mode_t kind, struct stat *status, struct load_error *error)
{
	/* Non-blocking: a FIFO would wait for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, status) != 0) {
		load_error_set(error, "%s: %s", path, strerror(errno));
	} else if ((status->st_mode & S_IFMT) != kind) {
		load_error_set(error, "%s: not a %s", path, kind == S_IFDIR ? "folder" : "plain file");
	} else if (is_ours(path, status, error)) {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* ---- one file */

/* Up to room octets. Their count; -1 with errno. */
static ssize_t read_whole(int fd, char *out, size_t room)
{
	size_t used = 0;
	while (used < room) {
		ssize_t n = read(fd, out + used, room - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

static bool read_open_file(int fd, const char *path, size_t max, const struct stat *status,
	struct file_text *out, struct load_error *error)
{
	if (status->st_size < 0 || (uint64_t)status->st_size > max) {
		load_error_set(error, "%s: larger than %zu octets", path, max);
		return false;
	}
	/* Two more than it has: for the NUL, and to see that it grew meanwhile. */
	size_t room = (size_t)status->st_size + 2;
	out->name = strdup(path);
	out->text = malloc(room);
	ssize_t n = out->name && out->text ? read_whole(fd, out->text, room - 1) : -1;
	if (n < 0 || n != status->st_size) {
		load_error_set(error, "%s: %s", path, n < 0 ? strerror(errno) : "changed while it was read");
		if (out->text)
			explicit_bzero(out->text, room);
		free(out->name);
		free(out->text);
		*out = (struct file_text){0};
		return false;
	}
	out->text[n] = 0;
	out->size = (size_t)n;
	return true;
}

bool config_read_file(const char *path, size_t max, struct file_text *out, struct load_error *error)
{
	struct stat status;
	*out = (struct file_text){0};
	int fd = open_policy(path, S_IFREG, &status, error);
	if (fd < 0)
		return false;
	bool ok = read_open_file(fd, path, max, &status, out, error);
	close(fd);
	return ok;
}

static bool is_private(const char *path, const struct stat *status, struct load_error *error)
{
	/* A group may read it: that is how a service that is not root gets at a secret of root's. */
	if (!(status->st_mode & 07))
		return true;
	load_error_set(error, "%s: a secret, and everybody may read it (mode %04o); 'chmod o-rwx' mends it",
		path, (unsigned)status->st_mode & 07777);
	return false;
}

bool config_read_secret(const char *path, size_t max, struct file_text *out, struct load_error *error)
{
	struct stat status;
	*out = (struct file_text){0};
	int fd = open_policy(path, S_IFREG, &status, error);
	if (fd < 0)
		return false;
	bool ok = is_private(path, &status, error) && read_open_file(fd, path, max, &status, out, error);
	close(fd);
	return ok;
}

/* ---- rules */

/* Takes what *text owns. */
static bool append(struct file_texts *texts, struct file_text *text, struct load_error *error)
{
	struct file_text *grown = NULL;
	if (texts->count < MAX_RULE_FILES)
		grown = realloc(texts->items, (texts->count + 1) * sizeof(*grown));
	if (!grown) {
		load_error_set(
			error, texts->count < MAX_RULE_FILES ? "out of memory" : "too many rule files");
		free(text->name);
		free(text->text);
		return false;
	}
	texts->items = grown;
	texts->items[texts->count++] = *text;
	return true;
}

static bool append_file(struct file_texts *texts, const char *path, struct load_error *error)
{
	struct file_text text;
	return config_read_file(path, CONFIG_MAX_RULE_BYTES, &text, error) && append(texts, &text, error);
}

static bool append_builtin(struct file_texts *texts, struct load_error *error)
{
	for (size_t i = 0; i < builtin_rule_file_count; i++) {
		const struct builtin_rule_file *file = &builtin_rule_files[i];
		size_t size = (size_t)(file->end - file->begin);
		struct file_text text = {
			.name = strdup(file->name), .text = strndup(file->begin, size), .size = size};
		if (!text.name || !text.text) {
			load_error_set(error, "out of memory");
			free(text.name);
			free(text.text);
			return false;
		}
		if (!append(texts, &text, error))
			return false;
	}
	return true;
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);
	return n > m && strcmp(name + n - m, suffix) == 0;
}

static int is_rule_name(const struct dirent *entry)
{
	return entry->d_name[0] != '.' &&
	       (ends_with(entry->d_name, ".yaml") || ends_with(entry->d_name, ".yml"));
}

/* By octets, so that the order is the same in every locale. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool append_entry(
	struct file_texts *texts, const char *folder, const char *name, struct load_error *error)
{
	char *path = NULL;
	if (ends_with(name, ".yml")) {
		load_error_set(error,
			"%s/%s: a rule file's name ends in .yaml; this one would be passed over", folder,
			name);
		return false;
	}
	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		load_error_set(error, "out of memory");
		return false;
	}
	bool ok = append_file(texts, path, error);
	free(path);
	return ok;
}

static bool append_folder(struct file_texts *texts, const char *folder, struct load_error *error)
{
	struct stat status;
	struct dirent **names = NULL;
	/* Who may write to the folder can take rules away. */
	int fd = open_policy(folder, S_IFDIR, &status, error);
	if (fd < 0)
		return false;
	int count = scandirat(fd, ".", &names, is_rule_name, compare_names);
	close(fd);
	if (count <= 0)
		load_error_set(error, "%s: %s", folder,
			count < 0 ? strerror(errno) : "no rule file (*.yaml) in this folder");
	for (int i = 0; i < count; i++) {
		if (!error->set)
			append_entry(texts, folder, names[i]->d_name, error);
		free(names[i]);
	}
	free(names);
	return !error->set;
}

bool config_read_rules(const struct config *config, struct file_texts *out, struct load_error *error)
{
	*out = (struct file_texts){0};
	for (size_t i = 0; i < config->rule_path_count; i++) {
		const char *path = config->rule_paths[i];
		struct stat status;
		bool ok;
		if (strcmp(path, "builtin") == 0)
			ok = append_builtin(out, error);
		else if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
			ok = append_folder(out, path, error);
		else
			ok = append_file(out, path, error);
		if (!ok)
			return false;
	}
	return true;
}

void file_texts_release(struct file_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++) {
		free(texts->items[i].name);
		free(texts->items[i].text);
	}
	free(texts->items);
	*texts = (struct file_texts){0};
}
