#!/usr/bin/env python3
"""pipelock beside other intercepting proxies, in one run on one machine: requests/s, latency, CPU and memory.

All processes stand on loopback and share the cores, so requests/s is not a proxy's own limit; CPU per request is the number to judge by.
Each round measures every case through every target, one after the other, and ratios are taken within a round: what else the machine does
meets all of them alike. See README.md for what to distrust.
"""
from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import targets
from processes import cpu_seconds, end, family, memory_kb, read_line, role
from targets import HOST, Missing, Origin, Target

CASES = {"get": ("TLS GET, 128 octets back", 0), "post1k": ("TLS POST 1 KB", 1 << 10), "post16k": ("TLS POST 16 KB", 16 << 10),
         "post1m": ("TLS POST 1 MB", 1 << 20)}
CONNECTIONS = 16
MEMORY_STEPS = {"pipelock": (1000, 5000), "squid": (1000, 5000), "mitmproxy": (1000,)}
TOTAL_SECONDS = 170
NOTHING = {"requests": 0, "errors": 1, "seconds": 1.0, "p50_us": 0.0, "p99_us": 0.0, "cpu_us": 0.0, "issuer": ""}


def load(build: Path, origin: Origin, target: Target, *words: str) -> subprocess.Popen:
    command = [str(build / "bench/load"), "--target", f"{HOST}:{origin.port}", "--address", target.address, *words]
    if target.through_connect:
        command.append("--connect")
    return subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def measure(build: Path, origin: Origin, target: Target, body: int, milliseconds: int) -> dict:
    """One window of load. CPU is read when all connections are up, and when the last request has ended."""
    process = load(build, origin, target, "--connections", str(CONNECTIONS), "--body", str(body), "--milliseconds", str(milliseconds))
    pids: list[int] = []
    try:
        read_line(process, 70)
        pids = family(target.process.pid) if target.process else []
        before = cpu_seconds(pids)
        process.stdin.write(b"\n")
        row = json.loads(read_line(process, milliseconds / 1000 + 25))
        row["cpu_us"] = (cpu_seconds(pids) - before) / max(1, row["requests"]) * 1e6
    except (EOFError, TimeoutError, BrokenPipeError) as error:
        row = dict(NOTHING, error=str(error))
    finally:
        end(process)
    row["rss_kb"] = sum(memory_kb(pid) for pid in pids)
    row["roles_kb"] = {}
    for pid in pids:
        row["roles_kb"][role(pid)] = row["roles_kb"].get(role(pid), 0) + memory_kb(pid)
    row["per_second"] = row["requests"] / row["seconds"]
    row["mb_per_second"] = row["per_second"] * body / 1e6
    return row


def check(target: Target, row: dict) -> str:
    """Why a row can't be believed; "" when it can."""
    if row["requests"] == 0:
        return f"no request came through: {row['error']}"
    if row["errors"]:
        return f"{row['errors']} errors: {row['error']}"
    intercepted = row["issuer"] != "origin-ca"
    return "" if intercepted == target.through_connect else f"the leaf was issued by {row['issuer']}"


def run_rounds(build: Path, origin: Origin, running: list[Target], cases: list[str], rounds: int, milliseconds: int, began: float) -> dict:
    rows: dict[tuple[str, str], list[dict]] = {}
    for number in range(rounds):
        for case in cases:
            for target in running:
                if time.monotonic() - began > TOTAL_SECONDS:
                    print(f"(stopped in round {number + 1}: {TOTAL_SECONDS} s are over)", file=sys.stderr)
                    return rows
                row = measure(build, origin, target, CASES[case][1], milliseconds)
                row["round"] = number
                row["fault"] = check(target, row)
                rows.setdefault((case, target.name), []).append(row)
    return rows


def median(rows: list[dict], key: str) -> float:
    return statistics.median(row[key] for row in rows)


def ratio(ours: list[dict], theirs: list[dict], key: str) -> float | None:
    """Median over the rounds that both have of ours to theirs."""
    pairs = [(a[key], b[key]) for a in ours for b in theirs if a["round"] == b["round"] and b[key] > 0 and not a["fault"] and not b["fault"]]
    return statistics.median(a / b for a, b in pairs) if pairs else None


def print_case(case: str, rows: dict, running: list[Target]) -> None:
    print(f"\n{CASES[case][0]}, keep-alive, {CONNECTIONS} connections")
    print(f"  {'':10} {'req/s':>9} {'(min-max)':>16} {'MB/s':>7} {'p50 ms':>8} {'p99 ms':>8} {'CPU us/req':>11} {'RSS MB':>7}")
    for target in running:
        mine = rows.get((case, target.name))
        if not mine:
            continue
        speeds = [row["per_second"] for row in mine]
        cpu = f"{median(mine, 'cpu_us'):11.1f}" if target.process else " " * 11
        rss = f"{max(row['rss_kb'] for row in mine) / 1024:7.1f}" if target.process else ""
        print(f"  {target.name:10} {median(mine, 'per_second'):9.0f} {f'({min(speeds):.0f}-{max(speeds):.0f})':>16} "
              f"{median(mine, 'mb_per_second'):7.1f} {median(mine, 'p50_us') / 1e3:8.2f} {median(mine, 'p99_us') / 1e3:8.2f} {cpu} {rss}")
        for fault in sorted({row["fault"] for row in mine if row["fault"]}):
            print(f"  {'':10} not to be believed: {fault}")
    ours = rows.get((case, "pipelock"), [])
    for peer in ("squid", "mitmproxy"):
        theirs = rows.get((case, peer), [])
        speed, cpu = ratio(ours, theirs, "per_second"), ratio(ours, theirs, "cpu_us")
        if speed is not None and cpu is not None:
            print(f"  pipelock to {peer}: {speed:.2f} x the requests/s, {cpu:.2f} x the CPU a request")


