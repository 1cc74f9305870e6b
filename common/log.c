/*
 * Lines to the operator. A line is made in memory and written with one write(2), so that lines of several
 * roles and threads do not mix; nothing in it can begin a second line or move the cursor. An event loop calls
 * this: it must not block.
 */
#include "common/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* Below PIPE_BUF: a pipe that poll(2) calls writable takes the whole line at once. */
#define LINE_SIZE 2048

static const char *program_name = "pipelock";
static atomic_uint dropped_lines;

void log_set_name(const char *name)
{
	program_name = name;
}

static bool write_line(char *line, size_t room, int wanted)
{
	size_t n = wanted < 0 ? 0 : (size_t)wanted < room - 1 ? (size_t)wanted : room - 2;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[n++] = '\n';
	struct pollfd stderr_state = {.fd = STDERR_FILENO, .events = POLLOUT};
	return poll(&stderr_state, 1, 0) == 1 && (stderr_state.revents & POLLOUT) &&
	       write(STDERR_FILENO, line, n) == (ssize_t)n;
}

static void report_dropped(void)
{
	char line[LINE_SIZE];
	unsigned count = atomic_exchange(&dropped_lines, 0);
	if (count == 0)
		return;
	int n = snprintf(
		line, sizeof(line), "%s: warning: %u lines could not be written here", program_name, count);
	if (!write_line(line, sizeof(line), n))
		atomic_fetch_add(&dropped_lines, count);
}

static void write_log(const char *level, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static void write_log(const char *level, const char *format, va_list args)
{
	char line[LINE_SIZE];
	report_dropped();
	int n = snprintf(line, sizeof(line), "%s: %s", program_name, level);
	if (n < 0 || (size_t)n >= sizeof(line))
		return;
	int more = vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	if (!write_line(line, sizeof(line), more < 0 ? n : n + more))
		atomic_fetch_add(&dropped_lines, 1);
}

void log_info(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	write_log("", format, args);
	va_end(args);
}

void log_warn(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	write_log("warning: ", format, args);
	va_end(args);
}

void log_error(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	write_log("error: ", format, args);
	va_end(args);
}

const char *log_text(struct span bytes, char out[LOG_TEXT_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	size_t used = 0;
	for (size_t i = 0; i < bytes.n; i++) {
		unsigned char c = (unsigned char)bytes.p[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '\\';
		if (used + (plain ? 1 : 4) + sizeof("...") > LOG_TEXT_SIZE) {
			memcpy(out + used, "...", 3);
			used += 3;
			break;
		}
		if (plain) {
			out[used++] = (char)c;
		} else {
			const char escape[] = {'\\', 'x', hex[c >> 4], hex[c & 15]};
			memcpy(out + used, escape, sizeof(escape));
			used += sizeof(escape);
		}
	}
	out[used] = 0;
	return out;
}
