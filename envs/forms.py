"""Forms: how a problem is asked and answered, by a program or in words that end with a number.

    program   the plain prompt        -> a program
    token     `question ###`          -> ` rationale --> answer`
    natural   `Q: question` `A: Let's think step by step.`
                                      -> ` rationale`, then `Therefore, the answer is answer.`
    answer    `question ###`          -> ` answer`

The templates are those of fine-tune-CoT (arXiv 2212.10071). The mode of a prompt says how its completion is read; a
number becomes the program that returns it, so that one grader judges every form.

A prompt shows of the problem that it asks nothing but the statement. Exemplars and references show their answer, which
is what their hidden test expects.

We differ from the paper in: a text with several marks is read after the last one, not the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from types import MappingProxyType

from envs.errors import UserError
from envs.extract import extract_answer, extract_program, extract_rationale, parse_number
from envs.problem import Interface, Problem
from envs.prompts import ApplyTemplate, completion_for, plain
from envs.rollout import Prompt

STEP_BY_STEP = "Let's think step by step."
CUE = "\nTherefore, the answer is"
"""What a natural solution ends with, and the second prompt of two-step prompting: the answer follows."""
_END_WITH_ANSWER = "Reason step by step. End with a line of the form: Therefore, the answer is 0."


class Form(StrEnum):
    """How a problem is asked and answered."""

    PROGRAM = "program"
    TOKEN = "token"
    NATURAL = "natural"
    ANSWER = "answer"


_FORM_OF_MODE: Mapping[str, Form] = MappingProxyType(
    {
        "token": Form.TOKEN,
        "natural": Form.NATURAL,
        "answer": Form.ANSWER,
        "few_shot_in_words": Form.NATURAL,
        "chat_in_words": Form.NATURAL,
    }
)
"""By the mode of a prompt; after any other a program is written."""
_IN_FORM: Mapping[Form, re.Pattern[str]] = MappingProxyType(
    {
        Form.TOKEN: re.compile(r"-->\s*[$-]*\d"),
        Form.NATURAL: re.compile(r"\banswer is:?\s*[$-]*\d", re.IGNORECASE),
    }
)


def form_of(prompt: Prompt) -> Form:
    """The form in which a completion of the prompt is written."""
    return _FORM_OF_MODE.get(prompt.mode, Form.PROGRAM)


def asking_in(form: Form) -> Callable[[Problem], Prompt]:
    """What asks a problem in a form."""
    return plain if form is Form.PROGRAM else partial(question, form=form)


def question(problem: Problem, form: Form) -> Prompt:
    """The bare question, for an answer in words."""
    text = problem.statement.strip()
    return Prompt(problem.id, _step_by_step(text) if form is Form.NATURAL else f"{text} ###", mode=str(form))


def few_shot_in_words(problem: Problem, exemplars: Sequence[Problem]) -> Prompt:
    """Questions with worked solutions in the natural form, then the question; an empty line stands between them.

    Raises ValueError for an exemplar without a rationale, and for the problem itself among the exemplars.
    """
    shown = "".join(
        f"{question(e, Form.NATURAL).text}{worked(e, Form.NATURAL)}\n\n" for e in _others(problem, exemplars)
    )
    return Prompt(problem.id, shown + question(problem, Form.NATURAL).text, mode="few_shot_in_words")


def chat_in_words(problem: Problem, apply_template: ApplyTemplate, exemplars: Sequence[Problem] = ()) -> Prompt:
    """The question as a message of the user, in the chat template of an instruct model; exemplars are earlier turns.

    Raises ValueError as `few_shot_in_words` does.
    """
    messages = []
    for exemplar in _others(problem, exemplars):
        messages.append({"role": "user", "content": _request(exemplar)})
        messages.append({"role": "assistant", "content": worked(exemplar, Form.NATURAL).strip()})
    messages.append({"role": "user", "content": _request(problem)})
    return Prompt(problem.id, apply_template(messages), mode="chat_in_words")


def worked(problem: Problem, form: Form) -> str:
    """The completion in words that is the problem's own rationale and answer."""
    return _in_words(form, problem.rationale, gold_answer(problem))


def references(problem: Problem, form: Form) -> list[tuple[str, str]]:
    """(completion, program) of each reference in a form; none where the problem tells no solution of that kind."""
    if form is Form.PROGRAM:
        return [(completion_for(problem, solution), solution) for solution in problem.solutions]
    if form is not Form.ANSWER and not problem.rationale:
        return []
    return [(worked(problem, form), _returning(problem, gold_answer(problem)))]


def program_of(completion: str, problem: Problem, form: Form) -> str:
    """The program that a completion stands for; the empty one where words hold no number."""
    return (
        extract_program(completion, problem)
        if form is Form.PROGRAM
        else _returning(problem, extract_answer(completion))
    )


def retold(text: str, problem: Problem, form: Form) -> tuple[str, str]:
    """(completion, program) of a learner that answers in its own form as somebody else did in another."""
    program = program_of(text, problem, form)
    if form is Form.PROGRAM:
        return completion_for(problem, program).rstrip() + "\n", program
    answer = extract_answer(text)
    return (f" {text.strip()}" if answer is None else _in_words(form, extract_rationale(text), answer)), program


def is_in_form(completion: str, form: Form) -> bool:
    """Whether words end as their form asks for, right or wrong: with its mark before a number, or as a number alone.

    Raises ValueError for programs, whose form is the grader's to judge.
    """
    if form is Form.PROGRAM:
        raise ValueError("a program is in form where it compiles, which its verdict says")
    if form is Form.ANSWER:
        return parse_number(completion) is not None
    return _IN_FORM[form].search(completion) is not None


def gold_answer(problem: Problem) -> int | float:
    """The number that the problem's one hidden test expects; raises UserError where it is another kind of problem."""
    outputs = [case.output for case in problem.hidden_tests]
    value = outputs[0] if len(outputs) == 1 else None
    if problem.interface is not Interface.ANSWER or isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(
            f"reasoning.form: answers in words need problems with one number for an answer; got {problem.id}, a "
            f'problem of interface {problem.interface}; set reasoning.form = "program"'
        )
    return value


def refuse_other_kinds(problems: Iterable[Problem], form: Form) -> None:
    """Raise UserError for the first problem that cannot be answered in a form."""
    if form is not Form.PROGRAM:
        for problem in problems:
            gold_answer(problem)


def _in_words(form: Form, rationale: str, answer: int | float) -> str:
    match form:
        case Form.TOKEN:
            return f" {rationale} --> {answer}"
        case Form.NATURAL:
            return f" {rationale}{CUE} {answer}."
        case Form.ANSWER:
            return f" {answer}"
        case Form.PROGRAM:
            raise ValueError("a program is not written in words")


def _returning(problem: Problem, answer: int | float | None) -> str:
    return "" if answer is None else f"def {problem.entry_point}():\n    return {answer!r}\n"


def _step_by_step(statement: str) -> str:
    return f"Q: {statement}\nA: {STEP_BY_STEP}"


def _request(problem: Problem) -> str:
    return f"{problem.statement.strip()}\n{_END_WITH_ANSWER}"


def _others(problem: Problem, exemplars: Sequence[Problem]) -> Sequence[Problem]:
    for exemplar in exemplars:
        if exemplar.id == problem.id:
            raise ValueError(f"exemplar {exemplar.id}: expected another problem than the one asked; got the same")
        if not exemplar.rationale:
            raise ValueError(f"exemplar {exemplar.id}: expected a rationale to show; got none")
    return exemplars
