"""The second program alone, over its hop: who may ask, what is forwarded, how answers end, what fails and how that is told."""
from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Callable

from lib.authority import Authority
from lib.case import authority
from lib.egress import ABORT, DRAIN, FAILED, Egress, settings, TIMEOUTS
from lib.origin import Exchange, Origin, echo, sink, source, websocket_echo
from lib.pattern import Checker, Pattern
from lib.wire import Fields, Response, Wire, body_pieces, chunk, chunked, read_response, read_response_head, render

HOST = "origin.example"
PLAIN, SECURE = f"http://{HOST}", f"https://{HOST}"


def towards(origin: Origin) -> list[tuple[str, int, str, int]]:
    return [("", 80, origin.host, origin.plain_port), ("", 443, origin.host, origin.tls_port)]


class Case(unittest.TestCase):
    """An origin and an egress that leads every name to it, fresh for each test."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pipelock-egress-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.origin = Origin(authority())
        self.addCleanup(self.origin.close)

    def egress(self, **options) -> Egress:
        options.setdefault("connect_to", towards(self.origin))
        options.setdefault("ca_file", authority().certificate)
        egress = Egress(self.folder, **options)
        self.addCleanup(self._check, egress)
        return egress

    def _check(self, egress: Egress) -> None:
        status = egress.stop()
        self.assertEqual(egress.complaints(), [], egress.said()[-6000:])
        self.assertIn(status, (0, 1, 2, 70), egress.said()[-3000:])

    def talker(self, serve: Callable[[socket.socket], None]) -> int:
        """A port where each connection is served by this function, then closed."""
        server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.addCleanup(server.close)

        def one(sock: socket.socket) -> None:
            with sock:
                sock.settimeout(10)
                try:
                    serve(sock)
                except OSError:
                    pass

        def loop() -> None:
            try:
                while True:
                    threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()
            except OSError:
                pass

        threading.Thread(target=loop, daemon=True).start()
        return server.getsockname()[1]

    def saying(self, *pieces: bytes, pause: float = 0) -> int:
        """A port that answers the first packet with these pieces and closes."""
        def serve(sock: socket.socket) -> None:
            sock.recv(65536)
            for piece in pieces:
                sock.sendall(piece)
                time.sleep(pause)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
        return self.talker(serve)

    def assertFailure(self, response: Response, status: int, name: str, detail: str = "") -> None:
        self.assertEqual((response.status, response.get("Pipelock-Failure")), (status, name), response.raw)
        self.assertEqual(response.get("Content-Length"), "0")
        self.assertIn(detail, response.get("Pipelock-Detail") or "")


class TestWhoMayAsk(Case):
    def test_without_the_capability(self) -> None:
        egress = self.egress()
        wrong = [None, "Bearer " + "0" * 64, "Bearer " + egress.capability[:-1], f"Basic {egress.capability}",
                 f"Bearer  {egress.capability}", f"bearer {egress.capability}", f"Bearer {egress.capability}0"]
        for value in wrong:
            with self.subTest(value), egress.connect() as wire:
                wire.send(render(f"GET {PLAIN}/ HTTP/1.1", [("Host", HOST)] + ([("Proxy-Authorization", value)] if value else [])))
                answer = read_response(wire)
                self.assertFailure(answer, 407, "unauthorized")
                self.assertEqual(answer.get("Proxy-Authenticate"), "Bearer")
                self.assertTrue(wire.ended())
        records = egress.events("hop_refused", len(wrong))
        self.assertEqual(len(records), len(wrong))
        self.assertEqual({(r["code"], r["peer"]) for r in records}, {("unauthorized", "127.0.0.1")})
        self.assertTrue(self.origin.journal.silent)

    def test_twice_is_not_once(self) -> None:
        egress = self.egress()
        answer = egress.get(f"{PLAIN}/", [("Proxy-Authorization", f"Bearer {egress.capability}")])
        self.assertEqual(answer.status, 407)

    def test_records_of_refusals_are_limited(self) -> None:
        egress = self.egress(threads=1)
        for _ in range(60):
            with egress.connect() as wire:
                wire.send(render(f"GET {PLAIN}/ HTTP/1.1", [("Host", HOST)]))
                self.assertEqual(read_response(wire).status, 407)
        time.sleep(1.1)
        with egress.connect() as wire:
            wire.send(render(f"GET {PLAIN}/ HTTP/1.1", [("Host", HOST)]))
            read_response(wire)
        time.sleep(0.2)
        records = egress.events("hop_refused")
        self.assertLess(len(records), 45)
        self.assertEqual(sum(1 + r.get("suppressed", 0) for r in records), 61)

    def test_not_what_pipelock_writes(self) -> None:
        egress = self.egress()
        bearer = f"Proxy-Authorization: Bearer {egress.capability}\r\n".encode()
        for start in (b"GET / HTTP/1.1", b"GET ftp://origin.example/ HTTP/1.1", b"GET ws://origin.example/ HTTP/1.1",
                      b"CONNECT origin.example HTTP/1.1", b"GET http://u@origin.example/ HTTP/1.1", b"OPTIONS * HTTP/1.1",
                      b"GET http://origin.example/ HTTP/1.0"):
            with self.subTest(start), egress.connect() as wire:
                wire.send(start + b"\r\nHost: origin.example\r\n" + bearer + b"\r\n")
                self.assertFailure(read_response(wire), 400, "hop_bad_request")
                self.assertTrue(wire.ended())
        for raw in (b"GET http://origin.example/ HTTP/1.1\nHost: a\n\n", b"\x16\x03\x01\x02\x00\x01\x00", b"SSH-2.0-x\r\n\r\n",
                    b"GET http://origin.example/ HTTP/1.1\r\nHost: a\r\n" + bearer + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"):
            with self.subTest(raw), egress.connect() as wire:
                wire.send(raw)
                self.assertFailure(read_response(wire), 400, "hop_bad_request")
        self.assertTrue(self.origin.journal.silent)

    def test_the_log_cannot_be_written(self) -> None:
        egress = self.egress(health=0)
        self.assertFailure(egress.get(f"{PLAIN}/"), 503, "audit_unavailable", "audit log")
        self.assertTrue(self.origin.journal.silent)
        egress.set_health(1)
        self.assertEqual(egress.get(f"{PLAIN}/").status, 200)


class TestForwarding(Case):
    def test_the_request_is_written_anew(self) -> None:
        egress = self.egress()
        answer = egress.get(f"{PLAIN}/a?b=%20", [("Accept", "x"), ("Connection", "close, X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "1"),
                            ("TE", "trailers"), ("Proxy-Foo", "1"), ("Pipelock-Foo", "1"), ("X-Same", "1"), ("X-Same", "2"),
                            ("Upgrade", "h2c"), ("HTTP2-Settings", "x")])
        self.assertEqual((answer.status, answer.body), (200, b"ok"))
        request = self.origin.journal.requests[0]
        self.assertEqual(request.start, "GET /a?b=%20 HTTP/1.1")
        self.assertEqual(request.fields, [("Host", HOST), ("Accept", "x"), ("X-Same", "1"), ("X-Same", "2")])

    def test_targets_and_hosts(self) -> None:
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.origin.plain_port)])
        for method, url, start, host in [
                ("GET", f"http://{HOST}", "GET / HTTP/1.1", HOST),
                ("GET", f"http://{HOST}:8080/x", "GET /x HTTP/1.1", f"{HOST}:8080"),
                ("GET", f"http://{HOST.upper()}:80/x", "GET /x HTTP/1.1", HOST),
                ("OPTIONS", f"http://{HOST}", "OPTIONS * HTTP/1.1", HOST),
                ("OPTIONS", f"http://{HOST}/", "OPTIONS / HTTP/1.1", HOST)]:
            with self.subTest(url):
                self.assertEqual(egress.request(method, url).status, 200)
                request = self.origin.journal.requests[-1]
                self.assertEqual((request.start, request.get("Host")), (start, host))

    def test_the_answer_is_cleaned(self) -> None:
        def handle(x: Exchange) -> None:
            x.head(fields=[("Content-Length", "2"), ("Alt-Svc", 'h3=":443"'), ("Pipelock-Failure", "none"), ("Connection", "X-Hop"),
                           ("X-Hop", "1"), ("Proxy-Authenticate", "Basic"), ("Keep-Alive", "timeout=5"), ("Set-Cookie", "a"), ("Set-Cookie", "b")])
            x.send(b"ok")
        self.origin.on("/", handle)
        answer = self.egress().get(f"{PLAIN}/")
        self.assertEqual(answer.fields, [("X-Origin", "origin"), ("Set-Cookie", "a"), ("Set-Cookie", "b"), ("Content-Length", "2")])

    def test_bodies_of_requests(self) -> None:
        self.origin.on("/", echo)
        egress = self.egress()
        big = os.urandom(300_000)
        with egress.connect() as wire:
            for scheme in (PLAIN, SECURE):
                for body in (b"", b"x", big, [b"abc", b"defg"], [big, b"1", big], []):
                    with self.subTest(scheme, kind=type(body), size=len(body)):
                        expected = b"".join(body) if isinstance(body, list) else body
                        answer = egress.request("POST", f"{scheme}/", [], body, wire)
                        self.assertEqual(answer.body, expected)
                        request = self.origin.journal.requests[-1]
                        self.assertEqual(request.has("Transfer-Encoding"), isinstance(body, list))
                        self.assertEqual(request.has("Content-Length"), not isinstance(body, list))
        self.assertEqual(self.origin.journal.faults, [])
        self.assertEqual(self.origin.journal.connections, 2)

    def test_a_byte_at_a_time(self) -> None:
        self.origin.on("/", echo)
        egress = self.egress()
        with egress.connect() as wire:
            wire.send_slowly(egress.head("POST", f"{PLAIN}/", [("Transfer-Encoding", "chunked")]) + chunked(b"abc", b"d", trailers=[("X-T", "1")]))
            self.assertEqual(read_response(wire).body, b"abcd")
        self.assertEqual(self.origin.journal.requests[0].trailers, [("X-T", "1")])

    def test_chunk_extensions_and_trailers(self) -> None:
        def handle(x: Exchange) -> None:
            x.body()
            x.head(fields=[("Transfer-Encoding", "chunked"), ("Trailer", "X-T")])
            x.send(b"3;ext=secret\r\nabc\r\n0;last\r\nX-T: v\r\nAlt-Svc: clear\r\n\r\n")
        self.origin.on("/", handle)
        answer = self.egress().get(f"{PLAIN}/")
        self.assertEqual((answer.body, answer.trailers), (b"abc", [("X-T", "v")]))
        self.assertFalse(answer.has("Trailer"))

    def test_a_broken_chunk_from_the_hop(self) -> None:
        egress = self.egress()
        with egress.connect() as wire:
            wire.send(egress.head("POST", f"{PLAIN}/", [("Transfer-Encoding", "chunked")]) + b"3\r\nabc\r\nzz\r\n")
            self.assertFailure(read_response(wire), 400, "hop_bad_request")
            self.assertTrue(wire.ended())

    def test_answers_without_a_body(self) -> None:
        answers = {"/204": ("204 No Content", []), "/304": ("304 Not Modified", [("Content-Length", "77")]),
                   "/empty": ("200 OK", [("Content-Length", "0")])}
        for path, (status, fields) in answers.items():
            self.origin.on(path, lambda x, s=status, f=fields: x.head(s, f))
        self.origin.on("/head", lambda x: x.head(fields=[("Content-Length", "123456")]))
        egress = self.egress()
        with egress.connect() as wire:
            for path in answers:
                self.assertEqual(egress.get(f"{PLAIN}{path}", wire=wire).status, int(answers[path][0][:3]))
            self.assertEqual(egress.get(f"{PLAIN}/304", wire=wire).get("Content-Length"), "77")
            head = egress.request("HEAD", f"{PLAIN}/head", wire=wire)
            self.assertEqual((head.get("Content-Length"), head.has("Transfer-Encoding")), ("123456", False))
            self.assertEqual(egress.get(f"{PLAIN}/empty", wire=wire).status, 200)
        self.assertEqual(self.origin.journal.connections, 1)

    def test_interim_answers(self) -> None:
        def handle(x: Exchange) -> None:
            x.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nAlt-Svc: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
            time.sleep(0.1)
            x.answer(b"done")
        self.origin.on("/", handle)
        answer = self.egress().get(f"{PLAIN}/")
        self.assertEqual([(i.start, i.fields) for i in answer.interim], [("HTTP/1.1 103 Early Hints", [("Link", "</a>")]), ("HTTP/1.1 102 Processing", [])])
        self.assertEqual(answer.body, b"done")

    def test_endless_interim_answers(self) -> None:
        port = self.saying(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", port)])
        self.assertFailure(egress.get(f"{PLAIN}/"), 502, "origin_malformed")

    def test_long_streams_both_ways(self) -> None:
        up, down, checkers = Pattern(40 << 20), Pattern(40 << 20, seed=9), []
        self.origin.on("/up", sink(checkers, up))
        self.origin.on("/sized", source(down))
        self.origin.on("/chunked", source(down, with_length=False))
        egress = self.egress()
        for scheme in (PLAIN, SECURE):
            with self.subTest(scheme), egress.connect() as wire:
                wire.send(egress.head("PUT", f"{scheme}/up", [("Content-Length", str(up.size))]))
                for piece in up.pieces():
                    wire.send(piece)
                self.assertEqual(read_response(wire).body, str(up.size).encode())
                self.assertTrue(checkers[-1].whole)
                for path in ("/sized", "/chunked"):
                    wire.send(egress.head("GET", f"{scheme}{path}"))
                    head, checker = read_response_head(wire), Checker(down)
                    for piece in body_pieces(wire, head, False):
                        checker.feed(piece)
                    self.assertTrue(checker.whole)

    def test_a_slow_reader_bounds_the_memory(self) -> None:
        self.origin.on("/", source(Pattern(1 << 30)))
        egress = self.egress(kind="release")
        wires = [egress.connect() for _ in range(8)]
        for wire in wires:
            egress.send(wire, "GET", f"{PLAIN}/")
        time.sleep(2)
        self.assertLess(egress.peak_rss_kb(), 40_000)
        for wire in wires:
            wire.reset()

    def test_the_first_event_does_not_wait(self) -> None:
        go = threading.Event()

        def handle(x: Exchange) -> None:
            x.head(fields=[("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
            x.send(chunk(b"data: 1\n\n"))
            go.wait(5)
            x.send(chunk(b"data: 2\n\n") + b"0\r\n\r\n")
        self.origin.on("/", handle)
        egress = self.egress()
        with egress.connect() as wire:
            egress.send(wire, "GET", f"{SECURE}/")
            head = read_response_head(wire)
            pieces = body_pieces(wire, head, False)
            self.assertEqual(next(pieces), b"data: 1\n\n")
            go.set()
            self.assertEqual(b"".join(pieces), b"data: 2\n\n")

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        self.origin.on("/", echo)
        egress = self.egress()
        with egress.connect() as wire:
            wire.send(b"".join(egress.head("GET", f"{PLAIN}/{i}") for i in range(50)))
            for i in range(50):
                self.assertEqual(read_response(wire).get("X-Target"), f"/{i}")


class TestEnds(Case):
    """How an answer's end is told, and every way to be cut."""

    def to(self, *pieces: bytes, pause: float = 0, **options) -> Egress:
        return self.egress(connect_to=[("", 0, "127.0.0.1", self.saying(*pieces, pause=pause))], **options)

    def test_until_close_becomes_chunks(self) -> None:
        for head in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\n"):
            with self.subTest(head):
                egress = self.to(head + b"first", b"second", pause=0.05)
                answer = egress.get(f"{PLAIN}/")
                self.assertEqual((answer.body, answer.complete, answer.get("Transfer-Encoding")), (b"firstsecond", True, "chunked"))

    def test_a_cut_body_is_a_reset(self) -> None:
        for answer in (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfive!\r\n",
                       b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfive!\r\n0\r\n",
                       b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfive!\r\nzz\r\n"):
            with self.subTest(answer):
                self.assertFalse(self.to(answer).get(f"{PLAIN}/").complete)

    def test_a_tls_stream_without_close_notify_is_cut(self) -> None:
        for polite in (True, False):
            def handle(x: Exchange, polite=polite) -> None:
                x.head(fields=[])
                x.send(b"all of it?")
                x.finish()
                if polite:
                    x.wire.sock.unwrap()
                else:
                    os.close(x.wire.sock.detach())
            self.origin.on("/", handle)
            with self.subTest(polite=polite):
                answer = self.egress().get(f"{SECURE}/")
                self.assertEqual(answer.complete, polite)

    def test_no_answer(self) -> None:
        for words in (b"", b"HTTP/1.1 200 OK\r\nConte"):
            with self.subTest(words):
                egress = self.to(words)
                with egress.connect() as wire:
                    self.assertFailure(egress.get(f"{PLAIN}/", wire=wire), 502, "origin_closed")
                    # the hop is not hurt by it
                    self.assertFailure(egress.get(f"{PLAIN}/", wire=wire), 502, "origin_closed")

    def test_malformed_answers(self) -> None:
        for words in (b"hello\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 200 OK\nX: 1\n\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx",
                      b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 200 OK\r\n X: 1\r\n\r\n",
                      b"HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
                      b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000):
            with self.subTest(words[:60]):
                self.assertFailure(self.to(words).get(f"{PLAIN}/"), 502, "origin_malformed")

    def test_silence(self) -> None:
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.talker(lambda s: time.sleep(5)))], response=300)
        begin = time.monotonic()
        with egress.connect() as wire:
            self.assertFailure(egress.get(f"{PLAIN}/", wire=wire), 504, "origin_timeout")
            self.assertLess(time.monotonic() - begin, 2)

    def test_silence_in_a_body(self) -> None:
        egress = self.to(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!", b"more?", pause=3, idle=300)
        begin = time.monotonic()
        answer = egress.get(f"{PLAIN}/")
        self.assertFalse(answer.complete)
        self.assertLess(time.monotonic() - begin, 2)

    def test_the_hop_falls_silent_in_a_body(self) -> None:
        egress = self.egress(idle=300)
        with egress.connect() as wire:
            wire.send(egress.head("POST", f"{PLAIN}/", [("Content-Length", "10")]) + b"five!")
            begin = time.monotonic()
            self.assertTrue(wire.ended())
            self.assertLess(time.monotonic() - begin, 2)
        self.assertEqual(len(egress.events("hop_aborted")), 1)

    def test_an_early_answer(self) -> None:
        def handle(x: Exchange) -> None:
            x.answer_early = True
            x.head("413 Content Too Large", [("Content-Length", "3"), ("Connection", "close")])
            x.send(b"big")
            x.finish()
            x.wire.end_sending()
            try:
                while x.wire.receive():
                    pass
            except OSError:
                pass
        self.origin.on("/", handle)
        egress = self.egress()
        with egress.connect() as wire:
            wire.send(egress.head("POST", f"{PLAIN}/", [("Content-Length", str(1 << 30))]) + b"x" * 200_000)
            answer = read_response(wire)
            self.assertEqual((answer.status, answer.body, answer.get("Connection")), (413, b"big", "close"))

    def test_an_early_answer_and_a_reset(self) -> None:
        def serve(sock: socket.socket) -> None:
            sock.recv(1000)
            sock.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.talker(serve))])
        for _ in range(20):
            with egress.connect() as wire:
                wire.send(egress.head("POST", f"{PLAIN}/", [("Content-Length", str(1 << 23))]))

                def upload() -> None:
                    try:
                        for _ in range(1 << 7):
                            wire.send(b"x" * (1 << 16))
                    except OSError:
                        pass
                sender = threading.Thread(target=upload)
                sender.start()
                answer = read_response(wire)
                sender.join()
                self.assertEqual((answer.status, answer.body), (413, b"big"), answer.raw)

    def test_answer_and_request_at_once(self) -> None:
        def handle(x: Exchange) -> None:
            x.head(fields=[("Transfer-Encoding", "chunked")])
            for piece in x.pieces():
                x.send(chunk(piece))
            x.send(b"0\r\n\r\n")
        self.origin.on("/", handle)
        egress = self.egress()
        with egress.connect() as wire:
            wire.send(egress.head("POST", f"{PLAIN}/", [("Transfer-Encoding", "chunked")]))
            head = read_response_head(wire)
            pieces = body_pieces(wire, head, False)
            for i in range(5):
                wire.send(chunk(b"ping%d" % i))
                self.assertEqual(next(pieces), b"ping%d" % i)
            wire.send(b"0\r\n\r\n")
            self.assertEqual(list(pieces), [])

    def test_octets_behind_an_answer_are_nobodys(self) -> None:
        egress = self.to(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        with egress.connect() as wire:
            self.assertEqual(egress.get(f"{PLAIN}/", wire=wire).body, b"ok")
            self.assertEqual(egress.get(f"{PLAIN}/", wire=wire).body, b"ok")


class TestPool(Case):
    def test_connections_are_kept_by_origin(self) -> None:
        egress = self.egress(threads=1)
        for _ in range(5):
            self.assertEqual(egress.get(f"{PLAIN}/").status, 200)
            self.assertEqual(egress.get(f"{SECURE}/").status, 200)
        self.assertEqual(self.origin.journal.connections, 2)
        egress.get("http://other.example/")
        self.assertEqual(self.origin.journal.connections, 3)

    def test_a_dead_one_is_not_used(self) -> None:
        egress = self.egress(threads=1)
        egress.request("POST", f"{PLAIN}/", [], b"x")
        self.origin.drop_connections()
        time.sleep(0.2)
        self.assertEqual(egress.request("POST", f"{PLAIN}/", [], b"x").status, 200)

    def dies_after_one(self) -> int:
        def serve(sock: socket.socket) -> None:
            while data := sock.recv(65536):
                self.heard.append(data)
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                self.heard.append(sock.recv(65536))
                return
        self.heard: list[bytes] = []
        return self.talker(serve)

    def test_only_harmless_requests_go_out_twice(self) -> None:
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.dies_after_one())], threads=1)
        self.assertEqual(egress.get(f"{PLAIN}/1").body, b"ok")
        self.assertEqual(egress.get(f"{PLAIN}/2").body, b"ok")
        self.assertEqual(sum(b"GET /2 " in h for h in self.heard), 2)
        self.assertFailure(egress.request("POST", f"{PLAIN}/3", [], b"x"), 502, "origin_closed")
        self.assertEqual(sum(b"POST /3 " in h for h in self.heard), 1)
        self.assertEqual(egress.get(f"{PLAIN}/4").body, b"ok")
        self.assertFailure(egress.request("DELETE", f"{PLAIN}/5"), 502, "origin_closed")

    def test_a_new_connection_is_not_tried_again(self) -> None:
        count = []
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.talker(lambda s: count.append(s.recv(65536))))])
        self.assertFailure(egress.get(f"{PLAIN}/"), 502, "origin_closed")
        self.assertEqual(len(count), 1)

    def test_idle_ones_are_closed(self) -> None:
        closed = threading.Event()

        def serve(sock: socket.socket) -> None:
            sock.recv(65536)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            if not sock.recv(1):
                closed.set()
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.talker(serve))], pool_idle=200)
        egress.get(f"{PLAIN}/")
        self.assertTrue(closed.wait(2))

    def test_the_pool_is_bounded(self) -> None:
        gate = threading.Barrier(21)
        self.origin.on("/", lambda x: (gate.wait(10), x.answer()))
        egress = self.egress(threads=1)
        wires = [egress.connect() for _ in range(20)]
        for wire in wires:
            egress.send(wire, "GET", f"{PLAIN}/")
        gate.wait(10)
        for wire in wires:
            self.assertEqual(read_response(wire).status, 200)
            wire.close()
        time.sleep(0.3)
        self.assertEqual(len(self.origin._open), 8)


