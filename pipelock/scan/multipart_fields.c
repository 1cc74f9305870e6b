/*
 * Content-Type, Content-Transfer-Encoding and Content-Disposition of bodies and parts. What is read here
 * decides how a body is taken apart, so it is read in one way or not at all.
 */
#include "pipelock/scan/multipart_internal.h"

#include "common/octets.h"

struct parameter {
	struct span name, value; /* a quoted value without its quotes, with its backslashes */
	bool quoted;
};

enum parameter_result { PARAMETER_BAD = -1, PARAMETER_NONE = 0, PARAMETER_FOUND = 1 };

static void skip_blanks(struct span *rest)
{
	while (rest->n > 0 && is_blank(rest->p[0]))
		advance(rest, 1);
}

static struct span take_token(struct span *rest)
{
	struct span token = {rest->p, 0};

	while (token.n < rest->n && octet_is(token.p[token.n], OCTET_TOKEN))
		token.n++;
	advance(rest, token.n);
	return token;
}

static bool take_octet(struct span *rest, char octet)
{
	if (rest->n == 0 || rest->p[0] != octet)
		return false;
	advance(rest, 1);
	return true;
}

/* The rest of a quoted-string (RFC 9110 5.6.4) behind its first quote. */
static bool take_quoted(struct span *rest, struct span *inside)
{
	const char *start = rest->p;

	while (rest->n > 0 && rest->p[0] != '"') {
		if (rest->p[0] == '\\')
			advance(rest, 1);
		if (rest->n == 0 || !octet_is(rest->p[0], OCTET_FIELD))
			return false;
		advance(rest, 1);
	}
	*inside = (struct span){start, (size_t)(rest->p - start)};
	return take_octet(rest, '"');
}

/*
 * A token, but an ext-value, which is never quoted (RFC 8187 3.2.1), may hold parentheses: JavaScript's
 * encodeURIComponent, by which many write it, leaves them as they are.
 */
static struct span take_unquoted(struct span *rest, bool extended)
{
	struct span value = {rest->p, 0};

	while (value.n < rest->n &&
		(octet_is(value.p[value.n], OCTET_TOKEN) ||
			(extended && (value.p[value.n] == '(' || value.p[value.n] == ')'))))
		value.n++;
	advance(rest, value.n);
	return value;
}

static bool is_extended(const struct parameter *parameter)
{
	return parameter->name.n > 0 && parameter->name.p[parameter->name.n - 1] == '*';
}

/* name "=" value, with nothing between them (RFC 9110 5.6.6). */
static bool take_parameter(struct span *rest, struct parameter *parameter)
{
	parameter->name = take_token(rest);
	if (parameter->name.n == 0 || !take_octet(rest, '='))
		return false;
	parameter->quoted = take_octet(rest, '"');
	if (parameter->quoted)
		return take_quoted(rest, &parameter->value);
	parameter->value = take_unquoted(rest, is_extended(parameter));
	return parameter->value.n > 0;
}

/* parameters = *( OWS ";" OWS [ parameter ] ) (RFC 9110 5.6.6), and OWS behind them. */
static enum parameter_result next_parameter(struct span *rest, struct parameter *parameter)
{
	skip_blanks(rest);
	while (take_octet(rest, ';')) {
		skip_blanks(rest);
		if (rest->n > 0 && rest->p[0] != ';')
			return take_parameter(rest, parameter) ? PARAMETER_FOUND : PARAMETER_BAD;
	}
	return rest->n == 0 ? PARAMETER_NONE : PARAMETER_BAD;
}

/* ---- Content-Type */

/* How often a word of lower case letters stands in the text, in any case. */
static size_t count_word(struct span text, struct span word)
{
	size_t count = 0;

	for (; text.n >= word.n; advance(&text, 1))
		count += span_equals_nocase((struct span){text.p, word.n}, word);
	return count;
}

/* bchars (RFC 2046 5.1.1), of which the last is no space. */
static bool boundary_is_good(struct span boundary)
{
	static const char others[] = "'()+_,-./:=? ";

	if (boundary.n == 0 || boundary.n > MULTIPART_MAX_BOUNDARY || boundary.p[boundary.n - 1] == ' ')
		return false;
	for (size_t i = 0; i < boundary.n; i++) {
		char octet = boundary.p[i];
		bool is_letter = octet_lower(octet) >= 'a' && octet_lower(octet) <= 'z';

		if (!is_letter && !octet_is(octet, OCTET_DIGIT) &&
			memchr(others, octet, sizeof(others) - 1) == NULL)
			return false;
	}
	return true;
}

/* Whether nobody can find another boundary in the value than this one: neither a parameter of that name, nor
 * what a search for the word would take for one. */
static bool boundary_is_alone(struct span content_type, struct span boundary)
{
	const char *behind = boundary.p + boundary.n;
	struct span before_it = {content_type.p, (size_t)(boundary.p - content_type.p)};
	struct span after_it = {behind, (size_t)(content_type.p + content_type.n - behind)};

	return count_word(before_it, SPAN("boundary")) + count_word(after_it, SPAN("boundary")) == 1;
}

