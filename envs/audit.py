"""Preflight of a problem set: do references pass, do cheats fail, what is flaky, doubled, or seen in evaluation?

Everything is decided by grading real programs with the grader that training uses. The result is a Ledger; `cleaned`
turns a set and its ledger into the set that may be trusted.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from envs.cheats import cheats
from envs.grading import GradeRequest
from envs.overlap import near_duplicates, overlaps, program_key
from envs.problem import ExampleTests, Interface, Problem
from envs.problem_sets.problem_set import ProblemSet, problem_set
from envs.verdict import Outcome, Verdict

Grade = Callable[[Sequence[GradeRequest]], Sequence[Verdict]]
"""Grades many requests, verdicts in order: `Grader.grade`."""


class Finding(StrEnum):
    """What can be wrong with a problem."""

    NO_REFERENCE = "no_reference"
    """There is no reference solution: nothing shows that the problem can be solved."""
    REFERENCE_FAILS = "reference_fails"
    """A reference solution does not pass the hidden tests."""
    UNSOLVED = "unsolved"
    """No reference solution passes the hidden tests."""
    FLAKY = "flaky"
    """The same program was judged differently when run again."""
    EXAMPLE_CONTRADICTS = "example_contradicts"
    """A reference passes the hidden tests and fails an example test."""
    CHEAT_PASSES = "cheat_passes"
    """A program that solves nothing passes the hidden tests."""
    GUESSABLE = "guessable"
    """A constant answers a question or puzzle: legitimate, but worth little."""
    WRONG_PROGRAM_PASSES = "wrong_program_passes"
    """A program labelled wrong passes: the tests are weak, or the label is."""
    SLOW_REFERENCE = "slow_reference"
    """A right reference needs more CPU time than the limit allows."""
    UNSURE = "unsure"
    """The sandbox could not tell."""
    DUPLICATE = "duplicate"
    """Same statement and tests as an earlier problem."""
    NEAR_DUPLICATE = "near_duplicate"
    """Nearly the statement of an earlier problem."""
    OVERLAP = "overlap"
    """Nearly the statement, or the same program, as a problem of an evaluation set."""


DROPPED = (Finding.UNSOLVED, Finding.FLAKY, Finding.CHEAT_PASSES, Finding.DUPLICATE, Finding.OVERLAP)
"""Findings for which `cleaned` removes the problem."""
REMARKS = (Finding.NO_REFERENCE, Finding.GUESSABLE, Finding.NEAR_DUPLICATE, Finding.WRONG_PROGRAM_PASSES)
"""Findings that do not make a set unfit by themselves."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One finding on one problem."""

    problem_id: str
    """Which problem."""
    finding: Finding
    """What was found."""
    detail: str = ""
    """Which program, example or other problem, and how it showed."""
    index: int | None = None
    """Position of the reference or example test that it concerns."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The result of an audit."""

    name: str
    """Name of the set."""
    split: str
    """Which part."""
    content_hash: str
    """Hash of the set as it was audited."""
    n_problems: int
    """Problems audited."""
    n_dropped_rows: int
    """Rows that the loader could not read."""
    max_references: int
    """References graded of a problem at most; others are unproven."""
    n_references: int
    """Reference solutions graded."""
    n_references_passed: int
    """References that passed every time."""
    n_cheats: int
    """Cheating programs graded."""
    entries: tuple[Entry, ...]
    """All findings, by problem in the order of the set."""
    cpu_limits: Mapping[str, float]
    """Calibrated CPU seconds by problem id, where a reference passed."""
    machine: str
    """Where the CPU times were measured."""

    def counts(self) -> dict[str, int]:
        """Problems per finding."""
        pairs = {(entry.problem_id, entry.finding) for entry in self.entries}
        return dict(sorted(Counter(str(finding) for _, finding in pairs).items()))

    @property
    def clean(self) -> bool:
        """Whether nothing was found that makes a problem unfit."""
        return all(entry.finding in REMARKS for entry in self.entries)


