"""The verbs as a user meets them: help, exit codes, errors, and that nothing that was matched is ever printed."""
from __future__ import annotations

import json
import os
import pty
import random
import re
import shutil
import string
import subprocess
import tempfile
import unittest
from pathlib import Path

from lib.product import clean_environment, folder_of

ROOT = Path(__file__).resolve().parents[2]
VERBS = ("run", "check", "ca", "env", "version")
RULE = """version: 1
rules:
  - id: made-up-token
    description: a token of nobody
    regex: 'mut_[a-z0-9]{24}'
    severity: high
    action: block
  - id: made-up-note
    description: a note of nobody
    regex: 'mun_[a-z0-9]{24}'
    severity: low
    action: warn
"""


def made_up(prefix: str = "mut_") -> str:
    return prefix + "".join(random.choices(string.ascii_lowercase + string.digits, k=24))


class Cli(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="pipelock-cli-")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.program = str(folder_of("sanitized") / "pipelock")

    def write(self, name: str, text: str | bytes, mode: int = 0o600) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path

    def config(self, text: str = "", rules: bool = True) -> str:
        self.write("rules.yaml", RULE)
        own = "rules: [rules.yaml]\n" if rules else ""
        return str(self.write("pipelock.yaml", f"version: 1\nstate: state\n{own}{text}"))

    def call(self, *arguments: str, stdin: str | bytes = b"", **environment: str) -> subprocess.CompletedProcess[str]:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run([self.program, *arguments], input=data, capture_output=True, timeout=60,
                              env=clean_environment(HOME=str(self.folder), **environment), check=False)
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def expect(self, code: int, *arguments: str, **more) -> subprocess.CompletedProcess[str]:
        done = self.call(*arguments, **more)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done


