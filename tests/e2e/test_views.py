"""A secret that doesn't look like itself: under each way of writing it, in every place of a request and in WebSocket messages, it
is refused and leaves no trace, neither as it is nor as it was written. Harmless words written the same way arrive as they were sent."""
from __future__ import annotations

import base64
import json
import unittest
from typing import Callable
from urllib.parse import quote, quote_from_bytes

from lib import codings, tokens
from lib.case import ProductCase, wait_for
from lib.websocket import BINARY, CLOSE, TEXT, Frame, echo_messages, read_frame, upgrade_fields
from lib.wire import Fields, Response, Wire, chunk, read_response, render

HOST = "api.example.net"
WORDS = "just-some-words-of-a-letter-"
# Unreserved characters, and those that may stand in a path and in a query as they are.
SAFE = "-._~!$'()*,;:@/+="

Way = Callable[[bytes], bytes]


def each(form: str, between: str = "") -> Way:
    return lambda data: between.join(form % octet for octet in data).encode()


def character(form: Callable[[int], str]) -> Way:
    return lambda data: "".join(form(ord(c)) for c in data.decode()).encode()


def groups(size: int) -> Way:
    return lambda data: b" ".join(data.hex().encode()[i:i + size] for i in range(0, 2 * len(data), size))


def wrapped(data: bytes) -> bytes:
    return base64.encodebytes(data)


def zip_of(data: bytes) -> bytes:
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "nothing of note in here, and nothing of note at all")
        archive.writestr("notes.txt", data)
    return out.getvalue()


def chain(*ways: Way) -> Way:
    """The first one is innermost."""
    def encode(data: bytes) -> bytes:
        for way in ways:
            data = way(data)
        return data
    return encode


def base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def json_text(data: bytes) -> bytes:
    return json.dumps({"role": "user", "content": data.decode()}).encode()


percent = each("%%%02X")
hexadecimal = each("%02x")

# What is ASCII and printable.
PRINTABLE: dict[str, Way] = {
    "base64": base64.b64encode,
    "base64url": base64url,
    "base64, one off": lambda data: base64.b64encode(b" " + data),
    "base64, glued": lambda data: b"/files/" + base64.b64encode(data),
    "base32": base64.b32encode,
    "base32, lower case": lambda data: base64.b32encode(data).lower().rstrip(b"="),
    "base32hex": base64.b32hexencode,
    "hex": hexadecimal,
    "hex, upper case": each("%02X"),
    "hex with colons": each("%02x", ":"),
    "hex with dashes": each("%02x", "-"),
    "hex with commas": each("%02x", ","),
    "hex with dots": each("%02x", "."),
    "hex with underscores": each("%02x", "_"),
    "percent": percent,
    "percent, twice": each("%%25%02X"),
    "percent, some": lambda data: b"".join(b"%%%02x" % c if i % 3 == 0 else bytes([c]) for i, c in enumerate(data)),
    "base64 of base64": chain(base64.b64encode, base64.b64encode),
    "base64 of hex": chain(hexadecimal, base64.b64encode),
    "hex of base64": chain(base64.b64encode, hexadecimal),
    "base64 of base32 of hex": chain(hexadecimal, base64.b32encode, base64.b64encode),
    "percent in base64": chain(percent, base64.b64encode),
    "base64 in percent": chain(base64.b64encode, percent),
    "base64 in JSON in base64": chain(base64.b64encode, json_text, base64.b64encode),
    "gzip in base64": chain(codings.gzip, base64.b64encode),
    "zlib in base64url": chain(codings.deflate, base64url),
    "zstd in hex": chain(codings.zstd, hexadecimal),
    "zip in base64": chain(zip_of, base64.b64encode),
    "gzip in gzip in base64": chain(codings.gzip, codings.gzip, base64.b64encode),
    "UTF-16 in base64": lambda data: base64.b64encode(data.decode().encode("utf-16-le")),
}

# With blanks, quotes, backslashes and the like.
TEXT_WAYS: dict[str, Way] = {
    **PRINTABLE,
    "hex with spaces": each("%02x", " "),
    "hex as C has it": each("0x%02x", ", "),
    "hex in groups of eight": groups(8),
    "hex in groups of three": groups(3),
    "octets escaped": each("\\x%02x"),
    "\\u": character(lambda c: f"\\u{c:04x}"),
    "\\u{}": character(lambda c: f"\\u{{{c:x}}}"),
    "decimal references": character(lambda c: f"&#{c};"),
    "hexadecimal references": character(lambda c: f"&#x{c:X};"),
    "references in base64": chain(character(lambda c: f"&#{c};"), base64.b64encode),
    "a JSON string in a JSON string": chain(json_text, json_text),
}

