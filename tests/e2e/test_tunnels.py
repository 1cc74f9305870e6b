"""CONNECT: one name in CONNECT, the TLS handshake and Host, TLS and HTTP inside, and nothing else."""
from __future__ import annotations

import os
import ssl
import subprocess
import unittest

from lib.agent import Refusal
from lib.case import ProductCase
from lib.wire import Wire, read_response, render

HOST = "api.example.net"


class TestCertificates(ProductCase):
    def certificate(self, name: str, context: ssl.SSLContext | None = None) -> str:
        with self.agent.tunnel(name, context=context) as wire:
            data = wire.sock.getpeercert(True)
            self.assertEqual(wire.sock.selected_alpn_protocol() if context else None, "http/1.1" if context else None)
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-text"], input=data, capture_output=True, check=True)
        return text.stdout.decode()

    def trusting(self, *protocols: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.product.state / "ca.pem"))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    def test_a_leaf_is_minted_for_the_name_and_chains_to_the_ca(self) -> None:
        text = self.certificate("one.example.net", self.trusting("h2", "http/1.1"))
        self.assertIn("DNS:one.example.net", text)
        self.assertIn("prime256v1", text)
        self.assertNotIn("CA:TRUE", text)

    def test_a_leaf_passes_the_strictest_check(self) -> None:
        """What Python does by default from 3.13 on."""
        context = self.trusting()
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        with self.agent.tunnel(HOST, context=context) as wire:
            wire.send(render("GET / HTTP/1.1", [("Host", HOST)]))
            self.assertAllowed(read_response(wire))

    def test_tls_1_2_and_1_3_are_spoken_and_nothing_older(self) -> None:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.trusting()
            context.minimum_version = context.maximum_version = version
            with self.agent.tunnel(HOST, context=context) as wire:
                wire.send(render("GET / HTTP/1.1", [("Host", HOST)]))
                self.assertAllowed(read_response(wire))
        old = self.trusting()
        old.set_ciphers("ALL:@SECLEVEL=0")
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, OSError)):
            self.agent.tunnel(HOST, context=old)

    def test_sessions_are_resumed(self) -> None:
        context = self.trusting()
        with self.agent.tunnel(HOST, context=context) as wire:
            wire.send(render("GET / HTTP/1.1", [("Host", HOST)]))
            self.assertAllowed(read_response(wire))
            session = wire.sock.session
        inner = self.agent.open_tunnel(f"{HOST}:443")
        with Wire(context.wrap_socket(inner.sock, server_hostname=HOST, session=session)) as wire:
            self.assertTrue(wire.sock.session_reused)
            wire.send(render("GET / HTTP/1.1", [("Host", HOST)]))
            self.assertAllowed(read_response(wire))

    def test_a_ticket_of_one_name_does_not_open_another(self) -> None:
        context = self.trusting()
        context.check_hostname = False
        with self.agent.tunnel(HOST, context=context) as wire:
            wire.send(render("GET / HTTP/1.1", [("Host", HOST)]))
            read_response(wire)
            session = wire.sock.session
        inner = self.agent.open_tunnel("other.example.net:443")
        with Wire(context.wrap_socket(inner.sock, server_hostname="other.example.net", session=session)) as wire:
            wire.send(render("GET / HTTP/1.1", [("Host", HOST)]))
            self.assertProblem(read_response(wire), 403)

    def test_the_ca_is_readable_and_its_key_is_not(self) -> None:
        self.assertTrue((self.product.state / "ca.pem").exists())
        for file in self.product.state.rglob("*"):
            if file.is_file() and b"PRIVATE KEY" in file.read_bytes():
                self.assertEqual(file.stat().st_mode & 0o077, 0, f"{file.name} is readable by others")
        self.assertNotIn(b"PRIVATE", (self.product.state / "ca.pem").read_bytes())


class TestMismatches(ProductCase):
    def asked(self, host: str, field: str, server_name: str | None = None, target: str = "/"):
        context = self.agent.trust
        if server_name is not None:
            context = ssl.create_default_context(cafile=str(self.product.state / "ca.pem"))
            context.check_hostname = False
        try:
            with self.agent.tunnel(host, server_name=server_name, context=context) as wire:
                wire.send(render(f"GET {target} HTTP/1.1", [("Host", field)]))
                return read_response(wire)
        except Refusal as refusal:
            return refusal.response

    def assertStopped(self, ask, *codes: str) -> None:
        """Refused with one of the codes, or the handshake itself was."""
        try:
            problem = self.assertProblem(ask(), 403)
            self.assertIn(problem["code"], codes)
        except (OSError, EOFError):
            pass
        self.assertBlocked()
        self.assertTrue(self.journal.silent)

    def test_another_server_name_than_in_connect(self) -> None:
        self.assertStopped(lambda: self.asked(HOST, HOST, server_name="other.example.net"), "host_mismatch")

    def test_another_host_than_in_connect(self) -> None:
        self.assertStopped(lambda: self.asked(HOST, "other.example.net"), "host_mismatch")

    def test_another_port_in_host(self) -> None:
        self.assertStopped(lambda: self.asked(HOST, f"{HOST}:8443"), "host_mismatch")

    def test_no_server_name(self) -> None:
        self.assertStopped(lambda: self.asked(HOST, HOST, server_name=""), "no_server_name")

    def test_the_same_name_in_other_spellings_is_the_same(self) -> None:
        for field in (HOST.upper(), f"{HOST}:443"):
            self.assertAllowed(self.asked(HOST, field))

    def test_a_mismatch_on_a_later_request_of_the_tunnel(self) -> None:
        with self.agent.tunnel(HOST) as wire:
            wire.send(render("GET /one HTTP/1.1", [("Host", HOST)]))
            self.assertAllowed(read_response(wire))
            wire.send(render("GET /two HTTP/1.1", [("Host", "other.example.net")]))
            self.assertEqual(self.assertProblem(read_response(wire), 403)["code"], "host_mismatch")
        self.assertEqual([r.target for r in self.journal.requests], ["/one"])

    def test_absolute_form_in_the_tunnel(self) -> None:
        for target in ("http://other.example.net/", f"http://{HOST}/", f"https://{HOST}/"):
            self.setUp()
            self.assertStopped(lambda t=target: self.asked(HOST, HOST, target=t), "absolute_form_in_tunnel", "host_mismatch")

    def test_connect_in_the_tunnel(self) -> None:
        with self.agent.tunnel(HOST) as wire:
            wire.send(render("CONNECT other.example.net:443 HTTP/1.1", [("Host", "other.example.net:443")]))
            self.assertEqual(self.assertProblem(read_response(wire), 403)["code"], "nested_connect")
        self.assertBlocked()
        self.assertTrue(self.journal.silent)

    def test_address_literals_are_not_opened(self) -> None:
        for host in ("93.184.216.34", "[2606:2800:220:1:248:1893:25c8:1946]"):
            self.setUp()
            try:
                response = self.agent.get(f"https://{host}/")
                self.assertProblem(response, 403)
            except (OSError, EOFError):
                pass
            self.assertBlocked()
            self.assertTrue(self.journal.silent)


