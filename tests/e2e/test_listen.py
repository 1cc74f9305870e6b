"""Where the two listeners may be: the agent's side anywhere, the egress side on loopback or nowhere."""
from __future__ import annotations

import socket
import subprocess
import unittest

from lib.case import Folder
from lib.product import DidNotStart, Pipelock, free_port


def own_address() -> str | None:
    """An address of this machine that is not loopback. Nothing is sent: connect on UDP only picks a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
            address = sock.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith("127.") else address


class TestEgressListener(Folder):
    def start(self, environment: dict[str, str], config=None, **more) -> Pipelock:
        return self.pipelock(config, self.origin(), environment=environment, name=f"p{len(environment)}{free_port()}", **more)

    def assertRefused(self, environment: dict[str, str], config=None) -> None:
        product = self.start(environment, config, wait=False)
        try:
            code = product.process.wait(15)
        except subprocess.TimeoutExpired:
            self.fail(f"it runs with {environment} {config}")
        self.assertEqual(code, 2, product.stderr())
        self.assertTrue(product.stderr().strip(), "it says nothing")
        self.assertFalse(product.listening(), "the agent's port is open")
        for host in ("127.0.0.1", "::1"):
            with self.assertRaises(OSError):
                socket.create_connection((host, product.egress_port), 1).close()

    def test_hosts_that_are_not_loopback_are_refused(self) -> None:
        hosts = ["0.0.0.0", "::", "[::]", "localhost", "egress.example", "10.0.0.1", "169.254.1.1", "::ffff:127.0.0.1", "0", "2130706433",
                 "0x7f000001", "127.1", "127.0.0.1 ", "*", "fe80::1", "::ffff:0.0.0.0"]
        own = own_address()
        for host in [*hosts, *([own] if own else [])]:
            with self.subTest(host):
                self.assertRefused({"EGRESS_LISTEN_HOST": host})

    def test_the_configuration_cannot_open_it_either(self) -> None:
        for listen in ("0.0.0.0:9099", "[::]:9099", ":9099", "10.0.0.1:9099", "localhost:9099"):
            with self.subTest(listen):
                self.assertRefused({}, {"egress": {"listen": listen}})

    def test_ports_that_are_none_are_refused(self) -> None:
        for port in ("x", "-1", "65536", "99999999999", "80 80", "0x50"):
            with self.subTest(port):
                self.assertRefused({"EGRESS_LISTEN_PORT": port})

    def test_loopback_is_honoured(self) -> None:
        for host in ("", "127.0.0.1", "::1", "127.0.0.2"):
            with self.subTest(host):
                port = free_port()
                product = self.start({"EGRESS_LISTEN_HOST": host, "EGRESS_LISTEN_PORT": str(port)})
                with socket.create_connection((host or "127.0.0.1", port), 2) as sock:
                    sock.sendall(b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
                    self.assertIn(b" 407 ", sock.recv(4096).split(b"\r\n")[0])
                self.assertEqual(product.agent().get("http://api.example.net/").status, 200)

    def test_a_port_that_is_taken_is_an_error(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            product = self.start({"EGRESS_LISTEN_PORT": str(taken.getsockname()[1])}, wait=False)
            self.assertNotEqual(product.process.wait(15), 0)
            self.assertTrue(product.stderr().strip())


class TestAgentListener(Folder):
    def test_the_environment_and_the_command_line_set_it(self) -> None:
        one, two = free_port(), free_port()
        product = self.pipelock({}, self.origin(), environment={"PIPELOCK_LISTEN": f"127.0.0.1:{one}"}, name="env", wait=False)
        product.port = one
        product.wait_until_listening()
        self.assertEqual(product.agent().get("http://api.example.net/").status, 200)
        product = self.pipelock({}, self.origin(), environment={"PIPELOCK_LISTEN": f"127.0.0.1:{one + 1}"},
                                arguments=["--listen", f"127.0.0.1:{two}"], name="both", wait=False)
        product.port = two
        product.wait_until_listening()
        self.assertEqual(product.agent().get("http://api.example.net/").status, 200)

    def test_ipv6(self) -> None:
        product = self.pipelock({}, self.origin(), listen="::1")
        self.assertEqual(product.agent().get("https://api.example.net/").status, 200)

    def test_any_address(self) -> None:
        port = free_port()
        product = self.pipelock({"listen": f":{port}"}, self.origin(), wait=False)
        product.port = port
        product.wait_until_listening()
        for host in ("127.0.0.1", "::1", own_address() or "127.0.0.1"):
            product.host = host
            self.assertEqual(product.agent().get("http://api.example.net/").status, 200)

    def test_what_is_no_address_is_refused(self) -> None:
        for listen in ("", "x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "localhost:8888", "1.2.3:80", "[::1]", "::1:80"):
            with self.subTest(listen):
                product = self.pipelock({}, arguments=["--listen", listen], name=f"p{free_port()}", wait=False)
                self.assertEqual(product.process.wait(15), 2, product.stderr())

    def test_a_port_that_is_taken_is_an_error(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            product = self.pipelock({"listen": f"127.0.0.1:{taken.getsockname()[1]}"}, wait=False)
            self.assertNotEqual(product.process.wait(15), 0)
            self.assertTrue(product.stderr().strip())


class TestPolicyFiles(Folder):
    """What others may write is not policy."""

    RULES = "version: 1\nrules:\n  - id: made-up\n    description: a word\n    regex: 'xyzzy-[0-9]{6}'\n    severity: high\n    action: block\n"

    def expect_refusal(self, product: Pipelock) -> None:
        self.assertNotEqual(product.process.wait(15), 0, "it starts")
        self.assertTrue(product.stderr().strip(), "it says nothing")

    def test_a_configuration_that_others_may_write(self) -> None:
        product = self.pipelock({}, name="first")
        product.stop()
        for mode in (0o666, 0o660 | 0o002, 0o620):
            product.config.chmod(mode)
            product.start()
            self.expect_refusal(product)
        product.config.chmod(0o644)
        product.start()
        product.wait_until_listening()

    def test_a_rule_file_that_others_may_write(self) -> None:
        rules = self.folder / "rules.yaml"
        rules.write_text(self.RULES)
        rules.chmod(0o644)
        product = self.pipelock({"rules": [str(rules)]}, self.origin(), name="fine")
        self.assertEqual(product.agent().get("http://api.example.net/xyzzy-123456").status, 403)
        product.stop()
        rules.chmod(0o646)
        self.expect_refusal(self.pipelock({"rules": [str(rules)]}, name="loose", wait=False))

    def test_a_key_that_others_may_read(self) -> None:
        product = self.pipelock({}, name="keys")
        product.stop()
        keys = [f for f in product.state.rglob("*") if f.is_file() and b"PRIVATE KEY" in f.read_bytes()]
        self.assertTrue(keys)
        keys[0].chmod(0o644)
        product.start()
        self.expect_refusal(product)

    def test_mistakes_are_named_with_file_line_and_column(self) -> None:
        for text in ("version: 1\nlisten: 127.0.0.1:8888\nmod: strict\n", "version: 1\nmode: lax\n", "version: 1\nversion: 1\n", "- 1\n",
                     "version: 2\n", "version: 1\nroutes: [{name: a, hosts: [b], acton: deny}]\n", "version: 1\nhold: many\n", "version: 1\n\tmode: x\n",
                     "version: 1\noverrides: [{rule: no-such-rule-here, action: warn}]\n", "version: 1\nmode: &a strict\n", "\0", "version: !!str 1\n"):
            with self.subTest(text):
                product = self.pipelock({}, name=f"p{free_port()}", wait=False)
                product.kill()
                product.config.write_text(text)
                mark = len(product.stderr())
                product.start()
                self.assertEqual(product.process.wait(15), 2)
                self.assertRegex(product.stderr()[mark:], r"pipelock\.yaml:\d+:\d+: ")

    def test_a_program_that_cannot_start_leaves_nothing_running(self) -> None:
        with self.assertRaises(DidNotStart):
            self.pipelock({"mode": "no such mode"})


if __name__ == "__main__":
    unittest.main()