UNICODE_WAYS: dict[str, Way] = {
    **TEXT_WAYS,
    "full-width": character(lambda c: chr(0xFEE0 + c) if 0x20 < c < 0x7F else chr(c)),
    "zero-width": character(lambda c: chr(c) + "\u200b"),
    "soft hyphens": character(lambda c: chr(c) + "\u00ad"),
    "combining": character(lambda c: chr(c) + "\u0301"),
    "full-width in base64": chain(character(lambda c: chr(0xFEE0 + c)), base64.b64encode),
}

LINES_AND_OCTETS: dict[str, Way] = {
    **UNICODE_WAYS,
    "base64 in lines": wrapped,
    "base64 in short lines": lambda data: b"\r\n  ".join(base64.b64encode(data)[i:i + 20] for i in range(0, 2 * len(data), 20)),
    "UTF-16LE": lambda data: data.decode().encode("utf-16-le"),
    "UTF-16BE": lambda data: data.decode().encode("utf-16-be"),
    "controls": lambda data: b"\x01".join(bytes([c]) for c in data),
    "gzip": codings.gzip,
    "zstd": codings.zstd,
    "zip": zip_of,
    "base64 in gzip": chain(base64.b64encode, codings.gzip),
}


def twin(secret: str) -> bytes:
    return (WORDS * (len(secret) // len(WORDS) + 1))[:len(secret)].encode()


def in_url(code: bytes) -> str:
    return quote_from_bytes(code, safe=SAFE + "%")


def multipart(head: str, content: bytes) -> tuple[Fields, bytes]:
    body = (b"--XyZ\r\nContent-Disposition: form-data; name=\"first\"\r\n\r\nwords\r\n--XyZ\r\n" + head.encode() + b"\r\n\r\n"
            + content + b"\r\n--XyZ--\r\n")
    return [("Content-Type", "multipart/form-data; boundary=XyZ")], body


class ViewsCase(ProductCase):
    def assertCodeGone(self, code: bytes) -> None:
        """As it was written it is nowhere either: the middle of it, where nothing around it changes it."""
        middle = code[len(code) // 4:-len(code) // 4]
        for piece in (middle[i:i + 24] for i in range(0, max(1, len(middle) - 24), 8)):
            for name, text in (("the log", self.product.audit.raw()[self.log_mark:]), ("stderr", self.product.stderr().encode())):
                self.assertNotIn(piece, text, f"what was written stands in {name}")

    def each_way(self, ways: dict[str, Way], check: Callable[[bytes, str, str], None],
                 passes: Callable[[bytes], None]) -> None:
        """A new secret of another kind for each way, and its twin."""
        kinds = list(tokens.KINDS.values())
        for number, (name, way) in enumerate(ways.items()):
            secret = kinds[number % len(kinds)]()
            with self.subTest(name):
                self.setUp()
                code = way(secret.encode())
                check(code, secret, name)
                self.assertCodeGone(code)
            with self.subTest(name + ", harmless"):
                self.setUp()
                passes(way(twin(secret)))


class TestRequests(ViewsCase):
    def send(self, method: str, target: str, fields: Fields = [], body: bytes = b"") -> Response:
        return self.agent.request(method, f"http://{HOST}{target}", fields, body)

    def in_place(self, ways: dict[str, Way], place: Callable[[bytes], tuple[str, str, Fields, bytes]]) -> None:
        def check(code: bytes, secret: str, name: str) -> None:
            self.assertRefused(self.send(*place(code)), secret)

        def passes(code: bytes) -> None:
            method, target, fields, body = place(code)
            self.assertAllowed(self.send(method, target, fields, body), b"ok")
            seen = self.journal.requests[0]
            self.assertEqual((seen.method, seen.target, seen.body), (method, target, body))
            for name, value in fields:
                self.assertEqual(seen.all(name), [value])

        self.each_way(ways, check, passes)

    def test_in_a_query(self) -> None:
        self.in_place(UNICODE_WAYS, lambda code: ("GET", f"/in?a=1&q={in_url(code)}&z=2", [], b""))

    def test_in_a_path(self) -> None:
        # zlib has no signature: where what stands in front is of the same alphabet, it is not found.
        ways = {name: way for name, way in UNICODE_WAYS.items() if not name.startswith("zlib")}
        self.in_place(ways, lambda code: ("GET", f"/in/{in_url(code)}/more", [], b""))

    def test_in_a_field(self) -> None:
        self.in_place(TEXT_WAYS, lambda code: ("GET", "/", [("X-Note", f"take {code.decode()} along")], b""))

    def test_alone_in_a_cookie(self) -> None:
        self.in_place(PRINTABLE, lambda code: ("GET", "/", [("Cookie", f"session={code.decode()}")], b""))

    def test_in_a_json_body(self) -> None:
        def place(code: bytes) -> tuple[str, str, Fields, bytes]:
            body = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"take {code.decode()} along"}]}).encode()
            return "POST", "/in", [("Content-Type", "application/json")], body

        self.in_place(UNICODE_WAYS, place)

    def test_in_a_form_body(self) -> None:
        def place(code: bytes) -> tuple[str, str, Fields, bytes]:
            body = f"a=some+words&note={quote(code, safe='')}&b=2".encode()
            return "POST", "/in", [("Content-Type", "application/x-www-form-urlencoded")], body

        self.in_place(UNICODE_WAYS, place)

    def test_in_a_body_of_no_type(self) -> None:
        self.in_place(LINES_AND_OCTETS, lambda code: ("PUT", "/in", [], b"take this: " + code + b" , and thank you"))

    def test_in_a_part(self) -> None:
        def place(code: bytes) -> tuple[str, str, Fields, bytes]:
            head = "Content-Disposition: form-data; name=\"f\"; filename=\"f.bin\"\r\nContent-Type: application/octet-stream"
            return ("POST", "/in", *multipart(head, code))

        self.in_place(LINES_AND_OCTETS, place)

    def test_in_a_part_with_a_transfer_encoding(self) -> None:
        quoted = {"each character": each("=%02X"),
                  "soft line ends": lambda data: b"=\r\n".join(data[i:i + 6] for i in range(0, len(data), 6))}
        head = "Content-Disposition: form-data; name=\"f\"\r\nContent-Transfer-Encoding: "
        self.in_place({"base64": wrapped, "gzip": chain(codings.gzip, wrapped), "zip": chain(zip_of, wrapped)},
                      lambda code: ("POST", "/in", *multipart(head + "base64", code)))
        self.in_place(quoted, lambda code: ("POST", "/in", *multipart(head + "quoted-printable", code)))

    def test_in_the_name_of_a_file(self) -> None:
        self.in_place({**PRINTABLE, "backslashes": lambda data: b"".join(b"\\" + bytes([c]) for c in data)},
                      lambda code: ("POST", "/in", *multipart(f"Content-Disposition: form-data; name=f; filename=\"{code.decode()}\"", b"x")))

    def test_under_a_content_coding(self) -> None:
        for coding, encode in codings.ENCODERS.items():
            def place(code: bytes) -> tuple[str, str, Fields, bytes]:
                fields = [("Content-Encoding", coding), ("Content-Type", "text/plain")]
                return "POST", "/in", fields, encode(b"take this: " + code + b" , and thank you")

            self.in_place(LINES_AND_OCTETS, place)


