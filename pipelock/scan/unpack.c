/*
 * A search for four octets, and a decoder behind what it finds. Decoders are tried one at a time: data that
 * begins inside of other packed data is found in what that unpacks to.
 */
#include "pipelock/scan/unpack.h"

#include <stdlib.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Memory to be had and cleared, and given back. */
#define WORK_DEFLATE 1500u
#define WORK_ZSTD 6000u

static const unsigned char zip_signature[4] = {'P', 'K', 3, 4};
static const unsigned char zstd_signature[4] = {0x28, 0xb5, 0x2f, 0xfd};

void unpack_init(struct unpack *v)
{
	v->decoder = NULL;
	v->out = NULL;
	v->skip = v->work = 0;
	v->head_n = v->again_n = 0;
	v->zip = false;
	v->line_begins = true;
}

void unpack_release(struct unpack *v)
{
	decoder_free(v->decoder);
	v->decoder = NULL;
	free(v->out);
	v->out = NULL;
}

static bool begin_decoder(struct unpack *v, enum coding coding)
{
	v->work += coding == CODING_ZSTD ? WORK_ZSTD : WORK_DEFLATE;
	v->line_begins = false;
	v->decoder = decoder_new(&coding, 1);
	v->out = malloc(UNPACK_OUT);
	if (v->decoder && v->out)
		return true;
	unpack_release(v);
	return false;
}

static void remember(struct unpack *v, const void *octets, size_t n)
{
	const unsigned char *p = octets;
	if (n > UNPACK_AGAIN) {
		p += n - UNPACK_AGAIN;
		n = UNPACK_AGAIN;
	}
	size_t keep = v->again_n < UNPACK_AGAIN - n ? v->again_n : UNPACK_AGAIN - n;
	memmove(v->again, v->again + v->again_n - keep, keep);
	if (n > 0)
		memcpy(v->again + keep, p, n);
	v->again_n = keep + n;
}

static bool unpack_some(struct unpack *v, struct span in, view_emit *emit, void *arg);

static bool search_again(struct unpack *v, view_emit *emit, void *arg)
{
	char again[UNPACK_AGAIN];
	struct span octets = {again, v->again_n};
	memcpy(again, v->again, v->again_n);
	v->again_n = 0;
	bool ok = unpack_some(v, octets, emit, arg);
	explicit_bzero(again, sizeof(again));
	return ok;
}

/* Decode what comes, all of it or up to a fault. */
static enum decode_result decode(struct unpack *v, struct span *in, bool last, view_emit *emit, void *arg)
{
	enum decode_result result;
	do {
		size_t produced = 0, before = in->n;
		result = decoder_run(v->decoder, in, last, v->out, UNPACK_OUT, &produced);
		emit(arg, (struct span){v->out, produced});
		explicit_bzero(v->out, produced);
		if (result == DECODE_MORE_ROOM && produced == 0 && in->n == before)
			result = DECODE_BAD;
	} while (result == DECODE_MORE_ROOM);
	return result;
}

/* An end or a fault gives up; what follows is searched again, as is what came right before the fault. */
static bool run_decoder(struct unpack *v, struct span *in, bool last, view_emit *emit, void *arg)
{
	const char *begin = in->p;
	enum decode_result result = decode(v, in, last, emit, arg);
	if (in->p != begin)
		remember(v, begin, (size_t)(in->p - begin));
	if (result == DECODE_OVER_BUDGET)
		return false;
	if (result == DECODE_MORE_INPUT)
		return true;
	unpack_release(v);
	emit(arg, SPAN(VIEW_BREAK));
	return result == DECODE_END || search_again(v, emit, arg);
}

/* ---- signatures */

enum packing { PACKED_NOT, PACKED_MAYBE, PACKED_GZIP, PACKED_ZLIB, PACKED_ZSTD, PACKED_ZIP };

