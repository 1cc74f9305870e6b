/*
 * Throughput of the scan engine with the shipped rules against the plain loop (PCRE2 JIT, each rule over the
 * whole text) in one process, on texts made in memory from a fixed seed; then the floods that make rules
 * slow, 1 MB each, and what a short header costs. CPU time of the thread, best of three. With an argument:
 * only that corpus, once, for callgrind.
 */
#include "tests/unit/scan_oracle.h"

#include <time.h>

#define SIZE (4u << 20)
#define FLOOD_SIZE (1u << 20)

static char *text;
static uint64_t random_state = 88172645463325252ull;

static uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static const char *const words[] = {"the", "function", "return", "value", "request", "of", "is", "a", "to",
	"message", "user", "content", "and", "error", "if", "int", "const", "struct", "we", "can", "data",
	"response", "model", "in", "that", "for", "file", "import", "self", "def", "class", "version", "key",
	"name", "type", "string", "number", "test", "path", "index", "2024", "0x1f", "12", "args", "not",
	"with", "should", "be", "this", "it", "on", "as", "git", "commit"};
/* What rules look at, about as often as in requests to a model. */
static const char *const rare[] = {
	"key", "max_tokens", "token", "secret", "password", "api", "https://docs.internal/a"};
#define ORDINARY (sizeof(words) / sizeof(words[0]))
#define RARE (sizeof(rare) / sizeof(rare[0]))

static size_t put(size_t at, const char *s)
{
	for (; *s && at < SIZE; s++)
		text[at++] = *s;
	return at;
}

static void make_prose(bool json)
{
	static const char *const joints[] = {
		" ", " ", " ", " ", " ", ", ", ". ", "(", ") ", " = ", "_", "->", "\n\t", "\n", "; "};
	for (size_t at = 0; at < SIZE;) {
		if (json && next_random() % 40 == 0)
			at = put(at, "\"},{\"role\":\"user\",\"content\":\"");
		at = put(at,
			next_random() % 40 ? words[next_random() % ORDINARY] : rare[next_random() % RARE]);
		const char *joint = joints[next_random() % (sizeof(joints) / sizeof(joints[0]))];
		at = put(at, json && *joint == '\n' ? "\\n" : joint);
	}
}

static void make_base64(void)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t at = 0; at < SIZE; at++)
		text[at] = alphabet[next_random() % 64];
}

static void make_random(void)
{
	for (size_t at = 0; at < SIZE; at++)
		text[at] = (char)next_random();
}

/* One pass of the engine over the text as bodies of 1 MB, fed in pieces of 16 KiB as a proxy gets them. */
static double engine_seconds(struct scanner *scanner, size_t size, struct findings *out)
{
	double begin = cpu_seconds();
	for (size_t at = 0; at < size; at += FLOOD_SIZE) {
		struct scan_stream *stream =
			scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, (struct span){NULL, 0}, out);
		for (size_t i = 0; i < FLOOD_SIZE; i += 16384)
			scan_stream_feed(
				stream, (struct span){text + at + i, 16384}, i + 16384 == FLOOD_SIZE, out);
		scan_stream_free(stream);
	}
	return cpu_seconds() - begin;
}

static double plain_seconds(const struct ruleset *set, size_t size, struct findings *out)
{
	double begin = cpu_seconds();
	oracle_scan(set, SCAN_BODY, (struct span){text, size}, out);
	return cpu_seconds() - begin;
}

static void measure(struct scanner *scanner, const char *name)
{
	double engine = 1e9;
	struct findings found = {0}, plain_found = {0};
	for (int i = 0; i < 3; i++) {
		double seconds = engine_seconds(scanner, SIZE, &found);
		engine = seconds < engine ? seconds : engine;
	}
	double plain = plain_seconds(scanner_rules(scanner), FLOOD_SIZE, &plain_found) * (SIZE / FLOOD_SIZE);
	printf("%-8s engine %7.0f MB/s   PCRE2 each %6.1f MB/s   ratio %6.1f   findings %zu%s%s\n", name,
		SIZE / engine / 1e6, SIZE / plain / 1e6, plain / engine, found.count,
		found.unscannable ? " unscannable: " : "", found.unscannable ? found.unscannable : "");
}

