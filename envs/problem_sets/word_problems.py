"""Generated maths word problems: question, answer, gold program, gold sub-steps, and a rationale in words."""

from __future__ import annotations

import hashlib
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random

from envs.problem import HiddenTests, Interface, Limits, Problem, Step, TestCase
from envs.problem_sets.problem_set import DataError, ProblemSet, problem_set
from envs.problem_sets.reading import content_id
from envs.problem_sets.word_families import FAMILIES, NAMES, THINGS, Family

LICENCE = "MIT"
STARTER = "def solution():\n"
SIZES = {"train": 800, "validation": 100, "test": 150}
_SPLIT_OF_TENTH = ("train",) * 8 + ("validation", "test")
"""A family's constants belong to one split for ever, by a hash, so no split holds another's problem in other words."""
_OPERATORS: Mapping[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
}
_BY_NAME = {family.name: family for family in FAMILIES}
_MAX_TRIES = 200
"""Draws without a new problem before the generator gives up."""


def load(
    split: str = "train",
    path: str | Path | None = None,
    n: int | None = None,
    seed: int = 0,
    largest: int = 12,
    min_steps: int = 1,
    max_steps: int = 4,
) -> ProblemSet:
    """Generate `n` different problems of a split, the same for the same arguments on every machine.

    `largest` bounds the constants that are drawn freely and `min_steps`, `max_steps` the operations of a solution:
    together they are the difficulty.
    """
    if path is not None:
        raise DataError(f"word_problems: data.path: the set is generated and reads no file; got {path}")
    if split not in SIZES:
        raise DataError(f"word_problems: split: expected one of {', '.join(SIZES)}; got {split!r}")
    size = SIZES[split] if n is None else n
    families = [family for family in FAMILIES if min_steps <= len(family.steps) <= max_steps]
    for key, value, fits, expected in (
        ("n", size, size >= 1, "at least 1"),
        ("largest", largest, largest >= 3, "at least 3"),
        ("max_steps", max_steps, bool(families), f"a family with {min_steps} to {max_steps} steps; they have 1 to 4"),
    ):
        if not fits:
            raise DataError(f"word_problems: {key}: expected {expected}; got {value}")
    problems: dict[str, Problem] = {}
    for problem in _stream(families, split, seed, largest):
        problems[problem.statement] = problem
        if len(problems) == size:
            return problem_set("word_problems", split, list(problems.values()), licence=LICENCE)
    raise DataError(
        f"word_problems: n: expected at most the {len(problems)} problems found with largest={largest}; got {size}"
    )


def make(family: Family, wording: int, words: tuple[str, str, str], constants: tuple[int, ...]) -> Problem:
    """One problem from its parts; `words` are two names and a thing."""
    who, other, thing = words
    fill = {"who": who, "other": other, "thing": thing, **{f"n{i}": value for i, value in enumerate(constants)}}
    steps, values = [], {f"n{i}": value for i, value in enumerate(constants)}
    lines = [f"    {name} = {value}\n" for name, value in values.items()]
    for index, template in enumerate(family.steps):
        left, symbol, right = template.operation.split()
        first, second = (values[side] if side in values else int(side) for side in (left, right))
        value = _OPERATORS[symbol](first, second)
        expression = f"{first} {symbol} {second}"
        sentence = template.sentence.format(work=f"{expression} = {value}", **fill)
        steps.append(Step(template.question.format(**fill), sentence, expression, value))
        values[f"t{index}"] = value
        lines.append(f"    t{index} = {template.operation}\n")
    statement = family.wordings[wording].format(**fill)
    return Problem(
        id=f"word_problems/{content_id(statement)}",
        statement=statement,
        interface=Interface.ANSWER,
        hidden_tests=HiddenTests((TestCase(output=steps[-1].value),)),
        entry_point="solution",
        starter_code=STARTER,
        limits=Limits(cpu_s=1.0),
        solutions=(f"{STARTER}{''.join(lines)}    return t{len(steps) - 1}\n",),
        source="word_problems",
        licence=LICENCE,
        tags=(
            f"family:{family.name}",
            f"wording:{wording}",
            f"words:{','.join(words)}",
            f"constants:{','.join(map(str, constants))}",
            f"steps:{len(steps)}",
        ),
        rationale=" ".join(step.text for step in steps),
        steps=tuple(steps),
    )


def perturb(problem: Problem, seed: int, largest: int = 12) -> Problem:
    """The same words with other constants, so another answer in general; raises ValueError for a foreign problem."""
    family, wording, words, constants = _parts(problem)
    rng = Random(f"{seed}/{problem.id}")
    for _ in range(_MAX_TRIES):
        drawn = family.draw(rng, largest)
        if drawn != constants:
            return make(family, wording, words, drawn)
    raise ValueError(f"{problem.id}: found no other constants up to {largest}")


def with_constants(program: str, problem: Problem, perturbed: Problem) -> str | None:
    """A program for `problem` with the constants of `perturbed` put in.

    Lines `n0 = 7` are rewritten; None where the program does not name every constant so, or names another value.
    """
    old, new = _parts(problem)[3], _parts(perturbed)[3]
    for index, (before, after) in enumerate(zip(old, new, strict=True)):
        line = rf"^([ \t]*n{index}[ \t]*=[ \t]*){before}([ \t]*)$"
        program, count = re.subn(line, rf"\g<1>{after}\g<2>", program, flags=re.MULTILINE)
        if count != 1:
            return None
    return program


def split_of(family: Family, constants: tuple[int, ...]) -> str:
    """The split to which these constants of a family belong."""
    digest = hashlib.sha256(f"{family.name}:{constants}".encode()).digest()
    return _SPLIT_OF_TENTH[int.from_bytes(digest[:8], "big") % 10]


def _stream(families: list[Family], split: str, seed: int, largest: int) -> Iterator[Problem]:
    """Different problems of the split, until none is found any more."""
    rng = Random(f"{seed}/{split}")
    seen: set[str] = set()
    tries = 0
    while tries < _MAX_TRIES:
        tries += 1
        family = rng.choice(families)
        wording = rng.randrange(len(family.wordings))
        who, other = rng.sample(NAMES, 2)
        words = (who, other, rng.choice(THINGS))
        constants = family.draw(rng, largest)
        if split_of(family, constants) != split:
            continue
        problem = make(family, wording, words, constants)
        if problem.statement not in seen:
            tries = 0
            seen.add(problem.statement)
            yield problem


def _parts(problem: Problem) -> tuple[Family, int, tuple[str, str, str], tuple[int, ...]]:
    """What `make` was given, from the tags."""
    labels = dict(tag.split(":", 1) for tag in problem.tags if ":" in tag)
    try:
        who, other, thing = labels["words"].split(",")
        constants = tuple(int(value) for value in labels["constants"].split(","))
        return _BY_NAME[labels["family"]], int(labels["wording"]), (who, other, thing), constants
    except (KeyError, ValueError) as error:
        raise ValueError(f"{problem.id}: expected a problem of word_problems; its tags lack {error}") from None
