/*
 * A table says what an octet is; a stretch that is open is handed through in the pieces that it came in.
 */
#include "pipelock/scan/strings.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum octet_kind { OTHER = 0, TEXT, TAIL, LEAD_2, LEAD_3, LEAD_4 };

static enum octet_kind kind_of(unsigned char c)
{
	if (c < 0x80)
		return TEXT;
	if (c < 0xc2)
		return c < 0xc0 ? TAIL : OTHER;
	return c < 0xe0 ? LEAD_2 : c < 0xf0 ? LEAD_3 : c < 0xf5 ? LEAD_4 : OTHER;
}

/* How many of the octets are ASCII, eight at a time. */
static size_t skip_ascii(const char *p, size_t n)
{
	size_t i = 0;
	for (uint64_t word; n - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		if (word & UINT64_C(0x8080808080808080))
			break;
	}
	return i;
}

/* Does the octet go on with the stretch? */
static bool goes_on(struct strings *v, unsigned char c)
{
	enum octet_kind kind = kind_of(c);
	if (v->more > 0) {
		v->more--;
		return kind == TAIL;
	}
	if (kind >= LEAD_2)
		v->more = (uint8_t)(kind - LEAD_2 + 1);
	return kind == TEXT || kind >= LEAD_2;
}

#if defined(__SSE2__)
#define BLOCK 16u

/* A bit for each octet of a block that can't go on with the one before it: what is in no text, a tail behind
 * ASCII, and what is no tail behind a lead. Every one of them breaks a stretch, though not all that breaks
 * one is among them. */
static unsigned breaks(const char *p)
{
	__m128i now = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i before = _mm_loadu_si128((const __m128i *)(const void *)(p - 1));
	const __m128i lead = _mm_set1_epi8((char)0xc0), too_long = _mm_set1_epi8((char)0xf5);
	__m128i other = _mm_or_si128(_mm_cmpeq_epi8(_mm_and_si128(now, _mm_set1_epi8((char)0xfe)), lead),
		_mm_cmpeq_epi8(_mm_max_epu8(now, too_long), now));
	unsigned tail = (unsigned)_mm_movemask_epi8(_mm_cmplt_epi8(now, lead));
	unsigned behind_ascii = ~(unsigned)_mm_movemask_epi8(before);
	unsigned behind_lead =
		(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(before, lead), before));
	return ((unsigned)_mm_movemask_epi8(other) | (tail & behind_ascii) | (~tail & behind_lead)) & 0xffff;
}

/* Where STRINGS_SHORTEST - 1 ones in a row begin. */
static unsigned series(unsigned ones)
{
	_Static_assert(STRINGS_SHORTEST == 12, "eleven ones are looked for");
	ones &= ones >> 1;
	ones &= ones >> 2;
	ones &= ones >> 4;
	return ones & ones >> 3;
}

/* How many octets can't be of a stretch that is long enough, if none is open: up to a break with enough
 * octets behind it, or with none up to the end. */
static size_t skip_short(const char *p, size_t n)
{
	size_t begin = 0; /* of what may be a stretch */
	for (size_t at = 1; n > BLOCK && at < n; at += BLOCK) {
		/* The last block overlaps the one before; past the end it has no breaks. */
		size_t over = n - at < BLOCK ? BLOCK - (n - at) : 0;
		unsigned mask = breaks(p + at - over) >> over;
		size_t lead = mask ? (unsigned)__builtin_ctz(mask) : BLOCK - over;
		if (at + lead - begin >= STRINGS_SHORTEST)
			return begin;
		unsigned found = series(~mask & 0xffff);
		if (found && mask)
			return at + (unsigned)__builtin_ctz(found) - 1;
		if (mask)
			begin = at + 31 - (unsigned)__builtin_clz(mask);
	}
	return begin;
}
#else
static size_t skip_short(const char *p, size_t n)
{
	(void)p, (void)n;
	return 0;
}
#endif

void strings_init(struct strings *v)
{
	memset(v, 0, sizeof(*v));
}

static void end_stretch(struct strings *v, view_emit *emit, void *arg)
{
	if (v->open)
		emit(arg, SPAN(VIEW_BREAK));
	v->open = false;
	v->n = 0;
	v->more = 0;
}

/* The octet goes into the head; once that is long enough it comes out. */
static void gather(struct strings *v, char c, view_emit *emit, void *arg)
{
	v->head[v->n++] = c;
	if (v->n < STRINGS_SHORTEST || (v->more > 0 && v->n < sizeof(v->head)))
		return;
	emit(arg, (struct span){v->head, v->n});
	v->n = 0;
	v->open = true;
}

/* What broke a stretch may begin the next one. */
static void begin_stretch(struct strings *v, char c, view_emit *emit, void *arg)
{
	if (goes_on(v, (unsigned char)c))
		gather(v, c, emit, arg);
}

void strings_feed(struct strings *v, struct span in, bool last, view_emit *emit, void *arg)
{
	size_t begin = 0; /* of what goes on in this piece and is to come out */
	size_t i = v->open || v->n > 0 ? 0 : skip_short(in.p, in.n);
	v->differs |= i > 0;
	for (; i < in.n; i++) {
		bool was_open = v->open;
		if (was_open && v->more == 0) {
			i += skip_ascii(in.p + i, in.n - i);
			if (i == in.n)
				break;
		}
		if (goes_on(v, (unsigned char)in.p[i])) {
			if (!was_open) {
				gather(v, in.p[i], emit, arg);
				begin = i + 1;
			}
			continue;
		}
		if (was_open && i > begin)
			emit(arg, (struct span){in.p + begin, i - begin});
		v->differs = true;
		end_stretch(v, emit, arg);
		i += skip_short(in.p + i, in.n - i);
		begin_stretch(v, in.p[i], emit, arg);
		begin = i + 1;
	}
	if (v->open && in.n > begin)
		emit(arg, (struct span){in.p + begin, in.n - begin});
	if (!last)
		return;
	v->differs |= v->n > 0;
	end_stretch(v, emit, arg);
}

size_t strings_lag(const struct strings *v)
{
	return v->n;
}
