/*
 * Moves bodies. What must hold: chunk sizes, extensions and line ends of the sender are never copied, only
 * its data; what cannot be decoded stops the message, it is never passed on.
 */
#include "egress/body.h"

#include "common/buffer.h"

#include "egress/forward.h"

#include <stdlib.h>

void body_start(struct body *body, const struct http1_head *head)
{
	*body = (struct body){
		.framing = head->framing, .left = head->framing == HTTP1_LENGTH ? head->length : 0};
	body->done = head->framing == HTTP1_NO_BODY || (head->framing == HTTP1_LENGTH && head->length == 0);
}

static enum body_result move_sized(struct body *body, struct evbuffer *in, struct evbuffer *out, size_t room)
{
	size_t n = evbuffer_get_length(in);

	n = n < room ? n : room;
	n = n < body->left ? n : (size_t)body->left;
	if (buffer_move(in, out, n) != 0)
		return BODY_NO_MEMORY;
	body->left -= n;
	body->done = body->left == 0;
	return body->done ? BODY_DONE : BODY_MORE;
}

/* One chunk of all that `data` holds; it is empty afterwards. */
static bool write_chunk(struct evbuffer *out, struct evbuffer *data)
{
	size_t n = evbuffer_get_length(data);

	return n == 0 || (evbuffer_add_printf(out, "%zx\r\n", n) > 0 && evbuffer_add_buffer(out, data) == 0 &&
				 evbuffer_add(out, "\r\n", 2) == 0);
}

static enum body_result move_until_close(struct evbuffer *in, struct evbuffer *out, size_t room)
{
	size_t n = evbuffer_get_length(in);

	n = n < room ? n : room;
	if (n > 0 && (evbuffer_add_printf(out, "%zx\r\n", n) < 0 || buffer_move(in, out, n) != 0 ||
			     evbuffer_add(out, "\r\n", 2) != 0))
		return BODY_NO_MEMORY;
	return BODY_MORE;
}

/* Decode one contiguous run. Returns the octets used, all of it unless the trailers begin in it. */
static enum http1_chunk_event decode_run(struct body *body, const char *p, size_t n, struct evbuffer *data,
	size_t *used, enum http1_error *error)
{
	enum http1_chunk_event event = HTTP1_CHUNK_DATA;

	for (*used = 0; event == HTTP1_CHUNK_DATA;) {
		struct span piece = {NULL, 0};
		size_t step = 0;

		event = http1_chunked_next(&body->chunked, p + *used, n - *used, &step, &piece, error);
		*used += step;
		if (event == HTTP1_CHUNK_DATA && data && evbuffer_add(data, piece.p, piece.n) != 0) {
			*error = HTTP1_OK;
			return HTTP1_CHUNK_BAD;
		}
	}
	return event;
}

/* Chunk data of `in` into data (NULL: dropped), until the trailers begin or about room octets were looked at.
 */
static enum body_result decode_chunks(
	struct body *body, struct evbuffer *in, struct evbuffer *data, size_t room, enum http1_error *error)
{
	while (!body->in_trailers && room > 0) {
		struct evbuffer_iovec run;
		size_t used = 0;

		if (evbuffer_peek(in, 1, NULL, &run, 1) < 1 || run.iov_len == 0)
			break;
		run.iov_len = run.iov_len < room ? run.iov_len : room;
		enum http1_chunk_event event =
			decode_run(body, run.iov_base, run.iov_len, data, &used, error);

		if (event == HTTP1_CHUNK_BAD)
			return *error == HTTP1_OK ? BODY_NO_MEMORY : BODY_BAD;
		evbuffer_drain(in, used);
		room -= used;
		body->in_trailers = event == HTTP1_CHUNK_TRAILERS;
	}
	return BODY_MORE;
}

static enum body_result write_trailers(const struct http1_head *trailers, struct evbuffer *out)
{
	size_t bound = forward_bound(trailers), n;
	struct evbuffer_iovec room;

