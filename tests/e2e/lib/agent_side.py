"""The agent's side of test_namespace: runs inside the agent's network namespace, takes one JSON task a line, answers with one."""
from __future__ import annotations

import errno
import json
import select
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.agent import Agent  # noqa: E402 the path has to be set first

AT_ONCE = 512


def configure(addresses: list[str]) -> bool:
    for words in (["link", "set", "lo", "up"], ["link", "set", "to-bundle", "up"],
                  *[["addr", "add", address, "dev", "to-bundle", *(["nodad"] if ":" in address else [])] for address in addresses]):
        subprocess.run(["ip", *words], check=True, capture_output=True)
    return True


def scan(host: str, first: int, last: int) -> list[int]:
    """Ports of the host that accept a connection. A few hundred at a time; a port that says nothing at all for two seconds is an
    error, since then the answer is not known."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found: list[int] = []
    for begin in range(first, last + 1, AT_ONCE):
        found += _scan_some(family, host, range(begin, min(begin + AT_ONCE, last + 1)))
    return found


def _scan_some(family: int, host: str, ports: range) -> list[int]:
    poller, waiting, found = select.epoll(), {}, []
    for port in ports:
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if sock.connect_ex((host, port)) == errno.ECONNREFUSED:
            sock.close()
            continue
        waiting[sock.fileno()] = (port, sock)
        poller.register(sock, select.EPOLLOUT)
    while waiting:
        ready = poller.poll(2)
        if not ready:
            raise TimeoutError(f"no answer from {len(waiting)} ports, {min(port for port, _ in waiting.values())} among them")
        for fd, _ in ready:
            port, sock = waiting.pop(fd)
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number not in (0, errno.ECONNREFUSED):
                raise OSError(number, f"port {port}")
            found += [port] if number == 0 else []
            sock.close()
    poller.close()
    return sorted(found)


def get(host: str, port: int, ca: str, url: str) -> list:
    response = Agent(host, port, Path(ca)).get(url)
    return [response.status, response.body.decode(errors="replace")]


TASKS = {"configure": configure, "scan": scan, "get": get}


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        try:
            answer = {"result": TASKS[task.pop("do")](**task)}
        except Exception as error:  # noqa: BLE001 whatever it is, the test has to hear of it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
