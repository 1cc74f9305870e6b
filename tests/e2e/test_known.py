"""Values that the configuration names: found wherever they stand and in part, by the canary's tier or their own, at home where they
belong; and no process that traffic reaches ever holds one."""
from __future__ import annotations

import base64
import json
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

from lib import codings
from lib.case import Folder, ProductCase, authority, towards
from lib.origin import Origin
from lib.product import Pipelock, Process, clean_environment
from lib.wire import Response

HOST = "api.example.net"
HOME = "api.home.example"


def value(size: int = 40) -> str:
    """Of no known form."""
    return secrets.token_hex(size)[:size - 3] + "x.Q"


def percent(text: str) -> str:
    return "".join(f"%{ord(c):02X}" for c in text)


def b64(text: str, before: str = "") -> str:
    return base64.b64encode((before + text).encode()).decode().rstrip("=")


def as_json(text: str) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": f"this is {text} as it was"}]}).encode()


Request = dict[str, Any]

VECTORS: dict[str, Callable[[str], Request]] = {
    "path": lambda t: {"path": f"/a/{t}/b"},
    "query": lambda t: {"path": f"/in?q={t}&x=1"},
    "query, percent-encoded": lambda t: {"path": f"/in?q={percent(t)}"},
    "path, base64": lambda t: {"path": f"/a/{base64.urlsafe_b64encode(t.encode()).decode()}"},
    "field": lambda t: {"fields": [("X-Note", f"take {t} along")]},
    "basic credentials": lambda t: {"fields": [("Authorization", f"Basic {b64(t, 'user:')}")]},
    "cookie": lambda t: {"fields": [("Cookie", f"a=b; c={t}")]},
    "JSON": lambda t: {"body": as_json(t)},
    "JSON, escaped": lambda t: {"body": b'{"a": "' + "".join(f"\\u{ord(c):04x}" for c in t).encode() + b'"}'},
    "base64 in JSON": lambda t: {"body": as_json(b64(t, "x"))},
    "base64 twice": lambda t: {"body": as_json(b64(b64(t)))},
    "hex": lambda t: {"body": as_json(t.encode().hex())},
    "percent in a form": lambda t: {"body": b"a=1&b=" + percent(t).encode(),
                                    "fields": [("Content-Type", "application/x-www-form-urlencoded")]},
    "gzip": lambda t: {"body": codings.gzip(as_json(t)), "fields": [("Content-Encoding", "gzip")]},
    "zstd": lambda t: {"body": codings.zstd(as_json(t)), "fields": [("Content-Encoding", "zstd")]},
    "gzip without a label": lambda t: {"body": codings.gzip(as_json(t))},
    "gzip in base64": lambda t: {"body": as_json(base64.b64encode(codings.gzip(as_json(t))).decode())},
    "one octet a packet": lambda t: {"body": as_json(t), "slowly": 1},
    "end of a long body": lambda t: {"body": b'{"line": "nothing here"}\n' * 12000 + t.encode()},
}


