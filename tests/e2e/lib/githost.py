"""A git host behind the test origin: `git http-backend` as a CGI program, as a web server would run it."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .origin import Exchange


def backend() -> str:
    where = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    return os.path.join(where, "git-http-backend")


class GitHost:
    """Serves the bare repositories below `root` for clone and push."""

    def __init__(self, root: Path):
        self.root, self.program = root, backend()

    def create(self, name: str) -> None:
        path = self.root / name
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True, env=self._environment())
        subprocess.run(["git", "-C", str(path), "config", "http.receivepack", "true"], check=True, env=self._environment())

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(self.root), "GIT_PROJECT_ROOT": str(self.root),
                "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "tester", "REMOTE_ADDR": "127.0.0.1"}

    def __call__(self, exchange: Exchange) -> None:
        request = exchange.request
        path, _, query = request.target.partition("?")
        body = exchange.body()
        environment = {**self._environment(), "REQUEST_METHOD": request.method, "PATH_INFO": path, "QUERY_STRING": query,
                       "CONTENT_TYPE": request.get("Content-Type") or "", "CONTENT_LENGTH": str(len(body)),
                       "HTTP_CONTENT_ENCODING": request.get("Content-Encoding") or "", "GIT_PROTOCOL": request.get("Git-Protocol") or ""}
        output = subprocess.run([self.program], input=body, capture_output=True, env=environment, check=True).stdout
        head, _, answer = output.partition(b"\r\n\r\n")
        fields = [tuple(line.decode().split(": ", 1)) for line in head.split(b"\r\n")]
        status = next((value for name, value in fields if name == "Status"), "200 OK")
        exchange.head(status, [*[f for f in fields if f[0] != "Status"], ("Content-Length", str(len(answer)))])
        exchange.send(answer)
