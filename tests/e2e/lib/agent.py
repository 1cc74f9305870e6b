"""What an agent does: requests through a proxy, absolute form for http, CONNECT and TLS for https."""
from __future__ import annotations

import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from .wire import Fields, Response, Wire, read_response, read_response_head, render


class Refusal(Exception):
    """The CONNECT itself was not answered with 200."""

    def __init__(self, response: Response):
        super().__init__(response.start)
        self.response = response


class Agent:
    """A client of the proxy that listens on (host, port), with the CA certificate it was told to trust."""

    def __init__(self, host: str, port: int, ca_file: Path | None = None, timeout: float = 20):
        self.host, self.port, self.ca_file, self.timeout = host, port, ca_file, timeout
        self._trust: ssl.SSLContext | None = None

    @property
    def trust(self) -> ssl.SSLContext:
        if self._trust is None:
            self._trust = ssl.create_default_context(cafile=str(self.ca_file))
        return self._trust

    def connect(self) -> Wire:
        """A bare connection to the proxy."""
        sock = socket.create_connection((self.host, self.port), 5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Wire(sock, timeout=self.timeout)

    def open_tunnel(self, authority: str, fields: Fields = []) -> Wire:
        """CONNECT answered with 200; the stream inside, without TLS yet."""
        wire = self.connect()
        wire.send(render(f"CONNECT {authority} HTTP/1.1", [("Host", authority), *fields]))
        response = read_response_head(wire)
        if response.status != 200:
            wire.buffer[:0] = response.raw
            refusal = read_response(wire, "CONNECT")
            refusal.refused = True
            wire.close()
            raise Refusal(refusal)
        return wire

    def tunnel(self, host: str, port: int = 443, server_name: str | None = None, context: ssl.SSLContext | None = None,
               fields: Fields = []) -> Wire:
        """TLS inside a CONNECT tunnel. server_name other than host makes a mismatch on purpose."""
        wire = self.open_tunnel(f"{host}:{port}", fields)
        name = host.strip("[]") if server_name is None else server_name
        context = context or self.trust
        context = context if name else _without_name(self.ca_file)
        try:
            sock = context.wrap_socket(wire.sock, server_hostname=name or None)
        except BaseException:
            wire.close()
            raise
        return Wire(sock, timeout=self.timeout)

    def to(self, url: str) -> tuple[Wire, str, str]:
        """A connection on which requests for this URL go: the wire, the request target, the value of Host."""
        parts = urlsplit(url)
        authority = parts.netloc
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if parts.scheme == "http":
            return self.connect(), f"http://{authority}{path}", authority
        host = parts.hostname or ""
        return self.tunnel(f"[{host}]" if ":" in host else host, parts.port or 443), path, authority

    def request(self, method: str, url: str, fields: Fields = [], body: bytes | list[bytes] | None = None,
                slowly: int = 0) -> Response:
        """One exchange on a connection of its own. A list is what goes on the wire, framed by the caller's fields; bytes
        get a Content-Length. `slowly` octets a write when it is not 0."""
        try:
            wire, target, authority = self.to(url)
        except Refusal as refusal:
            return refusal.response
        with wire:
            pieces = body if isinstance(body, list) else [body] if body else []
            length = [("Content-Length", str(len(body)))] if isinstance(body, bytes) else []
            head = render(f"{method} {target} HTTP/1.1", [("Host", authority), *fields, *length])
            try:
                for piece in [head, *pieces]:
                    if slowly:
                        wire.send_slowly(piece, slowly)
                    else:
                        wire.send(piece)
            except OSError:
                pass  # a proxy may answer and close before it has read all
            return read_response(wire, method)

    def get(self, url: str, fields: Fields = []) -> Response:
        return self.request("GET", url, fields)

    def post(self, url: str, body: bytes, fields: Fields = []) -> Response:
        return self.request("POST", url, fields, body)


def _without_name(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca_file))
    context.check_hostname = False
    return context
