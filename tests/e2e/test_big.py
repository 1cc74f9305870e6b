"""A gigabyte each way through the release programs: every octet arrives, and no role's memory grows with it."""
from __future__ import annotations

import threading
import time
import unittest

from lib import tokens
from lib.case import ProductCase
from lib.origin import sink, source
from lib.pattern import Checker, Pattern
from lib.wire import body_pieces, read_response, read_response_head, render

HOST = "files.example.net"
GIGABYTE = 1 << 30
MEMORY_KB = 64 << 10
SECONDS = 60  # a bound against standing still, not a measurement: the machine may be busy


class TestGigabyte(ProductCase):
    kind = "release"

    def tearDown(self) -> None:
        super().tearDown()
        peaks = {name: role.peak_rss_kb() for name, role in self.product.roles().items()}
        self.assertEqual(set(peaks), {"supervisor", "keeper", "proxy", "egress"})
        self.assertFalse({name: peak for name, peak in peaks.items() if peak > MEMORY_KB}, f"peak RSS in kB: {peaks}")

    def open(self, scheme: str):
        return self.agent.connect() if scheme == "http" else self.agent.tunnel(HOST)

    def request(self, scheme: str, method: str, path: str, *fields: tuple[str, str]) -> bytes:
        target = f"http://{HOST}{path}" if scheme == "http" else path
        return render(f"{method} {target} HTTP/1.1", [("Host", HOST), *fields])

    def upload(self, scheme: str, pattern: Pattern, framing: str) -> None:
        checkers: list[Checker] = []
        self.origin.on("/up", sink(checkers, pattern))
        begin = time.monotonic()
        with self.open(scheme) as wire:
            if framing == "length":
                wire.send(self.request(scheme, "PUT", "/up", ("Content-Length", str(pattern.size))))
                for piece in pattern.pieces():
                    wire.send(piece)
            else:
                wire.send(self.request(scheme, "PUT", "/up", ("Transfer-Encoding", "chunked")))
                for piece in pattern.pieces():
                    wire.send(b"%x\r\n" % len(piece) + piece + b"\r\n")
                wire.send(b"0\r\n\r\n")
            self.assertAllowed(read_response(wire), str(pattern.size).encode())
        self.assertTrue(checkers[0].whole, "the origin got something else")
        self.took(f"upload {scheme} {framing}", pattern.size, begin)

    def download(self, scheme: str, pattern: Pattern, with_length: bool) -> None:
        self.origin.on("/down", source(pattern, with_length))
        begin, checker = time.monotonic(), Checker(pattern)
        with self.open(scheme) as wire:
            wire.send(self.request(scheme, "GET", "/down"))
            for piece in body_pieces(wire, read_response_head(wire), False):
                checker.feed(piece)
        self.assertTrue(checker.whole, "something else came")
        self.took(f"download {scheme}", pattern.size, begin)

    def took(self, what: str, size: int, begin: float) -> None:
        seconds = time.monotonic() - begin
        print(f"  {what}: {size / seconds / 1e6:.0f} MB/s", flush=True)
        self.assertLess(seconds, SECONDS)

    def test_upload_over_http(self) -> None:
        self.upload("http", Pattern(GIGABYTE), "length")

    def test_upload_of_text_over_https(self) -> None:
        self.upload("https", Pattern(GIGABYTE, text=True), "length")

    def test_upload_in_chunks(self) -> None:
        self.upload("http", Pattern(GIGABYTE // 4, text=True), "chunked")

    def test_download_over_http(self) -> None:
        self.download("http", Pattern(GIGABYTE), with_length=True)

    def test_download_over_https(self) -> None:
        self.download("https", Pattern(GIGABYTE), with_length=False)

    def test_secret_at_byte_900_000_000(self) -> None:
        for scheme in ("http", "https"):
            with self.subTest(scheme):
                self.setUp()
                self.secret_inside(scheme, 900_000_000)

    def secret_inside(self, scheme: str, place: int) -> None:
        pattern, secret, checkers = Pattern(GIGABYTE), tokens.github(), []
        self.origin.on("/up", sink(checkers, pattern))
        answer = b""
        with self.open(scheme) as wire:
            wire.send(self.request(scheme, "PUT", "/up", ("Content-Length", str(GIGABYTE))))
            try:
                for piece in pattern.pieces(0, place - 7):
                    wire.send(piece)
                wire.send(b" token=" + secret.encode() + b" ")
                for piece in pattern.pieces(place + len(secret) + 1):
                    wire.send(piece)
            except OSError:
                pass
            try:
                answer = wire.to_end()
            except OSError:
                pass
        self.assertTrue(answer == b"" or b" 403 " in answer.split(b"\r\n")[0], answer[:300])
        self.assertNoTrace(secret, answer, "the answer")
        self.assertBlocked(secret)
        time.sleep(0.2)
        # what came is the pattern up to somewhere before the match, and the request never ended
        self.assertTrue(checkers[0].good, "octets of the match have left")
        self.assertLessEqual(checkers[0].count, place)
        self.assertGreater(checkers[0].count, place - (8 << 20), "it did not stream")
        self.assertFalse(self.journal.requests[0].body)

    def test_many_exchanges_at_once_stay_within_the_bound(self) -> None:
        """Bodies that are held whole add up: 30 agents with 900 kB each, all held back by a last octet that does not come."""
        wires = [self.agent.connect() for _ in range(30)]
        body = Pattern(900_000, text=True)
        for wire in wires:
            wire.send(self.request("http", "POST", "/", ("Content-Length", str(body.size))), *list(body.pieces(0, body.size - 1)))
        time.sleep(0.2)
        done: list[int] = []

        def finish(wire) -> None:
            wire.send(body.at(body.size - 1, 1))
            done.append(read_response(wire).status)
            wire.close()

        threads = [threading.Thread(target=finish, args=(wire,)) for wire in wires]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        self.assertEqual(done, [200] * 30)


if __name__ == "__main__":
    unittest.main()
