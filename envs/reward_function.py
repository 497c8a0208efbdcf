"""Our grader as the reward function of other trainers: TRL's signature, sync and async, and verl's `compute_score`.

A program whose verdict nobody knows (sandbox_error) has the reward None for TRL, which keeps it out of every mean.
"""

from __future__ import annotations

import asyncio
import atexit
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, TypeAlias

from envs.errors import UserError
from envs.extract import extract_program
from envs.grading import Grader, GradeRequest
from envs.problem import HiddenTests, Interface, Problem, TestCase, problem_from_row
from envs.problem_sets.apps import read_cases
from envs.rewards import REWARDS
from envs.verdict import Outcome, Verdict

Completion: TypeAlias = str | Sequence[Mapping[str, Any]]
"""Text, or the messages of a chat, whose last is the answer."""


class UnitTestReward:
    """A reward function for TRL's GRPO and RLOO trainers; the data set needs the column `problem`, our row as JSON.

    Use it as a context manager, or call `close`: it holds the processes that run programs.
    """

    __name__ = "unit_test_reward"  # what TRL calls it in its logs

    def __init__(self, reward: str = "binary", *, grader: Grader | None = None) -> None:
        """`reward` is one of `envs.rewards.REWARDS`; without `grader` one is started, which takes every core.

        Raises UserError for another reward, and where this machine cannot isolate programs.
        """
        if reward not in REWARDS:
            raise UserError(f"reward: expected one of {', '.join(REWARDS)}; got {reward!r}")
        self.reward = REWARDS[reward]
        self.grader = grader or Grader()
        self._owns_grader = grader is None
        self.verdicts: tuple[Verdict, ...] = ()
        """Of the last call, one per completion."""

    def __enter__(self) -> UnitTestReward:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(
        self,
        completions: Sequence[Completion],
        problem: Sequence[str],
        log_extra: Callable[[str, list[str]], None] | None = None,
        **columns: object,
    ) -> Any:
        """One reward per completion; None where the sandbox could not tell. TRL logs the outcomes beside them."""
        self.verdicts = tuple(self.grader.grade(map(_request, completions, problem)))
        if log_extra is not None:
            log_extra("outcome", [str(verdict.outcome) for verdict in self.verdicts])
        return [None if verdict.outcome is Outcome.SANDBOX_ERROR else self.reward(verdict) for verdict in self.verdicts]

    def close(self) -> None:
        """Stop the processes, if they are its own."""
        if self._owns_grader:
            self.grader.close()


class AsyncUnitTestReward(UnitTestReward):
    """The same for TRL's event loop: other asynchronous rewards go on while programs run."""

    async def __call__(
        self,
        completions: Sequence[Completion],
        problem: Sequence[str],
        log_extra: Callable[[str, list[str]], None] | None = None,
        **columns: object,
    ) -> Any:
        """As `UnitTestReward`."""
        return await asyncio.to_thread(super().__call__, completions, problem, log_extra, **columns)


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: Mapping[str, Any] | None = None
) -> float:
    """verl's signature (`custom_reward_function.path` and `.name`): 1.0 where every hidden test passed, otherwise 0.0.

    `ground_truth` is our row as JSON, or tests in the form of APPS: inputs, outputs, fn_name, assert_case. Raises
    RuntimeError where the sandbox could not tell: verl has no word for it, and a zero would teach something false.
    """
    request = _request(solution_str, ground_truth)
    (verdict,) = _shared_grader().grade([request])
    if verdict.outcome is Outcome.SANDBOX_ERROR:
        raise RuntimeError(f"problem {request.problem.id}: the sandbox could not tell ({verdict.reason})")
    return float(verdict.passed)


def text_of(completion: Completion) -> str:
    """The text of a completion, or of the last message of a chat."""
    return completion if isinstance(completion, str) else str(completion[-1]["content"])


@lru_cache(maxsize=65536)
def problem_of(text: str) -> Problem:
    """The problem in a JSON text: one of our rows, or tests in the form of APPS; raises ValueError where it is neither.

    The same text is the same object, whose tests the grader prepares once.
    """
    row = json.loads(text)
    if not isinstance(row, Mapping) or not {"interface", "inputs"} & row.keys():
        raise ValueError(f"expected a problem row, or inputs and outputs, as JSON; got {text:.100}")
    if "interface" in row:
        return problem_from_row(row)
    entry_point, scripts = row.get("fn_name"), row.get("assert_case")
    if scripts is not None:
        interface, cases = Interface.ASSERT, tuple(TestCase(script=script) for script in scripts)
    else:
        interface, cases = Interface.FUNCTION if entry_point else Interface.STDIO, read_cases(row, "ground_truth")
    return Problem("ground_truth", "", interface, HiddenTests(cases), entry_point=entry_point)


def _request(completion: Completion, problem_text: str) -> GradeRequest:
    problem = problem_of(problem_text)
    return GradeRequest(problem, extract_program(text_of(completion), problem), problem.hidden_tests)


@lru_cache(maxsize=1)
def _shared_grader() -> Grader:
    """One grader for all calls of this process, until it ends."""
    grader = Grader()
    atexit.register(grader.close)
    return grader
