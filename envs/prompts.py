"""Prompts: what a model is shown for a Problem. Example tests only; hidden tests are never read here.

Nor are the problem's own solutions, rationale and steps: exemplars show theirs, the problem asked never does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from envs.problem import Interface, Problem, TestCase
from envs.rollout import Prompt
from envs.verdict import Feedback

ApplyTemplate = Callable[[list[dict[str, str]]], str]
"""Chat messages -> text, with the mark after which the assistant writes: a tokenizer's own chat template."""

_EXAMPLE_WORD = re.compile(r"\b(examples?|samples?)\b", re.IGNORECASE)
_THINK_FIRST = "Reason step by step, then write the whole program in one ```python block.\n"


def plain(problem: Problem, max_examples: int = 3) -> Prompt:
    """Statement, example tests as short lines, then the starter code, which a completion continues.

    Nothing is shown twice: a statement that the starter code holds, or an example that the statement holds, is left
    out. Without starter code the text ends with a newline and the completion is the whole program.
    """
    return Prompt(problem.id, task_text(problem, max_examples) + problem.starter_code, mode="plain")


def few_shot(problem: Problem, exemplars: Sequence[Problem], max_examples: int = 3) -> Prompt:
    """Solved exemplars, then the plain prompt; an empty line stands between them.

    Raises ValueError for an exemplar without a reference solution, and for the problem itself among the exemplars.
    """
    _check_exemplars(problem, exemplars)
    shown = "".join(
        f"{plain(exemplar, max_examples).text}{completion_for(exemplar, exemplar.solutions[0]).rstrip()}\n\n"
        for exemplar in exemplars
    )
    return Prompt(problem.id, shown + plain(problem, max_examples).text, mode="few_shot")


def chain_of_thought(problem: Problem, exemplars: Sequence[Problem] = (), max_examples: int = 3) -> Prompt:
    """Ask for reasoning, then a whole program in a fenced block; exemplars show their rationale and solution.

    Raises ValueError as `few_shot` does, and for an exemplar without a rationale.
    """
    _check_exemplars(problem, exemplars)
    if unexplained := [exemplar.id for exemplar in exemplars if not exemplar.rationale]:
        raise ValueError(f"exemplar {unexplained[0]}: expected a rationale to show; got none")
    shown = "".join(
        f"{_thinking_task(exemplar, max_examples)}{exemplar.rationale}\n{fenced(exemplar.solutions[0])}\n"
        for exemplar in exemplars
    )
    return Prompt(problem.id, shown + _thinking_task(problem, max_examples), mode="chain_of_thought")


def chat(
    problem: Problem, apply_template: ApplyTemplate, exemplars: Sequence[Problem] = (), max_examples: int = 3
) -> Prompt:
    """The task as a message of the user, in the chat template of an instruct model; exemplars are earlier turns.

    Raises ValueError as `few_shot` does.
    """
    _check_exemplars(problem, exemplars)
    messages = []
    for exemplar in exemplars:
        messages.append({"role": "user", "content": _request(exemplar, max_examples)})
        messages.append({"role": "assistant", "content": fenced(exemplar.solutions[0])})
    messages.append({"role": "user", "content": _request(problem, max_examples)})
    return Prompt(problem.id, apply_template(messages), mode="chat")


def repair(problem: Problem, program: str, feedback: Feedback, max_examples: int = 3) -> Prompt:
    """The task, a program that fails, what its first failing example test shows, then the starter code to continue.

    A completion of it is one of the plain prompt too, so that whoever reads or continues the one can do so with the
    other (CodeRL, arXiv 2207.01780, section 3.3.4, shows the outcome and the error; its template is not published).
    """
    text = (
        f"{task_text(problem, max_examples)}Wrong program:\n{program.rstrip()}\n"
        f"Why: {finding(problem, program, feedback)}\nRight program:\n{problem.starter_code}"
    )
    return Prompt(problem.id, text, mode="repair")


