/* Leads what it is given through the gate, in the order in which the proxy does. */
#include "pipelock/cli/check_judge.h"

#include "pipelock/proxy/destination.h"
#include "pipelock/route.h"

#include <stdlib.h>

#define PIECE_BYTES (64 * 1024)
#define HTTPS_PORT 443

static struct span host_of(const struct check *check)
{
	return (struct span){check->authority.host.text, check->authority.host.length};
}

static void refuse(struct check *check, enum refusal_code code)
{
	if (check->refusal.code == REFUSAL_NONE)
		check->refusal = (struct refusal){.code = code};
}

/* ---- where it goes */

/* What CONNECT would meet. true: the requests inside are seen too. */
static bool judge_tunnel(struct check *check)
{
	const struct config *config = check->config;
	char text[AUTHORITY_TEXT_SIZE];
	const struct route *route = route_find_connect(config, host_of(check));
	if (route && route->action == ROUTE_DENY)
		refuse(check, REFUSAL_ROUTE_DENIED);
	if (config->mode == MODE_STRICT && !route_covers_host(config, host_of(check)))
		refuse(check, REFUSAL_UNNAMED_HOST);
	if (!route || route->tls != ROUTE_TLS_SPLICE)
		return true;
	check->route = route;
	check->spliced = true;
	gate_open(&check->gate, check->scanner, config, route, host_of(check));
	gate_url(&check->gate, (struct span){text, authority_format(&check->authority, 0, text)});
	return false;
}

/* Destination, route and URL. true: the rest of the request is seen too. */
static bool judge_target(struct check *check, const struct target *target, struct span method)
{
	const struct config *config = check->config;
	char *url = NULL;
	check->authority = target->authority;
	enum refusal_code code = destination_judge(
		&check->authority.host, target->tls, route_names_host(config, host_of(check)));
	if (code != REFUSAL_NONE)
		refuse(check, code);
	if (target->tls && !judge_tunnel(check))
		return false;
	check->route = route_find(config, host_of(check), method, target->path);
	gate_open(&check->gate, check->scanner, config, check->route, host_of(check));
	size_t size = target_url(target, NULL, 0);
	url = malloc(size);
	if (url)
		gate_url(&check->gate, (struct span){url, target_url(target, url, size)});
	else
		check->gate.findings.unscannable = "out of memory";
	free(url);
	gate_text(&check->gate, SCAN_HEADER, method);
	if (check->route && check->route->action == ROUTE_DENY)
		refuse(check, REFUSAL_ROUTE_DENIED);
	if (!check->route && config->mode == MODE_STRICT)
		refuse(check, REFUSAL_UNNAMED_HOST);
	return true;
}

bool check_judge_url(struct check *check, const char *text, const char *method, const char **why)
{
	struct url url;
	char host[AUTHORITY_TEXT_SIZE];
	if (!url_parse_absolute(span_of(text), &url)) {
		*why = "not an absolute URL, such as https://api.example/v1 (without a fragment or user "
		       "name)";
		return false;
	}
	struct http1_head *head = calloc(1, sizeof(*head));
	if (!head) {
		*why = "out of memory";
		return false;
	}
	struct target target;
	head->method = span_of(method);
	head->target = span_of(text);
	head->host = (struct span){host, authority_format(&url.authority, 0, host)};
	bool ok = target_resolve(head, NULL, &target, &check->refusal) == REFUSAL_NONE;
	*why = check->refusal.detail;
	if (ok)
		judge_target(check, &target, head->method);
	free(head);
	return ok;
}

/* ---- bodies */

/* The rest of the file, as it stands. */
static bool judge_rest(struct check *check, FILE *in, const char **why)
{
	char *piece = malloc(PIECE_BYTES);
	if (!piece) {
		*why = "out of memory";
		return false;
	}
	for (size_t n; (n = fread(piece, 1, PIECE_BYTES, in)) > 0;)
		gate_body(&check->gate, (struct span){piece, n}, false);
	free(piece);
	*why = "it can't be read to its end";
	return !ferror(in);
}

bool check_judge_text(struct check *check, FILE *in, const char **why)
{
	gate_open(&check->gate, check->scanner, check->config, NULL, SPAN(""));
	gate_body_begin(&check->gate, SCAN_BODY, NULL);
	bool ok = judge_rest(check, in, why);
	gate_body(&check->gate, SPAN(""), true);
	return ok;
}

/* The beginning of a request file. */
struct request_text {
	char *p;
	size_t n, room;
	size_t head_size; /* octets of the head as parsed */
};

/* Decode a chunked body out of memory; all of it has to be there. */
static void judge_chunked(struct check *check, struct span body)
{
	struct http1_chunked chunked = {0};
	enum http1_error error = HTTP1_BAD_CHUNK;
	enum http1_chunk_event event = HTTP1_CHUNK_DATA;
	while (event == HTTP1_CHUNK_DATA) {
		size_t used = 0;
		struct span data = {0};
		event = http1_chunked_next(&chunked, body.p, body.n, &used, &data, &error);
		body = (struct span){body.p + used, body.n - used};
		if (event == HTTP1_CHUNK_DATA)
			gate_body(&check->gate, data, false);
	}
	struct http1_head *trailers = calloc(1, sizeof(*trailers));
	if (!trailers)
		check->gate.findings.unscannable = "out of memory";
	else if (event == HTTP1_CHUNK_TRAILERS &&
		 http1_parse_trailers(body.p, body.n, 0, trailers, &error) == HTTP1_DONE)
		gate_fields(&check->gate, SCAN_HEADER, trailers);
	else if (check->refusal.code == REFUSAL_NONE)
		check->refusal = refusal_from_http1(error == HTTP1_OK ? HTTP1_BAD_CHUNK : error);
	free(trailers);
}

