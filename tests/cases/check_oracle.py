#!/usr/bin/python3
"""Holds each case against h11, an HTTP/1 parser that shares nothing with ours.

What we call valid must be valid to h11 too, with the same method, target, fields, body and trailers: these are what the origin
must see. What we refuse and h11 takes must say why (`stricter:`), and what h11 refuses as well must not claim to be stricter. The
last line is `N passed, N failed`."""
from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field

import h11

from casefile import Case, CaseError, Fields, Request, load_all

# So large that h11 never refuses by size: limits are ours to have.
NO_LIMIT = 1 << 22


@dataclass
class Reading:
    """What h11 made of a client's octets."""

    requests: list[Request] = field(default_factory=list)
    error: str = ""
    incomplete: bool = False


def lower(fields: list[tuple[bytes, bytes]]) -> Fields:
    return [(name.decode().lower(), bytes(value)) for name, value in fields]


def answer(connection: h11.Connection) -> bool:
    """As a server does, so that the next request can come. False: none can."""
    tunnel = connection.their_state is h11.MIGHT_SWITCH_PROTOCOL
    connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
    if tunnel:
        return False
    connection.send(h11.EndOfMessage())
    if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
        return False
    connection.start_next_cycle()
    return True


def read_all(data: bytes) -> Reading:
    """Every request in the octets. Which end a parser means by NEED_DATA is told by the end of the input."""
    connection, out = h11.Connection(h11.SERVER, max_incomplete_event_size=NO_LIMIT), Reading()
    connection.receive_data(data)
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                out.requests.append(Request(event.method.decode(), bytes(event.target), lower(event.headers)))
            elif isinstance(event, h11.Data):
                out.requests[-1].body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                out.requests[-1].trailers = lower(event.headers)
                if not answer(connection):
                    return out
            elif event is h11.NEED_DATA:
                out.incomplete = connection.their_state is h11.SEND_BODY or bool(connection.trailing_data[0])
                return out
            else:
                return out
    except h11.RemoteProtocolError as error:
        out.error = str(error)
        return out


def origin_form(target: bytes) -> bytes:
    """The target as an origin sees it (RFC 9112 3.2.1)."""
    match = re.fullmatch(rb"(?i)(?:http|ws)s?://[^/]*(/.*)?", target, re.S)
    return target if match is None else match[1] or b"/"


def compare(wanted: Request, got: Request) -> list[str]:
    faults = []
    if (wanted.method, wanted.target) != (got.method, origin_form(got.target)):
        faults.append(f"h11 reads {got.method} {got.target!r}")
    if wanted.body != got.body:
        faults.append(f"h11 reads the body {got.body[:60]!r}")
    for name, value in wanted.fields:
        if (name.lower(), value) not in got.fields:
            faults.append(f"h11 reads no field {name}: {value[:60]!r}")
    trailers = [(name.lower(), value) for name, value in wanted.trailers]
    if trailers != got.trailers:
        faults.append(f"h11 reads the trailers {got.trailers}")
    return faults


def judge_refused(case: Case, reading: Reading) -> list[str]:
    """To wait for more is to take what has come. What is refused for being late says nothing about the octets."""
    if any(answer.status == 408 for answer in case.answers):
        return []
    if not reading.error and not case.stricter:
        return [f"h11 takes it ({len(reading.requests)} requests): say why we are stricter"]
    if reading.error and case.stricter:
        return [f"it is not stricter than h11: {reading.error}"]
    return []


def judge_taken(case: Case, reading: Reading) -> list[str]:
    if reading.error or reading.incomplete:
        return [f"h11 refuses it: {reading.error or 'it waits for more'}"]
    tunnels = [request for request in reading.requests if request.method == "CONNECT"]
    if len(reading.requests) - len(tunnels) != len(case.sees):
        return [f"h11 reads {len(reading.requests)} requests"]
    return [fault for wanted, got in zip(case.sees, reading.requests) for fault in compare(wanted, got)]


def judge(case: Case) -> list[str]:
    """Faults of a case. A refusal of policy (403) says nothing about the octets."""
    reading = read_all(case.client)
    if case.refused:
        # What came whole before the bad request must have been read as we read it.
        faults = [fault for wanted, got in zip(case.sees, reading.requests) for fault in compare(wanted, got)]
        return faults + judge_refused(case, reading)
    if any(item.code and item.status < 500 for item in case.answers):
        return []
    return judge_taken(case, reading)


def main() -> int:
    try:
        cases = [case for case in load_all() if not sys.argv[1:] or case.name in sys.argv[1:]]
    except CaseError as error:
        print(error)
        print("0 passed, 1 failed")
        return 1
    failed = 0
    for case in cases:
        faults = judge(case)
        failed += bool(faults)
        for fault in faults:
            print(f"FAILED {case.name}: {fault}")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