def print_roles(rows: dict, cases: list[str]) -> None:
    last = next((rows[(case, "pipelock")][-1] for case in reversed(cases) if (case, "pipelock") in rows), None)
    if last:
        print("\nRSS of pipelock's roles after the last case, MB: "
              + ", ".join(f"{name} {kb / 1024:.1f}" for name, kb in sorted(last["roles_kb"].items())))


def roles_of(target: Target) -> dict[str, int]:
    found: dict[str, int] = {}
    for pid in family(target.process.pid):
        found[role(pid)] = found.get(role(pid), 0) + memory_kb(pid)
    return found


def measure_memory(build: Path, origin: Origin, target: Target) -> list[dict]:
    """RSS of each process with idle intercepted connections, each of which did one request."""
    base, holders, rows, held = roles_of(target), [], [], 0
    rows.append({"connections": 0, "roles_kb": base})
    try:
        for count in MEMORY_STEPS[target.name]:
            holder = load(build, origin, target, "--connections", str(count - held), "--idle")
            holders.append(holder)
            read_line(holder, 70)
            held = count
            rows.append({"connections": count, "roles_kb": roles_of(target)})
        for holder in holders:
            holder.stdin.write(b"\n")
            up = json.loads(read_line(holder, 5))
            if up["errors"] and (fault := f"{up['errors']} connections failed: {up['error']}"):
                rows[-1]["fault"] = fault
    finally:
        for holder in holders:
            end(holder)
    return rows


def print_memory(name: str, rows: list[dict]) -> None:
    base = sum(rows[0]["roles_kb"].values())
    print(f"\n{name}: RSS with idle intercepted connections")
    for row in rows:
        total, count = sum(row["roles_kb"].values()), row["connections"]
        each = f", {(total - base) / count:.1f} kB a connection" if count else ""
        parts = ", ".join(f"{role_name} {kb / 1024:.1f}" for role_name, kb in sorted(row["roles_kb"].items()))
        print(f"  {count:6} connections: {total / 1024:7.1f} MB{each}  ({parts})")
        if row.get("fault"):
            print(f"  not to be believed: {row['fault']}")


def start_targets(names: list[str], build: Path, folder: Path, origin: Origin) -> tuple[list[Target], bool]:
    running, complete = [], True
    for name in names:
        try:
            target = targets.ALL[name](build, folder, origin)
        except Missing as missing:
            print(f"{name}: left out, {missing}")
            continue
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            print(f"{name}: left out: {error}", file=sys.stderr)
            complete = complete and name != "pipelock"
            continue
        running.append(target)
        if target.version:
            print(f"{name}: {target.version}" + (f" ({', '.join(target.notes)})" if target.notes else ""))
    return running, complete


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="measure pipelock beside squid's ssl-bump and mitmproxy")
    parser.add_argument("--build", type=Path, required=True, help="folder with pipelock, egress and bench/")
    parser.add_argument("--json", type=Path, help="write all rows there")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--milliseconds", type=int, default=1000, help="of each window of load")
    parser.add_argument("--targets", default=",".join(targets.ALL), help="comma-separated")
    parser.add_argument("--cases", default=",".join(CASES), help="comma-separated")
    parser.add_argument("--memory", action="store_true", help="RSS with 1,000 and 5,000 idle connections, in place of the load")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.milliseconds = 1, 300
    for given, known in ((arguments.targets, targets.ALL), (arguments.cases, CASES)):
        if unknown := set(given.split(",")) - set(known):
            parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    began, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="pipelock-bench-"))
    os.chmod(folder, 0o711)  # squid reads its part as another user
    cases, names = arguments.cases.split(","), arguments.targets.split(",")
    running: list[Target] = []
    origin = None
    try:
        origin = Origin(arguments.build, folder)
        running, complete = start_targets(names, arguments.build, folder, origin)
        if arguments.memory:
            result: list | dict = {t.name: measure_memory(arguments.build, origin, t) for t in running if t.name in MEMORY_STEPS}
            for name, rows in result.items():
                print_memory(name, rows)
        else:
            rows = run_rounds(arguments.build, origin, running, cases, arguments.rounds, arguments.milliseconds, began)
            for case in cases:
                print_case(case, rows, running)
            print_roles(rows, cases)
            result = [{"case": case, "target": name, "rounds": found} for (case, name), found in rows.items()]
            complete = complete and not any(row["fault"] for row in sum((r for (_, n), r in rows.items() if n == "pipelock"), []))
        if arguments.json:
            arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    finally:
        for target in running:
            target.stop()
        if origin:
            origin.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{time.monotonic() - began:.0f} s in all")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