static bool begins(const unsigned char *head, size_t n, const unsigned char *signature, size_t size)
{
	return memcmp(head, signature, n < size ? n : size) == 0;
}

/* RFC 1950 2.2: deflate, a window of at most 32 KiB, and a check of both octets. */
static bool may_be_zlib(unsigned char first)
{
	return (first & 0x0f) == 8 && first >> 4 <= 7;
}

static bool is_zlib(const unsigned char *head)
{
	return may_be_zlib(head[0]) && ((unsigned)head[0] << 8 | head[1]) % 31 == 0 && !(head[1] & 0x20);
}

static enum packing packing_of(const struct unpack *v, const unsigned char *head, size_t n)
{
	static const unsigned char gzip_signature[3] = {0x1f, 0x8b, 8};
	if (v->head_begins_line && n == 2 && is_zlib(head))
		return PACKED_ZLIB;
	if (begins(head, n, gzip_signature, 3))
		return n >= 3 ? PACKED_GZIP : PACKED_MAYBE;
	if (begins(head, n, zstd_signature, 4))
		return n >= 4 ? PACKED_ZSTD : PACKED_MAYBE;
	if (begins(head, n, zip_signature, 4))
		return n >= 4 ? PACKED_ZIP : PACKED_MAYBE;
	return v->head_begins_line && n == 1 && may_be_zlib(head[0]) ? PACKED_MAYBE : PACKED_NOT;
}

static unsigned read_16(const unsigned char *p)
{
	return (unsigned)p[0] | (unsigned)p[1] << 8;
}

/* PKWARE's APPNOTE 4.3.7: a deflated entry begins behind its name and extra field. */
static bool end_zip_head(struct unpack *v, view_emit *emit, void *arg)
{
	bool encrypted = v->head[6] & 1;
	bool deflated = read_16(v->head + 8) == 8;
	v->head_n = 0;
	v->zip = false;
	v->again_n = 0;
	remember(v, v->head + 1, UNPACK_ZIP_HEAD - 1);
	if (encrypted || !deflated)
		return search_again(v, emit, arg);
	v->skip = read_16(v->head + 26) + read_16(v->head + 28);
	return begin_decoder(v, CODING_DEFLATE);
}

/* The octets of a signature were gathered; a decoder that begins with it gets them. None fails so early. */
static bool begin_with_head(struct unpack *v, enum coding coding, view_emit *emit, void *arg)
{
	struct span head = {(const char *)v->head, v->head_n};
	v->again_n = 0;
	remember(v, v->head + 1, v->head_n - 1);
	v->head_n = 0;
	return begin_decoder(v, coding) && decode(v, &head, false, emit, arg) != DECODE_OVER_BUDGET;
}

/* What stood in the head and is no signature may have one in it. */
static void shorten_head(struct unpack *v)
{
	while (v->head_n > 0) {
		v->head_begins_line = v->head[0] == '\n';
		memmove(v->head, v->head + 1, --v->head_n);
		if (v->head_n > 0 && packing_of(v, v->head, v->head_n) != PACKED_NOT)
			return;
	}
}

static bool take_octet(struct unpack *v, unsigned char c, view_emit *emit, void *arg)
{
	if (v->head_n == 0)
		v->head_begins_line = v->line_begins;
	v->line_begins = c == '\n';
	v->head[v->head_n++] = c;
	if (v->zip)
		return v->head_n < UNPACK_ZIP_HEAD || end_zip_head(v, emit, arg);
	switch (packing_of(v, v->head, v->head_n)) {
	case PACKED_MAYBE:
		return true;
	case PACKED_NOT:
		shorten_head(v);
		return true;
	case PACKED_GZIP:
		return begin_with_head(v, CODING_GZIP, emit, arg);
	case PACKED_ZLIB:
		return begin_with_head(v, CODING_DEFLATE, emit, arg);
	case PACKED_ZSTD:
		return begin_with_head(v, CODING_ZSTD, emit, arg);
	case PACKED_ZIP:
		v->zip = true;
		return true;
	}
	return true;
}

