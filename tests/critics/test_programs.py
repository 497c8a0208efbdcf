"""What programs tell about themselves: clusters, dead lines, numbers out of nowhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from critics.filters import agreed, only
from critics.programs import canonical, literals_from_text, without_dead_code
from envs.problem import Problem
from envs.problem_sets.basics import load as load_basics
from envs.problem_sets.word_problems import load
from envs.verdict import Outcome
from tests.builders import a_group, a_problem
from tests.critics.test_filters import written


def solution(*lines: str) -> str:
    return "def solution():\n" + "".join(f"    {line}\n" for line in lines)


def test_names_and_layout_make_no_other_program() -> None:
    one = solution("n0 = 3", "t0 = n0 * 2  # twice", "return t0")
    assert canonical(one) == canonical(solution("a=3", "", "b = (a * 2)", "return b"))
    assert canonical(one) != canonical(solution("a = 3", "b = a * 2", "return a"))
    assert canonical(one) != canonical(solution("a = 2", "b = a * 2", "return b"))
    assert canonical("def (") == "def ("


def test_the_largest_cluster_is_chosen_first() -> None:
    lucky, right, again = (solution(f"return {text}") for text in ("6", "2 * 3", "(2*3)"))
    rollouts = [written(program, 3) for program in (lucky, right, again)]
    assert agreed(rollouts, 1) == [rollouts[1]]
    assert agreed(rollouts, 5) == [rollouts[1], rollouts[0]]


@pytest.mark.parametrize(
    ("lines", "alive"),
    [
        (("a = 1", "b = a + 1", "return b"), True),
        (("a = 1", "b = a + 1", "return a"), False),
        (("a = 1", "b = a", "c = b", "return 5"), False),  # a chain that leads nowhere
        (("a = 1", "a += 1", "return a"), True),
        (("a = 1", "a += 1", "return 5"), False),
        (("return 5", "a = 1"), False),
        (("a = round(5.0)", "return 5"), False),
        (("a = items.pop()", "return 5"), True),  # may have an effect
        (("total = 0", "for i in range(3):", "    total = total + i", "return total"), True),
        (("if 1:", "    return 5", "return 6"), True),
        (("a: int = 4", "return 5"), False),
        (("a, b = 1, 2", "return a"), True),  # only plain assignments are judged
    ],
)
def test_dead_code(lines: tuple[str, ...], alive: bool) -> None:
    assert without_dead_code(solution(*lines), a_problem()) is alive


def test_the_entry_point_is_needed_and_what_does_not_parse_is_left_to_the_tests() -> None:
    assert without_dead_code("add = 5\n", a_problem())
    assert not without_dead_code("other = 5\n", a_problem())
    assert without_dead_code("def (", a_problem())


@pytest.mark.parametrize(
    ("text", "number", "known"),
    [
        ("Ann has 7 apples.", "7", True),
        ("Ann has 7 apples.", "9", False),
        ("Ann has 1,200 apples.", "1200", True),
        ("Ann has seven apples.", "7", True),
        ("20% of them", "0.2", True),
        ("It costs $2.50.", "2.5", True),
        ("nothing", "100", True),
        ("nothing", "True", True),
        ("nothing", "3", False),
    ],
)
def test_numbers_come_from_the_text(text: str, number: str, known: bool) -> None:
    problem = replace(a_problem(), statement=text)
    assert literals_from_text(solution(f"return {number}"), problem) is known


def references() -> list[Problem]:
    return [*load("train", n=150).problems, *load_basics("train", size=60).problems]


def test_references_have_no_dead_code_and_word_problems_no_foreign_numbers() -> None:
    for problem in references():
        for program in problem.solutions:
            assert without_dead_code(program, problem), program
            if problem.source == "word_problems":
                assert literals_from_text(program, problem), program


def test_a_filter_keeps_verdicts_with_their_programs() -> None:
    group = a_group([written("a", 9), written("b", 3)], [Outcome.WRONG_ANSWER, Outcome.PASSED])
    kept = only(group, lambda program, problem: program == "b")
    assert (kept.rollouts, kept.verdicts) == (group.rollouts[1:], group.verdicts[1:])
