"""A certificate authority for test origins, made with the openssl command."""
from __future__ import annotations

import ipaddress
import ssl
import subprocess
import threading
from pathlib import Path


def _openssl(*args: str) -> None:
    subprocess.run(["openssl", *args], check=True, capture_output=True, stdin=subprocess.DEVNULL)


def _subject_alternative_name(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


class Authority:
    """A CA in a folder that mints a leaf for each name asked for."""

    def __init__(self, folder: Path, name: str = "test origin CA"):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.certificate = folder, folder / "ca.pem"
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        for key in ("ca.key", "leaf.key"):
            _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / key))
        _openssl("req", "-x509", "-new", "-key", str(folder / "ca.key"), "-days", "30", "-subj", f"/CN={name}",
                 "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                 "-out", str(self.certificate))

    def context(self, name: str) -> ssl.SSLContext:
        """A server context whose certificate is for `name`."""
        with self._lock:
            if name not in self._contexts:
                self._contexts[name] = self._mint(name)
            return self._contexts[name]

    def _mint(self, name: str) -> ssl.SSLContext:
        leaf = self.folder / f"leaf{len(self._contexts)}.pem"
        _openssl("req", "-x509", "-new", "-key", str(self.folder / "leaf.key"), "-days", "30", "-subj", "/CN=leaf",
                 "-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key"),
                 "-addext", f"subjectAltName={_subject_alternative_name(name)}",
                 "-addext", "basicConstraints=critical,CA:FALSE", "-out", str(leaf))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf, self.folder / "leaf.key")
        context.set_alpn_protocols(["http/1.1"])
        return context

    def by_server_name(self, on_name=lambda name: None) -> ssl.SSLContext:
        """A server context that switches to the leaf of the name that the client asks for."""
        context = self.context("127.0.0.1")
        chosen = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        chosen.load_cert_chain(self.folder / "leaf0.pem", self.folder / "leaf.key")
        chosen.set_alpn_protocols(["http/1.1"])

        def choose(sock: ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
            on_name(name)
            sock.context = self.context(name) if name else context

        chosen.sni_callback = choose
        return chosen
