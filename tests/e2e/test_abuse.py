"""Ways to misuse the proxy that its first hostile reader found: what is told of a host, agents that don't read, octets that come
one by one, heads and trailers that fill a buffer to its last octet, and ends that nobody hears of."""
from __future__ import annotations

import http.client
import socket
import ssl
import time
import unittest

from lib import tokens
from lib.case import Folder, ProductCase
from lib.origin import Exchange
from lib.websocket import TEXT, Frame, echo_messages, read_frame, upgrade_fields
from lib.wire import Wire, read_response, read_response_head, render

HOST = "api.example.net"


def rss_mb(process) -> int:
    return int(process.status("VmRSS").split()[0]) >> 10


class HostCase(ProductCase):
    """The name of a host is the agent's to choose: it is octets like any other, in every line and on every way."""

    def told(self, secret: str) -> list[dict]:
        """The lines of this test; no form of the secret stands in them, lower case included."""
        time.sleep(0.3)
        lines = self.product.audit.since(self.log_mark)
        raw = self.product.audit.raw()[self.log_mark:]
        self.assertNoTrace(secret, raw, "the log")
        self.assertNotIn(secret.lower().encode(), raw.lower())
        return lines


class TestHosts(HostCase):
    config = {"routes": [{"name": "closed", "hosts": ["*.denied.example"], "action": "deny"}]}

    def test_in_an_absolute_url_without_another_word_of_it(self) -> None:
        for head in ("GET http://{}.evil.example/ HTTP/1.0\r\n\r\n", "GET http://{}.evil.example/ HTTP/1.1\r\nHost: x.example\r\n\r\n"):
            self.setUp()
            secret = tokens.aws()
            with self.agent.connect() as wire:
                wire.send(head.format(secret).encode())
                self.assertRefused(read_response(wire), secret)
            self.told(secret)

    def test_in_a_connect_that_is_refused_for_something_else(self) -> None:
        for suffix in ("denied.example", "localhost", "ec2.internal"):
            self.setUp()
            secret = tokens.aws()
            self.agent.open_tunnel(f"{secret}.{suffix}:443").close()
            self.assertEqual([(line["verdict"], line["host"]) for line in self.told(secret) if line["role"] == "proxy"], [("block", "***")])


class TestHostsInStrictMode(HostCase):
    config = {"mode": "strict"}

    def test_in_an_unnamed_host(self) -> None:
        secret = tokens.aws()
        self.agent.open_tunnel(f"{secret}.foo.example:443").close()
        self.agent.get(f"http://{secret}.foo.example/")
        self.assertEqual([line["verdict"] for line in self.told(secret)], ["block", "block"])


class TestHostsInAuditMode(HostCase):
    config = {"mode": "audit", "routes": [{"name": "pinned", "hosts": ["*.spliced.example"], "tls": "splice"}]}

    def test_in_tunnels(self) -> None:
        secret = tokens.aws()
        self.agent.open_tunnel(f"{secret}.spliced.example:443").close()
        self.agent.open_tunnel(f"{secret}.other.example:443").close()  # never speaks TLS
        self.agent.get(f"https://{secret}.third.example/path")
        lines = self.told(secret)
        self.assertGreaterEqual(len(lines), 3)
        for line in lines:
            if line["role"] == "proxy":
                self.assertTrue(line["findings"])
                self.assertEqual(line["host"], "***")

    def test_where_the_proxy_s_connection_to_egress_is_cut(self) -> None:
        secret = tokens.aws()
        self.origin.on("/slow", lambda exchange: time.sleep(2))
        wire = self.agent.connect()
        wire.send(render(f"{secret} http://{secret}.other.example/slow HTTP/1.1", [("Host", f"{secret}.other.example")]))
        time.sleep(0.5)
        wire.reset()
        self.assertEqual({line["event"] for line in self.told(secret)}, {"request", "hop_aborted"})


class TestMemory(ProductCase):
    kind = "release"

    def test_an_agent_that_reads_no_answers(self) -> None:
        proxy = self.product.roles()["proxy"]
        before = rss_mb(proxy)
        request = b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect((self.product.host, self.product.port))
            sock.settimeout(1)
            try:
                for _ in range(4000):
                    sock.sendall(request)
                self.fail("200 MB of requests were taken, and no answer read")
            except TimeoutError:
                pass
            self.assertLess(rss_mb(proxy) - before, 16)
        self.assertAllowed(self.agent.get(f"http://{HOST}/"))

    def test_octets_that_come_one_by_one(self) -> None:
        """What is held is what counts, not the read buffers that it came in."""
        self.origin.on("/ws", echo_messages)
        opened = {
            "a body": (render(f"POST http://{HOST}/ HTTP/1.1", [("Host", HOST), ("Content-Length", "1000000")]), b""),
            "a message": (render(f"GET http://{HOST}/ws HTTP/1.1", [("Host", HOST), *upgrade_fields()]),
                          b"\x81\xff" + (1_000_000).to_bytes(8, "big") + b"\0\0\0\0"),
        }
        proxy = self.product.roles()["proxy"]
        for name, (head, first) in opened.items():
            with self.subTest(name), self.agent.connect() as wire:
                wire.send(head)
                if first:
                    read_response_head(wire)
                    wire.send(first)
                time.sleep(0.2)
                before = rss_mb(proxy)
                for _ in range(4000):
                    wire.sock.send(b"a")
                    time.sleep(0.0002)
                self.assertLess(rss_mb(proxy) - before, 6)


