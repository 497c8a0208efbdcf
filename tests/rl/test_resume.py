"""A run that is killed, stopped or out of room goes on to the bytes of one that was left alone."""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from rl.checkpoint import newest_checkpoint
from rl.experience import commits
from rl.run import journal
from rl.selftest.resume import arguments, command, differing_files
from tests.command import in_a_fork, rl_train
from tests.recipes.test_recipes import LEARNING, guesses
from tests.rl.dying_run import MOMENTS, run_and_die, run_without_verdicts

SHORT = ("--warm_start.rounds", "4", "--warm_start.evaluate_every", "2", "--reinforce.rounds", "12")
"""A checkpoint after five rounds of reinforcement, and some more rounds: that is enough where one part is looked at."""
PPO = (*SHORT, "--recipe", "ppo", "--reinforce.epochs", "2", "--reinforce.minibatches", "2")
CODERL = (
    *SHORT,
    *("--recipe", "coderl", "--critic.model", "scratch:nano", "--critic.problems", "8", "--critic.rounds", "6"),
    *("--critic.refit_every", "2"),
)
REDRAWN = (*SHORT, *"--recipe grpo --reinforce.ahead 0 --reinforce.max_draws 2 --reinforce.curriculum true".split())


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume") / "unharmed"
    finish(folder)
    return folder


def die(folder: Path, moment: str, count: int, *words: str) -> None:
    """Run until the count-th time of a moment, and be killed there."""
    done = in_a_fork(run_and_die, str(folder), moment, str(count), *words)
    assert done.returncode == -9, done.stderr[-500:]


def finish(folder: Path, words: tuple[str, ...] = ()) -> None:
    """Begin the small run, or go on with it, to its end."""
    done = rl_train(*arguments(folder, words))
    assert done.returncode == 0, done.stderr[-500:]


@pytest.mark.slow
@pytest.mark.parametrize("kills", [{"writing": 3, "grading": 12, "saving": 3}, {"storing": 2, "logging": 15}], ids=str)
def test_killed_at_any_moment_it_ends_with_the_same_bytes(
    unharmed: Path, tmp_path: Path, kills: dict[str, int]
) -> None:
    assert set(kills) <= set(MOMENTS)
    for moment, count in kills.items():
        die(tmp_path / "run", moment, count)
    finish(tmp_path / "run")
    assert differing_files(unharmed, tmp_path / "run") == []


def running(folder: Path) -> subprocess.Popen[str]:
    """The small run, as it is after its first stored round; Ctrl-C reaches it even if these tests are in the background."""
    process = subprocess.Popen(
        command(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not commits(folder / "experience") and process.poll() is None:
        time.sleep(0.01)
    return process


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 100_000], ids=["metrics", "checkpoint"])
def test_a_full_disk_costs_one_line_and_nothing_else(unharmed: Path, tmp_path: Path, room: int) -> None:
    process = running(tmp_path / "run")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert said.endswith(f"File too large; make room, then `rl-train run {tmp_path / 'run'}` goes on\n")
    assert said.count("\n") == 1
    finish(tmp_path / "run")
    assert differing_files(unharmed, tmp_path / "run") == []


@pytest.mark.slow
@pytest.mark.parametrize("polite", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop_says_how_to_go_on(unharmed: Path, tmp_path: Path, polite: signal.Signals) -> None:
    folder = tmp_path / "run"
    process = running(folder)
    process.send_signal(signal.SIGSTOP)
    second = rl_train(*arguments(folder))
    process.send_signal(signal.SIGCONT)
    assert second.returncode == 2
    assert second.stderr == (
        f"rl-train: folder: {folder} is in use by process {process.pid}; wait until it ends, or name another with --folder\n"
    )
    process.send_signal(polite)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == f"rl-train: stopped; `rl-train run {folder}` goes on with it\n"
    done = rl_train("run", str(folder))
    assert done.returncode == 0, done.stderr
    assert differing_files(unharmed, folder) == []
    assert [event["event"] for event in journal(folder)] == ["started", "stopped", "resumed", "finished"]


GRPO = ("--recipe", "grpo")


@pytest.mark.slow
def test_a_sandbox_that_breaks_stops_the_run_before_anything_is_learned_from_it(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = in_a_fork(run_without_verdicts, str(folder), *GRPO)
    assert done.returncode == 2, done.stderr
    assert "32 of 32 programs could not be judged (no processes are left)" in done.stderr
    assert done.stderr.endswith(f"then `rl-train run {folder}` writes them again and goes on\n")
    assert done.stderr.count("\n") == 1
    assert '"sandbox_error"' not in (folder / "metrics.jsonl").read_text()
    finish(folder, GRPO)
    finish(tmp_path / "unharmed", GRPO)
    assert differing_files(tmp_path / "unharmed", folder) == []


@pytest.mark.slow
def test_the_small_run_raises_alarms(unharmed: Path) -> None:
    assert '"alarm"' in (unharmed / "metrics.jsonl").read_text()  # or they would not be tested here


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "collections"), [(PPO, 13), (REDRAWN, 19), (CODERL, 21)], ids=["value head", "redrawn rounds", "critic"]
)
def test_co_learners_and_curricula_are_part_of_a_checkpoint(
    tmp_path: Path, words: tuple[str, ...], collections: int
) -> None:
    finish(tmp_path / "unharmed", words)
    die(tmp_path / "run", "grading", collections, *words)
    newest = newest_checkpoint(tmp_path / "run/checkpoints/resume", "reinforce")
    assert newest is not None
    assert 5 <= int(newest.name.rpartition("-")[2]) < 12
    finish(tmp_path / "run", words)
    assert differing_files(tmp_path / "unharmed", tmp_path / "run") == []


@pytest.mark.slow
def test_iterations_go_on_from_what_was_stored(tmp_path: Path) -> None:
    guesses(tmp_path)
    words = ("--recipe", "expert_iteration", "--data.path", str(tmp_path), *LEARNING[:-1])
    finish(tmp_path / "unharmed", words)
    die(tmp_path / "run", "storing", 4, *words)
    die(tmp_path / "run", "saving", 6, *words)
    finish(tmp_path / "run", words)
    assert differing_files(tmp_path / "unharmed", tmp_path / "run") == []
