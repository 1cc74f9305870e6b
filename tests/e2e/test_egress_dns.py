"""Where egress lets a name lead. In namespaces of this process: a name server, origins on public addresses, none of it outside."""
from __future__ import annotations

import os
import shutil
import socket
import struct
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Callable

from lib import namespace
from lib.case import authority
from lib.egress import Egress
from lib.origin import Origin
from lib.wire import Response

# Global unicast by the registries; here they are addresses of this namespace's loopback device.
PUBLIC, PUBLIC2, PUBLIC6 = "8.8.4.4", "1.1.1.9", "2600::9"
UNREACHABLE = "9.9.9.77"
NAMESERVER = "127.0.0.53"
A, AAAA, CNAME = 1, 28, 5
Answer = list[tuple[int, str]]
_folder: list[Path] = []
_server: list[NameServer] = []


def setUpModule() -> None:
    namespace.enter()
    _folder.append(Path(tempfile.mkdtemp(prefix="pipelock-dns-")))
    unittest.addModuleCleanup(shutil.rmtree, _folder[0], True)
    conf, hosts = _folder[0] / "resolv.conf", _folder[0] / "hosts"
    conf.write_text(f"search search.example\nnameserver {NAMESERVER}\noptions ndots:5 timeout:1\n")
    hosts.write_text(f"# a comment\n127.0.0.1 localhost\n{PUBLIC} listed.example other.example # aside\n10.0.0.1 inner.example\nnonsense\n")
    try:
        namespace.bind_over(conf, "/etc/resolv.conf")
        namespace.bind_over(hosts, "/etc/hosts")
        for address in (f"{PUBLIC}/32", f"{PUBLIC2}/32", f"{PUBLIC6}/128"):
            namespace.ip("addr", "add", address, "dev", "lo")
    except Exception as error:
        raise unittest.SkipTest(f"THE NAMESPACE CANNOT BE FURNISHED: {error}") from error


class NameServer:
    """Answers each question as the table says: a list of answers, an rcode, None for silence, or a function of the type."""

    def __init__(self) -> None:
        self.names: dict[str, Answer | int | None | Callable[[int], Answer | int | None]] = {}
        self.asked: list[tuple[str, int]] = []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((NAMESERVER, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            query, client = self.sock.recvfrom(4096)
            answer = self._answer(query)
            if answer:
                self.sock.sendto(answer, client)

    def _answer(self, query: bytes) -> bytes | None:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind, = struct.unpack(">H", query[at + 1:at + 3])
        question, name = query[12:at + 5], ".".join(labels).lower()
        self.asked.append((name, kind))
        told = self.names.get(name, 3)
        told = told(kind) if callable(told) else told
        if told is None:
            return None
        rcode, answers = (told, []) if isinstance(told, int) else (0, told)
        records = [self._record(k, v) for k, v in answers if k in (kind, CNAME)]
        return query[:2] + struct.pack(">HHHHH", 0x8180 | rcode, 1, len(records), 0, 0) + question + b"".join(records)

    @staticmethod
    def _record(kind: int, value: str) -> bytes:
        if kind == CNAME:
            data = b"".join(bytes([len(x)]) + x.encode() for x in value.split(".")) + b"\0"
        else:
            data = socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, value)
        return b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 30, len(data)) + data


