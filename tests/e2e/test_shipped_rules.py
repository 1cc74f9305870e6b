"""The built-in rules, asked through `pipelock check`: every example of every rule, fresh tokens of the most common formats, their
harmless twins, and ordinary traffic that no rule may find anything in."""
from __future__ import annotations

import base64
import json
import random
import secrets
import string
import subprocess
import unittest
import uuid
import zlib
from typing import Any, Callable

from lib import shipped, tokens
from lib.product import clean_environment, folder_of

# Between texts that are checked together: rules that look past a gap stop at braces or do not get over the letters.
GAP = "\n{}\n~~~ and now to something else entirely, which is long enough to end any context ~~~\n{}\n"
AT_ONCE = 20


def check(*arguments: str, text: str | None = None) -> dict[str, Any]:
    """The verdict of `pipelock check --json`, with the embedded rules."""
    done = subprocess.run([str(folder_of("release") / "pipelock"), "check", "--json", *arguments], capture_output=True, timeout=60,
                          input=None if text is None else text.encode(), env=clean_environment())
    if done.returncode not in (0, 1):
        raise AssertionError(f"exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    answer = json.loads(done.stdout)
    if answer["unscannable"] or answer["malformed"]:
        raise AssertionError(f"not judged: {answer['unscannable']} {answer['malformed']}")
    return answer


def rules_of(answer: dict[str, Any]) -> set[str]:
    return {finding["rule"] for finding in answer["findings"]}


def found_in(texts: list[str]) -> list[set[str]]:
    """For each text the rules that find something in it, as a body. Several go in one body, told apart by the findings' places."""
    if len(texts) > AT_ONCE:
        return [found for i in range(0, len(texts), AT_ONCE) for found in found_in(texts[i:i + AT_ONCE])]
    body, ends = "", []
    for text in texts:
        body += text + GAP
        ends.append(len(body.encode()))
    answer = check("--file", "-", text=body)
    if answer["more_findings"]:
        middle = len(texts) // 2
        if middle == 0:
            raise AssertionError("more findings in one text than the table holds")
        return found_in(texts[:middle]) + found_in(texts[middle:])
    found: list[set[str]] = [set() for _ in texts]
    for finding in answer["findings"]:
        found[next(i for i, end in enumerate(ends) if finding["offset"] < end)].add(finding["rule"])
    return found


# ---- fresh tokens

ALNUM = string.ascii_letters + string.digits
BASE32 = string.ascii_uppercase + "234567"
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"
URLSAFE = ALNUM + "_-"


def rnd(count: int, alphabet: str = ALNUM) -> str:
    """Random, with a digit, a capital and a small letter where the alphabet and the length have room for them, since a token of
    this length without them is rarer than a test may fail."""
    while True:
        text = "".join(secrets.choice(alphabet) for _ in range(count))
        wanted = [set(kind) & set(alphabet) for kind in (string.digits, string.ascii_uppercase, string.ascii_lowercase)]
        if count < 10 or all(not kind or kind & set(text) for kind in wanted):
            return text


def hexa(count: int) -> str:
    return rnd(count, HEX)


def digits(count: int) -> str:
    return secrets.choice("123456789") + rnd(count - 1, string.digits)


def guid() -> str:
    return str(uuid.uuid4())


def with_checksum(prefix: str) -> str:
    """As GitHub and npm make them: 30 random, then CRC-32 in base 62."""
    body, number, check_digits = rnd(30), 0, ""
    number = zlib.crc32(body.encode())
    for _ in range(6):
        number, digit = divmod(number, 62)
        check_digits = (string.digits + string.ascii_uppercase + string.ascii_lowercase)[digit] + check_digits
    return prefix + body + check_digits


def luhn(prefix: str, count: int) -> str:
    body = prefix + rnd(count - 1 - len(prefix), string.digits)
    total = sum(d if i % 2 else d * 2 - 9 * (d > 4) for i, d in enumerate(map(int, reversed(body))))
    return body + str(-total % 10)


def iban(country: str, account: str) -> str:
    number = int("".join(str(int(c, 36)) for c in account + country + "00"))
    return f"{country}{98 - number % 97:02d}{account}"


def jwt() -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": digits(10), "exp": 1900000000}]
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts), rnd(43, URLSAFE)])


