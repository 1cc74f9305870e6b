"""What origins answer, held against rules that look at answers: nothing of a match reaches the agent, the log names the rule
and not the text, and an answer without a match is as the origin sent it, at the pace it was sent."""
from __future__ import annotations

import base64
import os
import secrets
import tempfile
import time
import unittest
from pathlib import Path
from typing import Callable

from lib import codings
from lib.case import ProductCase
from lib.origin import Exchange
from lib.wire import Fields, Response, chunked, read_response_head, render

HOST = "api.example.net"
LONG = 3 << 20  # more than `hold`


def rule_file() -> str:
    folder = tempfile.mkdtemp(prefix="pipelock-rules-")
    unittest.addModuleCleanup(lambda: (os.unlink(path), os.rmdir(folder)))
    path = Path(folder) / "answers.yaml"
    path.write_text("version: 1\nrules:\n"
                    "  - {id: answered, description: a word of the tests, regex: 'obey-[0-9a-f]{16}', in: [response],\n"
                    "     examples: {match: [obey-0123456789abcdef]}}\n")
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


class TestAnswers(ProductCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.config = {"rules": ["builtin", rule_file()], "hold_time": "2s"}
        super().setUpClass()

    def get(self, handler: Callable[[Exchange], None], scheme: str = "https") -> Response:
        self.origin.on("/answer", handler)
        return self.agent.request("GET", f"{scheme}://{HOST}/answer", [])

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


if __name__ == "__main__":
    unittest.main()
