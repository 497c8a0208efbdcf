"""The generated set: deterministic, splits that share no composition, and references that are right."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.errors import UserError
from envs.grading import Grader, GradeRequest
from envs.problem import Problem, problem_from_row, problem_to_row
from envs.problem_sets.basics import FAMILIES, N_EXAMPLE, N_HIDDEN, SPLITS, VARIABLES, load, split_of


def test_same_arguments_give_the_same_problems() -> None:
    assert load("train", size=50).content_hash == load("train", size=50).content_hash
    assert load("train", size=50).content_hash != load("train", size=50, seed=1).content_hash


def test_a_smaller_set_is_the_beginning_of_a_larger_one() -> None:
    assert load("dev", size=20).problems == load("dev", size=40).problems[:20]


def test_held_out_compositions_never_occur_in_training() -> None:
    tags = {split: {problem.tags for problem in load(split)} for split in SPLITS}
    seen = tags["labelled"] | tags["train"] | tags["compositions"]
    assert not seen & (tags["dev"] | tags["test"])
    assert not tags["dev"] & tags["test"]
    assert {name for chain in tags["test"] for name in chain} <= {name for chain in seen for name in chain}


def test_every_family_occurs_in_the_labelled_share() -> None:
    assert {name for problem in load("labelled") for name in problem.tags} == {family.name for family in FAMILIES}


def test_training_problems_carry_no_solution() -> None:
    assert all(not problem.solutions for split in ("train", "compositions") for problem in load(split, size=100))
    assert all(problem.solutions for problem in load("labelled", size=100))


def test_compositions_are_training_chains_of_several_families() -> None:
    lengths = {split: {len(problem.tags) for problem in load(split)} for split in SPLITS}
    assert lengths["labelled"] == lengths["train"] == {1, 2, 3}
    assert lengths["compositions"] == lengths["dev"] == lengths["test"] == {2, 3}


@given(st.lists(st.sampled_from([family.name for family in FAMILIES]), min_size=2, max_size=3))
def test_the_split_of_a_chain_depends_on_its_names_alone(names: list[str]) -> None:
    assert split_of(names) == split_of(list(names)) in SPLITS


def test_tests_are_distinct_and_counted() -> None:
    for problem in load("test", size=200):
        inputs = [case.input for case in (*problem.example_tests, *problem.hidden_tests)]
        assert (len(problem.example_tests), len(problem.hidden_tests)) == (N_EXAMPLE, N_HIDDEN)
        assert all(inputs.count(given) == 1 for given in inputs)


def test_no_constant_and_no_echo_passes() -> None:
    for split in SPLITS:
        for problem in load(split, size=300):
            cases = problem.hidden_tests.cases
            assert len({repr(case.output) for case in cases}) > 1, problem.tags
            assert any(case.input != [case.output] for case in cases), problem.tags


def test_problems_survive_a_trip_through_json_rows() -> None:
    for problem in load("dev", size=100):
        assert problem_from_row(problem_to_row(problem)) == problem


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"split": "validation"}, "expected one of labelled, train, compositions, dev, test; got 'validation'"),
        ({"split": "train", "path": "x.jsonl"}, "reads no files"),
        ({"split": "train", "longest_chain": 9}, "expected 1 to 3; got 9"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        load(**arguments)
    assert "\n" not in str(caught.value)


def test_meanings_never_change_their_input() -> None:
    samples = {"ints": [3, -1, 4], "int": 12, "text": "Ab c", "words": ["ant", "Bee"], "counts": {"a": 2, "b": 1}}
    assert set(samples) == set(VARIABLES)
    for family in FAMILIES:
        value = copy.deepcopy(samples[family.takes])
        family.means(value, family.constants[0])
        assert value == samples[family.takes], family.name


def request_of(problem: Problem, program: str) -> GradeRequest:
    return GradeRequest(problem, program, problem.hidden_tests)


@pytest.mark.slow
def test_references_pass_and_an_empty_answer_fails() -> None:
    problems = load("labelled", size=400).problems
    with Grader() as grader:
        right = grader.grade(request_of(problem, problem.solutions[0]) for problem in problems)
        wrong = grader.grade(request_of(problem, problem.starter_code + "    return None\n") for problem in problems)
    assert [problem.id for problem, verdict in zip(problems, right, strict=True) if not verdict.passed] == []
    assert not any(verdict.passed for verdict in wrong)
