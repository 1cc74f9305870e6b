"""HTTP/1.1 on a socket for both ends of a test: fine control of what is written, a strict reading of what comes back."""
from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field
from typing import Callable, Iterable, Iterator

Fields = list[tuple[str, str]]
READ_SIZE = 256 * 1024


class Malformed(Exception):
    """The peer sent what is not HTTP/1.1."""


class Wire:
    """A connected socket with a read buffer. `tap` sees each piece as it comes in."""

    def __init__(self, sock: socket.socket, tap: Callable[[bytes], None] | None = None, timeout: float = 20):
        self.sock, self.tap, self.buffer = sock, tap, bytearray()
        sock.settimeout(timeout)

    def send(self, *pieces: bytes) -> None:
        """Each piece in a write of its own, pushed out at once."""
        for piece in pieces:
            self.sock.sendall(piece)

    def send_slowly(self, data: bytes, step: int = 1, pause: float = 0.0005) -> None:
        for i in range(0, len(data), step):
            self.sock.sendall(data[i:i + step])
            time.sleep(pause)

    def receive(self) -> bytes:
        """What comes next, whatever it is; b"" at the end."""
        if self.buffer:
            data = bytes(self.buffer)
            self.buffer.clear()
            return data
        data = self.sock.recv(READ_SIZE)
        if self.tap and data:
            self.tap(data)
        return data

    def _fill(self) -> None:
        data = self.sock.recv(READ_SIZE)
        if not data:
            raise EOFError("closed by the peer")
        if self.tap:
            self.tap(data)
        self.buffer += data

    def until(self, mark: bytes) -> bytes:
        """Read up to and with `mark`."""
        start = 0
        while (end := self.buffer.find(mark, start)) < 0:
            start = max(0, len(self.buffer) - len(mark))
            self._fill()
        return self.exactly(end + len(mark))

    def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self._fill()
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def up_to(self, count: int) -> bytes:
        """At least one octet, at most `count`. EOFError at the end."""
        data = self.receive()
        if not data:
            raise EOFError("closed by the peer")
        if len(data) > count:
            self.buffer[:0] = data[count:]
            data = data[:count]
        return data

    def to_end(self) -> bytes:
        """Everything until the peer ends its sending. A reset raises."""
        data = bytearray()
        while piece := self.receive():
            data += piece
        return bytes(data)

    def ended(self, within: float = 5) -> bool:
        """True when the peer closes or resets within the time, having sent nothing more."""
        self.sock.settimeout(within)
        try:
            return not self.receive()
        except TimeoutError:
            return False
        except OSError:
            return True

    def end_sending(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Head:
    """A parsed message head."""

    start: str
    fields: Fields = field(default_factory=list)
    raw: bytes = b""

    def all(self, name: str) -> list[str]:
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    def has(self, name: str) -> bool:
        return bool(self.all(name))


@dataclass
class Request(Head):
    body: bytes = b""
    trailers: Fields = field(default_factory=list)

    @property
    def method(self) -> str:
        return self.start.split(" ")[0]

    @property
    def target(self) -> str:
        return self.start.split(" ")[1]


@dataclass
class Response(Head):
    """`complete` is false when the stream ended or broke inside the body."""

    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    complete: bool = True
    interim: list[Head] = field(default_factory=list)
    refused: bool = False  # the answer of a CONNECT, not of the origin

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    @property
    def code(self) -> str | None:
        return self.get("Pipelock-Code")

    def everything(self) -> bytes:
        return self.raw + self.body + repr(self.trailers).encode()


def render(start: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """A head. Values go out as Latin-1, byte for byte."""
    return "".join([start, "\r\n", *(f"{n}: {v}\r\n" for n, v in fields), "\r\n"]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


def chunked(*pieces: bytes, trailers: Fields = []) -> bytes:
    """A whole chunked body, one chunk a piece."""
    end = "".join(f"{n}: {v}\r\n" for n, v in trailers).encode("latin-1")
    return b"".join(map(chunk, pieces)) + b"0\r\n" + end + b"\r\n"


def parse_fields(lines: list[bytes]) -> Fields:
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.strip() != name or b"\n" in line or b"\r" in line:
            raise Malformed(f"field line {line!r}")
        fields.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
    return fields


def read_head(wire: Wire, kind: type[Head]) -> Head:
    raw = wire.until(b"\r\n\r\n")
    lines = raw[:-4].split(b"\r\n")
    if lines[0].count(b" ") < 2:
        raise Malformed(f"start line {lines[0]!r}")
    return kind(lines[0].decode("latin-1"), parse_fields(lines[1:]), raw)


def read_trailers(wire: Wire) -> Fields:
    lines = []
    while (line := wire.until(b"\r\n")) != b"\r\n":
        lines.append(line[:-2])
    return parse_fields(lines)


def body_pieces(wire: Wire, head: Head, until_close: bool, trailers: Fields | None = None) -> Iterator[bytes]:
    """The body as it comes in, framed as RFC 9112 6.3 has it."""
    coding, lengths = head.all("Transfer-Encoding"), head.all("Content-Length")
    if coding:
        if lengths or [c.lower() for c in coding] != ["chunked"]:
            raise Malformed(f"Transfer-Encoding {coding}, Content-Length {lengths}")
        yield from _chunks(wire, trailers if trailers is not None else [])
    elif lengths:
        if len(lengths) > 1 or not lengths[0].isdigit():
            raise Malformed(f"Content-Length {lengths}")
        left = int(lengths[0])
        while left:
            piece = wire.up_to(left)
            left -= len(piece)
            yield piece
    elif until_close:
        while piece := wire.receive():
            yield piece


def _chunks(wire: Wire, trailers: Fields) -> Iterator[bytes]:
    while left := int(wire.until(b"\r\n")[:-2].split(b";")[0], 16):
        while left:
            piece = wire.up_to(left)
            left -= len(piece)
            yield piece
        if wire.exactly(2) != b"\r\n":
            raise Malformed("no CRLF after a chunk")
    trailers += read_trailers(wire)


def has_body(response: Response, method: str) -> bool:
    if response.status < 200 or response.status in (204, 304) or method == "HEAD":
        return False
    return not (method == "CONNECT" and response.status < 300)


def read_response_head(wire: Wire) -> Response:
    """The head of the final response; interim ones are kept in .interim."""
    interim: list[Head] = []
    while True:
        response = read_head(wire, Response)
        assert isinstance(response, Response)
        if response.status >= 200 or response.status == 101:
            response.interim = interim
            return response
        interim.append(response)


def read_response(wire: Wire, method: str = "GET") -> Response:
    """A whole response. A stream that ends inside the body gives complete = False; a timeout raises."""
    response = read_response_head(wire)
    if not has_body(response, method):
        return response
    body = bytearray()
    try:
        for piece in body_pieces(wire, response, True, response.trailers):
            body += piece
    except TimeoutError:
        raise
    except (EOFError, OSError):
        response.complete = False
    response.body = bytes(body)
    return response
