"""What a worked solution in words tells about how it came to its answer; nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from critics.programs import CONSTANTS, numbers_of
from envs.calculator import calculate
from envs.extract import extract_answer, extract_rationale, parse_number, parse_program
from envs.forms import Form, form_of, is_in_form
from envs.hints import told_tests
from envs.problem import Problem
from envs.rollout import Group, Rollout

_NUMBER = r"\$?(?:\d[\d,]*(?:\.\d+)?|\.\d+)"
_EQUATION = re.compile(
    rf"(?P<left>\(*-?{_NUMBER}\)*(?:\s*(?://|[-+*/×÷x])\s*\(*{_NUMBER}\)*)+)\s*=\s*(?=(?P<right>-?{_NUMBER}))"
)
"""The right side is only looked at: it may begin the next equation, as in `2 * 3 = 6 + 1 = 7`."""
_NUMBERS = re.compile(_NUMBER)
_SIGNS = str.maketrans({"×": "*", "x": "*", "÷": "/", "$": None, ",": None})
_NO_ANSWERS: tuple[Any, ...] = (None, "", [], (), {})


def equations(text: str) -> list[bool]:
    """Whether each equation that a text states, such as `3 * 4 = 12`, holds: to the decimals of its right side.

    What is no plain arithmetic, because units or names stand in it, is no equation here.
    """
    found = [_holds(match["left"], match["right"]) for match in _EQUATION.finditer(text)]
    return [holds for holds in found if holds is not None]


def steps_hold(text: str) -> bool:
    """Whether no equation of a text is wrong."""
    return all(equations(text))


def normalised(text: str) -> str:
    """The same text for worked solutions that differ in white space, case, and how a number is written only."""
    return re.sub(r"\s+", "", _NUMBERS.sub(_plain_number, text)).lower().rstrip(".")


def only_restates(rollout: Rollout, problem: Problem) -> bool:
    """Whether a text that was written with the answer in sight does no more than say it again.

    Words do so where they hold no other number, a program where a number or value that the hint tells stands in it,
    though the statement has it not.
    """
    if form_of(rollout.prompt) is not Form.PROGRAM:
        rationale, answer = extract_rationale(rollout.text), extract_answer(rollout.text)
        return {parse_number(number) for number in _NUMBERS.findall(rationale)} <= {answer}
    told = [case.output for case in told_tests(problem) if not _is_common(case.output, problem)]
    return any(_same(value, output) for value in _literals(rollout.program) for output in told)


def mentions_hint(rollout: Rollout) -> bool:
    """Whether a text speaks of a hint."""
    return re.search(r"\bhint", rollout.text, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class Wording:
    """How the answers of a group were told, right or wrong; empty for programs."""

    in_form: tuple[bool, ...] = ()
    """Whether each ends as its form asks for."""
    steps: tuple[bool, ...] = ()
    """Whether each equation of any of them holds."""


def wording_of(group: Group) -> Wording:
    """How the rollouts of a group that answer in words do so."""
    told = [(form_of(rollout.prompt), rollout.text) for rollout in group.rollouts]
    words = [(form, text) for form, text in told if form is not Form.PROGRAM]
    return Wording(
        in_form=tuple(is_in_form(text, form) for form, text in words),
        steps=tuple(holds for _, text in words for holds in equations(text)),
    )


def shares_of(wordings: Sequence[Wording]) -> dict[str, float]:
    """in_form: share of answers in words that end as asked for; step_accuracy: share of stated equations that hold.

    What there is nothing of is left out.
    """
    found = {
        "in_form": [flag for wording in wordings for flag in wording.in_form],
        "step_accuracy": [flag for wording in wordings for flag in wording.steps],
    }
    return {name: sum(flags) / len(flags) for name, flags in found.items() if flags}


def _holds(left: str, right: str) -> bool | None:
    """None where the left side is not arithmetic after all, or has no value."""
    value, expected = calculate(left.translate(_SIGNS)), parse_number(right.translate(_SIGNS))
    if value is None or expected is None:
        return None
    _, point, decimals = right.partition(".")
    allowed = 10.0 ** -len(decimals) if point else 1e-6
    return abs(value - expected) <= allowed


def _plain_number(match: re.Match[str]) -> str:
    number = parse_number(match[0])
    return match[0] if number is None else str(number)


def _literals(program: str) -> list[Any]:
    """Every value that a program writes out."""
    tree = parse_program(program)
    found = []
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.expr):
            try:
                found.append(ast.literal_eval(node))
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue
    return found


def _is_common(output: Any, problem: Problem) -> bool:
    """Whether a value proves nothing by standing in a program."""
    if isinstance(output, bool) or output in _NO_ANSWERS:
        return True
    return isinstance(output, int | float) and output in CONSTANTS | numbers_of(problem.statement)


def _same(value: Any, output: Any) -> bool:
    return type(value) is type(output) and value == output
