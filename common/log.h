/*
 * The program's own words to its operator, on stderr: one line each, "pipelock[proxy]: text". Not the audit log.
 * Bytes from the network go through log_text() or are not printed at all; a secret never is.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

void log_set_name(const char *name); /* "pipelock[proxy]"; borrowed for ever */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
