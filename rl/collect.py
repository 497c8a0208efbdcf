"""collect: problems, write, grade -> a stream of Groups; training, evaluation and critics all use it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

from envs.grading import GradeRequest
from envs.problem import Problem
from envs.rollout import Group, Rollout
from envs.verdict import Verdict
from rl.write import Write

Grade = Callable[[GradeRequest], Future[Verdict]]
"""Submit one program; the verdict comes when it has run."""


def collect(problems: Sequence[Problem], write: Write, grade: Grade | None, round_number: int = 0) -> Iterator[Group]:
    """Write programs, grade each as soon as it is written, and yield the Groups in order.

    With `grade=None` nothing is run and the verdicts are None: for texts that are imitated as they are.
    """
    waiting: deque[tuple[Problem, tuple[Rollout, ...], list[Future[Verdict]]]] = deque()
    for problem, rollouts in write(problems, round_number):
        if grade is None:
            yield Group(problem, rollouts, (None,) * len(rollouts))
            continue
        requests = [GradeRequest(problem, rollout.program, problem.hidden_tests) for rollout in rollouts]
        waiting.append((problem, rollouts, [grade(request) for request in requests]))
        while waiting and all(verdict.done() for verdict in waiting[0][2]):
            yield _group(*waiting.popleft())
    while waiting:
        yield _group(*waiting.popleft())


def _group(problem: Problem, rollouts: tuple[Rollout, ...], verdicts: list[Future[Verdict]]) -> Group:
    return Group(problem, rollouts, tuple(verdict.result() for verdict in verdicts))
