"""Corpora of maths word problems whose solutions are partly wrong: what the teacher and the student of a study grew up on.

A teacher with random errors only would be right wherever it is asked for its likeliest program. Errors that are
systematic, one operator of a family always taken for another, are what a filter can undo and imitation cannot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from types import MappingProxyType

from envs.problem import Problem
from envs.problem_sets import files
from envs.problem_sets.word_families import FAMILIES
from envs.problem_sets.word_problems import load

MAX_STEPS = 2
TEACHER_SIZE, STUDENT_SIZE = 10_000, 3_000
"""Problems of the two corpora."""
OTHER = {"*": "+", "+": "-", "-": "+", "//": "-"}
"""The operator that a systematic error takes for the right one."""
KINDS = tuple(family.name for family in FAMILIES if len(family.steps) <= MAX_STEPS)


@dataclass(frozen=True, slots=True)
class Shares:
    """How the solutions of a family are dealt; what is left of 1 has a random error."""

    right: float
    """Share of right ones."""
    systematic: float
    """Share with the family's systematic error."""


TEACHER = (Shares(0.25, 0.5), Shares(0.6, 0.0))
"""Every second family has the systematic error."""
STUDENT = (Shares(0.08, 0.12), Shares(0.08, 0.12))


Tell = Callable[[Problem, str, Random], Problem]
"""(problem, `right`, `systematic` or `random`, random numbers) -> the problem as a corpus tells it."""


def told_as_program(problem: Problem, kind: str, rng: Random) -> Problem:
    """The problem with a program that is right or has an error of a kind."""
    [solution] = problem.solutions
    if kind == "random":
        solution = with_random_error(solution, rng)
    elif kind == "systematic":
        solution = with_systematic_error(solution)
    return replace(problem, solutions=(solution,), steps=(), rationale="")


PROGRAMS: Mapping[str, Tell] = MappingProxyType({"teacher": told_as_program, "student": told_as_program})


def write_sets(folder: Path, seed: int, tell: Mapping[str, Tell] = PROGRAMS, largest: int = 12) -> None:
    """Write teacher.jsonl, student.jsonl, train.jsonl, dev.jsonl and test.jsonl; the last three do not depend on the seed.

    Solutions of train, dev and test are right and only for the start check; no problem of a corpus is among them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sets = {name: load(split, max_steps=MAX_STEPS, largest=largest).problems for name, split in SPLITS.items()}
    asked = {problem.statement for problems in sets.values() for problem in problems}
    for name, problems in sets.items():
        files.write([replace(problem, steps=(), rationale="") for problem in problems], folder / f"{name}.jsonl")
    for name, (n, shares, of) in {
        "teacher": (TEACHER_SIZE, TEACHER, 2 * seed + 1),
        "student": (STUDENT_SIZE, STUDENT, 2 * seed + 2),
    }.items():
        drawn = load("train", n=n, seed=of, max_steps=MAX_STEPS, largest=largest).problems
        rng = Random(f"{name} {seed}")
        asked_nowhere = [problem for problem in drawn if problem.statement not in asked]
        corpus = [tell[name](problem, _kind(problem, shares, rng), rng) for problem in asked_nowhere]
        files.write(corpus, folder / f"{name}.jsonl")


SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def _kind(problem: Problem, shares: tuple[Shares, Shares], rng: Random) -> str:
    """Whether a corpus tells a right solution, one with the family's systematic error, or one with a random error."""
    family = problem.tags[0].removeprefix("family:")
    share = shares[KINDS.index(family) % 2]
    drawn = rng.random()
    if drawn >= share.right + share.systematic:
        return "random"
    return "systematic" if drawn >= share.right else "right"


def with_systematic_error(solution: str) -> str:
    """The last operation with another operator, always the same one."""
    *_, last = re.finditer(r"(t\d+ = \w+ )(\S+)( \w+)", solution)
    return solution[: last.start(2)] + OTHER[last[2]] + solution[last.end(2) :]


def with_random_error(solution: str, rng: Random) -> str:
    """One operation with another operator and perhaps other names on its sides."""
    found = rng.choice(list(re.finditer(r"(t\d+) = (\w+) (\S+) (\w+)", solution)))
    names = re.findall(r"^    (n\d+) =", solution, flags=re.MULTILINE)
    operator = rng.choice([other for other in OTHER if other != found[3]])
    wrong = f"{found[1]} = {rng.choice(names)} {operator} {rng.choice(names)}"
    return solution[: found.start()] + wrong + solution[found.end() :]
