/*
 * egress's settings as one message, and the notation of egress.connect_to. The order of the fields is the
 * same in egress_settings_put() and egress_settings_get(), and nowhere else. Counts are bounded before memory
 * is taken for them, so that a broken message can't ask for much.
 */
#include "common/egress_settings.h"

#include "common/hop.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CONNECT_TO 4096
#define MAX_OWN 1024
#define MAX_THREADS 256
#define MAX_PATH_OCTETS 4096

/* ---- connect_to */

/* Cut the part before the next colon that is not in brackets off `text`. The last part takes all the rest. */
static bool cut_part(struct span *text, bool last, struct span *part)
{
	size_t end = 0;

	if (text->n > 0 && text->p[0] == '[') {
		const char *close = memchr(text->p, ']', text->n);

		if (!close)
			return false;
		end = (size_t)(close - text->p) + 1;
	} else {
		while (end < text->n && text->p[end] != ':')
			end++;
	}
	*part = (struct span){text->p, end};
	if (end == text->n) {
		*text = (struct span){text->p + end, 0};
		return last;
	}
	if (last || text->p[end] != ':')
		return false;
	*text = (struct span){text->p + end + 1, text->n - end - 1};
	return true;
}

/* Empty is 0. */
static bool parse_port(struct span text, uint16_t *port)
{
	unsigned value = 0;

	*port = 0;
	if (text.n == 0)
		return true;
	if (text.n > 5)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text.p[i] - '0');
	}
	if (value == 0 || value > 65535)
		return false;
	*port = (uint16_t)value;
	return true;
}

/* A literal on the left would promise what never happens: an address in a request is judged, not rewritten.
 */
static bool parse_host(struct span text, bool allow_address, char out[HOST_MAX + 3])
{
	struct host host;

	out[0] = '\0';
	if (text.n == 0)
		return true;
	if (!host_parse(text, &host) || host.form == HOST_INVALID || host.form == HOST_IPV4_LEGACY)
		return false;
	if (!allow_address && host.form != HOST_NAME)
		return false;
	memcpy(out, host.text, host.length + 1);
	return true;
}

bool connect_to_parse(struct span text, struct connect_to *out)
{
	struct span host, port, to_host, to_port;

	memset(out, 0, sizeof(*out));
	return cut_part(&text, false, &host) && cut_part(&text, false, &port) &&
	       cut_part(&text, false, &to_host) && cut_part(&text, true, &to_port) &&
	       parse_host(host, false, out->host) && parse_port(port, &out->port) &&
	       parse_host(to_host, true, out->to_host) && parse_port(to_port, &out->to_port);
}

/* ---- the message */

static void put_address(struct ipc_writer *w, const struct address *address)
{
	if (address->family == AF_INET)
		ipc_put_span(w, (struct span){(const char *)&address->v4, sizeof(address->v4)});
	else
		ipc_put_span(w, (struct span){(const char *)&address->v6, sizeof(address->v6)});
}

void egress_settings_put(struct ipc_writer *w, const struct egress_settings *settings)
{
	ipc_put_span(w, span_of(settings->capability));
	ipc_put_span(w, span_of(settings->ca_file ? settings->ca_file : ""));
	ipc_put_u8(w, settings->deny_private);
	ipc_put_u32(w, settings->threads);
	ipc_put_u32(w, settings->connect_timeout_ms);
	ipc_put_u32(w, settings->tls_timeout_ms);
	ipc_put_u32(w, settings->dns_timeout_ms);
	ipc_put_u32(w, settings->response_timeout_ms);
	ipc_put_u32(w, settings->idle_timeout_ms);
	ipc_put_u32(w, settings->pool_idle_ms);
	ipc_put_u32(w, (uint32_t)settings->own_count);
	for (size_t i = 0; i < settings->own_count; i++)
		put_address(w, &settings->own[i]);
	ipc_put_u32(w, (uint32_t)settings->connect_to_count);
	for (size_t i = 0; i < settings->connect_to_count; i++) {
		const struct connect_to *rule = &settings->connect_to[i];

		ipc_put_span(w, span_of(rule->host));
		ipc_put_u32(w, rule->port);
		ipc_put_span(w, span_of(rule->to_host));
		ipc_put_u32(w, rule->to_port);
	}
}

