"""A secret in every place of a request is refused and leaves no trace; the same request with harmless words arrives as it was
sent. Each vector is data: what goes out, and what a harmless one must look like at the origin."""
from __future__ import annotations

import json
import time
import unittest
from dataclasses import dataclass, field
from typing import Callable

from lib import codings, tokens
from lib.case import ProductCase
from lib.origin import echo
from lib.wire import Fields, Response, chunk, chunked, read_response, render

HARMLESS = "just-some-words-of-a-letter"


@dataclass
class Message:
    """One request. `wire` is what is written for the body; `body` is what the origin must then have read."""

    method: str = "POST"
    host: str = "api.example.net"
    path: str = "/in"
    fields: Fields = field(default_factory=list)
    body: bytes = b""
    wire: list[bytes] | None = None
    slowly: int = 0


def percent(text: str, every: int = 1) -> str:
    return "".join(f"%{ord(c):02X}" if i % every == 0 else c for i, c in enumerate(text))


def json_body(text: str) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": f"the key is {text}, use it"}]}).encode()


def in_chunks(body: bytes, at: int, **more) -> Message:
    return Message(fields=[("Transfer-Encoding", "chunked")], body=body, wire=[chunk(body[:at]), chunk(body[at:]), b"0\r\n\r\n"], **more)


def coded(name: str, text: str) -> Message:
    data = codings.ENCODERS[name](json_body(text) * 3)
    return Message(fields=[("Content-Encoding", name), ("Content-Type", "application/json")], body=data)


def stacked(text: str) -> Message:
    data = codings.gzip(codings.br(json_body(text)))
    return Message(fields=[("Content-Encoding", "br, gzip")], body=data)


def coded_in_chunks(text: str) -> Message:
    data = codings.gzip(json_body(text))
    pieces = [data[i:i + 3] for i in range(0, len(data), 3)]
    return Message(fields=[("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")], body=data, wire=[chunked(*pieces)])


def inside(text: str) -> int:
    """An offset in json_body(text) in the middle of the text."""
    return json_body(text).index(text.encode()) + len(text) // 2


VECTORS: dict[str, Callable[[str], Message]] = {
    "path": lambda t: Message("GET", path=f"/a/{t}/b"),
    "query": lambda t: Message("GET", path=f"/in?key={t}&x=1"),
    "path percent-encoded": lambda t: Message("GET", path=f"/a/{percent(t)}"),
    "query partly percent-encoded": lambda t: Message("GET", path=f"/in?key={percent(t, 3)}&x=1"),
    "header": lambda t: Message("GET", fields=[("X-Note", f"take {t} along")]),
    "authorization": lambda t: Message("GET", fields=[("Authorization", f"Bearer {t}")]),
    "cookie": lambda t: Message("GET", fields=[("Cookie", f"a=b; session={t}; c=d")]),
    "second field of a name": lambda t: Message("GET", fields=[("X-Note", "clean"), ("X-Note", t)]),
    "JSON body": lambda t: Message(fields=[("Content-Type", "application/json")], body=json_body(t)),
    "form body": lambda t: Message(fields=[("Content-Type", "application/x-www-form-urlencoded")], body=f"a=1&key={t}&b=2".encode()),
    "wrong content type": lambda t: Message(fields=[("Content-Type", "image/png")], body=b"\x89PNG\r\n\x1a\n\0\0 " + t.encode() + b"\0"),
    "body of a GET": lambda t: Message("GET", body=json_body(t)),
    "body of a PUT, alone": lambda t: Message("PUT", body=t.encode()),
    "gzip body": lambda t: coded("gzip", t),
    "deflate body": lambda t: coded("deflate", t),
    "raw deflate body": lambda t: Message(fields=[("Content-Encoding", "deflate")], body=codings.raw_deflate(json_body(t))),
    "br body": lambda t: coded("br", t),
    "zstd body": lambda t: coded("zstd", t),
    "two codings": stacked,
    "gzip body in small chunks": coded_in_chunks,
    "chunk boundary inside": lambda t: in_chunks(json_body(t), inside(t)),
    "chunked, one octet a chunk": lambda t: Message(fields=[("Transfer-Encoding", "chunked")], body=json_body(t),
                                                    wire=[chunked(*(bytes([o]) for o in json_body(t)))]),
    "one octet a packet": lambda t: Message(fields=[("X-Pace", "slow")], body=json_body(t), slowly=1),
    "head in pieces": lambda t: Message("GET", path=f"/in?q={t}", fields=[("X-Note", "n")], slowly=7),
    "body after Expect": lambda t: Message(fields=[("Expect", "100-continue")], body=json_body(t)),
    "end of a 300 kB body": lambda t: Message(body=b'{"line": "nothing here"}\n' * 12000 + t.encode()),
    "start of a 300 kB body": lambda t: Message(body=t.encode() + b'\n{"line": "nothing here"}' * 12000),
}

