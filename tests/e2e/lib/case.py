"""The test case that most files stand on: one origin and one running pipelock a class, checked after every test."""
from __future__ import annotations

import json
import shutil
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

from .agent import Agent
from .audit import chain_faults
from .authority import Authority
from .origin import Origin
from .product import Pipelock, folder_of
from .tokens import traces
from .wire import Response

_authority: list[Authority] = []


def authority() -> Authority:
    """One CA for all the origins of this process."""
    if not _authority:
        _authority.append(Authority(Path(tempfile.mkdtemp(prefix="pipelock-ca-"))))
        unittest.addModuleCleanup(shutil.rmtree, _authority[0].folder, True)
        unittest.addModuleCleanup(_authority.clear)
    return _authority[0]


def towards(origin: Origin) -> dict[str, Any]:
    """The egress keys that lead every name to this origin."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return {"ca_file": str(origin.authority.certificate),
            "connect_to": [f":80:{host}:{origin.plain_port}", f":443:{host}:{origin.tls_port}"]}


def wait_for(condition, within: float = 10) -> bool:
    """Asks again and again until it holds; false when it never did."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


class Folder(unittest.TestCase):
    """A test with a folder of its own, and pipelocks that are checked when they stop."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pipelock-test-"))
        self.addCleanup(shutil.rmtree, self.folder, True)

    def origin(self, host: str = "127.0.0.1") -> Origin:
        origin = Origin(authority(), host)
        self.addCleanup(origin.close)
        return origin

    def pipelock(self, config: dict[str, Any] | None = None, origin: Origin | None = None, name: str = "pipelock",
                 **more: Any) -> Pipelock:
        """Runs until the end of the test, which then fails if a sanitizer complained."""
        config = dict(config or {})
        if origin:
            config["egress"] = {**towards(origin), **config.get("egress", {})}
        if not (folder_of(more.get("kind", "sanitized")) / "pipelock").exists():
            self.fail(f"no program in {folder_of(more.get('kind', 'sanitized'))}")
        product = Pipelock(self.folder / name, config, **more)
        self.addCleanup(self._check, product)
        return product

    def _check(self, product: Pipelock) -> None:
        if product.process.poll() is None:
            product.stop()
        product.kill()
        self.assertEqual(product.complaints(), [], product.last_words())


class ProductCase(unittest.TestCase):
    """Tests that share one origin and one pipelock. `config` is merged into the configuration."""

    config: dict[str, Any] = {}
    kind = "sanitized"
    origin: Origin
    product: Pipelock
    agent: Agent
    folder: Path

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp(prefix="pipelock-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.origin = Origin(authority())
        cls.addClassCleanup(cls.origin.close)
        cls.product = Pipelock(cls.folder / "pipelock", {**cls.config, "egress": {**towards(cls.origin), **cls.config.get("egress", {})}},
                               kind=cls.kind)
        cls.addClassCleanup(cls._stop)
        cls.agent = cls.product.agent()

    @classmethod
    def _stop(cls) -> None:
        """An orderly end: exit 0 within the bound, the log whole, nothing to complain of."""
        code = cls.product.stop()
        faults = cls.product.complaints()
        faults += [] if code == 0 else [f"exit {code} after SIGTERM"]
        faults += chain_faults(cls.product.audit.raw())
        if faults:
            raise AssertionError("\n".join([f"{cls.__name__} at its end:", *faults, cls.product.last_words()]))

    def setUp(self) -> None:
        self.journal = self.origin.clear()
        self.log_mark = self.product.audit.size()

    def tearDown(self) -> None:
        self.assertIsNone(self.product.process.poll(), f"the group has ended:\n{self.product.stderr()[-4000:]}")
        self.assertEqual(self.product.complaints(), [], self.product.last_words())
        self.assertEqual(self.journal.faults, [], "what reached the origin was malformed")

    # ---- what several files ask

    def lines(self, count: int = 1, **wanted: Any) -> list[dict[str, Any]]:
        """Audit lines of this test whose members are as wanted; waits for `count` of them."""
        return self.product.audit.wait(lambda line: all(line.get(k) == v for k, v in wanted.items()), self.log_mark, count)

    def assertAllowed(self, response: Response, body: bytes | None = None) -> None:
        self.assertEqual((response.status, response.get("X-Origin")), (200, self.origin.nonce), response.everything()[:500])
        self.assertTrue(response.complete, "the answer is cut off")
        self.assertIsNone(response.code)
        if body is not None:
            self.assertEqual(response.body, body)

    def assertProblem(self, response: Response, status: int) -> dict[str, Any]:
        """An answer of pipelock's own, as RFC 9457 and the design have it. Returns the problem."""
        self.assertEqual(response.status, status, response.everything()[:600])
        self.assertTrue(response.complete, "the refusal is cut off")
        self.assertEqual(response.get("Content-Type"), "application/problem+json")
        self.assertTrue(response.code, "no Pipelock-Code")
        self.assertFalse(response.has("X-Origin"), "the answer is the origin's")
        problem = json.loads(response.body)
        self.assertEqual(problem["status"], status)
        self.assertEqual(problem["code"], response.code)
        for member in ("type", "title"):
            self.assertIsInstance(problem[member], str)
        return problem

    def assertRefused(self, response: Response, secret: str = "", count: int = 1) -> dict[str, Any]:
        """403 with everything a refusal of a rule owes: nothing at the origin, one line in the log, no trace of the secret."""
        problem = self.assertProblem(response, 403)
        self.assertIs(problem["retry"], False)
        if secret:
            self.assertNoTrace(secret, response.everything(), "the answer")
        self.assertBlocked(secret, count)
        self.assertTrue(self.journal.silent, f"at the origin: {bytes(self.journal.raw[:300])!r}")
        return problem

    def assertBlocked(self, secret: str = "", count: int = 1) -> list[dict[str, Any]]:
        """Exactly so many lines with the verdict block, and the secret nowhere in the log or on stderr."""
        blocks = self.lines(count, verdict="block")
        self.assertEqual(len(blocks), count, f"lines with verdict block: {self.product.audit.since(self.log_mark)}")
        if secret:
            self.assertNoTrace(secret, self.product.audit.raw()[self.log_mark:], "the log")
            self.assertNoTrace(secret, self.product.stderr().encode(), "stderr")
        return blocks

    def assertNoTrace(self, secret: str, where: bytes, name: str) -> None:
        self.assertEqual(traces(secret, where), [], f"the secret stands in {name}")
