"""Made-up credentials, fresh in each run and in no file, and the search for traces of them."""
from __future__ import annotations

import base64
import secrets
import string
from typing import Iterator
from urllib.parse import unquote_to_bytes

_LETTERS = string.ascii_letters + string.digits
_BASE32 = string.ascii_uppercase + "234567"


def _random(count: int, alphabet: str = _LETTERS) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))


def aws() -> str:
    return "AK" + "IA" + _random(16, _BASE32)


def github() -> str:
    """With the checksum that GitHub's tokens end in: CRC-32 of the random part, in base62."""
    import zlib

    body = _random(30)
    number, digits = zlib.crc32(body.encode()), string.digits + string.ascii_uppercase + string.ascii_lowercase
    check = ""
    while number:
        number, digit = divmod(number, 62)
        check = digits[digit] + check
    return "gh" + "p_" + body + check.rjust(6, "0")


def anthropic() -> str:
    return "sk-" + "ant-api03-" + _random(93, _LETTERS + "_-") + "AA"


def slack() -> str:
    return "xo" + "xb-" + _random(12, string.digits) + "-" + _random(13, string.digits) + "-" + _random(24)


def sendgrid() -> str:
    return "S" + "G." + _random(22) + "." + _random(43)


def google() -> str:
    return "AI" + "za" + _random(35)


def gitlab() -> str:
    return "gl" + "pat-" + _random(20)


KINDS = {"aws": aws, "github": github, "anthropic": anthropic, "slack": slack, "sendgrid": sendgrid, "google": google,
         "gitlab": gitlab}

HARMLESS = "AKIA is how such a key begins"


def traces(secret: str | bytes, haystack: bytes) -> list[str]:
    """The encodings in which the secret, or ten octets of it in a row, stand in the haystack."""
    secret = secret.encode() if isinstance(secret, str) else secret
    found = []
    lowered = haystack.lower()
    for name, needle in _needles(secret):
        text = lowered if name.startswith("hex") else haystack
        if needle in text:
            found.append(name)
    if any(piece in unquote_to_bytes(haystack) for piece in _windows(secret, 10)):
        found.append("percent")
    return sorted(set(found))


def _windows(data: bytes, size: int) -> Iterator[bytes]:
    # the first octets are the vendor's prefix, which the rule's own text may name
    for i in range(min(4, max(0, len(data) - size)), len(data) - size + 1):
        yield data[i:i + size]


def _needles(secret: bytes) -> Iterator[tuple[str, bytes]]:
    yield from (("raw", piece) for piece in _windows(secret, 10))
    yield from (("reversed", piece[::-1]) for piece in _windows(secret, 10))
    yield from (("hex", piece.hex().encode()) for piece in _windows(secret, 10))
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + secret)
        inner = whole[(shift * 8 + 5) // 6 + 1:-4][:24]  # what does not depend on the neighbours
        yield f"base64+{shift}", inner
        yield f"base64url+{shift}", inner.replace(b"+", b"-").replace(b"/", b"_")
