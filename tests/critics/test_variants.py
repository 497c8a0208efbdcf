"""Variants: other names mean the same program, other numbers the same solution of another question."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from critics.programs import canonical
from critics.variants import with_other_names, with_other_numbers
from envs.grading import Grader, GradeRequest
from envs.problem import ExampleTests, Interface, Problem, TestCase
from envs.problem_sets import load_problems
from envs.problem_sets.word_problems import FAMILIES, make
from tests.builders import a_problem


@pytest.mark.parametrize(("name", "split", "n_changed"), [("word_problems", "train", 40), ("basics", "labelled", 3)])
def test_other_names_mean_the_same_program(name: str, split: str, n_changed: int) -> None:
    problems = load_problems(name, split).problems[:50]
    others = [with_other_names(problem.solutions[0], problem, Random(problem.id)) for problem in problems]
    with Grader(1) as grader:
        requests = [GradeRequest(p, other, p.hidden_tests) for p, other in zip(problems, others, strict=True)]
        assert all(verdict.passed for verdict in grader.grade(requests))
    assert all(canonical(other) == canonical(p.solutions[0]) for p, other in zip(problems, others, strict=True))
    assert sum(other != p.solutions[0] for p, other in zip(problems, others, strict=True)) > n_changed


NAMES = """\
import math as m
def helper(ä, k=1):
    b = ä + k
    return b
def add(a, b):
    total = helper(a, k=b)
    half = total / 2
    sum = m.floor(half)
    for half in (1, "total"): pass
    return [total for total in (half, sum, b)]
"""


def test_names_that_stand_for_more_than_a_variable_stay() -> None:
    """Of this program's own names only `half` is a variable wherever it stands: `total` is also a text."""
    assert {with_other_names(NAMES, a_problem(), Random(seed)) for seed in range(9)} == {NAMES}
    plain = NAMES.replace('"total"', "2")
    others = {with_other_names(plain, a_problem(), Random(seed)) for seed in range(9)}
    assert others == {plain, plain.replace("total", "?").replace("half", "total").replace("?", "half")}


@pytest.mark.parametrize("program", ["def add(a, b):\n    return", "x = 1 +", "y = 1\nx = f'{y}'\n", "", "?" * 5])
def test_what_cannot_be_renamed_comes_back(program: str) -> None:
    assert with_other_names(program, a_problem(), Random(0)) == program


def test_other_numbers_stand_in_question_and_program_alike() -> None:
    """The changed right program solves the changed question, as the generator would have written it."""
    by_name = {family.name: family for family in FAMILIES}
    changed = 0
    for problem in load_problems("word_problems", "train").problems[:100]:
        program, other = with_other_numbers(problem.solutions[0], problem, Random(problem.id))
        constants = [int(line.split(" = ")[1]) for line in program.splitlines() if line.startswith("    n")]
        labels = dict(tag.split(":", 1) for tag in problem.tags)
        words = labels["words"].split(",")
        made = make(by_name[labels["family"]], int(labels["wording"]), tuple(words), tuple(constants))  # type: ignore[arg-type]
        assert other.statement == made.statement
        assert program == made.solutions[0]
        assert len(other.statement) == len(problem.statement)
        changed += other.statement != problem.statement
    assert changed > 60


def a_question(statement: str) -> Problem:
    return replace(
        a_problem(), statement=statement, interface=Interface.ANSWER, entry_point="f", example_tests=ExampleTests()
    )


@pytest.mark.parametrize(
    ("statement", "numbers"),
    [
        ("Ana has 37 pens, 7 red ones and 1 blue.", [37, 7]),
        ("At 3.5 dollars, 1,200 people pay 12% of 3400.", [12, 3400]),
        ("Half of 12 is given 12 times. Then 2 more and 100.", []),
        ("She runs 007 miles in a 5km race.", []),
    ],
)
def test_only_numbers_that_are_clear_change(statement: str, numbers: list[int]) -> None:
    for seed in range(5):
        program = "f = lambda: [37, 7, 1, 3.5, 12, 1200, 3400, 2, 100, 5]\n"
        other, problem = with_other_numbers(program, a_question(statement), Random(seed))
        old, new = (ast.literal_eval(text.split(": ", 1)[1]) for text in (program, other))
        pairs = {a: b for a, b in zip(old, new, strict=True) if a != b}
        assert sorted(pairs) == sorted(numbers)
        assert not set(pairs.values()) & set(old)
        assert all(len(str(a)) == len(str(b)) for a, b in pairs.items())
        expected = statement
        for a, b in pairs.items():
            expected = expected.replace(f" {a}", f" {b}")
        assert problem.statement == expected


def test_a_problem_that_shows_examples_or_a_number_written_otherwise_stays() -> None:
    program = "f = lambda: 37\n"
    asked = a_question("37 pens")
    with_example = replace(asked, example_tests=ExampleTests((TestCase(output=37),)))
    assert with_other_numbers(program, with_example, Random(0)) == (program, with_example)
    assert with_other_numbers("f = lambda: 0x25\n", asked, Random(0)) == ("f = lambda: 0x25\n", asked)
    assert with_other_numbers("f = lambda: 37 +\n", asked, Random(0)) == ("f = lambda: 37 +\n", asked)


def test_questions_of_gsm8k_change_with_their_programs(real_data: Path) -> None:
    changed = 0
    for problem in load_problems("gsm8k", "train", real_data / "gsm8k").problems[:200]:
        for program in problem.solutions:
            other, question = with_other_numbers(program, problem, Random(problem.id))
            assert (other == program) == (question.statement == problem.statement)
            changed += other != program
    assert changed > 50
