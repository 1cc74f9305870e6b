#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>

void text_add(struct text *text, struct span octets)
{
	if (text->failed || octets.n > text->room - text->n) {
		text->failed = true;
		return;
	}
	if (octets.n)
		memcpy(text->p + text->n, octets.p, octets.n);
	text->n += octets.n;
}

void text_format(struct text *text, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text->p + text->n, text->room - text->n, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= text->room - text->n)
		text->failed = true;
	else
		text->n += (size_t)n;
}

void text_add_field(struct text *text, struct span name, struct span value)
{
	text_add(text, name);
	text_add(text, SPAN(": "));
	text_add(text, value);
	text_add(text, SPAN("\r\n"));
}

size_t text_end_head(struct text *text)
{
	text_add(text, SPAN("\r\n"));
	return text->failed ? 0 : text->n;
}
