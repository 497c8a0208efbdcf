"""Decompositions: a worked solution as a chain of sub-questions and their answers, written and read.

Problems that a number answers are decomposed in the form of GSM8K's socratic set (arXiv 2110.14168): lines
`sub-question ** solution`, in which `<<expression=value>>` marks arithmetic, then `#### answer`. Functions are
decomposed into helpers: a signature with a docstring asks, the body answers, and the last function calls them all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from envs.calculator import number_text
from envs.extract import NUMBER, extract_program, parse_number
from envs.problem import Interface, Problem, Step

ANSWER = "####"
"""What asks for the answer, after the last sub-question."""
BETWEEN = "\n\n"
"""Stands between sub-questions that are asked all at once; none of them holds it."""
_ASKED = " ** "
_MARK = re.compile(r"<<([^<>=]*)=([^<>]*)>>")
_DOCSTRING = re.compile(r'\A[ \t]+"""(.*)"""[ \t]*\n')
_ARGUMENT = re.compile(r"\((\w+)\)")


@dataclass(frozen=True, slots=True)
class Turn:
    """One question with its answer, exactly as models read and write them; the last one of a chain asks for it all."""

    asked: str
    """What a decomposer writes."""
    answered: str
    """What a solver writes behind it."""
    unasked: str
    """The answer where nobody asks: a line of an ordinary chain of thought."""


def parse_step(line: str) -> Step:
    """A line `sub-question ** solution`, or a solution alone, with its last calculator mark, if any, taken out."""
    question, mark, solution = line.partition(_ASKED)
    if not mark:
        question, solution = "", line
    marks = _MARK.findall(solution)
    expression, value = marks[-1] if marks else ("", "")
    return Step(question.strip(), _MARK.sub("", solution).strip(), expression.strip(), parse_number(value))


def parse_worked(text: str) -> tuple[tuple[Step, ...], int | float | None]:
    """The steps of a worked solution, a line each, and the number after `####`; None where there is none."""
    worked, mark, final = text.rpartition(ANSWER)
    lines = (worked if mark else text).splitlines()
    return tuple(parse_step(line) for line in lines if line.strip()), parse_number(final) if mark else None


def render_worked(steps: Sequence[Step], answer: int | float) -> str:
    """What `parse_worked` reads back: in the socratic form where the steps have questions."""
    lines = [f"{step.question}{_ASKED}{marked(step)}" if step.question else marked(step) for step in steps]
    return "\n".join([*lines, f"{ANSWER} {number_text(answer)}"])


def marked(step: Step) -> str:
    """The answer of a step with its calculator mark before the value; without one where the value is not in it."""
    if not step.expression or step.value is None:
        return step.text
    places = [match.start() for match in NUMBER.finditer(step.text) if parse_number(match[0]) == step.value]
    worked_out = [place for place in places if step.text[:place].rstrip(" $").endswith("=")]
    if not places:
        return step.text
    place = (worked_out or places)[-1]
    mark = f"<<{step.expression}={number_text(step.value)}>>"
    return f"{step.text[:place]}{mark}{step.text[place:]}"


def value_of(step: Step) -> int | float | None:
    """What a step comes to: the value of its mark, or the last number of its text."""
    if step.value is not None:
        return step.value
    numbers = NUMBER.findall(step.text)
    return parse_number(numbers[-1]) if numbers else None


def is_decomposed(problem: Problem, *, with_questions: bool = True) -> bool:
    """Whether the problem brings a decomposition of one of the two forms, `with_questions` one that asks."""
    if not problem.steps or (with_questions and not all(step.question for step in problem.steps)):
        return False
    if problem.interface is Interface.ANSWER:
        return value_of(problem.steps[-1]) is not None
    takes_one = _ARGUMENT.search(problem.starter_code) is not None
    helpers = all(step.text.startswith("def ") for step in problem.steps)
    return problem.interface is Interface.FUNCTION and takes_one and helpers


def turns(problem: Problem) -> tuple[Turn, ...]:
    """The problem's own decomposition; it must be one by `is_decomposed`."""
    if problem.interface is Interface.ANSWER:
        found = [Turn(f"{step.question} **", f" {marked(step)}\n", f"{marked(step)}\n") for step in problem.steps]
        answer = value_of(problem.steps[-1])
        assert answer is not None, "a chain without a result is no decomposition"
        return (*found, Turn(ANSWER, f" {number_text(answer)}\n", f"{ANSWER} {number_text(answer)}\n"))
    found = []
    argument = _ARGUMENT.search(problem.starter_code)
    assert argument is not None, "a function without an argument is not decomposed"
    call = argument[1]
    for step in problem.steps:
        header, _, body = step.text.partition("\n")
        found.append(Turn(f'{header}\n    """{step.question}"""\n', body, step.text))
        call = f"{_name(step.text)}({call})"
    last = f"    return {call}\n"
    return (*found, Turn(problem.starter_code, last, problem.starter_code + last))


def asks_for_answer(asked: str, problem: Problem) -> bool:
    """Whether a question is the last one of a chain."""
    if problem.interface is Interface.ANSWER:
        return asked.strip() == ANSWER
    return _name(asked) == problem.entry_point


def split_questions(text: str) -> list[str]:
    """Questions that were asked all at once."""
    return [part for part in re.split(rf"{BETWEEN}(?!\n)", text) if part.strip()]


def read_steps(text: str, problem: Problem) -> tuple[Step, ...]:
    """The steps of a chain that a model wrote, whatever they are worth."""
    if problem.interface is Interface.ANSWER:
        return parse_worked(text)[0]
    found = []
    for block in re.split(r"^(?=def )", text, flags=re.MULTILINE):
        if block.startswith("def ") and _name(block) != problem.entry_point:
            header, _, body = block.partition("\n")
            said = _DOCSTRING.match(body)
            found.append(Step(said[1] if said else "", f"{header}\n{_DOCSTRING.sub('', body)}"))
    return tuple(found)


def program_of(text: str, problem: Problem) -> str:
    """The program that a chain stands for; of one without an answer a program that does not compile."""
    if problem.interface is not Interface.ANSWER:
        return extract_program(text, problem)
    answer = parse_worked(text)[1]
    return f"def {problem.entry_point}():\n" + ("" if answer is None else f"    return {answer!r}\n")


def _name(function: str) -> str:
    """Name of the function that a text begins with; empty where it begins with none."""
    found = re.match(r"def (\w+)\(", function)
    return found[1] if found else ""
