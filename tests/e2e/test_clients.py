"""The programs that agents use, told of the proxy by the environment alone: curl, git, python, node."""
from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

from lib import tokens
from lib.case import ProductCase
from lib.githost import GitHost
from lib.origin import Exchange, echo, source
from lib.pattern import Pattern
from lib.product import clean_environment

HOST = "api.example.net"
BOTH = ("http", "https")


class ClientCase(ProductCase):
    def environment(self, **more: str) -> dict[str, str]:
        proxy, ca = f"http://127.0.0.1:{self.product.port}", str(self.product.state / "ca.pem")
        return clean_environment(http_proxy=proxy, https_proxy=proxy, HTTP_PROXY=proxy, HTTPS_PROXY=proxy, HOME=str(self.folder),
                                 CURL_CA_BUNDLE=ca, SSL_CERT_FILE=ca, REQUESTS_CA_BUNDLE=ca, GIT_SSL_CAINFO=ca, NODE_EXTRA_CA_CERTS=ca,
                                 GIT_CONFIG_NOSYSTEM="1", GIT_TERMINAL_PROMPT="0", **more)

    def run_client(self, *command: str, ok: bool = True, **more: str) -> subprocess.CompletedProcess:
        result = subprocess.run(command, capture_output=True, timeout=60, env=self.environment(**more), cwd=self.folder, stdin=subprocess.DEVNULL)
        if ok:
            self.assertEqual(result.returncode, 0, (result.stdout[-1500:], result.stderr[-1500:]))
        return result

    def setUp(self) -> None:
        super().setUp()
        self.origin.on("/echo", echo)