/* ---- requests */

/* Grow the text by a piece of the file. false: its end, or out of memory. */
static bool read_more(struct request_text *text, FILE *in)
{
	if (text->room - text->n < PIECE_BYTES) {
		size_t room = text->room * 2 + PIECE_BYTES;
		char *grown = realloc(text->p, room);
		if (!grown)
			return false;
		text->p = grown;
		text->room = room;
	}
	size_t n = fread(text->p + text->n, 1, PIECE_BYTES, in);
	text->n += n;
	return n > 0;
}

/* Editors end lines with LF: make CR LF of all that stand in the head. Not where one CR LF is: that is bytes
 * as sent. */
static bool complete_lines(struct request_text *text)
{
	size_t head = 0, lines = 0;
	for (; head < text->n && !(head > 0 && text->p[head - 1] == '\n' && text->p[head] == '\n'); head++)
		lines += text->p[head] == '\n';
	if (memchr(text->p, '\r', head))
		return true;
	bool open = head == text->n;
	size_t added = lines + (open ? 4 : 1); /* a CR a line, and the empty line */
	char *out = malloc(text->n + added + 2);
	size_t used = 0;
	if (!out)
		return false;
	for (size_t i = 0; i < head; i++) {
		if (text->p[i] == '\n')
			out[used++] = '\r';
		out[used++] = text->p[i];
	}
	if (open && used > 0 && out[used - 1] != '\n') {
		memcpy(out + used, "\r\n", 2);
		used += 2;
	}
	memcpy(out + used, "\r\n", 2);
	used += 2;
	size_t rest = open ? 0 : text->n - head - 1;
	if (rest > 0)
		memcpy(out + used, text->p + head + 1, rest);
	free(text->p);
	*text = (struct request_text){.p = out, .n = used + rest, .room = text->n + added + 2};
	return true;
}

static enum refusal_code resolve(struct check *check, const struct http1_head *head, struct target *target)
{
	struct authority host;
	bool origin_form = head->target.n > 0 && head->target.p[0] == '/';
	if (!origin_form)
		return target_resolve(head, NULL, target, &check->refusal);
	if (authority_parse(head->host, HTTPS_PORT, &host))
		return target_resolve(head, &host, target, &check->refusal);
	check->refusal = refusal_from_http1(HTTP1_BAD_HOST);
	return check->refusal.code;
}

static bool judge_body(struct check *check, const struct http1_head *head, struct request_text *text,
	FILE *in, const char **why)
{
	bool chunked = head->framing == HTTP1_CHUNKED, ok = true;
	gate_body_begin(&check->gate, SCAN_BODY, head);
	while (chunked && read_more(text, in))
		;
	struct span body = {text->p + text->head_size, text->n - text->head_size};
	if (chunked)
		judge_chunked(check, body);
	else
		gate_body(&check->gate, body, false);
	if (!chunked)
		ok = judge_rest(check, in, why);
	gate_body(&check->gate, SPAN(""), true);
	return ok && !ferror(in);
}

static bool judge_message(struct check *check, struct request_text *text, FILE *in, const char **why)
{
	enum http1_error error = HTTP1_OK;
	struct target target;
	struct http1_head *head = calloc(1, sizeof(*head));
	bool ok = true;
	*why = "out of memory";
	if (!head)
		return false;
	enum http1_result result = http1_parse_request(text->p, text->n, 0, head, &error);
	text->head_size = head->size;
	if (result == HTTP1_MORE) {
		*why = "its head does not end";
		ok = false;
	} else if (result == HTTP1_BAD) {
		check->refusal = refusal_from_http1(error);
	} else if (resolve(check, head, &target) == REFUSAL_NONE &&
		   judge_target(check, &target, head->method)) {
		gate_fields(&check->gate, SCAN_HEADER, head);
		if (text->n > head->size || !feof(in))
			ok = judge_body(check, head, text, in, why);
	}
	free(head);
	return ok;
}

bool check_judge_request(struct check *check, FILE *in, const char **why)
{
	struct request_text text = {0};
	while (text.n <= HTTP1_MAX_HEAD && read_more(&text, in))
		;
	bool ok = text.n > 0 && !ferror(in) && complete_lines(&text);
	*why = text.n == 0 ? "there is nothing in it" : "it can't be read";
	if (ok)
		ok = judge_message(check, &text, in, why);
	free(text.p);
	return ok;
}

/* ---- verdict */

enum verdict check_verdict(const struct check *check)
{
	return check->refusal.code != REFUSAL_NONE ? VERDICT_BLOCK : gate_verdict(&check->gate);
}

const char *check_code(const struct check *check)
{
	struct refusal by_rule = {
		.code = check->gate.findings.unscannable ? REFUSAL_UNSCANNABLE : REFUSAL_RULE_MATCH};
	if (check->refusal.code != REFUSAL_NONE)
		return refusal_code_name(&check->refusal);
	return check_verdict(check) == VERDICT_BLOCK ? refusal_code_name(&by_rule) : NULL;
}

void check_release(struct check *check)
{
	gate_release(&check->gate);
	scanner_free(check->scanner);
	*check = (struct check){0};
}
