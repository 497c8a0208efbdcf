"""Hints tell a teacher what comes out, and leave hidden tests that nobody was shown."""

from __future__ import annotations

import pytest

from envs.errors import UserError
from envs.hints import hint, told_tests, with_hint
from envs.problem import Interface
from envs.problem_sets import load_problems
from tests.builders import a_problem
from tests.envs.test_forms import APPLES
from tests.envs.test_prompts import with_canaries


def test_the_answer_stands_after_the_question() -> None:
    assert with_hint(APPLES).statement == f"{APPLES.statement}\nHint: it comes to 12."
    assert with_hint(APPLES).hidden_tests == APPLES.hidden_tests


def test_of_hidden_tests_at_most_half_are_told() -> None:
    assert hint(a_problem()) == "Hint:\nadd(0, 0) == 0"
    for problem in load_problems("basics", "train").problems[:20]:
        told = told_tests(problem)
        assert 0 < len(told) <= min(3, len(problem.hidden_tests) / 2)
        assert hint(problem).count("\n") == len(told)


@pytest.mark.parametrize("interface", [Interface.ASSERT, Interface.PUZZLE])
def test_tests_that_are_scripts_are_never_told(interface: Interface) -> None:
    with pytest.raises(UserError, match="choose finetune_cot"):
        with_hint(with_canaries(interface))
