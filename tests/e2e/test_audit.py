"""No decision without its record: what is logged, what never is, and that traffic stops when nothing can be written."""
from __future__ import annotations

import json
import os
import time
import unittest

from lib import namespace, tokens
from lib.audit import chain_faults
from lib.case import Folder, ProductCase
from lib.wire import read_response, render

HOST = "api.example.net"


def setUpModule() -> None:
    # a mount namespace for small disks; without one those tests alone are left out
    try:
        namespace.enter(network=False)
        os.environ["PIPELOCK_TEST_MOUNTS"] = "1"
    except unittest.SkipTest:
        os.environ.pop("PIPELOCK_TEST_MOUNTS", None)


class TestLines(ProductCase):
    def test_one_line_a_decision_whatever_it_is(self) -> None:
        secret = tokens.aws()
        self.agent.get(f"https://{HOST}/fine?x=1")
        self.agent.get(f"https://{HOST}/bad", [("X-Key", secret)])
        self.agent.get("http://127.0.0.1/")
        with self.agent.connect() as wire:
            wire.send(b"nonsense\r\n\r\n")
            read_response(wire)
        lines = self.product.audit.wait(lambda line: "verdict" in line, self.log_mark, 4)
        self.assertEqual([line["verdict"] for line in lines], ["allow", "block", "block", "block"])
        self.assertEqual([line.get("code") for line in lines][1:], ["rule_match", "destination_refused", "bad_request"])
        self.assertNoTrace(secret, self.product.audit.raw(), "the log")

    def test_the_log_is_json_lines_with_a_chain(self) -> None:
        for _ in range(5):
            self.agent.get(f"http://{HOST}/")
        self.lines(5, verdict="allow")
        raw = self.product.audit.raw()
        self.assertEqual(chain_faults(raw), [])
        for line in raw.split(b"\n")[:-1]:
            self.assertTrue(line.startswith(b"{") and line.isascii() or line.decode("utf-8"), line)
            self.assertIsInstance(json.loads(line), dict)

    def test_what_an_agent_writes_stays_in_its_line(self) -> None:
        """Log injection: escapes, broken UTF-8, line separators, terminal sequences."""
        begin = len(self.product.audit.entries())
        for path in ("/%0d%0a%7b%22verdict%22", "/\x1b[31mred", "/\xff\xfe", "/\xe2\x80\xa8line", '/","verdict":"allow","x":"', "/\\u000a"):
            with self.agent.connect() as wire:
                wire.send(f"GET http://{HOST}{path} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: \x1b]0;x\r\n\r\n".encode("latin-1"))
                read_response(wire)
        lines = self.product.audit.wait(lambda line: "verdict" in line, self.log_mark, 6)
        self.assertEqual(len(lines), 6)
        raw = self.product.audit.raw()
        self.assertNotIn(b"\x1b", raw)
        self.assertNotIn("\u2028".encode(), raw)
        self.assertEqual(len(self.product.audit.entries()) - begin, raw.count(b"\n") - begin)

    def test_only_the_owner_reads_the_log(self) -> None:
        self.agent.get(f"http://{HOST}/")
        self.lines()
        self.assertEqual(self.product.audit.path.stat().st_mode & 0o077, 0)

    def test_what_was_sent_on_before_a_late_match_is_in_the_line(self) -> None:
        secret = tokens.github()
        body = b"nothing here to see, move on\n" * 100_000 + secret.encode()
        try:
            self.agent.post(f"http://{HOST}/", body)
        except (OSError, EOFError):
            pass
        (line,) = self.assertBlocked(secret)
        self.assertIn(HOST, str(line))


