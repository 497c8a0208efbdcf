"""The trusted process of one worker: it holds the tests, has programs run in its jail, and writes verdicts.

Started as `python -m`-like by the Grader with its socket as standard input; requests and verdicts are frames of JSON.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from typing import Any

from envs.problem import ExampleTests, HiddenTests, Interface, Limits, Problem, TestCase
from envs.sandbox.inside.typed_values import decode, encode
from envs.sandbox.jail import Level, find_interpreter
from envs.sandbox.judge import judge
from envs.sandbox.runner import Abandoned, Jail, SandboxError
from envs.verdict import Failure, Integrity, Outcome, Verdict

_FRAME = struct.Struct("<II")
KEPT_SPECIFICATIONS = 256
"""Test lists that a supervisor remembers; the Grader keeps the same count, so that it knows which to send again."""


def send_frame(connection: socket.socket, header: dict[str, Any], body: bytes = b"") -> None:
    """Send one frame: a JSON object and bytes."""
    head = json.dumps(header, separators=(",", ":")).encode()
    connection.sendall(b"".join((_FRAME.pack(len(head), len(body)), head, body)))


def receive_frame(connection: socket.socket) -> tuple[dict[str, Any], bytes] | None:
    """Receive one frame; None when the other side has gone."""
    start = _receive_exactly(connection, _FRAME.size)
    if start is None:
        return None
    n_head, n_body = _FRAME.unpack(start)
    data = _receive_exactly(connection, n_head + n_body)
    return None if data is None else (json.loads(data[:n_head]), data[n_head:])


def _receive_exactly(connection: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        try:
            part = connection.recv(min(size - len(parts), 1 << 20))
        except OSError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)


def specification_text(problem: Problem, tests: ExampleTests | HiddenTests) -> str:
    """Write what a supervisor must know of a problem and its tests."""
    limits = problem.limits
    return encode(
        {
            "interface": str(problem.interface),
            "entry_point": problem.entry_point,
            "starter_code": problem.starter_code,
            "limits": (float(limits.cpu_s), int(limits.memory_mb), int(limits.output_kb)),
            "tolerance": problem.tolerance,
            "explain": isinstance(tests, ExampleTests),
            "cases": [(case.input, case.output, case.script) for case in tests],
        },
    )


def _read_specification(text: str) -> tuple[Problem, tuple[TestCase, ...], bool]:
    given = decode(text)
    cases = tuple(TestCase(*case) for case in given["cases"])
    problem = Problem(
        id="",
        statement="",
        interface=Interface(given["interface"]),
        hidden_tests=HiddenTests(cases),
        entry_point=given["entry_point"],
        starter_code=given["starter_code"],
        limits=Limits(*given["limits"]),
        tolerance=given["tolerance"],
    )
    return problem, cases, given["explain"]


def verdict_to_row(verdict: Verdict) -> dict[str, Any]:
    """Write a verdict as a JSON row, `outcome` first."""
    failure = verdict.first_failure
    return {
        "outcome": str(verdict.outcome),
        "n_passed": verdict.n_passed,
        "n_tests": verdict.n_tests,
        "outcomes": [None if outcome is None else str(outcome) for outcome in verdict.outcomes],
        "first_failure": failure and [failure.index, failure.given, failure.expected, failure.got],
        "error_type": verdict.error_type,
        "error_line": verdict.error_line,
        "cpu_s": verdict.cpu_s,
        "wall_s": verdict.wall_s,
        "peak_memory_mb": verdict.peak_memory_mb,
        "integrity": str(verdict.integrity),
        "level": verdict.level,
        "reason": verdict.reason,
    }


def verdict_from_row(row: dict[str, Any]) -> Verdict:
    """Read the row that `verdict_to_row` wrote."""
    failure = row["first_failure"]
    return Verdict(
        **{
            **row,
            "outcome": Outcome(row["outcome"]),
            "outcomes": tuple(None if outcome is None else Outcome(outcome) for outcome in row["outcomes"]),
            "first_failure": None if failure is None else Failure(*failure),
            "integrity": Integrity(row["integrity"]),
        }
    )


def could_not_tell(n_tests: int, level: str, reason: str) -> Verdict:
    """The verdict over a program of which we know nothing."""
    return Verdict(Outcome.SANDBOX_ERROR, 0, n_tests, (None,) * n_tests, level=level, reason=reason)


class Supervisor:
    """Answers requests one after another with its jail, which is replaced when it dies."""

    def __init__(self, level: Level, hang_up: int) -> None:
        """`hang_up` is the socket to the Grader: a program that nobody waits for is stopped."""
        self.level, self.hang_up = level, hang_up
        self.interpreter = find_interpreter()
        self.jail: Jail | None = None
        self.specifications: dict[str, tuple[Problem, tuple[TestCase, ...], bool]] = {}

    def answer(self, header: dict[str, Any], program: bytes) -> dict[str, Any]:
        """Grade one program; returns the verdict's row with a digest of what the program gave."""
        problem, cases, explain = self._specification(header)
        try:
            if self.jail is None:
                self.start()
            assert self.jail is not None
            evidence = judge(problem, cases, program, self.jail, explain)
        except (SandboxError, OSError) as error:
            self.close()
            return {"verdict": verdict_to_row(could_not_tell(len(cases), self.level, str(error)))}
        return {"verdict": verdict_to_row(evidence.verdict(self.level)), "digest": evidence.digest.hexdigest()}

    def _specification(self, header: dict[str, Any]) -> tuple[Problem, tuple[TestCase, ...], bool]:
        key = header["key"]
        if "specification" in header:
            while len(self.specifications) >= KEPT_SPECIFICATIONS:
                del self.specifications[next(iter(self.specifications))]
            self.specifications[key] = _read_specification(header["specification"])
        return self.specifications[key]

    def start(self) -> None:
        """Start the jail."""
        self.jail = Jail(self.level, self.interpreter, self.hang_up)

    def close(self) -> None:
        """End the jail."""
        jail, self.jail = self.jail, None
        if jail is not None:
            jail.close()


def main(level: str) -> None:
    """Serve the socket on standard input until the other side hangs up."""
    connection = socket.socket(fileno=0)
    supervisor = Supervisor(Level(level), connection.fileno())
    try:
        supervisor.start()
    except SandboxError as error:
        send_frame(connection, {"failed": str(error)})
        return
    send_frame(connection, {"ready": 1})
    try:
        while frame := receive_frame(connection):
            send_frame(connection, supervisor.answer(*frame))
    except (OSError, Abandoned):
        pass  # the Grader has gone
    finally:
        supervisor.close()


if __name__ == "__main__":
    main(sys.argv[1])