def audit_problems(
    problems: ProblemSet,
    grade: Grade,
    evaluation_sets: Sequence[ProblemSet] = (),
    repeats: int = 3,
    max_references: int = 3,
    margin: float = 5.0,
    probe_cpu_s: float = 30.0,
) -> Ledger:
    """Audit a set with `grade`.

    Up to `max_references` references of a problem are run `repeats` times under a limit of `probe_cpu_s`; the
    calibrated limit is `margin` times the slowest passing run, at least 1 s. Evaluation sets are compared by statement
    and by program.
    """
    references = _grade_references(problems, grade, repeats, max_references, probe_cpu_s)
    n_cheats, cheat_entries = _audit_cheats(problems, grade)
    entries = [
        *_reference_entries(problems, references),
        *_audit_examples(references, grade, probe_cpu_s),
        *cheat_entries,
        *_audit_wrong_programs(problems, grade),
        *_find_duplicates(problems),
        *_find_overlaps(problems, evaluation_sets),
    ]
    order = {problem.id: position for position, problem in enumerate(problems)}
    return Ledger(
        name=problems.name,
        split=problems.split,
        content_hash=problems.content_hash,
        n_problems=len(problems),
        n_dropped_rows=len(problems.dropped),
        max_references=max_references,
        n_references=len(references),
        n_references_passed=sum(reference.passed for reference in references),
        n_cheats=n_cheats,
        entries=tuple(sorted(entries, key=lambda entry: order[entry.problem_id])),
        cpu_limits=_calibrated_limits(references, margin),
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    )


def cleaned(problems: ProblemSet, ledger: Ledger) -> ProblemSet:
    """The set without unfit problems, failing references and contradicting examples, under the calibrated limits."""
    by_problem: dict[str, list[Entry]] = {}
    for entry in ledger.entries:
        by_problem.setdefault(entry.problem_id, []).append(entry)
    kept = []
    for problem in problems:
        entries = by_problem.get(problem.id, [])
        if any(entry.finding in DROPPED for entry in entries):
            continue
        failing = {entry.index for entry in entries if entry.finding is Finding.REFERENCE_FAILS}
        contradicting = {entry.index for entry in entries if entry.finding is Finding.EXAMPLE_CONTRADICTS}
        proven = problem.solutions[: ledger.max_references]
        cpu_s = ledger.cpu_limits.get(problem.id, problem.limits.cpu_s)
        kept.append(
            replace(
                problem,
                solutions=tuple(code for i, code in enumerate(proven) if i not in failing),
                example_tests=ExampleTests(
                    tuple(case for i, case in enumerate(problem.example_tests) if i not in contradicting)
                ),
                limits=replace(problem.limits, cpu_s=cpu_s),
            )
        )
    return problem_set(problems.name, problems.split, kept, dropped=problems.dropped, licence=problems.licence)


def render(ledger: Ledger, max_per_finding: int = 10) -> str:
    """The ledger for a person: the counts, then the first entries of each finding."""
    lines = [
        f"{ledger.name}/{ledger.split}: {ledger.n_problems} problems, {ledger.n_dropped_rows} rows unreadable",
        f"references: {ledger.n_references_passed} of {ledger.n_references} pass every time",
        f"cheats: {ledger.n_cheats} tried",
        f"CPU limits: {_limit_summary(ledger.cpu_limits)} ({ledger.machine})",
    ]
    for finding, count in ledger.counts().items():
        lines.append(f"{finding}: {count} problems")
        found = [entry for entry in ledger.entries if entry.finding == finding]
        lines += [f"  {entry.problem_id}: {entry.detail}" for entry in found[:max_per_finding]]
        if len(found) > max_per_finding:
            lines.append(f"  and {len(found) - max_per_finding} more")
    lines.append("fit for use" if ledger.clean else "not fit as it is: problems above need --fix or a look")
    return "\n".join(lines)


def write_ledger(ledger: Ledger, path: str | Path) -> None:
    """Write the ledger as JSON."""
    content = {**asdict(ledger), "counts": ledger.counts(), "clean": ledger.clean}
    Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Reference:
    """One reference solution with the verdicts of its runs on the hidden tests."""

    problem: Problem
    index: int
    program: str
    verdicts: tuple[Verdict, ...]

    @property
    def told(self) -> list[Verdict]:
        """Verdicts of the runs in which the sandbox could tell."""
        return [verdict for verdict in self.verdicts if verdict.outcome is not Outcome.SANDBOX_ERROR]

    @property
    def passed(self) -> bool:
        """Whether every run passed."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the slowest run."""
        return max(verdict.cpu_s for verdict in self.verdicts)