class TestStops(Folder):
    def allowed(self, product) -> bool:
        try:
            return product.agent(timeout=5).get(f"http://{HOST}/").status == 200
        except (OSError, EOFError):
            return False

    def test_a_full_disk_stops_traffic_and_room_lets_it_flow_again(self) -> None:
        if not os.environ.get("PIPELOCK_TEST_MOUNTS"):
            self.skipTest("NO MOUNT NAMESPACE HERE: a full disk cannot be made")
        real, disk = self.origin(), self.folder / "disk"
        namespace.small_disk(disk, 256)
        log = disk / "audit.jsonl"
        product = self.pipelock({"audit": {"file": str(log)}}, real)
        self.assertTrue(self.allowed(product))
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
            try:
                while True:
                    file.write(b"\0")
            except OSError:
                pass
        statuses, end = [], time.monotonic() + 20
        while time.monotonic() < end and statuses[-3:] != [503] * 3 and product.process.poll() is None:
            try:
                response = product.agent(timeout=5).get(f"http://{HOST}/")
                statuses.append(response.status)
                if response.status == 503:
                    self.assertEqual(response.code, "audit_unavailable")
            except (OSError, EOFError):
                statuses.append(0)
        if product.process.poll() is not None:
            return  # it ended: traffic has stopped
        self.assertEqual(statuses[-3:], [503] * 3, statuses)
        count = len(real.journal.requests)
        for _ in range(5):
            self.assertFalse(self.allowed(product))
        self.assertEqual(len(real.journal.requests), count, "a request passed that has no record")
        filler.unlink()
        end = time.monotonic() + 15
        while not self.allowed(product) and time.monotonic() < end:
            time.sleep(0.3)
        self.assertTrue(self.allowed(product), "there is room again, and it does not recover")
        product.stop()
        # every request that the origin got has its line; a line that was half written does not break the chain
        self.assertEqual(chain_faults(log.read_bytes()), [])
        passed = [line for line in log.read_bytes().split(b"\n")[:-1] if json.loads(line).get("verdict") == "allow"]
        self.assertGreaterEqual(len(passed), len(real.journal.requests))

    def test_a_log_that_cannot_be_opened_is_an_error_at_start(self) -> None:
        (self.folder / "is-a-folder").mkdir()
        for path in ("is-a-folder", "no/such/folder/audit.jsonl"):
            with self.subTest(path):
                product = self.pipelock({"audit": {"file": str(self.folder / path)}}, name=path.replace("/", "-") + "-p", wait=False)
                self.assertNotEqual(product.process.wait(15), 0)
                self.assertTrue(product.stderr().strip())

    def test_dev_full(self) -> None:
        """Opens, and can never be written."""
        real = self.origin()
        product = self.pipelock({"audit": {"file": "/dev/full"}}, real, wait=False)
        end = time.monotonic() + 5
        while time.monotonic() < end and product.process.poll() is None:
            self.assertFalse(product.listening() and self.allowed(product), "traffic flows without a log")
            time.sleep(0.1)
        self.assertTrue(real.journal.silent)

    def test_a_log_is_continued_after_a_restart(self) -> None:
        real = self.origin()
        product = self.pipelock({}, real)
        self.assertTrue(self.allowed(product))
        product.stop()
        product.start()
        product.wait_until_listening()
        self.assertTrue(self.allowed(product))
        product.stop()
        self.assertEqual(chain_faults(product.audit.raw()), [])
        self.assertEqual(len([e for e in product.audit.entries() if e.get("verdict") == "allow"]), 2)

    def test_a_log_that_was_cut_off_in_a_line_is_continued(self) -> None:
        """What a power cut leaves: the torn line is dealt with, said, and the file can be read again."""
        real = self.origin()
        product = self.pipelock({}, real)
        self.assertTrue(self.allowed(product))
        product.stop()
        whole = product.audit.raw()
        product.audit.path.write_bytes(whole + b'{"time":"2020-01-01T00:00')
        product.start()
        product.wait_until_listening()
        self.assertTrue(self.allowed(product))
        product.stop()
        self.assertEqual(chain_faults(product.audit.raw()), [])
        self.assertTrue(product.audit.raw().startswith(whole))


class TestMode(ProductCase):
    config = {"mode": "audit"}

    def test_mode_audit_logs_and_lets_pass(self) -> None:
        secret = tokens.github()
        for scheme in ("http", "https"):
            self.setUp()
            self.assertAllowed(self.agent.post(f"{scheme}://{HOST}/", secret.encode()))
            self.assertEqual(self.journal.requests[0].body, secret.encode())
            lines = self.product.audit.wait(lambda line: "verdict" in line, self.log_mark)
            self.assertTrue(lines and lines[0].get("findings"), lines)
            self.assertNoTrace(secret, self.product.audit.raw(), "the log")


class TestStrict(ProductCase):
    config = {"mode": "strict", "routes": [{"name": "known", "hosts": ["api.example.net", "*.fine.example"], "action": "allow"}]}

    def test_only_named_hosts_are_reached(self) -> None:
        for host in (HOST, "a.fine.example", "a.b.fine.example"):
            self.setUp()
            self.assertAllowed(self.agent.get(f"https://{host}/"))
        for host in ("other.example", "fine.example", "xfine.example", "api.example.net.evil.example"):
            for scheme in ("http", "https"):
                self.setUp()
                self.assertEqual(self.assertRefused(self.agent.get(f"{scheme}://{host}/"))["code"], "unnamed_host")


class TestOverrides(ProductCase):
    config = {"overrides": [{"rule": "*", "action": "warn"}, {"rule": "aws-*", "action": "block"}],
              "routes": [{"name": "lenient", "hosts": ["lenient.example"], "on_match": "warn"},
                         {"name": "hard", "hosts": ["hard.example"], "on_match": "block"},
                         {"name": "push", "hosts": ["git.example"], "paths": [{"prefix": "/", "suffix": "/git-receive-pack"}], "action": "deny"}]}

    def ask(self, host: str, secret: str):
        self.setUp()
        return self.agent.post(f"https://{host}/", secret.encode())

    def test_the_last_override_wins_and_a_route_over_both(self) -> None:
        self.assertAllowed(self.ask("api.example.net", tokens.github()))
        self.assertEqual(len(self.lines(verdict="warn")), 1)
        secret = tokens.aws()
        self.assertRefused(self.ask("api.example.net", secret), secret)
        self.assertAllowed(self.ask("lenient.example", tokens.aws()))
        secret = tokens.github()
        self.assertRefused(self.ask("hard.example", secret), secret)

    def test_a_denied_path(self) -> None:
        self.setUp()
        self.assertAllowed(self.agent.post("https://git.example/r.git/git-upload-pack", b"0000"))
        self.setUp()
        self.assertEqual(self.assertRefused(self.agent.post("https://git.example/r.git/git-receive-pack", b"0000"))["code"], "route_denied")


if __name__ == "__main__":
    unittest.main()