class TestTls(Case):
    def test_sessions_are_resumed(self) -> None:
        reused = []

        def handle(x: Exchange) -> None:
            reused.append(x.wire.sock.session_reused)
            x.answer(fields=[("Connection", "close")])
            x.finish()
            x.wire.sock.unwrap()
        self.origin.on("/", handle)
        context = authority().context(HOST)
        self.origin.authority = type("Fixed", (), {"by_server_name": staticmethod(lambda names: context)})()
        egress = self.egress(threads=1)
        for _ in range(3):
            self.assertEqual(egress.get(f"{SECURE}/").status, 200)
        self.assertEqual(reused, [False, True, True])

    def test_the_name_is_the_requests(self) -> None:
        egress = self.egress()
        self.assertEqual(egress.get(f"{SECURE}/").status, 200)
        self.assertEqual(self.origin.journal.server_names, [HOST])

    def failing(self, context: ssl.SSLContext) -> Egress:
        def serve(sock: socket.socket) -> None:
            with context.wrap_socket(sock, server_side=True) as tls:
                tls.recv(100)
                self.heard = True
        self.heard = False
        return self.egress(connect_to=[("", 0, "127.0.0.1", self.talker(serve))])

    def test_wrong_name(self) -> None:
        self.assertFailure(self.failing(authority().context("wrong.example")).get(f"{SECURE}/"), 502, "tls_untrusted", "hostname mismatch")
        self.assertFalse(self.heard)

    def test_unknown_authority(self) -> None:
        stranger = Authority(self.folder / "stranger")
        self.assertFailure(self.failing(stranger.context(HOST)).get(f"{SECURE}/"), 502, "tls_untrusted", "local issuer")
        self.assertFalse(self.heard)

    def test_expired(self) -> None:
        folder, ca = self.folder / "expired", authority()
        folder.mkdir()
        (folder / "ext").write_text(f"subjectAltName=DNS:{HOST}\n")
        (folder / "db").write_text("")
        (folder / "serial").write_text("77\n")
        (folder / "conf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=%s/db\nserial=%s/serial\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
                                     % (folder, folder, folder))
        run = lambda *args: subprocess.run(["openssl", *args], check=True, capture_output=True, stdin=subprocess.DEVNULL)
        run("req", "-new", "-key", str(ca.folder / "leaf.key"), "-subj", "/CN=leaf", "-out", str(folder / "csr"))
        run("ca", "-batch", "-config", str(folder / "conf"), "-in", str(folder / "csr"), "-cert", str(ca.certificate), "-keyfile", str(ca.folder / "ca.key"),
            "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-extfile", str(folder / "ext"), "-out", str(folder / "leaf.pem"), "-notext")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "leaf.pem", ca.folder / "leaf.key")
        self.assertFailure(self.failing(context).get(f"{SECURE}/"), 502, "tls_untrusted", "certificate has expired")

    def test_old_versions(self) -> None:
        context = authority().context("old.example")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        self.assertFailure(self.failing(context).get("https://old.example/"), 502, "tls_failed")

    def test_tls_1_2(self) -> None:
        context = authority().context("twelve.example")
        context.maximum_version = ssl.TLSVersion.TLSv1_2

        def serve(sock: socket.socket) -> None:
            with context.wrap_socket(sock, server_side=True) as tls:
                tls.recv(65536)
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                tls.recv(1)
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.talker(serve))])
        self.assertEqual(egress.get("https://twelve.example/").body, b"ok")

    def test_not_tls(self) -> None:
        for words in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b""):
            with self.subTest(words):
                egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.saying(words))])
                self.assertFailure(egress.get(f"{SECURE}/"), 502, "tls_failed")

    def test_a_handshake_that_never_ends(self) -> None:
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.talker(lambda s: time.sleep(4)))], tls=300)
        self.assertFailure(egress.get(f"{SECURE}/"), 504, "tls_timeout")


