"""A long body that needs no memory: any octet of it is known from its offset, so both ends can check each one."""
from __future__ import annotations

import random
from typing import Iterator

PIECE = 256 * 1024


class Pattern:
    """A block whose length is prime, repeated. Octets lost, doubled or moved shift everything after them."""

    def __init__(self, size: int, text: bool = False, seed: int = 7):
        self.size, self.period = size, 262139
        source = random.Random(seed)
        block = _words(source, self.period) if text else source.randbytes(self.period)
        self._run = block * 3

    def at(self, offset: int, count: int) -> bytes:
        """Octets offset .. offset+count, count at most PIECE."""
        start = offset % self.period
        return self._run[start:start + min(count, self.size - offset)]

    def pieces(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        end = self.size if end is None else end
        while begin < end:
            piece = self.at(begin, min(PIECE, end - begin))
            begin += len(piece)
            yield piece


class Checker:
    """Fed with what came in; `good` while it is the pattern's beginning."""

    def __init__(self, pattern: Pattern):
        self.pattern, self.count, self.good = pattern, 0, True

    def feed(self, data: bytes) -> None:
        while data and self.good:
            want = self.pattern.at(self.count, min(len(data), PIECE))
            self.good = bool(want) and data.startswith(want)
            self.count += len(want)
            data = data[len(want):]

    @property
    def whole(self) -> bool:
        return self.good and self.count == self.pattern.size


def _words(source: random.Random, size: int) -> bytes:
    names = ("river", "window", "garden", "letter", "morning", "yellow", "kitchen", "mountain", "paper", "the", "of", "and")
    out = bytearray()
    while len(out) < size:
        line = " ".join(source.choice(names) for _ in range(9))
        out += f'{{"line": "{line}", "n": {source.randrange(1000)}}}\n'.encode()
    return bytes(out[:size])
