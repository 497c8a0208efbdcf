"""Makers of small records that many tests need."""

from __future__ import annotations

from collections.abc import Sequence

from envs.problem import ExampleTests, HiddenTests, Interface, Problem, TestCase
from envs.rollout import Group, Prompt, Rollout, Segment, StopReason
from envs.verdict import Outcome, Verdict


def a_problem(problem_id: str = "add") -> Problem:
    """A problem whose right program adds its two arguments."""
    return Problem(
        id=problem_id,
        statement="Add two numbers.",
        interface=Interface.FUNCTION,
        entry_point="add",
        starter_code="def add(a, b):\n",
        example_tests=ExampleTests((TestCase(input=[1, 2], output=3),)),
        hidden_tests=HiddenTests((TestCase(input=[0, 0], output=0), TestCase(input=[-1, 5], output=4))),
        solutions=("def add(a, b):\n    return a + b\n",),
    )


def a_rollout(
    prompt_ids: Sequence[int] = (5,), ids: Sequence[int] = (6, 7), log_probs: Sequence[float] | None = None
) -> Rollout:
    """A rollout of given ids."""
    segment = Segment(tuple(ids), "policy", log_probs=None if log_probs is None else tuple(log_probs))
    return Rollout(Prompt("add", ""), tuple(prompt_ids), (segment,), "", "", StopReason.END_OF_TEXT)


def a_group(rollouts: Sequence[Rollout], outcomes: Sequence[Outcome]) -> Group:
    """A group of rollouts that ended as given."""
    verdicts = tuple(Verdict(outcome, int(outcome is Outcome.PASSED), 1) for outcome in outcomes)
    return Group(a_problem(), tuple(rollouts), verdicts)
