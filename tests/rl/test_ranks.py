"""Several ranks: two gloo processes, with uneven whole groups, do what one does, and begin and end together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rl.experience import commits
from rl.ranks import free_port, on_ranks
from rl.run import recorded_ranks
from rl.selftest.resume import arguments, differing_files
from tests.command import rl_train
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


def by_torchrun(n: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a module or file of python on n ranks of this machine."""
    launch = [
        "-m",
        "torch.distributed.run",
        f"--nproc-per-node={n}",
        "--master-addr=127.0.0.1",
        f"--master-port={free_port()}",
    ]
    return subprocess.run([sys.executable, *launch, *words], capture_output=True, text=True, timeout=240)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["grpo", "ppo"])
def test_two_ranks_learn_what_one_learns(tmp_path: Path, recipe: str) -> None:
    guesses(tmp_path)
    words = [
        "run", "rl/configs/quickstart.toml", *SMALL, "--recipe", recipe, "--data.name", "files", "--data.train", "train", "--data.path",
        str(tmp_path), "--warm_start.rounds", "30", "--warm_start.learning_rate", "3e-3", "--warm_start.problems_per_round", "5", "--reinforce.rounds", "4",
        "--reinforce.problems_per_round", "5", "--reinforce.minibatches", "2", "--graders.workers", "1", "--reinforce.reward", "four_level",
    ]  # fmt: skip
    weights = []
    for n in (1, 2):
        folder = tmp_path / f"ranks{n}"
        done = rl_train(*words, "--ranks", str(n), "--folder", str(folder))
        assert done.returncode == 0, done.stderr
        assert recorded_ranks(folder) == n
        weights.append(load_file(folder / "checkpoints/final/model.safetensors"))
    apart = torch.cat([(weights[0][name] - weights[1][name]).flatten() for name in weights[0]])
    # Rounding, through thirty-eight steps of Adam, which blows it up where a gradient is close to 0: with a warm start
    # of 1e-2 a processor decides whether the largest is above this bound.
    assert apart.square().mean().sqrt() < 1e-6
    assert apart.abs().max() < 2e-5


@pytest.mark.slow
def test_an_error_on_one_rank_is_raised_on_all(tmp_path: Path) -> None:
    script = tmp_path / "failing.py"
    script.write_text(FAILING)
    done = by_torchrun(2, str(script))
    assert "ValueError the disk of rank 1 is full" in done.stdout
    assert "RuntimeError another rank failed: the disk of rank 1 is full" in done.stdout


def processes_with(words: str) -> list[int]:
    """Processes of this machine whose command line holds some words."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue  # it has ended since
        if words in said:
            found.append(int(path.parent.name))
    return found


@pytest.mark.slow
def test_a_killed_run_takes_its_ranks_with_it_and_goes_on_with_as_many(tmp_path: Path) -> None:
    short = ("--recipe", "grpo", "--reinforce.rounds", "12", "--ranks", "2")
    unharmed, killed = tmp_path / "unharmed", tmp_path / "killed"
    done = rl_train(*arguments(unharmed, short))
    assert done.returncode == 0, done.stderr
    command = [sys.executable, "-m", "rl.cli", *arguments(killed, short)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not commits(killed / "experience") and process.poll() is None:
        time.sleep(0.01)
    assert len(processes_with(str(killed))) == 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 10
    while processes_with(str(killed)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes_with(str(killed)) == []
    done = rl_train("run", str(killed))
    assert done.returncode == 0, done.stderr
    assert differing_files(unharmed, killed) == []


def lose_a_rank() -> None:
    """Begin on two ranks, the second of which knows no such command, and fail as one does that waits for it."""
    with on_ranks(2, ["fly"]):
        assert (os.environ["RANK"], os.environ["WORLD_SIZE"]) == ("0", "2")
        deadline = time.monotonic() + 30
        while processes_with("rl.cli fly") and time.monotonic() < deadline:
            time.sleep(0.05)
        raise ConnectionError("the other rank is gone")


def test_a_rank_that_ends_too_early_is_named_with_its_last_words() -> None:
    before = dict(os.environ)
    with pytest.raises(RuntimeError, match=r"rank 1 ended with 2:\nrl-train: argument .*invalid choice: 'fly'"):
        lose_a_rank()
    assert dict(os.environ) == before


def test_a_rank_starts_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    with on_ranks(2, ["fly"]):
        assert "WORLD_SIZE" not in os.environ


@pytest.mark.slow
def test_a_mistake_is_one_line_however_many_ranks_make_it(tmp_path: Path) -> None:
    done = rl_train("quickstart", "--ranks", "2", "--folder", str(tmp_path / "run"), "--model.name", "scratch:huge")
    assert done.returncode == 2
    assert done.stderr == "rl-train: model.name: expected scratch:nano|tiny|small|nano-t5|tiny-t5; got 'scratch:huge'\n"
