/*
 * The table of findings. It holds no octet of a secret: only the keyed fingerprint and the extent.
 */
#include "pipelock/scan/findings.h"

#include "common/url.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stddef.h>

static bool is_allowed(const struct compiled_rule *rule, struct span secret)
{
	for (size_t i = 0; rule->allow && rule->allow[i]; i++) {
		if (span_equals(span_of(rule->allow[i]), secret))
			return true;
	}
	return false;
}

static bool passes_validators(const struct compiled_rule *rule, struct span secret)
{
	for (size_t i = 0; i < rule->validator_count; i++) {
		if (!validate(&rule->validators[i], secret))
			return false;
	}
	return true;
}

/* Fields that clients put a credential in for the host they talk to. A cookie is not one: anything may stand
 * there. */
static bool is_credential_field(struct span name)
{
	static const char *const names[] = {"Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key",
		"X-Goog-Api-Key", "X-Auth-Token", "Private-Token", "X-Gitlab-Token", "Job-Token",
		"Deploy-Token", "X-Vault-Token", "X-Amz-Security-Token", "X-Shopify-Access-Token",
		"X-Figma-Token", "DD-Api-Key", "DD-Application-Key", "X-Subscription-Token",
		"Ocp-Apim-Subscription-Key", "X-Access-Token", "Xi-Api-Key", "X-Postmark-Server-Token"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (span_equals_nocase(name, span_of(names[i])))
			return true;
	}
	return false;
}

bool findings_rule_has_letters(const struct compiled_rule *rule)
{
	for (size_t i = 0; i < rule->anchor_count; i++) {
		const struct regex_anchor *anchor = &rule->anchors[i];
		unsigned letters = 0;
		for (unsigned k = 0; k < anchor->length; k++) {
			unsigned members = 0, alphas = 0;
			for (unsigned c = 0; c < 256; c++) {
				bool has = byte_set_has(&anchor->sets[k], c);
				members += has;
				alphas += has && ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
			}
			letters += members <= 2 && alphas == members && members > 0;
		}
		if (letters < 2)
			return false;
	}
	return rule->anchor_count > 0;
}

bool findings_is_at_home(const struct compiled_rule *rule, const struct scan_target *target)
{
	if (!is_credential_field(target->field))
		return false;
	for (size_t i = 0; rule->belongs_to && rule->belongs_to[i]; i++) {
		if (host_matches(span_of(rule->belongs_to[i]), target->host))
			return true;
	}
	return false;
}

static bool is_at_home(const struct compiled_rule *rule, const struct found *found)
{
	return found->part == SCAN_HEADER && found->target && findings_is_at_home(rule, found->target);
}

static bool fingerprint(
	const uint8_t key[SCAN_FINGERPRINT_KEY_SIZE], struct span secret, uint8_t out[SCAN_FINGERPRINT_SIZE])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	const unsigned char *p = (const unsigned char *)secret.p;
	if (!HMAC(EVP_sha256(), key, SCAN_FINGERPRINT_KEY_SIZE, p, secret.n, mac, &size) ||
		size < SCAN_FINGERPRINT_SIZE)
		return false;
	memcpy(out, mac, SCAN_FINGERPRINT_SIZE);
	OPENSSL_cleanse(mac, sizeof(mac));
	return true;
}

static void cover(struct finding *known, uint64_t begin, uint64_t end)
{
	uint64_t known_end = known->offset + known->length;
	known->offset = begin < known->offset ? begin : known->offset;
	known->length = (end > known_end ? end : known_end) - known->offset;
}

/* Where the URL holds the value once more in another form, that is masked in the log, too: all from here to
 * there. Of a known value more may stand at one place than at another. */
static void note_extent(struct finding *known, const struct finding *finding)
{
	if (known->part != finding->part)
		return;
	if (known->view != finding->view && known->part == SCAN_URL) {
		cover(known, finding->offset, finding->offset + finding->length);
	} else if (known->view == finding->view && finding->rule->tier != TIER_PATTERN &&
		   finding->length > known->length) {
		known->offset = finding->offset;
		known->length = finding->length;
	}
}

/* The same rule and value again: counted. Another view of the same part shows again what one did: not
 * counted. */
static bool count_again(struct findings *out, const struct finding *finding)
{
	for (size_t i = 0; i < out->count; i++) {
		struct finding *known = &out->items[i];
		if (known->rule != finding->rule ||
			memcmp(known->fingerprint, finding->fingerprint, SCAN_FINGERPRINT_SIZE) != 0)
			continue;
		bool again = known->part != finding->part || known->view == finding->view;
		note_extent(known, finding);
		if (again && known->count < UINT32_MAX)
			known->count++;
		return true;
	}
	return false;
}

