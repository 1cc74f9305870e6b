/*
 * A table says what an octet is; a stretch that is open is handed through in the pieces that it came in.
 */
#include "pipelock/scan/strings.h"

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

void strings_feed(struct strings *v, struct span in, bool last, view_emit *emit, void *arg)
{
	size_t begin = 0; /* of what goes on in this piece and is to come out */
	for (size_t i = 0; i < in.n; i++) {
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
		/* What broke the stretch may begin the next one. */
		if (goes_on(v, (unsigned char)in.p[i]))
			gather(v, in.p[i], emit, arg);
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
