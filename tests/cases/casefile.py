"""Reads the case files of this folder. README.md has the format; whoever plays the cases imports this and nothing else.

Strict: an unknown key, directive or escape is an error with file and line, so that a case can't silently test nothing."""
from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ESCAPE = re.compile(r"\\(?:(?P<plain>[rnts\\])|x(?P<hex>[0-9a-fA-F]{2})|\{(?P<count>\d+)\*(?P<what>(?:[^}\\]|\\[^{])+)\})|\\")
PLAIN = {"r": b"\r", "n": b"\n", "t": b"\t", "s": b" ", "\\": b"\\"}
DEFAULT_ORIGIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Fields = list[tuple[str, bytes]]


class CaseError(Exception):
    """A case file is not as README.md says."""


@dataclass
class Step:
    """One thing the client does: send data (in one write), bytewise (each octet in a write of its own), pause for
    seconds, await the next answer, end its sending."""

    kind: str
    data: bytes = b""
    seconds: float = 0


@dataclass
class Answer:
    """What the client must get. `code` is the value of Pipelock-Code, empty for what the origin answered."""

    status: int
    code: str = ""
    fields: Fields = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    body: bytes | None = None

    @property
    def interim(self) -> bool:
        return self.status < 200


@dataclass
class Request:
    """What the origin must see: decoded, whatever its framing on the wire. `fields` come from the client, `made` from the proxy."""

    method: str
    target: bytes
    fields: Fields = field(default_factory=list)
    made: Fields = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)


@dataclass
class Case:
    name: str
    path: Path
    summary: str = ""
    why: str = ""
    stricter: str = ""
    via: str = "plain"
    then: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    origin: bytes = DEFAULT_ORIGIN
    origin_closes: bool = False
    answers: list[Answer] = field(default_factory=list)
    sees: list[Request] = field(default_factory=list)

    @property
    def client(self) -> bytes:
        """All that the client sends, without its pauses."""
        return b"".join(step.data for step in self.steps)

    @property
    def refused(self) -> bool:
        """Some request of it is refused as malformed, too large or late."""
        return any(answer.status in (400, 408, 414, 431) and answer.code for answer in self.answers)


def unescape(text: str) -> bytes:
    """The octets that a line of a case stands for; text itself is UTF-8."""
    out, at = bytearray(), 0
    for match in ESCAPE.finditer(text):
        out += text[at:match.start()].encode()
        at = match.end()
        if match["plain"]:
            out += PLAIN[match["plain"]]
        elif match["hex"]:
            out.append(int(match["hex"], 16))
        elif match["count"]:
            out += unescape(match["what"]) * int(match["count"])
        else:
            raise CaseError(f"unknown escape at {text[match.start():match.start() + 6]!r}")
    return bytes(out + text[at:].encode())


def parse_field(text: str) -> tuple[str, bytes]:
    name, colon, value = text.partition(":")
    if not colon:
        raise CaseError(f"no colon in {text!r}")
    return name.strip(), unescape(value.strip())


def parse_steps(lines: list[str]) -> list[Step]:
    steps, kind, data = [], "send", b""

    def flush() -> None:
        nonlocal data
        if data:
            steps.append(Step(kind, data))
        data = b""

    for line in lines:
        if not line.startswith("@"):
            data += unescape(line)
            continue
        flush()
        word, _, rest = line[1:].partition(" ")
        kind = "bytewise" if word == "bytewise" else "send"
        if word == "pause":
            steps.append(Step("pause", seconds=float(rest)))
        elif word in ("await", "end"):
            steps.append(Step(word))
        elif word not in ("split", "bytewise"):
            raise CaseError(f"unknown directive @{word}")
    flush()
    return steps


def parse_answer(value: str, lines: list[str]) -> Answer:
    status, _, code = value.partition(" ")
    answer = Answer(int(status), code)
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "field":
            answer.fields.append(parse_field(rest))
        elif word == "absent":
            answer.absent.append(rest)
        elif word == "body":
            answer.body = unescape(rest)
        else:
            raise CaseError(f"unknown {word!r} in an answer")
    return answer


def parse_request(value: str, lines: list[str]) -> Request:
    method, _, target = value.partition(" ")
    request = Request(method, unescape(target))
    lists = {"field": request.fields, "made": request.made, "trailer": request.trailers}
    for line in lines:
        word, _, rest = line.partition(" ")
        if word in lists:
            lists[word].append(parse_field(rest))
        elif word == "absent":
            request.absent.append(rest)
        elif word == "body":
            request.body += unescape(rest)
        else:
            raise CaseError(f"unknown {word!r} in what the origin sees")
    return request


def apply(case: Case, key: str, value: str, lines: list[str]) -> None:
    """One key of the file, with its indented lines."""
    if key == "client":
        case.steps = parse_steps(lines)
    elif key == "origin":
        case.origin = b"".join(map(unescape, lines))
    elif key == "answer":
        case.answers.append(parse_answer(value, lines))
    elif key == "sees":
        case.sees.append(parse_request(value, lines))
    elif key == "config":
        case.config = json.loads(value)
    elif key == "origin-closes":
        case.origin_closes = {"yes": True, "no": False}[value]
    elif key in ("why", "stricter"):
        setattr(case, key, value)
    elif key == "via" and value in ("plain", "tunnel"):
        case.via = value
    elif key == "then" and value in ("open", "close", "any"):
        case.then = value
    else:
        raise CaseError(f"unknown {key}: {value}")


def check(case: Case) -> None:
    for key in ("summary", "why", "steps", "answers", "then"):
        if not getattr(case, key):
            raise CaseError(f"no {key}")


def load(path: Path) -> Case:
    case, number = Case(path.stem, path), 0
    blocks: list[tuple[int, str, str, list[str]]] = []
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith("#"):
                case.summary = f"{case.summary} {line[1:].strip()}".strip()
            elif line.startswith("  ") and blocks:
                blocks[-1][3].append(line[2:])
            elif line.strip():
                key, colon, value = line.partition(":")
                if not colon:
                    raise CaseError("neither key, comment nor indented")
                blocks.append((number, key, value.strip(), []))
        for number, key, value, lines in blocks:
            apply(case, key, value, lines)
        check(case)
    except (CaseError, ValueError, KeyError) as error:
        raise CaseError(f"{path}:{number}: {error}") from None
    return case


def load_all(folder: Path = FOLDER / "framing") -> list[Case]:
    return [load(path) for path in sorted(folder.glob("*.case"))]
