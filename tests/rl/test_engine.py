"""ZeRO on two gloo ranks with uneven groups does what one rank does; its checkpoints belong to nobody's number of ranks."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rl.models import load_policy
from rl.run import journal
from tests.command import rl_train
from tests.recipes.test_recipes import SMALL, guesses
from tests.rl.test_ranks import by_torchrun

pytestmark = pytest.mark.slow


def steps(
    out: Path, ranks: int, stage: int, *, offload: str = "none", steps: int = 9, checkpoint: Path | None = None
) -> dict[str, torch.Tensor]:
    """Run `tests.rl.zero_rank` on some ranks: the gradient of one step, and the weights after it and nine more."""
    words = [
        "-m",
        "tests.rl.zero_rank",
        str(out),
        str(stage),
        offload,
        str(steps),
        *([str(checkpoint)] if checkpoint else []),
    ]
    if ranks == 1:
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=600)
    else:
        done = by_torchrun(ranks, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(out)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """What one rank does without DeepSpeed."""
    return steps(tmp_path_factory.mktemp("alone") / "alone.safetensors", 1, 0)


@pytest.mark.parametrize(
    ("stage", "offload"), [(0, "none"), (1, "none"), (2, "none"), (3, "none"), (2, "optimizer"), (3, "all")]
)
def test_two_ranks_under_zero_do_what_one_does(
    tmp_path: Path, alone: dict[str, torch.Tensor], stage: int, offload: str
) -> None:
    found = steps(tmp_path / "found.safetensors", 2, stage, offload=offload)
    assert found["norms"].min() > 1e-3
    for name, bound in (("gradient", 1e-5), ("first", 1e-5), ("norms", 1e-4), ("weights", 1e-4), ("log_probs", 1e-3)):
        apart = (found[name] - alone[name]).norm() / alone[name].norm()
        assert apart < bound, f"{name} of stage {stage}: {apart}"


def test_a_checkpoint_of_stage_3_goes_on_alone_and_loads_as_plain_transformers(tmp_path: Path) -> None:
    unbroken = steps(tmp_path / "unbroken.safetensors", 1, 0, steps=10, checkpoint=tmp_path / "unused")
    steps(tmp_path / "five.safetensors", 2, 3, steps=5, checkpoint=tmp_path / "checkpoint")
    ten_alone = steps(tmp_path / "alone.safetensors", 1, 0, steps=5, checkpoint=tmp_path / "checkpoint")
    steps(tmp_path / "back5.safetensors", 1, 0, steps=5, checkpoint=tmp_path / "other")
    ten_shared = steps(tmp_path / "shared.safetensors", 2, 3, steps=5, checkpoint=tmp_path / "other")
    for found in (ten_alone, ten_shared):
        assert (found["weights"] - unbroken["weights"]).norm() / unbroken["weights"].norm() < 1e-4
    model = load_policy(str(tmp_path / "shared")).model
    assert torch.equal(torch.cat([p.detach().flatten() for p in model.parameters()]), ten_shared["weights"])


def test_a_run_under_zero_that_is_killed_goes_on_alone_as_if_nothing_had_been(tmp_path: Path) -> None:
    guesses(tmp_path)
    words = (
        "--recipe ppo --data.name files --data.train train --warm_start.rounds 10 --warm_start.learning_rate 3e-3 "
        "--warm_start.problems_per_round 5 --reinforce.rounds 6 --reinforce.problems_per_round 5 --graders.workers 1 "
        "--reinforce.reward four_level --checkpoints.every 2"
    ).split()
    words = ["run", "rl/configs/quickstart.toml", *SMALL, *words, "--data.path", str(tmp_path)]
    alone, harmed = tmp_path / "alone", tmp_path / "harmed"
    done = rl_train(*words, "--folder", str(alone))
    assert done.returncode == 0, done.stderr
    shared = ["--ranks", "2", "--engine.zero", "3", "--folder", str(harmed)]
    process = subprocess.Popen([sys.executable, "-m", "rl.cli", *words, *shared], stdout=subprocess.DEVNULL)
    while not list(harmed.glob("checkpoints/resume/reinforce-*")):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    done = rl_train("run", str(harmed), "--ranks", "1", "--engine.zero", "0")
    assert done.returncode == 0, done.stderr
    weights = [load_file(folder / "checkpoints/final/model.safetensors") for folder in (alone, harmed)]
    apart = torch.cat([(weights[0][name] - weights[1][name]).flatten() for name in weights[0]])
    assert apart.square().mean().sqrt() < 1e-5
    assert {event["event"] for event in journal(harmed)} >= {"started", "resumed", "finished"}
