/*
 * The plain way to scan, as an oracle for the engine: each rule's PCRE2 code over the whole text, one after
 * another. And texts to hold both against: made of pieces that rules care about. Shared by unit tests, fuzz
 * targets and the bench.
 */
#ifndef TESTS_SCAN_ORACLE_H
#define TESTS_SCAN_ORACLE_H

#include "pipelock/scan/findings.h"
#include "pipelock/scan/scanner.h"

#include <stdio.h>
#include <stdlib.h>

static const uint8_t oracle_key[SCAN_FINGERPRINT_KEY_SIZE] = {7};

/* Rules that between them use every way to be found: at the start, in the middle, late, by class, by nothing
 * at all. */
static const char oracle_rules[] =
	"version: 1\nrules:\n"
	"- {id: prefix, regex: '\\b(?:AKIA|ASIA)[A-Z2-7]{16}\\b'}\n"
	"- {id: bare, regex: 'ghp_[A-Za-z0-9]{8,12}'}\n"
	"- {id: run, regex: '\\bey[A-Za-z0-9_-]{10,}\\.ey[A-Za-z0-9_-]{10,}\\.[A-Za-z0-9_-]{4,}'}\n"
	"- {id: overlap, regex: 'sk-[\\w-]{4,}T3Bl[\\w-]{4,}'}\n"
	"- {id: left, regex: '\\b[MNO][A-Za-z0-9]{23,25}\\.[\\w-]{6}\\.[\\w-]{27,38}\\b'}\n"
	"- {id: key, regex: '(?i)[\\w.-]{0,20}(?:api[_-]?key|secret|token)[\"'' \\t]{0,3}[:=][\"'' "
	"\\t]{0,3}(?<secret>[a-z0-9_]{8,})'}\n"
	"- {id: digits, regex: '\\b\\d{3}-\\d{2}-\\d{4}\\b'}\n"
	"- {id: luhn, regex: '(?<![0-9])(?:\\d[ -]?){12,15}\\d(?![0-9])', validate: [luhn]}\n"
	"- {id: hex, regex: '\\bSK[0-9a-f]{32}\\b', validate: [distinct>=3]}\n"
	"- {id: pem, regex: '-----BEGIN[ A-Z]{0,30}KEY-----[\\s\\S]{16,}?-----END'}\n"
	"- {id: back, regex: '(?<=key:)[a-z]{5}(?=;)'}\n"
	"- {id: line, regex: '(?m)^[a-z]{3}: zz[^\\n]{1,40}$'}\n"
	"- {id: opaque, regex: '(k.y)=\\1[0-9]{3}', literals: ['y=k']}\n"
	"- {id: always, regex: '\\b[b-f]{2}[^b-f\\s][b-f]{2}\\b'}\n"
	"- {id: either, regex: '(?:x-[0-9]{6}|[0-9]{2,5}-tok[a-f]{4,})'}\n"
	"- {id: warned, regex: 'warn-[0-9]{4,6}', action: warn}\n"
	"- {id: twice, regex: 'Zq(?:Zq)?[0-9]{3}'}\n"
	"- {id: first, regex: '^GO[A-Z]{3}'}\n"
	"- {id: lazy, regex: 'q\\{.{1,30}?\\}q'}\n"
	"- {id: pool, regex: '(?:aa|ab){3,6}c'}\n"
	"- {id: ahead, regex: '(?<![k-z])(?=hello;|abcd)[a-h][a-o;]{1,20}?(?<secret>token|T3Bl|[0-9]{3})'}\n";

static const char *const oracle_pieces[] = {"AKIA", "ASIA", "IOSFODNN7EXAMPLE", "QWERTYUI", "ghp_",
	"abcdefgh", "ABC123xyz", "eyJhbGciOiJI", "eyJhbGciOiJIUzI1NiJ9", ".", ".eyJzdWIiOiIxMjM0", "ey",
	"sk-", "T3Bl", "kFJ-", "MTIzNDU2Nzg5MDEyMzQ1Njc4", ".GhIjKl.", "abcdefghijklmnopqrstuvwxyz12345",
	"api_key", "ApiKey", "SECRET", "token", " = \"", ": ", "=", "123-45-6789", "123-", "45-", "6789",
	"4111 1111 1111 1111", "4111111111111111", "5", "SK", "0123456789abcdef", "fedcba98", "-----BEGIN ",
	"RSA PRIVATE ", "KEY-----", "\n", "-----END", "key:", "hello", ";", "abc: zz top", "key=key123",
	"y=k", "bc-de", "cd", " ", "x-", "123456", "12", "-tok", "abcd", "warn-", "2024", "Zq", "ZqZq789",
	"GOABC", "q{", "}q", "aa", "ab", "c", "\t", "\"", "_", "-", "\r\n", "é", "\xff", "%41KIA", "\\n"};
#define ORACLE_PIECES (sizeof(oracle_pieces) / sizeof(oracle_pieces[0]))

static inline struct ruleset *oracle_ruleset(const char *text)
{
	struct rule_source source = {"oracle.yaml", span_of(text)};
	struct load_error error = {0};
	struct ruleset *set = ruleset_load(&source, 1, NULL, 0, &error);
	if (!set) {
		fprintf(stderr, "%s\n", error.text);
		abort();
	}
	return set;
}

