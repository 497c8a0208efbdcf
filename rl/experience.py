"""The experience store: every graded rollout of a run, as Parquet files that are only ever added to.

A round is one file per rank, written under another name, synced and renamed; one line in `commits.jsonl` then says that
the round is whole. What no line speaks of is no part of the store and is removed when a run goes on. A stored round
also is the record of its verdicts: a run that goes on reads them instead of running the programs again.

Seconds and memory of programs are left out: they differ from run to run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from envs.errors import UserError
from envs.problem import Problem
from envs.rollout import Group, Prompt, Rollout, Segment, StopReason
from envs.verdict import Integrity, Outcome, Verdict
from rl.durable import append_line, lines_of, sync, whole_file, without_torn_tail
from rl.engine import gather, is_main, rank, share, world_size

COMMITS = "commits.jsonl"
TRAINING, EVALUATION = "train", "evaluation"
"""What a rollout was made for. Rollouts of an evaluation are never learned from."""

SCHEMA = pa.schema(
    [
        ("phase", pa.string()),
        ("round", pa.int32()),
        ("group", pa.int32()),
        ("index", pa.int32()),
        ("purpose", pa.string()),
        ("problem_id", pa.string()),
        ("prompt", pa.string()),
        ("mode", pa.string()),
        ("prompt_ids", pa.list_(pa.int32())),
        (
            "segments",
            pa.list_(
                pa.struct(
                    [
                        ("ids", pa.list_(pa.int32())),
                        ("author", pa.string()),
                        ("learn", pa.bool_()),
                        ("log_probs", pa.list_(pa.float32())),
                    ]
                )
            ),
        ),
        ("text", pa.string()),
        ("program", pa.string()),
        ("stop", pa.string()),
        ("temperature", pa.float64()),
        ("policy_version", pa.int64()),
        ("seed", pa.int64()),
        ("outcome", pa.string()),
        ("n_passed", pa.int32()),
        ("n_tests", pa.int32()),
        ("outcomes", pa.list_(pa.string())),
        ("error_type", pa.string()),
        ("error_line", pa.int32()),
        ("integrity", pa.string()),
        ("level", pa.string()),
        ("reason", pa.string()),
    ]
)
"""One row per rollout: (phase, round, group, index) names it within its run; `outcome` is null where nobody ran it."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A round that is whole."""

    phase: str
    """Phase of the run."""
    round: int
    """Number of the collection within its phase, from 0."""
    ranks: int
    """Number of files: one per rank that wrote it."""
    purpose: str
    """`train` or `evaluation`."""

    @property
    def files(self) -> list[str]:
        """Names of its files, rank by rank."""
        return [part_name(self.phase, self.round, number) for number in range(self.ranks)]


class Experience:
    """The store of one run; every rank opens it and calls `append` in the same order."""

    def __init__(self, folder: Path, problems: Iterable[Problem]) -> None:
        """Open or make the store; `problems` are those that its rollouts may attempt. Removes uncommitted files."""
        self.folder = folder
        self.problems = {problem.id: problem for problem in problems}
        if is_main():
            folder.mkdir(parents=True, exist_ok=True)
            without_torn_tail(folder / COMMITS)
            whole = {name for commit in commits(folder) for name in commit.files}
            for file in folder.iterdir():
                if file.name != COMMITS and file.name not in whole:
                    file.unlink()
        gather([None])  # nobody reads before the main rank has cleaned
        self._commits = {(commit.phase, commit.round): commit for commit in commits(folder)}

    def append(self, phase: str, number: int, groups: Sequence[Group], purpose: str = TRAINING) -> None:
        """Add this rank's groups of one round, which every rank must call; returns once the round is whole on disk."""
        write_groups(self.folder / part_name(phase, number, rank()), phase, number, groups, purpose)
        sync(self.folder)
        gather([None])
        commit = Commit(phase, number, world_size(), purpose)
        if is_main():
            append_line(self.folder / COMMITS, _line(commit))
        self._commits[phase, number] = commit

    def has(self, phase: str, number: int) -> bool:
        """Whether a round is whole."""
        return (phase, number) in self._commits

    def groups(self, phase: str, number: int) -> list[Group]:
        """This rank's groups of a whole round, in the order in which they were drawn."""
        names = self._commits[phase, number].files
        rows = [row for name in names for row in pq.read_table(self.folder / name).to_pylist()]
        return share(groups_of(rows, self.problems))


