"""Feedback: example tests alone are run, each program on those of its own problem."""

from __future__ import annotations

from dataclasses import replace

from envs.feedback import by_examples
from envs.grading import Grader
from envs.problem import ExampleTests
from envs.verdict import Failure, Feedback, Outcome
from tests.builders import a_problem

START = "def add(a, b):\n"


def test_programs_are_judged_by_example_tests_alone() -> None:
    """The only example is 1 + 2 = 3: whoever always says 3 passes it, and no hidden test."""
    problem, blind = a_problem(), replace(a_problem("blind"), example_tests=ExampleTests())
    programs = ["    return 3\n", "    return a\n", "    return c\n", "    return (\n"]
    attempts = [(problem, START + program) for program in programs]
    with Grader(1) as grader:
        found = by_examples([attempts[0], (blind, "x"), *attempts[1:]], grader.grade)
    assert found == [
        Feedback(Outcome.PASSED),
        None,
        Feedback(Outcome.WRONG_ANSWER, failure=Failure(0, "1, 2", "3", "1")),
        Feedback(Outcome.RUNTIME_ERROR, "NameError", 2, Failure(0, "1, 2", "3", "raised NameError")),
        Feedback(Outcome.COMPILE_ERROR, "SyntaxError", 2),
    ]
    assert [one and one.passed for one in found] == [True, None, False, False, False]
    assert Feedback(Outcome.SANDBOX_ERROR).passed is None