class TestDestination(Case):
    def test_literal_addresses_are_judged(self) -> None:
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.origin.plain_port)], own=["203.0.114.7", "2001:500::7"])
        for host, why in [("127.0.0.1", "loopback"), ("[::1]", "loopback"), ("10.1.2.3", "private"), ("169.254.169.254", "metadata"),
                          ("169.254.1.1", "link-local"), ("0.0.0.0", "unspecified"), ("[::]", "unspecified"), ("224.0.0.1", "multicast"),
                          ("[::ffff:8.8.8.8]", "translated"), ("[64:ff9b::808:808]", "translated"), ("100.64.0.1", "shared"),
                          ("[fd00::1]", "private"), ("[fe80::1]", "link-local"), ("240.0.0.1", "reserved"),
                          ("203.0.114.7", "own host"), ("[2001:500::7]", "own host")]:
            for url in (f"http://{host}/", f"https://{host}:8443/"):
                with self.subTest(url):
                    self.assertFailure(egress.get(url), 403, "destination_refused", why)
            with self.subTest(connect=host):
                self.assertFailure(egress.request("CONNECT", f"{host}:443"), 403, "destination_refused", why)
        self.assertFailure(egress.get("http://2130706433/"), 403, "destination_refused", "loopback")
        self.assertTrue(self.origin.journal.silent)

    def test_localhost_is_never_asked_for(self) -> None:
        egress = self.egress(connect_to=[], deny_private=False)
        for name in ("localhost", "LOCALHOST", "x.localhost"):
            with self.subTest(name):
                self.assertFailure(egress.get(f"http://{name}:{self.origin.plain_port}/"), 403, "destination_refused", "loopback")
        self.assertTrue(self.origin.journal.silent)

    def test_private_where_that_is_allowed(self) -> None:
        egress = self.egress(connect_to=[], deny_private=False, connect=300, own=["10.9.9.9"])
        for host in ("127.0.0.1", "169.254.169.254", "[fe80::1]", "10.9.9.9"):
            with self.subTest(host):
                self.assertFailure(egress.get(f"http://{host}/"), 403, "destination_refused")

    def test_the_hop_itself(self) -> None:
        egress = self.egress()
        port = egress.address[1]
        again = self.egress(connect_to=[("loop.example", 0, "0.0.0.0", 80), ("", 0, "127.0.0.1", 0)])
        self.assertFailure(again.get(f"http://any.example:{again.address[1]}/"), 403, "destination_refused", "hop")
        self.assertFailure(again.get("http://loop.example/"), 403, "destination_refused", "unspecified")
        # another one's is what the operator asked for
        self.assertEqual(again.get(f"http://any.example:{port}/").status, 407)

    def test_connect_to(self) -> None:
        other = Origin(authority(), nonce="other")
        self.addCleanup(other.close)
        egress = self.egress(connect_to=[("a.example", 80, "127.0.0.1", other.plain_port), ("a.example", 0, "localhost", self.origin.plain_port),
                                         ("", 81, "127.0.0.1", other.plain_port), ("", 80, "127.0.0.1", self.origin.plain_port)])
        for url, nonce in [("http://a.example/", "other"), ("http://A.example./", "other"), ("http://a.example:99/", "origin"),
                           ("http://b.example:81/", "other"), ("http://b.example/", "origin")]:
            with self.subTest(url):
                self.assertEqual(egress.get(url).get("X-Origin"), nonce)

    def test_only_a_port_does_not_free_the_address(self) -> None:
        egress = self.egress(connect_to=[("", 0, "", self.origin.plain_port)])
        self.assertFailure(egress.get("http://localhost/"), 403, "destination_refused", "loopback")

    def test_refused_connections(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", port)])
        with egress.connect() as wire:
            self.assertFailure(egress.get(f"{PLAIN}/", wire=wire), 502, "connect_refused")
            self.assertFailure(egress.request("POST", f"{PLAIN}/", [], b"x" * 1000, wire), 502, "connect_refused")
            self.assertFailure(egress.request("POST", f"{PLAIN}/", [], [b"x" * 1000], wire), 502, "connect_refused")
            wire.send(egress.head("POST", f"{PLAIN}/", [("Content-Length", "1000000")]) + b"some")
            answer = read_response(wire)
            self.assertFailure(answer, 502, "connect_refused")
            self.assertEqual(answer.get("Connection"), "close")

    def test_both_families(self) -> None:
        egress = self.egress(connect_to=[("", 80, "localhost", self.origin.plain_port)])
        self.assertEqual(egress.get(f"{PLAIN}/").status, 200, "::1 refuses, 127.0.0.1 answers")


class TestTunnels(Case):
    def test_connect(self) -> None:
        egress = self.egress()
        with egress.connect() as wire:
            wire.send(egress.head("CONNECT", f"{HOST}:443"))
            self.assertEqual(read_response(wire, "CONNECT").start, "HTTP/1.1 200 Connection Established")
            context = ssl.create_default_context(cafile=str(authority().certificate))
            with context.wrap_socket(wire.sock, server_hostname=HOST) as tls:
                tls.sendall(render("GET / HTTP/1.1", [("Host", HOST)]))
                self.assertEqual(read_response(Wire(tls)).body, b"ok")

    def echo_port(self) -> int:
        def serve(sock: socket.socket) -> None:
            while data := sock.recv(65536):
                sock.sendall(data)
            sock.sendall(b"bye")
        return self.talker(serve)

    def test_half_close_and_early_octets(self) -> None:
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.echo_port())])
        with egress.connect() as wire:
            wire.send(egress.head("CONNECT", f"{HOST}:443") + b"early")
            self.assertEqual(read_response(wire, "CONNECT").status, 200)
            self.assertEqual(wire.exactly(5), b"early")
            wire.end_sending()
            self.assertEqual(wire.to_end(), b"bye")
        self.assertEqual(egress.events("hop_aborted", within=0.2), [])

    def test_much_through_a_tunnel(self) -> None:
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.echo_port())])
        data = os.urandom(5_000_000)
        with egress.connect() as wire:
            wire.send(egress.head("CONNECT", f"{HOST}:443"))
            read_response(wire, "CONNECT")
            threading.Thread(target=lambda: (wire.sock.sendall(data), wire.end_sending()), daemon=True).start()
            self.assertEqual(wire.to_end(), data + b"bye")

    def test_silence_ends_it(self) -> None:
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.echo_port())], idle=400)
        with egress.connect() as wire:
            wire.send(egress.head("CONNECT", f"{HOST}:443"))
            read_response(wire, "CONNECT")
            for _ in range(6):
                wire.send(b"x")
                self.assertEqual(wire.exactly(1), b"x")
                time.sleep(0.1)
            begin = time.monotonic()
            self.assertTrue(wire.ended())
            self.assertGreater(time.monotonic() - begin, 0.2)

    def test_a_reset_goes_through(self) -> None:
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.talker(lambda s: (s.recv(10), s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"))))])
        with egress.connect() as wire:
            wire.send(egress.head("CONNECT", f"{HOST}:443"))
            read_response(wire, "CONNECT")
            wire.send(b"x")
            with self.assertRaises(ConnectionResetError):
                wire.to_end()

    def test_websocket(self) -> None:
        self.origin.on("/ws", websocket_echo)
        egress = self.egress()
        for scheme in (PLAIN, SECURE):
            with self.subTest(scheme), egress.connect() as wire:
                egress.send(wire, "GET", f"{scheme}/ws", [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "abc"), ("Sec-WebSocket-Version", "13")])
                answer = read_response_head(wire)
                self.assertEqual((answer.status, answer.all("Upgrade"), answer.all("Connection")), (101, ["websocket"], ["Upgrade"]))
                request = self.origin.journal.requests[-1]
                self.assertEqual((request.all("Upgrade"), request.all("Connection")), (["websocket"], ["Upgrade"]))
                wire.send(b"\x81\x02hi")
                self.assertEqual(wire.exactly(4), b"\x81\x02hi")

    def test_a_refused_upgrade_is_an_answer(self) -> None:
        egress = self.egress()
        with egress.connect() as wire:
            fields: Fields = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
            self.assertEqual(egress.get(f"{PLAIN}/", fields, wire).body, b"ok")
            self.assertEqual(egress.get(f"{PLAIN}/", wire=wire).body, b"ok")


class TestLosses(Case):
    """The proxy goes away, or says that it has to end."""

    def held(self) -> tuple[threading.Event, list[bytes]]:
        gone, seen = threading.Event(), []

        def handle(x: Exchange) -> None:
            try:
                x.head(fields=[("Transfer-Encoding", "chunked")])
                for piece in x.pieces():
                    seen.append(piece)
                x.send(chunk(b"x"))
                while x.wire.receive():
                    pass
            except (OSError, EOFError):
                pass
            x.finish()
            gone.set()
        self.origin.on("/held", handle)
        return gone, seen

    def test_a_lost_hop_aborts_the_origin(self) -> None:
        for how in ("reset", "close"):
            gone, _ = self.held()
            egress = self.egress()
            wire = egress.connect()
            wire.send(egress.head("POST", f"{SECURE}/held?secret=1", [("Transfer-Encoding", "chunked")]) + chunk(b"part"))
            read_response_head(wire)
            getattr(wire, how)()
            with self.subTest(how):
                self.assertTrue(gone.wait(3))
                record = egress.events("hop_aborted")[0]
                self.assertEqual({k: v for k, v in record.items() if k != "time"},
                                 {"event": "hop_aborted", "request": "req-1"})
                self.assertRegex(record["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_lost_before_the_origin_was_reached(self) -> None:
        egress = self.egress(connect_to=[("", 0, "127.0.0.1", self.talker(lambda s: time.sleep(3)))])
        wire = egress.connect()
        egress.send(wire, "GET", f"{SECURE}/")
        time.sleep(0.2)
        wire.close()
        self.assertEqual(len(egress.events("hop_aborted")), 1)

    def test_drain_ends_what_is_idle_and_waits_for_the_rest(self) -> None:
        go = threading.Event()
        self.origin.on("/", lambda x: (go.wait(5), x.answer(b"late")))
        egress = self.egress()
        idle, busy = egress.connect(), egress.connect()
        egress.send(busy, "GET", f"{PLAIN}/")
        time.sleep(0.3)
        egress.order(DRAIN)
        self.assertTrue(idle.ended())
        self.assertIsNone(egress.wait(0.3))
        go.set()
        answer = read_response(busy)
        self.assertEqual((answer.body, answer.get("Connection")), (b"late", "close"))
        busy.close()
        self.assertEqual(egress.wait(5), 0)

    def test_abort_leaves_records(self) -> None:
        gone, _ = self.held()
        egress = self.egress()
        wires = [egress.connect() for _ in range(5)]
        for wire in wires:
            wire.send(egress.head("POST", f"{PLAIN}/held", [("Transfer-Encoding", "chunked")]))
            read_response_head(wire)
        egress.order(ABORT)
        self.assertEqual(egress.wait(5), 0)
        self.assertEqual(len(egress.events("hop_aborted", 5)), 5)
        self.assertTrue(gone.wait(3))

    def test_drain_then_abort_ends_tunnels(self) -> None:
        self.origin.on("/ws", websocket_echo)
        egress = self.egress()
        websocket, tunnel, reaching = egress.connect(), egress.connect(), egress.connect()
        egress.send(websocket, "GET", f"{SECURE}/ws", [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "abc")])
        self.assertEqual(read_response_head(websocket).status, 101)
        egress.send(tunnel, "CONNECT", f"{HOST}:443")
        self.assertEqual(read_response(tunnel, "CONNECT").status, 200)
        egress.order(DRAIN)
        self.assertIsNone(egress.wait(0.3))
        websocket.send(b"still here")
        self.assertEqual(websocket.exactly(10), b"still here")
        self.assertTrue(reaching.ended())
        with self.assertRaises(OSError):
            egress.get(f"{PLAIN}/", wire=egress.connect(1))
        egress.order(ABORT)
        self.assertEqual(egress.wait(5), 0)
        self.assertEqual(len(egress.events("hop_aborted", 2)), 2)
        for wire in (websocket, tunnel):
            self.assertTrue(wire.ended())

    def test_much_at_once(self) -> None:
        self.origin.on("/", echo)
        egress, failed = self.egress(threads=4), []

        def ask(number: int) -> None:
            with egress.connect() as wire:
                for i in range(15):
                    body = os.urandom(1 + 7919 * i)
                    scheme = PLAIN if (i + number) % 2 else SECURE
                    if egress.request("POST", f"{scheme}/", [], [body, body] if i % 3 else body * 2, wire).body != body * 2:
                        failed.append((number, i))
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(failed, [])
        self.assertEqual(len(self.origin.journal.requests), 12 * 15)

    def test_without_the_supervisor_it_ends(self) -> None:
        egress = self.egress()
        egress.control.shutdown(socket.SHUT_RDWR)
        self.assertEqual(egress.wait(3), 1)

    def test_nothing_is_left_behind(self) -> None:
        egress = self.egress(threads=1, pool_idle=200)
        egress.get(f"{SECURE}/")
        time.sleep(0.5)
        before = egress.descriptors()
        for i in range(40):
            wire = egress.connect()
            egress.send(wire, "POST", f"{SECURE if i % 2 else PLAIN}/", [], b"x" * 100_000)
            if i % 3:
                read_response(wire)
            wire.reset()
        time.sleep(0.8)
        self.assertEqual(egress.descriptors(), before)


class TestStart(Case):
    def test_loopback_alone(self) -> None:
        for listen in ("0.0.0.0", "::"):
            with self.subTest(listen):
                egress = self.egress(listen=listen)
                self.assertEqual(egress.first[:1], bytes([FAILED]))
                self.assertEqual(egress.wait(), 1)
                self.assertIn("not on loopback", egress.said())

    def test_the_other_loopback(self) -> None:
        egress = self.egress(listen="::1")
        self.assertEqual(egress.get(f"{PLAIN}/").status, 200)

    def test_a_ca_file_that_is_none(self) -> None:
        for content in (None, "not a certificate"):
            path = self.folder / "bad.pem"
            if content:
                path.write_text(content)
            with self.subTest(content):
                egress = self.egress(ca_file=path)
                self.assertEqual(egress.first[:1], bytes([FAILED]))
                self.assertIn(b"egress.ca_file", egress.first)
                self.assertEqual(egress.wait(), 1)

    def test_malformed_settings(self) -> None:
        good = settings("0" * 64, "", True, 1, TIMEOUTS, [], [])
        for message in (good[:-1], good + b"x", b"\x02", settings("0" * 63, "", True, 1, TIMEOUTS, [], []),
                        settings("g" * 64, "", True, 1, TIMEOUTS, [], []), settings("0" * 64, "", True, 0, TIMEOUTS, [], []),
                        settings("0" * 64, "relative.pem", True, 1, TIMEOUTS, [], [])):
            with self.subTest(message):
                egress = self.egress(message=message)
                self.assertFalse(egress.ready)
                self.assertEqual(egress.wait(), 70)

    def test_alone_it_does_not_start(self) -> None:
        from lib.product import clean_environment, folder_of
        done = subprocess.run([folder_of("sanitized") / "egress"], env=clean_environment(), capture_output=True, timeout=20)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"pipelock run", done.stderr)


if __name__ == "__main__":
    unittest.main()