@dataclass(frozen=True, slots=True)
class PhaseRecord:
    """The part of a store that belongs to one phase: what `Rounds` keeps its rounds in."""

    store: Experience
    """The run's store."""
    phase: str
    """Name of the phase."""
    purpose: str = TRAINING
    """What its rollouts are made for."""

    def has(self, number: int) -> bool:
        """Whether a round is whole."""
        return self.store.has(self.phase, number)

    def read(self, number: int) -> list[Group]:
        """This rank's groups of a whole round."""
        return self.store.groups(self.phase, number)

    def add(self, number: int, groups: Sequence[Group]) -> None:
        """Add this rank's groups of a round; every rank calls it."""
        self.store.append(self.phase, number, groups, self.purpose)

    def write_pending(self, folder: Path, number: int, groups: Sequence[Group]) -> None:
        """Write this rank's groups of a round whose programs are still running."""
        write_groups(folder / part_name(self.phase, number, rank()), self.phase, number, groups, self.purpose)

    def read_pending(self, folder: Path) -> dict[int, list[Group]]:
        """This rank's share of the groups of all rounds that `write_pending` wrote, by the number of the round."""
        rows: dict[int, list[dict[str, Any]]] = {}
        for file in sorted(folder.glob("*.parquet")):
            for row in pq.read_table(file).to_pylist():
                rows.setdefault(row["round"], []).append(row)
        return {number: share(groups_of(rows[number], self.store.problems)) for number in sorted(rows)}


def commits(folder: Path) -> list[Commit]:
    """The whole rounds of a store, in the order in which they were added."""
    return [Commit(**json.loads(line)) for line in lines_of(folder / COMMITS)]


def read_rows(
    folder: Path,
    *,
    phases: Sequence[str] | None = None,
    purpose: str | None = TRAINING,
    rounds: range | None = None,
    columns: Sequence[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Rows of the whole rounds of a store, in order, filtered by phase, purpose and number of the round."""
    for commit in commits(folder):
        if phases is not None and commit.phase not in phases:
            continue
        if (purpose is not None and commit.purpose != purpose) or (rounds is not None and commit.round not in rounds):
            continue
        for name in commit.files:
            yield from pq.read_table(folder / name, columns=columns and list(columns)).to_pylist()


def groups_by_problem(
    folder: Path, problems: Iterable[Problem], phases: Sequence[str] | None = None
) -> dict[str, Group]:
    """What some or all phases have tried: one Group per problem id in the order of `problems`, oldest rollout first.

    Only rollouts that were made for training are read. Problems that are not asked for are left out.
    """
    wanted = {problem.id: problem for problem in problems}
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in read_rows(folder, phases=phases):
        if row["problem_id"] in wanted:
            rows.setdefault(row["problem_id"], []).append(row)
    return {
        name: Group(wanted[name], tuple(map(rollout_of, found)), tuple(map(verdict_of, found)))
        for name in wanted
        if (found := rows.get(name))
    }


def part_name(phase: str, number: int, of_rank: int) -> str:
    """Name of the file with one rank's part of one round."""
    return f"{phase}-{number:06d}-{of_rank:03d}.parquet"


def write_groups(path: Path, phase: str, number: int, groups: Sequence[Group], purpose: str = TRAINING) -> None:
    """Write one rank's groups of a round to a file, whole or not at all."""
    rows = [
        _row(phase, number, place * world_size() + rank(), index, purpose, rollout, verdict)
        for place, group in enumerate(groups)
        for index, (rollout, verdict) in enumerate(zip(group.rollouts, group.verdicts, strict=True))
    ]
    with whole_file(path) as partial:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), partial, compression="zstd")


