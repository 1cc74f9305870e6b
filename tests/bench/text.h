/*
 * A request body like those of a chat with a language model: JSON with a long conversation in it, prose, code
 * and numbers, and no secret. The same octets for the same size.
 */
#ifndef TESTS_BENCH_TEXT_H
#define TESTS_BENCH_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const char *const bench_words[] = {"the", "function", "returns", "a", "list", "of", "open", "files",
	"and", "we", "should", "check", "that", "every", "token", "in", "this", "request", "was", "counted",
	"before", "it", "is", "sent", "to", "server", "because", "key", "value", "pairs", "may", "be",
	"missing", "password", "field", "for (int i = 0; i < n; i++)", "x += 42;", "\\n\\n", "\\\"quoted\\\"",
	"2024-05-17", "v1.12.3", "0x7fff", "user@example.com", "https://example.com/path?q=1", "secret",
	"(see below)", "e.g.", "1,000,000", "{}", "\\u00e9t\\u00e9", "import os",
	"def main():", "authentication", "container", "timeout", "SELECT * FROM t", "api", "#", "--", "*",
	"response", "header", "git commit -m", "3.14159", "node_modules/left-pad/index.js",
	"/usr/lib/python3"};

static inline size_t bench_append(char *out, size_t at, size_t size, const char *text)
{
	size_t n = strlen(text);

	if (n > size - at)
		n = size - at;
	memcpy(out + at, text, n);
	return at + n;
}

static inline void bench_text(char *out, size_t size)
{
	static const char begin[] =
		"{\"model\":\"bench-1\",\"max_tokens\":1024,\"messages\":[{\"role\":\"user\",\"content\":\"",
			  turn[] = "\"},{\"role\":\"assistant\",\"content\":\"", end[] = "\"}]}";
	uint64_t state = 42;
	size_t at = 0, words = 0, room = size > sizeof(end) ? size - (sizeof(end) - 1) : size;

	at = bench_append(out, at, room, begin);
	while (at < room) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		at = bench_append(out, at, room,
			bench_words[(state >> 33) % (sizeof(bench_words) / sizeof(bench_words[0]))]);
		at = bench_append(out, at, room, ++words % 400 == 0 ? turn : " ");
	}
	bench_append(out, at, size, end);
}

#endif
