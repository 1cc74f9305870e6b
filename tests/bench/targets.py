"""The proxies that are compared, each with the settings that are fair to it, and the origin behind them all."""
from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from processes import end, read_line

HOST = "bench.test"
CERTGEN = Path("/usr/lib/squid/security_file_certgen")


class Missing(Exception):
    """A peer that is not installed."""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)


def make_ca(folder: Path, name: str) -> None:
    """name.pem and name.key: P-256, as pipelock's own, so that all pay the same for signatures."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem")


def make_leaf(folder: Path, ca: str, name: str) -> None:
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={HOST}",
            "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.csr")
    (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{HOST}\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-days", "2", "-in", f"{folder}/{name}.csr", "-CA", f"{folder}/{ca}.pem", "-CAkey", f"{folder}/{ca}.key",
            "-CAcreateserial", "-extfile", f"{folder}/{name}.ext", "-out", f"{folder}/{name}.pem")


class Origin:
    def __init__(self, build: Path, folder: Path) -> None:
        make_ca(folder, "origin-ca")
        make_leaf(folder, "origin-ca", "origin")
        self.process = subprocess.Popen([build / "bench/origin", folder / "origin.pem", folder / "origin.key"], bufsize=0,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(read_line(self.process, 10).split()[0])

    def stop(self) -> None:
        end(self.process)


@dataclass
class Target:
    """What the load goes through. `address` is where the load generator connects to."""
    name: str
    address: str
    process: subprocess.Popen | None = None
    version: str = ""
    through_connect: bool = True
    log: Path | None = None
    notes: list[str] = field(default_factory=list)

    def stop(self) -> None:
        if self.process:
            end(self.process)

    def complaint(self) -> str:
        return self.log.read_text(errors="replace")[-1500:] if self.log and self.log.exists() else ""


def start(name: str, folder: Path, port: int, command: list, version: str, seconds: float = 20.0) -> Target:
    """Start it and wait until it accepts."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    target = Target(name, f"127.0.0.1:{port}", process, version, log=log)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return target
        except OSError:
            time.sleep(0.05)
    target.stop()
    raise RuntimeError(f"{name} did not come up:\n{target.complaint()}")


def version_of(command: list, words: int) -> str:
    text = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
    return " ".join(text.split()[:words])


def direct(build: Path, folder: Path, origin: Origin) -> Target:
    return Target("direct", f"127.0.0.1:{origin.port}", through_connect=False)


def pipelock(build: Path, folder: Path, origin: Origin) -> Target:
    """All built-in rules, audit log on; as shipped but for the origin, which stands on loopback."""
    port, egress_port = free_port(), free_port()
    (folder / "pipelock.yaml").write_text(f"""version: 1
listen: 127.0.0.1:{port}
state: {folder}/pipelock-state
egress:
  listen: 127.0.0.1:{egress_port}
  ca_file: {folder}/origin-ca.pem
  connect_to: ["{HOST}::127.0.0.1:{origin.port}"]
audit: {{file: {folder}/audit.jsonl}}
""")
    os.chmod(folder / "pipelock.yaml", 0o600)
    program = build.resolve() / "pipelock"
    return start("pipelock", folder, port, [program, "run", "--config", folder / "pipelock.yaml"], version_of([program, "version"], 2))


def squid(build: Path, folder: Path, origin: Origin) -> Target:
    """ssl-bump without any content inspection: what interception alone costs. No log, no cache, pooled upstream connections."""
    program = shutil.which("squid", path="/usr/sbin:/usr/bin")
    if not program or not CERTGEN.exists():
        raise Missing("squid-openssl is not installed")
    port, home = free_port(), folder / "squid"
    home.mkdir()
    make_ca(home, "squid-ca")
    (home / "hosts").write_text(f"127.0.0.1 localhost {HOST}\n")
    (home / "squid.conf").write_text(f"""http_port 127.0.0.1:{port} ssl-bump tls-cert={home}/squid-ca.pem tls-key={home}/squid-ca.key \
generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
sslcrtd_program {CERTGEN} -s {home}/certificates -M 4MB
sslcrtd_children 2 startup=2
ssl_bump bump all
tls_outgoing_options cafile={folder}/origin-ca.pem
http_access allow localhost
http_access deny all
cache deny all
cache_mem 8 MB
access_log none
cache_log {home}/cache.log
cache_store_log none
pid_filename {home}/squid.pid
hosts_file {home}/hosts
server_pconn_for_nonretriable allow all
max_filedescriptors 20000
workers 1
coredump_dir {home}
shutdown_lifetime 1 second
netdb_filename none
""")
    subprocess.run([CERTGEN, "-c", "-s", home / "certificates", "-M", "4MB"], check=True, capture_output=True, timeout=20)
    if os.geteuid() == 0:  # squid gives root up, and has to find its files then
        for path in [home, *home.rglob("*")]:
            shutil.chown(path, "proxy", "proxy")
    target = start("squid", folder, port, [program, "-N", "-f", home / "squid.conf"], version_of([program, "-v"], 4))
    target.notes.append("ssl-bump, no content inspection, no log")
    return target


REDIRECT = """\
def server_connect(data):
    data.server.address = ("127.0.0.1", {port})
"""


def mitmproxy(build: Path, folder: Path, origin: Origin) -> Target:
    program = shutil.which("mitmdump")
    if not program:
        raise Missing("mitmproxy is not installed")
    port = free_port()
    (folder / "redirect.py").write_text(REDIRECT.format(port=origin.port))
    command = [program, "-q", "--listen-host", "127.0.0.1", "--listen-port", str(port), "--set", f"confdir={folder}/mitmproxy",
               "--set", "http2=false", "--set", "ssl_insecure=true", "--set", "connection_strategy=lazy", "-s", folder / "redirect.py"]
    target = start("mitmproxy", folder, port, command, version_of([program, "--version"], 2))
    target.notes.append("no addon, no rules")
    return target


ALL = {"direct": direct, "pipelock": pipelock, "squid": squid, "mitmproxy": mitmproxy}
