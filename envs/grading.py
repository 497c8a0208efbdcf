"""Grader: many programs in, verdicts out.

Each request is one program under one list of tests. The tests' expected values stay in this process; a program only
ever receives inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

from envs.problem import ExampleTests, HiddenTests, Problem


@dataclass(frozen=True, slots=True)
class GradeRequest:
    """One program to run under one list of tests of its problem."""

    problem: Problem
    """How the program is called, and its limits."""
    program: str | bytes
    """Source exactly as extracted; bytes are run as they are."""
    tests: ExampleTests | HiddenTests
    """Which tests decide: hidden ones for rewards and evaluation, example ones for feedback."""

    def __post_init__(self) -> None:
        if not self.tests:
            raise ValueError(f"problem {self.problem.id}: no tests to grade by; an empty list would pass every program")
