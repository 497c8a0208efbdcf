"""Our grader behind the signatures of TRL and verl, on real programs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from envs.errors import UserError
from envs.grading import Grader, GradeRequest
from envs.problem import Interface, Problem, problem_to_row
from envs.reward_audit import INTERFACES
from envs.reward_audit.attacks import targets
from envs.reward_audit.shapes import ground_truth
from envs.reward_function import AsyncUnitTestReward, UnitTestReward, compute_score, problem_of
from envs.verdict import Outcome, Verdict
from rl.cli import main
from tests.builders import a_problem

RIGHT, WRONG = "    return a + b\n", "    return a - b\n"
ROW = json.dumps(problem_to_row(a_problem()))


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(2) as grader:
        yield grader


def test_completions_of_text_and_of_chats_are_rewarded(grader: Grader) -> None:
    reward = UnitTestReward(grader=grader)
    logged: dict[str, list[str]] = {}
    chat = [{"role": "assistant", "content": f"Here it is:\n```python\ndef add(a, b):\n{RIGHT}```"}]
    completions = [RIGHT, WRONG, chat]
    assert reward(completions, [ROW] * 3, log_extra=logged.__setitem__, prompts=["", "", ""]) == [1.0, 0.0, 1.0]
    assert logged == {"outcome": ["passed", "wrong_answer", "passed"]}
    assert [verdict.n_passed for verdict in reward.verdicts] == [2, 1, 2]


def test_the_asynchronous_reward_is_the_same(grader: Grader) -> None:
    reward = AsyncUnitTestReward("four_level", grader=grader)
    assert asyncio.run(reward([RIGHT, WRONG], [ROW] * 2)) == [1.0, -0.3]


class Unsure(Grader):
    """A grader whose sandbox never works."""

    def __init__(self) -> None:
        pass

    def grade(self, requests: Iterable[GradeRequest]) -> list[Verdict]:
        return [Verdict(Outcome.SANDBOX_ERROR, 0, 1, reason="no jail") for _ in requests]


def test_what_nobody_could_judge_has_no_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    assert UnitTestReward(grader=Unsure())([RIGHT], [ROW]) == [None]
    monkeypatch.setattr("envs.reward_function._shared_grader", Unsure)
    with pytest.raises(RuntimeError, match="problem add: the sandbox could not tell"):
        compute_score("any", RIGHT, ROW)


def test_an_unknown_reward_is_refused() -> None:
    with pytest.raises(UserError, match="expected one of binary"):
        UnitTestReward("pass_rate")


@pytest.mark.parametrize("interface", INTERFACES)
def test_tests_in_the_form_of_apps_are_read_back(interface: Interface) -> None:
    problem: Problem = targets(interface, "")[0].problem
    found = problem_of(ground_truth(problem))
    assert replace(found, id=problem.id, statement=problem.statement, limits=problem.limits) == problem


def test_other_texts_are_refused() -> None:
    for text in ('{"answer": 3}', "[]"):
        with pytest.raises(ValueError, match="expected a problem row"):
            problem_of(text)


@pytest.mark.slow
def test_the_audit_finds_nothing_in_our_own_reward(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["audit", "rewards", "--reward", "envs.reward_function:compute_score", "--json"])
    audited = json.loads(capsys.readouterr().out)
    assert code == 0, audited["findings"]
    assert set(audited["forms"]) == set(INTERFACES)
    assert not audited["not_judged"]
    assert not audited["no_limit_found"]
    assert not audited["also_earned"]
