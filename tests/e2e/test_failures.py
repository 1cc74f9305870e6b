"""What goes wrong behind the proxy, and agents that go away: each has a code of its own that is not a refusal's, and nothing
that broke off looks whole."""
from __future__ import annotations

import socket
import threading
import time
import unittest

from lib.case import Folder, ProductCase, towards
from lib.origin import Exchange
from lib.pattern import Pattern
from lib.product import free_port
from lib.wire import chunk, read_response, read_response_head, render

HOST = "api.example.net"
NOT_TLS = b"HTTP/1.1 400 Bad Request\r\n\r\n"


def silent_server(case: unittest.TestCase, backlog: int = 16) -> int:
    """A port that accepts connections in the kernel and never says a word."""
    server = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    case.addCleanup(server.close)
    return server.getsockname()[1]


def plain_talker(case: unittest.TestCase, words: bytes) -> int:
    """A port that answers whatever comes with the words, and closes."""
    server = socket.create_server(("127.0.0.1", 0))
    case.addCleanup(server.close)

    def serve() -> None:
        try:
            while True:
                sock, _ = server.accept()
                with sock:
                    sock.recv(65536)
                    sock.sendall(words)
                    sock.shutdown(socket.SHUT_WR)
                    sock.settimeout(1)
                    try:
                        sock.recv(65536)
                    except OSError:
                        pass
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


