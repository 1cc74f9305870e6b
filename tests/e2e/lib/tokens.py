"""Made-up credentials, fresh in each run and in no file, and the search for traces of them."""
from __future__ import annotations

import base64
import hashlib
import re
import secrets
import string
from pathlib import Path
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


# ---- what wallets write out

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_WORD_LIST = Path(__file__).resolve().parents[3] / "pipelock/scan/bip39_words.c"


def _base58check(octets: bytes) -> str:
    octets += hashlib.sha256(hashlib.sha256(octets).digest()).digest()[:4]
    number, text = int.from_bytes(octets, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "1" * (len(octets) - len(octets.lstrip(b"\0"))) + text


def _bech32(part: str, octets: bytes) -> str:
    """BIP-173; the checksum is the remainder of a division of polynomials over GF(32)."""
    bits = "".join(f"{octet:08b}" for octet in octets)
    data = [int(bits[i:i + 5].ljust(5, "0"), 2) for i in range(0, len(bits), 5)]
    check = 1
    for value in [*(ord(c) >> 5 for c in part), 0, *(ord(c) & 31 for c in part), *data, *[0] * 6]:
        top, check = check >> 25, (check & 0x1ffffff) << 5 ^ value
        for i, generator in enumerate((0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)):
            check ^= generator if top >> i & 1 else 0
    check ^= 1
    return part + "1" + "".join(_BECH32[value] for value in [*data, *(check >> 5 * (5 - i) & 31 for i in range(6))])


def wif() -> str:
    """A Bitcoin private key in wallet import format, of either kind."""
    return _base58check(b"\x80" + secrets.token_bytes(32) + secrets.choice([b"", b"\1"]))


def extended_private_key() -> str:
    """BIP-32, the master key of a wallet of one of the kinds of SLIP-132, or of the test network."""
    version = secrets.choice(["0488ade4", "049d7878", "04b2430c", "04358394"])
    return _base58check(bytes.fromhex(version) + bytes(9) + secrets.token_bytes(32) + b"\0" + secrets.token_bytes(32))


def nostr() -> str:
    return _bech32("ns" + "ec", secrets.token_bytes(32))


def age() -> str:
    return _bech32("age-secret-" + "key-", secrets.token_bytes(32)).upper()


def seed_phrase(count: int = 12) -> str:
    """BIP-39, from the list that the validator has."""
    words = re.findall(r'"([a-z]+)"[,}]', _WORD_LIST.read_text())
    entropy = secrets.token_bytes(count * 4 // 3)
    bits = "".join(f"{octet:08b}" for octet in entropy + hashlib.sha256(entropy).digest()[:1])
    return " ".join(words[int(bits[i * 11:i * 11 + 11], 2)] for i in range(count))


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
