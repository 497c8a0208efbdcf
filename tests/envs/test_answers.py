"""The truth table of answer checks, in the real grader: by value, and as the paper did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from envs.answers import checked_as_in_paper
from envs.grading import Grader, GradeRequest
from envs.problem import HiddenTests, Interface, Limits, Problem, TestCase
from tests.builders import a_problem


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=2) as grader:
        yield grader


def asking(expected: object) -> Problem:
    return Problem(
        id="p",
        statement="How many?",
        interface=Interface.ANSWER,
        hidden_tests=HiddenTests((TestCase(output=expected),)),
        entry_point="solution",
        tolerance=1e-4,
        limits=Limits(cpu_s=1.0),
    )


TABLE = [
    # expected, answer, by value, in the paper
    (18, "18", True, False),  # an integer is no float
    (18, "18.0", True, True),
    (18, "18.1", False, True),  # less than one per cent off
    (18, "18.00001", False, True),
    (18, "19.0", False, False),
    (18, "'18'", False, False),
    (18, "True", False, False),
    (18, "None", False, False),
    (18, "float('nan')", False, False),
    (18, "float('inf')", False, False),
    (18, "1 / 0", False, False),
    (2.5, "2.5", True, True),
    (2.5, "2.50001", True, True),
    (2.5, "2.51", False, True),
    (2.5, "5 / 2", True, True),
    (0, "0.0", True, True),
    (0, "1e-6", False, False),  # 1e-6 is a tenth of the smallest denominator
    (0, "1e-9", False, True),
    (-4, "-4.0", True, True),
    (-4, "-5.0", False, False),
    (-4, "-4.01", False, False),  # 0.01 over a denominator of 1e-5
]


@pytest.mark.slow
def test_which_answers_are_accepted(grader: Grader) -> None:
    requests = []
    for expected, answer, _, _ in TABLE:
        problem = asking(expected)
        for checked in (problem, checked_as_in_paper(problem)):
            requests.append(GradeRequest(checked, f"def solution():\n    return {answer}\n", checked.hidden_tests))
    found = iter([verdict.passed for verdict in grader.grade(requests)])
    assert [(expected, answer, next(found), next(found)) for expected, answer, _, _ in TABLE] == TABLE


@pytest.mark.parametrize("problem", [a_problem(), asking("eighteen"), replace(asking(1), interface=Interface.FUNCTION)])
def test_the_paper_checks_numbers_only(problem: Problem) -> None:
    with pytest.raises(ValueError, match="needs a number for an answer"):
        checked_as_in_paper(problem)
