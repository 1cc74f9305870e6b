"""A secret that is split over values that follow one another outside of a body: query values and names, path segments, host
labels, fields and their names, cookies. However it is cut, it is refused and leaves no trace; what requests usually have many
of passes."""
from __future__ import annotations

import base64
import secrets
import unittest
from typing import Callable
from urllib.parse import quote

from lib import tokens
from lib.case import ProductCase
from lib.wire import Fields

PIECES = [2, 3, 4]
TURNS = 3


def cut(text: str, count: int) -> list[str]:
    """So many pieces, at random places."""
    places = sorted(secrets.SystemRandom().sample(range(1, len(text)), count - 1))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)])]


def percent(text: str) -> str:
    return "".join(f"%{ord(c):02x}" for c in text)


def url(path: str, host: str = "api.example.net") -> tuple[str, Fields]:
    return f"//{host}{path}", []


def head(*fields: tuple[str, str]) -> tuple[str, Fields]:
    return "//api.example.net/in", list(fields)


def fields_among_usual_ones(pieces: list[str]) -> tuple[str, Fields]:
    usual = [("Accept", "*/*"), ("User-Agent", "agent/1.0 (words)"), ("Accept-Encoding", "gzip, br"), ("Cache-Control", "no-cache")]
    return head(*(field for pair in zip(usual, ((f"X-Part-{i}", p) for i, p in enumerate(pieces))) for field in pair))


# What becomes of the pieces: URL behind the scheme, and fields.
PLACES: dict[str, Callable[[list[str]], tuple[str, Fields]]] = {
    "query values": lambda p: url("/in?" + "&".join(f"{chr(97 + i)}={x}" for i, x in enumerate(p))),
    "query values behind others": lambda p: url("/in?page=1&q=two+words&" + "&".join(f"{chr(97 + i)}={x}" for i, x in enumerate(p)) + "&z=three+words"),
    "query values, percent-encoded": lambda p: url("/in?" + "&".join(f"{chr(97 + i)}={percent(x)}" for i, x in enumerate(p))),
    "query names": lambda p: url("/in?" + "&".join(f"{x}={i}" for i, x in enumerate(p))),
    "query flags": lambda p: url("/in?" + "&".join(p)),
    "query names and values": lambda p: url("/in?" + "".join(x + ("&" if i % 2 else "=") for i, x in enumerate(p)).rstrip("&")),
    "path segments": lambda p: url("/" + "/".join(p)),
    "path segments, percent-encoded": lambda p: url("/" + "/".join(percent(x) for x in p) + "/%20"),
    "fields": lambda p: head(*((f"X-{chr(65 + i)}", x) for i, x in enumerate(p))),
    "fields among usual ones": fields_among_usual_ones,
    "one field several times": lambda p: head(*(("X-Part", x) for x in p)),
    "fields, percent-encoded": lambda p: head(*((f"X-{chr(65 + i)}", percent(x)) for i, x in enumerate(p))),
    "cookies": lambda p: head(("Cookie", "; ".join(f"{chr(97 + i)}={x}" for i, x in enumerate(p)))),
}
KINDS = [tokens.aws, tokens.github, tokens.google, tokens.gitlab, tokens.slack, tokens.sendgrid, tokens.anthropic]


class TestSplitSecrets(ProductCase):
    def refused(self, secret: str, target: str, fields: Fields) -> None:
        for scheme in ("http", "https"):
            with self.subTest(target, fields=fields, scheme=scheme):
                self.setUp()
                self.assertRefused(self.agent.get(f"{scheme}:{target}", fields), secret)

    def test_each_place(self) -> None:
        for name, place in PLACES.items():
            for number, count in enumerate(PIECES * TURNS):
                secret = KINDS[number % len(KINDS)]()
                with self.subTest(name, pieces=count):
                    target, fields = place(cut(secret, count))
                    self.refused(secret, target, fields)

    def test_each_place_encoded(self) -> None:
        codes: dict[str, Callable[[bytes], str]] = {
            "base64": lambda b: base64.b64encode(b).decode().replace("/", "%2F").replace("+", "%2B"),
            "base64url": lambda b: base64.urlsafe_b64encode(b).decode().rstrip("="),
            "hex": lambda b: b.hex(), "base32": lambda b: base64.b32encode(b).decode().rstrip("=")}
        for name in ("query values", "path segments", "fields"):
            for code, encode in codes.items():
                for count in PIECES:
                    secret = KINDS[count]() if code.startswith("base64") else tokens.github()
                    if name == "fields" and code == "base64":
                        continue  # its escapes are those of a URL
                    with self.subTest(name, code=code, pieces=count):
                        target, fields = PLACES[name](cut_between_escapes(encode(secret.encode()), count))
                        self.refused(secret, target, fields)

    def test_labels_of_a_host(self) -> None:
        """That no name server is asked for it: test_dns."""
        for count in PIECES:
            secret = tokens.aws()
            self.refused(secret, *url("/", ".".join([*cut(secret, count), "example.net"])))
            secret = tokens.github()
            for text in (secret.encode().hex(), base64.b32encode(secret.encode()).decode().rstrip("=").lower()):
                pieces = cut(text, count)
                if max(map(len, pieces)) <= 63:
                    self.refused(secret, *url("/", ".".join([*pieces, "c", "example.net"])))
            text = base64.b32encode(secret.encode()).decode().rstrip("=").lower()
            self.refused(secret, *url("/", ".".join([*(text[i:i + 10] for i in range(0, len(text), 10)), "example.net"])))

    def test_name_and_value_of_a_field(self) -> None:
        for turn in range(3):
            secret = tokens.aws()
            name, value = cut(secret, 2)
            self.refused(secret, *head((name, value)))

    def test_the_log_masks_what_stands_between_too(self) -> None:
        secret = tokens.github()
        a, b = secret[:20], secret[20:]
        self.assertRefused(self.agent.get(f"http://api.example.net/in?x={a}&y={b}&z=%20more"), secret)
        line = self.lines(verdict="block")[0]
        self.assertRegex(line["url"], r"^http://api\.example\.net/in\?x=\*\*\*.{0,2}=%20more$")
        self.assertEqual([(f["rule"], f["view"], f["count"]) for f in line["findings"] if f["action"] == "block"],
                         [("github-pat", "joined", 1)])

    def test_own_key_beside_other_fields_is_at_home(self) -> None:
        key = tokens.anthropic()
        fields = [("Accept", "application/json"), ("X-Api-Key", key), ("Anthropic-Version", "2023-06-01"), ("X-App", "cli")]
        for scheme in ("http", "https"):
            self.setUp()
            self.assertAllowed(self.agent.get(f"{scheme}://api.anthropic.com/v1/models", fields))
        self.setUp()
        self.assertRefused(self.agent.get("https://api.example.net/v1/models", fields), key)


