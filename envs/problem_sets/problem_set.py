"""ProblemSet: the problems of one split with what was dropped, the licence, and a hash of the content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from envs.errors import UserError
from envs.problem import Problem, problem_to_row


class DataError(UserError):
    """A data file is not what it should be: one line, `file:line: key: what, got, expected`."""


class RowError(ValueError):
    """A row is not what its format says: `key: what, got, expected`; the reader adds the place."""


@dataclass(frozen=True, slots=True)
class DroppedRow:
    """A row that gave no problem."""

    file: str
    """Path or hub name."""
    line: int
    """Line of a JSONL file, otherwise position of the row; from 1."""
    reason: str
    """What was wrong with it."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ProblemSet:
    """The problems of one split of one data set."""

    name: str
    """Name in the registry."""
    split: str
    """Which part."""
    problems: tuple[Problem, ...]
    """The problems, in the order of the file."""
    dropped: tuple[DroppedRow, ...] = ()
    """Rows that gave no problem, each with its reason."""
    licence: str = ""
    """Licence of the set as a whole."""
    content_hash: str = ""
    """SHA-256 over the problems: equal hashes mean equal problems and tests."""

    def __len__(self) -> int:
        return len(self.problems)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.problems)

    def summary(self) -> str:
        """One line for a log: how many problems, how many rows dropped and the first reason."""
        line = f"{self.name}/{self.split}: {len(self.problems)} problems, {len(self.dropped)} rows dropped"
        return f"{line} (first: {self.dropped[0]})" if self.dropped else line


def problem_set(
    name: str,
    split: str,
    problems: Sequence[Problem],
    places: Sequence[tuple[str, int]] = (),
    dropped: Sequence[DroppedRow] = (),
    licence: str = "",
) -> ProblemSet:
    """Build a ProblemSet: a repeated id is dropped, an empty result is a DataError.

    `places` holds (file, line) of each problem, or nothing for generated problems.
    """
    kept: dict[str, Problem] = {}
    all_dropped = list(dropped)
    for index, problem in enumerate(problems):
        if problem.id in kept:
            file, line = places[index] if places else (name, index + 1)
            all_dropped.append(DroppedRow(file, line, f"id: {problem.id!r} occurs twice"))
            continue
        kept[problem.id] = problem
    if not kept:
        first = f"{len(all_dropped)} rows dropped, first: {all_dropped[0]}" if all_dropped else "there are no rows"
        raise DataError(f"{name}/{split}: expected at least one problem; got none ({first})")
    return ProblemSet(name, split, tuple(kept.values()), tuple(all_dropped), licence, content_hash(kept.values()))


def content_hash(problems: Iterable[Problem]) -> str:
    """SHA-256 over the rows of the problems, in order."""
    digest = hashlib.sha256()
    for problem in problems:
        digest.update(json.dumps(problem_to_row(problem), default=repr).encode())
        digest.update(b"\n")
    return digest.hexdigest()