class TestHelp(Cli):
    def test_every_verb_has_help(self) -> None:
        for verb in VERBS:
            with self.subTest(verb):
                done = self.expect(0, verb, "--help")
                self.assertIn(f"Usage: pipelock {verb}", done.stdout)
                self.assertEqual(done.stderr, "")
                self.assertEqual(self.expect(0, verb, "-h").stdout, done.stdout)
                self.assertEqual(self.expect(0, "help", verb).stdout, done.stdout)

    def test_the_list_of_verbs(self) -> None:
        listed = self.expect(0, "--help").stdout
        for verb in VERBS:
            self.assertIn(f"\n  {verb} ", listed)
        for words in (["help"], ["-h"]):
            self.assertEqual(self.expect(0, *words).stdout, listed)
        done = self.expect(2)
        self.assertEqual((done.stdout, done.stderr), ("", listed))

    def test_lines_fit_a_terminal(self) -> None:
        for words in (["--help"], *([verb, "--help"] for verb in VERBS)):
            for line in self.expect(0, *words).stdout.splitlines():
                self.assertLessEqual(len(line), 90, line)

    def test_usage_errors(self) -> None:
        cases = [(["chekc"], "did you mean 'check'?"), (["xyz"], "unknown verb 'xyz'"), (["help", "xyz"], "unknown verb 'xyz'"),
                 (["run", "--lisen", "x"], "--lisen"), (["run", "extra"], "unexpected argument 'extra'"), (["run", "--config"], "--config"),
                 (["check"], "expected one of"), (["check", "--url", "http://a.example/", "-"], "expected one of"),
                 (["check", "--file", "a", "--file", "b"], "expected one of"), (["check", "a"], "unexpected argument"),
                 (["ca"], "expected 'show'"), (["ca", "shw"], "unexpected argument 'shw'"), (["ca", "show", "x"], "unexpected argument 'x'"),
                 (["env", "x"], "unexpected argument"), (["version", "--bogus"], "--bogus"), (["--bogus"], "unknown verb")]
        for words, expected in cases:
            with self.subTest(words):
                done = self.expect(2, *words)
                self.assertIn(expected, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_a_role_cannot_be_started_by_hand(self) -> None:
        for role in ("keeper", "proxy"):
            with self.subTest(role):
                self.assertNotEqual(self.call(f"--role={role}").returncode, 0)

    def test_output_that_cannot_be_written_is_an_error(self) -> None:
        with open("/dev/full", "wb") as full:
            done = subprocess.run([self.program, "version"], stdout=full, stderr=subprocess.PIPE, env=clean_environment(), timeout=60, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"can't write to stdout", done.stderr)


class TestVersion(Cli):
    def test_version(self) -> None:
        version = (ROOT / "VERSION").read_text().strip()
        self.assertEqual(self.expect(0, "--version").stdout, f"pipelock {version}\n")
        self.assertTrue(self.expect(0, "version").stdout.startswith(f"pipelock {version}\n"))
        told = json.loads(self.expect(0, "version", "--json").stdout)
        self.assertEqual(told["version"], version)
        self.assertEqual(set(told["libraries"]), {"openssl", "libevent", "pcre2", "libyaml"})


class TestEnv(Cli):
    def told(self, *arguments: str, **environment: str) -> dict[str, str]:
        """What a POSIX shell has after eval."""
        done = self.expect(0, "env", *arguments, **environment)
        names = [line.split("=")[0].removeprefix("export ") for line in done.stdout.splitlines()]
        script = done.stdout + "".join(f'printf "%s\\0" "${name}"\n' for name in names)
        values = subprocess.run(["sh", "-eu", "-c", script], env={}, capture_output=True, check=True).stdout.split(b"\0")[:-1]
        return dict(zip(names, (value.decode() for value in values)))

    def test_variables(self) -> None:
        told = self.told()
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            self.assertEqual(told[name], "http://127.0.0.1:8888")
        self.assertEqual(told["NO_PROXY"], "localhost,127.0.0.1,::1")
        for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "PIP_CERT"):
            self.assertEqual(told[name], f"{self.folder}/.local/state/pipelock/ca.pem")
        self.assertEqual(json.loads(self.expect(0, "env", "--json").stdout), told)

    def test_where_agents_connect(self) -> None:
        for listen, expected in (("0.0.0.0:99", "127.0.0.1:99"), ("[::]:99", "[::1]:99"), (":99", "[::1]:99"), ("192.0.2.7:99", "192.0.2.7:99"),
                                 ("[2001:db8::1]:99", "[2001:db8::1]:99")):
            with self.subTest(listen):
                self.assertEqual(self.told("--listen", listen)["HTTPS_PROXY"], f"http://{expected}")
                self.assertEqual(self.told(PIPELOCK_LISTEN=listen)["HTTPS_PROXY"], f"http://{expected}")

    def test_any_name_of_a_folder_survives_the_shell(self) -> None:
        name = "it's $(touch x) `y` \"z\" \\ ä"
        told = self.told(XDG_STATE_HOME=f"/tmp/{name}")
        self.assertEqual(told["SSL_CERT_FILE"], f"/tmp/{name}/pipelock/ca.pem")

    def test_a_missing_certificate_is_told_on_stderr(self) -> None:
        self.assertIn("can't be read", self.expect(0, "env").stderr)
        self.write(".local/state/pipelock/ca.pem", "x")
        self.assertEqual(self.expect(0, "env").stderr, "")

    def test_errors(self) -> None:
        self.assertIn("is refused", self.expect(2, "env", EGRESS_LISTEN_HOST="0.0.0.0").stderr)
        self.assertIn("expected ADDRESS:PORT", self.expect(2, "env", "--listen", "").stderr)
        self.assertIn("expected ADDRESS:PORT", self.expect(2, "env", "--listen", "localhost:80").stderr)
        self.assertEqual(self.call("env", "--config", str(self.folder / "none.yaml")).stdout, "")