TRAILER: dict[str, Callable[[str], Message]] = {
    "trailer": lambda t: Message(fields=[("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")], body=b"clean",
                                 wire=[chunked(b"clean", trailers=[("X-Sum", t)])]),
}


def send(case: ProductCase, scheme: str, message: Message) -> Response:
    body = message.wire if message.wire is not None else message.body
    return case.agent.request(message.method, f"{scheme}://{message.host}{message.path}", message.fields, body, message.slowly)


class TestVectors(ProductCase):
    """Every vector over http and https, with another kind of secret each time."""

    def refused(self, scheme: str, vectors: dict[str, Callable[[str], Message]]) -> None:
        kinds = list(tokens.KINDS.values())
        for number, (name, make) in enumerate(vectors.items()):
            with self.subTest(name, scheme=scheme):
                self.setUp()
                secret = kinds[number % len(kinds)]()
                problem = self.assertRefused(send(self, scheme, make(secret)), secret)
                for member in ("rule", "where", "change"):
                    self.assertTrue(problem.get(member), f"the refusal has no {member}: {problem}")
                self.assertTrue([m for m in problem if m.startswith("request")], f"the refusal has no request id: {problem}")

    def allowed(self, scheme: str, vectors: dict[str, Callable[[str], Message]]) -> None:
        for name, make in vectors.items():
            with self.subTest(name, scheme=scheme):
                self.setUp()
                message = make(HARMLESS)
                self.assertAllowed(send(self, scheme, message), b"ok")
                self.assertSame(message, scheme)
                self.assertEqual(len(self.lines(verdict="allow")), 1, "one line with the verdict allow")

    def assertSame(self, message: Message, scheme: str) -> None:
        """What the origin got is what was sent."""
        self.assertEqual(len(self.journal.requests), 1)
        seen = self.journal.requests[0]
        self.assertEqual((seen.method, seen.target, seen.get("Host")), (message.method, message.path, message.host))
        self.assertEqual(seen.body, message.body)
        for name, _ in message.fields:
            if name not in ("Transfer-Encoding", "Expect", "Trailer"):
                self.assertEqual(seen.all(name), [v for n, v in message.fields if n == name])
        foreign = [name for name, _ in seen.fields if name.lower().startswith(("proxy-", "pipelock-", "via", "x-forwarded", "forwarded"))]
        self.assertEqual(foreign, [], "fields that the agent did not send")

    def test_secret_over_http_is_refused(self) -> None:
        self.refused("http", VECTORS)

    def test_secret_over_https_is_refused(self) -> None:
        self.refused("https", VECTORS)

    def test_secret_in_a_trailer_is_refused(self) -> None:
        for scheme in ("http", "https"):
            self.refused(scheme, TRAILER)

    def test_harmless_twin_over_http_arrives_as_it_was_sent(self) -> None:
        self.allowed("http", {**VECTORS, **TRAILER})

    def test_harmless_twin_over_https_arrives_as_it_was_sent(self) -> None:
        self.allowed("https", {**VECTORS, **TRAILER})


class TestKinds(ProductCase):
    def test_each_common_format_is_found(self) -> None:
        for name, make in tokens.KINDS.items():
            for turn in range(3):
                with self.subTest(name, turn=turn):
                    self.setUp()
                    secret = make()
                    self.assertRefused(self.agent.post("https://api.example.net/", json_body(secret)), secret)

    def test_own_key_to_its_own_service_is_at_home(self) -> None:
        key = tokens.anthropic()
        self.assertAllowed(self.agent.get("https://api.anthropic.com/v1/models", [("X-Api-Key", key)]))
        self.assertEqual(self.journal.requests[0].get("X-Api-Key"), key)
        self.assertNoTrace(key, self.product.audit.raw(), "the log")
        self.setUp()
        self.assertRefused(self.agent.get("https://api.example.net/v1/models", [("X-Api-Key", key)]), key)
        self.setUp()
        self.assertRefused(self.agent.post("https://api.anthropic.com/v1/messages", json_body(key)), key)