class TestOutages(Folder):
    """One pipelock, a destination for each way to fail."""

    def setUp(self) -> None:
        super().setUp()
        self.real = self.origin()
        # an origin whose certificate is for a CA that nobody trusts
        from lib.authority import Authority
        from lib.origin import Origin
        self.stranger = Origin(Authority(self.folder / "stranger"))
        self.addCleanup(self.stranger.close)
        self.silent = silent_server(self)
        bad = {"garbage": b"\x16\x03\x01 what is this\r\n\r\n", "empty": b"", "half": b"HTTP/1.1 200 OK\r\nContent-Le",
               "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
               "cl-and-te": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
               "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "folded": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
               "nul": b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"}
        connect_to = [f"refused.test:80:127.0.0.1:{free_port()}", f"refused.test:443:127.0.0.1:{free_port()}",
                      f"silent.test:80:127.0.0.1:{self.silent}", f"silent.test:443:127.0.0.1:{self.silent}",
                      f"stranger.test:443:127.0.0.1:{self.stranger.tls_port}", f"not-tls.test:443:127.0.0.1:{plain_talker(self, NOT_TLS)}"]
        connect_to += [f"{name}.test:80:127.0.0.1:{plain_talker(self, words)}" for name, words in bad.items()]
        self.bad = list(bad)
        egress = towards(self.real)
        egress["connect_to"] = connect_to + egress["connect_to"]
        self.product = self.pipelock({"egress": egress, "timeouts": {"response": "2s", "tls": "2s", "connect": "2s"}})
        self.agent = self.product.agent()

    def fails(self, url: str, status: int, *codes: str) -> None:
        begin = time.monotonic()
        response = self.agent.get(url)
        self.assertEqual((response.status, response.code in codes), (status, True), f"{url}: {response.everything()[:500]!r}")
        self.assertLess(time.monotonic() - begin, 8)
        lines = self.product.audit.wait(lambda line: line.get("code") == response.code)
        self.assertTrue(lines, "no line in the log")
        self.assertNotEqual(lines[-1]["verdict"], "block", "an outage is no refusal")

    def test_each_failure_has_its_code(self) -> None:
        for url, status, *codes in [
                ("http://refused.test/", 502, "connect_refused"), ("https://refused.test/", 502, "connect_refused"),
                ("http://silent.test/", 504, "origin_timeout"), ("https://silent.test/", 504, "tls_timeout"),
                ("https://stranger.test/", 502, "tls_untrusted"), ("https://not-tls.test/", 502, "tls_failed"),
                ("http://empty.test/", 502, "origin_closed"), ("http://half.test/", 502, "origin_closed", "origin_malformed"),
                *[(f"http://{name}.test/", 502, "origin_malformed") for name in self.bad if name not in ("empty", "half")]]:
            with self.subTest(url):
                self.fails(url, status, *codes)
        self.assertTrue(self.stranger.journal.silent or not self.stranger.journal.requests, "a request went to an untrusted origin")
        # and after all that it still serves
        self.assertEqual(self.agent.get("https://fine.test/").status, 200)


class TestBrokenOff(ProductCase):
    config = {"timeouts": {"response": "2s"}}

    def test_an_answer_that_is_cut_off_does_not_look_whole(self) -> None:
        def cut(exchange: Exchange, abort: bool, *fields: tuple[str, str], framed: bytes) -> None:
            exchange.body()
            exchange.head(fields=list(fields))
            exchange.send(framed)
            time.sleep(0.1)
            exchange.reset() if abort else exchange.finish()

        for abort in (True, False):
            self.origin.on("/length", lambda e, a=abort: cut(e, a, ("Content-Length", "3000000"), framed=b"x" * 500))
            self.origin.on("/held", lambda e, a=abort: cut(e, a, ("Content-Length", "1000"), framed=b"x" * 500))
            self.origin.on("/chunked", lambda e, a=abort: cut(e, a, ("Transfer-Encoding", "chunked"), framed=chunk(b"x" * 500)))
            for scheme in ("http", "https"):
                for path in ("/length", "/chunked"):
                    with self.subTest(path, scheme=scheme, abort=abort):
                        response = self.agent.get(f"{scheme}://{HOST}{path}")
                        self.assertEqual(response.status, 200)
                        self.assertFalse(response.complete, "a truncated body came with a clean end")
                        self.assertEqual(response.body, b"x" * 500)
                with self.subTest("/held", scheme=scheme, abort=abort):
                    # short enough to wait whole for the rules, so the agent can still be told in words
                    self.assertEqual(self.assertProblem(self.agent.get(f"{scheme}://{HOST}/held"), 502)["code"], "origin_closed")

    def test_a_reset_inside_a_body_until_close_is_seen(self) -> None:
        """Without a length only the way the connection ends can tell."""
        def cut(exchange: Exchange) -> None:
            exchange.head()
            exchange.send(b"x" * 500)
            time.sleep(0.2)
            exchange.reset()

        self.origin.on("/cut", cut)
        response = self.agent.get(f"http://{HOST}/cut")
        self.assertFalse(response.complete, "a reset became a clean end")

    def test_tls_without_close_notify_is_no_end(self) -> None:
        """A body until close over TLS that ends with a bare FIN may be cut by anybody (RFC 9112, 9.8)."""
        def cut(exchange: Exchange) -> None:
            exchange.head()
            exchange.send(b"x" * 500)
            time.sleep(0.1)
            sock = socket.socket(fileno=socket.dup(exchange.wire.sock.fileno()))
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()
            exchange.finish()

        self.origin.on("/bare-fin", cut)
        response = self.agent.get(f"https://{HOST}/bare-fin")
        self.assertFalse(response.complete, "TLS truncation became a clean end")

    def test_an_agent_that_goes_away_takes_the_hop_with_it(self) -> None:
        ended = threading.Event()

        def endless(exchange: Exchange) -> None:
            exchange.head(fields=[("Transfer-Encoding", "chunked")])
            try:
                for _ in range(2000):
                    exchange.send(chunk(b"y" * 10000))
                    time.sleep(0.005)
            except OSError:
                ended.set()
                raise

        self.origin.on("/endless", endless)
        for scheme in ("http", "https"):
            ended.clear()
            wire, target, _ = self.agent.to(f"{scheme}://{HOST}/endless")
            wire.send(render(f"GET {target} HTTP/1.1", [("Host", HOST)]))
            read_response_head(wire)
            wire.exactly(30000)
            wire.reset()
            self.assertTrue(ended.wait(5), "the origin still sends")

    def test_an_agent_that_goes_away_inside_its_body(self) -> None:
        for size in (10_000, 5_000_000):
            self.setUp()
            wire = self.agent.connect()
            wire.send(render(f"POST http://{HOST}/in HTTP/1.1", [("Host", HOST), ("Content-Length", str(size))]), b"z" * (size // 2))
            time.sleep(0.3)
            wire.close()
            self.assertTrue(self.lines(), "no line in the log")
            self.assertFalse([r for r in self.journal.requests if r.body], "half a body became a request")
        self.assertAllowed(self.agent.get(f"http://{HOST}/"))

    def test_an_agent_that_goes_away_inside_a_chunked_body(self) -> None:
        """Within a size, within data, behind a chunk; by an orderly end and by a reset."""
        for sent in (b"5", b"5\r\nhe", b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n", b"5\r\nhello\r\n0\r\nX-T: a\r\n"):
            for reset in (False, True):
                self.journal, self.log_mark = self.origin.clear(), self.product.audit.size()
                with self.subTest(sent, reset=reset), self.agent.connect() as wire:
                    wire.send(render(f"POST http://{HOST}/ HTTP/1.1", [("Host", HOST), ("Transfer-Encoding", "chunked")]) + sent)
                    time.sleep(0.05)
                    if reset:
                        wire.reset()
                    else:
                        wire.end_sending()
                    self.assertEqual([line.get("code") for line in self.lines(method="POST")], ["client_closed"])
                self.assertFalse(self.journal.requests)
        self.assertAllowed(self.agent.get(f"http://{HOST}/"))

    def test_a_slow_agent_holds_the_origin_back(self) -> None:
        sent: list[int] = []

        def flood(exchange: Exchange) -> None:
            exchange.head(fields=[("Content-Length", str(200 << 20))])
            exchange.wire.sock.settimeout(3)
            for _ in range(200):
                exchange.send(b"f" * (1 << 20))
                sent.append(1)

        self.origin.on("/flood", flood)
        with self.agent.connect() as wire:
            wire.send(render(f"GET http://{HOST}/flood HTTP/1.1", [("Host", HOST)]))
            read_response_head(wire)
            time.sleep(1)
            self.assertLess(len(sent), 60, "megabytes piled up in the proxy")

    def test_a_slow_origin_holds_the_agent_back(self) -> None:
        def slow(exchange: Exchange) -> None:
            time.sleep(5)  # longer than the agent waits: what is taken after the refusal is read and dropped
            exchange.reset()

        self.origin.on("/slow", slow)
        sent = 0
        with self.agent.connect() as wire:
            wire.send(render(f"POST http://{HOST}/slow HTTP/1.1", [("Host", HOST), ("Content-Length", str(200 << 20))]))
            wire.sock.settimeout(1)
            try:
                while sent < 200:
                    wire.send(Pattern(1 << 20, text=True).at(0, 1 << 18) * 4)
                    sent += 1
            except OSError:
                pass
        self.assertLess(sent, 60, "megabytes piled up in the proxy")


class TestSilence(ProductCase):
    config = {"timeouts": {"response": "2s", "dns": "2s", "connect": "2s", "tls": "2s"}}

    def test_an_origin_that_falls_silent_inside_a_body(self) -> None:
        def stall(exchange: Exchange) -> None:
            exchange.head(fields=[("Content-Length", "1000")])
            exchange.send(b"x" * 10)
            time.sleep(25)

        self.origin.on("/stall", stall)
        begin = time.monotonic()
        self.assertFalse(self.agent.get(f"http://{HOST}/stall").complete)
        self.assertLess(time.monotonic() - begin, 16, "the time of all steps together is the bound")


if __name__ == "__main__":
    unittest.main()