class TestCa(Cli):
    def certificate(self) -> Path:
        path = self.write("state/ca.pem", "")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null",
                        "-subj", "/CN=a made-up CA", "-days", "2", "-out", str(path)], check=True, capture_output=True)
        return path

    def test_show(self) -> None:
        config, path = self.config(), self.certificate()
        wanted = subprocess.run(["openssl", "x509", "-in", str(path), "-noout", "-fingerprint", "-sha256"], check=True, capture_output=True,
                                text=True).stdout.strip().split("=")[1]
        shown = self.expect(0, "ca", "show", "--config", config).stdout
        for part in (str(path), "CN=a made-up CA", wanted, path.read_text()):
            self.assertIn(part, shown)
        told = json.loads(self.expect(0, "ca", "show", "--config", config, "--json").stdout)
        self.assertEqual((told["path"], told["sha256"], told["pem"]), (str(path), wanted, path.read_text()))
        self.assertRegex(told["not_after"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        # what is printed is itself a PEM file
        self.write("copy.pem", shown)
        subprocess.run(["openssl", "x509", "-in", str(self.folder / "copy.pem"), "-noout"], check=True)

    def test_errors(self) -> None:
        config = self.config()
        self.assertIn("there is no CA yet", self.expect(2, "ca", "show", "--config", config).stderr)
        path = self.write("state/ca.pem", "not PEM")
        done = self.expect(2, "ca", "show", "--config", config)
        self.assertIn(f"{path}: not a certificate in PEM", done.stderr)
        self.assertEqual(done.stdout, "")


class TestConfigFile(Cli):
    def refused(self, text: str | bytes, expected: str, mode: int = 0o600) -> None:
        path = self.write("bad.yaml", text, mode)
        for verb in (["run"], ["check", "--url", "http://a.example/"], ["env"], ["ca", "show"]):
            with self.subTest(verb):
                done = self.expect(2, *verb, "--config", str(path))
                self.assertIn(expected, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_an_error_has_a_place(self) -> None:
        self.refused("version: 1\nmode: lax\n", "bad.yaml:2:7: expected strict, balanced or audit")

    def test_others_may_not_write_it(self) -> None:
        self.refused("version: 1\n", "others than its owner may write it (mode 0620); 'chmod go-w' mends it", 0o620)

    def test_it_has_to_be_there(self) -> None:
        self.assertIn("No such file", self.expect(2, "env", "--config", str(self.folder / "none")).stderr)
        self.assertIn("not a plain file", self.expect(2, "env", "--config", str(self.folder)).stderr)

    def test_relative_paths_start_at_its_folder(self) -> None:
        self.config()
        done = subprocess.run([self.program, "env", "--config", "pipelock.yaml", "--json"], cwd=self.folder, capture_output=True, timeout=60,
                              env=clean_environment(), check=True)
        self.assertEqual(json.loads(done.stdout)["SSL_CERT_FILE"], f"{self.folder.resolve()}/state/ca.pem")

    def test_rules_are_held_against_the_same_measure(self) -> None:
        config = self.config()
        os.chmod(self.folder / "rules.yaml", 0o602)
        self.assertIn("rules.yaml: others than its owner may write it", self.expect(2, "check", "-c", config, "--url", "http://a.example/").stderr)
        self.write("rules.yaml", "version: 1\nrules: [{id: x}]\n")
        self.assertRegex(self.expect(2, "run", "-c", config).stderr, r"rules\.yaml:\d+:\d+: ")

    def test_an_override_that_names_no_rule(self) -> None:
        config = self.config("overrides: [{rule: made-upp, action: warn}]\n")
        self.assertRegex(self.expect(2, "check", "-c", config, "--url", "http://a.example/").stderr, r"pipelock\.yaml:4:\d+: ")


class TestCheck(Cli):
    def judge(self, code: int, *arguments: str, config: str = "", **more) -> dict:
        done = self.expect(code, "check", "--json", "--config", self.config(config), *arguments, **more)
        return json.loads(done.stdout)

    def test_nothing_is_wrong(self) -> None:
        told = self.judge(0, "--url", "https://api.example/v1?q=1")
        self.assertEqual((told["verdict"], told["code"], told["findings"], told["route"]), ("allow", None, [], None))
        self.assertEqual(self.expect(0, "check", "--url", "https://api.example/v1").stdout, "allow\n")

    def test_a_secret_is_found_and_not_shown(self) -> None:
        token = made_up()
        head = f"POST /x HTTP/1.1\nHost: api.example\nX-Key: {token}\n\n"
        body = f"POST /x HTTP/1.1\nHost: api.example\nContent-Length: 30\n\na={token}"
        cases = [("url", ["--url", f"https://api.example/?k={token}"], ""), ("header", ["--request", "-"], head), ("body", ["--request", "-"], body),
                 ("body", ["-"], token), ("body", ["--file", "-"], token), ("body", ["--file", str(self.write("text", token))], "")]
        for where, arguments, stdin in cases:
            with self.subTest(where=where, arguments=arguments):
                told = self.judge(1, *arguments, stdin=stdin)
                self.assertEqual((told["verdict"], told["code"]), ("block", "rule_match"))
                self.assertEqual([(f["rule"], f["where"], f["length"]) for f in told["findings"]], [("made-up-token", where, 28)])
                for done in (self.expect(1, "check", "-c", self.config(), *arguments, stdin=stdin),
                             self.expect(1, "check", "--json", "-c", self.config(), *arguments, stdin=stdin)):
                    self.assertNotIn(token[4:], done.stdout + done.stderr)
                    self.assertIn("made-up-token", done.stdout)

    def test_the_secret_is_not_shown_by_an_error_either(self) -> None:
        token = made_up()
        for url in (f"ftp://api.example/{token}", f"https://u:{token}@api.example/", f"https://api.example/#{token}", token):
            done = self.expect(2, "check", "--url", url)
            self.assertNotIn(token[4:], done.stdout + done.stderr)

    def test_warnings_pass(self) -> None:
        told = self.judge(0, "-", stdin=made_up("mun_"))
        self.assertEqual((told["verdict"], told["code"], told["findings"][0]["action"]), ("warn", None, "warn"))

    def test_overrides_and_modes(self) -> None:
        token = made_up()
        self.assertEqual(self.judge(0, "-", stdin=token, config="overrides: [{rule: 'made-up-*', action: warn}]\n")["verdict"], "warn")
        self.assertEqual(self.judge(0, "-", stdin=token, config="overrides: [{rule: made-up-token, action: allow}]\n")["verdict"], "allow")
        self.assertEqual(self.judge(0, "-", stdin=token, config="mode: audit\n")["verdict"], "warn")

    def test_routes(self) -> None:
        config = ("mode: strict\nroutes:\n"
                  "  - {name: api, hosts: [api.example], on_match: warn}\n"
                  "  - {name: no-push, hosts: [api.example], paths: [{suffix: /git-receive-pack}], action: deny}\n"
                  "  - {name: closed, hosts: [closed.example], action: deny}\n"
                  "  - {name: pinned, hosts: ['*.pinned.example'], tls: splice}\n"
                  "  - {name: read, hosts: [read.example], methods: [GET]}\n")
        token = made_up()
        for code, url, refusal, route in ((0, "https://api.example/", None, "api"), (0, f"https://api.example/{token}", None, "api"),
                                          (1, "https://api.example/a.git/git-receive-pack", "route_denied", "no-push"),
                                          (1, "https://api.example/a.git/x/..//git-receive%2Dpack?q", "route_denied", "no-push"),
                                          (1, "http://closed.example/", "route_denied", "closed"), (1, "https://closed.example/", "route_denied", "closed"),
                                          (1, "http://other.example/", "unnamed_host", None), (1, "https://other.example/", "unnamed_host", None),
                                          (0, f"https://x.pinned.example/{token}", None, "pinned"), (1, f"http://x.pinned.example/{token}", "rule_match", "pinned"),
                                          (0, "https://read.example/", None, "read")):
            with self.subTest(url):
                told = self.judge(code, "--url", url, config=config)
                self.assertEqual((told["code"], told["route"]), (refusal, route))
                self.assertEqual(told["spliced"], route == "pinned" and url.startswith("https"))
        self.assertEqual(self.judge(1, "--method", "POST", "--url", "https://read.example/", config=config)["code"], "unnamed_host")

    def test_destinations(self) -> None:
        for url in ("http://127.0.0.1/", "http://127.0.0.1:9099/", "http://localhost/", "http://169.254.169.254/", "http://10.0.0.1/", "http://[::1]/",
                    "http://[::ffff:127.0.0.1]/", "http://0x7f.1/", "http://2130706433/", "https://0.0.0.0/", "http://metadata.google.internal/"):
            with self.subTest(url):
                self.assertEqual(self.judge(1, "--url", url)["code"], "destination_refused")
        self.assertEqual(self.judge(1, "--url", "https://8.8.8.8/")["code"], "address_literal")
        self.assertEqual(self.judge(0, "--url", "https://8.8.8.8/", config="routes: [{name: dns, hosts: [8.8.8.8]}]\n")["verdict"], "allow")

    def test_requests_as_they_are_on_the_wire(self) -> None:
        token = made_up()
        chunked = f"POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{token[:10]}\r\n12\r\n{token[10:]}\r\n0\r\n\r\n"
        self.assertEqual(self.judge(1, "--request", "-", stdin=chunked)["findings"][0]["where"], "body")
        trailer = f"POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-T: {token}\r\n\r\n"
        self.assertEqual(self.judge(1, "--request", "-", stdin=trailer)["findings"][0]["where"], "header")
        absolute = f"GET http://a.example/?{token} HTTP/1.1\r\nHost: a.example\r\n\r\n"
        self.assertEqual(self.judge(1, "--request", "-", stdin=absolute)["findings"][0]["where"], "url")
        late = b"POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3000028\r\n\r\n" + b"x y" * 1000000 + token.encode()
        told = self.judge(1, "--request", str(self.write("late", late)))
        self.assertEqual(told["findings"][0]["offset"], 3000000)

    def test_malformed_requests_are_refused_as_traffic_is(self) -> None:
        for text in ("GET / HTTP/1.1\n\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a.example\nX: y\r\n\r\n",
                     "POST / HTTP/1.1\nHost: a.example\nContent-Length: 1\nTransfer-Encoding: chunked\n\n0\n\n",
                     "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"):
            with self.subTest(text):
                told = self.judge(1, "--request", "-", stdin=text)
                self.assertEqual(told["code"], "bad_request")
                self.assertTrue(told["malformed"])

    def test_what_cannot_be_judged(self) -> None:
        for arguments, stdin, expected in ((["--request", "-"], "", "there is nothing in it"), (["--request", "-"], "GET / HTTP/1.1\r\nHost: a", "does not end"),
                                           (["--file", "/nowhere"], "", "No such file"), (["--file", str(self.folder)], "", "can't be read"),
                                           (["--url", "/x"], "", "not an absolute URL")):
            with self.subTest(arguments):
                done = self.expect(2, "check", *arguments, stdin=stdin)
                self.assertIn(expected, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_broken_codings_are_unscannable(self) -> None:
        request = b"POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"
        told = self.judge(1, "--request", "-", stdin=request)
        self.assertEqual((told["verdict"], told["code"]), ("block", "unscannable"))
        self.assertTrue(told["unscannable"])

    def on_a_terminal(self, **environment: str) -> str:
        read_end, write_end = pty.openpty()
        try:
            subprocess.run([self.program, "check", "--url", "http://a.example/"], stdout=write_end, timeout=60, check=True,
                           env=clean_environment(HOME=str(self.folder), **environment))
            return os.read(read_end, 4096).decode()
        finally:
            os.close(read_end)
            os.close(write_end)

    def test_colour_is_for_terminals_that_want_it(self) -> None:
        self.assertIn("\033[", self.on_a_terminal(TERM="xterm"))
        self.assertNotIn("\033[", self.on_a_terminal(TERM="xterm", NO_COLOR="1"))
        self.assertNotIn("\033[", self.on_a_terminal(TERM="dumb"))
        self.assertNotIn("\033[", self.expect(0, "check", "--url", "http://a.example/").stdout)


class TestDocuments(Cli):
    def literals(self, page: str) -> list[str]:
        """The displays of a manual page."""
        text = (ROOT / "docs/man" / page).read_text()
        return [block.replace("\\e", "\\") for block in re.findall(r"^\.Bd -literal\n(.*?)^\.Ed$", text, re.M | re.S)]

    def test_the_example_of_a_rule_file_loads(self) -> None:
        self.write("rules.yaml", self.literals("pipelock-rules.5")[0])
        config = self.write("pipelock.yaml", "version: 1\nstate: state\nrules: [rules.yaml]\n")
        self.expect(0, "check", "-c", str(config), "--url", "http://a.example/")

    def test_the_examples_of_a_configuration_load(self) -> None:
        document = (ROOT / "docs/configuration.md").read_text()
        for text in (self.literals("pipelock.yaml.5")[0], re.search(r"```yaml\n(.*?)```", document, re.S)[1]):
            config = self.write("pipelock.yaml", text)
            self.write("rules/own.yaml", RULE)
            done = self.call("check", "-c", str(config), "--url", "http://a.example/")
            self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(shutil.which("mandoc"), "no mandoc")
    def test_manual_pages_are_well_formed(self) -> None:
        for page in sorted((ROOT / "docs/man").iterdir()):
            with self.subTest(page.name):
                done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(page)], capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_the_manual_names_every_verb_and_option(self) -> None:
        page = (ROOT / "docs/man/pipelock.1").read_text()
        for verb in VERBS:
            self.assertIn(f".Cm {verb}", page)
            for option in re.findall(r"--([a-z]+)", self.expect(0, verb, "--help").stdout):
                self.assertIn(f"Fl -{option}", page)


if __name__ == "__main__":
    unittest.main()