def _grade_references(
    problems: ProblemSet, grade: Grade, repeats: int, max_references: int, probe_cpu_s: float
) -> list[_Reference]:
    """Grade up to `max_references` references of each problem `repeats` times, under limits of `probe_cpu_s`."""
    jobs = [(problem, index) for problem in problems for index in range(len(problem.solutions[:max_references]))]
    probes = {problem.id: _probe(problem, probe_cpu_s) for problem in problems}
    rounds = []
    for run in range(repeats):
        # a comment tells the runs apart, so that no cache of verdicts answers for one
        mark = f"\n# run {run}\n" if run else ""
        rounds.append(
            grade([GradeRequest(probes[p.id], p.solutions[index] + mark, p.hidden_tests) for p, index in jobs])
        )
    return [
        _Reference(problem, index, problem.solutions[index], verdicts)
        for (problem, index), verdicts in zip(jobs, zip(*rounds, strict=True), strict=True)
    ]


def _reference_entries(problems: ProblemSet, references: Sequence[_Reference]) -> list[Entry]:
    """What the runs of the references say about their problems."""
    entries = [Entry(p.id, Finding.NO_REFERENCE, "there is no reference solution") for p in problems if not p.solutions]
    by_problem: dict[str, list[_Reference]] = {}
    for reference in references:
        by_problem.setdefault(reference.problem.id, []).append(reference)
        entries += _entries_of(reference)
    for problem_id, mine in by_problem.items():
        if not any(reference.passed for reference in mine) and all(reference.told for reference in mine):
            entries.append(Entry(problem_id, Finding.UNSOLVED, f"none of {len(mine)} references passes"))
    return entries


def _entries_of(reference: _Reference) -> list[Entry]:
    """What the runs of one reference say."""
    problem_id, index, told = reference.problem.id, reference.index, reference.told
    entries = []
    if len(told) < len(reference.verdicts):
        entries.append(Entry(problem_id, Finding.UNSURE, f"reference {index}: the sandbox could not tell", index))
    if len({verdict.outcome for verdict in told}) > 1:
        outcomes = ", ".join(verdict.outcome for verdict in told)
        entries.append(Entry(problem_id, Finding.FLAKY, f"reference {index}: {outcomes}", index))
    elif told and not told[0].passed:
        entries.append(Entry(problem_id, Finding.REFERENCE_FAILS, f"reference {index}: {_describe(told[0])}", index))
    elif reference.passed and reference.cpu_s > reference.problem.limits.cpu_s:
        detail = f"reference {index}: {reference.cpu_s:.2f} s of CPU, limit {reference.problem.limits.cpu_s:g} s"
        entries.append(Entry(problem_id, Finding.SLOW_REFERENCE, detail, index))
    return entries


def _calibrated_limits(references: Sequence[_Reference], margin: float) -> dict[str, float]:
    """CPU seconds by problem: `margin` times the slowest passing run, at least 1 s, in tenths."""
    limits: dict[str, float] = {}
    for reference in references:
        if reference.passed:
            seconds = max(1.0, math.ceil(10 * margin * reference.cpu_s) / 10)
            limits[reference.problem.id] = max(seconds, limits.get(reference.problem.id, 0.0))
    return limits


def _audit_examples(references: Sequence[_Reference], grade: Grade, probe_cpu_s: float) -> list[Entry]:
    """Grade the first right reference of each problem on each example test by itself."""
    first: dict[str, _Reference] = {}
    for reference in references:
        if reference.passed:
            first.setdefault(reference.problem.id, reference)
    jobs = [
        (right, index, ExampleTests((case,)))
        for right in first.values()
        for index, case in enumerate(right.problem.example_tests)
    ]
    verdicts = grade([GradeRequest(_probe(r.problem, probe_cpu_s), r.program, tests) for r, _, tests in jobs])
    return [
        Entry(right.problem.id, Finding.EXAMPLE_CONTRADICTS, f"example {index}: {_describe(verdict)}", index)
        for (right, index, _), verdict in zip(jobs, verdicts, strict=True)
        if not verdict.passed and verdict.outcome is not Outcome.SANDBOX_ERROR
    ]