class TestHostName(ProductCase):
    """The name is read before anything asks where it leads. (That no DNS query is made: test_dns.)"""

    def test_secret_in_the_host_of_a_request(self) -> None:
        secret = tokens.aws()
        self.assertRefused(self.agent.get(f"http://{secret}.example.net/"), secret)

    def test_secret_in_the_host_of_a_connect_is_refused_inside_the_tunnel(self) -> None:
        secret = tokens.aws()
        response = self.agent.get(f"https://{secret}.example.net/")
        self.assertFalse(response.refused, "the CONNECT was answered with the refusal, which clients do not show")
        self.assertRefused(response, secret)

    def test_secret_in_the_host_of_a_connect_that_never_speaks_tls(self) -> None:
        secret = tokens.aws()
        with self.agent.open_tunnel(f"{secret}.example.net:443") as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(wire.ended(), "the tunnel stays open")
        self.assertBlocked(secret)
        self.assertTrue(self.journal.silent)

    def test_harmless_names_pass(self) -> None:
        for scheme in ("http", "https"):
            self.setUp()
            self.assertAllowed(self.agent.get(f"{scheme}://just-some-words.example.net/"))


class TestKeptConnection(ProductCase):
    def test_each_request_of_a_connection_is_judged(self) -> None:
        secret = tokens.github()
        with self.agent.tunnel("api.example.net") as wire:
            wire.send(render("GET /one HTTP/1.1", [("Host", "api.example.net")]))
            self.assertAllowed(read_response(wire))
            wire.send(render("GET /two HTTP/1.1", [("Host", "api.example.net"), ("X-Key", secret)]))
            self.assertProblem(read_response(wire), 403)
        self.assertBlocked(secret)
        self.assertEqual([r.target for r in self.journal.requests], ["/one"])
        self.assertNoTrace(secret, bytes(self.journal.raw), "what reached the origin")

    def test_a_pipelined_secret_is_refused_in_its_turn(self) -> None:
        secret = tokens.gitlab()
        with self.agent.connect() as wire:
            wire.send(b"".join(render(f"GET http://api.example.net{path} HTTP/1.1", [("Host", "api.example.net")])
                               for path in ("/one", f"/two?k={secret}", "/three")))
            self.assertAllowed(read_response(wire))
            self.assertProblem(read_response(wire), 403)
            try:
                self.assertAllowed(read_response(wire))  # judged for itself
            except (OSError, EOFError):
                pass  # or the connection has ended with the refusal
        self.assertBlocked(secret)
        self.assertNotIn(f"/two?k={secret}", [r.target for r in self.journal.requests])
        self.assertNoTrace(secret, bytes(self.journal.raw), "what reached the origin")


class TestByways(ProductCase):
    """Parts of a message that nobody looks at: dropped or refused, but never at the origin."""

    def assertNotThrough(self, secret: str, raw: bytes) -> None:
        with self.agent.connect() as wire:
            wire.send(raw)
            response = read_response(wire)
        self.assertNoTrace(secret, response.everything(), "the answer")
        self.assertNoTrace(secret, bytes(self.journal.raw), "what reached the origin")
        self.assertNoTrace(secret, self.product.audit.raw()[self.log_mark:], "the log")
        self.assertTrue(self.lines(), "no line in the log")

    def test_method(self) -> None:
        secret = tokens.aws()
        self.assertNotThrough(secret, f"{secret} http://a.example.net/ HTTP/1.1\r\nHost: a.example.net\r\n\r\n".encode())

    def test_field_name(self) -> None:
        secret = tokens.aws()
        self.assertNotThrough(secret, f"GET http://a.example.net/ HTTP/1.1\r\nHost: a.example.net\r\n{secret}: 1\r\n\r\n".encode())

    def test_host_field_beside_an_absolute_target(self) -> None:
        secret = tokens.aws()
        self.assertNotThrough(secret, f"GET http://a.example.net/ HTTP/1.1\r\nHost: {secret}.example.net\r\n\r\n".encode())

    def test_chunk_extension(self) -> None:
        secret = tokens.github()
        head = b"POST http://a.example.net/ HTTP/1.1\r\nHost: a.example.net\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.assertNotThrough(secret, head + f"3;x={secret}\r\nabc\r\n0\r\n\r\n".encode())

    def test_hop_by_hop_fields(self) -> None:
        for name in ("Proxy-Authorization", "Keep-Alive", "X-Named"):
            with self.subTest(name):
                self.setUp()
                secret = tokens.slack()
                self.assertNotThrough(secret, f"GET http://a.example.net/ HTTP/1.1\r\nHost: a.example.net\r\nConnection: x-named\r\n"
                                              f"{name}: {secret}\r\n\r\n".encode())

    def test_fragment_and_userinfo_of_the_target(self) -> None:
        for target in ("http://a.example.net/#{}", "http://{}@a.example.net/", "http://u:{}@a.example.net/"):
            with self.subTest(target):
                self.setUp()
                secret = tokens.aws()
                self.assertNotThrough(secret, f"GET {target.format(secret)} HTTP/1.1\r\nHost: a.example.net\r\n\r\n".encode())

    def test_a_body_that_cannot_be_read_is_not_sent_on(self) -> None:
        text = json_body(tokens.github())
        for coding, body in [("gzip", codings.gzip(text)[:-9]), ("gzip", codings.gzip(b"clean") + text), ("compress", text),
                             ("gzip", text), ("x-made-up", text), ("deflate", codings.deflate(text) + b"tail"),
                             ("zstd", codings.zstd(text)[:-3]), ("br", codings.br(text)[:-3]), ("gzip, gzip", codings.gzip(text))]:
            with self.subTest(coding, size=len(body)):
                self.setUp()
                response = self.agent.post("http://a.example.net/", body, [("Content-Encoding", coding)])
                self.assertRefused(response)

    def test_a_bomb_is_not_sent_on(self) -> None:
        zeros = bytes(200 << 20)
        for coding in ("br", "zstd"):
            with self.subTest(coding):
                self.setUp()
                self.assertRefused(self.agent.post("http://a.example.net/", codings.ENCODERS[coding](zeros), [("Content-Encoding", coding)]))


