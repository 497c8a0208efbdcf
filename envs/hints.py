"""Hints: what a teacher may be told of a problem whose worked solutions are learned (arXiv 2212.08410).

This is the only place where hidden tests become text for a model. A hint is for a teacher and a problem that is learned
from: never for the learner, never for a problem that decides or measures. Of several hidden tests at most half are
told, so that some are left that nobody was shown.
"""

from __future__ import annotations

from dataclasses import replace

from envs.errors import UserError
from envs.forms import gold_answer
from envs.problem import Interface, Problem, TestCase
from envs.prompts import render_example

MARK = "Hint:"
"""What every hint begins with."""
MOST_TESTS = 3


def told_tests(problem: Problem) -> tuple[TestCase, ...]:
    """The hidden tests that a hint tells; raises UserError for a problem that is checked by a script."""
    if problem.interface in (Interface.ASSERT, Interface.PUZZLE):
        raise UserError(
            f"recipe: hinted_cot tells a teacher what comes out, which {problem.id}, a problem of interface "
            f"{problem.interface}, does not say; choose finetune_cot"
        )
    cases = problem.hidden_tests.cases
    return cases if problem.interface is Interface.ANSWER else cases[: min(MOST_TESTS, len(cases) // 2)]


def hint(problem: Problem) -> str:
    """The answer of a problem, or what comes out for some inputs; empty where there are too few tests to tell any."""
    told = told_tests(problem)
    if problem.interface is Interface.ANSWER:
        return f"{MARK} it comes to {gold_answer(problem)}."
    return "\n".join((MARK, *(render_example(problem, case) for case in told))) if told else ""


def with_hint(problem: Problem) -> Problem:
    """The same problem with the hint after its statement, to be shown to a teacher."""
    return replace(problem, statement=f"{problem.statement.rstrip()}\n{hint(problem)}".rstrip())
