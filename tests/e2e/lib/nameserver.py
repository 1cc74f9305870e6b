"""A name server for one test: answers from a table and writes down every name it was asked for."""
from __future__ import annotations

import ipaddress
import socket
import struct
import threading
import time

A, CNAME, AAAA = 1, 5, 28
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


class NameServer:
    """Listens on UDP and TCP, host:53. table: name -> list of addresses; a number is an rcode, None is silence. A list of lists gives
    another answer each time (of one kind of record). Names that are not in the table do not exist."""

    def __init__(self, host: str = "127.0.0.1", port: int = 53):
        self.table: dict[str, list | int | None] = {}
        self.asked: list[str] = []
        self.delay: dict[str, float] = {}
        self._turns: dict[tuple[str, int], int] = {}
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((host, port))
        self._tcp = socket.create_server((host, port))
        threading.Thread(target=self._serve_udp, daemon=True).start()
        threading.Thread(target=self._serve_tcp, daemon=True).start()

    def close(self) -> None:
        self._udp.close()
        self._tcp.close()

    def _serve_udp(self) -> None:
        try:
            while True:
                query, peer = self._udp.recvfrom(4096)
                threading.Thread(target=self._reply_udp, args=(query, peer), daemon=True).start()
        except OSError:
            pass

    def _reply_udp(self, query: bytes, peer) -> None:
        answer = self.answer(query)
        if answer:
            try:
                self._udp.sendto(answer, peer)
            except OSError:
                pass

    def _serve_tcp(self) -> None:
        try:
            while True:
                sock, _ = self._tcp.accept()
                with sock:
                    size = sock.recv(2, socket.MSG_WAITALL)
                    answer = self.answer(sock.recv(struct.unpack("!H", size)[0], socket.MSG_WAITALL))
                    if answer:
                        sock.sendall(struct.pack("!H", len(answer)) + answer)
        except (OSError, struct.error):
            pass

    def answer(self, query: bytes) -> bytes | None:
        name, end = _name(query, 12)
        kind = struct.unpack("!H", query[end:end + 2])[0]
        self.asked.append(name)
        time.sleep(self.delay.get(name.lower(), 0))
        entry = self.table.get(name.lower(), NXDOMAIN)
        if entry is None:
            return None
        rcode, records = (entry, []) if isinstance(entry, int) else (NOERROR, self._records(name.lower(), kind, entry))
        head = query[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, len(records), 0, 0)
        return head + query[12:end + 4] + b"".join(b"\xc0\x0c" + struct.pack("!HHIH", t, 1, 0, len(d)) + d for t, d in records)

    def _records(self, name: str, kind: int, entry: list) -> list[tuple[int, bytes]]:
        if entry and isinstance(entry[0], list):
            turn = self._turns.get((name, kind), 0)
            self._turns[name, kind] = turn + 1
            entry = entry[min(turn, len(entry) - 1)]
        addresses = [ipaddress.ip_address(text) for text in entry]
        wanted = {A: 4, AAAA: 6}.get(kind)
        return [(kind, a.packed) for a in addresses if a.version == wanted]


def _name(message: bytes, at: int) -> tuple[str, int]:
    labels = []
    while size := message[at]:
        labels.append(message[at + 1:at + 1 + size].decode("latin-1"))
        at += size + 1
    return ".".join(labels), at + 1
