"""Sinks: a run's numbers, sent on to trackio, TensorBoard or Weights & Biases for who watches runs there.

Nothing is sent off this machine unless a tracker is told to by its own settings. A tracker is opened with the first
number; one that fails is left alone from then on, and training goes on. A resumed run repeats the rounds since its
checkpoint, with the same numbers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from envs.errors import UserError
from rl.run import journal


class Sink(ABC):
    """One tracker of a run."""

    package: str
    """What it imports, when the first number comes; also the name of its package."""

    def __init__(self, project: str, folder: Path, config: Mapping[str, Any]) -> None:
        """Remember what the tracker is told when it is opened: the project, the run folder and the run's config."""
        self.project, self.folder, self.config = project, folder, dict(config)

    @abstractmethod
    def open(self) -> None:
        """Begin the tracker's record of this run, or go on with it."""

    @abstractmethod
    def write(self, phase: str, number: int, values: Mapping[str, float]) -> None:
        """Add numbers of a round by their names."""

    @abstractmethod
    def close(self) -> None:
        """End the record; only called when it was opened."""


class TensorBoard(Sink):
    """Event files in the folder `tensorboard` of the run."""

    package = "tensorboardX"

    def open(self) -> None:
        """Begin an event file; that of a resumed run lies beside the first."""
        from tensorboardX import SummaryWriter

        self.writer = SummaryWriter(str(self.folder / "tensorboard"), flush_secs=10)

    def write(self, phase: str, number: int, values: Mapping[str, float]) -> None:
        """Add a scalar per name, the number of the round being its step."""
        for name, value in values.items():
            self.writer.add_scalar(f"{phase}/{name}", value, number)

    def close(self) -> None:
        """Write what is waiting."""
        self.writer.close()


class Trackio(Sink):
    """A run of trackio's, in its own database on this machine: `trackio show`."""

    package = "trackio"

    def open(self) -> None:
        """Begin the run, or go on with it."""
        import trackio

        self.run = trackio.init(
            project=self.project,
            name=run_name(self.folder),
            config=self.config,
            resume="allow",
            embed=False,
            auto_log_cpu=False,
            auto_log_gpu=False,
        )

    def write(self, phase: str, number: int, values: Mapping[str, float]) -> None:
        """Add all names at once, the number of the round being their step."""
        self.run.log({f"{phase}/{name}": value for name, value in values.items()}, step=number)

    def close(self) -> None:
        """Wait until everything is in the database."""
        import trackio

        trackio.finish()  # the run's own method would leave it to be finished again when the interpreter ends


class WeightsAndBiases(Sink):
    """A run of wandb's in the folder `wandb` of the run: `wandb sync` sends it, WANDB_MODE=online does so at once."""

    package = "wandb"

    def open(self) -> None:
        """Begin the run, or go on with it."""
        import wandb

        self.run = wandb.init(
            project=self.project,
            id=run_name(self.folder),
            dir=str(self.folder),
            config=self.config,
            resume="allow",
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )
        self.phases: set[str] = set()

    def write(self, phase: str, number: int, values: Mapping[str, float]) -> None:
        """Add all names at once; every phase counts its own rounds, so wandb's own step is not used."""
        if phase not in self.phases:
            self.run.define_metric(f"{phase}/*", step_metric=f"{phase}/round")
            self.phases.add(phase)
        self.run.log({f"{phase}/{name}": value for name, value in {"round": number, **values}.items()})

    def close(self) -> None:
        """End the run; a process of wandb's own writes what is left, before ours ends."""
        self.run.finish()


SINKS: Mapping[str, type[Sink]] = MappingProxyType(
    {"trackio": Trackio, "tensorboard": TensorBoard, "wandb": WeightsAndBiases}
)
"""Trackers by the name that a config gives."""


class Sinks:
    """The trackers of a run. None of them can stop it."""

    def __init__(self, sinks: Sequence[Sink], say: Callable[[str], None]) -> None:
        """`say` prints a line of plain words: what went wrong with a tracker."""
        self.sinks = list(sinks)
        self.say = say
        self._opened: list[Sink] = []

    def write(self, record: Mapping[str, Any]) -> None:
        """Send on the numbers of one line of metrics or timings."""
        values = numbers({name: value for name, value in record.items() if name != "round"})
        for sink in self.sinks.copy():
            with self._guarded(sink):
                if sink not in self._opened:
                    sink.open()
                    self._opened.append(sink)
                sink.write(record["phase"], record["round"], values)

    def close(self) -> None:
        """End the records of those that were opened and have not failed."""
        for sink in [sink for sink in self.sinks if sink in self._opened]:
            with self._guarded(sink):
                sink.close()

    @contextlib.contextmanager
    def _guarded(self, sink: Sink) -> Iterator[None]:
        """Leave a sink alone once anything has gone wrong with it; what it prints does not mix with our results."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        except Exception as error:  # whatever a foreign library does, the run is worth more
            self.sinks.remove(sink)
            self.say(f"warning: {sink.package} gets no more numbers, training goes on: {type(error).__name__}: {error}")


def refuse_missing(names: Sequence[str]) -> None:
    """Raise UserError where the library of a tracker is not installed; nothing is imported."""
    for name in names:
        package = SINKS[name].package
        if find_spec(package) is None:
            raise UserError(
                f"log.to: {name} needs the package {package}, which is not installed: `pip install {package}`"
            )


def numbers(record: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The finite numbers of a line, nested ones as `outer/inner`."""
    found: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[prefix + name] = value
    return found


def run_name(folder: Path) -> str:
    """A name for the run of a folder: the same whenever it is resumed, another for the next run in that folder."""
    began = json.dumps([str(folder.resolve()), journal(folder)[:1]])
    return f"{folder.resolve().name}-{hashlib.sha256(began.encode()).hexdigest()[:8]}"
