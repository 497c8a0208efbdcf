"""Rewards of verdicts."""

import pytest

from envs.rewards import REWARDS, binary, four_level, fraction_passed
from envs.verdict import Outcome, Verdict


def verdict(outcome: Outcome, n_passed: int = 1, n_tests: int = 4) -> Verdict:
    return Verdict(outcome, n_passed, n_tests)


def test_each_outcome_has_the_return_of_coderl() -> None:
    returns = {outcome: four_level(verdict(outcome)) for outcome in Outcome if outcome is not Outcome.SANDBOX_ERROR}
    assert returns == {
        "passed": 1.0,
        "wrong_answer": -0.3,
        "compile_error": -1.0,
        "runtime_error": -0.6,
        "timeout": -0.6,
        "memory_limit": -0.6,
        "output_limit": -0.6,
    }


def test_binary_and_fraction() -> None:
    assert binary(verdict(Outcome.PASSED, 4)) == 1.0
    assert binary(verdict(Outcome.WRONG_ANSWER, 3)) == 0.0
    assert fraction_passed(verdict(Outcome.WRONG_ANSWER, 3)) == 0.75


@pytest.mark.parametrize("name", sorted(REWARDS))
def test_a_sandbox_error_is_never_a_reward(name: str) -> None:
    with pytest.raises(ValueError, match="no reward"):
        REWARDS[name](verdict(Outcome.SANDBOX_ERROR))
