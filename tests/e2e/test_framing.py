"""Plays the cases of tests/cases/framing against the real programs: the octets of a client, what it must get, what the origin may see."""
from __future__ import annotations

import json
import select
import ssl
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cases"))

import casefile  # noqa: E402 the path has to be set first
from lib.case import ProductCase  # noqa: E402
from lib.origin import Exchange  # noqa: E402
from lib.wire import Malformed, Response, Wire, body_pieces, has_body, read_head, read_response, render  # noqa: E402

HOST = "origin.example"
PATIENCE_S = 10
SPLIT_S = 0.02


class SharedTls:
    """A TLS socket that one thread reads while another writes: OpenSSL's object is not made for that, so they take turns."""

    def __init__(self, sock: ssl.SSLSocket):
        self.sock, self.turn, self.patience = sock, threading.Lock(), PATIENCE_S
        sock.setblocking(False)

    def settimeout(self, seconds: float) -> None:
        self.patience = seconds

    def _again(self, action):
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            with self.turn:
                try:
                    return action()
                except ssl.SSLWantReadError:
                    wanted = ([self.sock], [])
                except ssl.SSLWantWriteError:
                    wanted = ([], [self.sock])
            select.select(*wanted, [], 0.05)
        raise TimeoutError

    def recv(self, size: int) -> bytes:
        return self._again(lambda: self.sock.recv(size))

    def sendall(self, data: bytes) -> None:
        while data:
            data = data[self._again(lambda: self.sock.send(data)):]

    def close(self) -> None:
        self.sock.close()


class Reader(threading.Thread):
    """Collects the answers, interim ones too, while the client still sends."""

    def __init__(self, wire: Wire, methods: list[str], count: int):
        super().__init__(daemon=True)
        self.wire, self.methods, self.count = wire, methods, count
        self.answers: list[Response] = []
        self.problem, self.refused, self.news = "", False, threading.Condition()

    def run(self) -> None:
        try:
            final = 0
            while len(self.answers) < self.count:
                answer = self._one(self.methods[final] if final < len(self.methods) else "GET")
                final += answer.status >= 200
                with self.news:
                    self.answers.append(answer)
                    self.refused |= bool(answer.code)
                    self.news.notify_all()
        except (OSError, EOFError, Malformed) as error:
            self.problem = repr(error)
        with self.news:
            self.count = 0
            self.news.notify_all()

    def _one(self, method: str) -> Response:
        answer = read_head(self.wire, Response)
        assert isinstance(answer, Response)
        if has_body(answer, method):
            answer.body = b"".join(body_pieces(self.wire, answer, True, answer.trailers))
        return answer

    def wait_for(self, number: int) -> bool:
        with self.news:
            return self.news.wait_for(lambda: len(self.answers) >= number or not self.count, PATIENCE_S) and len(self.answers) >= number


class FramingCase(ProductCase):
    """Everything for one configuration; the cases are added below, one test each."""

    def play(self, case: casefile.Case) -> None:
        self.origin.on("/", lambda exchange: self.answer(case, exchange))
        wire = Wire(SharedTls(self.agent.tunnel(HOST).sock), timeout=PATIENCE_S) if case.via == "tunnel" else self.agent.connect()
        with wire:
            methods = ["CONNECT"] if case.client.startswith(b"CONNECT ") else [request.method for request in case.sees]
            reader = Reader(wire, methods, len(case.answers))
            reader.start()
            self.send(case, wire, reader)
            reader.join(PATIENCE_S)
            self.compare_answers(case, reader)
            if case.then == "close":
                self.assertTrue(wire.ended(), "the connection stays open")
            elif case.then == "open" and methods[:1] != ["CONNECT"]:
                self.origin.on("/", Exchange.answer)
                wire.send(render(f"GET {'' if case.via == 'tunnel' else 'http://' + HOST}/again HTTP/1.1", [("Host", HOST)]))
                self.assertAllowed(read_response(wire), b"ok")
                self.journal.requests = [r for r in self.journal.requests if r.target != "/again"]
        self.compare_requests(case)
        self.lines()
        if case.refused:
            self.assertTrue([line for line in self.product.audit.since(self.log_mark) if line.get("code")], "the refusal has no line in the log")

    @staticmethod
    def answer(case: casefile.Case, exchange: Exchange) -> None:
        exchange.body()
        exchange.send(case.origin)
        if case.origin_closes:
            exchange.finish()

    def send(self, case: casefile.Case, wire: Wire, reader: Reader) -> None:
        """Until all is sent, or a refusal has come and the rest would only meet a closed door."""
        awaited = 0
        try:
            for number, step in enumerate(case.steps):
                if reader.refused:
                    return
                if step.kind == "await":
                    awaited += 1
                    if not reader.wait_for(awaited):
                        return
                elif step.kind == "pause":
                    time.sleep(step.seconds)
                elif step.kind == "end":
                    wire.end_sending()
                elif step.kind == "bytewise":
                    wire.send_slowly(step.data, 1, 0.0003)
                else:
                    if number:
                        time.sleep(SPLIT_S)
                    wire.send(step.data)
        except OSError:
            pass

    def compare_answers(self, case: casefile.Case, reader: Reader) -> None:
        seen = [(answer.status, answer.code or "") for answer in reader.answers]
        self.assertEqual(seen, [(answer.status, answer.code) for answer in case.answers], reader.problem)
        for answer, wanted in zip(reader.answers, case.answers):
            for name, value in wanted.fields:
                self.assertIn(value.decode("latin-1"), answer.all(name), name)
            for name in wanted.absent:
                self.assertFalse(answer.has(name), name)
            if wanted.body is not None:
                self.assertEqual(answer.body, wanted.body)
            if wanted.code:
                self.assertProblem(answer, wanted.status)

    def compare_requests(self, case: casefile.Case) -> None:
        if not case.sees:
            self.assertEqual(bytes(self.journal.raw), b"", "octets reached the origin")
        seen = self.journal.requests
        self.assertEqual([(r.method, r.target) for r in seen], [(w.method, w.target.decode("latin-1")) for w in case.sees])
        for request, wanted in zip(seen, case.sees):
            for name, value in [*wanted.fields, *wanted.made]:
                self.assertIn(value.decode("latin-1"), request.all(name), name)
            for name in wanted.absent:
                self.assertFalse(request.has(name), name)
            self.assertEqual(request.body, wanted.body)
            for name, value in wanted.trailers:
                self.assertIn((name.lower(), value.decode("latin-1")), [(n.lower(), v) for n, v in request.trailers])


def load_tests(loader: unittest.TestLoader, _: unittest.TestSuite, __: str | None) -> unittest.TestSuite:
    """One class for each configuration, one test for each case."""
    by_config: dict[str, list[casefile.Case]] = {}
    for case in casefile.load_all():
        by_config.setdefault(json.dumps(case.config, sort_keys=True), []).append(case)
    suite = unittest.TestSuite()
    for number, (config, cases) in enumerate(sorted(by_config.items())):
        tests = {f"test_{case.name.replace('-', '_')}": (lambda self, case=case: self.play(case)) for case in cases}
        kind = type(f"TestFraming{number}", (FramingCase,), {"config": json.loads(config), "__module__": __name__, **tests})
        suite.addTest(loader.loadTestsFromTestCase(kind))
    return suite


if __name__ == "__main__":
    unittest.main()
