"""WebSocket frames (RFC 6455), both ends: strict where it reads, free to break every rule where it writes."""
from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass

from .origin import WEBSOCKET_GUID, Exchange
from .wire import Fields, Wire

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


@dataclass
class Frame:
    """One frame. `length_octets` forces a form of the length, `rsv` the three reserved bits."""

    payload: bytes
    opcode: int = TEXT
    fin: bool = True
    masked: bool = True
    rsv: int = 0
    length_octets: int | None = None
    key: bytes = b""

    def encode(self) -> bytes:
        size, mask = len(self.payload), 0x80 if self.masked else 0
        octets = self.length_octets if self.length_octets is not None else 0 if size < 126 else 2 if size < 65536 else 8
        short = {0: size, 2: 126, 8: 127}[octets]
        head = bytes([self.fin << 7 | self.rsv << 4 | self.opcode, mask | short]) + (size.to_bytes(octets, "big") if octets else b"")
        if not self.masked:
            return head + self.payload
        key = self.key or os.urandom(4)
        return head + key + masked(self.payload, key)


def masked(payload: bytes, key: bytes) -> bytes:
    pad = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(len(payload), "big") if payload else b""


def fragments(payload: bytes, size: int, opcode: int = TEXT) -> list[Frame]:
    pieces = [payload[i:i + size] for i in range(0, len(payload), size)] or [b""]
    return [Frame(piece, opcode if n == 0 else CONTINUATION, n == len(pieces) - 1) for n, piece in enumerate(pieces)]


def read_frame(wire: Wire, from_client: bool) -> Frame:
    first, second = wire.exactly(2)
    length = second & 0x7F
    if length >= 126:
        length = int.from_bytes(wire.exactly(2 if length == 126 else 8), "big")
    assert bool(second & 0x80) == from_client, "a mask where none belongs, or none where one does"
    key = wire.exactly(4) if from_client else b""
    payload = wire.exactly(length)
    return Frame(masked(payload, key) if key else payload, first & 15, bool(first & 0x80), from_client, first >> 4 & 7)


def upgrade_fields(extra: Fields = []) -> Fields:
    return [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", base64.b64encode(os.urandom(16)).decode()), *extra]


def accept(exchange: Exchange) -> None:
    """The origin agrees; its connection ends with the exchange."""
    key = (exchange.request.get("Sec-WebSocket-Key") or "") + WEBSOCKET_GUID
    answer = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    exchange.head("101 Switching Protocols", [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", answer)])
    exchange.finish()


def echo_messages(exchange: Exchange) -> None:
    """A server: sends each message back as one frame, answers Ping and Close. What it read is in `seen` of the exchange's origin."""
    accept(exchange)
    message, opcode = b"", TEXT
    while True:
        frame = read_frame(exchange.wire, from_client=True)
        if frame.opcode == CLOSE:
            exchange.send(Frame(frame.payload, CLOSE, masked=False).encode())
            return
        if frame.opcode == PING:
            exchange.send(Frame(frame.payload, PONG, masked=False).encode())
        elif frame.opcode != PONG:
            opcode = frame.opcode or opcode
            message += frame.payload
            if frame.fin:
                exchange.send(Frame(message, opcode, masked=False).encode())
                message = b""
