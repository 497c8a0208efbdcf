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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from envs.cheats import cheats
from envs.grading import GradeRequest
from envs.overlap import near_duplicates, overlaps, program_key
from envs.problem import ExampleTests, Interface, Limits, Problem
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
    references, entries, limits = _audit_references(problems, grade, repeats, max_references, margin, probe_cpu_s)
    n_cheats, cheat_entries = _audit_cheats(problems, grade)
    entries += cheat_entries + _audit_wrong_programs(problems, grade)
    entries += _find_duplicates(problems) + _find_overlaps(problems, evaluation_sets)
    order = {problem.id: position for position, problem in enumerate(problems)}
    return Ledger(
        name=problems.name,
        split=problems.split,
        content_hash=problems.content_hash,
        n_problems=len(problems),
        n_dropped_rows=len(problems.dropped),
        max_references=max_references,
        n_references=len(references),
        n_references_passed=sum(references.values()),
        n_cheats=n_cheats,
        entries=tuple(sorted(entries, key=lambda entry: order[entry.problem_id])),
        cpu_limits=limits,
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


def _audit_references(
    problems: ProblemSet, grade: Grade, repeats: int, max_references: int, margin: float, probe_cpu_s: float
) -> tuple[dict[tuple[str, int], bool], list[Entry], dict[str, float]]:
    """Grade references; returns (problem id, index) -> passed every time, the findings, and the calibrated limits."""
    jobs = [
        (problem, index, code) for problem in problems for index, code in enumerate(problem.solutions[:max_references])
    ]
    probes = {problem.id: replace(problem, limits=_probe_limits(problem, probe_cpu_s)) for problem in problems}
    requests = [GradeRequest(probes[problem.id], code, problem.hidden_tests) for problem, _, code in jobs]
    rounds = [
        grade([replace(request, program=_run(request.program, i)) for request in requests]) for i in range(repeats)
    ]
    entries = [
        Entry(problem.id, Finding.NO_REFERENCE, "there is no reference solution")
        for problem in problems
        if not problem.solutions
    ]
    passed: dict[tuple[str, int], bool] = {}
    cpu: dict[str, float] = {}
    for (problem, index, _), verdicts in zip(jobs, zip(*rounds, strict=True), strict=True):
        told = [verdict for verdict in verdicts if verdict.outcome is not Outcome.SANDBOX_ERROR]
        passed[problem.id, index] = len(told) == repeats and all(verdict.passed for verdict in told)
        if len(told) < repeats:
            entries.append(Entry(problem.id, Finding.UNSURE, f"reference {index}: the sandbox could not tell", index))
        if len({verdict.outcome for verdict in told}) > 1:
            outcomes = ", ".join(verdict.outcome for verdict in told)
            entries.append(Entry(problem.id, Finding.FLAKY, f"reference {index}: {outcomes}", index))
        elif told and not told[0].passed:
            entries.append(
                Entry(problem.id, Finding.REFERENCE_FAILS, f"reference {index}: {_describe(told[0])}", index)
            )
        elif told:
            slowest = max(verdict.cpu_s for verdict in told)
            cpu[problem.id] = max(cpu.get(problem.id, 0.0), slowest)
            if slowest > problem.limits.cpu_s:
                detail = f"reference {index}: {slowest:.2f} s of CPU, limit {problem.limits.cpu_s:g} s"
                entries.append(Entry(problem.id, Finding.SLOW_REFERENCE, detail, index))
    for problem in problems:
        mine = [passed[problem.id, i] for i in range(len(problem.solutions[:max_references]))]
        if mine and not any(mine):
            entries.append(Entry(problem.id, Finding.UNSOLVED, f"none of {len(mine)} references passes"))
    limits = {problem_id: max(1.0, math.ceil(10 * margin * seconds) / 10) for problem_id, seconds in cpu.items()}
    right = [(problem, code) for problem, index, code in jobs if passed[problem.id, index]]
    return passed, entries + _audit_examples(right, probes, grade), limits


def _audit_examples(right: Iterable[tuple[Problem, str]], probes: Mapping[str, Problem], grade: Grade) -> list[Entry]:
    """Grade the first right reference of each problem on each example test by itself."""
    first: dict[str, tuple[Problem, str]] = {}
    for problem, code in right:
        first.setdefault(problem.id, (problem, code))
    jobs = [
        (problem, index, GradeRequest(probes[problem.id], code, ExampleTests((case,))))
        for problem, code in first.values()
        for index, case in enumerate(problem.example_tests)
    ]
    verdicts = grade([request for _, _, request in jobs])
    return [
        Entry(problem.id, Finding.EXAMPLE_CONTRADICTS, f"example {index}: {_describe(verdict)}", index)
        for (problem, index, _), verdict in zip(jobs, verdicts, strict=True)
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


def _probe_limits(problem: Problem, cpu_s: float) -> Limits:
    return replace(problem.limits, cpu_s=max(cpu_s, problem.limits.cpu_s))


def _run(program: str | bytes, index: int) -> str:
    """The program with a comment that tells its runs apart, so that no cache of verdicts answers for a run."""
    return f"{program!s}\n# run {index}\n" if index else str(program)


def _describe(verdict: Verdict) -> str:
    error = f" ({verdict.error_type})" if verdict.error_type else ""
    return f"{verdict.outcome}{error}, {verdict.n_passed} of {verdict.n_tests} tests passed"


def _limit_summary(limits: Mapping[str, float]) -> str:
    if not limits:
        return "none could be calibrated"
    values = sorted(limits.values())
    return f"{values[0]:g} s to {values[-1]:g} s, {sum(value > 1.0 for value in values)} of {len(values)} above 1 s"
