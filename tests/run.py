#!/usr/bin/env python3
"""Runs the tests of pipelock and counts them. See tests/README.md.

The last line is `N passed, N failed`, with `, N skipped` where something could not run here. Exit 0 when nothing failed
and something passed."""
from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests"
UNIT_LIMIT_S, E2E_LIMIT_S = 180, 240
SIDE_BY_SIDE = 2
SANITIZERS = {
    "ASAN_OPTIONS": "halt_on_error=1:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}
# These want the machine for themselves: they measure time or memory, or move gigabytes.
ALONE = {"test_big", "test_namespace"}


@dataclass
class Outcome:
    """What one program or file of tests gave."""

    name: str
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    output: str = ""
    seconds: float = 0


def run_program(command: list[str], limit_s: int, env: dict[str, str]) -> tuple[int, str]:
    """Exit code and all that it said. Past the limit it and its children are killed, and the code is 124."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT,
                               env=env, start_new_session=True)
    late: list[bool] = []

    def give_up() -> None:
        late.append(True)
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(limit_s, give_up)
    timer.start()
    try:
        output = process.communicate()[0].decode(errors="replace")
    finally:
        timer.cancel()
    if late:
        return 124, output + f"\nkilled after {limit_s} s\n"
    return process.returncode, output


# ---- unit programs

def unit_programs(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("test_*") if os.access(p, os.X_OK) and p.suffix == "")


def count_cmocka(name: str, code: int, output: str) -> Outcome:
    """cmocka's standard output, or TAP. A program that died half-way has failed, however many tests it had passed."""
    out = Outcome(name, output=output)
    out.passed = len(re.findall(r"^\[       OK \]|^ok \d", output, re.M))
    out.failed = [f"{name}: {test}" for test in re.findall(r"^\[  FAILED  \] (?!\d+ test)(?:\w+: )?(\S+)$|^not ok \d+ - (\S+)", output, re.M)
                  for test in [test[0] or test[1]]]
    out.failed = list(dict.fromkeys(out.failed))
    out.skipped = [f"{name}: {test}" for test in re.findall(r"^\[  SKIPPED \] (?!\d+ test)(?:\w+: )?(\S+)$", output, re.M)]
    out.skipped = list(dict.fromkeys(out.skipped))
    if code and not out.failed:
        out.failed = [f"{name}: exit {code}"]
    if not code and not out.passed and not out.skipped:
        out.failed = [f"{name}: it counts no test"]
    return out


def run_unit(program: Path, env: dict[str, str]) -> Outcome:
    begin = time.monotonic()
    code, output = run_program([str(program)], UNIT_LIMIT_S, env)
    outcome = count_cmocka(program.name, code, output)
    outcome.seconds = time.monotonic() - begin
    return outcome


# ---- files in Python

def run_e2e(file: Path, env: dict[str, str], names: list[str]) -> Outcome:
    begin = time.monotonic()
    code, output = run_program([sys.executable, str(TESTS / "e2e/lib/runner.py"), str(file), *names], E2E_LIMIT_S, env)
    out = Outcome(file.stem, output=output, seconds=time.monotonic() - begin)
    lines = output.rstrip().splitlines()
    try:
        summary = json.loads(lines[-1])
        out.passed, out.failed, out.skipped = summary["passed"], summary["failed"], summary["skipped"]
    except (ValueError, IndexError, KeyError, TypeError):
        out.passed = len(re.findall(r"^ok ", output, re.M))
        out.failed = [f"{file.stem}: it did not come to its end (exit {code})"]
    return out


def run_script(file: Path, env: dict[str, str]) -> Outcome:
    """A test that is one program: it passes with exit 0. `N passed` in its last line is its own count."""
    begin = time.monotonic()
    code, output = run_program([sys.executable, str(file)], E2E_LIMIT_S, env)
    out = Outcome(file.stem, output=output, seconds=time.monotonic() - begin)
    lines = output.rstrip().splitlines()
    counted = re.search(r"(\d+) passed", lines[-1]) if lines else None
    out.passed = int(counted[1]) if counted else int(code == 0)
    if code:
        out.failed = [f"{file.stem}: exit {code}"]
    return out


# ---- what the symbol tables and the includes prove

RESOLVER = re.compile(r"\b(getaddrinfo\w*|gethostby\w+|res_\w*(?:query|search|init|send)\w*|__res_\w+|evdns_\w+|evutil_getaddrinfo\w*)\b")
RULE_ENGINE = re.compile(r"\bpcre2?_\w+")


def undefined_symbols(program: Path) -> str:
    return subprocess.run(["nm", "-D", "--undefined-only", str(program)], check=True, capture_output=True, text=True).stdout


def lint_symbols(program: Path, forbidden: re.Pattern[str]) -> list[str]:
    return [f"{program.name} links {name}" for name in sorted(set(forbidden.findall(undefined_symbols(program))))]


def includes_of(folder: Path) -> list[tuple[Path, str]]:
    return [(file, header) for file in sorted(folder.rglob("*.[ch]"))
            for header in re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', file.read_text(), re.M)]


# Down only: who may not include what.
ARROWS = [
    ("egress", r"pipelock/", "egress knows nothing of pipelock"),
    ("pipelock", r"egress/", "pipelock knows nothing of egress"),
    ("common", r"(?:pipelock|egress)/", "common stands below both programs"),
    ("pipelock/scan", r"event2?/|event\.h|pipelock/(?:proxy|cli|tls|audit)/|pipelock/[^/]+\.h", "the scan engine is pure"),
    ("pipelock/tls", r"pipelock/(?:proxy|cli)/", "down only"),
    ("pipelock/audit", r"pipelock/(?:proxy|cli)/", "down only"),
    ("pipelock/proxy", r"pipelock/cli/|netdb\.h|event2/dns\.h", "the proxy resolves nothing"),
]


def lint_includes() -> list[str]:
    return [f"{file.relative_to(ROOT)} includes {header}: {why}"
            for folder, forbidden, why in ARROWS
            for file, header in includes_of(ROOT / folder) if re.match(forbidden, header)]


def run_lints(build: Path) -> Outcome:
    out, begin = Outcome("lints"), time.monotonic()
    checks = [("includes", lint_includes)]
    if not shutil.which("nm"):
        out.skipped.append("symbols: no nm")
    elif (build / "pipelock").exists() and (build / "egress").exists():
        checks += [("pipelock resolves no name", lambda: lint_symbols(build / "pipelock", RESOLVER)),
                   ("egress has no rule engine", lambda: lint_symbols(build / "egress", RULE_ENGINE))]
    else:
        out.failed.append(f"symbols: no programs in {build}")
    for name, check in checks:
        faults = check()
        out.output += "".join(f"{fault}\n" for fault in faults)
        if faults:
            out.failed.append(name)
        else:
            out.passed += 1
    out.seconds = time.monotonic() - begin
    return out


# ---- all together

def report(outcome: Outcome, verbose: bool) -> None:
    word = "FAILED" if outcome.failed else "ok"
    skipped = f", {len(outcome.skipped)} skipped" if outcome.skipped else ""
    print(f"{word:6} {outcome.name}: {outcome.passed} passed, {len(outcome.failed)} failed{skipped} ({outcome.seconds:.1f} s)", flush=True)
    if outcome.failed or verbose:
        print("".join(f"    | {line}\n" for line in outcome.output.splitlines()), end="", flush=True)
    for reason in outcome.skipped:
        print(f"    !! SKIPPED, IT CANNOT RUN HERE: {reason}", flush=True)


def jobs(options: argparse.Namespace, env: dict[str, str]) -> list[tuple[str, object]]:
    """(name, function) of all that is wanted."""
    build, only = options.build.resolve(), options.only
    units = [(p.name, lambda p=p: run_unit(p, env)) for p in unit_programs(build / "san/unit")]
    files = [(f.stem, lambda f=f: run_e2e(f, env, options.names)) for f in sorted((TESTS / "e2e").glob("test_*.py"))]
    scripts = [(f.stem, lambda f=f: run_script(f, env)) for f in sorted((TESTS / "cases").glob("check_*.py"))]
    lints = [("lints", lambda: run_lints(build))]
    if only == "unit":
        return units + scripts + lints
    if only == "e2e":
        return files
    if only:
        return [job for job in units + scripts + lints + files if only in job[0]]
    return units + scripts + lints + files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="release programs here, sanitized ones in its san/")
    parser.add_argument("--only", help="unit, e2e, or a part of the name of a program or file")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what passing tests say, too")
    parser.add_argument("names", nargs="*", help="parts of names of single end-to-end tests")
    options = parser.parse_args()
    build = options.build.resolve()
    env = {**os.environ, **SANITIZERS, "PIPELOCK_RELEASE": str(build), "PIPELOCK_BUILD": str(build / "san"), "PYTHONDONTWRITEBYTECODE": "1"}
    wanted = jobs(options, env)
    if options.only != "e2e" and not options.only and not unit_programs(build / "san/unit"):
        wanted.append(("unit", lambda: Outcome("unit", failed=["no unit programs were built"])))
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for outcome in pool.map(lambda job: job[1](), [job for job in wanted if job[0] not in ALONE]):
            outcomes.append(outcome)
            report(outcome, options.verbose)
    for name, job in wanted:
        if name in ALONE:
            outcomes.append(job())
            report(outcomes[-1], options.verbose)
    for outcome in outcomes:
        for name in outcome.failed:
            print(f"FAILED {name}")
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(len(outcome.failed) for outcome in outcomes)
    skipped = sum(len(outcome.skipped) for outcome in outcomes)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
