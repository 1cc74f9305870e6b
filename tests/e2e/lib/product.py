"""The real programs: started with a configuration of their own, watched, stopped, and searched for complaints."""
from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from .agent import Agent
from .audit import AuditLog

ROOT = Path(__file__).resolve().parents[3]
ROLES = ("supervisor", "keeper", "proxy", "egress")
COMPLAINT = re.compile(r"ERROR: (?:Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:|SUMMARY: \w*Sanitizer|"
                       r"DEADLYSIGNAL|LeakSanitizer has encountered|Assertion .* failed")
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "halt_on_error=1:abort_on_error=0:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "LSAN_OPTIONS": "exitcode=99",
}


class DidNotStart(Exception):
    """The program ended, or never listened."""


def folder_of(kind: str) -> Path:
    """Where the programs are: kind is 'sanitized' or 'release'."""
    release = Path(os.environ.get("PIPELOCK_RELEASE", ROOT / "build"))
    return release if kind == "release" else Path(os.environ.get("PIPELOCK_BUILD", release / "san"))


def free_port(host: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def clean_environment(**more: str) -> dict[str, str]:
    """What the tests' own programs run with: nothing of the caller's proxies and certificates."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **kept, **SANITIZER_OPTIONS, **more}


def as_yaml(config: dict[str, Any]) -> str:
    """One key a line, the values in flow style, as JSON writes them."""
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items())


def merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Two levels deep; None takes a key out."""
    out = dict(base)
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = {**out[key], **value}
        else:
            out[key] = value
    return {key: value for key, value in out.items() if value is not None}


class Process:
    """One process of the group, as /proc shows it."""

    def __init__(self, pid: int):
        self.pid = pid

    def status(self, key: str) -> str:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return line.split(":", 1)[1].strip()
        return ""

    @property
    def alive(self) -> bool:
        try:
            return not self.status("State").startswith("Z")
        except OSError:
            return False

    def peak_rss_kb(self) -> int:
        return int(self.status("VmHWM").split()[0])

    @property
    def group(self) -> int:
        return os.getpgid(self.pid)

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)


def role_of(pid: int) -> str | None:
    """Which role a process plays, by its program and title."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return None
    if program.startswith("egress"):
        return "egress"
    title = b" ".join(words).decode(errors="replace")
    return next((role for role in ROLES if role in title), None)


def children_of(pid: int) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            state, parent = stat.rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(entry))
    return found


class Pipelock:
    """`pipelock run --config F` in a folder of its own."""

    def __init__(self, folder: Path, config: dict[str, Any] | None = None, kind: str = "sanitized", listen: str = "127.0.0.1",
                 environment: dict[str, str] | None = None, arguments: list[str] | None = None, wait: bool = True):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.host, self.port, self.egress_port = folder, listen, free_port(listen), free_port()
        self.state, self.audit = folder / "state", AuditLog(folder / "audit.jsonl")
        self.program = folder_of(kind) / "pipelock"
        shown = f"[{listen}]" if ":" in listen else listen
        base = {"version": 1, "listen": f"{shown}:{self.port}", "mode": "balanced", "state": str(self.state),
                "audit": {"file": str(self.audit.path)}, "egress": {"listen": f"127.0.0.1:{self.egress_port}"}}
        self.config = folder / "pipelock.yaml"
        self.config.write_text(as_yaml(merged(base, config or {})))
        self.config.chmod(0o600)
        self.stderr_file = folder / "stderr"
        self.environment = clean_environment(HOME=str(folder), **(environment or {}))
        self.arguments = arguments or []
        self.exit: int | None = None
        self.start()
        if wait:
            self.wait_until_listening()

    def start(self) -> None:
        with self.stderr_file.open("ab") as stderr:
            self.process = subprocess.Popen([str(self.program), "run", "--config", str(self.config), *self.arguments],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, env=self.environment)

    def listening(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), 1).close()
            return True
        except OSError:
            return False

    def wait_until_listening(self, within: float = 20) -> None:
        end = time.monotonic() + within
        while not self.listening():
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise DidNotStart(f"exit {self.process.returncode}: {self.stderr()[-3000:]}")
            time.sleep(0.03)

    def stderr(self) -> str:
        return self.stderr_file.read_text(errors="replace")

    def agent(self, timeout: float = 20) -> Agent:
        return Agent(self.host, self.port, self.state / "ca.pem", timeout)

    def roles(self) -> dict[str, Process]:
        """The roles that live now."""
        found = {"supervisor": Process(self.process.pid)} if self.process.poll() is None else {}
        for pid in children_of(self.process.pid):
            role = role_of(pid)
            if role:
                found[role] = Process(pid)
        return found

    def stop(self, within: float = 15) -> int | None:
        """SIGTERM; the exit code, or None when it had to be killed."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.exit = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.exit = None
            self.kill()
        return self.exit

    def kill(self) -> None:
        """The whole group, without mercy."""
        pids = children_of(self.process.pid) if self.process.poll() is None else []
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def complaints(self) -> list[str]:
        """Lines of a sanitizer, a runtime check or an assertion."""
        return [line for line in self.stderr().splitlines() if COMPLAINT.search(line)]

    def last_words(self, size: int = 6000) -> str:
        """stderr from the first complaint on, or its end."""
        text = self.stderr()
        first = COMPLAINT.search(text)
        return text[first.start():][:size] if first else text[-size:]
