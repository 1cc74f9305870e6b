/*
 * The program's own words to its operator, on stderr: one line each, "pipelock[proxy]: text". Not the audit
 * log. Bytes from the network go through log_text() or are not printed at all; a secret never is. Never
 * blocks: lines that a stuck reader of stderr has no room for are dropped, counted, and told of later.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/span.h"

void log_set_name(const char *name); /* "pipelock[proxy]"; borrowed for ever */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define LOG_TEXT_SIZE 128
/* Foreign bytes as printable ASCII: others become \xNN, what is too long ends in "...". Terminated. Returns
 * out. */
const char *log_text(struct span bytes, char out[LOG_TEXT_SIZE]);

#endif
