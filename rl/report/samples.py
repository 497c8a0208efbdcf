"""Choose a few programs of a run that tell what its policy does well and what it gets wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.verdict import Outcome
from rl.experience import TRAINING, Commit, commits, read_rows

LAST_ROUNDS = 3
"""Rounds at the end from which programs are chosen; besides these only the first round is read."""
MOST_SAMPLES = 7
"""Programs shown of the last rounds,"""
MOST_EARLY_SAMPLES = 2
"""and of the first one."""
COLUMNS = (
    *("phase", "round", "group", "index", "problem_id", "prompt", "program", "stop"),
    *("outcome", "n_passed", "n_tests", "error_type", "error_line", "reason"),
)
"""What is read of a row: no token ids, and nothing that holds a hidden test."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One program of the experience store, and why it is shown."""

    early: bool
    """Whether it is from the first round."""
    why: str
    """What makes it worth a look."""
    address: str
    """Its place in the store: phase, round, group and index, from 0."""
    problem_id: str
    """The problem it attempts."""
    prompt: str
    """What the model saw: statement and example tests."""
    program: str
    """The program."""
    outcome: Outcome
    """How it ended under the hidden tests."""
    n_passed: int
    """Hidden tests that passed."""
    n_tests: int
    """Hidden tests there were."""
    error_type: str | None
    """Class of its exception."""
    error_line: int | None
    """Line of that exception, from 1."""
    stop: str
    """Why the completion ended."""
    reason: str | None
    """Why the grader could not tell."""


def samples_of(store: Path, notes: list[str]) -> tuple[Sample, ...]:
    """Programs of the last rounds and of the first one; a round that cannot be read is left out with a note."""
    training = [commit for commit in commits(store) if commit.purpose == TRAINING]
    last, first = chosen(_rows(store, training[-LAST_ROUNDS:], notes)), []
    if len(training) > LAST_ROUNDS:
        first = chosen(_rows(store, training[:1], notes))
    return (
        *(_sample(row, why, early=False) for why, row in last[:MOST_SAMPLES]),
        *(_sample(row, why, early=True) for why, row in first[:MOST_EARLY_SAMPLES]),
    )


def _rows(store: Path, rounds: Sequence[Commit], notes: list[str]) -> list[dict[str, Any]]:
    """Rows of stored rounds whose programs were judged."""
    found: list[dict[str, Any]] = []
    for commit in rounds:
        only = range(commit.round, commit.round + 1)
        try:
            found += read_rows(store, phases=(commit.phase,), rounds=only, columns=COLUMNS)
        except (OSError, ValueError) as error:
            notes.append(f"experience: round {commit.round + 1} of {commit.phase} cannot be read: {error}")
    return [row for row in found if row["outcome"] is not None]


def chosen(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """(why, row): the hardest pass, and of each way to fail the nearest miss."""
    of_group: dict[tuple[str, int, int], Counter[str]] = {}
    for row in rows:
        of_group.setdefault(_group(row), Counter())[row["outcome"]] += 1
    found: list[tuple[str, Mapping[str, Any]]] = []
    passing = [row for row in rows if row["outcome"] == Outcome.PASSED]
    if passing:
        hardest = min(passing, key=lambda row: of_group[_group(row)][Outcome.PASSED] / of_group[_group(row)].total())
        siblings = of_group[_group(hardest)]
        why = f"passes, as {siblings[Outcome.PASSED]} of {siblings.total()} programs for this problem do"
        found.append((why, hardest))
    failing = [row for row in rows if row["outcome"] != Outcome.PASSED]
    for outcome, count in Counter(row["outcome"] for row in failing).most_common():
        ending_so = [row for row in failing if row["outcome"] == outcome]
        found.append((f"one of {count} in {len(rows)} programs that end so", max(ending_so, key=_share_passed)))
    return found


def _group(row: Mapping[str, Any]) -> tuple[str, int, int]:
    return row["phase"], row["round"], row["group"]


def _share_passed(row: Mapping[str, Any]) -> float:
    return float(row["n_passed"] / row["n_tests"]) if row["n_tests"] else 0.0


def _sample(row: Mapping[str, Any], why: str, early: bool) -> Sample:
    return Sample(
        early=early,
        why=why,
        address=f"{row['phase']}/{row['round']}/{row['group']}/{row['index']}",
        problem_id=row["problem_id"],
        prompt=row["prompt"],
        program=row["program"],
        outcome=Outcome(row["outcome"]),
        n_passed=row["n_passed"],
        n_tests=row["n_tests"],
        error_type=row["error_type"],
        error_line=row["error_line"],
        stop=row["stop"],
        reason=row["reason"],
    )
