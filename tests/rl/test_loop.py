"""collect, draw, evaluate and the log: order, counts and what a round says about itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from envs.grading import GradeRequest
from envs.problem import Problem
from envs.rollout import Group, StopReason
from envs.verdict import Outcome, Verdict
from rl.collect import collect
from rl.draw import in_epochs
from rl.evaluate import evaluation_of
from rl.log import Log, describe
from rl.write import rollout_seed, ungraded
from tests.builders import a_group, a_problem, a_rollout

P, W, S = Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.SANDBOX_ERROR


@given(st.integers(1, 30), st.integers(1, 10), st.integers(0, 5))
def test_draw_goes_through_all_problems_once_per_epoch(n: int, count: int, seed: int) -> None:
    problems = [a_problem(str(i)) for i in range(n)]
    draw = in_epochs(problems, count, seed)
    drawn = [problem.id for number in range(n) for problem in draw(number)]
    for epoch in range(count):
        assert sorted(drawn[epoch * n : (epoch + 1) * n]) == sorted(problem.id for problem in problems)


def test_draw_depends_on_seed_and_round_alone() -> None:
    problems = [a_problem(str(i)) for i in range(40)]
    assert in_epochs(problems, 8, 1)(3) == in_epochs(problems, 8, 1)(3)
    assert in_epochs(problems, 8, 1)(3) != in_epochs(problems, 8, 2)(3)


def test_groups_come_in_order_whatever_finishes_first() -> None:
    problems = [a_problem(name) for name in "abc"]

    def write(problems: Sequence[Problem], number: int) -> Iterator[Group]:
        for problem in problems:
            yield ungraded(problem, [replace(a_rollout(), program=f"{problem.id}{i}") for i in (0, 1)])

    waiting: list[tuple[str, Future[Verdict]]] = []

    def grade(request: GradeRequest) -> Future[Verdict]:
        future: Future[Verdict] = Future()
        waiting.append((str(request.program), future))
        if len(waiting) == 6:
            for program, future in reversed(waiting):
                future.set_result(Verdict(P if program == "b1" else W, 0, 2))
        return waiting[-1][1]

    groups = list(collect(problems, write, grade))
    assert [group.problem.id for group in groups] == ["a", "b", "c"]
    assert [[v.passed for v in group.verdicts if v] for group in groups] == [
        [False, False],
        [False, True],
        [False, False],
    ]


def test_without_a_grader_nothing_is_judged() -> None:
    groups = list(collect([a_problem()], lambda problems, _: iter([ungraded(problems[0], [a_rollout()])]), None))
    assert groups[0].verdicts == (None,)


def test_evaluation_is_unbiased_and_leaves_sandbox_errors_out() -> None:
    result = evaluation_of([[P, W, W, W], [P, P, S, S], [S, S]], ks=(1, 2))
    assert result.pass_at[1].mean == pytest.approx((1 / 4 + 1) / 2)
    assert result.pass_at[2].mean == pytest.approx((1 / 2 + 1) / 2)
    assert result.pass_at[1].low <= result.pass_at[1].mean <= result.pass_at[1].high
    assert (result.n_problems, result.n_programs) == (2, 6)
    assert result.outcomes == {"passed": 3, "sandbox_error": 4, "wrong_answer": 3}


def test_an_evaluation_of_nothing_but_sandbox_errors_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no program could be judged"):
        evaluation_of([[S]], ks=(1,))


def test_a_round_describes_its_rollouts() -> None:
    cut = replace(a_rollout(ids=(1, 2, 3, 4)), stop=StopReason.LENGTH)
    groups = [a_group([a_rollout(ids=(1, 2)), cut], [P, W]), a_group([a_rollout(ids=(1, 2))] * 2, [W, W])]
    assert describe(groups) == {
        "rollouts": 4,
        "tokens": 2.5,
        "pass_rate": 0.25,
        "signal": 0.5,
        "truncated": 0.25,
        "duplicates": 0.5,
        "outcomes": {"passed": 1, "wrong_answer": 3},
    }


@pytest.mark.parametrize("terminal", [True, False])
def test_the_log_keeps_metrics_and_seconds_apart(tmp_path: Path, terminal: bool) -> None:
    shown = StringIO()
    with Log(tmp_path, Console(file=shown, force_terminal=terminal, width=120)) as log:
        log.phase("reinforce")
        log.round(0, {"tokens": 12.0, "pass_rate": 0.5, "loss/policy_gradient": 0.25})
        log.evaluation(0, 0.375)
        log.seconds(0, {"write_s": 1.0, "wait_s": 0.5, "learn_s": 0.5})
    metrics = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    timings = [json.loads(line) for line in (tmp_path / "timings.jsonl").read_text().splitlines()]
    assert metrics[0] == {
        "phase": "reinforce",
        "round": 0,
        "tokens": 12.0,
        "pass_rate": 0.5,
        "loss/policy_gradient": 0.25,
    }
    assert metrics[1] == {"phase": "reinforce", "round": 0, "dev_pass_rate": 0.375}
    assert timings == [{"phase": "reinforce", "round": 0, "write_s": 1.0, "wait_s": 0.5, "learn_s": 0.5}]
    assert "37.5%" in shown.getvalue()


def test_what_was_noted_of_rounds_that_are_done_again_is_cut(tmp_path: Path) -> None:
    log = Log(tmp_path, Console(file=StringIO()))
    for phase in ("warm_start", "reinforce"):
        log.phase(phase)
        for number in range(3):
            log.round(number, {"tokens": 1.0})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"phase": "reinf')
    log.cut("reinforce", 1)
    metrics = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(m["phase"], m["round"]) for m in metrics] == [*(("warm_start", n) for n in range(3)), ("reinforce", 0)]


def test_rollout_seeds_are_all_different() -> None:
    seeds = {
        rollout_seed(seed, number, problem, i)
        for seed in range(3) for number in range(5) for problem in ("a", "b", "1") for i in range(8)
    }  # fmt: skip
    assert len(seeds) == 3 * 5 * 3 * 8
    assert all(0 <= seed < 2**63 for seed in seeds)
