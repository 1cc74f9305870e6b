"""Bounds of size and time: who sends too much, too slowly or nothing at all is shed with an answer, and others never notice."""
from __future__ import annotations

import time
import unittest

from lib import tokens
from lib.case import ProductCase
from lib.wire import chunk, read_response, render

HOST = "api.example.net"


class TestSizes(ProductCase):
    def ask(self, raw: bytes):
        with self.agent.connect() as wire:
            try:
                wire.send(raw)
            except OSError:
                pass
            return read_response(wire)

    def test_a_target_just_within_the_limit_passes(self) -> None:
        path = "/" + "a/" * 15_000
        self.assertAllowed(self.agent.get(f"http://{HOST}{path}"))
        self.assertEqual(self.journal.requests[0].target, path)

    def test_a_target_over_it_is_414(self) -> None:
        self.assertEqual(self.assertProblem(self.ask(f"GET http://{HOST}/{'a/' * 17_000} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()), 414)["code"],
                         "target_too_long")
        self.assertProblem(self.ask(b"GET http://" + b"a" * 300_000), 414)

    def test_a_large_head_passes_and_a_larger_one_is_431(self) -> None:
        fields = [(f"X-Field-{n}", "words and words " * 60) for n in range(50)]
        self.assertAllowed(self.agent.get(f"http://{HOST}/", fields))
        self.assertEqual(self.assertProblem(self.agent.get(f"http://{HOST}/", fields * 2), 431)["code"], "head_too_large")

    def test_too_many_fields_are_431(self) -> None:
        self.assertProblem(self.agent.get(f"http://{HOST}/", [(f"X-{n}", "v") for n in range(200)]), 431)

    def test_an_endless_field_line_is_431(self) -> None:
        self.assertProblem(self.ask(f"GET http://{HOST}/ HTTP/1.1\r\nHost: {HOST}\r\nX: ".encode() + b"y" * 400_000), 431)

    def test_an_endless_chunk_size_line_and_trailers_end(self) -> None:
        head = render(f"POST http://{HOST}/ HTTP/1.1", [("Host", HOST), ("Transfer-Encoding", "chunked")])
        for tail in (b"0" * 200_000, b"1;" + b"x" * 200_000, b"0\r\n" + b"X-T: y\r\n" * 20_000):
            self.setUp()
            response = self.ask(head + tail)
            self.assertProblem(response, 431 if response.status == 431 else 400)
            self.assertFalse([r for r in self.journal.requests if r.body])

    def test_an_answer_with_an_endless_head_is_502(self) -> None:
        self.origin.on("/endless", lambda e: (e.send(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 500_000), e.finish()))
        self.assertProblem(self.agent.get(f"http://{HOST}/endless"), 502)


class TestTimes(ProductCase):
    config = {"timeouts": {"head": "2s", "body": "2s", "idle": "4s", "tls": "2s"}}

    def test_a_head_that_does_not_come_to_its_end_is_408(self) -> None:
        for scheme in ("http", "https"):
            with self.subTest(scheme), (self.agent.connect() if scheme == "http" else self.agent.tunnel(HOST)) as wire:
                begin = time.monotonic()
                wire.send(b"GET http://a.exam")
                self.assertProblem(read_response(wire), 408)
                self.assertLess(time.monotonic() - begin, 5)
                self.assertTrue(wire.ended())

    def test_a_head_that_comes_octet_by_octet_has_no_more_time(self) -> None:
        with self.agent.connect() as wire:
            begin = time.monotonic()
            try:
                for octet in render(f"GET http://{HOST}/ HTTP/1.1", [("Host", HOST), ("X-Long", "y" * 100)]):
                    wire.send(bytes([octet]))
                    time.sleep(0.06)
            except OSError:
                pass
            self.assertLess(time.monotonic() - begin, 7.5)
            try:
                self.assertProblem(read_response(wire), 408)
            except (OSError, EOFError):
                pass
        self.assertTrue(self.journal.silent)

    def test_a_body_that_stops_is_408_and_reaches_nobody(self) -> None:
        for fields, part in (([("Content-Length", "100")], b"abc"), ([("Transfer-Encoding", "chunked")], chunk(b"abc"))):
            self.setUp()
            with self.agent.connect() as wire:
                wire.send(render(f"POST http://{HOST}/ HTTP/1.1", [("Host", HOST), *fields]), part)
                try:
                    self.assertProblem(read_response(wire), 408)
                except (OSError, EOFError):
                    pass  # it was streaming already, after hold_time
            self.assertFalse([r for r in self.journal.requests if r.body], "half a body became a request")
            self.assertTrue(self.lines(), "no line in the log")

    def test_an_idle_connection_is_closed_without_a_word(self) -> None:
        with self.agent.connect() as wire:
            wire.send(render(f"GET http://{HOST}/ HTTP/1.1", [("Host", HOST)]))
            self.assertAllowed(read_response(wire))
            self.assertTrue(wire.ended(9), "it stays open, or something was said")

    def test_a_connection_that_never_says_a_word_is_closed(self) -> None:
        with self.agent.connect() as wire:
            wire.sock.settimeout(10)
            try:
                wire.to_end()
            except TimeoutError:
                self.fail("it stays open")
            except OSError:
                pass

    def test_a_tunnel_without_a_handshake_is_closed(self) -> None:
        for first in (b"", b"\x16\x03\x01\x02"):
            with self.agent.open_tunnel(f"{HOST}:443") as wire:
                wire.send(first)
                wire.sock.settimeout(8)
                try:
                    wire.to_end()
                except TimeoutError:
                    self.fail("it stays open")
                except OSError:
                    pass

    def test_a_long_stream_that_moves_is_never_cut(self) -> None:
        def slow(exchange) -> None:
            exchange.head(fields=[("Transfer-Encoding", "chunked")])
            for _ in range(10):
                exchange.send(chunk(b"tick "))
                time.sleep(0.5)
            exchange.send(b"0\r\n\r\n")

        self.origin.on("/slow", slow)
        self.assertAllowed(self.agent.get(f"https://{HOST}/slow"), b"tick " * 10)


class TestMemory(ProductCase):
    config = {"memory": "16MiB"}

    def test_bodies_that_are_too_many_to_hold_stream_or_are_shed(self) -> None:
        """And a secret in one that streams for want of memory does not get through either."""
        secret = tokens.aws()
        body = b"words and words " * 60_000
        wires = [self.agent.connect() for _ in range(40)]
        for wire in wires:
            try:
                wire.send(render(f"POST http://{HOST}/ HTTP/1.1", [("Host", HOST), ("Content-Length", str(len(body) + 40))]), body)
            except OSError:
                pass
        statuses = []
        for number, wire in enumerate(wires):
            try:
                wire.send((secret if number % 2 else "x" * 20).encode().rjust(40))
                statuses.append(read_response(wire).status)
            except (OSError, EOFError):
                statuses.append(0)
            wire.close()
        self.assertFalse([status for status in statuses[1::2] if status == 200], "a secret passed")
        self.assertIn(200, statuses[::2])
        self.assertFalse(set(statuses) - {0, 200, 403, 503}, statuses)
        self.assertNoTrace(secret, bytes(self.journal.raw), "what reached the origin")
        self.assertAllowed(self.agent.get(f"http://{HOST}/"))


class TestConnections(ProductCase):
    config = {"limits": {"connections": 40}}

    def test_more_connections_than_allowed_are_shed_and_room_comes_back(self) -> None:
        held = [self.agent.connect() for _ in range(60)]
        time.sleep(0.5)
        for wire in held:
            wire.close()
        time.sleep(0.5)
        self.assertAllowed(self.agent.get(f"http://{HOST}/"))

    def test_other_agents_are_served_beside_slow_ones(self) -> None:
        held = [self.agent.connect() for _ in range(30)]
        for wire in held:
            wire.send(b"POST http://")
        begin = time.monotonic()
        self.assertAllowed(self.agent.get(f"http://{HOST}/"))
        self.assertLess(time.monotonic() - begin, 2)
        for wire in held:
            wire.close()


if __name__ == "__main__":
    unittest.main()
