"""The audit finds what is planted in a small set, calls the rest clean, and mends what it found."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from envs.audit import DROPPED, Finding, audit_problems, cleaned, render, write_ledger
from envs.grading import Grader
from envs.problem import ExampleTests, HiddenTests, Interface, Limits, Problem, TestCase
from envs.problem_sets import load_problems
from envs.problem_sets.problem_set import ProblemSet, problem_set


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=2) as grader:
        yield grader


def double(name: str, statement: str = "Return twice the number that is given, whatever its sign may be.") -> Problem:
    return Problem(
        id=name,
        statement=f"{statement} ({name})",
        interface=Interface.FUNCTION,
        hidden_tests=HiddenTests((TestCase([2], 4), TestCase([5], 10), TestCase([-1], -2))),
        example_tests=ExampleTests((TestCase([3], 6),)),
        entry_point="double",
        solutions=("def double(x):\n    return 2 * x\n",),
    )


RIGHT, WRONG = "def double(x):\n    return 2 * x\n", "def double(x):\n    return x\n"
FLAKY = "import time\nCOIN = time.time_ns() // 1000 % 2\ndef double(x):\n    return 2 * x + COIN\n"
SLOW = "def double(x):\n    for _ in range(2_000_000):\n        pass\n    return x + x\n"
WEAK = HiddenTests((TestCase([3], 6),))
GOOD = double("good", "A statement that no other problem of this little set has in common with it.")
PLANTED = {
    "good": GOOD,
    "unsolved": replace(double("unsolved", "alpha beta gamma delta epsilon zeta eta theta"), solutions=(WRONG,)),
    "one_bad": replace(double("one_bad", "one two three four five six seven eight"), solutions=(WRONG, RIGHT)),
    "none": replace(double("none", "red green blue cyan pink grey black white"), solutions=()),
    "flaky": replace(double("flaky", "cat dog cow hen pig rat bat ant"), solutions=(FLAKY,)),
    "weak": replace(double("weak", "north east south west up down left right"), hidden_tests=WEAK),
    "told_wrong": replace(
        double("told_wrong", "iron gold zinc lead tin copper silver brass"),
        example_tests=ExampleTests((TestCase([3], 6), TestCase([4], 9))),
    ),
    "slow": replace(double("slow", "jan feb mar apr may jun jul aug"), solutions=(SLOW,), limits=Limits(cpu_s=0.01)),
    "mislabelled": replace(double("mislabelled", "oak elm ash fir yew bay fig box"), wrong_programs=(RIGHT, WRONG)),
    "twin": replace(GOOD, id="twin"),
    "cousin": replace(GOOD, id="cousin", statement=f"{GOOD.statement} Really.", solutions=(f"# again\n{RIGHT}",)),
}
FOUND = {
    "unsolved": {Finding.REFERENCE_FAILS, Finding.UNSOLVED},
    "one_bad": {Finding.REFERENCE_FAILS},
    "none": {Finding.NO_REFERENCE},
    "flaky": {Finding.FLAKY, Finding.UNSOLVED},
    "weak": {Finding.CHEAT_PASSES},
    "told_wrong": {Finding.EXAMPLE_CONTRADICTS},
    "slow": {Finding.SLOW_REFERENCE},
    "mislabelled": {Finding.WRONG_PROGRAM_PASSES},
    "twin": {Finding.DUPLICATE},
    "cousin": {Finding.NEAR_DUPLICATE},
}


@pytest.fixture(scope="module")
def planted() -> ProblemSet:
    return problem_set("planted", "train", list(PLANTED.values()))


def test_what_is_planted_is_found_and_nothing_else(grader: Grader, planted: ProblemSet) -> None:
    # 20 repeats: a program that flips a coin agrees with itself three times in four runs
    ledger = audit_problems(planted, grader.grade, repeats=20)
    found: dict[str, set[Finding]] = {}
    for entry in ledger.entries:
        found.setdefault(entry.problem_id, set()).add(entry.finding)
    assert found == FOUND
    assert not ledger.clean
    assert ledger.n_references == 11
    assert ledger.n_references_passed == 8
    assert ledger.cpu_limits["good"] == 1.0
    mended = cleaned(planted, ledger)
    unfit = {name for name, findings in FOUND.items() if findings & set(DROPPED)}
    assert [problem.id for problem in mended] == [name for name in PLANTED if name not in unfit]
    by_id = {problem.id: problem for problem in mended}
    assert by_id["one_bad"].solutions == (RIGHT,)
    assert by_id["told_wrong"].example_tests.cases == (TestCase([3], 6),)
    assert by_id["slow"].limits.cpu_s >= 1.0
    assert mended.content_hash != planted.content_hash
    assert audit_problems(mended, grader.grade, repeats=1).clean


def test_a_clean_set_is_clean_and_can_be_written(grader: Grader, tmp_path: Path) -> None:
    generated = load_problems("word_problems", "test", n=12)
    ledger = audit_problems(generated, grader.grade)
    assert ledger.clean
    assert ledger.n_references_passed == ledger.n_references == 12
    assert ledger.n_cheats == 12 * 12
    assert cleaned(generated, ledger).problems == generated.problems
    write_ledger(ledger, tmp_path / "ledger.json")
    written = json.loads((tmp_path / "ledger.json").read_text())
    assert written["clean"] is True
    assert written["n_problems"] == 12
    text = render(ledger)
    assert "12 of 12 pass every time" in text
    assert text.endswith("fit for use")


def test_overlap_with_evaluation_is_found_by_statement_and_by_program(grader: Grader) -> None:
    evaluation = problem_set("held_out", "test", [double("held", "A task about the doubling of one given number here")])
    same_words = replace(double("held"), id="words", statement=evaluation.problems[0].statement.upper(), solutions=())
    same_program = replace(GOOD, id="program", statement="Quite another text without a word in common.")
    training = problem_set("training", "train", [same_words, same_program])
    ledger = audit_problems(training, grader.grade, [evaluation], repeats=1)
    details = {entry.problem_id: entry.detail for entry in ledger.entries if entry.finding is Finding.OVERLAP}
    assert details == {
        "words": "held_out/test held, similarity 1.00",
        "program": "held_out/test held, same program",
    }