class TestLongBody(ProductCase):
    """Longer than what is held whole: the beginning streams, of the match nothing leaves."""

    def test_secret_in_a_body_longer_than_hold(self) -> None:
        for scheme in ("http", "https"):
            for place in (1_500_000, 3_000_000, 5_999_000):
                with self.subTest(scheme=scheme, place=place):
                    self.setUp()
                    secret = tokens.anthropic()
                    body = bytearray(b'{"line": "nothing here to see"}\n' * 190_000)
                    body[place:place + len(secret)] = secret.encode()
                    try:
                        response = self.agent.post(f"{scheme}://api.example.net/long", bytes(body))
                        self.assertProblem(response, 403)
                        self.assertNoTrace(secret, response.everything(), "the answer")
                    except (OSError, EOFError):
                        pass  # a reset is a refusal too: the request had begun
                    self.assertBlocked(secret)
                    self.assertNoTrace(secret, bytes(self.journal.raw), "what reached the origin")
                    self.assertNotIn(secret[:6].encode(), bytes(self.journal.raw), "the beginning of the match has left")
                    self.assertFalse([r for r in self.journal.requests if r.body], "the origin took it for a whole request")

    def test_a_secret_that_pauses_in_its_middle_until_holding_is_over(self) -> None:
        """hold_time lets a trickling body go on, but not what may be the beginning of a match."""
        for coding, encode in (("identity", bytes), ("gzip", codings.gzip)):
            with self.subTest(coding):
                self.setUp()
                secret = tokens.github()
                body = encode(b"some words first, " * 300 + secret.encode() + b" and then more")
                middle = len(body) - 30
                with self.agent.tunnel("api.example.net") as wire:
                    wire.send(render("POST /in HTTP/1.1", [("Host", "api.example.net"), ("Transfer-Encoding", "chunked"), ("Content-Encoding", coding)]),
                              chunk(body[:middle]))
                    time.sleep(3)
                    try:
                        wire.send(chunk(body[middle:]) + b"0\r\n\r\n")
                        self.assertNoTrace(secret, wire.to_end(), "the answer")
                    except OSError:
                        pass
                self.assertBlocked(secret)
                self.assertNoTrace(secret, bytes(self.journal.raw), "what reached the origin")
                self.assertFalse([r for r in self.journal.requests if r.body])

    def test_harmless_long_bodies_arrive(self) -> None:
        self.origin.on("/echo", echo)
        body = b'{"line": "nothing here to see"}\n' * 190_000
        for scheme in ("http", "https"):
            for fields, data in [([], body), ([("Content-Encoding", "gzip")], codings.gzip(body)), ([("Content-Encoding", "zstd")], codings.zstd(body))]:
                self.setUp()
                self.assertAllowed(self.agent.post(f"{scheme}://api.example.net/echo", data, fields), data)


if __name__ == "__main__":
    unittest.main()
