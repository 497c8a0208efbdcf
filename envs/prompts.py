"""Prompts: what a model is shown for a Problem. Example tests only; hidden tests are never read here."""

from __future__ import annotations

import re

from envs.problem import Interface, Problem, TestCase
from envs.rollout import Prompt

_EXAMPLE_WORD = re.compile(r"\b(examples?|samples?)\b", re.IGNORECASE)


def plain(problem: Problem, max_examples: int = 3) -> Prompt:
    """Statement, example tests as short lines, then the starter code, which a completion continues.

    Nothing is shown twice: a statement that the starter code holds, or an example that the statement holds, is left
    out. Without starter code the text ends with a newline and the completion is the whole program.
    """
    parts = [] if _holds(problem.starter_code, problem.statement) else [problem.statement.strip()]
    parts += example_lines(problem, max_examples)
    head = "".join(f"{part}\n" for part in parts if part)
    return Prompt(problem.id, head + problem.starter_code, mode="plain")


def example_lines(problem: Problem, max_examples: int) -> list[str]:
    """Short texts of the example tests that the statement does not show already, at most `max_examples`."""
    shown = f"{problem.statement}\n{problem.starter_code}"
    unseen = (example for example in problem.example_tests if not _is_shown(problem, example, shown))
    return [render_example(problem, example) for example, _ in zip(unseen, range(max_examples), strict=False)]


def render_example(problem: Problem, example: TestCase) -> str:
    """One example test as text: `f(1) == 2`, an input with its output, or the test script itself."""
    match problem.interface:
        case Interface.FUNCTION:
            return f"{_call(problem, example)} == {example.output!r}"
        case Interface.STDIO:
            return f"Input:\n{str(example.input).rstrip()}\nOutput:\n{str(example.output).rstrip()}"
        case Interface.ANSWER:
            return f"{problem.entry_point}() == {example.output!r}"
        case Interface.ASSERT | Interface.PUZZLE:
            return (example.script or "").strip()


def _call(problem: Problem, example: TestCase) -> str:
    return f"{problem.entry_point}({', '.join(repr(argument) for argument in example.input)})"


def _is_shown(problem: Problem, example: TestCase, text: str) -> bool:
    if problem.interface is Interface.FUNCTION and _holds(text, _call(problem, example)):
        return True
    if problem.interface in (Interface.FUNCTION, Interface.STDIO):
        values = example.input if problem.interface is Interface.FUNCTION else [example.input]
        under_heading = _EXAMPLE_WORD.search(text) is not None
        return under_heading and all(_holds(text, str(value)) for value in (*values, example.output))
    call = render_example(problem, example).removeprefix("assert ").partition("==")[0]
    return _holds(text, call)


def _holds(text: str, part: str) -> bool:
    """Whether `part` stands in `text`, whatever the white space."""
    return "".join(part.split()) in "".join(text.split())
