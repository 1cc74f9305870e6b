"""What origins answer, held against rules that look at answers: nothing of a match reaches the agent, the log names the rule
and not the text, and an answer without a match is as the origin sent it, at the pace it was sent."""
from __future__ import annotations

import base64
import os
import secrets
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Any, Callable

from lib import codings, tokens
from lib.case import ProductCase
from lib.origin import Exchange
from lib.wire import Fields, Response, chunk, chunked, read_response, read_response_head, render

HOST = "api.example.net"
LONG = 3 << 20  # more than `hold`


def rule_file() -> str:
    folder = tempfile.mkdtemp(prefix="pipelock-rules-")
    unittest.addModuleCleanup(lambda: (os.unlink(path), os.rmdir(folder)))
    path = Path(folder) / "answers.yaml"
    path.write_text("version: 1\nrules:\n"
                    "  - {id: answered, description: a word of the tests, regex: 'obey-[0-9a-f]{16}', in: [response],\n"
                    "     examples: {match: [obey-0123456789abcdef]}}\n"
                    "  - {id: mentioned, description: another, regex: 'mind-[0-9a-f]{16}', in: [response], action: warn,\n"
                    "     examples: {match: [mind-0123456789abcdef]}}\n")
    path.chmod(0o600)
    return str(path)


def order() -> str:
    return "obey-" + secrets.token_hex(8)


def text_with(word: str) -> bytes:
    return b"<p>Some page.</p> " * 20 + word.encode() + b" <p>Its end.</p>"


SPELLED: dict[str, Callable[[str], tuple[Fields, bytes]]] = {
    "plain": lambda w: ([("Content-Type", "text/html")], text_with(w)),
    "alone": lambda w: ([], w.encode()),
    "gzip": lambda w: ([("Content-Encoding", "gzip")], codings.gzip(text_with(w))),
    "zstd": lambda w: ([("Content-Encoding", "zstd")], codings.zstd(text_with(w))),
    "base64": lambda w: ([], b"data: " + base64.b64encode(text_with(w))),
    "JSON's escapes": lambda w: ([("Content-Type", "application/json")],
                                 ('{"a":"' + "".join(f"\\u{ord(c):04x}" for c in w) + '"}').encode()),
}


class AnswerCase(ProductCase):
    """Rules of the tests beside those that are shipped. `more` is merged into the configuration."""

    more: dict[str, Any] = {}

    @classmethod
    def setUpClass(cls) -> None:
        cls.config = {"rules": ["builtin", rule_file()], "hold_time": "2s", **cls.more}
        super().setUpClass()

    def get(self, handler: Callable[[Exchange], None], scheme: str = "https", method: str = "GET") -> Response:
        self.origin.on("/answer", handler)
        return self.agent.request(method, f"{scheme}://{HOST}/answer", [])

    def raw(self, handler: Callable[[Exchange], None], version: str = "HTTP/1.1") -> bytes:
        """All that comes back until the connection ends."""
        self.origin.on("/answer", handler)
        wire, target, authority = self.agent.to(f"https://{HOST}/answer")
        with wire:
            wire.send(render(f"GET {target} {version}", [("Host", authority), ("Connection", "close")]))
            got = b""
            try:
                while piece := wire.receive():
                    got += piece
            except OSError:
                pass
            return got

    def assertAnswerRefused(self, response: Response, word: str) -> None:
        """403 with one line in the log, which names the rule and where, and nowhere the text."""
        problem = self.assertProblem(response, 403)
        self.assertEqual((problem["code"], problem["rule"], problem["where"]), ("rule_match", "answered", "response"))
        self.assertNoTrace(word, response.everything(), "the answer")
        line = self.assertBlocked(word)[0]
        self.assertEqual((line["event"], line["code"], line["status"]), ("request", "rule_match", 403))
        self.assertEqual([(f["rule"], f["part"]) for f in line["findings"]], [("answered", "response")])
        self.assertEqual(len(self.lines(event="request")), 1)


