"""A right program passes the hidden tests that each format gave, and doing nothing fails them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.cheats import cheats
from envs.grading import Grader, GradeRequest
from envs.problem import Problem
from envs.problem_sets import load_problems
from tests.envs.problem_sets.rows import DOUBLE, ECHO, FORMATS, SPLIT_OF

RIGHT = {
    "double": DOUBLE,
    "has": "class Solution:\n    def has(self, xs, x):\n        return x in xs\n",
    "solution": "def solution():\n    return 4 * 3 + 1000\n",
    None: ECHO,
}
"""Right programs by entry point, for rows that bring none."""


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=1) as grader:
        yield grader


@pytest.mark.parametrize("form", FORMATS)
def test_right_passes_and_nothing_fails(form: str, grader: Grader, tmp_path: Path) -> None:
    name, row = FORMATS[form]
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    (problem,) = load_problems(name, SPLIT_OF.get(name, "train"), tmp_path / "x.jsonl")
    right = problem.solutions or (RIGHT[problem.entry_point],)
    for tests in (problem.hidden_tests, problem.example_tests):
        if tests:
            assert all(verdict.passed for verdict in grader.grade(GradeRequest(problem, p, tests) for p in right))
    idle = [cheats(problem)[key] for key in ("empty", "exit 0")]
    assert not any(v.passed for v in grader.grade(GradeRequest(problem, p, problem.hidden_tests) for p in idle))


@pytest.mark.parametrize("form", ["HumanEval+ inputs", "HumanEval+ script"])
def test_both_forms_of_evalplus_compare_numbers_closely(form: str, grader: Grader, tmp_path: Path) -> None:
    _, row = FORMATS[form]
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    problem: Problem = load_problems("humaneval", "test", tmp_path / "x.jsonl").problems[0]
    programs = ["def double(x):\n    return abs(x) * 2\n", "def double(x):\n    return x * 2.0\n", "def double(x): x\n"]
    verdicts = grader.grade(GradeRequest(problem, program, problem.hidden_tests) for program in programs)
    assert [verdict.passed for verdict in verdicts] == [False, True, False]
