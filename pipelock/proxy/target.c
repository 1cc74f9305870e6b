/*
 * A request that names two places is refused, never sent to one of them: the log would say one and the origin
 * see the other.
 */
#include "pipelock/proxy/target.h"

#include <string.h>

#define HTTP_PORT 80
#define HTTPS_PORT 443

static enum refusal_code target_refuse(struct refusal *refusal, enum refusal_code code, const char *detail)
{
	*refusal = (struct refusal){.code = code, .detail = detail};
	return code;
}

static enum refusal_code target_in_tunnel(const struct http1_head *head, const struct authority *tunnel,
	struct target *out, struct refusal *refusal)
{
	struct authority host;
	if (span_equals(head->method, SPAN("CONNECT")))
		return target_refuse(refusal, REFUSAL_NESTED_CONNECT, NULL);
	if (head->target.n == 0 || head->target.p[0] != '/') {
		struct url url;
		if (url_parse_absolute(head->target, &url))
			return target_refuse(refusal, REFUSAL_ABSOLUTE_IN_TUNNEL, NULL);
		return target_refuse(
			refusal, REFUSAL_BAD_REQUEST, "The request target is not in origin form.");
	}
	if (!url_is_origin_form(head->target))
		return target_refuse(refusal, REFUSAL_BAD_REQUEST,
			"The request target holds characters that may not stand there.");
	if (!authority_parse(head->host, HTTPS_PORT, &host))
		return target_refuse(refusal, REFUSAL_BAD_REQUEST, "Host is malformed.");
	/* A client that CONNECTs to another port than 443 may leave it out in Host. */
	if (!host.port_given)
		host.port = tunnel->port;
	if (!authority_equals(&host, tunnel))
		return target_refuse(refusal, REFUSAL_HOST_MISMATCH, NULL);
	*out = (struct target){.tls = true, .authority = *tunnel, .path = head->target};
	return REFUSAL_NONE;
}

/* The authority in an absolute URL that was parsed before. */
static struct span named_in_url(struct span url)
{
	const char *begin = memmem(url.p, url.n, "://", 3), *end = url.p + url.n;
	if (!begin)
		return (struct span){NULL, 0};
	begin += 3;
	const char *path = memchr(begin, '/', (size_t)(end - begin));
	return (struct span){begin, (size_t)((path ? path : end) - begin)};
}

/* RFC 9112 3.2.4: OPTIONS without a path asks about the whole server, not about "/". */
static struct span target_path(struct span method, struct span path)
{
	return path.n > 0 || span_equals(method, SPAN("OPTIONS")) ? path : SPAN("/");
}

static enum refusal_code target_absolute(
	const struct http1_head *head, struct target *out, struct refusal *refusal)
{
	struct url url;
	if (head->target.n > 0 && head->target.p[0] == '/')
		return target_refuse(refusal, REFUSAL_NOT_PROXY_REQUEST, NULL);
	if (!url_parse_absolute(head->target, &url))
		return target_refuse(
			refusal, REFUSAL_BAD_REQUEST, "The request target is not an absolute URL.");
	if (url.scheme != URL_HTTP && url.scheme != URL_HTTPS)
		return target_refuse(refusal, REFUSAL_BAD_REQUEST, "Only http and https URLs are forwarded.");
	/* HTTP/1.0 knows no Host; the parser lets it be absent there alone. */
	struct authority host = url.authority;
	if (head->host.n > 0 &&
		!authority_parse(head->host, url.scheme == URL_HTTPS ? HTTPS_PORT : HTTP_PORT, &host))
		return target_refuse(refusal, REFUSAL_BAD_REQUEST, "Host is malformed.");
	*out = (struct target){
		.tls = url.scheme == URL_HTTPS,
		.authority = url.authority,
		.named = named_in_url(head->target),
		.path = target_path(head->method, url.target),
		.host_rewritten = !authority_equals(&host, &url.authority),
	};
	return REFUSAL_NONE;
}

enum refusal_code target_resolve(const struct http1_head *head, const struct authority *tunnel,
	struct target *out, struct refusal *refusal)
{
	return tunnel ? target_in_tunnel(head, tunnel, out, refusal) : target_absolute(head, out, refusal);
}

struct span target_named_by_connect(struct span connect_target)
{
	static const char port[] = ":443";
	size_t n = sizeof(port) - 1;
	if (connect_target.n > n && memcmp(connect_target.p + connect_target.n - n, port, n) == 0)
		connect_target.n -= n;
	return connect_target;
}

size_t target_url(const struct target *target, char *out, size_t room)
{
	char text[AUTHORITY_TEXT_SIZE];
	struct span scheme = target->tls ? SPAN("https://") : SPAN("http://");
	struct span authority = target->named;
	if (authority.n == 0)
		authority = (struct span){text,
			authority_format(&target->authority, target->tls ? HTTPS_PORT : HTTP_PORT, text)};
	size_t n = authority.n, size = scheme.n + n + target->path.n;
	if (size > room)
		return size;
	memcpy(out, scheme.p, scheme.n);
	memcpy(out + scheme.n, authority.p, n);
	if (target->path.n > 0) /* none: CONNECT */
		memcpy(out + scheme.n + n, target->path.p, target->path.n);
	return size;
}
