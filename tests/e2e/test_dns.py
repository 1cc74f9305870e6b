"""Names: nothing is asked for what is refused anyway, each way a look-up fails has its code, and an answer that leads inward is not
dialled. In a network of its own, with a name server of its own."""
from __future__ import annotations

import tempfile
import time
import unittest
from pathlib import Path

from lib import namespace, tokens
from lib.case import ProductCase, authority
from lib.nameserver import REFUSED, SERVFAIL, NameServer
from lib.origin import Origin

PUBLIC = "203.0.114.80"  # global unicast; in this namespace the loopback device has it


names: list[NameServer] = []


def setUpModule() -> None:
    namespace.enter()
    names.append(NameServer())
    resolver = Path(tempfile.mkdtemp(prefix="pipelock-dns-")) / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    namespace.bind_over(resolver, "/etc/resolv.conf")


class TestNames(ProductCase):
    config = {"egress": {"connect_to": ["led.example:80:127.0.0.1:1"]}, "timeouts": {"dns": "2s", "connect": "2s"}}
    names: NameServer

    @classmethod
    def setUpClass(cls) -> None:
        cls.names = names[0]
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()
        self.names.asked.clear()

    def fails(self, host: str, status: int, code: str, scheme: str = "http") -> None:
        response = self.agent.get(f"{scheme}://{host}/")
        self.assertEqual((response.status, response.code), (status, code), response.everything()[:400])

    def test_no_query_is_made_for_a_name_with_a_secret(self) -> None:
        for scheme in ("http", "https"):
            for secret in (tokens.aws(), tokens.gitlab()):
                self.setUp()
                self.agent.get(f"{scheme}://{secret}.example.net/")
                self.assertBlocked(secret)
                self.assertEqual(self.names.asked, [])

    def test_no_query_is_made_for_a_name_with_a_secret_over_its_labels(self) -> None:
        for scheme in ("http", "https"):
            secret = tokens.aws()
            for text in (secret, secret.encode().hex()):
                self.setUp()
                self.agent.get(f"{scheme}://{text[:7]}.{text[7:16]}.{text[16:]}.example.net/")
                self.assertBlocked(secret)
                self.assertEqual(self.names.asked, [])

    def test_no_query_is_made_for_any_refused_request(self) -> None:
        secret = tokens.github()
        for response in (lambda: self.agent.get(f"http://a.example.net/{secret}"), lambda: self.agent.post("https://b.example.net/", secret.encode()),
                         lambda: self.agent.get("http://c.example.net/", [("X-Key", secret)]), lambda: self.agent.get("http://localhost/")):
            self.assertEqual(response().status, 403)
            time.sleep(0.1)
            self.assertEqual(self.names.asked, [])

    def test_a_connect_alone_asks_nothing(self) -> None:
        with self.agent.tunnel("quiet.example.net"):
            time.sleep(0.3)
        self.assertEqual(self.names.asked, [])

    def test_each_failure_has_its_code(self) -> None:
        self.names.table.update({"servfail.example": SERVFAIL, "refused.example": REFUSED, "silent.example": None, "empty.example": []})
        for scheme in ("http", "https"):
            self.fails("nowhere.example", 502, "dns_not_found", scheme)
            self.fails("empty.example", 502, "dns_not_found", scheme)
            self.fails("servfail.example", 502, "dns_failed", scheme)
            self.fails("refused.example", 502, "dns_failed", scheme)
            begin = time.monotonic()
            self.fails("silent.example", 504, "dns_timeout", scheme)
            self.assertLess(time.monotonic() - begin, 6)

    def test_answers_that_lead_inward_are_refused(self) -> None:
        inward = ["127.0.0.1", "10.0.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "fe80::1", "fd00::1",
                  "::ffff:127.0.0.1", "64:ff9b::7f00:1", "::"]
        for number, address in enumerate(inward):
            with self.subTest(address):
                self.setUp()
                self.names.table[f"inward{number}.example"] = [address]
                self.fails(f"inward{number}.example", 403, "destination_refused")
                self.assertTrue(self.lines(verdict="block"))
                self.assertTrue(self.journal.silent)

    def test_a_mix_of_public_and_private_answers_is_refused(self) -> None:
        for number, mix in enumerate((["203.0.114.9", "127.0.0.1"], ["127.0.0.1", "203.0.114.9"], ["203.0.114.9", "::1"])):
            self.names.table[f"mix{number}.example"] = mix
            self.fails(f"mix{number}.example", 403, "destination_refused")
        self.assertTrue(self.journal.silent)

    def test_an_answer_that_changes_is_asked_for_once(self) -> None:
        """Rebinding: public for the check, private for the dial."""
        self.names.table["rebind.example"] = [["203.0.114.9"], ["127.0.0.1"]]
        response = self.agent.get(f"http://rebind.example:{self.origin.plain_port}/")
        self.assertIn(response.status, (502, 504), response.everything()[:300])
        self.assertTrue(self.journal.silent, "the second answer was dialled")

    def test_a_name_that_the_operator_led_somewhere_needs_no_look_up(self) -> None:
        self.fails("led.example", 502, "connect_refused")
        self.assertEqual(self.names.asked, [])

    def test_search_domains_are_not_tried(self) -> None:
        self.fails("short", 502, "dns_not_found")
        self.assertEqual({name.lower() for name in self.names.asked}, {"short"})


class TestPublic(ProductCase):
    """A public address, reached as on the internet: here the loopback device of this namespace has it."""

    config = {"egress": {"connect_to": []}, "timeouts": {"connect": "3s"}}

    @classmethod
    def setUpClass(cls) -> None:
        cls.names = names[0]
        super().setUpClass()
        # added after the start, since the bundle's own addresses are refused as destinations
        namespace.ip("addr", "add", f"{PUBLIC}/32", "dev", "lo")
        namespace.ip("addr", "add", "2001:4860:7777::1/128", "dev", "lo", "nodad")
        cls.public = Origin(authority(), PUBLIC)
        cls.addClassCleanup(cls.public.close)

    def test_a_name_with_a_public_address_is_reached(self) -> None:
        self.names.table["public.example"] = [PUBLIC]
        journal = self.public.clear()
        response = self.agent.get(f"http://public.example:{self.public.plain_port}/x")
        self.assertEqual((response.status, response.body), (200, b"ok"), response.everything()[:300])
        self.assertEqual(self.agent.get(f"https://public.example:{self.public.tls_port}/y").status, 200)
        self.assertEqual([r.target for r in journal.requests], ["/x", "/y"])
        self.assertEqual(journal.server_names, ["public.example"])

    def test_the_other_family_is_tried_when_one_does_not_answer(self) -> None:
        self.names.table["both.example"] = [PUBLIC, "2001:4860:7777::1"]  # nothing listens on the second
        for _ in range(3):
            self.assertEqual(self.agent.get(f"http://both.example:{self.public.plain_port}/").status, 200)

    def test_the_second_address_is_tried_when_the_first_refuses(self) -> None:
        namespace.ip("addr", "add", "203.0.114.81/32", "dev", "lo")
        self.names.table["two.example"] = ["203.0.114.81", PUBLIC]
        self.assertEqual(self.agent.get(f"http://two.example:{self.public.plain_port}/").status, 200)

    def test_a_long_answer_comes_over_tcp(self) -> None:
        self.names.table["many.example"] = [PUBLIC] * 5
        self.assertEqual(self.agent.get(f"http://many.example:{self.public.plain_port}/").status, 200)


if __name__ == "__main__":
    unittest.main()
