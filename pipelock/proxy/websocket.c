/*
 * The head of a frame is gathered octet by octet (it is at most 14 of them), the payload passes in pieces.
 * Each rule of RFC 6455 that is checked stands beside its section.
 */
#include "pipelock/proxy/websocket.h"

#define FIN 0x80
#define RSV 0x70
#define OPCODE 0x0f
#define MASK 0x80
#define LENGTH 0x7f
#define LENGTH_16 126
#define LENGTH_64 127

void websocket_init(struct websocket *websocket, bool from_client)
{
	memset(websocket, 0, sizeof(*websocket));
	websocket->from_client = from_client;
}

static enum websocket_event bad(struct websocket *websocket, const char *why)
{
	websocket->error = why;
	return WEBSOCKET_BAD;
}

/* ---- head */

static size_t length_octets(unsigned char second)
{
	unsigned length = second & LENGTH;
	return length == LENGTH_64 ? 8 : length == LENGTH_16 ? 2 : 0;
}

static size_t head_need(const struct websocket *websocket)
{
	if (websocket->head_size < 2)
		return 2;
	unsigned char second = websocket->head[1];
	return 2 + length_octets(second) + (second & MASK ? sizeof(websocket->mask) : 0);
}

static bool opcode_is_known(unsigned opcode)
{
	return opcode <= WEBSOCKET_BINARY || (opcode >= WEBSOCKET_CLOSE && opcode <= WEBSOCKET_PONG);
}

/* The first two octets: RFC 6455 5.2, 5.4, 5.5. NULL: they are good. */
static const char *check_start(const struct websocket *websocket)
{
	unsigned first = websocket->head[0], second = websocket->head[1], opcode = first & OPCODE;
	if (first & RSV)
		return "a frame has RSV bits, and no extension was negotiated";
	if (!opcode_is_known(opcode))
		return "a frame has an unknown opcode";
	if (((second & MASK) != 0) != websocket->from_client)
		return websocket->from_client ? "a client's frame is not masked"
					      : "a server's frame is masked";
	if (websocket_is_control((enum websocket_opcode)opcode)) {
		if (!(first & FIN) || (second & LENGTH) > WEBSOCKET_MAX_CONTROL)
			return "a control frame is fragmented or too long";
		return NULL;
	}
	if (opcode == WEBSOCKET_CONTINUATION && !websocket->in_message)
		return "a fragment continues no message";
	if (opcode != WEBSOCKET_CONTINUATION && websocket->in_message)
		return "a message begins within another one";
	return NULL;
}

/* RFC 6455 5.2: the minimal number of octets, and the most significant bit 0. */
static const char *read_length(struct websocket *websocket)
{
	size_t octets = length_octets(websocket->head[1]);
	uint64_t length = websocket->head[1] & LENGTH;
	if (octets > 0) {
		length = 0;
		for (size_t i = 0; i < octets; i++)
			length = length << 8 | websocket->head[2 + i];
	}
	if ((octets == 2 && length < LENGTH_16) || (octets == 8 && length <= UINT16_MAX))
		return "a frame's length is not written in its shortest form";
	if (length > INT64_MAX)
		return "a frame's length is out of range";
	websocket->length = websocket->left = length;
	return NULL;
}

static enum websocket_event finish_head(struct websocket *websocket)
{
	const char *wrong = read_length(websocket);
	if (wrong)
		return bad(websocket, wrong);
	if (websocket->head[1] & MASK)
		memcpy(websocket->mask, websocket->head + websocket->head_size - sizeof(websocket->mask),
			sizeof(websocket->mask));
	websocket->fin = (websocket->head[0] & FIN) != 0;
	websocket->opcode = (enum websocket_opcode)(websocket->head[0] & OPCODE);
	if (!websocket_is_control(websocket->opcode))
		websocket->in_message = !websocket->fin;
	websocket->state = WEBSOCKET_IN_PAYLOAD;
	return WEBSOCKET_FRAME;
}

static enum websocket_event next_in_head(struct websocket *websocket, const char *in, size_t n, size_t *used)
{
	while (*used < n) {
		websocket->head[websocket->head_size++] = (unsigned char)in[(*used)++];
		if (websocket->head_size == 2) {
			const char *wrong = check_start(websocket);
			if (wrong)
				return bad(websocket, wrong);
		}
		if (websocket->head_size == head_need(websocket))
			return finish_head(websocket);
	}
	return WEBSOCKET_MORE;
}

