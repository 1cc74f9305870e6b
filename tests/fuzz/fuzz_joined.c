/*
 * Any pieces put together: what is found lies in them, each place and rule is told once, and a secret of the
 * rules that is cut in two among them is found. The first octets choose the rules, the part, how it is done
 * and the cut; a zero ends a piece; the rest are pieces that rules care about.
 */
#include "tests/unit/scan_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                   \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

#define PIECES 512
#define SECRET "ghp_abcdefgh12"

static const char *const fields[] = {"X-A", "X-Api-Key", "Cookie"};

static struct scanner *choose_scanner(bool shipped)
{
	static struct scanner *scanners[2];
	if (scanners[shipped])
		return scanners[shipped];
	struct load_error error = {0};
	size_t count;
	const struct rule_source *sources = ruleset_builtin_sources(&count);
	struct ruleset *set =
		shipped ? ruleset_load(sources, count, NULL, 0, &error) : oracle_ruleset(oracle_rules);
	REQUIRE(set);
	scanners[shipped] = scanner_new(set, oracle_key);
	REQUIRE(scanners[shipped]);
	ruleset_put(set);
	return scanners[shipped];
}

static void check(struct scanner *scanner, enum scan_part part, unsigned how, const struct scan_piece *pieces,
	size_t count, struct findings *out)
{
	struct scan_target target = {.host = SPAN("api.anthropic.com")};
	enum scan_result result = scan_joined(scanner, part, &target, pieces, count, how, out);
	REQUIRE(result != SCAN_FOUND || out->count > 0);
	REQUIRE(result != SCAN_CLEAN || (out->count == 0 && !out->unscannable));
	for (size_t i = 0; i < out->count; i++) {
		const struct finding *item = &out->items[i];
		REQUIRE(item->count == 1 && item->length > 0 && item->offset >= pieces[0].begin);
		REQUIRE(item->offset + item->length <= pieces[count - 1].end);
		for (size_t k = 0; k < i; k++)
			REQUIRE(item->rule != out->items[k].rule ||
				(part == SCAN_URL && memcmp(item->fingerprint, out->items[k].fingerprint,
							     sizeof(item->fingerprint)) != 0));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char room[1u << 16];
	struct scan_piece pieces[PIECES];
	size_t count = 0, used = 0;
	struct findings found = {0};
	if (size < 3)
		return 0;
	unsigned first = data[0], how = data[1] & 3u, cut = 1 + data[2] % (sizeof(SECRET) - 2);
	struct scanner *scanner = choose_scanner(first & 1);
	enum scan_part part = first & 2 ? SCAN_HEADER : SCAN_URL;
	data += 3;
	size -= 3;
	while (size > 0 && count < PIECES - 3) {
		const uint8_t *end = memchr(data, 0, size);
		size_t n = end ? (size_t)(end - data) : size;
		size_t length = oracle_text(data, n, room + used, sizeof(room) - used);
		pieces[count] = (struct scan_piece){{room + used, length}, used + count,
			used + count + length, span_of(fields[count % 3])};
		used += length;
		count++;
		data += n + (end != NULL);
		size -= n + (end != NULL);
	}
	if (count == 0)
		return 0;
	check(scanner, part, how, pieces, count, &found);
	uint64_t at = pieces[count - 1].end;
	pieces[count++] = (struct scan_piece){SPAN("two words"), at, at + 9, SPAN("X-B")};
	pieces[count++] = (struct scan_piece){{SECRET, cut}, at + 9, at + 9 + cut, SPAN("X-B")};
	pieces[count++] = (struct scan_piece){{&(SECRET "abcdefgh")[cut], sizeof(SECRET) - 1 + 8 - cut},
		at + 9 + cut, at + 9 + 22, SPAN("X-B")};
	memset(&found, 0, sizeof(found));
	check(choose_scanner(false), part, how, pieces, count, &found);
	REQUIRE(found.blocked || found.unscannable);
	return 0;
}
