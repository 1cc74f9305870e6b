/* Response heads against any bytes; the first octet chooses the method of the request they answer. */
#include "tests/fuzz/fuzz_http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span method;

static enum http1_result parse(
	const char *buf, size_t n, size_t seen, struct http1_head *head, enum http1_error *error)
{
	return http1_parse_response(buf, n, seen, method, head, error);
}

static void check_head(const struct http1_head *head, const char *buf)
{
	char line[HTTP1_MAX_HEAD + 64];
	int n;

	REQUIRE(head->status >= 100 && head->status <= 599 && head->minor <= 1);
	REQUIRE(head->method.n == 0 && head->target.n == 0 && head->host.n == 0);
	REQUIRE(fuzz_is_inside(head->reason, buf, head->size));
	REQUIRE(head->framing != HTTP1_UNTIL_CLOSE || !head->keep_alive);
	REQUIRE(head->framing != HTTP1_CHUNKED || head->minor == 1);
	if (head->status < 200 || head->status == 204 || head->status == 304)
		REQUIRE(head->framing == HTTP1_NO_BODY);
	n = snprintf(line, sizeof(line), "HTTP/1.%u %u ", head->minor, head->status);
	n = (int)fuzz_append(line, (size_t)n, head->reason);
	n = (int)fuzz_append(line, (size_t)n, SPAN("\r\n"));
	fuzz_check_rewritten(parse, head, (struct span){line, (size_t)n});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const methods[] = {"GET", "HEAD", "CONNECT", "POST"};
	static struct http1_head head;

	if (size == 0)
		return 0;
	method = span_of(methods[data[0] % 4]);
	if (fuzz_check_parse(parse, (const char *)data + 1, size - 1, &head))
		check_head(&head, (const char *)data + 1);
	return 0;
}