/* The octets say what the text is: a high one names a piece, others stand for themselves. */
static inline size_t oracle_text(const uint8_t *data, size_t n, char *out, size_t room)
{
	size_t size = 0;
	for (size_t i = 0; i < n; i++) {
		const char *piece = oracle_pieces[(data[i] & 127) % ORACLE_PIECES];
		size_t length = data[i] >= 128 ? strlen(piece) : 1;
		if (size + length > room)
			break;
		memcpy(out + size, data[i] >= 128 ? piece : (const char *)&data[i], length);
		size += length;
	}
	return size;
}

/* What the plain loop finds in a text of this part. */
static inline void oracle_scan(
	const struct ruleset *set, enum scan_part part, struct span text, struct findings *out)
{
	pcre2_match_data *data = pcre2_match_data_create(set->max_captures + 1, NULL);
	for (size_t i = 0; i < set->count; i++) {
		const struct compiled_rule *rule = &set->rules[i];
		if (!(rule->shown.in & SCAN_BIT(part)) || rule->shown.action == VERDICT_ALLOW)
			continue;
		for (size_t at = 0; at < text.n;) {
			int rc = pcre2_match(
				rule->code, (PCRE2_SPTR)text.p, text.n, at, PCRE2_NOTEMPTY, data, NULL);
			if (rc < 0)
				break;
			const PCRE2_SIZE *v = pcre2_get_ovector_pointer(data);
			const PCRE2_SIZE *s = v + 2 * rule->secret_group;
			s = s[0] == PCRE2_UNSET || s[0] == s[1] ? v : s;
			struct found found = {.part = part,
				.offset = v[0],
				.length = v[1] - v[0],
				.secret = {text.p + s[0], s[1] - s[0]}};
			bool added;
			at = findings_add(out, rule, &found, oracle_key, &added) ? v[1] : v[0] + 1;
		}
	}
	pcre2_match_data_free(data);
}

static inline const struct finding *oracle_lookup(const struct findings *in, const struct finding *like)
{
	for (size_t i = 0; i < in->count; i++) {
		if (in->items[i].rule == like->rule &&
			memcmp(in->items[i].fingerprint, like->fingerprint, SCAN_FINGERPRINT_SIZE) == 0)
			return &in->items[i];
	}
	return NULL;
}

static inline bool oracle_half_equal(const struct findings *a, const struct findings *b, const char *what)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct finding *x = &a->items[i], *y = oracle_lookup(b, x);
		/* What another view shows is not the plain loop's matter, nor where it has shown it first. */
		if (x->view != VIEW_RAW || (y && y->view != VIEW_RAW))
			continue;
		if (y && y->count == x->count && y->offset == x->offset && y->length == x->length)
			continue;
		fprintf(stderr, "%s: %s at %lu+%lu x%u", what, x->rule->id, (unsigned long)x->offset,
			(unsigned long)x->length, x->count);
		if (y)
			fprintf(stderr, " is at %lu+%lu x%u", (unsigned long)y->offset,
				(unsigned long)y->length, y->count);
		fputc('\n', stderr);
		return false;
	}
	return true;
}

/* The same rules, values, places and counts. A table that ran over can't be compared. */
static inline bool oracle_equal(const struct findings *plain, const struct findings *engine)
{
	if (plain->dropped || engine->dropped || engine->unscannable)
		return true;
	return oracle_half_equal(plain, engine, "missed") && oracle_half_equal(engine, plain, "invented");
}

/*
 * Feed the text in pieces (sizes from `seed`) and check what hold-back promises: safe never falls, never
 * passes what was fed, and no finding begins before what was safe when it was found. Asks for safe only now
 * and then, as callers may.
 */
static inline bool oracle_stream(
	struct scanner *scanner, struct span text, uint32_t seed, size_t most, struct findings *out)
{
	struct scan_stream *stream =
		scan_stream_new(scanner, SCAN_BODY, NULL, NULL, 0, (struct span){NULL, 0}, out);
	uint64_t safe = 0;
	bool ok = stream != NULL;
	for (size_t at = 0; ok;) {
		seed = seed * 1103515245u + 12345u;
		size_t n = (seed >> 16) % (most + 1);
		n = n < text.n - at ? n : text.n - at;
		size_t known = out->count;
		scan_stream_feed(stream, (struct span){text.p + at, n}, at + n == text.n, out);
		at += n;
		/* Where a view can tell the extent only roughly, and of values that were joined, the end
		 * stays. */
		for (size_t i = known; i < out->count; i++)
			ok = ok && (out->items[i].view == VIEW_RAW
						   ? out->items[i].offset >= safe
						   : out->items[i].offset + out->items[i].length > safe);
		if (!ok)
			fprintf(stderr, "%s at %lu (%s) was found when %lu octets were gone\n",
				out->items[known].rule->id, (unsigned long)out->items[known].offset,
				scan_view_name(out->items[known].view), (unsigned long)safe);
		uint64_t now = (seed >> 10) % 4 ? scan_stream_safe(stream) : safe;
		ok = ok && now >= safe && now <= at;
		safe = now;
		if (at == text.n)
			break;
	}
	if (ok && !out->blocked && !out->unscannable)
		ok = scan_stream_safe(stream) == text.n;
	scan_stream_free(stream);
	return ok;
}

#endif