def _audit_cheats(problems: ProblemSet, grade: Grade) -> tuple[int, list[Entry]]:
    """Grade programs that solve nothing; a pass is a hole in the tests."""
    jobs = [(problem, name, code) for problem in problems for name, code in cheats(problem).items()]
    verdicts = grade([GradeRequest(problem, code, problem.hidden_tests) for problem, _, code in jobs])
    entries = []
    for (problem, name, _), verdict in zip(jobs, verdicts, strict=True):
        if verdict.outcome is Outcome.SANDBOX_ERROR:
            entries.append(Entry(problem.id, Finding.UNSURE, f"{name}: the sandbox could not tell"))
        elif verdict.passed:
            is_answer = problem.interface in (Interface.ANSWER, Interface.PUZZLE) and name.startswith("constant")
            finding = Finding.GUESSABLE if is_answer else Finding.CHEAT_PASSES
            entries.append(Entry(problem.id, finding, f"{name} passes {verdict.n_tests} hidden tests"))
    return len(jobs), entries


def _audit_wrong_programs(problems: ProblemSet, grade: Grade) -> list[Entry]:
    jobs = [(problem, index, code) for problem in problems for index, code in enumerate(problem.wrong_programs)]
    verdicts = grade([GradeRequest(problem, code, problem.hidden_tests) for problem, _, code in jobs])
    return [
        Entry(problem.id, Finding.WRONG_PROGRAM_PASSES, f"wrong program {index} passes", index)
        for (problem, index, _), verdict in zip(jobs, verdicts, strict=True)
        if verdict.passed
    ]


def _find_duplicates(problems: ProblemSet) -> list[Entry]:
    entries: list[Entry] = []
    seen: dict[tuple[str, str], str] = {}
    exact: set[str] = set()
    for problem in problems:
        key = (" ".join(problem.statement.split()), repr(problem.hidden_tests))
        if key in seen:
            exact.add(problem.id)
            entries.append(Entry(problem.id, Finding.DUPLICATE, f"same as {seen[key]}"))
        else:
            seen[key] = problem.id
    ids = [problem.id for problem in problems]
    for match in near_duplicates([problem.statement for problem in problems]):
        if ids[match.index] not in exact:
            detail = f"like {ids[match.other]}, similarity {match.similarity:.2f}"
            entries.append(Entry(ids[match.index], Finding.NEAR_DUPLICATE, detail))
    return entries


def _find_overlaps(problems: ProblemSet, evaluation_sets: Sequence[ProblemSet]) -> list[Entry]:
    entries = []
    ids = [problem.id for problem in problems]
    for other in evaluation_sets:
        statements = [problem.statement for problem in other]
        for match in overlaps([problem.statement for problem in problems], statements):
            detail = f"{other.name}/{other.split} {other.problems[match.other].id}, similarity {match.similarity:.2f}"
            entries.append(Entry(ids[match.index], Finding.OVERLAP, detail))
        programs = {program_key(code): problem.id for problem in other for code in problem.solutions}
        programs.pop(None, None)
        for problem in problems:
            same = {programs[key] for code in problem.solutions if (key := program_key(code)) in programs}
            if same:
                detail = f"{other.name}/{other.split} {min(same)}, same program"
                entries.append(Entry(problem.id, Finding.OVERLAP, detail))
    return entries


def _probe(problem: Problem, cpu_s: float) -> Problem:
    """The problem under a CPU limit of at least `cpu_s`, so that a slow reference shows as slow and not as wrong."""
    return replace(problem, limits=replace(problem.limits, cpu_s=max(cpu_s, problem.limits.cpu_s)))


def _describe(verdict: Verdict) -> str:
    error = f" ({verdict.error_type})" if verdict.error_type else ""
    return f"{verdict.outcome}{error}, {verdict.n_passed} of {verdict.n_tests} tests passed"


def _limit_summary(limits: Mapping[str, float]) -> str:
    if not limits:
        return "none could be calibrated"
    values = sorted(limits.values())
    return f"{values[0]:g} s to {values[-1]:g} s, {sum(value > 1.0 for value in values)} of {len(values)} above 1 s"
