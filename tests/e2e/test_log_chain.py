"""The verifier that stands in docs/log.md, taken from there and run on the log of a real program: as it is, and changed in every way."""
from __future__ import annotations

import re
import subprocess
import sys
import unittest

from lib.case import Folder
from lib.product import ROOT

DOCUMENT = ROOT / "docs" / "log.md"


def verifier() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)
    return code


class TestDocumentedVerifier(Folder):
    def verify(self, lines: list[bytes]) -> subprocess.CompletedProcess:
        path = self.folder / "copy.jsonl"
        path.write_bytes(b"".join(lines))
        return subprocess.run([sys.executable, "-c", verifier(), str(path)], capture_output=True, text=True, timeout=30)

    def lines(self) -> list[bytes]:
        real = self.origin()
        product = self.pipelock({}, real)
        agent = product.agent()
        for number in range(3):
            agent.get(f"http://api.example.net/{number}")
        agent.get("http://10.0.0.1/")
        product.stop()
        return product.audit.raw().splitlines(keepends=True)

    def test_it_says_what_was_done_to_a_log(self) -> None:
        lines = self.lines()
        self.assertGreaterEqual(len(lines), 7)
        good = self.verify(lines)
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertIn(f"{len(lines)} lines hold", good.stdout)
        self.assertEqual(self.verify(lines + [lines[-1][:40]]).returncode, 0, "an unfinished line is no fault")
        changed = {
            "dropped": lines[:3] + lines[4:],
            "first dropped": lines[1:],
            "repeated": lines[:4] + lines[3:],
            "moved": lines[:3] + [lines[4], lines[3]] + lines[5:],
            "edited": lines[:3] + [lines[3].replace(b'"v":1', b'"v":2')] + lines[4:],
            "edited url": [line.replace(b"http://10.0.0.1/", b"http://10.0.0.2/") for line in lines],
        }
        for what, copy in changed.items():
            with self.subTest(what):
                self.assertNotEqual(copy, lines)
                result = self.verify(copy)
                self.assertNotEqual(result.returncode, 0, what)
                self.assertIn("does not hold", result.stderr)

    def test_every_member_that_is_written_is_documented(self) -> None:
        import json
        text = DOCUMENT.read_text()
        for line in self.lines():
            entry = json.loads(line)
            self.assertIn(f"`{entry['event']}`", text)
            for member in entry:
                self.assertIn(f"`{member}`", text, f"{entry['event']} has a member that docs/log.md does not know")


if __name__ == "__main__":
    unittest.main()