class KnownCase(ProductCase):
    """One value of each kind."""

    environment: dict[str, str]
    token: str
    key: str
    password: str
    canary: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp(prefix="pipelock-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.origin = Origin(authority())
        cls.addClassCleanup(cls.origin.close)
        cls.token, cls.key, cls.canary = value(), value(90), value(24)
        cls.password = "Xy7-" + secrets.token_urlsafe(5)[:5]
        (cls.folder / "key").write_text(cls.key + "\n")
        (cls.folder / "key").chmod(0o600)
        cls.environment = {"A_TOKEN": cls.token, "A_PASSWORD": cls.password}
        config = {"egress": towards(cls.origin),
                  "known_values": [{"name": "token", "env": "A_TOKEN", "hosts": [HOME]},
                                   {"name": "key", "file": str(cls.folder / "key")},
                                   {"name": "password", "env": "A_PASSWORD"}],
                  "canaries": [{"name": "trap", "value": cls.canary}]}
        cls.product = Pipelock(cls.folder / "pipelock", config, kind=cls.kind, environment=cls.environment)
        cls.addClassCleanup(cls._stop)
        cls.agent = cls.product.agent()

    def send(self, request: Request, host: str = HOST, scheme: str = "https") -> Response:
        body = request.get("body")
        return self.agent.request("POST" if body else "GET", f"{scheme}://{host}{request.get('path', '/in')}", request.get("fields", []),
                                  body, request.get("slowly", 0))

    def assertFound(self, response: Response, text: str, rule: str, tier: str) -> None:
        self.assertRefused(response, text)
        line = self.lines(verdict="block")[0]
        found = [f for f in line["findings"] if f["rule"] == rule]
        self.assertTrue(found, f"{rule} is not among {line['findings']}")
        for finding in found:
            self.assertEqual((finding["tier"], finding["severity"], finding["action"]), (tier, "critical", "block"))
            self.assertRegex(finding["fingerprint"], "^[0-9a-f]{32}$")

    def every_vector(self, text: str, rule: str, tier: str = "known", scheme: str = "https") -> None:
        for name, make in VECTORS.items():
            with self.subTest(name, rule=rule):
                self.setUp()
                self.assertFound(self.send(make(text), scheme=scheme), text, rule, tier)


class TestFound(KnownCase):
    def test_value_of_the_environment(self) -> None:
        self.every_vector(self.token, "known:token")

    def test_value_of_a_file(self) -> None:
        self.every_vector(self.key, "known:key", scheme="http")

    def test_part_of_a_value(self) -> None:
        self.every_vector(self.key[37:37 + 20], "known:key", scheme="http")

    def test_canary(self) -> None:
        self.every_vector(self.canary, "canary:trap", "canary")

    def test_brief_value(self) -> None:
        self.every_vector(self.password, "known:password", scheme="http")

    def test_split_over_values(self) -> None:
        body = json.dumps({"a": self.key[:30], "b": self.key[30:60], "c": self.key[60:]}).encode()
        self.assertFound(self.send({"body": body}), self.key, "known:key", "known")

    def test_host_name(self) -> None:
        response = self.send({}, host=f"{self.key[:40].replace('.', 'a').lower()}.example.net", scheme="http")
        self.assertFound(response, self.key[:40], "known:key", "known")

    def test_what_is_too_short_passes(self) -> None:
        for text in (self.key[20:35], self.password[:-1], self.password[1:]):
            self.setUp()
            self.assertAllowed(self.send({"body": f"words and {text} and words".encode()}))

    def test_same_value_same_fingerprint(self) -> None:
        prints = set()
        for make in (VECTORS["JSON"], VECTORS["base64 in JSON"], VECTORS["field"]):
            self.setUp()
            self.send(make(self.token))
            prints |= {f["fingerprint"] for f in self.lines(verdict="block")[0]["findings"] if f["rule"] == "known:token"}
        self.assertEqual(len(prints), 1)

    def test_at_home(self) -> None:
        fields = [("Authorization", f"Bearer {self.token}")]
        self.assertAllowed(self.send({"fields": fields}, host=HOME))
        self.assertEqual(self.lines(verdict="allow")[0].get("findings"), None)
        for request, host in (({"fields": fields}, HOST), ({"fields": [("Cookie", f"t={self.token}")]}, HOME),
                              ({"path": f"/?t={self.token}"}, HOME), ({"fields": [("Authorization", f"Bearer {self.key}")]}, HOME)):
            self.setUp()
            self.assertRefused(self.send(request, host=host))

    def test_found_after_a_restart_of_the_group(self) -> None:
        proxy = self.product.roles()["proxy"]
        proxy.kill(signal.SIGKILL)
        end = time.monotonic() + 10
        while time.monotonic() < end and self.product.roles().get("proxy", proxy).pid == proxy.pid:
            time.sleep(0.05)
        self.product.wait_until_listening()
        self.log_mark = self.product.audit.size()
        self.assertFound(self.send({"body": as_json(self.token)}), self.token, "known:token", "known")


def memory_of(process: Process) -> bytes:
    """All that the process can write to, and what it shares in memory."""
    out = bytearray()
    with open(f"/proc/{process.pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines():
            begin, end, mode, rest = re.match(r"(\w+)-(\w+) (\S+) (.*)", line).groups()
            if "r" not in mode or "[v" in rest or ("w" not in mode and "memfd" not in rest):
                continue
            memory.seek(int(begin, 16))
            try:
                out += memory.read(int(end, 16) - int(begin, 16))
            except OSError:  # a guard page
                continue
    return bytes(out)


class TestWhoHoldsIt(KnownCase):
    kind = "release"

    def setUp(self) -> None:
        super().setUp()
        self.assertAllowed(self.send({"body": b"some words"}))

    def test_no_role_has_it_in_its_environment(self) -> None:
        for name, process in self.product.roles().items():
            if name == "supervisor":
                continue
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
            for text in (*self.environment, *self.environment.values(), self.key):
                self.assertNotIn(text.encode(), environment, name)

    def test_no_role_has_it_in_its_memory(self) -> None:
        for name, process in self.product.roles().items():
            try:
                memory = memory_of(process)
            except PermissionError:
                self.skipTest("the kernel shows nobody this memory")
            if name == "supervisor":
                # Its environment has some, but of the file nothing is left.
                self.assertNotIn(self.key[8:24].encode(), memory, name)
                continue
            self.assertGreater(len(memory), 100000, name)
            for text in (self.token, self.key, self.password):
                pieces = [text[i:i + 8] for i in range(len(text) - 7)]
                self.assertEqual([p for p in pieces if p.encode() in memory], [], name)
        self.assertIn(b"known:token", memory_of(self.product.roles()["proxy"]), "the search would find it")


class TestStart(Folder):
    def run_it(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        from lib.product import folder_of
        return subprocess.run([str(folder_of("sanitized") / "pipelock"), *arguments], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, env=clean_environment(HOME=str(self.folder), **environment), check=False)

    def config(self, text: str) -> str:
        path = self.folder / "pipelock.yaml"
        path.write_text("version: 1\n" + text)
        path.chmod(0o600)
        return str(path)

    def test_what_can_not_be_read_starts_nothing(self) -> None:
        file = self.folder / "key"
        file.write_text(value())
        file.chmod(0o644)
        cases = [("known_values: [{name: a, env: NO_SUCH}]\n", "yaml:2:16: known:a: its variable is not set in the environment"),
                 ("known_values: [{name: a, env: SHORT}]\n", "known:a: it is shorter than 8 octets"),
                 ("known_values: [{name: a, file: key}]\n", "everybody may read it (mode 0644); 'chmod o-rwx' mends it"),
                 ("known_values: [{name: a, file: absent}]\n", "absent: No such file"),
                 ("canaries: [{name: a, value: hunter2}]\n", "canary:a: it is shorter than 8 octets")]
        for text, expected in cases:
            for verb in (["run"], ["check", "--url", "http://a.example/"]):
                with self.subTest(text, verb=verb[0]):
                    done = self.run_it(verb[0], "--config", self.config(text), *verb[1:], SHORT="hunter2")
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn(expected, done.stderr)
                    self.assertNotIn("hunter2", done.stderr)

    def test_check_knows_them(self) -> None:
        secret = value()
        config = self.config("known_values: [{name: a, env: A_TOKEN}]\noverrides: [{rule: 'known:*', action: warn}]\n"
                             f"canaries: [{{name: c, value: {value(20)}}}]\n")
        url = f"https://a.example/?q={percent(secret)}"
        done = self.run_it("check", "--json", "--config", config, "--url", url, A_TOKEN=secret)
        self.assertEqual(done.returncode, 0, done.stderr)
        findings = json.loads(done.stdout)["findings"]
        known = [f for f in findings if f["rule"] == "known:a"]
        self.assertEqual([(f["tier"], f["action"], f["line"]) for f in known], [("known", "warn", 2)])
        self.assertEqual([f["tier"] for f in findings if f not in known], ["pattern"] * (len(findings) - 1))
        self.assertNotIn(secret, done.stdout)

    def test_warning_passes(self) -> None:
        secret, origin = value(), self.origin()
        product = self.pipelock({"known_values": [{"name": "a", "env": "A_TOKEN"}], "overrides": [{"rule": "known:*", "action": "warn"}]},
                                origin, environment={"A_TOKEN": secret})
        response = product.agent().request("POST", f"https://{HOST}/", [], as_json(secret))
        self.assertEqual(response.status, 200)
        line = product.audit.wait(lambda line: line.get("verdict") == "warn")[0]
        self.assertIn(("known:a", "known", "warn"), [(f["rule"], f["tier"], f["action"]) for f in line["findings"]])
        self.assertNotIn(secret.encode(), product.audit.raw())
