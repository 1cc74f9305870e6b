"""The harness against itself, without the product: an origin that lies or a search that finds nothing would make every other
test pass."""
from __future__ import annotations

import base64
import hashlib
import json
import socket
import unittest

from lib import codings, tokens
from lib.audit import chain_faults
from lib.case import authority
from lib.origin import Origin, echo, sink, source, trust
from lib.pattern import Checker, Pattern
from lib.product import COMPLAINT, as_yaml, merged
from lib.wire import Malformed, Wire, chunked, read_response, render


def direct(origin: Origin, tls: bool = False) -> Wire:
    sock = socket.create_connection((origin.host, origin.tls_port if tls else origin.plain_port))
    return Wire(trust(origin.authority).wrap_socket(sock, server_hostname="origin.example") if tls else sock, timeout=5)


class TestOrigin(unittest.TestCase):
    def setUp(self) -> None:
        self.origin = Origin(authority())
        self.addCleanup(self.origin.close)

    def test_writes_down_what_came_and_keeps_the_connection(self) -> None:
        self.origin.on("/echo", echo)
        with direct(self.origin) as wire:
            for body in (b"one", b"two"):
                wire.send(render("POST /echo?q=1 HTTP/1.1", [("Host", "a"), ("Transfer-Encoding", "chunked")]),
                          chunked(body[:1], body[1:], trailers=[("X-Sum", "1")]))
                self.assertEqual(read_response(wire).body, body)
        seen = self.origin.journal.requests
        self.assertEqual([(r.method, r.target, r.body, r.trailers) for r in seen],
                         [("POST", "/echo?q=1", body, [("X-Sum", "1")]) for body in (b"one", b"two")])
        self.assertEqual(self.origin.journal.connections, 1)
        self.assertIn(b"\r\n1\r\no\r\n", self.origin.journal.raw)

    def test_speaks_tls_with_a_leaf_for_the_name(self) -> None:
        with direct(self.origin, tls=True) as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: origin.example\r\n\r\n")
            self.assertEqual(read_response(wire).get("X-Origin"), self.origin.nonce)
        self.assertEqual(self.origin.journal.server_names, ["origin.example"])

    def test_reports_requests_that_could_be_read_in_two_ways(self) -> None:
        with direct(self.origin) as wire:
            wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
            self.assertTrue(wire.ended())
        self.assertTrue(self.origin.journal.faults)

    def test_a_long_body_is_checked_octet_by_octet(self) -> None:
        pattern, checkers = Pattern(3_000_000, text=True), []
        self.origin.on("/up", sink(checkers, pattern))
        self.origin.on("/down", source(pattern, with_length=False))
        data = b"".join(pattern.pieces())
        with direct(self.origin) as wire:
            wire.send(render("PUT /up HTTP/1.1", [("Host", "a"), ("Content-Length", str(len(data)))]), data)
            self.assertEqual(read_response(wire).body, b"3000000")
            wire.send(render("GET /down HTTP/1.1", [("Host", "a")]))
            self.assertEqual(read_response(wire).body, data)
        self.assertTrue(checkers[0].whole)
        for wrong in (data[:-1], data + b"x", data[:100] + b"?" + data[101:], data[:500] + data[501:] + b"y"):
            checker = Checker(pattern)
            checker.feed(wrong)
            self.assertFalse(checker.whole)


class TestReading(unittest.TestCase):
    def read(self, data: bytes, method: str = "GET"):
        near, far = socket.socketpair()
        far.sendall(data)
        far.close()
        with Wire(near) as wire:
            return read_response(wire, method)

    def test_a_body_that_is_cut_off_is_not_complete(self) -> None:
        self.assertFalse(self.read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc").complete)
        self.assertFalse(self.read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").complete)
        self.assertTrue(self.read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").complete)

    def test_interim_answers_are_kept_apart(self) -> None:
        response = self.read(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual((response.status, [i.get("Link") for i in response.interim]), (200, ["x"]))

    def test_double_framing_is_an_error(self) -> None:
        with self.assertRaises(Malformed):
            self.read(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na")


class TestSearch(unittest.TestCase):
    def test_each_encoding_of_a_secret_is_found(self) -> None:
        for make in tokens.KINDS.values():
            secret = make().encode()
            forms = [secret, secret[4:], secret[:-3], secret.hex().encode(), secret.hex().upper().encode(), secret[::-1],
                     "".join(f"%{octet:02x}" for octet in secret).encode(),
                     *(base64.b64encode(b"z" * shift + secret) for shift in range(3)),
                     *(base64.urlsafe_b64encode(b"z" * shift + secret) for shift in range(3))]
            for form in forms:
                self.assertTrue(tokens.traces(secret, b'{"x":"' + form + b'"}'), form)
            self.assertEqual(tokens.traces(secret, b'{"rule":"github-token","where":"sk-ant-api03-... AKIA*** ghp_"}'), [])

    def test_each_coding_can_be_undone(self) -> None:
        for name, encode in codings.ENCODERS.items():
            self.assertNotIn(b"hello hello hello", encode(b"hello " * 50), name)

    def test_a_broken_chain_is_seen(self) -> None:
        lines, before = [], "0" * 64
        for number in range(1, 5):
            text = json.dumps({"seq": number, "prev": before}, separators=(",", ":"))[:-1]
            before = hashlib.sha256(text.encode()).hexdigest()
            lines.append(f'{text},"hash":"{before}"}}\n'.encode())
        self.assertEqual(chain_faults(b"".join(lines)), [])
        for wrong in (lines[:1] + lines[2:], lines[1:], [lines[0], lines[2], lines[1], lines[3]],
                      [*lines[:3], lines[3].replace(b'"seq":4', b'"seq":5')], [*lines[:3], lines[3][:-1]]):
            self.assertTrue(chain_faults(b"".join(wrong)))

    def test_a_sanitizer_report_is_a_complaint(self) -> None:
        for line in ("==1==ERROR: AddressSanitizer: heap-use-after-free", "x.c:1:2: runtime error: shift exponent",
                     "==7==ERROR: LeakSanitizer: detected memory leaks", "pipelock: a.c:1: f: Assertion `x' failed."):
            self.assertTrue(COMPLAINT.search(line), line)


class TestConfiguration(unittest.TestCase):
    def test_is_written_as_flow_yaml_and_merged_by_key(self) -> None:
        config = merged({"version": 1, "egress": {"listen": "a"}, "mode": "x"}, {"egress": {"ca_file": "b"}, "mode": None})
        self.assertEqual(as_yaml(config), 'version: 1\negress: {"listen": "a", "ca_file": "b"}\n')


if __name__ == "__main__":
    unittest.main()