class TestBrims(ProductCase):
    config = {"timeouts": {"response": "3s", "dns": "1s", "connect": "1s", "tls": "1s"}}

    @staticmethod
    def fields(total: int, name: bytes) -> bytes:
        """Field lines without the space behind the colon, so that they grow when they are written anew."""
        out = b"".join(b"a%d:b\r\n" % i for i in range(80))
        while len(out) < total:
            left = total - len(out)
            n = left if left <= 4000 else min(4000, left - 100)
            out += name + b":" + b"v" * (n - len(name) - 3) + b"\r\n"
        return out

    def test_answer_heads_up_to_the_limit(self) -> None:
        for total in (64_000, 65_400, 65_480, 65_500, 65_536):
            def answer(exchange: Exchange, total: int = total) -> None:
                begin = b"HTTP/1.1 200 OK\r\nX-Origin: origin\r\n"
                exchange.send(begin + self.fields(total - len(begin) - 2, b"X-A") + b"\r\nhello")
                exchange.finish()

            self.origin.on("/r", answer)
            with self.subTest(total):
                response = self.agent.get(f"http://{HOST}/r")
                self.assertEqual((response.status, response.body), (200, b"hello"))

    def test_trailers_up_to_the_limit(self) -> None:
        for total in (16_000, 16_300, 16_384 - 2):
            trailers = self.fields(total, b"X-T")
            with self.subTest(total):
                response = self.agent.request("POST", f"http://{HOST}/", [("Transfer-Encoding", "chunked")], [b"2\r\nhi\r\n0\r\n" + trailers + b"\r\n"])
                self.assertAllowed(response)
                self.assertEqual(len(self.journal.requests[-1].trailers), trailers.count(b"\r\n"))


class TestEnds(ProductCase):
    def test_a_large_upload_that_is_refused_is_read_to_its_end(self) -> None:
        """Clients that send all before they read would see a broken pipe, take it for an outage, and try again."""
        secret = tokens.aws()
        body = f"{secret} ".encode() + b"some words " * 2_000_000
        for secure in (False, True):
            if secure:
                client: http.client.HTTPConnection = http.client.HTTPSConnection(self.product.host, self.product.port, context=self.agent.trust, timeout=20)
                client.set_tunnel(HOST, 443)
            else:
                client = http.client.HTTPConnection(self.product.host, self.product.port, timeout=20)
            with self.subTest(secure=secure):
                client.request("POST", "/" if secure else f"http://{HOST}/", body=body)
                response = client.getresponse()
                self.assertEqual((response.status, response.headers["Pipelock-Code"]), (403, "rule_match"))
            client.close()

    def test_a_tls_1_2_session_that_is_resumed_keeps_its_name(self) -> None:
        context = ssl.create_default_context(cafile=str(self.product.state / "ca.pem"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with self.agent.tunnel(HOST, context=context) as wire:
            wire.send(render("GET / HTTP/1.1", [("Host", HOST)]))
            self.assertAllowed(read_response(wire))
            session = wire.sock.session
        inner = self.agent.open_tunnel(f"{HOST}:443")
        with Wire(context.wrap_socket(inner.sock, server_hostname=HOST, session=session)) as wire:
            self.assertTrue(wire.sock.session_reused)
            wire.send(render("GET / HTTP/1.1", [("Host", HOST)]))
            self.assertAllowed(read_response(wire))

    def test_a_whole_message_does_not_wait_for_the_next_one(self) -> None:
        self.origin.on("/ws", echo_messages)
        wire, target, authority = self.agent.to(f"https://{HOST}/ws")
        with wire:
            wire.send(render(f"GET {target} HTTP/1.1", [("Host", authority), *upgrade_fields()]))
            self.assertEqual(read_response_head(wire).status, 101)
            begin = time.monotonic()
            wire.send(Frame(b"first").encode() + Frame(b"half of the second", TEXT, False).encode())
            self.assertEqual(read_frame(wire, False).payload, b"first")
            self.assertLess(time.monotonic() - begin, 1.5, "it waited for `hold_time`")


class TestStopping(Folder):
    def test_what_is_refused_because_of_the_end_is_told_as_a_block(self) -> None:
        real = self.origin()
        product = self.pipelock(origin=real)
        real.on("/slow", lambda exchange: (time.sleep(2), exchange.answer()))
        with product.agent().connect() as running, product.agent().connect() as late:
            running.send(render(f"GET http://{HOST}/slow HTTP/1.1", [("Host", HOST)]))
            late.send(b"GET http://api.example.net/late HTTP/1.1\r\n")
            time.sleep(0.3)
            product.process.terminate()
            time.sleep(0.3)
            late.send(f"Host: {HOST}\r\n\r\n".encode())
            self.assertEqual(read_response(late).code, "stopping")
            self.assertEqual(read_response(running).status, 200)
        self.assertEqual(product.process.wait(10), 0)
        told = [(line["verdict"], line["code"]) for line in product.audit.entries() if "late" in str(line.get("url"))]
        self.assertEqual(told, [("block", "stopping")])


if __name__ == "__main__":
    unittest.main()
