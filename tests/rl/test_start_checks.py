"""Start checks: a sound grader and set pass; a broken grader, vacuous tests and wrong references are named."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from envs.errors import UserError
from envs.grading import Grader, GradeRequest
from envs.problem import HiddenTests, Interface, Problem, TestCase
from envs.problem_sets import load_problems
from envs.verdict import Outcome, Verdict
from rl.cli import main
from rl.start_checks import KNOWN, check_start
from tests.builders import a_problem

RIGHT, WRONG = "def add(a, b):\n    return a + b\n", "def add(a, b):\n    return a\n"


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=2) as grader:
        yield grader


def problems(*solutions: str) -> list[Problem]:
    """A problem for each reference solution."""
    return [replace(a_problem(f"p{i}"), solutions=(code,) if code else ()) for i, code in enumerate(solutions)]


def test_a_sound_grader_and_set_pass(grader: Grader) -> None:
    train, labelled = (load_problems("basics", split).problems for split in ("train", "labelled"))
    assert check_start(grader.grade, train, labelled) == [
        "grader checked: it tells right from wrong; 6 problems refuse programs that do nothing; 3 of 3 references pass"
    ]


def test_a_set_without_references_is_still_tried_with_programs_that_do_nothing(grader: Grader) -> None:
    (said,) = check_start(grader.grade, problems("", ""), problems(""))
    assert said == "grader checked: it tells right from wrong; 2 problems refuse programs that do nothing"


def every(outcome: Outcome) -> Callable[[Iterable[GradeRequest]], list[Verdict]]:
    """A broken grader: one verdict for everything."""
    reason = "no supervisor" if outcome is Outcome.SANDBOX_ERROR else None
    return lambda requests: [Verdict(outcome, 0, len(request.tests), reason=reason) for request in requests]


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome.PASSED, "graders: a program known to be wrong got passed; expected wrong_answer; "),
        (Outcome.WRONG_ANSWER, "graders: a program known to be right got wrong_answer; expected passed; "),
        (Outcome.TIMEOUT, "graders: a program known to be right got timeout; expected passed; "),
        (Outcome.SANDBOX_ERROR, "graders: a program known to be right got sandbox_error (no supervisor); expected"),
    ],
)
def test_a_grader_that_misjudges_what_is_known_stops_the_run(outcome: Outcome, said: str) -> None:
    with pytest.raises(UserError) as caught:
        check_start(every(outcome), problems(RIGHT), [])
    assert str(caught.value).startswith(said)
    assert str(caught.value).endswith("see `rl-train doctor`")


@pytest.mark.slow
def test_a_real_grader_whose_workers_cannot_start_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with Grader(workers=2) as grader:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(UserError, match=r"known to be right got sandbox_error \(a supervisor died while it start"):
            check_start(grader.grade, problems(RIGHT), [])


VACUOUS = Problem(
    id="vacuous",
    statement="Do as you please.",
    interface=Interface.ASSERT,
    hidden_tests=HiddenTests((TestCase(script="assert True"),)),
    solutions=("x = 1\n",),
)
BY_EXIT = replace(VACUOUS, interface=Interface.STDIO, hidden_tests=HiddenTests((TestCase("", ""),)))


@pytest.mark.parametrize("problem", [VACUOUS, BY_EXIT], ids=["assert True", "no output"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_tests_that_an_empty_program_passes_stop_the_run(grader: Grader, problem: Problem, place: int) -> None:
    train = problems(RIGHT, RIGHT, RIGHT)
    train[place] = problem
    with pytest.raises(
        UserError, match=r"data: problem vacuous: the program 'empty', which does nothing, passes all 1 hidden"
    ):
        check_start(grader.grade, train, [])


def test_vacuous_train_problems_are_found_where_the_references_are_elsewhere(grader: Grader) -> None:
    with pytest.raises(UserError, match="problem vacuous"):
        check_start(grader.grade, [replace(VACUOUS, solutions=())], problems(RIGHT))


def test_a_wrong_reference_warns(grader: Grader) -> None:
    said = check_start(grader.grade, problems(RIGHT, WRONG, RIGHT), [])
    assert said == [
        "grader checked: it tells right from wrong; 3 problems refuse programs that do nothing; 2 of 3 references pass",
        "warning: the reference of p1 got wrong_answer; expected passed; `rl-train audit problems` finds all that fail",
    ]


def test_three_wrong_references_are_chance_but_all_of_them_are_not(grader: Grader) -> None:
    said = check_start(grader.grade, problems(*[WRONG] * 7, RIGHT), [])
    assert said[0].endswith("0 of 3 references pass")
    with pytest.raises(
        UserError, match="none of 8 reference solutions passes the hidden tests: that of p0 got wrong_answer"
    ):
        check_start(grader.grade, problems(*[WRONG] * 8), [])


def test_the_built_in_problem_is_sound(grader: Grader) -> None:
    programs = (*KNOWN.solutions, *KNOWN.wrong_programs)
    verdicts = grader.grade([GradeRequest(KNOWN, program, KNOWN.hidden_tests) for program in programs])
    assert [verdict.outcome for verdict in verdicts] == [Outcome.PASSED, Outcome.WRONG_ANSWER]


PASSED_BY_ALL = {
    "id": "v",
    "statement": "Anything.",
    "interface": "assert",
    "hidden_tests": ["assert True"],
    "solutions": ["x = 1\n"],
}


def test_the_command_stops_before_it_makes_a_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("labelled", "train", "dev", "test"):
        (tmp_path / f"{split}.jsonl").write_text(json.dumps(PASSED_BY_ALL) + "\n")
    words = [
        "--data.name",
        "files",
        "--data.train",
        "train",
        "--data.path",
        str(tmp_path),
        "--model.name",
        "scratch:nano",
        "--folder",
        str(tmp_path / "run"),
    ]
    assert main(["run", "rl/configs/quickstart.toml", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        "rl-train: data: problem v: the program 'empty', which does nothing, passes all 1 hidden tests"
    )
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_split_that_is_not_there_is_told_with_its_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labelled.jsonl").write_text(json.dumps(PASSED_BY_ALL) + "\n")
    words = f"--data.name files --data.path {tmp_path} --data.labelled labelled --folder {tmp_path}/run".split()
    assert main(["run", "rl/configs/quickstart.toml", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"rl-train: data.train: {tmp_path}: no file for split 'compositions'")
    assert said.count("\n") == 1