static void note_action(struct findings *out, const struct rule *rule)
{
	if (out->policy != FINDINGS_REPORT_ONLY)
		out->blocked |= out->policy == FINDINGS_BLOCK_ALL || rule->action == VERDICT_BLOCK;
	out->warned |= rule->action == VERDICT_WARN;
}

static void put(struct findings *out, const struct finding *finding)
{
	if (out->count < SCAN_MAX_FINDINGS)
		out->items[out->count++] = *finding;
	else
		out->dropped++;
}

static bool is_match(const struct compiled_rule *rule, struct span secret)
{
	return passes_validators(rule, secret) && !is_allowed(rule, secret);
}

static struct finding make_finding(struct findings *out, const struct compiled_rule *rule,
	const struct found *found, const uint8_t key[SCAN_FINGERPRINT_KEY_SIZE])
{
	struct finding finding = {.rule = &rule->shown,
		.part = found->part,
		.view = found->view,
		.count = 1,
		.offset = found->offset,
		.length = found->length};
	if (!fingerprint(key, found->secret, finding.fingerprint))
		findings_set_unscannable(out, found->part, "a fingerprint could not be made");
	return finding;
}

bool findings_would_add(const struct compiled_rule *rule, const struct found *found)
{
	return is_match(rule, found->secret) && !is_at_home(rule, found);
}

bool findings_add(struct findings *out, const struct compiled_rule *rule, const struct found *found,
	const uint8_t key[SCAN_FINGERPRINT_KEY_SIZE], bool *added)
{
	*added = false;
	if (!is_match(rule, found->secret))
		return false;
	if (is_at_home(rule, found))
		return true;
	struct finding finding = make_finding(out, rule, found, key);
	note_action(out, &rule->shown);
	*added = true;
	if (!count_again(out, &finding))
		put(out, &finding);
	return true;
}

/* What is there of the rule in the same part has this one in it: the same value, or another extent of it. */
static bool covers_joined(struct finding *known, const struct finding *finding)
{
	uint64_t end = finding->offset + finding->length;
	if (known->rule != finding->rule || known->part != finding->part)
		return false;
	if (known->part != SCAN_URL)
		return true;
	if (memcmp(known->fingerprint, finding->fingerprint, SCAN_FINGERPRINT_SIZE) != 0 &&
		(finding->offset >= known->offset + known->length || end <= known->offset))
		return false;
	cover(known, finding->offset, end);
	return true;
}

bool findings_take_joined(struct findings *out, const struct finding *finding)
{
	for (size_t i = 0; i < out->count; i++)
		if (covers_joined(&out->items[i], finding))
			return false;
	note_action(out, finding->rule);
	put(out, finding);
	return true;
}

bool findings_add_joined(struct findings *out, const struct compiled_rule *rule, const struct found *found,
	const uint8_t key[SCAN_FINGERPRINT_KEY_SIZE], bool *added)
{
	*added = false;
	if (!is_match(rule, found->secret))
		return false;
	struct finding finding = make_finding(out, rule, found, key);
	*added = findings_take_joined(out, &finding);
	return true;
}

const struct compiled_rule *findings_rule(const struct finding *finding)
{
	_Static_assert(offsetof(struct compiled_rule, shown) == 0, "a finding points at its rule");
	return (const struct compiled_rule *)finding->rule;
}

void findings_widen(struct findings *out, const struct compiled_rule *rule, const struct found *found,
	const uint8_t key[SCAN_FINGERPRINT_KEY_SIZE])
{
	uint8_t print[SCAN_FINGERPRINT_SIZE];
	uint64_t end = found->offset + found->length;
	if (!fingerprint(key, found->secret, print))
		return;
	for (size_t i = 0; i < out->count; i++) {
		struct finding *item = &out->items[i];
		if (item->rule != &rule->shown || item->part != found->part || item->view != found->view ||
			memcmp(item->fingerprint, print, sizeof(print)) != 0)
			continue;
		cover(item, found->offset, end);
		return;
	}
}

void findings_set_unscannable(struct findings *out, enum scan_part part, const char *reason)
{
	if (out->unscannable)
		return;
	out->unscannable = reason;
	out->unscannable_part = part;
}

void findings_append(struct findings *to, const struct findings *more)
{
	for (size_t i = 0; i < more->count; i++) {
		if (to->count < SCAN_MAX_FINDINGS)
			to->items[to->count++] = more->items[i];
		else
			to->dropped++;
	}
	to->dropped += more->dropped;
	to->blocked |= more->blocked;
	to->warned |= more->warned;
	if (more->unscannable && !to->unscannable) {
		to->unscannable = more->unscannable;
		to->unscannable_part = more->unscannable_part;
	}
}
