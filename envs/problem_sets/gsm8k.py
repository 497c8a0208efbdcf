"""GSM8K (arXiv 2110.14168) and its socratic form: maths questions with a number for an answer, and worked solutions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envs.decompose import parse_worked
from envs.problem import HiddenTests, Interface, Limits, Problem, Step, TestCase
from envs.problem_sets.problem_set import ProblemSet, RowError
from envs.problem_sets.reading import content_id, load_rows, read_rows, required_path, shorten, text

ORIGIN = "openai/gsm8k"
LICENCE = "MIT"
STARTER = "def solution():\n"
TOLERANCE = 1e-4
_ARITHMETIC = re.compile(r"[-+*/(). \d]+")


def load(
    split: str = "train", path: str | Path | None = None, config: str | None = None, socratic: bool = False
) -> ProblemSet:
    """Load one split; in a folder or on the hub `socratic` chooses the form with sub-questions."""
    files = (f"{split}_socratic.jsonl",) if socratic else ()
    form = config or ("socratic" if socratic else "main")
    return load_rows(
        "gsm8k", split, read_rows(required_path(path, "gsm8k", ORIGIN), split, files, form), problem, LICENCE
    )


def problem(row: Mapping[str, Any]) -> Problem:
    """One row with `question` and `answer`; raises RowError that names the key."""
    question, answer = text(row, "question"), text(row, "answer")
    steps, value = parse_worked(answer)
    if value is None:
        raise RowError(f"answer: expected a number after '####'; got {shorten(answer[-40:])}")
    program = annotated_program(steps, value)
    return Problem(
        id=f"gsm8k/{content_id(question)}",
        statement=question,
        interface=Interface.ANSWER,
        hidden_tests=HiddenTests((TestCase(output=value),)),
        entry_point="solution",
        starter_code=STARTER,
        limits=Limits(cpu_s=1.0),
        tolerance=TOLERANCE,
        solutions=(program,) if program else (),
        source="gsm8k",
        licence=LICENCE,
        rationale="\n".join(step.text for step in steps),
        steps=steps,
    )


def annotated_program(steps: tuple[Step, ...], answer: int | float) -> str | None:
    """The calculator marks as a program, one line each; None where the last one is not the answer.

    Marks that are no plain arithmetic (per cent signs, units) leave the solution without a program.
    """
    marked = [step for step in steps if step.expression]
    if not marked or not all(_ARITHMETIC.fullmatch(step.expression) for step in marked):
        return None
    last = marked[-1].value
    if last is None or abs(last - answer) > TOLERANCE * max(1.0, abs(answer)):
        return None
    lines = [f"    t{index} = {step.expression.strip()}\n" for index, step in enumerate(marked)]
    return f"{STARTER}{''.join(lines)}    return t{len(marked) - 1}\n"
