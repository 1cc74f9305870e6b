"""The agent in a network of its own, joined by one cable to the bundle: of all that listens there it reaches port 8888 and nothing
else. The namespaces belong to this process and end with it."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import unittest
from pathlib import Path

from lib import namespace, tokens
from lib.case import Folder

AGENT_SIDE = Path(__file__).parent / "lib" / "agent_side.py"
PORT = 8888
BUNDLE = {4: "10.77.0.1", 6: "fd77::1"}
AGENT = {4: "10.77.0.2", 6: "fd77::2"}


def setUpModule() -> None:
    namespace.enter()
    namespace.ip("link", "add", "to-agent", "type", "veth", "peer", "name", "to-bundle")
    namespace.ip("addr", "add", f"{BUNDLE[4]}/24", "dev", "to-agent")
    namespace.ip("addr", "add", f"{BUNDLE[6]}/64", "dev", "to-agent", "nodad")
    namespace.ip("link", "set", "to-agent", "up")


class TestFromTheAgentSNetwork(Folder):
    agent: subprocess.Popen

    @classmethod
    def setUpClass(cls) -> None:
        """A process in the agent's namespace that does what it is told, one JSON line a task."""
        cls.agent = subprocess.Popen(["unshare", "--net", sys.executable, str(AGENT_SIDE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls._end)
        assert cls.agent.stdout and cls.agent.stdout.readline() == "ready\n"
        namespace.ip("link", "set", "to-bundle", "netns", str(cls.agent.pid))
        cls.tell({"do": "configure", "addresses": [f"{AGENT[4]}/24", f"{AGENT[6]}/64"]})
        time.sleep(0.2)

    @classmethod
    def _end(cls) -> None:
        cls.agent.stdin.close()
        cls.agent.wait(10)
        cls.agent.stdout.close()

    @classmethod
    def tell(cls, task: dict):
        cls.agent.stdin.write(json.dumps(task) + "\n")
        cls.agent.stdin.flush()
        answer = json.loads(cls.agent.stdout.readline())
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["result"]

    def start(self, family: int):
        real = self.origin()
        shown = f"[{BUNDLE[6]}]" if family == 6 else BUNDLE[4]
        product = self.pipelock({"listen": f"{shown}:{PORT}", "egress": {"listen": "127.0.0.1:9099"}}, real, name=f"v{family}", wait=False)
        product.host, product.port = BUNDLE[family], PORT
        product.wait_until_listening()
        return product, real

    def test_the_scan_would_see_an_open_port(self) -> None:
        """The instrument first: with something else open, the scan finds it."""
        import socket
        with socket.create_server((BUNDLE[4], 9099)):
            self.assertEqual(self.tell({"do": "scan", "host": BUNDLE[4], "first": 9000, "last": 9200}), [9099])

    def test_of_65535_ports_8888_alone_is_open(self) -> None:
        for family in (4, 6):
            with self.subTest(family=family):
                product, real = self.start(family)
                begin = time.monotonic()
                self.assertEqual(self.tell({"do": "scan", "host": BUNDLE[family], "first": 1, "last": 65535}), [PORT])
                print(f"  IPv{family}: 65535 ports in {time.monotonic() - begin:.1f} s", flush=True)
                self.assertEqual(self.tell({"do": "scan", "host": AGENT[family], "first": 9000, "last": 9200}), [])
                answer = self.tell({"do": "get", "host": BUNDLE[family], "port": PORT, "ca": str(product.state / "ca.pem"),
                                    "url": "https://api.example.net/"})
                self.assertEqual(answer, [200, "ok"])
                secret = tokens.aws()
                answer = self.tell({"do": "get", "host": BUNDLE[family], "port": PORT, "ca": str(product.state / "ca.pem"),
                                    "url": f"https://api.example.net/{secret}"})
                self.assertEqual(answer[0], 403)
                self.assertEqual(len(real.journal.requests), 1)
                product.stop()

    def test_no_udp_port_is_open_and_the_bundle_s_addresses_are_refused_as_destinations(self) -> None:
        product, real = self.start(4)
        for table in ("udp", "udp6"):
            rows = [line.split() for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]]
            open_to_all = [row[1] for row in rows if not set(row[2].split(":")[0]) - {"0"}]  # no peer: anybody may write to it
            self.assertEqual(open_to_all, [])
        for host in (BUNDLE[4], f"[{BUNDLE[6]}]", AGENT[4], "127.0.0.1"):
            for port in (PORT, 9099, real.plain_port):
                answer = self.tell({"do": "get", "host": BUNDLE[4], "port": PORT, "ca": str(product.state / "ca.pem"), "url": f"http://{host}:{port}/"})
                self.assertEqual(answer[0], 403, (host, port, answer))
        self.assertTrue(real.journal.silent)
        self.assertIn("407", self.local("127.0.0.1", 9099))

    @staticmethod
    def local(host: str, port: int) -> str:
        import socket
        with socket.create_connection((host, port), 3) as sock:
            sock.sendall(b"GET http://api.example.net/ HTTP/1.1\r\nHost: api.example.net\r\n\r\n")
            return sock.recv(4096).decode(errors="replace").split("\r\n")[0]

    def test_an_egress_listener_on_the_cable_is_refused(self) -> None:
        for host in (BUNDLE[4], BUNDLE[6], "0.0.0.0", "::"):
            with self.subTest(host):
                product = self.pipelock({"listen": f"{BUNDLE[4]}:{PORT}"}, environment={"EGRESS_LISTEN_HOST": host}, name=f"p{len(host)}{host[:2]}".replace(":", "_"), wait=False)
                self.assertEqual(product.process.wait(15), 2, product.stderr())
                self.assertEqual(self.tell({"do": "scan", "host": BUNDLE[4], "first": 8000, "last": 10000}), [])


if __name__ == "__main__":
    unittest.main()