class TestCurl(ClientCase):
    def test_get_and_post(self) -> None:
        for scheme in BOTH:
            self.assertEqual(self.run_client("curl", "-sS", f"{scheme}://{HOST}/").stdout, b"ok")
            self.assertEqual(self.run_client("curl", "-sS", "-d", "a=1&b=2", f"{scheme}://{HOST}/echo").stdout, b"a=1&b=2")

    def test_compressed_answers_and_redirects(self) -> None:
        from lib import codings
        self.origin.on("/gz", lambda e: e.answer(codings.gzip(b"words " * 500), fields=[("Content-Encoding", "gzip")]))
        self.origin.on("/there", lambda e: e.answer(b"", "302 Found", [("Location", "/gz")]))
        self.assertEqual(self.run_client("curl", "-sSL", "--compressed", f"https://{HOST}/there").stdout, b"words " * 500)

    def test_upload_and_download_of_files(self) -> None:
        pattern = Pattern(40_000_000)
        data = b"".join(pattern.pieces())
        (self.folder / "file").write_bytes(data)
        self.origin.on("/file", source(pattern))
        self.origin.on("/sum", lambda e: e.answer(hashlib.sha256(e.body()).hexdigest().encode()))
        for scheme in BOTH:
            down = self.run_client("curl", "-sS", f"{scheme}://{HOST}/file").stdout
            self.assertEqual(hashlib.sha256(down).digest(), hashlib.sha256(data).digest())
            up = self.run_client("curl", "-sS", "-T", "file", f"{scheme}://{HOST}/sum").stdout
            self.assertEqual(up.decode(), hashlib.sha256(data).hexdigest())

    def test_parallel_transfers(self) -> None:
        urls = [f"https://h{n}.example.net/echo?{n}" for n in range(20)]
        result = self.run_client("curl", "-sS", "--parallel", "--fail", "-w", "%{http_code}\n", *urls)
        self.assertEqual(result.stdout.count(b"200"), 20)

    def test_a_refusal_is_shown(self) -> None:
        for scheme in BOTH:
            self.setUp()
            secret = tokens.github()
            result = self.run_client("curl", "-sS", "-i", "-d", json.dumps({"key": secret}), f"{scheme}://{HOST}/echo")
            head, _, body = result.stdout.rpartition(b"\r\n\r\n")
            self.assertIn(b" 403 ", head)
            self.assertEqual(json.loads(body)["code"], "rule_match")
            self.assertNoTrace(secret, result.stdout + result.stderr, "what curl shows")
            self.assertTrue(self.journal.silent)

    def test_a_stream_comes_as_it_is_made(self) -> None:
        import time
        from lib.wire import chunk

        def events(exchange: Exchange) -> None:
            exchange.body()
            exchange.head(fields=[("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
            exchange.send(chunk(b"data: first\n\n"))
            time.sleep(2)
            exchange.send(chunk(b"data: last\n\n") + b"0\r\n\r\n")

        self.origin.on("/events", events)
        begin = time.monotonic()
        process = subprocess.Popen(["curl", "-sSN", f"https://{HOST}/events"], stdout=subprocess.PIPE, env=self.environment())
        with process:
            self.assertEqual(process.stdout.readline(), b"data: first\n")
            self.assertLess(time.monotonic() - begin, 1.5)
            self.assertIn(b"last", process.stdout.read())


class TestGit(ClientCase):
    def git(self, *words: str, ok: bool = True) -> subprocess.CompletedProcess:
        return self.run_client("git", "-c", "user.name=T", "-c", "user.email=t@example.net", "-c", "init.defaultBranch=main", *words, ok=ok)

    def test_clone_and_push(self) -> None:
        root = self.folder / "hosted"
        root.mkdir()
        host = GitHost(root)
        for scheme in BOTH:
            with self.subTest(scheme):
                host.create(f"{scheme}.git")
                self.origin.on(f"/{scheme}.git/", host)
                url, work = f"{scheme}://git.example.net/{scheme}.git", self.folder / f"work-{scheme}"
                self.git("clone", "-q", url, str(work))
                (work / "README").write_text("words\n" * 1000)
                (work / "data").write_bytes(os.urandom(3_000_000))  # more than http.postBuffer: chunked
                self.git("-C", str(work), "add", ".")
                self.git("-C", str(work), "commit", "-qm", "first")
                self.git("-C", str(work), "push", "-q", "origin", "HEAD:main")
                (work / "more").write_text("more words\n")
                self.git("-C", str(work), "add", ".")
                self.git("-C", str(work), "commit", "-qm", "second")
                self.git("-C", str(work), "push", "-q", "origin", "HEAD:main")
                again = self.folder / f"again-{scheme}"
                self.git("clone", "-q", url, str(again))
                self.assertEqual((again / "data").read_bytes(), (work / "data").read_bytes())
                self.git("-C", str(again), "fetch", "-q")
                self.assertTrue([r for r in self.journal.requests if "chunked" in (r.get("Transfer-Encoding") or "")], "no chunked push")


PYTHON_URLLIB = """
import json, ssl, sys, urllib.error, urllib.request
url, body = sys.argv[1], sys.argv[2].encode()
for data in (None, body):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data)) as answer:
            print(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.headers["Pipelock-Code"], json.loads(error.read())["retry"])
"""
PYTHON_REQUESTS = """
import sys, requests
url, body = sys.argv[1], sys.argv[2]
with requests.Session() as session:
    for number in range(5):
        answer = session.post(url, data=body)
        print(answer.status_code, answer.headers.get("Pipelock-Code") or answer.text)
    answer = session.post(url, data=(piece.encode() for piece in (body[:9], body[9:])))
    print(answer.status_code, answer.headers.get("Pipelock-Code") or answer.text)
"""


class TestPython(ClientCase):
    def python(self, text: str, *words: str) -> list[str]:
        return self.run_client(sys.executable, "-c", text, *words).stdout.decode().splitlines()

    def test_urllib(self) -> None:
        for scheme in BOTH:
            self.assertEqual(self.python(PYTHON_URLLIB, f"{scheme}://{HOST}/echo", "hello"), ["200 ", "200 hello"])
            self.assertEqual(self.python(PYTHON_URLLIB, f"{scheme}://{HOST}/echo", tokens.aws()), ["200 ", "403 rule_match False"])

    def test_requests(self) -> None:
        try:
            subprocess.run([sys.executable, "-c", "import requests"], check=True, capture_output=True)
        except subprocess.CalledProcessError:
            self.skipTest("NO python3-requests HERE")
        for scheme in BOTH:
            self.assertEqual(self.python(PYTHON_REQUESTS, f"{scheme}://{HOST}/echo", "hello to you"), ["200 hello to you"] * 6)
            self.assertEqual(self.python(PYTHON_REQUESTS, f"{scheme}://{HOST}/echo", f"k={tokens.anthropic()}"), ["403 rule_match"] * 6)


# Node's own fetch takes a proxy from the environment from version 22 on; before that undici's ProxyAgent gives it one, and where that is not
# installed either, its https module speaks through a tunnel of its own.
NODE = """
const [url, body] = process.argv.slice(2);
const proxy = new URL(process.env.HTTPS_PROXY);
async function withFetch(fetch, dispatcher) {
  for (const init of [{}, {method: 'POST', body}, {method: 'POST', body: new Blob([body]).stream(), duplex: 'half'}]) {
    const answer = await fetch(url, {...init, dispatcher});
    console.log(answer.status, answer.headers.get('pipelock-code') || await answer.text());
  }
}
function withModules() {
  const http = require('http'), tls = require('tls'), target = new URL(url), secure = target.protocol === 'https:';
  const ask = (method, data, chunked) => new Promise((resolve, reject) => {
    const done = answer => {
      let text = '';
      answer.on('data', piece => text += piece).on('end', () => {
        console.log(answer.statusCode, answer.headers['pipelock-code'] || text);
        resolve();
      });
    };
    const send = options => {
      const headers = {host: target.host, ...(data && !chunked ? {'content-length': Buffer.byteLength(data)} : {})};
      const request = http.request({method, headers, ...options}, done).on('error', reject);
      if (data) request.write(data);
      request.end();
    };
    if (!secure) return send({host: proxy.hostname, port: proxy.port, path: url, agent: false});
    http.request({host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: target.host + ':443', headers: {host: target.host + ':443'}})
      .on('connect', (answer, socket) => {
        const inner = tls.connect({socket, servername: target.hostname}, () => send({createConnection: () => inner, path: target.pathname}));
        inner.on('error', reject);
      }).on('error', reject).end();
  });
  return ask('GET').then(() => ask('POST', body)).then(() => ask('POST', body, true));
}
(async () => {
  const [major] = process.versions.node.split('.').map(Number);
  let undici;
  try { undici = require('undici'); } catch { try { undici = require('/usr/share/nodejs/undici'); } catch {} }
  if (major >= 24 && process.env.NODE_USE_ENV_PROXY) return withFetch(fetch);
  if (undici) return withFetch(undici.fetch, new undici.ProxyAgent({uri: proxy.href, proxyTunnel: url.startsWith('https')}));
  return withModules();
})().catch(error => { console.error(error); process.exit(1); });
"""


class TestNode(ClientCase):
    def test_fetch_or_what_stands_for_it(self) -> None:
        if not shutil.which("node"):
            self.skipTest("NO node HERE")
        script = Path(self.folder) / "ask.js"
        script.write_text(NODE)
        for scheme in BOTH:
            with self.subTest(scheme):
                answers = self.run_client("node", str(script), f"{scheme}://{HOST}/echo", "hello", NODE_USE_ENV_PROXY="1").stdout.decode()
                self.assertEqual(answers.splitlines(), ["200 ", "200 hello", "200 hello"])
                answers = self.run_client("node", str(script), f"{scheme}://{HOST}/echo", tokens.sendgrid(), NODE_USE_ENV_PROXY="1").stdout.decode()
                self.assertEqual(answers.splitlines(), ["200 ", "403 rule_match", "403 rule_match"])


if __name__ == "__main__":
    unittest.main()