/* A flood: `piece` again and again, then `end`. */
static void flood(struct scanner *scanner, const char *piece, const char *end)
{
	size_t n = strlen(piece);
	for (size_t i = 0; i < FLOOD_SIZE; i++)
		text[i] = piece[i % n];
	memcpy(text + FLOOD_SIZE - strlen(end), end, strlen(end));
	struct findings found = {0}, whole = {0};
	double pieces = engine_seconds(scanner, FLOOD_SIZE, &found), begin = cpu_seconds();
	scan_text(scanner, SCAN_BODY, NULL, (struct span){text, FLOOD_SIZE}, &whole);
	printf("  %-28.28s %7.1f ms in pieces %7.1f ms whole   %s\n", *piece == '\n' ? "newlines" : piece,
		pieces * 1e3, (cpu_seconds() - begin) * 1e3,
		found.unscannable ? "unscannable" : (found.count ? "found" : "clean"));
}

static void measure_floods(struct scanner *scanner)
{
	static const char *const pieces[] = {"ey", "eyJ", "eyJhbGciOi", "eyJhbGciOiJIUzI1NiJ9.", "M", "MTI",
		"\n", "1", "0x", "0x00", "1234-", "1 ", "4111 1111 ", "sk-proj-", "sk-", "sk_live_", "AKIA",
		"ghp_", "xoxb-1234-", "?password ", "password=", "api_key=", "secret: ", "token\": \"",
		"-----BEGIN ", "-----BEGIN RSA PRIVATE KEY-----\n", "a", "aA1", "SK0f", "https://",
		"postgres://a:", "://a:b", "Bearer ", "curl -u ", "Authorization: ", "AIza", "AC0f", "glpat-",
		"\" : \"", "DE12", "@", "key-", "5", "(a", "1111111111111111 12/28,",
		"aws_secret_access_key ", "AccountKey="};
	puts("floods of 1 MB, CPU time:");
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		flood(scanner, pieces[i], "");
		flood(scanner, pieces[i], ".=@;\n");
	}
}

static void measure_header(struct scanner *scanner)
{
	struct span line = SPAN("Accept: application/json, text/plain;q=1");
	struct findings found = {0};
	double begin = cpu_seconds();
	for (int i = 0; i < 200000; i++)
		scan_text(scanner, SCAN_HEADER, NULL, line, &found);
	printf("a header of %zu octets: %.0f ns\n", line.n, (cpu_seconds() - begin) / 200000 * 1e9);
}

int main(int argc, char **argv)
{
	size_t count;
	struct load_error error = {0};
	const struct rule_source *sources = ruleset_builtin_sources(&count);
	double begin = cpu_seconds();
	struct ruleset *set = ruleset_load(sources, count, NULL, 0, &error);
	if (!set) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	printf("%zu rules, loaded in %.0f ms, %zu without anchors\n", ruleset_count(set),
		(cpu_seconds() - begin) * 1e3, set->engines[SCAN_BODY]->always_count);
	struct scanner *scanner = scanner_new(set, oracle_key);
	text = malloc(SIZE);
	static const char *const names[] = {"json", "text", "base64", "random"};
	for (int i = 0; scanner && text && i < 4; i++) {
		if (argc > 1 && strcmp(argv[1], names[i]) != 0)
			continue;
		if (i < 2)
			make_prose(i == 0);
		else if (i == 2)
			make_base64();
		else
			make_random();
		struct findings found = {0};
		if (argc > 1)
			engine_seconds(scanner, argc > 2 ? (size_t)atoi(argv[2]) << 20 : SIZE, &found);
		else
			measure(scanner, names[i]);
	}
	if (scanner && text && argc == 1) {
		measure_header(scanner);
		measure_floods(scanner);
	}
	scanner_free(scanner);
	ruleset_put(set);
	free(text);
	return 0;
}
