"""The audit log: reading it, and checking the chain of its lines without the product's help."""
from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any, Callable

MARK = b',"hash":'
FIRST_PREV = "0" * 64


class AuditLog:
    """One audit.jsonl, growing while it is read."""

    def __init__(self, path: Path):
        self.path = path

    def raw(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def size(self) -> int:
        return len(self.raw())

    def since(self, offset: int) -> list[dict[str, Any]]:
        """Whole lines from the offset on."""
        return [json.loads(line) for line in self.raw()[offset:].split(b"\n")[:-1]]

    def entries(self) -> list[dict[str, Any]]:
        return self.since(0)

    def wait(self, wanted: Callable[[dict[str, Any]], bool], offset: int = 0, count: int = 1,
             within: float = 5) -> list[dict[str, Any]]:
        """The lines from the offset on that are wanted, as soon as there are `count`; fewer when time is up."""
        end = time.monotonic() + within
        while True:
            lines = [line for line in self.since(offset) if wanted(line)]
            if len(lines) >= count or time.monotonic() > end:
                return lines
            time.sleep(0.03)


def chain_faults(raw: bytes) -> list[str]:
    """What is wrong with the chain: each line's hash covers the line up to its own hash member, each names the hash and has the number
    after that of the line before."""
    faults: list[str] = []
    before, number = FIRST_PREV, 0
    for number, line in enumerate(raw.split(b"\n")[:-1], 1):
        try:
            entry = json.loads(line)
        except ValueError:
            faults.append(f"line {number} is not JSON: {line[:80]!r}")
            continue
        covered, mark, _ = line.rpartition(MARK)
        if not mark or entry.get("hash") != hashlib.sha256(covered).hexdigest():
            faults.append(f"line {number}: hash does not fit")
        if entry.get("prev") != before:
            faults.append(f"line {number}: prev is not the hash of the line before")
        if entry.get("seq") != number:
            faults.append(f"line {number} says that it is number {entry.get('seq')}")
        before = entry.get("hash")
    if raw and not raw.endswith(b"\n"):
        faults.append("the last line is cut off")
    return faults
