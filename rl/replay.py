"""replay: grade stored rollouts again, by the run's own problem set, and compare the verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from envs.errors import UserError
from envs.grading import Grader, GradeRequest
from envs.problem import Problem
from envs.problem_sets import load_problems
from envs.verdict import Outcome, Verdict
from rl.config import load_config
from rl.experience import commits, problem_of, read_rows, verdict_of
from rl.run import CONFIG, holds_a_run


@dataclass(frozen=True, slots=True)
class Replayed:
    """One stored rollout with the verdict it had and the one it gets now."""

    rollout: str
    """phase/round/group/index."""
    problem_id: str
    """What it attempts."""
    program: str
    """What was run."""
    stored: Outcome
    """How it ended then."""
    stored_passed: int
    """Tests that passed then."""
    now: Outcome
    """How it ends now."""
    now_passed: int
    """Tests that pass now."""
    n_tests: int
    """Hidden tests of the problem."""
    agrees: bool
    """Whether outcome, tests passed and error are the same."""


def replay(run: Path, rollout: str, *, isolation: str | None, workers: int | None) -> list[Replayed]:
    """Grade the rollouts that `phase/round[/group[/index]]` names once more; raises UserError where there are none."""
    if not holds_a_run(run):
        raise UserError(f"{run}: this folder holds no run; expected a run folder")
    phase, number, *places = _parse(rollout)
    store = run / "experience"
    rows = [
        row
        for row in read_rows(store, phases=(str(phase),), purpose=None, rounds=range(int(number), int(number) + 1))
        if [row["group"], row["index"]][: len(places)] == places and row["outcome"] is not None
    ]
    if not rows:
        phases: dict[str, list[int]] = {}
        for commit in commits(store):
            phases.setdefault(commit.phase, []).append(commit.round)
        known = ", ".join(f"{name} rounds {min(rounds)} to {max(rounds)}" for name, rounds in phases.items())
        raise UserError(f"{rollout}: no such graded rollout in {store}; it holds {known or 'nothing yet'}")
    problems = _problems_of(run)
    attempted = [problem_of(row, problems) for row in rows]
    requests = [
        GradeRequest(problem, row["program"], problem.hidden_tests)
        for problem, row in zip(attempted, rows, strict=True)
    ]
    with Grader(workers, isolation=isolation) as grader:
        verdicts = grader.grade(requests)
    found = []
    for row, now in zip(rows, verdicts, strict=True):
        stored = verdict_of(row)
        assert stored is not None
        found.append(
            Replayed(
                rollout="/".join(str(row[key]) for key in ("phase", "round", "group", "index")),
                problem_id=row["problem_id"],
                program=row["program"],
                stored=stored.outcome,
                stored_passed=stored.n_passed,
                now=now.outcome,
                now_passed=now.n_passed,
                n_tests=now.n_tests,
                agrees=_essence(stored) == _essence(now),
            )
        )
    return found


def render(replayed: list[Replayed]) -> str:
    """One line per rollout; with a single one, its program too."""
    lines = [
        f"{one.rollout}  {one.problem_id}  stored: {one.stored} {one.stored_passed}/{one.n_tests}  "
        f"now: {one.now} {one.now_passed}/{one.n_tests}  {'same' if one.agrees else 'DIFFERENT'}"
        for one in replayed
    ]
    if len(replayed) == 1:
        lines += ["", replayed[0].program.rstrip("\n")]
    else:
        lines.append(f"{sum(one.agrees for one in replayed)} of {len(replayed)} verdicts are the same")
    return "\n".join(lines)


def _parse(rollout: str) -> list[str | int]:
    phase, *numbers = rollout.split("/")
    if not phase or not 1 <= len(numbers) <= 3 or not all(number.isdecimal() for number in numbers):
        raise UserError(f"{rollout}: expected PHASE/ROUND, PHASE/ROUND/GROUP or PHASE/ROUND/GROUP/INDEX")
    return [phase, *map(int, numbers)]


def _problems_of(run: Path) -> dict[str, Problem]:
    data = load_config(run / CONFIG).data
    splits = {data.labelled, data.train, data.dev, data.test}
    return {problem.id: problem for split in splits for problem in load_problems(data.name, split, data.path).problems}


def _essence(verdict: Verdict) -> tuple[object, ...]:
    """What makes two verdicts the same: everything but seconds, memory and the jail."""
    return verdict.outcome, verdict.n_passed, verdict.outcomes, verdict.error_type, verdict.error_line