class TestAnswers(AnswerCase):
    def test_a_match_is_refused_in_words(self) -> None:
        for name, spell in SPELLED.items():
            for scheme in ("http", "https"):
                with self.subTest(name, scheme=scheme):
                    word = order()
                    fields, body = spell(word)
                    response = self.get(lambda exchange: exchange.answer(body, fields=fields), scheme)
                    self.assertProblem(response, 403)
                    self.assertEqual(response.code, "rule_match")
                    self.assertNoTrace(word, response.everything(), "the answer")

    def test_the_log_names_the_rule_and_not_the_text(self) -> None:
        word = order()
        self.get(lambda exchange: exchange.answer(text_with(word)))
        line = self.lines(event="request", verdict="block")[0]
        found = [(finding["rule"], finding["part"]) for finding in line["findings"]]
        self.assertIn(("answered", "response"), found)
        self.assertNoTrace(word, self.product.audit.raw(), "the log")

    def test_other_answers_are_as_they_were(self) -> None:
        for name, spell in SPELLED.items():
            with self.subTest(name):
                fields, body = spell("obey-nothing")
                self.assertAllowed(self.get(lambda exchange: exchange.answer(body, fields=fields)), body)

    def test_a_long_answer_is_cut_before_the_match(self) -> None:
        word = order()
        body = b"nothing here.\n" * (LONG // 14) + word.encode() + b"\nnor here" * 1000
        response = self.get(lambda exchange: exchange.answer(body))
        self.assertFalse(response.complete, "what was cut looks whole")
        self.assertNoTrace(word, response.everything(), "the answer")
        self.assertGreater(len(response.body), 0, "it did not stream")

    def test_a_match_in_a_chunked_answer(self) -> None:
        word = order()

        def handle(exchange: Exchange) -> None:
            exchange.head(fields=[("Transfer-Encoding", "chunked")])
            exchange.send(chunked(b"some words " + word[:9].encode(), word[9:].encode() + b" and more"))

        self.origin.on("/answer", handle)
        wire, target, authority = self.agent.to(f"https://{HOST}/answer")
        with wire:
            wire.send(render(f"GET {target} HTTP/1.1", [("Host", authority)]))
            got = wire.to_end()
        self.assertNoTrace(word, got, "the answer")
        self.assertFalse(got.endswith(b"0\r\n\r\n"), "what was cut looks whole")

    def test_a_coding_that_is_unknown_or_broken_is_not_passed(self) -> None:
        for name, coding, body in (("unknown", "made-up", b"who knows"), ("broken", "gzip", b"no gzip at all")):
            with self.subTest(name):
                response = self.get(lambda exchange: exchange.answer(body, fields=[("Content-Encoding", coding)]))
                self.assertProblem(response, 403)
                self.assertEqual(response.code, "unscannable")

    def test_events_pass_as_they_come(self) -> None:
        def handle(exchange: Exchange) -> None:
            exchange.head(fields=[("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
            for token in (b"data: {\"t\":\"one\"}\n\n", b"data: {\"t\":\"two\"}\n\n"):
                exchange.send(f"{len(token):x}\r\n".encode() + token + b"\r\n")
                time.sleep(1.5)
            exchange.send(b"0\r\n\r\n")

        self.origin.on("/answer", handle)
        wire, target, authority = self.agent.to(f"https://{HOST}/answer")
        with wire:
            begin = time.monotonic()
            wire.send(render(f"GET {target} HTTP/1.1", [("Host", authority)]))
            self.assertEqual(read_response_head(wire).status, 200)
            got = b""
            while b'"one"' not in got:
                got += wire.exactly(1)
            self.assertLess(time.monotonic() - begin, 1.0, "the first event waited for the second")


def escaped(word: str) -> str:
    return "".join(f"%{octet:02x}" for octet in word.encode())


def in_base64(word: str) -> str:
    return base64.b64encode(b"the text is " + word.encode() + b", and that is all").decode()


FIELDS: dict[str, Callable[[str], Fields]] = {
    "plain": lambda w: [("X-Note", w)],
    "in a sentence": lambda w: [("X-Note", f"some words, {w}, and others")],
    "percent-encoded": lambda w: [("Location", f"/next?note={escaped(w)}")],
    "base64": lambda w: [("X-Note", in_base64(w))],
    "in a cookie": lambda w: [("Set-Cookie", f"id={w}; Path=/")],
    "in a name": lambda w: [(w, "1")],
    "in the second of a name": lambda w: [("X-Note", "nothing"), ("X-Note", w)],
    "at the end of a long one": lambda w: [("X-Note", "word " * 4000 + w)],
    "in the last of many": lambda w: [*((f"X-{n}", "nothing") for n in range(100)), ("X-Note", w)],
}


class TestFields(AnswerCase):
    def test_a_match_is_refused_before_the_head(self) -> None:
        for name, spell in FIELDS.items():
            for scheme in ("http", "https"):
                with self.subTest(name, scheme=scheme):
                    self.setUp()
                    word = order()
                    fields = spell(word)
                    self.assertAnswerRefused(self.get(lambda exchange: exchange.answer(b"ok", fields=fields), scheme), word)

    def test_in_answers_of_every_kind(self) -> None:
        def long(exchange: Exchange, word: str) -> None:
            exchange.answer(b"x" * LONG, fields=[("X-Note", word)])

        def streamed(exchange: Exchange, word: str) -> None:
            exchange.head(fields=[("Transfer-Encoding", "chunked"), ("X-Note", word)])
            exchange.send(chunked(b"some words"))

        kinds: dict[str, tuple[str, Callable[[Exchange, str], None]]] = {
            "to HEAD": ("HEAD", lambda e, w: e.answer(b"ok", fields=[("X-Note", w)])),
            "204": ("GET", lambda e, w: e.head("204 No Content", [("X-Note", w)])),
            "304": ("GET", lambda e, w: e.head("304 Not Modified", [("ETag", f'"{w}"')])),
            "a redirect": ("GET", lambda e, w: e.answer(b"", "302 Found", [("Location", f"https://{HOST}/{w}")])),
            "an empty one": ("GET", lambda e, w: e.answer(b"", fields=[("X-Note", w)])),
            "a long one": ("GET", long),
            "a streamed one": ("GET", streamed),
            "in its reason": ("GET", lambda e, w: e.answer(b"ok", f"200 Please {w}")),
        }
        for name, (method, handle) in kinds.items():
            with self.subTest(name):
                self.setUp()
                word = order()
                response = self.get(lambda exchange: handle(exchange, word), method=method)
                if method != "HEAD":
                    self.assertAnswerRefused(response, word)
                self.assertEqual((response.status, response.code), (403, "rule_match"))
                self.assertNoTrace(word, response.everything(), "the answer")
                self.assertBlocked(word)

    def test_others_are_as_the_origin_sent_them(self) -> None:
        fields = [("X-Empty", ""), ("x-ODD.name!", "a:b;c=\"d\""), ("X-Latin", "caf\xe9 \xff"), ("X-Tab", "a\tb"), ("Set-Cookie", "a=1"),
                  ("Set-Cookie", "b=2"), ("X-Code", base64.b64encode(os.urandom(300)).decode()), ("X-Escaped", escaped("nothing")),
                  ("X-Near", "obey-0123456789abcde"), ("X-Long", "some words" * 1000), ("Link", "</a.css>; rel=preload")]
        for scheme in ("http", "https"):
            with self.subTest(scheme):
                response = self.get(lambda exchange: exchange.answer(b"whole", "200 Quite All Right", fields), scheme)
                self.assertAllowed(response, b"whole")
                self.assertEqual(response.start, "HTTP/1.1 200 Quite All Right")
                lines = b"".join(f"{n}: {v}\r\n".encode("latin-1") for n, v in fields)
                self.assertTrue(lines in response.raw, response.raw[:1500])

    def test_a_folded_one_is_no_way_round(self) -> None:
        word = order()

        def handle(exchange: Exchange) -> None:
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Note: " + word[:9].encode() + b"\r\n " + word[9:].encode() + b"\r\n\r\nok")
            exchange.finish()

        response = self.get(handle)
        self.assertProblem(response, 502)
        self.assertNoTrace(word, response.everything(), "the answer")

    def test_interim_answers(self) -> None:
        def handle(hints: str) -> Callable[[Exchange], None]:
            def hint(exchange: Exchange) -> None:
                exchange.head("103 Early Hints", [("Link", "</first.css>; rel=preload")])
                exchange.head("103 Early Hints", [("Link", hints)])
                exchange.answer(b"ok")
            return hint

        word = order()
        response = self.get(handle(f"</{word}.css>; rel=preload"))
        self.assertAnswerRefused(response, word)
        for head in response.interim:
            self.assertNoTrace(word, head.raw, "an interim answer")
        self.setUp()
        response = self.get(handle("</second.css>; rel=preload"))
        self.assertAllowed(response, b"ok")
        self.assertEqual([head.get("Link") for head in response.interim], ["</first.css>; rel=preload", "</second.css>; rel=preload"])

    def test_what_does_not_go_on_counts_for_nothing(self) -> None:
        """An agent of HTTP/1.0 gets no interim answers and no trailers."""
        def handle(exchange: Exchange) -> None:
            exchange.head("103 Early Hints", [("Link", f"</{order()}>")])
            exchange.head(fields=[("Transfer-Encoding", "chunked"), ("Trailer", "X-Note")])
            exchange.send(chunked(b"whole", trailers=[("X-Note", order())]))

        got = self.raw(handle, "HTTP/1.0")
        self.assertTrue(got.startswith(b"HTTP/1.1 200 OK\r\n") and got.endswith(b"\r\n\r\nwhole"), got)

    def test_a_match_in_a_trailer(self) -> None:
        for name, spell in (("plain", str), ("escaped", escaped), ("base64", in_base64)):
            with self.subTest(name):
                self.setUp()
                word = order()

                def handle(exchange: Exchange) -> None:
                    exchange.head(fields=[("Transfer-Encoding", "chunked"), ("Trailer", "X-First, X-Note")])
                    exchange.send(chunk(b"some words") + b"0\r\n")
                    time.sleep(0.1)
                    exchange.send(f"X-First: nothing\r\nX-Note: {spell(word)}\r\n\r\n".encode())

                got = self.raw(handle)
                self.assertNoTrace(word, got, "the answer")
                self.assertIn(b"some words", got)
                self.assertFalse(got.endswith(b"0\r\n\r\n"), "what was cut looks whole")
                self.assertNotIn(b"X-First", got)
                line = self.assertBlocked(word)[0]
                self.assertEqual((line["code"], line["findings"][0]["part"]), ("rule_match", "response"))

    def test_other_trailers_pass(self) -> None:
        trailers = [("X-First", "nothing"), ("X-Checksum", base64.b64encode(os.urandom(32)).decode())]

        def handle(exchange: Exchange) -> None:
            exchange.head(fields=[("Transfer-Encoding", "chunked"), ("Trailer", "X-First, X-Checksum")])
            exchange.send(chunked(b"some words", b"and more", trailers=trailers))

        response = self.get(handle)
        self.assertAllowed(response, b"some wordsand more")
        self.assertEqual(response.trailers, trailers)

    def test_a_warning_lets_it_pass(self) -> None:
        word = "mind-" + secrets.token_hex(8)
        self.assertAllowed(self.get(lambda exchange: exchange.answer(b"ok", fields=[("X-Note", word)])), b"ok")
        line = self.lines(event="request")[0]
        self.assertEqual((line["verdict"], [(f["rule"], f["part"]) for f in line["findings"]]), ("warn", [("mentioned", "response")]))
        self.assertNoTrace(word, self.product.audit.raw()[self.log_mark:], "the log")

    def test_a_refused_request_names_its_own_findings(self) -> None:
        """Even when an answer has begun, with words that are none of it."""
        secret, seen = tokens.github(), threading.Event()

        def handle(exchange: Exchange) -> None:
            exchange.head("103 Early Hints", [("Link", "</first.css>; rel=preload")])
            seen.set()
            exchange.body()

        self.origin.on("/answer", handle)
        wire, target, authority = self.agent.to(f"https://{HOST}/answer")
        body = b"some words of text " * (LONG // 19)
        with wire:
            wire.send(render(f"POST {target} HTTP/1.1", [("Host", authority), ("Content-Length", str(len(body) + len(secret)))]), body)
            self.assertTrue(seen.wait(10), "it did not stream")
            wire.until(b"\r\n\r\n")
            wire.send(secret.encode())
            problem = self.assertProblem(read_response(wire), 403)
        self.assertEqual((problem["code"], problem["where"]), ("rule_match", "body"))


class TestAuditMode(AnswerCase):
    more = {"mode": "audit"}

    def test_all_passes_and_is_told(self) -> None:
        word = order()

        def handle(exchange: Exchange) -> None:
            exchange.head("103 Early Hints", [("Link", f"</{word}>")])
            exchange.head(f"200 Please {word}", [("Transfer-Encoding", "chunked"), ("X-Note", word), ("Trailer", "X-End")])
            exchange.send(chunked(b"whole", trailers=[("X-End", word)]))

        response = self.get(handle)
        self.assertAllowed(response, b"whole")
        self.assertEqual((response.interim[0].get("Link"), response.get("X-Note"), response.trailers), (f"</{word}>", word, [("X-End", word)]))
        line = self.lines(event="request")[0]
        self.assertEqual((line["verdict"], line["findings"][0]["rule"], line["findings"][0]["count"]), ("warn", "answered", 4))
        self.assertNoTrace(word, self.product.audit.raw()[self.log_mark:], "the log")


class TestWithoutRules(ProductCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.config = {"rules": ["builtin", rule_file()],
                      "overrides": [{"rule": name, "action": "allow"} for name in ("injection-*", "answered", "mentioned")]}
        super().setUpClass()

    def test_answers_are_not_looked_at(self) -> None:
        scanned = []
        for fields in ([], [("X-Note", order())] * 50):
            self.setUp()
            self.origin.on("/answer", lambda exchange: exchange.answer(b"ok", fields=fields))
            self.assertAllowed(self.agent.get(f"https://{HOST}/answer"), b"ok")
            scanned.append(self.lines(event="request")[0]["scanned_bytes"])
        self.assertEqual(scanned[0], scanned[1])


if __name__ == "__main__":
    unittest.main()
