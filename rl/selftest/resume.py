"""Check of resuming: a small run that is killed again and again ends with the bytes of one that was left alone."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rl.config import CONFIGS
from rl.run import journal

UNCOMPARED = {"timings.jsonl", "journal.jsonl", "manifest.json", ".lock", "report.html"}
"""Files of a run folder that hold times, processes and pictures of them."""
PATIENCE_S = 300.0
"""Seconds after which a run that does not end is given up."""
SMALL = (
    "--model.name scratch:nano --data.dev_size 8 --data.test_size 8 --graders.workers 2 --warm_start.rounds 12 "
    "--warm_start.problems_per_round 8 --warm_start.evaluate_every 4 --reinforce.rounds 24 "
    "--reinforce.evaluate_every 6 --reinforce.problems_per_round 8 --reinforce.reward four_level --reinforce.ahead 1 "
    "--sampling.n 4 --sampling.max_new_tokens 24 --evaluation.n 2 --evaluation.ks [1,2] --checkpoints.every 5 "
    "--critic.problems 16 --critic.rounds 6 --critic.problems_per_round 4"
)
"""A run of a few seconds in which every part of a checkpoint matters; four levels of reward give it signal."""


def survives_kills(kills: int, seed: int, say: Callable[[str], None] = lambda line: None) -> list[str]:
    """Kill a small run `kills` times at random moments; the files that differ from those of an unharmed one."""
    with tempfile.TemporaryDirectory() as where:
        unharmed, harmed = Path(where, "unharmed"), Path(where, "harmed")
        started = time.perf_counter()
        finish(unharmed)
        lasted = time.perf_counter() - started
        say(f"a run that is left alone takes {lasted:.0f} s")
        rng = random.Random(seed)
        for number in range(kills):
            delay = rng.uniform(0.0, lasted / 2)
            place = kill_after(harmed, delay)
            say(f"kill {number + 1}: {delay:.2f} s after its start, {place}")
            if place == FINISHED:
                shutil.rmtree(harmed)
        finish(harmed)
        return differing_files(unharmed, harmed)


FINISHED = "when it had finished"


def kill_after(folder: Path, delay: float) -> str:
    """Start or resume the small run, kill it `delay` seconds after it holds its folder; where that hit it."""
    events = len(journal(folder))
    process = subprocess.Popen(command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while len(journal(folder)) == events and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        process.wait(delay)
        return FINISHED
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    lines = (folder / "metrics.jsonl").read_text().splitlines() if (folder / "metrics.jsonl").exists() else []
    return f"after {len(lines)} lines of metrics"


def finish(folder: Path, words: Sequence[str] = ()) -> None:
    """Run the small run to its end; raises RuntimeError with its last line where it fails."""
    done = subprocess.run(command(folder, words), capture_output=True, text=True, timeout=PATIENCE_S)
    if done.returncode:
        raise RuntimeError(f"the run in {folder} ended with {done.returncode}: {done.stderr.strip()[-500:]}")


def command(folder: Path, words: Sequence[str] = ()) -> list[str]:
    """The command line that starts or resumes the small run."""
    return [sys.executable, "-m", "rl.cli", *arguments(folder, words)]


def arguments(folder: Path, words: Sequence[str] = ()) -> list[str]:
    """What follows `rl-train` for the small run."""
    return ["run", str(CONFIGS / "quickstart.toml"), "--resume", "--folder", str(folder), *SMALL.split(), *words]


def differing_files(one: Path, other: Path) -> list[str]:
    """Names of the files of two run folders that are not byte for byte the same, times left out."""

    def files(folder: Path) -> dict[str, Path]:
        found = (path for path in folder.rglob("*") if path.is_file() and path.name not in UNCOMPARED)
        return {path.relative_to(folder).as_posix(): path for path in found}

    ours, theirs = files(one), files(other)
    return sorted(
        name
        for name in {*ours, *theirs}
        if name not in ours or name not in theirs or _content(ours[name], one) != _content(theirs[name], other)
    )


def _content(path: Path, run: Path) -> bytes:
    """The bytes of a file; the config names its own folder, which two runs cannot share."""
    content = path.read_bytes()
    return content.replace(str(run).encode(), b"FOLDER") if path.name == "config.json" else content
