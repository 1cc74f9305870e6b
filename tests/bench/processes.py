"""What the kernel says of a process and all it started: CPU time and memory. And how such a group is ended, by its ids."""
from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from pathlib import Path


def family(root: int) -> list[int]:
    """The process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of all threads. schedstat counts nanoseconds; stat, the fallback, ticks of 10 ms."""
    total = 0.0
    for pid in pids:
        try:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                total += int((thread / "schedstat").read_text().split()[0]) / 1e9
        except (OSError, IndexError):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            except OSError:
                pass
    return total


def memory_kb(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def role(pid: int) -> str:
    """A short name: the program, and the word after it when it is one (a role)."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "?"
    name = os.path.basename(words[0]) or "?"
    return f"{name} {words[1]}" if len(words) > 1 and words[1].isalpha() else name


def born(pid: int) -> str:
    """When it started, so that a number that was given to another process later isn't mistaken for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return ""


def end(process: subprocess.Popen, seconds: float = 5.0) -> None:
    """Ask, wait, then kill what is left of it and of what it started."""
    if process.poll() is not None:
        return
    births = {pid: born(pid) for pid in family(process.pid)}
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    for pid, birth in births.items():
        if birth and born(pid) == birth:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    process.wait()


def read_line(process: subprocess.Popen, seconds: float) -> str:
    """A line of the process's standard output (a pipe, unbuffered), or an error after so many seconds."""
    deadline, line = time.monotonic() + seconds, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError(f"no word from {process.args[0]} in {seconds:.0f} s")
            octets = process.stdout.read(4096)
            if not octets:
                raise EOFError(f"{process.args[0]} ended")
            line += octets
    return line.decode()