static bool may_begin(const char *p, size_t n)
{
	if (n == 1)
		return p[0] == 'P' || p[0] == 0x1f || p[0] == 0x28;
	if (p[0] == '\n' && may_be_zlib((unsigned char)p[1]))
		return true;
	return (p[0] == 'P' && p[1] == 'K') || (p[0] == 0x1f && (unsigned char)p[1] == 0x8b) ||
	       (p[0] == 0x28 && (unsigned char)p[1] == 0xb5);
}

#ifdef __SSE2__
static inline __m128i pairs(__m128i first, __m128i second, char a, char b)
{
	return _mm_and_si128(
		_mm_cmpeq_epi8(first, _mm_set1_epi8(a)), _mm_cmpeq_epi8(second, _mm_set1_epi8(b)));
}

/* A bit for each of 16 octets with which a signature may begin, or a line with zlib behind it; a seventeenth
 * is looked at. */
static inline unsigned beginnings(const char *p)
{
	__m128i first = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i second = _mm_loadu_si128((const __m128i *)(const void *)(p + 1));
	__m128i zip = pairs(first, second, 'P', 'K'), gzip = pairs(first, second, 0x1f, (char)0x8b);
	__m128i zstd = pairs(first, second, 0x28, (char)0xb5);
	__m128i zlib = pairs(first, _mm_and_si128(second, _mm_set1_epi8(0x0f)), '\n', 8);
	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(zip, gzip), _mm_or_si128(zstd, zlib)));
}
#endif

/* How many octets can't begin a signature, nor end a line that zlib may follow. */
static size_t skip_plain(const char *p, size_t n)
{
	size_t i = 0;
#ifdef __SSE2__
	for (; n - i > sizeof(__m128i); i += sizeof(__m128i)) {
		unsigned found = beginnings(p + i);
		if (found)
			return i + (size_t)__builtin_ctz(found);
	}
#endif
	while (i < n && !may_begin(p + i, n - i))
		i++;
	return i;
}

static bool search(struct unpack *v, struct span *in, view_emit *emit, void *arg)
{
	if (v->head_n == 0 && !(v->line_begins && may_be_zlib((unsigned char)in->p[0]))) {
		size_t n = skip_plain(in->p, in->n);
		v->line_begins = n > 0 ? in->p[n - 1] == '\n' : v->line_begins;
		in->p += n;
		in->n -= n;
	}
	if (in->n == 0)
		return true;
	unsigned char c = (unsigned char)in->p[0];
	in->p++;
	in->n--;
	return take_octet(v, c, emit, arg);
}

static void skip(struct unpack *v, struct span *in)
{
	size_t n = v->skip < in->n ? (size_t)v->skip : in->n;
	remember(v, in->p, n);
	v->skip -= n;
	in->p += n;
	in->n -= n;
}

static bool unpack_some(struct unpack *v, struct span in, view_emit *emit, void *arg)
{
	bool ok = true;
	while (ok && in.n > 0) {
		if (v->skip > 0)
			skip(v, &in);
		else if (v->decoder)
			ok = run_decoder(v, &in, false, emit, arg);
		else
			ok = search(v, &in, emit, arg);
	}
	return ok;
}

bool unpack_feed(struct unpack *v, struct span in, bool last, view_emit *emit, void *arg)
{
	bool ok = unpack_some(v, in, emit, arg);
	while (ok && last && v->decoder) {
		struct span none = {NULL, 0};
		v->skip = 0;
		ok = run_decoder(v, &none, true, emit, arg);
	}
	return ok;
}

uint64_t unpack_lag(const struct unpack *v)
{
	if (!v->decoder)
		return v->head_n;
	uint64_t lag = decoder_lag(v->decoder);
	return lag > v->again_n ? lag : v->again_n;
}
