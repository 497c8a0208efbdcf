"""collect: problems, write, grade -> a stream of Groups; training, evaluation and critics all use it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from envs.grading import GradeRequest
from envs.problem import Problem
from envs.rollout import Group, Rollout
from envs.verdict import Outcome, Verdict
from rl.engine import gather, share, together
from rl.write import Write

Grade = Callable[[GradeRequest], Future[Verdict]]
"""Submit one program; the verdict comes when it has run."""
Draw = Callable[[int], Sequence[Problem]]
"""Number of a draw -> the problems of all ranks."""
Gather = Callable[[int], Callable[[], list[Group]]]
"""Number of a round -> a function that waits for this rank's Groups; their programs are being graded meanwhile."""


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A problem whose rollouts are being graded."""

    problem: Problem
    rollouts: tuple[Rollout, ...]
    verdicts: tuple[Future[Verdict] | None, ...]

    def done(self) -> bool:
        return all(verdict is None or verdict.done() for verdict in self.verdicts)

    def group(self) -> Group:
        verdicts = tuple(None if verdict is None else verdict.result() for verdict in self.verdicts)
        return Group(self.problem, self.rollouts, verdicts)


def collect(problems: Sequence[Problem], write: Write, grade: Grade | None, round_number: int = 0) -> Iterator[Group]:
    """Write programs, grade each as soon as it is written, and yield the Groups in order.

    With `grade=None` nothing is run and the verdicts are None: for texts that are imitated as they are.
    """
    waiting: deque[_Submitted] = deque()
    for submitted in _submit(problems, write, grade, round_number):
        waiting.append(submitted)
        while waiting and waiting[0].done():
            yield waiting.popleft().group()
    while waiting:
        yield waiting.popleft().group()


def rounds(draw: Draw, write: Write, grade: Grade | None) -> Gather:
    """One draw per round: writes this rank's share at once, and hands back a function that waits for the verdicts."""

    def begin(number: int) -> Callable[[], list[Group]]:
        submitted = together(lambda: list(_submit(share(draw(number)), write, grade, number)))
        return lambda: together(lambda: [item.group() for item in submitted])

    return begin


def rounds_with_signal(draw: Draw, write: Write, grade: Grade, wanted: int, max_draws: int) -> Gather:
    """Dynamic sampling (DAPO, arXiv 2503.14476): draw again until `wanted` groups of all ranks carry signal.

    Gives the groups with signal of at most `max_draws` draws; where that is none at all, those of the last draw.
    """

    def begin(number: int) -> Callable[[], list[Group]]:
        kept: list[Group] = []
        groups: list[Group] = []
        for extra in range(max_draws):
            groups = rounds(draw, write, grade)(number * max_draws + extra)()
            kept += [group for group in groups if has_signal(group)]
            if sum(gather([len(kept)])) >= wanted:
                break
        some = sum(gather([len(kept)])) > 0
        return lambda: kept if some else groups

    return begin


def has_signal(group: Group) -> bool:
    """Whether raw outcomes differ: some programs passed and some did not. Sandbox errors say nothing."""
    known = {v.passed for v in group.verdicts if v is not None and v.outcome is not Outcome.SANDBOX_ERROR}
    return len(known) == 2


def _submit(problems: Sequence[Problem], write: Write, grade: Grade | None, number: int) -> Iterator[_Submitted]:
    for problem, rollouts in write(problems, number):
        verdicts = tuple(
            None if grade is None else grade(GradeRequest(problem, rollout.program, problem.hidden_tests))
            for rollout in rollouts
        )
        yield _Submitted(problem, rollouts, verdicts)