class TestNames(unittest.TestCase):
    def setUp(self) -> None:
        if not _server:
            _server.append(NameServer())
        self.server = _server[0]
        self.server.names, self.server.asked = {}, []
        self.origins = {host: Origin(authority(), host, nonce=host) for host in (PUBLIC, PUBLIC6)}
        for origin in self.origins.values():
            self.addCleanup(origin.close)
        self.port = self.origins[PUBLIC].plain_port
        self.port6 = self.origins[PUBLIC6].plain_port

    def egress(self, **options) -> Egress:
        egress = Egress(_folder[0], ca_file=authority().certificate, **options)
        self.addCleanup(self._check, egress)
        return egress

    def _check(self, egress: Egress) -> None:
        egress.stop()
        self.assertEqual(egress.complaints(), [], egress.said()[-6000:])

    def assertFailure(self, response: Response, status: int, name: str, detail: str = "") -> None:
        self.assertEqual((response.status, response.get("Pipelock-Failure")), (status, name), response.raw)
        self.assertIn(detail, response.get("Pipelock-Detail") or "")

    def test_a_public_name(self) -> None:
        self.server.names["a.example"] = [(A, PUBLIC)]
        self.server.names["six.example"] = [(AAAA, PUBLIC6)]
        self.server.names["alias.example"] = [(CNAME, "b.example"), (A, PUBLIC)]
        egress = self.egress()
        self.assertEqual(egress.get(f"http://a.example:{self.port}/").get("X-Origin"), PUBLIC)
        self.assertEqual(egress.get(f"http://six.example:{self.port6}/").get("X-Origin"), PUBLIC6)
        self.assertEqual(egress.get(f"http://alias.example:{self.port}/").get("X-Origin"), PUBLIC)
        self.assertEqual(egress.get(f"https://a.example:{self.origins[PUBLIC].tls_port}/").get("X-Origin"), PUBLIC)
        self.assertEqual({name for name, _ in self.server.asked}, {"a.example", "six.example", "alias.example"})

    def test_one_bad_address_refuses_the_name(self) -> None:
        cases = {"loop": [(A, "127.0.0.1")], "meta": [(A, "169.254.169.254")], "mixed": [(A, PUBLIC), (A, "10.0.0.1")],
                 "mixed6": [(A, PUBLIC), (AAAA, "::1")], "mapped": [(AAAA, "::ffff:8.8.8.8")], "ula": [(A, PUBLIC), (AAAA, "fd00::1")],
                 "nat64": [(AAAA, "64:ff9b::7f00:1")], "zero": [(A, "0.0.0.0")], "last": [(A, f"8.8.4.{i}") for i in range(1, 20)] + [(A, "192.168.0.1")],
                 "own": [(A, "8.8.4.4")]}
        egress, own = self.egress(), self.egress(own=[PUBLIC])
        for name, answer in cases.items():
            self.server.names[f"{name}.example"] = answer
            with self.subTest(name):
                used = own if name == "own" else egress
                for url in (f"http://{name}.example:{self.port}/", f"https://{name}.example:{self.port}/"):
                    self.assertFailure(used.get(url), 403, "destination_refused")
                self.assertFailure(used.request("CONNECT", f"{name}.example:{self.port}"), 403, "destination_refused")
        self.assertTrue(all(o.journal.silent for o in self.origins.values()))

    def test_private_where_that_is_allowed(self) -> None:
        namespace.ip("addr", "replace", "10.77.0.1/32", "dev", "lo")
        origin = Origin(authority(), "10.77.0.1", nonce="inner")
        self.addCleanup(origin.close)
        self.server.names["in.example"] = [(A, "10.77.0.1")]
        self.server.names["bad.example"] = [(A, "10.77.0.1"), (A, "127.0.0.1")]
        egress = self.egress(deny_private=False)
        self.assertEqual(egress.get(f"http://in.example:{origin.plain_port}/").get("X-Origin"), "inner")
        self.assertFailure(egress.get(f"http://bad.example:{origin.plain_port}/"), 403, "destination_refused", "loopback")

    def test_rebinding(self) -> None:
        turns = [0]

        def answer(kind: int) -> Answer:
            if kind != A:
                return []
            turns[0] += 1
            return [(A, PUBLIC if turns[0] % 2 else "127.0.0.1")]
        self.server.names["rebind.example"] = answer
        inside = Origin(authority(), "127.0.0.1", nonce="inside")
        self.addCleanup(inside.close)
        egress = self.egress(pool_idle=0)
        for i in range(6):
            response = egress.get(f"http://rebind.example:{self.port}/")
            if i % 2:
                self.assertFailure(response, 403, "destination_refused", "loopback")
            else:
                self.assertEqual(response.get("X-Origin"), PUBLIC)
        self.assertEqual(turns[0], 6, "each connection asks once")
        self.assertTrue(inside.journal.silent)

    def test_failures_have_names(self) -> None:
        self.server.names.update({"servfail.example": 2, "refused.example": 5, "empty.example": [], "silent.example": None,
                                  "half.example": lambda kind: [] if kind == AAAA else 2})
        egress = self.egress(dns=1500)
        for name, status, failure in [("nowhere", 502, "dns_not_found"), ("empty", 502, "dns_not_found"), ("servfail", 502, "dns_failed"),
                                      ("refused", 502, "dns_failed"), ("half", 502, "dns_failed"), ("silent", 504, "dns_timeout"),
                                      ("nowhere", 502, "dns_not_found")]:
            with self.subTest(name):
                begin = time.monotonic()
                self.assertFailure(egress.get(f"http://{name}.example/"), status, failure)
                self.assertLess(time.monotonic() - begin, 2.5)

    def test_one_family_that_never_answers(self) -> None:
        self.server.names["a.example"] = lambda kind: [(A, PUBLIC)] if kind == A else None
        egress = self.egress()
        begin = time.monotonic()
        self.assertEqual(egress.get(f"http://a.example:{self.port}/").status, 200)
        self.assertLess(time.monotonic() - begin, 1)

    def test_no_search_domain(self) -> None:
        self.server.names["short.search.example"] = [(A, PUBLIC)]
        egress = self.egress()
        self.assertFailure(egress.get(f"http://short:{self.port}/"), 502, "dns_not_found")
        self.assertEqual({name for name, _ in self.server.asked}, {"short"})

    def test_the_hosts_file(self) -> None:
        egress = self.egress()
        for name in ("listed.example", "other.example", "LISTED.example."):
            self.assertEqual(egress.get(f"http://{name}:{self.port}/").get("X-Origin"), PUBLIC)
        self.assertFailure(egress.get(f"http://inner.example:{self.port}/"), 403, "destination_refused", "private")
        self.assertEqual(self.server.asked, [])

    def test_the_first_that_answers(self) -> None:
        self.server.names["two.example"] = [(AAAA, PUBLIC6), (A, PUBLIC)]
        egress = self.egress(connect=1500, pool_idle=0)
        # IPv6 comes first when it answers, IPv4 at once when it refuses
        self.assertEqual(egress.get(f"http://two.example:{self.port6}/").get("X-Origin"), PUBLIC6)
        begin = time.monotonic()
        self.assertEqual(egress.get(f"http://two.example:{self.port}/").get("X-Origin"), PUBLIC)
        self.assertLess(time.monotonic() - begin, 0.2)

    def test_a_black_hole(self) -> None:
        self.server.names["full.example"] = [(A, PUBLIC2), (A, PUBLIC)]
        # a queue that is full takes no connection and refuses none
        hole = socket.socket()
        self.addCleanup(hole.close)
        hole.bind((PUBLIC2, self.port))
        hole.listen(0)
        fill = [socket.socket() for _ in range(4)]
        for sock in fill:
            self.addCleanup(sock.close)
            sock.setblocking(False)
            sock.connect_ex((PUBLIC2, self.port))
        egress = self.egress(connect=1500)
        begin = time.monotonic()
        self.assertEqual(egress.get(f"http://full.example:{self.port}/").get("X-Origin"), PUBLIC)
        self.assertTrue(0.2 < time.monotonic() - begin < 1.2, "the second is tried after 250 ms")
        self.server.names["hole.example"] = [(A, PUBLIC2)]
        self.assertFailure(egress.get(f"http://hole.example:{self.port}/"), 504, "connect_timeout")

    def test_no_way_there(self) -> None:
        self.server.names["far.example"] = [(A, UNREACHABLE)]
        self.assertFailure(self.egress().get("http://far.example/"), 502, "connect_unreachable")

    def test_many_lookups_at_once(self) -> None:
        for i in range(200):
            self.server.names[f"n{i}.example"] = [(A, PUBLIC)] if i % 2 else 3
        egress = self.egress()
        wires = [egress.connect() for _ in range(200)]
        from lib.wire import read_response
        for i, wire in enumerate(wires):
            egress.send(wire, "GET", f"http://n{i}.example:{self.port}/")
        # some of the askers go before they get their answer
        for wire in wires[::5]:
            wire.reset()
        for i, wire in enumerate(wires):
            if i % 5:
                self.assertEqual(read_response(wire).status, 200 if i % 2 else 502)
                wire.close()


class TestNoNameServer(unittest.TestCase):
    def test_it_starts_and_says_so(self) -> None:
        conf = Path("/etc/resolv.conf")
        before = conf.read_text()
        conf.write_text("# none\n")
        self.addCleanup(conf.write_text, before)
        egress = Egress(_folder[0])
        self.addCleanup(egress.stop)
        self.assertTrue(egress.ready)
        response = egress.get("http://a.example/")
        self.assertEqual((response.status, response.get("Pipelock-Failure")), (502, "dns_failed"))


if __name__ == "__main__":
    unittest.main()
