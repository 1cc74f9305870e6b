"""Runs one file of end-to-end tests in this process: `runner.py FILE [NAME...]`. The last line is a JSON summary for tests/run.py."""
from __future__ import annotations

import importlib
import json
import sys
import time
import traceback
import unittest
from pathlib import Path


class Result(unittest.TestResult):
    """One line a test as it ends; a failure with its traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.passed, self.failed, self.left_out = 0, [], []
        self._begin, self._bad = 0.0, False

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._begin, self._bad = time.monotonic(), False

    def addSuccess(self, test: unittest.TestCase) -> None:
        if not self._bad:
            self.passed += 1
            self._say("ok", test)

    def addError(self, test: unittest.TestCase, error) -> None:
        self._fail(test, error)

    def addFailure(self, test: unittest.TestCase, error) -> None:
        self._fail(test, error)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, error) -> None:
        if error:
            self._fail(subtest, error)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.left_out.append(f"{_name(test)}: {reason}")
        print(f"SKIPPED {_name(test)}: {reason}", flush=True)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self.failed.append(_name(test))
        self._say("FAILED (was expected to)", test)

    def _fail(self, test: unittest.TestCase, error) -> None:
        # a test with several bad parts is one failed test, but each part is shown; what a class finds at its end counts for itself
        if not self._bad or not isinstance(getattr(test, "test_case", test), unittest.TestCase):
            self.failed.append(_name(test))
        self._bad = True
        self._say("FAILED", test)
        print("".join(traceback.format_exception(*error)), flush=True)

    def _say(self, word: str, test: unittest.TestCase) -> None:
        print(f"{word} {_name(test)} ({time.monotonic() - self._begin:.1f} s)", flush=True)


def _name(test: unittest.TestCase) -> str:
    words = test.id().split(".")
    return ".".join(words[-3:]) if len(words) > 3 else test.id()


def main(file: str, names: list[str]) -> int:
    path = Path(file).resolve()
    sys.path.insert(0, str(path.parent))
    loader, result = unittest.TestLoader(), Result()
    loader.testNamePatterns = [f"*{name}*" for name in names] or None
    module = importlib.import_module(path.stem)
    loader.loadTestsFromModule(module).run(result)
    print(json.dumps({"passed": result.passed, "failed": result.failed, "skipped": result.left_out}), flush=True)
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