def pem(kind: str) -> str:
    lines = "\n".join(rnd(64, ALNUM + "+/") for _ in range(5))
    return f"-----BEGIN {kind}PRIVATE " + f"KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----\n"


# Rule, and a new token of its format. The prefixes stand apart from the rest so that this file holds nothing that looks like one.
FORMATS: dict[str, Callable[[], str]] = {
    "aws-access-key-id": lambda: secrets.choice(["AK", "AS"]) + "IA" + rnd(16, BASE32),
    "aws-secret-access-key": lambda: "aws_secret_access_key = " + rnd(40, ALNUM + "+/"),
    "google-api-key": lambda: "AI" + "za" + rnd(35, URLSAFE),
    "google-oauth-access-token": lambda: "ya" + "29." + rnd(120, URLSAFE),
    "google-oauth-client-secret": lambda: "GOC" + "SPX-" + rnd(28),
    "google-service-account-key": lambda: f'{{"private_key_id": "{hexa(40)}"}}',
    "azure-storage-account-key": lambda: f"AccountName=a;AccountKey={rnd(86)}==;",
    "azure-ad-client-secret": lambda: rnd(3) + digits(1) + "Q~" + rnd(34),
    "digitalocean-token": lambda: "dop" + "_v1_" + hexa(64),
    "cloudflare-origin-ca-key": lambda: "v1" + f".0-{hexa(24)}-{hexa(146)}",
    "vault-token": lambda: "hv" + "s." + rnd(24),
    "terraform-cloud-token": lambda: f"{rnd(14)}.atlas" + f"v1.{rnd(67)}",
    "databricks-token": lambda: "da" + "pi" + hexa(32),
    "newrelic-key": lambda: "NR" + "AK-" + rnd(27, UPPER),
    "grafana-service-account-token": lambda: "gl" + f"sa_{rnd(32)}_{hexa(8)}",
    "sentry-token": lambda: "sntr" + "yu_" + hexa(64),
    "doppler-token": lambda: "dp" + ".pt." + rnd(43),
    "pulumi-access-token": lambda: "pu" + "l-" + hexa(40),
    "supabase-access-token": lambda: "sb" + "p_" + hexa(40),
    "planetscale-credential": lambda: "psca" + "le_tkn_" + rnd(43),
    "flyio-token": lambda: "fo" + "1_" + rnd(43),
    "tailscale-key": lambda: "tsk" + f"ey-auth-{rnd(12)}CNTRL-{rnd(32)}",
    "github-pat": lambda: with_checksum("gh" + "p_"),
    "github-oauth-token": lambda: "gh" + "o_" + rnd(36),
    "github-app-token": lambda: "gh" + "s_" + rnd(36),
    "github-fine-grained-pat": lambda: "github" + f"_pat_{rnd(22)}_{rnd(59)}",
    "gitlab-pat": lambda: "gl" + "pat-" + rnd(20),
    "gitlab-trigger-token": lambda: "gl" + "ptt-" + hexa(40),
    "bitbucket-app-password": lambda: "AT" + "BB" + rnd(24) + rnd(8, "0123456789ABCDEF"),
    "atlassian-api-token": lambda: "ATA" + "TT3xFfGF0" + rnd(170) + "=" + rnd(8, "0123456789ABCDEF"),
    "anthropic-api-key": lambda: "sk-" + f"ant-api03-{rnd(93, URLSAFE)}AA",
    "anthropic-admin-key": lambda: "sk-" + f"ant-admin01-{rnd(93)}AA",
    "openai-project-key": lambda: "sk-" + f"proj-{rnd(74, URLSAFE)}T3Blbk" + f"FJ{rnd(74)}",
    "openai-api-key": lambda: "sk-" + f"{rnd(20)}T3Blbk" + f"FJ{rnd(20)}",
    "sk-api-key": lambda: "sk-" + hexa(32),
    "openrouter-api-key": lambda: "sk-" + "or-v1-" + hexa(64),
    "huggingface-token": lambda: "h" + "f_" + rnd(34, string.ascii_letters),
    "replicate-api-token": lambda: "r" + "8_" + rnd(37),
    "groq-api-key": lambda: "gs" + "k_" + rnd(52),
    "perplexity-api-key": lambda: "pp" + "lx-" + rnd(48),
    "xai-api-key": lambda: "xa" + "i-" + rnd(80),
    "pinecone-api-key": lambda: "pc" + f"sk_{rnd(6)}_{rnd(63)}",
    "langsmith-api-key": lambda: "ls" + f"v2_pt_{hexa(32)}_{hexa(10)}",
    "tavily-api-key": lambda: "tv" + "ly-dev-" + rnd(32),
    "nvidia-api-key": lambda: "nv" + "api-" + rnd(64),
    "elevenlabs-api-key": lambda: "s" + "k_" + hexa(48),
    "stripe-live-key": lambda: "sk" + "_live_" + rnd(24),
    "stripe-test-key": lambda: "rk" + "_test_" + rnd(99),
    "stripe-webhook-secret": lambda: "wh" + "sec_" + rnd(32),
    "square-token": lambda: "sq0" + "csp-" + rnd(43),
    "plaid-access-token": lambda: "access-" + "production-" + guid(),
    "shopify-token": lambda: "sh" + "pat_" + hexa(32),
    "razorpay-key": lambda: "rz" + "p_live_" + rnd(14),
    "braintree-access-token": lambda: "access_" + f"token$production${rnd(16, LOWER)}${hexa(32)}",
    "slack-token": lambda: "xo" + f"xb-{digits(12)}-{digits(13)}-{rnd(24)}",
    "slack-app-token": lambda: "xa" + f"pp-1-A{rnd(10, UPPER)}-{digits(13)}-{hexa(64)}",
    "slack-webhook-url": lambda: "https://hooks.sla" + f"ck.com/services/T{rnd(9, UPPER)}/B{rnd(9, UPPER)}/{rnd(24)}",
    "discord-bot-token": lambda: base64.b64encode(digits(18).encode()).decode() + f".{rnd(6)}.{rnd(38)}",
    "telegram-bot-token": lambda: f"{digits(10)}:A" + f"A{rnd(33, URLSAFE)}",
    "twilio-api-key": lambda: "S" + "K" + hexa(32),
    "sendgrid-api-key": lambda: "S" + f"G.{rnd(22)}.{rnd(43)}",
    "mailgun-api-key": lambda: "ke" + "y-" + hexa(32),
    "mailchimp-api-key": lambda: hexa(32) + "-us" + "12",
    "brevo-api-key": lambda: "xkey" + f"sib-{hexa(64)}-{rnd(16)}",
    "hubspot-private-app-token": lambda: "pa" + "t-na1-" + guid(),
    "npm-access-token": lambda: with_checksum("np" + "m_"),
    "pypi-api-token": lambda: "pypi" + "-AgEIcHlwaS5vcmc" + rnd(150, URLSAFE),
    "rubygems-api-key": lambda: "ruby" + "gems_" + hexa(48),
    "docker-hub-token": lambda: "dck" + "r_pat_" + rnd(27),
    "notion-token": lambda: "nt" + f"n_{digits(11)}{rnd(35)}",
    "linear-token": lambda: "lin" + "_api_" + rnd(40),
    "figma-token": lambda: "fi" + "gd_" + rnd(40),
    "airtable-token": lambda: "pa" + f"t{rnd(14)}.{hexa(64)}",
    "postman-api-key": lambda: "PM" + f"AK-{hexa(24)}-{hexa(34)}",
    "circleci-token": lambda: "CCI" + f"PAT_{rnd(22)}_{hexa(40)}",
    "buildkite-token": lambda: "bk" + "ua_" + hexa(40),
    "sonarqube-token": lambda: "sq" + "u_" + hexa(40),
    "private-key": lambda: pem(secrets.choice(["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])),
    "age-secret-key": tokens.age,
    "nostr-secret-key": tokens.nostr,
    "bitcoin-private-key": tokens.wif,
    "extended-private-key": tokens.extended_private_key,
    "wallet-seed-phrase": lambda: f"mnemonic: {tokens.seed_phrase()}",
    "wallet-seed-phrase-checked": lambda: f"recovery phrase of my wallet: {tokens.seed_phrase(24)}",
    "jwt": jwt,
    "postgres-url": lambda: f"postgresql://app:{rnd(14)}@db.internal:5432/prod",
    "mongodb-url": lambda: f"mongodb+srv://app:{rnd(14)}@cluster0.internal/prod",
    "redis-url": lambda: f"rediss://:{rnd(20)}@cache.internal:6380/0",
    "credit-card-formatted": lambda: (lambda n: f"{n[:4]} {n[4:8]} {n[8:12]} {n[12:]}")(luhn("4", 16)),
    "credit-card-named": lambda: f'{{"card_number": "{luhn("51", 16)}"}}',
    "iban": lambda: iban("DE", digits(18)),
}

WORDS = ("window", "garden", "letter", "summer", "bridge", "market", "paper", "river", "orange", "stone")


def slug(count: int, rng: random.Random) -> str:
    """Words with hyphens, as long as a token."""
    return "-".join(rng.choice(WORDS) for _ in range(count // 4 + 2))[:count].rstrip("-").ljust(count, "e")


# What an agent's day is made of. No rule, not even one that only warns, may find anything here.
ORDINARY = [
    "commit 0b5c6d1e9f3a4b7c8d2e1f0a9b8c7d6e5f4a3b2c\nAuthor: A U Thor <author@example.net>\nDate:   Tue Nov 24 2026\n\n    Fix it\n",
    '"node_modules/left-pad": {"version": "1.3.0", "integrity": "sha512-XI5MPzVNApjAyhQzphX8BkmKsKUxD4LdyK24iZeQGinBN9yTQT3bFlCBy/aVx2HrNcqQGsdot8ghrjyrvMCoEA=="}',
    "flask==3.0.2 --hash=sha256:3232e0e9c850d781933cf0207523d1ece087eb8d87b23777ae38456e2fbe7c6e",
    '{"id": "550e8400-e29b-41d4-a716-446655440000", "parent": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "seq": 1700000000123}',
    '{"model": "m-large", "max_tokens": 4096, "messages": [{"role": "user", "content": "How do I rotate an API key, and where is the secret kept?"}]}',
    "api_key = os.environ['API_KEY']\npassword = getpass.getpass()\nclient = Client(token=settings.AUTH_TOKEN, secret=config.client_secret)\n",
    "const token = await getAccessToken2(session); headers['Authorization'] = `Bearer ${token}`;\n",
    "env:\n  DATABASE_URL: postgres://postgres:postgres@localhost:5432/test\n  GITHUB_TOKEN: ${{ secrets.GITHUB_TOKEN }}\n  NPM_TOKEN: ${NPM_TOKEN}\n",
    "https://bucket.s3.amazonaws.com/o.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + "AK" + "IAZQ3DLH5XKTRW2YBC%2F20260102%2Fus-east-1"
    "%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=300&X-Amz-Signature="
    "5d0b1b6f7c3e1a9d8b7c6a5f4e3d2c1b0a9f8e7d6c5b4a39281706f5e4d3c2b1",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
    "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ3Jw0yJ6o1Zb5g8f7Q2k9m1x0t4wCgYIKoZIzj0EAwIw\n-----END CERTIFICATE-----\n",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGmQ0b1p2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t author@example.net",
    "Set-Cookie: session_id=abc123def456; Path=/; _ga=GA1.2.1234567890.1234567890; csrftoken=on",
    "call +1 415 555 0132 or +49 30 901820; ticket 4155-2671; invoice 2026-000123; ISBN 978-3-16-148410-0",
    "sk-learn, task-runner, disk-usage and sk-fading-circle are no keys; nor are ghp_, xoxb-, sk-ant- and AKIA alone",
    "Set OPENAI_API_KEY to sk-proj-XXXXXXXXXXXXXXXXXXXX, GITHUB_TOKEN to ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx and "
    "SLACK_TOKEN to xoxb-your-bot-token-goes-here.",
    "<script src=\"https://cdn.example.net/npm/x@4.17.21/x.min.js\" integrity=\"sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC\"></script>",
    "0x7fffffffe0a8 0xdeadbeef 0xcafebabe at 0x55d0c8a3f2b0; sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "The access token has expired. Please refresh your token using the /auth/refresh endpoint.",
    "docker pull registry.example.net/app@sha256:9b2c1f8e7d6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c",
]
ORDINARY_URLS = [
    "https://api.github.com/repos/golang/go/issues?state=open&page=2&per_page=30&sort=updated",
    "https://api.github.com/resources/550e8400-e29b-41d4-a716-446655440000/details",
    "https://www.search.example/search?q=how+to+fix+%22permission+denied%22+error&hl=en&num=10",
    "https://d41d8cd98f00b204e9800998ecf8427e.cdn.example/a/0b5c6d1e9f3a4b7c8d2e1f0a9b8c7d6e5f4a3b2c.js",
    "https://docs.example/reset-password?next=/secret-santa&token_type=bearer",
]


class Examples(unittest.TestCase):
    """What each rule says of itself."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.rules = shipped.read_rules()

    def test_every_rule_is_whole(self) -> None:
        ids = [rule.id for rule in self.rules]
        self.assertEqual(sorted(set(ids)), sorted(ids), "an id stands twice")
        self.assertGreaterEqual(len(ids), 120)
        for rule in self.rules:
            with self.subTest(rule.id):
                self.assertGreaterEqual(len(rule.match), 2)
                self.assertGreaterEqual(len(rule.ignore), 2)
                self.assertTrue(rule.description)

    def test_what_matches_is_found(self) -> None:
        pairs = [(rule.id, text) for rule in self.rules if "body" in rule.parts for text in rule.match]
        for (rule, text), found in zip(pairs, found_in([text for _, text in pairs])):
            with self.subTest(rule, example=text[:40]):
                self.assertIn(rule, found)

    def test_what_is_ignored_is_not(self) -> None:
        pairs = [(rule.id, text) for rule in self.rules if "body" in rule.parts for text in rule.ignore]
        for (rule, text), found in zip(pairs, found_in([text for _, text in pairs])):
            with self.subTest(rule, example=text[:40]):
                # Behind other texts a rule with ^ does not see the start that it asks for: such a text is asked alone.
                self.assertNotIn(rule, found and rules_of(check("--file", "-", text=text)))

    def test_rules_for_urls_alone(self) -> None:
        for rule in self.rules:
            for text in rule.match + rule.ignore if rule.parts == ["url"] else []:
                with self.subTest(rule.id, example=text[:40]):
                    url = text if "://" in text else f"https://{text}/"
                    self.assertEqual(rule.id in rules_of(check("--url", url)), text in rule.match)

    def test_the_table_in_the_manual_is_true(self) -> None:
        self.assertEqual(shipped.documented(), shipped.table(self.rules), "run python3 tests/e2e/lib/shipped.py")


class Formats(unittest.TestCase):
    """Tokens that no file holds."""

    CONTEXTS = {
        "alone": "{}",
        "in a shell line": "export X='{}'\n",
        "in JSON": '{{"messages": [{{"content": "use {} for it"}}]}}',
        "in a list": "a,{},b\n",
    }

    def test_fresh_tokens_are_found(self) -> None:
        self.assertGreaterEqual(len(FORMATS), 60)
        wanted = [(rule, name, context.format(make())) for rule, make in FORMATS.items() for name, context in self.CONTEXTS.items()]
        for (rule, name, text), found in zip(wanted, found_in([text for _, _, text in wanted])):
            with self.subTest(rule, context=name, text=text):
                self.assertIn(rule, found)

    def test_harmless_twins_pass(self) -> None:
        rng = random.Random(7)
        contexts = (self.CONTEXTS["in a shell line"], self.CONTEXTS["in JSON"])
        twins = [context.format(slug(len(make()), rng)) for make in FORMATS.values() for context in contexts]
        twins += [f"{word}={slug(32, rng)}" for word in ("password", "api_key", "client_secret", "X-Api-Key", "token")]
        for text, found in zip(twins, found_in(twins)):
            with self.subTest(text=text):
                self.assertEqual(found, set())

    def test_cut_tokens_pass(self) -> None:
        """The first ten characters of a token are no token."""
        cut = [make()[:10] for rule, make in FORMATS.items() if not rule.endswith("-url")]
        for text, found in zip(cut, found_in(cut)):
            with self.subTest(text=text):
                self.assertEqual(found, set())

    def test_a_finding_says_where(self) -> None:
        token = FORMATS["github-pat"]()
        answer = check("--file", "-", text=f"the token is {token}.\n")
        self.assertEqual(answer["verdict"], "block")
        finding = next(f for f in answer["findings"] if f["rule"] == "github-pat")
        self.assertEqual((finding["offset"], finding["length"], finding["where"]), (13, len(token), "body"))
        self.assertNotIn(token[8:], json.dumps(answer))


class Ordinary(unittest.TestCase):
    """Nothing is found where nothing is."""

    def test_bodies(self) -> None:
        for text, found in zip(ORDINARY, found_in(ORDINARY)):
            with self.subTest(text=text[:60]):
                self.assertEqual(found, set())

    def test_urls(self) -> None:
        for url in ORDINARY_URLS:
            with self.subTest(url):
                answer = check("--url", url)
                self.assertEqual((answer["verdict"], answer["findings"]), ("allow", []))

    def test_random_octets_in_every_spelling(self) -> None:
        rng = random.Random(11)
        data = rng.randbytes(300_000)
        texts = {
            "base64": base64.b64encode(data).decode(), "base64, wrapped": base64.encodebytes(data).decode(), "hex": data.hex(),
            "base32": base64.b32encode(data).decode(),
            "numbers": json.dumps([rng.random() for _ in range(20_000)]), "integers": json.dumps([rng.getrandbits(47) for _ in range(20_000)]),
            "uuids": "\n".join(str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(10_000)),
            "digests": "\n".join(rng.randbytes(20).hex() for _ in range(10_000)),
        }
        for name, text in texts.items():
            with self.subTest(name):
                self.assertEqual(rules_of(check("--file", "-", text=text)), set())


class AtHome(unittest.TestCase):
    """belongs_to: a key in a credential header to its own service is no finding, and is one anywhere else."""

    HOMES = {"github-pat": ("api.github.com", "Authorization", "token {}"), "anthropic-api-key": ("api.anthropic.com", "X-Api-Key", "{}"),
             "openai-project-key": ("api.openai.com", "Authorization", "Bearer {}"), "stripe-live-key": ("api.stripe.com", "Authorization", "Bearer {}"),
             "gitlab-pat": ("gitlab.com", "Private-Token", "{}"), "google-oauth-access-token": ("storage.googleapis.com", "Authorization", "Bearer {}"),
             "slack-token": ("slack.com", "Authorization", "Bearer {}")}

    def judge(self, host: str, name: str, value: str, method: str = "GET", body: str = "") -> set[str]:
        head = f"{method} https://{host}/v1/x HTTP/1.1\r\nHost: {host}\r\n{name}: {value}\r\nContent-Length: {len(body)}\r\n\r\n"
        return rules_of(check("--request", "-", text=head + body))

    def test_at_home(self) -> None:
        for rule, (host, name, form) in self.HOMES.items():
            with self.subTest(rule):
                value = form.format(FORMATS[rule]())
                self.assertEqual(self.judge(host, name, value), set())
                self.assertIn(rule, self.judge("collector.example.net", name, value))
                self.assertIn(rule, self.judge(host + ".example.net", name, value))
                self.assertIn(rule, self.judge(host, "X-Note", value))

    def test_not_in_the_body(self) -> None:
        token = FORMATS["github-pat"]()
        self.assertIn("github-pat", self.judge("api.github.com", "Accept", "*/*", "POST", json.dumps({"body": token})))


if __name__ == "__main__":
    unittest.main()
