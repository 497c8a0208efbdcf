"""Choose a few programs of a run that tell what its policy does well and what it gets wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from envs.verdict import Outcome

LAST_ROUNDS = 3
"""Rounds at the end from which programs are chosen; besides these only the first round is read."""
MOST_SAMPLES = 7
"""Programs shown of the last rounds."""
COLUMNS = (
    *("phase", "round", "group", "index", "problem_id", "prompt", "program", "stop"),
    *("outcome", "n_passed", "n_tests", "error_type", "error_line", "reason", "example_outcome"),
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
    example_outcome: str | None
    """How it ended under the example tests, where that was measured."""
    stop: str
    """Why the completion ended."""
    reason: str | None
    """Why the grader could not tell."""


def samples_of(store: Path, notes: list[str]) -> tuple[Sample, ...]:
    """Programs of the last rounds and of the first one; a file that cannot be read is left out with a note."""
    rounds = _training_rounds(store)
    early, late = rounds[:1], rounds[1:][-LAST_ROUNDS:]
    first, last = (_chosen(_rows(store, [file for files in some for file in files], notes)) for some in (early, late))
    if not late:
        first, last = [], first
    return (
        *(_sample(row, why, early=False) for why, row in last[:MOST_SAMPLES]),
        *(_sample(row, why, early=True) for why, row in first[:2]),
    )


def _training_rounds(store: Path) -> list[list[str]]:
    """Names of the files of each whole training round that was graded, in order."""
    commits = store / "commits.jsonl"
    if not commits.exists():
        return []
    found = []
    for line in commits.read_text(encoding="utf-8").split("\n")[:-1]:
        commit = json.loads(line)
        if commit["purpose"] == "train":
            found.append(
                [f"{commit['phase']}-{commit['round']:06d}-{rank:03d}.parquet" for rank in range(commit["ranks"])]
            )
    return found


def _rows(store: Path, names: Sequence[str], notes: list[str]) -> list[dict[str, Any]]:
    """Rows of files of the store whose programs were judged."""
    rows: list[dict[str, Any]] = []
    for name in names:
        try:
            stored = set(pq.read_schema(store / name).names)
            table = pq.read_table(store / name, columns=[column for column in COLUMNS if column in stored])
        except (OSError, pa.ArrowInvalid) as error:
            notes.append(f"experience/{name} cannot be read: {error}")
            continue
        rows += [row for row in table.to_pylist() if row["outcome"] is not None]
    return rows


def _chosen(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """(why, row): the hardest pass, one that passes the examples only, and of each way to fail the nearest miss."""
    groups: dict[tuple[str, int, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["phase"], row["round"], row["group"]), []).append(row)
    n_passing = {key: sum(row["outcome"] == Outcome.PASSED for row in group) for key, group in groups.items()}

    def siblings(row: Mapping[str, Any]) -> tuple[int, int]:
        """Programs of its group that pass, and their number."""
        key = (row["phase"], row["round"], row["group"])
        return n_passing[key], len(groups[key])

    chosen: list[tuple[str, Mapping[str, Any]]] = []
    passing = [row for row in rows if row["outcome"] == Outcome.PASSED]
    if passing:
        best = min(passing, key=siblings)
        count, size = siblings(best)
        chosen.append((f"passes, as {count} of {size} programs for this problem do", best))
    failing = [row for row in rows if row["outcome"] not in (Outcome.PASSED, Outcome.SANDBOX_ERROR)]
    overfit = [row for row in failing if row.get("example_outcome") == Outcome.PASSED]
    if overfit:
        chosen.append(("passes the example tests, fails the hidden ones", min(overfit, key=_share_passed)))
    frequency = Counter(row["outcome"] for row in rows)
    for outcome, count in frequency.most_common():
        of_outcome = [row for row in rows if row["outcome"] == outcome]
        if outcome == Outcome.PASSED:
            continue
        nearest = max(of_outcome, key=_share_passed)
        if all(nearest is not row for _, row in chosen):
            chosen.append((f"one of {count} in {len(rows)} programs that end so", nearest))
    return chosen


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
        example_outcome=row.get("example_outcome"),
        stop=row["stop"],
        reason=row["reason"],
    )