def cut_between_escapes(text: str, count: int) -> list[str]:
    """A piece does not end within an escape, for nobody could read it."""
    while True:
        pieces = cut(text, count)
        if not any("%" in piece[-2:] for piece in pieces[:-1]):
            return pieces


class TestHarmless(ProductCase):
    def allowed(self, target: str, fields: Fields) -> None:
        for scheme in ("http", "https"):
            with self.subTest(target, fields=fields, scheme=scheme):
                self.setUp()
                self.assertAllowed(self.agent.get(f"{scheme}:{target}", fields))
                self.assertEqual(len(self.lines(verdict="allow")), 1, self.lines())

    def test_words_in_each_place(self) -> None:
        for name, place in PLACES.items():
            with self.subTest(name):
                self.allowed(*place(["just-some", "words", "of-a", "letter"]))

    def test_fields_of_usual_clients(self) -> None:
        def identifier() -> str:
            text = secrets.token_hex(16)
            return "-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]])

        self.allowed(*head(
            ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"),
            ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"),
            ("Accept-Language", "en-GB,en;q=0.5"), ("Accept-Encoding", "gzip, deflate, br"), ("DNT", "1"),
            ("Cookie", f"session={secrets.token_urlsafe(24)}; csrftoken={secrets.token_hex(16)}; _ga=GA1.2.1234567890.1700000000; theme=dark"),
            ("If-None-Match", f'W/"{secrets.token_hex(10)}"'), ("If-Modified-Since", "Wed, 21 Oct 2015 07:28:00 GMT"),
            ("X-Request-Id", identifier()), ("X-Amzn-Trace-Id", f"Root=1-{secrets.token_hex(4)}-{secrets.token_hex(12)}"),
            ("Traceparent", f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"), ("Tracestate", "vendor=opaque,other=00f067aa"),
            ("Sec-Fetch-Mode", "cors"), ("Sec-Ch-Ua-Platform", '"Linux"')))
        self.allowed(*head(
            ("User-Agent", "OpenAI/Python 1.30.1"), ("Accept", "application/json"), ("X-Stainless-Lang", "python"),
            ("X-Stainless-Package-Version", "1.30.1"), ("X-Stainless-Os", "Linux"), ("X-Stainless-Arch", "x64"),
            ("X-Stainless-Runtime", "CPython"), ("X-Stainless-Runtime-Version", "3.11.4"), ("X-Stainless-Async", "false"),
            ("Idempotency-Key", identifier())))

    def test_many_parameters(self) -> None:
        day = "2024-03-0"
        self.allowed(*url("/v2/search?" + "&".join([
            "q=" + quote("how to cut bread"), "page=2", "per_page=50", f"from={day}1T00:00:00Z", f"to={day}9T00:00:00Z", "sort=desc",
            "fields=id,name,created_at", "lang=en-GB", "tz=Europe%2FBerlin", "lat=52.5200", "lon=13.4050", "v=1.2.3", "safe=active"])))
        self.allowed(*url("/repos/some-owner/Some-Project/contents/src/main/java/org/example/App.java?ref=feature%2Fx-1"))
        self.allowed(*url("/" + "/".join(str(n) for n in range(40)) + "?" + "&".join(f"p{n}={n * n}" for n in range(60))))


if __name__ == "__main__":
    unittest.main()
