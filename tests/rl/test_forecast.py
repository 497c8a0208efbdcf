"""The forecast: the queue's simulation against what can be worked out by hand, and the real command."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.forecast import MOST_GRADERS, Load, Programs, graders_needed, simulate
from tests.command import rl_train
from tests.recipes.test_recipes import SMALL

ENDLESS = Programs(mean_s=1.0, at_limit=1.0, limit_s=2.0)
"""Every program takes exactly two seconds."""


@pytest.mark.parametrize(("graders", "rounds_of_graders"), [(1, 12), (4, 3), (5, 3), (12, 1), (100, 1)])
def test_equal_programs_take_as_many_turns_as_graders_need(graders: int, rounds_of_graders: int) -> None:
    found = simulate(Load(6, write_s=3.0, learn_s=5.0, overlaps=False), ENDLESS, gpus=2, graders=graders)
    assert found.wait_s == pytest.approx(2.0 * rounds_of_graders)
    assert found.round_s == pytest.approx(8.0 + found.wait_s)
    assert found.grader_idle == pytest.approx(1 - 24.0 / (graders * found.round_s))


def test_a_round_written_ahead_is_waited_for_only_beyond_the_steps() -> None:
    load = Load(6, write_s=3.0, learn_s=5.0, overlaps=True)
    assert simulate(load, ENDLESS, gpus=1, graders=3).wait_s == 0.0
    assert simulate(load, ENDLESS, gpus=1, graders=1).wait_s == pytest.approx(7.0)


def test_batches_that_are_written_early_are_run_meanwhile() -> None:
    """Two batches of 256 programs, the first of which has long been run when the second is written."""
    load = Load(512, write_s=2000.0, learn_s=0.0, overlaps=False)
    assert simulate(load, ENDLESS, gpus=1, graders=1).wait_s == pytest.approx(512.0)


@given(st.integers(1, 300), st.integers(1, 4), st.integers(1, 50))
def test_more_graders_never_make_gpus_wait_longer(programs: int, gpus: int, graders: int) -> None:
    load = Load(programs, write_s=1.0, learn_s=1.0, overlaps=False)
    heavy = Programs(mean_s=0.05, at_limit=0.05, limit_s=5.0)
    fewer, more = (simulate(load, heavy, gpus, count).wait_s for count in (graders, graders + 1))
    assert more <= fewer + 1e-9


def test_graders_are_as_few_as_the_wait_allows() -> None:
    load, programs = Load(64, write_s=30.0, learn_s=30.0, overlaps=False), Programs(0.05, 0.01, 2.0)
    needed = graders_needed(load, programs, gpus=8)
    assert 1 < needed.graders < MOST_GRADERS
    assert needed.gpu_idle <= 0.05 < simulate(load, programs, 8, needed.graders - 1).gpu_idle


def test_a_thousand_gpus_are_simulated_in_seconds() -> None:
    load, programs = Load(64, write_s=10.0, learn_s=10.0, overlaps=True), Programs(0.5, 0.02, 10.0)
    started = time.process_time()
    found = simulate(load, programs, gpus=1024, graders=MOST_GRADERS)
    assert time.process_time() - started < 2.0
    assert 0.0 < found.wait_s < programs.limit_s


@pytest.mark.slow
def test_the_command_plans_a_real_config(tmp_path: Path) -> None:
    words = ["plan", "rl/configs/quickstart.toml", *SMALL, "--recipe", "grpo", "--gpus", "2", "--cpus", "2", "--json"]
    done = rl_train(*words, "--folder", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["asked"]["gpus"] == 2
    assert found["asked"]["round_s"] > 0
    assert [one["gpus"] for one in found["needed"]] == [2, 8, 16, 32, 64, 128, 256, 512, 1024]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_more_gpus_than_problems_are_one_line(tmp_path: Path) -> None:
    done = rl_train("plan", "rl/configs/quickstart.toml", "--recipe", "grpo", "--gpus", "1000", "--cpus", "2")
    assert done.returncode == 2
    assert done.stderr == "rl-train: reinforce.problems_per_round: 1000 GPUs need a problem each; got 32\n"