class TestNotTls(ProductCase):
    config = {"timeouts": {"tls": "3s"}}

    def test_what_is_not_tls_ends(self) -> None:
        for words in (b"SSH-2.0-OpenSSH_9.2\r\n", b"GET / HTTP/1.1\r\nHost: api.example.net\r\n\r\n", os.urandom(512).replace(b"\x16", b"\x17"),
                      b"\0" * 100, b"EHLO mail\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 200, b"\x80\x2e\x01\x03\x01"):
            with self.subTest(words[:20]):
                self.setUp()
                with self.agent.open_tunnel(f"{HOST}:443") as wire:
                    try:
                        wire.send(words)
                        wire.sock.settimeout(15)
                        wire.to_end()
                    except TimeoutError:
                        self.fail("the tunnel stays open")
                    except OSError:
                        pass
                self.assertTrue(self.lines(), "no line in the log")
                self.assertTrue(self.journal.silent)

    def test_connect_targets_that_are_none(self) -> None:
        for target in ("", "/", HOST, f"{HOST}:", f"{HOST}:0", f"{HOST}:65536", f"{HOST}:443:443", ":443", f"http://{HOST}:443/",
                       f"{HOST}:44 3", f"user@{HOST}:443", f"{HOST}%00:443", "[::1:443"):
            with self.subTest(target):
                self.setUp()
                with self.agent.connect() as wire:
                    wire.send(f"CONNECT {target} HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode())
                    self.assertProblem(read_response(wire), 400)
                self.assertTrue(self.journal.silent)

    def test_bytes_sent_together_with_connect_are_the_tunnel(self) -> None:
        """A client may send its handshake before the 200 has come."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.agent.trust.wrap_bio(incoming, outgoing, server_hostname=HOST)
        with self.assertRaises(ssl.SSLWantReadError):
            tls.do_handshake()
        with self.agent.connect() as wire:
            wire.send(render(f"CONNECT {HOST}:443 HTTP/1.1", [("Host", f"{HOST}:443")]) + outgoing.read())
            self.assertIn(b" 200 ", wire.until(b"\r\n\r\n"))
            for _ in range(20):
                incoming.write(wire.receive())
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    wire.send(outgoing.read())
            wire.send(outgoing.read())
            tls.write(render("GET / HTTP/1.1", [("Host", HOST)]))
            wire.send(outgoing.read())
            answer = b""
            while b"\r\n\r\nok" not in answer:
                incoming.write(wire.receive())
                try:
                    answer += tls.read(65536)
                except ssl.SSLWantReadError:
                    pass
            self.assertIn(b"200 OK", answer)


class TestSplice(ProductCase):
    config = {"routes": [{"name": "pinned", "hosts": ["pinned.example.net"], "tls": "splice"},
                         {"name": "closed", "hosts": ["denied.example.net"], "action": "deny"}]}

    def test_a_spliced_tunnel_shows_the_origin_s_own_certificate(self) -> None:
        context = ssl.create_default_context(cafile=str(self.origin.authority.certificate))
        with self.agent.tunnel("pinned.example.net", context=context) as wire:
            wire.send(render("GET / HTTP/1.1", [("Host", "pinned.example.net")]))
            self.assertAllowed(read_response(wire))
        lines = self.lines()
        self.assertTrue(any("splice" in str(line) for line in lines), lines)

    def test_a_denied_connect_is_answered_inside_the_tunnel(self) -> None:
        response = self.agent.get("https://denied.example.net/")
        self.assertFalse(response.refused)
        self.assertEqual(self.assertRefused(response)["code"], "route_denied")

    def test_curl_shows_the_refusal_of_a_connect(self) -> None:
        from lib.product import clean_environment
        result = subprocess.run(["curl", "-sS", "--cacert", str(self.product.state / "ca.pem"), "-w", "%{http_code}",
                                 "https://denied.example.net/x"], capture_output=True, text=True, timeout=20,
                                env=clean_environment(https_proxy=f"http://127.0.0.1:{self.product.port}"))
        self.assertEqual(result.stderr, "")
        self.assertTrue(result.stdout.endswith("403"), result.stdout)
        self.assertIn("route_denied", result.stdout)


if __name__ == "__main__":
    unittest.main()
