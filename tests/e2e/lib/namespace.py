"""Private network and mount namespaces for one test process. The kernel takes them away with the process, however it ends."""
from __future__ import annotations

import ctypes
import os
import subprocess
import unittest
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
MS_REC_PRIVATE = 0x4000 | 0x40000
MS_BIND = 0x1000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [w.encode() if w is not None else None for w in (source, target, kind)]
    _check(_libc.mount(*words, ctypes.c_ulong(flags), data.encode() if data else None), f"mount {target}")


def enter(network: bool = True) -> None:
    """Move this process (one thread still) into new mount and network namespaces; skips the test where that is forbidden.
    Without root a user namespace gives the right to."""
    flags = CLONE_NEWNS | (CLONE_NEWNET if network else 0)
    try:
        if os.geteuid() == 0:
            _check(_libc.unshare(flags), "unshare")
        else:
            uid, gid = os.geteuid(), os.getegid()
            _check(_libc.unshare(flags | CLONE_NEWUSER), "unshare")
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        _mount("none", "/", None, MS_REC_PRIVATE)
        if network:
            ip("link", "set", "lo", "up")
    except (OSError, subprocess.CalledProcessError) as error:
        raise unittest.SkipTest(f"NO NAMESPACES HERE: {error}") from error


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def bind_over(source: Path, target: str) -> None:
    """In this namespace `target` is now the file `source`."""
    _mount(str(source), os.path.realpath(target), None, MS_BIND)


def small_disk(folder: Path, size_kb: int) -> None:
    """A file system of so many kilobytes at the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("tmpfs", str(folder), "tmpfs", 0, f"size={size_kb}k")
