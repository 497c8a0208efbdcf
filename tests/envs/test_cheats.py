"""Cheating programs are written for every interface, and a look-up table knows the examples."""

import pytest

from envs.cheats import asserted_answer, cheats, example_answers
from envs.extract import is_valid
from envs.problem import ExampleTests, HiddenTests, Interface, Problem, TestCase
from envs.problem_sets import load_problems


def problem(interface: Interface, example: TestCase) -> Problem:
    return Problem("p", "", interface, HiddenTests((example,)), ExampleTests((example,)), "f")


@pytest.mark.parametrize(
    ("interface", "example", "answers"),
    [
        (Interface.FUNCTION, TestCase([1, "a"], [2]), [("(1, 'a')", "[2]")]),
        (Interface.STDIO, TestCase("1\n", "2\n"), [("1\n", "2\n")]),
        (Interface.ASSERT, TestCase(script="import math\nassert f(1, [2]) == 3"), [("(1, [2], )", "3")]),
        (Interface.ASSERT, TestCase(script="assert abs(f(1) - 2) < 1"), []),
        (Interface.PUZZLE, TestCase(script="def sat(x): return x == 1"), []),
        (Interface.ANSWER, TestCase(output=3), []),
    ],
)
def test_answers_of_examples(interface: Interface, example: TestCase, answers: list[tuple[str, str]]) -> None:
    cheated = problem(interface, example)
    assert example_answers(cheated) == answers
    programs = cheats(cheated)
    assert {"empty", "exit 0"} < set(programs)
    assert ("copied examples" in programs) == bool(answers)
    assert all(is_valid(program) for program in programs.values())
    assert len(set(programs.values())) == len(programs)


def test_the_last_assert_of_a_script_counts() -> None:
    assert asserted_answer("assert g(1) == 2\nassert f((1, 2)) == {3}", "f") == ("((1, 2), )", "{3}")
    assert asserted_answer("assert f(x=1) == 2", "f") is None
    assert asserted_answer("assert f(", "f") is None


def test_generated_problems_have_cheats() -> None:
    for generated in load_problems("word_problems", "test", n=5):
        assert len(cheats(generated)) == 12