/* A string of at most room - 1 octets, without NUL, into out. */
static bool get_text(struct ipc_reader *r, char *out, size_t room)
{
	struct span text = ipc_get_span(r);

	if (r->failed || text.n >= room || (text.n && memchr(text.p, '\0', text.n)))
		return false;
	if (text.n)
		memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return true;
}

static bool get_capability(struct ipc_reader *r, struct egress_settings *settings)
{
	return get_text(r, settings->capability, sizeof(settings->capability)) &&
	       strlen(settings->capability) == HOP_CAPABILITY_TEXT_SIZE - 1 &&
	       strspn(settings->capability, "0123456789abcdef") == HOP_CAPABILITY_TEXT_SIZE - 1;
}

static bool get_ca_file(struct ipc_reader *r, struct egress_settings *settings)
{
	char path[MAX_PATH_OCTETS];

	if (!get_text(r, path, sizeof(path)))
		return false;
	if (path[0] == '\0')
		return true;
	settings->ca_file = strdup(path);
	return settings->ca_file && path[0] == '/';
}

static bool get_port(struct ipc_reader *r, uint16_t *port)
{
	uint32_t value = ipc_get_u32(r);

	*port = (uint16_t)value;
	return !r->failed && value <= 65535;
}

static bool get_own(struct ipc_reader *r, struct egress_settings *settings)
{
	uint32_t count = ipc_get_u32(r);

	if (r->failed || count > MAX_OWN)
		return false;
	settings->own = calloc(count ? count : 1, sizeof(*settings->own));
	for (; settings->own && settings->own_count < count; settings->own_count++) {
		struct address *address = &settings->own[settings->own_count];
		struct span bytes = ipc_get_span(r);

		if (!r->failed && bytes.n == sizeof(address->v4)) {
			address->family = AF_INET;
			memcpy(&address->v4, bytes.p, bytes.n);
		} else if (!r->failed && bytes.n == sizeof(address->v6)) {
			address->family = AF_INET6;
			memcpy(&address->v6, bytes.p, bytes.n);
		} else {
			return false;
		}
	}
	return settings->own;
}

static bool get_connect_to(struct ipc_reader *r, struct egress_settings *settings)
{
	uint32_t count = ipc_get_u32(r);

	if (r->failed || count > MAX_CONNECT_TO)
		return false;
	settings->connect_to = calloc(count ? count : 1, sizeof(*settings->connect_to));
	for (; settings->connect_to && settings->connect_to_count < count; settings->connect_to_count++) {
		struct connect_to *rule = &settings->connect_to[settings->connect_to_count];

		if (!get_text(r, rule->host, sizeof(rule->host)) || !get_port(r, &rule->port) ||
			!get_text(r, rule->to_host, sizeof(rule->to_host)) || !get_port(r, &rule->to_port))
			return false;
	}
	return settings->connect_to;
}

bool egress_settings_get(struct ipc_reader *r, struct egress_settings *settings)
{
	memset(settings, 0, sizeof(*settings));
	if (!get_capability(r, settings) || !get_ca_file(r, settings))
		return false;
	settings->deny_private = ipc_get_u8(r) != 0;
	settings->threads = ipc_get_u32(r);
	settings->connect_timeout_ms = ipc_get_u32(r);
	settings->tls_timeout_ms = ipc_get_u32(r);
	settings->dns_timeout_ms = ipc_get_u32(r);
	settings->response_timeout_ms = ipc_get_u32(r);
	settings->idle_timeout_ms = ipc_get_u32(r);
	settings->pool_idle_ms = ipc_get_u32(r);
	return get_own(r, settings) && get_connect_to(r, settings) && settings->threads >= 1 &&
	       settings->threads <= MAX_THREADS && ipc_reader_done(r);
}

void egress_settings_release(struct egress_settings *settings)
{
	free(settings->ca_file);
	free(settings->connect_to);
	free(settings->own);
	explicit_bzero(settings, sizeof(*settings));
}
