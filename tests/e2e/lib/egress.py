"""egress alone: this process plays the supervisor and the keeper, and the test talks to the hop as pipelock does."""
from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import re
import secrets
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

from .product import COMPLAINT, clean_environment, folder_of
from .wire import Fields, Response, Wire, chunked, read_response, render

START, READY, DRAIN, FAILED, ABORT = range(1, 6)
RECORD = 1
TIMEOUTS = {"connect": 2000, "tls": 2000, "dns": 2000, "response": 3000, "idle": 3000, "pool_idle": 5000}


def _span(data: bytes) -> bytes:
    return struct.pack("=I", len(data)) + data


def settings(capability: str, ca_file: str, deny_private: bool, threads: int, timeouts: dict[str, int], own: list[str],
             connect_to: list[tuple[str, int, str, int]]) -> bytes:
    """The message of common/egress_settings.c."""
    out = bytes([START]) + _span(capability.encode()) + _span(ca_file.encode()) + bytes([deny_private])
    out += struct.pack("=7I", threads, *(timeouts[name] for name in TIMEOUTS))
    out += struct.pack("=I", len(own)) + b"".join(_span(ipaddress.ip_address(a).packed) for a in own)
    out += struct.pack("=I", len(connect_to))
    for host, port, to_host, to_port in connect_to:
        out += _span(host.encode()) + struct.pack("=I", port) + _span(to_host.encode()) + struct.pack("=I", to_port)
    return out


class Egress:
    """One running egress. `health` 0 says that the log can't be written."""

    def __init__(self, folder: Path, *, connect_to: list[tuple[str, int, str, int]] = [], ca_file: Path | str = "",
                 deny_private: bool = True, threads: int = 2, own: list[str] = [], health: int = 1,
                 listen: str = "127.0.0.1", kind: str = "sanitized", message: bytes | None = None, **timeouts: int):
        folder.mkdir(parents=True, exist_ok=True)
        self.capability, self.records, self.errors = secrets.token_hex(32), [], folder / f"egress-{secrets.token_hex(4)}.err"
        family = socket.AF_INET6 if ":" in listen else socket.AF_INET
        listener = socket.create_server((listen, 0), family=family, backlog=128)
        self.address = listener.getsockname()[:2]
        self.control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.keeper, keeper = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.health = os.memfd_create("health")
        os.ftruncate(self.health, 4096)
        self.set_health(health)
        self.control.settimeout(20)
        self.pid = self._spawn(folder_of(kind) / "egress", [control.fileno(), keeper.fileno(), self.health, listener.fileno()])
        for sock in (listener, control, keeper):
            sock.close()
        self.status: int | None = None
        threading.Thread(target=self._keep, daemon=True).start()
        self.control.send(message or settings(self.capability, str(ca_file), deny_private, threads, {**TIMEOUTS, **timeouts},
                                              own, connect_to))
        try:
            self.first = self.control.recv(65536)
        except ConnectionError:
            self.first = b""

    def _spawn(self, program: Path, descriptors: list[int]) -> int:
        """Descriptors 3, 4, ... in the child, by way of numbers that are out of the way."""
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200) for fd in descriptors]
        actions: list[Any] = [(os.POSIX_SPAWN_DUP2, fd, 3 + i) for i, fd in enumerate(high)]
        actions.append((os.POSIX_SPAWN_OPEN, 2, str(self.errors), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        try:
            return os.posix_spawn(str(program), [str(program)], clean_environment(), file_actions=actions)
        finally:
            for fd in high:
                os.close(fd)

    def _keep(self) -> None:
        try:
            while message := self.keeper.recv(65536):
                if message[0] == RECORD:
                    self.records.append(json.loads("{" + message[5:].decode() + "}"))
        except OSError:
            pass

    def set_health(self, value: int) -> None:
        os.pwrite(self.health, struct.pack("=I", value), 0)

    @property
    def ready(self) -> bool:
        return self.first[:1] == bytes([READY])

    def events(self, name: str, count: int = 1, within: float = 5) -> list[dict[str, Any]]:
        """The records of this event, once there are so many."""
        end = time.monotonic() + within
        while True:
            found = [r for r in self.records if r["event"] == name]
            if len(found) >= count or time.monotonic() > end:
                return found
            time.sleep(0.01)

    def connect(self, timeout: float = 20) -> Wire:
        return Wire(socket.create_connection(self.address, timeout=timeout), timeout=timeout)

    def order(self, message: int) -> None:
        self.control.send(bytes([message]))

    def wait(self, within: float = 15) -> int | None:
        """The exit status, negative for a signal; None: it still runs."""
        end = time.monotonic() + within
        while self.status is None and time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.01)
        return self.status

    def stop(self) -> int | None:
        """Ends it as the supervisor does; kills what is left."""
        if self.status is None:
            try:
                self.order(ABORT)
            except OSError:
                pass
            if self.wait() is None:
                os.kill(self.pid, 9)
                os.waitpid(self.pid, 0)
        self.control.close()
        self.keeper.close()
        os.close(self.health)
        return self.status

    def said(self) -> str:
        return self.errors.read_text(errors="replace") if self.errors.exists() else ""

    def complaints(self) -> list[str]:
        return [line for line in self.said().splitlines() if COMPLAINT.search(line)]

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def peak_rss_kb(self) -> int:
        return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())[1])

    # ---- requests

    def head(self, method: str, url: str, fields: Fields = [], capability: str | None = None) -> bytes:
        authority = re.sub(r"^\w+://", "", url).split("/")[0].split("?")[0]
        return render(f"{method} {url} HTTP/1.1", [("Host", authority),
                      ("Proxy-Authorization", f"Bearer {capability or self.capability}"),
                      ("Pipelock-Request", "req-1"), *fields])

    def send(self, wire: Wire, method: str, url: str, fields: Fields = [], body: bytes | list[bytes] | None = None) -> None:
        """A list goes as chunks."""
        if isinstance(body, list):
            wire.send(self.head(method, url, [*fields, ("Transfer-Encoding", "chunked")]) + chunked(*body))
        elif body is not None:
            wire.send(self.head(method, url, [*fields, ("Content-Length", str(len(body)))]) + body)
        else:
            wire.send(self.head(method, url, fields))

    def request(self, method: str, url: str, fields: Fields = [], body: bytes | list[bytes] | None = None,
                wire: Wire | None = None) -> Response:
        """On a connection of its own unless one is given."""
        mine = wire or self.connect()
        try:
            self.send(mine, method, url, fields, body)
            return read_response(mine, method)
        finally:
            if not wire:
                mine.close()

    def get(self, url: str, fields: Fields = [], wire: Wire | None = None) -> Response:
        return self.request("GET", url, fields, None, wire)