	if (evbuffer_add(out, "0\r\n", 3) != 0 ||
		evbuffer_reserve_space(out, (ev_ssize_t)bound, &room, 1) != 1)
		return BODY_NO_MEMORY;
	n = forward_write_trailers(trailers, room.iov_base, room.iov_len);
	room.iov_len = n;
	return n > 0 && evbuffer_commit_space(out, &room, 1) == 0 ? BODY_DONE : BODY_NO_MEMORY;
}

/* The trailer section; out NULL: dropped. */
static enum body_result move_trailers(
	struct body *body, struct evbuffer *in, struct evbuffer *out, enum http1_error *error)
{
	size_t n = evbuffer_get_length(in);
	struct http1_head trailers;

	n = n < HTTP1_HOP_MAX_TRAILERS + 4 ? n : HTTP1_HOP_MAX_TRAILERS + 4;
	const char *p = (const char *)evbuffer_pullup(in, (ev_ssize_t)n);

	if (n > 0 && !p)
		return BODY_NO_MEMORY;
	switch ((body->from_hop ? http1_parse_hop_trailers : http1_parse_trailers)(
		n ? p : "", n, body->trailers_seen, &trailers, error)) {
	case HTTP1_BAD:
		return BODY_BAD;
	case HTTP1_MORE:
		body->trailers_seen = n;
		return BODY_MORE;
	case HTTP1_DONE:
		break;
	}
	enum body_result result = out ? write_trailers(&trailers, out) : BODY_DONE;

	evbuffer_drain(in, trailers.size);
	body->done = result == BODY_DONE;
	return result;
}

static enum body_result move_chunked(
	struct body *body, struct evbuffer *in, struct evbuffer *out, size_t room, enum http1_error *error)
{
	if (!body->in_trailers) {
		struct evbuffer *data = evbuffer_new();
		enum body_result result = data ? decode_chunks(body, in, data, room, error) : BODY_NO_MEMORY;

		if (result == BODY_MORE && !write_chunk(out, data))
			result = BODY_NO_MEMORY;
		if (data)
			evbuffer_free(data);
		if (result != BODY_MORE)
			return result;
	}
	return body->in_trailers ? move_trailers(body, in, out, error) : BODY_MORE;
}

enum body_result body_move(
	struct body *body, struct evbuffer *in, struct evbuffer *out, size_t room, enum http1_error *error)
{
	*error = HTTP1_OK;
	if (body->done)
		return BODY_DONE;
	switch (body->framing) {
	case HTTP1_LENGTH:
		return move_sized(body, in, out, room);
	case HTTP1_CHUNKED:
		return move_chunked(body, in, out, room, error);
	case HTTP1_UNTIL_CLOSE:
		return move_until_close(in, out, room);
	case HTTP1_NO_BODY:
		break;
	}
	body->done = true;
	return BODY_DONE;
}

enum body_result body_end(struct body *body, struct evbuffer *out)
{
	if (body->framing != HTTP1_UNTIL_CLOSE)
		return body->done ? BODY_DONE : BODY_BAD;
	if (evbuffer_add(out, "0\r\n\r\n", 5) != 0)
		return BODY_NO_MEMORY;
	body->done = true;
	return BODY_DONE;
}

bool body_skip(struct body *body, struct evbuffer *in)
{
	size_t n = evbuffer_get_length(in);
	enum http1_error error = HTTP1_OK;

	if (!body->done && body->framing == HTTP1_LENGTH) {
		n = n < body->left ? n : (size_t)body->left;
		evbuffer_drain(in, n);
		body->left -= n;
		body->done = body->left == 0;
	}
	if (!body->done && body->framing == HTTP1_CHUNKED) {
		if (!body->in_trailers && decode_chunks(body, in, NULL, n, &error) != BODY_MORE)
			return false;
		if (body->in_trailers)
			move_trailers(body, in, NULL, &error);
	}
	return body->done;
}
