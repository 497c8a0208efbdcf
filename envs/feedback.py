"""Run programs on the example tests alone: what a prompt or a search at inference may know of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from envs.grading import GradeRequest
from envs.problem import ExampleTests, Problem
from envs.verdict import Feedback, Verdict

GradeAll = Callable[[Iterable[GradeRequest]], list[Verdict]]
"""Requests -> their verdicts in order: `Grader.grade`."""


def by_examples(attempts: Sequence[tuple[Problem, str]], grade: GradeAll) -> list[Feedback | None]:
    """Run each program on the example tests of its problem; None for a problem that has none."""
    verdicts = iter(grade([_request(problem, program) for problem, program in attempts if problem.example_tests]))
    return [_feedback(next(verdicts)) if problem.example_tests else None for problem, _ in attempts]


def _request(problem: Problem, program: str) -> GradeRequest:
    examples: ExampleTests = problem.example_tests
    return GradeRequest(problem, program, examples)


def _feedback(verdict: Verdict) -> Feedback:
    return Feedback(verdict.outcome, verdict.error_type, verdict.error_line, verdict.first_failure)
