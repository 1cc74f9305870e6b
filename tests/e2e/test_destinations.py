"""Where a request may lead, as literals in the request can ask: public places only, in one spelling, and never to ourselves."""
from __future__ import annotations

import unittest

from lib.case import ProductCase
from lib.wire import read_response, render

PRIVATE = ["127.0.0.1", "127.1.2.3", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "169.254.0.1",
           "100.64.0.1", "100.100.100.200", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
           "255.255.255.255", "[::]", "[::1]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[::ffff:127.0.0.1]",
           "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001::1]", "[::127.0.0.1]", "[100::1]", "[2001:db8::1]",
           "localhost", "localhost.localdomain", "a.localhost", "metadata.google.internal"]
SPELLINGS = ["0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001", "127.1", "127.0.1", "127.0.0.1.", "0", "0x0",
             "localhost.", "LOCALHOST", "LocalHost", "[0:0:0:0:0:0:0:1]", "[::FFFF:7F00:1]", "[0000::0001]", "1.1", "0251.0376.0251.0376"]
MALFORMED = ["[::1%lo]", "[::1%25lo]", "127.0.0.1%00.example.net", "256.256.256.256", "1.2.3.4.5", "[1::2::3]", "[]", "exa mple.net",
             "exa%6dple.net", "a\\b.example", "a..b.example", ".example.net", "a" * 64 + ".example", "x." * 127 + "toolong", "-", "a_b:80:80",
             "127.0.0.1:80@example.net", "example.net:80:80", "0x7f.1.example..", "1.2.3.0x100"]


class TestLiterals(ProductCase):
    def ask(self, authority: str, scheme: str = "http"):
        with self.agent.connect() as wire:
            wire.send(f"GET {scheme}://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode("latin-1"))
            return read_response(wire)

    def assertStopped(self, response, *statuses: int) -> None:
        self.assertIn(response.status, statuses)
        self.assertProblem(response, response.status)
        self.assertTrue(self.lines(verdict="block"), f"no line with the verdict block: {self.product.audit.since(self.log_mark)}")
        self.assertTrue(self.journal.silent)

    def test_what_is_not_public_is_refused(self) -> None:
        for host in PRIVATE:
            with self.subTest(host):
                self.setUp()
                self.assertStopped(self.ask(host), 403)

    def test_other_spellings_of_it_are_refused(self) -> None:
        for host in SPELLINGS:
            with self.subTest(host):
                self.setUp()
                self.assertStopped(self.ask(host), 403, 400)

    def test_names_that_are_none_are_malformed(self) -> None:
        for host in MALFORMED:
            with self.subTest(host):
                self.setUp()
                self.assertStopped(self.ask(host), 400, 403)

    def test_other_schemes_are_refused(self) -> None:
        for scheme in ("ftp", "file", "gopher", "ws", "javascript", "unix"):
            with self.subTest(scheme):
                self.setUp()
                self.assertStopped(self.ask("example.net", scheme), 400, 403)

    def test_through_connect_too(self) -> None:
        for host in [*PRIVATE[:12], *SPELLINGS]:
            with self.subTest(host):
                self.setUp()
                response = None
                try:
                    response = self.agent.get(f"https://{host}/")
                except (OSError, EOFError):
                    pass  # without a name in the handshake there is nobody to tell
                if response:
                    self.assertIn(response.status, (400, 403))
                    self.assertTrue(response.code)
                self.assertTrue(self.lines(verdict="block"), "no line with the verdict block")
                self.assertTrue(self.journal.silent)

    def test_public_names_in_any_case_and_with_a_final_dot_pass(self) -> None:
        for host in ("API.Example.NET", "api.example.net.", "xn--bcher-kva.example", "a-b.example.net", "a_b.example.net", "1.example.net"):
            with self.subTest(host):
                self.setUp()
                self.assertAllowed(self.ask(host))


class TestOurselves(ProductCase):
    """The proxy is not a way to its own ports."""

    def test_our_own_ports_through_ourselves(self) -> None:
        for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]"):
            for port in (self.product.port, self.product.egress_port, self.origin.plain_port):
                with self.subTest(host, port=port):
                    self.setUp()
                    self.assertEqual(self.agent.get(f"http://{host}:{port}/").status, 403)
                    with self.agent.connect() as wire:
                        wire.send(render(f"CONNECT {host}:{port} HTTP/1.1", [("Host", f"{host}:{port}")]))
                        wire.until(b"\r\n\r\n")
                        try:
                            wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                            self.assertNotIn(b"X-Origin", wire.to_end())
                        except OSError:
                            pass
                    self.assertTrue(self.journal.silent)

    def test_egress_alone_asks_for_the_capability(self) -> None:
        from lib.agent import Agent
        direct = Agent("127.0.0.1", self.product.egress_port)
        for fields in ([], [("Proxy-Authorization", "Bearer " + "0" * 64)], [("Proxy-Authorization", "Basic eDp5")]):
            self.setUp()
            for attempt in (lambda f=fields: direct.request("GET", "http://api.example.net/", f),
                            lambda f=fields: self.connect(direct, f)):
                self.assertEqual(attempt().status, 407)
            self.assertTrue(self.journal.silent)
            self.assertTrue(self.lines(), "no line in the log")

    @staticmethod
    def connect(direct, fields):
        with direct.connect() as wire:
            wire.send(render("CONNECT api.example.net:443 HTTP/1.1", [("Host", "api.example.net:443"), *fields]))
            return read_response(wire, "CONNECT")

    def test_a_private_range_is_not_reached_by_a_name_that_is_a_number(self) -> None:
        self.assertEqual(self.agent.get(f"http://2130706433:{self.origin.plain_port}/").status in (400, 403), True)
        self.assertTrue(self.journal.silent)


if __name__ == "__main__":
    unittest.main()
