"""What the processes of one program have shown, and how the records that they wrote are read.

A program may have written anything into its results: every reader here takes it for text of a stranger.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from envs.sandbox.runner import Ended, Killed
from envs.verdict import Failure, Integrity, Outcome, Verdict

_RESULTS = frozenset({"v", "e", "large", "passed"})
"""Keys of a record that tells what became of a call or a test."""


@dataclass
class Evidence:
    """What the processes of one program have shown so far."""

    outcomes: list[Outcome | None]
    """Outcome per test."""
    details: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    """Input, expected and got of failing tests, as texts; empty unless the tests are examples."""
    error: tuple[str | None, int | None] = (None, None)
    """Class and line of the first error."""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_memory_mb: float = 0.0
    integrity: Integrity = Integrity.ISOLATED
    digest: Any = field(default_factory=hashlib.sha256)
    """Over all that the program returned and printed: two runs of a deterministic program agree."""

    def add(self, ended: Ended) -> None:
        """Count what one process used and hash what it gave."""
        self.cpu_s += ended.cpu_s
        self.wall_s += ended.wall_s
        self.peak_memory_mb = max(self.peak_memory_mb, ended.peak_memory_mb)
        for part in (ended.results, ended.printed, str(ended.status).encode()):
            self.digest.update(len(part).to_bytes(8, "little") + part)

    def fail(self, index: int, outcome: Outcome, error: Any = None) -> None:
        """Record that a test failed, and the first error."""
        self.outcomes[index] = outcome
        if error is not None and self.error == (None, None):
            self.error = readable_error(error)

    def verdict(self, level: str) -> Verdict:
        """Sum up: the first failing test in order decides."""
        failing = next((index for index, outcome in enumerate(self.outcomes) if outcome is not Outcome.PASSED), None)
        failure = None
        if failing is not None and failing in self.details:
            failure = Failure(failing, *self.details[failing])
        decisive = Outcome.PASSED if failing is None else self.outcomes[failing]
        assert decisive is not None
        return Verdict(
            outcome=decisive,
            n_passed=sum(outcome is Outcome.PASSED for outcome in self.outcomes),
            n_tests=len(self.outcomes),
            outcomes=tuple(self.outcomes),
            first_failure=failure,
            error_type=self.error[0] if decisive is not Outcome.PASSED else None,
            error_line=self.error[1] if decisive is not Outcome.PASSED else None,
            cpu_s=round(self.cpu_s, 6),
            wall_s=round(self.wall_s, 6),
            peak_memory_mb=round(self.peak_memory_mb, 3),
            integrity=self.integrity,
            level=level,
        )


def read_records(results: bytes) -> list[dict[str, Any]]:
    """Read the lines of a results file up to the first that is not a whole record."""
    records: list[dict[str, Any]] = []
    for line in results.split(b"\n")[:-1]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(record, dict):
            break
        records.append(record)
    return records


def first_by_index(records: list[dict[str, Any]], n: int) -> dict[int, dict[str, Any]]:
    """First record per index, indices rising."""
    found: dict[int, dict[str, Any]] = {}
    for record in records:
        if record.get("i") == len(found) < n and not _RESULTS.isdisjoint(record):
            found[len(found)] = record
    return found


def failure_to_load(records: list[dict[str, Any]], ended: Ended) -> tuple[Outcome, Any] | None:
    """Why the program never came to a test, if it did not."""
    for record in records:
        if "compiled" in record:
            break
        if "syntax" in record:
            return Outcome.COMPILE_ERROR, record["syntax"]
    else:
        return outcome_of_death(ended), None  # it crashed the compiler, or it has spoilt what was written
    for record in records:
        if "importing" in record:
            return outcome_of_error(record["importing"]), record["importing"]
    return None


def outcome_of_death(ended: Ended) -> Outcome:
    """What the end of a process says about the test that it did not finish."""
    if ended.output_exceeded:
        return Outcome.OUTPUT_LIMIT
    if ended.killed in (Killed.CPU, Killed.WALL):
        return Outcome.TIMEOUT
    return Outcome.RUNTIME_ERROR


def outcome_of_error(error: Any) -> Outcome:
    """memory_limit for MemoryError, runtime_error for every other exception."""
    return Outcome.MEMORY_LIMIT if readable_error(error)[0] == "MemoryError" else Outcome.RUNTIME_ERROR


def readable_error(error: Any) -> tuple[str | None, int | None]:
    """Class and line as the child reported them; a program may have written anything there."""
    if not isinstance(error, list) or len(error) != 2:
        return None, None
    name, line = error
    if not isinstance(name, str) or not name.isidentifier():
        name = None
    if isinstance(line, bool) or not isinstance(line, int) or not 0 <= line < 1 << 31:
        line = None
    return (name if name is None else name[:80]), line
