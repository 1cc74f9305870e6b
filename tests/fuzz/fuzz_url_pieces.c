/*
 * The pieces of any URL: they lie in it, in order, without what parts them; names and values are the pairs;
 * and a room that is too small is kept to.
 */
#include "pipelock/scan/url_pieces.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                   \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

static const char *const separators[URL_LISTS] = {[URL_LABELS] = "./?:",
	[URL_SEGMENTS] = "/?",
	[URL_VALUES] = "&",
	[URL_NAMES] = "&=",
	[URL_PAIRS] = "&"};

static size_t check_list(struct span url, enum url_list list)
{
	size_t count = url_pieces(url, list, NULL, 0);
	struct scan_piece *pieces = malloc((count + 1) * sizeof(*pieces));
	uint64_t at = 0;
	REQUIRE(pieces && url_pieces(url, list, pieces, count) == count);
	for (size_t i = 0; i < count; i++) {
		REQUIRE(pieces[i].text.n > 0 && pieces[i].begin >= at && pieces[i].end <= url.n);
		REQUIRE(pieces[i].text.p == url.p + pieces[i].begin);
		REQUIRE(pieces[i].text.n == pieces[i].end - pieces[i].begin);
		for (const char *c = separators[list]; *c; c++)
			REQUIRE(!memchr(pieces[i].text.p, *c, pieces[i].text.n));
		at = pieces[i].end;
	}
	free(pieces);
	pieces = malloc((count / 2 + 1) * sizeof(*pieces));
	REQUIRE(pieces && url_pieces(url, list, pieces, count / 2) == count);
	free(pieces);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span url = {(const char *)data, size};
	size_t counts[URL_LISTS];
	for (enum url_list list = 0; list < URL_LISTS; list++)
		counts[list] = check_list(url, list);
	REQUIRE(counts[URL_PAIRS] == counts[URL_NAMES] + counts[URL_VALUES]);
	return 0;
}
