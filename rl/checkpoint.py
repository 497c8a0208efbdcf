"""Checkpoints of a phase: everything that the next round depends on, written whole or not at all."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from rl.durable import plain_os_errors, publish_folder, write_json
from rl.engine import gather, is_main, rank

ABOUT = "checkpoint.json"


class Part(Protocol):
    """Something with state that a checkpoint holds: a learner, rounds in flight, a curriculum, random numbers."""

    def save(self, folder: Path) -> None:
        """Write the state into a folder of its own; every rank calls it."""

    def restore(self, folder: Path) -> None:
        """Take the state back; every rank calls it."""


@dataclass(slots=True)
class Checkpoints:
    """The checkpoints of one phase: saves every so many rounds and at its end, and finds where to go on."""

    folder: Path
    """Holds the checkpoints of all phases, as `<phase>-<rounds done>`."""
    phase: str
    """Name of the phase."""
    parts: Mapping[str, Part]
    """What a checkpoint holds, by name."""
    every: int
    """Rounds between two checkpoints."""
    keep: int = 2
    """Checkpoints that stay while the phase runs; one stays when it is over."""
    when_unfinished: Callable[[int], None] = lambda rounds_done: None
    """Called before a phase goes on, with the rounds that count; what was noted of later ones is to be dropped."""
    finished: bool = field(default=False, init=False)
    """Whether the phase is over."""
    rounds: int = field(default=0, init=False)
    """Rounds that the phase has at most."""
    rounds_done: int = field(default=0, init=False)
    """Rounds that are behind the state as it is."""

    def remaining(self, rounds: int) -> range:
        """Restore the newest checkpoint, if there is one; the numbers of the rounds that are still to be done."""
        newest = newest_checkpoint(self.folder, self.phase)
        if newest is not None:
            about = json.loads((newest / ABOUT).read_text(encoding="utf-8"))
            self.rounds_done, self.finished = about["rounds_done"], about["finished"]
            for name, part in self.parts.items():
                part.restore(newest / name)
        if self.finished:
            return range(0)
        self.rounds = rounds
        self.when_unfinished(self.rounds_done)
        return range(self.rounds_done, rounds)

    def round_done(self, number: int, stop: bool = False) -> None:
        """Note that a round is over, and save where a checkpoint is due: always after the last one, or at a `stop`.

        Of the checkpoints of a phase that is over only the last one stays.
        """
        self.rounds_done = number + 1
        self.finished = stop or self.rounds_done == self.rounds
        if self.finished or self.rounds_done % self.every == 0:
            self._save()

    def finish(self) -> None:
        """Save the end of a phase that had no round to do."""
        if not self.finished:
            self.finished = True
            self._save()

    def _save(self) -> None:
        name = f"{self.phase}-{self.rounds_done:06d}"
        partial = self.folder / f".{name}.partial"
        if is_main():
            shutil.rmtree(partial, ignore_errors=True)
            for part in self.parts:
                (partial / part).mkdir(parents=True)
        gather([None])
        with plain_os_errors(self.folder / name):
            for part, state in self.parts.items():
                state.save(partial / part)
        gather([None])
        if is_main():
            about = {"phase": self.phase, "rounds_done": self.rounds_done, "finished": self.finished}
            write_json(partial / ABOUT, about)
            publish_folder(partial, self.folder / name)
            for old in _checkpoints(self.folder, self.phase)[: -1 if self.finished else -self.keep]:
                shutil.rmtree(old)
        gather([None])


class NoCheckpoints:
    """In the place of Checkpoints where nothing is kept, as in tests and measurements."""

    def remaining(self, rounds: int) -> range:
        """All rounds."""
        return range(rounds)

    def round_done(self, number: int, stop: bool = False) -> None:
        """Keep nothing."""

    def finish(self) -> None:
        """Keep nothing."""


class RandomNumbers:
    """The random state of Python, numpy and torch, on every device of this rank."""

    def save(self, folder: Path) -> None:
        """Write one file per rank."""
        numpy_state = np.random.get_state(legacy=False)
        version, internal, gauss = random.getstate()
        state = {
            "python": [version, list(internal), gauss],
            "numpy": [numpy_state["state"]["key"].tolist(), int(numpy_state["state"]["pos"])],
            "numpy_gauss": [numpy_state["has_gauss"], numpy_state["gauss"]],
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        torch.save(state, folder / f"rank-{rank():03d}.pt")

    def restore(self, folder: Path) -> None:
        """Read this rank's file; a rank that the saving run did not have keeps its state."""
        path = folder / f"rank-{rank():03d}.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        version, internal, gauss = state["python"]
        random.setstate((version, tuple(internal), gauss))
        key, position = state["numpy"]
        np.random.set_state(("MT19937", np.asarray(key, dtype=np.uint32), position, *state["numpy_gauss"]))
        torch.set_rng_state(state["torch"])
        if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda"])


class Best:
    """Keeps the policy with the best dev pass rate."""

    def __init__(self, save: Callable[[], None]) -> None:
        """`save` writes the policy as it is now; every rank calls it."""
        self.write_policy = save
        self.pass_rate = -1.0

    def watching(self, evaluate: Callable[[], float]) -> Callable[[], float]:
        """`evaluate`, which also saves the policy when it is better than ever in this phase."""

        def watched() -> float:
            pass_rate = evaluate()
            if pass_rate > self.pass_rate:
                self.pass_rate = pass_rate
                self.write_policy()
            return pass_rate

        return watched

    def save(self, folder: Path) -> None:
        """Write the best pass rate so far."""
        if is_main():
            write_json(folder / "best.json", self.pass_rate)

    def restore(self, folder: Path) -> None:
        """Read it."""
        self.pass_rate = json.loads((folder / "best.json").read_text(encoding="utf-8"))


def newest_checkpoint(folder: Path, phase: str) -> Path | None:
    """The checkpoint of a phase with the most rounds behind it."""
    found = _checkpoints(folder, phase)
    return found[-1] if found else None


def _checkpoints(folder: Path, phase: str) -> list[Path]:
    """The whole checkpoints of a phase, oldest first."""
    pattern = re.compile(re.escape(phase) + r"-\d{6,}")
    found = [path for path in folder.glob(f"{phase}-*") if pattern.fullmatch(path.name) and (path / ABOUT).exists()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))
