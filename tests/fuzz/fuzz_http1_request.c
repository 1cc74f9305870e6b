/* Request heads against any bytes. */
#include "tests/fuzz/fuzz_http1.h"

#include "common/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_head(const struct http1_head *head, const char *buf)
{
	char line[HTTP1_MAX_METHOD + HTTP1_MAX_TARGET + 32];
	struct authority authority;
	int n;

	REQUIRE(head->method.n > 0 && head->method.n <= HTTP1_MAX_METHOD);
	REQUIRE(head->target.n > 0 && head->target.n <= HTTP1_MAX_TARGET);
	REQUIRE(fuzz_is_inside(head->method, buf, head->size) &&
		fuzz_is_inside(head->target, buf, head->size));
	REQUIRE(head->minor <= 1 && head->status == 0);
	REQUIRE(head->framing != HTTP1_UNTIL_CLOSE);
	REQUIRE(head->framing == HTTP1_LENGTH || head->length == 0);
	REQUIRE(head->length <= INT64_MAX);
	REQUIRE(head->host.n == 0 || authority_parse(head->host, 80, &authority));
	REQUIRE(head->host.n > 0 || head->minor == 0);
	if (head->target.p[0] == '/' && !span_equals(head->method, SPAN("CONNECT")))
		REQUIRE(url_is_origin_form(head->target));
	n = snprintf(line, sizeof(line), "%.*s %.*s HTTP/1.%u\r\n", SPAN_ARG(head->method),
		SPAN_ARG(head->target), head->minor);
	fuzz_check_rewritten(http1_parse_request, head, (struct span){line, (size_t)n});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http1_head head;

	if (fuzz_check_parse(http1_parse_request, (const char *)data, size, &head))
		check_head(&head, (const char *)data);
	return 0;
}
