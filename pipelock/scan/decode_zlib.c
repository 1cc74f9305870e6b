/*
 * gzip (RFC 1952) and deflate (RFC 9110 8.4.1.2: zlib, RFC 1950, or what some clients send for it, raw RFC
 * 1951). A gzip header carries text of its own, extra field, name and comment, and it reaches the origin: the
 * first member's are put aside to be scanned, and a later member must have none, since there they would part
 * two pieces of content. A preset dictionary is refused: it is content that never comes over the wire.
 */
#include "pipelock/scan/decode_stage.h"

#include <stdlib.h>
#include <zlib.h>

enum {
	GZIP_HEAD = 10, /* the fixed part of a member's header */
	ZLIB_HEAD = 2,
	FIELDS_FLAGS = 0x1c, /* FEXTRA, FNAME, FCOMMENT */
	BITS_LAG = 8,	     /* inflate keeps a code that is not whole: less than 64 bits */
};

/* Octets that one call of inflate takes or gives at most: its counters are 32 bits wide. */
#define INFLATE_MAX ((size_t)1 << 30)
/* What the library takes: the window, and its tables. */
#define INFLATE_MEMORY (44u << 10)

enum phase { PHASE_HEAD, PHASE_FIELDS, PHASE_BODY, PHASE_ENDED };

struct gzip_fields {
	gz_header header;
	Bytef extra[DECODE_ASIDE_MAX], name[DECODE_ASIDE_MAX], comment[DECODE_ASIDE_MAX];
};

struct inflater {
	z_stream z;
	enum phase phase;
	bool gzip, after_member;
	unsigned char head[GZIP_HEAD]; /* seen by us first, then by inflate */
	size_t head_size, head_used;
	struct gzip_fields *fields;
	uint64_t fields_octets; /* used of a header that is not whole yet */
	struct decode_aside *aside;
};

static void inflater_destroy(void *state)
{
	struct inflater *inflater = state;

	inflateEnd(&inflater->z);
	free(inflater->fields);
	free(inflater);
}

static void *inflater_create(bool gzip, struct decode_aside *aside)
{
	struct inflater *inflater = calloc(1, sizeof(*inflater));

	if (inflater == NULL)
		return NULL;
	inflater->gzip = gzip;
	inflater->aside = aside;
	if (inflateInit2(&inflater->z, gzip ? MAX_WBITS + 16 : MAX_WBITS) != Z_OK) {
		free(inflater);
		return NULL;
	}
	return inflater;
}

static void *gzip_create(unsigned window_log, struct decode_aside *aside)
{
	(void)window_log; /* 32 KiB, always */
	return inflater_create(true, aside);
}

static void *deflate_create(unsigned window_log, struct decode_aside *aside)
{
	(void)window_log;
	return inflater_create(false, aside);
}

/* Gather `size` octets of a header. MORE_ROOM: they are there. */
static enum decode_result gather_head(struct inflater *inflater, size_t size, struct decode_io *io)
{
	while (inflater->head_size < size) {
		if (io->in.n == 0)
			return io->last ? DECODE_BAD : DECODE_MORE_INPUT;
		inflater->head[inflater->head_size++] = (unsigned char)*io->in.p++;
		io->in.n--;
	}
	return DECODE_MORE_ROOM;
}

/* With fields, inflate copies them out for us while it reads the header. */
static enum decode_result begin_member(struct inflater *inflater)
{
	struct gzip_fields *fields;

	if (inflateReset(&inflater->z) != Z_OK)
		return DECODE_BAD;
	inflater->phase = PHASE_BODY;
	if ((inflater->head[3] & FIELDS_FLAGS) == 0)
		return DECODE_MORE_ROOM;
	if (inflater->after_member)
		return DECODE_BAD;
	fields = inflater->fields = calloc(1, sizeof(*fields));
	if (fields == NULL)
		return DECODE_BAD;
	fields->header.extra = fields->extra;
	fields->header.extra_max = sizeof(fields->extra);
	fields->header.name = fields->name;
	fields->header.name_max = sizeof(fields->name);
	fields->header.comment = fields->comment;
	fields->header.comm_max = sizeof(fields->comment);
	inflater->phase = PHASE_FIELDS;
	return inflateGetHeader(&inflater->z, &fields->header) == Z_OK ? DECODE_MORE_ROOM : DECODE_BAD;
}

/* "deflate" is zlib when its first two octets can be a zlib header (RFC 1950 2.2), as browsers and servers
 * judge it. */
static enum decode_result begin_deflate(struct inflater *inflater)
{
	unsigned head = inflater->head[0] * 256u + inflater->head[1];
	bool zlib = head % 31 == 0 && (inflater->head[0] & 0x0f) == 8 && inflater->head[0] >> 4 <= 7;

	inflater->phase = PHASE_BODY;
	if (!zlib && inflateReset2(&inflater->z, -MAX_WBITS) != Z_OK)
		return DECODE_BAD;
	return DECODE_MORE_ROOM;
}

static enum decode_result run_head(struct inflater *inflater, struct decode_io *io)
{
	enum decode_result result;

	/* No octet at all is an empty body, which clients label with a coding too. */
	if (inflater->head_size == 0 && io->in.n == 0)
		return io->last ? DECODE_END : DECODE_MORE_INPUT;
	result = gather_head(inflater, inflater->gzip ? GZIP_HEAD : ZLIB_HEAD, io);
	if (result != DECODE_MORE_ROOM)
		return result;
	return inflater->gzip ? begin_member(inflater) : begin_deflate(inflater);
}

