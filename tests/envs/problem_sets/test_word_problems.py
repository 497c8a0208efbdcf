"""Generated word problems: right by construction, different in every split, the same for the same seed."""

import ast
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.extract import parse_program
from envs.problem import Problem
from envs.problem_sets import load_problems
from envs.problem_sets.word_families import FAMILIES
from envs.problem_sets.word_problems import perturb, split_of, with_constants


def run_assignments(program: str) -> int | Fraction:
    """A second opinion on a gold program: its assignments worked out over exact fractions, without running it."""
    tree = parse_program(program)
    assert tree is not None
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    values: dict[str, Fraction] = {}

    def worth(node: ast.expr) -> Fraction:
        match node:
            case ast.Constant(value=int(number)):
                return Fraction(number)
            case ast.Name(id=name):
                return values[name]
            case ast.BinOp(left=left, op=op, right=right):
                first, second = worth(left), worth(right)
                match op:
                    case ast.Add():
                        return first + second
                    case ast.Sub():
                        return first - second
                    case ast.Mult():
                        return first * second
                    case ast.FloorDiv():
                        return first / second
        raise AssertionError(ast.dump(node))

    for statement in function.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                values[name] = worth(value)
            case ast.Return(value=ast.expr() as value):
                return worth(value)
    raise AssertionError("no return")


def family_of(problem: Problem) -> str:
    return next(tag for tag in problem.tags if tag.startswith("family:")).removeprefix("family:")


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 60), st.sampled_from(["train", "validation", "test"]))
def test_programs_steps_and_answers_agree(seed: int, largest: int, split: str) -> None:
    for problem in load_problems("word_problems", split, n=40, seed=seed, largest=largest):
        answer = problem.hidden_tests.cases[0].output
        assert run_assignments(problem.solutions[0]) == answer  # exact: shares come out whole
        assert answer > 0
        assert problem.steps[-1].value == answer
        assert problem.rationale == " ".join(step.text for step in problem.steps)
        for step in problem.steps:
            assert f"{step.expression} = {step.value}" in step.text
            assert "{" not in step.question + step.text + problem.statement
        constants = next(tag for tag in problem.tags if tag.startswith("constants:")).removeprefix("constants:")
        assert all(number in problem.statement for number in constants.split(","))


def test_every_family_and_difficulty_is_there() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES) >= 11
    assert {len(family.steps) for family in FAMILIES} == {1, 2, 3, 4}
    for split in ("train", "validation", "test"):
        found = {family_of(problem) for problem in load_problems("word_problems", split, n=600)}
        assert found == {family.name for family in FAMILIES}
    hard = load_problems("word_problems", "train", n=50, min_steps=3)
    assert min(len(problem.steps) for problem in hard) == 3


def test_seeds_are_golden_and_sizes_are_prefixes() -> None:
    first = load_problems("word_problems", "train", n=60)
    assert first == load_problems("word_problems", "train", n=60)
    assert [(problem.statement, problem.hidden_tests.cases[0].output) for problem in first.problems[57:]] == [
        ("Kim rides 12 km an hour for 5 hours and 10 km an hour for 10 hours. How far does Kim ride?", 160),
        ("Finn has 3 beads and Ana has 2 beads. How many beads do they have together?", 5),
        ("Gita must pack 57 apples and packs for 11 hours, 5 in an hour. How many are still to pack?", 2),
    ]
    assert load_problems("word_problems", "train", n=30).problems == first.problems[:30]
    assert load_problems("word_problems", "train", n=60, seed=1).problems != first.problems


def test_no_split_holds_the_constants_of_another() -> None:
    keys: dict[str, set[tuple[str, str]]] = {}
    for split in ("train", "validation", "test"):
        for seed in (0, 1):
            for problem in load_problems("word_problems", split, n=300, seed=seed):
                constants = next(tag for tag in problem.tags if tag.startswith("constants:"))
                keys.setdefault(split, set()).add((family_of(problem), constants))
    assert not keys["train"] & keys["test"]
    assert not keys["train"] & keys["validation"]
    assert not keys["validation"] & keys["test"]


def test_perturbation_changes_constants_and_nothing_else() -> None:
    for problem in load_problems("word_problems", "train", n=100):
        other = perturb(problem, seed=3)
        assert other == perturb(problem, seed=3)
        assert other.statement != problem.statement
        assert [tag for tag in other.tags if not tag.startswith("constants")] == [
            tag for tag in problem.tags if not tag.startswith("constants")
        ]
        rewritten = with_constants(problem.solutions[0], problem, other)
        assert rewritten == other.solutions[0]


def test_programs_that_hide_their_constants_are_not_rewritten() -> None:
    (problem,) = load_problems("word_problems", "train", n=1)
    other = perturb(problem, seed=0)
    assert with_constants("def solution():\n    return 7\n", problem, other) is None


def test_foreign_problems_cannot_be_perturbed() -> None:
    foreign = Problem("x", "", next(iter(load_problems("word_problems", "train", n=1))).interface, ())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected a problem of word_problems"):
        perturb(foreign, 0)


def test_the_split_of_constants_is_golden() -> None:
    others = {n: split for n in range(2, 12) if (split := split_of(FAMILIES[0], (2, n))) != "train"}
    assert others == {3: "validation", 9: "test"}
