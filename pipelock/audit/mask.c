/*
 * What is masked is every octet that a match covers, and more where the place of a match is not exact: too
 * much is a nuisance, one octet too little can give a secret away.
 */
#include "pipelock/audit/mask.h"

#include "pipelock/audit/event.h"

#define MAX_RANGES 128

struct range {
	size_t begin, end;
};

struct mask {
	struct range ranges[MAX_RANGES];
	size_t count;
};

/* Where the authority ends: scheme "://" authority. Without a scheme all of it may be authority. */
static size_t authority_end(struct span url)
{
	const char *scheme = url.n ? memmem(url.p, url.n, "://", 3) : NULL;
	size_t i = scheme ? (size_t)(scheme - url.p) + 3 : 0;
	while (i < url.n && url.p[i] != '/' && url.p[i] != '?' && url.p[i] != '#')
		i++;
	return i;
}

static bool add_range(struct mask *mask, size_t begin, size_t end)
{
	if (mask->count == MAX_RANGES)
		return false;
	mask->ranges[mask->count++] = (struct range){begin, end};
	return true;
}

static bool is_delimiter(char c)
{
	return c == '/' || c == '?' || c == '&' || c == '=' || c == ';' || c == '#';
}

/* A decoded view says roughly where it was: the whole segment or value goes. */
static struct range widen(struct span url, struct range range, size_t limit)
{
	while (range.begin > limit && !is_delimiter(url.p[range.begin - 1]))
		range.begin--;
	while (range.end < url.n && !is_delimiter(url.p[range.end]))
		range.end++;
	return range;
}

/* All places of the same octets: a finding that counts several has the extent of one. False: fewer than it
 * counts. */
static bool add_repeats(struct mask *mask, struct span url, struct range one, unsigned count)
{
	unsigned seen = 0;
	size_t n = one.end - one.begin;
	const char *at = url.p, *end = url.p + url.n;
	while ((at = memmem(at, (size_t)(end - at), url.p + one.begin, n))) {
		seen++;
		if (!add_range(mask, (size_t)(at - url.p), (size_t)(at - url.p) + n))
			return false;
		at += n;
	}
	return seen >= count;
}

/* False: its place, or that of its repetitions, can't be said. */
static bool add_finding(struct mask *mask, struct span url, size_t limit, const struct finding *finding)
{
	if (finding->length == 0 || finding->offset >= url.n)
		return false;
	uint64_t length =
		finding->length > url.n - finding->offset ? url.n - finding->offset : finding->length;
	struct range range = {(size_t)finding->offset, (size_t)(finding->offset + length)};
	bool known = add_repeats(mask, url, range, finding->count);
	if (finding->view != VIEW_RAW) {
		range = widen(url, range, range.begin < limit ? 0 : limit);
		known &= add_range(mask, range.begin, range.end);
	}
	return known;
}

static void find_ranges(struct mask *mask, struct span url, const struct findings *findings)
{
	size_t limit = authority_end(url);
	mask->count = 0;
	if (!findings)
		return;
	bool known =
		findings->dropped == 0 && !(findings->unscannable && findings->unscannable_part == SCAN_URL);
	for (size_t i = 0; i < findings->count && i < SCAN_MAX_FINDINGS; i++)
		if (findings->items[i].part == SCAN_URL)
			known &= add_finding(mask, url, limit, &findings->items[i]);
	/* More than can be told: nothing behind the authority is. The last range gives way, its octets lie
	 * behind it or in the authority, which is then masked too. */
	if (known)
		return;
	if (mask->count == MAX_RANGES)
		mask->ranges[MAX_RANGES - 1] = (struct range){0, url.n};
	else
		add_range(mask, limit, url.n);
}

static const struct range *covering(const struct mask *mask, size_t at)
{
	for (size_t i = 0; i < mask->count; i++)
		if (at >= mask->ranges[i].begin && at < mask->ranges[i].end)
			return &mask->ranges[i];
	return NULL;
}

size_t audit_url_mask(struct span url, const struct findings *findings, char out[AUDIT_URL_ROOM])
{
	struct mask mask;
	find_ranges(&mask, url, findings);
	size_t n = 0, at = 0;
	while (at < url.n && n < AUDIT_MAX_URL) {
		const struct range *range = covering(&mask, at);
		if (!range) {
			out[n++] = url.p[at++];
			continue;
		}
		/* Ranges that touch or overlap are one mask: their number says nothing. */
		for (; range; range = covering(&mask, at))
			at = range->end;
		memcpy(out + n, AUDIT_MASK, sizeof(AUDIT_MASK) - 1);
		n += sizeof(AUDIT_MASK) - 1;
	}
	return n;
}

bool audit_mask_covers_host(struct span url, const struct findings *findings)
{
	struct mask mask;
	size_t limit = authority_end(url);
	find_ranges(&mask, url, findings);
	for (size_t i = 0; i < mask.count; i++)
		if (mask.ranges[i].begin < limit || url.n == 0)
			return true;
	return false;
}
