"""Several ranks: two gloo processes, with uneven whole groups, do what one does; an error on one stops both."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.recipes.test_recipes import SMALL, guesses

FAILING = """
import os
from rl.engine import share, together

def work():
    if share([0, 1]) == [1]:
        raise ValueError("the disk of rank 1 is full")

try:
    together(work)
except (ValueError, RuntimeError) as error:
    os.write(1, f"{type(error).__name__} {error}\\n".encode())  # one write, so that ranks do not mix their lines
"""


def on_ranks(n: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a module or file of python on n ranks of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    launch = [
        "-m",
        "torch.distributed.run",
        f"--nproc-per-node={n}",
        "--master-addr=127.0.0.1",
        f"--master-port={port}",
    ]
    return subprocess.run([sys.executable, *launch, *words], capture_output=True, text=True, timeout=240)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["grpo", "ppo"])
def test_two_ranks_learn_what_one_learns(tmp_path: Path, recipe: str) -> None:
    guesses(tmp_path)
    words = [
        "-m", "rl.cli", "run", "rl/configs/quickstart.toml", *SMALL, "--recipe", recipe, "--data.name", "files", "--data.path",
        str(tmp_path), "--warm_start.rounds", "30", "--warm_start.learning_rate", "1e-2", "--warm_start.problems_per_round", "5", "--reinforce.rounds", "4",
        "--reinforce.problems_per_round", "5", "--reinforce.minibatches", "2", "--graders.workers", "1", "--reinforce.reward", "four_level",
    ]  # fmt: skip
    weights = []
    for n in (1, 2):
        folder = tmp_path / f"ranks{n}"
        done = on_ranks(n, *words, "--folder", str(folder))
        assert done.returncode == 0, done.stderr
        weights.append(load_file(folder / "checkpoints/final/model.safetensors"))
    apart = torch.cat([(weights[0][name] - weights[1][name]).flatten() for name in weights[0]])
    # Of steps of 3e-4 and 1e-2: rounding, through thirty-eight steps of Adam, which blows it up where a gradient is
    # close to 0. Such weights are few, and how far they move depends on the processor.
    assert apart.square().mean().sqrt() < 1e-6
    assert apart.abs().max() < 1e-4


@pytest.mark.slow
def test_an_error_on_one_rank_is_raised_on_all(tmp_path: Path) -> None:
    script = tmp_path / "failing.py"
    script.write_text(FAILING)
    done = on_ranks(2, str(script))
    assert "ValueError the disk of rank 1 is full" in done.stdout
    assert "RuntimeError another rank failed: the disk of rank 1 is full" in done.stdout
