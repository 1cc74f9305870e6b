/*
 * A request body like those of a chat with a language model: JSON with a long conversation in it, prose, code
 * and numbers, and no secret. The same octets for the same size.
 */
#ifndef TESTS_BENCH_TEXT_H
#define TESTS_BENCH_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Seven of eight words are of the first kind: rules look for words of the other, which real talk holds now
 * and then. */
static const char *const bench_common[] = {"the", "function", "returns", "a", "list", "of", "open", "files",
	"and", "we", "should", "check", "that", "every", "line", "in", "this", "request", "was", "counted",
	"before", "it", "is", "sent", "to", "server", "because", "some", "value", "pairs", "may", "be",
	"missing", "for", "with", "on", "I", "can", "error", "code", "which", "not", "from", "after", "test",
	"are", "make", "then", "data", "when"};
static const char *const bench_rare[] = {"for (int i = 0; i < n; i++)", "x += 42;", "\\n\\n",
	"\\\"quoted\\\"", "2024-05-17", "v1.12.3", "0x7fff", "user@example.com",
	"https://example.com/path?q=1", "secret", "(see below)", "e.g.", "1,000,000", "{}", "\\u00e9t\\u00e9",
	"import os", "def main():", "authentication", "container", "timeout", "SELECT * FROM t", "api",
	"# note", "--verbose", "* item", "response", "header", "git commit -m", "3.14159",
	"node_modules/left-pad/index.js", "/usr/lib/python3", "token", "password", "key", "self.value = None",
	"return 0;", "8f14e45fceea167a5a36dedd4bea2543"};

#define BENCH_COUNT(words) (sizeof(words) / sizeof((words)[0]))

static inline const char *bench_word(uint64_t *state)
{
	uint64_t draw;

	*state = *state * 6364136223846793005u + 1442695040888963407u;
	draw = *state >> 33;
	return draw % 8 > 0 ? bench_common[draw / 8 % BENCH_COUNT(bench_common)]
			    : bench_rare[draw / 8 % BENCH_COUNT(bench_rare)];
}

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
		at = bench_append(out, at, room, bench_word(&state));
		at = bench_append(out, at, room, ++words % 400 == 0 ? turn : " ");
	}
	bench_append(out, at, size, end);
}

#endif