/* ---- payload */

static void unmask(const struct websocket *websocket, const char *in, size_t n, char *out)
{
	size_t at = (size_t)(websocket->length - websocket->left);
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(in[i] ^ websocket->mask[(at + i) % sizeof(websocket->mask)]);
}

/* RFC 6455 7.4: what may stand in a Close frame. */
static const char *check_close(const struct websocket *websocket)
{
	const unsigned char *p = (const unsigned char *)websocket->control;
	if (websocket->length == 0)
		return NULL;
	if (websocket->length == 1)
		return "a Close frame has half a code";
	unsigned code = (unsigned)p[0] << 8 | p[1];
	bool reserved = code == 1004 || code == 1005 || code == 1006 || code == 1015;
	if (code < 1000 || code > 4999 || reserved || (code > 1014 && code < 3000))
		return "a Close frame has a code that must not be sent";
	return NULL;
}

static enum websocket_event finish_frame(struct websocket *websocket)
{
	websocket->state = WEBSOCKET_IN_HEAD;
	websocket->head_size = 0;
	if (websocket->opcode == WEBSOCKET_CLOSE) {
		const char *wrong = check_close(websocket);
		if (wrong)
			return bad(websocket, wrong);
		websocket->state = WEBSOCKET_AFTER_CLOSE;
	}
	return WEBSOCKET_FRAME_END;
}

static void take_control(struct websocket *websocket, const char *in, size_t n)
{
	char *out = websocket->control + (websocket->length - websocket->left);
	if (websocket->from_client)
		unmask(websocket, in, n, out);
	else
		memcpy(out, in, n);
}

static enum websocket_event next_in_payload(struct websocket *websocket, const char *in, size_t n,
	size_t *used, char *out, size_t room, struct span *data)
{
	if (websocket->left == 0)
		return finish_frame(websocket);
	n = n < websocket->left ? n : (size_t)websocket->left;
	if (n == 0)
		return WEBSOCKET_MORE;
	if (websocket_is_control(websocket->opcode)) {
		take_control(websocket, in, n);
		websocket->left -= n;
		*used = n;
		return websocket->left == 0 ? finish_frame(websocket) : WEBSOCKET_MORE;
	}
	*data = (struct span){in, n};
	if (websocket->from_client) {
		n = n < room ? n : room;
		unmask(websocket, in, n, out);
		*data = (struct span){out, n};
	}
	websocket->left -= n;
	*used = n;
	return WEBSOCKET_DATA;
}

enum websocket_event websocket_next(struct websocket *websocket, const char *in, size_t n, size_t *used,
	char *out, size_t room, struct span *data)
{
	*used = 0;
	*data = (struct span){NULL, 0};
	switch (websocket->state) {
	case WEBSOCKET_IN_HEAD:
		return next_in_head(websocket, in, n, used);
	case WEBSOCKET_IN_PAYLOAD:
		return next_in_payload(websocket, in, n, used, out, room, data);
	case WEBSOCKET_AFTER_CLOSE:
		break;
	}
	/* RFC 6455 5.5.1: no more after Close. */
	return n == 0 ? WEBSOCKET_MORE : bad(websocket, "something follows a Close frame");
}

bool websocket_at_boundary(const struct websocket *websocket)
{
	return websocket->state != WEBSOCKET_IN_PAYLOAD && websocket->head_size == 0;
}

bool websocket_may_follow(const struct websocket *websocket)
{
	return websocket->state == WEBSOCKET_IN_HEAD && websocket->head_size == 0;
}

size_t websocket_write_close(
	enum websocket_close code, struct span reason, char out[WEBSOCKET_MAX_CONTROL + 2])
{
	size_t n = reason.n < WEBSOCKET_MAX_CONTROL - 2 ? reason.n : WEBSOCKET_MAX_CONTROL - 2;
	out[0] = (char)(FIN | WEBSOCKET_CLOSE);
	out[1] = (char)(2 + n);
	out[2] = (char)((unsigned)code >> 8);
	out[3] = (char)((unsigned)code & 0xff);
	if (n > 0)
		memcpy(out + 4, reason.p, n);
	return 4 + n;
}
