"""The whole internet, on loopback: a plain and a TLS origin that write down all that reaches them and answer as they are told."""
from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import Callable, Iterator

from .authority import Authority
from .pattern import Checker, Pattern
from .wire import Fields, Malformed, Request, Wire, body_pieces, read_head, render

WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
RAW_LIMIT = 8 << 20


@dataclass
class Journal:
    """What reached the origin since it was cleared. Of more than RAW_LIMIT octets the first are kept, and all are counted."""

    connections: int = 0
    requests: list[Request] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    octets: int = 0
    server_names: list[str | None] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def tap(self, data: bytes) -> None:
        self.octets += len(data)
        if len(self.raw) < RAW_LIMIT:
            self.raw += data

    @property
    def silent(self) -> bool:
        return not (self.connections or self.octets or self.requests)


class Exchange:
    """One request as a handler sees it: the head is read, the body is not."""

    def __init__(self, origin: Origin, wire: Wire, request: Request, tls: bool):
        self.origin, self.wire, self.request, self.tls, self.keep = origin, wire, request, tls, True
        self._read = False

    def pieces(self) -> Iterator[bytes]:
        self._read = True
        yield from body_pieces(self.wire, self.request, False, self.request.trailers)

    def body(self) -> bytes:
        if not self._read:
            self.request.body = b"".join(self.pieces())
        return self.request.body

    def head(self, status: str = "200 OK", fields: Fields = [], keep: bool = True) -> None:
        self.wire.send(render(f"HTTP/1.1 {status}", [("X-Origin", self.origin.nonce), *fields]))

    def answer(self, body: bytes = b"ok", status: str = "200 OK", fields: Fields = []) -> None:
        """A whole answer with a length, after the whole request."""
        self.body()
        self.head(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *fields])
        if self.request.method != "HEAD":
            self.wire.send(body)

    def send(self, data: bytes) -> None:
        self.wire.send(data)

    def finish(self) -> None:
        """Close the connection after this exchange."""
        self.keep = False

    def reset(self) -> None:
        self.keep = False
        self.wire.reset()


Handler = Callable[[Exchange], None]


class Origin:
    """Serves each path with its handler; without one it answers `ok`. Every answer carries X-Origin: nonce."""

    def __init__(self, authority: Authority, host: str = "127.0.0.1", nonce: str = "origin"):
        self.authority, self.host, self.nonce, self.journal = authority, host, nonce, Journal()
        self._handlers: dict[str, Handler] = {}
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []
        self.plain_port, self.tls_port = self._listen(tls=False), self._listen(tls=True)

    def on(self, path: str, handler: Handler) -> None:
        """For this path, and with a `/` at its end for all below it."""
        self._handlers[path] = handler

    def clear(self) -> Journal:
        """A new journal. Connections that the proxy keeps open write to it too."""
        self.journal = Journal()
        return self.journal

    def close(self) -> None:
        """Each socket is closed by the thread that uses it: a descriptor that is closed under a thread and given out again would let
        an old origin answer for a new one."""
        for server in self._listeners:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
        self.drop_connections()

    def drop_connections(self) -> None:
        """End every connection that stands, as a restarted origin does."""
        with self._lock:
            for sock in list(self._open):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _listen(self, tls: bool) -> int:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        server = socket.create_server((self.host, 0), family=family, backlog=128)
        self._listeners.append(server)
        threading.Thread(target=self._accept, args=(server, tls), daemon=True).start()
        return server.getsockname()[1]

    def _accept(self, server: socket.socket, tls: bool) -> None:
        with server, contextlib.suppress(OSError):
            while True:
                sock, _ = server.accept()
                threading.Thread(target=self._serve, args=(sock, tls), daemon=True).start()

    def _serve(self, sock: socket.socket, tls: bool) -> None:
        self.journal.connections += 1
        sock.settimeout(30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if tls:
                names = self.journal.server_names
                sock = self.authority.by_server_name(names.append).wrap_socket(sock, server_side=True)
            with self._lock:
                self._open.add(sock)
            wire = Wire(sock, lambda data: self.journal.tap(data), timeout=30)
            while self._exchange(wire, tls):
                pass
            if tls:
                sock.settimeout(1)
                sock.unwrap()  # without close_notify a body until close would count as cut off
        except Malformed as fault:
            self.journal.faults.append(str(fault))
        except (OSError, EOFError):
            pass
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()

    def _exchange(self, wire: Wire, tls: bool) -> bool:
        request = read_head(wire, Request)
        assert isinstance(request, Request)
        exchange = Exchange(self, wire, request, tls)
        self.journal.requests.append(request)
        self._handler(request.target)(exchange)
        closing = "close" in (request.get("Connection") or "").lower()
        return exchange.keep and not closing

    def _handler(self, target: str) -> Handler:
        path = target.partition("?")[0]
        while path:
            if path in self._handlers:
                return self._handlers[path]
            path = path.rstrip("/").rpartition("/")[0]
            path = path + "/" if path else ""
        return self._handlers.get("/", Exchange.answer)


# ---- handlers that several tests use

def echo(exchange: Exchange) -> None:
    """The request's body comes back."""
    body = exchange.body()
    exchange.answer(body, fields=[("X-Method", exchange.request.method), ("X-Target", exchange.request.target)])


def sink(checkers: list[Checker], pattern: Pattern) -> Handler:
    """Takes a long upload, checks it against the pattern, and says how much came."""

    def handle(exchange: Exchange) -> None:
        checker = Checker(pattern)
        checkers.append(checker)
        for piece in exchange.pieces():
            checker.feed(piece)
        exchange.request.body = b""
        exchange.answer(str(checker.count).encode())

    return handle


def source(pattern: Pattern, with_length: bool = True) -> Handler:
    """A long download."""

    def handle(exchange: Exchange) -> None:
        exchange.body()
        if with_length:
            exchange.head(fields=[("Content-Type", "application/octet-stream"), ("Content-Length", str(pattern.size))])
            for piece in pattern.pieces():
                exchange.send(piece)
            return
        exchange.head(fields=[("Content-Type", "application/octet-stream"), ("Transfer-Encoding", "chunked")])
        for piece in pattern.pieces():
            exchange.send(b"%x\r\n" % len(piece) + piece + b"\r\n")
        exchange.send(b"0\r\n\r\n")

    return handle


def websocket_echo(exchange: Exchange) -> None:
    """Accepts an upgrade, then sends back every octet as it is."""
    key = (exchange.request.get("Sec-WebSocket-Key") or "") + WEBSOCKET_GUID
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    exchange.head("101 Switching Protocols", [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)])
    exchange.finish()
    while data := exchange.wire.receive():
        exchange.send(data)


def trust(authority: Authority) -> ssl.SSLContext:
    """A client context that trusts this origin itself, for tests of the harness."""
    return ssl.create_default_context(cafile=str(authority.certificate))
