"""Content codings. brotli and zstd come from the C libraries that the product itself links, by ctypes."""
from __future__ import annotations

import ctypes
import ctypes.util
import gzip as _gzip
import zlib


def gzip(data: bytes) -> bytes:
    return _gzip.compress(data, 6, mtime=0)


def deflate(data: bytes) -> bytes:
    return zlib.compress(data)


def raw_deflate(data: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(data) + coder.flush()


def _library(name: str, soname: str) -> ctypes.CDLL:
    return ctypes.CDLL(ctypes.util.find_library(name) or soname)


def br(data: bytes) -> bytes:
    library = _library("brotlienc", "libbrotlienc.so.1")
    room = ctypes.c_size_t(len(data) + 1024)
    out = ctypes.create_string_buffer(room.value)
    if not library.BrotliEncoderCompress(5, 22, 0, ctypes.c_size_t(len(data)), data, ctypes.byref(room), out):
        raise ValueError("brotli")
    return out.raw[:room.value]


def zstd(data: bytes) -> bytes:
    library = _library("zstd", "libzstd.so.1")
    library.ZSTD_compress.restype = ctypes.c_size_t
    room = len(data) + 1024
    out = ctypes.create_string_buffer(room)
    size = library.ZSTD_compress(out, ctypes.c_size_t(room), data, ctypes.c_size_t(len(data)), 3)
    if size > room:
        raise ValueError("zstd")
    return out.raw[:size]


ENCODERS = {"gzip": gzip, "deflate": deflate, "br": br, "zstd": zstd}
