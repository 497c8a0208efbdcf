"""Outcome classes, labels, and how much each program counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from critics.outcomes import OutcomeClasses, labels_of, weigh
from envs.rewards import CODERL_RETURNS
from envs.rollout import Group, Rollout
from envs.verdict import Outcome
from tests.builders import a_group, a_rollout

P, W, S = Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.SANDBOX_ERROR
FOUR, BINARY = OutcomeClasses.FOUR, OutcomeClasses.BINARY


def by_reference() -> Rollout:
    rollout = a_rollout()
    return replace(rollout, segments=(replace(rollout.segments[0], author="reference"),))


def test_outcomes_of_one_return_are_one_class() -> None:
    for classes, n_returns in ((FOUR, 4), (BINARY, 2)):
        assert {classes.class_of(outcome) for outcome in CODERL_RETURNS} == set(range(n_returns))
        assert classes.class_of(P) == len(classes.names) - 1 == n_returns - 1
        assert classes.class_of(S) is None
    for a, return_a in CODERL_RETURNS.items():
        for b, return_b in CODERL_RETURNS.items():
            assert (FOUR.class_of(a) == FOUR.class_of(b)) == (return_a == return_b)
    assert FOUR.names[FOUR.class_of(Outcome.TIMEOUT) or 0] == "runtime_error"


def test_labels_follow_the_rollouts() -> None:
    unrun = Group(a_group([a_rollout()], [P]).problem, (a_rollout(),), (None,))
    groups = [a_group([a_rollout()] * 3, [W, S, P]), unrun]
    assert labels_of(groups, FOUR).tolist() == [2, -1, 3, -1]


@pytest.mark.parametrize(("balance", "expected"), [(0.0, [1, 1, 1, 1, 0]), (1.0, [2 / 3, 2 / 3, 2 / 3, 2, 0])])
def test_balance_makes_classes_count_the_same(balance: float, expected: list[float]) -> None:
    groups = [a_group([a_rollout()] * 5, [W, W, W, P, S])]
    assert weigh(groups, FOUR, balance=balance).rows(groups).tolist() == pytest.approx(expected)


def test_references_are_weighted_down() -> None:
    groups = [a_group([a_rollout(), a_rollout(), by_reference()], [W, P, P])]
    weights_B = weigh(groups, BINARY, balance=0.0, reference=0.25).rows(groups)
    assert weights_B.tolist() == pytest.approx([1, 1, 0.25])
    balanced_B = weigh(groups, BINARY, balance=1.0, reference=0.25).rows(groups)
    assert float(balanced_B[0]) == pytest.approx(float(balanced_B[1:].sum()))
    assert float(balanced_B[1] / balanced_B[2]) == pytest.approx(4)
    assert float(balanced_B.sum()) == pytest.approx(2.25)


def test_nothing_to_weigh_is_no_error() -> None:
    groups = [a_group([a_rollout()], [S])]
    assert weigh(groups, FOUR).rows(groups).tolist() == [0.0]