static size_t at_most(size_t n, size_t max)
{
	return n < max ? n : max;
}

/* One call of inflate, fed from the gathered head first. */
static int inflate_once(struct inflater *inflater, struct decode_io *io, int flush)
{
	z_stream *z = &inflater->z;
	bool from_head = inflater->head_used < inflater->head_size;
	size_t room = at_most(io->room, INFLATE_MAX), n;
	int code;

	if (from_head) {
		z->next_in = inflater->head + inflater->head_used;
		n = inflater->head_size - inflater->head_used;
	} else {
		z->next_in = (z_const Bytef *)io->in.p;
		n = at_most(io->in.n, INFLATE_MAX);
	}
	z->avail_in = (uInt)n;
	z->next_out = (Bytef *)io->out;
	z->avail_out = (uInt)room;
	code = inflate(z, flush);
	n -= z->avail_in;
	room -= z->avail_out;
	if (from_head) {
		inflater->head_used += n;
	} else if (n > 0) {
		io->in.p += n;
		io->in.n -= n;
	}
	if (inflater->phase == PHASE_FIELDS)
		inflater->fields_octets += n;
	io->out += room;
	io->room -= room;
	return code;
}

/* Nothing more to feed? Then whether more may come decides; otherwise go on. */
static enum decode_result go_on(const struct inflater *inflater, const struct decode_io *io)
{
	if (inflater->head_used < inflater->head_size || io->in.n > 0 || io->room == 0)
		return DECODE_MORE_ROOM;
	return io->last ? DECODE_BAD : DECODE_MORE_INPUT;
}

/* inflate cuts what is too long, and then it isn't terminated; that is over the budget in any case. */
static enum decode_result add_string(struct decode_aside *aside, const Bytef *text)
{
	struct span string = {(const char *)text, strnlen((const char *)text, DECODE_ASIDE_MAX)};

	return decode_aside_add(aside, string);
}

/* The header is whole: put its texts aside. inflate clears the pointer of a field that the flags don't name.
 */
static enum decode_result show_fields(struct inflater *inflater)
{
	struct gzip_fields *fields = inflater->fields;
	enum decode_result result = DECODE_MORE_ROOM;

	if (fields->header.extra != NULL) {
		struct span extra = {(const char *)fields->extra, fields->header.extra_len};

		result = decode_aside_add(inflater->aside, extra);
	}
	if (result == DECODE_MORE_ROOM && fields->header.name != NULL)
		result = add_string(inflater->aside, fields->name);
	if (result == DECODE_MORE_ROOM && fields->header.comment != NULL)
		result = add_string(inflater->aside, fields->comment);
	free(inflater->fields);
	inflater->fields = NULL;
	inflater->phase = PHASE_BODY;
	return result;
}

/* Z_BLOCK makes inflate stop behind the header, before it gives content. */
static enum decode_result run_fields(struct inflater *inflater, struct decode_io *io)
{
	int code = inflate_once(inflater, io, Z_BLOCK);

	if (code != Z_OK && code != Z_BUF_ERROR)
		return DECODE_BAD;
	if (inflater->fields->header.done == 1)
		return show_fields(inflater);
	return go_on(inflater, io);
}

static enum decode_result run_body(struct inflater *inflater, struct decode_io *io)
{
	int code = inflate_once(inflater, io, Z_SYNC_FLUSH);

	if (code == Z_STREAM_END) {
		/* Head octets that the stream didn't need, as of a raw stream of one octet, trail it. */
		if (inflater->head_used < inflater->head_size)
			return DECODE_BAD;
		inflater->phase = inflater->gzip ? PHASE_HEAD : PHASE_ENDED;
		inflater->after_member = true;
		inflater->head_size = inflater->head_used = 0;
		return DECODE_MORE_ROOM;
	}
	if (code != Z_OK && code != Z_BUF_ERROR)
		return DECODE_BAD;
	return go_on(inflater, io);
}

static enum decode_result run_ended(const struct decode_io *io)
{
	if (io->in.n > 0)
		return DECODE_BAD;
	return io->last ? DECODE_END : DECODE_MORE_INPUT;
}

static enum decode_result inflater_run(void *state, struct decode_io *io)
{
	struct inflater *inflater = state;
	enum decode_result result = DECODE_MORE_ROOM;

	while (result == DECODE_MORE_ROOM && io->room > 0) {
		bool fields = inflater->phase == PHASE_FIELDS;

		if (inflater->phase == PHASE_HEAD)
			result = run_head(inflater, io);
		else if (fields)
			result = run_fields(inflater, io);
		else if (inflater->phase == PHASE_BODY)
			result = run_body(inflater, io);
		else
			result = run_ended(io);
		if (fields && inflater->phase == PHASE_BODY)
			break; /* what was put aside goes first */
	}
	return result;
}

static uint64_t inflater_lag(const void *state)
{
	const struct inflater *inflater = state;

	return inflater->phase == PHASE_FIELDS ? inflater->fields_octets : BITS_LAG;
}

static size_t inflater_memory(const void *state)
{
	const struct inflater *inflater = state;

	return sizeof(*inflater) + INFLATE_MEMORY + (inflater->fields ? sizeof(*inflater->fields) : 0);
}

const struct stage_kind stage_gzip = {
	gzip_create, inflater_destroy, inflater_run, inflater_lag, inflater_memory};
const struct stage_kind stage_deflate = {
	deflate_create, inflater_destroy, inflater_run, inflater_lag, inflater_memory};
