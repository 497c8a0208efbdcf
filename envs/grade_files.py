"""Grade a file of completions into a file of verdicts, in the same order."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.errors import UserError
from envs.extract import extract_program
from envs.grading import Grader, GradeRequest
from envs.problem import Problem
from envs.sandbox.supervisor import verdict_to_row
from envs.verdict import Outcome, Verdict

PROGRAM_KEYS = ("program", "completion", "program_base64")
"""How a row gives its program: source, a model's whole answer, or raw bytes."""


@dataclass(frozen=True)
class GradeSummary:
    """What became of a file of completions."""

    level: str
    """Isolation level."""
    outcomes: Mapping[Outcome, int]
    """Programs per outcome."""
    problems_solved: int
    """Problems with at least one program that passed."""
    problems_tried: int
    """Problems with at least one program."""
    cpu_s: float
    """CPU seconds of all programs."""

    @property
    def n_programs(self) -> int:
        """Programs that were graded."""
        return sum(self.outcomes.values())

    def table(self) -> str:
        """Lines for a reader."""
        total = max(self.n_programs, 1)
        lines = [f"{outcome:<16}{n:>8}{100 * n / total:>7.1f} %" for outcome, n in self.outcomes.items() if n]
        lines.append(f"{'programs':<16}{self.n_programs:>8}   at isolation {self.level}, {self.cpu_s:.1f} s of CPU")
        lines.append(f"{'problems':<16}{self.problems_tried:>8}   {self.problems_solved} solved by some program")
        return "\n".join(lines)


def grade_files(
    problems: Iterable[Problem],
    completions_path: str | Path,
    out_path: str | Path,
    *,
    isolation: str | None = None,
    min_isolation: str = "L2",
    workers: int | None = None,
) -> GradeSummary:
    """Grade every row of `completions_path` by the hidden tests of its problem into `out_path`, whole or not at all.

    A row is `{"problem_id": ..., "program" | "completion" | "program_base64": ...}`. Raises UserError, one line with
    file and line, for a row that is none, before anything is run; IsolationError where the machine cannot isolate.
    """
    by_id = {problem.id: problem for problem in problems}
    for _ in _requests(Path(completions_path), by_id):
        pass
    target = Path(out_path)
    partial = target.with_name(f"{target.name}.partial")
    try:
        stream = partial.open("w", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from None
    outcomes, solved, cpu_s = Counter[Outcome](), dict[str, bool](), 0.0
    try:
        with stream, Grader(workers, isolation=isolation, min_isolation=min_isolation) as grader:
            for row, verdict in _verdicts(grader, _requests(Path(completions_path), by_id)):
                stream.write(json.dumps({**row, **verdict_to_row(verdict)}) + "\n")
                outcomes[verdict.outcome] += 1
                cpu_s += verdict.cpu_s
                solved[row["problem_id"]] = solved.get(row["problem_id"], False) or verdict.passed
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
    counts = {outcome: outcomes[outcome] for outcome in Outcome}
    return GradeSummary(grader.level, counts, sum(solved.values()), len(solved), cpu_s)


def _verdicts(
    grader: Grader, requests: Iterable[tuple[dict[str, Any], GradeRequest]]
) -> Iterator[tuple[dict[str, Any], Verdict]]:
    """Verdicts in the order of the requests, with a window of them in flight."""
    window: deque[tuple[dict[str, Any], Future[Verdict]]] = deque()
    for row, request in requests:
        window.append((row, grader.submit(request)))
        while window and (window[0][1].done() or len(window) > 4096):
            first, future = window.popleft()
            yield first, future.result()
    for row, future in window:
        yield row, future.result()


def _requests(path: Path, by_id: Mapping[str, Problem]) -> Iterator[tuple[dict[str, Any], GradeRequest]]:
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    try:
                        yield _request(line, by_id)
                    except ValueError as error:
                        raise UserError(f"{path}:{number}: {error}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _request(line: bytes, by_id: Mapping[str, Problem]) -> tuple[dict[str, Any], GradeRequest]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected one JSON object a line; got {error}") from None
    if not isinstance(row, dict):
        raise ValueError(f"expected a JSON object; got {type(row).__name__}")
    given = [key for key in PROGRAM_KEYS if key in row]
    if len(given) != 1:
        raise ValueError(f"expected one of {', '.join(PROGRAM_KEYS)}; got {', '.join(given) or 'none'}")
    problem = by_id.get(str(row.get("problem_id")))
    if problem is None:
        raise ValueError(f"problem_id: {row.get('problem_id')!r} is none of the {len(by_id)} problems")
    value = row[given[0]]
    if not isinstance(value, str):
        raise ValueError(f"{given[0]}: expected text; got {type(value).__name__}")
    kept = {key: row[key] for key in row if key not in PROGRAM_KEYS}
    return {**kept, "problem_id": problem.id}, GradeRequest(
        problem, _program(given[0], value, problem), problem.hidden_tests
    )


def _program(key: str, value: str, problem: Problem) -> str | bytes:
    if key == "program":
        return value
    if key == "completion":
        return extract_program(value, problem)
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"program_base64: not base64: {error}") from None
