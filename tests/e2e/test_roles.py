"""Four roles, one process group: what each death and each signal does, and that traffic never flows past a missing role."""
from __future__ import annotations

import os
import signal
import threading
import time
import unittest

from lib import tokens
from lib.agent import Agent
from lib.case import Folder, wait_for
from lib.origin import Exchange
from lib.product import ROLES, Pipelock, Process
from lib.wire import chunk, read_response, read_response_head, render

HOST = "api.example.net"


class Load:
    """A few agents, each with clean and secret requests in turn, while things break."""

    def __init__(self, agent: Agent, secret: str, agents: int = 3):
        self.agent, self.secret, self.stop = agent, secret, threading.Event()
        self.allowed, self.refused, self.errors, self.slowest = 0, 0, 0, 0.0
        self.leaks: list[str] = []
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(agents)]
        for thread in self.threads:
            thread.start()

    def _run(self, number: int) -> None:
        turn = number
        while not self.stop.is_set():
            turn += 1
            scheme = "https" if turn % 3 else "http"
            fields = [("X-Key", self.secret)] if turn % 2 else []
            begin = time.monotonic()
            try:
                response = self.agent.request("POST", f"{scheme}://{HOST}/", fields, b"words")
                if response.status == 200 and fields:
                    self.leaks.append(response.start)
                self.allowed += response.status == 200
                self.refused += response.status == 403
                self.errors += response.status not in (200, 403)
            except Exception:  # noqa: BLE001 a proxy that is being killed may do anything but leak or hang
                self.errors += 1
                time.sleep(0.02)
            self.slowest = max(self.slowest, time.monotonic() - begin)

    def finish(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(30)


class TestGroup(Folder):
    def start(self, **config) -> Pipelock:
        self.real = self.origin()
        return self.pipelock(config, self.real)

    def test_four_processes_in_one_group(self) -> None:
        product = self.start()
        roles = product.roles()
        self.assertEqual(set(roles), set(ROLES))
        self.assertEqual({role.group for role in roles.values()}, {product.process.pid})
        for name, role in roles.items():
            self.assertEqual(role.status("NoNewPrivs"), "1" if name != "supervisor" else role.status("NoNewPrivs"), name)

    def test_roles_hold_no_descriptors_of_each_other(self) -> None:
        product = self.start()
        for name, role in product.roles().items():
            targets = [os.readlink(f"/proc/{role.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{role.pid}/fd")]
            files = [t for t in targets if t.startswith("/") and not t.startswith(("/dev/null", "/memfd", str(product.stderr_file), "/dev/urandom"))]
            if name != "keeper":
                self.assertFalse([f for f in files if "audit" in f or "key" in f], f"{name} has open {files}")
            if name in ("proxy", "egress"):
                self.assertEqual(files, [], f"{name} has files open")

    def test_no_role_runs_alone(self) -> None:
        import subprocess
        from lib.product import clean_environment
        product = self.start()
        commands = {name: open(f"/proc/{role.pid}/cmdline", "rb").read().split(b"\0")[:-1] for name, role in product.roles().items()}
        programs = {name: os.readlink(f"/proc/{role.pid}/exe") for name, role in product.roles().items()}
        for name in ("keeper", "proxy", "egress"):
            result = subprocess.run(commands[name], executable=programs[name], capture_output=True, timeout=10, stdin=subprocess.DEVNULL,
                                    env=clean_environment())
            self.assertEqual(result.returncode, 2, (name, result.stderr[-500:]))
            self.assertTrue(result.stderr)

    def kill_under_load(self, victim: str) -> None:
        product = self.start(timeouts={"response": "5s", "drain": "3s"})
        secret = tokens.aws()
        before = product.roles()
        load = Load(product.agent(timeout=15), secret)
        try:
            self.assertTrue(wait_for(lambda: load.allowed > 3 and load.refused > 3))
            product.roles()[victim].kill()
            killed = time.monotonic()
            ended = lambda: product.process.poll() is not None  # noqa: E731
            fresh = lambda: {k: v.pid for k, v in product.roles().items()}  # noqa: E731

            def whole() -> bool:
                now = fresh()  # once: a role that is there in one reading may be gone in the next
                return set(now) == set(ROLES) and now[victim] != before[victim].pid

            self.assertTrue(wait_for(lambda: ended() or whole(), 15), f"neither ended nor whole again: {fresh()}")
            if not ended():
                count = load.allowed
                self.assertTrue(wait_for(lambda: ended() or load.allowed > count + 3, 15), "whole again, but nothing passes")
            print(f"  {victim}: {'ended' if ended() else 'recovered'} after {time.monotonic() - killed:.1f} s", flush=True)
        finally:
            load.finish()
        self.assertEqual(load.leaks, [])
        self.assertLess(load.slowest, 12, "a request hung")
        self.assertFalse([r for r in self.real.journal.requests if r.has("X-Key")], "an unscanned request reached the origin")
        self.assertNotIn(secret.encode(), bytes(self.real.journal.raw))
        self.assertIn(victim, product.stderr(), "stderr says nothing of it")
        self.assertTrue([e for e in product.audit.entries() if victim in str(e)], "the log says nothing of it")
        if ended():
            self.assertNotEqual(product.process.returncode, 0)
            self.assertFalse([p for p in before.values() if p.alive], "a role outlived the group")
            self.assertFalse(product.listening())

    def test_keeper_killed_under_load(self) -> None:
        self.kill_under_load("keeper")

    def test_proxy_killed_under_load(self) -> None:
        self.kill_under_load("proxy")

    def test_egress_killed_under_load(self) -> None:
        self.kill_under_load("egress")

    def test_supervisor_killed_ends_all(self) -> None:
        product = self.start()
        roles = product.roles()
        load = Load(product.agent(timeout=5), tokens.aws())
        try:
            self.assertTrue(wait_for(lambda: load.allowed > 3))
            roles["supervisor"].kill()
            self.assertTrue(wait_for(lambda: not [r for r in roles.values() if r.pid != product.process.pid and r.alive], 10),
                            f"still alive: {[n for n, r in roles.items() if r.alive]}")
        finally:
            load.finish()
        self.assertEqual(load.leaks, [])
        self.assertFalse(product.listening())

    def test_a_stopped_role_hangs_nobody_for_ever(self) -> None:
        """SIGSTOP: the role lives, but answers nothing."""
        product = self.start(timeouts={"response": "2s", "connect": "2s", "tls": "2s", "dns": "2s"})
        egress = product.roles()["egress"]
        egress.kill(signal.SIGSTOP)
        self.addCleanup(lambda: egress.alive and egress.kill(signal.SIGCONT))
        begin = time.monotonic()
        try:
            self.assertIn(product.agent(timeout=25).get(f"http://{HOST}/").status, (502, 503, 504))
        except (OSError, EOFError):
            pass
        self.assertLess(time.monotonic() - begin, 20)
        egress.kill(signal.SIGCONT)

    def test_a_role_that_dies_again_and_again_ends_the_group(self) -> None:
        product = self.start()
        for _ in range(40):
            if product.process.poll() is not None:
                break
            egress = product.roles().get("egress")
            if egress:
                try:
                    egress.kill()
                except ProcessLookupError:
                    pass
            time.sleep(0.1)
        # either it has given up, or it still stands: but never half
        if product.process.poll() is None:
            self.assertTrue(wait_for(lambda: product.process.poll() is not None or set(product.roles()) == set(ROLES)))


class TestSignals(Folder):
    def start(self, **config) -> Pipelock:
        self.real = self.origin()
        return self.pipelock(config, self.real)

    def test_term_ends_with_zero_and_frees_the_ports(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            product = self.pipelock(name=f"p{number}")
            roles = product.roles()
            begin = time.monotonic()
            product.process.send_signal(number)
            self.assertEqual(product.process.wait(10), 0)
            self.assertLess(time.monotonic() - begin, 5, "nothing ran, and it took long")
            self.assertFalse([r for r in roles.values() if r.alive])
            self.assertFalse(product.listening())

    def test_term_lets_what_runs_come_to_its_end(self) -> None:
        product = self.start(timeouts={"drain": "10s"})
        self.real.on("/slow", lambda e: (time.sleep(1.5), e.answer(b"slow")))
        wire, target, authority = product.agent().to(f"https://{HOST}/slow")
        with wire:
            wire.send(render(f"GET {target} HTTP/1.1", [("Host", authority)]))
            time.sleep(0.5)
            product.process.terminate()
            time.sleep(0.3)
            self.assertFalse(product.listening(), "it takes new connections while it drains")
            response = read_response(wire)
            self.assertEqual((response.status, response.body), (200, b"slow"))
        self.assertEqual(product.process.wait(10), 0)

    def test_term_ends_endless_streams_within_the_bound(self) -> None:
        def endless(exchange: Exchange) -> None:
            exchange.head(fields=[("Transfer-Encoding", "chunked")])
            for _ in range(400):
                exchange.send(chunk(b"data: x\n\n"))
                time.sleep(0.05)

        product = self.start(timeouts={"drain": "2s"})
        self.real.on("/endless", endless)
        with product.agent().connect() as wire:
            wire.send(render(f"GET http://{HOST}/endless HTTP/1.1", [("Host", HOST)]))
            read_response_head(wire)
            begin = time.monotonic()
            self.assertEqual(product.stop(within=12), 0)
            self.assertLess(time.monotonic() - begin, 8)
            try:
                self.assertFalse(wire.to_end().endswith(b"0\r\n\r\n"), "a stream that was cut came with a clean end")
            except OSError:
                pass
        cut = [entry for entry in product.audit.entries() if "/endless" in str(entry.get("url"))]
        self.assertEqual(len(cut), 1, "the exchange that was cut has no line")

    def test_a_second_term_hurries(self) -> None:
        product = self.start(timeouts={"drain": "60s"})
        self.real.on("/slow", lambda e: time.sleep(20))
        with product.agent().connect() as wire:
            wire.send(render(f"GET http://{HOST}/slow HTTP/1.1", [("Host", HOST)]))
            time.sleep(0.5)
            product.process.terminate()
            time.sleep(0.5)
            product.process.terminate()
            self.assertTrue(wait_for(lambda: product.process.poll() is not None, 10))

    def test_hup_kills_nothing(self) -> None:
        product = self.start()
        before = {name: role.pid for name, role in product.roles().items()}
        for _ in range(3):
            product.process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        self.assertEqual(product.agent().get(f"http://{HOST}/").status, 200)
        self.assertEqual({name: role.pid for name, role in product.roles().items()}, before)

    def test_a_hang_up_of_the_terminal_s_group_is_survived(self) -> None:
        product = self.start()
        for role in product.roles().values():
            Process(role.pid).kill(signal.SIGHUP)
            Process(role.pid).kill(signal.SIGPIPE)
        time.sleep(0.3)
        self.assertEqual(product.agent().get(f"http://{HOST}/").status, 200)

    def test_interrupt_to_every_process_is_an_orderly_end(self) -> None:
        """Ctrl-C at a terminal reaches all roles at once; only the supervisor may act on it."""
        product = self.start()
        self.real.on("/slow", lambda e: (time.sleep(1), e.answer(b"slow")))
        with product.agent().connect() as wire:
            wire.send(render(f"GET http://{HOST}/slow HTTP/1.1", [("Host", HOST)]))
            time.sleep(0.4)
            for role in product.roles().values():
                role.kill(signal.SIGINT)
            self.assertEqual(read_response(wire).body, b"slow")
        self.assertEqual(product.process.wait(10), 0)


if __name__ == "__main__":
    unittest.main()
