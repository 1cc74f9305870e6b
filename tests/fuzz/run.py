#!/usr/bin/env python3
"""Runs the fuzz targets, each for some seconds from its kept corpus, or replays the corpus alone.

A target is a program fuzz_NAME; its corpus is tests/fuzz/corpus/NAME. New inputs stay in a temporary folder, so that the
kept corpus grows by hand and stays small. What a target found is left in --findings. One line a target; the last line is
`N passed, N failed`, and the exit code is 1 when one failed."""
from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"
# Octets of an input, at most: past the limits of what is parsed nothing new happens.
MAX_LEN = {"http1_request": 4096, "http1_response": 4096, "chunked": 2048, "url": 512}
MAX_LEN_DEFAULT = 4096
INPUT_LIMIT_S = 5
MEMORY_MB = 1024
GRACE_S = 60


@dataclass
class Result:
    name: str
    good: bool
    note: str
    output: str = ""


def run_limited(command: list[str], folder: Path, limit_s: int) -> tuple[int, str]:
    """Exit code and output; 124 when it was past its limit."""
    environment = dict(os.environ, UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=limit_s, env=environment, check=False)
    except subprocess.TimeoutExpired as late:
        return 124, (late.stdout or b"").decode(errors="replace")
    return done.returncode, done.stdout.decode(errors="replace")


def options(name: str, findings: Path) -> list[str]:
    return [f"-max_len={MAX_LEN.get(name, MAX_LEN_DEFAULT)}", f"-timeout={INPUT_LIMIT_S}", f"-rss_limit_mb={MEMORY_MB}",
            f"-artifact_prefix={findings}/{name}-"]


def fuzz(program: Path, name: str, seconds: int, findings: Path) -> Result:
    """A fixed time from a copy of the corpus."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        corpus = Path(temporary) / "corpus"
        if (CORPUS / name).is_dir():
            shutil.copytree(CORPUS / name, corpus)
        else:
            corpus.mkdir()
        code, output = run_limited(
            [str(program), *options(name, findings), f"-max_total_time={seconds}", "-print_final_stats=1", str(corpus)],
            Path(temporary), seconds + GRACE_S)
        grown = len(list(corpus.iterdir()))
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
    note = f"{int(runs[1]):,} runs in {seconds} s, corpus grew to {grown}" if runs else "did not finish"
    return Result(name, code == 0, note, output)


def replay(program: Path, name: str, findings: Path) -> Result:
    """Each kept input once."""
    inputs = sorted(path for path in (CORPUS / name).glob("*") if path.is_file())
    if not inputs:
        return Result(name, False, "has no corpus")
    code, output = run_limited([str(program), *options(name, findings), *map(str, inputs)], findings, GRACE_S + len(inputs))
    return Result(name, code == 0, f"{len(inputs)} inputs", output)


def find_targets(folder: Path, names: list[str]) -> list[tuple[Path, str]]:
    """The targets named, with or without fuzz_; all when none is. A name without a program ends the run."""
    found = {path.name.removeprefix("fuzz_"): path for path in sorted(folder.glob("fuzz_*")) if os.access(path, os.X_OK)}
    wanted = [name.removeprefix("fuzz_") for name in names] or list(found)
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        sys.exit(f"no fuzz target {', '.join(missing) or '(none is built)'} in {folder}")
    return [(found[name].resolve(), name) for name in wanted]


def report(result: Result) -> None:
    print(f"{'ok    ' if result.good else 'FAILED'} {result.name}: {result.note}", flush=True)
    if not result.good:
        print("\n".join("    " + line for line in result.output.splitlines()[-60:]), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True, help="folder of the built targets")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--replay", action="store_true", help="run the kept corpus once, nothing else")
    parser.add_argument("--findings", type=Path, help="where inputs that fail are kept (default: beside the programs)")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    findings = (arguments.findings or arguments.programs / "findings").resolve()
    findings.mkdir(parents=True, exist_ok=True)
    results = []
    for program, name in find_targets(arguments.programs, arguments.names):
        if arguments.replay:
            results.append(replay(program, name, findings))
        else:
            results.append(fuzz(program, name, arguments.seconds, findings))
        report(results[-1])
    failed = sum(not result.good for result in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
