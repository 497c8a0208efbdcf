"""Alarms: each is raised by what it is for, once, not by its near miss, and again the same after a run was cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from envs.errors import UserError
from envs.grading import Grader, GradeRequest
from envs.problem import ExampleTests
from envs.rewards import REWARDS
from envs.rollout import Group
from envs.verdict import Outcome, Verdict
from rl.alarms import QUIET, Alarms, Thresholds, unfollowed_rise
from rl.batch import Batch
from rl.collect import NoRecord, Rounds, refuse_unjudged
from rl.config_sections import AlarmsSection
from rl.log import Log
from rl.round_metrics import by_example_tests, rewards_seen
from rl.write import ungraded
from tests.builders import a_group, a_problem, a_rollout

P, W, S = Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.SANDBOX_ERROR
DEFAULTS = Thresholds(**AlarmsSection().model_dump(include=set(Thresholds.__dataclass_fields__)))
OFF = Thresholds(**dict.fromkeys(asdict(DEFAULTS), 0))
Records = list[dict[str, Any]]


def rounds(**metrics: Sequence[Any]) -> Records:
    """Lines of metrics, the n-th holding the n-th value of each metric; None leaves it out."""
    count = max(map(len, metrics.values()))
    return [
        {"phase": "reinforce", "round": number, "reward": 0.5}
        | {name: values[number] for name, values in metrics.items() if values[number] is not None}
        for number in range(count)
    ]


def watched(rewards: Sequence[float], dev: Sequence[float]) -> Records:
    """Two rounds of each reward, then an evaluation."""
    lines: Records = []
    for number, (reward, rate) in enumerate(zip(rewards, dev, strict=True)):
        lines += [{"phase": "reinforce", "round": 2 * number + i, "reward": reward} for i in (0, 1)]
        lines.append({"phase": "reinforce", "round": 2 * number + 1, "dev_pass_rate": rate})
    return lines


def raised(records: Records, thresholds: Thresholds = DEFAULTS) -> list[tuple[int, str]]:
    alarms = Alarms(thresholds)
    return [(alarm.round, alarm.name) for record in records for alarm in alarms.observe(record)]


BROKEN, HEALTHY = {"passed": 90, "sandbox_error": 3}, {"passed": 90, "sandbox_error": 1, "wrong_answer": 2}
RISING = [0.3, 0.3, 0.3, 0.41, 0.41, 0.41]
RAISING: dict[str, tuple[Records, tuple[int, str]]] = {
    "equal rewards": (rounds(equal_rewards=[0.9, *[1.0] * 12]), (10, "equal_rewards")),
    "sandbox errors": (rounds(outcomes=[BROKEN] * 5), (2, "sandbox_errors")),
    "truncated": (rounds(truncated=[0.1, 0.9, 0.4, 0.4]), (3, "truncated")),
    "duplicates": (rounds(duplicates=[0.95] * 4), (2, "duplicates")),
    "overfit, measured now and then": (rounds(overfit=[None, 0.4, None, 0.4, None, 0.4]), (5, "overfit")),
    "reward rises, dev falls": (watched(RISING, [0.3, 0.3, 0.3, 0.2, 0.2, 0.2]), (11, "reward_rise")),
    "reward rises, dev stays": (watched(RISING, [0.3] * 6), (11, "reward_rise")),
    "reward creeps up": (watched([0.3 + 0.03 * i for i in range(12)], [0.3] * 12), (13, "reward_rise")),
}
QUIETER: dict[str, Records] = {
    "one round with signal in ten": rounds(equal_rewards=[*[1.0] * 9, 0.97, *[1.0] * 9]),
    "few sandbox errors": rounds(outcomes=[HEALTHY] * 20),
    "one bad round": rounds(truncated=[0.1, 1.0, 0.1, 0.1], duplicates=[0.8, 1.0, 0.8, 0.8]),
    "at the limit": rounds(truncated=[0.5] * 10, duplicates=[0.75] * 10),
    "two rounds only": rounds(truncated=[1.0] * 2, outcomes=[BROKEN] * 2, overfit=[1.0] * 2),
    "reward and dev rise": watched(RISING, [0.3, 0.3, 0.3, 0.31, 0.31, 0.31]),
    "reward rises a little": watched([0.3, 0.3, 0.3, 0.39, 0.39, 0.39], [0.3] * 6),
    "dev falls, and so does the reward": watched([0.4] * 3 + [0.3] * 3, [0.4] * 3 + [0.2] * 3),
    "one bad evaluation": watched([0.3 + 0.05 * i for i in range(9)], [0.1, 0.2, 0.3, 0.4, 0.5, 0.3, 0.6, 0.6, 0.6]),
    "a phase without rewards": [{"phase": "warm_start", "round": i, "dev_pass_rate": 0.9 - 0.1 * i} for i in range(9)],
}  # fmt: skip


@pytest.mark.parametrize(("records", "alarm"), RAISING.values(), ids=RAISING)
def test_an_alarm_is_raised_when_its_cause_is_there(records: Records, alarm: tuple[int, str]) -> None:
    assert raised(records) == [alarm]


@pytest.mark.parametrize("records", QUIETER.values(), ids=QUIETER)
def test_a_near_miss_raises_none(records: Records) -> None:
    assert raised(records) == []


@pytest.mark.parametrize("records", [records for records, _ in RAISING.values()], ids=RAISING)
def test_zero_switches_an_alarm_off(records: Records) -> None:
    assert raised(records, OFF) == []


def test_an_alarm_is_told_once_and_again_only_after_it_was_quiet_for_long() -> None:
    bad, good = [1.0] * 30, [0.0] * QUIET
    assert raised(rounds(truncated=bad)) == [(2, "truncated")]
    # Shares are means over three rounds: they follow with a delay of one, both when they fall and when they rise.
    assert raised(rounds(truncated=[*bad, *good[1:], *bad])) == [(2, "truncated")]
    assert raised(rounds(truncated=[*bad, *good, *bad])) == [(2, "truncated"), (41, "truncated")]


def test_phases_are_watched_apart() -> None:
    records = rounds(truncated=[0.9] * 4)
    other = [record | {"phase": "other"} for record in records[:2]]
    assert raised([*records[:2], *other, *records[2:]]) == [(2, "truncated")]


def test_the_message_says_what_was_seen_and_what_to_do() -> None:
    alarms = Alarms(DEFAULTS)
    (alarm,) = [alarm for record in rounds(truncated=[0.6] * 3) for alarm in alarms.observe(record)]
    assert alarm.message.startswith("60.0% of the completions were cut at the length limit")
    assert "raise sampling.max_new_tokens" in alarm.message
    said = unfollowed_rise([(0.3, 0.1)] * 3 + [(0.25, 0.4)] * 3, 0.1)
    assert said is not None
    assert said.startswith("the mean reward rose from 0.1 to 0.4 while the dev pass rate went from 30.0% to 25.0%")


Round = tuple[float, int, float | None]
"""Truncated share, whether all rewards are equal, dev pass rate where it is measured."""


def write(folder: Path, values: Sequence[Round], first: int, kept: int | None = None) -> str:
    """Log rounds from `first` on, after a cut to `kept` rounds where it is given; what was shown."""
    shown = StringIO()
    log = Log(folder, Console(file=shown, width=1000), thresholds=replace(DEFAULTS, equal_rewards=3))
    log.phase("reinforce")
    if kept is not None:
        log.cut("reinforce", kept)
    for number in range(first, len(values)):
        truncated, equal, dev = values[number]
        log.round(number, {"tokens": 1.0, "truncated": truncated, "equal_rewards": equal, "reward": number / 10})
        if dev is not None:
            log.evaluation(number, dev)
    return shown.getvalue()


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.6, 0.9]), st.integers(0, 1), st.none() | st.just(0.2)), max_size=40),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_a_run_that_goes_on_raises_the_alarms_of_one_that_was_left_alone(
    tmp_path_factory: pytest.TempPathFactory, values: list[Round], died: int, kept: int
) -> None:
    folder = tmp_path_factory.mktemp("alarms")
    (folder / "whole").mkdir()
    (folder / "cut").mkdir()
    shown = write(folder / "whole", values, 0)
    died = min(died, len(values))
    before = write(folder / "cut", values[:died], 0)
    with (folder / "cut/metrics.jsonl").open("a") as file:
        file.write('{"phase": "rein')
    kept = min(kept, died)
    after = write(folder / "cut", values, kept, kept)
    content = (folder / "whole/metrics.jsonl").read_text() if values else ""
    assert (folder / "cut/metrics.jsonl").read_text() == content
    told = [line for line in shown.splitlines() if line.startswith("alarm")]
    assert len(told) == content.count('"alarm"')
    assert set(told) <= {*before.splitlines(), *after.splitlines()}


def test_an_alarm_is_a_line_of_the_metrics_and_one_on_the_screen(tmp_path: Path) -> None:
    shown = write(tmp_path, [(0.9, 0, None)] * 5, 0)
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(r["round"], r.get("alarm")) for r in records] == [
        (0, None), (1, None), (2, None), (2, "truncated"), (3, None), (4, None),
    ]  # fmt: skip
    assert shown.count("alarm in reinforce, round 3: 90.0% of the completions") == 1


def given_at_once(outcome: Outcome) -> Callable[[GradeRequest], Future[Verdict]]:
    """A grade function with one answer for all."""

    def grade(request: GradeRequest) -> Future[Verdict]:
        future: Future[Verdict] = Future()
        future.set_result(Verdict(outcome, 0, 2, reason="the disk is full" if outcome is S else None))
        return future

    return grade


class Kept(NoRecord):
    """A record that remembers which rounds it was given."""

    def __init__(self) -> None:
        self.rounds: list[int] = []

    def add(self, number: int, groups: Sequence[Group]) -> None:
        self.rounds.append(number)


def test_a_round_that_the_sandbox_could_not_judge_stops_the_run_and_is_not_kept(tmp_path: Path) -> None:
    kept = Kept()
    draw = [a_problem()]

    def write_four(problems: Sequence[Any], number: int) -> Iterator[Group]:
        verdicts = (Verdict(W, 0, 2), Verdict(W, 0, 2), None, None) if number == 0 else (Verdict(W, 0, 2), *[None] * 3)
        yield Group(problems[0], (a_rollout(),) * 4, verdicts)

    broken = Rounds(
        lambda _: draw, write_four, given_at_once(S), rounds=2, record=kept, check=refuse_unjudged(0.5, tmp_path)
    )
    assert len(broken(0)) == 1  # half of them is not more than half
    with pytest.raises(UserError) as caught:
        broken(1)
    assert str(caught.value) == (
        "graders: 3 of 4 programs could not be judged (the disk is full); expected a share of at most "
        "alarms.stop_sandbox_errors = 0.5; these programs were not kept: see `rl-train doctor`, then "
        f"`rl-train run {tmp_path}` writes them again and goes on"
    )
    assert kept.rounds == [0]
    mended = Rounds(
        lambda _: draw, write_four, given_at_once(W), rounds=2, record=kept, check=refuse_unjudged(0.5, tmp_path)
    )
    mended(1)
    assert kept.rounds == [0, 1]
    Rounds(lambda _: draw, write_four, given_at_once(S), rounds=2, record=kept, check=refuse_unjudged(0, tmp_path))(1)


NO_BATCH = Batch(*(torch.zeros(0, 0) for _ in range(6)), columns={})  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("outcomes", "reward", "expected"),
    [
        ([[P, W], [P, P]], "binary", {"reward": 0.75, "equal_rewards": 0.5}),
        ([[W, Outcome.TIMEOUT]], "binary", {"reward": 0.0, "equal_rewards": 1.0}),
        ([[W, Outcome.COMPILE_ERROR]], "four_level", {"reward": -0.65, "equal_rewards": 0.0}),
        ([[P, S, S]], "binary", {"reward": 1.0}),
        ([[P], [P], [W]], "binary", {"reward": 2 / 3, "equal_rewards": 0.0}),
        ([[P], [P], [P, S]], "binary", {"reward": 1.0, "equal_rewards": 1.0}),
        ([[S, S]], "binary", {}),
    ],
)
def test_rewards_are_equal_within_groups_or_among_those_that_are_alone(
    outcomes: list[list[Outcome]], reward: str, expected: dict[str, float]
) -> None:
    groups = [a_group([a_rollout()] * len(row), row) for row in outcomes]
    assert rewards_seen(REWARDS[reward])(0, groups, NO_BATCH) == pytest.approx(expected)


def test_programs_that_know_the_examples_by_heart_are_found() -> None:
    programs = {
        "def add(a, b):\n    return a + b\n": P,
        "def add(a, b):\n    return 3\n": W,
        "def add(a, b):\n    return b - a\n": W,
        "def add(a, b):\n    return a - -b\n": S,  # right, had anybody judged it
    }
    rollouts = [replace(a_rollout(), program=program) for program in programs]
    group = replace(a_group(rollouts, list(programs.values())), problem=a_problem())
    without = replace(group, problem=replace(a_problem(), example_tests=ExampleTests()))
    unjudged = ungraded(a_problem(), rollouts)
    with Grader(workers=1) as grader:
        observe = by_example_tests(grader.submit, every=2)
        assert observe(0, [group], NO_BATCH) == {}
        found = observe(1, [group, without, unjudged], NO_BATCH)
        assert found == pytest.approx({"example_pass_rate": 2 / 3, "overfit": 1 / 3})
        assert observe(1, [without], NO_BATCH) == {}
        assert by_example_tests(grader.submit, every=0)(1, [group], NO_BATCH) == {}
