"""What worked solutions tell: equations that hold or not, the same one in other spacing, and answers said again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from critics.filters import first
from critics.rationales import (
    Wording,
    equations,
    mentions_hint,
    normalised,
    only_restates,
    shares_of,
    steps_hold,
    wording_of,
)
from envs.forms import Form, program_of, question
from envs.hints import with_hint
from envs.problem import Problem
from envs.problem_sets import load_problems
from envs.prompts import plain
from envs.rollout import Rollout
from envs.verdict import Outcome
from tests.builders import a_group, a_problem, a_rollout
from tests.envs.test_forms import APPLES


def told(text: str, form: Form = Form.TOKEN, problem: Problem = APPLES) -> Rollout:
    return replace(a_rollout(), prompt=question(problem, form), text=text, program=program_of(text, problem, form))


def written(program: str, problem: Problem) -> Rollout:
    return replace(a_rollout(), prompt=plain(problem), text=program, program=program)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("There are 3 * 4 = 12 apples.", [True]),
        ("There are 3 * 4 = 13 apples. 13 + 1 = 14.", [False, True]),
        ("48/2 = 24 clips, 48+24 = 72", [True, True]),
        ("$1,200 - $200 = $1,000", [True]),
        ("(2 + 3) x 4 = 20", [True]),
        ("10 / 3 = 3.33, 10 / 3 = 3, 12 // 5 = 2", [True, False, True]),
        ("2 × 3 = 6 + 1 = 7, 8 ÷ 2 = 4", [True, True, True]),
        ("1 / 0 = 5", []),
        ("x = 5, 3 boxes * 4 = 12, 12 = 3 * 4", []),
        ("(2 + 3 = 5", []),
        ("9" * 5000 + " * 2 = 3", []),
    ],
)
def test_equations_hold_or_do_not(text: str, holds: list[bool]) -> None:
    assert equations(text) == holds
    assert steps_hold(text) is (False not in holds)


@given(st.integers(0, 999), st.sampled_from("+-*"), st.integers(0, 999), st.integers(-5, 5))
def test_an_equation_holds_where_python_says_so(a: int, sign: str, b: int, off: int) -> None:
    right = {"+": a + b, "-": a - b, "*": a * b}[sign] + off
    assert equations(f"So {a} {sign} {b} = {right}.") == [off == 0]


def test_every_generated_step_holds() -> None:
    for problem in load_problems("word_problems", "train").problems[:200]:
        assert equations(problem.rationale) == [True] * len(problem.steps)


def test_the_same_solution_is_learned_once() -> None:
    assert normalised("It costs  $1,000.0 .\nThat is 12 pens.") == normalised("it costs 1000. That is 12 pens")
    assert normalised("3 * 4 = 12") != normalised("4 * 3 = 12")
    texts = ["3*4 = 12 --> 12", " 3 * 4=12  --> 12.", "4 * 3 = 12 --> 12"]
    rollouts = [told(text) for text in texts]
    assert first(rollouts, 9) == [rollouts[0], rollouts[2]]


@pytest.mark.parametrize(
    ("text", "restates"),
    [("--> 12", True), (" It is 12. --> 12", True), (" It is clear. --> 12", True), (" 3 * 4 = 12 --> 12", False)],
)
def test_words_that_only_say_the_answer_again(text: str, restates: bool) -> None:
    assert only_restates(told(text), APPLES) is restates


def test_programs_that_hold_what_the_hint_tells() -> None:
    problem = a_problem()
    problem = replace(problem, hidden_tests=type(problem.hidden_tests)(tuple(replace(c, output=c.output + 977) for c in problem.hidden_tests)))  # fmt: skip
    assert "add(0, 0) == 977" in with_hint(problem).statement
    assert only_restates(written("def add(a, b):\n    return 977 if a == 0 else 981\n", problem), problem)
    assert not only_restates(written("def add(a, b):\n    return a + b + 900 + 77\n", problem), problem)
    assert not only_restates(written("not a program 977", problem), problem)
    shown = replace(problem, statement="Add two numbers and 977.")
    assert not only_restates(written("def add(a, b):\n    return a + b + 977\n", shown), shown)
    assert only_restates(written("def solution():\n    return 12\n", APPLES), APPLES)
    assert not only_restates(written("def solution():\n    return 3 * 4\n", APPLES), APPLES)


def test_words_about_a_hint_are_seen() -> None:
    assert mentions_hint(told("As the hint says, 3 * 4 = 12 --> 12"))
    assert not mentions_hint(told("A chintz costs 3 * 4 = 12 --> 12"))


def test_form_and_steps_are_counted_apart_from_answers() -> None:
    texts = [" 3 * 4 = 12 --> 12", " 3 * 4 = 13 --> 12", " 12"]
    group = a_group([told(text) for text in texts], [Outcome.PASSED] * 3)
    assert wording_of(group) == Wording(in_form=(True, True, False), steps=(True, False))
    assert shares_of([wording_of(group), Wording()]) == {"in_form": 2 / 3, "step_accuracy": 1 / 2}
    assert shares_of([wording_of(a_group([a_rollout()], [Outcome.PASSED]))]) == {}
