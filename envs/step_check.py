"""How far a chain of steps is right, step by step: apart from its form, and apart from its final answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from envs.decompose import is_decomposed, program_of, read_steps, turns, value_of
from envs.extract import defines, is_valid
from envs.feedback import GradeAll
from envs.grading import GradeRequest
from envs.problem import Interface, Problem, Step

TOLERANCE = 1e-4
"""Allowed error |a - b| / max(1, |b|) of a value, as of GSM8K's answers."""


@dataclass(frozen=True, slots=True)
class StepCheck:
    """One chain against the decomposition that its problem brings."""

    complete: bool
    """Whether an answer can be read: the number after `####`, or a valid program that defines the function."""
    written: int
    """Steps that the chain has."""
    expected: int
    """Steps that the problem's own decomposition has."""
    judged: int
    """How many of them can be judged: all helpers, and steps in words that come to a number."""
    right: int
    """Of these, how many the chain has at the same place, right by value or by the tests."""


def check_steps(attempts: Sequence[tuple[Problem, str]], grade: GradeAll) -> list[StepCheck]:
    """Check chains of problems that bring decompositions.

    A step in words is right by its value. A helper is right where the problem's hidden tests pass once it has taken the
    place of the problem's own helper: `grade` runs them.
    """
    steps = [read_steps(text, problem) for problem, text in attempts]
    swapped = [_swapped(problem, written) for (problem, _), written in zip(attempts, steps, strict=True)]
    verdicts = iter(
        grade(
            [
                GradeRequest(problem, program, problem.hidden_tests)
                for (problem, _), programs in zip(attempts, swapped, strict=True)
                for program in programs
            ]
        )
    )
    checks = []
    for (problem, text), written, programs in zip(attempts, steps, swapped, strict=True):
        judged = expected = len(problem.steps)
        if problem.interface is Interface.ANSWER:
            judged = sum(value_of(step) is not None for step in problem.steps)
            right = sum(map(_same_value, written, problem.steps))
        else:
            right = sum(next(verdicts).passed for _ in programs)
        checks.append(StepCheck(_is_complete(text, problem), len(written), expected, judged, right))
    return checks


def _same_value(step: Step, own: Step) -> bool:
    value, expected = value_of(step), value_of(own)
    return value is not None and expected is not None and abs(value - expected) <= TOLERANCE * max(1.0, abs(expected))


def _swapped(problem: Problem, written: Sequence[Step]) -> list[str]:
    """The problem's own chain of helpers once for each helper of `written`, which takes the place of its own."""
    if problem.interface is Interface.ANSWER:
        return []
    assert is_decomposed(problem), "only problems that bring helpers are checked"
    own = [turn.unasked for turn in turns(problem)]
    return [
        "".join([*own[:place], step.text, *own[place + 1 :]])
        for place, (step, _) in enumerate(zip(written, problem.steps, strict=False))
    ]


def _is_complete(text: str, problem: Problem) -> bool:
    program = program_of(text, problem)
    return is_valid(program) and (problem.entry_point is None or defines(program, problem.entry_point))
