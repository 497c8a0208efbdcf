"""Decompositions: both forms are written and read back, GSM8K's file as it is published."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.calculator import calculate
from envs.decompose import (
    asks_for_answer,
    is_decomposed,
    marked,
    parse_step,
    parse_worked,
    program_of,
    read_steps,
    render_worked,
    split_questions,
    turns,
    value_of,
)
from envs.grading import Grader
from envs.problem import Problem, Step
from envs.problem_sets import load_problems
from envs.step_check import check_steps

WORKED = """\
How many eggs does Janet sell? ** Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 duck eggs a day.
Who buys them? ** Her neighbours do.
How much does Janet make? ** She makes 9 * 2 = $<<9*2=18>>18 a day; 18 is a lot.
#### 18"""


def words(count: int = 20) -> tuple[Problem, ...]:
    return load_problems("word_problems", "train", n=count).problems


def functions(count: int = 20) -> tuple[Problem, ...]:
    return load_problems("basics", "labelled", size=count).problems


def written(problem: Problem) -> str:
    return "".join(turn.asked + turn.answered for turn in turns(problem))


def unasked(problem: Problem) -> str:
    return "".join(turn.unasked for turn in turns(problem))


def test_the_published_form_is_read_with_and_without_marks_and_written_back() -> None:
    steps, answer = parse_worked(WORKED)
    assert answer == 18
    assert steps[0] == Step(
        "How many eggs does Janet sell?", "Janet sells 16 - 3 - 4 = 9 duck eggs a day.", "16-3-4", 9
    )
    assert steps[1] == Step("Who buys them?", "Her neighbours do.")
    assert [value_of(step) for step in steps] == [9, None, 18]
    assert render_worked(steps, answer) == WORKED


def test_a_solution_without_questions_is_read_too() -> None:
    steps, answer = parse_worked("It takes 2/2=<<2/2=1>>1 bolt\n\nIn all 3 bolts\n")
    assert [(step.question, step.expression, value_of(step)) for step in steps] == [("", "2/2", 1), ("", "", 3)]
    assert answer is None
    assert parse_worked(render_worked(steps, 3)) == (steps, 3)


@pytest.mark.parametrize("final", ["#### 12 pens", "#### ", "####", "12", "#### x"])
def test_an_answer_is_a_number_behind_its_mark_and_nothing_else(final: str) -> None:
    assert parse_worked(f"a ** b\n{final}")[1] is None


def test_a_mark_stands_before_the_value_that_was_worked_out() -> None:
    assert marked(Step("", "5 boxes of 1 are 5 * 1 = $5 or 5 coins", "5*1", 5)) == (
        "5 boxes of 1 are 5 * 1 = $<<5*1=5>>5 or 5 coins"
    )
    assert marked(Step("", "So 1,200 in all", "1000+200", 1200)) == "So <<1000+200=1200>>1,200 in all"
    assert marked(Step("", "Nothing of it", "1+1", 2)) == "Nothing of it"


plain_words = st.text("abc ,.?", min_size=1, max_size=12).map(str.strip).filter(bool)
numbers = st.integers(-99, 999)


@settings(deadline=None)  # a machine under load is no failure
@given(st.lists(st.tuples(plain_words, numbers, numbers, plain_words), min_size=1, max_size=4), numbers)
def test_what_is_rendered_is_parsed_back(parts: list[tuple[str, int, int, str]], answer: int) -> None:
    steps = [Step(ask, f"it is {a} + {b} = {a + b} {end}", f"{a} + {b}", a + b) for ask, a, b, end in parts]
    assert parse_worked(render_worked(steps, answer)) == (tuple(steps), answer)


def test_the_published_socratic_file_is_parsed_whole(real_data: Path) -> None:
    """4,821 steps, of which 539 have no mark: zipping questions with marks would misalign them."""
    problems = load_problems("gsm8k_socratic", "test", real_data / "gsm8k").problems
    steps = [step for problem in problems for step in problem.steps]
    assert (len(problems), len(steps), sum(not step.expression for step in steps)) == (1319, 4821, 539)
    assert {len(problem.steps) for problem in problems} == {*range(2, 10), 11}
    assert all(is_decomposed(problem) for problem in problems)
    answers = [problem.hidden_tests.cases[0].output for problem in problems]
    again = [parse_worked(render_worked(p.steps, a)) == (p.steps, a) for p, a in zip(problems, answers, strict=True)]
    assert again.count(False) == 1  # the value of its mark is a fraction, 3/4, which is no number here
    reached = [value_of(p.steps[-1]) == pytest.approx(a) for p, a in zip(problems, answers, strict=True)]
    assert sum(reached) == 1308
    marks = [step for step in steps if step.expression and step.value is not None]
    worked_out = [(value, step.value) for step in marks if (value := calculate(step.expression)) is not None]
    assert len(marks) - len(worked_out) <= 5
    assert sum(value != pytest.approx(said, rel=0.01, abs=0.01) for value, said in worked_out) <= 1