/* false: the value is malformed. boundary->n is 0 if it has none. */
static bool read_type(struct span value, bool *is_multipart, struct span *boundary)
{
	enum parameter_result result;
	struct parameter parameter;
	struct span type;

	if (value.n == 0)
		return false;
	skip_blanks(&value);
	type = take_token(&value);
	if (type.n == 0 || !take_octet(&value, '/') || take_token(&value).n == 0)
		return false;
	*is_multipart = span_equals_nocase(type, SPAN("multipart"));
	*boundary = (struct span){NULL, 0};
	while ((result = next_parameter(&value, &parameter)) == PARAMETER_FOUND) {
		if (span_equals_nocase(parameter.name, SPAN("boundary")))
			*boundary = parameter.value;
	}
	return result == PARAMETER_NONE;
}

enum multipart_type multipart_read_type(struct span content_type, struct span *boundary)
{
	bool is_multipart;

	if (!read_type(content_type, &is_multipart, boundary))
		return count_word(content_type, SPAN("multipart")) > 0 ? MULTIPART_TYPE_BAD
								       : MULTIPART_TYPE_OTHER;
	if (!is_multipart)
		return MULTIPART_TYPE_OTHER;
	if (!boundary_is_good(*boundary) || !boundary_is_alone(content_type, *boundary))
		return MULTIPART_TYPE_BAD;
	return MULTIPART_TYPE_OK;
}

/* ---- Content-Transfer-Encoding */

enum multipart_encoding multipart_read_encoding(struct span value)
{
	static const struct {
		const char *name;
		enum multipart_encoding encoding;
	} names[] = {
		{"7bit", MULTIPART_IDENTITY},
		{"8bit", MULTIPART_IDENTITY},
		{"binary", MULTIPART_IDENTITY},
		{"identity", MULTIPART_IDENTITY},
		{"base64", MULTIPART_BASE64},
		{"quoted-printable", MULTIPART_QUOTED_PRINTABLE},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (span_equals_nocase(value, span_of(names[i].name)))
			return names[i].encoding;
	}
	return MULTIPART_ENCODING_UNKNOWN;
}

/* ---- Content-Disposition */

struct writer {
	char *p;
	size_t room, n;
};

static bool put(struct writer *to, char octet)
{
	if (to->n == to->room)
		return false;
	to->p[to->n++] = octet;
	return true;
}

/* A token has no backslash. */
static bool write_plain(struct writer *to, struct span value)
{
	for (; value.n > 0; advance(&value, 1)) {
		if (value.p[0] == '\\')
			advance(&value, 1);
		if (!put(to, value.p[0]))
			return false;
	}
	return true;
}

/* charset "'" [ language ] "'" value-chars (RFC 8187 3.2.1). */
static bool take_charset(struct span *value)
{
	const char *quote = memchr(value->p, '\'', value->n);
	struct span charset;

	if (quote == NULL)
		return false;
	charset = (struct span){value->p, (size_t)(quote - value->p)};
	advance(value, charset.n + 1);
	quote = memchr(value->p, '\'', value->n);
	if (quote == NULL)
		return false;
	advance(value, (size_t)(quote - value->p) + 1);
	return span_equals_nocase(charset, SPAN("UTF-8")) || span_equals_nocase(charset, SPAN("ISO-8859-1"));
}

static bool write_extended(struct writer *to, struct span value)
{
	if (!take_charset(&value))
		return false;
	while (value.n > 0) {
		char octet = value.p[0];

		advance(&value, 1);
		if (octet == '%') {
			if (value.n < 2 || !octet_is(value.p[0], OCTET_HEX) ||
				!octet_is(value.p[1], OCTET_HEX))
				return false;
			octet = (char)(octet_hex_value(value.p[0]) << 4 | octet_hex_value(value.p[1]));
			advance(&value, 2);
		}
		if (!put(to, octet))
			return false;
	}
	return true;
}

/* A "*" within a name numbers the pieces of a value (RFC 2231 3), which HTTP doesn't know. */
static bool write_value(struct writer *to, const struct parameter *parameter)
{
	const char *star = memchr(parameter->name.p, '*', parameter->name.n);
	bool good;

	if (star == NULL)
		good = write_plain(to, parameter->value);
	else
		good = star == parameter->name.p + parameter->name.n - 1 && !parameter->quoted &&
		       write_extended(to, parameter->value);
	return good && put(to, VIEW_BREAK[0]);
}

/* wanted.n == 0: all. */
static bool write_parameters(struct span value, struct span wanted, struct writer *to)
{
	enum parameter_result result;
	struct parameter parameter;

	if (value.n == 0)
		return false;
	skip_blanks(&value);
	if (take_token(&value).n == 0)
		return false;
	if (take_octet(&value, '/') && take_token(&value).n == 0)
		return false;
	while ((result = next_parameter(&value, &parameter)) == PARAMETER_FOUND) {
		bool is_wanted =
			parameter.name.n >= wanted.n &&
			strncasecmp(parameter.name.p, wanted.p, wanted.n) == 0 &&
			(wanted.n == 0 || parameter.name.n == wanted.n || parameter.name.p[wanted.n] == '*');

		if (is_wanted && !write_value(to, &parameter))
			return false;
	}
	return result == PARAMETER_NONE;
}

bool multipart_filename(struct span content_disposition, char *out, size_t room, size_t *written)
{
	struct writer to = {out, room, 0};
	bool good = write_parameters(content_disposition, SPAN("filename"), &to);

	*written = to.n;
	return good;
}

bool multipart_parameters(struct span field_value, char *out, size_t room, size_t *written)
{
	struct writer to = {out, room, 0};
	bool good = write_parameters(field_value, SPAN(""), &to);

	*written = to.n;
	return good;
}