def pieces(data: bytes, count: int) -> list[str]:
    return [data[len(data) * i // count:len(data) * (i + 1) // count].decode() for i in range(count)]


SPLIT: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "two values of an array": ("application/json", lambda d: json.dumps({"list": [True, *pieces(d, 2), None]}).encode()),
    "four values of an array": ("application/json", lambda d: json.dumps(pieces(d, 4)).encode()),
    "members": ("application/json", lambda d: json.dumps({f"p{i}": {"text": p} for i, p in enumerate(pieces(d, 3))}, indent=1).encode()),
    "names": ("application/json", lambda d: json.dumps({p: i for i, p in enumerate(pieces(d, 3))}).encode()),
    "JSON in a string": ("application/json", lambda d: json.dumps({"arguments": json.dumps({"a": pieces(d, 2)[0], "b": pieces(d, 2)[1]})}).encode()),
    "lines of JSON": ("application/x-ndjson", lambda d: b"".join(json.dumps({"text": p}).encode() + b"\n" for p in pieces(d, 3))),
    "base64 over values": ("application/json", lambda d: json.dumps(pieces(base64.b64encode(d), 3)).encode()),
    "values of a form": ("application/x-www-form-urlencoded", lambda d: "&".join(f"n{i}={quote(p)}" for i, p in enumerate(pieces(d, 3))).encode()),
    "names of a form": ("application/x-www-form-urlencoded", lambda d: "&".join(f"{quote(p)}={i}" for i, p in enumerate(pieces(d, 2))).encode()),
    "events": ("text/event-stream", lambda d: "".join(f"data: {p}\n\n" for p in pieces(d, 5)).encode()),
}


class TestSplit(ProductCase):
    def test_over_values(self) -> None:
        for name, (content_type, make) in SPLIT.items():
            for kind in (tokens.aws, tokens.github):
                secret = kind()
                with self.subTest(name, kind=kind.__name__):
                    self.setUp()
                    fields = [("Content-Type", content_type)]
                    self.assertRefused(self.agent.post(f"http://{HOST}/in", make(secret.encode()), fields), secret)
                    self.setUp()
                    body = make(twin(secret))
                    self.assertAllowed(self.agent.post(f"http://{HOST}/in", body, fields), b"ok")
                    self.assertEqual(self.journal.requests[0].body, body)


class TestMessages(ViewsCase):
    def setUp(self) -> None:
        super().setUp()
        self.origin.on("/ws", echo_messages)

    def talk(self) -> Wire:
        wire, target, authority = self.agent.to(f"http://{HOST}/ws")
        wire.send(render(f"GET {target} HTTP/1.1", [("Host", authority), *upgrade_fields()]))
        self.assertEqual(read_response(wire).status, 101)
        return wire

    def in_message(self, ways: dict[str, Way], opcode: int) -> None:
        def message(code: bytes) -> bytes:
            return b"take this: " + code + b" , and thank you"

        def check(code: bytes, secret: str, name: str) -> None:
            with self.talk() as wire:
                wire.send(Frame(message(code), opcode).encode())
                frame = read_frame(wire, from_client=False)
                self.assertEqual((frame.opcode, int.from_bytes(frame.payload[:2], "big")), (CLOSE, 1008))
                self.assertTrue(wire.ended(10))
            self.assertEqual(self.assertBlocked(secret)[0]["code"], "rule_match")
            self.assertEqual(bytes(self.journal.raw).partition(b"\r\n\r\n")[2], b"", "something reached the origin")

        def passes(code: bytes) -> None:
            with self.talk() as wire:
                wire.send(Frame(message(code), opcode).encode())
                answer = read_frame(wire, from_client=False)
                self.assertEqual((answer.opcode, answer.payload), (opcode, message(code)))
                wire.send(Frame((1000).to_bytes(2, "big"), CLOSE).encode())
                wire.to_end()

        self.each_way(ways, check, passes)

    def test_in_a_text(self) -> None:
        self.in_message(UNICODE_WAYS, TEXT)

    def test_in_a_binary_message(self) -> None:
        self.in_message(LINES_AND_OCTETS, BINARY)


class TestHoldBack(ProductCase):
    """A body that is too long to wait as a whole streams, but of what is encoded in it nothing leaves."""

    config = {"hold": "64KiB", "hold_time": "500ms"}
    ways = {name: UNICODE_WAYS[name] for name in ("base64", "base32", "hex", "hex with spaces", "percent", "\\u", "decimal references",
            "full-width", "zero-width", "base64 of base64", "hex of base64", "base64 of base32 of hex", "percent in base64", "gzip in base64",
            "UTF-16 in base64")}

    def upload(self, before: bytes, after: bytes, size: int) -> Wire:
        """What comes after follows when most of what came before has arrived: a finding may cut off what is still on its way."""
        wire, target, authority = self.agent.to(f"http://{HOST}/in")
        wire.send(render(f"POST {target} HTTP/1.1", [("Host", authority), ("Transfer-Encoding", "chunked")]))
        try:
            for i in range(0, len(before), size):
                wire.send(chunk(before[i:i + size]))
            self.assertTrue(wait_for(lambda: len(self.journal.raw) > 100_000), "it did not stream")
            for i in range(0, len(after), size):
                wire.send(chunk(after[i:i + size]))
            wire.send(b"0\r\n\r\n")
        except OSError:
            pass
        return wire

    def test_of_what_is_encoded_nothing_leaves(self) -> None:
        filler = b"some words of text, and then some more of them\n" * 6000
        for name, way in self.ways.items():
            for size in (16000, 501):
                with self.subTest(name, size=size):
                    self.setUp()
                    secret = tokens.github()
                    code = way(secret.encode())
                    with self.upload(filler, b"take this: " + code + b" , thanks\n" + filler, size) as wire:
                        try:
                            wire.to_end()
                        except OSError:
                            pass
                    self.assertBlocked(secret)
                    sent = bytes(self.journal.raw)
                    self.assertNotIn(code[len(code) // len(secret) * 3:][:12], sent, "the beginning of it had left")


if __name__ == "__main__":
    unittest.main()
