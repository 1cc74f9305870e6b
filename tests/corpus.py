#!/usr/bin/env python3
"""Runs a folder of attack and benign cases against a program and holds the result against tests/corpus-expected.txt, the ids
that have to be right by now: one of them that is wrong has failed. Other cases that are right are named, so that they can be
added (`--update`); those that are wrong are only counted. The last line is `N passed, N failed`."""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXPECTED = ROOT / "tests" / "corpus-expected.txt"
HEAD = "# Ids of the attack corpus that have to be right. Sorted; grown with `tests/corpus.py --update`.\n"
LIMIT_S = 170


def play(options: argparse.Namespace) -> dict[str, str]:
    """id -> "" when it was right, else what was seen."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, "run.py", "--pipelock", str(options.pipelock.resolve()), "--json", str(results)]
        done = subprocess.run(command, cwd=options.corpus, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=LIMIT_S)
        if not results.exists():
            print(done.stdout)
            sys.exit("the corpus did not come to its end")
        print(done.stdout.rstrip().splitlines()[-1])
        seen: dict[str, str] = {}
        for result in json.loads(results.read_text()):
            wrong = "" if result["seen"] == result["expected"] else f"expected {result['expected']}, saw {result['seen']} {result['why']}"
            seen[result["id"]] = seen.get(result["id"]) or wrong
        return seen


def read_expected() -> list[str]:
    lines = EXPECTED.read_text().splitlines() if EXPECTED.exists() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipelock", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--update", action="store_true", help="write down what is right now")
    parser.add_argument("-v", "--verbose", action="store_true", help="name the open cases, too")
    options = parser.parse_args()
    seen, expected = play(options), read_expected()
    right = {name for name, wrong in seen.items() if not wrong}
    if options.update:
        EXPECTED.write_text(HEAD + "".join(f"{name}\n" for name in sorted(right | set(expected))))
    failed = [name for name in expected if name not in right]
    for name in failed:
        print(f"FAILED {name}: {seen.get(name, 'there is no such case')}")
    for name in sorted(right - set(expected)):
        print(f"newly right: {name}")
    still_open = sorted(set(seen) - right - set(expected))
    if options.verbose:
        print("".join(f"open: {name}: {seen[name]}\n" for name in still_open), end="")
    print(f"{len(still_open)} cases are open")
    print(f"{len(right)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