@pytest.mark.parametrize("problems", [words(), functions()], ids=["words", "functions"])
def test_a_problem_s_own_chain_is_read_back(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        assert is_decomposed(problem)
        assert [step.text for step in read_steps(written(problem), problem)] == [step.text for step in problem.steps]
        assert [step.question for step in read_steps(written(problem), problem)] == [s.question for s in problem.steps]
        assert not any(step.question for step in read_steps(unasked(problem), problem))
        *others, last = turns(problem)
        assert asks_for_answer(last.asked, problem)
        assert not any(asks_for_answer(turn.asked, problem) for turn in others)
        questions = [turn.asked for turn in turns(problem)]
        assert split_questions("\n\n".join(questions)) == questions


def test_a_chain_in_words_looks_like_the_published_form() -> None:
    problem = next(problem for problem in words() if len(problem.steps) == 3)
    lines = written(problem).splitlines()
    assert len(lines) == len(problem.steps) + 1
    assert all(parse_step(line).question and "<<" in line and line.count(" ** ") == 1 for line in lines[:-1])
    assert lines[-1] == f"#### {problem.hidden_tests.cases[0].output}"


def test_a_chain_of_helpers_is_a_program_with_docstrings() -> None:
    problem = next(problem for problem in functions(1500) if problem.tags == ("differences", "sum"))
    first, second, last = turns(problem)
    assert re.fullmatch(r'def step_1\(xs\):\n    """[A-Z].*\."""\n', first.asked)
    assert first.answered == "    return [b - a for a, b in zip(xs, xs[1:])]\n"
    assert second.unasked == "def step_2(xs):\n    return sum(xs)\n"
    assert (last.asked, last.answered) == ("def solve(xs):\n", "    return step_2(step_1(xs))\n")


@pytest.mark.parametrize("name", ["train", "compositions"])
def test_problems_to_reinforce_on_bring_no_decomposition(name: str) -> None:
    assert not any(is_decomposed(problem) for problem in load_problems("basics", name, size=30))


def test_steps_without_questions_are_half_a_decomposition(real_data: Path) -> None:
    problem = load_problems("gsm8k", "test", real_data / "gsm8k").problems[0]
    assert is_decomposed(problem, with_questions=False)
    assert not is_decomposed(problem)


def test_a_chain_without_an_answer_is_a_program_that_does_not_compile() -> None:
    problem = words()[0]
    assert program_of("so it is 12\n", problem) == "def solution():\n"
    assert program_of("#### 12\n", problem) == "def solution():\n    return 12\n"


@pytest.mark.slow
def test_own_chains_pass_and_each_step_is_judged_for_itself() -> None:
    right = [(problem, unasked(problem)) for problem in (*words(10), *functions(30))]
    three = next(problem for problem in functions(200) if len(problem.steps) == 3)
    helpers = [turn.unasked for turn in turns(three)]
    broken = "".join([helpers[0], f"{helpers[1].splitlines()[0]}\n    return 'nothing'\n", *helpers[2:]])
    sums = next(problem for problem in words(200) if len(problem.steps) == 3)
    lines = unasked(sums).splitlines(keepends=True)
    astray = "".join([lines[0], "There are 1 + 1 = <<1+1=-7>>-7 pens.\n", lines[2]])
    with Grader(2) as grader:
        checks = check_steps([*right, (three, broken), (three, ""), (sums, astray), (sums, "#### 4\n")], grader.grade)
    assert all(c.complete and c.right == c.judged == c.written == c.expected for c in checks[:40])
    assert [(c.complete, c.written, c.expected, c.judged, c.right) for c in checks[40:]] == [
        (True, 3, 3, 3, 2), (False, 0, 3, 3, 0), (False, 3, 3, 3, 2), (True, 0, 3, 3, 0),
    ]  # fmt: skip


def test_a_step_without_a_number_is_not_judged() -> None:
    steps, _ = parse_worked(WORKED)
    (check,) = check_steps([(replace(words()[0], steps=steps), WORKED)], lambda requests: [])
    assert (check.written, check.expected, check.judged, check.right) == (3, 3, 2, 2)
