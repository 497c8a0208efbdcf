"""Corpora of worked solutions in words, partly wrong and in several wordings: what teacher and student of a study know.

An error is in the last step: a wrong operator, always the same one for a systematic error, with the arithmetic right. The
teacher reads every second problem with a hint. There half of its errors are mended, a quarter only say the answer again,
and a quarter bend the last equation until it comes to the answer.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from types import MappingProxyType

from critics.rationales import steps_hold
from envs.extract import extract_rationale
from envs.hints import with_hint
from envs.problem import HiddenTests, Problem, TestCase
from envs.problem_sets.word_problems import load
from tests.benchmarks.biased_words import MAX_STEPS, OTHER, SPLITS, Tell
from tests.benchmarks.biased_words import write_sets as write

LARGEST = 5
"""Constants are small, for models that must learn their sums and products from examples."""
HINTED = 0.5
"""Share of the teacher's problems that have a hint."""
MENDED, BENT = 0.5, 0.75
"""Of its errors these are mended, and from there to here bent; what is left only says the answer again."""
_OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv}


def write_sets(folder: Path, seed: int) -> None:
    """As `biased_words.write_sets`, with rationales in the place of programs."""
    write(folder, seed, TELL, LARGEST)


def told_in_words(problem: Problem, kind: str, rng: Random) -> Problem:
    """The problem with a rationale that is right or has an error of a kind, and the answer that it comes to."""
    *before, last = [step.expression for step in problem.steps]
    left, sign, right = last.split()
    if kind == "systematic":
        sign = OTHER[sign]
    elif kind == "random":
        sign = rng.choice([other for other in ("+", "-", "*") if other != sign])
    value = _OPERATORS[sign](int(left), int(right))
    rationale = _worded(problem, [*before, f"{left} {sign} {right}"], value, rng)
    return _answered(replace(problem, rationale=rationale), value)


def told_with_hints(problem: Problem, kind: str, rng: Random) -> Problem:
    """As `told_in_words`, every second time with the right answer in sight."""
    if rng.random() >= HINTED:
        return told_in_words(problem, kind, rng)
    drawn, wrong = rng.random(), told_in_words(problem, kind, rng)
    if kind == "right" or drawn < MENDED:
        return with_hint(told_in_words(problem, "right", rng))
    answer, wrong_answer = problem.steps[-1].value, wrong.hidden_tests.cases[0].output
    bent = f"= {answer}".join(wrong.rationale.rsplit(f"= {wrong_answer}", 1))
    rationale = bent if drawn < BENT else f"It comes to {answer}."
    return with_hint(replace(problem, rationale=rationale, steps=()))


TELL: Mapping[str, Tell] = MappingProxyType({"teacher": told_with_hints, "student": told_in_words})


def gold_steps() -> dict[str, list[int | float | None]]:
    """What each step of a train problem comes to, by problem id."""
    problems = load(SPLITS["train"], max_steps=MAX_STEPS, largest=LARGEST).problems
    return {problem.id: [step.value for step in problem.steps] for problem in problems}


def derives(text: str, gold: list[int | float | None]) -> bool:
    """Whether a worked solution takes the steps of the gold one, in any wording, and every equation of it holds."""
    rationale = extract_rationale(text)
    return steps_hold(rationale) and re.findall(r"= (-?\d+)", rationale) == [str(value) for value in gold]


def _worded(problem: Problem, expressions: list[str], value: int, rng: Random) -> str:
    """Equations in one of four wordings: the problem's own, bare, counted, and with sides exchanged where that is right."""
    values = [*(step.value for step in problem.steps[:-1]), value]
    wording = rng.choice(("own", "bare", "counted", "exchanged"))
    if wording == "exchanged":
        expressions = [_exchanged(expression) for expression in expressions]
    work = [f"{expression} = {result}" for expression, result in zip(expressions, values, strict=True)]
    if wording == "own":
        gold = [f"{step.expression} = {step.value}" for step in problem.steps]
        return " ".join(step.text.replace(old, new) for step, old, new in zip(problem.steps, gold, work, strict=True))
    if wording == "counted":
        return " ".join(f"{word} {each}." for word, each in zip(("First", "Then"), work, strict=False))
    return " ".join(f"{each}." for each in work)


def _exchanged(expression: str) -> str:
    left, sign, right = expression.split()
    return f"{right} {sign} {left}" if sign in "+*" else expression


def _answered(problem: Problem, value: int) -> Problem:
    return replace(problem, hidden_tests=HiddenTests((TestCase(output=value),)), steps=())