def socratic(problem: Problem, chain: str = "", max_examples: int = 3) -> Prompt:
    """The task, then a chain of sub-questions and answers that a completion goes on with (see `envs.decompose`)."""
    last = problem.starter_code if problem.interface is Interface.FUNCTION else ""
    helpers = f"Helpers first, then:\n{last}" if last else ""
    return Prompt(problem.id, f"{task_text(problem, max_examples)}{helpers}{chain}", mode="socratic")


PROMPTS: Mapping[str, Callable[..., Prompt]] = MappingProxyType(
    {
        "plain": plain,
        "few_shot": few_shot,
        "chain_of_thought": chain_of_thought,
        "chat": chat,
        "repair": repair,
        "socratic": socratic,
    }
)
"""Every prompt function by the name that a config gives."""


def task_text(problem: Problem, max_examples: int = 3) -> str:
    """Statement and example tests, a line each at least, without the starter code."""
    parts = [] if _holds(problem.starter_code, problem.statement) else [problem.statement.strip()]
    parts += example_lines(problem, max_examples)
    return "".join(f"{part}\n" for part in parts if part)


def completion_for(problem: Problem, program: str) -> str:
    """The completion of the plain prompt that is this program: what follows the starter code, or the whole program."""
    starter = problem.starter_code
    return program[len(starter) :] if program.startswith(starter) else program


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


def finding(problem: Problem, program: str, feedback: Feedback) -> str:
    """What the example tests found: the outcome, the error with its line, the failing example."""
    lines = [str(feedback.outcome)]
    if feedback.error_type is not None:
        written = program.splitlines()
        number = feedback.error_line
        quoted = f": {written[number - 1].strip()}" if number is not None and 1 <= number <= len(written) else ""
        lines.append(feedback.error_type + ("" if number is None else f" in line {number}{quoted}"))
    failure = feedback.failure
    if failure is not None:
        match problem.interface:
            case Interface.FUNCTION | Interface.ANSWER:
                lines.append(f"{problem.entry_point}({failure.given}) -> {failure.got}, expected {failure.expected}")
            case Interface.STDIO:
                texts = (failure.given.rstrip(), failure.got.rstrip(), failure.expected.rstrip())
                lines.append("Input:\n{}\nOutput:\n{}\nExpected:\n{}".format(*texts))
            case Interface.ASSERT | Interface.PUZZLE:
                lines.append(f"{failure.expected} -> {failure.got}")
    return "\n".join(lines)


def fenced(program: str) -> str:
    """A program as a fenced block."""
    return f"```python\n{program.rstrip()}\n```\n"


def _request(problem: Problem, max_examples: int) -> str:
    """What a person would write: the task, how the program is called, and what to answer with."""
    name = problem.entry_point
    asked = {
        Interface.FUNCTION: f"Write the Python function `{name}`.",
        Interface.ASSERT: f"Write the Python function `{name}`.",
        Interface.STDIO: "Write a Python program that reads standard input and prints the answer.",
        Interface.PUZZLE: f"Write a Python function `{name}` whose result makes `sat` true.",
        Interface.ANSWER: f"Write a Python function `{name}` that takes nothing and returns the answer.",
    }[problem.interface]
    starter = f"\nStart from this code:\n{fenced(problem.starter_code)}" if problem.starter_code else ""
    return (
        f"{task_text(problem, max_examples)}\n{asked}{starter}\nAnswer with the whole program in one ```python block."
    )


def _thinking_task(problem: Problem, max_examples: int) -> str:
    starter = f"The program begins:\n{problem.starter_code.rstrip()}\n" if problem.starter_code else ""
    return f"{task_text(problem, max_examples)}{starter}{_THINK_FIRST}"


def _check_exemplars(problem: Problem, exemplars: Sequence[Problem]) -> None:
    for exemplar in exemplars:
        if exemplar.id == problem.id:
            raise ValueError(f"exemplar {exemplar.id}: expected another problem than the one asked; got the same")
        if not exemplar.solutions:
            raise ValueError(f"exemplar {exemplar.id}: expected a reference solution to show; got none")


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