def groups_of(rows: Iterable[Mapping[str, Any]], problems: Mapping[str, Problem]) -> list[Group]:
    """Rows of one round -> its groups in the order of their numbers. Raises UserError for an unknown problem."""
    by_group: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_group.setdefault(row["group"], []).append(row)
    found = []
    for number in sorted(by_group):
        of_group = sorted(by_group[number], key=lambda row: row["index"])
        problem = problem_of(of_group[0], problems)
        found.append(Group(problem, tuple(map(rollout_of, of_group)), tuple(map(verdict_of, of_group))))
    return found


def problem_of(row: Mapping[str, Any], problems: Mapping[str, Problem]) -> Problem:
    """The problem that a row attempts; raises UserError where the problem set no longer has it."""
    if row["problem_id"] not in problems:
        raise UserError(f"experience: problem {row['problem_id']!r} is not in the problem set; was the set changed?")
    return problems[row["problem_id"]]


def rollout_of(row: Mapping[str, Any]) -> Rollout:
    """The rollout that a row holds."""
    segments = tuple(
        Segment(
            ids=tuple(segment["ids"]),
            author=segment["author"],
            learn=segment["learn"],
            log_probs=None if segment["log_probs"] is None else tuple(segment["log_probs"]),
        )
        for segment in row["segments"]
    )
    return Rollout(
        prompt=Prompt(row["problem_id"], row["prompt"], row["mode"]),
        prompt_ids=tuple(row["prompt_ids"]),
        segments=segments,
        text=row["text"],
        program=row["program"],
        stop=StopReason(row["stop"]),
        temperature=row["temperature"],
        policy_version=row["policy_version"],
        seed=row["seed"],
    )


def verdict_of(row: Mapping[str, Any]) -> Verdict | None:
    """The verdict that a row holds, without times and memory; None where nobody ran the program."""
    if row["outcome"] is None:
        return None
    return Verdict(
        outcome=Outcome(row["outcome"]),
        n_passed=row["n_passed"],
        n_tests=row["n_tests"],
        outcomes=tuple(None if outcome is None else Outcome(outcome) for outcome in row["outcomes"]),
        error_type=row["error_type"],
        error_line=row["error_line"],
        integrity=Integrity(row["integrity"]),
        level=row["level"],
        reason=row["reason"],
    )


def _row(
    phase: str, number: int, group: int, index: int, purpose: str, rollout: Rollout, verdict: Verdict | None
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "phase": phase,
        "round": number,
        "group": group,
        "index": index,
        "purpose": purpose,
        "problem_id": rollout.prompt.problem_id,
        "prompt": rollout.prompt.text,
        "mode": rollout.prompt.mode,
        "prompt_ids": rollout.prompt_ids,
        "segments": [
            {"ids": segment.ids, "author": segment.author, "learn": segment.learn, "log_probs": segment.log_probs}
            for segment in rollout.segments
        ],
        "text": _storable(rollout.text),
        "program": _storable(rollout.program),
        "stop": str(rollout.stop),
        "temperature": rollout.temperature,
        "policy_version": rollout.policy_version,
        "seed": rollout.seed,
    }
    if verdict is not None:
        row |= {
            "outcome": str(verdict.outcome),
            "n_passed": verdict.n_passed,
            "n_tests": verdict.n_tests,
            "outcomes": [None if outcome is None else str(outcome) for outcome in verdict.outcomes],
            "error_type": verdict.error_type,
            "error_line": verdict.error_line,
            "integrity": str(verdict.integrity),
            "level": verdict.level,
            "reason": verdict.reason,
        }
    return row


def _storable(text: str) -> str:
    """Text that UTF-8 can hold: a lone surrogate, which no tokenizer decodes to, becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _line(commit: Commit) -> str:
    facts = {"phase": commit.phase, "round": commit.round, "ranks": commit.ranks, "purpose": commit.purpose}
    return json.dumps(facts)
